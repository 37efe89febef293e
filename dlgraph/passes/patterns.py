"""Patterns: rules written as ordinary dlgraph expressions on pattern variables.

A pattern is traced once, into a small graph; where the operations of a graph fit it, the
replacement is traced on the shapes found there, and written in its place.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from inspect import signature
from itertools import product
from typing import Any

import numpy as np

from dlgraph.core.graph import Graph
from dlgraph.core.node import Record
from dlgraph.core.records import describe_record
from dlgraph.core.spec import Spec
from dlgraph.core.state import placeholder
from dlgraph.errors import DlgraphError, OperationError
from dlgraph.passes.algebra import RULES, Match, Rule, number_of
from dlgraph.passes.cse import frozen
from dlgraph.passes.edit import Edit, pure

COMMUTES = ("add", "multiply", "maximum", "minimum")


def rule(
    pattern: Callable[..., Any],
    replacement: Callable[..., Any],
    where: Callable[..., bool] | None = None,
    exact: bool = False,
    name: str | None = None,
) -> Rule:
    """Add a rule to the table: where the pattern stands, the replacement is put.

    `pattern` and `replacement` are functions of the same pattern variables that return dlgraph
    expressions.  A variable stands for any value; one that occurs twice stands for the same
    value; numbers match constants that are equal.  The replacement sees nodes with the shapes and
    dtypes of what matched.  `where` is called with a `Match` for each variable (`shape`, `dtype`,
    and `value` of a constant, else None) and may say no.  `exact` promises that no bit changes.
    Results of another shape or dtype are not put in.

    The pattern is written down once, on square matrices, to find out which operations it has.
    Raises `OperationError` if it has none, or if the variables of the two differ.

    >>> import dlgraph as dg
    >>> made = dg.passes.rule(lambda x: dg.tanh(dg.arctanh(x)), lambda x: x)
    >>> made
    <Rule tanh(arctanh(x)) -> x, not exact>
    >>> with dg.Graph().as_default() as g:
    ...     a = dg.placeholder((2,), name="a")
    ...     y = dg.tanh(dg.arctanh(a)) * 2.0
    >>> print(dg.passes.PassManager(exact=False, check=True).run(g, y, {a: [0.5, 0.1]}).graph)
    graph with 3 nodes
      a         (2,) float32  placeholder
      constant  () float32    constant = 2.0
      multiply  (2,) float32  a * constant
    >>> dg.passes.RULES.remove(made)
    """
    made = compiled(pattern, replacement, where, exact, name)
    if not made.name:  # making the name traces the replacement: a mistake in it shows here
        raise OperationError("rule: a rule has a name")
    RULES.append(made)
    return made


def compiled(
    pattern: Callable[..., Any],
    replacement: Callable[..., Any],
    where: Callable[..., bool] | None = None,
    exact: bool = False,
    name: str | None = None,
) -> Rule:
    """The rule, without adding it to the table."""
    names = list(signature(pattern).parameters)
    if names != list(signature(replacement).parameters):
        raise OperationError(
            f"rule: the pattern is a function of ({', '.join(names)}), the replacement of "
            f"({', '.join(signature(replacement).parameters)})",
            hint="both take the same pattern variables, in the same order",
        )
    square = Spec((2, 2), np.dtype(np.float32))
    graph, variables, root = _traced(pattern, names, [square] * len(names))
    if root is None or not graph.records[root].inputs:
        raise OperationError("rule: a pattern is an expression with at least one operation")

    def formula() -> str:
        after, _, end = _traced(replacement, names, [square] * len(names))
        return f"{_text(graph.records, root)} -> {_text(after.records, end)}"

    variants = list(_variants(graph.records))

    def apply(edit: Edit, index: int) -> int | None:
        for records in variants:
            bound = _matched(edit, records, root, variables, index)
            if bound is not None and _accepted(edit, bound, where):
                return _built(edit, index, names, bound, replacement)
        return None

    heads = tuple(
        tuple(None if i in variables else records[i].primitive.name for i in records[root].inputs)
        for records in variants
    )
    return Rule(name or formula, graph.records[root].primitive.name, apply, exact, heads)


def _traced(
    function: Callable[..., Any], names: Sequence[str], specs: Sequence[Any]
) -> tuple[Graph, list[int], int]:
    with Graph().as_default() as graph:
        nodes = [placeholder(s.shape, s.dtype, n) for n, s in zip(names, specs, strict=True)]
        result = graph.convert(function(*nodes))
    return graph, [node.index for node in nodes], result.index


def _variants(records: Sequence[Record]) -> Iterator[list[Record]]:
    """The pattern with the operands of sums and products in either order."""
    free = [
        i
        for i, record in enumerate(records)
        if record.primitive.name in COMMUTES and record.inputs[0] != record.inputs[1]
    ]
    for turned in product((False, True), repeat=min(len(free), 4)):
        found = list(records)
        for i, turn in zip(free, turned, strict=False):
            if turn:
                found[i] = found[i]._replace(inputs=found[i].inputs[::-1])
        yield found


def _matched(
    edit: Edit, pattern: Sequence[Record], root: int, variables: Sequence[int], index: int
) -> dict[int, int] | None:
    """Which record each node of the pattern stands for; None if it does not fit here."""
    bound: dict[int, int] = {}
    stack = [(root, index)]
    while stack:
        at, i = stack.pop()
        i = edit.now(i)
        if bound.setdefault(at, i) != i:
            return None
        if at in variables:
            continue
        wanted, record = pattern[at], edit.records[i]
        if wanted.primitive.name == "constant":
            if not _equal(wanted.attrs["value"], record):
                return None
            continue
        if record.primitive is not wanted.primitive or (record.control and i != index):
            return None
        if record.attrs and frozen(record.attrs) != frozen(wanted.attrs):
            return None
        if not pure(record) or len(record.inputs) != len(wanted.inputs):
            return None
        stack += zip(wanted.inputs, record.inputs, strict=True)
    return {at: bound[at] for at in variables} if all(at in bound for at in variables) else None


def _equal(value: Any, record: Record) -> bool:
    """Is the record a constant that is this number everywhere (0.0 and -0.0 are different)?"""
    one = number_of(record)
    return one is not None and one == value and bool(np.signbit(float(one)) == np.signbit(value))


def _accepted(edit: Edit, bound: dict[int, int], where: Callable[..., bool] | None) -> bool:
    if where is None:
        return True
    records = [edit.records[i] for i in bound.values()]
    return bool(where(*(Match(record.spec, record.attrs.get("value")) for record in records)))


def _built(
    edit: Edit,
    index: int,
    names: Sequence[str],
    bound: dict[int, int],
    replacement: Callable[..., Any],
) -> int | None:
    """Write the replacement into the edit; the index of its result."""
    specs = [edit.records[i].spec for i in bound.values()]
    try:
        graph, variables, end = _traced(replacement, names, specs)
    except DlgraphError:  # it does not fit these shapes
        return None
    if graph.records[end].spec != edit.records[index].spec:
        return None
    place = dict(zip(variables, bound.values(), strict=True))
    for i, record in enumerate(graph.records):
        if i not in place:
            place[i] = edit.add(
                record.primitive,
                [place[k] for k in record.inputs],
                record.attrs,
                of=[index],
                name=None if i == end else record.primitive.name,
                spec=record.spec,
            )
    return place[end]


def _text(records: Sequence[Record], index: int) -> str:
    """A small expression as one formula."""
    texts: list[str] = []
    for i, record in enumerate(records):
        if record.primitive.name == "placeholder":
            texts.append(record.name)
        elif record.primitive.name == "constant":
            texts.append(f"{record.attrs['value'].item():g}")
        else:
            inner = [
                f"({texts[k]})" if " " in texts[k] or texts[k][:1] == "-" else texts[k]
                for k in record.inputs
            ]
            shown = describe_record([*records], i)
            extra = shown[shown.index("  [") :] if "  [" in shown else ""
            texts.append(record.primitive.formula(*inner) + extra)
    return texts[index]
