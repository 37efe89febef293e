"""Writers of convolution and pooling: all views of windows are made once, all memory is planned.

They do what `ops/conv.py` and `ops/pool.py` do, with the same products of the same operands, and so
give the same bits.  Results lie in memory as they do there.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from dlgraph.core.spec import Spec
from dlgraph.executors.layout import _empty, elementwise
from dlgraph.executors.plan import Place, strides_of
from dlgraph.executors.writers import Calls, Room, in_order, room_in, writer, written
from dlgraph.ops.conv import _slabs
from dlgraph.ops.conv_columns import Columns, columns_of
from dlgraph.ops.pool import ONE, _inside, _lowest, _share, tiles


def _output(places: Sequence[Place], spec: Spec, attrs: dict[str, Any]) -> tuple[int, ...]:
    x, w = places
    return _ordered(spec, columns_of(x.shape, w.shape, spec.shape, **attrs))


def _inner(places: Sequence[Place], spec: Spec, attrs: dict[str, Any]) -> tuple[int, ...]:
    """As the inner part of the input with its margin."""
    dy, w = places[:2]
    form = columns_of(spec.shape, w.shape, dy.shape, **attrs)
    steps = strides_of(form.wide, spec.dtype.itemsize)
    return tuple(steps[axis] for axis in form.back)


def _ordered(spec: Spec, form: Columns) -> tuple[int, ...]:
    """The strides of an array with its axes in the order of the columns."""
    steps = strides_of([spec.shape[axis] for axis in form.order], spec.dtype.itemsize)
    return tuple(steps[axis] for axis in form.back)


def _margin(padding: Any) -> bool:
    return any(width for pair in padding for width in pair)


def _together(calls: Calls, x: Any, room: Room) -> Any:
    """The array itself, or a copy of it, with its elements in the order of their indices."""
    if x.flags.c_contiguous:
        return x
    made = room(x.shape, x.dtype)
    calls.append((np.copyto, (made, x)))
    return made


def _operands(calls: Calls, form: Columns, x: Any, room: Room) -> Any:
    """The windows of the input as right sides of products."""
    turned = x.transpose(form.order)
    if turned.shape == form.wide:
        wide = _together(calls, turned, room)
    else:
        wide = room(form.wide, x.dtype)
        calls += [(wide.fill, (0,)), (np.copyto, (wide[form.inside], turned))]
    split, columns = form.split(wide), room(form.shape, x.dtype)
    calls += [(np.copyto, (columns[part], split[source])) for part, source in form.pairs]
    return form.operands(columns)


def _filters(calls: Calls, form: Columns, w: Any, room: Room) -> Any:
    places = _together(calls, form.places(w), room)
    return places.reshape(form.groups, 1, form.filters, form.products[2])


@writer("conv2d", _output)
def _conv2d(out: Any, x: Any, w: Any, *, room: Room, **attrs: Any) -> Calls | None:
    if not out.size or not w.flags.c_contiguous or not x.size:
        return None
    calls: Calls = []
    form = columns_of(x.shape, w.shape, out.shape, **attrs)
    operands = _operands(calls, form, x, room)
    filters, result = _filters(calls, form, w, room), form.results(out.transpose(form.order))
    return [*calls, (np.matmul, (filters, operands, result))]


@writer("conv2d_filters", in_order)
def _conv2d_filters(
    out: Any, x: Any, dy: Any, like: Any, *, room: Room, **attrs: Any
) -> Calls | None:
    if not out.size or not dy.size:
        return None
    calls: Calls = []
    form = columns_of(x.shape, like.shape, dy.shape, **attrs)
    operands = _operands(calls, form, x, room)
    rows = form.results(_together(calls, dy.transpose(form.order), room))
    groups, count, places, _ = form.products
    if not form.by_row:
        result = out.reshape(groups, 1, form.filters, places)
        return [*calls, (np.matmul, (rows, operands.swapaxes(2, 3), result))]
    products = room((groups, count, form.filters, places), out.dtype)
    total = room((groups, form.filters, places), out.dtype)
    split = out.reshape(groups, form.filters, form.channels, *form.kernel)
    return [
        *calls,
        (np.matmul, (rows, operands.swapaxes(2, 3), products)),
        (np.add.reduce, (products, 1, out.dtype, total)),
        (np.copyto, (split, form.in_order(total))),
    ]


@writer("conv2d_input", _inner)
def _conv2d_input(
    out: Any, dy: Any, w: Any, like: Any, *, room: Room, **attrs: Any
) -> Calls | None:
    if not out.size or not dy.size or not w.flags.c_contiguous:
        return None
    calls: Calls = []
    form = columns_of(out.shape, w.shape, dy.shape, **attrs)
    filters = _filters(calls, form, w, room).swapaxes(2, 3)
    rows = form.results(_together(calls, dy.transpose(form.order), room))
    pieces = room(form.products, dy.dtype)
    calls.append((np.matmul, (filters, rows, pieces)))
    columns = room(form.shape, dy.dtype) if form.by_row else pieces.reshape(form.shape)
    if form.by_row:
        calls.append((columns.fill, (0,)))
        calls += [(np.add, (part, piece, part)) for part, piece in form.sums(pieces, columns)]
    margin = _margin(attrs["padding"])
    wide = room(form.wide, out.dtype) if margin else out.transpose(form.order)
    split = form.split(wide)
    calls.append((wide.fill, (0,)))
    for part, source in form.pairs:
        calls.append((np.add, (split[source], columns[part], split[source])))
    if margin:
        calls.append((np.copyto, (out, wide[form.inside].transpose(form.back))))
    return calls


@writer("conv_transpose2d", _inner)
def _conv_transpose2d(out: Any, x: Any, w: Any, *, room: Room, **attrs: Any) -> Calls | None:
    return _conv2d_input(out, x, w, None, room=room, **attrs)


def _pooled(places: Sequence[Place], spec: Spec, attrs: dict[str, Any]) -> tuple[int, ...]:
    """As the views of what all windows have at a place of theirs."""
    x = _empty(places[0])
    if _margin(attrs["padding"]):
        x = np.empty_like(x, shape=_wide(x.shape, attrs["padding"]))
    _, index = next(_slabs(attrs["kernel"], attrs["stride"], ONE, spec.shape[-2:]))
    return np.empty_like(x[index]).strides


def _wide(shape: tuple[int, ...], padding: Any) -> tuple[int, ...]:
    height, width = (n + sum(pair) for n, pair in zip(shape[-2:], padding, strict=True))
    return (*shape[:-2], height, width)


def _like_input(places: Sequence[Place], spec: Spec, attrs: dict[str, Any]) -> tuple[int, ...]:
    """As the inner part of an array like the input, with its margin."""
    wide = _wide(spec.shape, attrs["padding"])
    return np.empty_like(_empty(places[1]), dtype=spec.dtype, shape=wide).strides


def _room_like(room: Room, x: Any, dtype: Any, shape: Any = None) -> Any:
    """Scratch memory with its axes in the order of this array's."""
    return room_in(room, x.shape if shape is None else shape, x.strides, dtype)


def _widened(calls: Calls, x: Any, padding: Any, value: Any, room: Room) -> Any:
    """The input with its margin around the last two axes; itself if there is none."""
    if not _margin(padding):
        return x
    (top, _), (left, _) = padding
    height, width = x.shape[-2:]
    full = _room_like(room, x, x.dtype, _wide(x.shape, padding))
    inner = full[..., top : top + height, left : left + width]
    calls += [(full.fill, (value,)), (np.copyto, (inner, x))]
    return full


@writer("max_pool2d", _pooled)
def _max_pool2d(out: Any, x: Any, *, room: Room, **attrs: Any) -> Calls | None:
    if not out.size:
        return None
    calls: Calls = []
    wide = _widened(calls, x, attrs["padding"], _lowest(x.dtype), room)
    kernel, stride, dilation = attrs["kernel"], attrs["stride"], attrs["dilation"]
    slabs = [wide[index] for _, index in _slabs(kernel, stride, dilation, out.shape[-2:])]
    if len(slabs) == 1:
        return [*calls, (np.copyto, (out, slabs[0]))]
    calls.append(written(np.maximum, slabs[:2], out))
    return calls + [written(np.maximum, (out, slab), out) for slab in slabs[2:]]


@writer("max_pool2d_spread", _like_input)
def _max_pool2d_spread(
    out: Any, dy: Any, x: Any, top: Any, *, room: Room, **attrs: Any
) -> Calls | None:
    if not out.size or not top.size:
        return None
    free, wins = (_room_like(room, top, bool) for _ in range(2))
    share = _room_like(room, top, dy.dtype)
    calls: Calls = [(free.fill, (True,))]
    alone, padding = tiles(x.shape, **attrs), attrs["padding"]
    if alone and dy.strides != top.strides:
        given, dy = dy, _room_like(room, top, dy.dtype)
        calls.append((np.copyto, (dy, given)))
    x = _widened(calls, x, padding, _lowest(x.dtype), room)
    wide = _around(calls, out, padding, room, zero=not alone)
    kernel, stride, dilation = attrs["kernel"], attrs["stride"], attrs["dilation"]
    for _, index in _slabs(kernel, stride, dilation, top.shape[-2:]):
        slab = wide[index]
        calls += [
            (np.equal, (x[index], top, wins)),
            (np.logical_and, (wins, free, wins)),
            (np.logical_xor, (free, wins, free)),
            (np.multiply, (dy, wins, slab if alone else share)),
        ]
        if not alone:
            calls.append((np.add, (slab, share, slab)))
    return calls + _brought_in(out, wide, padding)


# ---- the mean ------------------------------------------------------------------------------------


def _mean_of(places: Sequence[Place], spec: Spec, attrs: dict[str, Any]) -> tuple[int, ...]:
    """As the quotient of the sums and of what they are divided by."""
    total = Place(0, 0, spec.shape, _pooled(places, spec, attrs), spec.dtype)
    share = _shares(places[0], spec.shape, attrs, spec.dtype)
    divisor = Place(0, 0, share.shape, share.strides, share.dtype)
    return elementwise((total, divisor), spec.shape, spec.dtype)


def _shares(x: Any, windows: Any, attrs: dict[str, Any], dtype: Any) -> Any:
    """What the sums of the windows of `x` are divided by."""
    facts = (attrs[name] for name in ("kernel", "stride", "padding", "counted"))
    return np.asarray(attrs["divisor"] or _share(np, x.shape[-2:], windows[-2:], *facts), dtype)


@writer("avg_pool2d", _mean_of)
def _avg_pool2d(out: Any, x: Any, *, room: Room, **attrs: Any) -> Calls | None:
    if not out.size:
        return None
    calls: Calls = []
    wide = _widened(calls, x, attrs["padding"], 0, room)
    slabs = _slabs(attrs["kernel"], attrs["stride"], ONE, out.shape[-2:])
    first, *others = (wide[index] for _, index in slabs)
    calls.append((np.copyto, (out, first)))
    calls += [(np.add, (out, slab, out)) for slab in others]
    return [*calls, (np.divide, (out, _shares(x, out.shape, attrs, x.dtype), out))]


def _in_order_inside(places: Sequence[Place], spec: Spec, attrs: dict[str, Any]) -> tuple[int, ...]:
    """As the inner part of an array in the order of its indices, with its margin."""
    return strides_of(_wide(spec.shape, attrs["padding"]), spec.dtype.itemsize)


@writer("avg_pool2d_spread", _in_order_inside)
def _avg_pool2d_spread(out: Any, dy: Any, like: Any, *, room: Room, **attrs: Any) -> Calls | None:
    if not out.size or not dy.size:
        return None
    each, padding = _room_like(room, dy, dy.dtype), attrs["padding"]
    calls: Calls = [(np.divide, (dy, _shares(like, dy.shape, attrs, dy.dtype), each))]
    wide = _around(calls, out, padding, room, zero=True)
    for _, index in _slabs(attrs["kernel"], attrs["stride"], ONE, dy.shape[-2:]):
        calls.append((np.add, (wide[index], each, wide[index])))
    return calls + _brought_in(out, wide, padding)


# ---- margins of results --------------------------------------------------------------------------


def _around(calls: Calls, out: Any, padding: Any, room: Room, zero: bool) -> Any:
    """Where a result is added up that has a margin: the result itself if there is none."""
    wide = _room_like(room, out, out.dtype, _wide(out.shape, padding)) if _margin(padding) else out
    if zero:
        calls.append((wide.fill, (0,)))
    return wide


def _brought_in(out: Any, wide: Any, padding: Any) -> Calls:
    """The result without its margin is put where the plan has it."""
    return [(np.copyto, (out, _inside(wide, padding)))] if wide is not out else []
