"""Picking by numbers and masks, and adding back to numbered places.

All of it is indexing under the names that other frameworks have for it; the primitives are in
`index.py`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from dlgraph.core.eager import from_list
from dlgraph.core.primitive import composite
from dlgraph.core.spec import normalise_axis
from dlgraph.errors import DtypeError
from dlgraph.ops.comparison import equal, greater, where
from dlgraph.ops.copies import ones_like, stop_gradient
from dlgraph.ops.index import At, getitem, put_along_axis, scatter_add, take
from dlgraph.ops.shape import expand_dims


@composite
def embedding(table: Any, numbers: Any, padding: int | None = None) -> Any:
    """Rows of a table by number: table (n, size), numbers (...), result (..., size).

    The row `padding` stands for "nothing here": it gets no gradient.

    >>> import dlgraph as dg
    >>> table = dg.Tensor([[1.0, 2.0], [3.0, 4.0]])
    >>> print(dg.embedding(table, dg.Tensor([1, 0])))
    [[3. 4.]
     [1. 2.]]
    """
    table = from_list(table)
    rows = take(table, numbers)
    if padding is None:
        return rows
    padded = expand_dims(equal(numbers, padding % table.shape[0]), axis=-1)
    return where(padded, stop_gradient(rows), rows)


@composite
def masked_fill(x: Any, mask: Any, value: Any) -> Any:
    """`value` where the mask is true, `x` elsewhere.

    >>> import dlgraph as dg
    >>> print(dg.masked_fill(dg.Tensor([1.0, 2.0]), dg.Tensor([True, False]), 9.0))
    [9. 2.]
    """
    return where(mask, value, x)


@composite
def masked_select(x: Any, mask: Any) -> Any:
    """The elements where the mask is true, as a vector; its size is known only when it runs.

    >>> import dlgraph as dg
    >>> x = dg.Tensor([1.0, 2.0, 3.0])
    >>> print(dg.masked_select(x, x > 1.5))
    [2. 3.]
    """
    if not hasattr(mask, "dtype"):
        mask = np.asarray(mask)
    if mask.dtype.kind != "b":
        raise DtypeError(f"the mask has dtype {mask.dtype}", hint="write a comparison: x > 0")
    return getitem(x, mask)


def _place(axis: int) -> tuple:
    return (*(slice(None),) * axis, At(0))


def _as_indices(indices: Any) -> Any:
    return indices if hasattr(indices, "dtype") else np.asarray(indices, np.int64)


@composite
def index_add(x: Any, indices: Any, values: Any, axis: int = 0) -> Any:
    """`values` added to numbered slices of `x`; a slice that is named twice gets both.

    >>> import dlgraph as dg
    >>> print(dg.index_add(dg.Tensor([1.0, 2.0]), dg.Tensor([0, 0]), dg.Tensor([5.0, 6.0])))
    [12. 2.]
    """
    x = from_list(x)
    index = _place(normalise_axis(axis, x.ndim, "index_add"))
    return x + scatter_add(values, x, _as_indices(indices), index=index)


@composite
def index_fill(x: Any, indices: Any, value: Any, axis: int = 0) -> Any:
    """`value` in numbered slices of `x`.

    >>> import dlgraph as dg
    >>> print(dg.index_fill(dg.Tensor([1.0, 2.0]), dg.Tensor([0]), 5.0))
    [5. 2.]
    """
    x = from_list(x)
    axis = normalise_axis(axis, x.ndim, "index_fill")
    indices = _as_indices(indices)
    ones = ones_like(stop_gradient(take(x, indices, axis)))
    return where(greater(scatter_add(ones, x, indices, index=_place(axis)), 0), value, x)


@composite
def add_along_axis(x: Any, indices: Any, values: Any, axis: int) -> Any:
    """`values` added to `x`, one per index along an axis; the counterpart of `take_along_axis`.

    >>> import dlgraph as dg
    >>> x, places = dg.Tensor([[1.0, 2.0]]), dg.Tensor([[1, 1]])
    >>> print(dg.add_along_axis(x, places, dg.Tensor([[5.0, 6.0]]), axis=1))
    [[ 1. 13.]]
    """
    return x + put_along_axis(values, x, indices, axis=axis)


@composite
def set_along_axis(x: Any, indices: Any, values: Any, axis: int) -> Any:
    """`x` with one element per index along an axis replaced; indices that meet are added up.

    >>> import dlgraph as dg
    >>> x, places = dg.Tensor([[1.0, 2.0]]), dg.Tensor([[1]])
    >>> print(dg.set_along_axis(x, places, dg.Tensor([[5.0]]), axis=1))
    [[1. 5.]]
    """
    put = put_along_axis(values, x, indices, axis=axis)
    written = greater(put_along_axis(ones_like(stop_gradient(values)), x, indices, axis=axis), 0)
    return where(written, put, x)
