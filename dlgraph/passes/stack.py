"""Stack: many small products that share an operand as one large product.

A recurrence written out over time multiplies every input by the same weights, and its gradient adds
up one product for each step.  The BLAS does one large product faster than thirty small ones:

    x[t] @ w           for all t   ->  rows of (all x, one below the other) @ w
    sum over t of x[t].T @ d[t]    ->  (all x).T @ (all d)
    sum over t of d[t].sum(axis=0) ->  (all d).sum(axis=0)

Only products that do not wait for each other can be stacked: those with the hidden state stay in
their place.  Not exact: the sums are rounded in another order.
"""

from __future__ import annotations

from collections.abc import Sequence

from dlgraph.core.graph import Graph
from dlgraph.core.node import Record
from dlgraph.core.spec import normalise_axes
from dlgraph.passes.base import Job, Pass, Rewritten, known
from dlgraph.passes.edit import Cycle, Edit, constant, op
from dlgraph.passes.sums import Sum, sums
from dlgraph.passes.update import untransposed

MOST_ROWS = 512  # rows from which on a product is large enough by itself
MOST_GROUPS = 64


class Stack(Pass):
    """Products that share an operand, and sums of products, become one product.

    >>> import dlgraph as dg
    >>> w = dg.Parameter(dg.Tensor([[1.0] * 4] * 3), name="w")
    >>> with dg.Graph().as_default() as g:
    ...     x = dg.placeholder((5, 2, 3), name="x")
    ...     h = x[0] @ w
    ...     for t in range(1, 5):
    ...         h = dg.tanh(h) + x[t] @ w
    ...     gw = dg.gradients(dg.sum(h), w)
    >>> found = dg.passes.PassManager(exact=False, check=True).run(g, [h, gw], [x])
    >>> def products(graph):
    ...     return sum(node.primitive.name == "matmul" for node in graph.nodes)
    >>> products(g), products(found.graph)
    (10, 2)
    """

    name, exact, level = "stack", False, 2
    targets = ("planned", "fast", "gpu")

    def run(self, graph: Graph, job: Job) -> Rewritten:
        """See the class."""
        named = [record.primitive.name for record in graph.records]
        if named.count("matmul") < 2 and named.count("sum") < 2:
            return Rewritten(graph)
        groups = _groups(graph.records)
        try:
            return self._attempt(graph, job, groups)
        except Cycle:
            pass
        # Two groups wait for each other: keep those that go together.
        chosen: list[list[int]] = []
        for group in groups[:8]:
            try:
                self._attempt(graph, job, [*chosen, group])
                chosen.append(group)
            except Cycle:
                continue
        return self._attempt(graph, job, chosen)

    def _attempt(self, graph: Graph, job: Job, groups: Sequence[Sequence[int]]) -> Rewritten:
        stacking = _Stacking(Edit(graph, job))
        stacking.sums()
        for group in groups:
            left = [i for i in group if i not in stacking.covered]
            if len(left) > 1:
                stacking.rows(left)
        return stacking.edit.done()


class _Stacking:
    """Writes stacked products; the same values are laid below each other only once."""

    def __init__(self, edit: Edit):
        self.edit, self.records = edit, edit.records
        self.piles: dict[frozenset[int], tuple[list[int], int]] = {}
        self.covered: set[int] = set()  # products that are part of a stacked sum

    def pile(self, parts: Sequence[int], of: Sequence[int]) -> int:
        """The parts, one below the other: a view if they are all the rows of one value."""
        key = frozenset(parts)
        if len(key) == len(parts) and key in self.piles and self.piles[key][0] == list(parts):
            return self.piles[key][1]
        columns = self.records[parts[0]].spec.shape[-1]
        source = self._source(parts)
        if source is not None:
            rows = sum(self.records[i].spec.shape[0] for i in parts)
            shape = {"shape": (rows, columns)}
            made = self.edit.add(op("reshape"), [source], shape, of=of, name="stacked")
        else:
            made = self.edit.add(op("concatenate"), parts, {"axis": 0}, of=of, name="stacked")
        self.piles[key] = (list(parts), made)
        return made

    def ordered(self, parts: Sequence[int], by: Sequence[int]) -> list[int]:
        """Positions in an order in which these parts, or else `by`, have been piled up already."""
        held = self.piles.get(frozenset(parts))
        if held is not None and len(set(parts)) == len(parts):
            return [list(parts).index(i) for i in held[0]]
        return sorted(range(len(parts)), key=lambda k: by[k])

    def _source(self, parts: Sequence[int]) -> int | None:
        """The value of which the parts are x[0], x[1] ... to the end, if they are."""
        sources = set()
        for number, index in enumerate(parts):
            record = self.records[index]
            if record.primitive.name != "slice" or record.attrs["index"] != (number,):
                return None
            sources.add(record.inputs[0])
        source = sources.pop()
        shape = self.records[source].spec.shape
        return source if not sources and shape[0] == len(parts) else None

    # ---- x[t] @ w
    def rows(self, group: Sequence[int]) -> None:
        edit, records = self.edit, self.records
        lefts = [records[i].inputs[0] for i in group]
        whole = self.pile(lefts, group)
        right = records[group[0]].inputs[1]
        product = edit.add(op("matmul"), [whole, right], of=group, name="stacked", at=group[0])
        start = 0
        for index in group:
            rows = records[index].spec.shape[0]
            cut = {"index": (slice(start, start + rows),)}
            edit.replace(index, edit.add(op("slice"), [product], cut, of=[index]))
            start += rows
        name = records[right].name
        why = f"{len(group)} products with {name} become one, of {start} rows"
        edit.note("merged", "stack", group, [product], why)

    # ---- sums of products, and of sums
    def sums(self) -> None:
        edit = self.edit
        readers = edit.readers()
        for one in sums(self.records[: edit.size], readers, edit.kept):
            alone = [i for i in one.terms if len(readers[i]) == 1 and i not in edit.kept]
            products = [i for i in alone if self._stackable(i)]
            totals = [i for i in alone if self._total(i)]
            if len(products) > 1:
                self._added(one, products, self._product(products))
            elif len(totals) > 1:
                self._added(one, totals, self._sum(totals))

    def _stackable(self, index: int) -> bool:
        """Is this x.T @ d with two matrices?"""
        record = self.records[index]
        if record.primitive.name != "matmul" or record.control:
            return False
        if any(self.records[i].spec.ndim != 2 for i in record.inputs):
            return False
        left = record.inputs[0]
        turned = untransposed(self.records, left)[1]
        return turned or self.records[left].primitive.name == "constant"

    def _total(self, index: int) -> bool:
        record = self.records[index]
        if record.primitive.name != "sum" or record.attrs["keepdims"] or record.control:
            return False
        spec = self.records[record.inputs[0]].spec
        return spec.ndim == 2 and normalise_axes(record.attrs["axis"], 2) == (0,)

    def _product(self, terms: Sequence[int]) -> int:
        edit = self.edit
        lefts = [self._turned(self.records[i].inputs[0]) for i in terms]
        rights = [self.records[i].inputs[1] for i in terms]
        order = self.ordered(rights, lefts)
        left = self.pile([lefts[k] for k in order], terms)
        right = self.pile([rights[k] for k in order], terms)
        turned = edit.add(op("transpose"), [left], {"axes": (1, 0)}, of=terms, name="turned")
        return edit.add(op("matmul"), [turned, right], of=terms, name="stacked")

    def _turned(self, index: int) -> int:
        source, turned = untransposed(self.records, index)
        if turned:
            return source
        value = self.records[index].attrs["value"].T
        return constant(self.edit, index, value, name="turned")

    def _sum(self, terms: Sequence[int]) -> int:
        inputs = [self.records[i].inputs[0] for i in terms]
        order = self.ordered(inputs, [-i for i in inputs])
        whole = self.pile([inputs[k] for k in order], terms)
        attrs = {"axis": (0,), "keepdims": False}
        return self.edit.add(op("sum"), [whole], attrs, of=terms, name="stacked")

    def _added(self, one: Sum, terms: Sequence[int], made: int) -> None:
        """Put the stacked term, and what it did not cover, in place of the sum."""
        edit, stacked = self.edit, made
        self.covered.update(terms)
        for index in one.terms:
            if index not in terms:
                made = edit.add(op("add"), [made, index], of=[one.root], name="add")
        edit.replace(one.root, made)
        count, what = len(terms), self.records[terms[0]].primitive.name
        what = "products" if what == "matmul" else "sums"
        why = f"the sum of {count} {what} is one over stacked rows"
        edit.note("merged", "stack", [*terms, *one.inner], [stacked], why)


def _groups(records: Sequence[Record]) -> list[list[int]]:
    """Products with the same right operand that do not wait for each other."""
    found: dict[int, list[int]] = {}
    for index, record in enumerate(records):
        if record.primitive.name == "matmul" and not record.control and known(record.spec):
            left, right = (records[i].spec for i in record.inputs)
            turned = records[record.inputs[0]].primitive.name == "transpose"
            if left.ndim == right.ndim == 2 and left.shape[0] <= MOST_ROWS and not turned:
                found.setdefault(record.inputs[1], []).append(index)
    groups = [group for group in found.values() if len(group) > 1]
    groups = sorted(groups, key=len, reverse=True)[:MOST_GROUPS]
    if not groups:
        return []
    bits = {index: 1 << k for k, group in enumerate(groups) for index in group}
    behind = [0] * len(records)  # of each record: the groups whose products it depends on
    for index, record in enumerate(records):
        mask = 0
        for i in (*record.inputs, *record.control):
            mask |= behind[i] | bits.get(i, 0)
        behind[index] = mask
    free = [[i for i in group if not behind[i] & bits[i]] for group in groups]
    return [group for group in free if len(group) > 1]
