"""An array as what is drawn of it: tiles of cells, a scale, a histogram, words.

One axis is drawn as bars, two as a heat map; of three or four axes the last two are one tile each,
at most 64 of them.  Read next: array_svg.py, which places all this on a page.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from dlgraph.core.arrays import Bundle, is_array
from dlgraph.core.node import Node
from dlgraph.core.tensor import Tensor, value_of
from dlgraph.draw.formula import shape_text
from dlgraph.draw.heat import Scale, cells_of, scale_of
from dlgraph.draw.summary import Histogram, Summary, histogram, in_words, summarise
from dlgraph.errors import DtypeError, OperationError, ShapeError

SIDE = 256  # cells of a tile each way, at most
CELLS = 256 * 256  # of all tiles together
TILES = 64  # of an array with three axes
COLUMNS = 8  # of a grid of tiles
LEAST = 8  # cells that a tile keeps each way, however many tiles there are


class Tile(NamedTuple):
    """One matrix of the array: `prefix` is its place on the axes in front."""

    prefix: tuple[int, ...]
    values: np.ndarray

    @property
    def label(self) -> str:
        """`[3]`, `[3, 0]`; empty where there is only one."""
        return f"[{', '.join(map(str, self.prefix))}]" if self.prefix else ""


class ArrayPicture(NamedTuple):
    """Everything that a figure of an array shows."""

    title: str
    kind: str  # number, bars, matrix, tiles or nothing
    tiles: tuple[Tile, ...]
    columns: int  # of the grid of tiles
    block: tuple[int, int]  # elements that one cell stands for
    scale: Scale
    histogram: Histogram
    summary: Summary
    notes: tuple[str, ...]

    @property
    def words(self) -> list[str]:
        """Statistics, then what the picture leaves out, one sentence a line."""
        return [*in_words(self.summary), *self.notes]


def picture_of_array(x: Any, title: str = "") -> ArrayPicture:
    """The picture of an array, a Tensor or a nested list of numbers.

    Raises ShapeError for more than four axes, DtypeError for what is not real numbers,
    OperationError for what is no array.
    """
    array = _checked(x)
    matrices, columns = _matrices(array)
    limit = _limit(matrices)
    cells = [cells_of(matrix, limit) for _, matrix in matrices]
    block = cells[0].block if cells else (1, 1)
    total = int(np.prod(array.shape[:-2], dtype=np.int64)) if array.ndim > 2 else 1
    return ArrayPicture(
        title,
        _kind(array),
        tuple(Tile(p, c.values) for (p, _), c in zip(matrices, cells, strict=True)),
        columns,
        block,
        scale_of(np.concatenate([c.values.ravel() for c in cells]) if cells else array),
        histogram(array),
        summarise(array),
        tuple(_notes(block, len(matrices), total, array.ndim) if array.size else ()),
    )


def _checked(x: Any) -> np.ndarray:
    if isinstance(x, Node):
        x.numpy()  # raises the error that says how a node gets a value
    if isinstance(x, Tensor):
        x = value_of(x)
    if isinstance(x, Bundle):
        raise OperationError("view shows one array, this is several values that travel together")
    if hasattr(x, "get") and is_array(x):
        x = x.get()  # from the memory of the graphics card
    try:
        array = np.asarray(x)
    except ValueError as error:
        raise OperationError(
            f"view: this {type(x).__name__} is no array", hint="its rows must have equal lengths"
        ) from error
    if array.dtype.kind == "c":
        raise DtypeError(
            f"view shows real numbers, this is {array.dtype}",
            hint="the absolute value, or the real and the imaginary part: x.real, x.imag",
        )
    if array.dtype.kind not in "biuf":
        raise DtypeError(
            f"view shows numbers, this {type(x).__name__} holds {array.dtype}",
            hint="pass an array, a Tensor or a nested list; dg.draw shows graphs",
        )
    if array.ndim > 4:
        raise ShapeError(
            f"view shows arrays of up to four axes, this one has {array.ndim}: {array.shape}",
            hint="choose one along the first axis, x[0], or x.reshape(...)",
        )
    return array


def _kind(array: np.ndarray) -> str:
    if not array.size:
        return "nothing"
    return ("number", "bars", "matrix", "tiles", "tiles")[array.ndim]


def _matrices(array: np.ndarray) -> tuple[list[tuple[tuple[int, ...], np.ndarray]], int]:
    """The tiles as matrices with their places, and the columns of their grid."""
    if not array.size:
        return [], 1
    if array.ndim < 2:
        return [((), array.reshape(1, -1))], 1
    if array.ndim == 2:
        return [((), array)], 1
    if array.ndim == 3:
        count = min(array.shape[0], TILES)
        return [((k,), array[k]) for k in range(count)], min(COLUMNS, _even(count))
    rows, columns = min(array.shape[0], TILES // COLUMNS), min(array.shape[1], COLUMNS)
    if array.shape[1] == 1:  # a batch of pictures with one channel
        rows, columns = min(array.shape[0], TILES), 1
        return [((k, 0), array[k, 0]) for k in range(rows)], min(COLUMNS, _even(rows))
    return [((k, c), array[k, c]) for k in range(rows) for c in range(columns)], columns


def _even(count: int) -> int:
    """Columns of a grid that is about as wide as it is high."""
    return max(1, int(np.ceil(np.sqrt(count))))


def _limit(matrices: list[tuple[tuple[int, ...], np.ndarray]]) -> int:
    """Cells per side so that all tiles together stay within CELLS."""
    if not matrices:
        return SIDE
    rows, columns = matrices[0][1].shape
    limit = SIDE
    while limit > LEAST and len(matrices) * min(rows, limit) * min(columns, limit) > CELLS:
        limit -= 8
    return limit


def _notes(block: tuple[int, int], shown: int, total: int, axes: int) -> list[str]:
    notes = []
    if axes == 1 and block[1] > 1:
        notes.append(f"each bar is the mean of {block[1]} elements")
    elif block != (1, 1):
        notes.append(f"each cell is the mean of {shape_text(block)} elements")
    if shown < total:
        notes.append(f"{shown} of {total:,} slices are shown")
    return notes
