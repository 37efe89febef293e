"""The texts in the boxes of a picture whose numbers change while its layout stays."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from dlgraph.core.arrays import Bundle
from dlgraph.draw import theme
from dlgraph.draw.boxes import LEAST_ROOM, Box, fit_value
from dlgraph.draw.collapse import visible
from dlgraph.draw.formula import gradient_text, value_text
from dlgraph.draw.model import Picture
from dlgraph.draw.scene import build_scene
from dlgraph.draw.text import text_width

ROOM = "-0.001234"  # every number in a box may become as long as this one
SPELT = 3  # numbers of a vector that are written out
_NUMBER = re.compile(r"-?\d[\d.]*(?:e[+-]?\d+)?|nan|-?inf")


def boxes_of(picture: Picture) -> list[Box]:
    """All boxes of a picture with every group open."""
    scene = visible(build_scene(picture), range(len(picture.nodes)))
    return [box for box in (*scene.boxes, *scene.images) if box is not None]


def value_words(value: Any) -> str | None:
    """A number, or up to three of them; None for more, and for several values at once."""
    if value is None or isinstance(value, Bundle) or np.size(value) > SPELT:
        return None
    return value_text(value)


def gradient_words(value: Any) -> str | None:
    """The same for a gradient; a longer one is told by its norm."""
    if value is None or isinstance(value, Bundle):
        return None
    array = np.asarray(value)
    # A list that is cut to fit its box would show numbers that are none.
    return gradient_text(array.reshape(1, -1) if array.ndim and array.size > SPELT else array)


def roomy(text: str | None) -> str | None:
    """A text with as much room for each number as a number may take."""
    return None if text is None else _NUMBER.sub(ROOM, text)


def cut(box: Box, place: Box) -> dict[str, Any]:
    """The texts of a box so that they fit into the box that was laid out for it."""
    strip = theme.STRIP if theme.BOXES[place.style].mark else 0
    room = place.width - 2 * theme.PADDING - strip + 6
    label = text_width(box.label, theme.LABEL_SIZE) + sum(
        text_width(badge, theme.SMALL_SIZE) + 18 for badge in box.badges
    )
    return {
        "tag": fit_value(box.tag, room - label) if room - label > LEAST_ROOM else "",
        "detail": fit_value(box.detail, room),
        "muted": box.muted,
    }
