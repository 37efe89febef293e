"""The SVG of single things: a box, a badge, a line with its arrow.  Read next: svg.py."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

from dlgraph.draw import theme
from dlgraph.draw.boxes import PORTS, Box, badge_width, first_row, port_places
from dlgraph.draw.routes import Point
from dlgraph.draw.theme import BoxStyle, LineStyle

CORNER = 6  # radius where a line turns from level to upright
BADGE_HEIGHT = 18

# Strokes of the marks, around the middle of an 18 px strip: letters of SVG paths and points.
MARKS: dict[str, list[str | tuple[float, float]]] = {
    # An arrow that runs into its own beginning.
    "loop": [
        *("M", (4, 3), "C", (2, 5.5), " ", (-2, 5.5), " ", (-4, 3)),
        *("C", (-6, 0), " ", (-4, -5), " ", (0, -5), "C", (3, -5), " ", (5, -2.5), " ", (5, 0)),
        *("M", (2.5, -2), "L", (5, 0.5), "L", (7.5, -2)),
    ],
    # A way that forks.
    "branch": [
        *("M", (0, -6), "L", (0, -1), "L", (-4, 6)),
        *("M", (0, -1), "L", (4, 6)),
    ],
    # A graph of two boxes.
    "function": [
        *("M", (-3, -6), "L", (3, -6), "L", (3, -2), "L", (-3, -2), "Z"),
        *("M", (0, -2), "L", (0, 2)),
        *("M", (-3, 2), "L", (3, 2), "L", (3, 6), "L", (-3, 6), "Z"),
    ],
    # A plus: there is more inside.
    "scope": [
        *("M", (-5, -5), "L", (5, -5), "L", (5, 5), "L", (-5, 5), "Z"),
        *("M", (-2.5, 0), "L", (2.5, 0), "M", (0, -2.5), "L", (0, 2.5)),
    ],
}


def number(value: float) -> str:
    """A coordinate with at most one digit after the point: `12`, `12.5`."""
    tenths = math.floor(value * 10 + 0.5)
    whole, rest = divmod(abs(tenths), 10)
    return f"{'-' if tenths < 0 else ''}{whole}{f'.{rest}' if rest else ''}"


def outline(style: BoxStyle, x: float, y: float, width: float, height: float) -> str:
    """The outline of a box in the shape of its style."""
    paint = f'fill="{style.fill}" stroke="{style.stroke}" stroke-width="{style.width:g}"'
    if style.dash:
        paint += f' stroke-dasharray="{style.dash}"'
    if style.shape == "cut":
        cut = min(8, height / 3)
        corners = [
            (x + cut, y),
            (x + width - cut, y),
            (x + width, y + cut),
            (x + width, y + height - cut),
            (x + width - cut, y + height),
            (x + cut, y + height),
            (x, y + height - cut),
            (x, y + cut),
        ]
        path = "L".join(f"{number(px)} {number(py)}" for px, py in corners)
        return f'<path d="M{path}Z" {paint}/>'
    radius = {"pill": min(height / 2, 15), "plain": 0}.get(style.shape, 7)
    found = _rectangle(x, y, width, height, radius, paint)
    if style.mark:
        found += _strip(style, x, y, height)
    if style.shape == "double":
        thin = f'fill="none" stroke="{style.stroke}" stroke-width="0.75"'
        found += _rectangle(x + 3, y + 3, width - 6, height - 6, 4, thin)
    return found


def _strip(style: BoxStyle, x: float, y: float, height: float) -> str:
    """The strip at the left that tells a loop, a branch and a function from an operation."""
    strip = min(theme.STRIP, height - 1)
    middle, size = x + strip / 2, strip / 18
    parts = [
        part
        if isinstance(part, str)
        else f"{number(middle + part[0] * size)} {number(y + height / 2 + part[1] * size)}"
        for part in MARKS[style.mark]
    ]
    path = "".join(parts)
    edge = f"M{number(x + strip)} {number(y)}V{number(y + height)}"
    return f'<path d="{edge}{path}" fill="none" stroke="{style.stroke}"/>'


def _rectangle(x: float, y: float, width: float, height: float, radius: float, paint: str) -> str:
    place = f'x="{number(x)}" y="{number(y)}" width="{number(width)}" height="{number(height)}"'
    round_ = f' rx="{number(radius)}"' if radius else ""
    return f"<rect {place}{round_} {paint}/>"


def text(x: float, y: float, content: str, more: str = "") -> str:
    """A line of text, centred at x unless `more` says otherwise; `content` is escaped already."""
    return f'<text x="{number(x)}" y="{number(y)}"{more}>{content}</text>'


def box(found: Box, x: float, y: float, fill: str | None = None) -> str:
    """A box with its texts and badges; the tooltip holds what did not fit."""
    style = theme.BOXES[found.style]
    if fill:
        style = style._replace(fill=fill)
    badges, label, tag = first_row(found)
    middle = x + (found.width + (theme.STRIP if style.mark else 0)) / 2
    low = found.height - (PORTS if found.ports else 0)
    base = y + (18 if found.detail else low / 2 + 4.5)
    parts = [f'<g id="{escape(found.key)}"><title>{escape(found.title)}</title>']
    parts.append(outline(style, x, y, found.width, found.height))
    left = middle - (badges + label + tag) / 2
    for content in found.badges:
        width = badge_width(content)
        parts.append(badge(content, left, base - 13.5, width))
        left += width + 6
    words = (
        f'<tspan font-weight="bold" font-size="{theme.LABEL_SIZE}">{escape(found.label)}</tspan>'
    )
    words += f" {escape(found.tag)}" if found.tag else ""
    parts.append(text(left + (label + tag) / 2, base, words))
    if found.detail:
        muted = f' fill="{theme.MUTED}" font-style="italic"' if found.muted else ""
        parts.append(text(middle, y + 35, escape(found.detail), muted))
    small = f' font-size="{theme.SMALL_SIZE}" fill="{theme.MUTED}"'
    for port, place in zip(found.ports, port_places(found.ports), strict=True):
        parts.append(text(x + found.width / 2 + place, y + found.height - 5, escape(port), small))
    return "".join(parts) + "</g>"


def badge(content: str, x: float, y: float, width: float) -> str:
    """A small pill with a text."""
    small = f' font-size="{theme.SMALL_SIZE}"'
    shape = outline(theme.BADGE, x, y, width, BADGE_HEIGHT)
    return shape + text(x + width / 2, y + 13, escape(content), small)


def lines(routes: Sequence[Sequence[Point]], style: LineStyle) -> str:
    """Lines of one style, each with an arrow; arrows at the same place are drawn once."""
    paint = f'fill="none" stroke="{style.stroke}" stroke-width="{style.width:g}"'
    if style.dash:
        paint += f' stroke-dasharray="{style.dash}"'
    strokes: list[str] = []
    tips: dict[str, None] = {}  # ordered, without repetition
    for points in routes:
        (before_x, before_y), (x, y) = points[-2:]
        level = before_y == y
        ahead = math.copysign(1, x - before_x) if level else math.copysign(1, y - before_y)
        # The stroke ends inside the arrow, so that it does not show beside the tip.
        back = ahead * (style.arrow - 1)
        end = (x - back, y) if level else (x, y - back)
        strokes.append(f'<path d="{_path([*points[:-1], end])}"/>')
        tips[arrow(x, y, level, ahead, style)] = None
    arrows = "".join(tips)
    return f'<g {paint}>{"".join(strokes)}</g><g fill="{style.stroke}">{arrows}</g>'


def arrow(x: float, y: float, level: bool, ahead: float, style: LineStyle) -> str:
    """A filled triangle with its tip at (x, y), pointing along or across the page."""
    back, half = number(-ahead * style.arrow), number(-style.arrow / 2)
    corners = f"l{back} {half}v" if level else f"l{half} {back}h"
    return f'<path d="M{number(x)} {number(y)}{corners}{number(style.arrow)}z"/>'


def _path(points: Sequence[Point]) -> str:
    """Upright and level pieces as they are, slanting ones as curves that start and end upright."""
    parts = [f"M{number(points[0][0])} {number(points[0][1])}"]
    for index in range(1, len(points)):
        (x0, y0), (x, y) = points[index - 1], points[index]
        if x != x0 and y != y0:
            middle = number((y0 + y) / 2)
            parts.append(f"C{number(x0)} {middle} {number(x)} {middle} {number(x)} {number(y)}")
            continue
        follower = points[index + 1] if index + 1 < len(points) else (x, y)
        if (x == x0) != (follower[0] == x) and (y == y0) != (follower[1] == y):
            parts.append(_rounded((x0, y0), (x, y), follower))
        else:
            parts.append(f"V{number(y)}" if x == x0 else f"H{number(x)}")
    return "".join(parts)


def _rounded(before: Point, corner: Point, after: Point) -> str:
    """Up to a right angle and round it."""
    x, y = corner
    enter = _towards(corner, before)
    leave = _towards(corner, after)
    straight = f"V{number(enter[1])}" if before[0] == x else f"H{number(enter[0])}"
    return f"{straight}Q{number(x)} {number(y)} {number(leave[0])} {number(leave[1])}"


def _towards(corner: Point, other: Point) -> Point:
    dx, dy = other[0] - corner[0], other[1] - corner[1]
    reach = min(CORNER, (abs(dx) + abs(dy)) / 2)
    return (
        corner[0] + (math.copysign(reach, dx) if dx else 0),
        corner[1] + (math.copysign(reach, dy) if dy else 0),
    )
