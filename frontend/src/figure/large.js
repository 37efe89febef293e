/* The figure of `dg.draw` for pictures of any kind and size; scopes open and close. */

import { drawCanvas } from "../core/canvas.js";
import { mountFull } from "../core/full.js";
import { drawSvg } from "../core/scene.js";
import { addOverlays } from "./overlays.js";
import { addReading } from "./reading.js";
import { addScopes } from "./scopes.js";

const SVG_LIMIT = 500; // boxes; beyond, an SVG is slow to pan
const STYLE = "[aria-busy=true] .stage{cursor:progress;opacity:.6}";

/** Start the figure in `host`; called by the script of the page. */
export function main(host, payload) {
  const draw = (layout, ...rest) =>
    (layout.boxes.length > SVG_LIMIT ? drawCanvas : drawSvg)(layout, ...rest);
  const ready = (figure) => {
    addOverlays(figure);
    addReading(figure);
    if (payload.scene) addScopes(figure);
  };
  return mountFull(host, payload, { draw, ready, style: STYLE });
}
