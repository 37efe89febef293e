"""Padding: a margin of one number, or of what the value itself has at its edges.

The modes other than a constant look up where each place of the margin comes from: they are index
arithmetic on `positions`, so the size of the axis need not be known before the run.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from dlgraph.core.eager import from_list
from dlgraph.core.primitive import composite, primitive
from dlgraph.core.spec import Dim, Spec, show_shape
from dlgraph.errors import DtypeError, OperationError, ShapeError
from dlgraph.ops.arrange import positions
from dlgraph.ops.comparison import greater_equal, where
from dlgraph.ops.index import getitem, take
from dlgraph.ops.rounding import clip, remainder
from dlgraph.ops.shape import size_along
from dlgraph.ops.unary import absolute

Pairs = tuple[tuple[int, int], ...]


def _pad_spec(x: Spec, widths: Pairs, value: float) -> Spec:
    if len(widths) != x.ndim:
        raise ShapeError(f"{len(widths)} pairs of widths for {x.ndim} dimensions", where=None)
    sizes = [
        size if not (before or after) else Dim() if isinstance(size, Dim) else size + before + after
        for size, (before, after) in zip(x.shape, widths, strict=True)
    ]
    return Spec(tuple(sizes), x.dtype)


@primitive(name="pad", kind="index", infer=_pad_spec, onnx="Pad")
def _pad(xp: Any, x: Any, *, widths: Pairs, value: float = 0) -> Any:
    """The value with a margin of one number around it."""
    sizes = [size + b + a for size, (b, a) in zip(x.shape, widths, strict=True)]
    result = xp.full(sizes, value, x.dtype)
    result[_inside(widths)] = x
    return result


def _inside(widths: Pairs) -> tuple:
    """The index of what was padded."""
    return tuple(slice(before, -after if after else None) for before, after in widths)


_pad.vjp(x=lambda g, widths: getitem(g, _inside(widths)))


def _pairs(widths: Any, ndim: int) -> Pairs:
    if isinstance(widths, (int, np.integer)):
        return ((int(widths), int(widths)),) * ndim
    pairs = [(w, w) if isinstance(w, (int, np.integer)) else tuple(w) for w in widths]
    if len(pairs) != ndim or any(len(pair) != 2 for pair in pairs):
        raise ShapeError(
            f"pad: {widths!r} does not say what to add to each of {ndim} dimensions",
            hint="one number, or per axis one number or a pair (before, after)",
        )
    return tuple((int(before), int(after)) for before, after in pairs)


@composite
def pad(x: Any, widths: Any, mode: str = "constant", value: float = 0) -> Any:
    """A margin added around a value; negative widths cut off instead.

    `widths` is one number, or per axis a number or a pair (before, after).  Modes: "constant"
    (filled with `value`), "edge" (the outermost elements again), "reflect" (mirrored at the
    outermost element), "symmetric" (mirrored behind it), "wrap" (continued from the other side).

    >>> import dlgraph as dg
    >>> print(dg.pad(dg.Tensor([1.0, 2.0, 3.0]), 2, mode="reflect"))
    [3. 2. 1. 2. 3. 2. 1.]
    """
    x = from_list(x)
    pairs = _pairs(widths, x.ndim)
    cut = tuple(slice(max(-b, 0), min(a, 0) or None) for b, a in pairs)
    if any(entry != slice(0, None) for entry in cut):
        x = getitem(x, cut)
    pairs = tuple((max(before, 0), max(after, 0)) for before, after in pairs)
    if mode == "constant":
        if x.dtype.kind not in "fc" and value != int(value):
            raise DtypeError(
                f"pad: {value} around values of {x.dtype}", hint='x.astype("float32") first'
            )
        return _pad(x, widths=pairs, value=value) if any(map(any, pairs)) else x
    if mode not in _MODES:
        raise OperationError(f"pad: unknown mode {mode!r}", hint=f"constant, {', '.join(_MODES)}")
    for axis, (before, after) in enumerate(pairs):
        if before or after:
            _check_margin(x, axis, max(before, after), mode)
            place = positions(x, axis=axis, before=before, after=after)
            x = take(x, _MODES[mode](place, size_along(x, axis=axis)), axis)
    return x


def _check_margin(x: Any, axis: int, width: int, mode: str) -> None:
    size = x.shape[axis]
    if isinstance(size, Dim):
        return
    room = {"reflect": size - 1, "symmetric": size, "wrap": size}.get(mode, width if size else 0)
    if width > room:
        raise ShapeError(
            f"pad: a margin of {width} by {mode!r} on axis {axis} of {show_shape(x.shape)}",
            hint=f"there are elements for at most {room}",
        )


def _reflected(place: Any, size: Any) -> Any:
    last = size - 1
    return last - absolute(last - absolute(place))


def _mirrored(place: Any, size: Any) -> Any:
    again = where(greater_equal(place, 0), place, -1 - place)
    return where(greater_equal(again, size), 2 * size - 1 - again, again)


_MODES = {
    "edge": lambda place, size: clip(place, 0, size - 1),
    "reflect": _reflected,
    "symmetric": _mirrored,
    "wrap": lambda place, size: remainder(place, size),
}
