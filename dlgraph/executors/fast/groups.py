"""Which instructions are element-wise, and which of them can share one loop.

Instructions over one index space grow together as long as doing all of them for one element before
going on to the next gives the same as doing one after the other: nobody may read what another
wrote under a different index.  Read next: `loops.py`, which turns a group into code, and
`segments.py`, which turns plans into groups.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from dlgraph.core.spec import normalise_axes
from dlgraph.executors.fast.ir import Code
from dlgraph.executors.fast.loops import Fold, Group, Operand, Step
from dlgraph.executors.fast.vectors import Vectors
from dlgraph.executors.plan import Instruction, Place, strides_of
from dlgraph.ops.scalar import INEXACT, SCALAR, Unsupported, element

MOST_STEPS, MOST_INPUTS = 96, 24
_FOLDS = {"sum": "add", "sum_like": "add", "mean": "add", "max": "max", "min": "min"}
_COPIES = {"identity", "stop_gradient", "assign"}


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


# ---- from an instruction to its work -------------------------------------------------------------


def usable(place: Place | None) -> bool:
    """Is this memory that compiled code can address?"""
    return place is not None and place.strides is not None and place.size > 0


def read_by(step: Instruction) -> list[Place]:
    """The places whose elements an instruction reads."""
    primitive = step.primitive
    skipped = primitive.shape_only + primitive.unused
    if primitive.variadic:
        return [] if skipped else [p for p in step.inputs if p is not None]
    pairs = zip(step.inputs, primitive.inputs, strict=False)
    return [p for p, name in pairs if p is not None and name not in skipped]


def works(step: Instruction, exact: bool) -> list[Work] | None:
    """What the instruction does element by element; None if it is not of that kind."""
    output = step.output
    if output is None or not all(map(usable, (output, *read_by(step)))):
        return None
    try:
        found = _works(step, output)
        for work in found or ():
            _try_out(work, exact)
    except Unsupported:
        return None
    return found


def _works(step: Instruction, output: Place) -> list[Work] | None:
    name = step.primitive.name
    if step.kind == "copy" or name in _COPIES:
        source = step.inputs[-1] if name == "assign" else step.inputs[0]
        return [_copy(source, output)]
    if name == "concatenate":
        return _joined(step, output)
    if name == "scatter":
        return _scattered(step, output)
    if name in _FOLDS:
        return [_reduction(step, output)]
    if name == "fused":
        return [_body(step, output)]
    if name in SCALAR:
        return [Work(output.shape, (_operation(step, output),), 0, output)]
    return None


def _operation(step: Instruction, output: Place) -> Operation:
    operands: list[Any] = []
    for place, name in zip(step.inputs, step.primitive.inputs, strict=True):
        if name in step.primitive.shape_only or place is None:
            operands.append(output.dtype.type(0))  # only its type matters
        else:
            operands.append(place)
    return Operation(step.primitive.name, step.attrs, tuple(operands), output.dtype)


def _body(step: Instruction, output: Place) -> Work:
    """The steps of a fused group, from the records of its body."""
    body = step.attrs["body"]
    known: dict[int, Any] = dict(zip(body.all_inputs, step.inputs, strict=True))
    steps: list[Operation] = []
    for index, record in enumerate(body.records):
        if index in known:
            continue
        primitive, dtype = record.primitive, record.spec.dtype
        if primitive.name == "constant":
            value = np.asarray(record.attrs["value"])
            if value.size != 1:
                raise Unsupported("an array inside a group")
            known[index] = value.reshape(())[()]
            continue
        operands = [
            record.spec.dtype.type(0) if name in primitive.shape_only else known[i]
            for i, name in zip(record.inputs, primitive.inputs, strict=True)
        ]
        if primitive.name in _COPIES:
            known[index] = operands[0]
            continue
        steps.append(Operation(primitive.name, record.attrs, tuple(operands), dtype))
        known[index] = len(steps) - 1
    if len(body.outputs) != 1:
        raise Unsupported("several results")
    return Work(output.shape, tuple(steps), known[body.outputs[0]], output)


def _copy(source: Place | None, output: Place) -> Work:
    if source is None or source.dtype != output.dtype or source.size != output.size:
        raise Unsupported("not a copy")
    if source.shape != output.shape:  # the same elements in the same order, in another shape
        if not output.contiguous:
            raise Unsupported("a copy that changes shape and strides")
        steps = strides_of(source.shape, output.dtype.itemsize)
        output = output._replace(shape=source.shape, strides=steps)
    return Work(source.shape, (), source, output)


def _joined(step: Instruction, output: Place) -> list[Work]:
    axis = step.attrs["axis"] % len(output.shape)
    found, at = [], output.offset
    for place in step.inputs:
        assert place is not None and output.strides is not None
        part = output._replace(offset=at, shape=place.shape)
        at += place.shape[axis] * output.strides[axis]
        if (place.buffer, place.offset, place.strides) != (part.buffer, part.offset, part.strides):
            found.append(_copy(place, part))  # else it was computed there
    return found


def _scattered(step: Instruction, output: Place) -> list[Work]:
    source = step.inputs[0]
    if source is None:
        raise Unsupported("nothing to scatter")
    picked = _sliced(output, step.attrs["index"])
    if picked.shape != source.shape:
        raise Unsupported("a slice that stretches")
    zero = Work(output.shape, (), output.dtype.type(0), output)
    return [zero, _copy(source, picked)]


def _sliced(place: Place, index: tuple) -> Place:
    """What basic indexing picks of a place."""
    assert place.strides is not None
    used = sum(entry is not None and entry is not Ellipsis for entry in index)
    whole = [slice(None)] * (len(place.shape) - used)
    written_out = [e for entry in index for e in (whole if entry is Ellipsis else [entry])]
    offset, axis = place.offset, 0
    shape: list[int] = []
    strides: list[int] = []
    for entry in written_out:
        if entry is None:
            shape.append(1)
            strides.append(0)
            continue
        size, step = place.shape[axis], place.strides[axis]
        axis += 1
        if isinstance(entry, slice):
            turns = range(*entry.indices(size))
            offset += turns.start * step if len(turns) else 0
            shape.append(len(turns))
            strides.append(step * turns.step)
        else:
            offset += (entry + size if entry < 0 else entry) * step
    shape += place.shape[axis:]
    strides += place.strides[axis:]
    return Place(place.buffer, offset, tuple(shape), tuple(strides), place.dtype)


def _reduction(step: Instruction, output: Place) -> Work:
    source, name = step.inputs[0], step.primitive.name
    assert source is not None and output.strides is not None
    if name == "sum_like":
        extra = len(source.shape) - len(output.shape)
        stretched = zip(source.shape[extra:], output.shape, strict=True)
        axes = (*range(extra), *(extra + i for i, (a, b) in enumerate(stretched) if a != b))
    else:
        axes = normalise_axes(step.attrs["axis"], len(source.shape))
    kept = len(output.shape) == len(source.shape)
    strides = iter(output.strides)
    along = tuple(0 if k in axes and not kept else next(strides) for k in range(len(source.shape)))
    if kept:
        along = tuple(0 if k in axes else s for k, s in enumerate(along))
    elif name == "sum_like" and len(axes) != len(source.shape) - len(output.shape):
        raise Unsupported("a sum that keeps some axes")
    if not axes:
        return _copy(source, output)
    count = 1.0
    for k in axes:
        count *= source.shape[k]
    steps: tuple[Operation, ...] = ()
    value: Any = source
    if source.dtype != output.dtype:
        steps, value = (Operation("cast", {"dtype": output.dtype}, (source,), output.dtype),), 0
    target = output._replace(shape=source.shape, strides=along)
    fold = (_FOLDS[name], axes, count if name == "mean" else 1.0)
    return Work(source.shape, steps, value, target, fold)


def _try_out(work: Work, exact: bool) -> None:
    """Raise `Unsupported` if one of the steps cannot be compiled."""
    if exact and (work.fold or any(step.name in INEXACT for step in work.steps)):
        raise Unsupported("this order of sums is not NumPy's")
    if work.fold and work.output.dtype.kind not in "fi":
        raise Unsupported("a fold of this type")
    vectors = Vectors(Code(), 8, exact)
    for kind in (work.output.dtype, *(s.dtype for s in work.steps)):
        vectors.type(kind)
    made: list[tuple[Any, np.dtype]] = []
    for step in work.steps:
        operands = []
        for one in step.operands:
            if isinstance(one, Place):
                vectors.type(one.dtype)
                over(one, work.shape)
            operands.append(made[one] if isinstance(one, int) else ("poison", one.dtype))
        made.append((element(vectors, step.name, step.attrs, operands, step.dtype), step.dtype))
    if isinstance(work.value, Place):
        over(work.value, work.shape)


# ---- memory --------------------------------------------------------------------------------------


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


def span(place: Place) -> tuple[int, int]:
    """The bytes of its buffer between which a place lies."""
    steps = [(n - 1) * s for n, s in zip(place.shape, place.strides or (), strict=True)]
    low = place.offset + sum(s for s in steps if s < 0)
    return low, place.offset + sum(s for s in steps if s > 0) + place.dtype.itemsize


def overlap(a: Place, b: Place) -> bool:
    """May the two share memory?"""
    if a.buffer != b.buffer or not a.size or not b.size:
        return False
    (low, high), (start, end) = span(a), span(b)
    return low < end and start < high


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
        self.stores: list[Store] = []
        self.folds: list[tuple[tuple[str, int], Place, tuple]] = []
        self.reduced: tuple[int, ...] | None = None
        self.numbers: list[int] = []  # of the instructions

    def add(self, number: int, work: Work) -> bool:
        """Take an instruction in; False if it must not share this loop."""
        if work.shape != self.shape or not self._fits(work):
            return False
        made: list[tuple[str, int]] = []
        for step in work.steps:
            operands = [self._value(one, made) for one in step.operands]
            self.steps.append((step, operands))
            made.append(("step", len(self.steps) - 1))
        value = self._value(work.value, made)
        if work.fold:
            self.reduced = work.fold[1]
            self._forget(work.output, None)
            self.folds.append((value, work.output, work.fold))
        else:
            use = self._use(work.output)
            self._forget(work.output, use)
            self.stores.append(Store(value, use, work.output))
        self.numbers.append(number)
        return True

    def _use(self, place: Place) -> Use:
        return Use(place.buffer, place.offset, over(place, self.shape), place.dtype)

    def _value(self, one: Any, made: list[tuple[str, int]]) -> tuple[str, int]:
        if isinstance(one, Place):
            use = self._use(one)
            for store in reversed(self.stores):
                if store.use == use:
                    return store.value
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
            if any(overlap(place, store.place) and store.use != use for store in self.stores):
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
        held = {store.use for store in self.stores}
        new = [(self._use(place), place) for place in read]
        touched = [*self.inputs.items(), *((use, place) for use, place in new if use not in held)]
        return not any(overlap(target, place) and use != mine for use, place in touched)

    def _forget(self, target: Place, use: Use | None) -> None:
        """Stores whose memory now gets another value: whoever wanted them read them in here."""
        self.stores = [s for s in self.stores if s.use == use or not overlap(target, s.place)]

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
