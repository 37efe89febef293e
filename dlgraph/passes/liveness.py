"""How much memory a graph holds while it runs, in the order in which its records stand.

A value lives from the node that makes it to its last reader.  Views share the memory of what they
look at; constants, feeds and variables are there anyway; fetched values live to the end.  This is
what the passes go by; what a plan really takes, with memory used again, is in `program.plan`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from dlgraph.core.node import NO_VALUE, Record
from dlgraph.passes.base import known


def size_of(record: Record) -> int:
    """Bytes that the value of this node takes; 0 for views and what is there anyway."""
    if record.primitive.kind in ("view", "state", "effect") or record.spec == NO_VALUE:
        return 0
    if not known(record.spec):
        return 0
    return math.prod(record.spec.shape) * record.spec.dtype.itemsize


def owners(records: Sequence[Record]) -> list[int]:
    """For every node the node whose memory holds its value: itself, unless it is a view."""
    found: list[int] = []
    for index, record in enumerate(records):
        looks = record.primitive.kind == "view" and record.inputs
        found.append(found[record.inputs[0]] if looks else index)
    return found


def last_reads(records: Sequence[Record], kept: Iterable[int]) -> list[int]:
    """For every node that holds memory the last node that reads it, directly or as a view."""
    owner = owners(records)
    last = list(range(len(records)))
    for index, record in enumerate(records):
        shapes = record.primitive.shape_only
        names = record.primitive.inputs
        for k, i in enumerate(record.inputs):
            if not (shapes and k < len(names) and names[k] in shapes):
                last[owner[i]] = index
    for index in kept:
        last[owner[index]] = len(records)
    return last


def held(records: Sequence[Record], kept: Iterable[int]) -> list[int]:
    """Bytes that are held while each node runs, its own value included."""
    change = [0] * (len(records) + 2)
    for index, last in enumerate(last_reads(records, kept)):
        size = size_of(records[index])
        change[index] += size
        change[last + 1] -= size
    total, found = 0, []
    for index in range(len(records)):
        total += change[index]
        found.append(total)
    return found


def peak(records: Sequence[Record], kept: Iterable[int]) -> int:
    """The largest number of bytes held at one time.

    >>> import dlgraph as dg
    >>> from dlgraph.passes.liveness import peak
    >>> with dg.Graph().as_default() as g:
    ...     x = dg.placeholder((10,), name="x")
    ...     y = dg.sum(dg.exp(dg.tanh(x)))
    >>> peak(g.records, [y.index])
    80
    """
    return max(held(records, kept), default=0)
