"""The gradient of convolution for its input as direct loops; see `convolutions.py`.

It adds every pixel of dy times the filters where they stood: runs of (column of the filter,
channel), which are side by side when the channels are last.  With few channels such runs are short
and overlap much: then it is a convolution of dy along rows instead (`conv_rows.py`).
"""

from __future__ import annotations

import numpy as np

from dlgraph.executors.fast.conv_rows import by_rows
from dlgraph.executors.fast.geometry import (
    Geometry,
    Loops,
    along_rows,
    axes_of,
    blocks,
    channels_last,
    geometry,
    line_of,
    operands,
)
from dlgraph.executors.fast.ir import Code, Recipe, Target
from dlgraph.executors.fast.margins import (
    Few,
    Pictures,
    clear,
    copy_row,
    frame,
    rounded,
)
from dlgraph.executors.fast.tiles import (
    Tile,
    Turn,
    even,
    lanes_for,
    shares,
    tallest,
    widest,
)
from dlgraph.executors.fast.vectors import Vectors
from dlgraph.executors.plan import Instruction, Place
from dlgraph.ops.scalar import Unsupported


def conv2d_input(step: Instruction, target: Target) -> Recipe:
    """The gradient for the input, or a transposed convolution; operands dy, w, out."""
    dy, w, dx = operands(step)
    g = geometry(dx, w, dy, step.attrs)
    if along_rows(dy, w, step.attrs, dx.shape) and axes_of(dx)[3] == dx.dtype.itemsize:
        few = _backwards(g, dx, dy)
        return Recipe((dy, w, dx), lambda: _input_by_rows(few, dy, w, dx, target), few.scratch)
    if dx.strides != channels_last(dx.shape, dx.dtype.itemsize):
        raise Unsupported("a layout that no kernel writes")
    room = frame(dx, g.padding, last=True).bytes if g.padded else 0
    scratch = rounded(w.bytes) + room
    return Recipe((dy, w, dx), lambda: _input(g, dy, w, dx, target), scratch)


def _backwards(g: Geometry, dx: Place, dy: Place) -> Few:
    """The convolution of dy that gives the gradient for the input, for a step of one pixel."""
    height, width = [
        (apart * (size - 1) - before, apart * (size - 1) - after)
        for size, apart, (before, after) in zip(g.kernel, g.dilation, g.padding, strict=True)
    ]
    back = g._replace(
        channels=g.filters,
        filters=g.channels,
        out=(dx.shape[2], dx.shape[3]),
        padding=(height, width),
    )
    if not back.padded and axes_of(dy)[3] == dy.dtype.itemsize:
        return Few(back, g.batch, (None, None))
    return Few(back, 1, (frame(dy, back.padding, last=False), None))


def _input_by_rows(few: Few, dy: Place, w: Place, dx: Place, target: Target) -> Code:
    """The filters are read from their last element on, and with their two first axes exchanged."""
    code, (wo, wc, wi, wj), (kh, kw) = Code(), axes_of(w), few.g.kernel
    last = code.at("%p1", (kh - 1) * wi + (kw - 1) * wj)
    filters = Pictures(last, (wc, wo, -wi, -wj))
    pictures = Pictures("%p0", axes_of(dy)), Pictures("%p2", axes_of(dx))
    for g, source, result in few.stretches(code, pictures, code.room(), target):
        by_rows(code, g, source, filters, result, w.dtype, target)
    return code


def _input(g: Geometry, dy: Place, w: Place, dx: Place, target: Target) -> Code:
    """All pictures at once, or one by one in a copy with its margin, which is then cut off."""
    code = Code()
    given, result = Pictures("%p0", axes_of(dy)), Pictures("%p2", axes_of(dx))
    packed = code.room()
    _pack_runs(code, g, w, packed, target)
    if not g.padded:
        clear(code, dx.dtype, result.pointer, dx.size, target)
        _add_to_input(code, g, given, packed, result, dx.dtype, target)
        return code
    around = frame(dx, g.padding, last=True)
    room = code.at(packed, rounded(w.bytes))
    with code.loop(g.batch) as first:
        wide, single = around.clear(code, room, 1, target), g._replace(batch=1)
        _add_to_input(code, single, given.since(code, first), packed, wide, dx.dtype, target)
        around.empty(code, wide, result.since(code, first), 1, target)
    return code


def _add_to_input(
    code: Code,
    g: Geometry,
    dy: Pictures,
    packed: str,
    dx: Pictures,
    dtype: np.dtype,
    target: Target,
) -> None:
    """For every pixel of dy the sum over its channels, added where the filter stood.

    What is added at a time are the runs of (column of the filter, channel), which are side by side
    unless the filter has holes: then a run is the channels of one column.
    """
    item, (kh, kw) = dtype.itemsize, g.kernel
    columns_apart = g.dilation[1] if g.dilation[1] > 1 else 0
    run = g.channels if columns_apart else kw * g.channels
    line_bytes = kw * g.channels * item
    vectors = Vectors(code, lanes_for(run, dtype, target))
    (yn, yo, yy, yx), (xn, _, xy, xx) = dy.strides, dx.strides
    turns = [Turn(g.filters, yo, line_bytes)]
    first = 0
    for width in shares(-(-run // vectors.lanes), widest(target)):
        line = line_of(vectors.lanes, run, first, width, item)
        first += width
        across = even(g.out[1], tallest(width, target))
        for left, columns, wide in blocks(g.out[1], across):
            tile = Tile(vectors, dtype, [p * yx for p in range(wide)], line, turns)

            def body(
                at: list[str],
                tile: Tile = tile,
                line: list[tuple[int, int]] = line,
            ) -> None:
                for p, row in enumerate(tile.sums(at[0], at[1])):
                    for (offset, active), value in zip(line, row, strict=True):
                        place = code.at(at[2], p * g.stride[1] * xx + offset)
                        vectors.add_to(value, place, dtype, item, active)

            start = [
                code.at(dy.pointer, left * yx),
                packed,
                code.at(dx.pointer, left * g.stride[1] * xx),
            ]
            axes = [
                (g.batch, 1, (yn, 0, xn)),
                (g.out[0], 1, (yy, 0, g.stride[0] * xy)),
                (kh, 1, (0, g.filters * line_bytes, g.dilation[0] * xy)),
                (columns, wide, (yx, 0, g.stride[1] * xx)),
            ]
            if columns_apart:
                axes.append((kw, 1, (0, run * item, columns_apart * xx)))
            Loops(code).run(start, axes, body)


def _pack_runs(code: Code, g: Geometry, w: Place, room: str, target: Target) -> None:
    """The filters as [row][filter][column, channel]."""
    dtype, item = w.dtype, w.dtype.itemsize
    vectors = Vectors(code, lanes_for(g.channels, dtype, target))
    (kh, kw), (wo, wc, wi, wj) = g.kernel, axes_of(w)
    run = kw * g.channels * item
    axes = [
        (kh, 1, (wi, g.filters * run)),
        (g.filters, 1, (wo, run)),
        (kw, 1, (wj, g.channels * item)),
    ]
    Loops(code).run(
        ["%p1", room],
        axes,
        lambda at: copy_row(vectors, dtype, g.channels, (at[0], wc), (at[1], item)),
    )
