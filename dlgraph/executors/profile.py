"""`program.profile`: where the time of a run goes, node by node, and how near to the limit it is.

Every step is timed in several runs and its fastest time is kept, the one that other
programs on the machine disturbed least.  `machine.py` measures the limit.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from dlgraph.core.node import Record
from dlgraph.core.spec import Dim
from dlgraph.core.where import Where
from dlgraph.errors import OperationError
from dlgraph.executors.machine import Machine
from dlgraph.executors.plan import Timing
from dlgraph.io.atomic import as_path, write_whole
from dlgraph.passes.cost import NOTHING, Cost, cost_of, show_bytes, show_flops

WIDEST = 34  # letters of a node's name in the table


class Row(NamedTuple):
    """A line of the table.

    `seconds` is the fastest of the runs, `share` its part of the sum of all lines, `ceiling` the
    least time that this machine needs for so many operations and bytes, divided by `seconds`
    (1 is perfect; None for what neither computes nor moves anything), `memory` the bytes of all
    values after the step, None if that was not measured.
    """

    name: str
    operation: str
    kind: str
    seconds: float
    share: float
    flops: int
    bytes: int
    ceiling: float | None
    where: Where | None
    memory: int | None = None
    role: str = "forward"


class Profile:
    """The measured time of every step of a program.

    `rows` are in the order of the run; printing shows the dearest first.  `notes` says what the
    program chose (threads of the products, for example).  `save` writes the fastest run as a
    trace for Perfetto or `chrome://tracing`.

    >>> import dlgraph as dg
    >>> with dg.Graph().as_default() as g:
    ...     x = dg.placeholder((64, 64), name="x")
    ...     y = dg.relu(x @ x)
    >>> profile = dg.Session(g).program(y, [x]).profile({x: dg.ones((64, 64))})
    >>> sorted(row.operation for row in profile.rows)
    ['matmul', 'relu']
    >>> profile.rows[0].flops
    524288
    """

    def __init__(
        self,
        records: Sequence[Record],
        runs: Sequence[Sequence[Timing]],
        machine: Machine,
        notes: Sequence[str] = (),
        sizes: Mapping[Dim, int] | None = None,
    ):
        self.records, self.machine, self.notes = records, machine, tuple(notes)
        self._sizes = sizes or {}  # of dimensions that only the feeds tell
        self.runs = len(runs)
        self._fastest = min(runs, key=lambda run: sum(step.seconds for step in run))
        best = [min(steps, key=lambda t: t.seconds) for steps in zip(*runs, strict=True)]
        self.seconds = sum(step.seconds for step in best)
        counted: set[int] = set()
        self.rows = [self._row(step, counted) for step in best]

    def _row(self, step: Timing, counted: set[int]) -> Row:
        # A fused group may be several steps: its work is told in the first of them.
        records = list(dict.fromkeys(step.records))
        cost = self._cost(i for i in records if i not in counted)
        counted.update(records)
        least = self.machine.least_seconds(cost.flops, cost.bytes)
        record = self.records[records[0]]
        more = f" and {len(records) - 1} more" if len(records) > 1 else ""
        return Row(
            record.name + more,
            step.label or record.primitive.name,
            record.primitive.kind,
            step.seconds,
            step.seconds / self.seconds if self.seconds else 0.0,
            cost.flops,
            cost.bytes,
            min(least / step.seconds, 1.0) if least and step.seconds else None,
            record.where,
            step.memory,
            record.role,
        )

    def _cost(self, records: Iterable[int]) -> Cost:
        found = NOTHING
        for index in records:
            record = self.records[index]
            found += cost_of(record, [self.records[i].spec for i in record.inputs], self._sizes)
        return found

    def __str__(self) -> str:
        title = (
            f"{show_time(self.seconds)} in {len(self.rows)} steps (the fastest of {self.runs} "
            f"runs for each); this machine, one thread: {show_flops(int(self.machine.flops))}/s, "
            f"{show_bytes(int(self.machine.bandwidths[-1][1]))}/s"
        )
        head = ("node", "operation", "time", "share", "work", "moved", "of limit", "in use", "line")
        table = [head]
        for row in sorted(self.rows, key=lambda row: -row.seconds):
            table.append(
                (
                    _cut(row.name),
                    row.operation,
                    show_time(row.seconds),
                    f"{row.share:.0%}",
                    show_flops(row.flops) if row.flops else "",
                    show_bytes(row.bytes) if row.bytes else "",
                    f"{row.ceiling:.0%}" if row.ceiling is not None else "",
                    show_bytes(row.memory) if row.memory is not None else "",
                    row.where.place if row.where else "",
                )
            )
        widths = [max(len(line[k]) for line in table) for k in range(len(head))]
        shown = [k for k in range(len(head)) if any(line[k] for line in table[1:])]
        rows = ["  ".join(_set(cells, widths, shown)).rstrip() for cells in table]
        return "\n".join([title, *rows, *self.notes])

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        from dlgraph.draw.timing import timing  # drawing stands above the executors

        return timing(self)._repr_mimebundle_() | {"text/plain": str(self)}

    def __repr__(self) -> str:
        return f"<Profile of {len(self.rows)} steps, {show_time(self.seconds)}>"

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the fastest run as a trace (JSON, times in microseconds) for Perfetto or Chrome.

        The file is complete or as it was before.  Raises OperationError if the name does not end
        in `.json`, `DataError` if it cannot be written.
        """
        target = as_path("save", path, "trace.json")
        if target.suffix.lower() != ".json":
            raise OperationError(
                f"a trace cannot be saved as {target.name!r}: it is a .json file",
                hint=f"save it as {target.stem + '.json'!r} and open it at ui.perfetto.dev",
            )
        write_whole(target, json.dumps(self.trace(), indent=1).encode())
        return target

    def trace(self) -> dict[str, Any]:
        """The fastest run as trace events (the Trace Event Format, complete events)."""
        began = self._fastest[0].start if self._fastest else 0.0
        events = []
        for step, row in zip(self._fastest, self.rows, strict=True):
            facts = {"operation": row.operation, "flops": row.flops, "bytes": row.bytes}
            if row.where is not None:
                facts["line"] = str(row.where)
            events.append(
                {
                    "name": row.name,
                    "cat": row.kind,
                    "ph": "X",
                    "ts": round((step.start - began) * 1e6, 3),
                    "dur": round(step.seconds * 1e6, 3),
                    "pid": 1,
                    "tid": 1,
                    "args": facts,
                }
            )
        return {"traceEvents": events, "displayTimeUnit": "ns"}


def measured(run: Callable[[], list[Timing]], runs: int) -> list[list[Timing]]:
    """Time a program: one run to warm up, then as many as asked for."""
    run()
    return [run() for _ in range(runs)]


def show_time(seconds: float) -> str:
    """Seconds as people read them.

    >>> from dlgraph.executors.profile import show_time
    >>> show_time(0.0000032), show_time(0.0123), show_time(2)
    ('3.2 µs', '12.3 ms', '2 s')
    """
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds * 1e9:.0f} ns"


def _cut(name: str) -> str:
    half = WIDEST // 2
    return name if len(name) <= WIDEST else f"{name[: half - 1]}…{name[-half:]}"


def _set(cells: Sequence[str], widths: Sequence[int], shown: Sequence[int]) -> list[str]:
    left = (0, 1, 8)
    return [f"{cells[k]:{'<' if k in left else '>'}{widths[k]}}" for k in shown]
