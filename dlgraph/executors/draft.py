"""A plan in the making: instructions, and the memory behind their values, not yet placed.

While a plan is drafted, the `buffer` of a place is the number of a `Root`: memory that one
instruction fills and that all views of it share.  `memory.py` decides where roots lie.
"""

from __future__ import annotations

from typing import Any

from dlgraph.core.graph import Graph
from dlgraph.executors.plan import Instruction, Place

FOREVER = 1 << 60


class Root:
    """Memory of one value and its views.

    `kind` is that of a buffer (see `plan.Buffer`), or `slots`: a stretch of the parameter memory
    as it is until one of its tensors is assigned.  `first` and `last` are the instructions that
    fill it and read it last.  A root with a `parent` lies in it, `shift` bytes from its start.
    """

    __slots__ = (
        "first",
        "keeps",
        "kind",
        "last",
        "number",
        "offset",
        "parent",
        "record",
        "records",
        "shift",
        "size",
        "source",
    )

    def __init__(self, number: int, kind: str, size: int, source: Any, record: int):
        self.number, self.kind, self.size, self.source = number, kind, size, source
        self.record = record
        self.records: list[int] = [] if record < 0 else [record]
        self.first = self.last = -1
        self.parent: Root | None = None
        self.shift = 0
        self.offset = -1  # in the arena, once it is placed
        self.keeps: tuple[int, ...] = ()  # roots that a call may have returned a part of

    def whole(self) -> tuple[Root, int]:
        """The outermost root that this one lies in, and where."""
        root, shift = self, 0
        while root.parent is not None:
            shift += root.shift
            root = root.parent
        return root, shift


class Draft:
    """Instructions and roots, in the order in which they were made."""

    def __init__(self, graph: Graph, fetches: tuple[int, ...]):
        self.graph = graph
        self.fetches = fetches
        self.steps: list[Instruction] = []
        self.roots: list[Root] = []
        self.places: dict[int, Place] = {}  # of the records that have a value
        self.stores: dict[Any, Root] = {}  # the parameter memory, by dtype
        self.slots: dict[int, Place] = {}  # of the tensors in it, by id

    def root(self, kind: str, size: int, source: Any = None, record: int = -1) -> Root:
        """A new root."""
        made = Root(len(self.roots), kind, size, source, record)
        self.roots.append(made)
        return made

    def read(self, step: Instruction) -> list[Place]:
        """The places whose elements an instruction reads."""
        primitive, inputs = step.primitive, step.inputs
        skipped = primitive.shape_only + primitive.unused
        if not skipped or step.kind == "copy":
            return [p for p in inputs if p is not None]
        names = primitive.inputs
        return [
            p
            for p, name in zip(inputs, names, strict=True)
            if p is not None and name not in skipped
        ]

    def fetched(self) -> list[Place]:
        """The places of the fetches that have a value."""
        return [self.places[i] for i in self.fetches if i in self.places]


class Retry(Exception):
    """The draft must be made again, with something decided otherwise."""

    def __init__(self, copied: set[int], loose: set[int]):
        super().__init__()
        self.copied, self.loose = copied, loose


class NoPlan(Exception):
    """These values cannot be planned; the interpreter runs them (and says what is wrong).

    `passing` says that it may be otherwise at the next run.
    """

    def __init__(self, why: str, passing: bool = False):
        super().__init__(why)
        self.passing = passing
