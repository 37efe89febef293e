/* The slider with its buttons, and the keys that move it: one position per step.
 *
 * It knows nothing of what is shown: `show(at)` does that.  Shared by dg.step and dg.build. */

import { h, s } from "../core/dom.js";

const PACE = 1600; // ms per step while playing
const PATHS = {
  first: "M3 3h2v10h-2zM13 3l-7 5l7 5z",
  back: "M11 3l-7 5l7 5z",
  play: "M4 3l9 5l-9 5z",
  pause: "M4 3h3v10h-3zM9 3h3v10h-3z",
  next: "M5 3l7 5l-7 5z",
};

/**
 * Add a player to the caption of a figure.
 *
 * @param {object} figure what `mount` returned.
 * @param {object} options `count`: number of positions; `show(at)`: called with each new one;
 *   `hold(at)`: may return true to stay where it is; `words(at)`: the position in words.
 * @returns {{go: Function, at: Function, element: HTMLElement}}
 */
export function addPlayer(figure, { count, show, hold = () => false, words }) {
  let at = -1;
  let timer = 0;
  const calm = matchMedia("(prefers-reduced-motion: reduce)");
  const slider = h("input", {
    ...{ type: "range", min: 0, max: count - 1, value: 0, tabindex: -1, "aria-label": "step" },
    oninput: () => go(Number(slider.value)),
    onkeydown: (event) => {
      if (event.key !== " ") return;
      event.preventDefault();
      toggle();
    },
  });
  const place = h("span", { class: "place" });
  const button = (path, label, action) =>
    h(
      "button",
      { type: "button", tabindex: -1, "aria-label": label, title: label, onclick: action },
      s("svg", { viewBox: "0 0 16 16" }, s("path", { d: PATHS[path] })),
    );
  const play = button("play", "Play (space)", () => toggle());
  const element = h(
    ...["div", { class: "player" }, button("first", "To the start (Home)", () => go(0))],
    ...[button("back", "Back (left arrow)", () => by(-1)), play],
    ...[button("next", "Next (right arrow)", () => by(1)), slider, place],
  );

  function go(to) {
    const next = Math.max(0, Math.min(count - 1, to));
    if (next === at) return false;
    if (hold(next)) {
      stop();
      slider.value = at;
      return false;
    }
    at = next;
    slider.value = at;
    slider.setAttribute("aria-valuetext", words(at));
    place.textContent = words(at);
    show(at);
    return true;
  }

  function by(step) {
    stop();
    go(at + step);
  }

  function stop() {
    clearInterval(timer);
    timer = 0;
    play.querySelector("path").setAttribute("d", PATHS.play);
  }

  function toggle() {
    if (timer) return stop();
    if (at === count - 1) go(0);
    // Who asked for less motion gets one step at a time.
    if (calm.matches) return by(1);
    play.querySelector("path").setAttribute("d", PATHS.pause);
    timer = setInterval(() => {
      if (!element.isConnected || !go(at + 1) || at === count - 1) stop();
    }, PACE);
    return undefined;
  }

  const moves = {
    ArrowRight: ["next step", () => by(1)],
    ArrowLeft: ["step back", () => by(-1)],
    Home: ["to the start", () => by(-count)],
    End: ["to the last step", () => by(count)],
    " ": ["play, pause", toggle],
  };
  // Said by "?" among the other keys, and taken before them: here the arrows step.
  for (const [key, move] of Object.entries(moves))
    figure.keys.set(key === " " ? "space" : key, move);
  figure.frame.addEventListener("keydown", watch, true);
  figure.caption.className = "caption";
  figure.caption.append(element);
  return { go, at: () => at, element };

  function watch(event) {
    const { target, key } = event;
    const move = moves[key];
    if (!move || event.ctrlKey || event.metaKey || event.altKey) return;
    // A slider moves by itself, a text is typed into, a button is pressed with the space bar.
    if (/INPUT|SELECT/.test(target.tagName) || figure.bar.contains(target)) return;
    if (target.tagName === "BUTTON" && key === " ") return;
    event.preventDefault();
    event.stopPropagation();
    move[1]();
  }
}

/** CSS of the player and of the parts that both figures share. */
export const PLAYER_STYLE = `
.caption{padding:2px 14px 8px;width:0;min-width:100%}
.player{display:flex;align-items:center;gap:3px;flex-wrap:wrap}
.player input{flex:1 1 120px;min-width:90px;padding:0;border:0;accent-color:var(--f)}
.player svg{display:block;width:16px;height:16px;fill:currentColor}
.player button{padding:0 4px}
.place{color:var(--muted);font-size:12px;padding:0 6px;font-variant-numeric:tabular-nums}
.stage{max-height:min(480px,70vh)}
.ghost{opacity:.3}
.box.active>.ring{stroke:var(--c);stroke-width:2.5}
.box.near>.ring{stroke:var(--c);stroke-width:1.5;stroke-dasharray:2 3}
.moment{padding-top:6px}
small{color:var(--muted);font-size:11px}
code,.source,output{font:12px/1.6 ui-monospace,Menlo,Consolas,'DejaVu Sans Mono',monospace}
`;
