"""What can be said about an array in words and in one histogram.  Read next: heat.py."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from dlgraph.draw.formula import number_text, shape_text

BARS = 32


class Summary(NamedTuple):
    """Statistics of an array; minimum to deviation are those of its finite elements."""

    shape: tuple[int, ...]
    dtype: str
    low: float
    high: float
    mean: float
    deviation: float
    finite: int
    zeros: int
    nan: int
    plus: int
    minus: int
    first_bad: tuple[int, ...] | None  # place of the first element that is no number

    @property
    def size(self) -> int:
        """Number of elements."""
        return int(np.prod(self.shape, dtype=np.int64))


class Histogram(NamedTuple):
    """Counts of the finite values between edges, one more than there are counts."""

    counts: tuple[int, ...]
    edges: tuple[float, ...]
    whole: bool  # one bar per whole number


def summarise(array: np.ndarray) -> Summary:
    """The statistics, computed in float64 from all elements.

    >>> import numpy as np
    >>> from dlgraph.draw.summary import summarise
    >>> summary = summarise(np.array([[0.0, 1.0], [np.nan, 5.0]]))
    >>> summary.low, summary.high, summary.mean, summary.zeros, summary.nan, summary.first_bad
    (0.0, 5.0, 2.0, 1, 1, (1, 0))
    """
    finite = np.isfinite(array)
    good = array[finite].astype(np.float64)
    bad = np.argmin(finite) if finite.size and not finite.all() else None
    first = None if bad is None else tuple(int(k) for k in np.unravel_index(bad, array.shape))
    low, high, mean, deviation = 0.0, 0.0, 0.0, 0.0
    if good.size:
        low, high = float(good.min()), float(good.max())
        # Scaled by the largest magnitude, so that no square and no sum can overflow.
        unit = max(-low, high, np.finfo(np.float64).tiny)
        mean, deviation = float((good / unit).mean() * unit), float((good / unit).std() * unit)
    return Summary(
        array.shape,
        str(array.dtype),
        low,
        high,
        mean,
        deviation,
        int(good.size),
        int(np.count_nonzero(good == 0)),
        int(np.isnan(array).sum()),
        int(np.isposinf(array).sum()),
        int(np.isneginf(array).sum()),
        first,
    )


def histogram(array: np.ndarray) -> Histogram:
    """32 bars over the range of the finite values; one bar per number for few whole numbers."""
    good = array[np.isfinite(array)].astype(np.float64)
    if not good.size:
        return Histogram((), (), False)
    low, high = float(good.min()), float(good.max())
    if array.dtype.kind in "biu" and high - low < BARS:
        edges = np.arange(low - 0.5, high + 1)
        whole = True
    else:
        whole = False
        margin = max(abs(low), 1.0) / 2 if low == high else 0.0
        # Halves: the difference of two float64 can be too large for one.
        edges = np.linspace(low / 2 - margin / 2, high / 2 + margin / 2, BARS + 1) * 2
    counts, _ = np.histogram(good, edges)
    return Histogram(tuple(map(int, counts)), tuple(map(float, edges)), whole)


def in_words(summary: Summary) -> list[str]:
    """The statistics as short sentences, one a line.

    >>> import numpy as np
    >>> from dlgraph.draw.summary import in_words, summarise
    >>> in_words(summarise(np.array([0.0, 1.0, 2.0, np.inf], "float32")))
    ['shape (4,), float32', 'min 0, max 2', 'mean 1, std 0.8165', 'zeros: 25 %', '+Inf: 1, at [3]']
    """
    lines = [f"shape {shape_text(summary.shape) or '()'}, {summary.dtype}"]
    if not summary.size:
        return [*lines, "no elements"]
    if summary.finite == 1 == summary.size:
        lines.append(f"value {number_text(summary.low)}")
    elif summary.finite:
        lines.append(f"min {number_text(summary.low)}, max {number_text(summary.high)}")
        lines.append(f"mean {number_text(summary.mean)}, std {number_text(summary.deviation)}")
        lines.append(f"zeros: {_share(summary.zeros, summary.size)}")
    else:
        lines.append("not one finite number")
    kinds = (("NaN", summary.nan), ("+Inf", summary.plus), ("-Inf", summary.minus))
    found = [f"{word}: {count:,}" for word, count in kinds if count]
    if found and summary.first_bad is not None:
        word = "at" if summary.size - summary.finite == 1 else "the first at"
        lines.append(f"{', '.join(found)}, {word} {list(summary.first_bad)}")
    return lines


def _share(part: int, whole: int) -> str:
    """`none`, `25 %`, `0.01 %`; never a rounded 0 % or 100 % that is not exact."""
    if not part:
        return "none"
    percent = 100 * part / whole
    if part < whole and percent > 99.9:
        return "over 99.9 %"
    return f"{percent:.3g} %" if percent >= 0.01 else "under 0.01 %"
