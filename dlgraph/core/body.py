"""A piece of program as a value: the body of a loop, a branch, a traced function.

A `Body` is a graph with inputs and outputs.  While it is traced, everything from outside that its
operations touch (parameters, tensors, nodes of the outer graph) becomes a further input, a capture,
so gradients reach it.  Next: `calls.py`, where bodies are applied.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from dlgraph.core.arrays import Bundle
from dlgraph.core.building import BUILDING, building
from dlgraph.core.gradients import walk
from dlgraph.core.graph import Graph
from dlgraph.core.node import Node
from dlgraph.core.primitive import FUNCTIONS, Primitive, primitive
from dlgraph.core.program import Program
from dlgraph.core.spec import BundleSpec, Dim, Spec
from dlgraph.core.tensor import Tensor
from dlgraph.core.tree import flatten
from dlgraph.core.words import counted
from dlgraph.errors import DlgraphError, GraphError, OperationError

KEY = Spec((2,), np.dtype(np.uint64))


@primitive(kind="random", text="fold_in({key}, {step})")
def fold_in(xp: Any, key: Any, step: Any) -> Any:
    """A new key from a key and a number: the key of one turn of a loop."""
    mixed = np.random.SeedSequence([int(key[0]), int(key[1]), int(step)])
    return mixed.generate_state(2, np.uint64)


class KeyOf(NamedTuple):
    """A capture that stands for the next key of a stream, drawn anew at each call."""

    stream: Any


class Body(Graph):
    """A graph with declared inputs and outputs; what it takes from outside is captured."""

    captures_outer = True

    def __init__(self, name: str | None):
        super().__init__(name)
        self.inputs: list[int] = []
        self.outputs: list[int] = []
        self.captures: list[Any] = []  # tensors, or nodes of the outer graph
        self.effects: list[int] = []
        self.given: dict[Any, int] = {}  # key of a value that an input always has -> that input
        self.enclosing: Body | None = None  # the one that is being traced around this one
        self._capture_of: dict[Any, int] = {}  # key of a captured value -> its placeholder
        self._program: Program | None = None
        self._gradients: dict[Any, Body] = {}
        self.variants: dict[Any, Body] = {}  # bodies derived from this one, by purpose
        self.step: int | None = None  # in the body of a loop: the node of the turn's number

    def input(self, spec: Any, name: str | None = None) -> Node:
        """Declare the next input."""
        node = self.add(_placeholder(), attrs={"default": None}, spec=spec, name=name)
        self.inputs.append(node.index)
        return node

    def convert(self, value: Any, dtype: Any = None) -> Node:
        """As `Graph.convert`; nodes of the outer graph are captured."""
        if isinstance(value, Node) and value.graph is not self:
            value = self.known(value)
        if isinstance(value, Node) and value.graph is not self:
            return self._capture(key_of(value), value, value.spec, value.name)
        return super().convert(value, dtype)

    def variable(self, tensor: Tensor, name: str | None = None) -> Node:
        """As `Graph.variable`, but every tensor becomes an input: its value is never frozen."""
        known = self.known(tensor)
        if isinstance(known, Node):
            return self.convert(known)
        return self._capture(key_of(tensor), tensor, tensor.spec, name or tensor.name)

    def tensor_of(self, index: int) -> Tensor | None:
        """The tensor that a capture stands for, as long as the captures are held here."""
        held = dict(zip(self._capture_of.values(), self.captures, strict=False))
        value = held.get(index)
        return value if isinstance(value, Tensor) else None

    def copy_pure(self, source: Graph) -> dict[int, int]:
        """Append what another graph computes, without its effects; the new index of each."""
        return self.copy_records(source, lambda r, moved: None if r.primitive.effect else r)

    def known(self, value: Any) -> Any:
        """The value, or the input of this body or one around it that always has this value."""
        if self.enclosing is not None:
            value = self.enclosing.known(value)
        key = key_of(value)
        index = self.given.get(key, self._capture_of.get(key))
        return value if index is None else self.handle(index)

    def _capture(self, key: Any, value: Any, spec: Any, name: str | None) -> Node:
        index = self._capture_of.get(key)
        if index is None:
            label = name.replace(".", "/").rpartition("/")[2] if name else "captured"
            with building(scope="", role="forward", twin=None, control=()):
                node = self.add(_placeholder(), attrs={"default": None}, spec=spec, name=label)
            index = self._capture_of[key] = node.index
            self.captures.append(value)
        return self.handle(index)

    def next_key(self, stream: Any) -> Node:
        """As `Graph.next_key`, but drawn outside: computing again gives the same numbers."""
        count = sum(isinstance(value, KeyOf) for value in self.captures)
        key = self._capture(("key", id(stream), count), KeyOf(stream), KEY, "key")
        return key if self.step is None else fold_in(key, self.handle(self.step))

    @property
    def all_inputs(self) -> list[int]:
        """Declared inputs, then captures."""
        return [*self.inputs, *self.captured]

    @property
    def captured(self) -> list[int]:
        """The inputs that stand for what is taken from outside."""
        return list(self._capture_of.values())

    @property
    def program(self) -> Program:
        """The plan that computes the outputs (and runs the effects)."""
        if self._program is None:
            self._program = Program(self, [*self.outputs, *self.effects], self.all_inputs)
        return self._program

    @property
    def output_specs(self) -> tuple[Any, ...]:
        """Specs of the outputs."""
        return tuple(self.records[i].spec for i in self.outputs)

    def values(self, values: Sequence[Any]) -> list[Any]:
        """Run on arrays; one value per output."""
        return self.program.run(list(values))[: len(self.outputs)]

    def output_shapes(self, values: Sequence[Any]) -> list[tuple[int, ...]]:
        """Shapes of the outputs for these inputs: where they are not known, those of a trial."""
        shapes = [spec.shape for spec in self.output_specs]
        if any(isinstance(size, Dim) for shape in shapes for size in shape) and not self.effects:
            try:
                with np.errstate(all="ignore"):
                    return [np.shape(value) for value in self.values(values)]
            except DlgraphError:  # these values do not suit the operations
                pass
        return [tuple(0 if isinstance(size, Dim) else size for size in shape) for shape in shapes]

    def run(self, values: Sequence[Any]) -> Any:
        """Run on arrays: the value, or a bundle if there are several outputs."""
        found = self.values(values)
        return found[0] if len(found) == 1 else Bundle(found)

    def gradient(self, wanted: tuple[int, ...], held: tuple[int, ...] = ()) -> Body:
        """The body that computes the gradients of chosen inputs.

        Its inputs are those of this body, then one gradient per floating output, then the gradients
        so far of the inputs that are `held`, to which it adds use by use.
        """
        found = self._gradients.get((wanted, held))
        if found is None:
            found = self._gradients[wanted, held] = _gradient_body(self, wanted, held)
        return found


def _placeholder() -> Primitive:
    found: Any = FUNCTIONS["placeholder"]
    return found


def key_of(value: Any) -> Any:
    """Which tensor, or node of a graph, this is."""
    return (id(value.graph), value.index) if isinstance(value, Node) else id(value)


def around() -> Body | None:
    """The body that is being traced, if one is."""
    graph = BUILDING.get().graph
    return graph if isinstance(graph, Body) else None


def trace(
    function: Callable[..., Any],
    specs: Sequence[Any],
    name: str,
    names: Sequence[str] = (),
    loop: bool = False,
    given: Sequence[Any] = (),
) -> tuple[Body, Any]:
    """Run a Python function on nodes; the body, and what the function returned (of nodes).

    `given` are the values of the inputs, where these are always the same: a value that is taken
    from outside too is the same input.
    """
    body = Body(name)
    body.enclosing = around()
    with body.as_default():
        labels = [*names, *(f"x{i}" for i in range(len(names), len(specs)))]
        inputs = [body.input(s, n) for s, n in zip(specs, labels, strict=True)]
        for value, node in zip(given, inputs, strict=False):
            body.given[key_of(value)] = node.index
        body.step = inputs[0].index if loop else None
        result = function(*inputs)
    return body, result


def input_names(
    function: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any] | None = None
) -> list[str]:
    """What the inputs are called that a function is traced with: as its parameters.

    Where there is an input, the (nested) arguments hold its number.  Empty if the function has no
    signature, or if these are not its arguments.

    >>> from dlgraph.core.body import input_names
    >>> input_names(lambda state, rows: None, [0, (1, 2)])
    ['state', 'rows_0', 'rows_1']
    """
    try:
        bound = inspect.signature(function).bind(*args, **(kwargs or {})).arguments
    except (TypeError, ValueError):
        return []
    names: dict[int, str] = {}
    for name, value in bound.items():
        places, _ = flatten(value)
        for k, place in enumerate(places):
            names.setdefault(place, name if place is value else f"{name}_{k}")
    return [names[place] for place in sorted(names)]


def check_takes(what: str, function: Any, count: int, hint: str) -> None:
    """Raise unless this is a function that can be called with so many values."""
    if not callable(function):
        raise OperationError(f"{what} is a {type(function).__name__}, not a function", hint=hint)
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # a builtin may have none
        return
    try:
        signature.bind(*range(count))
    except TypeError:
        raise OperationError(
            f"{what} takes {signature} and is called with {counted(count, 'value')}", hint=hint
        ) from None


def set_outputs(body: Body, outputs: Sequence[Any], what: str) -> None:
    """Declare what a traced body returns; numbers and tensors become constants and captures."""
    with building(graph=body, scope="", role="forward", twin=None, control=()):
        nodes = []
        for value in outputs:
            if value is None:
                raise OperationError(
                    f"{what} returned None",
                    hint="return a value (a tensor or number), or several as a tuple",
                )
            nodes.append(body.convert(value))
    body.outputs = [node.index for node in nodes]
    body.given, body.enclosing = {}, None  # only while it is traced
    body.effects = [i for i, r in enumerate(body.records) if r.primitive.effect]


def _gradient_body(body: Body, wanted: tuple[int, ...], held: tuple[int, ...]) -> Body:
    made = Body(f"{body.name} gradient")
    moved = made.copy_pure(body)
    made.inputs = [moved[i] for i in body.all_inputs]
    seeds: dict[int, int] = {}
    with building(graph=made, scope="", role="forward", twin=None, control=()):
        floating = [i for i in body.outputs if is_floating(body.records[i].spec)]
        given = [(moved[i], made.input(body.records[i].spec, "g")) for i in floating]
        begun = [moved[body.all_inputs[k]] for k in held]
        so_far = [(i, made.input(made.records[i].spec, "so_far")) for i in begun]
        for i, g in [*so_far, *given]:
            seeds[i] = (made.handle(seeds[i]) + g).index if i in seeds else g.index
        targets = [moved[body.all_inputs[k]] for k in wanted]
        found = walk(made, seeds, set(targets))
    outputs = []
    with building(graph=made, scope="", role="backward", twin=None, control=()):
        for target in targets:
            index = found.get(target)
            node = made.handle(target)
            outputs.append(index if index is not None else FUNCTIONS["zeros_like"](node).index)
    made.outputs = outputs
    return made


def is_floating(spec: Any) -> bool:
    """Has a value of this kind a gradient?"""
    return isinstance(spec, BundleSpec) or spec.dtype.kind in "fc"


def close(bodies: Sequence[Body]) -> list[Any]:
    """Give several bodies the same captures, in the same order; the captured values."""
    found: dict[Any, tuple[Any, Any, str]] = {}
    for body in bodies:
        for (key, index), value in zip(body._capture_of.items(), body.captures, strict=True):
            record = body.records[index]
            found.setdefault(key, (value, record.spec, record.name))
    for body in bodies:
        for key, (value, spec, name) in found.items():
            body._capture(key, value, spec, name)
        body._capture_of = {key: body._capture_of[key] for key in found}
        body.captures = []  # from here on they are inputs; holding them would tie graphs in knots
    return [value for value, _, _ in found.values()]


def resolved(captures: Sequence[Any], values: Sequence[Any]) -> list[Any]:
    """The captures as values for one call: keys are drawn, everything else stands for itself."""
    sample = next((v for v in values if isinstance(v, Node)), None)
    return [
        capture.stream.key_for(sample) if isinstance(capture, KeyOf) else capture
        for capture in captures
    ]


def checked_sizes(what: str, specs: Sequence[Spec], others: Sequence[Spec], names: str) -> None:
    """Raise unless two lists of specs agree, as the state of a loop must."""
    if len(specs) != len(others):
        raise GraphError(f"{what}: {len(specs)} values in {names}, {len(others)} returned")
    for k, (a, b) in enumerate(zip(specs, others, strict=True)):
        shapes = len(a.shape) == len(b.shape) and all(
            isinstance(m, Dim) or isinstance(n, Dim) or m == n
            for m, n in zip(a.shape, b.shape, strict=True)
        )
        if not shapes or a.dtype != b.dtype:
            raise GraphError(
                f"{what}: value {k} of {names} is {a}, but {b} is returned",
                hint="shape and dtype must stay the same: start from the right dtype "
                "(0.0 instead of 0), or convert with astype",
            )
