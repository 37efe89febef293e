"""The memory plan: how long every value lives, and which of them can share memory.

Liveness counts the reads of all views of a value.  In this order: what nobody reads is dropped;
the parts of a concatenation are computed where the whole will be; a new parameter value is
computed where the parameter lives, once nobody reads the old one; an element-wise result takes
over the memory of an input that dies; all others get the smallest gap of the arena that they fit
into.  Weights, feeds, constants and fetched values are never overwritten.  Next: `bound.py`.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import defaultdict
from collections.abc import Sequence

from dlgraph.executors.draft import FOREVER, Draft, Retry, Root
from dlgraph.executors.layout import contiguous
from dlgraph.executors.plan import Block, Instruction, Place
from dlgraph.executors.products import writer_of

ALIGNMENT = 64
CHECKING = ("softmax_cross_entropy", "cross_entropy_from_sums")  # say which label is wrong
_PURE = {"ufunc", "product", "view", "copy", "call_out"}


def arrange(draft: Draft) -> tuple[list[Block], int]:
    """Give every root its memory; the blocks of the arena, and its size."""
    _drop_unread(draft)
    _measure_lives(draft)
    _check_versions(draft)
    joined = _join_parts(draft)
    _update_in_place(draft)
    return _fill_arena(draft, joined)


def _drop_unread(draft: Draft) -> None:
    wanted = {p.buffer for p in draft.fetched()}
    relied: set[Place | None] = set()  # labels that somebody has to check
    kept: list[Instruction] = []
    for step in reversed(draft.steps):
        out = step.output
        unread = step.kind in _PURE and out is not None and out.buffer not in wanted
        if unread and not (step.primitive.name in CHECKING and step.inputs[-1] in relied):
            continue
        if "checked" in step.facts:
            relied.add(step.inputs[1])
        kept.append(step)
        wanted.update(p.buffer for p in draft.read(step))
    draft.steps = kept[::-1]


def _measure_lives(draft: Draft) -> None:
    roots = draft.roots
    for number, step in enumerate(draft.steps):
        if step.output is not None:
            root = roots[step.output.buffer]
            if step.kind != "view" or (root.kind == "slots" and root.first < 0):
                root.first = number
        for place in (*draft.read(step), *step.scratch):
            roots[place.buffer].last = number
    for place in draft.fetched():
        roots[place.buffer].last = FOREVER
    for root in reversed(roots):  # what was kept was made before
        root.last = max(root.last, root.first)
        for kept in root.keeps:
            roots[kept].last = max(roots[kept].last, root.last)


def _assignments(draft: Draft) -> dict[int, list[int]]:
    """By tensor: the instructions that assign to it."""
    found: dict[int, list[int]] = defaultdict(list)
    for number, step in enumerate(draft.steps):
        if step.kind == "effect" and step.output is not None and "tensor" in step.attrs:
            found[id(step.attrs["tensor"])].append(number)
    return found


def _check_versions(draft: Draft) -> None:
    """A variable that is still read after an assignment to it must be copied where it is read."""
    assigned = _assignments(draft)
    copied: set[int] = set()
    for root in draft.roots:
        if root.kind == "slots":
            later = [n for key in root.source for n in assigned.get(key, ()) if n > root.first]
            if later and root.last > min(later):
                copied.add(root.record)
    if copied:
        raise Retry(copied, set())


def _join_parts(draft: Draft) -> dict[int, int]:
    """Compute the parts of a concatenation in their places; the number of joined roots by root."""
    joined: dict[int, int] = defaultdict(int)
    for number, step in enumerate(draft.steps):
        out = step.output
        if step.primitive.name != "concatenate" or step.kind != "call_out" or out is None:
            continue
        whole = draft.roots[out.buffer]
        axis = step.attrs["axis"] % max(len(out.shape), 1)
        if any(size != 1 for size in out.shape[:axis]) or out.offset or whole.parent is not None:
            continue
        shift = 0
        for place in step.inputs:
            assert place is not None
            part = draft.roots[place.buffer]
            if _can_move(draft, part, place, number, joined):
                part.parent, part.shift = whole, shift
                whole.first = min(whole.first, part.first)
                whole.last = max(whole.last, part.last)
                whole.records += part.records
                joined[whole.number] += 1
            shift += place.bytes
    return joined


def _can_move(draft: Draft, part: Root, place: Place, number: int, joined: dict) -> bool:
    return (
        part.kind == "arena"
        and part.parent is None
        and not joined.get(part.number)
        and part.size == place.bytes > 0
        and place.offset == 0
        and 0 <= part.first < number
        and contiguous(place.shape, place.strides or (), place.dtype.itemsize)
    )


def _update_in_place(draft: Draft) -> None:
    """Compute what is assigned where it is assigned to, if the old value is not read any more."""
    assigned = _assignments(draft)
    groups: dict[int, list[Instruction]] = defaultdict(list)
    for step in draft.steps:
        if step.kind == "effect" and step.output is not None and len(step.inputs) == 2:
            value = step.inputs[1]
            if value is not None and draft.roots[value.buffer].kind == "arena":
                groups[value.buffer].append(step)
    for number, steps in groups.items():
        root = draft.roots[number]
        single = all(len(assigned[id(step.attrs["tensor"])]) == 1 for step in steps)
        if root.parent is None and single and _covered(draft, root, steps):
            end = max(assigned[id(step.attrs["tensor"])][0] for step in steps)
            _move_into_store(draft, root, steps, end)


def _covered(draft: Draft, root: Root, steps: list[Instruction]) -> bool:
    """Is the whole root assigned, piece by piece, to one stretch of a store?"""
    shifts, stores, total = set(), set(), 0
    for step in steps:
        value, slot = step.inputs[1], draft.slots.get(id(step.attrs["tensor"]))
        if value is None or slot is None or value.dtype != slot.dtype:
            return False
        if not contiguous(value.shape, value.strides or (), value.dtype.itemsize):
            return False
        shifts.add(slot.offset - value.offset)
        stores.add(slot.buffer)
        total += value.bytes
    return len(shifts) == len(stores) == 1 and total == root.size


def _move_into_store(draft: Draft, root: Root, steps: list[Instruction], end: int) -> None:
    first = draft.slots[id(steps[0].attrs["tensor"])]
    store = draft.roots[first.buffer]
    assert steps[0].inputs[1] is not None
    shift = first.offset - steps[0].inputs[1].offset
    tensors = {id(step.attrs["tensor"]) for step in steps}
    results = {step.output.buffer for step in steps if step.output is not None}
    maker = draft.steps[root.first]
    for old in draft.roots:
        if old.kind != "slots" or old.first >= end or tensors.isdisjoint(old.source):
            continue
        if old.number in results:
            continue
        if old.last > root.first:
            return
        if old.last == root.first and not _same_elements(draft, maker, root, old, shift):
            return
    root.parent, root.shift = store, shift


def _same_elements(draft: Draft, step: Instruction, root: Root, old: Root, shift: int) -> bool:
    """Does the step read, of what it overwrites, each element only for its own result?"""
    out = step.output
    if out is None or out.buffer != root.number or out.offset:
        return False
    free = _may_lie_in(step)
    for position, place in enumerate(step.inputs):
        if place is not None and place.buffer == old.number:
            if position not in free:
                return False
            if old.whole()[1] + place.offset != shift:
                return False
            if (place.shape, place.strides) != (out.shape, out.strides):
                return False
    return True


def _may_lie_in(step: Instruction) -> Sequence[int]:
    """Positions of the inputs, no element of which is read after that of the result is written."""
    if step.in_place is not None:  # promised by the executor's own code
        return (step.in_place,)
    if step.kind == "call_out":
        writer = writer_of(step.primitive)
        return () if writer is None else writer.in_place
    return range(len(step.inputs)) if step.kind == "ufunc" else ()


# ---- the arena -----------------------------------------------------------------------------------


class Gaps:
    """The free stretches of the arena; the smallest that fits is taken."""

    def __init__(self) -> None:
        self.end = 0
        self._by_size: list[tuple[int, int]] = []
        self._start: dict[int, int] = {}  # offset -> size
        self._stop: dict[int, int] = {}  # end -> offset

    def take(self, size: int) -> int:
        """The offset of a stretch of this size."""
        at = bisect_left(self._by_size, (size, -1))
        if at == len(self._by_size):
            last = self._stop.get(self.end)
            offset = self.end if last is None else last
            if last is not None:
                self._forget(last)
            self.end = offset + size
            return offset
        found, offset = self._by_size[at]
        self._forget(offset)
        if found > size:
            self._note(offset + size, found - size)
        return offset

    def give(self, offset: int, size: int) -> None:
        """Return a stretch; neighbours grow together."""
        after = self._start.get(offset + size)
        if after is not None:
            self._forget(offset + size)
            size += after
        before = self._stop.get(offset)
        if before is not None:
            size += self._start[before]
            self._forget(before)
            offset = before
        self._note(offset, size)

    def _note(self, offset: int, size: int) -> None:
        insort(self._by_size, (size, offset))
        self._start[offset] = size
        self._stop[offset + size] = offset

    def _forget(self, offset: int) -> None:
        size = self._start.pop(offset)
        del self._stop[offset + size]
        del self._by_size[bisect_left(self._by_size, (size, offset))]


def _fill_arena(draft: Draft, joined: dict[int, int]) -> tuple[list[Block], int]:
    gaps = Gaps()
    blocks: list[_Open] = []
    block_of: dict[int, _Open] = {}
    ending: dict[int, list[_Open]] = defaultdict(list)
    for number, step in enumerate(draft.steps):
        made = [] if step.output is None or step.kind == "view" else [step.output]
        for place in (*step.scratch, *made):
            root, _ = draft.roots[place.buffer].whole()
            if root.kind != "arena" or root.number in block_of:
                continue
            taken = _taken_over(draft, number, step, root, block_of, joined)
            if taken is None:
                size = -(-max(root.size, 1) // ALIGNMENT) * ALIGNMENT
                block = _Open(gaps.take(size), size, number)
                blocks.append(block)
            else:
                position, block = taken
                draft.steps[number] = step._replace(in_place=position)
            block.last = root.last
            block.records += root.records
            ending[root.last].append(block)
            block_of[root.number] = block
            root.offset = block.offset
        for block in ending.pop(number, ()):
            if block.last == number:
                gaps.give(block.offset, block.size)
    end = max(len(draft.steps) - 1, 0)
    shown = [
        Block(b.offset, b.size, b.first, min(b.last, end), tuple(dict.fromkeys(b.records)))
        for b in blocks
    ]
    return shown, gaps.end


class _Open:
    # A block while the arena is being filled: it may be handed on to another value.
    __slots__ = ("first", "last", "offset", "records", "size")

    def __init__(self, offset: int, size: int, first: int):
        self.offset, self.size, self.first, self.last = offset, size, first, first
        self.records: list[int] = []


def _taken_over(
    draft: Draft,
    number: int,
    step: Instruction,
    root: Root,
    block_of: dict[int, _Open],
    joined: dict[int, int],
) -> tuple[int, _Open] | None:
    """An input that dies here and whose memory an element-wise result can take over."""
    out = step.output
    if out is None or out.buffer != root.number or joined.get(root.number):
        return None
    if out.size == 1:  # NumPy is three times as slow when it would read what it writes
        return None
    free = _may_lie_in(step)
    for position in free:
        place = step.inputs[position]
        if place is None:
            continue
        old = draft.roots[place.buffer]
        if (
            old.kind == "arena"
            and old.parent is None
            and old.last == number
            and old.size == root.size
            and (place.offset, place.shape, place.strides) == (0, out.shape, out.strides)
            and place.dtype.itemsize == out.dtype.itemsize
            and all(
                p == place and k in free
                for k, p in enumerate(step.inputs)
                if p is not None and p.buffer == place.buffer
            )
        ):
            return position, block_of[old.number]
    return None
