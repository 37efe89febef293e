/* Three ways to read the same picture, without moving a box: operations as nodes and data as edges
 * (the default), values as nodes and operations as edges, or both as nodes.
 *
 * None is more true than the others; textbooks use all three.  Read next: scene.js. */

const STRETCH = 1.35; // room for the operations above their values, where both are nodes
const CHIP = 22; // height of an operation that stands above its value
const CHIP_GAP = 9;

/** The choices with their words, and what is a node in each. */
export const CONVENTIONS = [
  ["operations", "nodes: operations"],
  ["values", "nodes: values"],
  ["both", "nodes: both"],
];

/**
 * The layout as another convention reads it.
 *
 * @returns a layout; with "values" its `words` are the operations on the edges, as `scene.labels`
 *   takes them.
 */
export function inConvention(layout, convention, facts) {
  if (convention === "operations") return layout;
  const both = convention === "both";
  const k = both ? STRETCH : 1;
  const made = new Map(); // boxes that an operation makes
  const boxes = layout.boxes.map((box) => {
    const y = (box.y + box.height / 2) * k - box.height / 2;
    const [, name, formula, , value] = facts[box.key.slice(1)] ?? [];
    if (box.key[0] === "b" || !formula) return { ...box, y };
    made.set(box.key, { ...box, y });
    const detail = value || box.detail;
    return { ...box, y, style: "input", label: name || formula, tag: "", detail, badges: [] };
  });
  const ends = new Map(boxes.map((box) => [box.key, box]));
  const lines = layout.lines.map((line) => {
    const [from, to] = [ends.get(line.source), ends.get(line.target)];
    const points = line.points.map(([x, y]) => [x, y * k]);
    const level = points[0][1] === points[1][1];
    const down = from.y < to.y;
    if (!level) points[0][1] = down ? from.y + from.height : from.y;
    if (!level) points[points.length - 1][1] = down ? to.y : to.y + to.height;
    if (both && down && made.has(to.key)) points[points.length - 1][1] -= CHIP + CHIP_GAP;
    return { ...line, points };
  });
  const found = [...made.values()];
  if (both) {
    for (const { key, x, y, width, tag, label, style, badges } of found) {
      const top = y - CHIP - CHIP_GAP;
      const middle = x + width / 2;
      const chip = { key: `${key}:op`, style, label: tag || label, tag: "", detail: "", badges };
      boxes.push({ ...ends.get(key), ...chip, x, y: top, height: CHIP });
      const points = [[middle, top + CHIP], [middle, y]]; // biome-ignore format: two points
      lines.push({ style: "forward", source: chip.key, target: key, points });
      for (const line of lines)
        if (line.target === key && line.source !== chip.key) line.target = chip.key;
    }
  }
  const words = both
    ? []
    : found.map(({ x, y, width, tag, label, badges }) => {
        return { x: x + width / 2 + 12, y: y - 9, text: [...badges, tag || label].join(" ") };
      });
  return { ...layout, height: layout.height * k, boxes, lines, words };
}
