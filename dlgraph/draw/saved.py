"""What is kept in memory between the forward and the backward pass, and for whom.

In a graph that has its backward half this can be read off: a gradient node reads forward values.
In a recorded graph the rules have not run yet, but they say what they will read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import cache
from typing import Any

from dlgraph.core.primitive import Primitive

Needs = Callable[[Primitive, int], frozenset[str]]  # as Primitive.needs


def saved_values(graph: Any, wanted: Sequence[int]) -> tuple[tuple[int, int], ...]:
    """Pairs of nodes: a value, and the node whose gradient rule reads it; no pair twice.

    An input of which a rule reads only the shape is not kept.

    >>> import dlgraph as dg
    >>> from dlgraph.draw.saved import saved_values
    >>> x = dg.Tensor([1.0, 2.0], requires_grad=True)
    >>> y = dg.exp(x * x)  # exp keeps its result, x * x keeps x
    >>> saved_values(y.graph, range(3))
    ((0, 1), (2, 2))
    """
    found: dict[tuple[int, int], None] = {}
    needs = cache(Primitive.needs)
    for index in wanted:
        record = graph.records[index]
        if record.role == "backward" and record.twin is not None:
            sources = _values(record.primitive, record.inputs)
            found |= {(s, record.twin): None for s in sources if _forward(graph, s)}
        elif graph.recorded and record.inputs:
            found |= {(value, index): None for value in _read_by_rules(graph, index, needs)}
    return tuple(found)


def _forward(graph: Any, index: int) -> bool:
    record = graph.records[index]
    return bool(record.role == "forward" and record.primitive.name != "constant")


def _values(primitive: Primitive, inputs: Sequence[int]) -> Iterable[int]:
    """The inputs of which more than the shape is read."""
    names = primitive.inputs
    for position, source in enumerate(inputs):
        if names[0 if primitive.variadic else position] not in primitive.shape_only:
            yield source


def _read_by_rules(graph: Any, index: int, needs: Needs) -> Iterable[int]:
    """What the gradient rules of a recorded operation need: its inputs, or its own result."""
    record = graph.records[index]
    primitive = record.primitive
    read: set[str] = set()
    for position, source in enumerate(record.inputs):
        tensor = graph.recorded.get(source)
        if tensor is not None and tensor.requires_grad:
            read |= needs(primitive, position)
    kept = list(_values(primitive, record.inputs))
    for position, source in enumerate(record.inputs):
        name = primitive.inputs[0 if primitive.variadic else position]
        if name in read and source in kept and _forward(graph, source):
            yield source
    if "y" in read:
        yield index
