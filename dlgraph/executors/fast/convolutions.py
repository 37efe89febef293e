"""Convolution and its two gradients as direct loops: no columns are copied.

All three are tiles (`tiles.py`) whose inner index is a nest of loops.  What decides the speed is
the axis that goes in vectors.  With few output channels it is the row of the picture; otherwise the
output channels, which then lie side by side in memory ("channels last", whatever the shape says).
The gradient for the input adds runs of (column of the filter, channel), which are side by side when
the channels are last.  Served are convolutions of one group without padding; the rest is NumPy's.
"""

from __future__ import annotations

from dlgraph.executors.fast.conv_gradients import conv2d_filters, conv2d_input
from dlgraph.executors.fast.geometry import (
    Geometry,
    Loops,
    axes_of,
    blocks,
    geometry,
    in_rows,
    line_of,
)
from dlgraph.executors.fast.ir import Code, Recipe, Target
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
    x, w = step.inputs
    y = step.output
    if x is None or w is None or y is None:
        raise Unsupported("a convolution without operands")
    g = geometry(x, w, y, step.attrs)
    item = y.dtype.itemsize
    inner = g.channels * g.kernel[0] * g.kernel[1]
    if (y.strides or ())[1] == item and g.filters > 1:
        if not w.contiguous:
            raise Unsupported("filters that are not in order")
        scratch = inner * g.filters * item
        return Recipe((x, w, y), lambda: _by_channels(g, x, w, y, target), scratch)
    if (y.strides or ())[3] == item and in_rows(x, step.attrs):
        return Recipe((x, w, y), lambda: _by_rows(g, x, w, y, target))
    raise Unsupported("a layout that no kernel writes")


def _by_channels(g: Geometry, x: Place, w: Place, y: Place, target: Target) -> Code:
    """Vectors of output channels; the rows of a tile are pixels."""
    code, dtype, item = Code(), y.dtype, y.dtype.itemsize
    vectors = Vectors(code, lanes_for(g.filters, dtype, target))
    (kh, kw), (xn, xc, xy, xx), (yn, _, yy, yx) = g.kernel, axes_of(x), axes_of(y)
    inner = g.channels * kh * kw
    packed = turned(
        code, dtype, (g.filters, inner), Strided("%p1", inner * item, item), code.room(), target
    )
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
                    code.at("%p0", top * down + left * right),
                    code.at("%p2", top * yy + left * yx),
                ]
                axes = [
                    (g.batch, 1, (xn, yn)),
                    (rows, high, (down, yy)),
                    (columns, wide, (right, yx)),
                ]
                Loops(code).run(start, axes, body)
    return code


def _by_rows(g: Geometry, x: Place, w: Place, y: Place, target: Target) -> Code:
    """Vectors along the row of the picture; the rows of a tile are output channels."""
    code, dtype, item = Code(), y.dtype, y.dtype.itemsize
    vectors = Vectors(code, lanes_for(g.out[1], dtype, target))
    (kh, kw), (xn, xc, xy, xx) = g.kernel, axes_of(x)
    (wo, wc, wi, wj), (yn, yo, yy, _) = axes_of(w), axes_of(y)
    turns = [
        Turn(g.channels, wc, xc),
        Turn(kh, wi, g.dilation[0] * xy),
        Turn(kw, wj, g.dilation[1] * xx),
    ]
    down = g.stride[0] * xy
    across = -(-g.out[1] // vectors.lanes)
    cells = 24 if target.registers >= 32 else 12
    first = 0
    for width in shares(across, max(cells // min(g.filters, cells), 1)):
        high = even(g.out[0], max(cells // (min(g.filters, 8) * width), 1))
        filters = even(g.filters, max(cells // (width * high), 1))
        line = line_of(vectors.lanes, g.out[1], first, width, item)
        first += width
        for top, rows, tall in blocks(g.out[0], high):
            for o, count, many in blocks(g.filters, filters):
                whole = [(r * down + at, n) for r in range(tall) for at, n in line]
                tile = Tile(vectors, dtype, [k * wo for k in range(many)], whole, turns)
                places = [(r * yy + at, n) for r in range(tall) for at, n in line]

                def body(
                    at: list[str],
                    tile: Tile = tile,
                    places: list[tuple[int, int]] = places,
                ) -> None:
                    for k, row in enumerate(tile.sums(at[1], at[0])):
                        for (offset, active), value in zip(places, row, strict=True):
                            place = code.at(at[2], k * yo + offset)
                            vectors.store(value, place, dtype, item, active)

                start = [
                    code.at("%p0", top * down),
                    code.at("%p1", o * wo),
                    code.at("%p2", top * yy + o * yo),
                ]
                axes = [
                    (g.batch, 1, (xn, 0, yn)),
                    (rows, tall, (down, 0, yy)),
                    (count, many, (0, wo, yo)),
                ]
                Loops(code).run(start, axes, body)
    return code


KERNELS = {"conv2d": conv2d, "conv2d_filters": conv2d_filters, "conv2d_input": conv2d_input}
