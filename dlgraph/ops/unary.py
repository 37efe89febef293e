"""Element-wise functions of one value, the basic ones; `functions.py` has more.

In gradient rules `g` is the incoming gradient, `y` the output, `x` the input.
Next: `comparison.py`.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numpy as np

from dlgraph.core.primitive import primitive

# What most functions of one value have in common, here and in the files beside.
UNARY: dict[str, Any] = {"kind": "elementwise", "floating": True}


@primitive(**UNARY, ufunc="exp", tex=r"e^{{{x}}}", onnx="Exp")
def exp(xp: Any, x: Any) -> Any:
    """Exponential of every element: $e^x$.

    >>> import dlgraph as dg
    >>> print(dg.exp(dg.Tensor([0.0, 1.0])))
    [1. 2.71828]
    """


exp.vjp(x=lambda g, y: g * y)


@primitive(**UNARY, ufunc="log", tex=r"\ln {x}", onnx="Log")
def log(xp: Any, x: Any) -> Any:
    r"""Natural logarithm of every element: $\ln x$.

    >>> import dlgraph as dg
    >>> print(dg.log(dg.Tensor([1.0, 10.0])))
    [0. 2.30259]
    """


log.vjp(x=lambda g, x: g / x)


@primitive(**UNARY, ufunc="sqrt", tex=r"\sqrt{{{x}}}", onnx="Sqrt")
def sqrt(xp: Any, x: Any) -> Any:
    r"""Square root of every element: $\sqrt{x}$.

    >>> import dlgraph as dg
    >>> print(dg.sqrt(dg.Tensor([4.0, 9.0])))
    [2. 3.]
    """


sqrt.vjp(x=lambda g, y: g * 0.5 / y)


def _times_itself(x: Any) -> Any:
    return x * x  # the ufunc `square` makes int8 of booleans


@primitive(kind="elementwise", operator=_times_itself, ufunc="square", text="{x}²", tex="{x}^2")
def square(xp: Any, x: Any) -> Any:
    """Square of every element: $x^2$.

    >>> import dlgraph as dg
    >>> print(dg.square(dg.Tensor([2.0, -3.0])))
    [4. 9.]
    """


square.vjp(x=lambda g, x: g * (x * 2))


@primitive(**UNARY, ufunc="sin", tex=r"\sin {x}", onnx="Sin")
def sin(xp: Any, x: Any) -> Any:
    r"""Sine of every element (in radians): $\sin x$.

    >>> import dlgraph as dg
    >>> print(dg.sin(dg.Tensor([0.0, 1.0])))
    [0. 0.84147]
    """


sin.vjp(x=lambda g, x: g * cos(x))


@primitive(**UNARY, ufunc="cos", tex=r"\cos {x}", onnx="Cos")
def cos(xp: Any, x: Any) -> Any:
    r"""Cosine of every element (in radians): $\cos x$.

    >>> import dlgraph as dg
    >>> print(dg.cos(dg.Tensor([0.0, 1.0])))
    [1. 0.54030]
    """


cos.vjp(x=lambda g, x: -(g * sin(x)))


@primitive(**UNARY, ufunc="tanh", tex=r"\tanh {x}", onnx="Tanh")
def tanh(xp: Any, x: Any) -> Any:
    r"""Hyperbolic tangent of every element: $\tanh x$.

    >>> import dlgraph as dg
    >>> print(dg.tanh(dg.Tensor([0.0, 1.0])))
    [0. 0.76159]
    """


tanh.vjp(x=lambda g, y: g * (1 - y * y))


@primitive(**UNARY, tex=r"\sigma({x})", onnx="Sigmoid")
def sigmoid(xp: Any, x: Any) -> Any:
    r"""Logistic function of every element: $\sigma(x) = \frac{1}{1 + e^{-x}}$.

    Computed as $e^{\min(x, 0)} / (1 + e^{-|x|})$, so that no element overflows.

    >>> import dlgraph as dg
    >>> print(dg.sigmoid(dg.Tensor([-1000.0, 0.0, 2.0])))
    [0. 0.5 0.88080]
    """
    return xp.exp(xp.minimum(x, 0)) / (1 + xp.exp(-abs(x)))


sigmoid.vjp(x=lambda g, y: g * (y * (1 - y)))


@primitive(kind="elementwise", tex=r"\max(0, {x})", onnx="Relu")
def relu(xp: Any, x: Any) -> Any:
    r"""Rectifier: negative elements replaced by 0, $\max(0, x)$.

    The gradient at 0 is taken as 0.

    >>> import dlgraph as dg
    >>> print(dg.relu(dg.Tensor([-1.0, 0.0, 2.0])))
    [0. 0. 2.]
    """
    if type(x) is not np.ndarray:
        return xp.maximum(x, xp.zeros((), x.dtype))  # not just 0: booleans would become integers
    if not x.flags.c_contiguous:
        return np.maximum(x, _zero(x.dtype))
    # NumPy compares elements with an array up to three times as fast as with one number.
    if x.size <= ZEROS:
        return np.maximum(x, _zeros_of(x.shape, x.dtype))
    return _relu_in_parts(x)


def _relu_in_parts(x: np.ndarray) -> np.ndarray:
    zeros, made = _zeros(x.dtype), np.empty_like(x)
    given, filled = x.reshape(-1), made.reshape(-1)
    for start in range(0, x.size, ZEROS):
        part = given[start : start + ZEROS]
        np.maximum(part, zeros[: part.size], out=filled[start : start + ZEROS])
    return made


ZEROS = 1 << 14


@lru_cache
def _zeros(dtype: np.dtype) -> np.ndarray:
    made = np.zeros(ZEROS, dtype)
    made.flags.writeable = False
    return made


@lru_cache(maxsize=64)
def _zeros_of(shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    return _zeros(dtype)[: math.prod(shape)].reshape(shape)


@lru_cache
def _zero(dtype: np.dtype) -> np.ndarray:
    return _zeros(dtype)[:1].reshape(())


def _relu_rule(g: Any, y: Any) -> Any:
    if type(y) is not np.ndarray:
        return g * (y > 0)
    # NumPy takes as long to read a Python number as to compare few elements with it, and half as
    # long again where it has to make numbers of truth values while it multiplies.
    return g * (y > _zero(y.dtype)).astype(y.dtype)


relu.vjp(x=_relu_rule)


@primitive(kind="elementwise", ufunc="absolute", text="|{x}|", tex="|{x}|", onnx="Abs")
def absolute(xp: Any, x: Any) -> Any:
    """Absolute value of every element: $|x|$.  The gradient at 0 is taken as 0.

    >>> import dlgraph as dg
    >>> print(dg.absolute(dg.Tensor([-1.5, 2.0])))
    [1.5 2. ]
    """


absolute.vjp(x=lambda g, x: g * sign(x))


@primitive(kind="elementwise", ufunc="sign", tex=r"\operatorname{{sign}}({x})", onnx="Sign")
def sign(xp: Any, x: Any) -> Any:
    """-1, 0 or 1, by the sign of every element; its gradient is 0.

    >>> import dlgraph as dg
    >>> print(dg.sign(dg.Tensor([-1.5, 0.0, 2.0])))
    [-1.  0.  1.]
    """
