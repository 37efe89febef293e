/* The figure of `dg.diff`: one graph through all passes, with a slider.
 *
 * Every node that ever was has its box, and keeps its place; what a pass removed is faint and
 * dotted, what it added is bold, what it computes in another way has a double outline.  All
 * sentences come from dlgraph/draw/diff.py. */

import { h, s } from "../core/dom.js";
import { mountFull } from "../core/full.js";
import { outline } from "../core/shapes.js";
import { setValues } from "../core/values.js";
import { addPlayer, PLAYER_STYLE } from "../step/player.js";
import { lookAt } from "../step/reveal.js";

const STATES = ["gone", "new", "changed", "later"];
const STATE_WORDS = {
  gone: "removed",
  new: "added",
  changed: "computed in another way",
  later: "not yet",
};

const STYLE = `${PLAYER_STYLE}
.stage{max-height:min(1000px,70vh)}
.later{opacity:.06}
.gone{opacity:.42}.gone>.o{stroke-dasharray:2 4;fill:none}.gone .way{stroke-dasharray:1 5}
.new>.o{stroke-width:3.5}
.changed>.ring{stroke:var(--c);stroke-width:1.5}
.about>.o{fill:color-mix(in srgb,var(--f) 35%,var(--bg))}
.pass{min-height:96px;max-height:260px;overflow:auto}
.pass ol{margin:4px 0 0;padding-left:22px}
.pass li{padding:2px 6px;margin:0 0 1px;border-radius:4px;cursor:pointer;overflow-wrap:anywhere}
.pass small svg{vertical-align:middle;margin:0 5px 0 10px}
.pass small{color:var(--muted);display:block;font-size:11px}
`;

/** Start the figure in `host`; called by the script of the page. */
export function main(host, payload) {
  const figure = mountFull(host, payload, { style: STYLE });
  const { stages } = payload;
  const pass = h("div", { class: "pass" });
  const changing = stages.flatMap((stage) => Object.keys(stage[4]));
  const asDrawn = Object.fromEntries(changing.map((key) => [key, null]));
  const about = (keys) => {
    figure.highlight(keys, "about");
    if (keys.length) lookAt(figure, keys.slice(0, 1));
  };
  const show = (at) => {
    const [title, text, marks, changes, texts] = stages[at];
    setValues(figure, { ...asDrawn, ...texts });
    for (const state of STATES) figure.highlight(linesAndBoxes(figure, marks, state), state);
    figure.highlight([], "about");
    pass.replaceChildren(
      h("div", {}, h("b", {}, title), ` ${text.replace(title, "").trim()}`),
      counted(marks),
      h("ol", {}, ...changes.map((change) => item(change, about))),
    );
    figure.announce(`${title}: ${text}. ${changes.length} changes`);
  };
  figure.caption.append(pass);
  const player = addPlayer(figure, {
    count: stages.length,
    show,
    words: (at) => `${at} of ${stages.length - 1}: ${stages[at][0]}`,
  });
  player.go(0);
  return figure;
}

/* The boxes in a state, and the lines that begin or end at one of them. */
function linesAndBoxes(figure, marks, state) {
  const boxes = Object.keys(marks).filter((key) => marks[key] === state);
  if (state === "new" || state === "changed") return boxes;
  const known = new Set(boxes);
  const lines = figure.layout.lines.filter((one) => known.has(one.source) || known.has(one.target));
  return [...boxes, ...lines.map(({ source, target }) => `${source}>${target}`)];
}

function counted(marks) {
  const states = Object.values(marks);
  const found = STATES.slice(0, 3).flatMap((state) => {
    const count = states.filter((one) => one === state).length;
    return count ? [sampleOf(state), `${count} ${STATE_WORDS[state]}`] : [];
  });
  const words = found.length ? "against the graph as written:" : "nothing changed yet";
  return h("small", {}, words, ...found);
}

/* What a box in this state looks like. */
function sampleOf(state) {
  const part = (name, ...place) => s("path", { class: name, d: outline("", ...place)[0] });
  const box = s("g", { class: state }, part("o", 5, 5, 22, 12), part("ring", 1, 1, 30, 20));
  return s("svg", { width: 32, height: 22, "aria-hidden": "true" }, box);
}

function item([text, reason, keys], about) {
  const show = () => about(keys);
  const onkeydown = (event) => {
    if (event.key !== "Enter") return;
    event.stopPropagation();
    show();
  };
  return h("li", { tabindex: 0, onclick: show, onkeydown }, text, h("small", {}, reason));
}
