/* Scopes that open and close. */

import { h } from "../core/dom.js";
import { inSlices } from "../core/slices.js";
import { layOutInSteps } from "../layout/index.js";
import { unpackScene } from "./scenes.js";

const TIME = 300; // ms for a better order of the boxes
const AT_ONCE = 1_000; // boxes that are arranged before the page does anything else

/* All in steps.  Until the new picture is there the old one stays and can be used. */
function* arrange(figure, then) {
  figure.frame.ariaBusy = "true";
  figure.full ??= unpackScene(figure.payload.scene);
  yield;
  const deadline = performance.now() + TIME;
  const options = { open: figure.opened, saved: true, deadline };
  const layout = yield* layOutInSteps(figure.full, options);
  yield;
  figure.redraw(layout);
  figure.frame.ariaBusy = "false";
  yield;
  then();
}

/** Keys and buttons of a figure whose scopes can be opened and closed. */
export function addScopes(figure) {
  const { groups, opened } = figure.payload.scene;
  figure.opened = new Set(opened);
  const large = figure.payload.scene.boxes.length > AT_ONCE;
  let stop;
  const again = (then) => {
    stop?.(); // what was chosen before and is not drawn yet
    if (large) figure.announce("arranging the boxes…");
    stop = inSlices(arrange(figure, then), { slice: large ? undefined : Infinity });
  };
  const keep = (key) => figure.boxes.has(key) && figure.focus(key);
  const open = () => {
    const { group } = figure.box(figure.focused) ?? {};
    if (!(group >= 0)) return figure.announce("nothing to open here");
    figure.opened.add(group);
    const half = figure.focused[0];
    return again(() => {
      const inside = figure.layout.boxes.find((box) => box.inside === group && box.key[0] === half);
      figure.focus((inside ?? figure.layout.boxes[0]).key);
      figure.announce(`opened ${name(group)}`);
    });
  };
  const close = () => {
    const { inside } = figure.box(figure.focused) ?? {};
    if (!(inside >= 0)) return figure.announce("not inside an open scope");
    figure.opened.delete(inside);
    const key = `${figure.focused[0]}g${inside}`;
    return again(() => {
      keep(key);
      figure.announce(`closed ${name(inside)}`);
    });
  };
  const name = (group) => groups[group][0][4];
  if (groups.length) {
    figure.keys.set("+", ["open the scope", open]);
    figure.keys.set("-", ["close the scope around it", close]);
    const all = (words, fill, keys) =>
      figure.addButton({ label: words, text: words, keys, action: () => {
        figure.opened = new Set(fill ? groups.keys() : []);
        again(() => keep(figure.focused));
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
