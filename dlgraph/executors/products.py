"""The writer of `gemm`: a product that the BLAS adds straight to what is there already.

NumPy's own product cannot add to its result; the BLAS behind it can (`blas.py`).  Without it the
product is made beside and added.
"""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np

from dlgraph.executors import blas, windows
from dlgraph.executors.writers import Calls, Room, in_order, writer, writer_of

__all__ = ["windows", "writer_of"]  # the writers of all operations, those of both files included


@writer("gemm", in_order, in_place=(2,))
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
    """The call of the BLAS; its arguments are made once, but for the factor."""
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
    kept = (out, a, b)  # their memory must stay

    def add(arguments: Any, kept: Any) -> None:
        factor.value = alpha.item()
        function(*arguments)

    return add, (arguments, kept)
