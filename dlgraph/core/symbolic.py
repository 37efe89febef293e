"""How a primitive is applied to Nodes: infer what the result will be, and write it down."""

from __future__ import annotations

from typing import Any

from dlgraph.core.building import BUILDING
from dlgraph.core.explain import explain
from dlgraph.core.graph import Graph
from dlgraph.core.node import Node
from dlgraph.core.primitive import FUNCTIONS, Primitive
from dlgraph.core.promotion import target_dtype, weak_kind
from dlgraph.core.tensor import Tensor
from dlgraph.core.values import operand


def apply_graph(primitive: Primitive, inputs: tuple, attrs: dict[str, Any]) -> Node:
    """Interpret a primitive on Nodes: infer what the result will be, and write it down."""
    graph = target_graph(inputs)
    try:
        nodes = graph_operands(graph, primitive, inputs)
        records = graph.records
        spec = primitive.infer(*(records[node.index].spec for node in nodes), **attrs)
    except Exception as error:
        scope = BUILDING.get().scope
        node = f"{scope}/{primitive.name}" if scope else primitive.name
        raise explain(primitive, inputs, attrs, error, node=node) from None
    return graph.add(primitive, tuple(node.index for node in nodes), attrs, spec)


def target_graph(inputs: tuple) -> Graph:
    """The graph to append to: a body being traced, the graph of the inputs, or the open one."""
    current = BUILDING.get().graph
    if current is not None and current.captures_outer:
        return current
    found = next((x.graph for x in inputs if isinstance(x, Node)), current)
    assert found is not None  # nothing is traced without a graph
    return found


def graph_operands(graph: Graph, primitive: Primitive, inputs: tuple) -> list[Node]:
    """The inputs as nodes; numbers as constants, integers brought to float by visible casts."""
    positions: Any = primitive.promotes
    if primitive.variadic and positions:
        positions = range(len(inputs))
    if not positions or _alike(graph, inputs):
        return [graph.convert(x) for x in inputs]
    kinds: list[Any] = []
    for i in positions:
        x = inputs[i]
        typed = isinstance(x, (Node, Tensor))
        kind = None if typed else weak_kind(x)
        kinds.append(x.dtype if typed else kind or operand(x).dtype)
    target = target_dtype(primitive, kinds)
    nodes = []
    for i, x in enumerate(inputs):
        wanted = target if i in positions else None
        node = graph.convert(x, None if isinstance(x, (Node, Tensor)) else wanted)
        if wanted is not None and node.dtype != wanted:
            node = FUNCTIONS["astype"](node, wanted)
        nodes.append(node)
    return nodes


def _alike(graph: Graph, inputs: tuple) -> bool:
    """Are all of them nodes of one floating dtype, as nearly always?  Then nothing is converted."""
    if not all(type(x) is Node and x.graph is graph for x in inputs):
        return False
    dtypes = [graph.records[x.index].spec.dtype for x in inputs]
    return dtypes[0].kind in "fc" and all(dtype is dtypes[0] for dtype in dtypes)
