"""What an instruction does element by element: its steps in the terms of `ops/scalar.py`.

Element-wise operations, fused groups, copies, sums and extremes, joins, slices and pooling are of
this kind.  Read next: `groups.py`, `windows.py`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from dlgraph.core.spec import normalise_axes
from dlgraph.executors.fast.groups import Operation, Work, over
from dlgraph.executors.fast.ir import Code, type_of
from dlgraph.executors.fast.vectors import Vectors
from dlgraph.executors.fast.windows import POOLS
from dlgraph.executors.plan import Instruction, Place, strides_of
from dlgraph.ops.scalar import INEXACT, SCALAR, Unsupported, element

FOLDS = {"sum": "add", "sum_like": "add", "mean": "add", "max": "max", "min": "min"}
_COPIES = {"identity", "stop_gradient", "assign"}


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


def works(
    step: Instruction, exact: bool, able: Callable[..., bool] | None = None
) -> list[Work] | None:
    """What the instruction does element by element; None if it is not of that kind.

    `able(operation, kinds, exact)` says whether a generator of code has an operation for operands
    of these types; LLVM's is asked unless another one is given.
    """
    output = step.output
    if output is None or not all(map(usable, (output, *read_by(step)))):
        return None
    try:
        found = _works(step, output)
        for work in found or ():
            _try_out(work, exact, able or _can_do)
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
    if name in FOLDS:
        return [_reduction(step, output)]
    if name in POOLS:
        return POOLS[name](step, output)
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
    count, missing = len(source.shape), len(source.shape) - len(output.shape)
    if name == "sum_like":
        pairs = zip(source.shape[missing:], output.shape, strict=True)
        stretched = [missing + i for i, (a, b) in enumerate(pairs) if a != b]
        axes: tuple[int, ...] = (*range(missing), *stretched)
        along = (*(0 for _ in range(missing)), *output.strides)
    else:
        axes = normalise_axes(step.attrs["axis"], count)
        strides = iter(output.strides)
        along = (
            output.strides
            if not missing
            else tuple(0 if k in axes else next(strides) for k in range(count))
        )
    along = tuple(0 if k in axes else s for k, s in enumerate(along))
    if not axes:
        return _copy(source, output)
    divisor = math.prod(source.shape[k] for k in axes) if name == "mean" else 1
    steps: tuple[Operation, ...] = ()
    value: Any = source
    if source.dtype != output.dtype:
        steps, value = (Operation("cast", {"dtype": output.dtype}, (source,), output.dtype),), 0
    target = output._replace(shape=source.shape, strides=along)
    fold = (FOLDS[name], axes, float(divisor))
    return Work(source.shape, steps, value, target, fold)


def _try_out(work: Work, exact: bool, able: Callable[..., bool]) -> None:
    """Raise `Unsupported` if one of the steps cannot be compiled."""
    if exact and (work.fold or any(step.name in INEXACT for step in work.steps)):
        raise Unsupported("this order of sums is not NumPy's")
    if work.fold and work.output.dtype.kind not in "fi":
        raise Unsupported("a fold of this type")
    for kind in (work.output.dtype, *(s.dtype for s in work.steps)):
        type_of(kind)
    for place in (work.value, *(one for step in work.steps for one in step.operands)):
        if isinstance(place, Place):
            type_of(place.dtype)
            over(place, work.shape)
    for step in work.steps:
        kinds = [
            (work.steps[one].dtype if isinstance(one, int) else one.dtype).str
            for one in step.operands
        ]
        key = (able, step.name, repr(step.attrs), *kinds, step.dtype.str, exact)
        if key not in _TRIED:
            _TRIED[key] = able(step, kinds, exact)
        if not _TRIED[key]:
            raise Unsupported(f"{step.name} of {' and '.join(kinds)}")


_TRIED: dict[tuple, bool] = {}  # what was found out about operations on these types


def _can_do(step: Operation, kinds: list[str], exact: bool) -> bool:
    operands = [("poison", np.dtype(kind)) for kind in kinds]
    try:
        element(Vectors(Code(), 8, exact), step.name, step.attrs, operands, step.dtype)
    except Unsupported:
        return False
    return True
