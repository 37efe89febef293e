"""Numbers of nodes by which a figure can be coloured: memory, gradient, time.

Read next: colouring.py for a figure that starts with one of them, payload.py, which sends them
along.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from dlgraph.core.graph import Graph
from dlgraph.core.program import Program
from dlgraph.core.spec import BundleSpec, Dim
from dlgraph.draw.formula import number_text
from dlgraph.errors import OperationError

Measure = dict[int, tuple[float, str]]  # node: (a number above 0, the words for it)


NAMES = ("memory", "gradient", "time")


def measures_of(
    graph: Graph, profile: Any = None, sizes: Mapping[Dim, int] | None = None
) -> dict[str, Measure]:
    """What is known of the nodes of a graph; measures that are the same everywhere are left out.

    `memory` is what a value takes (`sizes` are those that the graph leaves open), `gradient` the
    Euclidean norm of its gradient where `backward()` has run, `time` that of its step in a
    `profile` (see `program.profile`).

    >>> import dlgraph as dg
    >>> from dlgraph.draw.measures import measures_of
    >>> x = dg.Tensor([[1.0, 2.0]], requires_grad=True, name="x")
    >>> measures_of((x * x).sum().graph)["memory"]
    {0: (8, '8 B'), 1: (8, '8 B'), 2: (4, '4 B')}
    """
    found: dict[str, Measure] = {}
    for name in NAMES:
        known = numbers_of(graph, name, profile, sizes).items()
        found[name] = {
            index: (size, words_for(name, size))
            for index, size in known
            if size > 0 and math.isfinite(size)
        }
    return {name: measure for name, measure in found.items() if len(set(measure.values())) > 1}


def check_profile(profile: Any) -> None:
    """Raise `OperationError` for what is no profile of a program."""
    if profile is not None and not hasattr(profile, "rows"):
        raise OperationError(
            f"draw: profile={profile!r} is no profile of a program",
            hint="profile = session.program(y).profile(feeds)",
        )


def numbers_of(
    graph: Graph, name: str, profile: Any = None, sizes: Mapping[Dim, int] | None = None
) -> dict[int, float]:
    """One measure of the nodes that have it: bytes, a norm (0 and NaN are told too) or seconds.

    >>> import dlgraph as dg
    >>> from dlgraph.draw.measures import numbers_of
    >>> x = dg.Tensor([3.0, -1.0], requires_grad=True)
    >>> dg.relu(x * -1.0).sum().backward()
    >>> numbers_of(x.graph, "gradient")
    {0: 1.0}
    """
    if name == "memory":
        return _memory(graph, sizes or {})
    if name == "gradient":
        return _gradients(graph)
    return _times(graph, profile.rows) if profile is not None else {}


def sizes_of(x: Any) -> dict[Dim, int]:
    """The open sizes of what was fed last, if `x` is a program that has run or was planned.

    >>> import dlgraph as dg
    >>> from dlgraph.draw.measures import sizes_of
    >>> with dg.Graph().as_default() as g:
    ...     x = dg.placeholder((None, 3), name="x")
    ...     y = dg.exp(x)
    >>> list(sizes_of(dg.Session(g).program(y, {x: dg.ones((5, 3)).numpy()})).values())
    [5]
    """
    if not isinstance(x, Program):
        return {}
    open_ = [(i, x.records[i].spec.shape) for i in x.feeds]
    if not any(isinstance(size, Dim) for _, shape in open_ for size in shape):
        return {}
    try:
        plan = x.plan  # type: ignore[attr-defined]
    except (AttributeError, OperationError):  # not planned: an interpreter, or nothing fed yet
        return {}
    return {
        dim: size
        for (_, shape), index in zip(open_, plan.feeds, strict=True)
        for dim, size in zip(shape, plan.places[index].shape, strict=True)
        if isinstance(dim, Dim)
    }


def words_for(name: str, number: float) -> str:
    """A number of a measure as a figure says it.

    >>> from dlgraph.draw.measures import words_for
    >>> words_for("memory", 4_000), words_for("gradient", 0.25), words_for("time", 2e-3)
    ('3.9 KiB', 'norm 0.25', '2 ms')
    """
    if name == "gradient":
        return f"norm {number_text(number)}"
    if name == "memory":
        from dlgraph.passes.cost import show_bytes

        return show_bytes(number)
    from dlgraph.executors.profile import show_time

    return show_time(number)


def _memory(graph: Graph, sizes: Mapping[Dim, int]) -> dict[int, float]:
    found: dict[int, float] = {}
    for index, record in enumerate(graph.records):
        spec = record.spec
        if isinstance(spec, BundleSpec) or spec.dtype.kind == "V":
            continue
        shape = [sizes.get(size, size) for size in spec.shape]
        if all(isinstance(size, int) for size in shape):
            found[index] = math.prod(shape) * spec.dtype.itemsize
    return found


def _gradients(graph: Graph) -> dict[int, float]:
    found: dict[int, float] = {}
    for index, tensor in graph.recorded.items():
        several = isinstance(graph.records[index].spec, BundleSpec)
        gradient = None if several else tensor.grad
        if gradient is not None:
            sizes = np.abs(gradient.numpy()).astype(np.float64)
            found[index] = float(np.linalg.norm(sizes.ravel()))
    return found


def _times(graph: Graph, rows: Iterable[Any]) -> dict[int, float]:
    index = {record.name: number for number, record in enumerate(graph.records)}
    return {index[row.name]: row.seconds for row in rows if row.name in index}
