/* A live chart: the picture that Python drew, made walkable.
 *
 * The SVG is the one that already stands in the page (`dlgraph/draw/chart.py`); every row of it is a
 * group with a key.  Here it moves into the figure, takes the colours of the theme, and its rows can
 * be selected with pointer and keyboard.  The words of a row come from `payload.rows`. */

import { set } from "../core/dom.js";
import { mount } from "../core/index.js";

const STYLE = `
svg [data-c=ground]{fill:none;stroke:none}
svg [data-c=ink]{fill:var(--ink)}
svg [data-c=muted]{fill:var(--muted)}
svg [data-c=grid]{stroke:var(--frame)}
svg [data-c~=stretch]{stroke:var(--f);fill:color-mix(in srgb,var(--f) 18%,var(--bg))}
svg [data-c~=gradient]{stroke:var(--g);fill:color-mix(in srgb,var(--g) 18%,var(--bg))}
svg [data-c~=update]{stroke:var(--u);fill:color-mix(in srgb,var(--u) 18%,var(--bg))}
svg [data-c~=parameter]{stroke:var(--p);fill:color-mix(in srgb,var(--p) 18%,var(--bg))}
svg [data-c~=curve]{stroke:var(--muted)}
svg [data-c~=planned]{stroke:var(--f)}
svg [data-c~=again]{stroke:var(--u)}
svg [data-c=shade]{fill:color-mix(in srgb,var(--f) 18%,var(--bg))}
svg [data-c=turning]{stroke:var(--g)}
[data-key]{cursor:pointer;outline:0}
[data-key]:hover [data-c=row],.selected [data-c=row]{fill:color-mix(in srgb,var(--f) 12%,var(--bg))}
[data-key]:focus [data-c=row]{stroke:var(--ink);stroke-width:1.5}
.selected [data-c~=stretch]{stroke-width:3}
.panel p{display:none}
`;

/** Start the chart in `host`; called by the script of the page. */
export function main(host, payload) {
  const drawn = picture(host);
  const facts = {}; // all that is known of a row stands in its title
  const figure = mount(
    host,
    { ...payload, facts },
    {
      layOut: () => layoutOf(drawn, payload),
      draw: (layout) => sceneOf(drawn, layout, payload),
      style: STYLE,
    },
  );
  for (const [key, step] of [
    ["ArrowUp", -1],
    ["ArrowDown", 1],
    ["ArrowLeft", -1],
    ["ArrowRight", 1],
  ]) {
    figure.keys.set(key, [
      step < 0 ? "to the row above" : "to the row below",
      () => walk(figure, step),
    ]);
  }
  for (const key of ["u", "d"]) figure.keys.delete(key);
  return figure;
}

/* The SVG inside the image that stands in for the figure. */
function picture(host) {
  const source = host.querySelector("img").src;
  const text = decodeURIComponent(source.slice(source.indexOf(",") + 1));
  const found = new DOMParser().parseFromString(text, "image/svg+xml").documentElement;
  return document.importNode(found, true);
}

function layoutOf(drawn, { rows }) {
  const boxes = [...drawn.querySelectorAll("[data-key]")].map((group) => {
    const { key } = group.dataset;
    const shape = group.querySelector("[data-c=row]");
    const [x, y, width, height] = ["x", "y", "width", "height"].map(
      (name) => +shape.getAttribute(name),
    );
    const [label] = rows[key];
    return {
      ...{ key, style: "row", label, tag: "", detail: "", badges: [], ports: [], muted: false },
      ...{ title: rows[key].join("\n"), group: -1, inside: -1, x, y, width, height },
    };
  });
  return { ...size(drawn), axis: null, badges: "", boxes, lines: [] };
}

const size = (drawn) => ({
  width: +drawn.getAttribute("width"),
  height: +drawn.getAttribute("height"),
});

function sceneOf(element, { width, height }, { rows }) {
  const groups = new Map(
    [...element.querySelectorAll("[data-key]")].map((g) => [g.dataset.key, [g]]),
  );
  const one = (key) => groups.get(key)?.[0];
  set(element, { role: "presentation" });
  for (const [key, [group]] of groups) {
    set(group, { role: "img", "aria-label": rows[key].join(", ") });
  }
  return {
    ...{ element, width, height, top: 0, groups },
    mark(keys, name) {
      for (const group of element.querySelectorAll(`.${name}`)) group.classList.remove(name);
      for (const key of keys) one(key)?.classList.add(name);
    },
    write() {},
    labels() {},
    paint(key, colour) {
      const shape = one(key)?.querySelector("[data-c~=stretch]");
      if (shape) shape.style.fill = colour ?? "";
    },
    resize(scale) {
      set(element, { width: width * scale, height: height * scale });
    },
    svg: () => element,
    at: (target) => target.closest("[data-key]")?.dataset.key ?? null,
    focus(key, scroll) {
      for (const [own, [group]] of groups) set(group, { tabindex: own === key ? 0 : -1 });
      if (!scroll) return;
      one(key)?.focus({ preventScroll: true });
      one(key)?.scrollIntoView({ block: "nearest", inline: "nearest" });
    },
  };
}

function walk(figure, step) {
  const keys = [...figure.boxes.keys()];
  const place = keys.indexOf(figure.focused) + step;
  if (keys[place]) figure.focus(keys[place]);
}
