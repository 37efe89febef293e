/* What a figure with a slider shows of its picture: what is known by now, and where to look. */

import { setValues } from "../core/values.js";

const VALUE = 4; // column of a node's facts, see draw/payload.py

/** The key of a line. */
export const way = ([source, target]) => `${source}>${target}`;

/**
 * Write into all boxes what is known, and make faint what is not.
 *
 * @param {object} figure what `mount` returned.
 * @param {object} known `{key: {tag, detail}}`: the boxes that are known, with what has changed.
 */
export function reveal(figure, known) {
  const { layout, payload } = figure;
  const values = {};
  for (const { key, tag, detail, muted } of layout.boxes) {
    const now = known[key];
    const facts = key[0] === "f" && payload.facts[key.slice(1)];
    if (facts) facts[VALUE] = now?.detail ?? "";
    values[key] = { tag, detail, muted: muted && !now, ...now };
  }
  setValues(figure, values);
  const ends = layout.lines.map(({ source, target }) => [source, target]);
  const open = ends.filter((both) => !both.every((key) => known[key]));
  const waiting = layout.boxes.map(({ key }) => key).filter((key) => !known[key]);
  figure.highlight([...waiting, ...open.map(way)], "ghost");
}

/** Scroll the picture, not the page, to where something happens. */
export function lookAt(figure, keys) {
  const { stage, scene } = figure;
  const find = (key) => scene.element.querySelector(`[data-key="${key}"]`);
  const places = keys.map(find).filter(Boolean);
  if (!places.length) return;
  const rooms = places.map((box) => box.getBoundingClientRect());
  const middle = (low, high) =>
    (Math.min(...rooms.map((room) => room[low])) + Math.max(...rooms.map((room) => room[high]))) /
    2;
  const here = stage.getBoundingClientRect();
  stage.scrollBy({
    left: middle("left", "right") - (here.left + here.right) / 2,
    top: middle("top", "bottom") - (here.top + here.bottom) / 2,
  });
}
