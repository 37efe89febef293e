"""Beside the picture of an array: histogram, key to the colours, words.

The axis of the histogram is the key to the colours.  Read next: array_svg.py.
"""

from __future__ import annotations

import base64
from html import escape

import numpy as np

from dlgraph.draw import theme
from dlgraph.draw.array_picture import ArrayPicture
from dlgraph.draw.formula import number_text
from dlgraph.draw.heat import MARKS, MINUS, NAN, PLUS, png
from dlgraph.draw.shapes import number, text
from dlgraph.draw.text import text_width

SIDE_WIDTH = 216
HISTOGRAM_HEIGHT = 84
KEY_HEIGHT = 10
LINE = 18


def side_height(picture: ArrayPicture, words: list[str]) -> float:
    """How much room `side` takes."""
    chart = HISTOGRAM_HEIGHT + KEY_HEIGHT + 34 if _has_chart(picture) else 0
    marks = LINE if _marks(picture) else 0
    return chart + marks + len(words) * LINE


def _has_chart(picture: ArrayPicture) -> bool:
    return len(picture.histogram.counts) > 0 and picture.summary.size > 1


def _marks(picture: ArrayPicture) -> list[tuple[int, str]]:
    summary = picture.summary
    kinds = (
        (NAN, "NaN", summary.nan),
        (PLUS, "+Inf", summary.plus),
        (MINUS, "-Inf", summary.minus),
    )
    return [(entry, word) for entry, word, count in kinds if count]


def side(picture: ArrayPicture, words: list[str], left: float, top: float) -> str:
    """Histogram, key and words, one below the other."""
    parts, y = [], top
    if _has_chart(picture):
        parts.append(_histogram(picture, left, y))
        y += HISTOGRAM_HEIGHT
        parts.append(_key(picture, left, y + 3))
        y += KEY_HEIGHT + 34
    if marks := _marks(picture):
        x = left
        for entry, word in marks:
            parts.append(
                f'<rect x="{number(x)}" y="{number(y - 2)}" width="12" height="12" '
                f'fill="{MARKS[entry]}" stroke="#000"/>'
            )
            parts.append(words_at(x + 17, y + 8, word, theme.SMALL_SIZE, theme.MUTED))
            x += 30 + text_width(word, theme.SMALL_SIZE)
        y += LINE
    for k, line in enumerate(words):
        parts.append(words_at(left, y + 11 + k * LINE, line, theme.DETAIL_SIZE))
    return "".join(parts)


def bar_heights(counts: tuple[int, ...]) -> tuple[list[float], int | None]:
    """Heights from 0 to 1; a bar that would flatten all others is cut, and its number returned.

    >>> from dlgraph.draw.array_side import bar_heights
    >>> bar_heights((1, 2, 4)), bar_heights((1, 2, 100))
    (([0.25, 0.5, 1.0], None), ([0.4, 0.8, 1.0], 2))
    """
    order = sorted(range(len(counts)), key=lambda k: -counts[k])
    largest, second = counts[order[0]], counts[order[1]] if len(order) > 1 else 0
    if second and largest > 4 * second:
        full = second / 0.8
        return [min(1.0, count / full) for count in counts], order[0]
    return [count / largest for count in counts], None


def _histogram(picture: ArrayPicture, left: float, top: float) -> str:
    counts, edges = picture.histogram.counts, picture.histogram.edges
    heights, cut = bar_heights(counts)
    step = SIDE_WIDTH / len(counts)
    parts = []
    for k, share in enumerate(heights):
        if not share:
            continue
        height = max(1.0, share * HISTOGRAM_HEIGHT)
        x, y = left + k * step, top + HISTOGRAM_HEIGHT - height
        words = f"{_span(picture, edges, k)}: {counts[k]:,}"
        parts.append(
            f'<rect x="{number(x)}" y="{number(y)}" width="{number(max(step - 1, 1))}" '
            f'height="{number(height)}" fill="{theme.MUTED}" data-c="bar">'
            f"<title>{escape(words)}</title></rect>"
        )
        if k == cut:
            parts.append(_break(x, y + 8, step, left, counts[k] / sum(counts)))
    base = number(top + HISTOGRAM_HEIGHT)
    parts.append(
        f'<path d="M{number(left)} {base}h{SIDE_WIDTH}" stroke="{theme.MUTED}" fill="none"/>'
    )
    return "".join(parts)


def _span(picture: ArrayPicture, edges: tuple[float, ...], k: int) -> str:
    if picture.histogram.whole:
        return number_text(round((edges[k] + edges[k + 1]) / 2))
    return f"{number_text(edges[k])} to {number_text(edges[k + 1])}"


def _break(x: float, y: float, step: float, left: float, share: float) -> str:
    """The sign that a bar is longer than drawn, with its share of all values."""
    words = f"{100 * share:.3g} %"
    room = text_width(words, theme.SMALL_SIZE)
    beside = x + step + 5 if x + step + 5 + room < left + SIDE_WIDTH else x - room - 5
    gap = (
        f'<path d="M{number(x - 2)} {number(y + 4)}l{number(step + 4)} -5" '
        f'stroke="{theme.BACKGROUND}" stroke-width="3" data-c="cut"/>'
    )
    return gap + words_at(beside, y + 3, words, theme.SMALL_SIZE, theme.MUTED)


def _key(picture: ArrayPicture, left: float, top: float) -> str:
    """The colours over the range of the histogram, with the numbers at its ends and at zero."""
    edges, scale = picture.histogram.edges, picture.scale
    low, high = edges[0], edges[-1]
    share = (np.arange(SIDE_WIDTH) + 0.5) / SIDE_WIDTH
    centres = low * (1 - share) + high * share  # high - low may be too large for a float
    strip = scale.levels(np.clip(centres, scale.low, scale.high)[None, :])
    data = base64.b64encode(png(strip, scale.palette)).decode()
    size = f'x="{number(left)}" y="{number(top)}" width="{SIDE_WIDTH}" height="{KEY_HEIGHT}"'
    first, last = picture.summary.low, picture.summary.high
    below, small = top + KEY_HEIGHT + 13, theme.SMALL_SIZE
    parts = [
        f'<image {size} preserveAspectRatio="none" href="data:image/png;base64,{data}"/>',
        f'<rect {size} fill="none" stroke="{theme.MUTED}" stroke-width="0.75"/>',
        words_at(left, below, number_text(first), small, theme.MUTED),
    ]
    if last != first:
        words = number_text(last)
        at = left + SIDE_WIDTH - text_width(words, small)
        parts.append(words_at(at, below, words, small, theme.MUTED))
    if first < 0 < last:
        zero = left + (0 / 2 - low / 2) / (high / 2 - low / 2) * SIDE_WIDTH
        if left + 44 < zero < left + SIDE_WIDTH - 44:
            parts.append(words_at(zero - 3, below, "0", small, theme.MUTED))
    return "".join(parts)


def words_at(
    x: float, y: float, words: str, size: int, colour: str = theme.INK, bold: bool = False
) -> str:
    """Text that starts at x, escaped."""
    weight = ' font-weight="bold"' if bold else ""
    muted = ' data-c="muted"' if colour == theme.MUTED else ""
    paint = f' fill="{colour}"{muted}' if colour != theme.INK else ""
    return text(x, y, escape(words), f' font-size="{size}"{weight}{paint}')
