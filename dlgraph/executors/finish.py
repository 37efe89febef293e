"""The finished plan: places with real buffers in place of roots, and what the plan needs in all."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from dlgraph.core.spec import BundleSpec
from dlgraph.executors.draft import Draft, Root
from dlgraph.executors.memory import ALIGNMENT
from dlgraph.executors.plan import Buffer, Place, Plan
from dlgraph.executors.temporaries import held_by_call
from dlgraph.passes.base import known

# What these return lies in the memory of their input, whatever its layout.
SHARED = ("transpose", "slice", "expand_dims", "squeeze", "broadcast_to", "expand_like")

# How often loops hold what they return: the values of the turn before, rows that are not stacked.
_CARRIED = {"scan": 2, "while_loop": 1, "while_turns": 1}


def finished(draft: Draft, feeds: tuple[int, ...], blocks: list, size: int) -> Plan:
    """Places with real buffers in place of roots."""
    buffers = [Buffer("arena", size)]
    number: dict[int, int] = {}

    settled: dict[Place, Place] = {}

    def settle(place: Place | None) -> Place | None:
        if place is None:
            return None
        found = settled.get(place)
        if found is None:
            found = settled[place] = _settled(place)
        return found

    def _settled(place: Place) -> Place:
        _, offset, shape, strides, dtype = place
        root, shift = draft.roots[place.buffer].whole()
        if root.kind == "arena" and root.offset < 0:  # nobody reads it: only its shape is used
            return Place(0, 0, shape, (0,) * len(shape), dtype)
        if root.kind == "arena":
            return Place(0, root.offset + shift + offset, shape, strides, dtype)
        if root.number not in number:
            number[root.number] = len(buffers)
            source = tuple(root.source) if root.kind == "parameter" else root.source
            buffers.append(Buffer(root.kind, root.size, source))
        return Place(number[root.number], shift + offset, shape, strides, dtype)

    steps = tuple(
        step._replace(
            inputs=tuple(map(settle, step.inputs)),
            output=settle(step.output),
            scratch=tuple(filter(None, map(settle, step.scratch))),
        )
        for step in draft.steps
    )
    alive = _alive(draft)
    places = {i: settle(p) for i, p in draft.places.items() if p.buffer in alive}
    naive = sum(_rounded(r) for r in draft.roots if r.kind == "arena" and r.first >= 0)
    made = _peak_of_made(draft)
    return Plan(
        draft.graph,
        steps,
        tuple(buffers),
        feeds,
        draft.fetches,
        places,  # type: ignore[arg-type]
        tuple(blocks),
        size + made,
        naive + sum(r.size for r in _made(draft)),
    )


def _alive(draft: Draft) -> set[int]:
    """The roots that are filled by something, or were there before."""
    return {
        r.number
        for r in draft.roots
        if r.kind != "arena" or r.whole()[0].kind != "arena" or r.whole()[0].offset >= 0
    }


def _rounded(root: Root) -> int:
    return -(-max(root.size, 1) // ALIGNMENT) * ALIGNMENT


def _made(draft: Draft) -> Iterator[Root]:
    """What calls return, but for views of what is there already."""
    records = draft.graph.records
    for root in draft.roots:
        if root.kind == "made" and records[root.record].primitive.name not in SHARED:
            yield root


def _peak_of_made(draft: Draft) -> int:
    """What results of calls need at once, beside the arena."""
    change: dict[int, int] = {}
    for root in _made(draft):
        if root.first >= 0:
            change[root.first] = change.get(root.first, 0) + root.size
            change[root.last + 1] = change.get(root.last + 1, 0) - root.size
    for number, step in enumerate(draft.steps):
        out = step.output
        if step.kind != "call" or out is None or draft.roots[out.buffer].kind != "made":
            continue
        size = held_by_call(step)
        spec = draft.graph.records[step.record].spec
        if isinstance(spec, BundleSpec):
            size += _CARRIED.get(step.primitive.name, 0) * _bytes_of(spec)
        change[number] = change.get(number, 0) + size
        change[number + 1] = change.get(number + 1, 0) - size
    now = most = 0
    for _, by in sorted(change.items()):
        now += by
        most = max(most, now)
    return most


def _bytes_of(bundle: Any) -> int:
    """The bytes of all values of which the sizes are known."""
    return sum(math.prod(spec.shape) * spec.dtype.itemsize for spec in bundle.items if known(spec))
