"""Common subexpressions: what is computed twice is computed once.

Two nodes are the same if primitive, inputs and attributes are.  Reading a variable twice is the
same only if nothing is assigned to it in between; drawing a random key twice never is, so random
numbers from different keys stay different.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from dlgraph.core.graph import Graph
from dlgraph.core.node import Record
from dlgraph.passes.base import Job, Pass, Rewritten
from dlgraph.passes.edit import Edit, pure, touches

SMALL = 1024  # bytes: constants up to this size are compared by value


class Merge(Pass):
    """Equal nodes become one.

    >>> import dlgraph as dg
    >>> with dg.Graph().as_default() as g:
    ...     x = dg.placeholder((4,), name="x")
    ...     y = dg.exp(x) + dg.exp(x)
    >>> found = dg.passes.PassManager(level=1).run(g, y, [x])
    >>> print(found.graph)
    graph with 3 nodes
      x    (4,) float32  placeholder
      exp  (4,) float32  exp(x)
      add  (4,) float32  exp + exp
    >>> print(found.reports[0].changes[0])
    merged exp, exp_1 -> exp: all compute exp(x)  [saves 40 FLOP and 32 B]
        at <doctest dlgraph.passes.cse.Merge[1]>, line 3:  y = dg.exp(x) + dg.exp(x)
    """

    name, exact, level = "cse", True, 1

    def run(self, graph: Graph, job: Job) -> Rewritten:
        """See the class."""
        edit = Edit(graph, job)
        first: dict[Any, dict[Any, int]] = {}  # by primitive, then by what else must agree
        instead: dict[int, int] = {}
        writes: dict[int, int] = {}  # of a tensor: assignments so far
        feeds = set(job.feeds)
        for index, record in enumerate(graph.records):
            primitive = record.primitive
            if primitive.name == "variable":
                tensor = id(record.attrs["tensor"])
                key: Any = (tensor, writes.get(tensor, 0), record.control)
            elif record.control or index in feeds or primitive.effect or not pure(record):
                for touched, changes in touches(record):
                    writes[touched] = writes.get(touched, 0) + changes
                continue
            elif primitive.name == "constant":
                key = _of_constant(record.attrs["value"])
            else:
                key = record.inputs
                if instead:
                    key = tuple([instead.get(i, i) for i in key])
                if record.attrs:
                    key = (key, frozen(record.attrs))
            table = first.get(primitive)
            if table is None:
                table = first[primitive] = {}
            found = table.setdefault(key, index)
            if found != index:
                instead[index] = found
        merged: dict[int, list[int]] = {}
        for index, found in instead.items():
            edit.replace(index, found)
            merged.setdefault(found, [found]).append(index)
        for found, members in merged.items():
            edit.note("merged", self.name, members, [found], _reason(graph, found))
        return edit.done()


def _reason(graph: Graph, index: int) -> str:
    record: Record = graph.records[index]
    if record.primitive.name == "constant":
        return "equal constants"
    if record.primitive.name == "variable":
        return "one variable read twice"
    return f"all compute {graph.describe(index)}"


def _of_constant(value: Any) -> Any:
    """A key by value for small constants; large ones are the same if they are one array."""
    held = value.strides if isinstance(value, np.ndarray) else ()
    if not isinstance(value, np.ndarray) or value.nbytes <= SMALL:
        return (np.shape(value), value.dtype, held, value.tobytes())
    place = value.__array_interface__["data"][0]
    return (value.shape, value.dtype, held, place)


def frozen(value: Any) -> Any:
    """Attributes as something that can be a key; 1, 1.0 and True, 0.0 and -0.0 are different."""
    if isinstance(value, dict):
        return tuple([(name, frozen(one)) for name, one in value.items()])
    if isinstance(value, (tuple, list)):
        return (type(value), *[frozen(one) for one in value])
    if isinstance(value, slice):
        return ("slice", frozen(value.start), frozen(value.stop), frozen(value.step))
    if isinstance(value, float):
        return (float, value.hex())
    if isinstance(value, (int, str, type(None), np.dtype)):
        return (type(value), value)
    return ("object", id(value))
