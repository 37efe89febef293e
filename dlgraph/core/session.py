"""Session: runs a graph.  Checks what is fed, keeps one plan per set of fetches and feeds."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from dlgraph.core import arrays
from dlgraph.core.graph import Graph
from dlgraph.core.node import Node
from dlgraph.core.primitive import weak_kind
from dlgraph.core.program import EXECUTORS, Program, Settings
from dlgraph.core.spec import Dim, Spec, fits, show_shape
from dlgraph.core.state import show_placeholder
from dlgraph.core.tensor import Tensor, value_of
from dlgraph.core.tree import flatten, rebuild
from dlgraph.errors import FeedError, FetchError, GrowingGraphWarning, OperationError

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

    >>> import dlgraph as dg
    >>> with dg.Graph().as_default() as g:
    ...     a = dg.placeholder((), name="a")
    ...     y = 2 * a + 1
    >>> session = dg.Session(g)
    >>> print(session.run(y, {a: 4.0}))
    9.0
    >>> session.run({"value": y, "pair": [a, "multiply"]}, {"a": 1.0})
    {'value': np.float32(3.0), 'pair': [np.float32(1.0), np.float32(2.0)]}
    """

    def __init__(
        self,
        graph: Graph,
        executor: str = "planned",
        *,
        level: int = 2,
        exact: bool | None = None,
        check: bool = False,
    ):
        if not isinstance(graph, Graph):
            raise FetchError(
                f"Session(graph) needs a Graph, not {type(graph).__name__}",
                hint="pass the graph that the nodes were built in: dg.Session(node.graph)",
            )
        if executor not in EXECUTORS:
            known = ", ".join(map(repr, sorted(EXECUTORS)))
            raise OperationError(f"there is no executor {executor!r}", hint=f"there are {known}")
        if exact is None:
            exact = executor != "fast"
        self.graph = graph
        self.settings = Settings(executor, level, exact, check)
        self._programs: dict[tuple, Program] = {}
        self._entries: dict[tuple, Entry] = {}
        self._startup: Session | None = None
        self._seen = len(graph)
        self._growths = 0

    def run(self, fetches: Any, feed: Mapping[Any, Any] | None = None) -> Any:
        """Compute the fetches.

        `fetches`: a node, the name of one, a graph's `startup`, or lists, tuples and dicts of
        them, nested as you like; the answer has the same form, with NumPy arrays (None for nodes
        that only do something).  `feed` maps placeholders (or their names, or any other node)
        to values.

        Raises `FeedError` for a missing, unknown or ill-fitting feed, `FetchError` for an unknown
        fetch, `UninitialisedError` when the initialisers have not run.
        """
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
        feeds = self._check_feed(feed or {})
        program = self._program(flat, tuple(feeds))
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
        if not isinstance(feed, Mapping):
            return self._program(flat, tuple(sorted(map(self.graph.index_of, feed))))
        feeds = self._check_feed(feed)
        program = self._program(flat, tuple(feeds))
        program.prepare(list(feeds.values()))
        return program

    def _program(self, fetches: tuple[int, ...], feeds: tuple[int, ...]) -> Program:
        program = self._programs.get((fetches, feeds))
        if program is None:
            make = EXECUTORS[self.settings.executor]()
            program = make(self.graph, fetches, feeds, self.settings)
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

    def _check_feed(self, feed: Mapping[Any, Any]) -> dict[int, Any]:
        if not isinstance(feed, Mapping):
            raise FeedError(
                f"feed is a dictionary from placeholders to values, not {type(feed).__name__}",
                hint="session.run(y, {x: value})",
            )
        checked: dict[int, Any] = {}
        for key, value in feed.items():
            try:
                index = self.graph.index_of(key)
            except FetchError as error:
                raise FeedError(f"feed: {error.what}", hint=error.hint) from None
            if index in checked:
                raise FeedError(f"{self.graph.records[index].name!r} is fed twice")
            checked[index] = self._fed(index, value)
        self._check_same_dims(checked)
        return dict(sorted(checked.items()))

    def _fed(self, index: int, value: Any) -> Any:
        record = self.graph.records[index]
        if isinstance(value, Node):
            raise FeedError(
                f"{record.name!r} is fed with the node {value.name!r}, which has no value",
                hint="feed numbers or arrays; to connect nodes, use them in the formula",
            )
        if isinstance(value, Tensor):
            value = value_of(value)
        what = show_placeholder(record.name, record.spec)
        value = _typed(value, record.spec, what)
        if not fits(value.shape, record.spec.shape):
            raise FeedError(
                f"{what} was fed with shape {show_shape(value.shape)}",
                extra={"made at": str(record.where)} if record.where else None,
                hint=_shape_hint(value.shape, record.spec.shape),
            )
        return value

    def _check_same_dims(self, fed: dict[int, Any]) -> None:
        known: dict[Dim, tuple[int, int]] = {}
        for index, value in fed.items():
            for axis, dim in enumerate(self.graph.records[index].spec.shape):
                if isinstance(dim, Dim):
                    first, place = known.setdefault(dim, (index, axis))
                    if fed[first].shape[place] != value.shape[axis]:
                        raise self._differ(dim, fed, (first, place), (index, axis))

    def _differ(self, dim: Dim, fed: dict[int, Any], *places: tuple[int, int]) -> FeedError:
        names = [self.graph.records[index].name for index, _ in places]
        given = {
            f"{name!r} with shape {show_shape(fed[index].shape)}": None
            for name, (index, _) in zip(names, places, strict=True)
        }
        axes = " and ".join(
            f"axis {axis} of {name!r}" for name, (_, axis) in zip(names, places, strict=True)
        )
        called = f", the size {dim}," if dim.root.name else ""
        samples = len(set(names)) > 1 and all(axis == 0 for _, axis in places)
        return FeedError(
            f"fed {' and '.join(given)}, but {axes}{called} must be the same size",
            hint="feed the same number of samples to both"
            if samples
            else "the graph says that they are equal: they share a name, or met in an operation",
        )

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


def _typed(value: Any, spec: Spec, what: str) -> Any:
    """The fed value as an array of the placeholder's dtype; only bare numbers adapt."""
    try:
        weak = weak_kind(value) is not None or not arrays.is_array(value)
        array = np.asarray(value) if weak else value
        if weak and arrays.adapts(array.dtype, spec.dtype):
            array = np.asarray(value, spec.dtype)
    except (ValueError, OverflowError) as error:
        raise FeedError(
            f"{what} was fed with a {type(value).__name__} that is no array of {spec.dtype}: "
            f"{arrays.reason(error)}"
        ) from None
    if array.dtype == spec.dtype:
        return _compact(array)
    if array.dtype.kind not in "biufc":
        raise FeedError(
            f"{what} was fed with {arrays.elements(array.dtype)}",
            hint="feed a number or an array of numbers",
        )
    raise FeedError(
        f"{what} was fed with {array.dtype}",
        hint=f'nothing is converted silently: feed value.astype("{spec.dtype}")',
    )


def _compact(array: Any) -> Any:
    """Without gaps between the elements, which is how a Tensor copies an array.

    The same numbers in another layout are added, and even exponentiated, with other roundings.
    """
    flags = array.flags
    # (A single element counts as contiguous whatever its strides.)
    if array.size > 1 and (flags.c_contiguous or flags.f_contiguous):
        return array
    return array.astype(array.dtype)


def _shape_hint(shape: tuple[int, ...], wanted: tuple[Any, ...]) -> str:
    if len(shape) == len(wanted) - 1 and fits(shape, wanted[1:]):
        return "a batch of one sample has a first axis of size 1: value[None]"
    known = [w for w in wanted if not isinstance(w, Dim)]
    if np.prod(shape, dtype=int) and known and len(known) < len(wanted):
        total, inner = int(np.prod(shape)), int(np.prod(known))
        if inner and total % inner == 0 and len(known) == len(wanted) - 1:
            sizes = ", ".join("-1" if isinstance(w, Dim) else str(w) for w in wanted)
            return f"the elements would fit: value.reshape({sizes})"
    return "? stands for any size, the other sizes must be equal"
