/* The legend: one sample of each kind of box that occurs, with its line and its word. */

import { h, s } from "./dom.js";
import { outline, wayOf } from "./shapes.js";

/* The words of `_WORDS` in dlgraph/draw/svg.py (a test compares them), and the line of each kind
 * where it is not of the same name. */
const WORDS = {
  ...{ input: "input", parameter: "parameter", constant: "constant", operation: "operation" },
  ...{ loss: "loss", scope: "more inside", loop: "loop", branch: "branch", function: "function" },
  ...{ backward: "gradient", update: "update", failed: "failed" },
};
const OTHER_LINES = { operation: "forward", backward: "gradient" };

/** Keep the legend of a figure in step with what is drawn. */
export function addLegend(figure) {
  figure.legend = h("div", { class: "legend", "aria-hidden": "true" });
  figure.caption.after(figure.legend);
  figure.on("draw", (layout) => figure.legend.replaceChildren(...entries(layout)));
}

function entries({ boxes, lines, badges }) {
  const styles = new Set(boxes.map(({ style }) => style));
  const found = Object.keys(WORDS).filter((style) => styles.has(style));
  const samples = found.map((style) => {
    const wanted = OTHER_LINES[style] ?? style;
    return sample(style, lines.some((line) => line.style === wanted) && wanted, WORDS[style]);
  });
  return badges ? [...samples, sample("badge", false, badges)] : samples;
}

/** Say what the colours mean: pairs of colour and words, in place of those before. */
export function showScale(figure, scale) {
  for (const old of figure.legend.querySelectorAll(".scale")) old.remove();
  for (const [colour, words] of scale) {
    const entry = sample("operation", false, words);
    entry.className = "scale";
    entry.querySelector(".o").style.cssText = `fill:${colour};fill-opacity:1`;
    figure.legend.append(entry);
  }
}

function sample(style, line, word) {
  const [shape, extra] = outline(style, 1, 1, 22, 14);
  const [way, tip] = wayOf([[24, 8], [46, 8]], 7); // biome-ignore format: two points
  const part = (name, d) => s("path", { class: name, d });
  const box = s("g", { class: style }, part("o", shape), part("extra", extra));
  const arrow = line && s("g", { class: line }, part("way", way), part("tip", tip));
  return h("span", {}, s("svg", { width: line ? 48 : 24, height: 16 }, box, arrow), word);
}
