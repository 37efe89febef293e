/* The figure of `dg.build`: one function in both modes, side by side, on one slider.
 *
 * Both pictures are one scene (keys "fe3": node 3 of the eager one, "fg3": of the graph), so that
 * the figure is one tab stop and is saved as one file; on a narrow page they stand above each other.
 * All sentences come from draw/moments.py. */

import { h } from "../core/dom.js";
import { mount } from "../core/index.js";
import { unpack } from "../core/unpack.js";
import { addPlayer, PLAYER_STYLE } from "../step/player.js";
import { lookAt, reveal } from "../step/reveal.js";

const MODES = ["eager: computed line by line", "define-then-run: written down, run later"];
const ROOM = 34; // px above each picture for its heading
const APART = 24;
const LEAST = 300; // px that a heading needs

const BUILD_STYLE = `${PLAYER_STYLE}
.shapes text{font-size:13px;font-weight:bold;fill:var(--ink);stroke:none;text-anchor:start}
.both{display:flex;flex-wrap:wrap;align-items:flex-start}
.both .stage{flex:1 1 320px;min-width:0}
.source{margin:4px 0 6px 12px;padding:6px 0;max-width:calc(100% - 24px);overflow:auto;
max-height:480px;border:1px solid var(--frame);border-radius:6px}
.source div{white-space:pre;padding:0 10px 0 4px;min-width:max-content;
border-left:4px solid transparent}
.source span{color:var(--muted);display:inline-block;width:2.2em;padding-right:.8em;
text-align:right}
.source .now{background:color-mix(in srgb,var(--f) 15%,var(--bg));border-left-color:var(--f)}
.moment{min-height:92px}
.sides{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(260px,100%),1fr));
gap:4px 16px}
.sides>div{border-left:3px solid var(--frame);padding-left:8px;min-width:0;
overflow-wrap:anywhere}
.sides>.stopped{border-color:var(--e)}
.stopped b::after{content:" ✗ stopped"}
output{display:block;white-space:pre-wrap}
@media(forced-colors:active){.source :not(.now){border-color:Canvas}}
`;

/** Start the figure in `host`; called by the script of the page. */
export function main(host, payload) {
  const pair = [unpack(payload.layout), unpack(payload.other)];
  const fits = () => (host.clientWidth || 900) >= 640;
  let wide = fits();
  const figure = mount(host, payload, {
    style: BUILD_STYLE,
    layOut: () => merged(pair, wide),
  });
  const { moments } = payload;
  const source = sourceOf(payload.source);
  const both = h("div", { class: "both" });
  figure.stage.before(both);
  both.append(source, figure.stage);
  const moment = h("div", { class: "moment" });
  const show = (at) => {
    const now = moments[at];
    reveal(figure, knownBy(moments.slice(0, at + 1)));
    const active = [...now.eager.active, ...now.graph.active];
    const into = figure.layout.lines.filter(({ target }) => active.includes(target));
    const ways = into.map((line) => `${line.source}>${line.target}`);
    figure.highlight([...active, ...ways], "active");
    mark(source, now.line);
    moment.replaceChildren(tell(now));
    figure.announce(now.text);
    lookAt(figure, active.slice(0, 1));
  };
  const player = addPlayer(figure, {
    count: moments.length,
    show,
    words: (at) => `moment ${at} of ${moments.length - 1}, ${PHASES[moments[at].phase]}`,
  });
  figure.caption.append(moment);
  label(figure, pair, wide);
  figure.zoom(figure.scale);
  player.go(0);
  new ResizeObserver(() => {
    if (fits() === wide) return;
    wide = !wide;
    figure.redraw(merged(pair, wide));
    label(figure, pair, wide);
    show(player.at());
  }).observe(host);
  return Object.assign(figure, { player });
}

const PHASES = { start: "call", build: "the function runs", run: "session.run", end: "end" };

function knownBy(moments) {
  return Object.assign({}, ...moments.flatMap(({ eager, graph }) => [eager.shown, graph.shown]));
}

/* One layout from two: beside each other, or one above the other. */
function merged([left, right], wide) {
  const first = Math.max(left.width, LEAST);
  const [dx, dy] = wide ? [first + APART, 0] : [0, left.height + ROOM];
  const moved = ({ boxes, lines }, x, y) => ({
    boxes: boxes.map((box) => ({ ...box, x: box.x + x, y: box.y + y })),
    lines: lines.map((line) => ({
      ...line,
      points: line.points.map(([px, py]) => [px + x, py + y]),
    })),
  });
  const [one, other] = [moved(left, 0, ROOM), moved(right, dx, dy + ROOM)];
  const second = Math.max(right.width, LEAST);
  return {
    width: wide ? first + APART + second : Math.max(first, second),
    height: ROOM + (wide ? Math.max(left.height, right.height) : dy + right.height),
    axis: null,
    badges: left.badges || right.badges,
    boxes: [...one.boxes, ...other.boxes],
    lines: [...one.lines, ...other.lines],
  };
}

function label(figure, [left], wide) {
  const places = [
    [14, 22],
    wide ? [Math.max(left.width, LEAST) + APART + 14, 22] : [14, left.height + ROOM + 22],
  ];
  figure.scene.labels(MODES.map((text, i) => ({ x: places[i][0], y: places[i][1], text })));
}

function sourceOf(lines) {
  const rows = lines.map((text, i) => h("div", {}, h("span", {}, String(i + 1)), text));
  return h("div", { class: "source", role: "group", "aria-label": "source" }, ...rows);
}

function mark(source, line) {
  [...source.children].forEach((row, i) => {
    row.classList.toggle("now", i === line);
    if (i === line) source.scrollTop = row.offsetTop - source.offsetTop - source.clientHeight / 2;
  });
}

function tell({ words, eager, graph }) {
  const side = (name, { words, printed, stopped }) =>
    h(
      ...[
        "div",
        { class: stopped ? "stopped" : "" },
        h("b", {}, name),
        h("p", {}, words || "nothing to compute"),
      ],
      printed && h("output", {}, `prints  ${printed}`),
    );
  return h(
    ...["div", {}, h("p", {}, h("code", {}, words))],
    h("div", { class: "sides" }, side("eager", eager), side("define-then-run", graph)),
  );
}
