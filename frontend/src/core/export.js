/* Save the picture as it stands, as SVG or as PNG: nothing leaves the page but the file. */

import { h, s } from "./dom.js";
import { DRAWING } from "./theme.js";

/** The picture as the text of an SVG file that needs no page around it. */
export function svgText(figure) {
  const { width, height } = figure.scene;
  const computed = getComputedStyle(figure.frame);
  const value = (_, name) => computed.getPropertyValue(name).trim();
  const style = DRAWING.replaceAll(/var\((--\w+)\)/g, value);
  const copy = figure.scene.svg().cloneNode(true);
  for (const group of copy.querySelectorAll(".ring,.wide")) group.remove();
  copy.prepend(
    s("title", {}, figure.payload.title || figure.payload.text),
    s("style", {}, style),
    s("rect", { width: "100%", height: "100%", fill: value(0, "--bg") }),
  );
  copy.setAttribute("width", width);
  copy.setAttribute("height", height);
  copy.removeAttribute("style");
  return new XMLSerializer().serializeToString(copy);
}

/** Offer the picture as an SVG file. */
export function saveSvg(figure) {
  offer(figure, new Blob([svgText(figure)], { type: "image/svg+xml" }), "svg");
}

/** Offer the picture as a PNG file with two pixels per point. */
export async function savePng(figure) {
  const image = new Image();
  image.src = `data:image/svg+xml,${encodeURIComponent(svgText(figure))}`;
  await image.decode();
  const size = Math.min(2, 16000 / Math.max(image.width, image.height));
  const canvas = h("canvas", { width: image.width * size, height: image.height * size });
  canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
  offer(figure, await new Promise((done) => canvas.toBlob(done)), "png");
}

function offer(figure, blob, ending) {
  const words = (figure.payload.title || figure.payload.text || "graph").split(/[^\w-]+/);
  const name = words.filter(Boolean).slice(0, 3).join("-") || "graph";
  const href = URL.createObjectURL(blob);
  h("a", { href, download: `${name}.${ending}` }).click();
  setTimeout(() => URL.revokeObjectURL(href), 10000);
  figure.announce(`saved ${name}.${ending}`);
}
