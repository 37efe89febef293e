/* The figure of `dg.draw`: everything of the core, with the views and colours that the picture has. */

import { mount } from "../core/index.js";

/** Start the figure in `host`; called by the script of the page. */
export function main(host, payload) {
  return mount(host, payload);
}
