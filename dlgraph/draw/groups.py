"""The boxes that stand for closed groups: what a layer is called and how much is in it.

Read next: collapse.py, which puts them in place of what they hold.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from dlgraph.draw.boxes import Box, measured
from dlgraph.draw.collapse import first_sight
from dlgraph.draw.model import LEAVES, PictureNode
from dlgraph.draw.scene_parts import Group, Scene
from dlgraph.draw.scopes import Item, Stretch, find_groups
from dlgraph.draw.text import clean
from dlgraph.draw.wording import MISSING, is_operation


def add_groups(
    scene: Scene,
    nodes: Sequence[PictureNode],
    sources: Sequence[list[int]],
    shared: Mapping[int, str],
    computed: bool,
) -> None:
    """Find the groups of a scene.

    Per box: its node, and the boxes that it reads.  `shared` names the boxes of leaves that are
    drawn as badges; `computed` says whether the gradients of the picture are nodes of a graph.
    """
    items = [_item(node, row) for node, row in zip(nodes, sources, strict=True)]
    found, scene.inside = find_groups(items)
    held: list[list[int]] = [[] for _ in found]
    for member, group in enumerate(scene.inside):
        while group >= 0:
            held[group].append(member)
            group = found[group].parent
    for number, stretch in enumerate(found):
        inside = held[number]
        box = _front(number, stretch, [nodes[member] for member in inside])
        read = dict.fromkeys(s for member in inside for s in sources[member] if s in shared)
        outside = [shared[s] for s in read if s not in set(inside)]
        measured(box, outside, box.title)
        images = [image for member in inside if (image := scene.images[member])]
        other = _image(number, stretch, images, computed) if images else None
        scene.groups.append(Group(box, other, stretch.parent, stretch.rest))
    scene.opened = first_sight(scene.groups, scene.inside)


def _item(node: PictureNode, sources: list[int]) -> Item:
    leaf = node.kind in LEAVES
    text = f"{node.kind}|{'' if leaf else node.label}|{node.shape}"
    return Item(tuple(filter(None, node.scope.split("/"))), leaf, text, sources)


def _front(number: int, stretch: Stretch, nodes: Sequence[PictureNode]) -> Box:
    counts = {
        "operation": sum(map(is_operation, nodes)),
        "parameter": sum(node.kind == "parameter" for node in nodes),
        "input": sum(node.kind == "input" for node in nodes),
    }
    detail = _words(stretch, counts)
    scope = "/".join(stretch.scope)
    title = "\n".join([f"{stretch.label} (scope {scope})" if scope else stretch.label, detail])
    return Box(f"fg{number}", "scope", clean(stretch.label), _times(stretch), detail, title=title)


def _image(number: int, stretch: Stretch, images: Sequence[Box], computed: bool) -> Box:
    """The other half of a group: how many gradients and updates, or that none is known yet."""
    updates = sum(image.style == "update" for image in images)
    known = computed or any(not image.muted for image in images)
    counts = {"gradient": len(images) - updates, "update": updates}
    detail = _words(stretch, counts) if known else MISSING
    label = f"∂{clean(stretch.label)}"
    box = Box(f"bg{number}", "scope_gradient", label, _times(stretch), detail, muted=not known)
    return measured(box, [], f"gradients in {stretch.label}\n{detail}")


def _words(stretch: Stretch, counts: dict[str, int]) -> str:
    """`5 operations, 2 parameters`, of repeats those of one."""
    times = max(stretch.times, 1)
    each = {what: count // times for what, count in counts.items() if count >= times}
    words = ", ".join(f"{count:,} {what}{'s' * (count != 1)}" for what, count in each.items())
    return f"each {words}" if stretch.times else words


def _times(stretch: Stretch) -> str:
    return f"×{stretch.times}" if stretch.times else ""
