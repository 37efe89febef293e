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
 *       figure.setValues({ b3: { tag: "", detail: "1 · 2 = 2", muted: false } });
 *       figure.highlight(["b3", "b6>b3"], "active");
 *       figure.announce("gradient of 2a: 1");
 *     }
 *
 * Keys of boxes: "f7" is node 7, "b7" its gradient; a line is "f3>f7" (source>target).
 * Read next: scene.js, keyboard.js, panel.js, toolbar.js. */

import { h } from "./dom.js";
import { watchKeys } from "./keyboard.js";
import { legend } from "./legend.js";
import { rows, sentence, showPanel } from "./panel.js";
import { drawSvg } from "./scene.js";
import { STYLE, watchTheme } from "./theme.js";
import { addButton, addTools } from "./toolbar.js";
import { unpack } from "./unpack.js";

/**
 * Show a figure in `root` (its light content, the picture, is covered as long as it is live).
 *
 * @param {HTMLElement} root the element that becomes the figure; it gets a shadow root.
 * @param {object} payload what `dlgraph/draw/payload.py` writes: `title`, `text`, `facts` and either
 *   `layout` (finished) or whatever `options.layOut` takes.
 * @param {object} [options]
 * @param {(payload: object, state: object) => object} [options.layOut] makes the layout; by default
 *   the finished one of the payload is unpacked.
 * @param {(layout: object, say: Function, figure: object) => object} [options.draw] makes the scene;
 *   by default `drawSvg`.
 * @param {(key: string|null) => void} [options.onSelect] called when another box is selected.
 * @param {string} [options.style] more CSS, for the parts of a figure of another kind.
 * @param {boolean} [options.tools] false: an empty toolbar.
 * @returns the figure:
 *   - `select(key)`: select a box and show its details, `null` for none; `selected`.
 *   - `focus(key)`: put the keyboard there and scroll it into view; `focused`.
 *   - `setValues({key: {label, tag, detail, muted, badges}})`: other texts in boxes; what is left out
 *     stays; `null` instead of texts: as drawn.
 *   - `highlight(keys, name)`: put a CSS class on these boxes and lines and take it off all others:
 *     "active" (bold), "dim" (faint), "failed", or one of your own with `options.style`.
 *   - `paint(colours)`: `{key: colour}` fills boxes; `null` gives all their own colour back.
 *   - `announce(text)`: said by a screen reader, and kept for tests in `figure.said`.
 *   - `on(name, listener)`: "select" (key), "draw" (layout), "theme" (dark), "open" (group).
 *   - `addButton({label, text, icon, keys, pressed, action})`: into the toolbar, returns the button.
 *   - `keys`: a Map from key name (`event.key`) to `[words, action]`; "?" shows them all.
 *   - `box(key)`, `inputs(key)`, `readers(key)`, `twin(key)`: what is drawn and how it hangs together.
 *   - `redraw(layout)`: draw another layout; selection, focus and values of kept keys stay.
 *   - `zoom(factor)`: 1 is natural size; 0 fits the width.
 *   - `frame`, `bar`, `stage`, `caption`, `panel`: elements; `payload`, `layout`, `scene`, `dark`.
 *   - `destroy()`.
 */
export function mount(root, payload, options = {}) {
  const figure = new Figure(root, payload, options);
  if (options.tools !== false) addTools(figure);
  figure.redraw(options.layOut ? options.layOut(payload, figure) : unpack(payload.layout));
  return figure;
}

class Figure {
  selected = null;
  focused = null;
  scale = 1;
  keys = new Map();
  #listeners = new Map();
  #values = new Map();

  constructor(root, payload, options) {
    Object.assign(this, { root, payload, options });
    const shadow = root.shadowRoot ?? root.attachShadow({ mode: "open" });
    // Without this JupyterLab takes the keys: "b" would add a cell.
    root.setAttribute("data-lm-suppress-shortcuts", "true");
    this.title = h("span", { class: "title" }, payload.title ?? "");
    this.bar = h("div", { class: "bar", role: "toolbar", "aria-label": "figure" }, this.title);
    this.stage = h("div", { class: "stage" });
    this.legend = h("div", { class: "legend", "aria-hidden": "true" });
    this.caption = h("div", { class: "caption" });
    this.panel = h("div", {
      class: "panel",
      hidden: true,
      role: "region",
      "aria-label": "details",
    });
    this.live = h("div", { class: "said", role: "status", "aria-live": "polite" });
    this.frame = h(
      ...["div", { class: "figure", role: "figure", "aria-label": payload.text ?? "" }],
      ...[this.bar, this.stage, this.caption, this.legend, this.panel, this.live],
    );
    shadow.replaceChildren(h("style", {}, STYLE + (options.style ?? "")), this.frame);
    if (options.onSelect) this.on("select", options.onSelect);
    const unwatch = watchTheme((dark) => {
      this.dark = dark;
      this.frame.classList.toggle("dark", dark);
      this.#tell("theme", dark);
    });
    const ignore = watchKeys(this);
    this.destroy = () => {
      unwatch();
      ignore();
      shadow.replaceChildren();
    };
  }

  on(name, listener) {
    this.#listeners.set(name, [...(this.#listeners.get(name) ?? []), listener]);
  }

  #tell(name, value) {
    for (const listener of this.#listeners.get(name) ?? []) listener(value);
  }

  redraw(layout) {
    this.layout = layout;
    this.boxes = new Map(layout.boxes.map((box) => [box.key, box]));
    this.into = new Map();
    this.from = new Map();
    for (const { source, target } of layout.lines) {
      this.into.set(target, [...new Set([...(this.into.get(target) ?? []), source])]);
      this.from.set(source, [...new Set([...(this.from.get(source) ?? []), target])]);
    }
    this.scene = (this.options.draw ?? drawSvg)(layout, (key) => sentence(this, key), this);
    this.stage.replaceChildren(this.scene.element);
    this.legend.replaceChildren(...legend(layout));
    for (const [key, texts] of this.#values) this.scene.write(key, texts);
    this.zoom(this.scale);
    if (!this.boxes.has(this.focused)) this.focused = layout.boxes[0]?.key ?? null;
    this.scene.rove?.(this.focused);
    if (!this.boxes.has(this.selected)) this.select(null);
    else this.#mark();
    this.#tell("draw", layout);
  }

  zoom(scale) {
    const room = this.stage.clientWidth || this.scene.width;
    this.scale = Math.min(4, Math.max(0.05, scale || Math.min(1, room / this.scene.width)));
    this.scene.resize(this.scale);
  }

  box(key) {
    return this.boxes.get(key);
  }

  inputs(key) {
    return this.into.get(key) ?? [];
  }

  readers(key) {
    return this.from.get(key) ?? [];
  }

  twin(key) {
    const other = (key[0] === "f" ? "b" : "f") + key.slice(1);
    return this.boxes.has(other) ? other : null;
  }

  /** All boxes that `key` is computed from ("inputs") or that depend on it ("readers"). */
  trace(key, direction) {
    const found = new Set([key]);
    for (const one of found) for (const next of this[direction](one)) found.add(next);
    return found;
  }

  select(key) {
    const before = this.selected;
    this.selected = this.boxes.has(key) ? key : null;
    this.traced = null;
    this.#mark();
    showPanel(this);
    if (this.selected) this.announce(sentence(this, key));
    if (this.selected !== before) this.#tell("select", this.selected);
  }

  /** Show what a box is computed from or what depends on it, and fade the rest; again: stop. */
  toggleTrace(direction) {
    this.traced = this.traced === direction || !this.selected ? null : direction;
    this.#mark();
    showPanel(this);
  }

  #mark() {
    const { selected, traced } = this;
    const near = selected ? [...this.inputs(selected), ...this.readers(selected)] : [];
    const ways = near.flatMap((key) => [`${key}>${selected}`, `${selected}>${key}`]);
    this.scene.mark(selected ? [selected, ...ways] : [], "selected");
    const kept = traced && this.trace(selected, traced);
    const lines = this.layout.lines.map(({ source, target }) => [source, target]);
    const faint = kept
      ? [
          ...[...this.boxes.keys()].filter((key) => !kept.has(key)),
          ...lines.filter((ends) => !ends.every((end) => kept.has(end))).map((e) => e.join(">")),
        ]
      : [];
    this.scene.mark(faint, "faint");
  }

  focus(key) {
    if (!this.boxes.has(key)) return;
    this.focused = key;
    this.scene.focus(key);
  }

  setValues(values) {
    for (const [key, texts] of Object.entries(values)) {
      if (texts) this.#values.set(key, { ...this.#values.get(key), ...texts });
      else this.#values.delete(key);
      this.scene.write(key, this.#values.get(key) ?? {});
    }
  }

  /** The texts of a box as they stand now. */
  texts(key) {
    return { ...this.box(key), ...this.#values.get(key) };
  }

  highlight(keys, name) {
    this.scene.mark(keys, name);
  }

  paint(colours) {
    for (const key of this.boxes.keys()) this.scene.paint(key, colours?.[key]);
  }

  announce(text) {
    this.said = text;
    this.live.textContent = text;
  }

  addButton(button) {
    return addButton(this, button);
  }

  rows(key) {
    return rows(this, key);
  }
}
