"""A picture of an array as SVG text: tiles or bars at the left, histogram and words at the right.

The axis of the histogram is also the key to the colours.  Every tile is one image of as many pixels
as cells, scaled up without smoothing.  Read next: array_side.py, view.py.
"""

from __future__ import annotations

import base64
import hashlib
import math
from html import escape
from typing import NamedTuple

import numpy as np

from dlgraph.draw import theme
from dlgraph.draw.array_picture import ArrayPicture, Tile
from dlgraph.draw.array_side import SIDE_WIDTH, side, side_height, words_at
from dlgraph.draw.formula import number_text
from dlgraph.draw.heat import MARKS, NAN, png, readable_on
from dlgraph.draw.shapes import number, text
from dlgraph.draw.text import clean, text_width

AREA = 496  # px for tiles, each way
LABELLED = 16  # tiles that have a label each; of more, every row has one
GAP = 28
TILE_GAP = 6
LABEL = 14  # height of the line over a tile
BARS_HEIGHT = 180
CELL_LIMIT = 44  # px of one cell, at most
NUMBER_ROOM = 30  # px of a cell from which on its number is written into it


class Place(NamedTuple):
    """Where a tile stands, and the width and height of one of its cells."""

    x: float
    y: float
    cell: tuple[float, float]


class Plan(NamedTuple):
    """Sizes of the left part and the places of the tiles in it."""

    width: float
    height: float
    places: tuple[Place, ...]


def render(picture: ArrayPicture, sentence: str, description: str) -> str:
    """The SVG of a picture; `sentence` and `description` are read out by screen readers."""
    plan = plan_of(picture)
    title = clean(picture.title)
    top = theme.MARGIN + (22 if title else 0)
    words = [clean(line) for line in picture.words]
    left = theme.MARGIN + plan.width + (GAP if plan.width else 0)
    beside = max([SIDE_WIDTH, *(text_width(line, theme.DETAIL_SIZE) for line in words)])
    parts = [side(picture, words, left, top)]
    if picture.kind == "bars":
        parts.append(_bars(picture, theme.MARGIN, top))
    else:
        parts += [
            _tile(picture, tile, place, theme.MARGIN, top)
            for tile, place in zip(picture.tiles, plan.places, strict=True)
        ]
        parts.append(_row_labels(picture, plan, top))
    width = math.ceil(left + beside + theme.MARGIN)
    height = math.ceil(top + max(plan.height, side_height(picture, words)) + theme.MARGIN)
    head = words_at(theme.MARGIN, theme.MARGIN + 10, title, theme.LABEL_SIZE, bold=True)
    body = (
        f'<rect x="0.5" y="0.5" width="{width - 1}" height="{height - 1}" rx="8" '
        f'fill="{theme.BACKGROUND}" stroke="{theme.FRAME}" data-c="ground"/>'
        f"{head if title else ''}{''.join(parts)}"
    )
    name = "dg-" + hashlib.sha256((sentence + body).encode()).hexdigest()[:10]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" id="{name}" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" role="img" aria-label="{escape(sentence)}" '
        f'font-family="{escape(theme.FONT)}" font-size="{theme.DETAIL_SIZE}" fill="{theme.INK}">'
        f"<title>{escape(title or sentence)}</title><desc>{escape(description)}</desc>"
        f"{body}</svg>\n"
    )


# ---- tiles
def plan_of(picture: ArrayPicture) -> Plan:
    """The tiles in a grid, all of one scale, as large as the room allows."""
    if not picture.tiles:
        return Plan(0, 0, ())
    if picture.kind == "bars":
        return Plan(AREA, BARS_HEIGHT + LABEL + 4, ())
    rows, columns = picture.tiles[0].values.shape
    across = picture.columns
    down = -(-len(picture.tiles) // across)
    each = _labelled(picture)
    above = LABEL if each else 0
    aside = _row_label_room(picture)
    room_x = (AREA - (across - 1) * TILE_GAP) / across
    room_y = (AREA - down * above - (down - 1) * TILE_GAP) / down
    cell = _cell(room_x, room_y, rows, columns)
    labels = [text_width(tile.label, theme.SMALL_SIZE) for tile in picture.tiles] if each else [0.0]
    step_x = max(columns * cell[0], *labels, 0.0) + TILE_GAP
    step_y = rows * cell[1] + above + TILE_GAP
    places = tuple(
        Place(aside + k % across * step_x, k // across * step_y + above, cell)
        for k in range(len(picture.tiles))
    )
    matrix = picture.kind == "matrix"
    ticks = LABEL + 4 if matrix else 0
    words = text_width(_ticks_of(picture), theme.SMALL_SIZE) if matrix else 0.0
    wide = max(aside + across * step_x - TILE_GAP, words)
    return Plan(wide, down * step_y - TILE_GAP + ticks, places)


def _labelled(picture: ArrayPicture) -> bool:
    return picture.kind == "tiles" and len(picture.tiles) <= LABELLED


def _row_label_room(picture: ArrayPicture) -> float:
    if picture.kind != "tiles" or _labelled(picture):
        return 0.0
    labels = [row_label(row) for row in _rows_of(picture)]
    return math.ceil(max(text_width(words, theme.SMALL_SIZE) for words in labels)) + 8


def _rows_of(picture: ArrayPicture) -> list[tuple[Tile, ...]]:
    across = picture.columns
    return [picture.tiles[k : k + across] for k in range(0, len(picture.tiles), across)]


def row_label(row: tuple[Tile, ...]) -> str:
    """The places of a row of tiles: `[8–15]`, `[2, 0–7]`."""
    first, last = row[0].prefix, row[-1].prefix
    spans = [str(a) if a == b else f"{a}–{b}" for a, b in zip(first, last, strict=True)]
    return f"[{', '.join(spans)}]"


def _cell(room_x: float, room_y: float, rows: int, columns: int) -> tuple[float, float]:
    """Square cells of whole pixels; where those would be too small to see, stretched ones."""
    fit = min(room_x / columns, room_y / rows)
    if fit >= 1:
        size = float(min(CELL_LIMIT, math.floor(fit)))
        tall, wide = rows * size, columns * size
        # A row of 200 numbers would be a line one pixel high: its cells become tall.
        return (
            size if wide >= 24 else min(24.0, 24 / columns),
            size if tall >= 24 else 24 / rows,
        )
    return (max(fit, min(1.0, room_x / columns)), max(fit, min(1.0, room_y / rows)))


def _tile(picture: ArrayPicture, tile: Tile, place: Place, left: float, top: float) -> str:
    rows, columns = tile.values.shape
    x, y = left + place.x, top + place.y
    width, height = columns * place.cell[0], rows * place.cell[1]
    levels = picture.scale.levels(tile.values)
    data = base64.b64encode(png(levels, picture.scale.palette)).decode()
    size = f'x="{number(x)}" y="{number(y)}" width="{number(width)}" height="{number(height)}"'
    parts = [
        f'<image {size} preserveAspectRatio="none" style="image-rendering:pixelated" '
        f'href="data:image/png;base64,{data}" data-tile="{",".join(map(str, tile.prefix))}"/>',
        f'<rect {size} fill="none" stroke="{theme.MUTED}" stroke-width="0.75"/>',
    ]
    if _labelled(picture):
        parts.append(words_at(x, y - 4, tile.label, theme.SMALL_SIZE, colour=theme.MUTED))
    elif picture.kind == "matrix":
        parts.append(
            words_at(x, y + height + 14, _ticks_of(picture), theme.SMALL_SIZE, theme.MUTED)
        )
    if min(place.cell) >= NUMBER_ROOM - 6 and place.cell[0] >= NUMBER_ROOM:
        parts.append(_numbers(picture, tile, x, y, place.cell))
    elif (levels >= NAN).any() and min(place.cell) >= 5:
        parts.append(_crosses(levels, x, y, place.cell))
    return "".join(parts)


def _ticks_of(picture: ArrayPicture) -> str:
    """The first and the last index of both axes of a matrix."""
    rows, columns = picture.summary.shape
    return f"{_counted('row', rows)}, {_counted('column', columns)}"


def _counted(what: str, count: int) -> str:
    return f"{what}s 0 to {count - 1}" if count > 1 else f"{what} 0"


def _row_labels(picture: ArrayPicture, plan: Plan, top: float) -> str:
    if picture.kind != "tiles" or _labelled(picture):
        return ""
    across, parts = picture.columns, []
    for k, row in enumerate(_rows_of(picture)):
        height = row[0].values.shape[0] * plan.places[0].cell[1]
        y = top + plan.places[k * across].y + height / 2 + 4
        parts.append(words_at(theme.MARGIN, y, row_label(row), theme.SMALL_SIZE, theme.MUTED))
    return "".join(parts)


def _numbers(
    picture: ArrayPicture, tile: Tile, x: float, y: float, cell: tuple[float, float]
) -> str:
    parts = []
    for (row, column), value in np.ndenumerate(tile.values):
        words = cell_text(float(value), cell[0] - 4)
        if words:
            ink = readable_on(picture.scale.colour(float(value)))
            middle = x + (column + 0.5) * cell[0], y + (row + 0.5) * cell[1] + 4
            colour = f' fill="{ink}" font-size="{theme.SMALL_SIZE}" text-anchor="middle"'
            parts.append(text(*middle, escape(words), colour))
    return f'<g data-part="numbers">{"".join(parts)}</g>'


def cell_text(value: float, room: float) -> str:
    """A number with as many digits as fit into the room; empty if not even one does."""
    whole = number_text(value).replace("nan", "NaN").replace("inf", "Inf")
    shorter = [f"{value:.{digits}g}" for digits in (3, 2, 1)] if math.isfinite(value) else []
    for words in (whole, *shorter):
        if text_width(words, theme.SMALL_SIZE) <= room:
            return words
    return ""


def _crosses(levels: np.ndarray, x: float, y: float, cell: tuple[float, float]) -> str:
    """A cross over every cell that is not finite: its colour is not the only sign."""
    wide, high = cell
    strokes = []
    for row, column in np.argwhere(levels >= NAN)[:400]:
        a, b = x + column * wide + 1, y + row * high + 1
        strokes.append(
            f"M{number(a)} {number(b)}l{number(wide - 2)} {number(high - 2)}"
            f"m{number(2 - wide)} 0l{number(wide - 2)} {number(2 - high)}"
        )
    return f'<path d="{"".join(strokes)}" stroke="#000" fill="none"/>'


# ---- bars
def _bars(picture: ArrayPicture, left: float, top: float) -> str:
    """An array with one axis: bars from zero, each in the colour of its value."""
    values = picture.tiles[0].values[0]
    good = values[np.isfinite(values)]
    low, high = min(0.0, good.min(initial=0)), max(0.0, good.max(initial=0))
    step = min(CELL_LIMIT, AREA / len(values))
    gap = 2 if step >= 8 else 0

    def level(value: float) -> float:
        return (high / 2 - value / 2) / ((high / 2 - low / 2) or 1) * BARS_HEIGHT

    parts = []
    for k, value in enumerate(values):
        x = left + k * step
        if math.isfinite(value):
            y0, y1 = sorted((level(0.0), level(float(value))))
            colour = picture.scale.colour(float(value)) if picture.scale.signed else theme.FORWARD
        else:
            mark = picture.scale.levels(np.array([value]))[0]
            y0, y1, colour = 0.0, float(BARS_HEIGHT), MARKS[int(mark)]
        parts.append(
            f'<rect x="{number(x)}" y="{number(top + y0)}" width="{number(max(step - gap, 0.5))}" '
            f'height="{number(max(y1 - y0, 1))}" fill="{colour}" data-bar="{k}"/>'
        )
    width = len(values) * step
    base = number(top + level(0.0))
    parts.append(
        f'<path d="M{number(left)} {base}h{number(width)}" stroke="{theme.MUTED}" fill="none"/>'
    )
    count = picture.summary.shape[0]
    words = f"index 0 to {count - 1}" if count > 1 else "index 0"
    parts.append(words_at(left, top + BARS_HEIGHT + LABEL, words, theme.SMALL_SIZE, theme.MUTED))
    return "".join(parts)
