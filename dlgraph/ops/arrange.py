"""Rearranging: flip, roll, tile, repeat, split, move axes.

Almost all of it is indexing, or choosing by `positions`: 0, 1, 2 ... along an axis, which a graph
has also where the size is not known before the run.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from dlgraph.core.eager import from_list
from dlgraph.core.primitive import composite, primitive
from dlgraph.core.spec import Dim, Spec, normalise_axes, normalise_axis, show_shape
from dlgraph.errors import OperationError, ShapeError
from dlgraph.ops.index import getitem, take
from dlgraph.ops.joining import concatenate
from dlgraph.ops.rounding import remainder
from dlgraph.ops.shape import expand_dims, reshape, reshape_like, size_along, transpose


def _positions_spec(x: Spec, axis: int, before: int, after: int) -> Spec:
    size = x.shape[normalise_axis(axis, x.ndim)]
    if (before or after) and isinstance(size, Dim):
        size = Dim()
    elif isinstance(size, int):
        size += before + after
    return Spec((size,), np.dtype(np.int64))


@primitive(kind="view", infer=_positions_spec, shape_only=("x",))
def positions(xp: Any, x: Any, *, axis: int, before: int = 0, after: int = 0) -> Any:
    """The index of every place along an axis: 0, 1, 2 ... as int64.

    `before` and `after` continue the row beyond both ends.

    >>> import dlgraph as dg
    >>> print(dg.positions(dg.Tensor([[5.0, 6.0, 7.0]]), axis=1, before=1))
    [-1  0  1  2]
    """
    return xp.arange(-before, x.shape[axis] + after, dtype=np.int64)


def _at(axis: int, entry: Any) -> tuple:
    return (*(slice(None),) * axis, entry)


# ---- moving and copying --------------------------------------------------------------------------


@composite
def moveaxis(x: Any, source: Any, destination: Any) -> Any:
    """Axes moved to other places; the others keep their order.

    >>> import dlgraph as dg
    >>> dg.moveaxis(dg.Tensor([[[1.0], [2.0]]]), 0, -1).shape
    (2, 1, 1)
    """
    x = from_list(x)
    sources = source if isinstance(source, (tuple, list)) else (source,)
    places = destination if isinstance(destination, (tuple, list)) else (destination,)
    if len(sources) != len(places):
        raise ShapeError(f"moveaxis: {len(sources)} axes to {len(places)} places")
    sources = [normalise_axis(axis, x.ndim, "moveaxis") for axis in sources]
    places = [normalise_axis(axis, x.ndim, "moveaxis") for axis in places]
    order = [axis for axis in range(x.ndim) if axis not in sources]
    for place, axis in sorted(zip(places, sources, strict=True)):
        order.insert(place, axis)
    return transpose(x, axes=tuple(order)) if order != list(range(x.ndim)) else x


@composite
def flip(x: Any, axis: Any = None) -> Any:
    """The order of the elements reversed along the axes (all by default).

    >>> import dlgraph as dg
    >>> print(dg.flip(dg.Tensor([[1.0, 2.0], [3.0, 4.0]]), axis=1))
    [[2. 1.]
     [4. 3.]]
    """
    x = from_list(x)
    axes = normalise_axes(axis, x.ndim, "flip")
    turn = slice(None, None, -1)
    return getitem(x, tuple(turn if i in axes else slice(None) for i in range(x.ndim)))


@composite
def roll(x: Any, shift: Any, axis: Any = None) -> Any:
    """Elements shifted along the axes; what falls out at one end comes in at the other.

    Without an axis the elements are shifted as one long row.

    >>> import dlgraph as dg
    >>> print(dg.roll(dg.Tensor([1.0, 2.0, 3.0]), 1))
    [3. 1. 2.]
    """
    x = from_list(x)
    if axis is None:
        return reshape_like(roll(reshape(x, (-1,)), shift, 0), x) if x.ndim else x
    axes = axis if isinstance(axis, (tuple, list)) else (axis,)
    shifts = shift if isinstance(shift, (tuple, list)) else (shift,) * len(axes)
    if len(shifts) != len(axes):
        raise ShapeError(f"roll: {len(shifts)} shifts for {len(axes)} axes")
    for by, one in zip(shifts, axes, strict=True):
        one = normalise_axis(one, x.ndim, "roll")
        if x.shape[one] != 0:
            place = positions(x, axis=one) - int(by)
            x = take(x, remainder(place, size_along(x, axis=one)), one)
    return x


def _counts(name: str, values: Any) -> tuple[int, ...]:
    """One or several whole numbers of at least 0."""
    found = tuple(values) if isinstance(values, (tuple, list, np.ndarray)) else (values,)
    for one in found:
        whole = isinstance(one, (int, np.integer)) and not isinstance(one, bool)
        if not whole or one < 0:
            raise OperationError(f"{name} is {one!r}, not a whole number of at least 0")
    return tuple(map(int, found))


@composite
def tile(x: Any, repeats: Any) -> Any:
    """The whole value repeated, per axis this often (NumPy's `tile`).

    >>> import dlgraph as dg
    >>> print(dg.tile(dg.Tensor([1.0, 2.0]), (2, 2)))
    [[1. 2. 1. 2.]
     [1. 2. 1. 2.]]
    """
    x = from_list(x)
    counts = _counts("tile: repeats", repeats)
    counts = (1,) * (x.ndim - len(counts)) + counts
    if len(counts) > x.ndim:
        x = expand_dims(x, axis=tuple(range(len(counts) - x.ndim)))
    for axis, count in enumerate(counts):
        if count == 0:
            x = getitem(x, _at(axis, slice(0, 0)))
        elif count != 1:
            x = concatenate([x] * count, axis)
    return x


@composite
def repeat(x: Any, repeats: Any, axis: int | None = None) -> Any:
    """Every element (or slice along the axis) repeated, one behind the other.

    `repeats` is a number, or one number per slice.

    >>> import dlgraph as dg
    >>> print(dg.repeat(dg.Tensor([1.0, 2.0]), 2), dg.repeat(dg.Tensor([1.0, 2.0]), [1, 3]))
    [1. 1. 2. 2.] [1. 2. 2. 2.]
    """
    x = from_list(x)
    if axis is None:
        x, axis = reshape(x, (-1,)), 0
    axis = normalise_axis(axis, x.ndim, "repeat")
    if isinstance(repeats, (int, np.integer)):
        place = positions(x, axis=axis)
        rows = concatenate([expand_dims(place, axis=1)] * int(repeats), 1) if repeats else None
        return take(x, reshape(rows, (-1,)), axis) if repeats else x[_at(axis, slice(0, 0))]
    counts = np.asarray(repeats)
    if isinstance(x.shape[axis], Dim) or counts.shape != (x.shape[axis],):
        raise ShapeError(
            f"repeat: {counts.shape} numbers for axis {axis} of {show_shape(x.shape)}",
            hint="one number, or as many as the axis is long",
        )
    return take(x, np.repeat(np.arange(len(counts)), counts), axis)


@composite
def split(x: Any, parts: Any, axis: int = 0) -> Any:
    """A list of pieces along an axis.

    `parts` is the number of equal pieces, or the list of their sizes (not, as in NumPy, the
    places of the cuts).

    >>> import dlgraph as dg
    >>> a, b = dg.split(dg.Tensor([1.0, 2.0, 3.0]), [1, 2])
    >>> print(a, b)
    [1.] [2. 3.]
    """
    x = from_list(x)
    axis = normalise_axis(axis, x.ndim, "split")
    size = x.shape[axis]
    if isinstance(parts, (int, np.integer)):
        if isinstance(size, Dim) or parts < 1 or size % parts:
            raise ShapeError(
                f"split: axis {axis} of {show_shape(x.shape)} does not divide into {parts} equal "
                "pieces",
                hint="give the sizes of the pieces, or use chunk",
            )
        parts = [size // parts] * int(parts)
    sizes = list(_counts("split: parts", parts))
    whole = isinstance(size, Dim) or np.sum(sizes, dtype=int) == size
    if not whole:
        raise ShapeError(f"split: pieces of {sizes} from an axis of size {size}")
    ends = np.cumsum([0, *sizes])
    pairs = zip(ends[:-1].tolist(), ends[1:].tolist(), strict=True)
    return [getitem(x, _at(axis, slice(start, stop))) for start, stop in pairs]


@composite
def chunk(x: Any, count: int, axis: int = 0) -> Any:
    """A list of at most `count` pieces of one size along an axis; the last may be smaller.

    >>> import dlgraph as dg
    >>> print(*dg.chunk(dg.Tensor([1.0, 2.0, 3.0]), 2))
    [1. 2.] [3.]
    """
    x = from_list(x)
    axis = normalise_axis(axis, x.ndim, "chunk")
    size = x.shape[axis]
    (count,) = _counts("chunk: count", (count,))
    if isinstance(size, Dim) or count < 1:
        raise ShapeError(f"chunk: axis {axis} of {show_shape(x.shape)} into {count} pieces")
    step = -(-size // count)
    if not step:
        return [x] * count
    return split(x, [min(step, size - start) for start in range(0, size, step)], axis)
