"""From an instruction to NumPy calls: `(function, arguments)` pairs on the arrays of a bound plan.

What can be worked out beforehand is; the arguments of most calls are the arrays themselves.  Only
what reads a value that the run brings along looks it up when it is called.  Next: `planned.py`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from dlgraph.core.arrays import as_number
from dlgraph.core.node import NO_VALUE
from dlgraph.core.program import SHARED_KINDS
from dlgraph.executors import layout
from dlgraph.executors.bound import Bound
from dlgraph.executors.plan import Instruction, Place
from dlgraph.executors.products import product, writer_of
from dlgraph.executors.temporaries import all_ours
from dlgraph.executors.writers import written

Call = tuple[Callable[..., Any], tuple]


def calls_of(bound: Bound, step: Instruction, exact: bool = True) -> list[Call]:
    """What has to be called to run this instruction; nothing for a view of fixed memory."""
    if step.kind == "view":
        if step.output is None or not bound.moves(step.output):
            return []
        return [(_called(bound, step, step.output), ())]
    if step.kind == "product" and not exact:
        return _product(bound, step)
    return _BINDERS[step.kind](bound, step)


def is_fixed(bound: Bound, step: Instruction) -> bool:
    """Are all its operands at addresses that never change?"""
    return not any(p is not None and bound.moves(p) for p in step.inputs)


def _function(bound: Bound, step: Instruction) -> list[Call]:
    function = getattr(np, step.primitive.ufunc or "")
    assert step.output is not None
    out = bound.array(step.output)
    if is_fixed(bound, step):
        inputs = [bound.array(p) for p in step.inputs if p is not None]
        if step.primitive.name in _ARITHMETIC:
            inputs = [as_number(x) for x in inputs]
        return [written(function, inputs, out)]
    read = _reader(bound, step)
    return [(lambda: function(*read(), out=out), ())]


_ARITHMETIC = ("add", "subtract", "multiply", "divide")


def _product(bound: Bound, step: Instruction) -> list[Call]:
    """A product whose last bits may be those of another function of NumPy."""
    places = [p for p in step.inputs if p is not None]
    function = product(places, step.output)
    if function is None or is_fixed(bound, step):
        calls = _function(bound, step)
        return [(function or call[0], call[1]) for call in calls]
    assert step.output is not None
    out, values = bound.array(step.output), bound.values
    a, b = places
    if bound.moves(a) and not bound.moves(b):  # as is usual: a feed times weights
        slot, right = bound.slot(a), bound.array(b)
        return [(lambda: function(values[slot], right, out), ())]
    read = _reader(bound, step)
    return [(lambda: function(*read(), out), ())]


def _written(bound: Bound, step: Instruction) -> list[Call]:
    writer = writer_of(step.primitive)
    assert step.output is not None
    assert writer is not None
    out, write = bound.array(step.output), writer.write
    attrs = {**step.attrs, **dict.fromkeys(step.facts, True)}

    def calls(inputs: list[Any]) -> Any:
        scratch = map(bound.array, step.scratch)
        return write(out, *inputs, room=lambda shape, dtype: next(scratch), **attrs)

    if is_fixed(bound, step):
        return calls([bound.array(p) for p in step.inputs if p is not None])
    read = _reader(bound, step)
    if writer.point is not None:
        return [(_pointed(bound, step, writer.point, lambda: calls(read())), ())]

    def run() -> None:
        for function, arguments in calls(read()):
            function(*arguments)

    return [(run, ())]


def _pointed(
    bound: Bound, step: Instruction, point: Callable, make: Callable[[], list[Call]]
) -> Callable[[], None]:
    """Calls that are made at the first run; later ones only get other addresses."""
    values = bound.values
    moving = [
        (position, bound.slot(place))
        for position, place in enumerate(step.inputs)
        if place is not None and bound.moves(place)
    ]
    made: list[Call] = []

    def run() -> None:
        if not made or not all([point(made, k, values[slot]) for k, slot in moving]):
            made[:] = make()
        for function, arguments in made:
            function(*arguments)

    return run


def _copy(bound: Bound, step: Instruction) -> list[Call]:
    (source,) = step.inputs
    assert source is not None
    assert step.output is not None
    out = bound.array(step.output).reshape(source.shape)
    if not bound.moves(source):
        return [(np.copyto, (out, bound.array(source)))]
    slot, values = bound.slot(source), bound.values
    return [(lambda: np.copyto(out, values[slot]), ())]


def _call(bound: Bound, step: Instruction) -> list[Call]:
    out = step.output
    if out is not None and not bound.moves(out):
        array, called = bound.array(out), _forward(bound, step)
        return [(lambda: array.__setitem__((), called()), ())]
    return [(_called(bound, step, out), ())]


def _effect(bound: Bound, step: Instruction) -> list[Call]:
    if step.primitive.name != "assign" or step.output is None:
        return _call(bound, step)
    value = step.inputs[1]
    assert value is not None
    if bound.moves(step.output):
        return [(_called(bound, step, step.output), ())]
    if value == step.output:
        return []  # it was computed where the variable lives
    return _copy(bound, step._replace(inputs=(value,)))


_BINDERS: dict[str, Callable[[Bound, Instruction], list[Call]]] = {
    "ufunc": _function,
    "product": _function,
    "call_out": _written,
    "copy": _copy,
    "call": _call,
    "effect": _effect,
}


# ---- the forward function as it is ---------------------------------------------------------------


def _called(bound: Bound, step: Instruction, out: Place | None) -> Callable[[], None]:
    """Call the forward function and keep the result for this run."""
    called = _forward(bound, step)
    if out is None:
        return called
    slot, values = bound.slot(out), bound.values
    if out.strides is None:
        return lambda: values.__setitem__(slot, called())
    return lambda: values.__setitem__(slot, _laid_out(called(), out))


def _forward(bound: Bound, step: Instruction) -> Callable[[], Any]:
    read, attrs, forward = _reader(bound, step), step.attrs, step.primitive.forward
    if step.primitive.name == "assign":
        # The tensor keeps the array: it must not be memory of the plan.
        attrs = {**attrs, "copy": True}
    return lambda: forward(np, *read(), **attrs)


def _reader(bound: Bound, step: Instruction) -> Callable[[], list[Any]]:
    """A function that returns the inputs as the forward function expects them."""
    strange = not all_ours(step.primitive, step.attrs)  # might keep its inputs
    read = [_reading(bound, place, strange) for place in step.inputs]
    return lambda: [one() for one in read]


def _reading(bound: Bound, place: Place | None, strange: bool) -> Callable[[], Any]:
    if place is None:
        return lambda: None
    if bound.moves(place):
        slot, values = bound.slot(place), bound.values
        return lambda: values[slot]
    array = bound.array(place)
    if bound.plan.buffers[place.buffer].kind == "constant":
        return lambda: array
    if not place.shape:
        return lambda: array[()]  # a number, as the interpreter has it
    if strange:
        return lambda: array.copy("K")
    return lambda: array


def _laid_out(value: Any, place: Place) -> Any:
    """The value in the layout that was promised for it (it nearly always is already)."""
    if value.strides == place.strides or not isinstance(value, np.ndarray):
        return value
    assert place.strides is not None
    if value.shape == place.shape and not layout.alike(value.strides, place):
        made = np.ndarray(place.shape, place.dtype, strides=place.strides)
        made[...] = value
        return made
    return value


# ---- in and out ----------------------------------------------------------------------------------


def taking(bound: Bound, place: Place) -> Callable[[Any], Any]:
    """What takes a fed array in."""
    if bound.moves(place):
        return functools.partial(bound.values.__setitem__, bound.slot(place))
    return functools.partial(np.copyto, bound.array(place))


def giving(bound: Bound, index: int, again: bool = False) -> Callable[[], Any]:
    """What hands a fetched value out; `again` if its memory was handed out before in this run."""
    record, place = bound.plan.graph.records[index], bound.plan.places.get(index)
    if record.spec == NO_VALUE or place is None:
        return lambda: None
    copied = record.primitive.kind in SHARED_KINDS
    if bound.moves(place):
        slot, values = bound.slot(place), bound.values
        return lambda: _handed_out(values[slot], copied, again)
    array = bound.array(place)
    if not place.shape:
        return functools.partial(array.__getitem__, ())
    return functools.partial(array.copy, "C" if copied else "K")


def _handed_out(value: Any, copied: bool, again: bool) -> Any:
    """What the user gets: a number, or an array that nobody else will write to."""
    if value is None:
        return None
    if np.ndim(value) == 0:
        return value[()]
    if isinstance(value, np.ndarray) and (copied or again or not value.flags.owndata):
        return value.copy("C" if copied else "K")
    return value
