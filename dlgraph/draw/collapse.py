"""A scene with some of its groups closed: one box stands for all that such a group holds.

Also which groups are open at first sight: all where the whole picture is small, else the outer
scopes, level by level, as long as few boxes are in sight.  Read next: layout.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from dlgraph.draw.scene_parts import Group, Link, Scene

SMALL = 30  # boxes in sight up to which scopes are opened without being asked
FEW = 8  # boxes that say too little: one more level is opened,
MANY = 100  # unless more than this many would be in sight


def visible(scene: Scene, opened: Iterable[int] | None = None) -> Scene:
    """The boxes in sight and the links between them, while the groups in `opened` are open.

    In the result `inside` is the innermost open group around a box, and `closed` the group that
    a box stands for; -1 where there is none.  Groups are such that no cycle comes about.
    """
    front = _fronts(scene.groups, scene.opened if opened is None else opened)
    units = [_unit(number, group, front) for number, group in enumerate(scene.inside)]
    seen = {unit: number for number, unit in enumerate(dict.fromkeys(units))}
    view = Scene(mirrored=scene.mirrored, badges=scene.badges, groups=scene.groups)
    for unit in seen:
        group = scene.groups[~unit] if unit < 0 else None
        box = group.box if group else scene.boxes[unit]
        image = group.image if group else scene.images[unit]
        view.boxes.append(replace(box))
        view.images.append(image and replace(image))
        view.light.append(not group and scene.light[unit])
        view.closed.append(~unit if group else -1)
        view.inside.append(group.parent if group else scene.inside[unit])
    number = [seen[unit] for unit in units]
    view.links = _merged(scene.links, number, view)
    view.turns = list(dict.fromkeys(number[box] for box in scene.turns))
    pairs = dict.fromkeys((number[value], number[reader]) for value, reader in scene.saved)
    view.saved = [(a, b) for a, b in pairs if a != b or view.closed[a] < 0]
    return view


def first_sight(groups: Sequence[Group], inside: Sequence[int]) -> list[int]:
    """The groups that are open until somebody opens or closes one; repeats stay closed."""
    opened = set(range(len(groups)))
    if _in_sight(groups, inside, opened) <= SMALL:
        return sorted(opened)
    opened = set()
    now = _in_sight(groups, inside, opened)
    while True:
        level = {
            number
            for number, group in enumerate(groups)
            if number not in opened
            and not group.folded
            and (group.parent < 0 or group.parent in opened)
        }
        then = _in_sight(groups, inside, opened | level)
        if not level or then > (MANY if now < FEW else SMALL):
            return sorted(opened)
        opened, now = opened | level, then


def _in_sight(groups: Sequence[Group], inside: Sequence[int], opened: set[int]) -> int:
    front = _fronts(groups, opened)
    return len({_unit(number, group, front) for number, group in enumerate(inside)})


def _fronts(groups: Sequence[Group], opened: Iterable[int]) -> list[int]:
    """For every group the outermost closed one around it, itself included; -1 if all are open."""
    opened = set(opened)
    front: list[int] = []
    for number, group in enumerate(groups):
        outer = front[group.parent] if group.parent >= 0 else -1
        front.append(outer if outer >= 0 or number in opened else number)
    return front


def _unit(box: int, group: int, front: Sequence[int]) -> int:
    """What stands in the picture for a box: itself, or ~g for group g."""
    return ~front[group] if group >= 0 and front[group] >= 0 else box


def _merged(links: Sequence[Link], number: Sequence[int], view: Scene) -> list[Link]:
    """The links between what is in sight; several to or from a closed group become one line."""
    found: dict[tuple[int, int], Link] = {}
    for link in links:
        pair = source, target = number[link.source], number[link.target]
        if source == target:
            continue
        first = found.get(pair)
        whole = max(view.closed[source], view.closed[target]) >= 0
        if not whole:
            found[pair] = link._replace(source=source, target=target)
            continue
        ports = link.ports if view.closed[source] < 0 else ()
        if first:
            ports = tuple(dict.fromkeys([*first.ports, *ports]))
        flows = link.flows or bool(first and first.flows)
        slot = first.slot if first else link.slot
        found[pair] = Link(source, target, slot, max(1, len(ports)), flows, ports)
    return list(found.values())
