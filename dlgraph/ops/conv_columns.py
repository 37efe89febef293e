"""How a convolution becomes matrix products: windows as columns (im2col), images side by side.

A row of all images lies in one piece of memory.  In it the batch is the last axis, so that what a
place of the filter meets lies in runs over all images; with few images they follow one another.

There are two forms.  In a product for each row of windows only the columns of the filter are laid
out: what a window has in its rows already stands one below the other, so that the operands of
neighbouring rows overlap in memory and share it.  If that saves less than many products cost, there
is one product of everything, from a copy for each place of the filter.

`conv.py` computes with these arrays, and a plan writes into them (`executors/windows.py`).
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

Pair = tuple[int, int]
MANY = 16  # images from which runs over them are worth more than runs along a row
ALL = slice(None)


class Columns(NamedTuple):
    """The sizes of a convolution, and the views that its steps need.

    `channels` and `filters` are those of one group, `height` is that of the input with its margin;
    `by_row` is the first of the forms above.  Arrays have their axes in the order of memory.
    """

    groups: int
    channels: int
    filters: int
    kernel: Pair
    stride: Pair
    height: int
    out: Pair
    by_row: bool
    order: tuple[int, ...]  # of the axes (batch, channels, height, width) in memory
    back: tuple[int, ...]  # what undoes it
    wide: tuple[int, ...]  # the shape of the input with its margin
    inside: tuple[slice, ...]  # the index of the input without it
    shape: tuple[int, ...]  # of the columns
    products: tuple[int, int, int, int]  # of them as operands: groups, products, places, windows
    pairs: list[tuple[Any, Any]]  # indices of parts of the columns, and of what `split` has there
    down: list[slice]  # the rows that all windows have at the places of the filter

    def split(self, wide: Any) -> Any:
        """The input with its margin, its axes in the order of the columns."""
        parts = wide.reshape(self.groups, self.channels, *self.wide[1:])
        return parts.swapaxes(1, 2) if self.by_row else parts

    def operands(self, columns: Any) -> Any:
        """The columns as right sides of the products."""
        if not self.by_row:
            return columns.reshape(self.products)
        item, run = columns.itemsize, self.products[3] * columns.itemsize
        down = self.channels * self.kernel[1] * run
        steps = (self.height * down, self.stride[0] * down, run, item)
        return np.ndarray(self.products, columns.dtype, columns, 0, steps)

    def sums(self, pieces: Any, columns: Any) -> Iterator[tuple[Any, Any]]:
        """What is added where to undo `operands`, if they overlap."""
        pieces = pieces.reshape(self.groups, self.out[0], self.kernel[0], *self.shape[2:])
        for i, rows in enumerate(self.down):
            yield columns[:, rows], pieces[:, :, i]

    def places(self, w: Any) -> Any:
        """The filters with their axes in the order of the columns."""
        split = w.reshape(self.groups, self.filters, self.channels, *self.kernel)
        return split.swapaxes(2, 3) if self.by_row else split

    def in_order(self, total: Any) -> Any:
        """What `places` did, undone: the places of one group's filters in their own order."""
        rows, columns = self.kernel
        if self.by_row:
            split = total.reshape(self.groups, self.filters, rows, self.channels, columns)
            return split.swapaxes(2, 3)
        return total.reshape(self.groups, self.filters, self.channels, rows, columns)

    def results(self, y: Any) -> Any:
        """The output as (groups, products, filters of a group, windows)."""
        groups, count, _, each = self.products
        return y.reshape(groups, self.filters, count, each).swapaxes(1, 2)


def columns_of(
    x: tuple[int, ...],
    w: tuple[int, ...],
    y: tuple[int, ...],
    stride: Pair,
    padding: tuple[Pair, Pair],
    dilation: Pair,
    groups: int,
    numpy: bool = True,
) -> Columns:
    """The form of a convolution, from the shapes of its input, filters and output.

    Only arrays of NumPy may overlap; on a device one large product is right in any case.
    """
    (top, bottom), (left, right) = padding
    margins = (top, bottom), (left, right)
    return _columns_of(x, w, y, stride, margins, dilation, groups, numpy)


@functools.lru_cache(maxsize=128)
def _columns_of(
    x: Any, w: Any, y: Any, stride: Pair, padding: Any, dilation: Pair, groups: int, numpy: bool
) -> Columns:
    (batch, _, height, width), (_, channels, *kernel), (_, _, *out) = x, w, y
    (top, bottom), (left, right) = padding
    filters, high, each = w[0] // groups, height + top + bottom, batch * out[1]
    by_row = numpy and dilation[0] == 1 and rows_pay(filters, kernel[0], stride[0], each)
    down, along = (
        [slice(i * d, i * d + s * (n - 1) + 1, s) for i in range(k)]
        for k, d, s, n in zip(kernel, dilation, stride, out, strict=True)
    )
    last = batch >= MANY

    def row(of_width: Any, of_batch: Any) -> Any:
        return (of_width, of_batch) if last else (of_batch, of_width)

    row_of_windows, count = row(out[1], batch), channels * kernel[0] * kernel[1]
    if by_row:
        shape = (groups, high, channels, kernel[1], *row_of_windows)
        products = (groups, out[0], count, each)
        pairs: list[Any] = [
            ((ALL, ALL, ALL, j), (..., *row(at, ALL))) for j, at in enumerate(along)
        ]
    else:
        shape = (groups, channels, *kernel, out[0], *row_of_windows)
        products = (groups, 1, count, out[0] * each)
        pairs = [
            ((ALL, ALL, i, j), (..., rows, *row(at, ALL)))
            for i, rows in enumerate(down)
            for j, at in enumerate(along)
        ]
    return Columns(
        *(groups, channels, filters, tuple(kernel), stride, high, tuple(out), by_row),
        order=(1, 2, *row(3, 0)),
        back=(3, 0, 1, 2) if last else (2, 0, 1, 3),
        wide=(groups * channels, high, *row(left + width + right, batch)),
        inside=(ALL, slice(top, top + height), *row(slice(left, left + width), ALL)),
        shape=shape,
        products=products,
        pairs=pairs,
        down=down,
    )


def rows_pay(filters: int, kernel: int, stride: int, windows: int) -> bool:
    """Is a product for each row of this many windows faster than one of everything?

    For a channel and a column of the filter it copies `stride` rows in place of `kernel`; but each
    product reads all filters again.
    """
    return kernel > 2 and (kernel - stride) * windows >= kernel * filters
