"""`dg.build`: one function in both modes, side by side.

The way of the data: events.py (run it and write down what happens) -> moments.py (words) -> here:
text, two pictures, and frontend/src/build (the live figure).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import cached_property
from html import escape
from typing import Any

from dlgraph.draw import shapes, theme
from dlgraph.draw.events import record
from dlgraph.draw.figure import Figure
from dlgraph.draw.frames import drawn, headline, with_texts
from dlgraph.draw.layout import Layout, lay_out
from dlgraph.draw.moments import Half, Moment, prefixed, tell
from dlgraph.draw.page import html
from dlgraph.draw.payload import pack, payload_of
from dlgraph.draw.shapes import number
from dlgraph.draw.steps import Texts, unknown_picture
from dlgraph.draw.svg import TITLE, _background, _document
from dlgraph.draw.text import clean, wrapped
from dlgraph.errors import OperationError

HEADINGS = ("eager: computed line by line", "define-then-run: written down, run later")
MONOSPACE = "ui-monospace, Menlo, Consolas, 'DejaVu Sans Mono', monospace"
GAP, LINE, HEAD = 20, 16, 26
NARROWEST = 300
SOURCE_LINES = 60


def build(function: Callable[..., Any], /, *values: Any, title: str = "") -> BuildFigure:
    """One function in both modes, side by side: computed line by line, or written down, then run.

    `function` is a Python function of tensors; `values` are its arguments (numbers, lists, arrays
    or tensors).  It is really run twice: eagerly, where each line gives values, and while a graph
    is being built, where the same lines give nodes without values, which a session then fills.
    One slider goes through all of it.  Where the function asks for a value while it is built
    (`if x > 0:`), the figure shows where define-then-run stopped, and why; errors of the run are
    shown in the same way.  Both modes draw the same random numbers, and the streams are put back;
    other things that the function does (printing, appending to a list) it does twice.

    As text the figure is a list of its moments.

    Raises OperationError if the source of the function is not at hand, if the values do not fit
    its arguments, or if it computes nothing; GraphError beyond 400 executed lines; any exception
    of the function's own that is not about tensors.

    >>> import dlgraph as dg
    >>> def line(a, b):
    ...     return 2 * a + b
    >>> dg.build(line, 4.0, 5.0)
    line in both modes: eager finished, define-then-run finished
      0  line(a, b) is called in both modes
           eager            gets a = 4, b = 5
           define-then-run  gets placeholders: a (a scalar, no value), b (a scalar, no value)
      1  line 2: return 2 * a + b
           eager            computes 2·a = 8
           define-then-run  writes down 2·a (a scalar, no value)
      2  line 2: return 2 * a + b
           eager            computes 2·a + b = 13
           define-then-run  writes down 2·a + b (a scalar, no value)
      3  the function is over; the graph has 2 operations and no value yet
           eager            is finished
           define-then-run  session.run is fed a = 4, b = 5
      4  session.run
           eager            is finished
           define-then-run  computes 2·a = 8
      5  session.run
           eager            is finished
           define-then-run  computes 2·a + b = 13
      6  done
           eager            returned 13
           define-then-run  returned 13
    """
    return BuildFigure(function, values, title)


class BuildFigure(Figure):
    """A function executed eagerly and built as a graph, on one slider; made by `dg.build`.

    In a notebook the arrow keys go through the lines; `str(figure)` is the same as text.

    >>> import dlgraph as dg
    >>> def choose(x):
    ...     return x if x > 0 else -x
    >>> figure = dg.build(choose, 3.0)
    >>> figure.summary
    'choose in both modes: eager finished, define-then-run stopped'
    >>> figure.recording.graph.stopped.hint[:40]
    'Python decides while the graph is being '
    """

    def __init__(self, function: Callable[..., Any], values: Sequence[Any], title: str = ""):
        self.recording = record(function, values)
        self.eager = Half(self.recording.eager, {}, eager=True)
        self.graph = Half(self.recording.graph, self.recording.values, eager=False)
        if not self.eager.nodes and not self.graph.nodes:
            raise OperationError(
                f"build: {self.recording.name} computes nothing with tensors",
                hint="pass its arguments: dg.build(f, 4.0, 5.0)",
            )
        super().__init__(self.eager.picture)
        self.title = title
        self.moments: list[Moment] = tell(self.recording, self.eager, self.graph)

    @cached_property
    def layouts(self) -> tuple[Layout, Layout]:
        """Places of the boxes and lines of both pictures."""
        return lay_out(self.eager.picture), lay_out(self.graph.picture)

    @property
    def summary(self) -> str:
        """One sentence: which function, and how it went."""
        ways = []
        for name, story in (("eager", self.eager.story), ("define-then-run", self.graph.story)):
            failed = story.stopped or (self.recording.failed if name != "eager" else None)
            ways.append(f"{name} {'stopped' if failed else 'finished'}")
        return clean(f"{self.recording.name} in both modes: {', '.join(ways)}")

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        page = html(self.payload(), bundle="build", svg=self.svg, text=self.summary)
        return {"text/html": page, "image/svg+xml": self.svg, "text/plain": str(self)}

    def payload(self) -> dict[str, Any]:
        """What the script of the page gets: both pictures, the source, and all moments."""
        halves = (self.eager, self.graph)
        one, other = (
            prefixed(with_texts(layout, half.waiting()), name)
            for layout, half, name in zip(self.layouts, halves, "eg", strict=True)
        )
        pictures = [payload_of(unknown_picture(half.picture), None) for half in halves]
        facts = {
            f"{'eg'[i]}{node}": row
            for i, picture in enumerate(pictures)
            for node, row in picture["facts"].items()
        }
        return payload_of(
            unknown_picture(self.eager.picture),
            one,
            facts=facts,
            title=self.title,
            other=pack(other),
            source=[clean(line) for line in self.recording.source],
            moments=[moment.to_json() for moment in self.moments],
        )

    def describe(self) -> str:
        """All moments in words: what happens, then what it is in each of the modes."""
        lines = [self.summary]
        for place, moment in enumerate(self.moments):
            first, *sides = moment.lines()
            lines += [f"{place:>3}  {first}", *(f"        {side}" for side in sides)]
        return "\n".join(lines)

    def __str__(self) -> str:
        return self.describe()

    @cached_property
    def svg(self) -> str:
        """The source, the eager picture with its values, and the graph before it is run."""
        eager, graph = self.layouts
        built = ("start", "build")
        panes = [
            _pane(eager, self.eager, HEADINGS[0], self._shown("eager", built), self._note("eager")),
            _pane(graph, self.graph, HEADINGS[1], self._shown("graph", built), self._note("graph")),
        ]
        start = GAP + (TITLE if self.title else 0)
        source = [
            shapes.text(GAP, start + LINE * (row + 1), escape(clean(line)), _CODE)
            for row, line in enumerate(self.recording.source[:SOURCE_LINES])
        ]
        top = start + LINE * len(source) + GAP
        width, height, parts = float(GAP), 0.0, []
        for place, (body, wide, tall) in enumerate(panes):
            body = body.replace('<g id="', f'<g id="{place}-')
            parts.append(f'<g transform="translate({number(width)} {number(top)})">{body}</g>')
            width += wide + GAP
            height = max(height, top + tall + GAP)
        whole = (float(math.ceil(width)), float(math.ceil(height)))
        head = _background(*whole) + headline(self.title, whole[0])
        body = head + "".join(source) + "".join(parts)
        name = clean(self.title) or self.summary
        return _document(body, *whole, name, self.summary, self.describe())

    def _shown(self, side: str, phases: Sequence[str]) -> Texts:
        shown: Texts = {}
        for moment in self.moments:
            if moment.phase in phases:
                shown |= getattr(moment, side).shown
        return shown

    def _note(self, side: str) -> str:
        """What stands under a picture: how it ended."""
        stops = [getattr(m, side).words for m in self.moments if getattr(m, side).stopped]
        return stops[0] if stops else getattr(self.moments[-1], side).words


_CODE = f' font-family="{escape(MONOSPACE)}" text-anchor="start" xml:space="preserve"'


def _pane(
    layout: Layout, half: Half, heading: str, shown: Texts, note: str
) -> tuple[str, float, float]:
    """One picture with its heading and the sentence under it; its width and height."""
    wide = max(layout.width, NARROWEST)
    shift = (wide - layout.width) / 2
    bold = ' font-weight="bold" text-anchor="start"'
    parts = [shapes.text(0, 14, escape(heading), bold)]
    parts.append(f'<g transform="translate({number(shift)} {HEAD})">')
    parts += [*drawn(layout, shown, half.waiting()), "</g>"]
    bottom = HEAD + layout.height
    small = f' font-size="{theme.SMALL_SIZE}" text-anchor="start"'
    lines = wrapped(note, wide, 6, theme.SMALL_SIZE)
    parts += [
        shapes.text(0, bottom + 15 * row, escape(line), small) for row, line in enumerate(lines)
    ]
    return "".join(parts), wide, bottom + 15 * len(lines)
