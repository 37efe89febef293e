"""Loop nests over strided memory: element-wise groups, and sums and extremes of what they give.

A `Group` is a straight piece of program for one element of an index space, with the operands that
it reads and writes.  Axes that all operands step through evenly become one; the axis whose elements
lie side by side is the innermost and goes in vectors; values that an inner loop does not change are
read outside it.  Read next: `segments.py`, which makes the groups.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from dlgraph.executors.fast.ir import Code, Target, type_of
from dlgraph.executors.fast.vectors import Vectors
from dlgraph.ops.scalar import Unsupported, element

DOUBLE = np.dtype(np.float64)
LONG = 8192  # so many elements are added up in float32 before they go to a sum in float64


class Operand(NamedTuple):
    """What a group reads or writes: its type, and its strides over the index space, in bytes."""

    dtype: np.dtype
    strides: tuple[int, ...]


class Step(NamedTuple):
    """One operation on single elements; `operands` count inputs first, then steps."""

    name: str
    attrs: dict[str, Any]
    operands: tuple[int, ...]
    dtype: np.dtype


class Fold(NamedTuple):
    """Many elements to one: `add`, `max` or `min` of a value, then a factor."""

    name: str
    value: int
    operand: Operand  # its strides along reduced axes are 0
    scale: float = 1.0


class Group(NamedTuple):
    """A piece of program for one element.

    Values are numbered: inputs, constants, then steps.  `stores` are (value, where to).  `reduced`
    are the axes over which `folds` run.
    """

    shape: tuple[int, ...]
    inputs: tuple[Operand, ...]
    constants: tuple[tuple[Any, np.dtype], ...]
    steps: tuple[Step, ...]
    stores: tuple[tuple[int, Operand], ...] = ()
    folds: tuple[Fold, ...] = ()
    reduced: tuple[int, ...] = ()


class Axis(NamedTuple):
    """An axis of the loop nest: its size, the stride of every operand, and is it reduced?"""

    size: int
    strides: tuple[int, ...]
    reduced: bool


def axes_of(group: Group) -> list[Axis]:
    """The loop nest, outermost first, with axes joined where all operands allow it."""
    operands = [*group.inputs, *(o for _, o in group.stores), *(f.operand for f in group.folds)]
    found = [
        Axis(size, tuple(o.strides[k] for o in operands), k in group.reduced)
        for k, size in enumerate(group.shape)
        if size != 1
    ]
    first = len(group.inputs)

    def rank(axis: Axis) -> tuple:
        # What is written decides the order; where it does not step, what is read.
        steps = [abs(s) for s in axis.strides]
        written = max(steps[first:], default=0)
        return (written or max(steps, default=0), max(steps, default=0))

    found.sort(key=rank, reverse=True)
    joined: list[Axis] = []
    for axis in found:
        above = joined[-1] if joined else None
        if (
            above is not None
            and above.reduced == axis.reduced
            and not (axis.reduced and above.size * axis.size > LONG)
            and all(a == b * axis.size for a, b in zip(above.strides, axis.strides, strict=True))
        ):
            joined[-1] = Axis(above.size * axis.size, axis.strides, axis.reduced)
        else:
            joined.append(axis)
    joined = [part for axis in joined for part in _parts(axis)]
    return joined or [Axis(1, (0,) * len(operands), bool(group.reduced))]


def _parts(axis: Axis) -> list[Axis]:
    """A long reduced axis as two, so that its sum has stages."""
    if not axis.reduced or axis.size <= 2 * LONG:
        return [axis]
    for size in range(LONG, LONG // 8, -1):
        if axis.size % size == 0:
            above = tuple(s * size for s in axis.strides)
            return [Axis(axis.size // size, above, True), Axis(size, axis.strides, True)]
    return [axis]


def kernel(group: Group, target: Target, exact: bool) -> Code:
    """The function for a group: its operands are the inputs, the stores, then the folds."""
    return _Nest(group, target, exact).code


class _Nest:
    def __init__(self, group: Group, target: Target, exact: bool):
        self.group = group
        self.code = Code()
        axes = axes_of(group)
        inner = self._inner(axes)
        self.inner = axes.pop(inner)
        kept = [axis for axis in axes if not axis.reduced]
        reduced = [axis for axis in axes if axis.reduced]
        # If the vectors run along a kept axis, each block of it goes through the reduced axes.
        self.blocked = bool(group.folds) and not self.inner.reduced
        self.outer = kept if self.blocked else kept + reduced
        self.folded = reduced if self.blocked else []
        self.first_reduced = len(kept)
        self.vectors = Vectors(self.code, self._lanes(target), exact)
        count = len(group.inputs) + len(group.stores) + len(group.folds)
        self._walk(0, [f"%p{k}" for k in range(count)], {})

    @staticmethod
    def _inner(axes: Sequence[Axis]) -> int:
        """The axis that goes in vectors: the one along which most operands lie side by side."""

        def score(k: int) -> tuple:
            axis = axes[k]
            near = sum(0 < abs(s) <= 8 for s in axis.strides)
            return (near if axis.size > 1 else -1, k)

        return max(range(len(axes)), key=score)

    def _lanes(self, target: Target) -> int:
        group = self.group
        dtypes = [o.dtype for o in group.inputs] + [s.dtype for s in group.steps]
        widest = max((d.itemsize for d in dtypes if d.kind == "f"), default=4)
        lanes = target.vector_bytes // widest
        while lanes > 1 and lanes // 2 >= self.inner.size:
            lanes //= 2
        return lanes

    # ---- the loops
    def _walk(self, depth: int, pointers: list[str], loaded: dict[int, str]) -> None:
        """Everything inside the first `depth` loops."""
        loaded = self._load_fixed(depth, pointers, loaded)
        if self.group.folds and not self.blocked and depth == self.first_reduced:
            self._reduce_along(depth, pointers, loaded)
        elif depth < len(self.outer):
            with self.code.loop(self.outer[depth].size) as index:
                self._walk(depth + 1, self._moved(pointers, self.outer[depth], index), loaded)
        else:
            self._innermost(pointers, loaded)

    def _moved(self, pointers: list[str], axis: Axis, index: Any) -> list[str]:
        offsets: dict[int, Any] = {}
        moved = []
        for pointer, stride in zip(pointers, axis.strides, strict=True):
            if stride not in offsets:
                offsets[stride] = self.code.times(index, stride)
            moved.append(self.code.at(pointer, offsets[stride]))
        return moved

    def _load_fixed(self, depth: int, pointers: list[str], loaded: dict[int, str]) -> dict:
        """Read what does not change any more further in."""
        further = [*self.outer[depth:], *self.folded, self.inner]
        found = dict(loaded)
        for k, operand in enumerate(self.group.inputs):
            if k not in found and all(axis.strides[k] == 0 for axis in further):
                found[k] = self.vectors.load_one(pointers[k], operand.dtype)
        return found

    def _blocks(self, turn: Callable[[Any, int], None]) -> None:
        """Call for every vector along the inner axis: with its index, and its active lanes."""
        lanes, size = self.vectors.lanes, self.inner.size
        whole = size - size % lanes
        if whole:
            with self.code.loop(whole, lanes) as index:
                turn(index, lanes)
        if size % lanes:
            turn(whole, size % lanes)

    def _innermost(self, pointers: list[str], loaded: dict[int, str]) -> None:
        if not self.blocked:

            def vector(index: Any, active: int) -> None:
                self._element(pointers, loaded, index, active)

            self._blocks(vector)
            return

        def block(index: Any, active: int) -> None:
            slots = [self._accumulator(fold, self._wide(fold)) for fold in self.group.folds]

            def turn(at: list[str], depth: int) -> None:
                if depth < len(self.folded):
                    with self.code.loop(self.folded[depth].size) as k:
                        turn(self._moved(at, self.folded[depth], k), depth + 1)
                    return
                values = self._element(at, loaded, index, active)
                self._gather_up(slots, list(map(self._wide, self.group.folds)), values, None)

            turn(pointers, 0)
            self._put_down(slots, pointers, index, active)

        self._blocks(block)

    def _reduce_along(self, depth: int, pointers: list[str], loaded: dict[int, str]) -> None:
        """The vectors run along a reduced axis, inside the other reduced ones."""
        slots = [self._accumulator(fold, self._wide(fold)) for fold in self.group.folds]

        def walk(level: int, at: list[str], loaded: dict[int, str]) -> None:
            loaded = self._load_fixed(level, at, loaded)
            if level < len(self.outer):
                with self.code.loop(self.outer[level].size) as index:
                    walk(level + 1, self._moved(at, self.outer[level], index), loaded)
                return
            self._stage(slots, at, loaded)

        walk(depth, pointers, loaded)
        self._put_down(slots, pointers, None, 1)

    def _stage(self, slots: list[str], pointers: list[str], loaded: dict[int, str]) -> None:
        """The innermost loop of a fold; long sums are added up in stages."""
        staged = self.inner.size <= 2 * LONG and len(self.outer) > self.first_reduced
        parts = [
            self._accumulator(fold, fold.operand.dtype)
            if staged and self._wide(fold) != fold.operand.dtype
            else slot
            for fold, slot in zip(self.group.folds, slots, strict=True)
        ]
        kinds = [
            fold.operand.dtype if part != slot else self._wide(fold)
            for fold, part, slot in zip(self.group.folds, parts, slots, strict=True)
        ]

        def vector(index: Any, active: int) -> None:
            values = self._element(pointers, loaded, index, active)
            self._gather_up(parts, kinds, values, active)

        self._blocks(vector)
        for fold, part, kind, slot in zip(self.group.folds, parts, kinds, slots, strict=True):
            if part != slot:
                found = self.code.get(self.vectors.type(kind), part)
                self._add_up(fold, slot, self._wide(fold), found, kind)

    # ---- one element
    def _element(
        self, pointers: list[str], loaded: dict[int, str], index: Any, active: int
    ) -> list[Any]:
        """Compute and store one vector; the values by number."""
        group, vectors = self.group, self.vectors
        places = self._moved(pointers, self.inner, index)
        values: list[tuple[Any, np.dtype]] = []
        for k, operand in enumerate(group.inputs):
            held = loaded.get(k)
            if held is None:
                held = vectors.load(places[k], operand.dtype, self.inner.strides[k], active)
            values.append((held, operand.dtype))
        for number, dtype in group.constants:
            values.append((vectors.constant(number, dtype), dtype))
        for step in group.steps:
            operands = [values[k] for k in step.operands]
            made = element(vectors, step.name, step.attrs, operands, step.dtype)
            values.append((made, step.dtype))
        for k, (value, operand) in enumerate(group.stores, len(group.inputs)):
            vectors.store(values[value][0], places[k], operand.dtype, self.inner.strides[k], active)
        return values

    # ---- folds
    def _wide(self, fold: Fold) -> np.dtype:
        """The type in which a fold adds up: long sums of float32 in float64."""
        dtype = fold.operand.dtype
        turns = 1
        for axis in (*self.outer, *self.folded, self.inner):
            turns *= axis.size if axis.reduced else 1
        turns //= 1 if self.blocked else self.vectors.lanes
        return DOUBLE if fold.name == "add" and dtype.kind == "f" and turns > 512 else dtype

    def _neutral(self, fold: Fold, dtype: np.dtype) -> str:
        if fold.name == "add":
            return self.vectors.constant(0, dtype)
        if dtype.kind == "f":
            return self.vectors.constant(-np.inf if fold.name == "max" else np.inf, dtype)
        limits = np.iinfo(dtype)
        return self.vectors.constant(limits.min if fold.name == "max" else limits.max, dtype)

    def _accumulator(self, fold: Fold, dtype: np.dtype) -> str:
        kind = self.vectors.type(dtype)
        slot = self.code.slot(kind)
        self.code.set(kind, self._neutral(fold, dtype), slot)
        return slot

    def _gather_up(
        self, slots: list[str], kinds: list[np.dtype], values: list[Any], active: int | None
    ) -> None:
        vectors = self.vectors
        for fold, slot, wide in zip(self.group.folds, slots, kinds, strict=True):
            value, dtype = values[fold.value]
            if active is not None and active < vectors.lanes:
                # Lanes without an element hold anything; they must not count.
                mask, neutral = vectors.mask(active), self._neutral(fold, dtype)
                value = vectors.select(dtype, mask, value, neutral)
            self._add_up(fold, slot, wide, value, dtype)

    def _add_up(self, fold: Fold, slot: str, wide: np.dtype, value: str, dtype: np.dtype) -> None:
        vectors, kind = self.vectors, self.vectors.type(wide)
        if dtype != wide:
            value = vectors.convert(value, dtype, wide)
        held = self.code.get(kind, slot)
        self.code.set(kind, vectors.arithmetic(fold.name, wide, held, value), slot)

    def _put_down(self, slots: list[str], pointers: list[str], index: Any, active: int) -> None:
        vectors, code = self.vectors, self.code
        first = len(self.group.inputs) + len(self.group.stores)
        for k, (fold, slot) in enumerate(zip(self.group.folds, slots, strict=True), first):
            wide, dtype = self._wide(fold), fold.operand.dtype
            found = code.get(vectors.type(wide), slot)
            if index is None:
                found = vectors.spread(vectors.total(fold.name, found, wide), wide)
            if fold.scale != 1.0:
                if wide.kind != "f":
                    raise Unsupported("means of integers")
                found = vectors.arithmetic("div", wide, found, vectors.constant(fold.scale, wide))
            if wide != dtype:
                found = vectors.convert(found, wide, dtype)
            if index is None:
                one = code.let(f"extractelement {vectors.type(dtype)} {found}, i64 0")
                code.set(type_of(dtype), one, pointers[k], dtype.itemsize)
                continue
            stride = self.inner.strides[k]
            place = code.at(pointers[k], code.times(index, stride))
            vectors.store(found, place, dtype, stride, active)
