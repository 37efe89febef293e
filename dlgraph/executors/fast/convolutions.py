"""Convolution and its two gradients as direct loops: no columns are copied.

All three are tiles (`tiles.py`) whose inner index is a nest of loops.  What decides the speed is
the axis that goes in vectors.  With few output channels it is the row of the picture; otherwise the
output channels, which then lie side by side in memory ("channels last", whatever the shape says).
The gradient for the input adds runs of (column of the filter, channel), which are side by side when
the channels are last.  Padding is a copy with a margin (`margins.py`).  Served are convolutions of
one group; the rest is NumPy's.
"""

from __future__ import annotations

import numpy as np

from dlgraph.executors.fast.conv_filters import conv2d_filters
from dlgraph.executors.fast.conv_input import conv2d_input
from dlgraph.executors.fast.conv_rows import by_rows
from dlgraph.executors.fast.geometry import (
    SPREAD,
    Geometry,
    Loops,
    axes_of,
    blocks,
    geometry,
    in_rows,
    line_of,
    operands,
)
from dlgraph.executors.fast.ir import Code, Recipe, Target
from dlgraph.executors.fast.margins import Few, Pictures, frame, rounded
from dlgraph.executors.fast.tiles import (
    Strided,
    Tile,
    Turn,
    even,
    lanes_for,
    shares,
    tallest,
    turned,
    widest,
)
from dlgraph.executors.fast.vectors import Vectors
from dlgraph.executors.plan import Instruction, Place
from dlgraph.ops.scalar import Unsupported


def conv2d(step: Instruction, target: Target) -> Recipe:
    """The convolution itself; operands x, w, out."""
    x, w, y = operands(step)
    g = geometry(x, w, y, step.attrs)
    item = y.dtype.itemsize
    few = Few(g, 1, (frame(x, g.padding), None)) if g.padded else Few(g, g.batch, (None, None))
    if (y.strides or ())[1] == item and g.filters > 1:
        if not w.contiguous:
            raise Unsupported("filters that are not in order")
        scratch = rounded(w.bytes) + few.scratch
        return Recipe((x, w, y), lambda: _with_channels(few, x, w, y, target), scratch)
    if (y.strides or ())[3] == item and in_rows(x, step.attrs):
        return Recipe((x, w, y), lambda: _with_rows(few, x, w, y, target), few.scratch)
    raise Unsupported("a layout that no kernel writes")


def _with_channels(few: Few, x: Place, w: Place, y: Place, target: Target) -> Code:
    code, filters, item = Code(), w.shape[0], w.dtype.itemsize
    inner = w.size // filters
    given = Strided("%p1", inner * item, item)
    packed = turned(code, w.dtype, (filters, inner), given, code.room(), target)
    room = code.at(code.room(), rounded(w.bytes))
    pictures = Pictures("%p0", axes_of(x)), Pictures("%p2", axes_of(y))
    for g, source, result in few.stretches(code, pictures, room, target):
        _by_channels(code, g, source, packed, result, w.dtype, target)
    return code


def _with_rows(few: Few, x: Place, w: Place, y: Place, target: Target) -> Code:
    code, filters = Code(), Pictures("%p1", axes_of(w))
    pictures = Pictures("%p0", axes_of(x)), Pictures("%p2", axes_of(y))
    for g, source, result in few.stretches(code, pictures, code.room(), target):
        by_rows(code, g, source, filters, result, w.dtype, target)
    return code


def _by_channels(
    code: Code,
    g: Geometry,
    x: Pictures,
    packed: Strided,
    y: Pictures,
    dtype: np.dtype,
    target: Target,
) -> None:
    """Vectors of output channels; the rows of a tile are pixels."""
    item = dtype.itemsize
    vectors = Vectors(code, lanes_for(g.filters, dtype, target))
    (kh, kw), (xn, xc, xy, xx), (yn, _, yy, yx) = g.kernel, x.strides, y.strides
    turns = [
        Turn(g.channels, xc, kh * kw * packed.down),
        Turn(kh, g.dilation[0] * xy, kw * packed.down),
        Turn(kw, g.dilation[1] * xx, packed.down),
    ]
    down, right = g.stride[0] * xy, g.stride[1] * xx
    first = 0
    for width in shares(-(-g.filters // vectors.lanes), widest(target)):
        line = line_of(vectors.lanes, g.filters, first, width, item)
        first += width
        across = even(g.out[1], tallest(width, target))
        tall = even(g.out[0], max(tallest(width, target) // across, 1))
        for top, rows, high in blocks(g.out[0], tall):
            for left, columns, wide in blocks(g.out[1], across):
                pixels = [(r, c) for r in range(high) for c in range(wide)]
                tile = Tile(vectors, dtype, [r * down + c * right for r, c in pixels], line, turns)

                def body(
                    at: list[str],
                    tile: Tile = tile,
                    pixels: list[tuple[int, int]] = pixels,
                    line: list[tuple[int, int]] = line,
                ) -> None:
                    sums = tile.sums(at[0], packed.pointer)
                    for (r, c), row in zip(pixels, sums, strict=True):
                        for (offset, active), value in zip(line, row, strict=True):
                            place = code.at(at[1], r * yy + c * yx + offset)
                            vectors.store(value, place, dtype, item, active)

                start = [
                    code.at(x.pointer, top * down + left * right),
                    code.at(y.pointer, top * yy + left * yx),
                ]
                axes = [
                    (g.batch, 1, (xn, yn)),
                    (rows, high, (down, yy)),
                    (columns, wide, (right, yx)),
                ]
                Loops(code).run(start, axes, body)


KERNELS = {
    "conv2d": conv2d,
    "conv2d_filters": conv2d_filters,
    **dict.fromkeys(SPREAD, conv2d_input),
}
