/* The legend: one sample of each kind of box that occurs, with its line and its word. */

import { h, s } from "./dom.js";
import { outline, route } from "./shapes.js";

/* The words of `_WORDS` in dlgraph/draw/svg.py (a test compares them), and the line of each kind. */
export const WORDS = {
  input: ["input", ""],
  parameter: ["parameter", "parameter"],
  constant: ["constant", ""],
  operation: ["operation", "forward"],
  loss: ["loss", ""],
  loop: ["loop", ""],
  branch: ["branch", ""],
  function: ["function", ""],
  backward: ["gradient", "gradient"],
  update: ["update", "update"],
  failed: ["failed", "failed"],
};

/** The entries for a layout. */
export function legend(layout) {
  const boxes = new Set(layout.boxes.map((box) => box.style));
  const lines = new Set(layout.lines.map(({ style }) => (style === "turn" ? "gradient" : style)));
  const found = Object.entries(WORDS).filter(([style]) => boxes.has(style));
  const entries = found.map(([style, [word, line]]) =>
    sample(style, lines.has(line) && line, word),
  );
  if (layout.badges) entries.push(sample("badge", "", layout.badges));
  return entries;
}

function sample(style, line, word) {
  const badge = style === "badge";
  const { path, extra } = badge ? outline(style, 2, 2, 20, 12) : outline(style, 1, 1, 22, 14);
  const { path: way, tip } = route(
    [
      [24, 8],
      [46, 8],
    ],
    7,
  ); // prettier-ignore
  const drawn = s(
    "svg",
    { width: line ? 48 : 24, height: 16 },
    s(
      "g",
      { class: style },
      s("path", { class: badge ? "badge" : "o", d: path }),
      extra && s("path", { class: "extra", d: extra }),
    ),
    line &&
      s(
        "g",
        { class: `line ${line}` },
        s("path", { class: "way", d: way }),
        s("path", { class: "tip", d: tip }),
      ),
  );
  return h("span", {}, drawn, word);
}
