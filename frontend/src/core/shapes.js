/* Outlines of boxes, paths of lines: the strings of SVG, which canvas reads as well (Path2D).
 *
 * The twin of dlgraph/draw/shapes.py; what the static picture shows, the live one shows at the
 * same place.  Read next: scene.js; kinds.js, which adds further kinds of boxes. */

const MARK_STRIP = 18;

/** Strokes of the marks, from the middle of the strip at the left of a box. */
export const MARKS = {};

/** Outlines other than a rounded rectangle: `(x, y, width, height) -> [path, path on top]`. */
export const SHAPES = { input: pill, constant: pill, badge: pill, parameter: square };

/** Width of the strip at the left of a box that holds its mark. */
export const stripOf = (style) => (MARKS[style] ? MARK_STRIP : 0);

/** The outline of a box as an SVG path, and a thinner path on top of it (or ""). */
export function outline(style, x, y, width, height) {
  if (SHAPES[style]) return SHAPES[style](x, y, width, height);
  const path = rounded(x, y, width, height, 7);
  if (!MARKS[style]) return [path, ""];
  const strip = Math.min(MARK_STRIP, height - 1);
  const middle = `M${x + strip / 2} ${y + height / 2}`;
  return [path, `M${x + strip} ${y}v${height}${middle}${MARKS[style]}`];
}

function pill(x, y, width, height) {
  return [rounded(x, y, width, height, Math.min(height / 2, 15)), ""];
}

function square(...place) {
  return [rounded(...place, 0), ""];
}

/** A rectangle with round corners. */
export function rounded(x, y, width, height, r) {
  const arc = (dx, dy) => `a${r} ${r} 0 0 1 ${dx} ${dy}`;
  const [w, up] = [width - 2 * r, height - 2 * r];
  const half = `M${x + r} ${y}h${w}${arc(r, r)}v${up}${arc(-r, r)}`;
  return `${half}h${-w}${arc(-r, -r)}v${-up}${arc(r, -r)}z`;
}

/**
 * A line from its corners, and its arrow: upright and level pieces as they are, right angles
 * rounded, slanting pieces as curves that start and end upright.  The stroke ends inside the arrow,
 * whose tip is the last corner.
 */
export function wayOf(points, arrow) {
  const [[beforeX, beforeY], [tipX, tipY]] = points.slice(-2);
  const level = beforeY === tipY;
  const ahead = Math.sign(level ? tipX - beforeX : tipY - beforeY) || 1;
  const length = -ahead * arrow;
  const [dx, dy] = level ? [length, -arrow / 2] : [-arrow / 2, length];
  const tip = `M${tipX} ${tipY}l${dx} ${dy}${level ? "v" : "h"}${arrow}z`;
  const back = ahead * (arrow - 1);
  const way = [...points.slice(0, -1), level ? [tipX - back, tipY] : [tipX, tipY - back]];
  let path = `M${way[0]}`;
  for (let i = 1; i < way.length; i++) {
    const [x0, y0] = way[i - 1];
    const [x, y] = way[i];
    const [x2, y2] = way[i + 1] ?? way[i];
    const middle = (y0 + y) / 2;
    if (x !== x0 && y !== y0) path += `C${[x0, middle, x, middle, x, y]}`;
    else if ((x === x0) !== (x2 === x) && (y === y0) !== (y2 === y)) {
      path += `L${towards(x, y, x0, y0)}Q${[x, y, ...towards(x, y, x2, y2)]}`;
    } else path += `L${[x, y]}`;
  }
  return [path, tip];
}

function towards(x, y, toX, toY) {
  const reach = Math.min(6, (Math.abs(toX - x) + Math.abs(toY - y)) / 2);
  return [x + Math.sign(toX - x) * reach, y + Math.sign(toY - y) * reach];
}
