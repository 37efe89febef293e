/* The figure of `dg.diff`: one graph through all passes, with a slider.
 *
 * Every node that ever was has its box, and keeps its place; what a pass removed is faint and
 * dashed, what it added is bold, what it computes in another way has a double outline.  All
 * sentences come from dlgraph/draw/diff.py. */

import { h } from "../core/dom.js";
import { mount } from "../core/index.js";
import { addPlayer, PLAYER_STYLE } from "../step/player.js";
import { lookAt } from "../step/reveal.js";

const STATES = ["gone", "new", "changed", "later"];
const WORDS = {
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
.changed>.o{stroke-width:4;paint-order:stroke}
.about>.o{fill:color-mix(in srgb,var(--f) 35%,var(--bg))}
.pass{min-height:96px;max-height:260px;overflow:auto}
.pass ol{margin:4px 0 0;padding-left:22px}
.pass li{padding:2px 6px;margin:0 0 1px;border-radius:4px;cursor:pointer;overflow-wrap:anywhere}
.pass small{color:var(--muted);display:block;font-size:11px}
`;

/** Start the figure in `host`; called by the script of the page. */
export function main(host, payload) {
  const figure = mount(host, payload, { style: STYLE });
  const { stages } = payload;
  const pass = h("div", { class: "pass" });
  const about = (keys) => {
    figure.highlight(keys, "about");
    if (keys.length) lookAt(figure, keys.slice(0, 1));
  };
  const show = (at) => {
    const [title, text, marks, changes] = stages[at];
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
  const found = STATES.slice(0, 3)
    .map((state) => [states.filter((one) => one === state).length, WORDS[state]])
    .filter(([count]) => count);
  const words = found.map(([count, word]) => `${count} ${word}`).join(", ");
  return h("small", {}, words ? `against the graph as written: ${words}` : "nothing changed yet");
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
