"""Copy a graph: whole, or its forward part for testing, bodies of loops and branches included."""

from __future__ import annotations

import weakref
from typing import Any

from dlgraph.core.body import Body
from dlgraph.core.graph import Graph
from dlgraph.core.node import Record


def clone(graph: Graph, for_test: bool) -> Graph:
    """What `Graph.clone` does."""
    copy = Graph(graph.name)
    moved = copy.copy_records(graph, _tested if for_test else lambda record, moved: record)
    copy._variables = {key: moved[i] for key, i in graph._variables.items() if i in moved}
    copy.recorded = {moved[i]: t for i, t in graph.recorded.items() if i in moved}
    copy._startup = graph._startup
    copy._source = weakref.ref(graph)
    return copy


def _tested(record: Record, moved: dict[int, int]) -> Record | int | None:
    if record.role != "forward" or record.primitive.effect:
        return None
    if record.primitive.name == "train_or_test":
        return moved[record.inputs[1]]
    return record._replace(attrs={name: _in_test(value) for name, value in record.attrs.items()})


def _in_test(value: Any) -> Any:
    """A body in evaluation mode; anything else as it is.  (Bodies nest as deep as the source.)"""
    if not isinstance(value, Body):
        return value
    copy = Body(value.name)
    moved = copy.copy_records(value, _tested)
    copy.inputs = [moved[i] for i in value.inputs]
    copy.outputs = [moved[i] for i in value.outputs]
    copy.captures = list(value.captures)
    copy._capture_of = {key: moved[i] for key, i in value._capture_of.items()}
    copy.step = None if value.step is None else moved[value.step]
    return copy
