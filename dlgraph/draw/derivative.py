"""The local derivative of an operation in numbers and as a formula, both from its gradient rule.

Rules run on any carrier.  Run on an array of ones, the rule of an element-wise operation gives the
local derivative as numbers; run on graph nodes it gives the formula, which formula.py prints.  So
nothing is stated a second time here.  Read next: walk.py, which asks for every edge.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from dlgraph.core import arrays
from dlgraph.core.graph import Graph
from dlgraph.core.node import Node
from dlgraph.core.primitive import FUNCTIONS, Primitive
from dlgraph.core.spec import BundleSpec, Spec
from dlgraph.draw.formula import ATOM, SIGN, binding, number_text, write
from dlgraph.errors import DlgraphError

UPSTREAM = "g"
LONGEST = 120  # characters of a formula that is still worth showing

Text = tuple[str, int]  # a formula and how tightly it binds


class Rule(NamedTuple):
    """The gradient rule of one input of one operation, as text.

    `formula` is what comes out for the upstream gradient `g`, `local` the factor alone where the
    rule multiplies element by element; either is empty where there is nothing short to show.
    `reads`: positions of the operands whose values the rule reads (the result comes last).
    """

    formula: str
    local: str
    reads: tuple[int, ...] = ()


def rule_text(
    primitive: Primitive,
    slot: int,
    operands: Sequence[Text],
    result: str,
    specs: Sequence[Any],
    attrs: dict[str, Any],
) -> Rule:
    """The rule for input number `slot`, with the names of the operands and of the result put in.

    `specs` are those of the operands, then of the result.

    >>> import dlgraph as dg
    >>> from dlgraph.draw.derivative import rule_text
    >>> from dlgraph.draw.formula import ATOM
    >>> scalar = dg.Tensor(1.0).spec
    >>> rule_text(dg.divide, 1, [("a", ATOM), ("b", ATOM)], "y", [scalar] * 3, {})
    Rule(formula='-(g·y) / b', local='-y / b', reads=(1, 2))
    """
    nothing = Rule("", "", tuple(range(len(specs))))
    if primitive.joint is not None or any(isinstance(spec, BundleSpec) for spec in specs):
        return nothing
    names = [*operands, (result, ATOM)]
    try:
        traced = _trace(primitive, slot, specs, attrs)
    except (DlgraphError, TypeError, ValueError, AttributeError):
        return nothing  # a rule of the user's own may compute on arrays only
    if traced is None:
        return nothing
    # Where the user's names make it too long, the rule is shown as it is stated.
    own = [(name, ATOM) for name in (*primitive.inputs[: len(operands)], "y")]
    formula = _print(traced, names, (UPSTREAM, ATOM))
    if not formula and not primitive.variadic:
        formula = _print(traced, own, (UPSTREAM, ATOM))
    factor = _print(traced, names, ("1", ATOM)) if primitive.kind == "elementwise" else ""
    return Rule(formula, factor, _reads(traced))


def local_value(
    primitive: Primitive, slot: int, y: Any, inputs: Sequence[Any], attrs: dict[str, Any]
) -> Any:
    """The local derivative as an array of the shape of the result, or None where it is not one.

    Only an element-wise operation has one number per element: how much the result changes per
    unit change of this input.

    >>> import dlgraph as dg
    >>> import numpy as np
    >>> from dlgraph.draw.derivative import local_value
    >>> x = np.float32(3.0)
    >>> local_value(dg.square, 0, x * x, [x], {})
    np.float32(6.0)
    """
    if primitive.kind != "elementwise" or primitive.joint is not None:
        return None
    found = primitive.pulled(np.ones_like(y)[()], y, inputs, attrs, [slot])
    return found[0][1] if found else None


class _Traced(NamedTuple):
    """A rule as a graph: its records, the result, and which record stands for what."""

    graph: Graph
    output: int
    upstream: int
    names: dict[int, int]  # record: position among the operands and the result


def _trace(
    primitive: Primitive, slot: int, specs: Sequence[Spec], attrs: dict[str, Any]
) -> _Traced | None:
    graph = Graph()
    with graph.as_default():
        *inputs, y = (_leaf(graph, spec) for spec in specs)
        g = _leaf(graph, specs[-1])
        found = primitive.pulled(g, y, inputs, attrs, [slot])
        if not found:
            return None
        output = graph.convert(found[0][1], specs[slot].dtype)
    names = {node.index: place for place, node in enumerate([*inputs, y])}
    return _Traced(graph, output.index, g.index, names)


def _leaf(graph: Graph, spec: Spec) -> Node:
    placeholder: Any = FUNCTIONS["placeholder"]
    return graph.add(placeholder, (), {"default": None}, spec)


def _reads(traced: _Traced) -> tuple[int, ...]:
    """Of what the rule is computed; not what it only takes a shape from, or looks at."""
    found, stack = set(), [traced.output]
    while stack:
        index = stack.pop()
        if index in found:
            continue
        found.add(index)
        record = traced.graph.records[index]
        names = record.primitive.inputs
        stack += [
            source
            for place, source in enumerate(record.inputs)
            if names[min(place, len(names) - 1)] not in record.primitive.shape_only
        ]
    return tuple(sorted(traced.names[i] for i in found if i in traced.names))


def _print(traced: _Traced, names: Sequence[Text], upstream: Text) -> str:
    """The traced rule as text; with the number 1 for the upstream gradient, the factor alone."""
    texts: dict[int, Text] = {traced.upstream: upstream}
    numbers: dict[int, Any] = {traced.upstream: np.float32(1)} if upstream[0] == "1" else {}
    for index, record in enumerate(traced.graph.records[: traced.output + 1]):
        if index in traced.names:
            texts[index] = names[traced.names[index]]
        if index in texts:
            continue
        number = _folded(record, numbers)
        if number is not None:
            numbers[index] = number
            text = number_text(number)
            texts[index] = (text, SIGN if text.startswith("-") else ATOM)
        else:
            texts[index] = _written(record, texts, numbers)
    text = texts[traced.output][0]
    return text if len(text) <= LONGEST else ""


def _folded(record: Any, numbers: dict[int, Any]) -> Any:
    """The record as one number, if it is one: a constant, or element by element from numbers."""
    if record.primitive.name == "constant":
        value = np.asarray(record.attrs["value"])
        return value[()] if value.ndim == 0 else None
    known = [numbers.get(i) for i in record.inputs]
    if record.primitive.kind != "elementwise" or not known or any(k is None for k in known):
        return None
    return record.primitive.forward(arrays.module_of(*known), *known, **record.attrs)


def _written(record: Any, texts: dict[int, Text], numbers: dict[int, Any]) -> Text:
    """The formula of one record over those of its inputs; a factor 1 is left out."""
    operands = [texts[i] for i in record.inputs]
    if record.primitive.name == "constant":
        return f"constant {np.shape(record.attrs['value'])}", ATOM
    if record.primitive is FUNCTIONS["cast"]:
        return operands[0]  # the same number in another element type
    if record.primitive is FUNCTIONS["multiply"]:
        for place, other in ((0, 1), (1, 0)):
            if numbers.get(record.inputs[place]) == 1:
                return operands[other]
    if record.primitive.shape_only and len(operands) > 1:
        operands = [
            operand
            for operand, name in zip(operands, record.primitive.inputs, strict=False)
            if name not in record.primitive.shape_only
        ]
        return f"{record.primitive.name}({', '.join(text for text, _ in operands)})", ATOM
    return write(record.primitive, operands), binding(record.primitive.text)
