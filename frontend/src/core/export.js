/* Save the picture as it stands, as SVG or as PNG: nothing leaves the page but the file. */

import { h, s, set } from "./dom.js";

const PAINT = ["fill", "fill-opacity", "stroke", "stroke-width", "stroke-dasharray", "opacity"];
const PAINTS = [...PAINT, "font-size", "font-weight", "font-style", "font-family", "text-anchor"];

/** The picture as the text of an SVG file: every shape carries its own paint, no style sheet. */
export function svgText(figure) {
  const { width, height } = figure.scene;
  const original = figure.scene.svg();
  const copy = set(original.cloneNode(true), { width, height });
  const shapes = copy.querySelectorAll("*");
  original.querySelectorAll("*").forEach((shape, i) => {
    const computed = getComputedStyle(shape);
    const own = /path|text|tspan/.test(shape.tagName);
    const names = own ? PAINTS : ["opacity"];
    set(
      shapes[i],
      Object.fromEntries(names.map((name) => [name, computed.getPropertyValue(name)])),
    );
    const words = shape.ariaLabel;
    if (words) shapes[i].prepend(s("title", {}, words));
    if (shape.matches(":not(.changed)>.ring")) shapes[i].remove();
  });
  const fill = getComputedStyle(figure.frame).backgroundColor;
  copy.prepend(s("title", {}, figure.name()), s("rect", { width: "100%", height: "100%", fill }));
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
  canvas.toBlob((blob) => offer(figure, blob, "png"));
}

function offer(figure, blob, ending) {
  const name = figure.name().match(/[\p{L}\p{N}]+/gu) ?? ["graph"];
  const download = `${name.slice(0, 3).join("-").slice(0, 40)}.${ending}`;
  h("a", { href: URL.createObjectURL(blob), download }).click();
  figure.announce(`saved ${download}`);
}
