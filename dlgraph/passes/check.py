"""Checking passes: is the graph well formed, and does it compute the same as before?

Both graphs are run by the interpreter on the same sample feeds, on copies of all variables and
random streams, so that a check changes nothing.  Compared are the fetched values and what was
assigned to variables: bit for bit after an exact pass.  After another one both are run in double
precision: formulas that are equal then agree to many digits, even where single precision leaves
only noise (Adam divides a gradient that should be 0 by its own size).
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np

from dlgraph.core.body import Body
from dlgraph.core.graph import Graph
from dlgraph.core.node import NO_VALUE
from dlgraph.core.program import Program
from dlgraph.core.spec import BundleSpec, Dim, Spec
from dlgraph.core.tensor import Tensor
from dlgraph.errors import GraphError
from dlgraph.passes.base import Job

STAND_IN = 3  # the size of a dimension that no feed tells
TOLERANCE = 1e-5  # relative to the largest element, in double precision
SINGLE, DOUBLE = np.dtype(np.float32), np.dtype(np.float64)


def validate(graph: Graph, what: str) -> None:
    """Raise `GraphError` unless links point backwards, names are unique and specs are right."""
    names: set[str] = set()
    for index, record in enumerate(graph.records):
        links = (*record.inputs, *record.control)
        if any(not 0 <= i < index for i in links):
            raise _broken(what, record.name, "it reads a node that comes later")
        if record.name in names:
            raise _broken(what, record.name, "two nodes have this name")
        names.add(record.name)
        if record.inputs and record.spec != NO_VALUE:
            specs = [graph.records[i].spec for i in record.inputs]
            try:
                found = record.primitive.infer(*specs, **record.attrs)
            except Exception as error:
                raise _broken(what, record.name, str(error).splitlines()[0]) from error
            if not _agree(found, record.spec):
                raise _broken(what, record.name, f"it says {record.spec}, but makes {found}")


def _broken(what: str, name: str, why: str) -> GraphError:
    return GraphError(f"{what} left a broken graph: {name!r}: {why}")


def _agree(a: Any, b: Any) -> bool:
    if isinstance(a, BundleSpec) or isinstance(b, BundleSpec):
        return type(a) is type(b)
    return (
        a.dtype == b.dtype
        and len(a.shape) == len(b.shape)
        and all(
            isinstance(m, Dim) or isinstance(n, Dim) or m == n
            for m, n in zip(a.shape, b.shape, strict=True)
        )
    )


def samples(graph: Graph, job: Job) -> list[Any]:
    """Values for the feeds: random floats, and 0 or 1 where integers are fed."""
    numbers = np.random.default_rng(0)
    sizes: dict[Dim, int] = {}
    made = []
    for k, index in enumerate(job.feeds):
        spec = job.specs[k] if job.specs is not None else graph.records[index].spec
        shape = tuple(
            sizes.setdefault(s, STAND_IN) if isinstance(s, Dim) else s for s in spec.shape
        )
        if spec.dtype.kind in "fc":
            made.append(np.asarray(numbers.standard_normal(shape), spec.dtype))
        else:
            made.append(np.asarray(numbers.integers(0, 2, shape), spec.dtype))
    return made


def outcome(
    graph: Graph, job: Job, values: Sequence[Any], wide: bool = False
) -> tuple[list[Any], dict[int, Any]]:
    """Fetched values, and the values of all variables afterwards, of a run on copies.

    With `wide` everything that is float32 is float64 instead.
    """
    held: dict[int, Any] = {}
    program = Program(_copied(graph, held, wide), job.fetches, job.feeds)
    with np.errstate(all="ignore"):
        found = program.run([_widened(value) if wide else value for value in values])
    return found, {key: t._data for key, t in held.items() if isinstance(t, Tensor)}


def _widened(value: Any) -> Any:
    """float32 as float64: arrays, dtypes, and the names of dtypes."""
    if isinstance(value, np.dtype) and value == SINGLE:
        return DOUBLE
    if isinstance(value, str) and value == "float32":
        return "float64"
    if isinstance(value, (np.ndarray, np.generic)) and value.dtype == SINGLE:
        return value.astype(DOUBLE)
    return value


def _initialised(value: Any, wide: bool) -> Any:
    # A parameter whose initialiser has not run yet gets some value for the comparison.
    if isinstance(value, Tensor):
        if value._data is None:
            value._data = np.full(value._spec_shape(), 0.5).astype(value._spec_dtype())
        value._data = _widened(value._data) if wide else value._data
    return value


def _copied(graph: Graph, held: dict[int, Any], wide: bool) -> Any:
    """The graph over copies of its variables and streams; `held` has them by the original."""

    def own(value: Any) -> Any:
        if isinstance(value, Body):
            return _copied(value, held, wide)
        if isinstance(value, Tensor) or hasattr(value, "draw"):
            if id(value) not in held:
                held[id(value)] = _initialised(copy.copy(value), wide)
            return held[id(value)]
        return _widened(value) if wide else value

    made = Body(graph.name) if isinstance(graph, Body) else Graph(graph.name)
    made.records = [
        record._replace(attrs={name: own(value) for name, value in record.attrs.items()})
        for record in graph.records
    ]
    if isinstance(graph, Body) and isinstance(made, Body):
        made.inputs, made.outputs = graph.inputs, graph.outputs
        made.effects, made._capture_of = graph.effects, graph._capture_of
    return made


def compare(
    what: str,
    before: tuple[Graph, Job],
    after: tuple[Graph, Job],
    values: Any,
    tolerance: float | None,
) -> None:
    """Raise `GraphError`, with names and numbers, unless both graphs do the same.

    `tolerance` is relative to the largest element; 0 demands the same bits, None allows rounding.
    """
    values = samples(*before) if values is None else values
    wide = tolerance is None
    old, held_old = outcome(*before, values, wide)
    new, held_new = outcome(*after, values, wide)
    names = [before[0].records[i].name for i in before[1].fetches]
    rows = list(zip(names, old, new, strict=True))
    for key, value in held_old.items():
        if key in held_new:
            rows.append(("a variable after the run", value, held_new[key]))
    least = 1e-6 * max((_size(value) for _, value, _ in rows), default=0.0)
    for name, a, b in rows:
        problem = difference(a, b, tolerance, least)
        if problem:
            raise GraphError(
                f"{what} changed the value of {name!r}: {problem}",
                hint="this is a mistake in the pass or rule, not in your graph; "
                "leave it out with PassManager(passes=...)",
            )


def _size(value: Any) -> float:
    """The largest finite magnitude in a value."""
    if not isinstance(value, (np.ndarray, np.generic)) or value.dtype.kind != "f":
        return 0.0
    array = np.asarray(value)
    return float(np.max(np.abs(array[np.isfinite(array)]), initial=0.0))


def difference(a: Any, b: Any, tolerance: float | None, least: float = 0.0) -> str:
    """In words, how two values differ; empty if they do not.

    The tolerance is relative to the largest element, or to `least` where all of them are smaller:
    a value that is only noise beside the others has no digits to agree in.
    """
    if a is None or b is None:
        return "" if a is b else "one of them has no value"
    if isinstance(a, tuple):
        parts = (difference(x, y, tolerance, least) for x, y in zip(a, b, strict=True))
        return next((part for part in parts if part), "")
    a, b = np.asarray(a), np.asarray(b)
    if a.shape != b.shape or a.dtype != b.dtype:
        return f"{Spec(a.shape, a.dtype)} became {Spec(b.shape, b.dtype)}"
    if a.dtype.kind not in "fc":
        return "" if np.array_equal(a, b) else "other whole numbers"
    if tolerance == 0:
        same = (a == b) & (np.signbit(a) == np.signbit(b)) if a.dtype.kind == "f" else a == b
        same |= np.isnan(a) & np.isnan(b)
        return "" if bool(np.all(same)) else _largest(a, b)
    scale = max(_size(a), least, 1e-30)
    allowed = TOLERANCE if tolerance is None else tolerance
    near = np.isclose(a, b, rtol=0, atol=scale * allowed, equal_nan=True)
    return "" if bool(np.all(near)) else _largest(a, b)


def _largest(a: np.ndarray, b: np.ndarray) -> str:
    with np.errstate(all="ignore"):
        gap = np.nan_to_num(np.abs(a - b), nan=np.inf)
    place = np.unravel_index(int(np.argmax(gap)), a.shape)
    where = f" at {tuple(int(i) for i in place)}" if place else ""
    return f"{a[place]!r} became {b[place]!r}{where}"
