/* The figure of `dg.draw` for a small picture: its finished layout travels with it. */

import { CONVENTIONS, inConvention } from "../core/convention.js";
import { mount } from "../core/index.js";
import { addChoice } from "../core/toolbar.js";
import { unpack } from "../core/unpack.js";

/** Start the figure in `host`; called by the script of the page. */
export function main(host, payload) {
  const layout = unpack(payload.layout);
  const figure = mount(host, payload, { layOut: () => layout });
  addChoice(figure, "what is a node?", CONVENTIONS, (convention) => {
    figure.redraw(inConvention(layout, convention, payload.facts));
  });
  return figure;
}
