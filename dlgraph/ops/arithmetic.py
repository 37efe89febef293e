"""Element-wise arithmetic: the four operations, powers, the sign, the larger and the smaller.

The gradient rules here read like a formula sheet: `g` is the incoming gradient, `y` the output.
All of them broadcast like NumPy; gradients of stretched inputs are summed back by the engine.
Next: `unary.py`, functions of one value.
"""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from dlgraph.core.primitive import composite, primitive
from dlgraph.core.pulls import unchanged
from dlgraph.core.spec import Spec, broadcast, spec_of
from dlgraph.errors import DtypeError
from dlgraph.ops.comparison import where
from dlgraph.ops.copies import zeros_like
from dlgraph.ops.unary import log, square

_BINARY: dict[str, Any] = {
    "kind": "elementwise",
    "infer": broadcast,
    "broadcasts": True,
    "promotes": (0, 1),
}

# ---- operations and powers -----------------------------------------------------------------------


@primitive(
    **_BINARY, operator=operator.add, ufunc="add", text="{a} + {b}", tex="{a} + {b}", onnx="Add"
)
def add(xp: Any, a: Any, b: Any) -> Any:
    """Sum of two values, element by element: $a + b$.

    >>> import dlgraph as dg
    >>> print(dg.add(dg.Tensor([1.0, 2.0]), 10))
    [11. 12.]
    """


add.vjp(a=unchanged, b=unchanged)


@primitive(
    **_BINARY,
    operator=operator.sub,
    ufunc="subtract",
    text="{a} - {b}",
    tex="{a} - {b}",
    onnx="Sub",
)
def subtract(xp: Any, a: Any, b: Any) -> Any:
    """Difference of two values, element by element: $a - b$.

    >>> import dlgraph as dg
    >>> print(dg.subtract(dg.Tensor([1.0, 2.0]), 1))
    [0. 1.]
    """


subtract.vjp(a=unchanged, b=lambda g: -g)


@primitive(
    **_BINARY,
    operator=operator.mul,
    ufunc="multiply",
    text="{a} * {b}",
    tex=r"{a} \cdot {b}",
    onnx="Mul",
)
def multiply(xp: Any, a: Any, b: Any) -> Any:
    r"""Product of two values, element by element: $a \cdot b$.

    >>> import dlgraph as dg
    >>> print(dg.multiply(dg.Tensor([1.0, 2.0]), 3))
    [3. 6.]
    """


multiply.vjp(a=lambda g, b: g * b, b=lambda g, a: g * a)


@primitive(
    **_BINARY,
    floating=True,
    operator=operator.truediv,
    ufunc="true_divide",
    text="{a} / {b}",
    tex=r"\frac{{{a}}}{{{b}}}",
    onnx="Div",
)
def divide(xp: Any, a: Any, b: Any) -> Any:
    r"""Quotient of two values, element by element: $\frac{a}{b}$.

    Integers are brought to float32 first.

    >>> import dlgraph as dg
    >>> print(dg.divide(dg.Tensor([1, 3]), 2))
    [0.5 1.5]
    """


divide.vjp(a=lambda g, b: g / b, b=lambda g, y, b: -(g * y) / b)


def _power_spec(a: Spec, b: Spec) -> Spec:
    result = broadcast(a, b)
    if result.dtype.kind == "b":
        raise DtypeError(
            "booleans have no powers", where=None, hint='convert them: x.astype("float32")'
        )
    return result


@primitive(**_BINARY | {"infer": _power_spec}, text="{a} ** {b}", tex="{a}^{{{b}}}", onnx="Pow")
def power(xp: Any, a: Any, b: Any) -> Any:
    r"""Power, element by element: $a^b$.

    The gradient with respect to $b$ is $a^b \ln a$, and 0 where $a = 0$.

    >>> import dlgraph as dg
    >>> print(dg.power(dg.Tensor([1.0, 2.0, 3.0]), 2))
    [1. 4. 9.]
    """
    if getattr(a, "dtype", None) == np.bool_:
        _power_spec(spec_of(a), spec_of(b))
    return xp.power(a, b)


def _power_exponent(g: Any, y: Any, a: Any) -> Any:
    positive = a > 0
    return where(positive, g * y * log(where(positive, a, 1.0)), zeros_like(g))


power.vjp(
    a=lambda g, a, b: g * (a ** where(b == 0, 1.0, b - 1) * b),
    b=_power_exponent,
)


def _raise_spec(x: Spec, exponent: float) -> Spec:
    if x.dtype.kind == "b" or (x.dtype.kind not in "fc" and isinstance(exponent, float)):
        raise DtypeError(
            f"{x.dtype} to the power of {exponent!r}",
            where=None,
            hint='convert first: x.astype("float32")',
        )
    return x


@primitive(kind="elementwise", infer=_raise_spec, text="{x} ** exponent", tex="{x}^p")
def raise_to(xp: Any, x: Any, *, exponent: float) -> Any:
    r"""Every element to a fixed power: $x^p$; what `x ** 3` uses.

    >>> import dlgraph as dg
    >>> print(dg.raise_to(dg.Tensor([1.0, 2.0]), exponent=3))
    [1. 8.]
    """
    if x.dtype.kind not in "fc":
        _raise_spec(spec_of(x), exponent)
    if exponent == 3:
        return x * x * x
    if x.dtype.kind != "f" or exponent % 1:
        return xp.power(x, exponent)
    # NumPy takes forty times as long where elements are negative.
    size = xp.power(abs(x), exponent)
    return xp.copysign(size, x) if exponent % 2 else size


def _raise_to_rule(g: Any, x: Any, exponent: float) -> Any:
    if exponent == 0:
        return zeros_like(g)
    return g * (exponent * pow(x, exponent - 1))


raise_to.vjp(x=_raise_to_rule)


@composite
def pow(a: Any, b: Any) -> Any:
    """Power, element by element; a fixed exponent makes the simplest operation that will do.

    >>> import dlgraph as dg
    >>> x = dg.Tensor(3.0, requires_grad=True)
    >>> dg.pow(x, 2)
    Tensor(9.0, float32, made by square)
    """
    if type(b) is int or (isinstance(b, float) and getattr(a, "dtype", np.dtype(int)).kind in "fc"):
        if b == 1:
            return a
        return square(a) if b == 2 else raise_to(a, exponent=b)
    return power(a, b)


@primitive(
    kind="elementwise", operator=operator.neg, ufunc="negative", text="-{x}", tex="-{x}", onnx="Neg"
)
def negative(xp: Any, x: Any) -> Any:
    """Every element with its sign changed: $-x$.

    >>> import dlgraph as dg
    >>> print(dg.negative(dg.Tensor([1.0, -2.0])))
    [-1.  2.]
    """


negative.vjp(x=lambda g: -g)

# ---- the larger and the smaller ------------------------------------------------------------------


@primitive(**_BINARY, ufunc="maximum", tex=r"\max({a}, {b})", onnx="Max")
def maximum(xp: Any, a: Any, b: Any) -> Any:
    r"""The larger of two values, element by element: $\max(a, b)$.

    Where they are equal each gets half of the gradient.

    >>> import dlgraph as dg
    >>> print(dg.maximum(dg.Tensor([1.0, 5.0]), 3))
    [3. 5.]
    """


@primitive(**_BINARY, ufunc="minimum", tex=r"\min({a}, {b})", onnx="Min")
def minimum(xp: Any, a: Any, b: Any) -> Any:
    r"""The smaller of two values, element by element: $\min(a, b)$.

    Where they are equal each gets half of the gradient.

    >>> import dlgraph as dg
    >>> print(dg.minimum(dg.Tensor([1.0, 5.0]), 3))
    [1. 3.]
    """


def _winner(g: Any, wins: Any, ties: Any) -> Any:
    return where(wins, g, where(ties, g * 0.5, zeros_like(g)))


maximum.vjp(
    a=lambda g, a, b: _winner(g, a > b, a == b), b=lambda g, a, b: _winner(g, b > a, a == b)
)
minimum.vjp(
    a=lambda g, a, b: _winner(g, a < b, a == b), b=lambda g, a, b: _winner(g, b < a, a == b)
)
