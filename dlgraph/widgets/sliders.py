"""Ranges and steps of sliders, and numbers as JSON can carry them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from dlgraph.draw.formula import number_text


def slider_range(value: Any) -> list[float]:
    """Low, high and step of a slider that starts at this value (or at the largest of an array).

    >>> import numpy as np
    >>> from dlgraph.widgets.sliders import slider_range
    >>> slider_range(np.float32(4)), slider_range(np.float32(-0.03)), slider_range(np.int64(7))
    ([-10.0, 10.0, 0.1], [-0.1, 0.1, 0.001], [-20, 20, 1])
    """
    array = np.asarray(value)
    if array.dtype.kind == "b":
        return [0, 1, 1]
    finite = np.abs(array[np.isfinite(array)].astype(np.float64))
    reach = _round_up(2 * float(finite.max(initial=0)) or 2.0)
    if array.dtype.kind in "iu":
        whole = max(10, math.ceil(reach))
        room = np.iinfo(array.dtype)
        return [max(-whole, int(room.min)), min(whole, int(room.max)), 1]
    return [-reach, reach, _tidy(reach / 100)]


def _round_up(value: float) -> float:
    """The next of 1, 2, 5, 10, 20, 50 ..."""
    power = 10.0 ** math.floor(math.log10(value))
    return next(_tidy(k * power) for k in (1, 2, 5, 10) if k * power >= value * (1 - 1e-9))


def _tidy(value: float) -> float:
    return float(f"{value:.3g}")


def plain_number(value: Any) -> float | int | str:
    """A number that JSON can say; NaN and infinities as words."""
    plain = np.asarray(value).item()
    if isinstance(plain, float) and not math.isfinite(plain):
        return number_text(plain)
    # float32 0.1 is 0.10000000149 in JSON: the shortest text that reads back as the same float32.
    return float(str(value)) if isinstance(plain, float) else int(plain)
