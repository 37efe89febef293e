/* Boxes and the texts in them.  Twin of dlgraph/draw/boxes.py.  Boxes arrive measured; only a badge
 * that is added later asks for a new size. */

import {
  BADGE_ROOM,
  DETAIL_SIZE,
  LABEL_SIZE,
  MARKED,
  PADDING,
  SMALL_SIZE,
  STRIP,
} from "../generated/sizes.js";
import { fit, textWidth } from "./text.js";

/** Width of a badge, its outline included. */
export function badgeWidth(text) {
  return Math.ceil(textWidth(text, SMALL_SIZE)) + 12;
}

/** Widths of the first line of a box: badges, label, tag, each with the space before it. */
export function firstRow(box) {
  const badges = box.badges.reduce((sum, text) => sum + badgeWidth(text) + 6, 0);
  const tag = box.tag ? textWidth(` ${box.tag}`, DETAIL_SIZE) : 0;
  return [badges, textWidth(box.label, LABEL_SIZE), tag];
}

/** Where each port stands, from the middle of the box. */
export function portPlaces(ports) {
  const widths = ports.map(badgeWidth);
  let left = -widths.reduce((sum, width) => sum + width, 0) / 2;
  return widths.map((width) => {
    left += width;
    return left - width / 2;
  });
}

/** One more badge on a finished box: what it reads from far away, without a line. */
export function addBadge(box, text) {
  const more = /^\+(\d+)$/.exec(box.badges.at(-1) ?? "");
  const shown = more ? box.badges.slice(0, -1) : box.badges;
  if (more || shown.length > 2)
    box.badges = [...shown.slice(0, 2), `+${+(more?.[1] ?? shown.length - 2) + 1}`];
  else box.badges = [...shown, fit(text, SMALL_SIZE, BADGE_ROOM)];
  const [badges, label, tag] = firstRow(box);
  const width = Math.max(badges + label + tag, textWidth(box.detail, DETAIL_SIZE), 24);
  box.width = 2 * Math.ceil(width / 2) + 2 * PADDING + (MARKED.includes(box.style) ? STRIP : 0);
  const ports = box.ports.reduce((sum, port) => sum + badgeWidth(port), 2 * STRIP);
  if (box.ports.length) box.width = Math.max(box.width, ports);
}
