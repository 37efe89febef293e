/* Layered layout, step 2: the order within each row, so that few edges cross.  Twin of
 * dlgraph/draw/ordering.py, which explains the method.  Beside the count of steps, which is the
 * same in both, a deadline ends the search here.  Read next: coordinates.js. */

const SWEEPS = 24;
const POLISH = 12; // sweeps from the best order found
const WORK_LIMIT = 1_000_000; // edge visits
const SIMPLE_ABOVE = 2_000; // boxes; beyond, one sweep

/** Rows in an arbitrary order; edges over several rows get a helper vertex in each row. */
export function layering(ranks, pairs, keys) {
  const rowOf = [...ranks];
  const above = ranks.map(() => []);
  const below = ranks.map(() => []);
  const chains = pairs.map(() => []);
  const wish = new Map();
  const edges = [...pairs.keys()].sort((a, b) => compare(keys[a], keys[b]));
  for (const edge of edges) {
    const [source, target] = pairs[edge];
    const chain = [source];
    for (let row = ranks[source] + 1; row < ranks[target]; row++) {
      chain.push(rowOf.length);
      rowOf.push(row);
      above.push([]);
      below.push([]);
    }
    chain.push(target);
    for (let step = 1; step < chain.length; step++) {
      below[chain[step - 1]].push(chain[step]);
      above[chain[step]].push(chain[step - 1]);
    }
    wish.set(chain.at(-2) * ranks.length + target, keys[edge]);
    chains[edge] = chain;
  }
  const rows = [];
  for (const [vertex, row] of rowOf.entries()) {
    while (rows.length <= row) rows.push([]);
    rows[row].push(vertex);
  }
  return { boxes: ranks.length, rows, rowOf, above, below, chains, wish, work: 0 };
}

/** Reorder `graph.rows` to the order with the fewest crossings found, in steps: see index.js. */
export function* orderRows(graph, deadline) {
  const place = new Int32Array(graph.rowOf.length);
  let best;
  const exhausted = () => graph.work > WORK_LIMIT || performance.now() > deadline;
  const done = () => (best.crossings === 0 && best.broken === 0) || exhausted();
  const note = () => {
    const score = { crossings: crossings(graph, place), broken: wishesBroken(graph, place) };
    const fewer = best && (score.crossings - best.crossings || score.broken - best.broken);
    if (!best || fewer < 0) best = { ...score, rows: graph.rows.map((row) => [...row]) };
  };
  const restore = () => {
    graph.rows = best.rows.map((row) => [...row]);
  };
  const sweeps = graph.boxes <= SIMPLE_ABOVE ? SWEEPS : 1;
  for (const upwards of [true, false]) {
    graph.rows = depthFirst(graph, upwards);
    yield;
    swapNeighbours(graph, place, 2, false, exhausted);
    yield;
    note();
    for (let sweep = 0; sweep < sweeps && !done(); sweep++) {
      const turned = (sweep >> 1) % 2 === 1;
      sweepRows(graph, place, sweep % 2 === 0, sweep % 4 < 2, turned);
      swapNeighbours(graph, place, 2, turned, exhausted);
      note();
      yield;
    }
  }
  restore();
  swapNeighbours(graph, place, 2 * POLISH, false, exhausted);
  note();
  yield;
  for (let sweep = 0; sweep < POLISH && !done(); sweep++) {
    sweepRows(graph, place, sweep % 2 === 0, sweep % 4 < 2, (sweep >> 1) % 2 === 0);
    swapNeighbours(graph, place, 4, false, exhausted);
    note();
    yield;
  }
  restore();
  return best.crossings;
}

/** The median of sorted numbers: the middle one, or the mean of the two in the middle. */
export function middleOf(found) {
  const half = found.length >> 1;
  return found.length % 2 ? found[half] : (found[half - 1] + found[half]) / 2;
}

export const ascending = (a, b) => a - b;

function compare(a, b) {
  return a[0] - b[0] || a[1] - b[1];
}

function number(place, row) {
  for (let at = 0; at < row.length; at++) place[row[at]] = at;
}

function placesOf(place, vertices) {
  const found = vertices.map((vertex) => place[vertex]);
  return found.length > 1 ? found.sort(ascending) : found;
}

/** How many pairs of edges cross: W. Barth, M. Juenger, P. Mutzel (2002). */
function crossings(graph, place) {
  let total = 0;
  for (let index = 1; index < graph.rows.length; index++) {
    const upper = graph.rows[index - 1];
    const lower = graph.rows[index];
    if (upper.length === 1 || lower.length === 1) continue;
    number(place, lower);
    let first = 1;
    while (first < lower.length) first *= 2;
    const tree = new Int32Array(2 * first);
    for (const vertex of upper) {
      const ends = placesOf(place, graph.below[vertex]);
      graph.work += ends.length;
      for (const end of ends) {
        for (let node = end + first; node > 0; node >>= 1) {
          if (node > 1 && node % 2 === 0) total += tree[node + 1];
          tree[node]++;
        }
      }
    }
  }
  return total;
}

/** Rows in the order in which a walk from the results up (or the leaves down) finds them. */
function depthFirst(graph, upwards) {
  const [near, far] = upwards ? [graph.above, graph.below] : [graph.below, graph.above];
  const rows = graph.rows.map(() => []);
  const seen = new Uint8Array(graph.rowOf.length);
  const ends = graph.rows.flat().filter((vertex) => !far[vertex].length);
  const stack = ends.filter((vertex) => near[vertex].length).reverse();
  for (const vertex of ends.reverse()) if (!near[vertex].length) stack.push(vertex);
  while (stack.length) {
    const vertex = stack.pop();
    if (seen[vertex]) continue;
    seen[vertex] = 1;
    rows[graph.rowOf[vertex]].push(vertex);
    for (let at = near[vertex].length - 1; at >= 0; at--) stack.push(near[vertex][at]);
  }
  return rows;
}

/** Sort each row by the middle of its neighbours in the row before it. */
function sweepRows(graph, place, downwards, median, turned) {
  const near = downwards ? graph.above : graph.below;
  const rows = downwards ? graph.rows : graph.rows.toReversed();
  const middle = [];
  for (let index = 1; index < rows.length; index++) {
    const row = rows[index];
    if (row.length === 1) continue;
    number(place, rows[index - 1]);
    const movable = [];
    for (const vertex of row) {
      const found = placesOf(place, near[vertex]);
      graph.work += found.length;
      if (!found.length) continue;
      movable.push(vertex);
      middle[vertex] = median
        ? middleOf(found)
        : found.reduce((sum, at) => sum + at, 0) / found.length;
    }
    // Vertices without neighbours there keep their place; the others are sorted around them.
    if (turned) movable.reverse();
    movable.sort((a, b) => middle[a] - middle[b]);
    let next = 0;
    row.forEach((vertex, at) => {
      if (near[vertex].length) row[at] = movable[next++];
    });
  }
}

/** Swap neighbours in a row while that removes crossings, or fulfils a wish for free. */
function swapNeighbours(graph, place, rounds, shake, exhausted) {
  const sorted = [place, place].map(() => Array(place.length).fill());
  for (let round = 0; round < rounds; round++) {
    let improved = false;
    for (const [index, row] of graph.rows.entries()) {
      if (row.length === 1) continue;
      const sides = [];
      [graph.above, graph.below].forEach((near, which) => {
        const other = graph.rows[which ? index + 1 : index - 1];
        if (!other) return;
        number(place, other);
        for (const vertex of row) sorted[which][vertex] = placesOf(place, near[vertex]);
        sides.push(sorted[which]);
      });
      for (let at = 1; at < row.length; at++) {
        const [left, right] = [row[at - 1], row[at]];
        let gain = 0;
        for (const side of sides) gain += gainOf(graph, side[left], side[right]);
        const wanted = gain === 0 && !shake && wishesSwap(graph, left, right);
        if (gain > 0 || wanted || (gain === 0 && shake)) {
          row[at - 1] = right;
          row[at] = left;
          improved ||= gain > 0 || wanted;
        }
      }
      if (exhausted()) return;
    }
    if (!improved) return;
  }
}

/** Crossings that swapping two neighbours removes on one side, negative if it adds some. */
function gainOf(graph, left, right) {
  graph.work += left.length + right.length + 1;
  return inversions(left, right) - inversions(right, left);
}

/** Pairs with the member of `first` strictly to the right of the member of `second`. */
function inversions(first, second) {
  let total = 0;
  let reached = 0;
  for (const value of first) {
    while (reached < second.length && second[reached] < value) reached++;
    total += reached;
  }
  return total;
}

function wishesSwap(graph, left, right) {
  let balance = 0;
  for (const target of graph.below[left]) {
    if (target >= graph.boxes) continue;
    const mine = graph.wish.get(left * graph.boxes + target);
    const other = graph.wish.get(right * graph.boxes + target);
    if (mine && other) balance += Math.sign(compare(mine, other));
  }
  return balance > 0;
}

/** Neighbouring operands of a box that stand against the reading order. */
function wishesBroken(graph, place) {
  let total = 0;
  for (let index = 1; index < graph.rows.length; index++) {
    number(place, graph.rows[index - 1]);
    for (const box of graph.rows[index]) {
      const operands = graph.above[box];
      if (box >= graph.boxes) continue;
      for (let at = 1; at < operands.length; at++) {
        if (place[operands[at - 1]] > place[operands[at]]) total++;
      }
    }
  }
  return total;
}
