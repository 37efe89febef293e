r"""Pooling: the largest or the mean element of every window.

Nothing is copied into windows.  For each place of the window there is one strided view of what all
windows have there (a slab), and the slabs are compared or added.  All operations work on the last
two axes, whatever stands before them, and results lie in memory in the order in which inputs do.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from dlgraph.core.primitive import primitive
from dlgraph.core.spec import Spec, show_shape
from dlgraph.errors import ShapeError
from dlgraph.ops.conv import Pair, _slabs, windows_along

Margins = tuple[Pair, Pair]
ONE = (1, 1)


def _pool_spec(
    x: Spec, *others: Spec, kernel: Pair, stride: Pair, padding: Margins, **rest: Any
) -> Spec:
    if x.ndim < 2:
        raise ShapeError(f"an input of shape {show_shape(x.shape)} has no windows", where=None)
    out = _sizes(x.shape, kernel, stride, padding, rest.get("dilation", ONE))
    return Spec((*x.shape[:-2], *out), x.dtype)


def _sizes(shape: tuple, kernel: Pair, stride: Pair, padding: Margins, dilation: Pair = ONE) -> Any:
    """How many windows there are along the last two axes."""
    facts = zip(shape[-2:], kernel, stride, padding, dilation, strict=True)
    return [windows_along(*one) for one in facts]


def _padded(xp: Any, x: Any, padding: Margins, value: Any) -> Any:
    (top, bottom), (left, right) = padding
    if not (top or bottom or left or right):
        return x
    height, width = x.shape[-2:]
    shape = (*x.shape[:-2], height + top + bottom, width + left + right)
    full = xp.full_like(x, value, shape=shape)
    full[..., top : top + height, left : left + width] = x
    return full


def _inside(x: Any, padding: Margins) -> Any:
    (top, bottom), (left, right) = padding
    return x[..., top : x.shape[-2] - bottom, left : x.shape[-1] - right]


def _lowest(dtype: np.dtype) -> Any:
    if dtype.kind == "f":
        return -np.inf
    return False if dtype.kind == "b" else np.iinfo(dtype).min


# ---- the largest element -------------------------------------------------------------------------


@primitive(name="max_pool2d", kind="reduce", infer=_pool_spec, onnx="MaxPool")
def _max_pool2d(
    xp: Any, x: Any, *, kernel: Pair, stride: Pair, padding: Margins, dilation: Pair
) -> Any:
    """The largest element of every window."""
    wide = _padded(xp, x, padding, _lowest(x.dtype))
    out = _sizes(x.shape, kernel, stride, padding, dilation)
    slabs = [index for _, index in _slabs(kernel, stride, dilation, out)]
    if len(slabs) == 1:
        return wide[slabs[0]].copy(order="K")
    top = xp.empty_like(wide[slabs[0]])
    xp.maximum(wide[slabs[0]], wide[slabs[1]], out=top)
    for index in slabs[2:]:
        xp.maximum(top, wide[index], out=top)
    return top


def tiles(shape: Any, kernel: Pair, stride: Pair, padding: Margins, dilation: Pair) -> bool:
    """Does every element stand in exactly one window?"""
    plain = stride == kernel and dilation == ONE and not any(map(any, padding))
    return plain and not any(n % k for n, k in zip(shape[-2:], kernel, strict=True))


def _winners(
    xp: Any, x: Any, top: Any, kernel: Pair, stride: Pair, padding: Margins, dilation: Pair
) -> Iterator[tuple[Any, Any]]:
    """For every slab: its index, and which elements are the first largest of their window."""
    wide = _padded(xp, x, padding, _lowest(x.dtype))
    free = xp.full_like(top, True, dtype=bool)
    for _, index in _slabs(kernel, stride, dilation, top.shape[-2:]):
        wins = (wide[index] == top) & free
        free ^= wins
        yield index, wins


def _spread_spec(dy: Spec, x: Spec, top: Spec, **attrs: Any) -> Spec:
    return Spec(x.shape, dy.dtype)


@primitive(kind="index", infer=_spread_spec, text="max_pool2d_spread({dy}, {x}, {top})")
def max_pool2d_spread(
    xp: Any,
    dy: Any,
    x: Any,
    top: Any,
    *,
    kernel: Pair,
    stride: Pair,
    padding: Margins,
    dilation: Pair,
) -> Any:
    """`dy` at the place of the (first) largest element of each window, else 0: the gradient.

    >>> import dlgraph as dg
    >>> x = dg.Tensor([[1.0, 3.0, 2.0, 0.0]], requires_grad=True)
    >>> dg.max_pool2d(x, (1, 2)).sum().backward()
    >>> print(x.grad)
    [[0. 1. 1. 0.]]
    """
    places = _winners(xp, x, top, kernel, stride, padding, dilation)
    if tiles(x.shape, kernel, stride, padding, dilation):
        if dy.strides != top.strides:
            dy, given = xp.empty_like(top, dtype=dy.dtype), dy
            dy[...] = given
        result = xp.empty_like(x, dtype=dy.dtype)
        for index, wins in places:
            xp.multiply(dy, wins, out=result[index])
        return result
    result = _padded(xp, xp.zeros_like(x, dtype=dy.dtype), padding, 0)
    for index, wins in places:
        result[index] += dy * wins
    return _inside(result, padding)


def _pick_spec(values: Spec, x: Spec, top: Spec, **attrs: Any) -> Spec:
    return Spec(top.shape, values.dtype)


@primitive(kind="index", infer=_pick_spec, text="max_pool2d_pick({values}, {x}, {top})")
def max_pool2d_pick(
    xp: Any,
    values: Any,
    x: Any,
    top: Any,
    *,
    kernel: Pair,
    stride: Pair,
    padding: Margins,
    dilation: Pair,
) -> Any:
    """What `values` have at the place of the (first) largest element of each window of `x`.

    >>> import dlgraph as dg
    >>> x, v = dg.Tensor([[1.0, 3.0]]), dg.Tensor([[10.0, 20.0]])
    >>> facts = dict(kernel=(1, 2), stride=(1, 2), padding=((0, 0), (0, 0)), dilation=(1, 1))
    >>> print(dg.max_pool2d_pick(v, x, dg.Tensor([[3.0]]), **facts))
    [[20.]]
    """
    wide = _padded(xp, values, padding, 0)
    result = xp.zeros_like(top, dtype=values.dtype)
    for index, wins in _winners(xp, x, top, kernel, stride, padding, dilation):
        result += wide[index] * wins
    return result


def _facts(kernel: Any, stride: Any, padding: Any, dilation: Any) -> dict[str, Any]:
    return {"kernel": kernel, "stride": stride, "padding": padding, "dilation": dilation}


_max_pool2d.vjp(
    x=lambda g, x, y, kernel, stride, padding, dilation: max_pool2d_spread(
        g, x, y, **_facts(kernel, stride, padding, dilation)
    )
)
max_pool2d_spread.vjp(
    dy=lambda g, x, top, kernel, stride, padding, dilation: max_pool2d_pick(
        g, x, top, **_facts(kernel, stride, padding, dilation)
    )
)
max_pool2d_pick.vjp(
    values=lambda g, x, top, kernel, stride, padding, dilation: max_pool2d_spread(
        g, x, top, **_facts(kernel, stride, padding, dilation)
    )
)


# ---- the mean ------------------------------------------------------------------------------------


def _share(
    xp: Any, size: tuple, out: tuple, kernel: Pair, stride: Pair, padding: Margins, counted: Margins
) -> Any:
    """By what the sum of every window is divided: how many of its elements count."""
    along = []
    for n, windows, k, s, around, extra in zip(
        size, out, kernel, stride, padding, counted, strict=True
    ):
        start = xp.arange(windows) * s - around[0]
        along.append(xp.minimum(start + k, n + extra[1]) - xp.maximum(start, -extra[0]))
    return along[0][:, None] * along[1]


@primitive(name="avg_pool2d", kind="reduce", infer=_pool_spec, floating=True, onnx="AveragePool")
def _avg_pool2d(
    xp: Any,
    x: Any,
    *,
    kernel: Pair,
    stride: Pair,
    padding: Margins,
    counted: Margins,
    divisor: int | None,
) -> Any:
    """The mean of every window."""
    wide = _padded(xp, x, padding, 0)
    out = _sizes(x.shape, kernel, stride, padding)
    slabs = [index for _, index in _slabs(kernel, stride, ONE, out)]
    total = wide[slabs[0]].copy(order="K")
    for index in slabs[1:]:
        total += wide[index]
    share = divisor or _share(xp, x.shape[-2:], out, kernel, stride, padding, counted)
    return total / xp.asarray(share, x.dtype)


def _avg_spread_spec(dy: Spec, like: Spec, **attrs: Any) -> Spec:
    return Spec(like.shape, dy.dtype)


@primitive(
    kind="index",
    infer=_avg_spread_spec,
    floating=True,
    shape_only=("like",),
    text="avg_pool2d_spread({dy})",
)
def avg_pool2d_spread(
    xp: Any,
    dy: Any,
    like: Any,
    *,
    kernel: Pair,
    stride: Pair,
    padding: Margins,
    counted: Margins,
    divisor: int | None,
) -> Any:
    """`dy` shared among the elements of each window: the gradient of the mean.

    >>> import dlgraph as dg
    >>> x = dg.Tensor([[1.0, 3.0, 2.0, 0.0]], requires_grad=True)
    >>> dg.avg_pool2d(x, (1, 2)).sum().backward()
    >>> print(x.grad)
    [[0.5 0.5 0.5 0.5]]
    """
    out = dy.shape[-2:]
    share = divisor or _share(xp, like.shape[-2:], out, kernel, stride, padding, counted)
    each = dy / xp.asarray(share, dy.dtype)
    result = _padded(xp, xp.zeros(like.shape, dy.dtype), padding, 0)
    for _, index in _slabs(kernel, stride, ONE, out):
        result[index] += each
    return _inside(result, padding)


def _mean_facts(kernel: Any, stride: Any, padding: Any, counted: Any, divisor: Any) -> dict:
    return {
        "kernel": kernel,
        "stride": stride,
        "padding": padding,
        "counted": counted,
        "divisor": divisor,
    }


_avg_pool2d.vjp(
    x=lambda g, x, kernel, stride, padding, counted, divisor: avg_pool2d_spread(
        g, x, **_mean_facts(kernel, stride, padding, counted, divisor)
    )
)
avg_pool2d_spread.vjp(
    dy=lambda g, kernel, stride, padding, counted, divisor: _avg_pool2d(
        g, **_mean_facts(kernel, stride, padding, counted, divisor)
    )
)
