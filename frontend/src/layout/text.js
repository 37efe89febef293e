/* How wide a text is and how it is cut.  Twin of dlgraph/draw/text.py, with its table. */

import { BLOCKS, CLASSES, OTHER } from "../generated/widths.js";

const widths = {};
for (const [width, characters] of CLASSES) for (const one of characters) widths[one] = width;

/** Width of `text` in pixels at this font size. */
export function textWidth(text, size) {
  let hundredths = 0;
  for (const character of text) hundredths += characterWidth(character);
  return (hundredths * size) / 100;
}

function characterWidth(character) {
  const code = character.codePointAt(0);
  const block = BLOCKS.find(([first, last]) => first <= code && code <= last);
  return widths[character] ?? block?.[2] ?? OTHER;
}

/** `text`, cut in the middle until it is at most `room` pixels wide. */
export function fit(text, size, room) {
  if (textWidth(text, size) <= room) return text;
  const characters = [...text];
  let head = 0;
  let tail = characters.length;
  let left = room - textWidth("…", size);
  while (head < tail) {
    // The two ends grow in turn, the front first.
    const front = head <= characters.length - tail;
    const step = textWidth(characters[front ? head : tail - 1], size);
    if (step > left) break;
    left -= step;
    if (front) head++;
    else tail--;
  }
  return `${characters.slice(0, head).join("")}…${characters.slice(tail).join("")}`;
}
