"""Which forward node does each gradient belong to?  The backward half is its mirror image.

A graph with a backward pass is a U-turn: laid out as it is, every value that is kept for the
gradient is a line across the whole picture.  So only the forward graph is laid out, and everything
that computes the gradient of a node is drawn as one box at its mirror image.  This module finds
the pairs; scene.py makes the boxes.
"""

from __future__ import annotations

from collections import deque
from itertools import pairwise
from typing import NamedTuple

from dlgraph.draw.model import LEAVES, Picture, Wiring

REACH = 500  # nodes visited in search of a path; those that matter are a few steps long


class Mirror(NamedTuple):
    """The pairs, by position of the node in the picture."""

    twin: list[int | None]  # the forward node that a node mirrors; None for the forward half
    images: dict[int, list[int]]  # forward node: what its mirror image is made of
    flows: set[tuple[int, int]]  # forward edges along which a gradient comes back
    detours: list[tuple[int, int]]  # gradient edges between images that no forward path explains


def find_mirror(picture: Picture, wiring: Wiring) -> Mirror | None:
    """Pair each gradient with its forward node; None when the backward half is not a mirror image.

    That is so for second derivatives (the gradient of a gradient has no place in two halves) and
    where a gradient is used in the forward graph; such graphs are drawn in one piece.  A graph
    without backward nodes is mirrored where its nodes ask for a gradient.
    """
    if all(node.role == "forward" for node in picture.nodes):
        return _asked_for(picture, wiring)
    pairing = _Pairing(picture, wiring)
    return pairing.mirror() if pairing.pair() else None


def _asked_for(picture: Picture, wiring: Wiring) -> Mirror:
    """The mirror of a graph that has no backward nodes: one image per gradient asked for."""
    wanted = [node.needs_gradient for node in picture.nodes]
    flows = {
        (source, target)
        for target, operands in enumerate(wiring.inputs)
        for source, _ in operands
        if wanted[source] and wanted[target]
    }
    images: dict[int, list[int]] = {node: [] for node, wants in enumerate(wanted) if wants}
    return Mirror([None] * len(wanted), images, flows, [])


class _Pairing:
    """The steps that pair a backward graph with its forward graph."""

    def __init__(self, picture: Picture, wiring: Wiring):
        self.nodes = picture.nodes
        self.wiring = wiring
        self.operands = [list(dict.fromkeys(s for s, _ in row)) for row in wiring.inputs]
        self.twin: list[int | None] = [None] * len(picture.nodes)
        self.images: dict[int, list[int]] = {}
        self.flows: set[tuple[int, int]] = set()

    def pair(self) -> bool:
        """Fill in `twin` and `images`; False when the graph has no two halves."""
        for place, node in enumerate(self.nodes):
            if node.role != "forward" and node.twin is not None:
                forward = self.wiring.position[node.twin]
                if self.nodes[forward].role != "forward":
                    return False
                self.twin[place] = forward
        self._adopt()
        for place, twin in enumerate(self.twin):
            if twin is None and any(self.twin[s] is not None for s in self.operands[place]):
                return False
        self._collect_images()
        if self._settle_sums():
            self._collect_images()
        return True

    def mirror(self) -> Mirror:
        """The pairs, with the edges along which gradients come back."""
        detours = self._find_flows()
        self._find_ends()
        return Mirror(self.twin, self.images, self.flows, detours)

    def _adopt(self) -> None:
        """Nodes that do not say whom they mirror (a seed, a rescaling) belong to what they feed,
        or else to what feeds them; what has no part in the backward pass stays on the left."""
        twin = self.twin
        open_nodes = [
            place
            for place in self.wiring.order
            if self.nodes[place].role != "forward" and twin[place] is None
        ]
        for place in reversed(open_nodes):
            fed = (twin[reader] for reader in self.wiring.readers[place])
            twin[place] = next((forward for forward in fed if forward is not None), None)
        for place in open_nodes:
            if twin[place] is None:
                feeding = (twin[source] for source in self.operands[place])
                twin[place] = next((found for found in feeding if found is not None), None)

    def _collect_images(self) -> None:
        self.images = {}
        for place, forward in enumerate(self.twin):
            if forward is not None:
                self.images.setdefault(forward, []).append(place)

    def _settle_sums(self) -> bool:
        """Give each sum of gradients to the node whose gradient it is.

        Where x has two readers, the sum of its two gradients is made while the rule of one of
        them runs, and so is marked as that reader's.  It takes in a gradient from the other one.
        """
        settled: set[tuple[int, int]] = set()  # (reader whose rule made the sum, node)
        for place in self.wiring.order:
            marked, node = self.twin[place], self.nodes[place]
            if marked is None or node.role != "backward" or node.label != "add":
                continue
            others = [
                twin
                for source in self.operands[place]
                if (twin := self.twin[source]) is not None and twin != marked
            ]
            found = [
                x
                for x in self.operands[marked]
                if any(other == x or self._path(x, other, avoid=marked) for other in others)
            ]
            # Two operands may share the same two readers (a * b + a / b): one sum for each.
            new = [x for x in found if (marked, x) not in settled]
            if found:
                self.twin[place] = (new or found)[0]
                settled.add((marked, (new or found)[0]))
        return bool(settled)

    def _find_flows(self) -> list[tuple[int, int]]:
        """The forward edges along which gradients come back; images for nodes that pass them on.

        The gradient of `a + b` is handed to a and b unchanged: no node computes it.  Where a
        gradient skips forward nodes in that way, they get an empty image, so that the mirror has
        no hole.  (`a + b` with a stretched b has an image: the sum over b's gradient; a's passes.)
        Returns the gradient edges that remain without explanation.
        """
        detours: list[tuple[int, int]] = []
        skipping: dict[tuple[int, int], None] = {}  # ordered, without repetition
        for reader, sources in enumerate(self.operands):
            for source in sources:
                lower, upper = self.twin[source], self.twin[reader]
                if lower is None or upper is None or lower == upper:
                    continue
                if upper in self.operands[lower]:
                    self.flows.add((upper, lower))
                else:
                    skipping[(upper, lower)] = None
        for upper, lower in skipping:
            path = self._path(upper, lower)
            self.flows.update(pairwise(path))
            if not path:
                detours.append((upper, lower))
            for node in path[1:-1]:
                self.images.setdefault(node, [])
        return detours

    def _find_ends(self) -> None:
        """Images for forward nodes at which the way back ends: the gradients that were asked for.

        Either the picture says so (`needs_gradient`), or a gradient that nobody reads can belong
        to one operand only.
        """
        for place, members in list(self.images.items()):
            free = [
                x
                for x in self.operands[place]
                if x not in self.images and self.nodes[x].kind in LEAVES
            ]
            ends = [x for x in free if self.nodes[x].needs_gradient]
            if not ends:
                free = [x for x in free if self._may_have_gradient(x)]
                unread = [m for m in members if self._is_unread_gradient(m)]
                ends = free if len(free) == len(unread) else []
            for x in ends:
                self.images.setdefault(x, [])
                self.flows.add((x, place))

    def _may_have_gradient(self, place: int) -> bool:
        node = self.nodes[place]
        return node.kind != "constant" and not node.dtype.startswith(("int", "uint", "bool"))

    def _is_unread_gradient(self, place: int) -> bool:
        node = self.nodes[place]
        unread = not self.wiring.readers[place] and node.kind not in LEAVES
        return unread and node.role == "backward"

    def _path(self, start: int, end: int, avoid: int = -1) -> list[int]:
        """The shortest way down from `start` to `end`, best through nodes without an image."""
        return self._search(start, end, avoid, False) or self._search(start, end, avoid, True)

    def _search(self, start: int, end: int, avoid: int, anywhere: bool) -> list[int]:
        came_from = {start: start}
        queue = deque([start])
        while queue and len(came_from) < REACH:
            node = queue.popleft()
            for reader in self.wiring.readers[node]:
                if reader in came_from or reader == avoid or self.twin[reader] is not None:
                    continue
                if reader != end and self.images.get(reader) and not anywhere:
                    continue
                came_from[reader] = node
                if reader == end:
                    path = [end]
                    while path[-1] != start:
                        path.append(came_from[path[-1]])
                    return path[::-1]
                queue.append(reader)
        return []
