/* Every script of the package, unpacked as on a page. */

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { unpack } from "../src/page/unpack.js";

const FOLDER = new URL("../../dlgraph/draw/js/", import.meta.url);
const read = (name) => readFileSync(new URL(name, FOLDER), "utf-8");

for (const name of readdirSync(FOLDER).filter((name) => name.endsWith(".packed"))) {
  test(`${name} unpacks to the script`, () => {
    assert.equal(unpack(read(name)).trim(), read(name.replace(".packed", ".js")).trim());
  });
}
