"""The error function."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from dlgraph.core.primitive import primitive
from dlgraph.ops.comparison import chosen
from dlgraph.ops.unary import UNARY, exp

# W. J. Cody, "Rational Chebyshev approximations for the error function", Mathematics of
# Computation 23 (1969); numerators and denominators of his three intervals, highest power first.
# fmt: off
_SMALL = (
    (1.85777706184603153e-1, 3.16112374387056560e0, 1.13864154151050156e2, 3.77485237685302021e2,
     3.20937758913846947e3),
    (1.0, 2.36012909523441209e1, 2.44024637934444173e2, 1.28261652607737228e3,
     2.84423683343917062e3),
)
_MIDDLE = (
    (2.15311535474403846e-8, 5.64188496988670089e-1, 8.88314979438837594e0, 6.61191906371416295e1,
     2.98635138197400131e2, 8.81952221241769090e2, 1.71204761263407058e3, 2.05107837782607147e3,
     1.23033935479799725e3),
    (1.0, 1.57449261107098347e1, 1.17693950891312499e2, 5.37181101862009858e2,
     1.62138957456669019e3, 3.29079923573345963e3, 4.36261909014324716e3, 3.43936767414372164e3,
     1.23033935480374942e3),
)
_LARGE = (
    (1.63153871373020978e-2, 3.05326634961232344e-1, 3.60344899949804439e-1,
     1.25781726111229246e-1, 1.60837851487422766e-2, 6.58749161529837803e-4),
    (1.0, 2.56852019228982242e0, 1.87295284992346725e0, 5.27905102951428412e-1,
     6.05183413124413191e-2, 2.33520497626869185e-3),
)
# fmt: on


def _ratio(x: Any, fraction: tuple[Sequence[float], Sequence[float]]) -> Any:
    above, below = _polynomial(x, fraction[0]), _polynomial(x, fraction[1])
    above /= below
    return above


def _polynomial(x: Any, coefficients: Sequence[float]) -> Any:
    first, *others, last = coefficients
    y = first * x
    for coefficient in others:  # by Horner, in one array
        y += coefficient
        y *= x
    y += last
    return y


def _erfc_tail(xp: Any, size: Any) -> Any:
    """1 - erf for sizes of at least 0.46875."""
    fraction = xp.asarray(_ratio(size, _MIDDLE))
    outside = size > 4
    if outside.any():  # few elements, as a rule
        w = 1 / xp.square(size[outside])
        fraction[outside] = (1 / math.sqrt(math.pi) - w * _ratio(w, _LARGE)) * xp.sqrt(w)
    # exp(-x^2) from two parts: the rounding error of the square would be magnified.
    coarse = xp.trunc(size * 16) / 16
    rest = (size - coarse) * (size + coarse)
    return xp.exp(-coarse * coarse) * xp.exp(-rest) * fraction


@primitive(**UNARY, onnx="Erf")
def erf(xp: Any, x: Any) -> Any:
    r"""Error function of every element: $\frac{2}{\sqrt\pi} \int_0^x e^{-t^2} dt$.

    Rational approximations of W. J. Cody (1969), accurate to the last digits of float64.

    >>> import dlgraph as dg
    >>> print(dg.erf(dg.Tensor([0.0, 0.5, -3.0])))
    [ 0. 0.52050 -0.99998]
    """
    size = abs(x)
    inner = xp.minimum(size, 0.46875)
    tail = 1 - _erfc_tail(xp, xp.clip(size, 0.46875, 10))
    y = chosen(xp, size <= 0.46875, x * _ratio(inner * inner, _SMALL), xp.copysign(tail, x))
    return y.astype(x.dtype, copy=False)[()]


erf.vjp(x=lambda g, x: g * (2 / math.sqrt(math.pi) * exp(-(x * x))))


@primitive(**UNARY)
def erfc(xp: Any, x: Any) -> Any:
    r"""$1 - \operatorname{erf}(x)$ of every element, exact also where it is tiny.

    >>> import dlgraph as dg
    >>> print(dg.erfc(dg.Tensor([0.0, 0.5, 3.0])))
    [1. 0.4795 2.20905e-05]
    """
    size = abs(x)
    inner = xp.minimum(size, 0.46875)
    tail = _erfc_tail(xp, xp.clip(size, 0.46875, 30))
    outside = chosen(xp, x > 0, tail, 2 - tail)
    y = chosen(xp, size <= 0.46875, 1 - x * _ratio(inner * inner, _SMALL), outside)
    return y.astype(x.dtype, copy=False)[()]


erfc.vjp(x=lambda g, x: g * (-2 / math.sqrt(math.pi) * exp(-(x * x))))
