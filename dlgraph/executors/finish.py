"""The finished plan: places with real buffers in place of roots, and what the plan needs in all."""

from __future__ import annotations

import math
from typing import Any

from dlgraph.core.spec import BundleSpec
from dlgraph.executors.draft import Draft, Root
from dlgraph.executors.memory import ALIGNMENT
from dlgraph.executors.plan import Buffer, Instruction, Made, Place, Plan
from dlgraph.executors.temporaries import held_by_call, is_shared
from dlgraph.passes.base import known

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
    return Plan(
        draft.graph,
        steps,
        tuple(buffers),
        feeds,
        draft.fetches,
        places,  # type: ignore[arg-type]
        tuple(blocks),
        tuple(_made(draft)),
        naive,
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


def _made(draft: Draft) -> list[Made]:
    """What calls take beside the arena, in the order in which they run."""
    records, roots = draft.graph.records, draft.roots
    last = {place.buffer: n for n, step in enumerate(draft.steps) for place in draft.read(step)}
    last |= {place.buffer: len(draft.steps) for place in draft.fetched()}
    found: list[Made] = []
    place: dict[int, int] = {}  # of the root in the list
    for number, step in enumerate(draft.steps):
        out = step.output
        if step.kind not in ("call", "effect") or out is None:
            continue
        root, held = roots[out.buffer], held_by_call(step)
        if root.kind == "made":
            place[root.number] = len(found)
        elif root.kind != "arena" or "placed" in step.facts or held == 0:
            continue
        spec = records[step.record].spec
        if isinstance(spec, BundleSpec) and held is not None:
            held += _CARRIED.get(step.primitive.name, 0) * _bytes_of(spec)
        new = root.kind == "made" and not _is_part(step, records)
        keeps = tuple(place[n] for n in root.keeps if n in place)
        end = max(last.get(root.number, number), number)
        found.append(Made(step.record, number, end, root.size if new else 0, held, keeps))
    return found


def _is_part(step: Instruction, records: list) -> bool:
    """Is the result a part of an operand that is counted?  (Bundles are, value by value.)"""
    if step.primitive.name == "item":
        return records[records[step.record].inputs[0]].primitive.name == "rows"
    return is_shared(step.primitive)


def _bytes_of(bundle: Any) -> int:
    """The bytes of all values of which the sizes are known."""
    return sum(math.prod(spec.shape) * spec.dtype.itemsize for spec in bundle.items if known(spec))
