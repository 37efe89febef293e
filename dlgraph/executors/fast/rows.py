"""Kernels that go through the rows of a table: softmax, cross-entropy, picking by label.

A row is read in vectors; what its lanes add up to is a number for the row.  Labels are checked
here: a kernel that finds one out of range returns, and the instruction is done again by its own
forward, which says what is wrong.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from dlgraph.executors.fast.ir import Code, Recipe, Target, type_of
from dlgraph.executors.fast.vectors import Vectors
from dlgraph.executors.plan import Instruction, Place
from dlgraph.ops.scalar import Unsupported


class Rows:
    """Loops over all rows of some operands, and vectors along a row."""

    def __init__(self, operands: tuple[Place, ...], size: int, target: Target, dtype: np.dtype):
        self.code = Code()
        self.operands, self.size, self.dtype = operands, size, dtype
        lanes = target.vector_bytes // dtype.itemsize
        while lanes > 1 and lanes // 2 >= size:
            lanes //= 2
        self.vectors = Vectors(self.code, lanes)

    def each(self, shape: tuple[int, ...], body: Callable[[list[str]], None]) -> None:
        """Call for every row with the addresses of the operands there."""
        strides = [p.strides or () for p in self.operands]

        def walk(axis: int, pointers: list[str]) -> None:
            if axis == len(shape):
                body(pointers)
                return
            with self.code.loop(shape[axis]) as index:
                walk(
                    axis + 1,
                    [
                        self.code.at(p, self.code.times(index, s[axis]))
                        for p, s in zip(pointers, strides, strict=True)
                    ],
                )

        walk(0, [f"%p{k}" for k in range(len(self.operands))])

    def blocks(self, body: Callable[[Any, int], None]) -> None:
        """Call for every vector of a row with its first byte and its active lanes."""
        lanes, item = self.vectors.lanes, self.dtype.itemsize
        whole = self.size - self.size % lanes
        if whole:
            with self.code.loop(whole, lanes) as index:
                body(self.code.times(index, item), lanes)
        if self.size % lanes:
            body(whole * item, self.size % lanes)

    def folded(self, name: str, neutral: float, value: Callable[[Any, int], str]) -> str:
        """All elements of a row as one, in all lanes: `add` or `max` of `value` of each vector."""
        vectors, dtype = self.vectors, self.dtype
        kind, start = vectors.type(dtype), vectors.constant(neutral, dtype)
        slot = self.code.slot(kind)
        self.code.set(kind, start, slot)

        def block(offset: Any, active: int) -> None:
            found = value(offset, active)
            if active < vectors.lanes:
                found = vectors.select(dtype, vectors.mask(active), found, start)
            held = self.code.get(kind, slot)
            self.code.set(kind, vectors.arithmetic(name, dtype, held, found), slot)

        self.blocks(block)
        whole = vectors.total(name, self.code.get(kind, slot), dtype)
        return vectors.spread(whole, dtype)

    def load(self, pointer: str, offset: Any, active: int) -> str:
        """A vector of a row."""
        return self.vectors.load(
            self.code.at(pointer, offset), self.dtype, self.dtype.itemsize, active
        )

    def store(self, found: str, pointer: str, offset: Any, active: int) -> None:
        """Write a vector of a row."""
        at = self.code.at(pointer, offset)
        self.vectors.store(found, at, self.dtype, self.dtype.itemsize, active)

    def softened(self, pointer: str, out: str | None = None) -> tuple[str, str]:
        """The largest element of a row, and the sum of exp of what the others are below it.

        With `out`, these powers are written there.
        """
        vectors, dtype = self.vectors, self.dtype
        top = self.folded("max", -np.inf, lambda o, n: self.load(pointer, o, n))

        def power(offset: Any, active: int) -> str:
            below = vectors.arithmetic("sub", dtype, self.load(pointer, offset, active), top)
            found = vectors.function("exp", dtype, below)
            if out is not None:
                self.store(found, out, offset, active)
            return found

        return top, self.folded("add", 0.0, power)

    def label(self, pointer: str, dtype: np.dtype) -> str:
        """A label as an index; the kernel gives up if it is none of the classes."""
        kind = type_of(dtype)
        found = self.code.get(kind, pointer, dtype.itemsize)
        if kind != "i64":
            extend = "sext" if dtype.kind == "i" else "zext"
            found = self.code.let(f"{extend} {kind} {found} to i64")
        # As unsigned, a negative label is enormous: one comparison finds both kinds.
        self.code.leave_if(self.code.let(f"icmp uge i64 {found}, {self.size}"), 1)
        return self.code.let(f"mul nsw i64 {found}, {self.dtype.itemsize}")


def _table(*places: Place | None) -> tuple[Place, ...]:
    """The operands, if the first has rows of floats whose elements lie side by side."""
    for place in places:
        if place is None or place.strides is None:
            raise Unsupported("memory that is known only when it runs")
    table = places[0]
    assert table is not None and table.strides is not None
    for place in places:
        type_of(place.dtype)  # type: ignore[union-attr]
    if table.dtype.kind != "f" or not table.shape or table.strides[-1] != table.dtype.itemsize:
        raise Unsupported("rows that are not side by side")
    return tuple(place for place in places if place is not None)


def softmax_cross_entropy(step: Instruction, target: Target) -> Recipe:
    """ln(sum of exp z) - z[label], for every row."""
    places = _table(*step.inputs, step.output)
    logits, labels, _ = places

    def write() -> Code:
        rows = Rows(places, logits.shape[-1], target, logits.dtype)
        code, vectors, dtype = rows.code, rows.vectors, logits.dtype

        def row(at: list[str]) -> None:
            chosen = vectors.load_one(code.at(at[0], rows.label(at[1], labels.dtype)), dtype)
            top, total = rows.softened(at[0])
            below = vectors.arithmetic("sub", dtype, chosen, top)
            found = vectors.function("log", dtype, total)
            found = vectors.arithmetic("sub", dtype, found, below)
            vectors.store(found, at[2], dtype, dtype.itemsize, 1)

        rows.each(logits.shape[:-1], row)
        return code

    return Recipe(places, write)


def _along_last(
    step: Instruction, target: Target, one: Callable[[Rows, list[str]], None]
) -> Recipe:
    """A softmax along rows; `one` writes the code of a row, given where the operands' rows are."""
    x, out = places = _table(*step.inputs, step.output)
    if step.attrs["axis"] % len(x.shape) != len(x.shape) - 1 or x.strides is None:
        raise Unsupported("a softmax along another axis")
    if out.strides is None or out.strides[-1] != out.dtype.itemsize:
        raise Unsupported("rows that are not side by side")

    def write() -> Code:
        rows = Rows(places, x.shape[-1], target, x.dtype)
        rows.each(x.shape[:-1], lambda at: one(rows, at))
        return rows.code

    return Recipe(places, write)


def log_softmax(step: Instruction, target: Target) -> Recipe:
    """z - ln(sum of exp z), along the last axis."""

    def row(rows: Rows, at: list[str]) -> None:
        vectors, dtype = rows.vectors, rows.dtype
        top, total = rows.softened(at[0])
        rest = vectors.function("log", dtype, total)

        def block(offset: Any, active: int) -> None:
            # One after the other: beside a large z their sum would lose the logarithm.
            found = vectors.arithmetic("sub", dtype, rows.load(at[0], offset, active), top)
            rows.store(vectors.arithmetic("sub", dtype, found, rest), at[1], offset, active)

        rows.blocks(block)

    return _along_last(step, target, row)


def softmax(step: Instruction, target: Target) -> Recipe:
    """exp z / sum of exp z, along the last axis."""

    def row(rows: Rows, at: list[str]) -> None:
        _, total = rows.softened(at[0], out=at[1])

        def share(offset: Any, active: int) -> None:
            power = rows.load(at[1], offset, active)
            found = rows.vectors.arithmetic("div", rows.dtype, power, total)
            rows.store(found, at[1], offset, active)

        rows.blocks(share)

    return _along_last(step, target, row)


def minus_one_hot(step: Instruction, target: Target) -> Recipe:
    """A row with 1 subtracted at its label."""
    places = _table(*step.inputs, step.output)
    table, labels, out = places
    if out.strides is None or out.strides[-1] != out.dtype.itemsize:
        raise Unsupported("rows that are not side by side")

    def write() -> Code:
        rows = Rows(places, table.shape[-1], target, table.dtype)
        code, kind, item = rows.code, type_of(table.dtype), table.dtype.itemsize

        def row(at: list[str]) -> None:
            offset = rows.label(at[1], labels.dtype)
            if table != out:
                rows.blocks(lambda o, n: rows.store(rows.load(at[0], o, n), at[2], o, n))
            place = code.at(at[2], offset)
            held = code.get(kind, place, item)
            code.set(kind, code.let(f"fsub {kind} {held}, 1.0"), place, item)

        rows.each(table.shape[:-1], row)
        return code

    return Recipe(places, write)


def _picked(labels: Place) -> None:
    if labels.dtype.kind not in "iu":
        raise Unsupported("labels that are no integers")


def take_along_axis(step: Instruction, target: Target) -> Recipe:
    """One element of a row per index, along the last axis."""
    x, indices, out = places = _table(*step.inputs, step.output)
    last = len(x.shape) - 1
    if step.attrs["axis"] % len(x.shape) != last or indices.dtype.kind not in "iu":
        raise Unsupported("indices along another axis")
    steps = [(place.strides or (0,))[-1] for place in (indices, out)]

    def write() -> Code:
        rows = Rows(places, x.shape[-1], target, x.dtype)
        code, kind, item = rows.code, type_of(x.dtype), x.dtype.itemsize

        def row(at: list[str]) -> None:
            with code.loop(indices.shape[-1]) as k:
                index = code.at(at[1], code.times(k, steps[0]))
                found = code.get(kind, code.at(at[0], rows.label(index, indices.dtype)), item)
                code.set(kind, found, code.at(at[2], code.times(k, steps[1])), item)

        rows.each(x.shape[:-1], row)
        return code

    return Recipe(places, write)


KERNELS = {
    "softmax_cross_entropy": softmax_cross_entropy,
    "log_softmax": log_softmax,
    "softmax": softmax,
    "minus_one_hot": minus_one_hot,
    "take_along_axis": take_along_axis,
}
