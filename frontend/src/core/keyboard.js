/* The keyboard: one tab stop per figure, arrows walk along the edges, "?" lists all keys.
 *
 * Pointer: click selects, a drag pans, Ctrl and the wheel (or two fingers) zoom.  Read next:
 * toolbar.js. */

/** Listen to keys and pointers in a figure; returns a function that ends it. */
export function watchKeys(figure) {
  const { stage, frame, keys } = figure;
  keys.set("ArrowUp", ["to what it is computed from", () => along(figure, -1)]);
  keys.set("ArrowDown", ["to what is computed from it", () => along(figure, 1)]);
  keys.set("ArrowLeft", ["to the mirror twin, or the neighbour", () => across(figure, -1)]);
  keys.set("ArrowRight", ["to the mirror twin, or the neighbour", () => across(figure, 1)]);
  keys.set("Home", ["to the first box", () => figure.focus(ends(figure)[0])]);
  keys.set("End", ["to the last box", () => figure.focus(ends(figure)[1])]);
  keys.set("Enter", ["details of this box", () => figure.select(figure.focused)]);
  keys.set("Escape", ["close, then leave the figure", () => leave(figure)]);
  keys.set("u", ["trace what it is computed from", () => traced(figure, "inputs")]);
  keys.set("d", ["trace what depends on it", () => traced(figure, "readers")]);
  keys.set("z", ["zoom in", () => figure.zoom(figure.scale * 1.25)]);
  keys.set("x", ["zoom out", () => figure.zoom(figure.scale / 1.25)]);
  keys.set("0", ["natural size, or fit the width", () => figure.zoom(figure.scale === 1 ? 0 : 1)]);
  frame.addEventListener("keydown", (event) => {
    const { target } = event;
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const typing = /INPUT|SELECT/.test(target.tagName);
    const button = target.closest("button") && /^(Enter| )$/.test(event.key);
    if (typing || button) {
      if (event.key === "Escape") figure.focus(figure.focused);
      event.stopPropagation();
      return;
    }
    const found = keys.get(event.key === " " ? "Enter" : event.key);
    if (!found || found[1](event) === false) return;
    event.preventDefault();
    event.stopPropagation();
  });
  stage.addEventListener("focusin", ({ target }) => {
    const { key } = target.closest("[data-key]")?.dataset ?? {};
    if (!key) return;
    figure.focused = key;
    figure.scene.rove?.(key);
  });
  watchPointer(figure);
  return () => {};
}

/* Along an edge: the first input or reader; again and again walks through the graph. */
function along(figure, direction) {
  const { focused } = figure;
  const forward = focused[0] === "f";
  // Gradients flow upwards: on their side "up" on the page is what reads the gradient.
  const [up, down] = forward ? ["inputs", "readers"] : ["readers", "inputs"];
  const found = figure[direction < 0 ? up : down](focused).filter((key) => key[0] === focused[0]);
  if (found.length) figure.focus(found[0]);
  else figure.announce(direction < 0 ? "nothing above" : "nothing below");
}

/* Across the mirror where the twin lies in that direction, else to the neighbour in the row. */
function across(figure, direction) {
  const { focused } = figure;
  const box = figure.box(focused);
  const outward = (focused[0] === "f") === direction < 0;
  const twin = figure.twin(focused);
  if (!outward && twin) return figure.focus(twin);
  const row = figure.layout.boxes
    .filter((one) => one.key[0] === focused[0] && middle(one) === middle(box))
    .sort((a, b) => a.x - b.x);
  const place = row.findIndex((one) => one.key === focused) + direction;
  return figure.focus(row[(place + row.length) % row.length].key);
}

const middle = (box) => Math.round(box.y + box.height / 2);

function ends(figure) {
  const keys = figure.layout.boxes.map((box) => box.key);
  return [keys[0], keys[keys.length - 1]];
}

function traced(figure, direction) {
  if (figure.selected !== figure.focused) figure.select(figure.focused);
  figure.toggleTrace(direction);
}

function leave(figure) {
  if (figure.closeOverlay?.()) return figure.focus(figure.focused);
  if (figure.selected) return figure.select(null);
  figure.root.getRootNode().activeElement?.blur();
  figure.root.shadowRoot.activeElement?.blur();
  return undefined;
}

function watchPointer(figure) {
  const { stage } = figure;
  let from = null;
  let moved = 0;
  stage.addEventListener("click", (event) => {
    if (moved > 4) return;
    const key = figure.scene.at(event);
    if (key) figure.focus(key);
    figure.select(key === figure.selected ? null : key);
  });
  stage.addEventListener("pointerdown", (event) => {
    moved = 0;
    if (event.pointerType !== "mouse" || event.button) return; // fingers scroll by themselves
    from = [event.clientX + stage.scrollLeft, event.clientY + stage.scrollTop];
  });
  stage.addEventListener("pointermove", (event) => {
    if (!from || !(event.buttons & 1)) return;
    moved += Math.abs(event.movementX) + Math.abs(event.movementY);
    if (moved > 4) stage.scrollTo(from[0] - event.clientX, from[1] - event.clientY);
  });
  stage.addEventListener("pointerup", () => {
    from = null;
  });
  stage.addEventListener(
    "wheel",
    (event) => {
      if (!event.ctrlKey) return;
      event.preventDefault();
      const { left, top } = stage.getBoundingClientRect();
      const [x, y] = [event.clientX - left, event.clientY - top];
      const before = figure.scale;
      const [atX, atY] = [stage.scrollLeft + x, stage.scrollTop + y];
      figure.zoom(before * 1.0015 ** -event.deltaY);
      const ratio = figure.scale / before;
      stage.scrollTo(atX * ratio - x, atY * ratio - y);
    },
    { passive: false },
  );
}
