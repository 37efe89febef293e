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
