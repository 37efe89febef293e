/* Layered layout, step 4: where the rows stand and how the lines run.  Twin of
 * dlgraph/draw/routes.py.  Read next: across.js. */

import { RANK_GAP, RANK_GAP_MORE } from "../generated/sizes.js";

const SLANT = 8; // px sideways for which a gap grows by one px
const SIDE_BY_SIDE = 16; // px over which parallel lines are spread
const INSET = 16; // px from the side of a box to the line that arrives or leaves furthest out
const TRACK = 12; // px for a line that runs sideways in a gap

/** Stack the rows from y = 0.  `tracks[g]` lines run sideways in gap g, above row g. */
export function placeRows(graph, slants, heights, tracks) {
  const rows = { tops: [], heights: [], gaps: [], bottom: 0 };
  const widened = (gap, count) => gap + TRACK * count + (count && !gap ? TRACK : 0);
  graph.rows.forEach((vertices, row) => {
    let height = 0;
    for (const vertex of vertices) {
      if (vertex < graph.boxes) height = Math.max(height, heights[vertex]);
    }
    const gap = row ? RANK_GAP + Math.min(RANK_GAP_MORE, Math.floor(slants[row] / SLANT)) : 0;
    rows.gaps.push(widened(gap, tracks[row]));
    rows.tops.push(rows.bottom + rows.gaps[row]);
    rows.heights.push(height);
    rows.bottom = rows.tops[row] + height;
  });
  rows.gaps.push(widened(0, tracks.at(-1)));
  return rows;
}

/** How far sideways the lines that end in each row run in the gap above it, at most. */
export function slantsOf(graph, xs, sides) {
  const found = graph.rows.map(() => 0);
  graph.chains.forEach((chain, edge) => {
    for (const shift of sides[edge]) {
      for (let step = 1; step < chain.length; step++) {
        const before = xs[chain[step - 1]] + (step > 1 ? shift.way : shift.start);
        const after = xs[chain[step]] + (step < chain.length - 1 ? shift.way : shift.end);
        const row = graph.rowOf[chain[step]];
        found[row] = Math.max(found[row], Math.abs(after - before));
      }
    }
  });
  return found;
}

/** The height at which the boxes of a row are centred. */
export function middleOfRow(rows, row) {
  return rows.tops[row] + rows.heights[row] / 2;
}

/** The y of one of `count` lines that run sideways in a gap. */
export function trackIn(rows, gap, index, count) {
  const top = gap < rows.tops.length ? rows.tops[gap] - rows.gaps[gap] : rows.bottom;
  return top + (rows.gaps[gap] * (index + 1)) / (count + 1);
}

/** The corners of the line along a chain of vertices, from the source down to the target. */
export function route(graph, chain, xs, heights, rows, shift) {
  const points = [];
  chain.forEach((vertex, step) => {
    const row = graph.rowOf[vertex];
    const top = rows.tops[row];
    const bottom = top + rows.heights[row];
    const middle = middleOfRow(rows, row);
    const half = heights[vertex] / 2;
    const last = step === chain.length - 1;
    const x = xs[vertex] + (step ? (last ? shift.end : shift.way) : shift.start);
    if (step) points.push([x, top], [x, last ? middle - half : bottom]);
    else points.push([x, middle + half], [x, bottom]);
  });
  return straightened(points);
}

/** The same line without repeated corners and without corners on a vertical run. */
function straightened(points) {
  const kept = [];
  for (const [x, y] of points) {
    const [before, last] = [kept.at(-2), kept.at(-1)];
    if (last && last[0] === x && last[1] === y) continue;
    if (before && before[0] === x && last[0] === x) kept.pop();
    kept.push([x, y]);
  }
  return kept;
}

/** For each edge the shifts of its lines: one line per operand, so `x * x` has two. */
export function shifts(graph, counts, xs, widths) {
  const starts = ports(graph, counts, xs, widths, true);
  const ends = ports(graph, counts, xs, widths, false);
  lean(graph, starts, ends, xs, widths);
  return counts.map((count, edge) => {
    const step = SIDE_BY_SIDE / Math.max(count - 1, 2);
    return Array.from({ length: count }, (_, index) => ({
      start: starts[edge][index],
      way: (index - (count - 1) / 2) * step,
      end: ends[edge][index],
    }));
  });
}

/** Shift the ends of single lines towards each other; empty lists are filled in. */
function lean(graph, starts, ends, xs, widths) {
  const reach = (box, shifted) => (shifted.length ? 0 : Math.max(0, widths[box] / 2 - INSET));
  const limited = (shift, most) => Math.max(-most, Math.min(most, shift));
  graph.chains.forEach((chain, edge) => {
    const [source, target, short] = [chain[0], chain.at(-1), chain.length === 2];
    const leave = reach(source, starts[edge]);
    let end = limited(xs[chain.at(-2)] - xs[target], reach(target, ends[edge]));
    if (short && Math.abs(xs[target] - xs[source]) <= leave) end = 0;
    const ahead = xs[chain[1]] + (short ? end : 0);
    if (!ends[edge].length) ends[edge] = [end];
    if (!starts[edge].length) starts[edge] = [limited(ahead - xs[source], leave)];
  });
}

function ports(graph, counts, xs, widths, atStart) {
  const found = counts.map(() => []);
  const edgesAt = new Map();
  const [own, next] = atStart ? [0, 1] : [-1, -2];
  graph.chains.forEach((chain, edge) => {
    const box = chain.at(own);
    if (!edgesAt.has(box)) edgesAt.set(box, []);
    edgesAt.get(box).push(edge);
  });
  for (const [box, edges] of edgesAt) {
    if (edges.every((edge) => counts[edge] === 1)) continue;
    // Sorted by the next corner of each line as seen from the box.
    const seen = (edge) => xs[graph.chains[edge].at(next)];
    edges.sort((a, b) => seen(a) - seen(b));
    const total = edges.reduce((sum, edge) => sum + counts[edge], 0);
    const room = (widths[box] - SIDE_BY_SIDE) / Math.max(total - 1, 1);
    const step = Math.min(SIDE_BY_SIDE * 0.75, room);
    let place = -(total - 1) / 2;
    for (const edge of edges) {
      for (let left = counts[edge]; left > 0; left--) found[edge].push(place++ * step);
    }
  }
  return found;
}
