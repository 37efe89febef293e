"""What one element of every element-wise primitive is, for the generators of code.

A primitive's forward works on whole arrays.  A generator of machine code (LLVM on the CPU, CUDA on
the GPU) or of readable source needs the same formula for one element.  It stands here once, written
with ordinary operators on `Element`s, and each generator interprets it through its own `Builder`:

    @scalar("sigmoid")
    def _sigmoid(x):
        e = exp(-abs(x))
        return where(x >= 0, 1, e) / (1 + e)

What a builder has to know is short: constants, arithmetic, comparisons, a choice, conversions, and
some functions by name (`exp`, `log`, `tanh`, ...).  A builder may refuse any of it by raising
`Unsupported`; then the primitive's own forward is called.  The tests interpret every definition on
NumPy arrays and compare it with the forward.  Read next: `executors/fast/vectors.py`, a builder.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np

BOOL = np.dtype(bool)


class Unsupported(Exception):
    """This builder cannot express that operation, for this element type."""


class Builder(Protocol):
    """What a generator provides; a `handle` is whatever it uses to refer to a value."""

    def constant(self, value: Any, dtype: np.dtype) -> Any:
        """A handle of a constant."""

    def arithmetic(self, name: str, dtype: np.dtype, *operands: Any) -> Any:
        """One of `add sub mul div neg abs sqrt floor ceil rint min max`, IEEE 754 for floats.

        `min` and `max` answer NaN if an operand is NaN, and the second operand if both are equal,
        as NumPy's do.
        """

    def compare(self, name: str, dtype: np.dtype, a: Any, b: Any) -> Any:
        """One of `== != < <= > >=` (false for NaN, except `!=`); a boolean handle."""

    def logic(self, name: str, *operands: Any) -> Any:
        """One of `and or not`, of booleans."""

    def select(self, dtype: np.dtype, condition: Any, a: Any, b: Any) -> Any:
        """`a` where the condition holds, else `b`."""

    def convert(self, operand: Any, source: np.dtype, target: np.dtype) -> Any:
        """Another element type, as `astype` does it."""

    def function(self, name: str, dtype: np.dtype, *operands: Any) -> Any:
        """A function by its name: one of `FUNCTIONS`."""


# fmt: off
FUNCTIONS = (
    "exp", "expm1", "log", "log1p", "tanh", "sin", "cos", "tan", "arcsin", "arccos", "arctan",
    "arctan2", "sinh", "cosh", "arcsinh", "arccosh", "arctanh", "erf", "erfc", "power",
    "floor_divide", "remainder",
)
# fmt: on


class Element:
    """One element inside a definition: a handle of the builder with its type, and operators."""

    __slots__ = ("builder", "dtype", "handle")
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, builder: Builder, dtype: np.dtype, handle: Any):
        self.builder, self.dtype, self.handle = builder, dtype, handle

    def __add__(self, other: Any) -> Element:
        return self._binary("add", self, other)

    def __radd__(self, other: Any) -> Element:
        return self._binary("add", other, self)

    def __sub__(self, other: Any) -> Element:
        return self._binary("sub", self, other)

    def __rsub__(self, other: Any) -> Element:
        return self._binary("sub", other, self)

    def __mul__(self, other: Any) -> Element:
        return self._binary("mul", self, other)

    def __rmul__(self, other: Any) -> Element:
        return self._binary("mul", other, self)

    def __truediv__(self, other: Any) -> Element:
        return self._binary("div", self, other)

    def __rtruediv__(self, other: Any) -> Element:
        return self._binary("div", other, self)

    def __neg__(self) -> Element:
        return self._unary("neg")

    def __abs__(self) -> Element:
        return self._unary("abs")

    def __eq__(self, other: Any) -> Element:  # type: ignore[override]
        return self._compare("==", other)

    def __ne__(self, other: Any) -> Element:  # type: ignore[override]
        return self._compare("!=", other)

    def __lt__(self, other: Any) -> Element:
        return self._compare("<", other)

    def __le__(self, other: Any) -> Element:
        return self._compare("<=", other)

    def __gt__(self, other: Any) -> Element:
        return self._compare(">", other)

    def __ge__(self, other: Any) -> Element:
        return self._compare(">=", other)

    def like(self, value: Any) -> Element:
        """A constant of this element's type; an element stays what it is."""
        if isinstance(value, Element):
            return value
        return Element(self.builder, self.dtype, self.builder.constant(value, self.dtype))

    def to(self, dtype: Any) -> Element:
        """This element in another type."""
        target = np.dtype(dtype)
        if target == self.dtype:
            return self
        made = self.builder.convert(self.handle, self.dtype, target)
        return Element(self.builder, target, made)

    def call(self, name: str, *others: Element) -> Element:
        """A function of this element (and others of its type), by name."""
        handles = (other.handle for other in others)
        made = self.builder.function(name, self.dtype, self.handle, *handles)
        return Element(self.builder, self.dtype, made)

    def _unary(self, name: str) -> Element:
        made = self.builder.arithmetic(name, self.dtype, self.handle)
        return Element(self.builder, self.dtype, made)

    @staticmethod
    def _binary(name: str, a: Any, b: Any) -> Element:
        known = a if isinstance(a, Element) else b
        a, b = known.like(a), known.like(b)
        if a.dtype != b.dtype:
            raise Unsupported(f"{name} of {a.dtype} and {b.dtype}")
        made = known.builder.arithmetic(name, a.dtype, a.handle, b.handle)
        return Element(known.builder, a.dtype, made)

    def _compare(self, name: str, other: Any) -> Element:
        other = self.like(other)
        if other.dtype != self.dtype:
            raise Unsupported(f"{self.dtype} {name} {other.dtype}")
        made = self.builder.compare(name, self.dtype, self.handle, other.handle)
        return Element(self.builder, BOOL, made)


def where(condition: Element, a: Any, b: Any) -> Element:
    """`a` where the condition holds, else `b`; one of them may be a number."""
    known = a if isinstance(a, Element) else b
    a, b = known.like(a), known.like(b)
    if a.dtype != b.dtype:
        raise Unsupported(f"a choice between {a.dtype} and {b.dtype}")
    builder = known.builder
    return Element(builder, a.dtype, builder.select(a.dtype, condition.handle, a.handle, b.handle))


def _logic(name: str, *operands: Element) -> Element:
    truths = [x if x.dtype == BOOL else x != 0 for x in operands]
    builder = operands[0].builder
    return Element(builder, BOOL, builder.logic(name, *(x.handle for x in truths)))


# ---- the table -----------------------------------------------------------------------------------

Definition = Callable[..., Element]
SCALAR: dict[str, Definition] = {}  # by the name of the primitive
INEXACT = {"raise_to"}  # products in place of the library's power: other last bits


def scalar(name: str) -> Callable[[Definition], Definition]:
    """Say what one element of this primitive is; the function takes elements and attributes."""

    def declare(function: Definition) -> Definition:
        SCALAR[name] = function
        return function

    return declare


def element(
    builder: Builder,
    name: str,
    attrs: dict[str, Any],
    operands: list[tuple[Any, np.dtype]],
    dtype: np.dtype,
) -> Any:
    """The handle of one element of a primitive, from handles of its operands with their types.

    Raises `Unsupported` if there is no definition, or none for these types.

    >>> import numpy as np
    >>> from dlgraph.ops.scalar import Unsupported, element
    >>> try:
    ...     element(None, "matmul", {}, [], np.dtype("float32"))
    ... except Unsupported as error:
    ...     print(error)
    matmul is not element-wise
    """
    definition = SCALAR.get(name)
    if definition is None:
        raise Unsupported(f"{name} is not element-wise")
    made = definition(*(Element(builder, kind, handle) for handle, kind in operands), **attrs)
    if made.dtype != dtype:
        raise Unsupported(f"{name} gives {made.dtype}, {dtype} is expected")
    return made.handle


_UNARY = {"negative": "neg", "absolute": "abs", "sqrt": "sqrt"}
_ROUNDING = {"floor": "floor", "ceil": "ceil", "round": "rint"}
_BINARY = {
    "add": "add",
    "subtract": "sub",
    "multiply": "mul",
    "divide": "div",
    "maximum": "max",
    "minimum": "min",
}
_COMPARISONS = {
    "equal": "==",
    "not_equal": "!=",
    "less": "<",
    "less_equal": "<=",
    "greater": ">",
    "greater_equal": ">=",
}


def _table() -> None:
    for name, operation in _UNARY.items():
        scalar(name)(lambda x, operation=operation: x._unary(operation))
    for name, operation in _ROUNDING.items():
        scalar(name)(
            lambda x, operation=operation: x._unary(operation) if x.dtype.kind == "f" else x
        )
    for name, operation in _BINARY.items():
        scalar(name)(lambda a, b, operation=operation: Element._binary(operation, a, b))
    for name, operation in _COMPARISONS.items():
        scalar(name)(lambda a, b, operation=operation: a._compare(operation, b))
    for name in FUNCTIONS:
        scalar(name)(lambda x, *others, name=name: x.call(name, *others))


_table()


@scalar("logical_and")
def _logical_and(a: Element, b: Element) -> Element:
    return _logic("and", a, b)


@scalar("logical_or")
def _logical_or(a: Element, b: Element) -> Element:
    return _logic("or", a, b)


@scalar("logical_not")
def _logical_not(x: Element) -> Element:
    return _logic("not", x)


@scalar("where")
def _where(condition: Element, a: Element, b: Element) -> Element:
    return where(condition, a, b)


@scalar("square")
def _square(x: Element) -> Element:
    return x * x


@scalar("raise_to")
def _raise_to(x: Element, exponent: float) -> Element:
    if exponent == 0.5 and x.dtype.kind == "f":
        return x._unary("sqrt")
    if exponent != int(exponent) or abs(exponent) > 64 or (exponent < 0 and x.dtype.kind != "f"):
        return x.call("power", x.like(exponent))
    result, factor, left = None, x, abs(int(exponent))
    while left:  # the binary digits of the exponent: x^13 = x^8 x^4 x
        if left & 1:
            result = factor if result is None else result * factor
        left >>= 1
        factor = factor * factor if left else factor
    if result is None:
        return x.like(1)
    return 1 / result if exponent < 0 else result


@scalar("relu")
def _relu(x: Element) -> Element:
    return Element._binary("max", x, 0)


@scalar("sign")
def _sign(x: Element) -> Element:
    # NaN answers NaN, and -0 answers 0, as in NumPy.
    return where(x > 0, 1, where(x < 0, -1, where(x == 0, 0, x)))


@scalar("sigmoid")
def _sigmoid(x: Element) -> Element:
    e = (-abs(x)).call("exp")
    return where(x >= 0, 1, e) / (1 + e)


@scalar("softplus")
def _softplus(x: Element) -> Element:
    return Element._binary("max", x, 0) + (-abs(x)).call("exp").call("log1p")


@scalar("logaddexp")
def _logaddexp(a: Element, b: Element) -> Element:
    # Equal operands may both be infinite, and their difference then is NaN.
    tail = (-abs(a - b)).call("exp").call("log1p")
    return where(a == b, a + float(np.log(2.0)), Element._binary("max", a, b) + tail)


@scalar("zeros_like")
def _zeros_like(x: Element) -> Element:
    return x.like(0)


@scalar("ones_like")
def _ones_like(x: Element) -> Element:
    return x.like(1)


@scalar("cast")
def _cast(x: Element, dtype: Any) -> Element:
    return x.to(dtype)


@scalar("to_integer")
def _to_integer(x: Element, dtype: Any) -> Element:
    return x.to(dtype)
