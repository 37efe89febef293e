/* The short form in which `pack_scene` of dlgraph/draw/payload.py writes a scene, made long again. */

const ROW = [
  "key",
  "style",
  "width",
  "height",
  "label",
  "detail",
  "tag",
  "muted",
  "badges",
  "ports",
];
const CELLS = [...ROW, "title"];

/** A packed scene -> what `layOut` of layout/index.js takes. */
export function unpackScene(packed) {
  const { styles, boxes, images, groups } = packed;
  const long = (row, front) => {
    if (!row) return null;
    const cells = CELLS.map((_, i) => row[i] ?? "");
    cells[0] ||= `b${front[0].slice(1)}`;
    cells[1] = styles[cells[1]];
    cells[8] ||= [];
    cells[9] ||= [];
    return cells;
  };
  return {
    ...packed,
    fields: CELLS,
    boxes: boxes.map((row) => long(row)),
    images: images.map((row, i) => long(row, boxes[i])),
    links: packed.links.map(([source, target, slot, copies, flows, ...ports]) => {
      return [source, target, slot, copies, flows, ports];
    }),
    groups: groups.map(([box, image, ...rest]) => [long(box), long(image, box), ...rest]),
  };
}
