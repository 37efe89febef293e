"""The pass manager: which passes run, in which order, with which checks; and what came out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from dlgraph.core.graph import Graph
from dlgraph.core.spec import spec_of
from dlgraph.core.tree import flatten
from dlgraph.errors import OperationError
from dlgraph.passes.base import TARGETS, Job, Pass, Report
from dlgraph.passes.cost import Cost


class Optimised:
    """A graph after the passes.

    `graph`, `fetches` and `feeds` are what to run; `moved` says where each node of the user's
    graph is now, as far as it is still there; `reports` has one report for each pass that did
    something, `stages` the graph before the passes and after each of them.

    >>> import dlgraph as dg
    >>> with dg.Graph().as_default() as g:
    ...     x = dg.placeholder((4,), name="x")
    ...     y = dg.tanh(x * 1.0)
    >>> found = dg.passes.PassManager().run(g, y, [x])
    >>> found, [report.name for report in found.reports], found.index(y.index)
    (<Optimised: 4 -> 2 nodes>, ['algebra'], 1)
    >>> print(found.report)
    passes: 4 nodes before, 2 after, saves 4 FLOP and 36 B
    algebra      4 -> 2 nodes, saves 4 FLOP (9.1 %) and 36 B (53 %)
      replaced multiply -> x: x * 1 -> x  [saves 4 FLOP and 36 B]
        at <doctest dlgraph.passes.manager.Optimised[1]>, line 3:  y = dg.tanh(x * 1.0)
    """

    def __init__(self, source: Graph, job: Job):
        self.source = source
        self.graph, self.job = source, job
        self.reports: list[Report] = []
        self.stages: list[Graph] = [source]
        self.moved: dict[int, int] | None = None

    @property
    def fetches(self) -> tuple[int, ...]:
        """Indices of the fetches in `graph`, in the order that was asked for."""
        return self.job.fetches

    @property
    def feeds(self) -> tuple[int, ...]:
        """Indices of the feeds in `graph`, in the order that was given."""
        return self.job.feeds

    def index(self, source: int) -> int | None:
        """Where a node of the user's graph is now; None if it is gone."""
        return source if self.moved is None else self.moved.get(source)

    def step(self, made_by: Pass, rewritten: Any) -> None:
        """Take over what a pass made."""
        self.reports.append(Report(made_by, self.job, self.graph, rewritten))
        self.graph = rewritten.graph
        self.stages.append(self.graph)
        self.job = self.job.moved(rewritten.moved)
        if self.moved is None:
            self.moved = rewritten.moved
        elif rewritten.moved is not None:
            onward = rewritten.moved
            self.moved = {old: onward[i] for old, i in self.moved.items() if i in onward}

    @property
    def saved(self) -> Cost:
        """What all passes save together in one run."""
        found = Cost()
        for report in self.reports:
            found = found + report.saved
        return found

    @property
    def report(self) -> str:
        """What every pass removed, added and merged, by which rule, and what that saves."""
        size = len(self.source)
        head = f"passes: {size} nodes before, {len(self.graph)} after"
        saved = self.saved.text()
        return "\n".join([head + (f", {saved}" if saved else ""), *map(str, self.reports)])

    def __repr__(self) -> str:
        return f"<Optimised: {len(self.source)} -> {len(self.graph)} nodes>"


class PassManager:
    """Runs the passes over a graph.

    `level` 0 only leaves out what is not needed; 1 adds what costs next to nothing (known
    shapes, constants, common subexpressions); 2, the default, rewrites for speed; 3 also does
    what takes longer to find.  With `exact=True` only passes run that keep every bit.
    `check=True` validates the graph after each pass, and runs it before and after on sample
    feeds.  `passes` replaces the list; `precision="float16"` computes products in half
    precision (on GPUs).

    >>> import dlgraph as dg
    >>> with dg.Graph().as_default() as g:
    ...     x = dg.placeholder((4,), name="x")
    ...     y, unused = dg.exp(x), dg.log(x)
    >>> found = dg.passes.PassManager(check=True).run(g, y, [x])
    >>> print(found.graph)
    graph with 2 nodes
      x    (4,) float32  placeholder
      exp  (4,) float32  exp(x)
    """

    def __init__(
        self,
        level: int = 2,
        exact: bool = True,
        check: bool = False,
        passes: Sequence[Pass] | None = None,
        precision: str | None = None,
    ):
        if level not in (0, 1, 2, 3):
            raise OperationError(
                f"PassManager(level={level!r}): there are levels 0, 1, 2 and 3",
                hint="0 does only what every run does; 2 is the default",
            )
        self.level, self.exact, self.check = level, exact, check
        self.passes = list(passes) if passes is not None else standard_passes(level)
        if precision is not None:
            self.passes[1:1] = [_half_precision(precision)]  # before constants are folded

    def run(
        self,
        graph: Graph,
        fetches: Any,
        feeds: Any = (),
        specs: Sequence[Any] | None = None,
        *,
        target: str = "planned",
        memory_budget: int | None = None,
        watched: Iterable[Any] = (),
    ) -> Optimised:
        """Optimise a graph for what is fetched and fed.

        `fetches` is a node, or nodes in lists and dictionaries; `feeds` are nodes, or a mapping
        from nodes to sample values, whose shapes are then used, and which `check` runs.
        `specs` are the specs of the feeds, if they are known.  `watched` nodes must survive.

        Raises `OperationError` for an unknown target, `FetchError` for unknown nodes.
        """
        if target not in TARGETS:
            raise OperationError(
                f"unknown target {target!r}", hint=f"one of {', '.join(map(repr, TARGETS))}"
            )
        whole = isinstance(memory_budget, (int, np.integer)) and not isinstance(memory_budget, bool)
        if memory_budget is not None and (not whole or memory_budget < 0):
            raise OperationError(
                f"memory_budget={memory_budget!r}: a budget is a number of bytes, or None",
                hint="memory_budget=64 * 2**20 is 64 MiB",
            )
        values = None
        if isinstance(feeds, Mapping):
            values = [np.asarray(value) for value in feeds.values()]
            specs = [spec_of(value) for value in values] if specs is None else specs
        index = _index_in(graph)
        job = Job(
            fetches=tuple(index(one) for one in flatten(fetches)[0]),
            feeds=tuple(index(one) for one in feeds),
            specs=None if specs is None else tuple(specs),
            exact=self.exact,
            target=target,
            memory_budget=memory_budget,
            watched=frozenset(index(one) for one in watched),
        )
        return self._run(graph, job, values)

    def _run(self, graph: Graph, job: Job, values: list[Any] | None) -> Optimised:
        found = Optimised(graph, job)
        for one in self.passes:
            if not one.wanted(found.job):
                continue
            before = (found.graph, found.job)
            rewritten = one.run(*before)
            if rewritten.graph is found.graph:
                continue
            found.step(one, rewritten)
            if self.check:
                _check(one, job, before, found, values)
        return found


def _check(one: Pass, job: Job, before: Any, found: Optimised, values: list[Any] | None) -> None:
    """Is the graph in order after this pass, and does it give what it gave before?"""
    from dlgraph.passes.check import compare, validate

    what = f"the pass {one.name!r}"
    validate(found.graph, what)
    tolerance = 0 if one.keeps_bits(job) else one.tolerance
    compare(what, before, (found.graph, found.job), values, tolerance)


def _index_in(graph: Graph) -> Any:
    return lambda one: one if isinstance(one, int) else graph.index_of(one)


def _half_precision(precision: str) -> Pass:
    from dlgraph.passes.precision import MixedPrecision

    if precision != "float16":
        raise OperationError(
            f'precision={precision!r}: products can be computed in "float16"',
            hint="leave it out to compute in the dtype of the operands",
        )
    return MixedPrecision()


def standard_passes(level: int) -> list[Pass]:
    """The passes of a level, in the order in which they run."""
    from dlgraph.passes import PASSES

    return [one for one in PASSES if one.level <= level]
