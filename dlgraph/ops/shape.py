"""Shape operations: the same elements, arranged otherwise.  Most give views, copying nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from dlgraph.core.eager import from_list
from dlgraph.core.primitive import composite, primitive
from dlgraph.core.spec import (
    Dim,
    Shape,
    Spec,
    broadcast_shapes,
    normalise_axes,
    normalise_axis,
    reshaped,
    show_shape,
)
from dlgraph.errors import OperationError, ShapeError
from dlgraph.ops.reduce import sum_like


class SizeOf(NamedTuple):
    """In a target shape: the size that this axis of the input turns out to have."""

    axis: int

    def __str__(self) -> str:
        return f"size of axis {self.axis}"


def _reshape_spec(x: Spec, shape: Sequence[Any]) -> Spec:
    target = [x.shape[s.axis] if isinstance(s, SizeOf) else s for s in shape]
    return Spec(reshaped(x.shape, target), x.dtype)


@primitive(name="reshape", kind="view", infer=_reshape_spec, text="reshape({x})", onnx="Reshape")
def _reshape(xp: Any, x: Any, *, shape: Sequence[Any]) -> Any:
    """The same elements in another shape."""
    return x.reshape([x.shape[s.axis] if isinstance(s, SizeOf) else s for s in shape])


_reshape.vjp(x=lambda g, like_x: reshape_like(g, like_x))


@composite
def reshape(x: Any, shape: Any) -> Any:
    """The same elements, in the same order, in another shape.

    One size may be -1 and is worked out.  A size taken from a node's own shape (`x.shape[0]`) may
    be unknown.

    >>> import dlgraph as dg
    >>> print(dg.reshape(dg.Tensor([1.0, 2.0, 3.0, 4.0]), (2, -1)))
    [[1. 2.]
     [3. 4.]]
    """
    sizes = shape if isinstance(shape, (tuple, list)) else (shape,)
    return _reshape(x, shape=tuple(_size(x, size) for size in sizes))


def _size(x: Any, size: Any) -> Any:
    if isinstance(size, Dim):
        for axis, known in enumerate(x.shape):
            if known == size:
                return SizeOf(axis)
        raise ShapeError(
            f"reshape: the unknown size {size} is none of the sizes of {show_shape(x.shape)}",
            hint="use -1 for the one size that is left over",
        )
    if isinstance(size, (bool, float)) or not hasattr(size, "__index__") or int(size) < -1:
        raise OperationError(
            f"reshape: {size!r} is not a size",
            hint="sizes are whole numbers; one of them may be -1, which is worked out",
        )
    return int(size)


def _like_spec(x: Spec, like: Spec) -> Spec:
    return Spec(like.shape, x.dtype)


@primitive(kind="view", infer=_like_spec, text="reshape({x})", shape_only=("like",))
def reshape_like(xp: Any, x: Any, like: Any) -> Any:
    """The same elements in the shape of `like`; the gradient of `reshape`.

    >>> import dlgraph as dg
    >>> print(dg.reshape_like(dg.Tensor([1.0, 2.0]), dg.Tensor([[0.0], [0.0]])))
    [[1.]
     [2.]]
    """
    return x.reshape(like.shape)


reshape_like.vjp(x=lambda g, like_x: reshape_like(g, like_x))


@composite
def flatten(x: Any, start: int = 0) -> Any:
    """All axes from `start` on as one: (n, 28, 28) becomes (n, 784) with `start=1`.

    >>> import dlgraph as dg
    >>> dg.flatten(dg.Tensor([[[1.0, 2.0], [3.0, 4.0]]]), start=1).shape
    (1, 4)
    """
    x = from_list(x)
    start = normalise_axis(start, x.ndim, "flatten") if x.ndim else 0
    known = [size for size in x.shape[start:] if not isinstance(size, Dim)]
    tail: Any = -1
    if len(known) == len(x.shape[start:]):
        tail = int(np.prod(known, dtype=np.int64))
    return reshape(x, (*x.shape[:start], tail))


def _axes_of(axes: Any, ndim: int) -> tuple[int, ...]:
    if axes is None:
        return tuple(range(ndim))[::-1]
    order = tuple(normalise_axis(axis, ndim) for axis in axes)
    if sorted(order) != list(range(ndim)):
        raise ShapeError(
            f"axes={tuple(axes)} do not name each of the {ndim} dimensions once", where=None
        )
    return order


def _transpose_spec(x: Spec, axes: Any) -> Spec:
    return Spec(tuple(x.shape[i] for i in _axes_of(axes, x.ndim)), x.dtype)


def _undo(g: Any, axes: Any) -> Any:
    return transpose(g, axes=None if axes is None else tuple(np.argsort(_axes_of(axes, g.ndim))))


@primitive(kind="view", infer=_transpose_spec, text="{x}ᵀ", tex=r"{x}^\top", onnx="Transpose")
def transpose(xp: Any, x: Any, *, axes: Any = None) -> Any:
    """Axes in another order, reversed by default.

    >>> import dlgraph as dg
    >>> print(dg.transpose(dg.Tensor([[1.0, 2.0], [3.0, 4.0]])))
    [[1. 3.]
     [2. 4.]]
    """
    return xp.transpose(x, axes)


transpose.vjp(x=_undo)


@composite
def swapaxes(x: Any, first: int, second: int) -> Any:
    """Two axes exchanged.

    >>> import dlgraph as dg
    >>> dg.swapaxes(dg.Tensor([[[1.0, 2.0]]]), 0, 2).shape
    (2, 1, 1)
    """
    x = from_list(x)
    if hasattr(x, "__array_interface__"):  # plain arrays have it, and rules run on them
        return x.swapaxes(first, second)
    order = list(range(x.ndim))
    i, j = (normalise_axis(axis, x.ndim, "swapaxes") for axis in (first, second))
    order[i], order[j] = order[j], order[i]
    return transpose(x, axes=tuple(order))


def _expand_dims_spec(x: Spec, axis: Any) -> Spec:
    axes = axis if isinstance(axis, tuple) else (axis,)
    ndim = x.ndim + len(axes)
    new = set(normalise_axes(axes, ndim))
    old = iter(x.shape)
    return Spec(tuple(1 if i in new else next(old) for i in range(ndim)), x.dtype)


@primitive(kind="view", infer=_expand_dims_spec, text="expand_dims({x})", onnx="Unsqueeze")
def expand_dims(xp: Any, x: Any, *, axis: Any) -> Any:
    """New axes of size 1 at these positions of the result.

    >>> import dlgraph as dg
    >>> dg.expand_dims(dg.Tensor([1.0, 2.0]), axis=-1).shape
    (2, 1)
    """
    return x[..., None] if axis == -1 else xp.expand_dims(x, axis)  # the first is much quicker


expand_dims.vjp(x=lambda g, like_x: reshape_like(g, like_x))


def _squeezed(shape: Shape, axis: Any) -> Shape:
    if axis is None:
        if any(isinstance(size, Dim) for size in shape):
            raise ShapeError(
                f"which axes of {show_shape(shape)} have size 1 is not known before the run",
                where=None,
                hint="name the axes to be removed: squeeze(x, axis=1)",
            )
        return tuple(size for size in shape if size != 1)
    axes = normalise_axes(axis, len(shape))
    for i in axes:
        if not isinstance(shape[i], Dim) and shape[i] != 1:
            raise ShapeError(
                f"axis {i} of {show_shape(shape)} has size {shape[i]}; only axes of size 1 can "
                "be squeezed away",
                where=None,
            )
    return tuple(size for i, size in enumerate(shape) if i not in axes)


def _squeeze_spec(x: Spec, axis: Any) -> Spec:
    return Spec(_squeezed(x.shape, axis), x.dtype)


@primitive(kind="view", infer=_squeeze_spec, onnx="Squeeze")
def squeeze(xp: Any, x: Any, *, axis: Any = None) -> Any:
    """Axes of size 1 removed: all of them, or those named.

    >>> import dlgraph as dg
    >>> dg.squeeze(dg.Tensor([[1.0], [2.0]]), axis=1).shape
    (2,)
    """
    if axis is not None and not x.ndim:
        normalise_axes(axis, 0)  # NumPy would let it pass
    return xp.squeeze(x, axis)


squeeze.vjp(x=lambda g, like_x: reshape_like(g, like_x))


def _broadcast_to_spec(x: Spec, shape: Sequence[Any]) -> Spec:
    if any(isinstance(size, Dim) for size in shape):
        raise ShapeError(
            f"the shape {show_shape(shape)} to stretch to is not known before the run",
            where=None,
            hint="dg.broadcast_like(x, other) takes the shape of another value",
        )
    target = tuple(int(size) for size in shape)
    fits = broadcast_shapes(x.shape, target)
    if len(fits) != len(target) or any(
        isinstance(a, int) and isinstance(b, int) and a != b
        for a, b in zip(fits, target, strict=True)
    ):
        raise ShapeError(
            f"{show_shape(x.shape)} cannot be stretched to {show_shape(target)}",
            where=None,
            hint="only axes of size 1, or missing in front, stretch",
        )
    return Spec(target, x.dtype)


@primitive(kind="view", infer=_broadcast_to_spec, text="broadcast({x})", onnx="Expand")
def broadcast_to(xp: Any, x: Any, *, shape: Sequence[int]) -> Any:
    """Stretched to this shape, by NumPy's broadcasting rules.

    >>> import dlgraph as dg
    >>> print(dg.broadcast_to(dg.Tensor([1.0, 2.0]), shape=(2, 2)))
    [[1. 2.]
     [1. 2.]]
    """
    return xp.broadcast_to(x, shape)


broadcast_to.vjp(x=lambda g, like_x: sum_like(g, like_x))


def _size_spec(x: Spec, axis: int) -> Spec:
    normalise_axis(axis, x.ndim)
    return Spec((), np.dtype(np.int64))


@primitive(kind="view", infer=_size_spec, shape_only=("x",), text="size({x})", onnx="Shape")
def size_along(xp: Any, x: Any, *, axis: int) -> Any:
    """The size of one axis as an integer, for sizes that are not known before the run.

    >>> import dlgraph as dg
    >>> print(dg.size_along(dg.Tensor([[1.0, 2.0]]), axis=1))
    2
    """
    return np.int64(x.shape[axis])
