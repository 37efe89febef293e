/* What is known about the selected box: operation, formula, numbers, shape, the user's line.
 *
 * The facts of a node come from `payload.facts` (see payload.py for the columns), those of a gradient
 * from the box itself.  Read next: keyboard.js. */

import { h } from "./dom.js";

const COLUMNS = [
  ...["operation", "name", "formula", "with numbers", "value", "gradient", "shape", "dtype"],
  ...["scope", "line", "update"],
];
const CODE = new Set(["formula", "with numbers", "line"]);

/** The rows of the details: pairs of what and its text. */
export function rows(figure, key) {
  const { payload } = figure;
  const box = figure.texts(key);
  const facts = box.group < 0 && payload.facts[key.slice(1)];
  if (key[0] === "f" && facts) {
    return COLUMNS.map((name, i) => [name, fact(payload, name, facts[i])]).filter(
      ([, text]) => text,
    );
  }
  const lines = box.title.split("\n").filter(Boolean);
  const found = lines.slice(1).map((text) => ["", text]);
  if (box.detail && !lines.join("\n").includes(box.detail)) found.unshift(["", box.detail]);
  if (key[0] === "b" && facts) {
    const words = facts[1] || facts[2] || facts[0];
    found.unshift([box.style === "update" ? "new value of" : "gradient with respect to", words]);
    if (box.detail && !found.some(([, text]) => text === box.detail))
      found.push(["value", box.detail]);
    if (facts[6]) found.push(["shape", facts[6]]);
  }
  return found;
}

function fact(payload, name, value) {
  return name === "line" && Number.isInteger(value) ? payload.lines[value] : value;
}

/** One sentence for screen readers: "y add: value 23, gradient 1". */
export function sentence(figure, key) {
  const box = figure.texts(key);
  const head = [box.label, box.tag].filter(Boolean).join(" ");
  const known = rows(figure, key)
    .filter(([name]) => !["operation", "name", "dtype", "scope", "line"].includes(name))
    .map(([name, text]) => `${name} ${text}`.trim().replaceAll("×", "by"));
  return [head, ...known].join(", ");
}

/** Fill the panel for the selected box, or hide it. */
export function showPanel(figure) {
  const { panel, selected } = figure;
  panel.hidden = !selected;
  if (!selected) return;
  const box = figure.texts(selected);
  const list = rows(figure, selected).map(([name, text]) => [
    h("dt", {}, name),
    h("dd", {}, CODE.has(name) ? h("code", {}, text) : text),
  ]);
  const pick = (words, direction) =>
    h(
      "button",
      {
        type: "button",
        tabindex: -1,
        "aria-pressed": String(figure.traced === direction),
        disabled: !figure[direction](selected).length,
        onclick: () => figure.toggleTrace(direction),
      },
      words,
    );
  panel.replaceChildren(
    h("h4", {}, [box.label, box.tag].filter(Boolean).join(" · ")),
    h("dl", {}, ...list.flat()),
    h("p", {}, pick("computed from", "inputs"), pick("leads to", "readers")),
  );
}
