"""Several values that travel together: what an operation with more than one result returns.

Loops, branches and traced functions give bundles; `item` takes one value out.  A bundle never
reaches the user.  It adds element by element, as gradients that meet must.
"""

from __future__ import annotations

from typing import Any

from dlgraph.core.arrays import Rows, single
from dlgraph.core.eager import from_list
from dlgraph.core.primitive import composite, primitive
from dlgraph.core.pulls import unchanged
from dlgraph.core.spec import BundleSpec, Dim, Spec, show_shape
from dlgraph.errors import ShapeError


def _item_spec(bundle: Any, index: int) -> Spec:
    return bundle.items[index]


@primitive(kind="view", infer=_item_spec, text="{bundle}[i]")
def item(xp: Any, bundle: Any, *, index: int) -> Any:
    """One value of a bundle."""
    return bundle.part(index, xp)


def _place_spec(x: Spec, like: Any, index: int) -> Any:
    return like


@primitive(kind="index", infer=_place_spec, shape_only=("like",), text="place({x})")
def place(xp: Any, x: Any, like: Any, *, index: int) -> Any:
    """A bundle of zeros like another, with `x` at one place; the gradient of `item`."""
    return single(x, like, index)


item.vjp(bundle=lambda g, like_bundle, index: place(g, like_bundle, index=index))
place.vjp(x=lambda g, index: item(g, index=index))


def _first(a: Any, b: Any) -> Any:
    return a


@primitive(kind="elementwise", infer=_first, text="{a} + {b}")
def add_bundles(xp: Any, a: Any, b: Any) -> Any:
    """The values of two bundles, added in pairs."""
    return a + b


add_bundles.vjp(a=unchanged, b=unchanged)


def _rows_spec(x: Spec) -> BundleSpec:
    if not x.shape or isinstance(x.shape[0], Dim):
        raise ShapeError(
            f"unstack of {show_shape(x.shape)}: the size of the first axis must be known",
            where=None,
            hint="in a graph with an unknown size, use dg.scan",
        )
    return BundleSpec((Spec(x.shape[1:], x.dtype),) * x.shape[0])


@primitive(kind="view", infer=_rows_spec, text="unstack({x})")
def rows(xp: Any, x: Any) -> Any:
    """The rows of an array, as a bundle."""
    return Rows(x)


def _stack_spec(bundle: Any) -> Spec:
    first = bundle.items[0]
    return Spec((len(bundle.items), *first.shape), first.dtype)


@primitive(kind="index", infer=_stack_spec, text="stack({bundle})")
def stack_bundle(xp: Any, bundle: Any) -> Any:
    """The values of a bundle as the rows of one array; the gradient of `unstack`."""
    return xp.stack([bundle.part(i, xp) for i in range(len(bundle))])


rows.vjp(x=lambda g: stack_bundle(g))
stack_bundle.vjp(bundle=lambda g: rows(g))


@composite
def unstack(x: Any) -> list[Any]:
    """The rows of a value, as a list; going through them costs one gradient, not one each.

    >>> import dlgraph as dg
    >>> print(*dg.unstack(dg.Tensor([[1.0, 2.0], [3.0, 4.0]])))
    [1. 2.] [3. 4.]
    """
    x = from_list(x)
    whole = rows(x)
    return [item(whole, index=i) for i in range(x.shape[0])]
