"""A plan: what has to run, in which order, for given fetches and feeds; and the interpreter.

The plan is a list of calls.  Values live in a list of slots and are dropped after their last
reader.  Other executors take the same graph and the same fetches.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from dlgraph.core import arrays
from dlgraph.core.explain import explain
from dlgraph.core.feeds import compact
from dlgraph.core.graph import Graph
from dlgraph.core.mode import MODE
from dlgraph.core.node import NO_VALUE, Record
from dlgraph.core.records import describe_record
from dlgraph.core.state import show_placeholder
from dlgraph.errors import DeviceError, DlgraphError, FeedError

# Operations whose result may be memory that the graph or the caller still holds.
SHARED_KINDS = ("state", "view", "effect", "control", "index")


class Settings(NamedTuple):
    """How a session runs: the executor, how much is optimised, and whether every bit must stay.

    `check` runs the graph before and after each pass and compares.
    """

    executor: str = "planned"
    level: int = 2
    exact: bool = True
    check: bool = False
    device: str = "cpu"


class Step(NamedTuple):
    """One call: the record it belongs to, its forward function, its inputs, what to drop after."""

    record: int
    forward: Any
    inputs: tuple[int, ...]
    attrs: dict[str, Any]
    drop: tuple[int, ...]


class Program:
    """The compiled plan of a graph for one set of fetches and feeds.

    >>> import dlgraph as dg
    >>> with dg.Graph().as_default() as g:
    ...     a = dg.placeholder((), name="a")
    ...     b = dg.placeholder((), name="b")
    ...     product, unused = a * b, a + b
    >>> program = dg.Session(g).program(product, [a, b])
    >>> print(program)
    program with 1 step for multiply
      multiply = a * b
    """

    def __init__(
        self,
        graph: Graph,
        fetches: Iterable[int],
        feeds: Iterable[int],
        settings: Settings | None = None,
    ):
        self.settings = settings or Settings("interpreter")
        # The records, not the graph: a body keeps its program, and must not be kept by it.
        self.records = graph.records
        self.fetches = tuple(fetches)
        self.feeds = tuple(feeds)
        self.indices = needed(self.records, self.fetches, set(self.feeds))
        self._require_feeds()

    def _require_feeds(self) -> None:
        for index in self.indices:
            record = self.records[index]
            if record.primitive.name == "placeholder" and record.attrs["default"] is None:
                path = path_to(self.records, index, self.fetches, set(self.feeds))
                raise FeedError(
                    f"{show_placeholder(record.name, record.spec)} needs a value to compute "
                    f"{self.records[path[-1]].name!r}",
                    extra={
                        "needed via": " -> ".join(self.records[i].name for i in path),
                        **({"made at": str(record.where)} if record.where else {}),
                    },
                    hint=f'session.run(..., {{"{record.name}": value}})',
                )

    @cached_property
    def steps(self) -> list[Step]:
        """The calls that the interpreter makes, in order."""
        records = self.records
        reads = {i: _live_inputs(records[i]) for i in self.indices}
        last = {i: index for index in self.indices for i in reads[index]}
        keep = {*self.fetches}
        steps = []
        for index in self.indices:
            record = records[index]
            drop = tuple({i for i in reads[index] if last[i] == index and i not in keep})
            steps.append(Step(index, record.primitive.forward, record.inputs, record.attrs, drop))
        return steps

    def run(self, feeds: list[Any]) -> list[Any]:
        """Values of the fetches for the values of the feeds, both in the order of the program."""
        values: dict[int, Any] = dict(zip(self.feeds, feeds, strict=True))
        get = values.get
        mode = MODE.get()
        watch = mode.watch if mode is not None else None
        step = None
        try:
            for step in self.steps:
                inputs = [get(i) for i in step.inputs]
                xp = arrays.module_of(*inputs)
                if xp is not np:
                    names = self.records[step.record].primitive.inputs
                    inputs = arrays.together(xp, names, inputs)
                values[step.record] = step.forward(xp, *inputs, **step.attrs)
                if watch is not None:
                    self._watch(watch, step, values[step.record], inputs)
                for i in step.drop:
                    del values[i]
        except Exception as error:
            raise self._explained(step, inputs, error) from None
        return [values[i] for i in self.fetches]

    def prepare(self, feeds: list[Any]) -> None:
        """Do beforehand what a run with feeds of these shapes would do first."""

    def answer(self, feeds: list[Any]) -> list[Any]:
        """What the user gets for these feeds: values that nobody else will write to."""
        if arrays.MODULES and self.settings.device == "cpu":
            check_on_cpu(self.records, self.indices)
        found = self.run(feeds)
        before: set[int] = set()  # what was handed out already
        return [
            self._hand_out(i, value, before) for i, value in zip(self.fetches, found, strict=True)
        ]

    def answer_steps(self, feeds: list[Any], count: int) -> list[Any]:
        """What the user gets for several steps, which the first axis of each feed counts."""
        found = [self.answer([compact(value[k]) for value in feeds]) for k in range(count)]
        return [None if one[0] is None else np.stack(one) for one in zip(*found, strict=True)]

    def _hand_out(self, index: int, value: Any, before: set[int]) -> Any:
        record = self.records[index]
        if record.spec == NO_VALUE or value is None:
            return None
        if np.ndim(value) == 0:
            return value[()]  # a scalar is handed out as a number, whichever op made it
        # What the graph or the caller still holds (a variable, a view, a feed) is copied.
        if isinstance(value, np.ndarray):
            if record.primitive.kind in SHARED_KINDS or id(value) in before:
                return value.copy()
            before.add(id(value))
        return value

    def _watch(self, watch: Any, step: Step, value: Any, inputs: list[Any]) -> None:
        record = self.records[step.record]
        watch.see(record.primitive, value, tuple(inputs), record.name, record.where)

    def _explained(self, step: Step | None, inputs: list[Any], error: Exception) -> Exception:
        if step is None:
            return error
        record = self.records[step.record]
        named = tuple(
            Named(self.records[i].name, value)
            for i, value in zip(record.inputs, inputs, strict=True)
        )
        return explained(record, named, error)

    def __str__(self) -> str:
        names = ", ".join(self.records[i].name for i in self.fetches)
        count = len(self.steps)
        lines = [f"program with {count} step{'s' * (count != 1)} for {names}"]
        for step in self.steps:
            text = describe_record(self.records, step.record)
            joint = " " if text.startswith("constant = ") else " = "
            text = text.removeprefix("constant ") if joint == " " else text
            lines.append(f"  {self.records[step.record].name}{joint}{text}")
        return "\n".join(lines)

    def __repr__(self) -> str:
        return f"<Program of {len(self.steps)} steps>"


class Named:
    """A value of a run under the name of its node, for the wording of errors."""

    def __init__(self, name: str, value: Any):
        self.name, self.value = name, value
        self.shape = getattr(value, "shape", ())
        self.dtype = getattr(value, "dtype", None)


def explained(record: Record, inputs: tuple[Named, ...], error: Exception) -> Exception:
    """The error of a step, with the node and the user's line that made it."""
    if isinstance(error, DlgraphError) and error.where is not None:
        error.node = error.node or record.name
        if record.where is not None and record.where != error.where:
            error.extra.setdefault("made at", str(record.where))
        return error.with_traceback(None)
    return explain(
        record.primitive, inputs, record.attrs, error, node=record.name, where=record.where
    )


# The programs of the executors, by name.  They enter themselves, since they are built on top of
# this file, and are loaded when they are first used.
EXECUTORS: dict[str, Callable[[], Callable[..., Program]]] = {}
# By device: what finds the executor of that name there.
DEVICES: dict[str, Callable[[str], Callable[..., Program]]] = {
    "cpu": lambda executor: EXECUTORS[executor]()
}


def check_on_cpu(records: list[Record], indices: Iterable[int]) -> None:
    """Raise `DeviceError` if a variable that a run on the CPU reads is on a GPU."""
    for index in indices:
        data: Any = getattr(records[index].attrs.get("tensor"), "_data", None)
        if arrays.device_of(data) == "gpu" and np.ndim(data):
            raise DeviceError(
                f"the variable {records[index].name!r} is on the gpu, this session runs on the cpu",
                hint='dg.Session(graph, device="gpu"), or bring it back: model.to("cpu")',
            )


def _live_inputs(record: Any) -> tuple[int, ...]:
    """The inputs whose values a run really reads."""
    unused = record.primitive.unused
    if not unused:
        return record.inputs
    names = record.primitive.inputs
    return tuple(i for i, name in zip(record.inputs, names, strict=True) if name not in unused)


def needed(records: list[Record], fetches: Iterable[int], feeds: set[int]) -> list[int]:
    """The nodes that have to run for the fetches, in order; nothing behind a feed."""
    seen: set[int] = set()
    stack = [i for i in fetches if i not in feeds]
    while stack:
        index = stack.pop()
        if index in seen:
            continue
        seen.add(index)
        record = records[index]
        for i in (*_live_inputs(record), *record.control):
            if i not in feeds and i not in seen:
                stack.append(i)
    return sorted(seen)


def path_to(
    records: list[Record], target: int, fetches: Iterable[int], feeds: set[int]
) -> list[int]:
    """A shortest path from a node forward to the fetch that needs it, for error messages."""
    came: dict[int, int | None] = {i: None for i in fetches}
    queue = list(came)
    for index in queue:
        if index == target:
            break
        record = records[index]
        for i in (*_live_inputs(record), *record.control):
            if i not in came and i not in feeds:
                came[i] = index
                queue.append(i)
    path, at = [], target if target in came else None
    while at is not None:
        path.append(at)
        at = came[at]
    return path
