"""Reductions: many elements to one, over all axes or some.

Their gradients stretch `g` back over the reduced axes (`expand_like`), and the gradient of that is
a sum again.  No rule reads a size, so the batch may be unknown.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from dlgraph.core import arrays
from dlgraph.core.primitive import composite, primitive
from dlgraph.core.spec import (
    Dim,
    Spec,
    normalise_axes,
    normalise_axis,
    reduce,
    reduced_shape,
)
from dlgraph.errors import ShapeError
from dlgraph.ops.arithmetic import maximum
from dlgraph.ops.comparison import equal
from dlgraph.ops.copies import astype
from dlgraph.ops.unary import exp, square


def check_axis(x: Any, axis: Any) -> None:
    """Raise `ShapeError` for an axis of a scalar; NumPy lets it pass, in some functions."""
    if axis is not None and not x.ndim:
        normalise_axes(axis, 0)


def _sum_dtype(dtype: np.dtype) -> np.dtype:
    return dtype if dtype.kind in "fc" else np.dtype(np.int64)


def _sum_spec(x: Spec, axis: Any, keepdims: bool) -> Spec:
    return Spec(reduced_shape(x.shape, axis, keepdims), _sum_dtype(x.dtype))


@primitive(kind="reduce", infer=_sum_spec, tex=r"\sum {x}", onnx="ReduceSum")
def sum(xp: Any, x: Any, *, axis: Any = None, keepdims: bool = False) -> Any:
    r"""Sum over the axes (all by default): $y = \sum_i x_i$.

    `axis` is one axis or several, negative ones count from the end; `keepdims` leaves them with
    size 1.  Integers are summed as int64.

    >>> import dlgraph as dg
    >>> print(dg.sum(dg.Tensor([[1.0, 2.0], [3.0, 4.0]]), axis=0))
    [4. 6.]
    """
    check_axis(x, axis)
    return x.sum(axis=axis, keepdims=keepdims, dtype=_sum_dtype(x.dtype))


sum.vjp(x=lambda g, like_x, axis, keepdims: expand_like(g, like_x, axis=axis, keepdims=keepdims))


@primitive(kind="reduce", infer=reduce, floating=True, tex=r"\overline{{{x}}}", onnx="ReduceMean")
def mean(xp: Any, x: Any, *, axis: Any = None, keepdims: bool = False) -> Any:
    r"""Mean over the axes: $y = \frac{1}{n} \sum_i x_i$.

    >>> import dlgraph as dg
    >>> print(dg.mean(dg.Tensor([1.0, 2.0, 6.0])))
    3.0
    """
    if axis is None and type(x) is np.ndarray and not keepdims and x.size:  # the usual loss
        return np.add.reduce(x, None) / x.size
    check_axis(x, axis)
    total = xp.add.reduce(x, axis=axis, keepdims=keepdims)
    return total / (x.size // total.size if total.size else _count(x.shape, axis))


def _mean_rule(g: Any, like_x: Any, axis: Any, keepdims: bool) -> Any:
    if axis is None and type(like_x) is np.ndarray and not g.ndim:
        return arrays.stretched(np, g / like_x.size, like_x.shape)
    share = g / element_count(like_x, axis=axis)
    return expand_like(share, like_x, axis=axis, keepdims=keepdims)


mean.vjp(x=_mean_rule)


def _count(shape: tuple[int, ...], axis: Any) -> int:
    if axis is None:
        return math.prod(shape)
    return math.prod(shape[i] for i in normalise_axes(axis, len(shape)))


def not_empty(x: Spec, axis: Any, keepdims: bool) -> Spec:
    """The rule of `reduce`, for what needs at least one element along the axes."""
    for i in normalise_axes(axis, len(x.shape)):
        if not isinstance(x.shape[i], Dim) and x.shape[i] == 0:
            raise ShapeError(
                f"axis {i} of shape {x.shape} is empty, and nothing has no largest or smallest "
                "element",
                where=None,
                hint="check where the empty array comes from",
            )
    return reduce(x, axis, keepdims)


@primitive(kind="reduce", infer=not_empty, tex=r"\max {x}", onnx="ReduceMax")
def max(xp: Any, x: Any, *, axis: Any = None, keepdims: bool = False) -> Any:
    r"""Largest element over the axes: $y = \max_i x_i$.

    Elements that share the maximum share the gradient evenly.

    >>> import dlgraph as dg
    >>> print(dg.max(dg.Tensor([[1.0, 5.0], [7.0, 2.0]]), axis=-1))
    [5. 7.]
    """
    check_axis(x, axis)
    return x.max(axis=axis, keepdims=keepdims)


@primitive(kind="reduce", infer=not_empty, tex=r"\min {x}", onnx="ReduceMin")
def min(xp: Any, x: Any, *, axis: Any = None, keepdims: bool = False) -> Any:
    r"""Smallest element over the axes: $y = \min_i x_i$.

    Elements that share the minimum share the gradient evenly.

    >>> import dlgraph as dg
    >>> print(dg.min(dg.Tensor([[1.0, 5.0], [7.0, 2.0]]), axis=0))
    [1. 2.]
    """
    check_axis(x, axis)
    return x.min(axis=axis, keepdims=keepdims)


def _extreme(g: Any, y: Any, x: Any, axis: Any, keepdims: bool) -> Any:
    winners = equal(x, expand_like(y, x, axis=axis, keepdims=keepdims))
    share = cast_like(winners, g)
    total = sum(share, axis=axis, keepdims=True)
    return expand_like(g, x, axis=axis, keepdims=keepdims) * share / total


max.vjp(x=_extreme)
min.vjp(x=_extreme)


@composite
def cast_like(x: Any, other: Any) -> Any:
    """`x` in the dtype of another value.

    >>> import dlgraph as dg
    >>> print(dg.cast_like(dg.Tensor([True, False]), dg.Tensor(1.0)))
    [1. 0.]
    """
    return astype(x, other.dtype)


@composite
def var(x: Any, axis: Any = None, keepdims: bool = False, correction: float = 0) -> Any:
    r"""Variance over the axes: $\frac{1}{n - c} \sum_i (x_i - \bar x)^2$.

    The correction c is 0 (as in NumPy); 1 makes it unbiased for samples (Bessel).

    >>> import dlgraph as dg
    >>> print(dg.var(dg.Tensor([1.0, 3.0])))
    1.0
    """
    deviations = square(x - mean(x, axis=axis, keepdims=True))
    if correction == 0:
        return mean(deviations, axis=axis, keepdims=keepdims)
    # With no more samples than the correction there is no variance: 0 / 0 is NaN.
    count = maximum(element_count(deviations, axis=axis) - correction, 0.0)
    return sum(deviations, axis=axis, keepdims=keepdims) / count


def _argmax_spec(x: Spec, axis: Any, keepdims: bool) -> Spec:
    axes = None if axis is None else normalise_axis(axis, x.ndim)
    not_empty(x, axes, keepdims)
    return Spec(reduced_shape(x.shape, axes, keepdims), np.dtype(np.int64))


@primitive(kind="reduce", infer=_argmax_spec, onnx="ArgMax")
def argmax(xp: Any, x: Any, *, axis: int | None = None, keepdims: bool = False) -> Any:
    """Index of the largest element (the first, if several), int64; no gradient.

    >>> import dlgraph as dg
    >>> print(dg.argmax(dg.Tensor([[1.0, 5.0], [7.0, 2.0]]), axis=1))
    [1 0]
    """
    check_axis(x, axis)
    return xp.argmax(x, axis=axis, keepdims=keepdims)


@primitive(kind="reduce", infer=not_empty, floating=True)
def logsumexp(xp: Any, x: Any, *, axis: Any = None, keepdims: bool = False) -> Any:
    r"""$\ln \sum_i e^{x_i}$ over the axes, computed without overflow.

    >>> import dlgraph as dg
    >>> print(dg.logsumexp(dg.Tensor([1000.0, 1000.0])))
    1000.693
    """
    check_axis(x, axis)
    highest = x.max(axis=axis, keepdims=True)
    highest = xp.where(xp.isfinite(highest), highest, 0)
    total = xp.log(xp.exp(x - highest).sum(axis=axis, keepdims=True)) + highest
    return total if keepdims else total.reshape(reduced_shape(x.shape, axis, False))[()]


def _softmax_share(g: Any, y: Any, x: Any, axis: Any, keepdims: bool) -> Any:
    share = exp(x - expand_like(y, x, axis=axis, keepdims=keepdims))
    return expand_like(g, x, axis=axis, keepdims=keepdims) * share


logsumexp.vjp(x=_softmax_share)

# ---- the counterparts that gradient rules use ----------------------------------------------------


def _expand_spec(y: Spec, like: Spec, axis: Any, keepdims: bool) -> Spec:
    return Spec(like.shape, y.dtype)


@primitive(kind="view", infer=_expand_spec, text="expand({y})", shape_only=("like",))
def expand_like(xp: Any, y: Any, like: Any, *, axis: Any = None, keepdims: bool = False) -> Any:
    """A reduced value stretched back over the reduced axes, to the shape of `like`.

    The gradient of a sum: every summand gets the whole gradient.

    >>> import dlgraph as dg
    >>> x = dg.Tensor([[1.0, 2.0], [3.0, 4.0]])
    >>> print(dg.expand_like(dg.sum(x, axis=1), x, axis=1))
    [[3. 3.]
     [7. 7.]]
    """
    if not y.ndim:
        return arrays.stretched(xp, y, like.shape)
    if not keepdims and like.ndim:
        y = xp.expand_dims(y, normalise_axes(axis, like.ndim))
    return xp.broadcast_to(y, like.shape)


expand_like.vjp(y=lambda g, axis, keepdims: sum(g, axis=axis, keepdims=keepdims))


def _like_spec(x: Spec, like: Spec) -> Spec:
    return Spec(like.shape, x.dtype)


@primitive(kind="reduce", infer=_like_spec, text="sum_like({x})", shape_only=("like",))
def sum_like(xp: Any, x: Any, like: Any) -> Any:
    """Sum over the axes along which `like` would be stretched; the gradient of broadcasting.

    >>> import dlgraph as dg
    >>> bias = dg.Tensor([0.0, 0.0])
    >>> print(dg.sum_like(dg.Tensor([[1.0, 2.0], [3.0, 4.0]]), bias))
    [4. 6.]
    """
    shape = like.shape
    extra = x.ndim - len(shape)
    if extra:
        x = xp.add.reduce(x, 0 if extra == 1 else tuple(range(extra)), x.dtype)
    if x.shape == shape:
        return x
    stretched = tuple(i for i, (a, b) in enumerate(zip(x.shape, shape, strict=True)) if a != b)
    return xp.add.reduce(x, axis=stretched, keepdims=True, dtype=x.dtype)


sum_like.vjp(x=lambda g, like_x: broadcast_like(g, like_x))


@primitive(kind="view", infer=_like_spec, text="broadcast({x})", shape_only=("like",))
def broadcast_like(xp: Any, x: Any, like: Any) -> Any:
    """Stretched to the shape of `like`, by NumPy's broadcasting rules.

    >>> import dlgraph as dg
    >>> print(dg.broadcast_like(dg.Tensor([1.0, 2.0]), dg.Tensor([[0.0, 0.0], [0.0, 0.0]])))
    [[1. 2.]
     [1. 2.]]
    """
    return xp.broadcast_to(x, like.shape)


broadcast_like.vjp(x=lambda g, like_x: sum_like(g, like_x))


def _count_spec(x: Spec, axis: Any) -> Spec:
    normalise_axes(axis, x.ndim)
    return Spec((), x.dtype)


@primitive(kind="view", infer=_count_spec, text="count({x})", shape_only=("x",))
def element_count(xp: Any, x: Any, *, axis: Any = None) -> Any:
    """How many elements are reduced to one over the axes, as a scalar of the dtype of `x`.

    >>> import dlgraph as dg
    >>> print(dg.element_count(dg.Tensor([[1.0, 2.0, 3.0]]), axis=1))
    3.0
    """
    return x.dtype.type(_count(x.shape, axis))
