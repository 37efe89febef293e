"""Several versions of one graph as one: every node that ever was, and in which versions it is.

Passes keep the names of what they leave alone, and of what they replace by something else that
gives the same value; so a node is known by its name.  The common graph is laid out once; what
stays, stays in its place.  Read next: diff.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from dlgraph.core.graph import Graph
from dlgraph.core.node import Record


class Lineage(NamedTuple):
    """The common graph; for each version its nodes; links that are not in the common graph.

    Of a node that a version has, `present` tells the name of the operation that computes it there.
    """

    graph: Graph
    present: list[dict[int, str]]
    links: list[tuple[int, int, int]]  # source, target, slot


def lineage(versions: Sequence[Graph]) -> Lineage:
    """Put the versions of a graph together.

    >>> import dlgraph as dg
    >>> from dlgraph.draw.lineage import lineage
    >>> with dg.Graph().as_default() as g:
    ...     x = dg.placeholder((4,), name="x")
    ...     y, unused = dg.exp(x), dg.log(x)
    >>> found = lineage(dg.passes.PassManager(level=0).run(g, y, [x]).stages)
    >>> [record.name for record in found.graph.records]
    ['x', 'exp', 'log']
    >>> found.present
    [{0: 'placeholder', 1: 'exp', 2: 'log'}, {0: 'placeholder', 1: 'exp'}]
    """
    order: list[str] = []
    first: dict[str, tuple[int, int]] = {}  # version and index where a node appears
    for version, graph in enumerate(versions):
        for index, record in enumerate(graph.records):
            one = record.name
            if one in first:
                continue
            first[one] = (version, index)
            _insert(order, one, not version, [graph.records[i].name for i in record.inputs])
    place = {one: k for k, one in enumerate(order)}
    common = Graph(versions[0].name)
    links: dict[tuple[int, int, int], None] = {}
    for one in order:
        version, index = first[one]
        records = versions[version].records
        common.records.append(_moved(records, records[index], place))
    for record in common.records:
        common._index.setdefault(record.name, len(common._index))
    for graph in versions:
        for record in graph.records:
            target = place[record.name]
            for slot, i in enumerate(record.inputs):
                source = place[graph.records[i].name]
                if source < target and source not in common.records[target].inputs:
                    links[source, target, slot] = None
    present = [{place[r.name]: r.primitive.name for r in graph.records} for graph in versions]
    return Lineage(common, present, list(links))


def _insert(order: list[str], one: str, first: bool, inputs: Sequence[str]) -> None:
    """What a pass adds goes behind the last of its inputs, so that it lies where it belongs."""
    if first or not inputs:
        order.append(one)
        return
    known = {source: k for k, source in enumerate(order)}
    order.insert(1 + max(known[source] for source in inputs), one)


def _moved(records: Sequence[Record], record: Record, place: dict[str, int]) -> Record:
    def index(i: int) -> int:
        return place[records[i].name]

    return record._replace(
        inputs=tuple(index(i) for i in record.inputs),
        control=tuple(index(i) for i in record.control),
        twin=None if record.twin is None else index(record.twin),
        origin=(),
    )
