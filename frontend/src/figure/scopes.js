/* Scopes that open and close. */

import { h } from "../core/dom.js";
import { layOut } from "../layout/index.js";
import { unpackScene } from "./scenes.js";

const TIME = 300; // ms for a better order of the boxes

function arranged(figure) {
  figure.full ??= unpackScene(figure.payload.scene);
  const deadline = performance.now() + TIME;
  return layOut(figure.full, { open: figure.opened, saved: true, deadline });
}

/** Keys and buttons of a figure whose scopes can be opened and closed. */
export function addScopes(figure) {
  const { groups, opened } = figure.payload.scene;
  figure.opened = new Set(opened);
  const again = (key) => {
    figure.redraw(arranged(figure));
    if (figure.boxes.has(key)) figure.focus(key);
  };
  const open = () => {
    const { group } = figure.box(figure.focused) ?? {};
    if (!(group >= 0)) return figure.announce("nothing to open here");
    figure.opened.add(group);
    const half = figure.focused[0];
    again(null);
    const inside = figure.layout.boxes.find((box) => box.inside === group && box.key[0] === half);
    figure.focus((inside ?? figure.layout.boxes[0]).key);
    return figure.announce(`opened ${name(group)}`);
  };
  const close = () => {
    const { inside } = figure.box(figure.focused) ?? {};
    if (!(inside >= 0)) return figure.announce("not inside an open scope");
    figure.opened.delete(inside);
    again(`${figure.focused[0]}g${inside}`);
    return figure.announce(`closed ${name(inside)}`);
  };
  const name = (group) => groups[group][0][4];
  if (groups.length) {
    figure.keys.set("+", ["open the scope", open]);
    figure.keys.set("-", ["close the scope around it", close]);
    const all = (words, fill, keys) =>
      figure.addButton({ label: words, text: words, keys, action: () => {
        figure.opened = new Set(fill ? groups.keys() : []);
        again(figure.focused);
      } }); // biome-ignore format: one thing
    all("Open all", true, "o");
    all("Close all", false, "c");
    figure.stage.ondblclick = open;
  }
  const small = (words, onclick) => h("button", { type: "button", tabindex: -1, onclick }, words);
  figure.more = (key) => {
    const { group, inside } = figure.box(key);
    figure.focused = key;
    return [
      group >= 0 && small("open (+)", open),
      inside >= 0 && small(`close ${name(inside)} (-)`, close),
    ];
  };
}
