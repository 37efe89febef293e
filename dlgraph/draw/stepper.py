"""`dg.step`: a figure to walk through, forward and then backward.

The way of the data: walk.py (numbers) -> steps.py, telling.py (words; derivative.py for the local
derivatives) -> here: text, frames.py (a filmstrip), and frontend/src/step (the live figure).
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from types import FrameType
from typing import Any

from dlgraph.core.where import user_frame
from dlgraph.core.words import counted
from dlgraph.draw.describe import sentence
from dlgraph.draw.figure import Figure
from dlgraph.draw.frames import Frame, filmstrip, with_texts
from dlgraph.draw.layout import Layout, lay_out
from dlgraph.draw.page import html
from dlgraph.draw.payload import payload_of
from dlgraph.draw.scoped import GroupTeller, grouped, groups_of, is_long
from dlgraph.draw.steps import (
    Step,
    Texts,
    unknown_picture,
    waiting_texts,
    walked_picture,
    with_room,
)
from dlgraph.draw.telling import tell
from dlgraph.draw.walk import Walk, walk_of

FRAMES = 6
LINES_SHOWN = 400


def step(x: Any, *, feed: Mapping[Any, Any] | None = None, title: str = "") -> StepFigure:
    r"""Walk through a computation: forward one operation at a time, then backward.

    `x` is a scalar Tensor that was computed from something that requires gradients, whether or not
    `backward()` has run, or a Node of a graph with its `feed`.  Each step backward is one local
    derivative: $\bar x = \bar y \cdot \partial y / \partial x$ with the numbers put in, and where
    several come to one value they are added.  The local derivatives come from the gradient rules
    themselves.  The gradients are those of `backward()`; in a graph they are taken with respect to
    the variables, or, if it has none, to the placeholders of floats.  Nothing is changed: no
    `.grad`, no variable, no random stream.  (Hooks run, as in `backward()`.)

    In a notebook the arrow keys step, Home and End jump, the space bar plays, and "Predict" asks
    for each next gradient before it shows it.  As text the figure is a list of its steps.  More
    than 60 operations are walked through scope by scope.

    Raises BackwardError for a value that is not a scalar or has no gradient, or whose record
    `backward()` let go; MutationError if a value was changed since; FeedError for a missing feed;
    OperationError for anything else than a Tensor or a Node.

    >>> import dlgraph as dg
    >>> a = dg.Tensor(4.0, requires_grad=True, name="a")
    >>> b = dg.Tensor(5.0, requires_grad=True, name="b")
    >>> y = a * b + a
    >>> dg.step(y)
    y = add(multiply(a, b), a) -> 24; gradients: a 6, b 4; 2 steps forward, 4 back
      0  Known at the start: a = 4, b = 5.
      1  a·b = 4·5 = 20
      2  y = a·b + a = 20 + 4 = 24
      3  Backward begins at y: its gradient with respect to itself is 1.
      4  Through add to a·b: upstream 1 × local 1 gives 1 = ∂y/∂(a·b).
      5  Through add to a: upstream 1 × local 1 gives 1. It is the first of 2 parts of ∂y/∂a.
      6  Through multiply to a: upstream 1 × local b = 5 gives 5. It is added to what came before:
         1 + 5 = 6; this is ∂y/∂a, complete.
      7  Through multiply to b: upstream 1 × local a = 4 gives 4 = ∂y/∂b.
      8  Done: ∂y/∂a = 6, ∂y/∂b = 4. backward() adds these numbers to .grad.
    """
    return StepFigure(walk_of(x, feed), user_frame(), title)


class StepFigure(Figure):
    """A computation in slow motion; made by `dg.step`.

    In a notebook it walks: the arrow keys go one operation forward, or one local derivative
    backward.  `str(figure)` is the same as text, one line per step.

    >>> import dlgraph as dg
    >>> figure = dg.step(dg.Tensor(3.0, requires_grad=True, name="a") ** 2)
    >>> figure.summary, [step.kind for step in figure.steps]
    ('square(a) -> 9; gradients: a 6; 1 step forward, 1 back',
     ['start', 'forward', 'seed', 'backward', 'end'])
    >>> sorted(figure._repr_mimebundle_())
    ['image/svg+xml', 'text/html', 'text/plain']
    """

    def __init__(self, walk: Walk, frame: FrameType | None = None, title: str = ""):
        picture = self.whole = walked_picture(walk, frame, title)
        if is_long(picture):
            groups = groups_of(walk, picture)
            walk, short = grouped(walk, picture, groups)
            self.steps: list[Step] = GroupTeller(walk, short, groups, picture).steps()
            super().__init__(short)
        else:
            self.steps = tell(walk, picture)
            super().__init__(picture)
        self.waiting = waiting_texts(self.picture)
        # Words and numbers in words are kept, the walk with its arrays is not.
        self._roomy = with_room(self.picture, walk)

    @cached_property
    def layout(self) -> Layout:
        """Places of all boxes and lines, with room for the sums on the way."""
        return lay_out(self._roomy)

    @cached_property
    def svg(self) -> str:
        """Six moments as one picture: the start, two forward, two backward, the end."""
        frames = [self._frame(place) for place in self._moments()]
        return filmstrip(self.layout, frames, self.picture.title, self.summary, self.describe())

    @property
    def summary(self) -> str:
        """One sentence: what is walked through, and how long it takes."""
        forward = sum(step.kind == "forward" for step in self.steps)
        back = sum(step.kind == "backward" for step in self.steps)
        first = sentence(self.whole)
        first += "; scope by scope" if self.whole is not self.picture else ""
        return f"{first}; {counted(forward, 'step')} forward, {back} back"

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        words = str(self)
        page = html(self.payload(), bundle="step", svg=self.svg, text=self.summary)
        return {"text/html": page, "image/svg+xml": self.svg, "text/plain": words}

    def payload(self) -> dict[str, Any]:
        """What the script of the page gets: the picture before the first step, and all steps."""
        layout = with_texts(self.layout, self.waiting)
        steps = [step.to_json() for step in self.steps]
        return payload_of(unknown_picture(self.picture), layout, steps=steps)

    def describe(self) -> str:
        """All steps in words, one line each."""
        lines = [f"{place:>3}  {step.text}" for place, step in enumerate(self.steps)]
        more = len(lines) - LINES_SHOWN
        after = [f"and {more:,} more steps"] if more > 0 else []
        return "\n".join([self.summary, *lines[:LINES_SHOWN], *after])

    def __str__(self) -> str:
        return self.describe()

    def _moments(self) -> list[int]:
        """The steps that are most worth a frame."""
        kinds = [step.kind for step in self.steps]
        forward = [place for place, kind in enumerate(kinds) if kind == "forward"]
        back = [place for place, kind in enumerate(kinds) if kind == "backward"]
        adding = [p for p in back if self.steps[p].facts.get("held") is not None]
        middle = adding or back[1:] or back
        wanted = {0, forward[len(forward) // 2], forward[-1], back[0], len(kinds) - 1}
        return sorted({*wanted, middle[len(middle) // 2]})[:FRAMES]

    def _frame(self, place: int) -> Frame:
        step = self.steps[place]
        shown: Texts = {}
        for earlier in self.steps[: place + 1]:
            shown |= earlier.shown
        right = step.kind not in ("start", "forward")
        word = "backward" if right else "forward"
        head = (
            f"step {place} of {len(self.steps) - 1}, {word}" if place else "before the first step"
        )
        return Frame(head, step.text, shown, self.waiting, step.boxes[:2], step.lines, right)
