"""A plan: what will run, in which order, and where every value lives.

The lowering (`lowering.py`) makes a plan from a graph whose sizes are known; an executor runs it
(`planned.py` with NumPy, `fast/` with compiled code).  A plan is plain data: everything in it is
concrete, so it can be printed, drawn, checked, and compiled.  Next: `memory.py`, `lowering.py`.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from dlgraph.core.graph import Graph
from dlgraph.core.primitive import Primitive
from dlgraph.passes.cost import show_bytes


class Place(NamedTuple):
    """Where a value lives: a view of a buffer.

    `offset` and `strides` count bytes.  `strides` is None if only the run will tell: for what a
    call returns in a layout that nobody promised (its `shape` may then be unknown too).
    """

    buffer: int
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...] | None
    dtype: np.dtype

    @property
    def size(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)

    @property
    def bytes(self) -> int:
        """Bytes of the elements, gaps between them not counted."""
        return self.size * self.dtype.itemsize

    @property
    def known(self) -> bool:
        """Is the layout known before the run?"""
        return self.strides is not None

    @property
    def contiguous(self) -> bool:
        """Do the elements lie in the order of their indices, without gaps?"""
        return self.strides == strides_of(self.shape, self.dtype.itemsize)


class Buffer(NamedTuple):
    """Memory, or the place where the memory of a run will be bound.

    | kind | memory | source |
    |---|---|---|
    | `arena` | one block, owned by the executor | None |
    | `parameter` | flat storage of what the plan assigns to | a tuple of `Slot` |
    | `variable` | a tensor's array that the plan only reads | the tensor |
    | `constant` | an array that never changes | the array |
    | `feed` | bound at each run, never written | the index of the record that is fed |
    | `made` | what a call returns, bound when it runs | the index of the record |
    """

    kind: str
    size: int  # bytes; 0 if not known
    source: Any = None


class Slot(NamedTuple):
    """A tensor in a `parameter` buffer."""

    tensor: Any
    offset: int
    shape: tuple[int, ...]
    dtype: np.dtype


class Instruction(NamedTuple):
    """One step of a plan.

    | kind | what runs |
    |---|---|
    | `ufunc` | the NumPy function `primitive.ufunc` on the inputs, into `output` |
    | `product` | `matmul` (or `gemm`) into `output` |
    | `call_out` | `primitive.into`, which writes to `output` |
    | `call` | `primitive.forward` as it is; the result is bound to `output` |
    | `view` | nothing, if the memory of the input is fixed; else the view is made anew |
    | `effect` | `primitive.forward` for its effect, or the assignment of a value in place |
    | `copy` | the elements of the first input, in their order, into `output` |

    An input is None if the run does not read it (`primitive.unused`).  Of the inputs named in
    `primitive.shape_only` only shape and dtype may be read: their memory may hold something else.
    `in_place` is the position of an input whose memory `output` takes over.  `scratch` is memory
    that the step may use while it runs.  `facts` are what a writer may rely on besides: `checked`
    labels, a `loose` last bit; `placed` is a call for which the executor has code of its own.
    """

    record: int
    primitive: Primitive
    attrs: dict[str, Any]
    inputs: tuple[Place | None, ...]
    output: Place | None
    kind: str
    in_place: int | None = None
    scratch: tuple[Place, ...] = ()
    facts: tuple[str, ...] = ()


class Timing(NamedTuple):
    """A part of one run: the records it computes, when it began, how long it took (seconds).

    `label` stands for a compiled group instead of the record's operation; `memory` is the bytes of
    all values after it, if that is known.
    """

    records: tuple[int, ...]
    start: float
    seconds: float
    label: str = ""
    memory: int | None = None


class Block(NamedTuple):
    """A stretch of the arena, from the instruction that fills it to the last that reads it."""

    offset: int
    size: int
    first: int
    last: int
    records: tuple[int, ...]  # the nodes that live in it, one after the other or as views


class Made(NamedTuple):
    """What a call takes beside the arena: for its result, and while it runs.

    The call is the instruction `first`; its result, of `size` bytes, is read by the instruction
    `last` for the last time.  It may be a part of others, which it `keeps` (their places in
    `Plan.made`).  `held` is None as long as only the run can tell.
    """

    record: int
    first: int
    last: int
    size: int
    held: int | None = 0
    keeps: tuple[int, ...] = ()


class Plan(NamedTuple):
    """Everything an executor needs.

    `feeds` and `fetches` are indices of records of `graph`; `places` says where the value of
    a record is when it has been computed (a fetched value is not overwritten).  `peak` is what the
    computed values need at once, in bytes; `naive_peak` what they would need if each had
    memory of its own until the end.  (The copies of fetched values that a run hands out are not
    counted: they are the caller's.  What an operation of your own holds while it runs is known once
    it ran.)
    """

    graph: Graph
    instructions: tuple[Instruction, ...]
    buffers: tuple[Buffer, ...]
    feeds: tuple[int, ...]
    fetches: tuple[int, ...]
    places: dict[int, Place]
    blocks: tuple[Block, ...]
    made: tuple[Made, ...]
    naive: int  # bytes of all values of the arena, without reuse

    @property
    def peak(self) -> int:
        """Bytes that the computed values need at once."""
        last = [made.last for made in self.made]
        change = [0] * (len(self.instructions) + 2)
        for k in reversed(range(len(last))):  # what is kept was made before
            made = self.made[k]
            for kept in made.keeps:
                last[kept] = max(last[kept], last[k])
            change[made.first] += made.size + (made.held or 0)
            change[made.first + 1] -= made.held or 0
            change[last[k] + 1] -= made.size
        return self.buffers[0].size + max(itertools.accumulate(change))

    @property
    def naive_peak(self) -> int:
        """Bytes that they would need if each had memory of its own until the end."""
        return self.naive + sum(made.size for made in self.made)

    def __str__(self) -> str:
        return "\n".join([_title(self), *_table(self)])

    def __repr__(self) -> str:
        return f"<Plan of {len(self.instructions)} instructions, peak {show_bytes(self.peak)}>"


def strides_of(shape: Sequence[int], itemsize: int) -> tuple[int, ...]:
    """The strides of an array whose elements lie in the order of their indices.

    >>> from dlgraph.executors.plan import strides_of
    >>> strides_of((2, 3, 4), 4)
    (48, 16, 4)
    """
    strides, step = [], itemsize
    for size in reversed(shape):
        strides.append(step)
        step *= max(size, 1)
    return tuple(reversed(strides))


def _title(plan: Plan) -> str:
    count = len(plan.instructions)
    return (
        f"plan of {count} instruction{'s' * (count != 1)}: peak {show_bytes(plan.peak)}, "
        f"without reuse {show_bytes(plan.naive_peak)}"
    )


def _table(plan: Plan) -> list[str]:
    records = plan.graph.records
    rows = [("buffer", "bytes", "when", "nodes")]
    for kind, size, source in plan.buffers:
        if kind == "parameter":
            names = [_tensor_name(slot.tensor) for slot in source]
            rows.append((kind, show_bytes(size), "always", _shortened(names)))
        elif kind == "variable":
            rows.append((kind, show_bytes(size), "always", _tensor_name(source)))
        elif kind == "feed":
            rows.append((kind, show_bytes(size), "fed", records[source].name))
        elif kind == "made":
            rows.append((kind, show_bytes(size) if size else "?", "made", records[source].name))
    for block in plan.blocks:
        names = [records[i].name for i in block.records]
        when = f"{block.first}-{block.last}" if block.last > block.first else str(block.first)
        rows.append((f"arena+{block.offset}", show_bytes(block.size), when, _shortened(names)))
    widths = [max(len(row[k]) for row in rows) for k in range(3)]
    return [
        f"  {a:<{widths[0]}}  {b:>{widths[1]}}  {c:<{widths[2]}}  {d}".rstrip()
        for a, b, c, d in rows
    ]


def _tensor_name(tensor: Any) -> str:
    return tensor.name or type(tensor).__name__.lower()


def _shortened(names: Sequence[str], most: int = 6) -> str:
    shown = list(names)
    if len(shown) > most:
        shown = [*shown[: most - 1], f"... ({len(names)} in all)"]
    return ", ".join(shown)
