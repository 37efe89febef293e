/* The looks of what a plain picture has not: updates, losses, failures, scopes, loops.
 *
 * Kept apart so that the script of a small figure stays small.  A box may have a mark in a strip at
 * its left, a thinner line on top, an outline of its own. */

import { s } from "./dom.js";
import { FOOT, measure } from "./scene.js";
import { MARKS, rounded, SHAPES } from "./shapes.js";

/** Let boxes of these kinds be drawn. */
export function drawAllKinds() {
  Object.assign(MARKS, {
    loop: "m4 3c-2 2.5-6 2.5-8 0c-2-3 0-8 4-8c3 0 5 2.5 5 5m-2.5-2.5l2.5 2.5l2.5-2.5",
    branch: "m0-6v5l-4 7m4-7l4 7",
    function: "m-3-6h6v4h-6zm3 4v4m-3 0h6v4h-6z",
    scope: "m-5-5h10v10h-10zm2.5 5h5m-2.5-2.5v5",
    scope_gradient: "m-5-5h10v10h-10zm2.5 5h5m-2.5-2.5v5",
  });
  Object.assign(SHAPES, {
    loss: (x, y, width, height) => {
      const inner = rounded(x + 3, y + 3, width - 6, height - 6, 4);
      return [rounded(x, y, width, height, 7), inner];
    },
    update: octagon,
    failed: octagon,
  });
  FOOT.texts = portTexts;
}

/* Names of where lines leave, side by side around `middle`. */
function portTexts(ports, middle, y) {
  const rooms = ports.map((port) => measure(port) + 12);
  let left = middle - rooms.reduce((sum, room) => sum + room, 0) / 2;
  return ports.map((port, i) => {
    left += rooms[i];
    return s("text", { class: "small muted", x: left - rooms[i] / 2, y }, port);
  });
}

function octagon(x, y, width, height) {
  const cut = Math.min(8, height / 3);
  const [w, up] = [width - 2 * cut, height - 2 * cut];
  const start = `M${x + cut} ${y}h${w}l${cut} ${cut}v${up}l${-cut} ${cut}`;
  return [`${start}h${-w}l${-cut} ${-cut}v${-up}z`, ""];
}

export const KINDS_STYLE = `
.stage{touch-action:pan-x pan-y}
.scope_gradient{--c:var(--g)}
.update{--c:var(--u)}
.failed{--c:var(--e)}
g.badge>.o{fill:none}
.extra{stroke-width:1}
.scope_gradient>.o{stroke-dasharray:5 3}
.update>.way{stroke-dasharray:2 3}
.failed>.o,.failed>.way,.scope>.o,.scope_gradient>.o{stroke-width:2.5}
.failed>.way{stroke-dasharray:9 4}
.legend{display:flex;flex-wrap:wrap;gap:4px 16px;justify-content:center;padding:2px 12px 8px;
font-size:11px;color:var(--muted)}
.legend svg{vertical-align:middle;margin-right:5px}`;
