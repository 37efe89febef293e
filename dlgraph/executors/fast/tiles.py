"""Matrix products of our own, for sizes at which the BLAS does not reach half of the machine.

A tile of the result stays in registers while a loop goes along the inner size: some rows, each a
few vectors wide.  For every inner index it loads the vectors of `b` once, and multiplies them by
one element of each row of `a`.  The last vector of a row may be cut short.  Nothing is packed, so
`b` must lie in row order (a turned one is copied first).  Read next: `products.py`, which decides.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from dlgraph.executors.fast.ir import Code, Target
from dlgraph.executors.fast.vectors import Vectors


class Strided(NamedTuple):
    """A matrix: its address, and the bytes from one row and from one column to the next."""

    pointer: str
    down: int
    right: int


Finish = Callable[[str, str, int], str]  # (sum, where it goes, active lanes) -> result


def product(
    code: Code,
    dtype: np.dtype,
    sizes: tuple[int, int, int],
    a: Strided,
    b: Strided,
    out: Strided,
    finish: Finish,
    target: Target,
) -> None:
    """`out = finish(a @ b)`; sizes are rows, columns, inner; `b` and `out` in row order."""
    rows, columns, inner = sizes
    lanes = lanes_for(columns, dtype, target)
    vectors = Vectors(code, lanes)
    first = 0
    for width in shares(-(-columns // lanes), widest(target)):
        active = [min(lanes, columns - (first + v) * lanes) for v in range(width)]
        column = first * lanes
        height = even(rows, tallest(width, target))
        for start, count in ((0, rows - rows % height), (rows - rows % height, rows % height)):
            if not count:
                continue
            height = min(height, count)
            with code.loop(count, height) as index:
                row = code.add(index, start)
                tile = Tile(
                    vectors,
                    dtype,
                    [r * a.down for r in range(height)],
                    [(v * lanes * b.right, n) for v, n in enumerate(active)],
                    [Turn(inner, a.right, b.down)],
                )
                sums = tile.sums(
                    code.at(a.pointer, code.times(row, a.down)),
                    code.at(b.pointer, column * b.right),
                )
                for r in range(height):
                    at = code.at(out.pointer, code.times(code.add(row, r), out.down))
                    for v in range(width):
                        place = code.at(at, (column + v * lanes) * out.right)
                        found = finish(sums[r][v], place, active[v])
                        vectors.store(found, place, dtype, out.right, active[v])
        first += width


def lanes_for(columns: int, dtype: np.dtype, target: Target) -> int:
    """Lanes of a vector: no more than it takes to hold a row."""
    lanes = target.vector_bytes // dtype.itemsize
    while lanes > 1 and lanes // 2 >= columns:
        lanes //= 2
    return lanes


def turned(
    code: Code,
    dtype: np.dtype,
    shape: tuple[int, int],
    a: Strided,
    out: str,
    target: Target,
    down: int = 0,
) -> Strided:
    """Copy the transpose of a matrix of this shape to `out`, in row order.

    Its rows lie `down` bytes apart, without gaps if that is not said.  Square blocks are turned in
    registers: at distance 1, 2, 4, ... two rows exchange the lanes that lie on the wrong side of
    the diagonal.
    """
    rows, columns = shape
    item = dtype.itemsize
    lanes = target.vector_bytes // item
    vectors = Vectors(code, lanes)
    down = down or rows * item
    for top, count in _stretches(rows, lanes):
        with code.loop(count, lanes) as r:
            row = code.add(r, top)
            for left, across in _stretches(columns, lanes):
                with code.loop(across, lanes) as c:
                    column = code.add(c, left)
                    high, wide = min(count, lanes), min(across, lanes)
                    start = code.at(a.pointer, code.times(row, a.down))
                    start = code.at(start, code.times(column, item))
                    block = [
                        vectors.load(code.at(start, k * a.down), dtype, item, wide)
                        if k < high
                        else "zeroinitializer"
                        for k in range(lanes)
                    ]
                    block = _exchanged(vectors, dtype, block)
                    place = code.at(out, code.times(column, down))
                    place = code.at(place, code.times(row, item))
                    for k in range(wide):
                        vectors.store(block[k], code.at(place, k * down), dtype, item, high)
    return Strided(out, down, item)


def _stretches(size: int, step: int) -> list[tuple[int, int]]:
    """Start and length of what goes in whole steps, and of the rest."""
    whole = size - size % step
    return [(start, n) for start, n in ((0, whole), (whole, size - whole)) if n]


def _exchanged(vectors: Vectors, dtype: np.dtype, block: list[str]) -> list[str]:
    code, kind, lanes = vectors.code, vectors.type(dtype), vectors.lanes
    distance = 1
    while distance < lanes:
        found = list(block)
        for k in range(lanes):
            if k & distance:
                continue
            upper, lower = block[k], block[k + distance]
            for at, picks in (
                (k, [x if not x & distance else lanes + x - distance for x in range(lanes)]),
                (
                    k + distance,
                    [x + distance if not x & distance else lanes + x for x in range(lanes)],
                ),
            ):
                mask = ", ".join(f"i32 {x}" for x in picks)
                found[at] = code.let(
                    f"shufflevector {kind} {upper}, {kind} {lower}, <{lanes} x i32> <{mask}>"
                )
        block = found
        distance *= 2
    return block


def widest(target: Target) -> int:
    """Vectors side by side in a tile."""
    return 3 if target.registers >= 32 else 2


def tallest(width: int, target: Target) -> int:
    """Rows of a tile of so many vectors: the other registers are for what is multiplied."""
    return min((24 if target.registers >= 32 else 12) // width, 16)


def even(count: int, most: int) -> int:
    """A step that leaves no rest, if there is one between half of `most` and `most`."""
    most = min(count, most)
    return next((n for n in range(most, most // 2, -1) if count % n == 0), most)


def shares(count: int, most: int) -> list[int]:
    """A number in as few parts as possible, all nearly equal."""
    parts = -(-count // most)
    return [count // parts + (k < count % parts) for k in range(parts)]


class Turn(NamedTuple):
    """One loop of the inner index: how often, and the bytes that both operands move on."""

    times: int
    a: int
    b: int


class Tile:
    """Sums of products that stay in registers.

    `rows` are the offsets (bytes) of the elements of `a` that belong to the rows of the tile,
    `line` the offsets of the vectors of `b` with their active lanes; the loops `turns` go along
    the inner index, which may be a nest (channel, row and column of a filter).
    """

    def __init__(
        self,
        vectors: Vectors,
        dtype: np.dtype,
        rows: list[int],
        line: list[tuple[int, int]],
        turns: list[Turn],
    ):
        self.vectors, self.dtype, self.rows, self.line, self.turns = (
            vectors,
            dtype,
            rows,
            line,
            [turn for turn in turns if turn.times > 1],
        )

    def sums(self, a: str, b: str) -> list[list[str]]:
        """The sums for operands at these addresses, row by row."""
        code, kind = self.vectors.code, self.vectors.type(self.dtype)
        slots = [[code.slot(kind) for _ in self.line] for _ in self.rows]
        for slot in (slot for row in slots for slot in row):
            code.set(kind, "zeroinitializer", slot)

        def walk(level: int, a: str, b: str) -> None:
            if level == len(self.turns):
                self._step(slots, a, b)
                return
            turn = self.turns[level]
            with code.loop(turn.times) as index:
                moved = [code.at(p, code.times(index, s)) for p, s in ((a, turn.a), (b, turn.b))]
                walk(level + 1, *moved)

        walk(0, a, b)
        return [[code.get(kind, slot) for slot in row] for row in slots]

    def _step(self, slots: list[list[str]], a: str, b: str) -> None:
        """Add the products for one inner index."""
        vectors, code, dtype = self.vectors, self.vectors.code, self.dtype
        kind, item = vectors.type(dtype), dtype.itemsize
        line = [vectors.load(code.at(b, at), dtype, item, active) for at, active in self.line]
        multiply = f"llvm.fmuladd.{vectors.suffix(dtype)}"
        for at, sums in zip(self.rows, slots, strict=True):
            factor = vectors.load_one(code.at(a, at), dtype)
            for slot, value in zip(sums, line, strict=True):
                held = code.get(kind, slot)
                found = code.call(multiply, kind, (kind, factor), (kind, value), (kind, held))
                code.set(kind, found, slot)
