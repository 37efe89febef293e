/* The keyboard: one tab stop per figure, arrows walk along the edges, "?" lists all keys.
 * A click selects.  Read next: toolbar.js. */

/** Listen to keys and pointers in a figure. */
export function watchKeys(figure) {
  const { stage, frame, keys } = figure;
  const add = (key, words, action) => keys.set(key, [words, action]);
  add("ArrowUp", "to an input", () => along(figure, -1));
  add("ArrowDown", "to an output", () => along(figure, 1));
  add("ArrowLeft", "to the mirror twin, or a neighbour", () => across(figure, -1));
  add("ArrowRight", "to the mirror twin, or a neighbour", () => across(figure, 1));
  add("Home", "to the first box", () => figure.focus(figure.order[0]));
  add("End", "to the last box", () => figure.focus(figure.order.at(-1)));
  add("Enter", "details of this box", () => figure.select(figure.focused));
  add("u", "trace inputs", () => figure.trace("inputs"));
  add("d", "trace outputs", () => figure.trace("readers"));
  add("z", "zoom in", () => figure.zoom(figure.scale * 1.25));
  add("x", "zoom out", () => figure.zoom(figure.scale / 1.25));
  add("0", "natural size, or fit the width", () => figure.zoom(figure.scale === 1 ? 0 : 1));
  add("Escape", "close, then leave the figure", () => leave(figure));
  frame.onkeydown = (event) => {
    const { target, key } = event;
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    event.stopPropagation();
    if (key === "Tab" || /INPUT|SELECT/.test(target.tagName)) return;
    if (target.tagName === "BUTTON" && /^(Enter| |Arrow.*)$/.test(key)) return;
    const found = keys.get(key === " " ? "Enter" : key);
    if (!found) return;
    event.preventDefault();
    found[1](event);
  };
  stage.onpointermove = ({ target, clientX, clientY }) => {
    const key = figure.scene.at(target, clientX, clientY);
    stage.title = key ? figure.say(key) : "";
  };
  stage.onclick = ({ target, clientX, clientY }) => {
    const key = figure.scene.at(target, clientX, clientY);
    if (key) figure.focus(key);
    figure.select(key === figure.selected ? null : key);
  };
}

/* Along an edge; gradients flow upwards, so on their side "up" on the page is what reads them. */
function along(figure, direction) {
  const { focused } = figure;
  const up = direction < 0 === (focused[0] === "f");
  const found = figure[up ? "inputs" : "readers"](focused).find((key) => key[0] === focused[0]);
  if (found) figure.focus(found);
}

/* Across the mirror where the twin lies in that direction, else to the neighbour in the row. */
function across(figure, direction) {
  const { focused } = figure;
  const twin = figure.twin(focused);
  if (twin && (focused[0] === "f") === direction > 0) return figure.focus(twin);
  const middle = ({ key, y, height }) => key[0] + Math.round(y + height / 2);
  const row = figure.layout.boxes.filter((box) => middle(box) === middle(figure.box(focused)));
  row.sort((a, b) => a.x - b.x);
  const place = row.findIndex(({ key }) => key === focused) + direction;
  figure.focus(row.at(place % row.length).key);
}

function leave(figure) {
  if (figure.closeOver) figure.closeOver();
  else if (figure.selected) {
    figure.select(null);
    figure.focus(figure.focused); // what had the keyboard may be among the details
  } else figure.root.shadowRoot.activeElement?.blur();
}
