/* What was computed again lights up in the order in which it was computed. */

export const PLAY = `
.box>.o{pointer-events:all}
.lit>.o{fill:var(--f);fill-opacity:.32;stroke-width:3}
.backward.lit>.o{fill:var(--g)}
.line.lit>.way{stroke-width:3.5}
`;

const TOTAL = 1400; // ms for all, however many there are
const STEP = 180; // ms for one, at most
const REST = 900; // ms until the last light goes out

/**
 * `play({moved, again}, atOnce)`: the inputs that were moved and the keys of what followed,
 * forward and backward, in order; `play.end()`.
 */
export function player(figure) {
  let timer = 0;

  function light(keys, moved = []) {
    const known = new Set([...keys, ...moved]);
    const lines = figure.layout.lines
      .filter(({ source, target }) => known.has(source) && known.has(target))
      .map(({ source, target }) => `${source}>${target}`);
    figure.highlight([...keys, ...lines], "lit");
  }

  function play({ moved, again: [forward, backward] }, atOnce) {
    clearTimeout(timer);
    const order = [...forward, ...backward];
    const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
    if (atOnce || calm || order.length < 2) {
      light(order, moved);
      timer = setTimeout(() => light([]), REST);
      return;
    }
    const step = Math.min(STEP, TOTAL / order.length);
    const together = Math.ceil(1 / Math.max(step / 16, 1)); // several a frame where there are many
    let at = 0;
    const next = () => {
      at = Math.min(order.length, at + together);
      light(order.slice(0, at), moved);
      timer = setTimeout(
        at < order.length ? next : () => light([]),
        at < order.length ? step : REST,
      );
    };
    next();
  }
  play.end = () => clearTimeout(timer);
  return play;
}
