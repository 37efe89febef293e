"""Interpreted programs: node after node, as the graph was written; and what every program can tell.

`source` and `profile` are stated here once.  A profile of an interpreted run also says how much
memory is in use after every node.  What only they need is imported when they are asked for: the
first run of a session does not wait for it.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from dlgraph.core import arrays
from dlgraph.core.feeds import check_feed
from dlgraph.core.graph import Graph
from dlgraph.core.program import Program, Settings
from dlgraph.core.spec import Dim
from dlgraph.errors import FeedError, OperationError
from dlgraph.executors.plan import Timing

if TYPE_CHECKING:
    from dlgraph.executors.profile import Profile
    from dlgraph.executors.source import Source


class InterpretedProgram(Program):
    """A program that runs node by node; `Session(graph, executor="interpreter")` makes it.

    >>> import dlgraph as dg
    >>> with dg.Graph().as_default() as g:
    ...     x = dg.placeholder((1000,), name="x")
    ...     y = dg.exp(x).sum()
    >>> program = dg.Session(g, executor="interpreter").program(y, [x])
    >>> [line.code for line in program.source]
    ['exp_0 = exp(x)', 'sum_0 = sum(exp_0)']
    >>> [row.memory for row in program.profile({x: dg.zeros((1000,))}, runs=1).rows]
    [4000, 4]
    """

    def __init__(
        self, graph: Graph, fetches: Iterable[int], feeds: Iterable[int], settings: Settings
    ):
        super().__init__(graph, fetches, feeds)
        self.graph, self.settings = graph, settings

    @property
    def title(self) -> str:
        """The names of what is fetched."""
        return ", ".join(self.records[i].name for i in self.fetches)

    @property
    def source(self) -> Source:
        """What runs, as short Python to be read, each line tied to its node."""
        from dlgraph.executors.source import source_of_records

        return source_of_records(self.records, self.indices, self.title)

    def profile(self, feed: Mapping[Any, Any] | None = None, runs: int = 10) -> Profile:
        """Measure where the time of a run goes, step by step.

        `feed` maps placeholders (or their names) to values, as for `session.run`.  The program
        really runs, `runs` times after one to warm up: a training step trains.  Returns a
        `Profile`: rows with time, operations, bytes and the share of what this machine can do
        at best; `save` writes a trace that Perfetto shows.

        Raises `FeedError` if other nodes are fed than the program was made for.
        """
        from dlgraph.executors.machine import machine
        from dlgraph.executors.profile import Profile, measured

        if not isinstance(runs, int) or runs < 1:
            raise OperationError(f"profile(runs={runs!r}): a whole number of at least 1 is needed")
        checked = check_feed(self.graph, feed or {})
        if tuple(checked) != self.feeds:
            names = ", ".join(self.records[i].name for i in self.feeds) or "nothing"
            raise FeedError(
                f"this program was made for feeds of {names}",
                hint="program = session.program(fetches, feed), program.profile(feed)",
            )
        values = list(checked.values())
        self.prepare(values)
        found = measured(lambda: self.timed(values), runs)
        sizes = {
            dim: size
            for index, value in checked.items()
            for dim, size in zip(self.records[index].spec.shape, np.shape(value), strict=True)
            if isinstance(dim, Dim)
        }
        return Profile(self.timed_records, found, machine(), self.notes, sizes)

    def timed(self, feeds: list[Any]) -> list[Timing]:
        """One run with the time of every step."""
        values: dict[int, Any] = dict(zip(self.feeds, feeds, strict=True))
        found, fed = [], {*self.feeds}
        for step in self.steps:
            inputs = [values.get(i) for i in step.inputs]
            start = time.perf_counter()
            value = step.forward(arrays.module_of(*inputs), *inputs, **step.attrs)
            seconds = time.perf_counter() - start
            values[step.record] = value
            for i in step.drop:
                del values[i]
            alive = _bytes(one for i, one in values.items() if i not in fed)
            found.append(Timing((step.record,), start, seconds, "", alive))
        return found

    @property
    def timed_records(self) -> Any:
        """The records that `timed` speaks of."""
        return self.records

    @property
    def notes(self) -> list[str]:
        """What is worth knowing about how the program runs."""
        return []


def _bytes(values: Iterable[Any]) -> int:
    """Bytes of arrays that own their memory: views take none."""
    return sum(
        value.nbytes
        for value in values
        if isinstance(value, np.generic) or getattr(value, "base", 0) is None
    )
