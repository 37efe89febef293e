/* The layout of a figure: a scene goes in, places of boxes and corners of lines come out.
 *
 * The twin of dlgraph/draw/layout.py, step by step the same: for the same scene both give the same
 * numbers, and tests/draw/test_javascript_layout.py compares them.  The scene is what
 * `Scene.to_json()` in dlgraph/draw/scene.py writes: boxes whose texts are already chosen, cut and
 * measured, so no wording is decided twice.  Read next: scene.js, then layering.js. */

import { place } from "./place.js";
import { visible } from "./scene.js";

/**
 * Place every box and line of a scene.
 *
 * @param {object} scene what `Scene.to_json()` wrote; it is not changed.
 * @param {object} [options]
 * @param {Iterable<number>} [options.open] numbers of the groups (scopes, "x N" folds) that are open;
 *   without it, those that are open at first sight.
 * @param {boolean|string} [options.saved] true: lines for all values kept for the backward pass; the
 *   key of a box: those that start there (of a value) or end there (of a gradient).  Asking for
 *   them moves nothing else.
 * @param {number} [options.deadline] time by `performance.now()` at which the search for fewer
 *   crossings ends with the best order so far; by default 300 ms from now.
 * @returns {object} `{width, height, axis, badges, boxes, lines}`.  A box has the fields of the
 *   Python Box (key, style, label, tag, detail, muted, badges, ports, title, width, height), the
 *   corner `x`, `y` at its upper left, and `group`: the number of the closed group that it stands
 *   for, else -1, and `inside`: the number of the innermost open group around it, else -1.
 *   A line has `style`, `source`, `target` (keys of boxes, in the direction of the arrow) and
 *   `points` ([x, y] pairs).  The forward half has keys that start with "f", the mirror image "b":
 *   "f7" and "b7" are node 7 and its gradient, "fg2" and "bg2" the two sides of group 2.
 */
export function layOut(scene, options) {
  const steps = layOutInSteps(scene, options);
  let step = steps.next();
  while (!step.done) step = steps.next();
  return step.value;
}

/** The same in steps: between two of them the page can do something else.  The last one gives the
 *  layout. */
export function* layOutInSteps(scene, options = {}) {
  const deadline = options.deadline ?? performance.now() + 300;
  const seen = visible(scene, options.open);
  yield;
  return yield* place(seen, options.saved, deadline);
}
