"""The gradient of convolution for its filters as direct loops; see `convolutions.py`.

As there, either the output channels go in vectors or the row of the picture.  Some pictures at a
time go through all of the filter while they are in the cache.
"""

from __future__ import annotations

import functools

import numpy as np

from dlgraph.executors.fast.geometry import (
    Geometry,
    Loops,
    axes_of,
    blocks,
    geometry,
    in_rows,
    line_of,
    operands,
)
from dlgraph.executors.fast.ir import Code, Recipe, Target, type_of
from dlgraph.executors.fast.margins import (
    NONE,
    Few,
    Pictures,
    clear,
    frame,
    rounded,
)
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

CACHE = 128 * 1024  # bytes of pictures over which the filters go at a time


def conv2d_filters(step: Instruction, target: Target) -> Recipe:
    """The gradient for the filters; operands x, dy, out."""
    x, dy, dw = operands(step)
    g = geometry(x, dw, dy, step.attrs)
    if not dw.contiguous:
        raise Unsupported("a layout that no kernel writes")
    item, along = dy.dtype.itemsize, axes_of(dy)
    beside = along[1] == item and g.filters > 1
    around = frame(x, g.padding) if g.padded else None
    if not beside and along[3] == item and in_rows(x, step.attrs):
        few = Few(g, _at_once(g, x, dy) if around else g.batch, (around, None))
        write = functools.partial(_filters_with_rows, few, x, dy, dw, target)
        return Recipe((x, dy, dw), write, few.scratch)
    few = Few(g, _at_once(g, x, dy), (around, None if beside else frame(dy, NONE, last=True)))
    write = functools.partial(_filters_with_channels, few, x, dy, dw, target)
    return Recipe((x, dy, dw), write, rounded(dw.bytes) + few.scratch)


def _at_once(g: Geometry, x: Place, dy: Place) -> int:
    """How many pictures stay in the cache while all of the filter goes over them."""
    return min(max(CACHE // ((x.bytes + dy.bytes) // g.batch), 1), g.batch)


def _filters_with_channels(few: Few, x: Place, dy: Place, dw: Place, target: Target) -> Code:
    """Sums over some pictures after the other, as [place][filter]; at the end they are turned."""
    code, filters = Code(), dw.shape[0]
    sums, row = code.room(), filters * dw.dtype.itemsize
    room = code.at(sums, rounded(dw.bytes))
    clear(code, dw.dtype, sums, dw.size, target)
    given = Pictures("%p0", axes_of(x)), Pictures("%p1", axes_of(dy))
    for g, pictures, gradient in few.stretches(code, given, room, target):
        _filters_by_channels(code, g, pictures, gradient, sums, dw.dtype, target)
    turned(
        code,
        dw.dtype,
        (dw.size // filters, filters),
        Strided(sums, row, dw.dtype.itemsize),
        "%p2",
        target,
    )
    return code


def _filters_with_rows(few: Few, x: Place, dy: Place, dw: Place, target: Target) -> Code:
    code = Code()
    clear(code, dw.dtype, "%p2", dw.size, target)
    given = Pictures("%p0", axes_of(x)), Pictures("%p1", axes_of(dy))
    for g, pictures, gradient in few.stretches(code, given, code.room(), target):
        _filters_by_rows(code, g, pictures, gradient, dw, target)
    return code


def _filters_by_channels(
    code: Code,
    g: Geometry,
    x: Pictures,
    dy: Pictures,
    sums: str,
    dtype: np.dtype,
    target: Target,
) -> None:
    """Vectors of output channels; the rows of a tile are places of the filter."""
    item, (kh, kw) = dtype.itemsize, g.kernel
    vectors = Vectors(code, lanes_for(g.filters, dtype, target))
    (xn, xc, xy, xx), (yn, _, yy, yx) = x.strides, dy.strides
    wj = g.filters * item  # the sums lie as [channel][row][column][filter]
    wi, wc = kw * wj, kh * kw * wj
    turns = [
        Turn(g.batch, xn, yn),
        Turn(g.out[0], g.stride[0] * xy, yy),
        Turn(g.out[1], g.stride[1] * xx, yx),
    ]
    first = 0
    for width in shares(-(-g.filters // vectors.lanes), widest(target)):
        line = line_of(vectors.lanes, g.filters, first, width, item)
        channels = even(g.channels, max(tallest(width, target) // kw, 1))
        for start_channel, count, many in blocks(g.channels, channels):
            cells = [(c, j) for c in range(many) for j in range(kw)]
            offsets = [c * xc + j * g.dilation[1] * xx for c, j in cells]
            tile = Tile(vectors, dtype, offsets, line, turns)

            def body(
                at: list[str],
                tile: Tile = tile,
                cells: list[tuple[int, int]] = cells,
                line: list[tuple[int, int]] = line,
            ) -> None:
                for (c, j), row in zip(cells, tile.sums(at[0], dy.pointer), strict=True):
                    for (offset, active), value in zip(line, row, strict=True):
                        place = code.at(at[1], c * wc + j * wj + offset)
                        vectors.add_to(value, place, dtype, item, active)

            start = [code.at(x.pointer, start_channel * xc), code.at(sums, start_channel * wc)]
            axes = [(kh, 1, (g.dilation[0] * xy, wi)), (count, many, (xc, wc))]
            Loops(code).run(start, axes, body)
        first += width


def _filters_by_rows(
    code: Code, g: Geometry, x: Pictures, dy: Pictures, dw: Place, target: Target
) -> None:
    """Vectors along the row: products lane by lane, added up at the end."""
    dtype, item = dw.dtype, dw.dtype.itemsize
    vectors = Vectors(code, lanes_for(g.out[1], dtype, target))
    kind, (kh, kw), (xn, xc, xy, xx) = vectors.type(dtype), g.kernel, x.strides
    (yn, yo, yy, _), (wo, wc, wi, wj) = dy.strides, axes_of(dw)
    line = line_of(vectors.lanes, g.out[1], 0, -(-g.out[1] // vectors.lanes), item)
    multiply, right = f"llvm.fmuladd.{vectors.suffix(dtype)}", g.dilation[1] * xx
    filters = even(g.filters, max((20 if target.registers >= 32 else 8) // kw, 1))
    for start_filter, count, many in blocks(g.filters, filters):

        def body(at: list[str], many: int = many) -> None:
            slots = [[code.slot(kind) for _ in range(kw)] for _ in range(many)]
            for slot in (slot for row in slots for slot in row):
                code.set(kind, "zeroinitializer", slot)

            def add(place: list[str]) -> None:
                for offset, active in line:
                    given = [
                        vectors.load(code.at(place[0], offset + j * right), dtype, item, active)
                        for j in range(kw)
                    ]
                    for k, row in enumerate(slots):
                        d = vectors.load(code.at(place[1], k * yo + offset), dtype, item, active)
                        for slot, value in zip(row, given, strict=True):
                            held = code.get(kind, slot)
                            found = code.call(
                                multiply, kind, (kind, d), (kind, value), (kind, held)
                            )
                            code.set(kind, found, slot)

            inner = [(g.batch, 1, (xn, yn)), (g.out[0], 1, (g.stride[0] * xy, yy))]
            Loops(code).run(at[:2], inner, add)
            for k, row in enumerate(slots):
                for j, slot in enumerate(row):
                    total = vectors.total("add", code.get(kind, slot), dtype)
                    place, one = code.at(at[2], k * wo + j * wj), type_of(dtype)
                    found = code.let(f"fadd {one} {code.get(one, place, item)}, {total}")
                    code.set(one, found, place, item)

        start = [
            x.pointer,
            code.at(dy.pointer, start_filter * yo),
            code.at("%p2", start_filter * wo),
        ]
        axes = [
            (g.channels, 1, (xc, 0, wc)),
            (kh, 1, (g.dilation[0] * xy, 0, wi)),
            (count, many, (0, yo, wo)),
        ]
        Loops(code).run(start, axes, body)
