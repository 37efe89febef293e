/* What is laid over the picture: colours by memory, time or gradient, shapes on the edges. */

import { showScale } from "../core/legend.js";
import { addChoice } from "../core/toolbar.js";
import { paint, setValues } from "../core/values.js";

const STRONGEST = 60; // % of the colour; text stays readable on it

/** The choices that the data allow. */
export function addOverlays(figure) {
  const { measures = {}, facts } = figure.payload;
  const names = Object.keys(measures);
  let colour = "";
  let shapes = false;
  const show = () => {
    colourBy(figure, measures[colour]);
    if (shapes) figure.scene.labels(shapesOn(figure.layout, facts));
    else figure.scene.labels(figure.layout.words ?? []);
  };
  if (names.length) {
    const choices = [["", "colour: kind"], ...names.map((name) => [name, `colour: ${name}`])];
    addChoice(figure, "colour by", choices, (name) => {
      colour = name;
      show();
    });
  }
  if (Object.values(facts).some((row) => row[6])) {
    const button = figure.addButton({
      ...{ label: "Shapes on the edges", text: "Shapes", keys: "e", pressed: false },
      action: () => {
        shapes = !shapes;
        button.setAttribute("aria-pressed", String(shapes));
        show();
      },
    });
  }
  figure.on("draw", () => {
    plainWhenSaved(figure.scene, show);
    if (colour || shapes) show();
  });
}

/* A file knows no colours of the page, and few programs know how to mix them: it gets `rgb(…)`. */
function plainWhenSaved(scene, again) {
  const { svg } = scene;
  scene.svg = () => {
    const element = svg();
    for (const outline of element.querySelectorAll(".o[style]")) {
      const { fill } = getComputedStyle(outline);
      const full = fill.startsWith("color(") ? 255 : 1;
      const parts = fill.match(/[\d.e-]+/g).slice(0, 3);
      outline.style.fill = `rgb(${parts.map((part) => Math.round(part * full))})`;
    }
    queueMicrotask(again);
    return element;
  };
}

/* Colour by the logarithm of the share, and the number beside it: never colour alone. */
function colourBy(figure, measure) {
  const keys = figure.order.filter((key) => key[0] === "f");
  if (!measure) {
    paint(figure, null);
    showScale(figure, []);
    setValues(figure, Object.fromEntries(keys.map((key) => [key, null])));
    return;
  }
  const known = Object.values(measure).map(([size]) => size);
  const [low, high] = [Math.log(Math.min(...known)), Math.log(Math.max(...known))];
  const colours = {};
  const texts = {};
  for (const key of keys) {
    const [size, words] = measure[key.slice(1)] ?? [];
    if (words == null) continue;
    const share = high > low ? (Math.log(size) - low) / (high - low) : 1;
    colours[key] = `color-mix(in srgb,var(--f) ${Math.round(share * STRONGEST)}%,var(--bg))`;
    texts[key] = { detail: words, muted: false };
  }
  paint(figure, colours);
  setValues(figure, texts);
  showScale(figure, ends(keys, measure, colours));
}

/* The palest and the strongest box, with their words; one of them if all are alike. */
function ends(keys, measure, colours) {
  const known = keys.filter((key) => colours[key]);
  const size = (key) => measure[key.slice(1)][0];
  known.sort((a, b) => size(a) - size(b));
  const found = [known[0], known.at(-1)].filter(Boolean);
  return new Map(found.map((key) => [colours[key], measure[key.slice(1)][1]]));
}

/* Where a line leaves its box: there it belongs to no other line. */
function shapesOn({ lines }, facts) {
  const found = new Map();
  for (const { style, source, points } of lines) {
    const text = /forward|parameter/.test(style) && facts[source.slice(1)]?.[6];
    const [x, y] = points[0];
    if (text) found.set(`${source} ${x}`, { text, x: x + 6, y: y + 14 });
  }
  return [...found.values()];
}
