"""Writers of convolution and pooling: all views of windows are made once, all memory is planned.

They do what `ops/conv.py` and `ops/pool.py` do, with the same products of the same operands, and so
give the same bits.  Results of a convolution lie channel by channel, as the product leaves them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from dlgraph.core.spec import Spec
from dlgraph.executors.plan import Place, strides_of
from dlgraph.executors.writers import Calls, Room, in_order, writer
from dlgraph.ops.conv import _slabs
from dlgraph.ops.pool import _lowest


def by_channel(places: Sequence[Place], spec: Spec, attrs: dict[str, Any]) -> tuple[int, ...]:
    """(batch, channels, height, width), but channel by channel in memory."""
    batch, channels, height, width = spec.shape
    steps = strides_of((channels, batch, height, width), spec.dtype.itemsize)
    return steps[1], steps[0], steps[2], steps[3]


def _unpadded(places: Sequence[Place], spec: Spec, attrs: dict[str, Any]) -> tuple | None:
    # With a margin the result is the inner part of something larger: a call makes it.
    return None if _margin(attrs["padding"]) else by_channel(places, spec, attrs)


def _margin(padding: Any) -> bool:
    return any(width for pair in padding for width in pair)


def _widened(calls: Calls, x: Any, padding: Any, value: Any, room: Room) -> Any:
    """The input with its margin around the last two axes; itself if there is none."""
    if not _margin(padding):
        return x
    (top, bottom), (left, right) = padding
    height, width = x.shape[-2:]
    full = room((*x.shape[:-2], height + top + bottom, width + left + right), x.dtype)
    inner = full[..., top : top + height, left : left + width]
    calls += [(full.fill, (value,)), (np.copyto, (inner, x))]
    return full


def _columns(calls: Calls, x: Any, kernel: Any, out: Any, attrs: Any, room: Room) -> Any:
    """The windows as columns: one strided copy for each place of the filter."""
    wide = _widened(calls, x.swapaxes(0, 1), attrs["padding"], 0, room)
    channels, batch = wide.shape[:2]
    columns = room((channels, *kernel, batch, *out), x.dtype)
    for (i, j), index in _slabs(kernel, attrs["stride"], attrs["dilation"], out):
        calls.append((np.copyto, (columns[:, i, j], wide[index])))
    groups = attrs["groups"]
    inner = channels // groups * kernel[0] * kernel[1]
    return columns.reshape(groups, inner, batch * out[0] * out[1])


def _rows(calls: Calls, y: Any, groups: int, room: Room) -> Any:
    """(batch, channels, height, width) as (groups, channels of a group, all the rest)."""
    turned = y.swapaxes(0, 1)
    if not turned.flags.c_contiguous:
        made = room(turned.shape, y.dtype)
        calls.append((np.copyto, (made, turned)))
        turned = made
    batch, channels, height, width = y.shape
    return turned.reshape(groups, channels // groups, batch * height * width)


def _filters(w: Any, groups: int) -> Any:
    return w.reshape(groups, w.shape[0] // groups, w.shape[1] * w.shape[2] * w.shape[3])


@writer("conv2d", by_channel)
def _conv2d(out: Any, x: Any, w: Any, *, room: Room, **attrs: Any) -> Calls | None:
    if not out.size or not w.flags.c_contiguous or not x.size:
        return None
    calls: Calls = []
    groups = attrs["groups"]
    columns = _columns(calls, x, w.shape[2:], out.shape[2:], attrs, room)
    result = out.swapaxes(0, 1).reshape(groups, w.shape[0] // groups, columns.shape[2])
    return [*calls, (np.matmul, (_filters(w, groups), columns, result))]


@writer("conv2d_filters", in_order)
def _conv2d_filters(
    out: Any, x: Any, dy: Any, like: Any, *, room: Room, **attrs: Any
) -> Calls | None:
    if not out.size or not dy.size:
        return None
    calls: Calls = []
    groups = attrs["groups"]
    columns = _columns(calls, x, like.shape[2:], dy.shape[2:], attrs, room)
    rows = _rows(calls, dy, groups, room)
    return [*calls, (np.matmul, (rows, columns.swapaxes(1, 2), _filters(out, groups)))]


@writer("conv2d_input", _unpadded)
def _conv2d_input(
    out: Any, dy: Any, w: Any, like: Any, *, room: Room, **attrs: Any
) -> Calls | None:
    if not out.size or not dy.size or not w.flags.c_contiguous:
        return None
    calls: Calls = []
    groups = attrs["groups"]
    batch, _, *size = dy.shape
    channels, kernel = w.shape[1] * groups, w.shape[2:]
    rows = _rows(calls, dy, groups, room)
    columns = room((channels, *kernel, batch, *size), dy.dtype)
    flat = columns.reshape(groups, w.shape[1] * kernel[0] * kernel[1], rows.shape[2])
    calls.append((np.matmul, (_filters(w, groups).swapaxes(1, 2), rows, flat)))
    wide = out.swapaxes(0, 1)
    calls.append((wide.fill, (0,)))
    for (i, j), index in _slabs(kernel, attrs["stride"], attrs["dilation"], size):
        slab = wide[index]
        calls.append((np.add, (slab, columns[:, i, j], slab)))
    return calls


@writer("max_pool2d", in_order)
def _max_pool2d(out: Any, x: Any, *, room: Room, **attrs: Any) -> Calls | None:
    if not out.size:
        return None
    calls: Calls = []
    wide = _widened(calls, x, attrs["padding"], _lowest(x.dtype), room)
    kernel, stride, dilation = attrs["kernel"], attrs["stride"], attrs["dilation"]
    slabs = [wide[index] for _, index in _slabs(kernel, stride, dilation, out.shape[-2:])]
    larger = _into(np.maximum, out)
    calls.append((np.copyto, (out, slabs[0])))
    return calls + [(larger, (out, slab)) for slab in slabs[1:]]


def _into(function: Any, out: Any) -> Any:
    return lambda a, b: function(a, b, out=out)


@writer("max_pool2d_spread", in_order)
def _max_pool2d_spread(
    out: Any, dy: Any, x: Any, top: Any, *, room: Room, **attrs: Any
) -> Calls | None:
    if not out.size or not top.size or _margin(attrs["padding"]):
        return None
    free, wins, lost = (room(top.shape, bool) for _ in range(3))
    share = room(dy.shape, dy.dtype)
    calls: Calls = [(out.fill, (0,)), (free.fill, (True,))]
    kernel, stride, dilation = attrs["kernel"], attrs["stride"], attrs["dilation"]
    for _, index in _slabs(kernel, stride, dilation, top.shape[-2:]):
        slab = out[index]
        calls += [
            (np.equal, (x[index], top, wins)),
            (np.logical_and, (wins, free, wins)),
            (np.logical_not, (wins, lost)),
            (np.logical_and, (free, lost, free)),
            (np.multiply, (dy, wins, share)),
            (np.add, (slab, share, slab)),
        ]
    return calls
