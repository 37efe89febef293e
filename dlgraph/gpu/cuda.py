"""CUDA C for elements: the builder that writes what `ops/scalar.py` defines.

A handle is a variable or a constant in the text.  Every step becomes one line, so that a kernel
reads like the graph that it was made from.  Read next: `kernels.py`, which writes the loops.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from dlgraph.ops.scalar import BOOL, Unsupported

TYPES = {
    np.dtype(np.float32): "float",
    np.dtype(np.float64): "double",
    np.dtype(np.int32): "int",
    np.dtype(np.int64): "long long",
    np.dtype(np.uint8): "unsigned char",
    np.dtype(bool): "bool",
}

# What NumPy computes and C has no operator for; each may use those above it.
HELPERS = {
    "dg_max": """
template <typename T> __device__ T dg_max(T a, T b) { return a > b || a != a ? a : b; }
""",
    "dg_min": """
template <typename T> __device__ T dg_min(T a, T b) { return a < b || a != a ? a : b; }
""",
    "dg_remainder": """
template <typename T> __device__ T dg_remainder(T a, T b) {  // of whole numbers
  if (b == 0) return 0;
  T r = a % b;
  return r != 0 && ((r < 0) != (b < 0)) ? r + b : r;
}
""",
    "dg_floor_divide": """
template <typename T> __device__ T dg_floor_divide(T a, T b) {
  if (b == 0) return 0;
  T q = a / b;
  return q * b != a && ((a < 0) != (b < 0)) ? q - 1 : q;
}
""",
    "dg_remainder_of_floats": """
template <typename T> __device__ T dg_remainder_of_floats(T a, T b) {
  T r = fmod(a, b);
  if (r == 0) return copysign(T(0), b);
  return (r < 0) != (b < 0) ? r + b : r;
}
""",
    "dg_floor_divide_of_floats": """
template <typename T> __device__ T dg_floor_divide_of_floats(T a, T b) {
  if (b == 0) return a / b;
  T r = fmod(a, b), q = (a - r) / b;
  if (r != 0 && (r < 0) != (b < 0)) q -= 1;
  if (q == 0) return copysign(T(0), a / b);
  T whole = floor(q);
  return q - whole > T(0.5) ? whole + 1 : whole;
}
""",
}


def helpers(text: str) -> str:
    """The functions that a text of kernels calls.

    >>> from dlgraph.gpu.cuda import helpers
    >>> helpers("y = dg_max(x, 0.0f);").split("{")[0]
    'template <typename T> __device__ T dg_max(T a, T b) '
    """
    return "\n".join(code.strip() for name, code in HELPERS.items() if f"{name}(" in text)


_SIGNS = {"add": "+", "sub": "-", "mul": "*", "div": "/"}
_CALLS = {"abs": "fabs", "sqrt": "sqrt", "floor": "floor", "ceil": "ceil", "rint": "rint"}
_NAMED = {
    "arcsin": "asin", "arccos": "acos", "arctan": "atan", "arctan2": "atan2", "arcsinh": "asinh",
    "arccosh": "acosh", "arctanh": "atanh", "power": "pow",
}  # fmt: skip
_BY_NUMPY = {"floor_divide", "remainder"}


def type_of(dtype: np.dtype) -> str:
    """The C type of one element; raises `Unsupported` for others.

    >>> import numpy as np
    >>> from dlgraph.gpu.cuda import type_of
    >>> type_of(np.dtype("int64"))
    'long long'
    """
    found = TYPES.get(dtype)
    if found is None:
        raise Unsupported(f"elements of type {dtype}")
    return found


def number(value: Any, dtype: np.dtype) -> str:
    """A number as a constant in C, exactly.

    >>> import numpy as np
    >>> from dlgraph.gpu.cuda import number
    >>> number(0.1, np.dtype("float32")), number(-1.0, np.dtype("float64"))
    ('0.100000001f', '-1.0')
    """
    if dtype == BOOL:
        return "true" if value else "false"
    if dtype.kind in "iu":
        whole = int(value)
        if whole == -(2**63):
            return "(-9223372036854775807LL - 1)"
        return f"{whole}LL" if dtype.itemsize == 8 else str(whole)
    single = dtype.itemsize == 4
    held = float(dtype.type(value))
    if not math.isfinite(held):  # by division: C has no constants for them without headers
        over = "0.0f" if single else "0.0"
        top = "0.0" if math.isnan(held) else "-1.0" if held < 0 else "1.0"
        return f"({top}{'f' if single else ''} / {over})"
    text = f"{held:.9g}" if single else f"{held:.17g}"
    return (text if set(text) & set(".e") else text + ".0") + ("f" if single else "")


class Cuda:
    """Writes steps on elements as lines of CUDA C; see `dlgraph.ops.scalar.Builder`.

    >>> import numpy as np
    >>> from dlgraph.gpu.cuda import Cuda
    >>> from dlgraph.ops.scalar import element
    >>> code, single = Cuda(), np.dtype("float32")
    >>> element(code, "relu", {}, [("x", single)], single)
    'v0'
    >>> code.lines
    ['const float v0 = dg_max(x, 0.0f);']
    """

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._count = 0

    def let(self, dtype: np.dtype, text: str) -> str:
        """A new variable with this value."""
        name = f"v{self._count}"
        self._count += 1
        self.lines.append(f"const {type_of(dtype)} {name} = {text};")
        return name

    def constant(self, value: Any, dtype: np.dtype) -> str:
        """A constant, written where it is used."""
        type_of(dtype)
        return number(value, dtype)

    def arithmetic(self, name: str, dtype: np.dtype, *operands: str) -> str:
        """One operation of IEEE 754, or of whole numbers."""
        floating = dtype.kind == "f"
        if name in _SIGNS:
            if name == "div" and not floating:
                raise Unsupported("a quotient of whole numbers")
            if dtype == BOOL:
                raise Unsupported("arithmetic of booleans")
            text = f"{operands[0]} {_SIGNS[name]} {operands[1]}"
        elif name in ("min", "max"):
            text = f"dg_{name}({', '.join(operands)})"
        elif name == "neg" and dtype != BOOL:
            text = f"-{operands[0]}"
        elif name in _CALLS and floating:
            text = f"{_CALLS[name]}{'f' if dtype.itemsize == 4 else ''}({operands[0]})"
        elif name == "abs" and dtype.kind == "i":
            text = f"{operands[0]} < 0 ? -{operands[0]} : {operands[0]}"
        else:
            raise Unsupported(f"{name} of {dtype}")
        return self.let(dtype, text)

    def compare(self, name: str, dtype: np.dtype, a: str, b: str) -> str:
        """A comparison."""
        return self.let(BOOL, f"{a} {name} {b}")

    def logic(self, name: str, *operands: str) -> str:
        """`and`, `or`, `not`."""
        signs = {"and": " && ", "or": " || "}
        text = f"!{operands[0]}" if name == "not" else signs[name].join(operands)
        return self.let(BOOL, text)

    def select(self, dtype: np.dtype, condition: str, a: str, b: str) -> str:
        """A choice."""
        return self.let(dtype, f"{condition} ? {a} : {b}")

    def convert(self, operand: str, source: np.dtype, target: np.dtype) -> str:
        """Another element type."""
        if target == BOOL:
            return self.let(BOOL, f"{operand} != 0")
        return self.let(target, f"({type_of(target)}){operand}")

    def function(self, name: str, dtype: np.dtype, *operands: str) -> str:
        """A function of the CUDA math library."""
        given = ", ".join(operands)
        if name in _BY_NUMPY and dtype != BOOL:
            kind = "_of_floats" if dtype.kind == "f" else ""
            return self.let(dtype, f"dg_{name}{kind}({given})")
        if dtype.kind != "f":
            raise Unsupported(f"{name} of {dtype}")
        called = _NAMED.get(name, name) + ("f" if dtype.itemsize == 4 else "")
        return self.let(dtype, f"{called}({given})")
