"""Colours, line styles and sizes of the figures.

The colours were searched for (shared palette of the project): the four roles stay apart under the
three kinds of colour blindness and reach a contrast of at least 4.6 : 1 on the background, which a
figure brings along, so that it reads the same in a light and in a dark notebook.  Colour never
stands alone: each role also has its own outline and line.  Read next: svg.py.
"""

from __future__ import annotations

from typing import NamedTuple

FONT = "Helvetica, Arial, 'Liberation Sans', Roboto, 'DejaVu Sans', sans-serif"
LABEL_SIZE = 13  # px, the name of a box
DETAIL_SIZE = 12  # px, the value line
SMALL_SIZE = 11  # px, badges and legend; nothing is ever smaller

BACKGROUND = "#fafafa"
FRAME = "#d5d5d5"
INK = "#1a1a1a"
MUTED = "#5a5a5a"

FORWARD = "#0072b2"
GRADIENT = "#b34700"
PARAMETER = "#3d3d3d"
UPDATE = "#7211d3"
FAILED = "#b00020"


class BoxStyle(NamedTuple):
    """How one kind of box looks."""

    stroke: str
    fill: str
    width: float = 1.5
    dash: str = ""
    shape: str = "round"  # round, pill, plain, double or cut
    mark: str = ""  # drawn in a strip at the left: loop, branch, function or scope


class LineStyle(NamedTuple):
    """How one kind of line looks."""

    stroke: str
    width: float = 1.5
    dash: str = ""
    arrow: float = 7


BOXES = {
    "operation": BoxStyle(FORWARD, "#e3f0f8"),
    "loss": BoxStyle(FORWARD, "#e3f0f8", shape="double"),
    "loop": BoxStyle(FORWARD, "#e3f0f8", mark="loop"),
    "branch": BoxStyle(FORWARD, "#e3f0f8", mark="branch"),
    "function": BoxStyle(FORWARD, "#e3f0f8", mark="function"),
    "scope": BoxStyle(FORWARD, "#f3f8fc", width=2, mark="scope"),
    "input": BoxStyle(FORWARD, "#ffffff", shape="pill"),
    "parameter": BoxStyle(PARAMETER, "#ffffff", width=1, shape="plain"),
    "constant": BoxStyle(PARAMETER, "#ececec", width=1, shape="pill"),
    "backward": BoxStyle(GRADIENT, "#fbeee4", dash="5 3"),
    "scope_gradient": BoxStyle(GRADIENT, "#fdf6f0", width=2, dash="5 3", mark="scope"),
    "update": BoxStyle(UPDATE, "#f3e9fc", shape="cut"),
    "failed": BoxStyle(FAILED, "#fdeaec", width=2.5, shape="cut"),
    # What passes did to a node.
    "gone": BoxStyle("#707070", "#fafafa", width=1, dash="2 4"),
    "new": BoxStyle(FORWARD, "#e3f0f8", width=3.5),
    "changed": BoxStyle(FORWARD, "#ffffff", width=2.5, shape="double"),
    "new_backward": BoxStyle(GRADIENT, "#fbeee4", width=3.5, dash="5 3"),
    "changed_backward": BoxStyle(GRADIENT, "#ffffff", width=2.5, dash="5 3", shape="double"),
    "new_update": BoxStyle(UPDATE, "#f3e9fc", width=3.5, shape="cut"),
    "changed_update": BoxStyle(UPDATE, "#ffffff", width=2.5, shape="double"),
}
BADGE = BoxStyle(PARAMETER, "#ffffff", width=1, shape="pill")

LINES = {
    "forward": LineStyle(FORWARD),
    "parameter": LineStyle(PARAMETER, width=1, arrow=6),
    "gradient": LineStyle(GRADIENT, dash="5 3"),
    "turn": LineStyle(GRADIENT, dash="5 3"),
    "update": LineStyle(UPDATE, width=1.25, dash="2 3"),
    "failed": LineStyle(FAILED, width=3, dash="9 4", arrow=8),
    "gone": LineStyle("#707070", width=1, dash="1 5"),
    "saved": LineStyle(FORWARD, width=1.25, dash="1 4", arrow=6),
}

# Distances in px.  Even numbers, so that halves stay whole.
STRIP = 18  # at the left of a box with a mark
PADDING = 12  # between the text and the outline of a box
NODE_GAP = 24  # between neighbours of a rank
LINE_GAP = 16  # between a box and a line that passes it
RANK_GAP = 30  # between two ranks, before slanting lines ask for more
RANK_GAP_MORE = 60
AXIS_GAP = 72  # between the forward and the backward half
MARGIN = 20
