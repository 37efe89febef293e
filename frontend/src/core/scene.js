/* The picture as SVG: every box a group with its texts, every line a path with its arrow.
 *
 * A scene only draws and marks; it knows nothing of keys, pointers and panels.  canvas.js has the
 * same methods, for pictures of more than 500 boxes.  Read next: index.js. */

import { s, set } from "./dom.js";
import { outline, stripOf, wayOf } from "./shapes.js";

const SMALL_TEXT = 11; // px, badges and ports; nothing is smaller
const HEADINGS = 26; // px above the boxes
const WIDE_HEADING = 160;

/** Texts along the lower side of a box; kinds.js knows them. */
export const FOOT = { texts: () => [] };

const ORDER = ["update", "saved", "parameter", "turn", "gradient", "failed", "forward"];

/**
 * Draw a layout.
 *
 * @param {object} layout what `layOut` returns, see layout/index.js.
 * @param {(key: string) => string} say the words that a screen reader says for a box.
 * @returns a scene: `element`, `width`, `height` and the methods that `Figure` calls.
 */
export function drawSvg(layout, say) {
  const groups = new Map();
  const put = (key, group) => groups.set(key, [...(groups.get(key) ?? []), group]);
  const words = s("g", { class: "shapes" });
  const lines = ORDER.flatMap((style) => layout.lines.filter((line) => line.style === style));
  const drawn = lines.map((line) => {
    const [way, tip] = wayOf(line.points, line.style === "parameter" ? 6 : 7);
    const group = s("g", { class: `line ${line.style}` }, path("way", way), path("tip", tip));
    put(`${line.source}>${line.target}`, group);
    return group;
  });
  for (const box of layout.boxes) {
    const group = drawBox(box, say(box.key));
    put(box.key, group);
    drawn.push(group);
  }
  const top = layout.axis == null ? 0 : HEADINGS;
  const { width } = layout;
  const height = layout.height + top;
  const all = s("g", { transform: `translate(0 ${top})` }, ...headings(layout), ...drawn, words);
  const element = s("svg", { viewBox: `0 0 ${width} ${height}` }, all);
  const box = (key) => groups.get(key)?.[0];
  // A frame around a box, made when somebody may want to see it.
  const ring = (group) => {
    if (!group.box || group.ring) return;
    const { x, y, width, height } = group.box;
    group.ring = path("ring", outline("", x - 4, y - 4, width + 8, height + 8)[0]);
    group.prepend(group.ring);
  };
  return {
    ...{ element, width, height },
    svg: () => element,
    resize: (scale) => set(element, { width: width * scale, height: height * scale }),
    mark(keys, name) {
      for (const group of element.querySelectorAll(`.${name}`)) group.classList.remove(name);
      for (const group of [...keys].flatMap((key) => groups.get(key) ?? [])) {
        ring(group);
        group.classList.add(name);
      }
    },
    write(key, texts) {
      if (!box(key)) return;
      writeBox(box(key), texts);
      set(box(key), { "aria-label": say(key) });
    },
    paint(key, colour) {
      const style = colour ? `fill:${colour};fill-opacity:1` : null;
      set(box(key)?.querySelector(".o"), { style });
    },
    labels: (texts) =>
      words.replaceChildren(...texts.map(({ text, ...at }) => s("text", at, text))),
    at: (target) => target.closest(".box")?.dataset.key ?? null,
    focus(key, scroll) {
      for (const group of element.querySelectorAll("[tabindex='0']")) set(group, { tabindex: -1 });
      ring(set(box(key), { tabindex: 0 }));
      if (!scroll) return;
      box(key).focus({ preventScroll: true });
      box(key).scrollIntoView({ block: "nearest", inline: "nearest" });
    },
  };
}

const path = (name, d) => s("path", { class: name, d });

function drawBox(box, words) {
  const { key, style, x, y, width, height } = box;
  const [shape, extra] = outline(style, x, y, width, height);
  const known = { "data-key": key, role: "img", "aria-label": words };
  const group = s(
    "g",
    { class: `box ${style}`, ...known },
    path("o", shape),
    extra && path("extra", extra),
    s("g"),
  );
  group.box = box;
  writeBox(group, box);
  return group;
}

/* The texts of a box; `texts` go before what the layout gave it. */
function writeBox(group, texts) {
  const { style, label, tag, detail, muted, badges, ports, ...place } = { ...group.box, ...texts };
  const { x, y, width, height } = place;
  const middle = x + (width + stripOf(style)) / 2;
  const base = y + (detail ? 18 : (height - (ports.length ? 16 : 0)) / 2 + 4.5);
  const rooms = badges.map((badge) => measure(badge) + 12);
  const front = rooms.reduce((sum, room) => sum + room + 6, 0);
  let left = middle - front / 2;
  if (front) left -= (measure(label, 13, "bold ") + measure(tag && ` ${tag}`, 12)) / 2;
  const parts = badges.flatMap((badge, i) => {
    const at = left;
    left += rooms[i] + 6;
    const text = s("text", { class: "small", x: at + rooms[i] / 2, y: base - 0.5 }, badge);
    return [path("badge o", outline("badge", at, base - 13.5, rooms[i], 18)[0]), text];
  });
  const at = { x: middle + front / 2, y: base };
  parts.push(
    tag
      ? s("text", at, s("tspan", { class: "label" }, label), ` ${tag}`)
      : s("text", { class: "label", ...at }, label),
  );
  const below = { class: muted ? "muted" : null, x: middle, y: y + 35 };
  if (detail) parts.push(s("text", below, detail));
  parts.push(...FOOT.texts(ports, x + width / 2, y + height - 5));
  group.lastChild.replaceChildren(...parts);
}

/* `forward: values` over the one half, `backward: gradients` over the other. */
function headings({ axis, boxes }) {
  if (axis == null) return [];
  const centre = (half) => {
    const found = boxes.filter(({ key }) => key[0] === half);
    const right = Math.max(...found.map(({ x, width }) => x + width));
    return (Math.min(...found.map(({ x }) => x)) + right) / 2;
  };
  const [f, b] = [centre("f"), centre("b")];
  const apart = Math.max(0, WIDE_HEADING - b + f) / 2;
  return [
    ["forward", f - apart, "forward:", " values"],
    ["gradient", b + apart, "backward:", " gradients"],
  ].map(([style, x, bold, rest]) => {
    const name = s("tspan", { class: `c ${style}` }, bold);
    return s("text", { class: "heading", x, y: 0 }, name, rest);
  });
}

const measured = new Map();
let ruler;

/** Width of a text in pixels, in the font of the picture. */
export function measure(text, size = SMALL_TEXT, weight = "") {
  const key = weight + size + text;
  if (!measured.has(key)) {
    ruler ??= document.createElement("canvas").getContext("2d");
    ruler.font = `${weight}${size}px Helvetica,Arial,'Liberation Sans',sans-serif`;
    measured.set(key, ruler.measureText(text).width);
  }
  return measured.get(key);
}
