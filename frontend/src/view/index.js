/* `dg.view` on a page that runs scripts: the number under the pointer, one slice at a time.
 *
 * The picture is the one that Python drew; here it moves into the figure, takes the colours of the
 * page and can be pointed at.  Values travel beside it, see `values_of` in dlgraph/draw/view.py.
 * Read next: values.js. */

import { h, s, set } from "../core/dom.js";
import { FIGURE_STYLE, watchTheme } from "../core/theme.js";
import { readValues } from "./values.js";

const LARGE = 336; // px of an enlarged slice, each way

const STYLE = `
.stage{max-height:none;outline-offset:-2px}
.stage svg{text-anchor:start}
.stage>svg>text{fill:var(--ink)!important}
.stage>svg>[data-c=muted]{fill:var(--muted)!important}
.stage>svg>[data-c=bar]{fill:var(--muted)!important}
.stage>svg>[data-c=ground]{fill:none!important;stroke:none!important}
.stage image[data-tile],.stage [data-bar]{cursor:crosshair}
.stage>svg>[data-c=cut]{stroke:var(--bg)!important}
.stage text,.stage path{pointer-events:none}
.mark{fill:none;stroke:#fff;stroke-width:2;pointer-events:none;filter:drop-shadow(0 0 1.5px #000)}
.at{padding:0 20px 10px;min-height:2.2em;font-variant-numeric:tabular-nums}
.large{padding:0 20px 6px;display:flex;gap:8px;align-items:center;flex-wrap:wrap}
`;

/** Start the figure in `host`; called by the script of the page. */
export async function main(host, payload) {
  const shadow = host.attachShadow({ mode: "open" }); // at once: a second start would find it
  const drawn = pictureOf(host);
  const values = await readValues(payload);
  const tiles = [...drawn.querySelectorAll("[data-tile]")];
  const bars = [...drawn.querySelectorAll("[data-bar]")];
  const { rows, columns, prefixes, block, axes } = payload;
  const mark = s("rect", { class: "mark" });
  const at = h("div", { class: "at", role: "status" });
  const large = h("div", { class: "large", hidden: true });
  const words = host.querySelector("img")?.alt ?? "";
  const keys = "Arrow keys move from element to element.";
  const stage = h(
    "div",
    { class: "stage", tabindex: 0, role: "group", "aria-label": `${words}. ${keys}` },
    drawn,
  );
  const frame = h("div", { class: "figure" }, stage, large, at);
  let cell = -1;
  let fixed = false; // chosen by a click or a key, not just pointed at

  drawn.append(mark);
  set(host, { "data-lm-suppress-shortcuts": "true" });
  shadow.append(h("style", {}, FIGURE_STYLE + STYLE), frame);
  watchTheme((dark) => frame.classList.toggle("dark", dark));
  point(-1);

  /* Where value number k is drawn: x, y, width, height in the picture. */
  function place(k) {
    const shape = bars[k] ?? tiles[Math.floor(k / (rows * columns))];
    const numbers = ["x", "y", "width", "height"].map((name) => Number(shape.getAttribute(name)));
    if (bars.length) return numbers;
    const [x, y, width, height] = numbers;
    const [row, column] = [Math.floor((k % (rows * columns)) / columns), k % columns];
    return [
      x + (column * width) / columns,
      y + (row * height) / rows,
      width / columns,
      height / rows,
    ];
  }

  function index(k) {
    const [row, column] = [Math.floor((k % (rows * columns)) / columns), k % columns];
    const inner = [row, column].map((one, axis) => span(one, block[axis]));
    return [...prefixes[Math.floor(k / (rows * columns))], ...inner]
      .slice(-axes || Infinity)
      .join(", ");
  }

  function point(k) {
    cell = k;
    set(mark, { visibility: k < 0 ? "hidden" : "visible" });
    if (k < 0) {
      at.textContent =
        tiles.length > 1
          ? "Point at a pixel, or use the arrow keys; a click or Enter enlarges a slice."
          : "Point at an element, or use the arrow keys.";
      return;
    }
    const [x, y, width, height] = place(k);
    set(mark, { x, y, width, height });
    const mean = Math.max(...block) > 1 ? "mean " : "";
    at.textContent = `[${index(k)}]  ${values ? mean + brief(values[k]) : ""}`;
  }

  /* The value that is drawn under the pointer; -1 for none. */
  function under(event) {
    const target = event.composedPath()[0];
    if (target.dataset.bar) return Number(target.dataset.bar);
    const tile = tiles.indexOf(target.closest("[data-tile]"));
    if (tile < 0) return -1;
    const box = target.getBoundingClientRect();
    const row = Math.floor(((event.clientY - box.top) / box.height) * rows);
    const column = Math.floor(((event.clientX - box.left) / box.width) * columns);
    const inside = row >= 0 && column >= 0 && row < rows && column < columns;
    return inside ? (tile * rows + row) * columns + column : -1;
  }

  function enlarge(tile) {
    const href = tiles[tile].getAttribute("href");
    const scale = LARGE / Math.max(rows, columns);
    const [width, height] = [columns * scale, Math.max(rows * scale, 12)];
    const image = s("image", {
      href,
      width,
      height,
      preserveAspectRatio: "none",
      style: "image-rendering:pixelated",
    });
    const onpointermove = ({ clientX, clientY }) => {
      const box = image.getBoundingClientRect();
      const row = Math.min(rows - 1, Math.floor(((clientY - box.top) / box.height) * rows));
      const column = Math.min(
        columns - 1,
        Math.floor(((clientX - box.left) / box.width) * columns),
      );
      point((tile * rows + row) * columns + column);
    };
    const go = (by, words) => {
      const onclick = () => {
        enlarge((tile + by + tiles.length) % tiles.length);
        large.querySelector(`[aria-label="${words}"]`).focus(); // it stands for the pressed one
      };
      return h("button", { type: "button", "aria-label": words, onclick }, by < 0 ? "‹" : "›");
    };
    const close = h("button", { type: "button", onclick: closeLarge }, "close");
    large.hidden = false;
    large.replaceChildren(
      s("svg", { width, height, onpointermove }, image),
      ...[
        go(-1, "slice before"),
        h("b", {}, `[${prefixes[tile].join(", ")}]`),
        go(1, "next slice"),
        close,
      ],
    );
  }

  function closeLarge() {
    large.hidden = true;
    stage.focus({ preventScroll: true });
  }

  large.onkeydown = (event) => {
    if (event.key !== "Escape") return;
    event.stopPropagation();
    closeLarge();
  };
  stage.onpointermove = (event) => {
    const k = under(event);
    if (!fixed || k >= 0) point(k);
    if (k >= 0) fixed = false;
  };
  stage.onpointerleave = () => {
    if (!fixed) point(-1);
  };
  stage.onclick = (event) => {
    const k = under(event);
    fixed = k >= 0;
    point(k);
    if (k >= 0 && tiles.length > 1) enlarge(Math.floor(k / (rows * columns)));
  };
  stage.onkeydown = (event) => {
    const step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns }[event.key];
    const last = Math.max(tiles.length, 1) * rows * columns;
    if (step) {
      point(cell < 0 ? 0 : Math.max(0, Math.min(last - 1, cell + step)));
      mark.scrollIntoView({ block: "nearest", inline: "nearest" });
    } else if (event.key === "Enter" && tiles.length > 1 && cell >= 0)
      enlarge(Math.floor(cell / (rows * columns)));
    else if (event.key === "Escape") large.hidden ? point(-1) : closeLarge();
    else return;
    fixed = cell >= 0;
    event.preventDefault();
    event.stopPropagation();
  };
}

/* The picture out of the `<img>` as elements of the page. */
function pictureOf(host) {
  const { src } = host.querySelector("img");
  const text = decodeURIComponent(src.slice(src.indexOf(",") + 1));
  return document.importNode(
    new DOMParser().parseFromString(text, "image/svg+xml").documentElement,
    true,
  );
}

const span = (k, size) => (size > 1 ? `${k * size}:${(k + 1) * size}` : k);

const brief = (value) => String(Number.isFinite(value) ? Number(value.toPrecision(4)) : value);
