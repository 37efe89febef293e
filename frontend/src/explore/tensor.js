/* The array of the selected box: cells in colour, the number under the pointer, one cell to change.
 *
 * Colours and values come from Python as bytes, see dlgraph/draw/heat.py for the scale. */

import { h } from "../core/dom.js";
import { control } from "./controls.js";

export const TENSOR = `
.tensor{border-top:1px solid var(--frame);padding:8px 14px 10px;width:0;min-width:100%}
.tensor .sheet{display:flex;flex-wrap:wrap;gap:4px 18px;align-items:flex-start}
.tensor canvas{image-rendering:pixelated;cursor:crosshair;max-width:100%;outline-offset:2px;
border:1px solid var(--muted);display:block}
.tensor .cells{position:relative}
.tensor .mark{position:absolute;pointer-events:none;outline:2px solid #fff;
filter:drop-shadow(0 0 1.5px #000)}
.tensor p{margin:0}
.tensor .facts{color:var(--muted);font-size:12px}
.tensor .at{font-variant-numeric:tabular-nums;min-height:1.5em}
.tensor .edit{display:flex;gap:10px;align-items:center;margin-top:4px}
.tensor .edit input[type=text]{width:7.5em}
`;

const SIDE = 260; // px of the sheet, each way
const GAP = 1; // cells between two tiles

/** `set(node, value, at, ended)` changes one element. */
export function tensor(set) {
  const canvas = h("canvas", { tabindex: 0, role: "group" });
  const mark = h("div", { class: "mark", hidden: true });
  const at = h("p", { class: "at", "aria-live": "polite" });
  const facts = h("p", { class: "facts" });
  const edit = control("element", (value, ended) =>
    set(Number(shown.key.slice(1)), value, index(cell), ended),
  );
  const editing = h("div", { class: "edit", hidden: true }, edit.slider, edit.field);
  const element = h(
    ...["div", { class: "tensor", hidden: true }],
    h(
      ...["div", { class: "sheet" }],
      ...[h("div", { class: "cells" }, canvas, mark), h("div", {}, facts, at, editing)],
    ),
  );
  let shown = null;
  let cell = null; // its number among all values

  function show(array, [colours, values] = [], key = null) {
    const other = key !== shown?.key || array?.rows !== shown.rows;
    element.hidden = !array;
    if (!array) {
      shown = null;
      return;
    }
    shown = { ...array, key, colours: bytes(colours), values: new Float64Array(copy(values)) };
    if (other) cell = null;
    facts.replaceChildren(...array.words.flatMap((line) => [line, h("br")]));
    draw();
    point(cell ?? -1, other);
  }

  function draw() {
    const { rows, columns, tiles, across, colours } = shown;
    const down = Math.ceil(tiles.length / across);
    const width = across * (columns + GAP) - GAP;
    const height = down * (rows + GAP) - GAP;
    const scale = Math.max(1, Math.min(24, Math.floor(SIDE / Math.max(width, height))));
    Object.assign(canvas, { width, height });
    canvas.style.width = `${width * scale}px`;
    canvas.style.height = `${Math.max(height * scale, 12)}px`;
    const keys = "arrow keys go from cell to cell";
    canvas.setAttribute("aria-label", [...shown.words, keys].join(", "));
    const image = new ImageData(width, height);
    for (let k = 0; 3 * k < colours.length; k++) {
      const [x, y] = place(k);
      image.data.set([...colours.subarray(3 * k, 3 * k + 3), 255], 4 * (y * width + x));
    }
    canvas.getContext("2d").putImageData(image, 0, 0);
  }

  /* Column and row on the sheet of value number k, and back. */
  function place(k) {
    const { rows, columns, across } = shown;
    const tile = Math.floor(k / (rows * columns));
    const [row, column] = [Math.floor((k % (rows * columns)) / columns), k % columns];
    return [
      (tile % across) * (columns + GAP) + column,
      Math.floor(tile / across) * (rows + GAP) + row,
    ];
  }

  function number(x, y) {
    const { rows, columns, across, tiles } = shown;
    const [tileX, column] = [Math.floor(x / (columns + GAP)), x % (columns + GAP)];
    const [tileY, row] = [Math.floor(y / (rows + GAP)), y % (rows + GAP)];
    const tile = tileY * across + tileX;
    const inside = column < columns && row < rows && tileX < across && tile < tiles.length;
    return inside && x >= 0 && y >= 0 ? (tile * rows + row) * columns + column : -1;
  }

  /* The place of value number k in the array, as Python counts. */
  function index(k) {
    const { rows, columns, tiles, axes } = shown;
    const [row, column] = [Math.floor((k % (rows * columns)) / columns), k % columns];
    return [...tiles[Math.floor(k / (rows * columns))], row, column].slice(-axes);
  }

  /* The same for reading; a cell may stand for several elements. */
  function spans(k) {
    const { block, axes } = shown;
    const words = index(k);
    [block[1], block[0]].slice(0, axes).forEach((size, back) => {
      const one = words.length - 1 - back;
      if (size > 1) words[one] = `${words[one] * size}:${(words[one] + 1) * size}`;
    });
    return words.join(", ");
  }

  function point(k, fresh) {
    const chosen = cell != null && place(cell);
    mark.hidden = !chosen;
    if (chosen) {
      const [wide, high] = [canvas.clientWidth / canvas.width, canvas.clientHeight / canvas.height];
      const [left, top] = [1 + chosen[0] * wide, 1 + chosen[1] * high];
      mark.style.cssText = `left:${left}px;top:${top}px;width:${wide}px;height:${high}px`;
    }
    if (k < 0 || k >= shown.values.length) {
      at.textContent = shown.editable
        ? "click a cell, or go there with the arrow keys, to change it"
        : "point at a cell, or go there with the arrow keys";
      editing.hidden = true;
      return;
    }
    const mean = Math.max(...shown.block) > 1 ? "mean " : "";
    at.textContent = `[${spans(k)}]  ${mean}${short(shown.values[k])}`;
    editing.hidden = !shown.editable || k !== cell;
    if (!editing.hidden) edit.show(exact(shown.values[k]), fresh ? shown.range : undefined);
  }

  function under(event) {
    const box = canvas.getBoundingClientRect();
    const x = Math.floor(((event.clientX - box.left) / box.width) * canvas.width);
    const y = Math.floor(((event.clientY - box.top) / box.height) * canvas.height);
    return number(x, y);
  }

  function choose(k) {
    if (k < 0) return;
    cell = k;
    point(k, true);
  }
  canvas.onpointermove = (event) => {
    if (cell == null) point(under(event), true);
  };
  canvas.onpointerleave = () => {
    if (shown) point(cell ?? -1);
  };
  canvas.onclick = (event) => choose(under(event));
  canvas.onkeydown = (event) => {
    const steps = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    const step = steps[event.key];
    if (!step) return;
    const [x, y] = cell == null ? [-step[0], -step[1]] : place(cell);
    const near = number(x + step[0], y + step[1]);
    choose(near < 0 ? number(x + 2 * step[0], y + 2 * step[1]) : near); // over the gap
    event.preventDefault();
    event.stopPropagation();
  };
  return { element, show };
}

const bytes = (view) => new Uint8Array(view.buffer, view.byteOffset, view.byteLength);

/* A view into a message need not begin at a multiple of eight. */
const copy = (view) => view.buffer.slice(view.byteOffset, view.byteOffset + view.byteLength);

const short = (value) => String(Number.isFinite(value) ? Number(value.toPrecision(5)) : value);

/* A float32 as the shortest decimal that is that float32 again. */
function exact(value) {
  for (let digits = 1; digits < 10; digits++) {
    const found = Number(value.toPrecision(digits));
    if (Math.fround(found) === Math.fround(value)) return found;
  }
  return value;
}
