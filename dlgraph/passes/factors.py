"""Scalar factors: multiply where the array is smallest.

Gradient descent multiplies every gradient, as large as the model, by the learning rate; the mean
loss multiplied the first gradient by 1/batch already.  Everything in between is linear, so the
learning rate can be multiplied into that first, small gradient instead.  Not exact: the same
factors meet in another order, so the last bit may differ.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from dlgraph.core.graph import Graph
from dlgraph.core.node import Record
from dlgraph.passes.base import Job, Pass, Rewritten, known
from dlgraph.passes.edit import Cycle, Edit, op

# Operations that are linear in their first input, whatever the others are.
LINEAR = {
    *("negative", "sum", "mean", "expand_like", "broadcast_to", "broadcast_like", "sum_like"),
    *("reshape", "reshape_like", "transpose", "expand_dims", "squeeze", "slice", "scatter"),
    *("gather", "place", "concatenate_part", "identity", "stop_gradient", "divide", "cumsum"),
    *("max_pool2d_spread", "avg_pool2d", "avg_pool2d_spread", "take_along_axis"),
}
# Linear in either of these inputs alone.
BILINEAR = {
    **dict.fromkeys(("multiply", "matmul", "conv2d", "conv2d_input", "conv2d_filters"), (0, 1)),
}
# Linear in these inputs together.
ADDITIVE = {
    "add": slice(0, None),
    "subtract": slice(0, None),
    "concatenate": slice(0, None),
    "where": slice(1, None),
}

MOST = 16  # factors that are tried in one graph; an optimiser has one for each group


class Factors(Pass):
    """Moves the scalar factor of an update to where it is multiplied with the fewest numbers.

    >>> import dlgraph as dg
    >>> w = dg.Parameter(dg.Tensor([[1.0] * 100] * 100), name="w")
    >>> with dg.Graph().as_default() as g:
    ...     x = dg.placeholder((2, 100), name="x")
    ...     train = dg.optim.SGD([w], lr=0.1).minimize(dg.sum(dg.tanh(x @ w)))
    >>> manager = dg.passes.PassManager(passes=[dg.passes.Factors()], exact=False, check=True)
    >>> change = manager.run(g, train, [x]).reports[0].changes[0]
    >>> change.reason
    'the factor sgd/w/cast is multiplied with one number instead of 10000'
    """

    name, exact, level = "factors", False, 2

    def run(self, graph: Graph, job: Job) -> Rewritten:
        """See the class."""
        records = graph.records
        sites = [i for i, record in enumerate(records) if _site(records, record) is not None]
        if not sites:
            return Rewritten(graph)
        moving = _Moving(Edit(graph, job), sites)
        moved = any([moving.move(factor) for factor in moving.factors[:MOST]])
        try:
            return moving.edit.done() if moved else Rewritten(graph)
        except Cycle:  # the factor itself depends on what it scales, as in clipping
            return Rewritten(graph)


def _site(records: Sequence[Record], record: Record) -> tuple[int, int] | None:
    """The factor and the other operand, if this multiplies an array of an update by a scalar."""
    if record.primitive.name != "multiply" or record.role != "update" or record.control:
        return None
    for factor, other in (record.inputs, record.inputs[::-1]):
        scalar, array = records[factor].spec, records[other].spec
        if scalar.shape == () and scalar.dtype.kind == "f" and array.shape != ():
            return factor, other
    return None


class _Moving:
    """Where factors could go, and what that would cost, for one graph."""

    def __init__(self, edit: Edit, sites: list[int]):
        self.edit, self.records = edit, edit.records
        self.sites = {i: _site(self.records, self.records[i]) for i in sites}
        self.factors = list(dict.fromkeys(site[0] for site in self.sites.values() if site))
        self.feeds = set(edit.job.feeds)
        self.readers = [len(one) for one in edit.readers()]
        self.costs: list[float] = []
        self.choices: list[tuple[int, ...]] = []  # positions of the inputs to scale, if any
        for index in range(edit.size):
            cost, choice = self._scaling(index)
            self.costs.append(cost)
            self.choices.append(choice)

    def _scaling(self, index: int) -> tuple[float, tuple[int, ...]]:
        """The numbers that have to be multiplied to scale this value, and through which inputs."""
        record = self.records[index]
        here = self._count(index)
        name, inputs = record.primitive.name, record.inputs
        if index in self.feeds or record.control:
            return here, ()
        if name == "constant" and _uniform(record.attrs["value"]):
            return 1.0, ()
        if name in LINEAR:
            options: list[tuple[int, ...]] = [(0,)]
        elif name in BILINEAR:
            options = [(k,) for k in BILINEAR[name]]
        elif name in ADDITIVE:
            options = [tuple(range(len(inputs))[ADDITIVE[name]])]
        else:
            return here, ()
        # Terms of a sum usually come from one place, so their costs are not added up here;
        # what it really takes is counted before anything is moved.
        priced = [(max(self.costs[inputs[k]] for k in one), one) for one in options]
        best = min(priced)
        return best if best[0] <= here else (here, ())

    def move(self, factor: int) -> bool:
        """Move one factor, if fewer numbers are multiplied then."""
        sites = [i for i, site in self.sites.items() if site is not None and site[0] == factor]
        scaled = self._agreed(factor, sites)
        if not all(self.sites[i][1] in scaled for i in sites):  # type: ignore[index]
            return False
        cost = sum(self._price(i) for i in scaled if not self._through(i, scaled))
        before = sum(self._count(i) for i in sites)
        if cost >= before:
            return False
        made = self._write(factor, sites, sorted(scaled), scaled)
        numbers = "one number" if cost == 1 else f"{cost:.0f} numbers"
        name = self.records[factor].name
        reason = f"the factor {name} is multiplied with {numbers} instead of {before:.0f}"
        self.edit.note("replaced", "factors", sites, made, reason)
        return True

    def _count(self, index: int) -> float:
        spec = self.records[index].spec
        return math.prod(spec.shape) if known(spec) else math.inf

    def _price(self, index: int) -> float:
        """How many numbers are multiplied if this value is scaled where it is."""
        record = self.records[index]
        if record.primitive.name == "constant" and _uniform(record.attrs["value"]):
            return 1
        return self._count(index)

    def _agreed(self, factor: int, sites: list[int]) -> set[int]:
        """The nodes of which every reader wants the value scaled; a site wants its operand so."""
        wanted: dict[int, int] = {}  # how many readers want it scaled
        scaled: set[int] = set()
        ends = set(sites)
        for index in range(self.edit.size - 1, -1, -1):
            site = self.sites.get(index)
            if site is not None and index in ends:
                wanted[site[1]] = wanted.get(site[1], 0) + 1
                continue
            if wanted.get(index) == self.readers[index]:
                if index in self.edit.kept or index == factor:
                    continue
                scaled.add(index)
                for k in self.choices[index]:
                    i = self.records[index].inputs[k]
                    wanted[i] = wanted.get(i, 0) + 1
        return scaled

    def _through(self, index: int, scaled: set[int]) -> bool:
        """Is this value scaled by scaling its inputs?"""
        inputs = self.records[index].inputs
        chosen = self.choices[index]
        return bool(chosen) and all(inputs[k] in scaled for k in chosen)

    def _write(
        self, factor: int, sites: list[int], order: list[int], scaled: set[int]
    ) -> list[int]:
        edit = self.edit
        now: dict[int, int] = {}
        made = []
        for index in order:
            record = self.records[index]
            if self._through(index, scaled):
                inputs = list(record.inputs)
                for k in self.choices[index]:
                    inputs[k] = now[inputs[k]]
                now[index] = edit.add(record.primitive, inputs, record.attrs, of=[index])
                edit.replace(index, now[index])
            else:
                now[index] = self._multiplied(factor, index)
                made.append(now[index])
        for index in sites:
            site = self.sites[index]
            assert site is not None
            edit.replace(index, now[site[1]])
        return made

    def _multiplied(self, factor: int, index: int) -> int:
        edit, record = self.edit, self.records[index]
        if record.primitive.name == "constant" and record.spec.shape:
            value = record.attrs["value"]
            if _uniform(value):
                attrs = {"value": np.asarray(value[(0,) * value.ndim])}
                spec = record.spec._replace(shape=())
                one = edit.add(record.primitive, (), attrs, of=[index], spec=spec, name="constant")
                product = edit.add(op("multiply"), [factor, one], of=[factor, index], name="scaled")
                shape = {"shape": record.spec.shape}
                return edit.add(op("broadcast_to"), [product], shape, of=[index], name="scaled")
        return edit.add(op("multiply"), [factor, index], of=[factor, index], name="scaled")


def _uniform(value: Any) -> bool:
    """Is this constant one number, stretched?"""
    return value.size > 0 and not any(
        stride for stride, size in zip(value.strides, value.shape, strict=True) if size > 1
    )
