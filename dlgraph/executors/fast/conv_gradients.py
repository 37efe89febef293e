"""The two gradients of convolution as direct loops; see `convolutions.py`."""

from __future__ import annotations

from dlgraph.executors.fast.geometry import (
    Geometry,
    Loops,
    axes_of,
    blocks,
    channels_last,
    geometry,
    in_rows,
    line_of,
)
from dlgraph.executors.fast.ir import Code, Recipe, Target, type_of
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


def conv2d_filters(step: Instruction, target: Target) -> Recipe:
    """The gradient for the filters; operands x, dy, out."""
    x, dy = step.inputs[:2]
    dw = step.output
    if x is None or dy is None or dw is None:
        raise Unsupported("a convolution without operands")
    g = geometry(x, dw, dy, step.attrs)
    item = dy.dtype.itemsize
    if (dy.strides or ())[1] == item and g.filters > 1:
        return Recipe((x, dy, dw), lambda: _filters_by_channels(g, x, dy, dw, target))
    if (dy.strides or ())[3] == item and in_rows(x, step.attrs):
        return Recipe((x, dy, dw), lambda: _filters_by_rows(g, x, dy, dw, target))
    raise Unsupported("a layout that no kernel reads")


def _filters_by_channels(g: Geometry, x: Place, dy: Place, dw: Place, target: Target) -> Code:
    """Vectors of output channels; the rows of a tile are places of the filter."""
    code, dtype, item = Code(), dy.dtype, dy.dtype.itemsize
    vectors = Vectors(code, lanes_for(g.filters, dtype, target))
    (kh, kw), (xn, xc, xy, xx) = g.kernel, axes_of(x)
    (yn, _, yy, yx), (wo, wc, wi, wj) = axes_of(dy), axes_of(dw)
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
            begin = first * vectors.lanes

            def body(
                at: list[str],
                tile: Tile = tile,
                cells: list[tuple[int, int]] = cells,
                line: list[tuple[int, int]] = line,
                begin: int = begin,
            ) -> None:
                for (c, j), row in zip(cells, tile.sums(at[0], "%p1"), strict=True):
                    for v, ((_, active), value) in enumerate(zip(line, row, strict=True)):
                        filters = begin + v * vectors.lanes
                        place = code.at(at[1], c * wc + j * wj + filters * wo)
                        vectors.store(value, place, dtype, wo, active)

            start = [code.at("%p0", start_channel * xc), code.at("%p2", start_channel * wc)]
            axes = [(kh, 1, (g.dilation[0] * xy, wi)), (count, many, (xc, wc))]
            Loops(code).run(start, axes, body)
        first += width
    return code


def _filters_by_rows(g: Geometry, x: Place, dy: Place, dw: Place, target: Target) -> Code:
    """Vectors along the row: products lane by lane, added up at the end."""
    code, dtype, item = Code(), dy.dtype, dy.dtype.itemsize
    vectors = Vectors(code, lanes_for(g.out[1], dtype, target))
    kind, (kh, kw), (xn, xc, xy, xx) = vectors.type(dtype), g.kernel, axes_of(x)
    (yn, yo, yy, _), (wo, wc, wi, wj) = axes_of(dy), axes_of(dw)
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
                    code.set(type_of(dtype), total, code.at(at[2], k * wo + j * wj), item)

        start = [
            "%p0",
            code.at("%p1", start_filter * yo),
            code.at("%p2", start_filter * wo),
        ]
        axes = [
            (g.channels, 1, (xc, 0, wc)),
            (kh, 1, (g.dilation[0] * xy, 0, wi)),
            (count, many, (0, yo, wo)),
        ]
        Loops(code).run(start, axes, body)
    return code


# ---- the gradient for the input ------------------------------------------------------------------


def conv2d_input(step: Instruction, target: Target) -> Recipe:
    """The gradient for the input; operands dy, w, out."""
    dy, w = step.inputs[:2]
    dx = step.output
    if dy is None or w is None or dx is None:
        raise Unsupported("a convolution without operands")
    g = geometry(dx, w, dy, step.attrs)
    item = dx.dtype.itemsize
    last = channels_last(dx.shape, item)
    if dx.strides != last or g.dilation[1] != 1:
        raise Unsupported("a layout that no kernel writes")
    scratch = w.size * item
    return Recipe((dy, w, dx), lambda: _input(g, dy, w, dx, target), scratch)


def _input(g: Geometry, dy: Place, w: Place, dx: Place, target: Target) -> Code:
    """For every pixel of dy the sum over its channels, added where the filter stood."""
    code, dtype, item = Code(), dx.dtype, dx.dtype.itemsize
    kh, run = g.kernel[0], g.kernel[1] * g.channels
    vectors = Vectors(code, lanes_for(run, dtype, target))
    room = code.room()
    _pack_runs(code, g, w, room, target)
    _clear(code, dx, target)
    (yn, yo, yy, yx), (xn, _, xy, xx) = axes_of(dy), axes_of(dx)
    turns = [Turn(g.filters, yo, run * item)]
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
                        held = vectors.load(place, dtype, item, active)
                        found = vectors.arithmetic("add", dtype, held, value)
                        vectors.store(found, place, dtype, item, active)

            start = [
                code.at("%p0", left * yx),
                room,
                code.at("%p2", left * g.stride[1] * xx),
            ]
            axes = [
                (g.batch, 1, (yn, 0, xn)),
                (g.out[0], 1, (yy, 0, g.stride[0] * xy)),
                (kh, 1, (0, g.filters * run * item, g.dilation[0] * xy)),
                (columns, wide, (yx, 0, g.stride[1] * xx)),
            ]
            Loops(code).run(start, axes, body)
    return code


def _pack_runs(code: Code, g: Geometry, w: Place, room: str, target: Target) -> None:
    """The filters as [row][filter][column, channel]."""
    dtype, item = w.dtype, w.dtype.itemsize
    vectors = Vectors(code, lanes_for(g.channels, dtype, target))
    (kh, kw), (wo, wc, wi, wj) = g.kernel, axes_of(w)
    run = kw * g.channels * item

    def body(at: list[str]) -> None:
        lanes = vectors.lanes
        for begin, count, many in blocks(g.channels, lanes):
            with code.loop(count, lanes) as c:
                source = code.at(code.at(at[0], begin * wc), code.times(c, wc))
                place = code.at(code.at(at[1], begin * item), code.times(c, item))
                value = vectors.load(source, dtype, wc, many)
                vectors.store(value, place, dtype, item, many)

    axes = [
        (kh, 1, (wi, g.filters * run)),
        (g.filters, 1, (wo, run)),
        (kw, 1, (wj, g.channels * item)),
    ]
    Loops(code).run(["%p1", room], axes, body)


def _clear(code: Code, dx: Place, target: Target) -> None:
    """Zeros everywhere; the memory of `dx` has no gaps."""
    dtype, item = dx.dtype, dx.dtype.itemsize
    vectors = Vectors(code, lanes_for(dx.size, dtype, target))
    for begin, count, many in blocks(dx.size, vectors.lanes):
        start = code.at("%p2", begin * item)
        with code.loop(count, many) as index:
            place = code.at(start, code.times(index, item))
            vectors.store("zeroinitializer", place, dtype, item, many)
