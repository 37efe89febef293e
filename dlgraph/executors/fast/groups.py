"""Which element-wise work can share one loop.

Instructions over one index space grow together as long as doing all of them for one element before
going on to the next gives the same as doing one after the other: nobody may read what another
wrote under a different index.  Read next: `works.py`, which says what an instruction does element
by element; `loops.py`, which turns a group into code; `segments.py`, which forms the groups.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from dlgraph.executors.fast.loops import Fold, Group, Operand, Step
from dlgraph.executors.plan import Place
from dlgraph.ops.scalar import Unsupported

MOST_STEPS, MOST_INPUTS = 96, 24


class Operation(NamedTuple):
    """One step on elements; an operand is a place, the number of an earlier step, or a constant."""

    name: str
    attrs: dict[str, Any]
    operands: tuple[Place | int | np.generic, ...]
    dtype: np.dtype


class Work(NamedTuple):
    """What an element-wise instruction does in its index space.

    `value` is what it writes to `output`: a step, a place, or a constant.  With `fold` (name,
    axes, divisor) the value is first reduced.
    """

    shape: tuple[int, ...]
    steps: tuple[Operation, ...]
    value: Place | int | np.generic
    output: Place
    fold: tuple[str, tuple[int, ...], float] | None = None


# ---- memory --------------------------------------------------------------------------------------


@lru_cache(4096)
def over(place: Place, shape: tuple[int, ...]) -> tuple[int, ...]:
    """The strides of a place over an index space to which it is stretched."""
    assert place.strides is not None
    missing = len(shape) - len(place.shape)
    if missing < 0:
        raise Unsupported("more axes than the index space")
    pairs = zip(place.shape, place.strides, shape[missing:], strict=True)
    found = []
    for size, stride, wanted in pairs:
        if size not in (1, wanted):
            raise Unsupported("shapes that do not broadcast")
        found.append(0 if size == 1 else stride)
    return (*(0 for _ in range(missing)), *found)


@lru_cache(4096)
def span(place: Place) -> tuple[int, int]:
    """The bytes of its buffer between which a place (that is not empty) lies."""
    steps = [(n - 1) * s for n, s in zip(place.shape, place.strides or (), strict=True)]
    low = place.offset + sum(s for s in steps if s < 0)
    return low, place.offset + sum(s for s in steps if s > 0) + place.dtype.itemsize


def overlap(a: Place, b: Place) -> bool:
    """May the two share memory?"""
    if a.buffer != b.buffer:
        return False
    (low, high), (start, end) = span(a), span(b)
    if high <= start or end <= low:
        return False
    if (a.shape, a.strides, a.dtype) != (b.shape, b.strides, b.dtype):
        return True
    # Two views with the same steps may lie between each other: do they meet anywhere?
    axes = [(n, abs(s)) for n, s in zip(a.shape, a.strides or (), strict=True) if n > 1 and s]
    axes.sort(key=lambda axis: -axis[1])
    left = {abs(a.offset - b.offset)}
    for size, step in axes:
        # What is left must be made of smaller steps: two counts of this one come into question.
        left = {
            abs(distance - count * step)
            for distance in left
            for count in (distance // step, distance // step + 1)
            if count < size
        }
    return 0 in left


class Use(NamedTuple):
    """Memory over the index space of a group: equal uses touch the same bytes at each index."""

    buffer: int
    offset: int
    strides: tuple[int, ...]
    dtype: np.dtype


class Store(NamedTuple):
    """A value that is written, and the place where it goes."""

    value: tuple[str, int]
    use: Use
    place: Place


class Growing:
    """A group while instructions are added to it.

    Values are named ("input", k), ("constant", k) or ("step", k) until it is known how many there
    are of each.
    """

    def __init__(self, shape: tuple[int, ...]):
        self.shape = shape
        self.inputs: dict[Use, Place] = {}
        self.constants: dict[tuple[str, str], np.generic] = {}
        self.steps: list[tuple[Operation, list[tuple[str, int]]]] = []
        self.stores: dict[Use, Store] = {}
        self.folds: list[tuple[tuple[str, int], Place, tuple]] = []
        self.reduced: tuple[int, ...] | None = None
        self.numbers: list[int] = []  # of the instructions
        self._known: dict[str, tuple[str, int]] = {}

    def add(self, number: int, work: Work) -> bool:
        """Take an instruction in; False if it must not share this loop."""
        if work.shape != self.shape or not self._fits(work):
            return False
        made: list[tuple[str, int]] = []
        for step in work.steps:
            operands = [self._value(one, made) for one in step.operands]
            # The same step on the same values was perhaps taken already.
            key = repr((step.name, step.attrs, operands, step.dtype.name))
            if key not in self._known:
                self._known[key] = ("step", len(self.steps))
                self.steps.append((step, operands))
            made.append(self._known[key])
        value = self._value(work.value, made)
        if work.fold:
            self.reduced = work.fold[1]
            self._forget(work.output)
            self.folds.append((value, work.output, work.fold))
        else:
            use = self._use(work.output)
            self._forget(work.output)
            self.stores[use] = Store(value, use, work.output)
        self.numbers.append(number)
        return True

    def _use(self, place: Place) -> Use:
        return Use(place.buffer, place.offset, over(place, self.shape), place.dtype)

    def _value(self, one: Any, made: list[tuple[str, int]]) -> tuple[str, int]:
        if isinstance(one, Place):
            use = self._use(one)
            if use in self.stores:
                return self.stores[use].value
            self.inputs.setdefault(use, one)
            return ("input", list(self.inputs).index(use))
        if isinstance(one, int):
            return made[one]
        key = (str(one.dtype), one.tobytes().hex())
        self.constants.setdefault(key, one)
        return ("constant", list(self.constants).index(key))

    def _fits(self, work: Work) -> bool:
        if len(self.steps) + len(work.steps) > MOST_STEPS:
            return False
        if work.fold and self.reduced is not None and self.reduced != work.fold[1]:
            return False
        read = [p for s in work.steps for p in s.operands if isinstance(p, Place)]
        read += [work.value] if isinstance(work.value, Place) else []
        if len(self.inputs) + len(read) > MOST_INPUTS:
            return False
        # What it reads must not be written here under another index.
        for place in read:
            use = self._use(place)
            stores = self.stores.values()
            if any(overlap(place, store.place) and store.use != use for store in stores):
                return False
            if any(overlap(place, held) for _, held, _ in self.folds):
                return False
        return self._may_write(work, read)

    def _may_write(self, work: Work, read: list[Place]) -> bool:
        """May this be written although others of the group were not computed for all elements?"""
        target = work.output
        if any(overlap(target, held) for _, held, _ in self.folds):
            return False
        mine = None if work.fold else self._use(target)
        held = self.stores
        new = [(self._use(place), place) for place in read]
        touched = [*self.inputs.items(), *((use, place) for use, place in new if use not in held)]
        return not any(overlap(target, place) and use != mine for use, place in touched)

    def _forget(self, target: Place) -> None:
        """Stores whose memory now gets another value: whoever wanted them read them in here."""
        gone = [use for use, store in self.stores.items() if overlap(target, store.place)]
        for use in gone:
            del self.stores[use]

    # ---- the finished group
    def finished(self, stores: list[Store]) -> tuple[Group, tuple[Place, ...]]:
        """The group that writes only these stores, and the places of its operands."""
        needed = self._needed(stores)
        inputs = [k for k in range(len(self.inputs)) if ("input", k) in needed]
        constants = [k for k in range(len(self.constants)) if ("constant", k) in needed]
        steps = [k for k in range(len(self.steps)) if ("step", k) in needed]
        order = [("input", k) for k in inputs] + [("constant", k) for k in constants]
        order += [("step", k) for k in steps]
        number = {name: k for k, name in enumerate(order)}
        uses, places = list(self.inputs), list(self.inputs.values())
        values = list(self.constants.values())
        folds = [
            Fold(fold[0], number[value], Operand(place.dtype, over(place, self.shape)), fold[2])
            for value, place, fold in self.folds
        ]
        group = Group(
            self.shape,
            tuple(Operand(uses[k].dtype, uses[k].strides) for k in inputs),
            tuple((values[k].item(), values[k].dtype) for k in constants),
            tuple(self._step(k, number) for k in steps),
            tuple((number[s.value], Operand(s.use.dtype, s.use.strides)) for s in stores),
            tuple(folds),
            self.reduced or (),
        )
        written = [s.place for s in stores] + [place for _, place, _ in self.folds]
        return group, (*(places[k] for k in inputs), *written)

    def _step(self, k: int, number: dict[tuple[str, int], int]) -> Step:
        step, operands = self.steps[k]
        return Step(step.name, step.attrs, tuple(number[o] for o in operands), step.dtype)

    def _needed(self, stores: list[Store]) -> set[tuple[str, int]]:
        stack = [s.value for s in stores] + [value for value, _, _ in self.folds]
        found: set[tuple[str, int]] = set()
        while stack:
            value = stack.pop()
            if value not in found:
                found.add(value)
                stack += self.steps[value[1]][1] if value[0] == "step" else []
        return found
