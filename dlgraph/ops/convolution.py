"""Convolution as one calls it: with numbers or pairs, a bias, padding by name, rows or images.

The operations underneath, and how they are computed, are in `conv.py`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from dlgraph.core.eager import from_list
from dlgraph.core.primitive import composite
from dlgraph.core.spec import Dim
from dlgraph.errors import OperationError
from dlgraph.ops.conv import Pair, _conv2d, _conv_transpose2d, window_span
from dlgraph.ops.padding import pad
from dlgraph.ops.shape import expand_dims, reshape, squeeze


def numbers(name: str, value: Any, count: int, least: int = 1) -> tuple[int, ...]:
    """One number for all axes, or one per axis; each at least `least`."""
    found = tuple(value) if isinstance(value, (tuple, list)) else (value,)
    if len(found) == 1:
        found *= count
    whole = all(isinstance(v, (int, np.integer)) for v in found)
    if len(found) != count or not whole or min(found) < least:
        also = f", or {count} of them" if count > 1 else ""
        raise OperationError(
            f"{name} is {value!r}", hint=f"one whole number of at least {least}{also}"
        )
    return tuple(int(v) for v in found)


def margins(padding: Any, kernel: Any, stride: tuple, dilation: tuple) -> tuple[Pair, ...]:
    """Padding as a pair (before, after) per axis; "same" keeps the size, "valid" adds nothing."""
    if padding == "same":
        if any(step != 1 for step in stride):
            raise OperationError('padding="same" is defined for a stride of 1')
        if any(isinstance(size, Dim) for size in kernel):
            raise OperationError('padding="same" needs filters of known size')
        spans = [window_span(k, d) - 1 for k, d in zip(kernel, dilation, strict=True)]
        return tuple((span // 2, span - span // 2) for span in spans)
    if isinstance(padding, (tuple, list)) and padding and isinstance(padding[0], (tuple, list)):
        return tuple(numbers("a pair of the padding", pair, 2, 0) for pair in padding)  # type: ignore
    if isinstance(padding, str) and padding != "valid":
        raise OperationError(f"unknown padding {padding!r}", hint='numbers, "same" or "valid"')
    each = numbers("padding", 0 if padding == "valid" else padding, len(stride), 0)
    return tuple((width, width) for width in each)


def _convolved(
    x: Any, w: Any, bias: Any, stride: Any, padding: Any, dilation: Any, groups: int
) -> Any:
    axes = w.ndim - 2
    step, spread = numbers("stride", stride, axes), numbers("dilation", dilation, axes)
    around = margins(padding, w.shape[2:], step, spread)
    return _on_images(_conv2d, x, w, bias, step, around, spread, groups=groups)


def _on_images(
    op: Any, x: Any, w: Any, bias: Any, stride: Any, padding: Any, dilation: Any, **facts: Any
) -> Any:
    """Rows are images of height 1, a single image is a batch of one; then the bias."""
    rows, alone = w.ndim == 3, x.ndim == w.ndim - 1
    if alone:
        x = expand_dims(x, axis=0)
    if rows:
        x, w = expand_dims(x, axis=2), expand_dims(w, axis=2)
        stride, padding, dilation = (1, *stride), ((0, 0), *padding), (1, *dilation)
    y = op(x, w, stride=stride, padding=padding, dilation=dilation, **facts)
    y = squeeze(y, axis=2) if rows else y
    if bias is not None:
        y = y + reshape(bias, (1, -1) + (1,) * (y.ndim - 2))
    return squeeze(y, axis=0) if alone else y


@composite
def conv2d(
    x: Any,
    w: Any,
    bias: Any = None,
    *,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Any:
    r"""Two-dimensional convolution, in the orientation of networks (cross-correlation).

    $y_{noij} = b_o + \sum_{cuv} w_{ocuv}\, x_{n,\,c,\,s i + d u - p,\,s j + d v - p}$ with stride
    s, dilation d and padding p; x (n, c, h, w) or (c, h, w), w (o, c / groups, kh, kw), bias (o).
    The output has $\lfloor (h + 2 p - d (k_h - 1) - 1) / s \rfloor + 1$ rows.  `padding` is a
    number, one per axis, a pair (before, after) per axis, "same" or "valid".

    >>> import dlgraph as dg
    >>> x = dg.Tensor([[[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]]])
    >>> print(dg.conv2d(x, dg.Tensor([[[[1.0, 0.0], [0.0, 10.0]]]])))
    [[[[51. 62.]]]]
    """
    x, w = from_list(x), from_list(w)
    return _convolved(x, w, bias, stride, padding, dilation, groups)


@composite
def conv1d(
    x: Any,
    w: Any,
    bias: Any = None,
    *,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Any:
    """One-dimensional convolution: x (n, c, length) or (c, length), w (o, c / groups, k), bias (o).

    >>> import dlgraph as dg
    >>> x = dg.Tensor([[[1.0, 2.0, 3.0]]])
    >>> print(dg.conv1d(x, dg.Tensor([[[1.0, -1.0]]])))
    [[[-1. -1.]]]
    """
    x, w = from_list(x), from_list(w)
    return _convolved(x, w, bias, stride, padding, dilation, groups)


def _transposed(
    x: Any,
    w: Any,
    bias: Any,
    stride: Any,
    padding: Any,
    output_padding: Any,
    groups: int,
    dilation: Any,
) -> Any:
    axes = w.ndim - 2
    step, spread = numbers("stride", stride, axes), numbers("dilation", dilation, axes)
    around = margins(padding, w.shape[2:], step, spread)
    extra = numbers("output_padding", output_padding, axes, 0)
    if any(e >= max(s, d) for e, s, d in zip(extra, step, spread, strict=True)):
        raise OperationError(
            f"output_padding={output_padding} with a stride of {stride}",
            hint="it chooses among the sizes that the stride rounds off, so it is smaller",
        )
    # The output reaches further at its end: less is cut off there, or zeros follow.
    around = tuple((b, a - e) for (b, a), e in zip(around, extra, strict=True))
    zeros = tuple((0, max(0, -after)) for _, after in around)
    around = tuple((before, max(0, after)) for before, after in around)

    def op(x: Any, w: Any, **facts: Any) -> Any:
        y = _conv_transpose2d(x, w, **facts)
        return pad(y, ((0, 0),) * (4 - axes) + zeros)

    return _on_images(op, x, w, bias, step, around, spread, groups=groups)


@composite
def conv_transpose2d(
    x: Any,
    w: Any,
    bias: Any = None,
    *,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    groups: int = 1,
    dilation: Any = 1,
) -> Any:
    """Transposed convolution: what `conv2d` does to gradients, used to enlarge images.

    x (n, c, h, w), filters w (c, o / groups, kh, kw): the shape they have in the convolution
    whose transpose this is.  The output has (h - 1) stride - 2 padding + dilation (kh - 1) + 1 +
    output_padding rows; `output_padding` chooses among the sizes that a stride rounds off.

    >>> import dlgraph as dg
    >>> x = dg.Tensor([[[[1.0, 2.0]]]])
    >>> print(dg.conv_transpose2d(x, dg.Tensor([[[[1.0, 10.0]]]]), stride=(1, 2)))
    [[[[ 1. 10. 2. 20.]]]]
    """
    x, w = from_list(x), from_list(w)
    return _transposed(x, w, bias, stride, padding, output_padding, groups, dilation)


@composite
def conv_transpose1d(
    x: Any,
    w: Any,
    bias: Any = None,
    *,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    groups: int = 1,
    dilation: Any = 1,
) -> Any:
    """Transposed convolution of rows: x (n, c, length), w (c, o / groups, k).

    >>> import dlgraph as dg
    >>> x = dg.Tensor([[[1.0, 2.0]]])
    >>> print(dg.conv_transpose1d(x, dg.Tensor([[[1.0, 10.0]]])))
    [[[ 1. 12. 20.]]]
    """
    x, w = from_list(x), from_list(w)
    return _transposed(x, w, bias, stride, padding, output_padding, groups, dilation)
