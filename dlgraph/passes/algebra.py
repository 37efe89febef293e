"""Algebra: formulas are replaced by equal ones that are shorter or numerically better.

The rules are a table (`rules.py` fills it, `rule` adds to it).  A rule is a pattern and a
replacement, both written as ordinary dlgraph expressions on pattern variables.  Rewriting is
bounded: a rule whose result it matches again and again is an error that names it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from inspect import signature
from itertools import product
from typing import Any, NamedTuple

import numpy as np

from dlgraph.core.graph import Graph, describe_record
from dlgraph.core.node import Record
from dlgraph.core.spec import Spec
from dlgraph.core.state import placeholder
from dlgraph.errors import DlgraphError, GraphError, OperationError
from dlgraph.passes.base import Job, Pass, Rewritten
from dlgraph.passes.cse import frozen
from dlgraph.passes.edit import Edit, pure

MOST_STEPS = 50  # rewrites of one node, one after the other, before a rule counts as looping
COMMUTES = ("add", "multiply", "maximum", "minimum")

# What a rule does with a record: the index of what stands in its place, or None.
Apply = Callable[[Edit, int], "int | None"]


class Rule(NamedTuple):
    """An entry of the table: where it starts (a primitive) and what it does there.

    `heads` are the primitives that the operands must have for the rule to be worth trying, None
    for any; there is one tuple for each order of the operands.  Without `heads` it is always tried.

    Rules are usually made by `rule`; one about arguments (axes, shapes) is a function:

    >>> import dlgraph as dg
    >>> def same(edit, index):
    ...     x = edit.records[index].inputs[0]
    ...     return x if edit.records[x].spec == edit.records[index].spec else None
    >>> drop = dg.passes.Rule("identity(x) -> x", "identity", same, exact=True)
    >>> with dg.Graph().as_default() as g:
    ...     y = dg.identity(dg.placeholder((), name="x"))
    >>> manager = dg.passes.PassManager(passes=[dg.passes.Algebra([drop])], check=True)
    >>> len(manager.run(g, y, ["x"]).graph)
    1
    """

    name: str
    root: str
    apply: Apply
    exact: bool = False
    heads: tuple[tuple[str | None, ...], ...] | None = None

    def may_fit(self, operands: tuple[str, ...]) -> bool:
        """Is it worth trying on operands that these primitives made?"""
        return self.heads is None or any(
            all(wanted in (None, found) for wanted, found in zip(head, operands, strict=False))
            for head in self.heads
        )

    def __repr__(self) -> str:
        return f"<Rule {self.name}{'' if self.exact else ', not exact'}>"


RULES: list[Rule] = []


class Match(NamedTuple):
    """What a pattern variable stands for: its spec, and its value if it is a constant.

    >>> import dlgraph as dg
    >>> dg.passes.Match(dg.Spec((2, 3), "float32"), None).shape
    (2, 3)
    """

    spec: Any
    value: Any

    @property
    def shape(self) -> Any:
        """Sizes of the dimensions."""
        return self.spec.shape

    @property
    def dtype(self) -> Any:
        """Element type."""
        return self.spec.dtype


class Algebra(Pass):
    """Applies the rules of the table, each where it matches, until none does.

    >>> import dlgraph as dg
    >>> with dg.Graph().as_default() as g:
    ...     x = dg.placeholder((4,), name="x")
    ...     y = dg.log(dg.softmax(-(-x)))
    >>> found = dg.passes.PassManager(exact=False, check=True).run(g, y, [x])
    >>> print(found.graph)
    graph with 2 nodes
      x            (4,) float32  placeholder
      log_softmax  (4,) float32  log_softmax(x)
    >>> print(found.reports[0].changes[0].reason)
    -(-x) -> x
    """

    name, level = "algebra", 1
    exact = True  # in a job that demands it only exact rules are applied

    def __init__(self, rules: Sequence[Rule] | None = None):
        self.rules = rules

    def keeps_bits(self, job: Job) -> bool:
        """If the job demands it."""
        return job.exact

    def run(self, graph: Graph, job: Job) -> Rewritten:
        """See the class."""
        table = _Table(RULES if self.rules is None else self.rules, job.exact)
        if not table.roots & {record.primitive.name for record in graph.records}:
            return Rewritten(graph)
        edit = Edit(graph, job)
        feeds = set(job.feeds)
        for index, record in enumerate(graph.records):
            if record.primitive.name in table.roots and not record.control and index not in feeds:
                self._rewrite(edit, index, table)
        return edit.done()

    def _rewrite(self, edit: Edit, index: int, table: _Table) -> None:
        """Apply rules to a record, to what they made of it, and so on."""
        steps, stack = 0, [index]
        while stack:
            at = stack.pop()
            size = len(edit.records)
            found = self._applied(edit, at, table)
            if found is None:
                continue
            one, new = found
            stack += [i for i in (*range(size, len(edit.records)), new) if i >= edit.size]
            steps += 1
            if steps > MOST_STEPS:
                raise self._endless(edit, index, one)
            edit.replace(at, new)
            before = [at] if at < edit.size else [index]
            edit.note("replaced", self.name, before, [new], one.name)

    def _applied(self, edit: Edit, index: int, table: _Table) -> tuple[Rule, int] | None:
        record = edit.records[index]
        for one in table.candidates(edit, record):
            new = one.apply(edit, index)
            if new is not None and edit.now(new) != index and edit.records[new].spec == record.spec:
                return one, new
        return None

    def _endless(self, edit: Edit, index: int, one: Rule) -> GraphError:
        record = edit.records[index]
        return GraphError(
            f"the rule {one.name!r} never ends: it was applied more than {MOST_STEPS} times in a "
            f"row at {record.name!r}",
            node=record.name,
            where=record.where,
            hint="a replacement must not match its own pattern; take the rule out of "
            "dg.passes.RULES, or give it a where= that is false for its own result",
        )


class _Table:
    """The rules of a job, found by the primitives of a node and of its operands."""

    def __init__(self, rules: Sequence[Rule], exact: bool):
        self.rules = [one for one in rules if one.exact or not exact]
        self.roots = {one.root for one in self.rules}
        self._found: dict[tuple[str, ...], list[Rule]] = {}
        self._made_by: dict[int, str] = {}

    def made_by(self, edit: Edit, index: int) -> str:
        """The primitive of an operand; "array" for a constant that is not one number."""
        name = self._made_by.get(index)
        if name is None:
            record = edit.records[index]
            name = record.primitive.name
            if name == "constant" and number_of(record) is None:
                name = "array"
            self._made_by[index] = name
        return name

    def candidates(self, edit: Edit, record: Record) -> list[Rule]:
        """The rules that may match here."""
        name = record.primitive.name
        operands = tuple([self.made_by(edit, edit.now(i)) for i in record.inputs])
        key = (name, *operands)
        found = self._found.get(key)
        if found is None:
            found = [one for one in self.rules if one.root == name and one.may_fit(operands)]
            self._found[key] = found
        return found


# ---- patterns ------------------------------------------------------------------------------------


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
    if name is None:
        after, _, end = _traced(replacement, names, [square] * len(names))
        name = f"{_text(graph.records, root)} -> {_text(after.records, end)}"
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
    return Rule(name, graph.records[root].primitive.name, apply, exact, heads)


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


def number_of(record: Record) -> Any:
    """The number that a constant is everywhere, None if it is not one number."""
    if record.primitive.name != "constant" or record.spec.dtype.kind not in "fiu":
        return None
    held = record.attrs["value"]
    if held.size != 1 and (any(held.strides) or not held.size):
        return None
    return held[(0,) * held.ndim]


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
