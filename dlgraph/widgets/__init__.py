"""Pictures that answer: a slider on a leaf, a click on a node, computed by the running kernel.

live.py         computes again what a change made stale; needs no widget
entry.py        what was typed or dragged becomes a value, or an error in words
exploration.py  the conversation with the browser; texts.py, sliders.py, sheet.py
host.py         the widget itself: the only module that imports anywidget
explorer.py     Explorer
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dlgraph.widgets.explorer import Explorer

__all__ = ["explore"]


def explore(y: Any, feed: Mapping[Any, Any] | None = None, *, title: str = "") -> Explorer:
    """Play with a computation: move its inputs, see values and gradients follow.

    `y` is a Tensor whose record is still there (before `backward()`, or with `retain_graph=True`),
    or a Node of a graph, with `feed` for its placeholders.  In a notebook every input that is a
    number has a slider; a click on a box shows its tensor, and `w.selected` is that tensor in
    Python; elements of an input array are set one by one.  Only what depends on a change is
    computed again, forward and backward, and lights up in that order.  Your own tensors stay as
    they are, random numbers keep their keys, whole numbers stay whole; a value that would make a
    result NaN or infinite is refused in words.

    `w.set("a", 2.0)` and `w.reset()` do the same from Python, `w.describe()` says the picture in
    words, `w.freeze()` leaves a plain figure in the place of the widget.

    Raises MissingPackageError without anywidget, BackwardError for a tensor whose record is gone,
    GraphError where computing again would change state, FeedError for a missing feed,
    OperationError for what is no computation or has more than 400 boxes.

    >>> import dlgraph as dg
    >>> a = dg.Tensor(4.0, requires_grad=True, name="a")
    >>> b = dg.Tensor(5.0, requires_grad=True, name="b")
    >>> y = 2 * a + 3 * b
    >>> w = dg.explore(y)
    >>> w
    y = add(multiply(2, a), multiply(3, b)) -> 23; gradients: a 2, b 3
    >>> w.set("a", 10.0)
    >>> w
    y = add(multiply(2, a), multiply(3, b)) -> 35; gradients: a 2, b 3
    """
    from dlgraph.core.where import user_frame
    from dlgraph.widgets.explorer import Explorer

    return Explorer(y, feed, title, user_frame())
