/* Layered layout, step 4: where the rows stand and how the lines run.  Twin of
 * dlgraph/draw/routes.py.  Read next: across.js. */

import { RANK_GAP, RANK_GAP_MORE } from "../generated/sizes.js";

const SLANT = 8; // px sideways for which a gap grows by one px
const SIDE_BY_SIDE = 16; // px over which parallel lines are spread
const TRACK = 12; // px for a line that runs sideways in a gap

/** Stack the rows from y = 0.  `tracks[g]` lines run sideways in gap g, above row g. */
export function placeRows(graph, xs, heights, tracks) {
  const rows = { tops: [], heights: [], gaps: [], bottom: 0 };
  const widened = (gap, count) => gap + TRACK * count + (count && !gap ? TRACK : 0);
  graph.rows.forEach((vertices, row) => {
    let slant = 0;
    let height = 0;
    for (const vertex of vertices) {
      if (vertex < graph.boxes) height = Math.max(height, heights[vertex]);
      for (const other of graph.above[vertex]) {
        slant = Math.max(slant, Math.abs(xs[vertex] - xs[other]));
      }
    }
    const gap = row ? RANK_GAP + Math.min(RANK_GAP_MORE, Math.floor(slant / SLANT)) : 0;
    rows.gaps.push(widened(gap, tracks[row]));
    rows.tops.push(rows.bottom + rows.gaps[row]);
    rows.heights.push(height);
    rows.bottom = rows.tops[row] + height;
  });
  rows.gaps.push(widened(0, tracks.at(-1)));
  return rows;
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
  return counts.map((count, edge) => {
    const step = SIDE_BY_SIDE / Math.max(count - 1, 2);
    return Array.from({ length: count }, (_, index) => ({
      start: starts[edge][index],
      way: (index - (count - 1) / 2) * step,
      end: ends[edge][index],
    }));
  });
}

function ports(graph, counts, xs, widths, atStart) {
  const found = counts.map((count) => Array(count).fill(0));
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
      for (let index = 0; index < counts[edge]; index++) found[edge][index] = place++ * step;
    }
  }
  return found;
}
