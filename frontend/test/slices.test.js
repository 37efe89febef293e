import assert from "node:assert/strict";
import { test } from "node:test";

import { inSlices } from "../src/core/slices.js";

const turn = () => new Promise((done) => setTimeout(done));

function* counting(seen, count = 5) {
  for (let at = 0; at < count; at++) {
    seen.push(at);
    yield;
  }
  seen.push("end");
}

test("a slice that is over lets others come first", async () => {
  const seen = [];
  inSlices(counting(seen), { slice: 0 });
  assert.deepEqual(seen, [0]);
  while (seen.at(-1) !== "end") await turn();
  assert.deepEqual(seen, [0, 1, 2, 3, 4, "end"]);
});

test("an infinite slice is one go", () => {
  const seen = [];
  inSlices(counting(seen), { slice: Number.POSITIVE_INFINITY });
  assert.equal(seen.at(-1), "end");
});

test("what was stopped ends, and can be taken up again", async () => {
  const seen = [];
  const steps = counting(seen);
  inSlices(steps, { slice: 0 })();
  await turn();
  await turn();
  assert.deepEqual(seen, [0]);
  let open = true;
  inSlices(steps, { slice: 0, wanted: () => open });
  open = false;
  await turn();
  await turn();
  assert.deepEqual(seen, [0, 1]);
  inSlices(steps);
  assert.equal(seen.at(-1), "end");
});
