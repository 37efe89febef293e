"""Record and Node: one operation of a graph, as the graph stores it and as the user holds it.

Asking a node for its value before the graph runs is the most common mistake in define-then-run;
all the ways of asking end in one error that says how to run it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

import numpy as np

from dlgraph.core.operators import Operators
from dlgraph.core.primitive import FUNCTIONS, Primitive
from dlgraph.core.spec import Shape, Spec
from dlgraph.core.where import Where, name_in_frame, user_frame
from dlgraph.errors import GraphError, OperationError, SymbolicValueError

if TYPE_CHECKING:
    from dlgraph.core.graph import Graph
    from dlgraph.core.tensor import Tensor

NO_VALUE = Spec((), np.dtype(np.void))  # of nodes that only do something


class Record(NamedTuple):
    """What a graph knows about one node.  Never changed once appended."""

    primitive: Primitive
    inputs: tuple[int, ...]
    attrs: dict[str, Any]
    spec: Spec
    name: str  # unique in the graph, scopes in front: "mlp/layer1/matmul"
    where: Where | None = None
    role: str = "forward"  # or "backward", "update"
    twin: int | None = None  # of a backward node: the forward node it belongs to
    control: tuple[int, ...] = ()  # nodes that must run before this one
    origin: tuple[int, ...] = ()  # after a pass: the nodes of the source graph it stands for


def str_spec(spec: Spec) -> str:
    """The spec in print; a node that only does something has no value."""
    return "no value" if spec == NO_VALUE else str(spec)


class Node(Operators):
    """A value that does not exist until the graph runs; what it will be is known (`spec`).

    Operators, methods and functions on nodes append further nodes.  Asking for a value
    (`float(node)`, `if node:`) is an error that says how to run the graph.

    >>> import dlgraph as dg
    >>> with dg.Graph().as_default():
    ...     x = dg.placeholder(("batch", 3), name="x")
    ...     y = (2 * x).sum(axis=1)
    >>> y.shape, y.dtype.name, y.inputs[0].primitive
    ((batch,), 'float32', <Primitive multiply: a * b>)
    """

    __slots__ = ("__weakref__", "graph", "index")

    graph: Graph
    index: int

    def __init__(self, graph: Graph, index: int):
        object.__setattr__(self, "graph", graph)
        object.__setattr__(self, "index", index)

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"a node cannot be changed (tried to set {name!r})")

    @property
    def record(self) -> Record:
        """All that the graph knows about this node."""
        return self.graph.records[self.index]

    @property
    def primitive(self) -> Primitive:
        """The operation."""
        return self.record.primitive

    @property
    def inputs(self) -> tuple[Node, ...]:
        """The nodes whose values this one reads."""
        return tuple(self.graph.handle(i) for i in self.record.inputs)

    @property
    def attrs(self) -> dict[str, Any]:
        """The operation's fixed arguments (axis, shape ...)."""
        return self.record.attrs

    @property
    def spec(self) -> Spec:
        """Shape and dtype."""
        return self.record.spec

    @property
    def shape(self) -> Shape:
        """Sizes; those not known before the run are `Dim` objects."""
        return self.record.spec.shape

    @property
    def dtype(self) -> np.dtype:
        """Element type."""
        return self.record.spec.dtype

    @property
    def ndim(self) -> int:
        """Number of dimensions."""
        return len(self.record.spec.shape)

    @property
    def name(self) -> str:
        """Unique name, with the scopes: `mlp/layer1/matmul`."""
        return self.record.name

    @property
    def scope(self) -> str:
        """The scopes alone: `mlp/layer1`."""
        return self.record.name.rpartition("/")[0]

    @property
    def where(self) -> Where | None:
        """The user's line that made it."""
        return self.record.where

    @property
    def role(self) -> str:
        """forward, backward or update."""
        return self.record.role

    @property
    def twin(self) -> Node | None:
        """Of a backward node: the forward node whose gradient rule made it."""
        return None if self.record.twin is None else self.graph.handle(self.record.twin)

    @property
    def tensor(self) -> Tensor | None:
        """The tensor behind it: a variable's storage, or the eager tensor it was recorded from."""
        recorded = self.graph.recorded.get(self.index)
        return self.record.attrs.get("tensor") if recorded is None else recorded

    def __deepcopy__(self, memo: Any) -> Node:
        return self  # a handle: the copy of a feed or a list of nodes means the same nodes

    def __copy__(self) -> Node:
        return self

    def detach(self) -> Node:
        """The same value; no gradient flows through the result."""
        return FUNCTIONS["stop_gradient"](self)

    def __repr__(self) -> str:
        return f"<Node {self.name} {str_spec(self.spec)}, not run yet>"

    def __format__(self, form: str) -> str:
        if form:
            self._asked(f'f"{{node:{form}}}"')
        return str(self)

    def _asked(self, how: str, hint: str | None = None) -> NoReturn:
        called = name_in_frame(self, user_frame()) or f'"{self.name}"'
        advice = (
            f"{called} has a value once the function runs, not while it is traced: compute with "
            f"{called} itself, or return it and look at it outside"
            if self.graph.captures_outer
            else f"session.run({called}, feed) returns the value"
        )
        raise SymbolicValueError(
            f"`{how}` needs the value of {self.name!r} {str_spec(self.spec)}: a graph node has no "
            "value until the graph runs",
            extra={"made at": str(self.where)} if self.where else None,
            hint=hint or advice,
        )

    def __bool__(self) -> bool:
        self._asked(
            "if node:",
            "Python decides while the graph is being built; to choose at run time use "
            "dg.where(condition, a, b), to repeat dg.while_loop; `and` and `or` are & and |",
        )

    def __float__(self) -> float:
        self._asked("float(node)")

    def __int__(self) -> int:
        self._asked("int(node)")

    def __index__(self) -> int:
        self._asked("sequence[node]")

    def __array__(self, *args: Any, **kwargs: Any) -> np.ndarray:
        self._asked("np.asarray(node)")

    def numpy(self) -> NoReturn:
        """Not possible before the graph runs; the error says what to do."""
        self._asked("node.numpy()")

    def item(self) -> NoReturn:
        """Not possible before the graph runs; the error says what to do."""
        self._asked("node.item()")

    def tolist(self) -> NoReturn:
        """Not possible before the graph runs; the error says what to do."""
        self._asked("node.tolist()")

    def backward(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Eager only; in a graph the gradient is built with `dg.gradients`."""
        self._asked(
            "node.backward()",
            "in a graph the gradient is a node too: dg.gradients(loss, variables), "
            "or optimizer.minimize(loss)",
        )

    def __len__(self) -> int:
        return self._length("len(node)")

    def _length(self, how: str) -> int:
        if not self.ndim:
            raise OperationError(
                f"{self.name!r} is a scalar: it has no length and no elements to go through"
            )
        if isinstance(self.shape[0], int):
            return self.shape[0]
        self._asked(
            how,
            "the size of axis 0 is not known before the run; operations on the whole axis need no "
            "loop: x.sum(axis=0), x @ w",
        )

    def __iter__(self) -> Iterator[Node]:
        return (self[i] for i in range(self._length("for row in node")))

    def __contains__(self, value: Any) -> bool:
        self._asked("value in node")

    def __setitem__(self, index: Any, value: Any) -> NoReturn:
        raise GraphError(
            f"{self.name!r}: a node is a formula; single elements of it cannot be overwritten",
            extra={"made at": str(self.where)} if self.where else None,
            hint="build a new one: dg.where(condition, a, b), dg.set_along_axis(...)",
        )
