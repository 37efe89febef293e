/* Outlines of boxes, paths of lines: the strings of SVG, which canvas reads as well (Path2D).
 *
 * The twin of dlgraph/draw/shapes.py; what the static picture shows, the live one shows at the
 * same place.  Read next: scene.js. */

const CORNER = 6;
export const STRIP = 18;
const MARKS = {
  loop: "m4 3c-2 2.5-6 2.5-8 0c-2-3 0-8 4-8c3 0 5 2.5 5 5m-2.5-2.5l2.5 2.5l2.5-2.5",
  branch: "m0-6v5l-4 7m4-7l4 7",
  function: "m-3-6h6v4h-6zm3 4v4m-3 0h6v4h-6z",
};

/** The outline of a box as an SVG path; `extra` is a thinner path on top of it, or "". */
export function outline(style, x, y, width, height) {
  let extra = "";
  if (style === "update" || style === "failed") {
    const cut = Math.min(8, height / 3);
    const across = width - 2 * cut;
    const up = height - 2 * cut;
    const path = `M${x + cut} ${y}h${across}l${cut} ${cut}v${up}l${-cut} ${cut}h${-across}`;
    return { path: `${path}l${-cut} ${-cut}v${-up}z`, extra };
  }
  let radius = 7;
  if (style === "input" || style === "constant" || style === "badge") {
    radius = Math.min(height / 2, 15);
  } else if (style === "parameter") radius = 0;
  if (style === "loss") extra = rounded(x + 3, y + 3, width - 6, height - 6, 4);
  if (MARKS[style]) {
    const strip = Math.min(STRIP, height - 1);
    extra = `M${x + strip} ${y}v${height}M${x + strip / 2} ${y + height / 2}${MARKS[style]}`;
  }
  return { path: rounded(x, y, width, height, radius), extra };
}

/** Does this kind of box carry a mark at its left? */
export const marked = (style) => style in MARKS;

function rounded(x, y, width, height, r) {
  const arc = (dx, dy) => (r ? `a${r} ${r} 0 0 1 ${dx} ${dy}` : "");
  return (
    `M${x + r} ${y}h${width - 2 * r}${arc(r, r)}v${height - 2 * r}${arc(-r, r)}` +
    `h${2 * r - width}${arc(-r, -r)}v${2 * r - height}${arc(r, -r)}z`
  );
}

/**
 * A line from its corners: upright and level pieces as they are, right angles rounded, slanting
 * pieces as curves that start and end upright.  The stroke ends inside the arrow, whose tip is the
 * last corner.
 */
export function route(points, arrow) {
  const [beforeX, beforeY] = points[points.length - 2];
  const [tipX, tipY] = points[points.length - 1];
  const level = beforeY === tipY;
  const ahead = Math.sign(level ? tipX - beforeX : tipY - beforeY) || 1;
  const length = ahead * arrow;
  const half = arrow / 2;
  const tip = level
    ? `M${tipX} ${tipY}l${-length} ${-half}v${arrow}z`
    : `M${tipX} ${tipY}l${-half} ${-length}h${arrow}z`;
  const back = ahead * (arrow - 1);
  const way = [...points.slice(0, -1), level ? [tipX - back, tipY] : [tipX, tipY - back]];
  let path = `M${way[0]}`;
  for (let i = 1; i < way.length; i++) {
    const [x0, y0] = way[i - 1];
    const [x, y] = way[i];
    const [x2, y2] = way[i + 1] ?? way[i];
    const middle = (y0 + y) / 2;
    if (x !== x0 && y !== y0) path += `C${x0} ${middle} ${x} ${middle} ${x} ${y}`;
    else if ((x === x0) !== (x2 === x) && (y === y0) !== (y2 === y)) {
      path += `L${towards(x, y, x0, y0)}Q${x} ${y} ${towards(x, y, x2, y2)}`;
    } else path += `L${x} ${y}`;
  }
  return { path, tip };
}

function towards(x, y, toX, toY) {
  const reach = Math.min(CORNER, (Math.abs(toX - x) + Math.abs(toY - y)) / 2);
  return [x + Math.sign(toX - x) * reach, y + Math.sign(toY - y) * reach];
}
