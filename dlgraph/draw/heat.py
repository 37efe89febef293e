"""Arrays as pixels: cells that stand for blocks, colours, and a PNG of them.

Values of both signs are blue below zero and orange above it, zero is neutral, and the scale reaches
equally far both ways; values of one sign are grey, the smallest black.  What is not a number has
colours of its own, and a cell that stands for many elements shows it if a single one is not.
Read next: array_svg.py.
"""

from __future__ import annotations

import struct
import zlib
from typing import Any, NamedTuple

import numpy as np

LEVELS = 251  # an odd number, so that zero has a level of its own in the middle
NAN, PLUS, MINUS = 251, 252, 253  # entries of the palette behind the levels
MARKS = {NAN: "#d400a8", PLUS: "#e6d800", MINUS: "#00b8a0"}

# From the most negative to the most positive; in the middle the neutral colour.
_SIGNED = ("#04365c", "#0072b2", "#9ccbe6", "#f7f7f5", "#f7bd8e", "#cc5500", "#6b2a00")
_GREY = ("#000000", "#ffffff")


class Scale(NamedTuple):
    """From values to levels 0 .. 250 of a palette."""

    low: float
    high: float
    signed: bool

    def levels(self, values: np.ndarray) -> np.ndarray:
        """The palette entry of every value, marks included."""
        finite = np.isfinite(values)
        span = self.high - self.low
        # Halves first: the whole span of float64 data can be too large for a float64.
        part = (np.where(finite, values, 0) / 2 - self.low / 2) / (span / 2 if span else 1)
        found = np.clip(np.rint(part * (LEVELS - 1)), 0, LEVELS - 1).astype(np.uint8)
        found[np.isnan(values)] = NAN
        found[np.isposinf(values)] = PLUS
        found[np.isneginf(values)] = MINUS
        return found

    @property
    def palette(self) -> np.ndarray:
        """256 colours as rows of red, green and blue."""
        colours = np.zeros((256, 3), np.uint8)
        colours[:LEVELS] = _between(_SIGNED if self.signed else _GREY)
        for entry, colour in MARKS.items():
            colours[entry] = _rgb(colour)
        return colours

    def colour(self, value: float) -> str:
        """The colour of one value, as `#rrggbb`."""
        red, green, blue = self.palette[self.levels(np.array([value]))[0]]
        return f"#{red:02x}{green:02x}{blue:02x}"


def scale_of(values: np.ndarray) -> Scale:
    """The scale for these values; only the finite ones count.

    >>> import numpy as np
    >>> from dlgraph.draw.heat import scale_of
    >>> scale_of(np.array([-1.0, 3.0, np.nan])), scale_of(np.array([0, 255]))
    (Scale(low=-3.0, high=3.0, signed=True), Scale(low=0.0, high=255.0, signed=False))
    """
    finite = values[np.isfinite(values)]
    if not finite.size:
        return Scale(0.0, 0.0, False)
    low, high = float(finite.min()), float(finite.max())
    if low < 0 < high:
        reach = max(-low, high)
        return Scale(-reach, reach, True)
    return Scale(low, high, False)


class Cells(NamedTuple):
    """A matrix small enough to be drawn, and how many elements one of its cells stands for."""

    values: np.ndarray
    block: tuple[int, int]


def cells_of(matrix: np.ndarray, limit: int) -> Cells:
    """At most `limit` cells each way: the means of blocks of equal size.

    >>> import numpy as np
    >>> from dlgraph.draw.heat import cells_of
    >>> cells_of(np.arange(12.0).reshape(2, 6), 2)
    Cells(values=array([[ 1.,  4.],
           [ 7., 10.]]), block=(1, 3))
    """
    rows, columns = matrix.shape
    block = (-(-rows // limit) or 1, -(-columns // limit) or 1)
    if block == (1, 1):
        return Cells(matrix.astype(np.float64), block)
    finite = np.isfinite(matrix)
    counts = np.maximum(_blocks(finite.astype(np.float64), block), 1)
    # Divided before the sum: sums of very large numbers would be infinite.
    share = 1 / np.repeat(np.repeat(counts, block[0], 0), block[1], 1)[:rows, :columns]
    found = _blocks(np.where(finite, matrix, 0).astype(np.float64) * share, block)
    for mark, where in (
        (-np.inf, np.isneginf(matrix)),
        (np.inf, np.isposinf(matrix)),
        (np.nan, np.isnan(matrix)),
    ):
        if where.any():
            found[_blocks(where.astype(np.float64), block) > 0] = mark
    return Cells(found, block)


def _blocks(matrix: np.ndarray, block: tuple[int, int]) -> np.ndarray:
    """Sums over blocks; the last ones may be smaller."""
    for axis, size in enumerate(block):
        starts = np.arange(0, matrix.shape[axis], size)
        matrix = np.add.reduceat(matrix, starts, axis)
    return matrix


def png(levels: np.ndarray, palette: np.ndarray) -> bytes:
    """A PNG file of palette entries (W3C, "Portable Network Graphics", third edition).

    >>> import numpy as np
    >>> from dlgraph.draw.heat import Scale, png
    >>> png(np.zeros((2, 3), np.uint8), Scale(0, 1, False).palette)[:8]
    b'\\x89PNG\\r\\n\\x1a\\n'
    """
    height, width = levels.shape
    used = palette[: int(levels.max(initial=0)) + 1]
    grey = bool((used == used[:, :1]).all())  # needs no palette, which is half of a small image
    rows = np.zeros((height, width + 1), np.uint8)  # each row begins with its filter: none
    rows[:, 1:] = palette[levels, 0] if grey else levels
    parts = [
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0 if grey else 3, 0, 0, 0)),
        (b"IDAT", zlib.compress(rows.tobytes(), 9)),
        (b"IEND", b""),
    ]
    if not grey:
        parts.insert(1, (b"PLTE", used.tobytes()))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(name, data) for name, data in parts)


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def _between(colours: tuple[str, ...]) -> np.ndarray:
    stops = np.array([_rgb(colour) for colour in colours], np.float64)
    at = np.linspace(0, len(colours) - 1, LEVELS)
    channels = [np.interp(at, np.arange(len(colours)), stops[:, k]) for k in range(3)]
    return np.rint(np.stack(channels, 1)).astype(np.uint8)


def _rgb(colour: str) -> tuple[int, ...]:
    return tuple(bytes.fromhex(colour[1:]))


def readable_on(colour: str) -> str:
    """Black or white, whichever can be read on this colour (relative luminance of WCAG 2.2)."""
    linear: list[Any] = [
        c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4
        for c in (part / 255 for part in _rgb(colour))
    ]
    luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    return "#000000" if luminance > 0.179 else "#ffffff"
