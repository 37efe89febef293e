"""Sizes, layouts and loops that the kernels of convolution share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from dlgraph.executors.fast.ir import Code, type_of
from dlgraph.executors.plan import Instruction, Place, strides_of
from dlgraph.ops.scalar import Unsupported

FEW = 8  # channels of a result up to which the row of the picture goes in vectors
VECTOR = 64  # bytes: vectors by which two layouts are compared, whatever this machine has
SPREAD = ("conv2d_input", "conv_transpose2d")  # one and the same: the second knows its own size


class Geometry(NamedTuple):
    """Sizes and steps of a convolution."""

    batch: int
    channels: int
    filters: int
    kernel: tuple[int, int]
    out: tuple[int, int]
    stride: tuple[int, int]
    dilation: tuple[int, int]
    padding: tuple[tuple[int, int], tuple[int, int]]

    @property
    def padded(self) -> bool:
        return any(map(any, self.padding))


def operands(step: Instruction) -> tuple[Place, Place, Place]:
    """The two operands of a convolution, or of a gradient of one, and where its result goes."""
    a, b = step.inputs[:2]
    if a is None or b is None or step.output is None:
        raise Unsupported("a convolution without operands")
    return a, b, step.output


def geometry(x: Place, w: Place, y: Place, attrs: dict[str, Any]) -> Geometry:
    for place in (x, w, y):
        if place.dtype != y.dtype or place.dtype.kind != "f" or place.strides is None:
            raise Unsupported("operands of a convolution")
    type_of(y.dtype)
    if attrs["groups"] != 1:
        raise Unsupported("groups")
    return Geometry(
        x.shape[0],
        x.shape[1],
        w.shape[0],
        (w.shape[2], w.shape[3]),
        (y.shape[2], y.shape[3]),
        attrs["stride"],
        attrs["dilation"],
        attrs["padding"],
    )


def channels_last(shape: Sequence[int], item: int) -> tuple[int, ...]:
    """Strides of a (batch, channels, height, width) array whose channels lie side by side."""
    batch, channels, height, width = shape
    over_batch, down, right, along = strides_of((batch, height, width, channels), item)
    return over_batch, along, down, right


def layout(name: str, attrs: dict[str, Any], inputs: Sequence[Place], shape: Any) -> Any:
    """The strides in which a kernel here would write its result; None if there is none."""
    item = inputs[0].dtype.itemsize
    if inputs[0].dtype.kind != "f" or attrs["groups"] != 1:
        return None
    if name == "conv2d_filters":
        return strides_of(shape, item)
    if name in SPREAD and along_rows(inputs[0], inputs[1], attrs, shape):
        return strides_of(shape, item)
    if name == "conv2d" and shape[1] <= FEW and in_rows(inputs[0], attrs):
        return strides_of(shape, item)
    return channels_last(shape, item)


def along_rows(dy: Place, w: Place, attrs: dict[str, Any], picture: Sequence[int]) -> bool:
    """Is the gradient for the input quicker as a convolution of dy, with vectors along its rows?

    That takes windows that go on by one pixel and margins no wider than a filter reaches.  Counted
    are the steps of both ways, by vectors: (pixel, row of a filter) times vectors of a run times
    filters, of which each sum is also read, added and written, against rows of the picture.
    """
    facts = zip(w.shape[2:], attrs["dilation"], attrs["padding"], strict=True)
    reached = all(max(widths) <= apart * (size - 1) for size, apart, widths in facts)
    if not reached or attrs["stride"] != (1, 1) or w.shape[1] > FEW:
        return False
    filters, channels, _, columns = w.shape
    lanes = VECTOR // w.dtype.itemsize
    run = channels * columns
    added = dy.shape[2] * dy.shape[3] * -(-run // lanes) * (filters + 3)
    return picture[2] * -(-picture[3] // lanes) * run * filters <= added


def in_rows(x: Place, attrs: dict[str, Any]) -> bool:
    return axes_of(x)[3] == x.dtype.itemsize and attrs["stride"][1] == 1


class Loops:
    """Nested loops over some axes, moving several addresses."""

    def __init__(self, code: Code):
        self.code = code

    def run(
        self,
        pointers: list[str],
        axes: Sequence[tuple[int, int, Sequence[int]]],
        body: Callable[[list[str]], None],
    ) -> None:
        """Axes are (size, step of the index, bytes per index for each pointer)."""
        if not axes:
            body(pointers)
            return
        size, step, strides = axes[0]
        with self.code.loop(size, step) as index:
            moved = [
                self.code.at(p, self.code.times(index, s))
                for p, s in zip(pointers, strides, strict=True)
            ]
            self.run(moved, axes[1:], body)


def axes_of(place: Place) -> tuple[int, int, int, int]:
    assert place.strides is not None
    a, b, c, d = place.strides
    return a, b, c, d


def line_of(lanes: int, size: int, first: int, width: int, item: int) -> list[tuple[int, int]]:
    """Offsets and active lanes of some vectors of a row of this size, from vector `first` on."""
    vectors = range(first, first + width)
    return [(v * lanes * item, min(lanes, size - v * lanes)) for v in vectors]


def blocks(size: int, step: int) -> list[tuple[int, int, int]]:
    """(start, length, step) of what goes in whole steps, and of the rest in one."""
    whole = size - size % step
    return [(a, n, s) for a, n, s in ((0, whole, step), (whole, size - whole, size - whole)) if n]
