"""Numbers of nodes by which a figure can be coloured: memory, gradient, time.

Read next: payload.py, which sends them along.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from dlgraph.core.graph import Graph
from dlgraph.core.spec import BundleSpec
from dlgraph.draw.formula import number_text
from dlgraph.passes.cost import show_bytes

Measure = dict[int, tuple[float, str]]  # node: (a number above 0, the words for it)


def measures_of(graph: Graph, profile: Any = None) -> dict[str, Measure]:
    """What is known of the nodes of a graph; measures that are the same everywhere are left out.

    `memory` is what a value takes, `gradient` the Euclidean norm of its gradient where
    `backward()` has run, `time` that of its step in a `profile` (see `program.profile`).

    >>> import dlgraph as dg
    >>> from dlgraph.draw.measures import measures_of
    >>> x = dg.Tensor([[1.0, 2.0]], requires_grad=True, name="x")
    >>> measures_of((x * x).sum().graph)["memory"]
    {0: (8, '8 B'), 1: (8, '8 B'), 2: (4, '4 B')}
    """
    found = {"memory": _memory(graph), "gradient": _gradients(graph)}
    if profile is not None:
        found["time"] = _times(graph, profile.rows)
    return {name: measure for name, measure in found.items() if len(set(measure.values())) > 1}


def _memory(graph: Graph) -> Measure:
    found: Measure = {}
    for index, record in enumerate(graph.records):
        spec = record.spec
        if isinstance(spec, BundleSpec) or spec.dtype.kind == "V":
            continue
        if all(isinstance(size, int) for size in spec.shape):
            size = math.prod(spec.shape) * spec.dtype.itemsize
            if size:
                found[index] = (size, show_bytes(size))
    return found


def _gradients(graph: Graph) -> Measure:
    found: Measure = {}
    for index, tensor in graph.recorded.items():
        several = isinstance(graph.records[index].spec, BundleSpec)
        gradient = None if several else tensor.grad
        if gradient is None:
            continue
        norm = float(np.linalg.norm(np.abs(gradient.numpy()).astype(np.float64).ravel()))
        if norm > 0 and math.isfinite(norm):
            found[index] = (norm, f"norm {number_text(norm)}")
    return found


def _times(graph: Graph, rows: Iterable[Any]) -> Measure:
    from dlgraph.executors.profile import show_time

    index = {record.name: number for number, record in enumerate(graph.records)}
    return {
        index[row.name]: (row.seconds, show_time(row.seconds))
        for row in rows
        if row.name in index and row.seconds > 0
    }
