"""Pooling as one calls it: windows of a size, or as many windows as the output shall have.

The operations underneath are in `pool.py`.
"""

from __future__ import annotations

import builtins
from typing import Any

import numpy as np

from dlgraph.core.eager import from_list
from dlgraph.core.primitive import composite
from dlgraph.core.spec import Dim, show_shape
from dlgraph.errors import OperationError, ShapeError
from dlgraph.ops.arrange import positions
from dlgraph.ops.conv import window_span
from dlgraph.ops.convolution import numbers
from dlgraph.ops.copies import astype
from dlgraph.ops.index import getitem
from dlgraph.ops.pool import Margins, _avg_pool2d, _facts, _max_pool2d, max_pool2d_pick
from dlgraph.ops.reduce import argmax, broadcast_like, max
from dlgraph.ops.shape import expand_dims, reshape, size_along, squeeze

# ---- what one calls ------------------------------------------------------------------------------


def _plan(
    name: str, x: Any, kernel: Any, stride: Any, padding: Any, dilation: Any, ceil: bool
) -> tuple[dict[str, Any], Margins]:
    """The facts of a pooling, and the margins that were asked for (`ceil` adds to them)."""
    sizes = numbers(f"{name}: the window", kernel, 2)
    steps = sizes if stride is None or stride == () else numbers(f"{name}: stride", stride, 2)
    around = numbers(f"{name}: padding", padding, 2, 0)
    spread = numbers(f"{name}: dilation", dilation, 2)
    if any(2 * width > size for width, size in zip(around, sizes, strict=True)):
        raise OperationError(
            f"{name}: a padding of {around} for windows of {sizes}",
            hint="at most half of the window, else a window could hold nothing but padding",
        )
    asked = tuple((width, width) for width in around)
    used = asked
    if ceil:
        facts = zip(x.shape[-2:], sizes, steps, around, spread, strict=True)
        used = tuple((one[3], one[3] + _overhang(*one)) for one in facts)
    return _facts(sizes, steps, used, spread), asked  # type: ignore[return-value]


def _overhang(size: Any, kernel: int, stride: int, width: int, dilation: int) -> int:
    """How far the last window reaches over the margin if sizes are rounded up."""
    if isinstance(size, Dim):
        raise OperationError("ceil=True needs a size that is known before the run")
    room = size + 2 * width - window_span(kernel, dilation)
    steps = -(-room // stride)
    if steps * stride >= size + width:  # it would start behind the last element
        steps -= 1
    return builtins.max(0, steps * stride - room)


@composite
def max_pool2d(
    x: Any,
    window: Any,
    *,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil: bool = False,
) -> Any:
    """The largest element of every window, over the last two axes.

    The stride is the size of the window unless said otherwise; padding counts as minus infinity;
    with `ceil` a last window may reach over the edge.  Among equals the first gets the gradient.

    >>> import dlgraph as dg
    >>> print(dg.max_pool2d(dg.Tensor([[1.0, 2.0], [3.0, 4.0]]), 2))
    [[4.]]
    """
    x = from_list(x)
    return _max_pool2d(x, **_plan("max_pool2d", x, window, stride, padding, dilation, ceil)[0])


@composite
def max_pool2d_indices(
    x: Any,
    window: Any,
    *,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil: bool = False,
) -> Any:
    """Where `max_pool2d` found each element: its number when the last two axes are one row.

    >>> import dlgraph as dg
    >>> print(dg.max_pool2d_indices(dg.Tensor([[1.0, 2.0], [4.0, 3.0]]), 2))
    [[2]]
    """
    facts, _ = _plan("max_pool2d", x, window, stride, padding, dilation, ceil)
    rows = positions(x, axis=-2) * size_along(x, axis=-1)
    place = broadcast_like(expand_dims(rows, axis=1) + positions(x, axis=-1), x)
    return max_pool2d_pick(place, x, _max_pool2d(x, **facts), **facts)


@composite
def avg_pool2d(
    x: Any,
    window: Any,
    *,
    stride: Any = None,
    padding: Any = 0,
    ceil: bool = False,
    count_padding: bool = True,
    divisor: int | None = None,
) -> Any:
    """The mean of every window, over the last two axes.

    The stride is the size of the window unless said otherwise; padding counts as zeros, or not at
    all with `count_padding=False`; `divisor` replaces the number of elements.

    >>> import dlgraph as dg
    >>> print(dg.avg_pool2d(dg.Tensor([[1.0, 2.0], [3.0, 4.0]]), 2))
    [[2.5]]
    """
    x = from_list(x)
    facts, asked = _plan("avg_pool2d", x, window, stride, padding, 1, ceil)
    del facts["dilation"]
    counted = asked if count_padding else ((0, 0), (0, 0))
    return _avg_pool2d(x, **facts, counted=counted, divisor=divisor)


def _as_image(pool: Any, x: Any, window: Any, stride: Any, padding: Any, **facts: Any) -> Any:
    size = numbers("window", window, 1)[0]
    step = size if stride is None or stride == () else numbers("stride", stride, 1)[0]
    width = numbers("padding", padding, 1, 0)[0]
    if "dilation" in facts:
        facts["dilation"] = (1, *numbers("dilation", facts["dilation"], 1))
    y = pool(expand_dims(x, axis=-2), (1, size), stride=(1, step), padding=(0, width), **facts)
    return squeeze(y, axis=-2)


@composite
def max_pool1d(
    x: Any,
    window: Any,
    *,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil: bool = False,
) -> Any:
    """The largest element of every window along the last axis.

    >>> import dlgraph as dg
    >>> print(dg.max_pool1d(dg.Tensor([[1.0, 3.0, 2.0, 0.0]]), 2))
    [[3. 2.]]
    """
    return _as_image(max_pool2d, x, window, stride, padding, dilation=dilation, ceil=ceil)


@composite
def max_pool1d_indices(
    x: Any,
    window: Any,
    *,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil: bool = False,
) -> Any:
    """Where `max_pool1d` found each element.

    >>> import dlgraph as dg
    >>> print(dg.max_pool1d_indices(dg.Tensor([[1.0, 3.0, 2.0, 0.0]]), 2))
    [[1 2]]
    """
    return _as_image(max_pool2d_indices, x, window, stride, padding, dilation=dilation, ceil=ceil)


@composite
def avg_pool1d(
    x: Any,
    window: Any,
    *,
    stride: Any = None,
    padding: Any = 0,
    ceil: bool = False,
    count_padding: bool = True,
) -> Any:
    """The mean of every window along the last axis.

    >>> import dlgraph as dg
    >>> print(dg.avg_pool1d(dg.Tensor([[1.0, 3.0, 2.0, 0.0]]), 2))
    [[2. 1.]]
    """
    return _as_image(avg_pool2d, x, window, stride, padding, ceil=ceil, count_padding=count_padding)


# ---- windows that fit the output -----------------------------------------------------------------


def _parts(name: str, x: Any, axis: int, out: int | None) -> list[tuple[int, int]]:
    """Start and end of the `out` windows along an axis; neighbours may share an element."""
    if x.ndim < 2:
        raise ShapeError(f"{name} of {show_shape(x.shape)}: the last two axes are an image's")
    size = x.shape[axis]
    if isinstance(size, Dim):
        raise ShapeError(f"{name}: the last axes must be of a size known before the run")
    count = size if out is None else int(out)
    return [(i * size // count, -(-(i + 1) * size // count)) for i in range(count)]


def _targets(out: Any, count: int) -> tuple:
    return tuple(out) if isinstance(out, (tuple, list)) else (out,) * count


@composite
def adaptive_avg_pool2d(x: Any, out: Any) -> Any:
    """Means of as many windows as the output shall have: `out` is (rows, columns), or one number.

    Along an axis of size n, window i covers floor(i n / out) to ceil((i + 1) n / out).

    >>> import dlgraph as dg
    >>> print(dg.adaptive_avg_pool2d(dg.Tensor([[1.0, 2.0, 3.0]]), (1, 2)))
    [[1.5 2.5]]
    """
    x = from_list(x)
    rows, columns = _targets(out, 2)
    left = _averages(_parts("adaptive_avg_pool2d", x, -2, rows), x.shape[-2])
    right = _averages(_parts("adaptive_avg_pool2d", x, -1, columns), x.shape[-1])
    x = x if x.dtype.kind == "f" else astype(x, "float32")
    return left.astype(x.dtype) @ x @ right.T.astype(x.dtype)


def _averages(parts: list[tuple[int, int]], size: int) -> Any:
    """The matrix that takes a column to the means of its parts."""
    matrix = np.zeros((len(parts), size))
    for i, (start, stop) in enumerate(parts):
        matrix[i, start:stop] = 1 / (stop - start)
    return matrix


@composite
def adaptive_avg_pool1d(x: Any, out: Any) -> Any:
    """Means of as many windows along the last axis as the output shall have.

    >>> import dlgraph as dg
    >>> print(dg.adaptive_avg_pool1d(dg.Tensor([[1.0, 2.0, 3.0]]), 2))
    [[1.5 2.5]]
    """
    (size,) = _targets(out, 1)
    return squeeze(adaptive_avg_pool2d(expand_dims(x, axis=-2), (1, size)), axis=-2)


@composite
def adaptive_max_pool2d(x: Any, out: Any) -> Any:
    """The largest element of as many windows as the output shall have; see `adaptive_avg_pool2d`.

    >>> import dlgraph as dg
    >>> print(dg.adaptive_max_pool2d(dg.Tensor([[1.0, 2.0, 3.0]]), (1, 2)))
    [[2. 3.]]
    """
    x = from_list(x)
    down, along = _windows(x, out)
    return max(getitem(x, (..., down, along)), axis=(-2, -1))


@composite
def adaptive_max_pool2d_indices(x: Any, out: Any) -> Any:
    """Where `adaptive_max_pool2d` found each element: its number with the last axes as one.

    >>> import dlgraph as dg
    >>> print(dg.adaptive_max_pool2d_indices(dg.Tensor([[1.0, 2.0, 3.0]]), (1, 2)))
    [[1 2]]
    """
    x = from_list(x)
    down, along = _windows(x, out)
    found = getitem(x, (..., down, along))
    best = argmax(reshape(found, (*found.shape[:-2], -1)), axis=-1)
    place = down * x.shape[-1] + along
    rows, columns, *_ = place.shape
    place = place.reshape(rows, columns, -1)
    return getitem(place, (np.arange(rows)[:, None], np.arange(columns), best))


def _windows(x: Any, out: Any) -> tuple[Any, Any]:
    """The rows and columns of every window: (rows, 1, height, 1) and (columns, 1, width)."""
    rows, columns = _targets(out, 2)
    down = _places(_parts("adaptive_max_pool2d", x, -2, rows))
    along = _places(_parts("adaptive_max_pool2d", x, -1, columns))
    return down[:, None, :, None], along[:, None, :]


def _places(parts: list[tuple[int, int]]) -> Any:
    """The indices of every window, the last one again where a window is shorter than others."""
    width = builtins.max([stop - start for start, stop in parts], default=0)
    ends = np.array([stop - 1 for _, stop in parts], dtype=np.int64).reshape(-1, 1)
    starts = np.array([start for start, _ in parts], dtype=np.int64).reshape(-1, 1)
    return np.minimum(starts + np.arange(width), ends)


@composite
def adaptive_max_pool1d(x: Any, out: Any) -> Any:
    """The largest element of as many windows along the last axis as the output shall have.

    >>> import dlgraph as dg
    >>> print(dg.adaptive_max_pool1d(dg.Tensor([[1.0, 2.0, 3.0]]), 2))
    [[2. 3.]]
    """
    (size,) = _targets(out, 1)
    return squeeze(adaptive_max_pool2d(expand_dims(x, axis=-2), (1, size)), axis=-2)
