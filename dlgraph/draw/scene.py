"""From a picture to boxes: what stands in them, which are merged, and what becomes a badge.

One box per forward node; one per gradient, however many nodes compute it; constants, and leaves
that more than three operations read, become badges on their readers.  (On a recurrent network,
drawing the shared weights as badges alone removes thousands of crossings.)  Read next: layout.py.
"""

from __future__ import annotations

from collections.abc import Iterable

from dlgraph.draw import theme
from dlgraph.draw.boxes import BADGE_ROOM, Box, measured, sized
from dlgraph.draw.folding import fold
from dlgraph.draw.groups import add_groups
from dlgraph.draw.mirror import Mirror, find_mirror
from dlgraph.draw.model import LEAVES, Picture, Wiring
from dlgraph.draw.scene_parts import Group, Link, Scene
from dlgraph.draw.text import clean, fit
from dlgraph.draw.wording import (
    MISSING,
    counted,
    describe_node,
    detail_of,
    merged,
    reference,
    style_of,
)

__all__ = ["Group", "Link", "Scene", "build_scene"]

SHARED_ABOVE = 3  # readers of a leaf that is drawn as lines


def build_scene(picture: Picture) -> Scene:
    """The boxes of a picture and the links between them."""
    return _Builder(picture).scene()


class _Builder:
    """Holds what every step needs: the picture, its wiring and its mirror."""

    def __init__(self, picture: Picture):
        self.picture = picture
        wiring = picture.wiring
        mirror = find_mirror(picture, wiring) or Mirror([None] * len(picture.nodes), {}, set(), [])
        folded = fold(picture.nodes, wiring, mirror)
        self.nodes, self.owner = folded.nodes, folded.owner
        self.ports = {
            end: fit(clean(name), theme.SMALL_SIZE, BADGE_ROOM)
            for end, name in folded.ports.items()
        }
        self.wiring: Wiring = folded.wiring
        self.mirror: Mirror = folded.mirror
        self.readers = [self._forward_readers(place) for place in range(len(self.nodes))]
        ends = (self.wiring.position[node] for node in picture.outputs)
        outputs = {self.owner.get(place, place) for place in ends}
        self.hidden = {p for p in range(len(self.nodes)) if self._is_hidden(p, outputs)}
        self.shared = {p for p in range(len(self.nodes)) if self._is_shared(p)}
        flowing = {source for source, _ in self.mirror.flows}
        self.starts = {
            p for p in self.mirror.images if p not in flowing and self.nodes[p].kind not in LEAVES
        }
        self.computed = any(node.role != "forward" for node in self.nodes)
        goals = [p for p in sorted(outputs) if p in self.mirror.images]
        goal = self.nodes[goals[0]] if len(goals) == 1 else None
        self.goal = goal.name or goal.label if goal else ""

    def scene(self) -> Scene:
        places = [
            p
            for p in range(len(self.nodes))
            if self.mirror.twin[p] is None and p not in self.hidden and p not in self.owner
        ]
        number = {place: index for index, place in enumerate(places)}
        scene = Scene(mirrored=bool(self.mirror.images))
        light = self._find_light()
        for place in places:
            scene.boxes.append(self._forward_box(place))
            scene.images.append(self._image(place))
            scene.light.append(place in light)
        scene.turns = [number[place] for place in places if place in self.starts]
        for place in places:
            seen: dict[int, list[int]] = {}
            for source, slot in self.wiring.inputs[place]:
                if source in number and source not in self.shared:
                    seen.setdefault(source, []).append(slot)
            for source, slots in seen.items():
                flows = (source, place) in self.mirror.flows
                ports = tuple(p for s in slots if (p := self.ports.get((place, s))) is not None)
                link = Link(number[source], number[place], slots[0], len(slots), flows, ports)
                scene.links.append(link)
                held = scene.boxes[number[source]]
                held.ports = tuple(dict.fromkeys([*held.ports, *ports]))
        for box, image in zip(scene.boxes, scene.images, strict=True):
            if box.ports:
                sized(box)
                if image:  # the gradients arrive at the same places
                    image.width = max(image.width, box.width)
        if any(box.badges for box in scene.boxes):
            scene.badges = "constant"
        if self.shared or any(image.badges for image in scene.images if image):
            scene.badges = "also read"
        scene.saved = self._saved(number)
        self._add_groups(scene, number)
        return scene

    def _saved(self, number: dict[int, int]) -> list[tuple[int, int]]:
        """Pairs of boxes: a value that is kept, and the one whose gradient reads it."""
        found: dict[tuple[int, int], None] = {}
        for ends in self.picture.saved:
            places = [self.wiring.position[end] for end in ends]
            value, reader = (self.owner.get(place, place) for place in places)
            if value in number and reader in number and reader in self.mirror.images:
                found[number[value], number[reader]] = None
        return list(found)

    def _add_groups(self, scene: Scene, number: dict[int, int]) -> None:
        sources = [
            [number[source] for source, _ in self.wiring.inputs[place] if source in number]
            for place in number
        ]
        shared = {number[p]: reference(self.nodes[p]) for p in sorted(self.shared)}
        add_groups(scene, [self.nodes[p] for p in number], sources, shared, self.computed)

    # ---- which nodes get a box of their own
    def _forward_readers(self, place: int) -> list[int]:
        return [r for r in self.wiring.readers[place] if self.mirror.twin[r] is None]

    def _is_hidden(self, place: int, outputs: set[int]) -> bool:
        node = self.nodes[place]
        if node.kind not in LEAVES or place in outputs or place in self.mirror.images:
            return False
        # A constant is a badge; so is a leaf that only the backward half reads (a learning rate).
        return bool(self.wiring.readers[place]) and (
            node.kind == "constant" or not self.readers[place]
        )

    def _is_shared(self, place: int) -> bool:
        leaf = self.nodes[place].kind in LEAVES and place not in self.hidden
        return leaf and len(self.readers[place]) > SHARED_ABOVE

    def _find_light(self) -> set[int]:
        """What stands beside the way of the data: a weight, a bias and its reshape, labels.

        Its readers all have something weightier to stand under, or are light themselves.
        """
        weights = self._weights()
        beside = self.hidden | self.shared
        light: set[int] = set()
        for place in reversed(self.wiring.order):
            readers = self.readers[place]
            if weights[place] == 2 or place in self.shared or not readers:
                continue
            rivals = [[s for s, _ in self.wiring.inputs[r] if s not in beside] for r in readers]
            beaten = all(any(weights[s] > weights[place] for s in row) for row in rivals)
            if beaten or light.issuperset(readers):
                light.add(place)
        return light

    def _weights(self) -> list[int]:
        """2 for operations on data, 1 for inputs, 0 for parameters and what depends on no input."""
        data = [node.kind == "input" for node in self.nodes]
        anything = any(data)
        for place in self.wiring.order:
            data[place] |= any(data[source] for source, _ in self.wiring.inputs[place])
        return [
            int(node.kind == "input") if node.kind in LEAVES else 2 * int(found or not anything)
            for node, found in zip(self.nodes, data, strict=True)
        ]

    # ---- what stands in the boxes
    def _forward_box(self, place: int) -> Box:
        node = self.nodes[place]
        leaf = node.kind in LEAVES
        tag = f"= {node.value}" if leaf and node.value is not None else ""
        if node.name and not leaf:
            tag = node.label
        badges = [
            reference(self.nodes[source])
            for source, _ in self.wiring.inputs[place]
            if source in self.hidden or source in self.shared
        ]
        detail = detail_of(node)
        if place in self.shared:
            detail = ", ".join([*([detail] if detail else []), self._count(place, "readers")])
        box = Box(f"f{node.id}", style_of(node), node.name or node.label, tag, detail)
        return measured(box, badges, describe_node(node))

    def _image(self, place: int) -> Box | None:
        """The box that stands for everything that computes the gradient of a node."""
        if place not in self.mirror.images:
            return None
        node, members = self.nodes[place], self.mirror.images[place]
        name = reference(node)
        key = f"b{node.id}"
        inside = [self.nodes[member] for member in members]
        if any(member.role == "update" for member in inside):
            box = Box(key, "update", f"update {name}", detail=merged(inside))
            badges = list(dict.fromkeys([*self._strays(place), *self._outside(members)]))
            uses = [f"uses {badge}" for badge in badges]
            title = "\n".join([f"new value of {name}", counted(inside), *uses])
            return measured(box, badges, title, badges_shown=2)
        label = f"∂{self.goal}/∂{name}" if self.goal else f"∂{name}"
        if not self.computed:
            return self._gradient(place, label)
        operations = [member for member in inside if member.kind not in LEAVES]
        seeds = [member.value for member in inside if member.kind == "constant"]
        if node.kind in LEAVES:
            box = Box(key, "backward", label, detail=node.shape)
        else:
            box = Box(key, "backward", f"∂{node.name or node.label}")
            starts = place in self.starts and seeds and not operations
            box.muted = not operations and not starts
            box.detail = f"starts with {seeds[0]}" if starts else merged(inside) or "passed on"
        return measured(box, self._strays(place), f"gradient {label}\n{counted(inside)}".strip())

    def _gradient(self, place: int, label: str) -> Box:
        """The gradient of a recorded value: its text, or that it is not known; never a zero."""
        node = self.nodes[place]
        text = node.gradient if node.gradient is not None else MISSING
        title = f"gradient {label}: {text}"
        if place in self.shared and node.gradient is not None:
            text += f", {self._count(place, 'paths added')}"
        box = Box(f"b{node.id}", "backward", label, detail=text, muted=node.gradient is None)
        return measured(box, [], title)

    def _count(self, place: int, what: str) -> str:
        return f"{len(self.readers[place])} {what}"

    def _outside(self, members: list[int]) -> list[str]:
        """What an update reads beside its parameter and gradient: a learning rate, a velocity."""
        found: dict[int, None] = {}
        for member in members:
            node = self.nodes[member]
            found |= {s: None for s, _ in self.wiring.inputs[member] if s in self.hidden}
            found |= {member: None} if node.kind in LEAVES and self.wiring.readers[member] else {}
        return self._named(found)

    def _named(self, places: Iterable[int]) -> list[str]:
        """How leaves are called; of constants only where there is nothing else."""
        found = list(places)
        named = [place for place in found if self.nodes[place].kind != "constant"]
        return [reference(self.nodes[place]) for place in named or found]

    def _strays(self, place: int) -> list[str]:
        """Where a gradient (or an optimiser's state) comes from that no line leads here from."""
        found: list[str] = []
        for upper, lower in self.mirror.detours:
            if upper == place:
                images = self.mirror.images[lower]
                update = any(self.nodes[member].role == "update" for member in images)
                far = f"{'' if update else '∂'}{reference(self.nodes[lower])}"
                found += self._made_of(upper, lower) or [far]
        return found

    def _made_of(self, upper: int, lower: int) -> list[str]:
        """The leaves of which the image of `lower` makes what that of `upper` reads there.

        Empty if it is made of anything else: then it belongs to `lower`.  The learning rate as
        float32 is computed once, in the first update, but the others do not read that parameter.
        """
        inside = set(self.mirror.images[lower])
        stack = [
            source
            for member in self.mirror.images[upper]
            for source, _ in self.wiring.inputs[member]
            if source in inside
        ]
        seen = dict.fromkeys(stack)
        while stack:
            source = stack.pop()
            sources = dict.fromkeys(s for s, _ in self.wiring.inputs[source])
            if source not in self.hidden and (source not in inside or not sources):
                return []
            stack += [s for s in sources if s not in seen]
            seen |= sources
        return self._named(source for source in seen if source in self.hidden)
