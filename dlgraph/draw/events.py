"""What a function does in both modes, line by line: recorded by really running it.

Eager: each line computes, and values appear.  Define-then-run: the same lines write down nodes
without values, and a session fills them afterwards.  Read next: builder.py, which tells the two
stories side by side.
"""

from __future__ import annotations

import contextlib
import inspect
import io
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from types import CodeType, FrameType, SimpleNamespace
from typing import Any

import numpy as np

from dlgraph.core.building import building
from dlgraph.core.feeds import check_feed
from dlgraph.core.graph import Graph
from dlgraph.core.mode import Watch
from dlgraph.core.node import Node
from dlgraph.core.parameter import Parameter
from dlgraph.core.primitive import FUNCTIONS
from dlgraph.core.program import Program, needed
from dlgraph.core.spec import spec_of
from dlgraph.core.tensor import Tensor, value_of
from dlgraph.core.tree import flatten
from dlgraph.draw.calls import arguments_of, source_of
from dlgraph.errors import DlgraphError, GraphError
from dlgraph.ops.random import DEFAULT_STREAM

TURNS = 400  # executed lines that a figure can show


@dataclass
class Turn:
    """One line was executed: which nodes were made meanwhile, and what was printed."""

    line: int  # within the source of the function, from 0
    first: int
    end: int
    printed: str = ""


@dataclass
class Story:
    """What happened in one mode.  `graph` holds the nodes; in eager mode they have values."""

    graph: Graph
    turns: list[Turn] = field(default_factory=list)
    names: list[tuple[str, Any]] = field(default_factory=list)  # of values, by the user's variables
    result: list[Any] = field(default_factory=list)
    stopped: Exception | None = None

    @property
    def frame(self) -> Any:
        """Where drawings look for the names of the user's variables."""
        return SimpleNamespace(f_locals=_Names(self.names), f_globals={})


@dataclass
class Recording:
    """A function in both modes, and the run of its graph."""

    name: str
    source: list[str]
    eager: Story
    graph: Story
    ran: list[int]  # nodes of the graph in the order in which the session ran them
    values: dict[int, Any]
    fetched: list[int]
    failed: DlgraphError | None = None  # of the run


class _Names(list):
    """Pairs of name and value, with what `name_in_frame` asks of a dictionary of variables."""

    def items(self) -> Iterator[tuple[str, Any]]:  # a name may stand here more than once
        return iter(self)

    def get(self, name: str) -> Any:
        return next((value for held, value in self if held == name), None)


def record(function: Callable[..., Any], values: Sequence[Any]) -> Recording:
    """Run a function eagerly, build its graph, run the graph, and write down what happens.

    Raises OperationError if the source of the function is not at hand, or the values do not fit
    it; what goes wrong inside in a way that dlgraph explains becomes part of the recording.
    """
    plain = inspect.unwrap(function)
    source, first = source_of(plain)
    named = arguments_of(plain, values)
    lines = _Lines(plain, first)
    graph = _build(plain, named, lines)
    streams = _streams(graph.graph)
    states = [stream.state() for stream in streams]
    try:
        eager = _run_eagerly(plain, named, lines)
        # Both modes draw the same random numbers, and the user's streams stay where they were.
        _restore(streams, states)
        found = _run(graph, named)
    finally:
        _restore(streams, states)
    return Recording(getattr(plain, "__name__", "fn"), source, eager, graph, *found)


def _streams(graph: Graph) -> list[Any]:
    found = {id(DEFAULT_STREAM): DEFAULT_STREAM}
    for record in graph.records:
        stream = record.attrs.get("stream")
        if stream is not None:
            found[id(stream)] = stream
    return list(found.values())


def _restore(streams: Sequence[Any], states: Sequence[dict[str, Any]]) -> None:
    for stream, state in zip(streams, states, strict=True):
        stream.restore(state)


# ---- following the lines -------------------------------------------------------------------------


class _TooLongError(GraphError):
    pass


class _Lines:
    """Follows the lines of one function, also those of functions and loops inside it."""

    def __init__(self, function: Any, first: int):
        self.function, self.first = function, first
        codes = [function.__code__]
        for code in codes:  # grows while it is walked
            codes += [constant for constant in code.co_consts if isinstance(constant, CodeType)]
        self.codes = set(codes)

    def follow(self, story: Story, arguments: Sequence[Any]) -> None:
        """Call the function and write its lines into the story."""
        self.story, self.line, self.seen = story, 0, len(story.graph)
        self.known: set[int] = set()
        self.output = io.StringIO()
        before = sys.gettrace()
        try:
            with contextlib.redirect_stdout(self.output):
                sys.settrace(self._enter)
                try:
                    result = self.function(*arguments)
                finally:
                    sys.settrace(before)
            story.result = flatten(result)[0]
        finally:
            self._flush()

    def _enter(self, frame: FrameType, event: str, argument: Any) -> Any:
        return self._step if frame.f_code in self.codes else None

    def _step(self, frame: FrameType, event: str, argument: Any) -> Any:
        if event == "line":
            self._flush()
            self.line = frame.f_lineno - self.first
        if event in ("line", "return"):
            self._note_names(frame)
        return self._step

    def _note_names(self, frame: FrameType) -> None:
        for name, value in frame.f_locals.items():
            if isinstance(value, (Tensor, Node)) and id(value) not in self.known:
                self.known.add(id(value))
                self.story.names.append((name, value))

    def _flush(self) -> None:
        """What was made and printed since the last line belongs to that line."""
        turns, end = self.story.turns, len(self.story.graph)
        printed = self.output.getvalue()
        self.output.seek(0)
        self.output.truncate()
        if turns and turns[-1].line == self.line and turns[-1].end == self.seen:
            turns[-1].end = end
            turns[-1].printed += printed
        elif end > self.seen or printed or self.line:
            turns.append(Turn(self.line, self.seen, end, printed))
        self.seen = end
        if len(turns) > TURNS:
            raise _TooLongError(
                f"build: {self.function.__name__} executed more than {TURNS} lines; that is too "
                "long a story to follow",
                hint="make its loop shorter, or its arrays smaller",
            )


# ---- eager ---------------------------------------------------------------------------------------


class _Recorder(Watch):
    """Writes every eager operation into a graph, as the record of a result would be."""

    def __init__(self, graph: Graph, outside: dict[int, str]):
        super().__init__(nan=False, lines=False, call=None)
        self.graph, self.outside = graph, outside
        self.index: dict[int, int] = {}

    def made(self, tensor: Any, primitive: Any, inputs: tuple, attrs: dict[str, Any]) -> None:
        sources = tuple(self._source(x) for x in inputs)
        with building(scope="", role="forward", twin=None, control=()):
            node = self.graph.add(primitive, sources, attrs, spec_of(tensor._data))
        self._keep(tensor, node.index)

    def leaf(self, tensor: Tensor, name: str | None) -> int:
        """A tensor that was there before."""
        placeholder: Any = FUNCTIONS["placeholder"]
        if tensor.requires_grad and tensor._op is None:
            node = self.graph.variable(tensor, name)
        else:
            spec = spec_of(value_of(tensor))
            node = self.graph.add(placeholder, (), {"default": tensor}, spec, name)
        self._keep(tensor, node.index)
        return node.index

    def _source(self, x: Any) -> int:
        if not isinstance(x, Tensor):
            return self.graph.convert(np.asarray(x), x.dtype).index
        if id(x) in self.index:
            return self.index[id(x)]
        for i, held in self.graph.recorded.items():
            if held._data is x._data:  # cut off with detach(): the same value
                return i
        return self.leaf(x, x.name or self.outside.get(id(x)))

    def _keep(self, tensor: Tensor, index: int) -> None:
        self.index[id(tensor)] = index
        self.graph.recorded[index] = tensor  # also keeps it alive, so that its id stays its own


def _run_eagerly(function: Any, named: list[tuple[str, Any]], lines: _Lines) -> Story:
    story = Story(Graph())
    recorder = _Recorder(story.graph, _outside(function))
    arguments = []
    for name, value in named:
        arguments.append(value)
        if isinstance(value, Tensor) and id(value) not in recorder.index:
            recorder.leaf(value, name)
    try:
        with recorder:
            lines.follow(story, arguments)
    except _TooLongError:
        raise
    except DlgraphError as error:
        story.stopped = error
    return story


def _outside(function: Any) -> dict[int, str]:
    """Names of the tensors that the function takes from around it."""
    found = inspect.getclosurevars(function)
    outside = {**found.globals, **found.nonlocals}
    return {id(value): name for name, value in outside.items() if isinstance(value, Tensor)}


# ---- define-then-run -----------------------------------------------------------------------------


def _build(function: Any, named: list[tuple[str, Any]], lines: _Lines) -> Story:
    story = Story(Graph())
    placeholder: Any = FUNCTIONS["placeholder"]
    outside = _outside(function)
    with story.graph.as_default():
        arguments = []
        for name, value in named:
            if isinstance(value, Tensor) and not isinstance(value, Parameter):
                spec = value.spec
                value = story.graph.add(placeholder, (), {"default": None}, spec, name)
            arguments.append(value)
        try:
            lines.follow(story, arguments)
        except _TooLongError:
            raise
        except Exception as error:  # whatever the function does with nodes that it cannot do
            story.stopped = error
    for index, record in enumerate(story.graph.records):
        called = outside.get(id(record.attrs.get("tensor")))
        if called:
            story.names.append((called, story.graph.handle(index)))
    return story


def _run(
    story: Story, named: list[tuple[str, Any]]
) -> tuple[list[int], dict[int, Any], list[int], DlgraphError | None]:
    """What a session runs for the result, in its order, and the values that come out."""
    if story.stopped is not None:
        return [], {}, [], None
    graph, fetched = story.graph, [x.index for x in story.result if isinstance(x, Node)]
    feed = {i: value_of(v) for i, (_, v) in enumerate(_fed(named))}
    order = needed(graph.records, fetched, set(feed))
    feeds = check_feed(graph, {graph.handle(i): value for i, value in feed.items()})

    def run(indices: list[int]) -> dict[int, Any]:
        program = Program(graph, indices, tuple(feeds))
        return dict(zip(indices, program.run(list(feeds.values())), strict=True))

    try:
        return order, run(order) | feeds, fetched, None
    except DlgraphError as error:
        at = next((i for i in order if graph.records[i].name == error.node), order[0])
        before = [i for i in order if i < at]
        return [*before, at], run(before) | feeds, fetched, error


def _fed(named: list[tuple[str, Any]]) -> list[tuple[str, Any]]:
    return [
        (name, value)
        for name, value in named
        if isinstance(value, Tensor) and not isinstance(value, Parameter)
    ]
