/* The buttons of a figure, search, and help.  Everything here has a key as well.
 *
 * Buttons are no tab stops: one figure is one stop, and "t" leads from the picture to them. */

import { h, s } from "./dom.js";
import { savePng, saveSvg } from "./export.js";

const ICONS = {
  find: "M7 2a5 5 0 1 0 .01 0M11 11l4 4",
  in: "M8 3v10M3 8h10",
  out: "M3 8h10",
  fit: "M2 6V2h4M10 2h4v4M14 10v4h-4M6 14H2v-4",
  save: "M8 2v8M5 7l3 3l3-3M3 13h10",
};
const MANY = 12; // boxes from which on searching is worth a button

/** Add a button; `keys` is the key that does the same. */
export function addButton(figure, { label, text, icon, keys, pressed, action }) {
  const press = () => {
    action(button);
    return undefined;
  };
  const button = h(
    "button",
    {
      ...{ type: "button", tabindex: -1, onclick: press },
      ...{ "aria-label": label, title: keys ? `${label} (${keys})` : label },
      "aria-pressed": pressed == null ? null : String(pressed),
    },
    icon ? s("svg", { viewBox: "0 0 16 16" }, s("path", { d: ICONS[icon] ?? icon })) : text,
  );
  figure.bar.append(button);
  if (keys) figure.keys.set(keys, [label.toLowerCase(), press]);
  return button;
}

/** A list to choose from; `choices` are pairs of value and words. */
export function addChoice(figure, label, choices, action) {
  const options = choices.map(([value, words]) => h("option", { value }, words));
  const onchange = (event) => action(event.target.value);
  const select = h(
    "select",
    { "aria-label": label, title: label, tabindex: -1, onchange },
    ...options,
  );
  figure.bar.append(select);
  return select;
}

/** The tools that every figure has. */
export function addTools(figure) {
  const find = addButton(figure, {
    ...{ label: "Search", icon: "find", keys: "/" },
    action: () => openSearch(figure),
  });
  const zooms = [
    addButton(figure, {
      label: "Zoom out",
      icon: "out",
      action: () => figure.zoom(figure.scale / 1.25),
    }),
    addButton(figure, {
      label: "Zoom in",
      icon: "in",
      action: () => figure.zoom(figure.scale * 1.25),
    }),
    addButton(figure, {
      ...{ label: "Fit the width, or natural size", icon: "fit" },
      action: () => figure.zoom(figure.scale === 1 ? 0 : 1),
    }),
  ];
  addButton(figure, {
    label: "Save as SVG",
    text: "SVG",
    keys: "s",
    action: () => saveSvg(figure),
  });
  addButton(figure, {
    label: "Save as PNG",
    text: "PNG",
    keys: "p",
    action: () => savePng(figure),
  });
  addButton(figure, { label: "Help", text: "?", keys: "?", action: () => openHelp(figure) });
  figure.keys.set("t", [
    "to the buttons",
    () => figure.bar.querySelector("button:not([hidden])").focus(),
  ]);
  figure.bar.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!step || event.target.tagName !== "BUTTON") return;
    const all = [...figure.bar.querySelectorAll("button:not([hidden]),select")];
    all.at((all.indexOf(event.target) + step) % all.length).focus();
    event.preventDefault();
    event.stopPropagation();
  });
  figure.on("draw", (layout) => {
    find.hidden = layout.boxes.length <= MANY;
    const small = figure.scene.width <= 600 && figure.scene.height <= 600;
    for (const button of zooms) button.hidden = small;
  });
}

function openOverlay(figure, element) {
  figure.closeOverlay?.();
  figure.frame.append(element);
  figure.closeOverlay = () => {
    element.remove();
    figure.closeOverlay = null;
    return true;
  };
}

/* Every box whose texts or facts hold the words that are typed. */
function openSearch(figure) {
  const list = h("ul", { role: "listbox", "aria-label": "found" });
  let found = [];
  let at = 0;
  const go = (key) => {
    figure.closeOverlay();
    figure.focus(key);
    figure.select(key);
  };
  const show = () => {
    const items = found.slice(0, 50).map((key, i) => {
      const box = figure.box(key);
      const words = `${box.label} ${box.tag} ${box.detail}`;
      const onclick = () => go(key);
      return h("li", { role: "option", "aria-selected": String(i === at), onclick }, words);
    });
    list.replaceChildren(...items);
    items[at]?.scrollIntoView({ block: "nearest" });
  };
  const oninput = () => {
    const words = input.value.toLowerCase();
    const hit = (key) => figure.searchText(key).includes(words);
    found = words ? [...figure.boxes.keys()].filter(hit) : [];
    at = 0;
    figure.announce(words ? `${found.length} found` : "");
    show();
  };
  const onkeydown = (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step && found.length) at = (at + step + found.length) % found.length;
    else if (event.key === "Enter" && found.length) go(found[at]);
    else if (event.key === "Escape") {
      figure.closeOverlay();
      figure.focus(figure.focused);
    } else return;
    event.preventDefault();
    event.stopPropagation();
    show();
  };
  const input = h("input", {
    type: "search",
    "aria-label": "search boxes",
    placeholder: "name, operation, shape, line",
    oninput,
    onkeydown,
  });
  openOverlay(figure, h("div", { class: "find" }, input, list));
  input.focus();
}

function openHelp(figure) {
  if (figure.closeOverlay?.()) return;
  const names = { ArrowUp: "↑", ArrowDown: "↓", ArrowLeft: "←", ArrowRight: "→", Escape: "Esc" };
  const rows = [...figure.keys].map(([key, [words]]) =>
    h("tr", {}, h("td", {}, h("b", {}, names[key] ?? key)), h("td", {}, words)),
  );
  const close = () => figure.closeOverlay();
  openOverlay(
    figure,
    h(
      "div",
      { class: "help", role: "dialog", "aria-label": "keys", onclick: close },
      h("table", {}, ...rows),
    ),
  );
  figure.announce([...figure.keys].map(([key, [words]]) => `${key}: ${words}`).join("; "));
}
