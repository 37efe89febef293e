"""Results that are taken out of a loop, a branch or a call are drawn as ports of its box.

What such a node gives is several values in one; a node of kind "part" takes one out.  The part
gets no box: lines lead from the box it was taken out of, under a port that names the value, to
the readers.  Where there is only one value, its name and shape are those of the box.  Read next:
scene.py.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

from dlgraph.draw.mirror import Mirror
from dlgraph.draw.model import PictureNode, Wiring


class Folded(NamedTuple):
    """A picture without its parts, by position as before; the parts have no edges any more."""

    nodes: list[PictureNode]
    wiring: Wiring
    mirror: Mirror
    owner: dict[int, int]  # part: the node that it was taken out of
    ports: dict[tuple[int, int], str]  # (reader, slot): the port at which the line leaves


def fold(nodes: tuple[PictureNode, ...], wiring: Wiring, mirror: Mirror) -> Folded:
    """Give the readers of every part to the node that it was taken out of.

    Parts in the backward half are merged into the box of a gradient anyway, and stay.
    """
    owner: dict[int, int] = {}
    parts: dict[int, list[int]] = {}
    for place in wiring.order:
        if nodes[place].kind == "part" and mirror.twin[place] is None and wiring.inputs[place]:
            source = wiring.inputs[place][0][0]
            owner[place] = owner.get(source, source)
            parts.setdefault(owner[place], []).append(place)
    if not owner:
        return Folded(list(nodes), wiring, mirror, {}, {})
    ports = {
        (reader, slot): nodes[source].name or nodes[source].label
        for reader, row in enumerate(wiring.inputs)
        for source, slot in row
        if source in owner and reader not in owner and nodes[source].label
    }
    return Folded(
        [_with_parts(node, [nodes[p] for p in parts.get(i, [])]) for i, node in enumerate(nodes)],
        _rewired(wiring, owner),
        _merged(mirror, owner),
        owner,
        ports,
    )


def _rewired(wiring: Wiring, owner: dict[int, int]) -> Wiring:
    inputs = [
        [] if reader in owner else [(owner.get(source, source), slot) for source, slot in row]
        for reader, row in enumerate(wiring.inputs)
    ]
    readers: list[list[int]] = [[] for _ in inputs]
    for source, row in enumerate(wiring.readers):
        readers[owner.get(source, source)] += [reader for reader in row if reader not in owner]
    return wiring._replace(inputs=inputs, readers=readers)


def _merged(mirror: Mirror, owner: dict[int, int]) -> Mirror:
    """The gradients of the parts become part of the gradient of the whole."""
    images: dict[int, list[int]] = {}
    for place in sorted(mirror.images, key=lambda p: (p in owner, p)):
        images.setdefault(owner.get(place, place), []).extend(mirror.images[place])
    twin = [None if forward is None else owner.get(forward, forward) for forward in mirror.twin]
    pairs = [
        [(owner.get(a, a), owner.get(b, b)) for a, b in found]
        for found in (mirror.flows, mirror.detours)
    ]
    flows, detours = ([(a, b) for a, b in found if a != b] for found in pairs)
    return Mirror(twin, images, set(flows), list(dict.fromkeys(detours)))


def _with_parts(node: PictureNode, parts: list[PictureNode]) -> PictureNode:
    if not parts:
        return node
    if not parts[0].label:
        first = parts[0]
        return replace(
            node,
            name=node.name or first.name,
            shape=first.shape,
            dtype=first.dtype,
            value=first.value,
            gradient=first.gradient,
        )
    named = {part.name or part.label: part for part in parts}
    values = [f"{name} {p.value}" for name, p in named.items() if p.value is not None]
    slopes = [f"{name} {p.gradient}" for name, p in named.items() if p.gradient is not None]
    value = ", ".join(values) or node.value
    return replace(node, value=value, gradient=", ".join(slopes) or node.gradient)
