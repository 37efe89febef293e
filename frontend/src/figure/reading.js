/* How the picture is read: what is a node, and with or without what is kept for the backward pass. */

import { CONVENTIONS, inConvention } from "../core/convention.js";
import { addChoice } from "../core/toolbar.js";

/** Add the choices; from then on `figure.redraw` draws what is chosen of a whole layout. */
export function addReading(figure) {
  const { facts, layout, scene } = figure.payload;
  const redraw = figure.redraw.bind(figure);
  let convention = "operations";
  let kept = false;
  let whole;
  const show = () => {
    const lines = whole.lines.filter(({ style }) => kept || style !== "saved");
    redraw(inConvention({ ...whole, lines }, convention, facts));
  };
  figure.redraw = (found) => {
    whole = found;
    show();
  };
  addChoice(figure, "what is a node?", CONVENTIONS, (chosen) => {
    convention = chosen;
    show();
  });
  if (!layout[4].includes("saved") && !scene?.saved.length) return;
  const button = figure.addButton({
    ...{ label: "Show what is kept for the backward pass", text: "Kept", keys: "k" },
    pressed: false,
    action: () => {
      kept = !kept;
      button.setAttribute("aria-pressed", String(kept));
      show();
    },
  });
}
