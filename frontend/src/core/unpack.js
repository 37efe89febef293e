/* The short form in which `dlgraph/draw/payload.py` writes a finished layout, made long again. */

const BOX = ["key", "style", "x", "y", "width", "height", "label"];
const FIELDS = [...BOX, "tag", "detail", "badges", "ports", "muted", "title"];

/** A packed layout -> the same object that `layOut` of layout/index.js returns. */
export function unpack([width, height, axis, badges, styles, boxes, lines]) {
  return {
    ...{ width, height, axis, badges },
    boxes: boxes.map((row) => {
      const box = Object.fromEntries(FIELDS.map((name, i) => [name, row[i] ?? ""]));
      const lists = { badges: box.badges || [], ports: box.ports || [] };
      const scopes = { group: row[13] ?? -1, inside: row[14] ?? -1 };
      return { ...box, ...lists, ...scopes, style: styles[box.style] };
    }),
    lines: lines.map(([style, source, target, ...corners]) => ({
      style: styles[style],
      source: boxes[source][0],
      target: boxes[target][0],
      points: corners.flatMap((x, i) => (i % 2 ? [] : [[x, corners[i + 1]]])),
    })),
  };
}
