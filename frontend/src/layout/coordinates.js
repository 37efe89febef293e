/* Layered layout, step 3: how far right each box stands, so that lines are straight.  Twin of
 * dlgraph/draw/coordinates.py: U. Brandes, B. Koepf, Fast and simple horizontal coordinate
 * assignment (2001), with light boxes kept out of the way of the spine.  Read next: routes.js. */

import { LINE_GAP, NODE_GAP } from "../generated/sizes.js";
import { ascending, middleOf } from "./ordering.js";
import { topologicalOrder } from "./ranks.js";

const KINK = 12; // px

/** The x of the centre of every vertex; neighbours in a row keep their distance.  In steps: see
 *  index.js. */
export function* placeBoxes(graph, widths, light) {
  const vertices = graph.rowOf.length;
  if (!vertices) return [];
  const helpers = Array(vertices - graph.boxes);
  const wide = [...widths, ...helpers.fill(0)];
  const thin = [...light, ...helpers];
  const crossed = conflicts(graph);
  const runs = [];
  for (const upwards of [false, true]) {
    for (const leftwards of [false, true]) {
      let rows = upwards ? graph.rows.toReversed() : graph.rows;
      if (leftwards) rows = rows.map((row) => row.toReversed());
      const root = align(rows, upwards ? graph.below : graph.above, thin, crossed);
      yield;
      const xs = compact(rows, root, graph.boxes, wide);
      yield;
      runs.push(leftwards ? xs.map((x) => -x) : xs);
    }
  }
  const xs = balance(runs, wide);
  yield;
  straighten(graph, xs, wide, thin);
  tuckLight(graph, xs, wide, thin);
  const left = spanOf(xs, wide)[0];
  return xs.map((x) => x - left);
}

/** Least distance between the centres of two neighbours in a row. */
function distance(boxes, wide, left, right) {
  const helper = left >= boxes || right >= boxes;
  return (wide[left] + wide[right]) / 2 + (helper ? LINE_GAP : NODE_GAP);
}

function numbered(row, place) {
  for (let at = 0; at < row.length; at++) place[row[at]] = at;
  return place;
}

/** Pieces of short edges that cross the inner piece of a long one: they give way. */
function conflicts(graph) {
  const found = new Set();
  const place = [];
  for (let index = 1; index < graph.rows.length; index++) {
    const [upper, lower] = [graph.rows[index - 1], graph.rows[index]];
    if (upper.length === 1 || lower.length === 1) continue;
    numbered(upper, place);
    let start = 0;
    let first = 0;
    for (let at = 0; at < lower.length; at++) {
      const inner = innerOf(graph, lower[at]);
      if (inner < 0 && at < lower.length - 1) continue;
      const end = inner < 0 ? upper.length - 1 : place[inner];
      for (; first <= at; first++) {
        const other = lower[first];
        for (const above of graph.above[other]) {
          const inside = start <= place[above] && place[above] <= end;
          if (!inside && innerOf(graph, other) !== above)
            found.add(edgeOf(graph.above, above, other));
        }
      }
      start = end;
    }
  }
  return found;
}

function edgeOf(near, one, two) {
  return Math.min(one, two) * near.length + Math.max(one, two);
}

/** The helper above a helper: both belong to the inside of one long edge. */
function innerOf(graph, vertex) {
  if (vertex < graph.boxes) return -1;
  const above = graph.above[vertex][0];
  return above >= graph.boxes ? above : -1;
}

/** Chain vertices into blocks that share one x; gives the first vertex of each one's block. */
function align(rows, near, light, crossed) {
  const root = [...near.keys()];
  const taken = [];
  const place = [];
  for (let index = 1; index < rows.length; index++) {
    numbered(rows[index - 1], place);
    let reached = -1;
    for (const vertex of rows[index]) {
      const heavy = near[vertex].filter((other) => !light[other]);
      if (light[vertex] || !heavy.length) continue;
      heavy.sort((a, b) => place[a] - place[b]);
      for (const middle of [(heavy.length - 1) >> 1, heavy.length >> 1]) {
        const other = heavy[middle];
        const blocked = crossed.has(edgeOf(near, other, vertex));
        if (taken[other] || blocked || place[other] <= reached) continue;
        root[vertex] = root[other];
        taken[other] = true;
        reached = place[other];
        break;
      }
    }
  }
  return root;
}

/** Push the blocks together: as far left as they go, then back right where there is room. */
function compact(rows, root, boxes, wide) {
  const left = root.map(() => []);
  const right = root.map(() => []);
  const apart = new Map();
  const key = (one, two) => one * root.length + two;
  for (const row of rows) {
    for (let at = 1; at < row.length; at++) {
      const [one, two] = [root[row[at - 1]], root[row[at]]];
      const known = apart.get(key(one, two));
      if (known === undefined) {
        right[one].push(two);
        left[two].push(one);
      }
      apart.set(key(one, two), Math.max(known ?? 0, distance(boxes, wide, row[at - 1], row[at])));
    }
  }
  const xs = root.map(() => 0);
  const order = topologicalOrder(left, right);
  for (const block of order) {
    for (const other of left[block]) {
      xs[block] = Math.max(xs[block], xs[other] + apart.get(key(other, block)));
    }
  }
  for (const block of order.reverse()) {
    const rooms = right[block].map((other) => xs[other] - apart.get(key(block, other)));
    if (rooms.length) xs[block] = Math.max(xs[block], least(rooms));
  }
  return root.map((block) => xs[block]);
}

/** The smallest number; `Math.min(...numbers)` fails for very many. */
export function least(numbers) {
  return numbers.reduce((one, two) => Math.min(one, two));
}

function spanOf(xs, wide) {
  return [least(xs.map((x, at) => x - wide[at] / 2)), -least(xs.map((x, at) => -x - wide[at] / 2))];
}

/** The median of the four runs, shifted onto the narrowest one. */
function balance(runs, wide) {
  const spans = runs.map((run) => spanOf(run, wide));
  const size = spans.map(([low, high]) => high - low);
  const best = size.indexOf(least(size));
  // Runs that packed to the left share the left border, the others the right one.
  const moves = spans.map((span, index) => spans[best][index % 2] - span[index % 2]);
  return runs[0].map((_, at) => {
    return middleOf(runs.map((run, index) => run[at] + moves[index]).sort(ascending));
  });
}

/** Take out kinks of a few pixels, which the median of four leaves. */
function straighten(graph, xs, wide, light) {
  for (const row of graph.rows) {
    row.forEach((vertex, index) => {
      if (light[vertex] || vertex >= graph.boxes) return;
      let offset = 0;
      for (const other of graph.above[vertex]) {
        const far = xs[other] - xs[vertex];
        if (!light[other] && (!offset || Math.abs(far) < Math.abs(offset))) offset = far;
        if (!light[other] && !far) return;
      }
      if (offset && Math.abs(offset) <= KINK) {
        xs[vertex] = within(graph, row, index, xs[vertex] + offset, xs, wide);
      }
    });
  }
}

/** The x nearest to the wanted one that keeps the distance to both neighbours. */
function within(graph, row, index, wanted, xs, wide) {
  const [before, vertex, after] = [row[index - 1], row[index], row[index + 1]];
  let x = wanted;
  if (after >= 0) x = Math.min(x, xs[after] - distance(graph.boxes, wide, vertex, after));
  if (before >= 0) x = Math.max(x, xs[before] + distance(graph.boxes, wide, before, vertex));
  return x;
}

/** Move each light box as close above its readers as its neighbours allow. */
function tuckLight(graph, xs, wide, light) {
  for (const row of graph.rows.toReversed()) {
    row.forEach((vertex, index) => {
      if (!light[vertex] || !graph.below[vertex].length) return;
      const x = middleOf(graph.below[vertex].map((other) => xs[other]).sort(ascending));
      xs[vertex] = within(graph, row, index, x, xs, wide);
    });
  }
}
