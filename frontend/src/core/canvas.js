/* The picture on a canvas, for more boxes than an SVG can pan smoothly.
 *
 * The same methods as the scene of scene.js.  Only what is in sight is drawn, labels only where they
 * can be read.  Hidden tables of all boxes, made when somebody comes by keyboard, stand in for screen
 * readers. */

import { h } from "./dom.js";
import { drawSvg, measure } from "./scene.js";
import { outline, stripOf, wayOf } from "./shapes.js";
import { inSlices } from "./slices.js";

const READABLE = 0.35; // scale below which no text is drawn
const CELL = 400; // px of the grid by which what is in sight is found
const ROWS = 250; // of a table
const ROLES = { backward: "g", gradient: "g", turn: "g", scope_gradient: "g", update: "u" };
const MORE_ROLES = { parameter: "p", constant: "p", saved: "muted", failed: "e" };
const DASHES = { backward: [5, 3], gradient: [5, 3], turn: [5, 3], scope_gradient: [5, 3] };
const MORE_DASHES = { update: [2, 3], saved: [2, 3], failed: [9, 4] };

const FAMILY = "Helvetica,Arial,'Liberation Sans',sans-serif";

/** Draw a layout on a canvas that is as large as what is in sight of it. */
export function drawCanvas(layout, say, figure) {
  const { stage } = figure;
  const { width, height } = layout;
  const canvas = h("canvas", { role: "img", tabindex: 0, "aria-label": figure.text });
  // One line a row: broken into words, ten thousand rows would take seconds to lay out.
  const tables = h("div", { class: "said", style: "white-space:nowrap" });
  const element = h("div", { class: "paper" }, canvas, tables);
  const filling = rowsInto(tables, layout, say);
  let stop;
  const marks = new Map();
  const texts = new Map();
  const colours = new Map();
  const grid = gridOf(layout);
  let scale = 1;
  let words = [];
  let asked = 0;
  const has = (name, key) => marks.get(name)?.has(key);

  const draw = () => {
    asked = 0;
    const dots = Math.min(devicePixelRatio || 1, 2);
    const [w, tall] = [stage.clientWidth, Math.min(stage.clientHeight, height * scale)];
    if (canvas.width !== Math.round(w * dots) || canvas.height !== Math.round(tall * dots)) {
      canvas.width = Math.round(w * dots);
      canvas.height = Math.round(tall * dots);
      canvas.style.cssText = `width:${w}px;height:${tall}px;position:sticky;left:0;top:0;margin:0`;
    }
    const style = getComputedStyle(figure.frame);
    const paint = (style_) =>
      style.getPropertyValue(`--${ROLES[style_] ?? MORE_ROLES[style_] ?? "f"}`);
    const own = { ink: style.getPropertyValue("--ink"), muted: style.getPropertyValue("--muted") };
    const pen = canvas.getContext("2d");
    const inset = Math.max(0, (w - width * scale) / 2);
    const left = (stage.scrollLeft - inset) / scale;
    const top = stage.scrollTop / scale;
    pen.setTransform(dots * scale, 0, 0, dots * scale, -left * dots * scale, -top * dots * scale);
    pen.clearRect(left, top, w / scale, tall / scale);
    const seen = grid(left, top, left + w / scale, top + tall / scale);
    for (const line of seen.lines) {
      const ends = `${line.source}>${line.target}`;
      pen.globalAlpha = has("faint", ends) ? 0.25 : 1;
      pen.lineWidth = has("selected", ends) || has("active", ends) ? 3 : 1.5;
      pen.strokeStyle = pen.fillStyle = paint(line.style);
      pen.setLineDash(
        scale < READABLE ? [] : (DASHES[line.style] ?? MORE_DASHES[line.style] ?? []),
      );
      line.drawn ??= wayOf(line.points, 7).map((path) => new Path2D(path));
      pen.stroke(line.drawn[0]);
      if (scale >= READABLE) pen.fill(line.drawn[1]);
    }
    for (const box of seen.boxes) {
      const { key, style: kind, x, y, width, height } = box;
      pen.globalAlpha = has("faint", key) ? 0.25 : 1;
      pen.strokeStyle = pen.fillStyle = paint(kind);
      pen.lineWidth =
        has("selected", key) || has("active", key) || figure.focused === key ? 3.5 : 1.5;
      pen.setLineDash(scale < READABLE ? [] : (DASHES[kind] ?? []));
      const alpha = pen.globalAlpha;
      box.drawn ??= outline(kind, x, y, width, height).map((path) => new Path2D(path));
      pen.globalAlpha = alpha * (colours.has(key) ? 1 : 0.15);
      if (colours.has(key)) pen.fillStyle = colours.get(key);
      if (colours.has(key) || !/parameter|input/.test(kind)) pen.fill(box.drawn[0]);
      pen.globalAlpha = alpha;
      pen.stroke(box.drawn[0]);
      if (scale < READABLE) continue;
      pen.lineWidth = 1;
      pen.stroke(box.drawn[1]);
      writeTexts(pen, { ...box, ...texts.get(key) }, own);
    }
    pen.globalAlpha = 1;
    if (scale < READABLE) return;
    pen.font = `11px ${FAMILY}`;
    pen.fillStyle = own.muted;
    for (const { text, x, y } of words) pen.fillText(text, x + measure(text) / 2, y);
  };
  const later = () => {
    if (!asked) asked = requestAnimationFrame(draw);
  };
  stage.addEventListener("scroll", later);
  figure.on("theme", later);
  canvas.onfocus = () => {
    stop?.();
    stop = inSlices(filling, { wanted: () => tables.isConnected });
  };
  const centre = (key) => {
    const { x, y, width: w, height: tall } = figure.box(key);
    const [atX, atY] = [(x + w / 2) * scale, (y + tall / 2) * scale];
    const { scrollLeft, scrollTop, clientWidth, clientHeight } = stage;
    if (atX < scrollLeft + 40 || atX > scrollLeft + clientWidth - 40) {
      stage.scrollLeft = atX - clientWidth / 2;
    }
    if (atY < scrollTop + 40 || atY > scrollTop + clientHeight - 40) {
      stage.scrollTop = atY - clientHeight / 2;
    }
  };
  return {
    ...{ element, width, height },
    svg() {
      const { element: copy, ...scene } = drawSvg(layout, say);
      for (const [key, own] of texts) scene.write(key, own);
      for (const [key, colour] of colours) scene.paint(key, colour);
      for (const [name, keys] of marks) scene.mark(keys, name);
      scene.labels(words);
      // Only what is on the page has a computed style: there it stays until it has been read.
      const shelf = h("div", { class: "said" }, copy);
      stage.append(shelf);
      queueMicrotask(() => shelf.remove());
      return copy;
    },
    resize(factor) {
      scale = factor;
      element.style.cssText = `width:${width * scale}px;height:${height * scale}px`;
      draw();
    },
    mark(keys, name) {
      marks.set(name, new Set(keys));
      later();
    },
    write(key, own) {
      texts.set(key, own);
      later();
    },
    paint(key, colour) {
      if (colour) colours.set(key, colour);
      else colours.delete(key);
      later();
    },
    labels(found) {
      words = found;
      later();
    },
    at(_, clientX, clientY) {
      const { left, top } = canvas.getBoundingClientRect();
      const inset = Math.max(0, (stage.clientWidth - width * scale) / 2);
      const x = (clientX - left + stage.scrollLeft - inset) / scale;
      const y = (clientY - top + stage.scrollTop) / scale;
      const hit = (box) =>
        x >= box.x && x <= box.x + box.width && y >= box.y && y <= box.y + box.height;
      return grid(x, y, x, y).boxes.find(hit)?.key ?? null;
    },
    focus(key, scroll) {
      if (!scroll) return;
      canvas.focus({ preventScroll: true });
      centre(key);
      figure.announce(say(key));
      later();
    },
  };
}

function writeTexts(pen, box, { ink, muted }) {
  const middle = box.x + (box.width + stripOf(box.style)) / 2;
  const base = box.y + (box.detail ? 18 : box.height / 2 + 4.5);
  const first = [...box.badges.map((badge) => `(${badge})`), box.label, box.tag].filter(Boolean);
  pen.textAlign = "center";
  pen.fillStyle = ink;
  pen.font = `bold 13px ${FAMILY}`;
  pen.fillText(first.join(" "), middle, base, box.width - 8);
  if (box.muted) pen.fillStyle = muted;
  pen.font = `12px ${FAMILY}`;
  pen.fillText(box.detail, middle, box.y + 35, box.width - 8);
}

/* What lies in a rectangle, found by the cells of a grid. */
function gridOf({ boxes, lines }) {
  const cells = new Map();
  const put = (kind, thing, left, top, right, bottom) => {
    for (let i = Math.floor(left / CELL); i <= Math.floor(right / CELL); i++) {
      for (let j = Math.floor(top / CELL); j <= Math.floor(bottom / CELL); j++) {
        const key = `${i} ${j}`;
        if (!cells.has(key)) cells.set(key, { boxes: [], lines: [] });
        cells.get(key)[kind].push(thing);
      }
    }
  };
  for (const box of boxes) put("boxes", box, box.x, box.y, box.x + box.width, box.y + box.height);
  for (const line of lines) {
    // Piece by piece: the rectangle around a whole long line is mostly empty.
    for (let i = 1; i < line.points.length; i++) {
      const [[x0, y0], [x, y]] = [line.points[i - 1], line.points[i]];
      put("lines", line, Math.min(x0, x), Math.min(y0, y), Math.max(x0, x), Math.max(y0, y));
    }
  }
  return (left, top, right, bottom) => {
    const found = { boxes: new Set(), lines: new Set() };
    for (let i = Math.floor(left / CELL); i <= Math.floor(right / CELL); i++) {
      for (let j = Math.floor(top / CELL); j <= Math.floor(bottom / CELL); j++) {
        const cell = cells.get(`${i} ${j}`);
        for (const box of cell?.boxes ?? []) found.boxes.add(box);
        for (const line of cell?.lines ?? []) found.lines.add(line);
      }
    }
    return { boxes: [...found.boxes], lines: [...found.lines] };
  };
}

/* Several tables, none of which moves another one: in a single one each slice would lay out all rows
 * again. */
function* rowsInto(element, { boxes }, say) {
  const style = "table-layout:fixed;width:9em;contain:strict;height:1px";
  for (let start = 0; start < boxes.length; start += ROWS) {
    const own = boxes.slice(start, start + ROWS);
    const rows = own.map(({ key }) => h("tr", {}, h("td", {}, say(key))));
    const words = `boxes ${start + 1} to ${start + own.length} of ${boxes.length}`;
    element.append(h("div", { style }, h("table", {}, h("caption", {}, words), ...rows)));
    yield;
  }
}
