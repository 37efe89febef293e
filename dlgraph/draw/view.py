"""`view`: an array as a picture, with its statistics in words."""

from __future__ import annotations

import base64
import zlib
from functools import cached_property
from typing import Any

import numpy as np

from dlgraph.core.explain import display_name
from dlgraph.draw import array_svg, page
from dlgraph.draw.array_picture import ArrayPicture, picture_of_array
from dlgraph.draw.figure import Figure
from dlgraph.draw.formula import number_text
from dlgraph.draw.text import clean

NUMBERS = 4_096  # values that travel with a picture as they are
SPOKEN = 64  # values that describe() reads out


class ArrayFigure(Figure):
    """What `view` returns: a picture of an array that shows itself in a notebook.

    `.describe()` says the same in words, `.save("w.svg")` writes it to a file.

    >>> from dlgraph.draw.view import view
    >>> figure = view([[1.0, -2.0], [0.0, 4.0]], title="w")
    >>> figure
    w: shape 2 × 2, float64; min -2, max 4; mean 0.75, std 2.165; zeros: 25 %
    >>> sorted(figure._repr_mimebundle_())
    ['image/svg+xml', 'text/html', 'text/plain']
    """

    picture: ArrayPicture  # type: ignore[assignment]

    def __init__(self, picture: ArrayPicture):
        self.picture = picture

    @cached_property
    def svg(self) -> str:
        """The figure as SVG text, with its own background, fit to stand alone in a file."""
        return array_svg.render(self.picture, str(self), self.describe())

    def describe(self) -> str:
        """The figure in words, one fact a line, and the values of a small array."""
        title, tiles = self.picture.title, self.picture.tiles
        lines = [f"{title}:" if title else "array:", *(f"  {line}" for line in self.picture.words)]
        if self.picture.kind in ("number", "bars", "matrix") and tiles[0].values.size <= SPOKEN:
            lines += [f"  {' '.join(map(number_text, row))}" for row in tiles[0].values]
        return "\n".join(lines)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        words = str(self)
        found = {"image/svg+xml": self.svg, "text/plain": words}
        if self.picture.tiles:
            payload = values_of(self.picture)
            found["text/html"] = page.html(payload, bundle="view", svg=self.svg, text=words)
        else:
            found["text/html"] = page.image(self.svg, words)
        return found

    def __str__(self) -> str:
        facts = "; ".join(self.picture.words)
        return f"{self.picture.title}: {facts}" if self.picture.title else facts


def values_of(picture: ArrayPicture) -> dict[str, Any]:
    """What a page needs to say the value of every cell, as short as it can be.

    Up to 4,096 numbers with four digits; many cells with few different values (pixels) as a table
    and one byte each; beyond that only the places.
    """
    values = np.concatenate([tile.values.ravel() for tile in picture.tiles])
    found: dict[str, Any] = {
        "rows": picture.tiles[0].values.shape[0],
        "columns": picture.tiles[0].values.shape[1],
        "prefixes": [list(tile.prefix) for tile in picture.tiles],
        "block": list(picture.block),
        "axes": len(picture.summary.shape),
    }
    if values.size <= NUMBERS:
        return found | {"values": [_json_number(value) for value in values]}
    different, cells = np.unique(values, return_inverse=True)
    if different.size > 256:
        return found
    packed = base64.b64encode(zlib.compress(cells.astype(np.uint8).tobytes(), 9)).decode()
    return found | {"table": [_json_number(value) for value in different], "cells": packed}


def _json_number(value: float) -> float | int | str:
    """Four digits, whole numbers in full; what JSON has no word for, in the words of JavaScript."""
    if np.isnan(value):
        return "NaN"
    if np.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    if value == int(value) and abs(value) < 1e7:
        return int(value)
    return float(f"{value:.4g}")


def view(x: Any, *, title: str = "") -> ArrayFigure:
    """Show an array: heat map or bars, histogram, statistics in words.

    `x` is a Tensor, an array or a nested list of real numbers with at most four axes.  One axis is
    drawn as bars; two as a heat map; of three or four axes, the last two are one picture each, up
    to 64 of them side by side, so a batch of images `(64, 28, 28)` or `(64, 1, 28, 28)` is seen as
    images.  Values of both signs are blue below zero, orange above; values of one sign are grey,
    the smallest black.  NaN and infinities have colours of their own, even where one cell stands
    for many elements: more than 256 a side are drawn as means of blocks, and the words say so.
    All statistics are computed from all elements.

    Raises OperationError for what is no array, DtypeError for what is not real numbers, ShapeError
    for more than four axes.

    >>> import dlgraph as dg
    >>> w = dg.Tensor([[0.5, -1.5, 0.0], [2.0, 0.0, 1.0]])
    >>> dg.view(w)
    w: shape 2 × 3, float32; min -1.5, max 2; mean 0.3333, std 1.067; zeros: 33.3 %
    >>> print(dg.view([1, 2, 3], title="counts").describe())
    counts:
      shape (3,), int64
      min 1, max 3
      mean 2, std 0.8165
      zeros: none
      1 2 3
    """
    named = display_name(x) if hasattr(x, "shape") and x.shape else None
    return ArrayFigure(picture_of_array(x, clean(title or named or "")))
