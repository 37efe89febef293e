/* A live figure in a notebook: `mount(root, payload, options)`.
 *
 * Everything that a figure of dlgraph shares, whether it is drawn, stepped, built or explored: the
 * shadow root, theme, the scene, selection, focus, keyboard, details, export.  A figure of its own
 * kind is a small module that calls `mount` and then uses what it returns:
 *
 *     import { mount } from "../core/index.js";
 *     export function main(host, payload) {
 *       const figure = mount(host, payload);
 *       figure.addButton({ label: "Next step", text: "Next", keys: "n", action: step });
 *       figure.caption.append("y = 2a + 3b");
 *       setValues(figure, { b3: { tag: "", detail: "1 · 2 = 2", muted: false } });
 *       figure.highlight(["b3", "b6>b3"], "active");
 *       figure.announce("gradient of 2a: 1");
 *     }
 *
 * Keys of boxes: "f7" is node 7, "b7" its gradient; a line is "f3>f7" (source>target).
 * Read next: scene.js, keyboard.js, panel.js, toolbar.js. */

import { h } from "./dom.js";
import { watchKeys } from "./keyboard.js";
import { sentence, showPanel } from "./panel.js";
import { drawSvg } from "./scene.js";
import { FIGURE_STYLE, watchTheme } from "./theme.js";
import { addButton, addTools } from "./toolbar.js";
import { unpack } from "./unpack.js";

/**
 * Show a figure in `root` (its light content, the picture, is covered as long as it is live).
 *
 * @param {HTMLElement} root the element that becomes the figure; it gets a shadow root.
 * @param {object} payload what `dlgraph/draw/payload.py` writes: `facts`, `words`, perhaps `title`
 *   and `text` (by default that of the picture), and `layout` (finished) or what `options.layOut` takes.
 * @param {object} [options]
 * @param {(payload: object, state: object) => object} [options.layOut] makes the layout; by default
 *   the finished one of the payload is unpacked.
 * @param {(layout: object, say: Function, figure: object) => object} [options.draw] makes the scene;
 *   by default `drawSvg`.
 * @param {string} [options.style] more CSS, for the parts of a figure of another kind.
 * @param {(figure: object) => void} [options.ready] called before the first drawing: the moment to add
 *   buttons and listeners.
 * @returns the figure:
 *   - `select(key)`: select a box and show its details, `null` for none; `selected`.
 *   - `focus(key)`: put the keyboard there and scroll it into view; `focused`.
 *   - `values`: other texts in boxes; `setValues` and `paint` of values.js change boxes.
 *   - `highlight(keys, name)`: put a CSS class on these boxes and lines and take it off all others:
 *     "active" (bold), "faint", "failed", or one of your own with `options.style`.
 *   - `say(key)`: a box in one sentence; `trace("inputs" | "readers")`.
 *   - `announce(text)`: said by a screen reader, and kept for tests in `figure.said`.
 *   - `on(name, listener)`: "select" (key), "focus" (key), "draw" (layout), "zoom" (factor),
 *     "theme" (dark).
 *   - `more`: a function from a key to further buttons for its details.
 *   - `addButton({label, text, keys, pressed, action})`: into the toolbar, returns the button.
 *   - `keys`: a Map from key name (`event.key`) to `[words, action]`; "?" shows them all.
 *   - `box(key)`, `inputs(key)`, `readers(key)`, `twin(key)`, `reach(key, "inputs" | "readers")`: what is
 *     drawn and how it hangs together; `order`: all keys; `texts(key)`: what a box says now.
 *   - `redraw(layout)`: draw another layout; selection, focus and values of kept keys stay.
 *   - `zoom(factor)`: 1 is natural size; 0 fits the width.
 *   - `frame`, `bar`, `stage`, `caption`, `panel`: elements; `payload`, `layout`, `scene`.
 *   - `destroy()`.
 */
export function mount(root, payload, options = {}) {
  const figure = new Figure(root, payload, options);
  addTools(figure);
  options.ready?.(figure);
  figure.redraw(options.layOut ? options.layOut(payload, figure) : unpack(payload.layout));
  return figure;
}

class Figure {
  selected = null;
  focused = null;
  scale = 1;
  keys = new Map();
  listeners = new Map();
  values = new Map();

  constructor(root, payload, options) {
    const shadow = root.attachShadow({ mode: "open" });
    // Without this JupyterLab takes the keys: "b" would add a cell.
    root.setAttribute("data-lm-suppress-shortcuts", "true");
    const { title } = payload;
    // The sentence stands already in the picture that the figure covers.
    const text = payload.text ?? root.querySelector("img")?.alt ?? "graph";
    Object.assign(this, { root, payload, options, text });
    this.bar = h("div", { class: "bar", role: "toolbar" }, h("span", { class: "title" }, title));
    this.stage = h("div", { class: "stage", tabindex: -1 });
    this.caption = h("div");
    this.panel = h("div", { class: "panel" });
    this.live = h("div", { class: "said", role: "status" });
    const parts = [this.bar, this.stage, this.caption, this.panel, this.live];
    this.frame = h("div", { class: "figure", role: "figure", "aria-label": text }, ...parts);
    shadow.append(h("style", {}, FIGURE_STYLE + (options.style ?? "")), this.frame);
    this.unwatch = watchTheme((dark) => {
      this.frame.classList.toggle("dark", dark);
      this.tell("theme", dark);
    });
    watchKeys(this);
  }

  destroy() {
    this.unwatch();
    this.frame.remove();
  }

  on(name, listener) {
    this.listeners.set(name, [...(this.listeners.get(name) ?? []), listener]);
  }

  tell(name, value) {
    for (const listener of this.listeners.get(name) ?? []) listener(value);
  }

  redraw(layout) {
    this.layout = layout;
    this.boxes = new Map(layout.boxes.map((box) => [box.key, box]));
    this.order = [...this.boxes.keys()];
    this.ways = { inputs: new Map(), readers: new Map() };
    for (const { style, source, target } of layout.lines) {
      if (style === "update") continue; // a new value is for the next step: no way goes on there
      for (const [way, from, to] of [
        ["inputs", target, source],
        ["readers", source, target],
      ]) {
        this.ways[way].set(from, [...new Set([...(this.ways[way].get(from) ?? []), to])]);
      }
    }
    this.scene = (this.options.draw ?? drawSvg)(layout, (key) => this.say(key), this);
    this.stage.replaceChildren(this.scene.element);
    this.scene.labels?.(layout.words ?? []);
    for (const [key, texts] of this.values) this.scene.write(key, texts);
    this.zoom(this.scale);
    if (!this.boxes.has(this.focused)) this.focused = this.order[0];
    if (this.focused) this.scene.focus(this.focused, false);
    this.select(this.selected, true);
    this.tell("draw", layout);
  }

  zoom(scale) {
    const fit = () => Math.min(1, this.stage.clientWidth / this.scene.width || 1);
    this.scale = Math.min(4, Math.max(0.05, scale || fit()));
    this.scene.resize(this.scale);
    this.tell("zoom", this.scale);
  }

  /** What the figure is about in a few words: for names of files. */
  name() {
    return this.payload.title ?? this.text;
  }

  box(key) {
    return this.boxes.get(key);
  }

  inputs(key) {
    return this.ways.inputs.get(key) ?? [];
  }

  readers(key) {
    return this.ways.readers.get(key) ?? [];
  }

  twin(key) {
    const other = (key[0] === "f" ? "b" : "f") + key.slice(1);
    return this.boxes.has(other) ? other : null;
  }

  say(key) {
    return sentence(this, key);
  }

  select(key, quiet) {
    const before = this.selected;
    this.selected = this.boxes.has(key) ? key : null;
    this.traced = null;
    this.show();
    if (quiet && this.selected === before) return;
    if (this.selected) this.announce(this.say(key));
    this.tell("select", this.selected);
  }

  /** Show all that leads to the focused box ("inputs") or depends on it ("readers"); again: stop. */
  trace(way) {
    if (this.selected !== this.focused) this.select(this.focused);
    this.traced = this.traced === way || !this[way](this.focused).length ? null : way;
    this.show();
  }

  /** Boxes from which a way leads to `key` ("inputs"), or to which one leads ("readers"). */
  reach(key, way) {
    const found = new Set([key]);
    for (const one of found) for (const next of this[way](one)) found.add(next);
    return found;
  }

  show() {
    const { selected, traced } = this;
    const lines = this.layout.lines.map(({ source, target }) => [source, target]);
    const near = lines.filter((ends) => ends.includes(selected)).map((ends) => ends.join(">"));
    this.scene.mark(selected ? [selected, ...near] : [], "selected");
    const kept = traced && this.reach(selected, traced);
    const out = (ends) => kept && !ends.every((end) => kept.has(end));
    const faint = [...this.order.map((key) => [key]), ...lines].filter(out);
    this.scene.mark(faint.map((ends) => ends.join(">")), "faint"); // biome-ignore format: one step
    showPanel(this);
  }

  focus(key) {
    if (!this.boxes.has(key)) return;
    this.focused = key;
    this.scene.focus(key, true);
    this.tell("focus", key);
  }

  /** The texts of a box as they stand now. */
  texts(key) {
    return { ...this.box(key), ...this.values.get(key) };
  }

  highlight(keys, name) {
    this.scene.mark(keys, name);
  }

  announce(text) {
    this.said = text;
    this.live.textContent = text;
  }

  addButton(button) {
    return addButton(this, button);
  }
}
