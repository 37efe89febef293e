"""From the engine to a picture: reads a recorded or built graph, computes nothing.

The only module of this package that knows the engine.  Read next: model.py.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from types import FrameType
from typing import Any

import numpy as np

from dlgraph.core.body import Body
from dlgraph.core.function import Function
from dlgraph.core.graph import Graph
from dlgraph.core.node import Node
from dlgraph.core.parameter import Parameter
from dlgraph.core.program import Program
from dlgraph.core.session import Session
from dlgraph.core.spec import BundleSpec
from dlgraph.core.tensor import Tensor
from dlgraph.core.where import name_in_frame
from dlgraph.draw.formula import (
    ATOM,
    REFERENCE_LIMIT,
    SIGN,
    SUM,
    binding,
    gradient_text,
    shape_text,
    value_text,
    write,
)
from dlgraph.draw.model import KINDS, LEAVES, Edge, Picture, PictureNode
from dlgraph.draw.naming import captured, longer_names
from dlgraph.draw.nested import NESTED, nested_label, nested_words
from dlgraph.draw.saved import saved_values
from dlgraph.draw.updates import find_owners
from dlgraph.errors import OperationError

NUMBERS_LIMIT = 80  # characters of a formula with numbers
_KINDS = {"constant": "constant", "variable": "parameter", "placeholder": "input", "item": "part"}


def graph_of(x: Any) -> Graph | None:
    """The graph that `picture_of` reads; None where that shows only once it is tried."""
    if isinstance(x, Session):
        return x.graph
    if isinstance(x, Program):
        return as_graph(x)
    if isinstance(x, Graph):
        return x
    return x.graph if isinstance(x, (Tensor, Node, Function)) else None


def as_graph(program: Program) -> Graph:
    """The records of a program as a graph again: a program does not hold its graph."""
    graph = Graph()
    graph.records = program.records
    return graph


def picture_of(
    x: Any, *, title: str = "", frame: FrameType | None = None, graph: Graph | None = None
) -> Picture:
    """The picture of a Tensor, a Graph or a Node, or of a traced function's latest graph.

    Of a Session that of its graph, of a program (`session.program(y)`) just what it runs.
    `graph` is what `graph_of` found, if that was asked already: of a tensor it is made anew.

    `frame` is where the user's variables are: what has no name of its own is called like the
    variable that holds it.  Raises OperationError for anything else.
    """
    if isinstance(x, Tensor):
        released = x._op is not None and not x._inputs
        if released and not title:
            title = "its record was let go by backward(): draw it before, or retain_graph=True"
        graph = graph or x.graph
        return _Reader(graph, frame, range(len(graph))).picture([len(graph) - 1], title)
    if isinstance(x, Node):
        wanted = _needed(x.graph, x.index)
        reader = _Reader(x.graph, frame, wanted)
        return reader.picture([x.index] if x.index in reader.wanted else reader.results(), title)
    if isinstance(x, Graph):
        reader = _Reader(x, frame, range(len(x)))
        return reader.picture(reader.results(), title or x.name or "")
    if isinstance(x, Session):
        return picture_of(x.graph, title=title, frame=frame)
    if isinstance(x, Program):
        graph = graph or as_graph(x)
        # What is fed does not run, but is read; drawn with what it stands in for.
        fed = (one for index in x.feeds for one in _needed(graph, index))
        reader = _Reader(graph, frame, sorted({*x.indices, *fed}))
        return reader.picture([i for i in x.fetches if i in reader.wanted], title)
    if isinstance(x, Function):
        return picture_of(x.graph, title=title, frame=frame)
    raise OperationError(
        f"draw: {type(x).__name__} is not something that can be drawn", hint=_what_to_draw(x)
    )


def _what_to_draw(x: Any) -> str:
    if hasattr(x, "modules") and hasattr(x, "training"):
        return "a module has no graph before it is called: give it inputs, dg.draw(model, x)"
    if callable(x):
        return "give its inputs, dg.draw(f, x), or draw what it returns, dg.draw(f(x))"
    return "pass a Tensor, a Graph or a Node, for example dg.draw(loss)"


def _needed(graph: Graph, index: int) -> list[int]:
    """The node, all that it depends on, and the forward nodes that those mirror; inputs first."""
    seen = {index}
    stack = [index]
    while stack:
        record = graph.records[stack.pop()]
        twin = () if record.twin is None else (record.twin,)
        for source in (*record.inputs, *record.control, *twin):
            if source not in seen:
                seen.add(source)
                stack.append(source)
    return sorted(seen)


class _Reader:
    """Reads the nodes of one graph, in order, so that operands come before their readers."""

    def __init__(self, graph: Graph, frame: FrameType | None, wanted: Any):
        self.graph = graph
        self.frame = frame
        self.wanted = _drawable(graph, wanted)
        self.longer = longer_names(graph, self.wanted)
        self.owners = find_owners(graph.records, self.wanted)
        self.names: dict[int, str] = {}
        self.formulas: dict[int, tuple[str, int]] = {}
        self.values: dict[int, str] = {}

    def picture(self, outputs: list[int], title: str) -> Picture:
        """All wanted nodes with their edges."""
        nodes = tuple(self._node(index) for index in self.wanted)
        kept = set(self.wanted)
        edges = tuple(
            Edge(source, index, slot)
            for index in self.wanted
            for slot, source in enumerate(self.graph.records[index].inputs)
        )
        saved = saved_values(self.graph, self.wanted)
        ends = tuple(i for i in outputs if i in kept)
        return Picture(nodes, edges, title, ends, tuple(p for p in saved if kept >= {*p}))

    def results(self) -> list[int]:
        """What a body returns; of another graph the forward nodes that no forward node reads."""
        if isinstance(self.graph, Body):
            return list(dict.fromkeys(self.graph.outputs))
        records = self.graph.records
        read = {s for r in records if r.role == "forward" for s in r.inputs}
        items = [i for i in self.wanted if _is_item(records[i])]
        used = {records[i].inputs for i in items if i in read}
        # A loop of which one value is used is no result because of those that are not.
        read |= {i for i in items if records[i].inputs in used}
        return [
            i
            for i in self.wanted
            if i not in read
            and records[i].role == "forward"
            and _KINDS.get(records[i].primitive.name) not in LEAVES
        ]

    def _node(self, index: int) -> PictureNode:
        record = self.graph.records[index]
        tensor = self.graph.recorded.get(index)
        kind = self._kind(index)
        leaf, several = kind in LEAVES, isinstance(record.spec, BundleSpec)
        name = self.names[index] = self._name(index, record, tensor)
        value = _value(record, tensor)
        if value:
            self.values[index] = value
        self.formulas[index] = (
            number_in_formula(value or "constant") if kind == "constant" else self._formula(index)
        )
        operands = [self.values.get(source) for source in record.inputs]
        gradient = tensor.grad if tensor is not None and not several else None
        where = tensor._where if tensor is not None else record.where
        if self.graph.recorded and tensor is None:
            where = None  # a number in the user's code: the record does not say where it stood
        return PictureNode(
            id=index,
            label=(name if leaf else "") or self._label(index),
            kind=kind,
            role="forward" if index in self.owners.state else record.role,
            name=name,
            scope=record.name.rpartition("/")[0],
            shape=_shape(record.spec),
            dtype="" if several or record.spec.dtype.kind == "V" else str(record.spec.dtype),
            value=value,
            gradient=gradient_text(gradient.numpy()) if gradient is not None else None,
            needs_gradient=bool(tensor is not None and tensor.requires_grad),
            formula="" if leaf else self._shown_formula(record, index),
            where=str(where) if where is not None else None,
            twin=self.owners.twin.get(index, record.twin),
            numbers=numbers_text(record.primitive, operands, value),
        )

    def _kind(self, index: int) -> str:
        if isinstance(captured(self.graph, index), Parameter):
            return "parameter"
        return _kind(self.graph.records[index], self.graph.recorded.get(index))

    def _name(self, index: int, record: Any, tensor: Tensor | None) -> str:
        """The name the user gave, or that of the user's variable; empty if there is neither."""
        if index in self.longer:
            return self.longer[index]
        own = record.name.rpartition("/")[2]
        if re.sub(r"_\d+$", "", own) != record.primitive.name:
            return str(own)
        if record.role != "forward" or record.primitive.name == "constant":
            return ""
        held = tensor if tensor is not None else self.graph.handle(index)
        return name_in_frame(held, self.frame) or ""

    def _label(self, index: int) -> str:
        """The operation; which value of several; whose function is called; the kind of a leaf."""
        record = self.graph.records[index]
        if not record.inputs and (kind := self._kind(index)) in LEAVES:
            return kind
        if _is_item(record):
            whole = self.graph.records[record.inputs[0]].spec
            alone = isinstance(whole, BundleSpec) and len(whole.items) == 1
            return "" if alone else f"[{record.attrs['index']}]"
        return nested_label(record) if record.primitive.name in NESTED else record.primitive.name

    def _formula(self, index: int) -> tuple[str, int]:
        record = self.graph.records[index]
        if not record.inputs:
            return self._label(index), ATOM
        if record.primitive.name in NESTED:
            return nested_label(record), ATOM
        if _is_item(record):
            return self._operation(index), ATOM
        operands = [self._reference(source) for source in record.inputs]
        return write(record.primitive, operands), binding(record.primitive.text)

    def _shown_formula(self, record: Any, index: int) -> str:
        """The formula, unless it only repeats what the lines show: `relu(add)`."""
        if record.primitive.name in NESTED:
            return nested_words(record, self.graph.records)
        if _is_item(record):
            return self._operation(index)
        operations = [(self._operation(source), ATOM) for source in record.inputs]
        text = self.formulas[index][0]
        return "" if text == write(record.primitive, operations) else text

    def _operation(self, index: int) -> str:
        record = self.graph.records[index]
        source = self._operation(record.inputs[0]) if _is_item(record) else ""
        return source + self._label(index)

    def _reference(self, index: int) -> tuple[str, int]:
        """An operand in the formula of its reader: its name, or written out if that is short."""
        if self.names[index]:
            return self.names[index], ATOM
        text, level = self.formulas[index]
        if len(text) <= REFERENCE_LIMIT:
            return text, level
        return self._operation(index), ATOM


def number_in_formula(text: str) -> tuple[str, int]:
    """A number as an operand of `write`."""
    return text, SIGN if text.startswith("-") else ATOM


def numbers_text(primitive: Any, operands: Sequence[str | None], value: str | None) -> str:
    """The formula with the numbers put in, `8 + 15 = 23`, where all are known and short.

    >>> import dlgraph as dg
    >>> from dlgraph.draw.from_graph import numbers_text
    >>> numbers_text(dg.multiply, ["2", "-4"], "-8"), numbers_text(dg.add, ["-8", "15"], "7")
    ('2·(-4) = -8', '-8 + 15 = 7')
    >>> numbers_text(dg.add, ["8", None], None)
    ''
    """
    known = [text for text in operands if text is not None]
    several = primitive.name in NESTED or primitive.name == "item"
    if not value or several or not known or len(known) < len(operands):
        return ""
    # Written out, -4 binds like a sum: 2·(-4), but -8 + 15.
    levels = [(text, SUM if text.startswith("-") else ATOM) for text in known]
    text = f"{write(primitive, levels)} = {value}"
    return text if len(text) <= NUMBERS_LIMIT else ""


def _is_item(record: Any) -> bool:
    return bool(record.primitive.name == "item")


def _drawable(graph: Graph, wanted: Any) -> list[int]:
    """Without nodes that have no edges: groups, and optimiser variables that no rule reads.

    Also without what a body is given and does not use: the number of the turn, captures that
    only the other branch reads.
    """
    records = graph.records
    read = {s for i in wanted for s in records[i].inputs}
    if isinstance(graph, Body):
        given = {*graph.all_inputs[len(graph.inputs) :], graph.step} - {*read, *graph.outputs}
        wanted = [i for i in wanted if i not in given]
    return [
        i
        for i in wanted
        if records[i].primitive.name != "group"
        and (i in read or records[i].role != "update" or records[i].inputs)
    ]


def _kind(record: Any, tensor: Tensor | None) -> str:
    name = record.primitive.name
    if name == "variable":
        # An eager tensor is a variable to the engine; people call only layers' ones parameters.
        held = record.attrs.get("tensor")
        return "parameter" if isinstance(held, Parameter) or tensor is None else "input"
    kind = _KINDS.get(name) or NESTED.get(name, record.primitive.kind)
    return kind if kind in KINDS else "effect"


def _value(record: Any, tensor: Tensor | None) -> str | None:
    if record.primitive.name == "constant":
        return value_text(record.attrs["value"])
    held = tensor if tensor is not None else record.attrs.get("tensor")
    data = getattr(held, "_data", None)
    if data is None or isinstance(record.spec, BundleSpec):
        return None
    return value_text(np.asarray(data))


def _shape(spec: Any) -> str:
    if isinstance(spec, BundleSpec):
        return ", ".join(shape_text(one.shape) or "scalar" for one in spec.items)
    return shape_text(spec.shape)
