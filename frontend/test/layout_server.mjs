/* Lays out what it is given, for tests/draw/test_javascript_layout.py: one job per line of input,
 * `{"scene": ..., "open": ..., "saved": ...}`, and one layout per line of output. */

import { createInterface } from "node:readline";
import { layOut } from "../src/layout/index.js";

for await (const line of createInterface({ input: process.stdin })) {
  const { scene, open, saved } = JSON.parse(line);
  const layout = layOut(scene, { open: open ?? undefined, saved, deadline: Infinity });
  process.stdout.write(`${JSON.stringify(layout)}\n`);
}
