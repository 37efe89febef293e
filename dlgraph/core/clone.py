"""Copy a graph, for testing or whole; and the one way to rebuild a graph from chosen records."""

from __future__ import annotations

import weakref

from dlgraph.core.graph import Graph


def clone(graph: Graph, for_test: bool) -> Graph:
    """What `Graph.clone` does."""
    moved: dict[int, int] = {}  # index in the source -> index in the copy
    copy = Graph(graph.name)
    for index, record in enumerate(graph.records):
        if for_test:
            if record.role != "forward" or record.primitive.effect:
                continue
            if any(i not in moved for i in record.inputs):
                continue  # it reads a gradient or an update
            if record.primitive.name == "train_or_test":
                moved[index] = moved[record.inputs[1]]
                copy._index[record.name] = moved[index]
                continue
        twin = moved.get(record.twin) if record.twin is not None else None
        moved[index] = len(copy.records)
        copy.records.append(
            record._replace(
                inputs=tuple(moved[i] for i in record.inputs),
                control=tuple(moved[i] for i in record.control if i in moved),
                twin=twin,
                origin=record.origin or (index,),
            )
        )
        copy._index[record.name] = moved[index]
    copy._count = dict(graph._count)
    copy._variables = {key: moved[i] for key, i in graph._variables.items() if i in moved}
    copy.recorded = {moved[i]: t for i, t in graph.recorded.items() if i in moved}
    copy._startup = graph._startup
    copy._source = weakref.ref(graph)
    return copy
