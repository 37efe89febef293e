"""The matrix product of the BLAS that NumPy brings along, by its address.

NumPy's own call hides the two factors of the BLAS, alpha and beta, with which a weight gradient can
be added straight into the weights; and compiled code cannot call Python.  The library is looked up
where NumPy's extension modules find it, and tried on small products before it is trusted.  Where
anything differs (another BLAS, another platform) there is none, and `np.matmul` does the work.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any, NamedTuple

import numpy as np

ROW_MAJOR, AS_IT_IS, TRANSPOSED = 101, 111, 112
# How the functions are called in NumPy's wheels and elsewhere; with "64_" sizes have 64 bits.
_SPELLINGS = ("scipy_cblas_{}gemm64_", "cblas_{}gemm64_", "scipy_cblas_{}gemm", "cblas_{}gemm")


_THREADS = tuple(
    f"{first}openblas_{{}}_num_threads{last}" for last in ("64_", "") for first in ("scipy_", "")
)


class Gemm(NamedTuple):
    """`cblas_sgemm` and `cblas_dgemm`: their addresses, and the bits of a size."""

    single: int
    double: int
    bits: int


@cache
def gemm() -> Gemm | None:
    """The products of NumPy's BLAS; None if they cannot be found or answer wrongly.

    >>> from dlgraph.executors.blas import gemm
    >>> found = gemm()
    >>> found is None or found.bits in (32, 64)
    True
    """
    for library in _libraries():
        for spelling in _SPELLINGS:
            single, double = (_address(library, spelling.format(kind)) for kind in "sd")
            if single and double:
                found = Gemm(single, double, 64 if spelling.endswith("64_") else 32)
                if all(map(found_right, (found, found), (np.float32, np.float64))):
                    return found
    return None


def thread_setting() -> tuple[str, Callable[[], int], Callable[[int], None]] | None:
    """The version of NumPy's OpenBLAS, and what tells and sets its number of threads.

    None for another library; threadpoolctl knows more, but takes longer to look for them.
    """
    for library in _libraries():
        for spelling in _THREADS:
            if _address(library, spelling.format("set")):
                get, set_ = (getattr(library, spelling.format(verb)) for verb in ("get", "set"))
                config = getattr(library, spelling.replace("_{}_num_threads", "_get_config"), None)
                if config is None:
                    continue
                config.restype, set_.restype = ctypes.c_char_p, None
                text = (config() or b"").decode("ascii", "replace").split()
                return (text[1] if len(text) > 1 else "?"), get, set_
    return None


def _address(library: Any, name: str) -> int:
    function = getattr(library, name, None)
    return 0 if function is None else ctypes.cast(function, ctypes.c_void_p).value or 0


def _libraries() -> Iterator[Any]:
    # Asking an extension module for a symbol also asks the libraries it was linked with, except on
    # Windows, where the library lies in a folder beside the package.
    import numpy.linalg._umath_linalg as module

    package = os.path.dirname(np.__file__)
    paths = [str(module.__file__)]
    for folder in (os.path.join(package, ".dylibs"), f"{package}.libs"):
        found = sorted(os.listdir(folder)) if os.path.isdir(folder) else []
        paths += [os.path.join(folder, name) for name in found if "openblas" in name]
    for path in paths:
        try:
            yield ctypes.CDLL(path)
        except OSError:
            continue


def call(
    found: Gemm, a: np.ndarray, b: np.ndarray, out: np.ndarray, alpha: float, beta: float
) -> None:
    """`out = alpha * a @ b + beta * out` for matrices with a unit stride; `out` in row order."""
    size: Any = ctypes.c_int64 if found.bits == 64 else ctypes.c_int32
    real: Any = ctypes.c_float if out.dtype == np.float32 else ctypes.c_double
    matrix = (ctypes.c_void_p, size)
    kinds = (*(ctypes.c_int,) * 3, *(size,) * 3, real, *matrix, *matrix, real, *matrix)
    function = ctypes.CFUNCTYPE(None, *kinds)(
        found.single if real is ctypes.c_float else found.double
    )
    item = out.itemsize
    turned = [TRANSPOSED if m.strides[1] != item else AS_IT_IS for m in (a, b)]
    steps = [max(m.strides) // item for m in (a, b, out)]
    (rows, inner), columns = a.shape, b.shape[1]
    # fmt: off
    function(
        ROW_MAJOR, *turned, rows, columns, inner, alpha, a.ctypes.data, steps[0],
        b.ctypes.data, steps[1], beta, out.ctypes.data, steps[2],
    )
    # fmt: on


def found_right(found: Gemm, dtype: Any) -> bool:
    """Does it compute what it should, for operands as they are and transposed?"""
    a = np.arange(1, 13, dtype=dtype).reshape(3, 4)
    b = np.arange(2, 22, dtype=dtype).reshape(4, 5) % 7
    for left in (a, np.asfortranarray(a)):
        for right in (b, np.asfortranarray(b)):
            out = np.ones((3, 5), dtype)
            call(found, left, right, out, 2.0, 3.0)
            if not np.array_equal(out, 2 * (a @ b) + 3):
                return False
    return True
