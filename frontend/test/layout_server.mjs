/* Lays out what it is given, for tests/draw/test_javascript_layout.py: one job per line of input,
 * `{"scene": ..., "open": ..., "saved": ...}`, and one layout per line of output.  With the
 * argument "bundle" the script of the package runs instead of the modules. */

import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";

const bundle = new URL("../../dlgraph/draw/js/layout.js", import.meta.url);
const { layOut } =
  process.argv[2] === "bundle"
    ? new Function(`return ${readFileSync(bundle, "utf8")}`)()
    : await import("../src/layout/index.js");

for await (const line of createInterface({ input: process.stdin })) {
  const { scene, open, saved, deadline = Number.POSITIVE_INFINITY } = JSON.parse(line);
  const layout = layOut(scene, { open: open ?? undefined, saved, deadline });
  process.stdout.write(`${JSON.stringify(layout)}\n`);
}
