/* The layout on its own.  That it gives what Python gives is checked from there, see
 * tests/draw/test_javascript_layout.py. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { layOut, layOutInSteps } from "../src/layout/index.js";
import { middleOf } from "../src/layout/ordering.js";
import { assignRanks, longEdges, topologicalOrder } from "../src/layout/ranks.js";
import { visible } from "../src/layout/scene.js";
import { fit, textWidth } from "../src/layout/text.js";

const golden = (name) =>
  JSON.parse(readFileSync(new URL(`../../tests/draw/golden/${name}.json`, import.meta.url)));
const { scene } = golden("scopes");
const labels = (layout) =>
  layout.boxes
    .filter(({ key }) => key[0] === "f")
    .map(({ label, tag }) => `${label} ${tag}`.trim());

test("every node after its inputs, nodes on a cycle left out", () => {
  assert.deepEqual(topologicalOrder([[], [0], [0, 1]], [[1, 2], [2], []]), [0, 1, 2]);
  assert.deepEqual(topologicalOrder([[1], [0]], [[1], [0]]), []);
});

test("a parameter stands where it is read", () => {
  const pairs = [
    [0, 1],
    [1, 2],
    [3, 2],
  ];
  assert.deepEqual(assignRanks(4, pairs), [0, 1, 2, 1]);
});

test("of the long edges the longest go first", () => {
  const pairs = [
    [0, 1],
    [0, 2],
    [1, 2],
  ];
  assert.deepEqual([...longEdges([0, 1, 9], pairs, 7)], [1]);
  assert.equal(longEdges([0, 1, 9], pairs, 15).size, 0);
});

test("the median of an even number is the mean of the two in the middle", () => {
  assert.equal(middleOf([1, 2, 10]), 2);
  assert.equal(middleOf([1, 2, 4, 10]), 3);
});

test("texts are as wide as in Python and cut in the middle", () => {
  assert.equal(textWidth("mul", 10), 17.8);
  assert.equal(textWidth("重み", 10), 20.8);
  assert.equal(textWidth("😀", 10), 13.6);
  assert.equal(fit("encoder/block_7/weight", 10, 80), "encode…weight");
  assert.equal(fit("short", 10, 80), "short");
});

test("closed groups stand for what they hold", () => {
  assert.deepEqual(labels(layOut(scene, { open: [] })), ["x", "net", "loss sum"]);
  const shown = labels(layOut(scene));
  assert.ok(shown.includes("blocks/1 … 3 ×3") && !shown.includes("net"));
  const all = layOut(scene, { open: scene.groups.keys() });
  assert.equal(labels(all).length, scene.boxes.length);
  assert.ok(all.boxes.every(({ group }) => group === -1));
});

test("a group inside a closed one does not show", () => {
  const outer = visible(scene, []);
  const inner = visible(scene, [2, 3, 4]);
  assert.deepEqual(inner, outer);
});

test("the scene is not changed", () => {
  const before = JSON.stringify(scene);
  layOut(scene, { open: [0, 2], saved: true });
  assert.equal(JSON.stringify(scene), before);
});

test("asking for kept values moves nothing", () => {
  const { scene: training } = golden("training_mlp");
  const without = layOut(training);
  const all = layOut(training, { saved: true });
  assert.deepEqual(all.boxes, without.boxes);
  assert.deepEqual(all.lines.slice(0, without.lines.length), without.lines);
  const kept = all.lines.slice(without.lines.length);
  assert.ok(kept.length > 10 && kept.every(({ style }) => style === "saved"));
  const [first] = kept;
  const one = layOut(training, { saved: first.source }).lines.slice(without.lines.length);
  assert.ok(one.length >= 1 && one.length < kept.length);
  assert.ok(one.every(({ source }) => source === first.source));
});

test("steps give the same layout as all at once", () => {
  const { scene } = golden("lstm");
  const options = { saved: true, deadline: Number.POSITIVE_INFINITY };
  const steps = layOutInSteps(scene, options);
  let count = 0;
  let step = steps.next();
  for (; !step.done; step = steps.next()) count++;
  assert.ok(count > 15);
  assert.deepEqual(step.value, layOut(scene, options));
});

test("out of time there is still a picture", () => {
  const late = layOut(golden("lstm").scene, { deadline: 0 });
  const inTime = layOut(golden("lstm").scene, { deadline: Number.POSITIVE_INFINITY });
  assert.equal(late.boxes.length, inTime.boxes.length);
  assert.equal(late.lines.length, inTime.lines.length);
});

test("an empty scene has an empty layout", () => {
  const empty = { ...scene, boxes: [], images: [], links: [], groups: [], inside: [] };
  const layout = layOut({ ...empty, light: [], turns: [], saved: [], mirrored: false });
  assert.deepEqual([layout.boxes, layout.lines, layout.axis], [[], [], null]);
});
