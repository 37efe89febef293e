"""Comparisons, logic, and the choice between two values by a condition.

What compares has no gradient; what chooses passes it to the value that was chosen.
Next: `copies.py`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from dlgraph.core.arrays import as_number
from dlgraph.core.primitive import primitive
from dlgraph.core.spec import Spec, broadcast, broadcast_shapes, compare
from dlgraph.errors import DtypeError
from dlgraph.ops.copies import zeros_like

_COMPARE: dict[str, Any] = {"kind": "elementwise", "infer": compare, "promotes": (0, 1)}

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


# ---- choice --------------------------------------------------------------------------------------


def _not_boolean(dtype: np.dtype) -> DtypeError:
    return DtypeError(
        f"the condition has dtype {dtype}, it must be boolean",
        where=None,
        hint="write a comparison: where(x > 0, a, b)",
    )


def chosen(xp: Any, condition: Any, a: Any, b: Any) -> Any:
    """`xp.where`, the same bits.

    NumPy jumps at every element, and where the conditions follow no pattern the processor guesses
    every second jump wrongly.  Many numbers of 32 bits are chosen by their bits instead, in up to a
    ninth of the time: b ^ ((a ^ b) & mask), where all bits of the mask are those of the condition.
    """
    if xp is not np:
        return xp.where(condition, a, b)
    a, b = (as_number(np.asarray(v)) if hasattr(v, "dtype") else v for v in (a, b))
    if not chosen_by_bits(condition, a, b):
        return np.where(condition, a, b)
    mask, right = condition.astype(np.int32), b.view(np.int32)
    np.negative(mask, mask)
    bits = np.bitwise_and(a.view(np.int32) ^ right, mask)
    return np.bitwise_xor(bits, right, bits).view(a.dtype)


def chosen_by_bits(condition: Any, a: Any, b: Any) -> bool:
    """Does choosing by bits pay, for this condition and these two values?"""
    if not type(condition) is type(a) is type(b) is np.ndarray or condition.size < MANY:
        return False
    if a.dtype != b.dtype or a.dtype.kind not in "if" or a.dtype.itemsize != 4:
        return False
    alike = all(value.shape in ((), condition.shape) for value in (a, b))
    return alike and all(value.flags.c_contiguous for value in (condition, a, b))


MANY = 4096


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
    return chosen(xp, condition, a, b)


where.vjp(
    a=lambda g, condition: where(condition, g, zeros_like(g)),
    b=lambda g, condition: where(condition, zeros_like(g), g),
)
