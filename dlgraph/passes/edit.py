"""Editing a graph: how passes write a new graph out of an old one.

Records are immutable and graphs append-only, so a pass collects what should be different: new
records (`add`), and which record stands in place of which (`replace`).  `done` then writes the new
graph: links follow the replacements, what nobody needs any more is left out, and everything is put
in an order in which inputs come before readers, as near to the old order as possible.  The order
of what touches the same variable, or draws from the same stream, never changes.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from dlgraph.core.arrays import read_only
from dlgraph.core.body import Body
from dlgraph.core.graph import Graph
from dlgraph.core.node import Record
from dlgraph.core.primitive import REGISTRY, Primitive
from dlgraph.core.spec import Spec
from dlgraph.passes.base import Change, Job, Rewritten


class Edit:
    """The changes to a graph that a pass collects."""

    def __init__(self, graph: Graph, job: Job):
        self.graph, self.job = graph, job
        self.records: list[Record] = list(graph.records)  # old ones, then new ones
        self.size = len(self.records)
        self.kept = job.kept
        self.changes: list[Change] = []
        self._instead: dict[int, int] = {}
        self._place: list[int] = []  # of new records: the old record beside which they stand
        self._names: set[str] | None = None
        self._rewritten = False

    # ---- looking
    def readers(self) -> list[list[int]]:
        """For every old record, the records that read it (one entry for each link)."""
        found: list[list[int]] = [[] for _ in range(self.size)]
        for index in range(self.size):
            for i in self.records[index].inputs:
                found[i].append(index)
        return found

    def now(self, index: int) -> int:
        """The record that stands in place of this one at the moment."""
        while index in self._instead:
            index = self._instead[index]
        return index

    # ---- changing
    def add(
        self,
        primitive: Primitive,
        inputs: Sequence[int],
        attrs: dict[str, Any] | None = None,
        *,
        of: Sequence[int],
        name: str | None = None,
        spec: Any = None,
        at: int | None = None,
    ) -> int:
        """A new record that stands for the old records `of`; its index.

        Line, role and twin are those of the last of them; so is the name, unless another is
        given.  Its spec is inferred.
        """
        attrs = {} if attrs is None else attrs
        like = self.records[of[-1]]
        if spec is None:
            spec = primitive.infer(*(self.records[i].spec for i in inputs), **attrs)
        origin = origin_of(self.records, of)
        path = like.name if name is None else self._unique(like.name, name)
        self.records.append(
            Record(
                primitive,
                tuple(inputs),
                attrs,
                spec,
                path,
                like.where,
                like.role,
                like.twin,
                like.control if name is None else (),
                origin,
            )
        )
        last = of[-1] if at is None else at
        self._place.append(last if last < self.size else self._place[last - self.size])
        return len(self.records) - 1

    def _unique(self, near: str, name: str) -> str:
        if self._names is None:
            self._names = {record.name for record in self.records}
        scope = near.rpartition("/")[0]
        path = candidate = f"{scope}/{name}" if scope else name
        count = 0
        while candidate in self._names:
            count += 1
            candidate = f"{path}_{count}"
        self._names.add(candidate)
        return candidate

    def replace(self, old: int, new: int) -> None:
        """From now on `new` stands where `old` stood."""
        if self.now(new) != old:
            self._instead[old] = new

    def rewrite(self, index: int, **changes: Any) -> None:
        """Change facts of a record that stays what it is: its spec, its attributes ..."""
        self.records[index] = self.records[index]._replace(**changes)
        self._rewritten = True

    def note(
        self, kind: str, rule: str, before: Iterable[int], after: Iterable[int] = (), why: str = ""
    ) -> None:
        """Put a change into the report."""
        self.changes.append(Change(kind, rule, before, after, why))

    # ---- the new graph
    def used(self) -> set[int]:
        """What the fetches, watched nodes and feeds need, as things stand."""
        return set(self._live(self._resolved()))

    def done(self, fresh: bool = False, order: list[int] | None = None) -> Rewritten:
        """The graph with all changes made; the old one if there are none.

        `fresh` makes the given graph the one that origins refer to; `order` puts the old
        records into another order.
        """
        if not (
            fresh or order or self._instead or self._rewritten or len(self.records) > self.size
        ):
            return Rewritten(self.graph)
        resolved = self._resolved()
        live = self._live(resolved)
        order = order or self._ordered(live, resolved)
        position = {index: k for k, index in enumerate(order)}
        moved = {i: position[resolved(i)] for i in range(self.size) if resolved(i) in position}
        made = derived(self.graph)
        made.records = [self._written(i, resolved, position, fresh) for i in order]
        own_copies(made.records)
        finish(made, self.graph, moved)
        return Rewritten(made, moved, tuple(self._settled(made.records, resolved, position)))

    def _settled(
        self, made: list[Record], resolved: Any, position: dict[int, int]
    ) -> Iterator[Change]:
        """The changes that lasted, in terms of the two graphs."""
        sizes = self.job.sizes(self.graph.records)
        for change in self.changes:
            after = [position[resolved(i)] for i in change.after_indices if resolved(i) in position]
            if after or not change.after_indices:
                change.before_indices = tuple(i for i in change.before_indices if i < self.size)
                change.settle(self.graph.records, made, after, sizes)
                yield change

    def _resolved(self) -> Any:
        instead = self._instead
        if not instead:
            return lambda index: index
        for start in list(instead):
            instead[start] = self.now(start)
        get = instead.get
        return lambda index: get(index, index)

    def _live(self, resolved: Any) -> list[int]:
        seen: set[int] = set()
        stack = [resolved(i) for i in (*self.kept, *self.job.feeds)]
        records = self.records
        while stack:
            index = stack.pop()
            if index in seen:
                continue
            seen.add(index)
            record = records[index]
            stack.extend(resolved(i) for i in record.inputs)
            stack.extend(resolved(i) for i in record.control)
        return sorted(seen)

    def _ordered(self, live: list[int], resolved: Any) -> list[int]:
        size, place, records = self.size, self._place, self.records
        key = {i: (i, 1, 0) if i < size else (place[i - size], 0, i) for i in live}
        live.sort(key=key.__getitem__)
        seen: set[int] = set()
        for index in live:
            record = records[index]
            if any(resolved(i) not in seen for i in (*record.inputs, *record.control)):
                return self._sorted(live, key, resolved)
            seen.add(index)
        return live

    def _sorted(self, live: list[int], key: dict[int, Any], resolved: Any) -> list[int]:
        """Kahn's algorithm; of all that is ready, what stood first comes first."""
        before = constraints(self.records, live)
        for index in live:
            record = self.records[index]
            before[index].update(resolved(i) for i in (*record.inputs, *record.control))
        after: dict[int, list[int]] = {i: [] for i in live}
        waits = {}
        for index, needs in before.items():
            waits[index] = len(needs)
            for i in needs:
                after[i].append(index)
        ready = [(key[i], i) for i in live if not waits[i]]
        heapq.heapify(ready)
        order = []
        while ready:
            _, index = heapq.heappop(ready)
            order.append(index)
            for i in after[index]:
                waits[i] -= 1
                if not waits[i]:
                    heapq.heappush(ready, (key[i], i))
        if len(order) < len(live):
            raise Cycle("the rewritten nodes would need each other")
        return order

    def _written(self, index: int, resolved: Any, position: dict[int, int], fresh: bool) -> Record:
        record = self.records[index]
        twin = record.twin
        return Record(
            record.primitive,
            tuple([position[resolved(i)] for i in record.inputs]),
            record.attrs,
            record.spec,
            record.name,
            record.where,
            record.role,
            None if twin is None else position.get(resolved(twin)),
            tuple(sorted({position[resolved(i)] for i in record.control})),
            (index,) if fresh else record.origin or (index,),
        )


def op(name: str) -> Primitive:
    """A primitive by its name."""
    return REGISTRY[name]


def constant(edit: Edit, index: int, value: Any, name: str | None = None) -> int:
    """A constant that stands for a node, or beside it if it has a name of its own."""
    spec = Spec(value.shape, value.dtype)
    attrs = {"value": read_only(value)}
    return edit.add(op("constant"), (), attrs, of=[index], spec=spec, name=name)


class Cycle(Exception):
    """A rewrite would make nodes need each other; the pass that tried leaves them as they are."""


# What another holds (a feed, a constant, a view of it) must not become a variable's own array.
HELD = ("state", "view", "index", "control")


def own_copies(records: list[Record]) -> None:
    """Let every assignment copy a value that, after the rewrite, somebody else holds too."""
    taken: set[int] = set()
    for index, record in enumerate(records):
        if record.primitive.name == "assign" and not record.attrs["copy"]:
            value = record.inputs[1]
            if value in taken or records[value].primitive.kind in HELD:
                records[index] = record._replace(attrs={**record.attrs, "copy": True})
            taken.add(value)


def derived(source: Graph) -> Graph:
    """An empty graph that takes the place of another one."""
    made = Graph(source.name)
    made._startup = source._startup
    return made


def finish(made: Graph, source: Graph, moved: dict[int, int]) -> None:
    """Fill in what a graph knows beside its records."""
    made._index = {record.name: i for i, record in enumerate(made.records)}
    made._count = dict(source._count)
    made._variables = {key: moved[i] for key, i in source._variables.items() if i in moved}
    made.recorded = {moved[i]: t for i, t in source.recorded.items() if i in moved}


def origin_of(records: Sequence[Record], of: Iterable[int]) -> tuple[int, ...]:
    """The nodes of the user's graph that these records stand for, together."""
    found: dict[int, None] = {}
    for i in of:
        found.update(dict.fromkeys(records[i].origin or (i,)))
    return tuple(found)


def constraints(records: Sequence[Record], live: Iterable[int]) -> dict[int, set[int]]:
    """What must run before what, because both touch one variable or draw from one stream."""
    before: dict[int, set[int]] = {i: set() for i in live}
    last_write: dict[int, int] = {}
    reads: dict[int, list[int]] = {}
    for index in before:
        for touched, writes in touches(records[index]):
            if writes:
                before[index].update(reads.pop(touched, ()))
                if touched in last_write:
                    before[index].add(last_write[touched])
                last_write[touched] = index
            else:
                reads.setdefault(touched, []).append(index)
                if touched in last_write:
                    before[index].add(last_write[touched])
        before[index].discard(index)
    return before


def touches(record: Record) -> list[tuple[int, bool]]:
    """What a record reads (False) or changes (True) beside its inputs: tensors and streams."""
    name = record.primitive.name
    if name == "variable":
        return [(id(record.attrs["tensor"]), False)]
    if name == "next_key":
        return [(id(record.attrs["stream"]), True)]
    found = []
    if record.primitive.effect and "tensor" in record.attrs:
        found.append((id(record.attrs["tensor"]), True))
    for value in record.attrs.values():
        if isinstance(value, Body):
            for inner in value.records:
                found += touches(inner)
    return found


def pure(record: Record) -> bool:
    """Does its value depend on its inputs only, and does it change nothing?"""
    primitive = record.primitive
    if primitive.effect or primitive.name in _NOT_PURE:
        return False
    return primitive.kind != "control" or not touches(record)


_NOT_PURE = frozenset(("placeholder", "variable", "next_key"))
