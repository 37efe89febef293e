"""Live: a computation that stays computed while somebody changes its inputs.

The forward part is copied, its gradients are appended by the rule that builds every gradient graph
(`core/gradients.py`), and all values are kept.  Setting a leaf then runs only what depends on it:
the plan of that part is an ordinary `Program` whose feeds are the values that stay.  The tensors
and parameters of the user are read once and never written to.  Read next: explorer.py.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np

from dlgraph.core.arrays import Bundle, Zeros
from dlgraph.core.body import Body
from dlgraph.core.building import building
from dlgraph.core.feeds import check_feed
from dlgraph.core.gradients import walk
from dlgraph.core.graph import Graph
from dlgraph.core.mode import tracing
from dlgraph.core.node import Node, Record
from dlgraph.core.primitive import FUNCTIONS
from dlgraph.core.program import Program, needed
from dlgraph.core.tensor import Tensor, value_of
from dlgraph.errors import GraphError, NonFiniteError, OperationError
from dlgraph.widgets.entry import fitted, with_element

LEAVES = ("variable", "placeholder")


class Change(NamedTuple):
    """What one change made necessary: nodes in the order in which they were computed again."""

    forward: tuple[int, ...] = ()  # nodes with a new value, the leaf itself not counted
    backward: tuple[int, ...] = ()  # nodes with a new gradient


class Live:
    """A node of a graph, its value and its gradients, kept up to date while leaves change.

    `feed` gives values to placeholders, as for `Session.run`.  Leaves are the placeholders,
    variables and fed nodes that the target depends on.  Gradients are those of the target, if it
    is a floating point scalar; of an eager record only where they were asked for
    (`requires_grad`).  Random numbers keep the keys they were first drawn with, and an eager
    record keeps the branches that were taken when it was made.

    Raises `FeedError` for a missing or ill-fitting feed, `GraphError` where computing again would
    change state (an assignment).

    >>> import dlgraph as dg
    >>> from dlgraph.widgets.live import Live
    >>> a = dg.Tensor(4.0, requires_grad=True, name="a")
    >>> b = dg.Tensor(5.0, requires_grad=True, name="b")
    >>> y = a * b + b
    >>> live = Live(y.graph.nodes[-1])
    >>> print(live.value(live.target), live.gradient(0), live.gradient(1))
    25.0 5.0 5.0
    >>> live.set(0, 10.0)
    Change(forward=(2, 3), backward=(1,))
    >>> print(live.value(live.target), live.gradient(1), a)
    55.0 11.0 4.0
    """

    def __init__(self, target: Node, feed: Mapping[Any, Any] | None = None):
        self.source = target.graph
        self.target = target.index
        fed = check_feed(self.source, feed or {})
        self.nodes = needed(self.source.records, [self.target], set(fed))
        self.nodes = sorted({*self.nodes, *fed} & _behind(self.source.records, self.target))
        self._refuse_effects()
        self.graph = _copied(self.source, set(fed))
        self.leaves = [i for i in self.nodes if i in fed or self._is_leaf(i)]
        self._grads = self._gradients()
        self._first = len(self.source)  # nodes from here on compute gradients
        wanted = [*self.nodes, *self._grads.values()]
        order = [*needed(self.graph.records, wanted, set(fed)), *fed]
        self._order = sorted(set(order))
        self._read = {i: _values_read(self.graph.records[i]) for i in self._order}
        self._programs: dict[frozenset[int], Program] = {}
        self.values = self._start(fed)
        self.first_values = {i: self.values[i] for i in self.leaves}

    # ---- what is known
    def value(self, index: int) -> Any:
        """The present value of a node."""
        return self.values[index]

    def gradient(self, index: int) -> Any:
        """The gradient of the target with respect to a node; None where there is none."""
        node = self._grads.get(index)
        return None if node is None else self.values[node]

    @property
    def why_no_gradients(self) -> str:
        """The reason, in words, why this target has no gradients; empty if it has."""
        record = self.source.records[self.target]
        value = self.values[self.target]
        if isinstance(value, Bundle) or record.spec.dtype.kind not in "fc":
            return f"the result is {record.spec.dtype}, which has no gradient"
        if np.ndim(value):
            count = np.size(value)
            return f"the result has {count} elements; only a scalar has one gradient"
        return "" if self._grads else "nothing that it depends on asks for a gradient"

    # ---- changing a leaf
    def set(self, index: int, value: Any, at: tuple[int, ...] | None = None) -> Change:
        """Give a leaf another value, or with `at` one of its elements; compute what depends on it.

        All or nothing: raises OperationError, ShapeError or DtypeError for a value that does not
        fit the leaf, NonFiniteError where a result becomes NaN or infinite, and then nothing has
        changed.
        """
        if index not in self.leaves:
            raise OperationError(
                f"{self.name(index)} is computed from other values, so it cannot be set",
                hint=f"set one of {', '.join(map(self.name, self.leaves)) or 'no leaf there is'}",
            )
        held = self.values[index]
        new = with_element(held, at, value, self.name(index)) if at is not None else value
        return self._replace({index: fitted(new, held, self.name(index))})

    def reset(self) -> Change:
        """Put all leaves back to their first values."""
        changed = {i: v for i, v in self.first_values.items() if self.values[i] is not v}
        return self._replace(changed) if changed else Change()

    def _replace(self, leaves: dict[int, Any]) -> Change:
        program = self._program(frozenset(leaves))
        stale = program.fetches
        trial = {**self.values, **leaves}
        with np.errstate(all="ignore"), tracing(False):
            found = program.run([trial[i] for i in program.feeds])
        trial.update(zip(program.fetches, found, strict=True))
        self._check_finite(stale, trial, leaves)
        self.values = trial
        again = set(stale)
        # Gradients in the order in which their last part was computed, later nodes first.
        backward = sorted((node, -i) for i, node in self._grads.items() if node in again)
        return Change(
            tuple(i for i in stale if i < self._first), tuple(-minus for _, minus in backward)
        )

    def stale(self, leaves: Iterable[int]) -> list[int]:
        """What has to be computed again when these leaves change, in order.

        Shapes stay, so what reads only the shape of a value does not depend on it.
        """
        changed, found = set(leaves), []
        for index in self._order:
            if index not in changed and any(i in changed for i in self._read[index]):
                changed.add(index)
                found.append(index)
        return found

    def _program(self, leaves: frozenset[int]) -> Program:
        # Dragging a slider changes one leaf again and again: the plan is made once.
        program = self._programs.get(leaves)
        if program is None:
            stale = self.stale(leaves)
            read = {i for index in stale for i in self.graph.records[index].inputs}
            feeds = sorted(i for i in read.difference(stale) if i in self.values)
            program = self._programs[leaves] = Program(self.graph, stale, feeds)
        return program

    def _check_finite(
        self, stale: Iterable[int], trial: dict[int, Any], leaves: Iterable[int]
    ) -> None:
        for index in stale:
            if _finite(trial[index]) or not _finite(self.values[index]):
                continue
            record = self.graph.records[index]
            what = "NaN" if _has_nan(trial[index]) else "infinite"
            own = index if index < self._first else record.twin
            where = f"the gradient at {self.name(own)}" if own != index else self.name(index)
            given = ", ".join(f"{self.name(i)} = {_shown(trial[i])}" for i in leaves)
            raise NonFiniteError(
                f"{where} becomes {what} where {given}",
                node=record.name,
                where=record.where,
                hint="the last values stay as they were",
            )

    # ---- names
    def name(self, index: int | None) -> str:
        """How a node is called in messages: a leaf by its name, an operation by its formula."""
        if index is None:
            return "the result"
        record = self.source.records[index]
        if not record.inputs:
            return record.name
        return f"{record.name} = {self.source.describe(index)}"

    # ---- setting up
    def _is_leaf(self, index: int) -> bool:
        if self.source.records[index].primitive.name not in LEAVES:
            return False
        readers = (r for r in (self.source.records[i] for i in self.nodes) if index in r.inputs)
        names = {_input_name(r, slot) for r in readers for slot in _slots(r, index)}
        return names != {"key"}  # a key of random numbers is no value to play with

    def _refuse_effects(self) -> None:
        for index in self.nodes:
            record = self.source.records[index]
            if _changes_state(record):
                raise GraphError(
                    f"{self.name(self.target)} depends on {record.name!r}, which changes state: "
                    "computing it again and again would change it each time",
                    where=record.where,
                    hint="explore a node that is computed without an assignment, or the graph in "
                    "evaluation mode: graph.clone(for_test=True), model.eval()",
                )

    def _gradients(self) -> dict[int, int]:
        record = self.source.records[self.target]
        scalar = record.spec.dtype.kind in "fc" and record.spec.shape == ()
        targets = {i for i in self.leaves if self._asks(i)}
        if not scalar or not targets or self.target in targets:
            return {}
        now = dict(role="backward", scope="gradients", twin=self.target, where=record.where)
        with tracing(True), building(graph=self.graph, control=(), **now):
            seed = self.graph.convert(np.ones((), record.spec.dtype), record.spec.dtype)
            found = walk(self.graph, {self.target: seed.index}, targets)
        mine = {*self.nodes}
        # A gradient that no path reaches is zero; only what walk computed is shown.
        return {i: node for i, node in sorted(found.items()) if i in mine}

    def _asks(self, index: int) -> bool:
        record = self.source.records[index]
        if record.spec.dtype.kind not in "fc":
            return False
        tensor = self.source.recorded.get(index)
        return tensor is None or tensor.requires_grad

    def _start(self, fed: dict[int, Any]) -> dict[int, Any]:
        values: dict[int, Any] = dict(fed)
        for index in self._order:
            record = self.graph.records[index]
            if index not in values and not record.inputs:
                values[index] = _first_value(record, self._required(index, fed))
        rest = [i for i in self._order if i not in values]
        feeds = sorted(values)
        with np.errstate(all="ignore"), tracing(False):
            found = Program(self.graph, rest, feeds).run([values[i] for i in feeds])
        values.update(zip(rest, found, strict=True))
        return values

    def _required(self, index: int, fed: dict[int, Any]) -> Program | None:
        # A program of the target says best which placeholder lacks a value, and on which way.
        record = self.graph.records[index]
        if record.primitive.name == "placeholder" and record.attrs["default"] is None:
            return Program(self.graph, [self.target], fed)
        return None


def _first_value(record: Record, required: Program | None) -> Any:
    """The value of a node without inputs; a stream is left as it is."""
    name, attrs = record.primitive.name, record.attrs
    if name == "next_key":
        return copy.copy(attrs["stream"]).draw()
    if name == "variable":
        return value_of(attrs["tensor"])
    if name == "placeholder":
        default = attrs["default"]
        return value_of(default) if isinstance(default, Tensor) else default
    return record.primitive.forward(np, **attrs)


def _copied(source: Graph, fed: set[int]) -> Graph:
    """The same nodes under the same numbers; what is fed is cut off from what would compute it."""
    made = Graph(source.name)
    made.copy_records(source, lambda record, moved: record)
    placeholder: Any = FUNCTIONS["placeholder"]
    for index in fed:
        cut = made.records[index]._replace(primitive=placeholder, inputs=(), control=())
        made.records[index] = cut._replace(attrs={"default": None})
    return made


def _behind(records: list[Record], target: int) -> set[int]:
    """The target and everything it could depend on."""
    return {target, *needed(records, [target], set())}


def _changes_state(record: Record) -> bool:
    """Does running this node, or a body that it runs, assign to something?"""
    stack = [record]
    while stack:
        one = stack.pop()
        if one.primitive.effect:
            return True
        for value in one.attrs.values():
            if isinstance(value, Body):
                stack.extend(value.records)
    return False


def _values_read(record: Record) -> tuple[int, ...]:
    """The inputs whose values, not just their shapes, the result depends on."""
    ignored = {*record.primitive.shape_only, *record.primitive.unused}
    return tuple(
        i for slot, i in enumerate(record.inputs) if _input_name(record, slot) not in ignored
    )


def _slots(record: Record, index: int) -> list[int]:
    return [slot for slot, source in enumerate(record.inputs) if source == index]


def _input_name(record: Record, slot: int) -> str:
    names = record.primitive.inputs
    return names[0 if record.primitive.variadic else slot]


def _finite(value: Any) -> bool:
    return all(bool(np.isfinite(one).all()) for one in _floating(value))


def _has_nan(value: Any) -> bool:
    return any(bool(np.isnan(one).any()) for one in _floating(value))


def _floating(value: Any) -> list[Any]:
    """The floating point arrays in a value, which may be a bundle of several."""
    parts = list(value) if isinstance(value, Bundle) else [value]
    return [p for p in parts if not isinstance(p, Zeros) and _kind(p) in "fc"]


def _kind(value: Any) -> str:
    return str(getattr(getattr(value, "dtype", None), "kind", "none"))


def _shown(value: Any) -> str:
    if np.ndim(value):
        return f"an array of {np.size(value)} numbers"
    return f"{value:.6g}" if np.asarray(value).dtype.kind == "f" else str(value)
