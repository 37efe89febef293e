"""Kernels that take a block of threads for each row of a table: cross-entropy and its gradient.

Labels are checked before anything runs (`runner.py`), so kernels may trust them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from dlgraph.executors.plan import Instruction, Place
from dlgraph.gpu.cuda import number, type_of
from dlgraph.gpu.kernels import Kernel, function, tree
from dlgraph.ops.scalar import Unsupported

MOST = 256  # threads for a row


def row_kernel(step: Instruction) -> tuple[Kernel, tuple[Place, ...]] | None:
    """The kernel of an operation on rows, and the places of its operands; None if there is none.

    Raises `Unsupported` for element types and layouts that it does not serve.
    """
    write = KERNELS.get(step.primitive.name)
    if write is None:
        return None
    places = tuple(p for p in (*step.inputs, step.output) if p is not None)
    table = places[0]
    if any(p.strides is None for p in places) or table.dtype.kind != "f" or not table.shape:
        raise Unsupported("no table of floats")
    if "axis" in step.attrs and step.attrs["axis"] % len(table.shape) != len(table.shape) - 1:
        raise Unsupported("another axis than the last")
    return write(places), places


def _rows(places: Sequence[Place], names: Sequence[str], lines: Sequence[str]) -> Kernel:
    """A block per row: pointers to the rows of the operands, then these lines."""
    table = places[0]
    shape, threads = table.shape[:-1], _threads(table)
    kind = type_of(table.dtype)
    parameters, start = [], []
    for place, name in zip(places, names, strict=True):
        const = "" if place is places[-1] else "const "
        parameters.append(f"{const}{type_of(place.dtype)}* {name}")
        start.append(f"{name} += {_offset(place, shape)};")
    shared = (
        [f"__shared__ {kind} part[{threads}];"] if any("part[" in line for line in lines) else []
    )
    text = function(parameters, [*shared, "const long long row = blockIdx.x;", *start, *lines])
    # The threads that share a result stand along y, as in `kernels.py`.
    return Kernel(text, (math.prod(shape),), (1, threads))


def _threads(table: Place) -> int:
    threads = 32
    while threads < min(table.shape[-1], MOST):
        threads *= 2
    return threads


def _each(table: Place, size: int) -> str:
    return f"for (int k = threadIdx.y; k < {size}; k += {_threads(table)})"


def _offset(place: Place, shape: tuple[int, ...]) -> str:
    """Where a row of an operand starts, in elements."""
    terms, below = [], 1
    assert place.strides is not None
    for k in range(len(shape) - 1, -1, -1):
        step, odd = divmod(place.strides[k], place.dtype.itemsize)
        if odd:
            raise Unsupported("elements between elements")
        counter = "row" if below == 1 else f"row / {below}"
        if k:
            counter = f"{counter} % {shape[k]}"
        if step and shape[k] > 1:
            terms.append(counter if step == 1 else f"{counter} * {step}")
        below *= shape[k]
    return " + ".join(terms) or "0"


def _at(index: str, place: Place) -> str:
    """The position of an element of a row, counted in elements."""
    assert place.strides is not None
    step, odd = divmod(place.strides[-1], place.dtype.itemsize)
    if odd:
        raise Unsupported("elements between elements")
    return index if step == 1 else f"{index} * {step}" if step else "0"


def _tree(table: Place, fold: str, variable: str) -> list[str]:
    """All threads of a row with the joint value of a variable."""
    joined = tree([("part", variable, fold)], 1, _threads(table))
    return ["{", *joined, f"{variable} = part[0];", "__syncthreads();", "}"]


def _softened(z: Place) -> list[str]:
    """`top`, the largest element of a row, and `total`, the sum of exp of the distances to it."""
    kind, each, at = type_of(z.dtype), _each(z, z.shape[-1]), _at("k", z)
    exp = "expf" if z.dtype.itemsize == 4 else "exp"
    return [
        f"{kind} top = {number(-np.inf, z.dtype)};",
        f"{each} top = dg_max(top, z[{at}]);",
        *_tree(z, "max", "top"),
        f"{kind} total = 0;",
        f"{each} total += {exp}(z[{at}] - top);",
        *_tree(z, "add", "total"),
    ]


def _cross_entropy(places: Sequence[Place]) -> Kernel:
    z, _, _ = places
    log = "logf" if z.dtype.itemsize == 4 else "log"
    write = f"if (threadIdx.y == 0) loss[0] = {log}(total) - (z[{_at('label[0]', z)}] - top);"
    return _rows(places, ("z", "label", "loss"), [*_softened(z), write])


def _log_softmax(places: Sequence[Place]) -> Kernel:
    z, out = places
    log = "logf" if z.dtype.itemsize == 4 else "log"
    lines = [
        *_softened(z),
        f"const {type_of(z.dtype)} rest = {log}(total);",
        _each(z, z.shape[-1]),
        # One after the other: beside a large z their sum would lose the logarithm.
        f"  y[{_at('k', out)}] = (z[{_at('k', z)}] - top) - rest;",
    ]
    return _rows(places, ("z", "y"), lines)


def _softmax(places: Sequence[Place]) -> Kernel:
    z, out = places
    exp = "expf" if z.dtype.itemsize == 4 else "exp"
    lines = [
        *_softened(z),
        _each(z, z.shape[-1]),
        f"  y[{_at('k', out)}] = {exp}(z[{_at('k', z)}] - top) / total;",
    ]
    return _rows(places, ("z", "y"), lines)


def _likelihood(places: Sequence[Place]) -> Kernel:
    x, _, _ = places
    write = f"if (threadIdx.y == 0) loss[0] = -x[{_at('label[0]', x)}];"
    return _rows(places, ("x", "label", "loss"), [write])


def _minus_one_hot(places: Sequence[Place]) -> Kernel:
    x, _, out = places
    one, zero = number(1, x.dtype), number(0, x.dtype)
    lines = [
        _each(x, x.shape[-1]),
        f"  y[{_at('k', out)}] = x[{_at('k', x)}] - (k == label[0] ? {one} : {zero});",
    ]
    return _rows(places, ("x", "label", "y"), lines)


def _picked(places: Sequence[Place]) -> Kernel:
    x, at, out = places
    kind = type_of(at.dtype)
    counted = f"index < 0 ? index + {x.shape[-1]} : index" if at.dtype.kind == "i" else "index"
    lines = [
        f"{_each(x, at.shape[-1])} {{",
        f"  const {kind} index = at[{_at('k', at)}];",
        f"  const {kind} place = {counted};",
        f"  y[{_at('k', out)}] = x[{_at('place', x)}];",
        "}",
    ]
    return _rows(places, ("x", "at", "y"), lines)


KERNELS: dict[str, Callable[[Any], Kernel]] = {
    "softmax_cross_entropy": _cross_entropy,
    "negative_log_likelihood": _likelihood,
    "log_softmax": _log_softmax,
    "softmax": _softmax,
    "minus_one_hot": _minus_one_hot,
    "take_along_axis": _picked,
}
LABELLED = {
    "softmax_cross_entropy": 1,
    "negative_log_likelihood": 1,
    "minus_one_hot": 1,
    "take_along_axis": 1,
}
"""Which input of an operation holds labels."""
