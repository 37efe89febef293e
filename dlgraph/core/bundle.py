"""Several values that travel together: what an operation with more than one result returns.

Loops, branches and traced functions give bundles; `item` takes one value out.  A bundle never
reaches the user.  It adds element by element, as gradients that meet must.
"""

from __future__ import annotations

from typing import Any

from dlgraph.core.arrays import Bundle
from dlgraph.core.primitive import primitive
from dlgraph.core.spec import Spec


def _item_spec(bundle: Any, index: int) -> Spec:
    return bundle.items[index]


@primitive(kind="view", infer=_item_spec, text="{bundle}[i]")
def item(xp: Any, bundle: Any, *, index: int) -> Any:
    """One value of a bundle."""
    return bundle[index]


def _place_spec(x: Spec, like: Any, index: int) -> Any:
    return like


@primitive(kind="index", infer=_place_spec, shape_only=("like",), text="place({x})")
def place(xp: Any, x: Any, like: Any, *, index: int) -> Any:
    """A bundle of zeros like another, with `x` at one place; the gradient of `item`."""
    return Bundle(x if i == index else xp.zeros_like(value) for i, value in enumerate(like))


item.vjp(bundle=lambda g, bundle, index: place(g, bundle, index=index))
place.vjp(x=lambda g, index: item(g, index=index))


def _first(a: Any, b: Any) -> Any:
    return a


@primitive(kind="elementwise", infer=_first, text="{a} + {b}")
def add_bundles(xp: Any, a: Any, b: Any) -> Any:
    """The values of two bundles, added in pairs."""
    return a + b


add_bundles.vjp(a=lambda g: g, b=lambda g: g)
