/* Search: "/" finds boxes by name, operation, shape, line; Enter goes there. */

import { h } from "./dom.js";
import { addButton, openOver } from "./toolbar.js";

const SHOWN = 50;

/** Add the button and the key. */
export function addSearch(figure) {
  addButton(figure, {
    label: "Search",
    text: "Search",
    keys: "/",
    action: () => openSearch(figure),
  });
}

function openSearch(figure) {
  const texts = new Map([...figure.boxes.keys()].map((key) => [key, figure.say(key)]));
  let found = [];
  let at = 0;
  const go = (key) => {
    figure.closeOver();
    figure.focus(key);
    figure.select(key);
  };
  const show = () => {
    const items = found.slice(0, SHOWN).map((key, i) => {
      const onclick = () => go(key);
      const selected = String(i === at);
      return h("li", { role: "option", "aria-selected": selected, onclick }, texts.get(key));
    });
    list.replaceChildren(...items);
    items[at]?.scrollIntoView({ block: "nearest" });
  };
  const oninput = () => {
    const words = input.value.toLowerCase();
    const hits = [...texts].filter(([, text]) => text.toLowerCase().includes(words));
    found = words ? hits.map(([key]) => key) : [];
    at = 0;
    figure.announce(words ? `${found.length} found` : "");
    show();
  };
  const onkeydown = (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    const shown = Math.min(found.length, SHOWN);
    if (step && shown) at = (at + step + shown) % shown;
    else if (event.key === "Enter" && shown) return go(found[at]);
    else if (event.key === "Escape") return figure.closeOver();
    else return;
    event.preventDefault();
    show();
  };
  const placeholder = "name, operation, shape, line";
  const input = h("input", {
    type: "search",
    "aria-label": "search",
    placeholder,
    oninput,
    onkeydown,
  });
  const list = h("ul", { role: "listbox", "aria-label": "found" });
  openOver(figure, "search", input, list);
  input.focus();
}

export const SEARCH_STYLE = `
ul{list-style:none;margin:4px 0 0;padding:0;max-height:220px;overflow:auto}
li{padding:2px 6px;border-radius:4px;cursor:pointer}
input{width:18em}
@media(forced-colors:active){[aria-selected=true]{forced-color-adjust:none;
background:Highlight;color:HighlightText}}`;
