/* Everything that a figure can have beside the layout: all kinds of boxes, legend, search, dragging.
 *
 * `mountFull` takes and returns what `mount` of index.js does. */

import { mount } from "./index.js";
import { drawAllKinds, KINDS_STYLE } from "./kinds.js";
import { addLegend } from "./legend.js";
import { addPan } from "./pan.js";
import { addSearch, SEARCH_STYLE } from "./search.js";

/** As `mount`, with all that a picture of any kind needs. */
export function mountFull(root, payload, options = {}) {
  drawAllKinds();
  const style = KINDS_STYLE + SEARCH_STYLE + (options.style ?? "");
  const ready = (figure) => {
    addLegend(figure);
    addSearch(figure);
    addPan(figure);
    options.ready?.(figure);
  };
  return mount(root, payload, { ...options, style, ready });
}
