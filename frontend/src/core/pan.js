/* Pan with the mouse, zoom with two fingers or Ctrl and the wheel; one finger scrolls as usual. */

const CLICK = 4; // px of movement that still are a click

/** Let the picture be dragged and pinched. */
export function addPan(figure) {
  const { stage } = figure;
  const fingers = new Map();
  let start = null;
  const span = () => {
    const [a, b] = [...fingers.values()];
    return Math.hypot(a.clientX - b.clientX, a.clientY - b.clientY);
  };
  stage.addEventListener("pointerdown", (event) => {
    fingers.set(event.pointerId, event);
    const { clientX, clientY } = event;
    start = { x: clientX + stage.scrollLeft, y: clientY + stage.scrollTop, clientX, clientY };
    if (fingers.size === 2) start = { span: span(), scale: figure.scale };
  });
  stage.addEventListener("pointermove", (event) => {
    if (!start || !fingers.has(event.pointerId)) return;
    fingers.set(event.pointerId, event);
    if (fingers.size === 2) figure.zoom((start.scale * span()) / start.span);
    else if (event.pointerType === "mouse" && start.x != null) {
      const far = Math.hypot(event.clientX - start.clientX, event.clientY - start.clientY);
      start.moved ||= far > CLICK;
      if (start.moved) stage.scrollTo(start.x - event.clientX, start.y - event.clientY);
    }
  });
  const end = (event) => {
    fingers.delete(event.pointerId);
  };
  for (const name of ["pointerup", "pointercancel", "pointerleave"])
    stage.addEventListener(name, end);
  stage.onwheel = (event) => {
    if (!event.ctrlKey) return;
    event.preventDefault();
    const { left, top } = stage.getBoundingClientRect();
    const [x, y] = [event.clientX - left, event.clientY - top];
    const { scrollLeft, scrollTop } = stage;
    const before = figure.scale;
    figure.zoom(before * 1.0015 ** -event.deltaY);
    const ratio = figure.scale / before;
    stage.scrollTo((scrollLeft + x) * ratio - x, (scrollTop + y) * ratio - y);
  };
  // What ends a drag is no click: it selects nothing.
  const swallow = (event) => start?.moved && event.stopPropagation();
  stage.addEventListener("click", swallow, { capture: true });
}
