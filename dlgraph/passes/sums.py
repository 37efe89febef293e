"""Sums of many terms: found in a graph as trees of additions that nobody else looks into."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from dlgraph.core.node import Record


class Sum(NamedTuple):
    """The root of a tree of additions, the additions below it, and the terms in their order."""

    root: int
    inner: tuple[int, ...]
    terms: tuple[int, ...]


def sums(records: Sequence[Record], readers: Sequence[Sequence[int]], kept: set[int]) -> list[Sum]:
    """The largest such trees with at least two terms of one shape, earlier roots first."""

    def inside(index: int) -> bool:
        return (
            _adds(records, index)
            and len(readers[index]) == 1
            and index not in kept
            and _adds(records, readers[index][0])
        )

    found = []
    for root in range(len(records)):
        if not _adds(records, root) or inside(root):
            continue
        inner, terms = [], []
        stack = [root]
        while stack:
            index = stack.pop()
            if index == root or inside(index):
                inner.append(index)
                stack += reversed(records[index].inputs)
            else:
                terms.append(index)
        found.append(Sum(root, tuple(inner), tuple(terms)))
    return found


def _adds(records: Sequence[Record], index: int) -> bool:
    record = records[index]
    if record.primitive.name != "add" or record.control:
        return False
    return all(records[i].spec.shape == record.spec.shape for i in record.inputs)
