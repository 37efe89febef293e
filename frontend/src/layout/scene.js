/* What is drawn: boxes and links, read from JSON, closed groups put in place of what they hold.
 * Twin of dlgraph/draw/collapse.py.  Read next: place.js. */

/** What is in sight of the scene that `Scene.to_json()` wrote, while the groups in `opened` are
 *  open.  Every box is a fresh object. */
export function visible(scene, opened) {
  const open = new Set(opened ?? scene.opened);
  // For every group the outermost closed one around it, itself included; -1 if all are open.
  const front = [];
  scene.groups.forEach(([, , parent], number) => {
    const outer = front[parent] ?? -1;
    front.push(outer >= 0 || open.has(number) ? outer : number);
  });
  const units = scene.inside.map((group, box) => (front[group] >= 0 ? ~front[group] : box));
  const seen = [...new Set(units)];
  const place = new Map(seen.map((unit, at) => [unit, at]));
  const number = units.map((unit) => place.get(unit));
  const closed = seen.map((unit) => (unit < 0 ? ~unit : -1));
  const light = new Set(scene.light);
  const box = (row) => row && Object.fromEntries(scene.fields.map((name, at) => [name, row[at]]));
  // Column `at` of the group where it is closed, else what there is for the box.
  const pick = (at, ofBox) =>
    seen.map((unit) => (unit < 0 ? scene.groups[~unit][at] : ofBox[unit]));
  return {
    mirrored: scene.mirrored,
    badges: scene.badges,
    closed,
    boxes: pick(0, scene.boxes).map(box),
    images: pick(1, scene.images).map(box),
    light: seen.map((unit) => light.has(unit)),
    inside: pick(2, scene.inside),
    links: merged(scene.links, number, closed),
    turns: [...new Set(scene.turns.map((box) => number[box]))],
    saved: savedPairs(scene.saved, number, closed),
  };
}

/** The links between what is in sight; several to or from a closed group become one line. */
function merged(links, number, closed) {
  const found = new Map();
  for (const [from, to, slot, copies, flows, ports] of links) {
    const [source, target] = [number[from], number[to]];
    if (source === target) continue;
    const key = source * closed.length + target;
    if (closed[source] < 0 && closed[target] < 0) {
      found.set(key, { source, target, slot, copies, flows, ports });
      continue;
    }
    const first = found.get(key) ?? { source, target, slot, flows, ports: [] };
    if (closed[source] < 0) first.ports = [...new Set([...first.ports, ...ports])];
    first.flows ||= flows;
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
