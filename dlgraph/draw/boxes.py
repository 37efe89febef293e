"""Boxes: their texts, cut to fit, and the size that holds them.  Read next: scene.py.

Sizes are computed here once; the JavaScript twin of the layout is given them.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from dlgraph.draw import theme
from dlgraph.draw.text import clean, fit, text_width

BADGES_SHOWN = 3
LABEL_ROOM, TAG_ROOM, DETAIL_ROOM, BADGE_ROOM = 230, 126, 220, 60
FAILED_ROOM = 560  # px; what went wrong is to be read, not guessed from its ends
LEAST_ROOM = 14  # px; a text that is cut to less says nothing
TALL, LOW = 44, 30  # heights of boxes with two lines of text and with one
PORTS = 16  # height of the row that names the values of a loop


@dataclass
class Box:
    """One box: its texts, cut to fit, and its size.  `title` is the full text for a tooltip."""

    key: str  # "f7" for the forward box of node 7, "b7" for its mirror image
    style: str  # a key of theme.BOXES
    label: str
    tag: str = ""
    detail: str = ""
    muted: bool = False
    badges: tuple[str, ...] = ()
    ports: tuple[str, ...] = ()  # values that leave separately, from left to right
    title: str = ""
    width: int = 0
    height: int = 0

    def to_json(self) -> list[Any]:
        """All fields in their order."""
        cells = vars(self).values()
        return [list(cell) if isinstance(cell, tuple) else cell for cell in cells]


def measured(box: Box, badges: list[str], title: str, badges_shown: int = BADGES_SHOWN) -> Box:
    """Cut the texts to their room and compute the size that holds them."""
    shown = badges if len(badges) <= badges_shown else badges[: badges_shown - 1]
    texts = [fit(clean(text), theme.SMALL_SIZE, BADGE_ROOM) for text in shown]
    if len(badges) > len(shown):
        texts.append(f"+{len(badges) - len(shown)}")
    box.badges = tuple(texts)
    box.label = fit(clean(box.label), theme.LABEL_SIZE, LABEL_ROOM)
    box.tag = fit_value(clean(box.tag), TAG_ROOM)
    room = FAILED_ROOM if box.style == "failed" else DETAIL_ROOM
    box.detail = fit_value(clean(box.detail), room)
    uses = [f"uses {badge}" for badge in badges] if box.key[0] == "f" else []
    box.title = "\n".join(clean(line) for line in [*title.split("\n"), *uses])
    return sized(box)


def fit_value(text: str, room: float) -> str:
    """A formula with its value, cut to fit: numbers stay whole or are left out.

    >>> from dlgraph.draw.boxes import fit_value
    >>> fit_value("logits + bias = [0.1, 0.25]", 130), fit_value("x = [0.1, 0.25, 0.5]", 80)
    ('logit…ias = [0.1, 0.25]', 'x = […]')
    """
    if text_width(text, theme.DETAIL_SIZE) <= room:
        return text
    formula, equals, value = text.rpartition("= ")
    if not equals:
        return fit(text, theme.DETAIL_SIZE, room)
    if value.startswith("[") and text_width(value, theme.DETAIL_SIZE) > 0.7 * room:
        value = "[…]"
    left = room - text_width(equals + value, theme.DETAIL_SIZE)
    return (fit(formula, theme.DETAIL_SIZE, left) if left > LEAST_ROOM else "") + equals + value


def sized(box: Box) -> Box:
    """Set the width and height that the texts ask for."""
    width = max(sum(first_row(box)), text_width(box.detail, theme.DETAIL_SIZE), 24)
    strip = theme.STRIP if theme.BOXES[box.style].mark else 0
    box.width = 2 * math.ceil(width / 2) + 2 * theme.PADDING + strip
    box.height = TALL if box.detail else LOW
    if box.ports:
        box.width = max(box.width, 2 * theme.STRIP + sum(map(badge_width, box.ports)))
        box.height += PORTS
    return box


def add_badge(box: Box, text: str) -> None:
    """One more badge on a finished box: what it reads from far away, without a line."""
    more = re.fullmatch(r"\+(\d+)", box.badges[-1]) if box.badges else None
    shown = box.badges[:-1] if more else box.badges
    if more or len(shown) == BADGES_SHOWN:
        hidden = int(more[1]) if more else 1
        box.badges = (*shown[: BADGES_SHOWN - 1], f"+{hidden + 1}")
    else:
        box.badges = (*shown, fit(text, theme.SMALL_SIZE, BADGE_ROOM))
    box.title += f"\nuses {text}"
    sized(box)


def port_places(ports: Sequence[str]) -> list[float]:
    """Where each port stands, from the middle of the box."""
    widths = list(map(badge_width, ports))
    left = -sum(widths) / 2
    return [left + sum(widths[:k]) + width / 2 for k, width in enumerate(widths)]


def badge_width(text: str) -> int:
    """Width of a badge, its outline included."""
    return math.ceil(text_width(text, theme.SMALL_SIZE)) + 12


def first_row(box: Box) -> tuple[float, float, float]:
    """Widths of the first line of a box: badges, label, tag, each with the space before it."""
    badges = sum(badge_width(text) + 6 for text in box.badges)
    tag = text_width(" " + box.tag, theme.DETAIL_SIZE) if box.tag else 0
    return (badges, text_width(box.label, theme.LABEL_SIZE), tag)
