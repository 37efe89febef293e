"""Session: runs a graph.  Checks what is fed, keeps one plan per set of fetches and feeds."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np

from dlgraph.core.feeds import check_feed, check_steps
from dlgraph.core.graph import Graph
from dlgraph.core.node import Node
from dlgraph.core.program import DEVICES, EXECUTORS, Program, Settings
from dlgraph.core.tree import flatten, rebuild
from dlgraph.errors import DeviceError, FeedError, FetchError, GrowingGraphWarning, OperationError

# Warn when the graph grew before this many runs in a row: building between two runs is normal.
GROWTH_RUNS = 3
KEPT_SHAPES = 64  # of feeds that need not be checked again


class Entry(NamedTuple):
    """What the short way of `run` knows about nodes that were fetched and fed before."""

    program: Program
    dtypes: tuple[np.dtype, ...]
    shapes: set[tuple]  # of feeds that were checked


class Session:
    """Runs the nodes of a graph.

    `run` computes just what the fetches need.  The plan for a set of fetches and feeds is made
    once and kept.

    `executor` is "planned" (the default: NumPy calls into memory that is laid out beforehand),
    "interpreter" (node after node, as the graph was written) or "fast" (compiled code, needs
    `pip install "dlgraph[fast]"`).  `level` 0 to 3 says how much is optimised before.  With
    `exact=True` every executor gives the bits that eager code gives; it is the default but for
    "fast".  `check=True` runs the graph before and after each optimisation and compares.

    `device="gpu"` runs it there: the variables of the graph move to the device when they are first
    used, what is fed is copied to it, what is fetched is copied back (docs/reference/gpu.md).

    >>> import dlgraph as dg
    >>> with dg.Graph().as_default() as g:
    ...     a = dg.placeholder((), name="a")
    ...     y = 2 * a + 1
    >>> session = dg.Session(g)
    >>> print(session.run(y, {a: 4.0}))
    9.0
    >>> session.run({"value": y, "pair": [a, "multiply"]}, {"a": 1.0})
    {'value': np.float32(3.0), 'pair': [np.float32(1.0), np.float32(2.0)]}

    `with` works as in TensorFlow 1: at its end the session lets go of its programs and their
    memory.  The variables belong to the graph and keep their values.

    >>> with dg.Session(g) as session:
    ...     print(session.run(y, {a: 5.0}))
    11.0
    """

    def __init__(
        self,
        graph: Graph,
        executor: str = "planned",
        *,
        level: int = 2,
        exact: bool | None = None,
        check: bool = False,
        device: Any = "cpu",
    ):
        if not isinstance(graph, Graph):
            raise FetchError(
                f"Session(graph) needs a Graph, not {type(graph).__name__}",
                hint="pass the graph that the nodes were built in: dg.Session(node.graph)",
            )
        if not isinstance(executor, str) or executor not in EXECUTORS:
            known = ", ".join(map(repr, sorted(EXECUTORS)))
            raise OperationError(f"there is no executor {executor!r}", hint=f"there are {known}")
        where = str(device)
        if where not in DEVICES:
            known = ", ".join(map(repr, DEVICES))
            raise DeviceError(f"there is no device {where!r}", hint=f"there are {known}")
        if level not in (0, 1, 2, 3):
            raise OperationError(
                f"Session(level={level!r}): there are levels 0, 1, 2 and 3",
                hint="0 does only what every run does; 2 is the default",
            )
        for name, value in (("exact", exact), ("check", check)):
            if not isinstance(value, (bool, np.bool_)) and (name, value) != ("exact", None):
                raise OperationError(
                    f"Session({name}={value!r}): {name} is True or False",
                    hint=f"dg.Session(graph, {name}=True)",
                )
        if exact is None:
            exact = executor != "fast" and where == "cpu"
        self.graph = graph
        self.settings = Settings(executor, level, exact, check, where)
        self._make = DEVICES[where](executor)  # raises if a package or the device is missing
        self._programs: dict[tuple, Program] = {}
        self._entries: dict[tuple, Entry] = {}
        self._startup: Session | None = None
        self._seen = len(graph)
        self._growths = 0

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *error: object) -> None:
        """Let go of the compiled programs and their memory; the next run makes them again."""
        self._programs.clear()
        self._entries.clear()

    def __repr__(self) -> str:
        executor, device = self.settings.executor, self.settings.device
        where = "" if device == "cpu" else f", device={device!r}"
        return f"Session({self.graph!r}, executor={executor!r}{where})"

    def run(self, fetches: Any, feed: Mapping[Any, Any] | None = None, **other: Any) -> Any:
        """Compute the fetches.

        `fetches`: a node, the name of one, a graph's `startup`, or lists, tuples and dicts of
        them, nested as you like; the answer has the same form, with NumPy arrays (None for nodes
        that only do something).  `feed` maps placeholders (or their names, or any other node)
        to values.

        Raises `FeedError` for a missing, unknown or ill-fitting feed, `FetchError` for an unknown
        fetch, `UninitialisedError` when the initialisers have not run.
        """
        if other:
            raise _no_option(other)
        if isinstance(fetches, Graph):
            return self._run_startup(fetches)
        if len(self.graph.records) != self._seen or self._growths:
            self._check_growth()
        form = type(fetches)
        alone = form is Node
        nodes = (fetches,) if alone else fetches if form is list or form is tuple else ()
        key, values = self._short_key(nodes, feed)
        if key is None:
            return self._run_any(fetches, feed, None)
        entry = self._entries.get(key)
        if entry is None or not self._known(entry, values):
            return self._run_any(fetches, feed, key)
        found = entry.program.answer(values)
        return found[0] if alone else found if form is list else tuple(found)

    def run_steps(self, fetches: Any, feed: Mapping[Any, Any]) -> Any:
        """Run once for each element of the fed values, in order: several training steps in one go.

        Every fed value has one axis more than its placeholder, the first one, which counts the
        steps; so has every answer.  It gives what as many calls of `run` give.  On a GPU many steps
        are one launch, so that nothing has to wait for the CPU between them.

        Raises what `run` raises, and `FeedError` if the values disagree about the number of steps.

        >>> import dlgraph as dg
        >>> with dg.Graph().as_default() as g:
        ...     x, w = dg.placeholder((), name="x"), dg.variable(0.0, name="w")
        ...     step = dg.assign(w, w + x)
        >>> dg.Session(g).run_steps(step, {x: [1.0, 2.0, 3.0]})
        array([1., 3., 6.], dtype=float32)
        """
        flat, form = self._resolved(fetches)
        feeds, count = check_steps(self.graph, feed)
        program = self._program(flat, tuple(feeds))
        answers = program.answer_steps(list(feeds.values()), count)
        return rebuild(form, answers)

    def _short_key(self, nodes: Any, feed: Any) -> tuple[tuple | None, list[Any]]:
        """The nodes by number, if nothing but nodes of this graph was given; and what is fed."""
        graph, key = self.graph, []
        values: list[Any] = []
        for node in nodes:
            if type(node) is not Node or node.graph is not graph:
                return None, values
            key.append(node.index)
        if feed:
            if type(feed) is not dict:
                return None, values
            for node, value in feed.items():
                if type(node) is not Node or node.graph is not graph:
                    return None, values
                key.append(~node.index)
                values.append(value)
        return (tuple(key) if nodes else None), values

    def _known(self, entry: Entry, values: list[Any]) -> bool:
        """Were arrays of these shapes and dtypes checked before?"""
        for value, dtype in zip(values, entry.dtypes, strict=True):
            if type(value) is not np.ndarray or value.dtype != dtype:
                return False
            if not value.flags.c_contiguous:
                return False
        return tuple([value.shape for value in values]) in entry.shapes

    def _run_any(self, fetches: Any, feed: Any, key: tuple | None) -> Any:
        flat, form = self._resolved(fetches)
        feeds = check_feed(self.graph, feed or {})
        program = self._programs.get((flat, tuple(feeds)))
        if program is None:  # made here, so that a traceback is short
            program = self._make(self.graph, flat, tuple(feeds), self.settings)
            self._programs[flat, tuple(feeds)] = program
        found = program.answer(list(feeds.values()))
        if key is not None and list(feeds) == [~i for i in key if i < 0]:
            entry = self._entries.get(key)
            if entry is None:
                dtypes = tuple(self.graph.records[i].spec.dtype for i in feeds)
                entry = self._entries[key] = Entry(program, dtypes, set())
            if len(entry.shapes) > KEPT_SHAPES:
                entry.shapes.clear()
            entry.shapes.add(tuple(np.shape(value) for value in feeds.values()))
        return rebuild(form, found)

    def program(self, fetches: Any, feed: Any = ()) -> Program:
        """The program for these fetches and these feeds.

        `feed` is the nodes that will be fed, or a mapping to sample values: then its plan is made
        for their shapes.

        >>> import dlgraph as dg
        >>> with dg.Graph().as_default() as g:
        ...     x = dg.placeholder((None,), name="x")
        ...     y = dg.exp(x + 1.0)
        >>> dg.Session(g).program(y, {x: [1.0, 2.0]}).plan
        <Plan of 2 instructions, peak 64 B>
        """
        flat, _ = self._resolved(fetches)
        if isinstance(feed, (Node, str)):
            feed = (feed,)
        if not isinstance(feed, Iterable):
            raise FeedError(
                f"session.program: what will be fed is nodes, not {type(feed).__name__}",
                hint="a list of placeholders, or {placeholder: value}",
            )
        if not isinstance(feed, Mapping):
            return self._program(flat, tuple(sorted(map(self.graph.index_of, feed))))
        feeds = check_feed(self.graph, feed)
        program = self._program(flat, tuple(feeds))
        program.prepare(list(feeds.values()))
        return program

    def _program(self, fetches: tuple[int, ...], feeds: tuple[int, ...]) -> Program:
        program = self._programs.get((fetches, feeds))
        if program is None:
            program = self._make(self.graph, fetches, feeds, self.settings)
            self._programs[fetches, feeds] = program
        return program

    def _run_startup(self, graph: Graph) -> None:
        if graph is not self.graph._startup:
            raise FetchError(
                f"{graph!r} is not the start-up graph of {self.graph!r}",
                hint="session.run(graph.startup) initialises the parameters of this graph",
            )
        if self._startup is None:
            self._startup = Session(graph, "interpreter")  # it runs once
        effects = [i for i, r in enumerate(graph.records) if r.primitive.effect]
        self._startup._seen = len(graph)
        self._startup.run([graph.handle(i) for i in effects])

    def _resolved(self, fetches: Any) -> tuple[tuple[int, ...], Any]:
        leaves, form = flatten(fetches)
        return tuple(self.graph.index_of(leaf) for leaf in leaves), form

    def _check_growth(self) -> None:
        size = len(self.graph.records)
        self._growths = self._growths + 1 if size > self._seen else 0
        added, self._seen = size - self._seen, size
        if self._growths != GROWTH_RUNS:
            return
        where = self.graph.records[-1].where
        warnings.warn(
            f"the graph grew between the last {GROWTH_RUNS} runs, by {added} nodes before this "
            f"one (now {size}): operations are being built inside the loop\n"
            f"  at    {where}\n"
            "  hint  build once before the loop; inside it only call session.run",
            GrowingGraphWarning,
            stacklevel=3,
        )


def _no_option(other: Mapping[str, Any]) -> FeedError:
    name = next(iter(other))
    return FeedError(
        f"session.run has no argument {name}",
        hint="what is fed is the second argument: session.run(fetches, feed={x: value})",
    )
