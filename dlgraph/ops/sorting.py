"""Sorting: one operation finds the order (`argsort`), the rest picks elements by it.

So the gradient of sorting is that of picking: each sorted element sends it back to its place.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from dlgraph.core.eager import from_list
from dlgraph.core.primitive import composite, primitive
from dlgraph.core.spec import Dim, Spec, normalise_axis, show_shape
from dlgraph.errors import OperationError
from dlgraph.ops.index import getitem, take, take_along_axis


def _argsort_spec(x: Spec, axis: int, descending: bool) -> Spec:
    normalise_axis(axis, x.ndim)
    return Spec(x.shape, np.dtype(np.int64))


@primitive(kind="index", infer=_argsort_spec)
def argsort(xp: Any, x: Any, *, axis: int = -1, descending: bool = False) -> Any:
    """The indices that would sort the values along an axis; equal ones keep their order.

    NaN counts as larger than all numbers.  No gradient.

    >>> import dlgraph as dg
    >>> print(dg.argsort(dg.Tensor([3.0, 1.0, 2.0])))
    [1 2 0]
    """
    if not descending:
        return xp.argsort(x, axis=axis, kind="stable").astype(np.int64, copy=False)
    # Sorted backwards from the end and read from the end: so equal values keep their order.
    turned = xp.flip(x, axis)
    order = xp.flip(xp.argsort(turned, axis=axis, kind="stable"), axis)
    return (x.shape[axis] - 1 - order).astype(np.int64, copy=False)


@composite
def sort(x: Any, axis: int = -1, descending: bool = False) -> Any:
    """The values in rising (or falling) order along an axis.

    >>> import dlgraph as dg
    >>> print(dg.sort(dg.Tensor([3.0, 1.0, 2.0]), descending=True))
    [3. 2. 1.]
    """
    x = from_list(x)
    if not x.ndim:
        return x
    return take_along_axis(x, argsort(x, axis=axis, descending=descending), axis=axis)


@composite
def topk(x: Any, k: int, axis: int = -1, largest: bool = True) -> Any:
    """The k largest (or smallest) values along an axis, in order, and their indices.

    >>> import dlgraph as dg
    >>> values, indices = dg.topk(dg.Tensor([3.0, 1.0, 2.0]), 2)
    >>> print(values, indices)
    [3. 2.] [0 2]
    """
    x = from_list(x)
    axis = normalise_axis(axis, x.ndim, "topk")
    size = x.shape[axis]
    if k < 0 or (not isinstance(size, Dim) and k > size):
        raise OperationError(
            f"topk: the {k} {'largest' if largest else 'smallest'} along axis {axis} of "
            f"{show_shape(x.shape)}",
            hint=f"k is at least 0 and at most {size}",
        )
    order = argsort(x, axis=axis, descending=largest)
    if isinstance(size, Dim):  # a slice would give as many as there are, without a word
        chosen = take(order, np.arange(k), axis=axis)
    else:
        chosen = getitem(order, (*(slice(None),) * axis, slice(0, k)))
    return take_along_axis(x, chosen, axis=axis), chosen
