"""Convolution with vectors along the row of the picture: for few channels of the result.

It serves the gradient for the input as well: for windows that go on by one pixel that is a
convolution of dy within a margin, with the filters back to front.
"""

from __future__ import annotations

import numpy as np

from dlgraph.executors.fast.geometry import Geometry, Loops, blocks, line_of
from dlgraph.executors.fast.ir import Code, Target
from dlgraph.executors.fast.margins import Pictures
from dlgraph.executors.fast.tiles import Tile, Turn, even, lanes_for, shares
from dlgraph.executors.fast.vectors import Vectors


def by_rows(
    code: Code, g: Geometry, x: Pictures, w: Pictures, y: Pictures, dtype: np.dtype, target: Target
) -> None:
    """Vectors along the row of the picture; the rows of a tile are output channels."""
    item = dtype.itemsize
    vectors = Vectors(code, lanes_for(g.out[1], dtype, target))
    (kh, kw), (xn, xc, xy, xx) = g.kernel, x.strides
    (wo, wc, wi, wj), (yn, yo, yy, _) = w.strides, y.strides
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
                    code.at(x.pointer, top * down),
                    code.at(w.pointer, o * wo),
                    code.at(y.pointer, top * yy + o * yo),
                ]
                axes = [
                    (g.batch, 1, (xn, 0, yn)),
                    (rows, tall, (down, 0, yy)),
                    (count, many, (0, wo, yo)),
                ]
                Loops(code).run(start, axes, body)
