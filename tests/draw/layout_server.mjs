/* Lays out what it is given, for tests/draw/test_javascript_layout.py: one job per line of input,
 * `{"scene": ..., "open": ..., "saved": ...}`, and one layout per line of output.  The path of a
 * joined script may be given; without it the modules run. */

import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";

const { layOut } = process.argv[2]
  ? new Function(`return ${readFileSync(process.argv[2], "utf8")}`)()
  : await import("../../frontend/src/layout/index.js");

for await (const line of createInterface({ input: process.stdin })) {
  const { scene, open, saved, deadline = Number.POSITIVE_INFINITY } = JSON.parse(line);
  const layout = layOut(scene, { open: open ?? undefined, saved, deadline });
  process.stdout.write(`${JSON.stringify(layout)}\n`);
}
