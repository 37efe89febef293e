"""Diagonals and triangles of matrices."""

from __future__ import annotations

from typing import Any

import numpy as np

from dlgraph.core.eager import from_list
from dlgraph.core.primitive import composite
from dlgraph.core.spec import Dim, normalise_axis, show_shape
from dlgraph.errors import ShapeError
from dlgraph.ops.arrange import moveaxis, positions
from dlgraph.ops.comparison import equal, greater_equal, less_equal, where
from dlgraph.ops.copies import zeros_like
from dlgraph.ops.index import getitem
from dlgraph.ops.padding import pad
from dlgraph.ops.reduce import sum
from dlgraph.ops.shape import expand_dims


@composite
def diagonal(x: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    """The elements whose index on `axis2` is that on `axis1` plus `offset`, as a new last axis.

    >>> import dlgraph as dg
    >>> print(dg.diagonal(dg.Tensor([[1.0, 2.0], [3.0, 4.0]])))
    [1. 4.]
    """
    x = from_list(x)
    first, second = (normalise_axis(axis, x.ndim, "diagonal") for axis in (axis1, axis2))
    rows, columns = x.shape[first], x.shape[second]
    if first == second:
        raise ShapeError(f"diagonal: axis1 and axis2 are both axis {first}")
    if isinstance(rows, Dim) or isinstance(columns, Dim):
        raise ShapeError(
            f"diagonal of {show_shape(x.shape)}: its length is not known before the run",
            hint="only other axes (the batch) may be of unknown size",
        )
    length = max(0, min(rows + min(offset, 0), columns - max(offset, 0)))
    place = np.arange(length)
    matrices = moveaxis(x, (first, second), (-2, -1))
    return getitem(matrices, (..., place + max(0, -offset), place + max(0, offset)))


@composite
def trace(x: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    r"""Sum of a diagonal: $\sum_i x_{ii}$.

    >>> import dlgraph as dg
    >>> print(dg.trace(dg.Tensor([[1.0, 2.0], [3.0, 4.0]])))
    5.0
    """
    x = from_list(x)
    return sum(diagonal(x, offset, axis1, axis2), axis=-1)


@composite
def diag(x: Any, offset: int = 0) -> Any:
    """The diagonal of a matrix; of a vector, the matrix that has it as its diagonal.

    With more axes, every row along the last axis becomes a matrix (`diagonal` takes it back).

    >>> import dlgraph as dg
    >>> print(dg.diag(dg.Tensor([1.0, 2.0])))
    [[1. 0.]
     [0. 2.]]
    """
    x = from_list(x)
    if x.ndim == 2:
        return diagonal(x, offset)
    return embed_diagonal(x, offset)


@composite
def embed_diagonal(x: Any, offset: int = 0) -> Any:
    """Matrices of zeros with the values along the last axis as their diagonals.

    >>> import dlgraph as dg
    >>> dg.embed_diagonal(dg.Tensor([[1.0, 2.0]])).shape
    (1, 2, 2)
    """
    x = from_list(x)
    if not x.ndim:
        raise ShapeError("embed_diagonal: a scalar is no diagonal")
    margin = ((0, 0),) * (x.ndim - 1) + ((max(offset, 0), max(-offset, 0)),)
    wide = pad(x, margin)
    place = positions(wide, axis=-1)
    on = equal(expand_dims(place, axis=1), place - offset)
    return where(on, expand_dims(wide, axis=-2), 0)


def _matrix(name: str, x: Any) -> None:
    if x.ndim < 2:
        raise ShapeError(f"{name} of {show_shape(x.shape)}: it takes matrices, with two axes")


@composite
def tril(x: Any, offset: int = 0) -> Any:
    """Lower triangle of the matrices: 0 above the diagonal (the one `offset` to its right).

    >>> import dlgraph as dg
    >>> print(dg.tril(dg.Tensor([[1.0, 2.0], [3.0, 4.0]])))
    [[1. 0.]
     [3. 4.]]
    """
    x = from_list(x)
    _matrix("tril", x)
    rows, columns = positions(x, axis=-2), positions(x, axis=-1)
    return where(less_equal(columns, expand_dims(rows, axis=1) + offset), x, zeros_like(x))


@composite
def triu(x: Any, offset: int = 0) -> Any:
    """Upper triangle of the matrices: 0 below the diagonal (the one `offset` to its right).

    >>> import dlgraph as dg
    >>> print(dg.triu(dg.Tensor([[1.0, 2.0], [3.0, 4.0]])))
    [[1. 2.]
     [0. 4.]]
    """
    x = from_list(x)
    _matrix("triu", x)
    rows, columns = positions(x, axis=-2), positions(x, axis=-1)
    return where(greater_equal(columns, expand_dims(rows, axis=1) + offset), x, zeros_like(x))
