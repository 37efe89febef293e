"""Checking passes: is the graph well formed, and does it compute the same as before?

Both graphs are run by the interpreter on the same sample feeds, on copies of all variables and
random streams, so that a check changes nothing.  Compared are the fetched values and what was
assigned to variables: bit for bit after an exact pass, within rounding otherwise.
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
TOLERANCE = {2: 3e-2, 4: 1e-4, 8: 1e-9}  # relative, by bytes of an element


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


def outcome(graph: Graph, job: Job, values: Sequence[Any]) -> tuple[list[Any], list[Any]]:
    """Fetched values, and the values of all variables afterwards, of a run on copies."""
    held: dict[int, Any] = {}
    sandbox = _copied(graph, held)
    program = Program(sandbox, job.fetches, job.feeds)
    with np.errstate(all="ignore"):
        found = program.run(list(values))
    after = {key: t._data for key, t in held.items() if isinstance(t, Tensor)}
    return found, [after]


def _initialised(value: Any) -> Any:
    # A parameter whose initialiser has not run yet gets some value for the comparison.
    if isinstance(value, Tensor) and value._data is None:
        value._data = np.full(value._spec_shape(), 0.5).astype(value._spec_dtype())
    return value


def _copied(graph: Graph, held: dict[int, Any]) -> Any:
    """The graph over copies of its variables and streams; `held` has them by the original."""

    def own(value: Any) -> Any:
        if isinstance(value, Body):
            return _copied(value, held)
        if isinstance(value, Tensor) or hasattr(value, "draw"):
            if id(value) not in held:
                held[id(value)] = _initialised(copy.copy(value))
            return held[id(value)]
        return value

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
    old, held_old = outcome(*before, values)
    new, held_new = outcome(*after, values)
    names = [before[0].records[i].name for i in before[1].fetches]
    rows = list(zip(names, old, new, strict=True))
    held_new_by_key = held_new[0]
    for key, value in held_old[0].items():
        if key in held_new_by_key:
            rows.append(("a variable after the run", value, held_new_by_key[key]))
    for name, a, b in rows:
        problem = difference(a, b, tolerance)
        if problem:
            raise GraphError(
                f"{what} changed the value of {name!r}: {problem}",
                hint="this is a mistake in the pass or rule, not in your graph; "
                "leave it out with PassManager(passes=...)",
            )


def difference(a: Any, b: Any, tolerance: float | None) -> str:
    """In words, how two values differ; empty if they do not."""
    if a is None or b is None:
        return "" if a is b else "one of them has no value"
    if isinstance(a, tuple):
        parts = (difference(x, y, tolerance) for x, y in zip(a, b, strict=True))
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
    scale = np.max(np.abs(a[np.isfinite(a)]), initial=1e-30)
    allowed = TOLERANCE[a.dtype.itemsize] if tolerance is None else tolerance
    near = np.isclose(a, b, rtol=0, atol=scale * allowed, equal_nan=True)
    return "" if bool(np.all(near)) else _largest(a, b)


def _largest(a: np.ndarray, b: np.ndarray) -> str:
    with np.errstate(all="ignore"):
        gap = np.nan_to_num(np.abs(a - b), nan=np.inf)
    place = np.unravel_index(int(np.argmax(gap)), a.shape)
    where = f" at {tuple(int(i) for i in place)}" if place else ""
    return f"{a[place]!r} became {b[place]!r}{where}"
