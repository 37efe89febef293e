/* The choices that a figure of any kind has: what is a node, colours, shapes on the edges. */

import { CONVENTIONS, inConvention } from "../core/convention.js";
import { addChoice } from "../core/toolbar.js";
import { addOverlays } from "./overlays.js";

/** Add the choices; from then on `figure.redraw` draws in the chosen convention. */
export function addParts(figure) {
  const redraw = figure.redraw.bind(figure);
  let convention = "operations";
  let plain;
  figure.redraw = (layout) => {
    plain = layout;
    redraw(inConvention(layout, convention, figure.payload.facts));
  };
  addOverlays(figure);
  addChoice(figure, "what is a node?", CONVENTIONS, (chosen) => {
    convention = chosen;
    figure.redraw(plain);
  });
}
