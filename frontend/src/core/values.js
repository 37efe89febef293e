/* Other texts and colours in the boxes of a figure than those it was drawn with. */

import { showPanel } from "./panel.js";

/**
 * Write into boxes.
 *
 * @param {object} values `{key: {label, tag, detail, muted, badges}}`; what is left out stays; `null`
 *   instead of texts: as drawn.
 */
export function setValues(figure, values) {
  for (const [key, texts] of Object.entries(values)) {
    figure.values.set(key, texts ? { ...figure.values.get(key), ...texts } : {});
    figure.scene.write(key, figure.values.get(key));
  }
  if (figure.selected) showPanel(figure);
}

/** Fill boxes: `{key: colour}`; `null` gives all their own colour back. */
export function paint(figure, colours) {
  for (const key of figure.order) figure.scene.paint(key, colours?.[key]);
}
