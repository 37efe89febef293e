/* Lines from the forward half to the backward half.  Twin of dlgraph/draw/across.py.
 * Read next: place.js. */

import { middleOfRow, trackIn } from "./routes.js";

/** How each line across runs, and the number of tracks in every gap. */
export function planAcross(scene, graph, xs) {
  const tracks = Array(graph.rows.length + 1).fill(0);
  const found = [];
  const plan = (number, style) => {
    const row = graph.rowOf[number];
    const free = graph.rows[row].every((v) => v >= graph.boxes || xs[v] <= xs[number]);
    // The turn leaves below its box, an update arrives above its parameter: there no other line
    // starts or ends.
    const gap = free ? -1 : row + (style === "turn");
    found.push({ number, style, gap, track: free ? 0 : tracks[gap]++ });
  };
  for (const number of scene.turns) plan(number, "turn");
  scene.images.forEach((image, number) => {
    if (image?.style === "update") plan(number, "update");
  });
  return { crossingsOver: found, tracks };
}

/** The corners, from the box at x `left` to its image at `right`. */
export function routeAcross(line, scene, graph, left, right, rows, tracks) {
  const [box, image] = [scene.boxes[line.number], scene.images[line.number]];
  const y = middleOfRow(rows, graph.rowOf[line.number]);
  if (line.gap < 0) {
    return [
      [left + box.width / 2, y],
      [right - image.width / 2, y],
    ];
  }
  const track = trackIn(rows, line.gap, line.track, tracks[line.gap]);
  const side = line.style === "turn" ? 0.5 : -0.5;
  return [
    [left, y + side * box.height],
    [left, track],
    [right, track],
    [right, y + side * image.height],
  ];
}

const CORNER = 10; // px from the side of a box at which lines of kept values leave and arrive
const LANES = 60; // px between the halves over which their upright pieces are spread
const SPARE = 16; // px below the last row

/** The lines from kept values to the images that read them; they take what room there is. */
export function savedLines({ scene, graph, xs, axis, between, rows }, saved) {
  const chosen = scene.saved.filter(([value, reader]) => {
    const image = scene.images[reader];
    return image && (saved === true || saved === scene.boxes[value].key || saved === image.key);
  });
  const plans = chosen.map(([value, reader]) => {
    const [leave, row] = [graph.rowOf[value] + 1, graph.rowOf[reader]];
    const gaps = [...new Set([leave, row >= leave ? row : row + 1])];
    return { box: scene.boxes[value], image: scene.images[reader], value, reader, row, gaps };
  });
  const counts = [];
  for (const { gaps } of plans) for (const gap of gaps) counts[gap] = (counts[gap] ?? 0) + 1;
  const taken = [];
  return plans.map(({ box, image, value, reader, row, gaps }, index) => {
    const tracks = gaps.map((gap) => {
      taken[gap] = (taken[gap] ?? 0) + 1;
      return heightIn(rows, gap, taken[gap] / (counts[gap] + 1));
    });
    const left = xs[value] + box.width / 2 - CORNER;
    const right = 2 * axis - xs[reader] - image.width / 2 + CORNER;
    const lane = between + LANES * ((index + 1) / (plans.length + 1) - 0.5);
    const side = gaps.at(-1) > row ? 0.5 : -0.5;
    const [first, second] = tracks;
    const points = [
      [left, middleOfRow(rows, graph.rowOf[value]) + box.height / 2],
      [left, first],
      ...(tracks.length > 1
        ? [
            [lane, first],
            [lane, second],
          ]
        : []),
      [right, tracks.at(-1)],
      [right, middleOfRow(rows, row) + side * image.height],
    ];
    return { style: "saved", source: box.key, target: image.key, points };
  });
}

/** A height in a gap, of which the last one may have no room of its own. */
function heightIn(rows, gap, share) {
  if (gap === rows.tops.length) return rows.bottom + Math.max(rows.gaps[gap], SPARE) * share;
  return rows.tops[gap] - rows.gaps[gap] * (1 - share);
}
