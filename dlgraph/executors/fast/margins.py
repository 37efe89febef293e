"""Pictures with a margin of zeros: how the kernels of convolution serve padding.

A kernel knows nothing of padding.  It reads (or adds to) a copy of one picture, or of a few, in
scratch memory with zeros around them, which is still in the cache when it is used.  The zeros are
written once: the next pictures only change what is inside.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from dlgraph.executors.fast.geometry import Geometry, Loops, axes_of, blocks, channels_last
from dlgraph.executors.fast.ir import Code, Target
from dlgraph.executors.fast.tiles import Strided, even, lanes_for, turned
from dlgraph.executors.fast.vectors import Vectors
from dlgraph.executors.plan import Place, strides_of

Margins = tuple[tuple[int, int], tuple[int, int]]
NONE: Margins = ((0, 0), (0, 0))
LINE = 64  # bytes of a cache line, on which scratch memory begins


class Pictures(NamedTuple):
    """An array (batch, channels, height, width): its address, and its strides in bytes."""

    pointer: str
    strides: tuple[int, int, int, int]

    def since(self, code: Code, number: Any) -> Pictures:
        """The pictures from this number on."""
        return self._replace(pointer=code.at(self.pointer, code.times(number, self.strides[0])))


class Frame(NamedTuple):
    """A picture within a margin, in memory without gaps; sizes and strides in bytes.

    `shape` is (channels, height, width) of what is `inside`, which is where it begins.
    """

    shape: tuple[int, int, int]
    strides: tuple[int, int, int, int]
    inside: int
    dtype: np.dtype

    @property
    def bytes(self) -> int:
        """Of one picture with its margin."""
        return self.strides[0]

    def clear(self, code: Code, room: str, count: int, target: Target) -> Pictures:
        """So many pictures of zeros at this address."""
        clear(code, self.dtype, room, count * self.bytes // self.dtype.itemsize, target)
        return Pictures(room, self.strides)

    def fill(
        self, code: Code, given: Pictures, wide: Pictures, count: int, target: Target
    ) -> Pictures:
        """Copy pictures to where their margins are."""
        self._copy(code, given, self._within(code, wide), count, target)
        return wide

    def empty(self, code: Code, wide: Pictures, out: Pictures, count: int, target: Target) -> None:
        """Copy pictures from within their margins."""
        self._copy(code, self._within(code, wide), out, count, target)

    def _within(self, code: Code, wide: Pictures) -> Pictures:
        return wide._replace(pointer=code.at(wide.pointer, self.inside))

    def _copy(self, code: Code, given: Pictures, out: Pictures, count: int, target: Target) -> None:
        """The longest runs that lie without gaps on both sides are the rows of the copy."""
        item, sizes = self.dtype.itemsize, (count, *self.shape)
        for a, b in ((1, 3), (3, 1)):  # channels and columns
            if given.strides[a] == out.strides[b] == item != out.strides[a]:
                return self._turn(code, given, out, count, a, b, target)
        axes = sorted(zip(sizes, given.strides, out.strides, strict=True), key=lambda a: -a[2])
        axes = [axis for axis in axes if axis[0] > 1] or axes[-1:]
        size, a, b = axes.pop()
        while axes and axes[-1][1:] == (size * a, size * b):
            size *= axes.pop()[0]
        vectors = Vectors(code, lanes_for(size, self.dtype, target))
        Loops(code).run(
            [given.pointer, out.pointer],
            [(n, 1, steps) for n, *steps in axes],
            lambda at: copy_row(vectors, self.dtype, size, (at[0], a), (at[1], b)),
        )

    def _turn(
        self, code: Code, given: Pictures, out: Pictures, count: int, a: int, b: int, target: Target
    ) -> None:
        """From axis `a` side by side to axis `b` side by side, by rows of the picture."""
        (gn, _, gy, _), (on, _, oy, _) = given.strides, out.strides
        sizes = count, *self.shape
        matrix = sizes[b], sizes[a]

        def row(at: list[str]) -> None:
            source = Strided(at[0], given.strides[b], self.dtype.itemsize)
            turned(code, self.dtype, matrix, source, at[1], target, out.strides[a])

        axes = [(count, 1, (gn, on)), (sizes[2], 1, (gy, oy))]
        Loops(code).run([given.pointer, out.pointer], axes, row)


def frame(place: Place, margins: Margins, last: bool | None = None) -> Frame:
    """The frame of the pictures of an array, with the axes in its order (or the channels last)."""
    item = place.dtype.itemsize
    _, channels, height, width = place.shape
    shape = (1, channels, height + sum(margins[0]), width + sum(margins[1]))
    if last is None:
        last = axes_of(place)[1] == item != axes_of(place)[3]
    over, along, down, right = channels_last(shape, item) if last else strides_of(shape, item)
    inside = margins[0][0] * down + margins[1][0] * right
    return Frame((channels, height, width), (over, along, down, right), inside, place.dtype)


def rounded(size: int) -> int:
    """Bytes up to where the next part of scratch memory may begin."""
    return -(-size // LINE) * LINE


class Few(NamedTuple):
    """A convolution of so many pictures at a time; what has a frame is read from copies in it.

    `frames` are those of the two operands that have pictures, in their order.
    """

    g: Geometry
    many: int
    frames: tuple[Frame | None, Frame | None]

    @property
    def scratch(self) -> int:
        """Bytes of the copies."""
        return sum(rounded(self.many * one.bytes) for one in self.frames if one)

    def stretches(
        self, code: Code, given: Sequence[Pictures], room: str, target: Target
    ) -> Iterator[tuple[Geometry, Pictures, Pictures]]:
        """A loop: the sizes of a stretch, and where its pictures are; `room` is for copies."""
        copies = []
        for one in self.frames:
            copies.append(one and one.clear(code, room, self.many, target))
            room = code.at(room, rounded(self.many * one.bytes) if one else 0)
        for start, length, count in blocks(self.g.batch, even(self.g.batch, self.many)):
            with code.loop(length, count) as index:
                first = code.add(index, start)
                a, b = (
                    one.fill(code, pictures.since(code, first), copy, count, target)
                    if one and copy
                    else pictures.since(code, first)
                    for one, copy, pictures in zip(self.frames, copies, given, strict=True)
                )
                yield self.g._replace(batch=count), a, b


def copy_row(
    vectors: Vectors,
    dtype: np.dtype,
    size: int,
    given: tuple[str, int],
    out: tuple[str, int],
) -> None:
    """Copy elements that lie some bytes apart; both sides are an address and these bytes."""
    code = vectors.code
    for start, length, many in blocks(size, vectors.lanes):
        with code.loop(length, many) as index:
            places = [
                code.at(code.at(at, start * step), code.times(index, step))
                for at, step in (given, out)
            ]
            value = vectors.load(places[0], dtype, given[1], many)
            vectors.store(value, places[1], dtype, out[1], many)


def clear(code: Code, dtype: np.dtype, pointer: str, size: int, target: Target) -> None:
    """So many zeros, side by side."""
    vectors = Vectors(code, lanes_for(size, dtype, target))
    for start, length, many in blocks(size, vectors.lanes):
        at = code.at(pointer, start * dtype.itemsize)
        with code.loop(length, many) as index:
            place = code.at(at, code.times(index, dtype.itemsize))
            vectors.store("zeroinitializer", place, dtype, dtype.itemsize, many)
