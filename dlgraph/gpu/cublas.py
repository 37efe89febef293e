"""Products by cuBLAS itself, through ctypes: they can be recorded, CuPy's own cannot.

CuPy 14 refuses to use its cuBLAS handle while a stream is captured.  A handle of our own, with its
workspace set beforehand, has no such rule.  The factors alpha and beta are read from device memory,
where a learning rate may have been computed.  Source: NVIDIA, cuBLAS library reference, sections
`cublasSetWorkspace`, `cublasSetPointerMode` and `cublas<t>gemm`.
"""

from __future__ import annotations

import ctypes
from typing import Any, NamedTuple

import numpy as np

from dlgraph.errors import DeviceError
from dlgraph.executors.plan import Place

WORKSPACE = 32 << 20  # bytes; NVIDIA's recommendation for its Hopper GPUs
_DEVICE_POINTERS = 1
_GEMM = {"f": "cublasSgemm_v2", "d": "cublasDgemm_v2"}


class Matrix(NamedTuple):
    """How cuBLAS sees a matrix of ours: turned over or not, and the elements from line to line."""

    turned: bool
    step: int


def matrix(place: Place, row: bool) -> tuple[tuple[int, int], Matrix] | None:
    """Shape and layout of a matrix, None if cuBLAS cannot read it as it lies.

    A vector is a matrix with one `row`, or with one column.

    >>> import numpy as np
    >>> from dlgraph.executors.plan import Place
    >>> matrix(Place(0, 0, (3, 2), (8, 4), np.dtype("float32")), True)
    ((3, 2), Matrix(turned=False, step=2))
    >>> matrix(Place(0, 0, (2, 3), (4, 8), np.dtype("float32")), True)
    ((2, 3), Matrix(turned=True, step=2))
    """
    if place.strides is None or not 1 <= len(place.shape) <= 2:
        return None
    steps = [divmod(s, place.dtype.itemsize) for s in place.strides]
    if any(odd or step < 0 for step, odd in steps):
        return None
    shape, (down, *rest) = place.shape, [step for step, _ in steps]
    if len(shape) == 2:
        (m, n), right = shape, rest[0]
    elif row:
        m, n, down, right = 1, shape[0], 0, down
    else:
        m, n, right = shape[0], 1, 0
    if (right == 1 or n == 1) and (down >= n or m == 1):
        return (m, n), Matrix(False, down if m > 1 else max(n, 1))
    if (down == 1 or m == 1) and (right >= m or n == 1):
        return (m, n), Matrix(True, right if n > 1 else max(m, 1))
    return None


class Product(NamedTuple):
    """One call of gemm: sizes and layouts; the places hold a, b and the result."""

    sizes: tuple[int, int, int]
    a: Matrix
    b: Matrix
    out: Matrix


def product(a: Place, b: Place, out: Place, ta: bool = False, tb: bool = False) -> Product | None:
    """How cuBLAS computes this product, None if it cannot."""
    if out.dtype.char not in _GEMM or not a.dtype == b.dtype == out.dtype:
        return None
    left, right = matrix(a, row=True), matrix(b, row=False)
    result = matrix(out, row=len(a.shape) == 1)
    if left is None or right is None or result is None or result[1].turned:
        return None
    (m, k), first = left
    (_, n), second = right
    if ta:
        m, k, first = k, m, first._replace(turned=not first.turned)
    if tb:
        n = right[0][0]
        second = second._replace(turned=not second.turned)
    return Product((m, n, k), first, second, result[1])


class Blas:
    """A handle of cuBLAS; `stream` and `workspace` are addresses."""

    def __init__(self, library: Any, stream: int, workspace: int, size: int = WORKSPACE):
        self._library = library
        self._handle = ctypes.c_void_p()
        self._call("cublasCreate_v2", ctypes.byref(self._handle))
        self._call("cublasSetStream_v2", self._handle, ctypes.c_void_p(stream))
        # After the stream: setting a stream goes back to the workspace of the library.
        place = ctypes.c_void_p(workspace)
        self._call("cublasSetWorkspace_v2", self._handle, place, ctypes.c_size_t(size))
        self._call("cublasSetPointerMode_v2", self._handle, ctypes.c_int(_DEVICE_POINTERS))

    def gemm(
        self, what: Product, dtype: np.dtype, alpha: int, a: int, b: int, beta: int, out: int
    ) -> None:
        """`out = alpha * a @ b + beta * out`; all arguments behind the dtype are addresses."""
        m, n, k = what.sizes
        # cuBLAS counts down columns.  What is C by rows is its turned C by columns, and
        # (A B) turned is B turned times A turned: so the operands change places.
        self._call(
            _GEMM[dtype.char],
            self._handle,
            ctypes.c_int(what.b.turned),
            ctypes.c_int(what.a.turned),
            *map(ctypes.c_int, (n, m, k)),
            ctypes.c_void_p(alpha),
            ctypes.c_void_p(b),
            ctypes.c_int(what.b.step),
            ctypes.c_void_p(a),
            ctypes.c_int(what.a.step),
            ctypes.c_void_p(beta),
            ctypes.c_void_p(out),
            ctypes.c_int(what.out.step),
        )

    def _call(self, name: str, *arguments: Any) -> None:
        status = getattr(self._library, name)(*arguments)
        if status:
            raise DeviceError(f"{name} of cuBLAS failed with status {status}")
