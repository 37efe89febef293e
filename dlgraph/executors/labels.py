"""Writers of the softmax, of the losses of classification, and of what picks by label.

They shift every row by its largest element, found by its position, and look at labels once: as
unsigned numbers, of which a negative one is enormous.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from dlgraph.executors.writers import (
    Calls,
    Room,
    in_order,
    largest,
    when_in_order,
    writer,
)
from dlgraph.ops.labels import check_labels
from dlgraph.ops.nn import minus_one_hot, row_starts


def _shifted(out: Any, x: Any, axis: int, room: Room) -> tuple[Calls, Any]:
    """Calls that write `x` less the largest along the axis, and room for one number of each row."""
    low = [1 if i == axis % x.ndim else size for i, size in enumerate(x.shape)]
    row = room(tuple(low), x.dtype)
    found = largest(row, x, room) if axis % x.ndim == x.ndim - 1 else None
    found = found or [(np.maximum.reduce, (x, axis, None, row, True))]
    return [*found, (np.subtract, (x, row, out))], row


@writer("log_softmax", when_in_order)
def _log_softmax(out: Any, x: Any, *, axis: int, room: Room) -> Calls | None:
    if not x.size or x.dtype.kind != "f":
        return None
    calls, row = _shifted(out, x, axis, room)
    e = room(x.shape, x.dtype)
    return [
        *calls,
        (np.exp, (out, e)),
        (np.add.reduce, (e, axis, None, row, True)),
        (np.log, (row, row)),
        (np.subtract, (out, row, out)),
    ]


@writer("softmax", when_in_order)
def _softmax(out: Any, x: Any, *, axis: int, room: Room) -> Calls | None:
    if not x.size or x.dtype.kind != "f":
        return None
    calls, row = _shifted(out, x, axis, room)
    return [
        *calls,
        (np.exp, (out, out)),
        (np.add.reduce, (out, axis, None, row, True)),
        (np.divide, (out, row, out)),
    ]


def _unsigned(labels: Any) -> Any:
    return labels.view(f"u{labels.dtype.itemsize}")


def _usable(labels: Any) -> bool:
    wide = labels.dtype.kind == "i" and labels.dtype.itemsize > 2  # see `check_labels`
    return bool(wide and labels.size > 0 and labels.flags.c_contiguous)


def _checking(labels: Any, classes: int, room: Room) -> tuple[Any, tuple]:
    below = room(labels.shape, bool)
    unsigned = _unsigned(labels)
    return _check_labels, (unsigned, np.array(classes, unsigned.dtype), below, labels, classes)


@writer("softmax_cross_entropy", when_in_order)
def _cross_entropy(out: Any, logits: Any, labels: Any, *, room: Room) -> Calls | None:
    if not _usable(labels) or logits.dtype.kind != "f" or labels.shape != logits.shape[:-1]:
        return None
    shifted = room(logits.shape, logits.dtype)
    row = room((*logits.shape[:-1], 1), logits.dtype)
    chosen, at = room((labels.size,), logits.dtype), room((labels.size,), np.int64)
    flat, starts = shifted.reshape(-1), row_starts(logits.shape)
    return [
        _checking(labels, logits.shape[-1], room),
        *(largest(row, logits, room) or [(np.maximum.reduce, (logits, -1, None, row, True))]),
        (np.subtract, (logits, row, shifted)),
        (np.add, (starts, labels.reshape(-1), at)),
        (flat.take, (at, None, chosen, "clip")),
        (np.exp, (shifted, shifted)),
        (np.add.reduce, (shifted, -1, None, out)),
        (np.log, (out, out)),
        (np.subtract, (out, chosen.reshape(out.shape), out)),
    ]


@writer("cross_entropy_from_sums", when_in_order)
def _from_sums(out: Any, shifted: Any, sums: Any, labels: Any, *, room: Room) -> Calls | None:
    if not _usable(labels) or not shifted.flags.c_contiguous:
        return None
    chosen, at = room(labels.shape, shifted.dtype), room(labels.shape, np.int64)
    starts = row_starts(shifted.shape).reshape(labels.shape)
    return [
        _checking(labels, shifted.shape[-1], room),
        (np.add, (starts, labels, at)),
        (shifted.reshape(-1).take, (at, None, chosen, "clip")),
        (np.log, (sums, out)),
        (np.subtract, (out, chosen, out)),
    ]


def _check_labels(unsigned: Any, limit: Any, below: Any, labels: Any, classes: int) -> None:
    np.less(unsigned, limit, below)
    if b"\0" in below.tobytes():  # found in half the time that NumPy takes for all()
        check_labels(labels, classes)  # which says what is wrong


@writer("take_along_axis", when_in_order)
def _take_along(out: Any, x: Any, indices: Any, *, axis: int, room: Room) -> Calls | None:
    if (
        not _usable(indices)
        or axis % x.ndim != x.ndim - 1
        or indices.shape[:-1] != x.shape[:-1]
        or not x.shape[-1]
    ):
        return None
    starts = row_starts(x.shape)[:, None]
    many = indices.reshape(len(starts), -1)
    at = room(many.shape, np.int64)
    fill = (x.reshape(-1), _unsigned(many), many, starts, at, out.reshape(many.shape))
    return [(_take_elements, (*fill, x, indices, out, x.shape[-1]))]


def _take_elements(
    flat: Any,
    unsigned: Any,
    many: Any,
    starts: Any,
    at: Any,
    chosen: Any,
    x: Any,
    indices: Any,
    out: Any,
    size: int,
) -> None:
    if np.maximum.reduce(unsigned, None) < size:
        np.add(starts, many, at)
        flat.take(at, None, chosen, "clip")
    else:  # negative indices, or an error
        np.copyto(out, np.take_along_axis(x, indices, -1))


@writer("minus_one_hot", in_order)
def _minus_one_hot(
    out: Any, probabilities: Any, labels: Any, *, checked: bool = False, room: Room
) -> Calls | None:
    if not _usable(labels) or not out.shape[-1]:
        return None
    at, picked = room((labels.size,), np.int64), room((labels.size,), out.dtype)
    one, flat, row = np.ones((), out.dtype), out.reshape(-1), labels.reshape(-1)
    starts = row_starts(out.shape)
    if checked:  # an operation before looked at the same labels, see `_written` in lowering.py
        return [
            (np.copyto, (out, probabilities)),
            (np.add, (starts, row, at)),
            (flat.take, (at, None, picked, "clip")),
            (np.subtract, (picked, one, picked)),
            (flat.__setitem__, (at, picked)),
        ]
    fill = (flat, _unsigned(row), row, starts, at, picked, one)
    return [
        (np.copyto, (out, probabilities)),
        (_subtract_ones, (*fill, out, probabilities, labels)),
    ]


def _subtract_ones(
    flat: Any,
    unsigned: Any,
    labels: Any,
    starts: Any,
    at: Any,
    picked: Any,
    one: Any,
    out: Any,
    probabilities: Any,
    given: Any,
) -> None:
    if np.maximum.reduce(unsigned, None) < out.shape[-1]:
        np.add(starts, labels, at)
        flat.take(at, None, picked, "clip")
        np.subtract(picked, one, picked)
        flat[at] = picked
    else:  # labels that nobody checked
        np.copyto(out, minus_one_hot.forward(np, probabilities, given))
