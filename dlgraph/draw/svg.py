"""The page: layout, headings and legend as one SVG text.

No clock, no counter, no address goes in: the same picture gives the same bytes.  Names are escaped
wherever they stand.  Read next: figure.py.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

from dlgraph.draw import shapes, theme
from dlgraph.draw.layout import Layout
from dlgraph.draw.shapes import number
from dlgraph.draw.text import clean, text_width

LEGEND_ROW = 22
LEGEND_GAP = 18
SAMPLE = 26  # width of a box in the legend
BOTH = 48  # width of a box with its line
HEADING = 24
TITLE = 24

# Word of each kind of box, and the line that belongs to it.
_WORDS = {
    "input": ("input", ""),
    "parameter": ("parameter", "parameter"),
    "constant": ("constant", ""),
    "operation": ("operation", "forward"),
    "loss": ("loss", ""),
    "loop": ("loop", ""),
    "branch": ("branch", ""),
    "function": ("function", ""),
    "scope": ("more inside", ""),
    "backward": ("gradient", "gradient"),
    "update": ("update", "update"),
    "failed": ("failed", "failed"),
}

# The same for what passes did to a box, whatever its kind.
_STATES = {"gone": "removed", "new": "added", "changed": "computed in another way"}


@dataclass(frozen=True)
class _Entry:
    """One sample with its word, at a place in the legend."""

    style: str
    line: str
    word: str
    x: float
    row: int
    fill: str = ""


def render(
    layout: Layout,
    title: str,
    sentence: str,
    description: str,
    *,
    legend: bool = True,
    fills: Mapping[str, str] | None = None,
    scale: Sequence[tuple[str, str]] = (),
) -> str:
    """The SVG of a layout.  `sentence` and `description` are read out by screen readers.

    `fills` are colours of boxes by key, in place of those of their kinds; `scale` says what they
    mean: pairs of colour and words for the legend.
    """
    title = clean(title)
    room = max(layout.width, 320.0) - 2 * theme.MARGIN
    entries, legend_width = _legend(layout, room, scale) if legend else ([], 0.0)
    headings, beyond = _headings(layout)
    width = max(layout.width + 2 * beyond, legend_width + 2 * theme.MARGIN, _title_width(title))
    width = float(math.ceil(width))
    top = (TITLE if title else 0) + (HEADING if headings else 0)
    rows = max((entry.row for entry in entries), default=-1) + 1
    height = float(math.ceil(top + layout.height + rows * LEGEND_ROW))
    shift = math.floor((width - layout.width) / 2)
    parts = [_background(width, height)]
    if title:
        words = f' font-size="{theme.LABEL_SIZE}" font-weight="bold"'
        parts.append(shapes.text(width / 2, theme.MARGIN + 4, escape(title), words))
    parts.append(f'<g transform="translate({number(shift)} {number(top)})">')
    parts += [headings, *_body(layout, fills or {}), _start(layout)]
    parts.append("</g>")
    if entries:
        left = math.floor((width - legend_width) / 2)
        parts.append(f'<g transform="translate({left} {number(top + layout.height - 6)})">')
        parts += [_sample(entry) for entry in entries]
        parts.append("</g>")
    return _document("".join(parts), width, height, title or sentence, sentence, description)


def _document(
    body: str, width: float, height: float, title: str, sentence: str, description: str
) -> str:
    name = "dg-" + hashlib.sha256((sentence + body).encode()).hexdigest()[:10]
    # Several figures share a page when SVG is put inline: ids of parts carry the figure's own.
    body = body.replace('<g id="', f'<g id="{name}-')
    size = f'width="{number(width)}" height="{number(height)}"'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" id="{name}" {size} '
        f'viewBox="0 0 {number(width)} {number(height)}" role="img" '
        f'aria-label="{escape(sentence)}" font-family="{escape(theme.FONT)}" '
        f'font-size="{theme.DETAIL_SIZE}" text-anchor="middle" fill="{theme.INK}">'
        f"<title>{escape(title)}</title><desc>{escape(description)}</desc>{body}</svg>\n"
    )


def _background(width: float, height: float) -> str:
    return (
        f'<rect x="0.5" y="0.5" width="{number(width - 1)}" height="{number(height - 1)}" rx="8" '
        f'fill="{theme.BACKGROUND}" stroke="{theme.FRAME}"/>'
    )


def _body(layout: Layout, fills: Mapping[str, str]) -> list[str]:
    # Lines first, so that boxes cover their ends; thin and dashed lines below full ones.
    parts = []
    for style in ("saved", "update", "parameter", "turn", "gradient", "failed", "forward"):
        routes = [line.points for line in layout.lines if line.style == style]
        parts += [shapes.lines(routes, theme.LINES[style])] if routes else []
    return parts + [shapes.box(p.box, p.x, p.y, fills.get(p.box.key)) for p in layout.boxes]


def _start(layout: Layout) -> str:
    """A word on the line where the way back begins, if there is one level line with room."""
    turns = [line.points for line in layout.lines if line.style == "turn"]
    words = "backward starts here"
    if len(turns) != 1 or len(turns[0]) != 2:
        return ""
    (left, y), (right, _) = turns[0]
    if right - left < text_width(words, theme.SMALL_SIZE) + 24:
        return ""
    colour = f' font-size="{theme.SMALL_SIZE}" fill="{theme.GRADIENT}"'
    return shapes.text((left + right) / 2 - 3, y - 6, words, colour)


def _title_width(title: str) -> float:
    return text_width(title, theme.LABEL_SIZE) + 2 * theme.MARGIN if title else 0.0


def _headings(layout: Layout) -> tuple[str, float]:
    """`forward: values` over the one half, `backward: gradients` over the other.

    Also how far they reach over the sides of the layout.
    """
    if layout.axis is None:
        return "", 0.0
    centres = []
    for half in ("f", "b"):
        spans = [(p.x, p.x + p.box.width) for p in layout.boxes if p.box.key[0] == half]
        centres.append((min(low for low, _ in spans) + max(high for _, high in spans)) / 2)
    words = (("forward:", "values", theme.FORWARD), ("backward:", "gradients", theme.GRADIENT))
    widths = [text_width(f"{bold} {rest}", theme.LABEL_SIZE) + 16 for bold, rest, _ in words]
    missing = max(0.0, sum(widths) / 2 + 16 - (centres[1] - centres[0])) / 2
    centres = [centres[0] - missing, centres[1] + missing]
    parts = []
    for side, (bold, rest, colour) in enumerate(words):
        x = centres[side]
        content = f'<tspan font-weight="bold" fill="{colour}">{bold}</tspan> {rest}'
        parts.append(shapes.text(x - 6, 2, content))
        # The arrow is drawn, not typed: not every font has it.
        style = theme.LINES["gradient" if side else "forward"]
        ahead, y = (-1, -6) if side else (1, 1)
        tip = shapes.arrow(x + widths[side] / 2 - 10, y, False, ahead, style)
        parts.append(f'<g fill="{colour}">{tip}</g>')
    left, right = centres[0] - widths[0] / 2, centres[1] + widths[1] / 2
    return "".join(parts), max(0.0, theme.MARGIN - left, right + theme.MARGIN - layout.width)


def _legend(
    layout: Layout, room: float, scale: Sequence[tuple[str, str]] = ()
) -> tuple[list[_Entry], float]:
    """The samples of what occurs in this figure, in rows of like width, and the widest row."""
    boxes = {placed.box.style for placed in layout.boxes}
    lines = {"gradient" if line.style == "turn" else line.style for line in layout.lines}
    wanted = [
        (style, line if line in lines else "", word, "")
        for style, (word, line) in _WORDS.items()
        if style in boxes
    ]
    states = {style.partition("_")[0] for style in boxes}
    wanted += [(state, "", word, "") for state, word in _STATES.items() if state in states]
    if layout.badges:
        wanted.append(("badge", "", layout.badges, ""))
    wanted += [("operation", "", word, fill) for fill, word in scale]
    widths = [
        (BOTH if line else SAMPLE) + 6 + math.ceil(text_width(word, theme.SMALL_SIZE))
        for _, line, word, _ in wanted
    ]
    total = sum(widths) + LEGEND_GAP * (len(widths) - 1)
    even = total / max(1, math.ceil(total / room))
    entries: list[_Entry] = []
    x, row, widest = 0.0, 0, 0.0
    for (style, line, word, fill), width in zip(wanted, widths, strict=True):
        if x and (x + width > room or x + width / 2 > even):
            x, row = 0.0, row + 1
        entries.append(_Entry(style, line, word, x, row, fill))
        widest = max(widest, x + width)
        x += width + LEGEND_GAP
    return entries, widest


def _sample(entry: _Entry) -> str:
    x, y = entry.x, entry.row * LEGEND_ROW
    if entry.style == "badge":
        found = shapes.outline(theme.BADGE, x + 2, y + 2, SAMPLE - 6, 12)
    else:
        style = theme.BOXES[entry.style]
        style = style._replace(fill=entry.fill or style.fill)
        found = shapes.outline(style, x + 1, y + 1, SAMPLE - 4, 14)
    after = x + SAMPLE
    if entry.line:
        line = [(x + SAMPLE - 2, y + 8.0), (x + BOTH - 2, y + 8.0)]
        found += shapes.lines([line], theme.LINES[entry.line])
        after = x + BOTH
    words = f' font-size="{theme.SMALL_SIZE}" text-anchor="start" fill="{theme.MUTED}"'
    return found + shapes.text(after + 3, y + 12, escape(entry.word), words)
