"""A plan in segments: stretches of instructions that run as one native call, and the rest.

The kernels of a segment are data: a list of addresses with the places of their operands, which a
small driver goes through.  So equal kernels (32 steps of an LSTM) are compiled once, and the length
of a plan costs nothing to compile.  What is written but read by nobody outside its loop is not
written at all.  Read next: `groups.py`, `executor.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from dlgraph.core.node import Record
from dlgraph.core.records import describe_record
from dlgraph.executors.fast import convolutions, products, rows
from dlgraph.executors.fast.groups import Growing, Work, span
from dlgraph.executors.fast.ir import BUFFERS, Recipe, Target
from dlgraph.executors.fast.loops import kernel
from dlgraph.executors.fast.works import read_by, usable, works
from dlgraph.executors.plan import Instruction, Place, Plan
from dlgraph.ops.scalar import Unsupported

KERNELS: dict[str, Callable[[Instruction, Target], Recipe]] = {
    "matmul": products.matmul,
    "gemm": products.gemm,
    **rows.KERNELS,
    **convolutions.KERNELS,
}
WRITABLE = {"arena", "parameter"}

TAIL = """
attributes #0 = { nounwind "no-builtins" "prefer-vector-width"="512" }
!0 = distinct !{!0, !1}
!1 = !{!"llvm.loop.unroll.disable"}
"""


class Piece(NamedTuple):
    """One kernel: how it is written, its operands, and the instructions that it stands for."""

    key: str  # equal for equal kernels
    recipe: Recipe
    operands: tuple[Place, ...]
    numbers: tuple[int, ...]
    loop: tuple[int, ...] | None  # the index space of a group


class Segment(NamedTuple):
    """Pieces that run in one native call, or (without pieces) one instruction left to NumPy."""

    pieces: tuple[Piece, ...]
    number: int = -1


def split(plan: Plan, target: Target, exact: bool = False) -> list[Segment]:
    """The plan in segments, in the order in which they run."""
    pending = formed(
        plan,
        lambda step: works(step, exact),
        lambda step, number: None if exact else _piece(step, number, target),
    )
    segments: list[Segment] = []
    pieces: list[Piece] = []

    def close() -> None:
        if pieces:
            segments.append(Segment(tuple(pieces)))
            pieces.clear()

    for item in pending:
        if isinstance(item, int):
            close()
            segments.append(Segment((), item))
        elif isinstance(item, Piece) and item.recipe.blas:  # by itself: its threads are chosen
            close()
            segments.append(Segment((item,)))
        elif isinstance(item, Piece):
            pieces.append(item)
        elif item.growing.folds or item.kept:
            pieces.append(_group_piece(item, target, exact))
    close()
    return segments


def _group_piece(item: Forming, target: Target, exact: bool) -> Piece:
    group, places = item.growing.finished(item.kept)
    recipe = Recipe(places, lambda: kernel(group, target, exact))
    return Piece(repr(group), recipe, places, tuple(item.growing.numbers), group.shape)


class Forming:
    """A group that is being formed; `kept` are the stores that somebody reads."""

    def __init__(self, growing: Growing):
        self.growing = growing
        self.kept = list(growing.stores.values())


def formed(
    plan: Plan,
    works_of: Callable[[Instruction], list[Work] | None],
    piece_of: Callable[[Instruction, int], Any],
    apart: bool = False,
) -> list[Any]:
    """Groups, pieces, and numbers of instructions that are left to others, in order.

    `works_of` says what an instruction does element by element, `piece_of` gives a kernel for
    another one (with `numbers` of instructions); both answer None if they cannot.  With `apart`
    every instruction is a group of its own.
    """
    found: list[Any] = []
    for number, step in enumerate(plan.instructions):
        if _nothing_to_do(plan, step):
            continue
        writable = step.output is not None and plan.buffers[step.output.buffer].kind in WRITABLE
        parts = works_of(step) if writable else None
        if parts is not None:
            for part in parts:
                _grow(found, number, _with_numbers(plan, part), apart)
            continue
        piece = piece_of(step, number) if writable else None
        found.append(number if piece is None else piece)
    _prune(plan, found)
    return found


def _grow(found: list[Any], number: int, part: Work, apart: bool) -> None:
    """Take work into the last group, or into a new one."""
    last = found[-1] if found and not apart else None
    if not (isinstance(last, Forming) and last.growing.add(number, part)):
        last = Forming(Growing(part.shape))
        found.append(last)
        if not last.growing.add(number, part):  # its output overlaps its own input otherwise
            found[-1] = number


def _piece(step: Instruction, number: int, target: Target) -> Piece | None:
    make = KERNELS.get(step.primitive.name)
    if make is None or not all(map(usable, (step.output, *read_by(step)))):
        return None
    try:
        recipe = make(step, target)
    except Unsupported:
        return None
    # The kernel depends on layouts, and on which of the operands are the same memory.
    places = [*step.inputs, step.output]
    layouts = [p and (p.shape, p.strides, p.dtype.name, places.index(p)) for p in places]
    key = repr((step.primitive.name, sorted(step.attrs.items()), layouts))
    return Piece(key, recipe, recipe.operands, (number,), None)


def _nothing_to_do(plan: Plan, step: Instruction) -> bool:
    out = step.output
    if out is None:
        return False
    if step.kind == "view":
        # A view of memory of which address and layout are known is no work at all.
        return out.known and plan.buffers[out.buffer].kind != "made"
    return step.primitive.name == "assign" and step.inputs[-1] == out


def _with_numbers(plan: Plan, work: Work) -> Work:
    """Constants of one element as numbers in the code."""

    def number(one: Any) -> Any:
        if not isinstance(one, Place):
            return one
        buffer = plan.buffers[one.buffer]
        if buffer.kind != "constant" or np.size(buffer.source) != 1:
            return one
        return np.asarray(buffer.source).reshape(())[()]

    steps = tuple(s._replace(operands=tuple(map(number, s.operands))) for s in work.steps)
    return work._replace(steps=steps, value=number(work.value))


# ---- what need not be written --------------------------------------------------------------------


def _prune(plan: Plan, pending: list[Any]) -> None:
    """Drop stores that nobody reads: go backwards with the memory that is still wanted."""
    wanted: dict[int, list[tuple[int, int]]] = {}
    for index in plan.fetches:
        if index in plan.places:
            _want(wanted, plan.places[index])
    for item in reversed(pending):
        if isinstance(item, Forming):
            stores = item.growing.stores.values()
            item.kept = [s for s in stores if _has_reader(plan, wanted, s.place)]
            for _, place, _ in item.growing.folds:
                _overwritten(wanted, place)
            for store in item.kept:
                _overwritten(wanted, store.place)
            for place in item.growing.inputs.values():
                _want(wanted, place)
            continue
        numbers = (item,) if isinstance(item, int) else item.numbers
        for step in (plan.instructions[n] for n in numbers):
            if step.output is not None and step.output.known:
                _overwritten(wanted, step.output)
            # Shapes count too: nothing says that a forward does not look at the elements.
            for read in (*step.inputs, *step.scratch):
                if read is not None:
                    _want(wanted, read)


def _has_reader(plan: Plan, wanted: dict, place: Place) -> bool:
    """Will somebody read this memory before it is written again?"""
    return plan.buffers[place.buffer].kind != "arena" or _is_wanted(wanted, place)


def _want(wanted: dict[int, list[tuple[int, int]]], place: Place) -> None:
    if place.known and place.size:
        wanted.setdefault(place.buffer, []).append(span(place))
    elif not place.known:
        wanted.setdefault(place.buffer, []).append((0, 1 << 62))


def _is_wanted(wanted: dict[int, list[tuple[int, int]]], place: Place) -> bool:
    low, high = span(place)
    return any(start < high and low < end for start, end in wanted.get(place.buffer, ()))


def _overwritten(wanted: dict[int, list[tuple[int, int]]], place: Place) -> None:
    """What was in this memory before is not wanted, if all of it is written."""
    low, high = span(place)
    if high - low != place.bytes or place.buffer not in wanted:
        return
    left: list[tuple[int, int]] = []
    for start, end in wanted[place.buffer]:
        if end <= low or high <= start:
            left.append((start, end))
            continue
        left += [(start, low)] if start < low else []
        left += [(high, end)] if high < end else []
    wanted[place.buffer] = left


# ---- the text, and the calls ---------------------------------------------------------------------


def names_of(segments: list[Segment]) -> dict[str, str]:
    """The name of the kernel for each key; equal kernels are there once."""
    keys = dict.fromkeys(piece.key for segment in segments for piece in segment.pieces)
    return {key: f"kernel{number}" for number, key in enumerate(keys)}


def text_of(segments: list[Segment]) -> str:
    """All kernels as LLVM IR."""
    names = names_of(segments)
    recipes = {piece.key: piece.recipe for segment in segments for piece in segment.pieces}
    written = {names[key]: recipe.write() for key, recipe in recipes.items()}
    declared = set().union(*(code.declared for code in written.values()))
    functions = [
        code.function(name, len(recipe.operands))
        for (name, code), recipe in zip(written.items(), recipes.values(), strict=True)
    ]
    return "\n".join([*sorted(declared), *functions, TAIL])


def driver_code(segment: Segment, addresses: dict[str, int]) -> tuple[np.ndarray, list[int]]:
    """What the driver goes through, and where in it each piece starts (in bytes).

    For each piece: the address of its kernel, the size of what follows, and for each operand
    where the table has its buffer, and the offset.
    """
    found: list[int] = []
    starts: list[int] = []
    for piece in segment.pieces:
        starts.append(8 * len(found))
        found += (addresses[piece.key], 16 * len(piece.operands))
        for place in piece.operands:
            found += (BUFFERS + 8 * place.buffer, place.offset)
    return np.array(found, np.int64), starts


def pseudo_code(plan: Plan, segment: Segment) -> str:
    """What a segment computes, for readers: its loops, and in them the nodes by name."""
    records = plan.graph.records
    lines: list[str] = []
    for piece in segment.pieces:
        numbers = dict.fromkeys(piece.numbers)
        found = dict.fromkeys(plan.instructions[n].record for n in numbers)
        texts = [line for k in found for line in _formulas(records, k)]
        if piece.loop is None:
            lines += texts
            continue
        sizes = " x ".join(map(str, piece.loop)) or "one"
        lines += [f"for each of {sizes} elements:", *(f"    {text}" for text in texts)]
    return "\n".join(lines)


def _formulas(records: list[Record], index: int) -> list[str]:
    """A node as a line; a fused group as the lines of its body."""
    record = records[index]
    if record.primitive.name != "fused":
        return [_formula(records, index)]
    body = record.attrs["body"]
    inputs = ", ".join(records[i].name for i in record.inputs)
    inside = [i for i, r in enumerate(body.records) if r.primitive.name != "placeholder"]
    lines = [f"    {_formula(body.records, i)}" for i in inside]
    return [f"{record.name} = a group of {inputs}:", *lines]


def _formula(records: list[Record], index: int) -> str:
    text = describe_record(records, index).removeprefix("constant = ")
    return f"{records[index].name} = {text}"
