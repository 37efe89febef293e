/* The short form in which `dlgraph/draw/payload.py` writes a finished layout, made long again. */

/** A packed layout -> the same object that `layOut` of layout/index.js returns. */
export function unpack([width, height, axis, badges, styles, boxes, lines]) {
  return {
    width,
    height,
    axis,
    badges,
    boxes: boxes.map((row) => {
      const [key, style, x, y, width, height, label, tag, detail, inner, ports, muted, title] = row;
      return {
        ...{ key, style: styles[style], x, y, width, height, label },
        ...{ tag: tag || "", detail: detail || "", badges: inner || [], ports: ports || [] },
        ...{ muted: !!muted, title: title || "", group: -1, inside: -1 },
      };
    }),
    lines: lines.map(([style, source, target, ...corners]) => ({
      style: styles[style],
      source: boxes[source][0],
      target: boxes[target][0],
      points: pairs(corners),
    })),
  };
}

function pairs(numbers) {
  const found = [];
  for (let i = 0; i < numbers.length; i += 2) found.push([numbers[i], numbers[i + 1]]);
  return found;
}
