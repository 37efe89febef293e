/* A slider and a field for every input that is a number. */

import { h } from "../core/dom.js";

export const CONTROLS = `
.inputs{display:grid;grid-template-columns:minmax(3em,max-content) minmax(60px,260px) 7.5em;gap:2px 10px;
align-items:center;padding:6px 14px 2px}
.inputs:empty{display:none}
.inputs label{font-weight:bold;max-width:12em;overflow:hidden;text-overflow:ellipsis;
white-space:nowrap}
.inputs input{width:100%;height:24px}
.inputs input[type=range],.tensor input[type=range]{accent-color:var(--f);padding:0;cursor:pointer}
.inputs input[type=text],.tensor input[type=text]{font-variant-numeric:tabular-nums}
.account{padding:2px 14px 4px;min-height:1.7em;color:var(--muted);font-size:12px;
overflow-wrap:anywhere;max-width:100%;width:0;min-width:100%}
.account.wrong{color:var(--e);font-weight:bold}
@media(pointer:coarse){.inputs input{height:34px}}
`;

/**
 * @param figure what `mount` returned.
 * @param leaves the inputs that are numbers, as Python describes them.
 * @param {(node: number, value: number|string, at: undefined, ended: boolean) => void} set
 */
export function controls(figure, leaves, set) {
  const rows = new Map();
  const element = h("div", { class: "inputs" });

  function add({ name, node }) {
    const row = control(name, (value, ended) => set(node, value, undefined, ended));
    // The box of an input that is being moved is the one that is looked at.
    row.slider.onfocus = () => figure.highlight([`f${node}`], "active");
    row.slider.onblur = () => figure.highlight([], "active");
    element.append(h("label", { title: name }, name), row.slider, row.field);
    rows.set(node, row);
    return row;
  }

  /** Show what Python says; `mine` is the input that it answers to. */
  function update(now, mine, pending) {
    for (const leaf of now) {
      const { node, value, range } = leaf;
      const row = rows.get(node) ?? add(leaf);
      // What is being moved or typed just now is newer than any answer.
      if (!pending(node) && (node === mine || !row.busy())) row.show(value, range);
    }
  }
  update(leaves, null, () => false);
  return { element, update };
}

/** A slider and a field that say the same number; `change(value, ended)` hears both. */
export function control(name, change) {
  const slider = h("input", { type: "range", "aria-label": name });
  const field = h("input", {
    ...{ type: "text", inputmode: "decimal", "aria-label": `${name}, typed`, spellcheck: "false" },
  });
  let shown;
  slider.oninput = () => {
    field.value = slider.value;
    change(Number(slider.value), false);
  };
  slider.onchange = () => change(Number(slider.value), true);
  const typed = () => {
    if (field.value !== shown) change(field.value, true);
  };
  field.onchange = typed;
  for (const input of [slider, field]) {
    input.addEventListener("keydown", (event) => {
      if (event.key === "Escape") show(Number(shown));
      event.stopPropagation(); // arrows move the slider, not the figure
    });
  }

  /* Is somebody typing? */
  const busy = () => field.getRootNode().activeElement === field && field.value !== shown;

  function show(value, range) {
    shown = String(value);
    field.value = shown;
    if (range) {
      const [low, high, step] = range;
      slider.step = step;
      slider.min = Math.min(low, value);
      slider.max = Math.max(high, value);
    }
    slider.value = value;
  }
  return { slider, field, show, busy };
}
