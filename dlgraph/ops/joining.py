"""Joining arrays: one after the other along an axis, or side by side along a new one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dlgraph.core.primitive import composite, primitive
from dlgraph.core.spec import (
    Dim,
    Spec,
    common_dtype,
    normalise_axis,
    same_shape,
    show_shape,
    spec_of,
)
from dlgraph.errors import OperationError, ShapeError
from dlgraph.ops.copies import zeros_like
from dlgraph.ops.shape import expand_dims


def _same_rank(specs: Sequence[Spec]) -> None:
    if len({spec.ndim for spec in specs}) > 1:
        shown = ", ".join(show_shape(spec.shape) for spec in specs)
        raise ShapeError(f"the values have different numbers of axes: {shown}", where=None)


def _concatenate_spec(*xs: Spec, axis: int) -> Spec:
    _same_rank(xs)
    axis = normalise_axis(axis, xs[0].ndim)
    shape = list(xs[0].shape)
    for i in range(len(shape)):
        sizes = [x.shape[i] for x in xs]
        known = [size for size in sizes if isinstance(size, int)]
        if i == axis:
            shape[i] = sum(known) if len(known) == len(sizes) else Dim()
        elif len(set(known)) > 1:
            shown = ", ".join(show_shape(x.shape) for x in xs)
            raise ShapeError(
                f"axis {i} differs: {shown}",
                where=None,
                hint=f"all axes but the joined one (axis {axis}) must have equal sizes",
            )
        elif known:
            shape[i] = known[0]
        else:
            for size in sizes[1:]:
                sizes[0].join(size)
    return Spec(tuple(shape), common_dtype(x.dtype for x in xs))


@primitive(
    name="concatenate",
    kind="index",
    infer=_concatenate_spec,
    promotes=(0,),
    text="concatenate({xs})",
    onnx="Concat",
)
def _concatenate(xp: Any, *xs: Any, axis: int) -> Any:
    """Values joined along an axis."""
    return xp.concatenate(xs, axis=axis)


def _concatenate_rule(g: Any, like_xs: Sequence[Any], axis: int, position: int) -> Any:
    axis = normalise_axis(axis, g.ndim)
    return concatenate_part(g, *like_xs, axis=axis, part=position)


_concatenate.vjp(xs=_concatenate_rule)


def _part_spec(*xs: Spec, axis: int, part: int) -> Spec:
    return Spec(xs[1 + part].shape, xs[0].dtype)


@primitive(kind="view", infer=_part_spec, text="part({xs})")
def concatenate_part(xp: Any, *xs: Any, axis: int, part: int) -> Any:
    """The piece of the first value that one of the others contributed; the gradient of
    `concatenate`.

    >>> import dlgraph as dg
    >>> a, b = dg.Tensor([1.0]), dg.Tensor([2.0, 3.0])
    >>> joined = dg.concatenate([a, b])
    >>> print(dg.concatenate_part(joined, a, b, axis=0, part=1))
    [2. 3.]
    """
    start = sum(x.shape[axis] for x in xs[1 : 1 + part])
    index = [slice(None)] * xs[0].ndim
    index[axis] = slice(start, start + xs[1 + part].shape[axis])
    return xs[0][tuple(index)]


def _part_rule(g: Any, like_xs: Sequence[Any], axis: int, part: int, position: int) -> Any:
    if position > 0:
        return None
    return _concatenate(
        *(g if i == part else zeros_like(x) for i, x in enumerate(like_xs[1:])), axis=axis
    )


concatenate_part.vjp(xs=_part_rule)


@composite
def concatenate(xs: Sequence[Any], axis: int = 0) -> Any:
    """Values joined along an existing axis.

    >>> import dlgraph as dg
    >>> print(dg.concatenate([dg.Tensor([1.0]), dg.Tensor([2.0, 3.0])]))
    [1. 2. 3.]
    """
    return _concatenate(*_parts("concatenate", xs, axis), axis=axis)


def _parts(name: str, xs: Any, axis: Any) -> list[Any]:
    """The values to join, and whether the axis is one."""
    if not hasattr(xs, "__iter__"):
        raise OperationError(
            f"{name} joins a list of values, not {xs!r}", hint=f"dg.{name}([a, b], axis=0)"
        )
    parts = list(xs)
    if not parts:
        raise OperationError(f"{name} needs at least one value")
    if isinstance(axis, bool) or not hasattr(axis, "__index__") or getattr(axis, "ndim", False):
        raise OperationError(
            f"{name}: the axis is a whole number, not {axis!r}",
            hint=f"the values go into one list: dg.{name}([a, b], axis=0)",
        )
    return parts


@composite
def stack(xs: Sequence[Any], axis: int = 0) -> Any:
    """Values of one shape joined along a new axis.

    >>> import dlgraph as dg
    >>> print(dg.stack([dg.Tensor([1.0, 2.0]), dg.Tensor([3.0, 4.0])], axis=1))
    [[1. 3.]
     [2. 4.]]
    """
    parts = _parts("stack", xs, axis)
    shapes = [spec_of(x).shape for x in parts]
    if not all(same_shape(shape, shapes[0]) for shape in shapes):
        shown = ", ".join(map(show_shape, shapes))
        raise ShapeError(f"stack: the values have different shapes: {shown}")
    ndim = len(shapes[0]) + 1
    if not -ndim <= axis < ndim:
        raise ShapeError(
            f"stack: axis {axis} is out of range for a result of {ndim} dimensions",
            hint=f"allowed are {-ndim} to {ndim - 1}",
        )
    return concatenate([expand_dims(x, axis=axis) for x in parts], axis=axis)
