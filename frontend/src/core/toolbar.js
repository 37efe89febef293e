/* The buttons of a figure, and help.  Everything here has a key as well.
 *
 * Buttons are no tab stops: one figure is one stop, and "t" leads from the picture to them. */

import { h } from "./dom.js";
import { savePng, saveSvg } from "./export.js";

/** Add a button with a `text` (or an element); `keys` is the key that does the same. */
export function addButton(figure, { label, text, keys, pressed, action }) {
  const onclick = () => {
    action(button);
  };
  const button = h(
    "button",
    {
      ...{ type: "button", tabindex: -1, onclick, "aria-label": label },
      title: keys ? `${label} (${keys})` : label,
      "aria-pressed": pressed == null ? null : String(pressed),
    },
    text,
  );
  figure.bar.append(button);
  if (keys) figure.keys.set(keys, [label.toLowerCase(), onclick]);
  return button;
}

/** A list to choose from; `choices` are pairs of value and words. */
export function addChoice(figure, label, choices, action) {
  const onchange = () => action(list.value);
  const options = choices.map(([value, words]) => h("option", { value }, words));
  const list = h(
    "select",
    { "aria-label": label, title: label, tabindex: -1, onchange },
    ...options,
  );
  figure.bar.append(list);
  return list;
}

/** The tools that every figure has. */
export function addTools(figure) {
  for (const [ending, save] of [
    ["SVG", saveSvg],
    ["PNG", savePng],
  ]) {
    const label = `Save as ${ending}`;
    addButton(figure, {
      label,
      text: ending,
      keys: ending[0].toLowerCase(),
      action: () => save(figure),
    });
  }
  addButton(figure, { label: "Help", text: "?", keys: "?", action: () => openHelp(figure) });
  const tools = () => [...figure.bar.querySelectorAll("button:not([hidden]),select")];
  figure.keys.set("t", ["to the buttons", () => tools()[0].focus()]);
  figure.bar.onkeydown = ({ key, target }) => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[key];
    if (step)
      tools()
        .at((tools().indexOf(target) + step) % tools().length)
        .focus();
  };
}

/** Show `content` above the picture; `figure.closeOver()` takes it away. */
export function openOver(figure, label, ...content) {
  figure.closeOver?.();
  const over = h(
    "div",
    { class: "over", role: "dialog", "aria-label": label, tabindex: -1 },
    ...content,
  );
  figure.bar.after(over);
  over.focus(); // whoever is far down in the picture is led to it
  figure.closeOver = () => {
    over.remove();
    figure.closeOver = null;
    figure.focus(figure.focused);
  };
}

const NAMES = { ArrowUp: "↑", ArrowDown: "↓", ArrowLeft: "←", ArrowRight: "→", Escape: "Esc" };

function openHelp(figure) {
  if (figure.closeOver) return figure.closeOver();
  const rows = [...figure.keys].map(([key, [words]]) => [
    h("dt", {}, NAMES[key] ?? key),
    h("dd", {}, words),
  ]);
  openOver(figure, "keys", h("dl", {}, ...rows.flat()));
  figure.announce([...figure.keys].map(([key, [words]]) => `${key}: ${words}`).join("; "));
}
