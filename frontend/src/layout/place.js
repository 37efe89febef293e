/* A scene, placed: the forward half is laid out, its mirror image follows from it.  Twin of
 * dlgraph/draw/layout.py. */

import { AXIS_GAP, MARGIN } from "../generated/sizes.js";
import { planAcross, routeAcross, savedLines } from "./across.js";
import { addBadge, portPlaces } from "./boxes.js";
import { least, placeBoxes } from "./coordinates.js";
import { layering, orderRows } from "./ordering.js";
import { assignRanks, longEdges } from "./ranks.js";
import { middleOfRow, placeRows, route, shifts, slantsOf } from "./routes.js";

const DUMMY_LIMIT = 20_000; // rows passed by long lines, in all
const LINES = 4_000; // to a step

/** Place every box and line of a scene that `visible` gave, in steps: see index.js. */
export function* place(scene, saved, deadline) {
  const pairs = scene.links.map((link) => [link.source, link.target]);
  const ranks = assignRanks(scene.boxes.length, pairs);
  yield;
  const cut = longEdges(ranks, pairs, DUMMY_LIMIT);
  for (const edge of [...cut].sort((a, b) => a - b)) {
    const [source, target] = pairs[edge];
    addBadge(scene.boxes[target], scene.boxes[source].label);
  }
  const links = scene.links.filter((_, edge) => !cut.has(edge));
  yield;
  return yield* write(yield* placed({ ...scene, links }, ranks, deadline), saved);
}

function* placed(scene, ranks, deadline) {
  const { boxes, images, links, light } = scene;
  const graph = layering(
    ranks,
    links.map((link) => [link.source, link.target]),
    links.map((link) => [+light[link.source], link.slot]),
  );
  yield;
  yield* orderRows(graph, deadline);
  // Twins may differ in size: the layout keeps room for the larger one on both sides.
  const widths = boxes.map((box, n) => Math.max(box.width, images[n]?.width ?? 0));
  const heights = boxes.map((box, n) => Math.max(box.height, images[n]?.height ?? 0));
  const narrow = boxes.map((box, n) => Math.min(box.width, images[n]?.width ?? box.width));
  const xs = yield* placeBoxes(graph, widths, light);
  yield;
  const { crossingsOver, tracks } = planAcross(scene, graph, xs);
  const sides = shifts(
    graph,
    links.map((link) => link.copies),
    xs,
    narrow,
  );
  setPorts(scene, graph, xs, sides);
  yield;
  const rows = placeRows(graph, slantsOf(graph, xs, sides), heights, tracks);
  yield;
  return { scene, graph, xs, rows, sides, crossingsOver, tracks, ...page(scene, xs) };
}

/** Sort the ports of each box by where their lines lead, and start the lines there. */
function setPorts(scene, graph, xs, sides) {
  const leads = new Map();
  scene.links.forEach((link, edge) => {
    for (const port of link.ports) {
      if (!leads.has(link.source)) leads.set(link.source, {});
      const ports = leads.get(link.source);
      ports[port] ??= [];
      ports[port].push(xs[graph.chains[edge][1]]);
    }
  });
  const starts = new Map();
  for (const [number, ports] of leads) {
    const box = scene.boxes[number];
    const mean = (port) => {
      const found = ports[port] ?? [0];
      return found.reduce((sum, x) => sum + x, 0) / found.length;
    };
    box.ports = box.ports.toSorted((a, b) => mean(a) - mean(b));
    const places = portPlaces(box.ports);
    starts.set(number, new Map(box.ports.map((port, at) => [port, places[at]])));
  }
  scene.links.forEach((link, edge) => {
    link.ports.forEach((port, at) => {
      sides[edge][at].start = starts.get(link.source).get(port);
    });
  });
}

/** The axis as far left as the two halves allow, and the ends of the page. */
function page(scene, xs) {
  const helpers = xs.slice(scene.boxes.length);
  const ends = (boxes, side) => [
    ...helpers.map((x) => side * x),
    ...boxes.flatMap((box, n) => (box ? [side * xs[n] - box.width / 2] : [])),
  ];
  const low = (boxes) => (xs.length ? least(ends(boxes, 1)) : 0);
  const high = (boxes) => (xs.length ? -least(ends(boxes, -1)) : 0);
  const [left, reach] = [low(scene.boxes), high(scene.boxes)];
  const between = reach + AXIS_GAP / 2;
  if (!scene.mirrored) return { left, axis: 0, between, right: reach };
  const axis = (reach + high(scene.images) + AXIS_GAP) / 2;
  return { left, axis, between, right: 2 * axis - low(scene.images) };
}

/** Everything moved onto the page and rounded. */
function* write(found, saved) {
  const { scene, graph, xs, rows, axis, left, right } = found;
  const dx = MARGIN - left;
  const mirrored = (x) => 2 * axis - x;
  const put = (box, n, x) => ({
    ...box,
    x: tenth(x - box.width / 2 + dx),
    y: tenth(middleOfRow(rows, graph.rowOf[n]) - box.height / 2 + MARGIN),
    group: scene.closed[n],
    inside: scene.inside[n],
  });
  const lines = [...forwardLines(found)];
  yield;
  for (const line of backwardLines(found, mirrored)) lines.push(line);
  for (const line of linesAcross(found, mirrored)) lines.push(line);
  yield;
  if (saved) for (const line of savedLines(found, saved)) lines.push(line);
  yield;
  for (const [at, line] of lines.entries()) {
    if (at % LINES === 0) yield;
    line.points = line.points.map(([x, y]) => [tenth(x + dx), tenth(y + MARGIN)]);
  }
  yield;
  return {
    width: tenth(right - left + 2 * MARGIN),
    height: tenth(rows.bottom + rows.gaps.at(-1) + 2 * MARGIN),
    axis: scene.mirrored ? tenth(axis + dx) : null,
    badges: scene.badges,
    boxes: [
      ...scene.boxes.map((box, n) => put(box, n, xs[n])),
      ...scene.images.flatMap((image, n) => (image ? [put(image, n, mirrored(xs[n]))] : [])),
    ],
    lines,
  };
}

/** Rounded to 0.1, halves upwards. */
function tenth(value) {
  return Math.floor(value * 10 + 0.5) / 10;
}

function* forwardLines({ scene, graph, xs, rows, sides }) {
  const { boxes, links } = scene;
  const heights = boxes.map((box) => box.height);
  for (const [edge, link] of links.entries()) {
    const [source, target] = [boxes[link.source], boxes[link.target]];
    for (const side of sides[edge]) {
      const points = route(graph, graph.chains[edge], xs, heights, rows, side);
      yield { style: styleOf(source, target), source: source.key, target: target.key, points };
    }
  }
}

function* backwardLines({ scene, graph, xs, rows, sides }, mirrored) {
  const heights = scene.images.map((image) => image?.height ?? 0);
  for (const [edge, link] of scene.links.entries()) {
    const [source, target] = [scene.images[link.source], scene.images[link.target]];
    if (!link.flows || !source || !target) continue;
    for (const side of sides[edge]) {
      const points = route(graph, graph.chains[edge], xs, heights, rows, side);
      const back = points.reverse().map(([x, y]) => [mirrored(x), y]);
      yield { style: "gradient", source: target.key, target: source.key, points: back };
    }
  }
}

function* linesAcross({ scene, graph, xs, rows, crossingsOver, tracks }, mirrored) {
  for (const line of crossingsOver) {
    const [box, image] = [scene.boxes[line.number], scene.images[line.number]];
    if (!image) continue;
    const x = xs[line.number];
    const points = routeAcross(line, scene, graph, x, mirrored(x), rows, tracks);
    const [source, target] = line.style === "turn" ? [box, image] : [image, box];
    if (source === image) points.reverse();
    yield { style: line.style, source: source.key, target: target.key, points };
  }
}

function styleOf(source, target) {
  if (target.style === "update" || target.style === "failed") return target.style;
  if (target.style === "backward" && source.style === "backward") return "gradient";
  return source.style === "parameter" ? "parameter" : "forward";
}
