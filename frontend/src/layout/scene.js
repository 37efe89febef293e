/* What is drawn: boxes and links, read from JSON, closed groups put in place of what they hold.
 * Twin of dlgraph/draw/collapse.py.  Read next: place.js. */

/** The scene that `Scene.to_json()` wrote, with a fresh object for every box. */
export function readScene(data) {
  const box = (row) => row && Object.fromEntries(data.fields.map((name, at) => [name, row[at]]));
  const light = new Set(data.light);
  return {
    ...data,
    boxes: data.boxes.map(box),
    images: data.images.map(box),
    light: data.boxes.map((_, number) => light.has(number)),
    links: data.links.map(([source, target, slot, copies, flows, ports]) => {
      return { source, target, slot, copies, flows, ports };
    }),
    groups: data.groups.map(([front, image, parent]) => {
      return { box: box(front), image: box(image), parent };
    }),
  };
}

/** The boxes in sight and the links between them, while the groups in `opened` are open. */
export function visible(scene, opened) {
  const open = new Set(opened ?? scene.opened);
  // For every group the outermost closed one around it, itself included; -1 if all are open.
  const front = [];
  scene.groups.forEach(({ parent }, number) => {
    const outer = front[parent] ?? -1;
    front.push(outer >= 0 || open.has(number) ? outer : number);
  });
  const units = scene.inside.map((group, box) => (front[group] >= 0 ? ~front[group] : box));
  const seen = [...new Set(units)];
  const place = new Map(seen.map((unit, at) => [unit, at]));
  const number = units.map((unit) => place.get(unit));
  const closed = seen.map((unit) => (unit < 0 ? ~unit : -1));
  const pick = (ofGroup, ofBox) =>
    seen.map((unit) => (unit < 0 ? ofGroup(scene.groups[~unit]) : ofBox[unit]));
  return {
    mirrored: scene.mirrored,
    badges: scene.badges,
    closed,
    boxes: pick((group) => group.box, scene.boxes),
    images: pick((group) => group.image, scene.images),
    light: pick(() => false, scene.light),
    inside: pick((group) => group.parent, scene.inside),
    links: merged(scene.links, number, closed),
    turns: [...new Set(scene.turns.map((box) => number[box]))],
    saved: savedPairs(scene.saved, number, closed),
  };
}

/** The links between what is in sight; several to or from a closed group become one line. */
function merged(links, number, closed) {
  const found = new Map();
  for (const link of links) {
    const [source, target] = [number[link.source], number[link.target]];
    if (source === target) continue;
    const key = source * closed.length + target;
    if (closed[source] < 0 && closed[target] < 0) {
      found.set(key, { ...link, source, target });
      continue;
    }
    const first = found.get(key) ?? { ...link, source, target, ports: [] };
    if (closed[source] < 0) first.ports = [...new Set([...first.ports, ...link.ports])];
    first.flows ||= link.flows;
    first.copies = Math.max(1, first.ports.length);
    found.set(key, first);
  }
  return [...found.values()];
}

function savedPairs(pairs, number, closed) {
  const found = new Map();
  for (const [value, reader] of pairs) {
    const [from, to] = [number[value], number[reader]];
    if (from !== to || closed[from] < 0) found.set(from * closed.length + to, [from, to]);
  }
  return [...found.values()];
}
