"""Update: add the product that would be the gradient to the weights at once.

`w := w - x.T @ d` makes the gradient, an array as large as the weights, only to subtract it.  The
BLAS can add a product to what is there already (`gemm`).  The gradient then does not exist, so this
is done only while nobody fetches or watches it.  Not exact: the sum is rounded in another order.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from dlgraph.core.graph import Graph
from dlgraph.core.node import Record
from dlgraph.passes.base import Job, Pass, Rewritten, known
from dlgraph.passes.edit import Edit, constant, op


class Sum(NamedTuple):
    """`value = beta * held + sign * factor * product`, as it stands in a graph."""

    held: int
    beta: float
    product: int
    sign: int
    factor: int | None
    between: tuple[int, ...]  # nodes that exist for this sum only


class Update(Pass):
    """New weights, or a new velocity, as one product that is added to the old ones.

    >>> import dlgraph as dg
    >>> w = dg.Parameter(dg.Tensor([[1.0] * 3] * 4), name="w")
    >>> with dg.Graph().as_default() as g:
    ...     x = dg.placeholder((2, 4), name="x")
    ...     train = dg.optim.SGD([w], lr=0.1).minimize(dg.sum(dg.tanh(x @ w)))
    >>> found = dg.passes.PassManager(exact=False, check=True).run(g, train, [x])
    >>> [r.primitive.name for r in found.graph.records].count("gemm")
    1
    """

    name, exact, level = "update", False, 2
    targets = ("planned", "fast", "gpu")

    def run(self, graph: Graph, job: Job) -> Rewritten:
        """See the class."""
        records = graph.records
        assigned = [r.inputs[1] for r in records if r.primitive.name == "assign"]
        found = {i: _sum(records, i) for i in dict.fromkeys(assigned)}
        if not any(found.values()):
            return Rewritten(graph)
        edit = Edit(graph, job)
        readers = edit.readers()
        for index, one in found.items():
            if one is not None and self._hidden(edit, readers, one):
                self._write(edit, index, one)
        return edit.done()

    def _hidden(self, edit: Edit, readers: list[list[int]], one: Sum) -> bool:
        """Does nobody else look at the gradient?"""
        return all(len(readers[i]) == 1 and i not in edit.kept for i in one.between)

    def _write(self, edit: Edit, index: int, one: Sum) -> None:
        records = edit.records
        product = records[one.product]
        (a, ta), (b, tb) = (untransposed(records, i) for i in product.inputs)
        of = [*one.between, index]
        factor = one.factor
        if factor is None:
            value = np.asarray(one.sign, product.spec.dtype)
            factor = constant(edit, index, value, name="factor")
        elif one.sign < 0:
            factor = edit.add(op("negative"), [factor], of=[factor, index], name="factor")
        attrs = {"ta": ta, "tb": tb, "beta": one.beta}
        made = edit.add(op("gemm"), [a, b, one.held, factor], attrs, of=of)
        edit.replace(index, made)
        why = f"the product is added to {records[one.held].name}; nobody looks at it alone"
        edit.note("fused", self.name, of, [made], why)


def _sum(records: Sequence[Record], index: int) -> Sum | None:
    """Take `held - factor * product`, or the like, apart."""
    record = records[index]
    name = record.primitive.name
    if name not in ("add", "subtract") or record.control or not known(record.spec):
        return None
    if record.spec.ndim != 2 or record.spec.dtype.kind != "f":
        return None
    for held, other in (record.inputs, record.inputs[::-1]):
        if name == "subtract" and other == record.inputs[0]:
            continue
        product, factor, between = _scaled(records, other)
        if records[product].primitive.name != "matmul" or records[product].control:
            continue
        if any(records[i].spec.ndim != 2 for i in records[product].inputs):
            continue
        start, scale, more = _constant_times(records, held)
        if records[start].spec.shape != record.spec.shape or start == product:
            continue
        sign = -1 if name == "subtract" else 1
        return Sum(start, scale, product, sign, factor, (*more, *between, product))
    return None


def _scaled(records: Sequence[Record], index: int) -> tuple[int, int | None, tuple[int, ...]]:
    """A product with a scalar, as the two; anything else as it is."""
    record = records[index]
    if record.primitive.name == "multiply" and not record.control:
        for factor, other in (record.inputs, record.inputs[::-1]):
            if records[factor].spec.shape == ():
                return other, factor, (index,)
    return index, None, ()


def _constant_times(records: Sequence[Record], index: int) -> tuple[int, float, tuple[int, ...]]:
    start, factor, between = _scaled(records, index)
    if factor is not None and records[factor].primitive.name == "constant":
        return start, float(records[factor].attrs["value"]), between
    return index, 1.0, ()


def untransposed(records: Sequence[Record], index: int) -> tuple[int, bool]:
    """The matrix of which this is the transpose, and True; or itself, and False."""
    record: Any = records[index]
    if record.primitive.name != "transpose" or record.spec.ndim != 2:
        return index, False
    axes = record.attrs["axes"]
    turned = axes is None or tuple(axis % 2 for axis in axes) == (1, 0)
    return record.inputs[0] if turned else index, turned
