"""How a convolution becomes matrix products: windows as columns (im2col), images side by side.

The batch is the last axis in memory, so that what a place of the filter meets in a row of windows
lies in one run, over all images.  There are two forms.  In a product for each row of windows only
the columns of the filter are laid out: what a window has in its rows already stands one below the
other, so that the operands of neighbouring rows overlap in memory and share it.  If rows are short
one product of everything is faster, from a copy for each place of the filter.

`conv.py` computes with these arrays, and a plan writes into them (`executors/windows.py`).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

Pair = tuple[int, int]
LONG = 128  # elements of a row of windows, in all images, from which each row has its product


class Columns(NamedTuple):
    """The sizes of a convolution, and the views that its steps need.

    `height` and `width` are those of the input with its margin, `channels` and `filters` those of
    one group; `by_row` is the first of the forms above.
    """

    groups: int
    channels: int
    filters: int
    kernel: Pair
    stride: Pair
    dilation: Pair
    height: int
    width: int
    out: Pair
    batch: int
    by_row: bool

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the memory that holds the columns."""
        if self.by_row:
            tail = (self.channels, self.kernel[1], self.out[1], self.batch)
            return (self.groups, self.height, *tail)
        return (self.groups, self.channels, *self.kernel, *self.out, self.batch)

    @property
    def products(self) -> tuple[int, int, int, int]:
        """The shape of the columns as operands: groups, products, places, windows."""
        places = self.channels * self.kernel[0] * self.kernel[1]
        each, count = self.out[1] * self.batch, self.out[0]
        if self.by_row:
            return self.groups, count, places, each
        return self.groups, 1, places, count * each

    def copies(self, columns: Any, wide: Any) -> Iterator[tuple[Any, Any]]:
        """The parts of the columns, and the parts of the input that belong there."""
        wide = wide.reshape(self.groups, self.channels, self.height, self.width, self.batch)
        for j in range(self.kernel[1]):
            along = self._along(wide, j)
            if self.by_row:
                yield columns[:, :, :, j], along.swapaxes(1, 2)
                continue
            for i in range(self.kernel[0]):
                yield columns[:, :, i, j], along[:, :, self._at(0, i)]

    def operands(self, columns: Any) -> Any:
        """The columns as right sides of the products."""
        if not self.by_row:
            return columns.reshape(self.products)
        item, run = columns.itemsize, self.products[3] * columns.itemsize
        down = self.channels * self.kernel[1] * run
        steps = (self.height * down, self.stride[0] * down, run, item)
        return np.lib.stride_tricks.as_strided(columns, self.products, steps)

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
        """(filters, height, width, batch) as (groups, products, filters of a group, windows)."""
        groups, count, _, each = self.products
        return y.reshape(groups, self.filters, count, each).swapaxes(1, 2)

    def sums(self, pieces: Any, tall: Any, wide: Any) -> Iterator[tuple[Any, Any]]:
        """What is added where, to take products back to the input: first rows, then columns."""
        tail = (self.out[1], self.batch)
        if self.by_row:
            shape = (self.groups, self.out[0], self.kernel[0], self.channels, self.kernel[1])
            pieces = pieces.reshape(*shape, *tail)
        else:
            pieces = pieces.reshape(self.shape).transpose(0, 4, 2, 1, 3, 5, 6)
        for i in range(self.kernel[0]):
            yield tall[:, self._at(0, i)], pieces[:, :, i]
        wide = wide.reshape(self.groups, self.channels, self.height, self.width, self.batch)
        for j in range(self.kernel[1]):
            yield self._along(wide, j).swapaxes(1, 2), tall[:, :, :, j]

    @property
    def tall(self) -> tuple[int, ...]:
        """The shape of the sums over the rows of the filter."""
        tail = (self.channels, self.kernel[1], self.out[1], self.batch)
        return (self.groups, self.height, *tail)

    def _along(self, wide: Any, j: int) -> Any:
        return wide[:, :, :, self._at(1, j)]

    def _at(self, axis: int, place: int) -> slice:
        """Where all windows have this place of the filter."""
        start, step = place * self.dilation[axis], self.stride[axis]
        return slice(start, start + step * (self.out[axis] - 1) + 1, step)


def columns_of(x: Any, w: Any, y: Any, attrs: dict[str, Any], numpy: bool = True) -> Columns:
    """The form of a convolution, from the shapes of its input, filters and output.

    Only arrays of NumPy may overlap; on a device one large product is right in any case.
    """
    (top, bottom), (left, right) = attrs["padding"]
    batch, _, height, width = x
    kernel, out, groups = (w[2], w[3]), (y[2], y[3]), attrs["groups"]
    by_row = numpy and kernel[0] > 1 and attrs["dilation"][0] == 1 and out[1] * batch >= LONG
    return Columns(
        *(groups, w[1], w[0] // groups, kernel, attrs["stride"], attrs["dilation"]),
        *(height + top + bottom, width + left + right, out, batch, by_row),
    )
