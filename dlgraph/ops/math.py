"""Element-wise arithmetic, functions, comparisons and logic.

The gradient rules here read like a formula sheet: `g` is the incoming gradient, `y` the output.
All of them broadcast like NumPy; gradients of stretched inputs are summed back by the engine.
"""

from __future__ import annotations

import operator
from functools import lru_cache
from typing import Any

import numpy as np

from dlgraph.core.primitive import composite, primitive
from dlgraph.core.spec import Spec, broadcast, broadcast_shapes, compare, spec_of
from dlgraph.errors import DtypeError

_BINARY: dict[str, Any] = {
    "kind": "elementwise",
    "infer": broadcast,
    "broadcasts": True,
    "promotes": (0, 1),
}
_UNARY: dict[str, Any] = {"kind": "elementwise", "floating": True}
_COMPARE: dict[str, Any] = {"kind": "elementwise", "infer": compare, "promotes": (0, 1)}

# ---- arithmetic ----------------------------------------------------------------------------------


@primitive(
    **_BINARY, operator=operator.add, ufunc="add", text="{a} + {b}", tex="{a} + {b}", onnx="Add"
)
def add(xp: Any, a: Any, b: Any) -> Any:
    """Sum of two values, element by element: $a + b$.

    >>> import dlgraph as dg
    >>> print(dg.add(dg.Tensor([1.0, 2.0]), 10))
    [11. 12.]
    """


add.vjp(a=lambda g: g, b=lambda g: g)


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


subtract.vjp(a=lambda g: g, b=lambda g: -g)


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
    return xp.power(x, exponent)


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

# ---- functions -----------------------------------------------------------------------------------


@primitive(**_UNARY, ufunc="exp", tex=r"e^{{{x}}}", onnx="Exp")
def exp(xp: Any, x: Any) -> Any:
    """Exponential of every element: $e^x$.

    >>> import dlgraph as dg
    >>> print(dg.exp(dg.Tensor([0.0, 1.0])))
    [1. 2.71828]
    """


exp.vjp(x=lambda g, y: g * y)


@primitive(**_UNARY, ufunc="log", tex=r"\ln {x}", onnx="Log")
def log(xp: Any, x: Any) -> Any:
    r"""Natural logarithm of every element: $\ln x$.

    >>> import dlgraph as dg
    >>> print(dg.log(dg.Tensor([1.0, 10.0])))
    [0. 2.30259]
    """


log.vjp(x=lambda g, x: g / x)


@primitive(**_UNARY, ufunc="sqrt", tex=r"\sqrt{{{x}}}", onnx="Sqrt")
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


@primitive(**_UNARY, ufunc="sin", tex=r"\sin {x}", onnx="Sin")
def sin(xp: Any, x: Any) -> Any:
    r"""Sine of every element (in radians): $\sin x$.

    >>> import dlgraph as dg
    >>> print(dg.sin(dg.Tensor([0.0, 1.0])))
    [0. 0.84147]
    """


sin.vjp(x=lambda g, x: g * cos(x))


@primitive(**_UNARY, ufunc="cos", tex=r"\cos {x}", onnx="Cos")
def cos(xp: Any, x: Any) -> Any:
    r"""Cosine of every element (in radians): $\cos x$.

    >>> import dlgraph as dg
    >>> print(dg.cos(dg.Tensor([0.0, 1.0])))
    [1. 0.54030]
    """


cos.vjp(x=lambda g, x: -(g * sin(x)))


@primitive(**_UNARY, ufunc="tanh", tex=r"\tanh {x}", onnx="Tanh")
def tanh(xp: Any, x: Any) -> Any:
    r"""Hyperbolic tangent of every element: $\tanh x$.

    >>> import dlgraph as dg
    >>> print(dg.tanh(dg.Tensor([0.0, 1.0])))
    [0. 0.76159]
    """


tanh.vjp(x=lambda g, y: g * (1 - y * y))


@primitive(**_UNARY, tex=r"\sigma({x})", onnx="Sigmoid")
def sigmoid(xp: Any, x: Any) -> Any:
    r"""Logistic function of every element: $\sigma(x) = \frac{1}{1 + e^{-x}}$.

    Computed from $e^{-|x|}$, so that no element overflows.

    >>> import dlgraph as dg
    >>> print(dg.sigmoid(dg.Tensor([-1000.0, 0.0, 2.0])))
    [0. 0.5 0.88080]
    """
    e = xp.exp(-abs(x))
    return xp.where(x >= 0, 1, e) / (1 + e)


sigmoid.vjp(x=lambda g, y: g * (y * (1 - y)))


@primitive(kind="elementwise", tex=r"\max(0, {x})", onnx="Relu")
def relu(xp: Any, x: Any) -> Any:
    r"""Rectifier: negative elements replaced by 0, $\max(0, x)$.

    The gradient at 0 is taken as 0.

    >>> import dlgraph as dg
    >>> print(dg.relu(dg.Tensor([-1.0, 0.0, 2.0])))
    [0. 0. 2.]
    """
    if type(x) is np.ndarray and x.dtype.kind == "f" and x.flags.c_contiguous:
        return _relu_in_order(x)
    return xp.maximum(x, xp.zeros((), x.dtype))  # not just 0: booleans would become integers


def _relu_in_order(x: np.ndarray) -> np.ndarray:
    # NumPy compares with an array three times as fast as with one number.
    zeros = _zeros(x.dtype)
    size, step = x.size, zeros.size
    if size <= step:
        return np.maximum(x, zeros[:size].reshape(x.shape))
    made = np.empty_like(x)
    given, filled = x.reshape(-1), made.reshape(-1)
    for start in range(0, size, step):
        part = given[start : start + step]
        np.maximum(part, zeros[: part.size], out=filled[start : start + step])
    return made


@lru_cache
def _zeros(dtype: np.dtype) -> np.ndarray:
    made = np.zeros(1 << 14, dtype)
    made.flags.writeable = False
    return made


relu.vjp(x=lambda g, y: g * (y > 0))


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

# ---- comparisons and logic (no gradient) ---------------------------------------------------------


@primitive(**_COMPARE, ufunc="equal", text="{a} == {b}", tex="{a} = {b}", onnx="Equal")
def equal(xp: Any, a: Any, b: Any) -> Any:
    """Are two values equal, element by element?

    >>> import dlgraph as dg
    >>> print(dg.equal(dg.Tensor([1, 2]), 2))
    [False  True]
    """


@primitive(**_COMPARE, ufunc="not_equal", text="{a} != {b}", tex=r"{a} \ne {b}")
def not_equal(xp: Any, a: Any, b: Any) -> Any:
    """Do two values differ, element by element?

    >>> import dlgraph as dg
    >>> print(dg.not_equal(dg.Tensor([1, 2]), 2))
    [ True False]
    """


@primitive(**_COMPARE, ufunc="less", text="{a} < {b}", tex="{a} < {b}", onnx="Less")
def less(xp: Any, a: Any, b: Any) -> Any:
    """Is a smaller than b, element by element?

    >>> import dlgraph as dg
    >>> print(dg.less(dg.Tensor([1, 2]), 2))
    [ True False]
    """


@primitive(
    **_COMPARE, ufunc="less_equal", text="{a} <= {b}", tex=r"{a} \le {b}", onnx="LessOrEqual"
)
def less_equal(xp: Any, a: Any, b: Any) -> Any:
    """Is a at most b, element by element?

    >>> import dlgraph as dg
    >>> print(dg.less_equal(dg.Tensor([1, 3]), 2))
    [ True False]
    """


@primitive(**_COMPARE, ufunc="greater", text="{a} > {b}", tex="{a} > {b}", onnx="Greater")
def greater(xp: Any, a: Any, b: Any) -> Any:
    """Is a larger than b, element by element?

    >>> import dlgraph as dg
    >>> print(dg.greater(dg.Tensor([1, 3]), 2))
    [False  True]
    """


@primitive(
    **_COMPARE, ufunc="greater_equal", text="{a} >= {b}", tex=r"{a} \ge {b}", onnx="GreaterOrEqual"
)
def greater_equal(xp: Any, a: Any, b: Any) -> Any:
    """Is a at least b, element by element?

    >>> import dlgraph as dg
    >>> print(dg.greater_equal(dg.Tensor([1, 2]), 2))
    [False  True]
    """


@primitive(
    kind="elementwise",
    infer=compare,
    ufunc="logical_and",
    text="{a} and {b}",
    tex=r"{a} \land {b}",
    onnx="And",
)
def logical_and(xp: Any, a: Any, b: Any) -> Any:
    """Are both true, element by element?

    >>> import dlgraph as dg
    >>> print(dg.logical_and(dg.Tensor([True, True]), dg.Tensor([True, False])))
    [ True False]
    """


@primitive(
    kind="elementwise",
    infer=compare,
    ufunc="logical_or",
    text="{a} or {b}",
    tex=r"{a} \lor {b}",
    onnx="Or",
)
def logical_or(xp: Any, a: Any, b: Any) -> Any:
    """Is at least one true, element by element?

    >>> import dlgraph as dg
    >>> print(dg.logical_or(dg.Tensor([True, False]), dg.Tensor([False, False])))
    [ True False]
    """


@primitive(
    kind="elementwise",
    infer=compare,
    ufunc="logical_not",
    text="not {x}",
    tex=r"\lnot {x}",
    onnx="Not",
)
def logical_not(xp: Any, x: Any) -> Any:
    """The opposite truth value of every element.

    >>> import dlgraph as dg
    >>> print(dg.logical_not(dg.Tensor([True, False])))
    [False  True]
    """


def _not_boolean(dtype: np.dtype) -> DtypeError:
    return DtypeError(
        f"the condition has dtype {dtype}, it must be boolean",
        where=None,
        hint="write a comparison: where(x > 0, a, b)",
    )


def _where_spec(condition: Spec, a: Spec, b: Spec) -> Spec:
    if condition.dtype.kind != "b":
        raise _not_boolean(condition.dtype)
    pair = broadcast(a, b)
    return Spec(broadcast_shapes(condition.shape, pair.shape), pair.dtype)


@primitive(kind="elementwise", infer=_where_spec, broadcasts=True, promotes=(1, 2), onnx="Where")
def where(xp: Any, condition: Any, a: Any, b: Any) -> Any:
    """Elements of `a` where the condition holds, of `b` elsewhere.

    >>> import dlgraph as dg
    >>> x = dg.Tensor([-1.0, 2.0])
    >>> print(dg.where(x > 0, x, 0.1 * x))
    [-0.1  2. ]
    """
    if condition.dtype.kind != "b":
        raise _not_boolean(condition.dtype)
    return xp.where(condition, a, b)


where.vjp(
    a=lambda g, condition: where(condition, g, zeros_like(g)),
    b=lambda g, condition: where(condition, zeros_like(g), g),
)

# ---- copies and element types --------------------------------------------------------------------


@primitive(kind="elementwise", shape_only=("x",))
def zeros_like(xp: Any, x: Any) -> Any:
    """Zeros of the same shape and dtype.

    >>> import dlgraph as dg
    >>> print(dg.zeros_like(dg.Tensor([1.0, 2.0])))
    [0. 0.]
    """
    return xp.zeros_like(x)


@primitive(kind="elementwise", shape_only=("x",))
def ones_like(xp: Any, x: Any) -> Any:
    """Ones of the same shape and dtype.

    >>> import dlgraph as dg
    >>> print(dg.ones_like(dg.Tensor([1.0, 2.0])))
    [1. 1.]
    """
    return xp.ones_like(x)


@primitive(kind="view", text="{x}")
def identity(xp: Any, x: Any) -> Any:
    """The same value under another name.

    >>> import dlgraph as dg
    >>> print(dg.identity(dg.Tensor(2.0)))
    2.0
    """
    return x


identity.vjp(x=lambda g: g)


@primitive(kind="view")
def stop_gradient(xp: Any, x: Any) -> Any:
    """The same value; no gradient flows back through it.

    >>> import dlgraph as dg
    >>> x = dg.Tensor(2.0, requires_grad=True)
    >>> (x * dg.stop_gradient(x)).backward()
    >>> print(x.grad)
    2.0
    """
    return x


def _cast_spec(x: Spec, dtype: Any) -> Spec:
    return Spec(x.shape, np.dtype(dtype))


@primitive(kind="elementwise", infer=_cast_spec, text="cast({x})", onnx="Cast")
def cast(xp: Any, x: Any, *, dtype: Any) -> Any:
    """The same values in another floating point type; use `astype`.

    >>> import dlgraph as dg
    >>> dg.cast(dg.Tensor([1, 2]), dtype="float64").dtype
    dtype('float64')
    """
    return x.astype(dtype)


cast.vjp(x=lambda g, like_x: cast(g, dtype=like_x.dtype))


@primitive(kind="elementwise", infer=_cast_spec, text="cast({x})", onnx="Cast")
def to_integer(xp: Any, x: Any, *, dtype: Any) -> Any:
    """The values cut to integers or booleans, without gradient; use `astype`.

    >>> import dlgraph as dg
    >>> print(dg.to_integer(dg.Tensor([1.7, -1.7]), dtype="int64"))
    [ 1 -1]
    """
    return x.astype(dtype)


@composite
def astype(x: Any, dtype: Any) -> Any:
    """The same values in another element type, the only way in which a dtype changes.

    >>> import dlgraph as dg
    >>> print(dg.astype(dg.Tensor([0, 3]), "float32"))
    [0. 3.]
    """
    try:
        target = np.dtype(dtype)
    except TypeError:
        raise DtypeError(f"{dtype!r} is not an element type", hint='"float32", "int64"') from None
    if x.dtype == target:
        return x
    return cast(x, dtype=target) if target.kind in "fc" else to_integer(x, dtype=target)
