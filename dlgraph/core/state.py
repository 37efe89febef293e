"""The nodes that hold or change something: placeholder, constant, variable, assign, group.

Their forward functions need no session magic: a variable node reads its tensor, an assign node
writes it.  A run reads every variable when its node is reached; an assignment takes effect for
nodes that come after it by a control dependency, and for the next run.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from dlgraph.core import arrays
from dlgraph.core.building import BUILDING, building, default_graph
from dlgraph.core.graph import Graph
from dlgraph.core.node import NO_VALUE, Node
from dlgraph.core.parameter import Parameter
from dlgraph.core.primitive import primitive
from dlgraph.core.promotion import weak_kind
from dlgraph.core.pulls import unchanged
from dlgraph.core.spec import Dim, Spec, same_shape, show_shape, spec_of
from dlgraph.core.tensor import Tensor, as_array, value_of
from dlgraph.core.values import element_type
from dlgraph.errors import DtypeError, FeedError, GraphError, ShapeError

MOST_AXES = 64  # of NumPy's arrays
LARGEST = int(np.iinfo(np.intp).max)


@primitive(name="constant", kind="state", text="constant", onnx="Constant")
def _constant(xp: Any, *, value: Any) -> Any:
    """A value that is part of the graph."""
    return value


@primitive(name="placeholder", kind="state", text="placeholder")
def _placeholder(xp: Any, *, default: Any = None) -> Any:
    """A value that every run is fed."""
    if default is None:
        raise FeedError("a placeholder has no value of its own", where=None)
    return value_of(default)


@primitive(name="variable", kind="state", text="variable")
def _variable(xp: Any, *, tensor: Any) -> Any:
    """The present value of a tensor that outlives the run."""
    return value_of(tensor)


@primitive(
    name="assign",
    kind="effect",
    text="{variable} := {value}",
    effect=True,
    unused=("variable",),
)
def _assign(xp: Any, variable: Any, value: Any, *, tensor: Any, copy: bool = True) -> Any:
    """Replace the value of a variable; the result is the new value."""
    if value.shape != tensor._spec_shape():
        raise ShapeError(
            f"the variable holds {tensor.spec}, the new value is {spec_of(value)}",
            where=None,
            hint="assignment never stretches; bring the value into this shape first",
        )
    # In the order of its indices, as an array is made: the bits of sums depend on the order.
    new = value if not copy and value.flags.c_contiguous else value.copy()
    tensor._replace(new)
    return new


@primitive(name="group", kind="effect", text="group", effect=True)
def _group(xp: Any) -> None:
    """Run several nodes and return nothing."""
    return None


def _either(train: Spec, test: Spec) -> Spec:
    if train.dtype != test.dtype or not same_shape(train.shape, test.shape):
        wrong = DtypeError if same_shape(train.shape, test.shape) else ShapeError
        raise wrong(
            f"{train} while training and {test} in a test: what reads it takes one form",
            where=None,
            hint="bring both into the same shape and dtype",
        )
    return train


@primitive(kind="control", infer=_either, text="train_or_test({train}, {test})", unused=("test",))
def train_or_test(xp: Any, train: Any, test: Any) -> Any:
    """One value while training, another in a graph cloned for testing.

    In a run it is `train`; `graph.clone(for_test=True)` puts `test` in its place.  Layers use it
    for dropout and running statistics.

    >>> import dlgraph as dg
    >>> with dg.Graph().as_default() as g:
    ...     x = dg.placeholder((), name="x")
    ...     y = dg.train_or_test(x * 2, x)
    >>> print(dg.Session(g).run(y, {x: 3.0}), dg.Session(g.clone(for_test=True)).run(y, {x: 3.0}))
    6.0 3.0
    """
    return train


train_or_test.vjp(train=unchanged)


def placeholder(
    shape: Sequence[int | str | None], dtype: Any = "float32", name: str | None = None
) -> Node:
    """A value that is fed at each run.

    `shape` may have unknown sizes: None, or a name (`"batch"`) for sizes that must be equal.
    Feeding checks dtype and known sizes and converts nothing silently.

    >>> import dlgraph as dg
    >>> with dg.Graph().as_default():
    ...     dg.placeholder((None, 784), name="image")
    <Node image (?, 784) float32, not run yet>
    """
    graph = default_graph("a placeholder")
    spec = spec_with(sizes_of(shape, "placeholder"), dtype)
    return graph.add(_placeholder, attrs={"default": None}, spec=spec, name=name)


def sizes_of(shape: Any, what: str) -> list[Any]:
    """The sizes of a shape in which None and names stand for unknown ones; `what` has that shape.

    Raises `ShapeError` for what is no shape.
    """
    if isinstance(shape, str) or not isinstance(shape, Iterable):
        raise ShapeError(
            f"{what}(shape={shape!r}): a shape is a tuple of sizes",
            hint="() for a scalar, (3,) for three numbers, (None, 784) for rows of 784",
        )
    shape = tuple(shape)
    if len(shape) > MOST_AXES:
        raise ShapeError(
            f"{what}(shape=...): {len(shape)} axes, an array has at most {MOST_AXES}",
            hint="the shape is one size per axis: (None, 784) for rows of 784",
        )
    sizes: list[Any] = []
    for size in shape:
        if size is None or isinstance(size, str):
            sizes.append(Dim(size))
        elif isinstance(size, Dim):
            sizes.append(size)
        elif isinstance(size, (int, np.integer)) and not isinstance(size, bool) and size >= 0:
            if size > LARGEST:
                raise ShapeError(
                    f"{what}(shape={shape!r}): the size {size} is larger than that of any array",
                    hint="None stands for a size that is known only when it runs",
                )
            sizes.append(int(size))
        else:
            raise ShapeError(
                f"{what}(shape={shape!r}): {size!r} is not a size",
                hint="a size is a number, None if unknown, or a name",
            )
    return sizes


def spec_with(sizes: Sequence[Any], dtype: Any) -> Spec:
    """The spec with an element type given by its name; raise `DtypeError` if there is none."""
    return Spec(tuple(sizes), element_type(dtype))


def constant(value: Any, dtype: Any = None, name: str | None = None) -> Node:
    """A value that is part of the graph and never changes.

    >>> import dlgraph as dg
    >>> with dg.Graph().as_default() as g:
    ...     c = dg.constant([1.0, 2.0])
    >>> c.spec == dg.Spec((2,), dg.Tensor(1.0).dtype)
    True
    """
    graph = default_graph("a constant")
    array = arrays.read_only(as_array(value, dtype))
    return graph.add(
        _constant, attrs={"value": array}, spec=Spec(array.shape, array.dtype), name=name
    )


def variable(value: Any, name: str | None = None) -> Node:
    """The node that reads a `Parameter` (or tensor) each time the graph runs.

    Given values instead, a new Parameter is made from them.  The storage is shared with eager
    code: a model trained in one mode runs in the other with no copy.  Asking twice for the same
    Parameter gives the same node.

    >>> import dlgraph as dg
    >>> w = dg.Parameter(2.0, name="w")
    >>> with dg.Graph().as_default() as g:
    ...     y = dg.variable(w) * 3
    >>> session = dg.Session(g)
    >>> w.assign(5.0)
    >>> print(session.run(y))
    15.0
    """
    graph = default_graph("a variable")
    if isinstance(value, Node):
        raise GraphError(
            f"{value.name!r} is a node already; a variable is made from a Parameter or values"
        )
    tensor = value if isinstance(value, Tensor) else Parameter(value, name=name)
    return graph.variable(tensor, name)


def read(variable: Node) -> Node:
    """Read a variable again at this point; useful inside `graph.control_dependencies`.

    >>> import dlgraph as dg
    >>> with dg.Graph().as_default() as g:
    ...     w = dg.variable([1.0], name="w")
    ...     again = dg.read(w)
    >>> again.name
    'w_1'
    """
    tensor = _tensor_of(variable, "read")
    name = variable.name.rpartition("/")[2]
    return variable.graph.add(_variable, attrs={"tensor": tensor}, spec=variable.spec, name=name)


def assign(variable: Any, value: Any, name: str | None = None) -> Node:
    """A node that replaces the value of a variable when it runs.

    It runs if it is fetched, or if something fetched depends on it.  Shape and dtype stay:
    anything else is an error.

    >>> import dlgraph as dg
    >>> with dg.Graph().as_default() as g:
    ...     w = dg.variable(1.0, name="w")
    ...     step = dg.assign(w, w * 2)
    >>> session = dg.Session(g)
    >>> for _ in range(3):
    ...     print(session.run(step))
    2.0
    4.0
    8.0
    """
    if isinstance(variable, Tensor):
        variable = default_graph("an assignment").variable(variable)
    tensor = _tensor_of(variable, "assign")
    graph: Graph = variable.graph
    node = graph.convert(value, variable.dtype if weak_kind(value) is not None else None)
    if node.dtype != variable.dtype or not same_shape(node.shape, variable.shape):
        wrong = DtypeError if same_shape(node.shape, variable.shape) else ShapeError
        raise wrong(
            f"assign: variable {variable.name!r} holds {variable.spec}, the new value "
            f"{node.name!r} is {node.spec}",
            hint="assignment never converts or stretches; bring the value into this form first",
        )
    # What another holds (a feed, a constant, a view of it) must not become the variable's own.
    copy = node.primitive.kind in ("state", "view", "index", "control")
    return graph.add(
        _assign, (variable.index, node.index), {"tensor": tensor, "copy": copy}, variable.spec, name
    )


def _tensor_of(variable: Any, what: str) -> Tensor:
    if isinstance(variable, Node) and variable.graph.captures_outer:
        held = variable.graph.tensor_of(variable.index)  # type: ignore[attr-defined]
        if held is not None:
            return held
    if not isinstance(variable, Node) or variable.primitive is not _variable:
        called = repr(variable.name) if isinstance(variable, Node) else type(variable).__name__
        raise GraphError(
            f"{what}: {called} is not a variable",
            hint="only what dg.variable returned, or a Parameter, can be read or assigned",
        )
    return variable.attrs["tensor"]


def group(nodes: Iterable[Node], name: str | None = None) -> Node:
    """One node that stands for running several; fetching it returns None.

    >>> import dlgraph as dg
    >>> with dg.Graph().as_default() as g:
    ...     v, w = dg.variable(1.0), dg.variable(2.0)
    ...     both = dg.group([dg.assign(v, v + 1), dg.assign(w, w + 1)])
    >>> dg.Session(g).run(both)
    """
    if not isinstance(nodes, (Node, str)) and not isinstance(nodes, Iterable):
        raise GraphError(
            f"dg.group: a group is of nodes, not {type(nodes).__name__}",
            hint="dg.group([first, second])",
        )
    members = [nodes] if isinstance(nodes, (Node, str)) else list(nodes)
    graph = next((m.graph for m in members if isinstance(m, Node)), None)
    graph = graph or default_graph("a group")
    if not members:
        return graph.add(_group, spec=NO_VALUE, name=name)
    wanted = {graph.index_of(node) for node in members} | set(BUILDING.get().control)
    with building(control=tuple(sorted(wanted))):
        return graph.add(_group, spec=NO_VALUE, name=name)


def show_placeholder(name: str, spec: Spec) -> str:
    """How a placeholder is called in errors about feeding."""
    return f"placeholder {name!r} {show_shape(spec.shape)} {spec.dtype}"
