"""`explore`: a computation to play with in a notebook."""

from __future__ import annotations

from collections.abc import Mapping
from types import FrameType
from typing import Any

from dlgraph.core.tensor import Tensor
from dlgraph.draw.figure import Figure
from dlgraph.widgets.exploration import Answer, Exploration
from dlgraph.widgets.host import Widget


class Explorer(Widget):
    """What `explore` returns: the live picture of a computation.

    In a notebook it shows itself; `.selected` is the tensor of the box that was clicked.

    >>> import dlgraph as dg
    >>> x = dg.Tensor([1.0, 2.0], requires_grad=True, name="x")
    >>> w = dg.explore((x * x).sum())
    >>> w.set("x", [3.0, 4.0])
    >>> w
    sum(multiply(x, x)) -> 25; gradients: x [6, 8]
    """

    def __init__(
        self,
        y: Any,
        feed: Mapping[Any, Any] | None = None,
        title: str = "",
        frame: FrameType | None = None,
    ):
        self._exploration = Exploration(y, feed, title, frame)
        super().__init__("explore", self._exploration.payload())

    @property
    def selected(self) -> Tensor | None:
        """The tensor of the selected box, or its gradient if the box is one; None without one.

        It is a copy: what is computed with it does not change the picture.
        """
        with self._lock:
            array, chosen = self._exploration.selected_array(), self._exploration.selected
            if array is None or chosen is None:
                return None
            name = self._exploration.names[chosen[0]]
            return Tensor(array, name=f"gradient of {name}" if chosen[1] == "gradient" else name)

    def select(self, which: str | None) -> None:
        """Select a box as a click does: "f3" is node 3, "b3" its gradient, None nothing."""
        self._receive(self, {"kind": "select", "key": which}, [])

    def set(self, which: Any, value: Any, at: tuple[int, ...] | None = None) -> None:
        """Give an input another value, or one element of it, and compute what depends on it.

        `which` is its name, or the tensor or node itself, which stays as it is.  Raises what a
        slider would say in words: ShapeError or DtypeError for a value that does not fit,
        NonFiniteError where a result becomes NaN or infinite, OperationError for an unknown name.

        >>> import dlgraph as dg
        >>> a = dg.Tensor(4.0, requires_grad=True, name="a")
        >>> w = dg.explore(dg.exp(a))
        >>> w.set(a, 0.0)
        >>> print(w, a)
        exp(a) -> 1; gradients: a 1 4.0
        """
        with self._lock:
            answer = self._exploration.set(which, value, at)
        self.send(answer.content, list(answer.buffers))

    def reset(self) -> None:
        """Put all inputs back to their first values."""
        with self._lock:
            answer = self._exploration.reset()
        self.send(answer.content, list(answer.buffers))

    def figure(self) -> Figure:
        """The present values as the figure that `dg.draw` makes."""
        return self._exploration.figure()

    def answer(self, message: Any) -> Answer:
        """The reply to a message of the browser."""
        return self._exploration.answer(message)
