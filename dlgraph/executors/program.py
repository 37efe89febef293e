"""Planned programs: what a session keeps for a set of fetches and feeds.

A plan is made for the shapes that are fed, and kept; the latest few are.  Whatever cannot be
planned is interpreted: runs under a watch (which sees every node), arrays of another library,
variables without a value (the interpreter says so).
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from dlgraph.core.graph import Graph
from dlgraph.core.mode import MODE
from dlgraph.core.program import Settings
from dlgraph.core.spec import Spec
from dlgraph.errors import DlgraphError, OperationError
from dlgraph.executors.bound import Moved
from dlgraph.executors.draft import NoPlan
from dlgraph.executors.interpreted import InterpretedProgram
from dlgraph.executors.lowering import Fed, Placed, lower
from dlgraph.executors.plan import Plan, Timing
from dlgraph.executors.planned import Runner
from dlgraph.passes import Optimised, PassManager

if TYPE_CHECKING:
    from dlgraph.executors.source import Source

KEPT = 16  # plans, one per set of shapes
LARGE = 20_000  # nodes: making a plan takes as long as several runs, and there may be only one


class PlannedProgram(InterpretedProgram):
    """A program that runs by plans, one for each set of shapes that it is fed.

    >>> import dlgraph as dg
    >>> with dg.Graph().as_default() as g:
    ...     x = dg.placeholder((2, 3), name="x")
    ...     y = dg.exp(x * 2.0 + 1.0)
    >>> program = dg.Session(g).program(y, [x])
    >>> print(program.plan)
    plan of 3 instructions: peak 64 B, without reuse 192 B
      buffer   bytes  when  nodes
      feed      24 B  fed   x
      arena+0   64 B  0-2   multiply, add, exp
    """

    def __init__(
        self, graph: Graph, fetches: Iterable[int], feeds: Iterable[int], settings: Settings
    ):
        super().__init__(graph, fetches, feeds, settings)
        self._runners: OrderedDict[Any, Runner | None] = OrderedDict()
        self._lock = threading.Lock()
        self._optimised: Optimised | None = None
        self._waits = settings.exact and len(self.indices) > LARGE
        self._inside: int | None = None  # the thread that is running

    # ---- running
    def answer(self, feeds: list[Any]) -> list[Any]:
        """What the user gets for these feeds, one value per fetch."""
        mode = MODE.get()
        thread = threading.get_ident()
        if (mode is not None and mode.watch is not None) or self._inside == thread:
            return super().answer(feeds)
        if self._waits:  # for a second run, before it makes a plan
            self._waits = False
            return super().answer(feeds)
        with self._lock:
            self._inside = thread
            try:
                found = self._planned(feeds)
            finally:
                self._inside = None
        return super().answer(feeds) if found is None else found

    def _planned(self, feeds: list[Any]) -> list[Any] | None:
        runner = self._runner(feeds)
        if runner is None:
            return None
        try:
            return _holding(runner.locks, runner.run, feeds)
        except Moved:
            self._runners.clear()
            return None

    def _runner(self, feeds: list[Any]) -> Runner | None:
        try:
            key = tuple([(value.shape, value.strides) for value in feeds])
        except AttributeError:  # numbers, which have no strides, or arrays of another library
            feeds = [np.asarray(v) if isinstance(v, np.generic) else v for v in feeds]
            if not all(isinstance(value, np.ndarray) for value in feeds):
                return None
            key = tuple([(value.shape, value.strides) for value in feeds])
        runner = self._runners.get(key, self)
        if runner is self:
            if not all(isinstance(value, np.ndarray) for value in feeds):
                return None
            try:
                runner = self.bind(self.make_plan([Fed(*one) for one in key]))
            except NoPlan as no:
                if no.passing:
                    return None
                runner = None
            except Moved:
                return None
            self._runners[key] = runner
            if len(self._runners) > KEPT:
                self._runners.popitem(last=False)
        return runner  # type: ignore[return-value]

    def prepare(self, feeds: list[Any]) -> None:
        """Make the plan for feeds of these shapes."""
        with self._lock:
            self._runner(feeds)

    # ---- plans
    placed: Placed | None = None  # see `lower`

    def bind(self, plan: Plan) -> Runner:
        """What runs a plan; other executors bind it in another way."""
        return Runner(plan, self.settings.exact)

    def make_plan(self, feeds: Sequence[Fed]) -> Plan:
        """The plan for feeds of these shapes."""
        optimised = self._optimise(feeds)
        plan = self._lowered(optimised, feeds)
        self._optimised = optimised
        return plan

    def _lowered(self, optimised: Optimised, feeds: Sequence[Fed]) -> Plan:
        fed = dict(zip(optimised.feeds, feeds, strict=True))
        exact = self.settings.exact
        return lower(optimised.graph, optimised.fetches, fed, placed=self.placed, exact=exact)

    def _optimise(self, feeds: Sequence[Fed], memory_budget: int | None = None) -> Optimised:
        executor, level, exact, check, _ = self.settings
        passes = PassManager(level, exact, check)
        pairs = zip(self.feeds, feeds, strict=True)
        specs = [Spec(fed.shape, self.records[i].spec.dtype) for i, fed in pairs]
        try:
            return passes.run(
                *(self.graph, self.fetches, self.feeds, specs),
                target=executor,
                memory_budget=memory_budget,
            )
        except DlgraphError as error:
            if check:
                raise
            raise NoPlan(str(error)) from None

    @property
    def report(self) -> str:
        """What the passes did for the shapes that were fed last, and what it saves."""
        if self._optimised is None:
            _ = self.plan
        assert self._optimised is not None
        return self._optimised.report

    @property
    def notes(self) -> list[str]:
        """What is worth knowing about how the program runs: the threads of its products."""
        runner = next(reversed(self._runners.values()), None)
        return [] if runner is None else runner.notes

    @property
    def optimised(self) -> Optimised:
        """The graph after the passes, for the shapes that were fed last; `dg.diff` draws it."""
        _ = self.report
        assert self._optimised is not None
        return self._optimised

    @property
    def source(self) -> Source:
        """What runs, as short Python to be read, each line tied to its node.

        >>> import dlgraph as dg
        >>> with dg.Graph().as_default() as g:
        ...     x = dg.placeholder((2, 3), name="x")
        ...     y = dg.exp(x * 2.0)
        >>> [line.note for line in dg.Session(g).program(y, [x]).source]
        ['arena+0', 'in place of multiply_0']
        """
        from dlgraph.executors.source import source_of_plan

        return source_of_plan(self.plan, self.title)

    def timed(self, feeds: list[Any]) -> list[Timing]:
        """One run with the time of every step."""
        with self._lock:
            runner = self._runner(feeds)
            if runner is not None:
                return runner.timed(feeds)
        return super().timed(feeds)

    @property
    def timed_records(self) -> Any:
        """The records that `timed` speaks of: those that the passes left."""
        last = next(reversed(self._runners.values()), None)
        return self.records if last is None else last.plan.graph.records

    @property
    def plan(self) -> Plan:
        """Where every value lives, for the shapes that were fed last.

        Before the first run it is made from the graph, whose sizes must then be known.

        Raises `OperationError` if they are not, or if the program cannot be planned.
        """
        for runner in reversed(self._runners.values()):
            if runner is not None:
                return runner.plan
        try:
            return self.make_plan(self._fed())
        except NoPlan as no:
            raise OperationError(f"this program cannot be planned: {no}") from None

    def plan_within(self, memory_budget: int) -> Plan:
        """What `plan` would be if values were computed again rather than held.

        As many as it takes to get by with `memory_budget` bytes, or as can be (see
        `dg.passes.Recompute`); nothing runs by it.  Raises `OperationError` as `plan` does.
        """
        feeds = self._fed()
        try:
            return self._lowered(self._optimise(feeds, memory_budget), feeds)
        except NoPlan as no:
            raise OperationError(f"this program cannot be planned: {no}") from None

    def _fed(self) -> list[Fed]:
        """The shapes that were fed last, or those that the graph says."""
        for key, runner in reversed(self._runners.items()):
            if runner is not None:
                return [Fed(*one) for one in key]
        records = self.records
        shapes = [records[i].spec.shape for i in self.feeds]
        if not all(isinstance(size, int) for shape in shapes for size in shape):
            raise OperationError(
                "the plan depends on sizes that are not known before something is fed",
                hint="session.program(y, {x: value}).plan, or run it first",
            )
        laid_out = [
            np.empty(s, records[i].spec.dtype) for s, i in zip(shapes, self.feeds, strict=True)
        ]
        return [Fed(a.shape, a.strides) for a in laid_out]


def _holding(locks: Sequence[Any], run: Callable[[list[Any]], Any], feeds: list[Any]) -> Any:
    """What a run answers that holds these locks."""
    # By `with`: between a call of `acquire` and its `try` an interrupt (Ctrl+C) may come.
    if not locks:
        return run(feeds)
    with locks[0]:
        return _holding(locks[1:], run, feeds)
