/* The figure of `dg.draw` for a small picture of any kind: its finished layout travels with it. */

import { mountFull } from "../core/full.js";
import { addOverlays } from "./overlays.js";
import { addReading } from "./reading.js";

/** Start the figure in `host`; called by the script of the page. */
export function main(host, payload) {
  const ready = (figure) => {
    addOverlays(figure);
    addReading(figure);
  };
  return mountFull(host, payload, { ready });
}
