"""Graph: a program written down before it runs.  Define-then-run starts here.

A graph is an append-only list of immutable records; a `Node` is a handle on one of them, an index
with a graph.  An input always has a smaller index than its reader, so the list itself is a
topological order.  Next: `state.py` (placeholders, variables), `gradients.py`, `session.py`.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

import numpy as np

from dlgraph.core import arrays
from dlgraph.core.building import BUILDING, building
from dlgraph.core.explain import display_name
from dlgraph.core.mode import tracing
from dlgraph.core.node import NO_VALUE, Node, Record, str_spec
from dlgraph.core.primitive import FUNCTIONS, Primitive
from dlgraph.core.records import describe_record, structure_hash
from dlgraph.core.spec import Spec
from dlgraph.core.tensor import Tensor, as_array, describe, value_of
from dlgraph.core.where import user_line
from dlgraph.errors import FetchError, GraphError


class Graph:
    """A computation that can be held, printed, drawn, differentiated, rewritten and run.

    >>> import dlgraph as dg
    >>> g = dg.Graph()
    >>> with g.as_default():
    ...     a = dg.placeholder((), name="a")
    ...     b = dg.placeholder((), name="b")
    ...     y = 2 * a + 3 * b
    >>> print(g)
    graph with 7 nodes
      a           () float32  placeholder
      b           () float32  placeholder
      constant    () float32  constant = 2.0
      multiply    () float32  constant * a
      constant_1  () float32  constant = 3.0
      multiply_1  () float32  constant_1 * b
      add         () float32  multiply + multiply_1
    >>> print(dg.Session(g).run(y, {a: 4.0, b: 5.0}))
    23.0
    """

    captures_outer = False  # a body takes values from outside as inputs; see body.py

    def __init__(self, name: str | None = None):
        self.name = name
        self.records: list[Record] = []
        self._index: dict[str, int] = {}
        self._count: dict[str, int] = {}
        self._handles: dict[int, weakref.ref[Node]] = {}
        self._variables: dict[int, int] = {}  # id of a tensor -> its node
        self.recorded: dict[int, Tensor] = {}  # of an eager record: the tensors themselves
        self._startup: Graph | None = None
        self._source: weakref.ref[Graph] | None = None  # of a clone: the graph it came from

    # ---- looking at it
    @property
    def nodes(self) -> list[Node]:
        """All nodes, inputs before readers."""
        return [self.handle(i) for i in range(len(self.records))]

    def handle(self, index: int) -> Node:
        """The node with this index; the same object as long as somebody holds it."""
        held = self._handles.get(index)
        node = held() if held is not None else None
        if node is None:
            if not isinstance(index, (int, np.integer)) or not 0 <= index < len(self.records):
                raise FetchError(
                    f"{self!r} has no node number {index!r}",
                    hint="graph.node(name) finds a node by its name, graph.nodes lists them all",
                )
            node = Node(self, index)
            self._handles[index] = weakref.ref(node)
        return node

    def node(self, which: str | Node) -> Node:
        """Find a node by its name, or the node of a clone by the original node.

        Raises `FetchError` with the nearest names if there is none.
        """
        return self.handle(self.index_of(which))

    def index_of(self, which: Any) -> int:
        """The index of a node given by name, as a node, or as a variable's tensor."""
        if isinstance(which, Node):
            if which.graph is self:
                return which.index
            source = self._source() if self._source is not None else None
            if which.graph is source and which.name in self._index:
                return self._index[which.name]
            raise FetchError(
                f"{which.name!r} is a node of another graph: {which.graph!r}, not {self!r}",
                hint="it exists only inside a loop, a branch or a function: return it from there"
                if which.graph.captures_outer
                else "nodes are run by a session of their own graph (or of a clone of it)",
                extra={"made at": str(which.where or "")},
            )
        if isinstance(which, Tensor):
            if id(which) in self._variables:
                return self._variables[id(which)]
            raise FetchError(
                f"no node of {self!r} reads {describe(which)}",
                hint="only tensors that were used while the graph was built are part of it",
            )
        if isinstance(which, str):
            if which in self._index:
                return self._index[which]
            raise FetchError(f"{self!r} has no node called {which!r}", hint=self._nearest(which))
        raise FetchError(
            f"a node, or the name of one, is needed here, not {type(which).__name__}",
            hint="was the node's name given to its value?  Write value = session.run(node, feed)"
            if arrays.is_array(which)
            else "pass what dg.placeholder or an operation returned",
        )

    def _nearest(self, name: str) -> str:
        import difflib

        lower = {known.lower(): known for known in self._index}
        near = difflib.get_close_matches(name.lower(), lower, 3, 0.4)
        near = [repr(lower[one]) for one in near]
        return f"did you mean {' or '.join(near)}?" if near else "print(graph) lists all nodes"

    def __len__(self) -> int:
        return len(self.records)

    def __bool__(self) -> bool:
        return True

    def __repr__(self) -> str:
        called = f"{self.name} " if self.name else ""
        return f"<Graph {called}with {len(self)} node{'s' * (len(self) != 1)}>"

    def __str__(self) -> str:
        rows = [(r.name, str_spec(r.spec), self.describe(i)) for i, r in enumerate(self.records)]
        first, second = (max((len(row[k]) for row in rows), default=0) for k in (0, 1))
        title = f"graph {self.name} with" if self.name else "graph with"
        lines = [f"  {a:<{first}}  {b:<{second}}  {c}".rstrip() for a, b, c in rows]
        return "\n".join([f"{title} {len(rows)} node{'s' * (len(rows) != 1)}", *lines])

    def describe(self, index: int) -> str:
        """One node as a formula over the names of its inputs."""
        return describe_record(self.records, index)

    def structure_hash(self) -> str:
        """A hash of what is computed: primitives, links, attributes, constants, shapes, bodies.

        Names and lines do not count; two graphs of the same structure have the same hash, on
        every machine.

        >>> import dlgraph as dg
        >>> def build():
        ...     with dg.Graph().as_default() as g:
        ...         _ = dg.placeholder((None, 3)).sum()
        ...     return g.structure_hash()
        >>> build() == build()
        True
        """
        return structure_hash(self.records)

    # ---- building it
    @contextmanager
    def as_default(self) -> Iterator[Graph]:
        """Inside the block everything is written into this graph and nothing is computed.

        Placeholders, constants and variables belong to it, and operations on parameters and
        tensors become nodes too.
        """
        with (
            tracing(True),
            building(graph=self, scope="", role="forward", twin=None, where=None, control=()),
        ):
            yield self

    def __enter__(self) -> NoReturn:
        raise GraphError(
            "`with graph:` does not say what is to happen inside",
            hint="to build: with graph.as_default(); to run: session = dg.Session(graph)",
        )

    def __exit__(self, *error: object) -> None:
        """Never reached; without it Python would not ask `__enter__`."""

    @contextmanager
    def control_dependencies(self, nodes: Iterable[Any]) -> Iterator[None]:
        """Nodes made inside the block run only after these nodes have run.

        >>> import dlgraph as dg
        >>> with dg.Graph().as_default() as g:
        ...     w = dg.variable(dg.Parameter(1.0), name="w")
        ...     step = dg.assign(w, w + 1)
        ...     with g.control_dependencies([step]):
        ...         after = dg.read(w)
        >>> print(dg.Session(g).run([w, after]))
        [np.float32(1.0), np.float32(2.0)]
        """
        several = [nodes] if isinstance(nodes, Node) else nodes
        wanted = tuple(sorted(self.index_of(node) for node in several))
        with building(control=tuple(sorted({*BUILDING.get().control, *wanted}))):
            yield

    @property
    def startup(self) -> Graph:
        """The start-up graph: the initialisers of this graph's parameters, as nodes.

        `session.run(graph.startup)` runs them; running them again draws new random values.
        """
        if self._startup is None:
            self._startup = Graph(f"{self.name or 'graph'}/startup")
        return self._startup

    def add(
        self,
        primitive: Primitive,
        inputs: tuple[int, ...] = (),
        attrs: dict[str, Any] | None = None,
        spec: Spec = NO_VALUE,
        name: str | None = None,
    ) -> Node:
        """Append a node.  Operations call this; it is public for passes and for your own ops."""
        now = BUILDING.get()
        where = now.where or user_line()
        record = Record(
            primitive,
            inputs,
            attrs if attrs is not None else {},
            spec,
            self._unique(name or primitive.name, now.scope),
            where,
            now.role,
            now.twin,
            now.control,
        )
        index = len(self.records)
        self.records.append(record)
        self._index[record.name] = index
        return self.handle(index)

    def _unique(self, name: str, scope: str) -> str:
        if not isinstance(name, str):
            raise GraphError(f"a node is called by text, not by {name!r}", hint='name="image"')
        path = f"{scope}/{name}" if scope else name
        count = self._count.get(path)
        if count is None:
            count = self._count[path] = 0
            if path not in self._index:  # a name that was counted up to may be there
                return path
        while True:
            count += 1
            candidate = f"{path}_{count}"
            if candidate not in self._index:
                self._count[path] = count
                return candidate

    def convert(self, value: Any, dtype: Any = None) -> Node:
        """A node for this value: a node stays, a tensor becomes a variable, a number a constant."""
        if isinstance(value, Node):
            if value.graph is not self:
                raise GraphError(
                    f"{value.name!r} is a node of another graph than the other operands: "
                    f"{value.graph!r}, not {self!r}",
                    extra={"made at": str(value.where)} if value.where else None,
                    hint="nodes of different graphs cannot be combined; build both in one graph",
                )
            return value
        if isinstance(value, Tensor):
            return self.variable(value)
        array = arrays.read_only(as_array(value, dtype))
        return self.add(
            FUNCTIONS["constant"],  # type: ignore[arg-type]
            attrs={"value": array},
            spec=Spec(array.shape, array.dtype),
        )

    def variable(self, tensor: Tensor, name: str | None = None) -> Node:
        """The node that reads this tensor each time the graph runs; one per tensor."""
        index = self._variables.get(id(tensor))
        if index is not None:
            return self.handle(index)
        if tensor._op is not None:
            raise GraphError(
                f"{display_name(tensor) or 'a tensor'} {tensor.spec} was computed eagerly (by "
                f"{tensor._op.name}); a graph cannot look into that computation",
                hint="compute it inside the graph, or pass tensor.detach() to freeze its value",
            )
        if not tensor.requires_grad and type(tensor) is Tensor:
            return self.convert(value_of(tensor))
        node = self.add(
            FUNCTIONS["variable"],  # type: ignore[arg-type]
            attrs={"tensor": tensor},
            spec=tensor.spec,
            # A parameter "layer1.weight" is "weight" inside the scope of its layer.
            name=name or (tensor.name or "").rpartition(".")[2] or "variable",
        )
        self._variables[id(tensor)] = node.index
        return node

    def next_key(self, stream: Any) -> Node:
        """A node that draws the next key of a random stream at each run."""
        spec = Spec((2,), np.dtype(np.uint64))
        return self.add(FUNCTIONS["next_key"], attrs={"stream": stream}, spec=spec)  # type: ignore[arg-type]

    # ---- copies
    def copy_records(
        self, source: Graph, change: Callable[[Record, dict[int, int]], Record | int | None]
    ) -> dict[int, int]:
        """Append the records of another graph; where each of them is now.

        `change(record, moved)` returns the record to append (its links are still those of the
        source), the new index of a node that stands in its place, or None to leave it out.  What
        reads something that was left out is left out too.
        """
        moved: dict[int, int] = {}
        for index, record in enumerate(source.records):
            if any(i not in moved for i in record.inputs):
                continue
            found = change(record, moved)
            if found is None:
                continue
            if isinstance(found, int):
                moved[index] = self._index[record.name] = found
                continue
            moved[index] = self._index[record.name] = len(self.records)
            self.records.append(
                found._replace(
                    inputs=tuple(moved[i] for i in found.inputs),
                    control=tuple(moved[i] for i in record.control if i in moved),
                    twin=None if record.twin is None else moved.get(record.twin),
                    origin=record.origin or (index,),
                )
            )
        self._count = dict(source._count)
        return moved

    def clone(self, for_test: bool = False) -> Graph:
        """A copy; with `for_test=True` only the forward part, in evaluation mode.

        For testing, backward and update nodes are left out and every `train_or_test` node
        (dropout, batch normalisation) is replaced by its test input.  Names stay, so nodes of the
        original can be fetched from, and fed to, a session of the clone.  It makes no
        difference whether the graph is cloned before or after `minimize`.

        >>> import dlgraph as dg
        >>> with dg.Graph().as_default() as g:
        ...     x = dg.placeholder((3,), name="x")
        ...     y = dg.nn.Dropout(0.5)(x)
        >>> print(dg.Session(g.clone(for_test=True)).run(y, {x: [1.0, 2.0, 3.0]}))
        [1. 2. 3.]
        """
        from dlgraph.core.clone import clone

        return clone(self, for_test)

    def __copy__(self) -> Graph:
        return self.clone()

    def __getstate__(self) -> NoReturn:
        # Asked by pickle and deepcopy.  Records know the tensors that they read by identity.
        raise GraphError(
            f"{self!r} belongs to the running program: it knows its tensors and your lines of code",
            hint="graph.clone() is a copy; dg.save_inference_model(folder, feeds, fetches) writes "
            "what computes the fetches to files",
        )
