"""Recompute: hold less memory by computing cheap values a second time.

Training keeps what the forward part computed until the backward part needs it.  Under a memory
budget this pass lets go of values that are cheap to make again (activations, masks, stretched
arrays) and makes them again, by the same operation on the same inputs, just before they are needed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from dlgraph.core.graph import Graph
from dlgraph.core.node import Record
from dlgraph.passes.base import Change, Job, Pass, Rewritten
from dlgraph.passes.cost import show_bytes
from dlgraph.passes.edit import Edit, pure
from dlgraph.passes.liveness import held, last_reads, owners, peak, size_of

CHEAP = ("elementwise", "reduce", "index", "random", "view")
MOST_AGAIN = 8  # operations that may be run again for one value
MOST_ROUNDS = 100


class Recompute(Pass):
    """Computes values again instead of holding them, until the budget is met.

    It runs only if the job has a memory budget.  If that cannot be met, the report says how far
    it came.

    >>> import dlgraph as dg
    >>> with dg.Graph().as_default() as g:
    ...     x = y = dg.placeholder((1000,), name="x")
    ...     for _ in range(6):
    ...         y = dg.relu(dg.sin(y))
    ...     gx = dg.gradients(dg.sum(y), x)
    >>> manager = dg.passes.PassManager(check=True)
    >>> found = manager.run(g, gx, [x], memory_budget=20_000)
    >>> found.reports[-1].changes[0].reason
    'the peak of the memory falls from 31.2 KiB to 19.5 KiB'
    """

    name, exact, level = "recompute", True, 1

    def wanted(self, job: Job) -> bool:
        """Only under a budget."""
        return job.memory_budget is not None

    def run(self, graph: Graph, job: Job) -> Rewritten:
        """See the class."""
        budget = job.memory_budget or 0
        now, at, moved = graph, job, {i: i for i in range(len(graph))}
        again: dict[str, list[str]] = {}  # of a value: what computes it again, by name
        most = first = peak(graph.records, job.kept)
        for _ in range(MOST_ROUNDS):
            if most <= budget:
                break
            found = candidate(now.records, at)
            if found is None:
                break
            edit = Edit(now, at)
            name = now.records[found.value].name
            new = _compute_again(edit, found)
            again.setdefault(name, []).extend(edit.records[i].name for i in new)
            rewritten = edit.done()
            onward = rewritten.moved
            assert onward is not None
            now, at = rewritten.graph, at.moved(onward)
            moved = {i: onward[k] for i, k in moved.items() if k in onward}
            most = peak(now.records, at.kept)
        if not again:
            return Rewritten(graph)
        met = "" if most <= budget else f", more than the budget of {show_bytes(budget)}"
        why = f"the peak of the memory falls from {show_bytes(first)} to {show_bytes(most)}{met}"
        change = Change("added", self.name, (), (), why)
        names = [name for name in again if name in graph._index]
        change.before_indices = tuple(graph._index[name] for name in names)
        ends = [now._index[one] for name in names for one in again[name] if one in now._index]
        change.settle(graph.records, now.records, ends, job.sizes(graph.records))
        return Rewritten(now, moved, (change,))


class Found(NamedTuple):
    """A value to let go of, what computes it again, and who reads it after the peak."""

    value: int
    cone: tuple[int, ...]
    late: tuple[int, ...]


def candidate(records: Sequence[Record], job: Job) -> Found | None:
    """The value that is held at the peak, and frees most if it is computed again later."""
    bytes_held = held(records, job.kept)
    at = bytes_held.index(max(bytes_held))
    last, owner = last_reads(records, job.kept), owners(records)
    best, found = 0, None
    late: dict[int, list[int]] = {}
    seen_through: set[int] = set()  # values that are read after the peak through an earlier view
    for index, record in enumerate(records):
        if index > at:
            for i in record.inputs:
                late.setdefault(i, []).append(index)
                if owner[i] != i and i <= at:
                    seen_through.add(owner[i])
    held_anyway = {owner[i] for i in job.kept} | seen_through
    for index in range(at):
        size = size_of(records[index])
        if size <= best or last[index] <= at or index in held_anyway or index not in late:
            continue
        cone, extra = _cone(records, index, at, last, owner)
        if cone and size - extra > best and index not in records[at].inputs:
            best, found = size - extra, Found(index, cone, tuple(late[index]))
    return found


def _cone(
    records: Sequence[Record], index: int, at: int, last: Sequence[int], owner: Sequence[int]
) -> tuple[tuple[int, ...], int]:
    """What has to run again, and the bytes that must be held at the peak for it."""
    cone: set[int] = set()
    extra = 0
    stack = [index]
    while stack:
        i = stack.pop()
        if i in cone:
            continue
        record = records[i]
        free = i != index and (last[owner[i]] > at or record.primitive.kind == "state")
        if free:
            continue
        cheap = record.primitive.kind in CHEAP and pure(record) and not record.control
        if cheap and len(cone) < MOST_AGAIN:
            cone.add(i)
            stack += record.inputs
        elif i == index:
            return (), 0
        else:
            extra += size_of(records[owner[i]])
    return tuple(sorted(cone)), extra


def _compute_again(edit: Edit, found: Found) -> list[int]:
    again: dict[int, int] = {}
    for i in found.cone:
        record = edit.records[i]
        again[i] = edit.add(
            record.primitive,
            [again.get(k, k) for k in record.inputs],
            record.attrs,
            of=[i],
            name=f"{record.name.rpartition('/')[2]}_again",
            spec=record.spec,
            at=found.late[0],
        )
    for reader in found.late:
        inputs = tuple(again[i] if i == found.value else i for i in edit.records[reader].inputs)
        edit.rewrite(reader, inputs=inputs)
    return list(again.values())
