/* Layered layout, step 1: which row each box stands in.  Twin of dlgraph/draw/ranks.py.
 * Read next: ordering.js. */

const ROUNDS = 8;

/** Every node after its inputs; `inputs[n]` and `readers[n]` are lists of nodes. */
export function topologicalOrder(inputs, readers) {
  const missing = inputs.map((row) => row.length);
  const order = [...missing.keys()].filter((node) => !missing[node]);
  // The list grows while it is walked.
  for (const node of order) {
    for (const reader of readers[node]) if (--missing[reader] === 0) order.push(reader);
  }
  return order;
}

/** The rank of each box: longest path from the top, then every box to its cheapest place. */
export function assignRanks(count, pairs) {
  const above = Array.from({ length: count }, () => []);
  const below = above.map(() => []);
  for (const [source, target] of pairs) {
    above[target].push(source);
    below[source].push(target);
  }
  const order = topologicalOrder(above, below);
  const ranks = above.map(() => 0);
  const highest = (box) => above[box].reduce((most, one) => Math.max(most, ranks[one] + 1), 0);
  const lowest = (box) => below[box].reduce((least, one) => Math.min(least, ranks[one] - 1), 1e9);
  for (const box of order) ranks[box] = highest(box);
  for (let round = 0; round < ROUNDS; round++) {
    const before = ranks.join();
    for (const box of order.toReversed()) {
      if (below[box].length && below[box].length >= above[box].length) ranks[box] = lowest(box);
    }
    for (const box of order) {
      if (above[box].length && above[box].length >= below[box].length) ranks[box] = highest(box);
    }
    if (ranks.join() === before) break;
  }
  const top = ranks.reduce((least, rank) => Math.min(least, rank), 1e9);
  return ranks.map((rank) => rank - top);
}

/** Which edges to take out, longest first, so that the others pass at most `limit` rows. */
export function longEdges(ranks, pairs, limit) {
  const spans = pairs.map(([source, target]) => ranks[target] - ranks[source] - 1);
  let total = spans.reduce((sum, span) => sum + span, 0);
  const cut = new Set();
  for (const edge of [...spans.keys()].sort((a, b) => spans[b] - spans[a])) {
    if (total <= limit) break;
    total -= spans[edge];
    cut.add(edge);
  }
  return cut;
}
