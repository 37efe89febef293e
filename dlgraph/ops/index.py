"""Indexing, gathering and scattering.

`x[index]` is split in two: basic indexing (numbers, slices, None, ...) gives a view; indexing with
arrays gathers elements.  The gradient of both adds the pieces back to where they came from.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from dlgraph.core.eager import from_list
from dlgraph.core.primitive import composite, primitive
from dlgraph.core.spec import (
    Dim,
    Spec,
    broadcast_shapes,
    normalise_axis,
    same_shape,
    show_shape,
    spec_of,
)
from dlgraph.errors import DtypeError, LabelError, OperationError, ShapeError


class At(NamedTuple):
    """In a stored index: the place of the array with this number among the inputs."""

    number: int


def _sliced(shape: Sequence[Any], index: tuple) -> list[Any]:
    """The shape that basic indexing gives."""
    result: list[Any] = []
    axis = 0
    for entry in index:
        if entry is None:
            result.append(1)
            continue
        size = shape[axis]
        if isinstance(entry, slice):
            result.append(_slice_size(entry, size))
        elif not isinstance(size, Dim) and not -size <= entry < size:
            raise LabelError(
                f"index {entry} is out of range for axis {axis} with size {size}", where=None
            )
        axis += 1
    return [*result, *shape[axis:]]


def _slice_size(entry: slice, size: Any) -> Any:
    if entry == slice(None):
        return size
    if isinstance(size, Dim):
        return Dim()
    return len(range(*entry.indices(size)))


def _whole(index: tuple, ndim: int, arrays: Sequence[Spec] = ()) -> tuple:
    """The index with `...` written out; too many entries are an error."""
    used = sum(_axes_used(entry, arrays) for entry in index)
    if used > ndim:
        raise ShapeError(f"{used} indices for {ndim} dimensions", where=None)
    if not any(entry is Ellipsis for entry in index):
        return index
    place = next(i for i, entry in enumerate(index) if entry is Ellipsis)
    filler = (slice(None),) * (ndim - used)
    return (*index[:place], *filler, *index[place + 1 :])


def _axes_used(entry: Any, arrays: Sequence[Spec]) -> int:
    """How many axes of the indexed value an entry stands for."""
    if entry is None or entry is Ellipsis:
        return 0
    if isinstance(entry, At) and arrays[entry.number].dtype.kind == "b":
        return arrays[entry.number].ndim
    return 1


def _basic_spec(x: Spec, index: tuple) -> Spec:
    return Spec(tuple(_sliced(x.shape, _whole(index, x.ndim))), x.dtype)


@primitive(name="slice", kind="view", infer=_basic_spec, text="{x}[...]", onnx="Slice")
def _slice(xp: Any, x: Any, *, index: tuple) -> Any:
    """Basic indexing: numbers, slices, None and `...`."""
    return x[index]


_slice.vjp(x=lambda g, like_x, index: scatter(g, like_x, index=index))


def _gather_spec(*xs: Spec, index: tuple) -> Spec:
    x, arrays = xs[0], xs[1:]
    separated = _separated(index)
    sizes: list[Any] = []  # what numbers, slices and None leave of the shape
    shapes: list[Any] = []  # of the arrays, which are broadcast together
    start = 0  # where the axes of the arrays go
    axis = 0
    for entry in _whole(index, x.ndim, arrays):
        width = _axes_used(entry, arrays)
        facing = x.shape[axis : axis + width]
        axis += width
        if not shapes and not separated:
            start = len(sizes)
        if isinstance(entry, At):
            shapes.append(_index_shape(arrays[entry.number], facing))
        else:
            sizes += _sliced(facing, (entry,))
    sizes += x.shape[axis:]
    return Spec((*sizes[:start], *broadcast_shapes(*shapes), *sizes[start:]), x.dtype)


def _separated(index: tuple) -> bool:
    """Does a slice, None or `...` stand between arrays?  NumPy then puts their axes first."""
    places = [i for i, entry in enumerate(index) if isinstance(entry, (At, int))]
    return places != list(range(places[0], places[-1] + 1))


def _index_shape(array: Spec, facing: Sequence[Any]) -> tuple:
    """The shape of an index array; of a mask, one axis of as many as are true."""
    if array.dtype.kind != "b":
        return array.shape
    for size, wanted in zip(array.shape, facing, strict=True):
        if not isinstance(size, Dim) and not isinstance(wanted, Dim) and size != wanted:
            raise ShapeError(
                f"a mask of shape {show_shape(array.shape)} for axes of sizes {show_shape(facing)}",
                where=None,
                hint="a mask has one boolean per element of the axes that it selects from",
            )
    return (Dim(),)


@primitive(name="gather", kind="index", infer=_gather_spec, text="gather({xs})", onnx="GatherND")
def _gather(xp: Any, *xs: Any, index: tuple) -> Any:
    """Indexing with integer or boolean arrays."""
    return xs[0][_filled(index, xs[1:])]


def _filled(index: tuple, arrays: Sequence[Any]) -> tuple:
    return tuple(arrays[entry.number] if isinstance(entry, At) else entry for entry in index)


def _gather_rule(g: Any, xs: Sequence[Any], index: tuple, position: int) -> Any:
    return scatter_add(g, *xs, index=index) if position == 0 else None


_gather.vjp(xs=_gather_rule)


def _scatter_spec(x: Spec, like: Spec, index: tuple) -> Spec:
    return Spec(like.shape, x.dtype)


@primitive(kind="index", infer=_scatter_spec, shape_only=("like",), text="scatter({x})")
def scatter(xp: Any, x: Any, like: Any, *, index: tuple) -> Any:
    """Zeros in the shape of `like`, with `x` at this basic index; the gradient of slicing.

    >>> import dlgraph as dg
    >>> print(dg.scatter(dg.Tensor([1.0]), dg.Tensor([0.0, 0.0, 0.0]), index=(slice(1, 2),)))
    [0. 1. 0.]
    """
    result = xp.zeros(like.shape, x.dtype)
    result[index] = x
    return result


scatter.vjp(x=lambda g, index: _slice(g, index=index))


def _scatter_add_spec(*xs: Spec, index: tuple) -> Spec:
    return Spec(xs[1].shape, xs[0].dtype)


@primitive(kind="index", infer=_scatter_add_spec, text="scatter_add({xs})")
def scatter_add(xp: Any, *xs: Any, index: tuple) -> Any:
    """Zeros in the shape of the second value, with the first one added at an index of arrays.

    Elements that were gathered twice are added twice; the gradient of gathering.

    >>> import dlgraph as dg
    >>> x = dg.Tensor([1.0, 2.0], requires_grad=True)
    >>> x[dg.Tensor([0, 0, 1])].sum().backward()
    >>> print(x.grad)
    [2. 1.]
    """
    result = xp.zeros(xs[1].shape, xs[0].dtype)
    _add_at(xp, result, _filled(index, xs[2:]), xs[0])
    return result


def _add_at(xp: Any, result: Any, index: tuple, x: Any) -> None:
    if xp is not np and result.dtype.kind in "bi":
        # CuPy adds at repeated positions to unsigned integers of 64 bits, not to these.
        wide = result.astype(np.uint64)
        xp.add.at(wide, index, x.astype(np.uint64))
        result[...] = wide.astype(result.dtype)
    elif xp is np and _names_long_rows(result, index, x):
        # The same sums in the same order; NumPy's own way takes up to thirty times as long.
        (numbers,) = index
        rows = x.reshape(numbers.size, *result.shape[1:])
        for place, row in zip(numbers.ravel().tolist(), rows, strict=True):
            result[place] += row
    else:
        xp.add.at(result, index, x)


LONG = 128  # elements of a row from which a loop over the rows pays


def _names_long_rows(result: Any, index: tuple, x: Any) -> bool:
    """Is it one array of numbers of rows that are long enough, with a row for each of them?"""
    numbers, row = index[0], result.shape[1:]
    if len(index) != 1 or not isinstance(numbers, np.ndarray) or numbers.dtype.kind not in "iu":
        return False
    return math.prod(row) >= LONG and x.shape == (*numbers.shape, *row)


def _scatter_add_rule(g: Any, xs: Sequence[Any], index: tuple, position: int) -> Any:
    return _gather(g, *xs[2:], index=index) if position == 0 else None


scatter_add.vjp(xs=_scatter_add_rule)


@composite
def getitem(x: Any, index: Any) -> Any:
    """What `x[index]` does: NumPy's basic and advanced indexing.

    >>> import dlgraph as dg
    >>> x = dg.Tensor([[1.0, 2.0], [3.0, 4.0]])
    >>> print(x[0, 1], x[:, 0], x[dg.Tensor([1, 0]), [0, 1]])
    2.0 [1. 3.] [3. 2.]
    """
    entries = index if isinstance(index, tuple) else (index,)
    stored: list[Any] = []
    arrays: list[Any] = []
    for entry in entries:
        if entry is None or entry is Ellipsis:
            stored.append(entry)
        elif isinstance(entry, slice):
            stored.append(slice(*(_whole_number(v) for v in (entry.start, entry.stop, entry.step))))
        elif isinstance(entry, (int, np.integer)) and not isinstance(entry, bool):
            stored.append(int(entry))
        else:
            stored.append(At(len(arrays)))
            arrays.append(_index_array(entry))
    if not arrays:
        return _slice(x, index=tuple(stored))
    return _gather(x, *arrays, index=tuple(stored))


def _whole_number(value: Any) -> int | None:
    if value is None or isinstance(value, int):
        return value
    if isinstance(value, Dim) or not hasattr(value, "__index__"):
        raise OperationError(
            f"a slice needs whole numbers, not {value!r}", hint="unknown sizes cannot be sliced at"
        )
    return value.__index__()


def _index_array(given: Any) -> Any:
    entry = given if hasattr(given, "dtype") else np.asarray(given)
    if entry.dtype.kind not in "biu":
        raise DtypeError(
            f"an index has dtype {entry.dtype}; indices are integers or booleans",
            hint=_index_hint(given),
        )
    return entry


def _index_hint(given: Any) -> str:
    if isinstance(given, str):
        return "axes and elements have numbers, not names: x[0], x[:, 0]"
    if isinstance(given, float):
        return f"x[{int(given)}]" if given.is_integer() else "x[int(i)]; // divides whole numbers"
    if hasattr(given, "dtype"):
        return 'x[i.astype("int64")]'
    return "a list of whole numbers, x[[0, 2]], or one boolean per element"


def _take_along_spec(x: Spec, indices: Spec, axis: int) -> Spec:
    axis = normalise_axis(axis, x.ndim)
    if x.ndim != indices.ndim:
        raise ShapeError(f"the indices have {indices.ndim} axes, the values {x.ndim}", where=None)
    if not same_shape(_without(indices.shape, axis), _without(x.shape, axis)):
        raise ShapeError(
            f"the indices {show_shape(indices.shape)} and the values {show_shape(x.shape)} must "
            f"have equal sizes on all axes but axis {axis}",
            where=None,
        )
    return Spec(indices.shape, x.dtype)


def _without(shape: Sequence[Any], axis: int) -> tuple:
    return tuple(size for i, size in enumerate(shape) if i != axis)


@primitive(kind="index", infer=_take_along_spec, onnx="GatherElements")
def take_along_axis(xp: Any, x: Any, indices: Any, *, axis: int) -> Any:
    """One element per index along an axis (NumPy's `take_along_axis`).

    >>> import dlgraph as dg
    >>> x = dg.Tensor([[1.0, 2.0], [3.0, 4.0]])
    >>> print(dg.take_along_axis(x, dg.Tensor([[1], [0]]), axis=1))
    [[2.]
     [3.]]
    """
    sizes = list(x.shape)
    sizes[axis] = indices.shape[axis]
    if indices.shape != tuple(sizes):  # the array library would stretch one of them
        _take_along_spec(spec_of(x), spec_of(indices), axis)
    if x.ndim == 2 and axis in (1, -1):  # quicker than the general way
        return x[xp.arange(len(x))[:, None], indices]
    return xp.take_along_axis(x, indices, axis)


take_along_axis.vjp(
    x=lambda g, like_x, indices, axis: put_along_axis(g, like_x, indices, axis=axis)
)


def _put_along_spec(x: Spec, like: Spec, indices: Spec, axis: int) -> Spec:
    return Spec(like.shape, x.dtype)


@primitive(kind="index", infer=_put_along_spec, shape_only=("like",))
def put_along_axis(xp: Any, x: Any, like: Any, indices: Any, *, axis: int) -> Any:
    """Zeros in the shape of `like` with `x` added at the indices; gradient of `take_along_axis`.

    >>> import dlgraph as dg
    >>> like = dg.Tensor([[0.0, 0.0]])
    >>> print(dg.put_along_axis(dg.Tensor([[5.0]]), like, dg.Tensor([[1]]), axis=1))
    [[0. 5.]]
    """
    result = xp.zeros(like.shape, x.dtype)
    axis = normalise_axis(axis, result.ndim)
    grid = list(xp.ogrid[tuple(slice(size) for size in indices.shape)])
    grid[axis] = indices
    _add_at(xp, result, tuple(grid), x)
    return result


put_along_axis.vjp(x=lambda g, indices, axis: take_along_axis(g, indices, axis=axis))


@composite
def take(x: Any, indices: Any, axis: int = 0) -> Any:
    """Rows (or other slices) by number, as in an embedding: `x[indices]` along one axis.

    >>> import dlgraph as dg
    >>> table = dg.Tensor([[1.0, 2.0], [3.0, 4.0]])
    >>> print(dg.take(table, dg.Tensor([1, 1, 0])))
    [[3. 4.]
     [3. 4.]
     [1. 2.]]
    """
    x = from_list(x)
    axis = normalise_axis(axis, x.ndim, "take")
    return getitem(x, (*(slice(None),) * axis, _index_array(indices)))
