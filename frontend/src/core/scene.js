/* The picture as SVG: every box a group with its texts, every line a path with its arrow.
 *
 * A scene only draws and marks; it knows nothing of keys, pointers and panels.  canvas.js is the
 * same interface for pictures of more than 500 boxes.  Read next: index.js. */

import { s, set } from "./dom.js";
import { marked, outline, route, STRIP } from "./shapes.js";

const SMALL = 11; // px, badges and ports; nothing is smaller
const HEADING = 26; // px above the boxes for the two headings
const BADGE = 18;
const ARROW = 7;

/**
 * Draw a layout.
 *
 * @param {object} layout what `layOut` returns, see layout/index.js.
 * @param {(key: string) => string} say the words that a screen reader says for a box.
 * @returns a scene: `element` (the svg), `width`, `height`, `mark(keys, name)`, `write(key, texts)`,
 *   `place(key)` (x, y, width, height in the picture), `labels(texts)`.
 */
export function drawSvg(layout, say) {
  const top = layout.axis == null ? 0 : HEADING;
  const groups = new Map();
  const lines = s("g", { class: "lines" });
  const boxes = s("g", { class: "boxes" });
  const words = s("g", { class: "shapes" });
  for (const style of ["update", "parameter", "turn", "gradient", "failed", "forward"]) {
    for (const line of layout.lines) if (line.style === style) lines.append(drawLine(line, groups));
  }
  for (const box of layout.boxes) {
    const group = drawBox(box, say(box.key));
    groups.set(box.key, [group]);
    boxes.append(group);
  }
  const height = layout.height + top;
  const element = s(
    "svg",
    { viewBox: `0 0 ${layout.width} ${height}`, role: "presentation" },
    s("g", { transform: `translate(0 ${top})` }, ...headings(layout), lines, boxes, words),
  );
  return {
    element,
    width: layout.width,
    height,
    top,
    groups,
    mark(keys, name) {
      for (const group of element.querySelectorAll(`.${name}`)) group.classList.remove(name);
      for (const key of keys) for (const group of groups.get(key) ?? []) group.classList.add(name);
    },
    write(key, texts) {
      const [group] = groups.get(key) ?? [];
      if (group) writeBox(group, texts);
    },
    paint(key, colour) {
      const [group] = groups.get(key) ?? [];
      const [shape] = group?.getElementsByClassName("o") ?? [];
      if (shape) shape.style.fill = colour ?? "";
    },
    resize(scale) {
      set(element, { width: this.width * scale, height: height * scale });
    },
    svg: () => element,
    at: ({ target }) => target.closest?.("[data-key]")?.dataset.key ?? null,
    rove(key) {
      for (const [one, [group]] of groups) {
        if (group.dataset.key) group.setAttribute("tabindex", one === key ? 0 : -1);
      }
    },
    focus(key) {
      const [group] = groups.get(key) ?? [];
      group?.focus({ preventScroll: true });
      group?.scrollIntoView({ block: "nearest", inline: "nearest" });
    },
    labels(texts) {
      words.replaceChildren(...texts.map(({ x, y, text }) => s("text", { x, y }, text)));
    },
  };
}

function drawLine(line, groups) {
  const { path, tip } = route(line.points, line.style === "parameter" ? ARROW - 1 : ARROW);
  const key = `${line.source}>${line.target}`;
  const group = s(
    "g",
    { class: `line ${line.style}`, "aria-hidden": "true" },
    s("path", { class: "wide", d: path }),
    s("path", { class: "way", d: path }),
    s("path", { class: "tip", d: tip }),
  );
  groups.set(key, [...(groups.get(key) ?? []), group]);
  return group;
}

function drawBox(box, words) {
  const { x, y, width, height } = box;
  const { path, extra } = outline(box.style, x, y, width, height);
  const group = s(
    "g",
    { class: `box ${box.style}`, "data-key": box.key, role: "img", "aria-label": words },
    s("title", {}, words),
    s("path", { class: "ring", d: outline("", x - 4, y - 4, width + 8, height + 8).path }),
    s("path", { class: "o", d: path }),
    extra && s("path", { class: "extra", d: extra }),
    s("g", { class: "words" }),
  );
  group.box = box;
  writeBox(group, box);
  return group;
}

/* The texts of a box; `texts` overrides what the layout gave it. */
function writeBox(group, texts) {
  const box = { ...group.box, ...texts };
  const { x, y, width, height, badges, ports } = box;
  const middle = x + (width + (marked(box.style) ? STRIP : 0)) / 2;
  const base = y + (box.detail ? 18 : (height - (ports.length ? 16 : 0)) / 2 + 4.5);
  // Widths as the layout measured them: the browser's own would differ from machine to machine.
  const inner = badges.map((badge) => measure(badge, SMALL) + 12);
  const label = measure(box.label, 13);
  const tag = box.tag ? measure(` ${box.tag}`, 12) : 0;
  let left = middle - (inner.reduce((sum, one) => sum + one + 6, 0) + label + tag) / 2;
  const parts = [];
  badges.forEach((badge, i) => {
    const shape = outline("badge", left, base - 13.5, inner[i], BADGE).path;
    parts.push(s("path", { class: "badge", d: shape }));
    parts.push(s("text", { class: "small", x: left + inner[i] / 2, y: base - 0.5 }, badge));
    left += inner[i] + 6;
  });
  const name = s("tspan", { class: "label" }, box.label);
  const more = box.tag ? ` ${box.tag}` : "";
  parts.push(s("text", { x: left + (label + tag) / 2, y: base }, name, more));
  if (box.detail) {
    const detail = { class: box.muted ? "muted detail" : "detail", x: middle, y: y + 35 };
    parts.push(s("text", detail, box.detail));
  }
  let at = x + width / 2 - ports.reduce((sum, port) => sum + measure(port, SMALL) + 12, 0) / 2;
  for (const port of ports) {
    const room = measure(port, SMALL) + 12;
    const place = { class: "small muted", x: at + room / 2, y: y + height - 5 };
    parts.push(s("text", place, port));
    at += room;
  }
  group.lastChild.replaceChildren(...parts);
}

/* `forward: values` over the one half, `backward: gradients` over the other. */
function headings(layout) {
  if (layout.axis == null) return [];
  const words = [
    ["f", "forward:", " values"],
    ["b", "backward:", " gradients"],
  ];
  const centres = words.map(([half]) => {
    const boxes = layout.boxes.filter((box) => box.key[0] === half);
    const low = Math.min(...boxes.map((box) => box.x));
    return (low + Math.max(...boxes.map((box) => box.x + box.width))) / 2;
  });
  const apart = Math.max(0, 160 - (centres[1] - centres[0])) / 2;
  return words.map(([half, bold, rest], side) => {
    const x = centres[side] + (side ? apart : -apart);
    return s("text", { class: "heading", x, y: 0 }, s("tspan", { class: half }, bold), rest);
  });
}

let ruler;

/** Width of a text in pixels, in the font of the picture. */
export function measure(text, size) {
  ruler ??= document.createElement("canvas").getContext("2d");
  ruler.font = `${size === 13 ? "bold " : ""}${size}px Helvetica,Arial,'Liberation Sans',sans-serif`;
  return ruler.measureText(text).width;
}
