r"""More reductions: products, running sums, counts, norms.

The gradient of a product is the product of the *other* factors.  Dividing by the factor would fail
at 0, so there is an operation for it (`product_of_others`), which multiplies what stands before
with what stands behind.  Needs `positions` of `arrange.py` where a rule asks who stands where.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from dlgraph.core.eager import from_list
from dlgraph.core.primitive import composite, primitive
from dlgraph.core.spec import Spec, normalise_axes, normalise_axis, reduced_shape
from dlgraph.ops.arrange import moveaxis, positions
from dlgraph.ops.comparison import equal, less_equal, not_equal, where
from dlgraph.ops.reduce import _argmax_spec, expand_like, max, min, sum, var
from dlgraph.ops.shape import expand_dims
from dlgraph.ops.unary import absolute, sqrt, square


def _total_dtype(dtype: np.dtype) -> np.dtype:
    return np.dtype(np.int64) if dtype.kind in "biu" else dtype


def _prod_spec(x: Spec, axis: int, keepdims: bool) -> Spec:
    axis = normalise_axis(axis, x.ndim)
    return Spec(reduced_shape(x.shape, axis, keepdims), _total_dtype(x.dtype))


@primitive(name="prod", kind="reduce", infer=_prod_spec, tex=r"\prod {x}", onnx="ReduceProd")
def _prod(xp: Any, x: Any, *, axis: int, keepdims: bool = False) -> Any:
    """Product along one axis."""
    return x.prod(axis=axis, keepdims=keepdims, dtype=_total_dtype(x.dtype))


def _prod_rule(g: Any, x: Any, axis: int, keepdims: bool) -> Any:
    return expand_like(g, x, axis=axis, keepdims=keepdims) * product_of_others(x, axis=axis)


_prod.vjp(x=_prod_rule)


@composite
def prod(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    r"""Product over the axes (all by default): $y = \prod_i x_i$; integers as int64.

    >>> import dlgraph as dg
    >>> print(dg.prod(dg.Tensor([[1.0, 2.0], [3.0, 4.0]]), axis=0))
    [3. 8.]
    """
    x = from_list(x)
    for one in reversed(normalise_axes(axis, x.ndim, "prod")):
        x = _prod(x, axis=one, keepdims=keepdims)
    return x


def _axis_spec(x: Spec, axis: int, **attrs: Any) -> Spec:
    normalise_axis(axis, x.ndim)
    return x


@primitive(kind="reduce", infer=_axis_spec)
def product_of_others(xp: Any, x: Any, *, axis: int) -> Any:
    r"""For every element, the product of the others on its axis: $y_j = \prod_{i \ne j} x_i$.

    >>> import dlgraph as dg
    >>> print(dg.product_of_others(dg.Tensor([2.0, 3.0, 0.0]), axis=0))
    [0. 0. 6.]
    """
    before, behind = xp.ones_like(x), xp.ones_like(x)
    first = (slice(None),) * (axis % x.ndim)
    ahead, back, turn = (
        (*first, slice(1, None)),
        (*first, slice(-1)),
        (*first, slice(None, None, -1)),
    )
    before[ahead] = xp.cumprod(x[back], axis=axis)
    behind[ahead] = xp.cumprod(x[turn][back], axis=axis)
    return before * behind[turn]


def _others_rule(g: Any, x: Any, axis: int) -> Any:
    # Row k has 1 instead of x_k, so that the products of its others lack both x_k and x_j.
    axis = normalise_axis(axis, x.ndim)
    place = positions(x, axis=axis)
    same = equal(expand_dims(place, axis=1), place)
    rows = where(same, 1.0, expand_dims(moveaxis(x, axis, -1), axis=-2))
    pairs = where(same, 0.0, product_of_others(rows, axis=-1))
    return moveaxis(sum(pairs * expand_dims(moveaxis(g, axis, -1), axis=-2), axis=-1), -1, axis)


product_of_others.vjp(x=_others_rule)


def _cumulative_spec(x: Spec, axis: int, **attrs: Any) -> Spec:
    normalise_axis(axis, x.ndim)
    return Spec(x.shape, _total_dtype(x.dtype))


def _turned(x: Any, axis: int) -> Any:
    return x[(*(slice(None),) * (axis % x.ndim), slice(None, None, -1))]


@primitive(kind="reduce", infer=_cumulative_spec, onnx="CumSum")
def cumsum(xp: Any, x: Any, *, axis: int, reverse: bool = False) -> Any:
    r"""Running sum along an axis: $y_k = \sum_{i \le k} x_i$, from the end with `reverse`.

    >>> import dlgraph as dg
    >>> print(dg.cumsum(dg.Tensor([1.0, 2.0, 3.0]), axis=0))
    [1. 3. 6.]
    """
    dtype = _total_dtype(x.dtype)
    if reverse:
        return _turned(xp.cumsum(_turned(x, axis), axis=axis, dtype=dtype), axis)
    return xp.cumsum(x, axis=axis, dtype=dtype)


cumsum.vjp(x=lambda g, axis, reverse: cumsum(g, axis=axis, reverse=not reverse))


@primitive(kind="reduce", infer=_cumulative_spec)
def cumprod(xp: Any, x: Any, *, axis: int) -> Any:
    r"""Running product along an axis: $y_k = \prod_{i \le k} x_i$.

    The gradient is right also where elements are 0; it takes memory of the square of the size.

    >>> import dlgraph as dg
    >>> print(dg.cumprod(dg.Tensor([1.0, 2.0, 3.0]), axis=0))
    [1. 2. 6.]
    """
    return xp.cumprod(x, axis=axis, dtype=_total_dtype(x.dtype))


def _cumprod_rule(g: Any, x: Any, axis: int) -> Any:
    # Row j holds the factors of y_j, and 1 behind them.
    axis = normalise_axis(axis, x.ndim)
    place = positions(x, axis=axis)
    used = less_equal(place, expand_dims(place, axis=1))
    rows = where(used, expand_dims(moveaxis(x, axis, -1), axis=-2), 1.0)
    slopes = where(used, product_of_others(rows, axis=-1), 0.0)
    return moveaxis(sum(slopes * expand_dims(moveaxis(g, axis, -1), axis=-1), axis=-2), -1, axis)


cumprod.vjp(x=_cumprod_rule)


@primitive(kind="reduce", infer=_argmax_spec, onnx="ArgMin")
def argmin(xp: Any, x: Any, *, axis: int | None = None, keepdims: bool = False) -> Any:
    """Index of the smallest element (the first, if several), int64; no gradient.

    >>> import dlgraph as dg
    >>> print(dg.argmin(dg.Tensor([[1.0, 5.0], [7.0, 2.0]]), axis=1))
    [0 1]
    """
    return xp.argmin(x, axis=axis, keepdims=keepdims)


@composite
def std(x: Any, axis: Any = None, keepdims: bool = False, correction: float = 0) -> Any:
    r"""Standard deviation over the axes, the square root of `var`.

    >>> import dlgraph as dg
    >>> print(dg.std(dg.Tensor([1.0, 3.0])))
    1.0
    """
    return sqrt(var(x, axis=axis, keepdims=keepdims, correction=correction))


@composite
def count_nonzero(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """How many elements are not 0, over the axes; int64.

    >>> import dlgraph as dg
    >>> print(dg.count_nonzero(dg.Tensor([[0.0, 2.0], [3.0, 4.0]]), axis=0))
    [1 2]
    """
    return sum(not_equal(x, 0), axis=axis, keepdims=keepdims)


@composite
def any(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Is at least one element true (not 0), over the axes?  Of none: False.

    >>> import dlgraph as dg
    >>> print(dg.any(dg.Tensor([[True, False], [False, False]]), axis=1))
    [ True False]
    """
    return not_equal(count_nonzero(x, axis=axis, keepdims=keepdims), 0)


@composite
def all(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Are all elements true (not 0), over the axes?  Of none: True.

    >>> import dlgraph as dg
    >>> print(dg.all(dg.Tensor([[True, False], [True, True]]), axis=1))
    [False  True]
    """
    return equal(sum(equal(x, 0), axis=axis, keepdims=keepdims), 0)


@composite
def norm(x: Any, ord: float = 2, axis: Any = None, keepdims: bool = False) -> Any:
    r"""Vector norm over the axes: $(\sum_i |x_i|^p)^{1/p}$, the largest size for `ord=math.inf`.

    The gradient of the 2-norm at 0 is taken as 0.

    >>> import dlgraph as dg
    >>> print(dg.norm(dg.Tensor([3.0, -4.0])), dg.norm(dg.Tensor([3.0, -4.0]), ord=1))
    5.0 7.0
    """
    if ord == math.inf:
        return max(absolute(x), axis=axis, keepdims=keepdims)
    if ord == -math.inf:
        return min(absolute(x), axis=axis, keepdims=keepdims)
    if ord == 0:
        return sum(where(equal(x, 0), x * 0, x * 0 + 1), axis=axis, keepdims=keepdims)
    if ord == 1:
        return sum(absolute(x), axis=axis, keepdims=keepdims)
    total = sum(square(x) if ord == 2 else absolute(x) ** ord, axis=axis, keepdims=keepdims)
    # The slope of a root at 0 is infinite: there the total is put aside.
    zero = equal(total, 0)
    safe = where(zero, 1.0, total)
    return where(zero, 0.0, sqrt(safe) if ord == 2 else safe ** (1 / ord))
