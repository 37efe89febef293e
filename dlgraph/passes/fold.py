"""Fold constants: what can be computed once is computed once, by the same forward function."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from dlgraph.core import arrays
from dlgraph.core.graph import Graph
from dlgraph.core.node import Record
from dlgraph.core.tensor import show_value
from dlgraph.passes.base import Job, Pass, Rewritten, known
from dlgraph.passes.edit import Edit, constant, pure

LARGEST = 1 << 16  # bytes: larger results are computed in the run, which can reuse their memory


class Fold(Pass):
    """Operations on constants become constants.

    >>> import dlgraph as dg
    >>> with dg.Graph().as_default() as g:
    ...     x = dg.placeholder((), name="x")
    ...     y = x * (dg.constant(2.0) + 1.0)
    >>> print(dg.passes.PassManager(level=1).run(g, y, [x]).graph)
    graph with 3 nodes
      x         () float32  placeholder
      add       () float32  constant = 3.0
      multiply  () float32  x * add
    """

    name, exact, level = "fold", True, 1

    def run(self, graph: Graph, job: Job) -> Rewritten:
        """See the class."""
        edit = Edit(graph, job)
        values: dict[int, Any] = {}
        folded: list[int] = []
        needed = set(edit.kept)
        for index, record in enumerate(graph.records):
            if record.primitive.name == "constant":
                values[index] = record.attrs["value"]
                continue
            if record.inputs and all([i in values for i in record.inputs]):
                value = self._value(record, [values[i] for i in record.inputs])
                if value is not None:
                    values[index] = value
                    folded.append(index)
                    continue
            needed.update(record.inputs)
        for index in folded:
            if index in needed:
                new = constant(edit, index, values[index])
                edit.replace(index, new)
                shown = f" {show_value(values[index])}" if values[index].size == 1 else ""
                why = f"all its inputs are constants, it is always{shown or ' the same'}"
                edit.note("replaced", self.name, [index], [new], why)
        return edit.done()

    def _value(self, record: Record, inputs: list[Any]) -> Any:
        primitive = record.primitive
        if primitive.kind in ("random", "control") or record.control or not pure(record):
            return None
        if primitive.kind != "view" and _bytes(record.spec) > LARGEST:
            return None
        try:
            with np.errstate(all="ignore"):
                value = primitive.forward(arrays.module_of(*inputs), *inputs, **record.attrs)
        except Exception:
            return None  # the run will say what is wrong, and where
        if not arrays.is_array(value) or isinstance(value, arrays.Bundle):
            return None
        return arrays.read_only(np.asarray(value)) if np.ndim(value) == 0 else value


def _bytes(spec: Any) -> float:
    return math.prod(spec.shape) * spec.dtype.itemsize if known(spec) else math.inf
