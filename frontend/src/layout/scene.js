/* What is drawn: boxes and links, read from JSON, closed groups put in place of what they hold.
 * Twin of dlgraph/draw/collapse.py.  Read next: place.js. */

/** The scene that `Scene.to_json()` wrote, with a fresh object for every box. */
export function readScene(data) {
  const box = (row) => row && Object.fromEntries(data.fields.map((name, at) => [name, row[at]]));
  return {
    ...data,
    boxes: data.boxes.map(box),
    images: data.images.map(box),
    links: data.links.map(([source, target, slot, copies, flows, ports]) => {
      return { source, target, slot, copies, flows, ports };
    }),
    light: data.boxes.map((_, number) => data.light.includes(number)),
    groups: data.groups.map(([front, image, parent]) => {
      return { box: box(front), image: box(image), parent };
    }),
  };
}
export function visible(scene) {
  return scene;
}
