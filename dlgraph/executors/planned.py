"""The planned executor: a plan bound to its memory, run as a list of NumPy calls.

Binding makes every array once: values of the arena, parameters and constants are views whose
addresses never change, so a run is `for function, arguments in calls: function(*arguments)`.  Only
what a run brings along (large feeds, results of calls) is looked up while it runs.
"""

from __future__ import annotations

import functools
import itertools
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from dlgraph.core.body import Body
from dlgraph.core.node import NO_VALUE
from dlgraph.core.primitive import Primitive
from dlgraph.core.program import SHARED_KINDS, Named, explained
from dlgraph.executors import layout
from dlgraph.executors.parameters import Store, store_for, store_of
from dlgraph.executors.plan import Instruction, Place, Plan, Timing
from dlgraph.executors.products import writer_of
from dlgraph.executors.threads import Threads
from dlgraph.executors.writers import written
from dlgraph.passes.cost import cost_of

COPIED_FEED = 1 << 16  # smaller feeds are copied in: cheaper than looking them up in every call


class Moved(Exception):
    """A variable is not laid out as it was when the plan was made: another plan is needed."""


class _At:
    # A view of any memory, by its address; `base` keeps the memory alive.
    __slots__ = ("__array_interface__", "base")

    def __init__(self, address: int, place: Place, base: Any):
        self.base = base
        self.__array_interface__ = {
            "data": (address + place.offset, False),
            "shape": place.shape,
            "strides": place.strides,
            "typestr": place.dtype.str,
            "version": 3,
        }


class Runner:
    """One plan, bound to memory.  Not to be entered twice at once: `program.py` has the lock."""

    def __init__(self, plan: Plan):
        self.plan = plan
        self.values: list[Any] = []  # what a run brings along: large feeds, results of calls
        self._owned = {
            number: _aligned(max(buffer.size, 64))
            for number, buffer in enumerate(plan.buffers)
            if buffer.kind == "arena" or (buffer.kind == "feed" and buffer.size <= COPIED_FEED)
        }
        self._stores = {
            number: store_for(buffer.source, buffer.size)
            for number, buffer in enumerate(plan.buffers)
            if buffer.kind == "parameter"
        }
        self._strides: dict[int, Any] = {}
        self.stores = list({id(store): store for store in self._stores.values()}.values())
        self.bind()

    # ---- running
    def run(self, feeds: list[Any]) -> list[Any]:
        """Values of the fetches for arrays of the shapes that the plan was made for."""
        for store in self.stores:
            store.prepare()
        if self._is_stale():
            self.bind()
        for take, value in zip(self._take, feeds, strict=True):
            take(value)
        calls: Any = iter(self.calls)
        threads = self.threads
        try:
            if threads:
                threads.begin()
            for function, arguments in calls:
                function(*arguments)
            return [give() for give in self._give]
        except Exception as error:
            at = len(self.calls) - calls.__length_hint__() - 1
            raise self._explained(self._step_of[at], error) from None
        finally:
            if threads:
                threads.end()
            if self._empty:
                self.values[:] = self._empty

    def timed(self, feeds: list[Any]) -> list[Timing]:
        """One run, every part of it with the time that it took; nothing is handed out."""
        for store in self.stores:
            store.prepare()
        if self._is_stale():
            self.bind()
        for take, value in zip(self._take, feeds, strict=True):
            take(value)
        found = []
        try:
            if self.threads:
                self.threads.begin()
            for records, label, calls in self.parts():
                start = time.perf_counter()
                for function, arguments in calls:
                    function(*arguments)
                found.append(Timing(records, start, time.perf_counter() - start, label))
        finally:
            if self.threads:
                self.threads.end()
            self.values[:] = self._empty
        return found

    def parts(self) -> Iterator[tuple[tuple[int, ...], str, list[Call]]]:
        """The calls of a run by what they compute: records, a label (or ""), calls."""
        pairs = zip(self._step_of, self.calls, strict=True)
        for step, group in itertools.groupby(pairs, key=lambda pair: pair[0]):
            yield (step.record,), "", [call for _, call in group]

    def _is_stale(self) -> bool:
        for store, generation in self._watched:
            if store.generation != generation:
                return True
        for tensor, data in self._plain:
            if tensor._data is not data:
                return True
        return any(tensor._data is not store.views[k] for tensor, store, k in self._shared)

    def _explained(self, step: Instruction, error: Exception) -> Exception:
        records = self.plan.graph.records
        record = records[step.record]
        named = tuple(
            Named(records[i].name, self._sample(self.plan.places.get(i))) for i in record.inputs
        )
        return explained(record, named, error)

    def _sample(self, place: Place | None) -> Any:
        if place is None:
            return None
        return self.values[self._slot(place)] if self._moves(place) else self._array(place)

    # ---- memory
    def bind(self) -> None:
        """Make all arrays and calls; again whenever the memory of a variable has moved."""
        self._arrays: dict[Place, np.ndarray] = {}
        self._slots: dict[Place, int] = {}
        self._plain: list[tuple[Any, Any]] = []  # variables with memory of their own
        self._shared: list[tuple[Any, Store, int]] = []  # variables in a store
        self._watched: list[tuple[Store, int]] = []
        self.values.clear()
        buffers = self.plan.buffers
        self._memory = [self._memory_of(n, b.kind, b.source) for n, b in enumerate(buffers)]
        stores = {id(s): s for s in (*self.stores, *(s for _, s, _ in self._shared))}
        self._watched = [(store, store.generation) for store in stores.values()]
        # In an order that cannot deadlock.
        self.locks = [stores[key].lock for key in sorted(stores)]
        self._bind_calls()
        self.threads = self._choose_threads()
        self._take = [self._taking(self.plan.places[i]) for i in self.plan.feeds]
        self._give = [self._giving(i) for i in self.plan.fetches]
        self._empty = [None] * len(self.values)

    def _memory_of(self, number: int, kind: str, source: Any) -> tuple[int, Any] | None:
        """Where a buffer starts, and what keeps it alive; None if only the run will tell."""
        if number in self._owned:
            return _address(self._owned[number]), self._owned[number]
        if kind == "parameter":
            store = self._stores[number]
            return store.address(), store.private
        if kind == "constant":
            return _address(source), source
        return self._memory_of_variable(number, source) if kind == "variable" else None

    def _memory_of_variable(self, number: int, tensor: Any) -> tuple[int, Any]:
        data = tensor._data
        if isinstance(data, np.generic):
            tensor._data = data = np.asarray(data)
        usual = self._strides.setdefault(number, getattr(data, "strides", None))
        if not isinstance(data, np.ndarray) or data.strides != usual:
            raise Moved
        store = store_of(data)
        for k, view in enumerate(store.views if store is not None else ()):
            if view is data and store is not None:
                # By the private side, so that the store does not take this plan for a stranger.
                self._shared.append((tensor, store, k))
                return store.address() + store.slots[k].offset, store.private
        self._plain.append((tensor, data))
        return _address(data), data

    def _moves(self, place: Place) -> bool:
        """Is its memory known only while it runs?"""
        return self._memory[place.buffer] is None

    def _slot(self, place: Place) -> int:
        slot = self._slots.get(place)
        if slot is None:
            slot = self._slots[place] = len(self.values)
            self.values.append(None)
        return slot

    def _array(self, place: Place) -> np.ndarray:
        found = self._arrays.get(place)
        if found is None:
            memory = self._memory[place.buffer]
            assert memory is not None
            assert place.strides is not None
            if place.buffer in self._owned:
                raw = self._owned[place.buffer]
                found = np.ndarray(place.shape, place.dtype, raw, place.offset, place.strides)
            else:
                found = np.asarray(_At(memory[0], place, memory[1]))
            self._arrays[place] = found
        return found

    # ---- calls
    def _bind_calls(self) -> None:
        self.calls: list[Call] = []
        self._step_of: list[Instruction] = []
        steps = self.plan.instructions
        ends = self._last_uses()
        for number, step in enumerate(steps):
            calls = _BINDERS[step.kind](self, step)
            calls += [(self.values.__setitem__, (slot, None)) for slot in ends.get(number, ())]
            self.calls += calls
            self._step_of += [step] * len(calls)

    def _choose_threads(self) -> Threads | None:
        """The threads of every product; calls that change their number go around large ones."""
        records = self.plan.graph.records
        products = []
        for at, step in enumerate(self._step_of):
            record = records[step.record]
            if step.primitive.kind == "contract" and self._has_threads(at):
                flops = cost_of(record, [records[i].spec for i in record.inputs], {}).flops
                products.append((at, flops, self._trial(at, step)))
        chosen = Threads.of(products)
        if chosen:
            for at in reversed(chosen.wide):
                self.calls[at : at + 1] = [chosen.widen, self.calls[at], chosen.narrow]
                self._step_of[at : at + 1] = [self._step_of[at]] * 3
        return chosen

    def _has_threads(self, at: int) -> bool:
        """Does this call use the BLAS, with its threads?"""
        return True

    def _trial(self, at: int, step: Instruction) -> Callable[[], Any]:
        """A way to run a product before there are values, without touching a parameter."""

        def run() -> None:
            out = step.output
            arena = out is not None and self.plan.buffers[out.buffer].kind == "arena"
            if arena and self._is_fixed(step):
                function, arguments = self.calls[at]
                function(*arguments)
            else:
                a, b = (np.ones(p.shape, p.dtype) for p in step.inputs[:2] if p is not None)
                turned = a.T if step.attrs.get("ta") else a
                np.matmul(turned, b.T if step.attrs.get("tb") else b)

        return run

    @property
    def notes(self) -> list[str]:
        """What was chosen about threads, in words."""
        return self.threads.notes if self.threads else []

    def _last_uses(self) -> dict[int, list[int]]:
        """By instruction: the slots that nobody reads after it."""
        last: dict[int, int] = {}
        for number, step in enumerate(self.plan.instructions):
            for place in (*step.inputs, step.output):
                if place is not None and self._moves(place):
                    last[self._slot(place)] = number
        for i in self.plan.fetches:
            if i in self.plan.places and self._moves(self.plan.places[i]):
                last.pop(self._slot(self.plan.places[i]), None)
        found: dict[int, list[int]] = {}
        for slot, number in last.items():
            found.setdefault(number, []).append(slot)
        return found

    def _is_fixed(self, step: Instruction) -> bool:
        return not any(p is not None and self._moves(p) for p in step.inputs)

    def _bind_view(self, step: Instruction) -> list[Call]:
        if step.output is None or not self._moves(step.output):
            return []
        return [(self._called(step, step.output), ())]

    def _bind_function(self, step: Instruction) -> list[Call]:
        function = getattr(np, step.primitive.ufunc or "")
        assert step.output is not None
        out = self._array(step.output)
        if self._is_fixed(step):
            inputs = [self._array(p) for p in step.inputs if p is not None]
            return [written(function, inputs, out)]
        read = self._reader(step)
        return [(lambda: function(*read(), out=out), ())]

    def _bind_written(self, step: Instruction) -> list[Call]:
        writer = writer_of(step.primitive)
        assert step.output is not None
        assert writer is not None
        out, write = self._array(step.output), writer.write

        def calls(inputs: list[Any]) -> Any:
            scratch = map(self._array, step.scratch)
            return write(out, *inputs, room=lambda shape, dtype: next(scratch), **step.attrs)

        if self._is_fixed(step):
            return calls([self._array(p) for p in step.inputs if p is not None])
        read = self._reader(step)

        def run() -> None:
            for function, arguments in calls(read()):
                function(*arguments)

        return [(run, ())]

    def _bind_copy(self, step: Instruction) -> list[Call]:
        (source,) = step.inputs
        assert source is not None
        assert step.output is not None
        out = self._array(step.output).reshape(source.shape)
        if not self._moves(source):
            return [(np.copyto, (out, self._array(source)))]
        slot, values = self._slot(source), self.values
        return [(lambda: np.copyto(out, values[slot]), ())]

    def _bind_call(self, step: Instruction) -> list[Call]:
        out = step.output
        if out is not None and not self._moves(out):
            array, called = self._array(out), self._forward(step)
            return [(lambda: array.__setitem__((), called()), ())]
        return [(self._called(step, out), ())]

    def _bind_effect(self, step: Instruction) -> list[Call]:
        if step.primitive.name != "assign" or step.output is None:
            return self._bind_call(step)
        value = step.inputs[1]
        assert value is not None
        if self._moves(step.output):
            return [(self._called(step, step.output), ())]
        if value == step.output:
            return []  # it was computed where the variable lives
        return self._bind_copy(step._replace(inputs=(value,)))

    def _called(self, step: Instruction, out: Place | None) -> Callable[[], None]:
        """Call the forward function and keep the result for this run."""
        called = self._forward(step)
        if out is None:
            return called
        slot, values = self._slot(out), self.values
        if out.strides is None:
            return lambda: values.__setitem__(slot, called())
        return lambda: values.__setitem__(slot, _laid_out(called(), out))

    def _forward(self, step: Instruction) -> Callable[[], Any]:
        read, attrs, forward = self._reader(step), step.attrs, step.primitive.forward
        if step.primitive.name == "assign":
            # The tensor keeps the array: it must not be memory of the plan.
            attrs = {**attrs, "copy": True}
        return lambda: forward(np, *read(), **attrs)

    def _reader(self, step: Instruction) -> Callable[[], list[Any]]:
        """A function that returns the inputs as the forward function expects them."""
        strange = _is_strange(step.primitive, step.attrs)
        read: list[Callable[[], Any]] = []
        for place in step.inputs:
            read.append(self._reading(place, strange))
        return lambda: [one() for one in read]

    def _reading(self, place: Place | None, strange: bool) -> Callable[[], Any]:
        if place is None:
            return lambda: None
        if self._moves(place):
            slot, values = self._slot(place), self.values
            return lambda: values[slot]
        array = self._array(place)
        if self.plan.buffers[place.buffer].kind == "constant":
            return lambda: array
        if not place.shape:
            return lambda: array[()]  # a number, as the interpreter has it
        if strange:
            return lambda: array.copy("K")
        return lambda: array

    # ---- in and out
    def _taking(self, place: Place) -> Callable[[Any], Any]:
        if self._moves(place):
            return functools.partial(self.values.__setitem__, self._slot(place))
        return functools.partial(np.copyto, self._array(place))

    def _giving(self, index: int) -> Callable[[], Any]:
        record, place = self.plan.graph.records[index], self.plan.places.get(index)
        if record.spec == NO_VALUE or place is None:
            return lambda: None
        copied = record.primitive.kind in SHARED_KINDS
        if self._moves(place):
            slot, values = self._slot(place), self.values
            return lambda: handed_out(values[slot], copied)
        array = self._array(place)
        if not place.shape:
            return functools.partial(array.__getitem__, ())
        return functools.partial(array.copy, "C" if copied else "K")


Call = tuple[Callable[..., Any], tuple]
_BINDERS: dict[str, Callable[[Runner, Instruction], list[Call]]] = {
    "view": Runner._bind_view,
    "ufunc": Runner._bind_function,
    "product": Runner._bind_function,
    "call_out": Runner._bind_written,
    "copy": Runner._bind_copy,
    "call": Runner._bind_call,
    "effect": Runner._bind_effect,
}


def handed_out(value: Any, copied: bool) -> Any:
    """What the user gets: a number, or an array that nobody else will write to."""
    if value is None:
        return None
    if np.ndim(value) == 0:
        return value[()]
    if isinstance(value, np.ndarray) and (copied or not value.flags.owndata):
        return value.copy("C" if copied else "K")
    return value


def _aligned(size: int) -> np.ndarray:
    raw = np.empty(size + 64, np.uint8)
    start = -_address(raw) % 64
    return raw[start : start + size]


def _address(array: np.ndarray) -> int:
    return array.__array_interface__["data"][0]


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


def _is_strange(primitive: Primitive, attrs: dict[str, Any]) -> bool:
    """Might it keep its inputs?  An operation from outside may, also inside a body."""
    if not primitive.__module__.startswith("dlgraph."):
        return True
    bodies = [value for value in attrs.values() if isinstance(value, Body)]
    while bodies:
        for record in bodies.pop().records:
            if not record.primitive.__module__.startswith("dlgraph."):
                return True
            bodies += [value for value in record.attrs.values() if isinstance(value, Body)]
    return False
