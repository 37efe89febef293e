"""Second forward functions: the same operations, writing into memory that the plan gives them.

A writer is called once, when a plan is bound to its memory, with the arrays themselves.  It returns
the NumPy calls that a run makes, as `(function, arguments)` pairs; whatever can be worked out
beforehand (views, constants, offsets) is.  It must give the very bits of the primitive's forward
function.  `room(shape, dtype)` is scratch memory.  It returns None for operands that it
does not serve; then the forward function is called as it is.

A primitive of your own declares its writer with `@primitive(into=...)`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from dlgraph.core.arrays import as_number, read_only
from dlgraph.core.primitive import Primitive
from dlgraph.core.spec import Spec
from dlgraph.executors import layout
from dlgraph.executors.plan import Place, strides_of
from dlgraph.ops.comparison import chosen_by_bits
from dlgraph.ops.nn import row_starts

Calls = list[tuple[Callable[..., Any], tuple]]
Room = Callable[[tuple[int, ...], Any], np.ndarray]
Layout = Callable[[Sequence[Place], Spec, dict[str, Any]], "tuple[int, ...] | None"]


class Writer(NamedTuple):
    """How an operation writes its result, and how the result is laid out.

    `in_place` are the positions of inputs in whose memory the result may lie.  `point` changes the
    address of one input in calls that were made, and says whether it could.
    """

    write: Callable[..., Calls | None]
    layout: Layout
    in_place: tuple[int, ...] = ()
    point: Callable[[Calls, int, Any], bool] | None = None


def writer_of(primitive: Primitive) -> Writer | None:
    """The writer of an operation, None if it has none."""
    found = WRITERS.get(primitive.name)
    if found is None and primitive.into is not None:
        usual = like_inputs if primitive.kind == "elementwise" else in_order
        return Writer(primitive.into, usual)
    return found


WRITERS: dict[str, Writer] = {}


def writer(
    name: str, laid_out: Layout, in_place: tuple[int, ...] = (), point: Any = None
) -> Callable:
    """Enter a writer into the table."""

    def declare(write: Callable[..., Calls | None]) -> Callable[..., Calls | None]:
        WRITERS[name] = Writer(write, laid_out, in_place, point)
        return write

    return declare


def written(function: Any, inputs: Sequence[Any], out: Any) -> tuple[Callable[..., Any], tuple]:
    """The call of a NumPy function that writes to `out`."""
    if function in (np.maximum, np.minimum):  # which want it by name
        return functools.partial(function, out=out), tuple(inputs)
    return function, (*inputs, out)


def room_in(room: Room, shape: Sequence[int], strides: Sequence[int], dtype: Any) -> Any:
    """Scratch memory with its axes in the order of these strides."""
    order = sorted(range(len(shape)), key=lambda axis: -abs(strides[axis]))
    return room(tuple(shape[axis] for axis in order), dtype).transpose(np.argsort(order))


# ---- layouts of results --------------------------------------------------------------------------


def in_order(places: Sequence[Place], spec: Spec, attrs: dict[str, Any]) -> tuple[int, ...] | None:
    """Elements in the order of their indices."""
    return strides_of(spec.shape, spec.dtype.itemsize)


def like_inputs(
    places: Sequence[Place], spec: Spec, attrs: dict[str, Any]
) -> tuple[int, ...] | None:
    """As NumPy lays out the results of element-wise functions."""
    return layout.elementwise(places, spec.shape, spec.dtype)


def when_in_order(
    places: Sequence[Place], spec: Spec, attrs: dict[str, Any]
) -> tuple[int, ...] | None:
    """In order if all inputs are; else it is not known."""
    dense = all(layout.contiguous(p.shape, p.strides or (), p.dtype.itemsize) for p in places)
    return strides_of(spec.shape, spec.dtype.itemsize) if dense else None


def reduction(places: Sequence[Place], spec: Spec, attrs: dict[str, Any]) -> tuple | None:
    """As NumPy lays out the results of `reduce`."""
    return layout.reduced(places[0], attrs["axis"], attrs["keepdims"], spec.dtype)


# ---- element by element --------------------------------------------------------------------------


ZEROS = 1 << 16  # bytes


@functools.cache
def _zeros(dtype: Any) -> Any:
    return read_only(np.zeros(ZEROS // dtype.itemsize, dtype))


@writer("relu", like_inputs, in_place=(0,))
def _relu(out: Any, x: Any, *, room: Room) -> Calls:
    # NumPy compares with an array three times as fast as with one number.
    one, other = in_a_row(x), in_a_row(out)
    if one is None or other is None or x.strides != out.strides or x.dtype.kind != "f":
        return [written(np.maximum, (x, np.zeros((), x.dtype)), out)]
    zeros = _zeros(x.dtype)
    parts = [slice(start, start + zeros.size) for start in range(0, one.size, zeros.size)]
    return [written(np.maximum, (one[p], zeros[: one[p].size]), other[p]) for p in parts]


def in_a_row(x: Any) -> Any:
    """The elements in the order of memory; None if there are gaps between them."""
    if x.flags.c_contiguous:
        return x.reshape(-1)
    return x.T.reshape(-1) if x.flags.f_contiguous else None


@writer("square", like_inputs, in_place=(0,))
def _square(out: Any, x: Any, *, room: Room) -> Calls:
    return [(np.multiply, (x, x, out))]


@writer("raise_to", like_inputs, in_place=(0,))
def _raise_to(out: Any, x: Any, *, exponent: Any, room: Room) -> Calls | None:
    if x.dtype.kind != "f":
        return None
    if exponent % 1:
        return [(np.power, (x, exponent, out))]
    half = room(x.shape, x.dtype)
    if exponent == 3:
        return [(np.multiply, (x, x, half)), (np.multiply, (half, x, out))]
    size: Calls = [(np.absolute, (x, half))]
    if exponent % 2:
        return [*size, (np.power, (half, exponent, half)), (np.copysign, (half, x, out))]
    return [*size, (np.power, (half, exponent, out))]


@writer("power", like_inputs, in_place=(0, 1))
def _power(out: Any, a: Any, b: Any, *, room: Room) -> Calls | None:
    return [(np.power, (a, b, out))] if out.dtype.kind == "f" else None


@writer("sigmoid", like_inputs, in_place=(0,))
def _sigmoid(out: Any, x: Any, *, room: Room) -> Calls:
    e, zero, one = room(x.shape, x.dtype), np.zeros((), x.dtype), np.ones((), x.dtype)
    return [
        (np.absolute, (x, e)),
        (np.negative, (e, e)),
        (np.exp, (e, e)),
        (np.add, (e, one, e)),
        written(np.minimum, (x, zero), out),
        (np.exp, (out, out)),
        (np.divide, (out, e, out)),
    ]


@writer("where", like_inputs)
def _where(out: Any, condition: Any, a: Any, b: Any, *, room: Room) -> Calls | None:
    if condition.dtype.kind != "b":
        return None
    a, b = as_number(a), as_number(b)
    if not (out.flags.c_contiguous and chosen_by_bits(condition, a, b)):
        return [(np.copyto, (out, b)), (np.copyto, (out, a, "same_kind", condition))]
    mask, half = room(condition.shape, np.int32), room(condition.shape, np.int32)
    bits, left, right = (array.view(np.int32) for array in (out, a, b))
    return [
        (np.copyto, (mask, condition)),
        (np.negative, (mask, mask)),
        (np.bitwise_xor, (left, right, half)),
        (np.bitwise_and, (half, mask, half)),
        (np.bitwise_xor, (half, right, bits)),
    ]


@writer("cast", like_inputs)
@writer("to_integer", like_inputs)
def _cast(out: Any, x: Any, *, dtype: Any, room: Room) -> Calls:
    return [(np.copyto, (out, x, "unsafe"))]


# ---- reductions ----------------------------------------------------------------------------------


@writer("sum", reduction)
def _sum(out: Any, x: Any, *, axis: Any, keepdims: bool, room: Room) -> Calls:
    return [(np.add.reduce, (x, axis, out.dtype, out, keepdims))]


@writer("mean", reduction)
def _mean(out: Any, x: Any, *, axis: Any, keepdims: bool, room: Room) -> Calls | None:
    if not out.size:
        return None
    count = np.array(x.size // out.size, out.dtype)
    total = room(out.shape, out.dtype) if out.size == 1 else out  # see `_taken_over` in memory.py
    return [(np.add.reduce, (x, axis, None, total, keepdims)), (np.divide, (total, count, out))]


@writer("max", reduction)
def _max(
    out: Any, x: Any, *, axis: Any, keepdims: bool, room: Room, loose: bool = False
) -> Calls | None:
    # Of 0.0 and -0.0 another one may be the largest, so only where a bit may differ.
    last = axis in (-1, x.ndim - 1, (-1,), (x.ndim - 1,))
    if loose and last and out.flags.c_contiguous:
        found = largest(out, x, room)
        if found is not None:
            return found
    return [(np.maximum.reduce, (x, axis, None, out, keepdims))] if x.size else None


@writer("min", reduction)
def _min(out: Any, x: Any, *, axis: Any, keepdims: bool, room: Room) -> Calls | None:
    return [(np.minimum.reduce, (x, axis, None, out, keepdims))] if x.size else None


def largest(out: Any, x: Any, room: Room) -> Calls | None:
    """The largest of every row, by its position: NumPy finds that four to eight times as fast."""
    if x.dtype.kind != "f" or not x.size or x.ndim < 2 or not x.flags.c_contiguous:
        return None
    starts = row_starts(x.shape)
    position, at = room(starts.shape, np.intp), room(starts.shape, np.intp)
    rows = x.reshape(-1, x.shape[-1])
    return [
        (rows.argmax, (1, position)),
        (np.add, (starts, position, at)),
        (x.reshape(-1).take, (at, None, out.reshape(-1), "clip")),
    ]


def _stretched(inner: tuple[int, ...], like: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(i for i, (a, b) in enumerate(zip(inner, like, strict=True)) if a != b)


def _over_first(source: Place, extra: int) -> Place:
    """The sum over the first axes."""
    strides = layout.reduced(source, tuple(range(extra)), False, source.dtype)
    return source._replace(shape=source.shape[extra:], strides=strides)


def _sum_like_order(places: Sequence[Place], spec: Spec, attrs: dict) -> tuple | None:
    source, like = places
    extra = len(source.shape) - len(like.shape)
    half = _over_first(source, extra) if extra else source
    stretched = _stretched(half.shape, like.shape)
    if extra and not stretched:
        return half.strides
    return layout.reduced(half, stretched, True, spec.dtype)


@writer("sum_like", _sum_like_order)
def _sum_like(out: Any, x: Any, like: Any, *, room: Room) -> Calls:
    extra = x.ndim - like.ndim
    stretched = _stretched(x.shape[extra:], like.shape)
    calls: Calls = []
    if extra:
        half = out
        if stretched:
            made = _over_first(Place(0, 0, x.shape, x.strides, x.dtype), extra)
            half = room_in(room, made.shape, made.strides or (), x.dtype)
        calls.append((np.add.reduce, (x, tuple(range(extra)), x.dtype, half)))
        x = half
    if stretched:
        calls.append((np.add.reduce, (x, stretched, x.dtype, out, True)))
    return calls


# ---- joining and picking -------------------------------------------------------------------------


@writer("concatenate", when_in_order)
def _concatenate(out: Any, *xs: Any, axis: int, room: Room) -> Calls:
    calls: Calls = []
    start = 0
    for x in xs:
        index: list[Any] = [slice(None)] * out.ndim
        index[axis] = slice(start, start + x.shape[axis])
        start += x.shape[axis]
        part = out[tuple(index)]
        if part.__array_interface__["data"] != x.__array_interface__["data"]:
            calls.append((np.copyto, (part, x)))
    return calls


@writer("scatter", in_order)
def _scatter(out: Any, x: Any, like: Any, *, index: tuple, room: Room) -> Calls:
    inner = out[index if Ellipsis in index else (*index, Ellipsis)]
    return [(out.fill, (0,)), (np.copyto, (inner, x))]
