"""Rounding, remainders, limits, and questions about single elements (is it NaN?)."""

from __future__ import annotations

import math
from typing import Any

from dlgraph.core.primitive import composite, primitive
from dlgraph.core.pulls import unchanged
from dlgraph.core.spec import Spec, broadcast, spec_of
from dlgraph.errors import DtypeError
from dlgraph.ops.comparison import equal, less, logical_and, not_equal, where
from dlgraph.ops.unary import absolute

_BINARY: dict[str, Any] = {
    "kind": "elementwise",
    "infer": broadcast,
    "broadcasts": True,
    "promotes": (0, 1),
}

# ---- rounding (the gradient is 0) ----------------------------------------------------------------


@primitive(kind="elementwise", tex=r"\lfloor {x} \rfloor", onnx="Floor")
def floor(xp: Any, x: Any) -> Any:
    """The largest whole number that is not above each element.

    >>> import dlgraph as dg
    >>> print(dg.floor(dg.Tensor([1.5, -1.5])))
    [ 1. -2.]
    """
    return xp.floor(x) if x.dtype.kind == "f" else x


@primitive(kind="elementwise", tex=r"\lceil {x} \rceil", onnx="Ceil")
def ceil(xp: Any, x: Any) -> Any:
    """The smallest whole number that is not below each element.

    >>> import dlgraph as dg
    >>> print(dg.ceil(dg.Tensor([1.5, -1.5])))
    [ 2. -1.]
    """
    return xp.ceil(x) if x.dtype.kind == "f" else x


@primitive(kind="elementwise", onnx="Round")
def round(xp: Any, x: Any) -> Any:
    """The nearest whole number; halves go to the even one.

    >>> import dlgraph as dg
    >>> print(dg.round(dg.Tensor([0.5, 1.5, -1.7])))
    [ 0.  2. -2.]
    """
    return xp.rint(x) if x.dtype.kind == "f" else x


@composite
def trunc(x: Any) -> Any:
    """Every element without what is behind its point.

    >>> import dlgraph as dg
    >>> print(dg.trunc(dg.Tensor([1.5, -1.5])))
    [ 1. -1.]
    """
    return where(less(x, 0), ceil(x), floor(x))


def _division_spec(a: Spec, b: Spec) -> Spec:
    result = broadcast(a, b)
    if result.dtype.kind == "b":
        raise DtypeError(
            "booleans have no quotients", where=None, hint='convert them: x.astype("int64")'
        )
    return result


_DIVISION = _BINARY | {"infer": _division_spec}


@primitive(**_DIVISION, text="floor({a} / {b})", tex=r"\lfloor {a} / {b} \rfloor")
def floor_divide(xp: Any, a: Any, b: Any) -> Any:
    r"""The quotient rounded down: $\lfloor a / b \rfloor$; its gradient is 0.

    >>> import dlgraph as dg
    >>> print(dg.floor_divide(dg.Tensor([7.0, -7.0]), 2))
    [ 3. -4.]
    """
    if a.dtype.kind == "b":
        _division_spec(spec_of(a), spec_of(b))
    return xp.floor_divide(a, b)


@primitive(**_DIVISION, text="{a} mod {b}", tex=r"{a} \bmod {b}", onnx="Mod")
def remainder(xp: Any, a: Any, b: Any) -> Any:
    r"""What division leaves, with the sign of the divisor: $a - b \lfloor a / b \rfloor$.

    >>> import dlgraph as dg
    >>> print(dg.remainder(dg.Tensor([7.0, -7.0]), 4))
    [3. 1.]
    """
    if a.dtype.kind == "b":
        _division_spec(spec_of(a), spec_of(b))
    return xp.remainder(a, b)


remainder.vjp(a=unchanged, b=lambda g, a, b: -(g * floor_divide(a, b)))


@composite
def fmod(a: Any, b: Any) -> Any:
    """What division leaves, with the sign of the dividend (as in C).

    >>> import dlgraph as dg
    >>> print(dg.fmod(dg.Tensor([7.0, -7.0]), 4))
    [ 3. -3.]
    """
    rest = remainder(a, b)
    other_sign = logical_and(not_equal(rest, 0), not_equal(less(rest, 0), less(a, 0)))
    return where(other_sign, rest - b, rest)


# ---- limits and questions ------------------------------------------------------------------------


@composite
def clip(x: Any, low: Any = None, high: Any = None) -> Any:
    """Every element brought into the interval from `low` to `high`; either may be left out.

    The bounds are numbers or values that broadcast.  Elements on a bound keep their gradient,
    elements outside pass it to the bound.

    >>> import dlgraph as dg
    >>> print(dg.clip(dg.Tensor([-3.0, 0.5, 9.0]), 0, 1))
    [0. 0.5 1. ]
    """
    if low is not None:
        x = where(less(x, low), low, x)
    if high is not None:
        x = where(less(high, x), high, x)
    return x


@composite
def isnan(x: Any) -> Any:
    """Which elements are NaN ("not a number")?

    >>> import dlgraph as dg
    >>> print(dg.isnan(dg.Tensor([1.0, float("nan")])))
    [False  True]
    """
    return not_equal(x, x)


@composite
def isinf(x: Any) -> Any:
    """Which elements are infinite?

    >>> import dlgraph as dg
    >>> print(dg.isinf(dg.Tensor([1.0, float("-inf")])))
    [False  True]
    """
    return equal(absolute(x), math.inf)


@composite
def isfinite(x: Any) -> Any:
    """Which elements are neither NaN nor infinite?

    >>> import dlgraph as dg
    >>> print(dg.isfinite(dg.Tensor([1.0, float("nan"), float("inf")])))
    [ True False False]
    """
    return less(absolute(x), math.inf)


@composite
def logical_xor(a: Any, b: Any) -> Any:
    """Is exactly one of the two true, element by element?

    >>> import dlgraph as dg
    >>> print(dg.logical_xor(dg.Tensor([True, True]), dg.Tensor([True, False])))
    [False  True]
    """
    return not_equal(not_equal(a, 0), not_equal(b, 0))


@composite
def copysign(a: Any, b: Any) -> Any:
    """The size of `a` with the sign of `b`; 0 counts as positive.

    >>> import dlgraph as dg
    >>> print(dg.copysign(dg.Tensor([1.0, 2.0]), dg.Tensor([-3.0, 3.0])))
    [-1.  2.]
    """
    size = absolute(a)
    return where(less(b, 0), -size, size)
