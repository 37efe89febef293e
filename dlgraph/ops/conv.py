r"""Convolution (as networks use the word: without turning the filter round) and its transpose.

Every window of the input becomes a column (im2col), and matrix products with the filters do the
rest; `conv_columns.py` says how the columns lie.  Results lie channel by channel in memory, the
images of the batch side by side, and stay in that layout until someone asks for another.

A convolution is linear in both operands, so three operations are closed under differentiation:
`conv2d`, what it sends back to its input (`conv2d_input`), and to its filters
(`conv2d_filters`).  `conv_transpose2d` is `conv2d_input` with a size of its own.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from dlgraph.core.primitive import primitive
from dlgraph.core.spec import Dim, Spec, common_dtype, show_shape
from dlgraph.errors import ShapeError
from dlgraph.ops.conv_columns import Columns, Pair, columns_of


def window_span(kernel: int, dilation: int) -> int:
    """How many places a filter of this size covers when it is spread."""
    return dilation * (kernel - 1) + 1


def windows_along(size: Any, kernel: int, stride: int, around: Pair, dilation: int = 1) -> Any:
    """How many windows fit along an axis: the size of the output there."""
    if isinstance(kernel, Dim):
        return Dim()
    if isinstance(size, Dim):
        same = stride == 1 and sum(around) == window_span(kernel, dilation) - 1
        return size if same else Dim()
    room = size + sum(around) - window_span(kernel, dilation)
    if room < 0:
        raise ShapeError(
            f"a filter that covers {window_span(kernel, dilation)} places does not fit into "
            f"{size} with padding {around}",
            where=None,
            hint="use a smaller filter, or padding",
        )
    return room // stride + 1


def _check(x: Spec, w: Spec, groups: int) -> None:
    if x.ndim != 4 or w.ndim != 4:
        raise ShapeError(
            f"the input {show_shape(x.shape)} and the filters {show_shape(w.shape)} need 4 axes",
            where=None,
            hint="input (batch, channels, height, width), filters (out, in, height, width)",
        )
    if groups < 1 or (not isinstance(w.shape[0], Dim) and w.shape[0] % groups):
        raise ShapeError(f"{w.shape[0]} filters in {groups} groups", where=None)


def _times(size: Any, groups: int) -> Any:
    return size * groups if isinstance(size, int) else size if groups == 1 else Dim()


def _conv_spec(
    x: Spec, w: Spec, stride: Pair, padding: tuple[Pair, Pair], dilation: Pair, groups: int
) -> Spec:
    _check(x, w, groups)
    channels, taken = x.shape[1], _times(w.shape[1], groups)
    if isinstance(channels, int) and isinstance(taken, int) and channels != taken:
        raise ShapeError(
            f"the input {show_shape(x.shape)} has {channels} channels, the filters "
            f"{show_shape(w.shape)}" + f" in {groups} groups" * (groups > 1) + " take "
            f"{taken}",
            where=None,
            hint="filters are (out, in / groups, height, width)",
        )
    out = (
        windows_along(*facts)
        for facts in zip(x.shape[2:], w.shape[2:], stride, padding, dilation, strict=True)
    )
    return Spec((x.shape[0], w.shape[0], *out), common_dtype((x.dtype, w.dtype)))


def _slabs(kernel: Any, stride: Pair, dilation: Pair, out: Any) -> Any:
    """For every place of the filter: the place, and the index of what all windows have there."""
    for i in range(kernel[0]):
        for j in range(kernel[1]):
            top, left = i * dilation[0], j * dilation[1]
            rows = slice(top, top + stride[0] * (out[0] - 1) + 1, stride[0])
            yield (i, j), (..., rows, slice(left, left + stride[1] * (out[1] - 1) + 1, stride[1]))


def _padded(xp: Any, form: Columns, x: Any) -> Any:
    """The input in the order of its columns, with its margin of zeros."""
    x = x.transpose(form.order)
    if x.shape == form.wide:
        return xp.ascontiguousarray(x)
    wide = xp.zeros(form.wide, x.dtype)
    wide[form.inside] = x
    return wide


def _operands(xp: Any, form: Columns, x: Any) -> Any:
    """The windows of the input as right sides of products."""
    split = form.split(_padded(xp, form, x))
    columns = xp.empty(form.shape, x.dtype)
    for part, source in form.pairs:
        columns[part] = split[source]
    return form.operands(columns)


def _results(xp: Any, form: Columns, y: Any) -> Any:
    """(batch, channels, height, width) as sides of products."""
    return form.results(xp.ascontiguousarray(y.transpose(form.order)))


def _filters(form: Columns, w: Any) -> Any:
    return form.places(w).reshape(form.groups, 1, form.filters, form.products[2])


@primitive(
    name="conv2d",
    kind="contract",
    infer=_conv_spec,
    promotes=(0, 1),
    text="conv2d({x}, {w})",
    tex=r"{x} * {w}",
    onnx="Conv",
)
def _conv2d(
    xp: Any,
    x: Any,
    w: Any,
    *,
    stride: Pair,
    padding: tuple[Pair, Pair],
    dilation: Pair,
    groups: int,
) -> Any:
    """Every filter at every place of the input."""
    facts = stride, padding, dilation, groups
    shape = _conv_spec(_spec(x), _spec(w), *facts).shape
    form = columns_of(x.shape, w.shape, shape, *facts, xp is np)
    operands = _operands(xp, form, x)
    y = xp.empty([shape[axis] for axis in form.order], x.dtype)
    xp.matmul(_filters(form, w), operands, out=form.results(y))
    return y.transpose(form.back)


def _spec(x: Any) -> Spec:
    return Spec(x.shape, x.dtype)


def _like_spec(a: Spec, b: Spec, like: Spec, **attrs: Any) -> Spec:
    return Spec(like.shape, common_dtype((a.dtype, b.dtype)))


@primitive(kind="contract", infer=_like_spec, shape_only=("like",), text="conv_input({dy}, {w})")
def conv2d_input(
    xp: Any,
    dy: Any,
    w: Any,
    like: Any,
    *,
    stride: Pair,
    padding: tuple[Pair, Pair],
    dilation: Pair,
    groups: int,
) -> Any:
    """The gradient of a convolution with respect to its input, which has the shape of `like`.

    >>> import dlgraph as dg
    >>> x = dg.Tensor([[[[1.0, 2.0, 3.0]]]], requires_grad=True)
    >>> dg.conv2d(x, dg.Tensor([[[[5.0, 7.0]]]])).sum().backward()
    >>> print(x.grad)
    [[[[ 5. 12. 7.]]]]
    """
    return _spread(xp, dy, w, like.shape, stride, padding, dilation, groups)


def _spread(
    xp: Any,
    dy: Any,
    w: Any,
    shape: Any,
    stride: Pair,
    padding: tuple[Pair, Pair],
    dilation: Pair,
    groups: int,
) -> Any:
    """Every element of `dy` times the filter, added where the filter stood."""
    form = columns_of(shape, w.shape, dy.shape, stride, padding, dilation, groups, xp is np)
    pieces = xp.matmul(_filters(form, w).swapaxes(2, 3), _results(xp, form, dy))
    columns = xp.zeros(form.shape, dy.dtype) if form.by_row else pieces.reshape(form.shape)
    if form.by_row:
        for rows, piece in form.sums(pieces, columns):
            rows += piece
    wide = xp.zeros(form.wide, dy.dtype)
    split = form.split(wide)
    for part, source in form.pairs:
        split[source] += columns[part]
    return wide[form.inside].transpose(form.back)


@primitive(kind="contract", infer=_like_spec, shape_only=("like",), text="conv_filters({x}, {dy})")
def conv2d_filters(
    xp: Any,
    x: Any,
    dy: Any,
    like: Any,
    *,
    stride: Pair,
    padding: tuple[Pair, Pair],
    dilation: Pair,
    groups: int,
) -> Any:
    """The gradient of a convolution with respect to its filters, which have the shape of `like`.

    >>> import dlgraph as dg
    >>> w = dg.Tensor([[[[5.0, 7.0]]]], requires_grad=True)
    >>> dg.conv2d(dg.Tensor([[[[1.0, 2.0, 3.0]]]]), w).sum().backward()
    >>> print(w.grad)
    [[[[3. 5.]]]]
    """
    facts = stride, padding, dilation, groups
    form = columns_of(x.shape, like.shape, dy.shape, *facts, xp is np)
    operands = _operands(xp, form, x)
    products = xp.matmul(_results(xp, form, dy), operands.swapaxes(2, 3))
    total = products.sum(axis=1, dtype=products.dtype)
    return xp.ascontiguousarray(form.in_order(total)).reshape(like.shape)


def _facts(stride: Any, padding: Any, dilation: Any, groups: int) -> dict[str, Any]:
    return {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}


_conv2d.vjp(
    x=lambda g, x, w, stride, padding, dilation, groups: conv2d_input(
        g, w, x, **_facts(stride, padding, dilation, groups)
    ),
    w=lambda g, x, w, stride, padding, dilation, groups: conv2d_filters(
        x, g, w, **_facts(stride, padding, dilation, groups)
    ),
)
conv2d_input.vjp(
    dy=lambda g, w, stride, padding, dilation, groups: _conv2d(
        g, w, **_facts(stride, padding, dilation, groups)
    ),
    w=lambda g, dy, w, stride, padding, dilation, groups: conv2d_filters(
        g, dy, w, **_facts(stride, padding, dilation, groups)
    ),
)
conv2d_filters.vjp(
    x=lambda g, x, dy, stride, padding, dilation, groups: conv2d_input(
        dy, g, x, **_facts(stride, padding, dilation, groups)
    ),
    dy=lambda g, x, stride, padding, dilation, groups: _conv2d(
        x, g, **_facts(stride, padding, dilation, groups)
    ),
)

# ---- the transpose -------------------------------------------------------------------------------


def _transposed_size(size: Any, facts: tuple) -> Any:
    kernel, stride, around, dilation = facts
    if isinstance(size, Dim) or isinstance(kernel, Dim):
        return Dim()
    found = (size - 1) * stride + window_span(kernel, dilation) - sum(around)
    if size and found < 0:
        raise ShapeError(f"a padding of {around} leaves nothing of the output", where=None)
    return found


def _transpose_spec(
    x: Spec,
    w: Spec,
    stride: Pair,
    padding: tuple[Pair, Pair],
    dilation: Pair,
    groups: int,
) -> Spec:
    _check(x, w, groups)
    channels = x.shape[1]
    if isinstance(channels, int) and isinstance(w.shape[0], int) and channels != w.shape[0]:
        raise ShapeError(
            f"the input {show_shape(x.shape)} has {channels} channels, the filters "
            f"{show_shape(w.shape)} take {w.shape[0]}",
            where=None,
            hint="filters of a transposed convolution are (in, out / groups, height, width)",
        )
    facts = zip(w.shape[2:], stride, padding, dilation, strict=True)
    out = (_transposed_size(*pair) for pair in zip(x.shape[2:], facts, strict=True))
    return Spec((x.shape[0], _times(w.shape[1], groups), *out), common_dtype((x.dtype, w.dtype)))


@primitive(
    name="conv_transpose2d",
    kind="contract",
    infer=_transpose_spec,
    promotes=(0, 1),
    text="conv_transpose2d({x}, {w})",
    tex=r"{x} *^\top {w}",
    onnx="ConvTranspose",
)
def _conv_transpose2d(
    xp: Any,
    x: Any,
    w: Any,
    *,
    stride: Pair,
    padding: tuple[Pair, Pair],
    dilation: Pair,
    groups: int,
) -> Any:
    """Every element of the input times the filters, added where they stand."""
    facts = _facts(stride, padding, dilation, groups)
    shape = _transpose_spec(_spec(x), _spec(w), **facts).shape
    return _spread(xp, x, w, shape, stride, padding, dilation, groups)


_conv_transpose2d.vjp(
    x=lambda g, w, stride, padding, dilation, groups: _conv2d(
        g, w, **_facts(stride, padding, dilation, groups)
    ),
    w=lambda g, x, w, stride, padding, dilation, groups: conv2d_filters(
        g, x, w, **_facts(stride, padding, dilation, groups)
    ),
)
