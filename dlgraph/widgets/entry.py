"""What somebody typed or dragged, as a value for a leaf: checked, never evaluated.

Text from a browser is data: it is read as a number or as JSON lists of numbers and nothing else.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from dlgraph.core import arrays
from dlgraph.core.spec import show_shape
from dlgraph.core.tensor import as_array
from dlgraph.errors import DtypeError, OperationError, ShapeError

TEXT_LIMIT = 100_000  # characters


def read_numbers(text: str) -> Any:
    """The number, or nested list of numbers, that a text says.

    Raises OperationError, worded for the person who typed it.

    >>> from dlgraph.widgets.entry import read_numbers
    >>> read_numbers(" 2.5 "), read_numbers("[[1, 2], [3, 4e-1]]"), read_numbers("-7")
    (2.5, [[1, 2], [3, 0.4]], -7)
    >>> read_numbers("2,5")
    Traceback (most recent call last):
    ...
    dlgraph.errors.OperationError: '2,5' is not a number
      hint     write decimals with a point: 2.5
    """
    words = text.strip()
    if len(words) > TEXT_LIMIT:
        raise OperationError(
            f"a text of {len(words):,} characters is too long to be typed in",
            where=None,
            hint="set it in Python: w.set(name, array)",
        )
    if words in ("True", "False", "true", "false"):
        return words.lower() == "true"
    if not words.startswith("["):
        return _number(words)
    try:
        return json.loads(words)
    except (ValueError, RecursionError):
        raise OperationError(
            f"{_cut(words)!r} is not a list of numbers",
            where=None,
            hint="square brackets, commas between the numbers, rows in brackets: [[1, 2], [3, 4]]",
        ) from None


def _number(words: str) -> Any:
    for kind in (int, float):
        try:
            return kind(words)
        except ValueError:
            continue
    whole, comma, part = words.partition(",")
    if comma and whole.lstrip("+-").isdigit() and part.isdigit():
        hint = f"write decimals with a point: {whole}.{part}"
    else:
        hint = "for example 2, -0.5 or 1e-3"
    raise OperationError(f"{_cut(words)!r} is not a number", where=None, hint=hint)


def fitted(value: Any, held: Any, name: str) -> Any:
    """A new value for a leaf that holds `held`: the same shape and dtype, finite, own memory.

    Bare numbers take the dtype if they fit into it; whole numbers stay whole.
    """
    shape, dtype = np.shape(held), held.dtype
    new = _array(value, name)
    if new.dtype.kind not in "biufc":
        raise DtypeError(f"{name} cannot hold {arrays.elements(new.dtype)}", where=None)
    bare = not hasattr(value, "dtype") or new.ndim == 0
    if new.shape != shape:
        raise ShapeError(
            f"{name} has shape {show_shape(shape)}, the new value {show_shape(new.shape)}",
            where=None,
            hint="a value is replaced by one of the same shape",
        )
    if new.dtype != dtype and not (bare and arrays.adapts(new.dtype, dtype)):
        whole = dtype.kind in "iu" and new.dtype.kind == "f"
        raise DtypeError(
            f"{name} holds {'whole numbers' if whole else 'values'} ({dtype}), "
            f"{_said(new)} is not {'one' if whole and not new.ndim else 'of this kind'}",
            where=None,
            hint="whole numbers stay whole" if whole else f'value.astype("{dtype}") converts',
        )
    with np.errstate(all="ignore"):
        converted = _converted(new, dtype, name)
    if dtype.kind in "fc" and not np.isfinite(converted).all():
        what = "NaN or infinity" if not np.isfinite(new).all() else f"too large for {dtype}"
        raise OperationError(f"{name} cannot be set to {_said(new)}: {what}", where=None)
    return converted


def with_element(held: Any, at: tuple[int, ...], value: Any, name: str) -> Any:
    """A copy of an array with one element replaced; 2.5 does not become a whole number."""
    if len(at) != np.ndim(held) or not all(
        0 <= k < size for k, size in zip(at, np.shape(held), strict=True)
    ):
        raise OperationError(
            f"{name} of shape {show_shape(np.shape(held))} has no element {list(at)}", where=None
        )
    changed = np.array(held)
    changed[at] = fitted(value, np.asarray(held)[at], f"{name}{list(at)}")
    return changed


def _array(value: Any, name: str) -> Any:
    try:
        return as_array(value) if hasattr(value, "dtype") else np.asarray(value)
    except (ValueError, TypeError, OverflowError) as error:
        raise OperationError(
            f"the new value of {name} is no array: {arrays.reason(error)}",
            where=None,
            hint="a number, or a list whose rows have equal lengths",
        ) from None


def _converted(new: Any, dtype: np.dtype, name: str) -> Any:
    if dtype.kind in "iu" and new.size:
        room = np.iinfo(dtype)
        if new.min() < room.min or new.max() > room.max:
            raise DtypeError(
                f"{name} cannot hold {_said(new)}: {dtype} reaches from {room.min} to {room.max}",
                where=None,
            )
    return new.astype(dtype)[()] if not new.ndim else new.astype(dtype)


def _said(new: Any) -> str:
    return str(new[()]) if not new.ndim else f"an array of {new.dtype}"


def _cut(words: str) -> str:
    return words if len(words) <= 40 else words[:39] + "…"
