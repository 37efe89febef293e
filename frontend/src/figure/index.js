/* The figure of `dg.draw` for a small picture: its finished layout travels with it. */

import { mount } from "../core/index.js";
import { addReading } from "./reading.js";

/** Start the figure in `host`; called by the script of the page. */
export function main(host, payload) {
  return mount(host, payload, { ready: addReading });
}
