/* What is known about the selected box: operation, formula, numbers, shape, the user's line.
 *
 * The facts of a node come from `payload.facts` (the columns are written by payload.py), those of a
 * gradient from the box itself.  Read next: keyboard.js. */

import { h } from "./dom.js";

const COLUMNS = ["operation", "name", "formula", "numbers", "value", "gradient", "shape", "dtype"];
const ALL = [...COLUMNS, "scope", "line"];

/** The rows of the details: pairs of what and its text. */
function rowsOf(figure, key) {
  const { words, facts } = figure.payload;
  const { title, detail, group, style } = figure.texts(key);
  const node = group < 0 ? facts[key.slice(1)] : null;
  if (node && key[0] === "f") {
    const text = (fact) => (typeof fact === "number" ? words[fact] : fact);
    const known = ALL.map((name, i) => [name, text(node[i])]);
    return [["kind", !node[0] && style], ...known].filter((row) => row[1]);
  }
  const found = title.split("\n").slice(1);
  if (detail && !found.includes(detail)) found.unshift(detail);
  return found.map((text) => ["", text]);
}

/** One sentence for screen readers: "y, add, formula 2·a + 3·b, value 23, gradient 1". */
export function sentence(figure, key) {
  const { label, tag } = figure.texts(key);
  const rows = rowsOf(figure, key).map((row) => row.join(" ").trim());
  return [label, tag, ...rows].filter(Boolean).join(", ").replaceAll("×", "by");
}

/** Fill the panel for the selected box, or hide it. */
export function showPanel(figure) {
  const { panel, selected: key, traced } = figure;
  panel.hidden = !key;
  if (!key) return;
  const { label, tag } = figure.texts(key);
  const rows = rowsOf(figure, key).map(([name, text]) => [
    h("dt", {}, name),
    h("dd", {}, /form|num|line/.test(name) ? h("code", {}, text) : text),
  ]);
  const buttons = [
    ["trace inputs", "inputs"],
    ["trace outputs", "readers"],
  ].map(([words, way], place) => {
    const onclick = () => {
      figure.trace(way);
      panel.querySelectorAll("button")[place].focus({ preventScroll: true }); // a new one
    };
    const pressed = { "aria-pressed": String(traced === way), onclick };
    const disabled = !figure[way](key).length;
    return h("button", { type: "button", tabindex: -1, disabled, ...pressed }, words);
  });
  const head = h("h4", {}, tag ? `${label} ${tag}` : label);
  panel.replaceChildren(
    head,
    h("dl", {}, ...rows.flat()),
    h("p", {}, ...buttons, ...(figure.more?.(key) ?? [])),
  );
}
