"""An eager computation as a Graph: what `tensor.graph` returns."""

from __future__ import annotations

from typing import Any

import numpy as np

from dlgraph.core.building import building
from dlgraph.core.graph import Graph
from dlgraph.core.primitive import FUNCTIONS, Primitive
from dlgraph.core.pulls import RESIDUAL
from dlgraph.core.spec import spec_of
from dlgraph.core.tensor import Tensor, value_of
from dlgraph.core.where import name_in_frame, user_frame


def recorded_graph(root: Tensor) -> Graph:
    """The record behind a tensor, in the form that define-then-run builds.

    Leaves that require gradients become variables, other leaves placeholders that default to
    the recorded values, numbers constants.  Unnamed leaves get the name of the variable that
    holds them in the user's code.
    """
    graph = Graph()
    frame = user_frame(2)
    index: dict[int, int] = {}  # id of a tensor -> its node
    for tensor in _inputs_first(root):
        with building(where=tensor._where, scope="", role="forward", twin=None, control=()):
            if tensor._op is None or not tensor._inputs:
                name = tensor.name or name_in_frame(tensor, frame)
                index[id(tensor)] = _leaf(graph, tensor, name)
            else:
                index[id(tensor)] = _operation(graph, tensor, index)
        graph.recorded[index[id(tensor)]] = tensor
    return graph


def _leaf(graph: Graph, tensor: Tensor, name: str | None) -> int:
    if tensor.requires_grad and tensor._op is None:
        return graph.variable(tensor, name).index
    spec = spec_of(value_of(tensor))
    attrs = {"default": tensor}
    return graph.add(_primitive("placeholder"), (), attrs, spec, name).index


def _operation(graph: Graph, tensor: Tensor, index: dict[int, int]) -> int:
    inputs = [
        index[id(x)] if isinstance(x, Tensor) else graph.convert(np.asarray(x._data), x.dtype).index
        for x in tensor._inputs
    ]
    spec = spec_of(value_of(tensor))
    op: Any = tensor._op
    attrs = {name: value for name, value in tensor._attrs.items() if name != RESIDUAL}
    return graph.add(op, tuple(inputs), attrs, spec, tensor.name).index


def _primitive(name: str) -> Primitive:
    found: Any = FUNCTIONS[name]
    return found


def _inputs_first(root: Tensor) -> list[Tensor]:
    seen: dict[int, Tensor] = {}
    stack = [root]
    while stack:
        tensor = stack.pop()
        if tensor._order not in seen:
            seen[tensor._order] = tensor
            stack.extend(x for x in tensor._inputs if isinstance(x, Tensor))
    return [seen[order] for order in sorted(seen)]
