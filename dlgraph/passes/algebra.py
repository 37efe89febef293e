"""Algebra: formulas are replaced by equal ones that are shorter or numerically better.

The rules are a table: `rules.py` fills it, `rule` in `patterns.py` adds to it.  Most are a pattern
and a replacement, both written as ordinary dlgraph expressions.  Rewriting is bounded: a rule whose
result it matches again and again is an error that names it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from dlgraph.core.graph import Graph
from dlgraph.core.node import Record
from dlgraph.errors import GraphError
from dlgraph.passes.base import Job, Pass, Rewritten
from dlgraph.passes.edit import Edit

MOST_STEPS = 50  # rewrites of one node, one after the other, before a rule counts as looping

# What a rule does with a record: the index of what stands in its place, or None.
Apply = Callable[[Edit, int], "int | None"]


class Rule:
    """An entry of the table: where it starts (a primitive) and what it does there.

    `name` is what reports call it, or a function that makes the name when it is asked for.

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

    __slots__ = ("_name", "apply", "exact", "heads", "root")

    def __init__(
        self,
        name: str | Callable[[], str],
        root: str,
        apply: Apply,
        exact: bool = False,
        heads: tuple[tuple[str | None, ...], ...] | None = None,
    ):
        self._name, self.root, self.apply, self.exact, self.heads = name, root, apply, exact, heads

    @property
    def name(self) -> str:
        """What reports call it."""
        if not isinstance(self._name, str):
            self._name = self._name()
        return self._name

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
    >>> dg.passes.Match(dg.ones((2, 3)).spec, None).shape
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
      x    (4,) float32  placeholder
      log  (4,) float32  log_softmax(x)
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
            made = [*range(size, len(edit.records))]
            stack += made if new < edit.size or new in made else [*made, new]
            steps += 1
            if steps > MOST_STEPS:
                raise self._endless(edit, index, one)
            edit.replace(at, new)
            before = [at] if at < edit.size else [index]
            edit.note("replaced", self.name, before, made or [new], one.name)

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


def number_of(record: Record) -> Any:
    """The number that a constant is everywhere, None if it is not one number."""
    if record.primitive.name != "constant" or record.spec.dtype.kind not in "fiu":
        return None
    held = record.attrs["value"]
    if held.size != 1 and (any(held.strides) or not held.size):
        return None
    return held[(0,) * held.ndim]
