"""Small pictures of one figure at several moments, for where no script runs.

A frame is a window on the layout, in full size so that it can be read, moved to where something
happens.  Read next: stepper.py and builder.py, which choose the moments.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from html import escape
from typing import Any

from dlgraph.draw import shapes, theme
from dlgraph.draw.boxes import Box
from dlgraph.draw.layout import Layout, Placed
from dlgraph.draw.shapes import number
from dlgraph.draw.steps import Texts
from dlgraph.draw.svg import TITLE, _background, _document
from dlgraph.draw.text import clean, fit, wrapped

WIDTH, HEIGHT = 360, 250  # of the window
GAP = 20
HEAD, CAPTION = 24, 58
CAPTION_LINES = 3
LINE = 15


@dataclass(frozen=True)
class Frame:
    """One moment: which boxes are known and what stands in them, and what happens."""

    heading: str
    caption: str
    shown: Texts  # boxes that are known by now, with the texts that have changed
    waiting: Texts  # what stands in the others
    active: Sequence[str] = ()
    lines: Sequence[tuple[str, str, int]] = ()
    right: bool = False  # look at the gradients


def filmstrip(
    layout: Layout, frames: Sequence[Frame], title: str, sentence: str, description: str
) -> str:
    """Frames in two columns as one SVG."""
    top = GAP + (TITLE if title else 0)
    columns = min(2, len(frames))
    wide = min(WIDTH, max(_half(layout, right)[1] for right in (False, True)))
    wide = max(wide, 280)
    tall = min(HEIGHT, layout.height - theme.MARGIN)
    cell = HEAD + tall + CAPTION
    parts = []
    for place, frame in enumerate(frames):
        x = GAP + place % columns * (wide + GAP)
        y = top + place // columns * (cell + GAP)
        window = _window(layout, frame, wide, tall)
        body = _frame(layout, frame, window, f"w{place}").replace('<g id="', f'<g id="{place}-')
        parts.append(f'<g transform="translate({number(x)} {number(y)})">{body}</g>')
    rows = -(-len(frames) // columns)
    width = float(math.ceil(columns * (wide + GAP) + GAP))
    height = float(math.ceil(rows * (cell + GAP) + top))
    body = _background(width, height) + headline(title, width) + "".join(parts)
    return _document(body, width, height, clean(title) or sentence, sentence, description)


def headline(title: str, width: float) -> str:
    """The title of a figure, in the middle of its top."""
    if not title:
        return ""
    words = fit(clean(title), theme.LABEL_SIZE, width - 2 * GAP)
    bold = f' font-size="{theme.LABEL_SIZE}" font-weight="bold"'
    return shapes.text(width / 2, GAP + 4, escape(words), bold)


def _half(layout: Layout, right: bool) -> tuple[float, float]:
    """Left side and width of the half with the values, or with the gradients."""
    if layout.axis is None:
        return 0.0, layout.width
    return (layout.axis, layout.width - layout.axis) if right else (0.0, layout.axis)


def _window(
    layout: Layout, frame: Frame, wide: float, tall: float
) -> tuple[float, float, float, float]:
    """The part of the layout that a frame shows: the half it is about, around what is active."""
    start, room = _half(layout, frame.right)
    places = [p for p in layout.boxes if p.box.key in frame.active]
    places = [p for p in places if (p.box.key[0] == "b") == frame.right] or layout.boxes[:1]
    middle_x = _middle([(p.x, p.x + p.box.width) for p in places])
    middle_y = _middle([(p.y, p.y + p.box.height) for p in places])
    x = _within(middle_x - wide / 2, start, start + room - wide)
    y = _within(middle_y - tall / 2, theme.MARGIN / 2, layout.height - theme.MARGIN / 2 - tall)
    return x, y, wide, tall


def _middle(spans: Sequence[tuple[float, float]]) -> float:
    return (min(low for low, _ in spans) + max(high for _, high in spans)) / 2


def _within(value: float, low: float, high: float) -> float:
    # What is narrower than the window stands in its middle.
    return (low + high) / 2 if high < low else min(max(value, low), high)


def _frame(
    layout: Layout, frame: Frame, window: tuple[float, float, float, float], clip: str
) -> str:
    x, y, wide, tall = window
    head = f' font-weight="bold" text-anchor="start" fill="{_colour(frame)}"'
    parts = [shapes.text(2, 14, escape(clean(frame.heading)), head)]
    # A nested svg cuts off what lies outside its own box; no clip path with an id is needed.
    parts.append(
        f'<svg x="0" y="{HEAD}" width="{number(wide)}" height="{number(tall)}" '
        f'viewBox="{number(x)} {number(y)} {number(wide)} {number(tall)}">'
    )
    seen = _inside(layout, window)
    parts += drawn(seen, frame.shown, frame.waiting, frame.active, frame.lines)
    edge = f'fill="none" stroke="{theme.FRAME}"'
    size = f'width="{number(wide)}" height="{number(tall)}"'
    parts.append(f'</svg><rect x="0" y="{HEAD}" {size} {edge}/>')
    small = f' font-size="{theme.SMALL_SIZE}" text-anchor="start"'
    for row, line in enumerate(wrapped(frame.caption, wide - 4, CAPTION_LINES, theme.SMALL_SIZE)):
        parts.append(shapes.text(2, HEAD + tall + LINE * (row + 1), escape(line), small))
    return "".join(parts)


def _inside(layout: Layout, window: tuple[float, float, float, float]) -> Layout:
    """Only the boxes and lines of which something is in the window."""
    x, y, wide, tall = window

    def shows(left: float, right: float, top: float, bottom: float) -> bool:
        return left < x + wide and right > x and top < y + tall and bottom > y

    boxes = [p for p in layout.boxes if shows(p.x, p.x + p.box.width, p.y, p.y + p.box.height)]
    lines = []
    for line in layout.lines:
        xs, ys = zip(*line.points, strict=True)
        if shows(min(xs) - 1, max(xs) + 1, min(ys) - 1, max(ys) + 1):
            lines.append(line)
    return replace(layout, boxes=boxes, lines=lines)


def _colour(frame: Frame) -> str:
    return theme.GRADIENT if frame.right else theme.FORWARD


def drawn(
    layout: Layout,
    shown: Texts,
    waiting: Texts,
    active: Sequence[str] = (),
    lines: Sequence[tuple[str, str, int]] = (),
) -> list[str]:
    """Boxes and lines of a layout at one moment: faint what is not known yet, framed what works."""
    parts, faint = [], []
    seen: dict[tuple[str, str], int] = {}
    for line in layout.lines:
        pair = (line.source, line.target)
        nth = seen[pair] = seen.get(pair, -1) + 1
        style = theme.LINES[line.style]
        if (*pair, nth) in lines:
            parts.append(shapes.lines([line.points], style._replace(width=3.5, arrow=11)))
        elif line.source in shown and line.target in shown:
            parts.append(shapes.lines([line.points], style))
        else:
            faint.append(shapes.lines([line.points], style))
    boxes = []
    for placed in layout.boxes:
        key = placed.box.key
        known = key in shown
        if key in active:
            boxes.append(_halo(placed))
        texts = shown[key] if known else waiting.get(key, {})
        box = _with_texts(placed, texts)
        if not known:  # a tooltip would tell the value
            box = replace(box, title=" ".join(filter(None, (box.label, box.tag, box.detail))))
        into = boxes if known else faint
        into.append(shapes.box(box, placed.x, placed.y))
    ghosts = [f'<g opacity="0.3">{"".join(faint)}</g>'] if faint else []
    return [*ghosts, *parts, *boxes]


def _with_texts(placed: Placed, texts: Mapping[str, str]) -> Box:
    room = placed.box.width - 2 * theme.PADDING
    cut: dict[str, Any] = {
        name: fit(clean(text), theme.DETAIL_SIZE, room) for name, text in texts.items()
    }
    return replace(placed.box, **cut, muted=False) if cut else placed.box


def with_texts(layout: Layout, texts: Texts) -> Layout:
    """The layout with other texts in some boxes."""
    boxes = [p._replace(box=_with_texts(p, texts.get(p.box.key, {}))) for p in layout.boxes]
    return replace(layout, boxes=boxes)


def _halo(placed: Placed) -> str:
    box = placed.box
    place = f'x="{number(placed.x - 4)}" y="{number(placed.y - 4)}"'
    size = f'width="{box.width + 8}" height="{box.height + 8}"'
    stroke = theme.BOXES[box.style].stroke
    return f'<rect {place} {size} rx="10" fill="none" stroke="{stroke}" stroke-width="2.5"/>'
