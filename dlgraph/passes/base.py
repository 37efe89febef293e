"""What a pass is: a function from graph to graph that says what it did.

A pass gets a `Graph` and a `Job` (what is fetched, what is fed, in which shapes, how exact the
answer must be) and gives back another graph, where each old node went, and a list of changes.
It never touches the graph that it was given.  Every record of the new graph names in `origin` the
records of the user's graph that it stands for, so that pictures and errors lead back to the line
that the user wrote.  Next: `edit.py`, with which passes are written, and `manager.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from dlgraph.core.graph import Graph
from dlgraph.core.node import Record
from dlgraph.core.spec import Dim, Spec
from dlgraph.core.where import Where
from dlgraph.passes.cost import NOTHING, Cost, cost_of

TARGETS = ("interpreter", "planned", "fast", "gpu")


class Job(NamedTuple):
    """What a graph is optimised for; nodes are given by their index.

    `specs` are the specs of the feeds, in their order, if they are known; `exact` demands the
    same bits as before; `target` is the executor that will run the graph; `watched` are nodes
    whose values somebody looks at, although they are not fetched; `memory_budget` is in bytes.

    >>> import dlgraph as dg
    >>> dg.passes.Job(fetches=(3, 4), watched=frozenset([2])).kept
    {2, 3, 4}
    """

    fetches: tuple[int, ...]
    feeds: tuple[int, ...] = ()
    specs: tuple[Any, ...] | None = None
    exact: bool = True
    target: str = "planned"
    memory_budget: int | None = None
    watched: frozenset[int] = frozenset()

    @property
    def kept(self) -> set[int]:
        """Nodes whose values must come out as they are: fetched, or watched."""
        return {*self.fetches, *self.watched}

    def moved(self, moved: Mapping[int, int] | None) -> Job:
        """The same job for the graph that a pass made."""
        if moved is None:
            return self
        return self._replace(
            fetches=tuple(moved[i] for i in self.fetches),
            feeds=tuple(moved[i] for i in self.feeds),
            watched=frozenset(moved[i] for i in self.watched),
        )

    def sizes(self, records: Sequence[Record]) -> dict[Dim, int]:
        """What the unknown sizes turn out to be, as far as the feeds tell."""
        found: dict[Dim, int] = {}
        for index, spec in zip(self.feeds, self.specs or (), strict=False):
            for dim, size in zip(records[index].spec.shape, spec.shape, strict=False):
                if isinstance(dim, Dim) and isinstance(size, int):
                    found[dim] = size
        return found


class Change:
    """One thing that a pass did: `kind` is removed, added, merged, fused or replaced.

    `rule` names what was applied and `reason` says why in words; `before` and `after` are the
    names of the nodes concerned, `where` is the user's line that made the first of them, and
    `saved` what it costs less (negative if it costs more).

    >>> import dlgraph as dg
    >>> with dg.Graph().as_default() as g:
    ...     x = dg.placeholder((4,), name="x")
    ...     y = dg.exp(x) * (dg.exp(x) + 1.0)
    >>> change = dg.passes.PassManager().run(g, y, [x]).reports[0].changes[0]
    >>> change.kind, change.rule, change.before, change.after, change.saved.flops
    ('merged', 'cse', ('exp', 'exp_1'), ('exp',), 40)
    """

    __slots__ = (
        "_new",
        "_old",
        "_sizes",
        "after_indices",
        "before_indices",
        "kind",
        "reason",
        "rule",
    )

    def __init__(
        self,
        kind: str,
        rule: str,
        before: Iterable[int],
        after: Iterable[int] = (),
        reason: str = "",
    ):
        self.kind, self.rule, self.reason = kind, rule, reason
        self.before_indices, self.after_indices = tuple(before), tuple(after)
        self._old: Sequence[Record] = ()
        self._new: Sequence[Record] = ()
        self._sizes: Mapping[Dim, int] = {}

    def settle(
        self,
        old: Sequence[Record],
        new: Sequence[Record],
        after: Iterable[int],
        sizes: Mapping[Dim, int],
    ) -> None:
        """Called when the pass is done: the records before and after, of which it speaks."""
        self._old, self._new, self._sizes = old, new, sizes
        self.after_indices = tuple(after)

    @property
    def before(self) -> tuple[str, ...]:
        """Names of the nodes that the change took away or rewrote."""
        return tuple(self._old[i].name for i in self.before_indices)

    @property
    def after(self) -> tuple[str, ...]:
        """Names of the nodes that stand in their place."""
        return tuple(self._new[i].name for i in self.after_indices)

    @property
    def where(self) -> Where | None:
        """The user's line."""
        lines = (self._old[i].where for i in self.before_indices)
        return next((line for line in lines if line is not None), None)

    @property
    def saved(self) -> Cost:
        """Floating point operations and bytes moved that a run is spared."""
        gone = () if self.kind == "added" else self.before_indices
        return total(self._old, gone, self._sizes) - total(
            self._new, self.after_indices, self._sizes
        )

    @property
    def flops(self) -> int:
        """Floating point operations saved."""
        return self.saved.flops

    @property
    def bytes(self) -> int:
        """Bytes saved that would be read and written."""
        return self.saved.bytes

    def __str__(self) -> str:
        text = f"{self.kind} {_some(self.before)}{self._became()}"
        text += f": {self.reason}" if self.reason else f" ({self.rule})"
        saved = self.saved.text()
        text += f"  [{saved}]" if saved else ""
        return text + (f"\n    at {self.where}" if self.where else "")

    def _became(self) -> str:
        if not self.after_indices:
            return ""
        if self.before != self.after:
            return f" -> {_some(self.after)}"
        old, new = self._old[self.before_indices[0]], self._new[self.after_indices[0]]
        return f" ({old.primitive.name} -> {new.primitive.name})"

    def __repr__(self) -> str:
        return f"<Change {self.kind} by {self.rule}: {_some(self.before)} -> {_some(self.after)}>"


def _some(names: Sequence[str], most: int = 3) -> str:
    shown = ", ".join(names[:most]) or "nothing"
    return shown + (f" and {len(names) - most} more" if len(names) > most else "")


def total(records: Sequence[Record], indices: Iterable[int], sizes: Mapping[Dim, int]) -> Cost:
    """What these records cost together, when a plan runs them.

    Values that are joined along the first axis are computed side by side: joining costs nothing.
    """
    found = NOTHING
    for i in indices:
        if records[i].primitive.name == "concatenate" and not records[i].attrs["axis"]:
            continue
        found = found + cost_of(records[i], [records[k].spec for k in records[i].inputs], sizes)
    return found


class Rewritten(NamedTuple):
    """What a pass gives back.

    `moved` says where each surviving or replaced node is now; it is None, and `graph` the graph
    that was given, if there was nothing to do.

    >>> import dlgraph as dg
    >>> with dg.Graph().as_default() as g:
    ...     x = dg.placeholder((), name="x")
    ...     unused, y = dg.exp(x), dg.tanh(x)
    >>> rewritten = dg.passes.Prune().run(g, dg.passes.Job((y.index,), (x.index,)))
    >>> rewritten.graph, rewritten.moved
    (<Graph with 2 nodes>, {0: 0, 2: 1})
    """

    graph: Graph
    moved: dict[int, int] | None = None
    changes: tuple[Change, ...] = ()


class Pass:
    """Base of the passes.  A subclass states the facts below and writes `run`.

    `level` is the level of the manager from which on it runs, `exact` says whether it keeps
    every bit, `targets` are the executors that it is meant for, and `tolerance` is what a check
    allows a pass that is not exact, relative to the largest element (None: rounding only).

    >>> import dlgraph as dg
    >>> class Nothing(dg.passes.Pass):
    ...     name, exact = "nothing", True
    ...     def run(self, graph, job):
    ...         return dg.passes.Rewritten(graph)
    >>> with dg.Graph().as_default() as g:
    ...     y = dg.placeholder((), name="x") + 1.0
    >>> print(dg.passes.PassManager(passes=[Nothing()]).run(g, y, ["x"]).report)
    passes: 3 nodes before, 3 after
    """

    name: str = "pass"
    exact: bool = True
    level: int = 1
    targets: tuple[str, ...] = TARGETS
    tolerance: float | None = None

    def wanted(self, job: Job) -> bool:
        """Does it apply to this job at all?"""
        return job.target in self.targets and (self.exact or not job.exact)

    def keeps_bits(self, job: Job) -> bool:
        """Does it keep every bit in this job?  (Some have two ways to do what they do.)"""
        return self.exact

    def run(self, graph: Graph, job: Job) -> Rewritten:
        """The rewritten graph."""
        raise NotImplementedError

    def __repr__(self) -> str:
        return f"<Pass {self.name}: {'exact' if self.exact else 'not exact'}, level {self.level}>"


class Report:
    """What one pass did: a list of changes, and how to print it.

    >>> import dlgraph as dg
    >>> with dg.Graph().as_default() as g:
    ...     x = dg.placeholder((4,), name="x")
    ...     y, unused = x + 1.0, dg.exp(x)
    >>> report = dg.passes.PassManager(level=0).run(g, y, [x]).reports[0]
    >>> report.name, report.changes[0].before, report.saved.flops
    ('prune', ('exp',), 40)
    """

    def __init__(self, made_by: Pass, job: Job, before: Graph, rewritten: Rewritten):
        self.name, self.exact = made_by.name, made_by.keeps_bits(job)
        sizes = job.sizes(before.records)
        self.changes = rewritten.changes
        self.nodes = (len(before), len(rewritten.graph))
        self._before, self._after, self._sizes = before, rewritten.graph, sizes

    @property
    def cost(self) -> Cost:
        """What a run of the whole graph cost before the pass."""
        return total(self._before.records, range(self.nodes[0]), self._sizes)

    @property
    def saved(self) -> Cost:
        """What a run of the whole graph costs less than before the pass."""
        return self.cost - total(self._after.records, range(self.nodes[1]), self._sizes)

    def text(self, most: int = 6) -> str:
        """The report in print; of many changes those that save most."""
        head = f"{self.name:<12} {self.nodes[0]} -> {self.nodes[1]} nodes"
        saved = self.saved.text(self.cost)
        lines = [head + (f", {saved}" if saved else "") + ("" if self.exact else ", not exact")]
        order = sorted(self.changes, key=lambda change: -change.saved.weight)
        for change in order[:most]:
            lines += [f"  {line}" for line in str(change).splitlines()]
        rest = len(order) - most
        if rest > 0:
            lines.append(f"  ... and {rest} more like these")
        return "\n".join(lines)

    def __str__(self) -> str:
        return self.text()

    def __repr__(self) -> str:
        return f"<Report of {self.name}: {len(self.changes)} changes>"


def known(spec: Any) -> bool:
    """Are all sizes of the spec known?"""
    return type(spec) is Spec and not any(type(size) is Dim for size in spec.shape)
