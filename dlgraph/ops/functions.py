r"""Element-wise functions beyond the basic ones of `unary.py`.

Logarithms near 1, powers, inverse and hyperbolic functions.  The error function is in
`special.py`, rounding and limits in `rounding.py`, activations of networks in `activations.py`.
"""

from __future__ import annotations

import math
from typing import Any

from dlgraph.core.eager import from_list
from dlgraph.core.primitive import composite, primitive
from dlgraph.core.spec import broadcast
from dlgraph.ops.arithmetic import divide
from dlgraph.ops.comparison import equal, logical_and, where
from dlgraph.ops.unary import UNARY, exp, log, sigmoid, sin, sqrt, square

_BINARY: dict[str, Any] = {
    "kind": "elementwise",
    "infer": broadcast,
    "broadcasts": True,
    "promotes": (0, 1),
}

# ---- exponentials and logarithms -----------------------------------------------------------------


@primitive(**UNARY, ufunc="expm1", text="exp({x}) - 1", tex="e^{{{x}}} - 1")
def expm1(xp: Any, x: Any) -> Any:
    """$e^x - 1$ of every element, exact also where x is tiny.

    >>> import dlgraph as dg
    >>> print(dg.expm1(dg.Tensor([0.0, 1.0])))
    [0. 1.71828]
    """


expm1.vjp(x=lambda g, y: g * (y + 1))


@primitive(**UNARY, ufunc="log1p", text="log(1 + {x})", tex=r"\ln(1 + {x})")
def log1p(xp: Any, x: Any) -> Any:
    r"""$\ln(1 + x)$ of every element, exact also where x is tiny.

    >>> import dlgraph as dg
    >>> print(dg.log1p(dg.Tensor([0.0, 1.0])))
    [0. 0.69315]
    """


log1p.vjp(x=lambda g, x: g / (x + 1))


@primitive(
    **_BINARY | {"floating": True},
    ufunc="logaddexp",
    text="log(exp({a}) + exp({b}))",
    tex=r"\ln(e^{{{a}}} + e^{{{b}}})",
)
def logaddexp(xp: Any, a: Any, b: Any) -> Any:
    r"""$\ln(e^a + e^b)$, element by element, without overflow.

    >>> import dlgraph as dg
    >>> print(dg.logaddexp(dg.Tensor([0.0, 1000.0]), 0.0))
    [0.69315 1000.]
    """


logaddexp.vjp(a=lambda g, a, b: g * sigmoid(a - b), b=lambda g, a, b: g * sigmoid(b - a))


@composite
def exp2(x: Any) -> Any:
    """$2^x$ of every element.

    >>> import dlgraph as dg
    >>> print(dg.exp2(dg.Tensor([3.0, -1.0])))
    [8. 0.5]
    """
    x = from_list(x)
    return exp(x * math.log(2))


@composite
def log2(x: Any) -> Any:
    r"""Logarithm to the base 2 of every element: $\log_2 x$.

    >>> import dlgraph as dg
    >>> print(dg.log2(dg.Tensor([8.0, 0.5])))
    [ 3. -1.]
    """
    return log(x) / math.log(2)


@composite
def log10(x: Any) -> Any:
    r"""Logarithm to the base 10 of every element: $\log_{10} x$.

    >>> import dlgraph as dg
    >>> print(dg.log10(dg.Tensor([100.0, 0.1])))
    [ 2. -1.]
    """
    return log(x) / math.log(10)


# ---- powers --------------------------------------------------------------------------------------


@composite
def reciprocal(x: Any) -> Any:
    r"""$\frac{1}{x}$ of every element.

    >>> import dlgraph as dg
    >>> print(dg.reciprocal(dg.Tensor([2.0, 4.0])))
    [0.5 0.25]
    """
    return divide(1, x)


@composite
def rsqrt(x: Any) -> Any:
    r"""$\frac{1}{\sqrt{x}}$ of every element.

    >>> import dlgraph as dg
    >>> print(dg.rsqrt(dg.Tensor([4.0, 16.0])))
    [0.5 0.25]
    """
    return divide(1, sqrt(x))


# ---- trigonometry and hyperbolic functions -------------------------------------------------------


@primitive(**UNARY, ufunc="tan", tex=r"\tan {x}", onnx="Tan")
def tan(xp: Any, x: Any) -> Any:
    r"""Tangent of every element (in radians): $\tan x$.

    >>> import dlgraph as dg
    >>> print(dg.tan(dg.Tensor([0.0, 1.0])))
    [0. 1.55741]
    """


tan.vjp(x=lambda g, y: g * (1 + y * y))


@primitive(**UNARY, ufunc="arcsin", tex=r"\arcsin {x}", onnx="Asin")
def arcsin(xp: Any, x: Any) -> Any:
    r"""The angle in $[-\pi/2, \pi/2]$ whose sine is x.

    >>> import dlgraph as dg
    >>> print(dg.arcsin(dg.Tensor([0.0, 1.0])))
    [0. 1.5708]
    """


arcsin.vjp(x=lambda g, x: g / sqrt(1 - x * x))


@primitive(**UNARY, ufunc="arccos", tex=r"\arccos {x}", onnx="Acos")
def arccos(xp: Any, x: Any) -> Any:
    r"""The angle in $[0, \pi]$ whose cosine is x.

    >>> import dlgraph as dg
    >>> print(dg.arccos(dg.Tensor([0.0, 1.0])))
    [1.57080 0. ]
    """


arccos.vjp(x=lambda g, x: -g / sqrt(1 - x * x))


@primitive(**UNARY, ufunc="arctan", tex=r"\arctan {x}", onnx="Atan")
def arctan(xp: Any, x: Any) -> Any:
    r"""The angle in $(-\pi/2, \pi/2)$ whose tangent is x.

    >>> import dlgraph as dg
    >>> print(dg.arctan(dg.Tensor([0.0, 1.0])))
    [0. 0.7854]
    """


arctan.vjp(x=lambda g, x: g / (1 + x * x))


@primitive(**_BINARY | {"floating": True}, ufunc="arctan2")
def arctan2(xp: Any, a: Any, b: Any) -> Any:
    r"""The angle in $(-\pi, \pi]$ of the point with ordinate a and abscissa b.

    >>> import dlgraph as dg
    >>> print(dg.arctan2(dg.Tensor([1.0, 1.0]), dg.Tensor([1.0, -1.0])))
    [0.7854 2.35619]
    """


arctan2.vjp(
    a=lambda g, a, b: g * (b / (a * a + b * b)), b=lambda g, a, b: -(g * (a / (a * a + b * b)))
)


@primitive(**UNARY, ufunc="sinh", tex=r"\sinh {x}", onnx="Sinh")
def sinh(xp: Any, x: Any) -> Any:
    r"""Hyperbolic sine of every element: $\frac{1}{2}(e^x - e^{-x})$.

    >>> import dlgraph as dg
    >>> print(dg.sinh(dg.Tensor([0.0, 1.0])))
    [0. 1.1752]
    """


sinh.vjp(x=lambda g, x: g * cosh(x))


@primitive(**UNARY, ufunc="cosh", tex=r"\cosh {x}", onnx="Cosh")
def cosh(xp: Any, x: Any) -> Any:
    r"""Hyperbolic cosine of every element: $\frac{1}{2}(e^x + e^{-x})$.

    >>> import dlgraph as dg
    >>> print(dg.cosh(dg.Tensor([0.0, 1.0])))
    [1. 1.54308]
    """


cosh.vjp(x=lambda g, x: g * sinh(x))


@primitive(**UNARY, ufunc="arcsinh", tex=r"\operatorname{{arsinh}} {x}", onnx="Asinh")
def arcsinh(xp: Any, x: Any) -> Any:
    """The number whose hyperbolic sine is x.

    >>> import dlgraph as dg
    >>> print(dg.arcsinh(dg.Tensor([0.0, 1.0])))
    [0. 0.88137]
    """


arcsinh.vjp(x=lambda g, x: g / sqrt(x * x + 1))


@primitive(**UNARY, ufunc="arccosh", tex=r"\operatorname{{arcosh}} {x}", onnx="Acosh")
def arccosh(xp: Any, x: Any) -> Any:
    """The number, at least 0, whose hyperbolic cosine is x; x is at least 1.

    >>> import dlgraph as dg
    >>> print(dg.arccosh(dg.Tensor([1.0, 2.0])))
    [0. 1.31696]
    """


# sqrt(x - 1) and sqrt(x + 1), not sqrt(x * x - 1): near 1 the difference would be lost.
arccosh.vjp(x=lambda g, x: g / (sqrt(x - 1) * sqrt(x + 1)))


@primitive(**UNARY, ufunc="arctanh", tex=r"\operatorname{{artanh}} {x}", onnx="Atanh")
def arctanh(xp: Any, x: Any) -> Any:
    """The number whose hyperbolic tangent is x; x is between -1 and 1.

    >>> import dlgraph as dg
    >>> print(dg.arctanh(dg.Tensor([0.0, 0.5])))
    [0. 0.54931]
    """


arctanh.vjp(x=lambda g, x: g / (1 - x * x))


@composite
def sinc(x: Any) -> Any:
    r"""$\frac{\sin \pi x}{\pi x}$ of every element, and 1 at 0 (NumPy's `sinc`).

    >>> import dlgraph as dg
    >>> print(dg.sinc(dg.Tensor([0.0, 0.5])))
    [1. 0.63662]
    """
    at_zero = equal(x, 0)
    angle = where(at_zero, 1.0, x) * math.pi
    return where(at_zero, 1.0, sin(angle) / angle)


# ---- of two values ------------------------------------------------------------------------------


@composite
def hypot(a: Any, b: Any) -> Any:
    r"""Length of the hypotenuse: $\sqrt{a^2 + b^2}$.

    >>> import dlgraph as dg
    >>> print(dg.hypot(dg.Tensor([3.0]), 4))
    [5.]
    """
    return sqrt(square(a) + square(b))


@composite
def xlogy(x: Any, y: Any) -> Any:
    r"""$x \ln y$, and 0 where x is 0: what entropies need.

    >>> import dlgraph as dg
    >>> print(dg.xlogy(dg.Tensor([0.0, 2.0]), dg.Tensor([0.0, 1.0])))
    [0. 0.]
    """
    at_zero = logical_and(equal(x, 0), equal(y, y))
    return where(at_zero, 0.0, x * log(where(at_zero, 1.0, y)))
