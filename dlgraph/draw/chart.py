"""Bars over a common axis, with curves above them, as SVG: who was there when, who took how long.

Every bar is a group that carries its key and its words, so that the live figure
(`frontend/src/chart`) finds it again; `data-c` says what a shape is, so that it can take the
colours of the page.  No clock or counter goes in: the same chart gives the same
bytes.  Read next: memory.py and timing.py, which fill charts.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from html import escape
from typing import NamedTuple

from dlgraph.draw import theme
from dlgraph.draw.shapes import number
from dlgraph.draw.text import clean, fit, text_width, wrapped

PLOT = 420  # px of the axis
ROW = 22
BAR = 14
LABELS = 200  # px for the names at the left, at most
NOTES = 130  # px for the words at the right, at most
CURVES = 96  # px of height for the curves
NAME_ROW = 14
TICKS = 5
SAMPLE = 22  # px of a bar in the legend
NOTE_ROW = 16
READ = 440  # px of a line of the notes: all of it is seen on a narrow page, too

STROKES = {
    "forward": (theme.FORWARD, "#cfe4f2", ""),
    "gradient": (theme.GRADIENT, "#f6dcc9", "4 2"),
    "update": (theme.UPDATE, "#e4d2f7", "2 2"),
    "parameter": (theme.PARAMETER, "#dddddd", ""),
}
WORDS = {"gradient": "backward"}  # of the legend, where that is not the style itself


class Bar(NamedTuple):
    """A row: its name, where the bar begins and ends on the axis, and its words.

    `style` is a key of `STROKES`; `note` stands at the right; `lines` are the details, of which
    the first is the row's name in full.  `part` of the bar, from its beginning, is filled.
    """

    key: str
    label: str
    start: float
    end: float
    style: str
    note: str
    lines: tuple[str, ...]
    part: float = 0.0


# Colour and dashes of a curve, by its style.
CURVE_STROKES = {
    "naive": (theme.MUTED, "5 3"),
    "planned": (theme.FORWARD, ""),
    "again": (theme.UPDATE, "2 2"),
}


class Curve(NamedTuple):
    """Steps above the axis, all equally wide.  `style` is a key of `CURVE_STROKES`."""

    name: str
    values: tuple[float, ...]
    style: str = "planned"


class Chart(NamedTuple):
    """What is drawn: rows, an axis from 0 to `extent`, curves, and a mark with a word.

    `ticks` are pairs of place and word; `unit` is the word under the axis; `most` is the word at
    the highest value of the curves and `scale` what they count.  `notes` are sentences below the
    picture, for words in it that a reader may not know.
    """

    title: str
    unit: str
    extent: float
    ticks: tuple[tuple[float, str], ...]
    bars: tuple[Bar, ...]
    curves: tuple[Curve, ...] = ()
    most: str = ""
    mark: tuple[float, str] | None = None
    scale: str = ""
    notes: tuple[str, ...] = ()


def render(chart: Chart, sentence: str, description: str) -> str:
    """The SVG of a chart; `sentence` and `description` are read out by screen readers."""
    left = theme.MARGIN + _widest([bar.label for bar in chart.bars], LABELS) + 10
    names = _widest([curve.name for curve in chart.curves], LABELS)
    right = max(_widest([bar.note for bar in chart.bars], NOTES), names + 20) + 10
    width = math.ceil(left + PLOT + right + theme.MARGIN)
    top = theme.MARGIN + (20 if chart.title else 0)
    parts = []
    if chart.title:
        parts.append(_words(width / 2, theme.MARGIN + 2, chart.title, bold=True))
    if chart.curves:
        parts.append(_curves(chart, left, top + 4))
        top += CURVES + 30
    bottom = top + len(chart.bars) * ROW
    parts.append(_grid(chart, left, top, bottom))
    parts += [_bar(bar, chart.extent, left, top + k * ROW) for k, bar in enumerate(chart.bars)]
    height = bottom + 40
    if len(styles := [style for style in STROKES if any(b.style == style for b in chart.bars)]) > 1:
        parts.append(_legend(styles, left + PLOT / 2, height))
        height += ROW
    if chart.notes:
        height += NOTE_ROW // 2
    for note in chart.notes:
        for line in wrapped(note, READ, len(note), theme.SMALL_SIZE):
            parts.append(_words(theme.MARGIN, height, line, "start", muted=True))
            height += NOTE_ROW
    body = "".join(parts)
    name = "dg-" + hashlib.sha256((sentence + body).encode()).hexdigest()[:10]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" id="{name}" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" role="img" aria-label="{escape(sentence)}" '
        f'font-family="{escape(theme.FONT)}" font-size="{theme.DETAIL_SIZE}" '
        f'text-anchor="middle" fill="{theme.INK}"><title>{escape(clean(chart.title))}</title>'
        f'<desc>{escape(description)}</desc><rect data-c="ground" x="0.5" y="0.5" '
        f'width="{width - 1}" height="{height - 1}" rx="8" fill="{theme.BACKGROUND}" '
        f'stroke="{theme.FRAME}"/>{body}</svg>\n'
    )


def _widest(words: Sequence[str], most: int) -> int:
    widths = [text_width(clean(word), theme.DETAIL_SIZE) for word in words]
    return min(most, math.ceil(max(widths, default=0)))


def _x(value: float, extent: float, left: float) -> float:
    return left + PLOT * (value / extent if extent else 0)


def _grid(chart: Chart, left: float, top: float, bottom: float) -> str:
    parts = []
    for value, word in chart.ticks:
        x = number(_x(value, chart.extent, left))
        parts.append(f'<path data-c="grid" d="M{x} {number(top - 2)}V{number(bottom + 4)}" '
                     f'stroke="{theme.FRAME}"/>')  # fmt: skip
        parts.append(_words(float(x), bottom + 17, word, muted=True))
    parts.append(_words(left + PLOT / 2, bottom + 33, chart.unit, muted=True))
    if chart.mark:
        at = _x(chart.mark[0], chart.extent, left)
        above = top - (CURVES + 30 if chart.curves else 0)
        parts.append(
            f'<path data-c="turning" d="M{number(at)} {number(above)}V{number(bottom + 4)}" '
            f'stroke="{theme.GRADIENT}" stroke-dasharray="2 3"/>'
        )
        parts.append(_words(at + 4, above + 8, chart.mark[1], "start", muted=True))
    return "".join(parts)


def _bar(bar: Bar, extent: float, left: float, y: float) -> str:
    stroke, fill, dash = STROKES[bar.style]
    x = _x(bar.start, extent, left)
    width = max(_x(bar.end, extent, left) - x, 2)
    dashes = f' stroke-dasharray="{dash}"' if dash else ""
    base = y + ROW / 2 + 4
    label = fit(clean(bar.label), theme.DETAIL_SIZE, LABELS)
    note = fit(clean(bar.note), theme.SMALL_SIZE, NOTES)
    words = escape("\n".join(clean(line) for line in (bar.lines[0], bar.note)))
    return (
        f'<g data-key="{escape(bar.key)}"><title>{words}</title>'
        f'<rect data-c="row" x="{number(theme.MARGIN / 2)}" y="{number(y)}" '
        f'width="{number(left + PLOT - theme.MARGIN / 2)}" height="{ROW}" fill="none" '
        f'pointer-events="all"/>'
        f"{_words(left - 8, base, label, 'end')}"
        f'<rect data-c="stretch {bar.style}" x="{number(x)}" y="{number(y + (ROW - BAR) / 2)}" '
        f'width="{number(width)}" height="{BAR}" rx="2" fill="{fill}" stroke="{stroke}"{dashes}/>'
        f"{_part(bar, x, y + (ROW - BAR) / 2, width)}"
        f"{_words(left + PLOT + 8, base, note, 'start', muted=True)}"
        "</g>"
    )


def _legend(styles: Sequence[str], middle: float, y: float) -> str:
    """A bar of each style with its word, around `middle`."""
    words = [WORDS.get(style, style) for style in styles]
    rooms = [SAMPLE + 6 + text_width(word, theme.SMALL_SIZE) + 18 for word in words]
    x = middle - (sum(rooms) - 18) / 2
    parts = []
    for style, word, room in zip(styles, words, rooms, strict=True):
        stroke, fill, dash = STROKES[style]
        dashes = f' stroke-dasharray="{dash}"' if dash else ""
        parts.append(
            f'<rect data-c="stretch {style}" x="{number(x)}" y="{number(y)}" width="{SAMPLE}" '
            f'height="{BAR - 4}" rx="2" fill="{fill}" stroke="{stroke}"{dashes}/>'
            f"{_words(x + SAMPLE + 6, y + 9, word, 'start', muted=True)}"
        )
        x += room
    return "".join(parts)


def _part(bar: Bar, x: float, y: float, width: float) -> str:
    if not bar.part:
        return ""
    return (
        f'<rect x="{number(x)}" y="{number(y)}" width="{number(width * min(bar.part, 1.0))}" '
        f'height="{BAR}" rx="2" fill="{STROKES[bar.style][0]}" opacity="0.45" '
        'pointer-events="none"/>'
    )


def _curves(chart: Chart, left: float, top: float) -> str:
    """The curves, steps as wide as a unit of the axis, from the same zero line."""
    highest = max((value for curve in chart.curves for value in curve.values), default=0) or 1
    floor = top + CURVES
    parts = [f'<path data-c="grid" d="M{number(left)} {number(floor)}h{PLOT}" '
             f'stroke="{theme.MUTED}"/>']  # fmt: skip
    for curve in chart.curves:
        count = len(curve.values)
        path = ""
        for place, value in enumerate(curve.values):
            y = number(floor - CURVES * value / highest)
            start, end = (number(_x(at, count, left)) for at in (place, place + 1))
            path += f"{'L' if path else 'M'}{start} {y}H{end}"
        colour, dashes = CURVE_STROKES[curve.style]
        dash = f' stroke-dasharray="{dashes}"' if dashes else ""
        if not dash:
            shade = f"{path}V{number(floor)}H{number(left)}Z"
            parts.append(f'<path data-c="shade" d="{shade}" fill="#cfe4f2" opacity="0.5"/>')
        parts.append(f'<path data-c="curve {curve.style}" d="{path}" fill="none" '
                     f'stroke="{colour}" stroke-width="1.5"{dash}/>')  # fmt: skip
    parts += _names(chart.curves, left, floor, highest)
    parts.append(_words(left - 8, top + 5, chart.most, "end", muted=True))
    if chart.scale:
        parts.append(_words(left - 8, top + CURVES / 2 + 4, chart.scale, "end", muted=True))
    parts.append(_words(left - 8, floor + 4, "0", "end", muted=True))
    return "".join(parts)


def _names(curves: Sequence[Curve], left: float, floor: float, highest: float) -> list[str]:
    """The names of the curves at the right of the plot, beside their last values.

    Each with a piece of its line, and none over another.
    """
    ends = [(floor - CURVES * (c.values[-1] if c.values else 0) / highest, c) for c in curves]
    ends.sort(key=lambda end: end[0])
    parts = []
    lowest = floor - CURVES + 6
    for below, (y, curve) in zip(range(len(ends) - 1, -1, -1), ends, strict=True):
        y = min(max(y, lowest), floor - 4 - below * NAME_ROW)
        lowest = y + NAME_ROW
        colour, dashes = CURVE_STROKES[curve.style]
        dash = f' stroke-dasharray="{dashes}"' if dashes else ""
        parts.append(f'<path data-c="curve {curve.style}" d="M{number(left + PLOT + 8)} '
                     f'{number(y)}h16" fill="none" stroke="{colour}" '
                     f'stroke-width="1.5"{dash}/>')  # fmt: skip
        parts.append(_words(left + PLOT + 28, y + 4, curve.name, "start", muted=True))
    return parts


def _words(
    x: float, y: float, content: str, anchor: str = "", *, bold: bool = False, muted: bool = False
) -> str:
    """A line of text: names in the colour of ink, everything else smaller and muted."""
    size = theme.LABEL_SIZE if bold else theme.SMALL_SIZE if muted else theme.DETAIL_SIZE
    kind = f'data-c="muted" fill="{theme.MUTED}"' if muted else 'data-c="ink"'
    heavy = ' font-weight="bold"' if bold else ""
    turned = f' text-anchor="{anchor}"' if anchor else ""
    return (
        f'<text x="{number(x)}" y="{number(y)}" {kind} font-size="{size}"{heavy}{turned}>'
        f"{escape(clean(content))}</text>"
    )


def ticks_of(extent: int) -> tuple[tuple[float, str], ...]:
    """About five round numbers from 0 to the end of an axis of whole numbers.

    >>> from dlgraph.draw.chart import ticks_of
    >>> [word for _, word in ticks_of(23)]
    ['0', '5', '10', '15', '20']
    """
    step = max(1, extent // TICKS)
    size = 10 ** (len(str(step)) - 1)
    step = next(size * factor for factor in (1, 2, 5, 10) if size * factor >= step)
    return tuple((float(value), f"{value:,}") for value in range(0, extent + 1, step))
