"""Products: which function of NumPy computes them, and the writer of `gemm`.

NumPy's own products cannot add to their result; the BLAS behind them can (`blas.py`).  Without it
the product is made beside and added.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from dlgraph.executors import blas, labels, randoms, windows
from dlgraph.executors.plan import Place
from dlgraph.executors.writers import Calls, Room, in_order, writer, writer_of

# `writer_of` knows the writers of all operations, those of all these files included.
__all__ = ["labels", "product", "randoms", "windows", "writer_of"]

SMALL = 1 << 15  # bytes


def product(inputs: Sequence[Place], out: Place | None) -> Callable[..., Any] | None:
    """The faster function for these operands where the last bit may differ; None for the usual.

    `np.dot` calls the BLAS as `np.matmul` does, with half a microsecond less around it.  But it
    fills its result with zeros first, which for a large one takes longer than that.
    """
    if out is None or any(not p.known or not 1 <= len(p.shape) <= 2 for p in inputs):
        return None
    same = all(p.dtype == out.dtype for p in inputs) and out.dtype.char in "fd"
    return np.dot if same and out.contiguous and out.bytes <= SMALL else None


def _point(calls: Calls, position: int, array: Any) -> bool:
    """Let calls that were made for one array read another one of the same layout."""
    arguments = calls[-1][1]
    at = _ADDRESS.get(position)
    if at is None or len(arguments) != _BLAS_ARGUMENTS:
        return False
    arguments[at].value = array.__array_interface__["data"][0]
    return True


_BLAS_ARGUMENTS = 14
_ADDRESS = {0: 7, 1: 9}  # of the operands, among those arguments


@writer("gemm", in_order, in_place=(2,), point=_point)
def _gemm(
    out: Any,
    a: Any,
    b: Any,
    c: Any,
    alpha: Any,
    *,
    ta: bool,
    tb: bool,
    beta: float,
    room: Room,
) -> Calls | None:
    a, b = a.T if ta else a, b.T if tb else b
    calls: Calls = []
    if beta and _start(out) != _start(c):
        calls.append((np.copyto, (out, c)))
    found = blas.gemm()
    if found is not None and all(_serves(m, out.dtype) for m in (a, b)) and out.size:
        return [*calls, _added(found, out, a, b, alpha, beta)]
    product = room(out.shape, out.dtype)
    factor = np.array(beta, out.dtype)
    return [
        *calls,
        (np.matmul, (a, b, product)),
        (np.multiply, (product, alpha, product)),
        *([(np.multiply, (out, factor, out))] if beta else [(out.fill, (0,))]),
        (np.add, (out, product, out)),
    ]


def _start(array: Any) -> int:
    return array.__array_interface__["data"][0]


def _serves(matrix: Any, dtype: np.dtype) -> bool:
    """Can the BLAS walk through it, along its rows or its columns?"""
    if matrix.dtype != dtype or dtype.char not in "fd" or not matrix.size:
        return False
    (rows, columns), item = matrix.shape, matrix.itemsize
    first, second = matrix.strides
    along_rows = second == item and first % item == 0 and first >= columns * item
    return along_rows or (first == item and second % item == 0 and second >= rows * item)


def _added(found: blas.Gemm, out: Any, a: Any, b: Any, alpha: Any, beta: float) -> Any:
    """The call of the BLAS; its arguments are made once, but for a factor that may change."""
    size: Any = ctypes.c_int64 if found.bits == 64 else ctypes.c_int32
    single = out.dtype.char == "f"
    real: Any = ctypes.c_float if single else ctypes.c_double
    function = ctypes.CFUNCTYPE(None)(found.single if single else found.double)
    item, factor = out.itemsize, real(0.0)
    turned, steps = [], []
    for m in (a, b):
        straight = m.strides[1] == item and m.strides[0] >= m.shape[1] * item
        turned.append(ctypes.c_int(blas.AS_IT_IS if straight else blas.TRANSPOSED))
        steps.append(size(m.strides[0 if straight else 1] // item))
    arguments = (
        *(ctypes.c_int(blas.ROW_MAJOR), *turned),
        *(size(a.shape[0]), size(b.shape[1]), size(a.shape[1])),
        *(factor, ctypes.c_void_p(_start(a)), steps[0]),
        *(ctypes.c_void_p(_start(b)), steps[1]),
        *(real(beta), ctypes.c_void_p(_start(out)), size(max(out.strides[0] // item, 1))),
    )
    if not alpha.flags.writeable:  # a constant
        factor.value = alpha.item()
        return function, arguments

    def add(*arguments: Any) -> None:
        factor.value = alpha.item()
        function(*arguments)

    return add, arguments
