"""Softmax: the cross-entropy and its gradient share their exponentials.

The gradient of the cross-entropy is the softmax of the logits, less 1 at the label.  Where NumPy
runs both, the loss has computed the exponentials of the logits and their sums already; only a
division is left.  The sums themselves are a product with ones, which takes NumPy half as long.  Not
exact: the same value, rounded otherwise.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from dlgraph.core.graph import Graph
from dlgraph.core.node import Record
from dlgraph.passes.base import Job, Pass, Rewritten, known
from dlgraph.passes.edit import Edit, constant, op


class Pair(NamedTuple):
    """A cross-entropy, the softmax of its logits, and who reads that."""

    loss: int
    probabilities: int
    readers: tuple[int, ...]


class Softmax(Pass):
    """One set of exponentials for a cross-entropy and its gradient.

    >>> import dlgraph as dg
    >>> with dg.Graph().as_default() as g:
    ...     z = dg.placeholder((4, 3), name="z")
    ...     loss = dg.cross_entropy(z, dg.constant([0, 2, 1, 1]))
    ...     gz = dg.gradients(loss, z)
    >>> found = dg.passes.PassManager(exact=False, check=True).run(g, [loss, gz], [z])
    >>> [record.primitive.name for record in found.graph.records].count("exp")
    1
    """

    name, exact, level = "softmax", False, 2
    targets = ("planned",)  # compiled code has kernels for the two as they are

    def run(self, graph: Graph, job: Job) -> Rewritten:
        """See the class."""
        records = graph.records
        losses = {  # by their logits and labels
            record.inputs: index
            for index, record in enumerate(records)
            if record.primitive.name == "softmax_cross_entropy" and not record.control
        }
        if not losses:
            return Rewritten(graph)
        edit = Edit(graph, job)
        readers = edit.readers()
        feeds = set(job.feeds)
        for index, record in enumerate(records):
            labels = _labels([records[i] for i in readers[index]]) if _along_rows(record) else None
            loss = None if labels is None else losses.get((record.inputs[0], labels))
            if loss is not None and feeds.isdisjoint((loss, index)):
                _write(edit, Pair(loss, index, tuple(readers[index])))
        return edit.done()


def _along_rows(record: Record) -> bool:
    last = (record.spec.ndim - 1, -1)
    named = record.primitive.name == "softmax" and not record.control
    return named and record.attrs["axis"] in last


def _labels(readers: list[Record]) -> int | None:
    """Where all of these subtract 1, if they do, and at the same labels."""
    found = {(record.primitive.name, record.inputs[-1]) for record in readers}
    name, labels = found.pop() if len(found) == 1 else ("", None)
    return labels if name == "minus_one_hot" else None


def _write(edit: Edit, pair: Pair) -> None:
    of, before = [pair.loss], len(edit.records)
    logits, labels = edit.records[pair.loss].inputs

    def add(name: str, *inputs: int, **attrs: Any) -> int:
        return edit.add(op(name), inputs, attrs, of=of, name=name)

    largest = add("max", logits, axis=-1, keepdims=True)
    shifted = add("subtract", logits, largest)
    exponentials = add("exp", shifted)
    spec = edit.records[logits].spec
    if known(spec) and spec.ndim == 2:
        ones = constant(edit, pair.loss, np.ones(spec.shape[1], spec.dtype), name="ones")
        sums = add("matmul", exponentials, ones)
    else:
        sums = add("sum", exponentials, axis=-1, keepdims=False)
    loss = edit.add(op("cross_entropy_from_sums"), [shifted, sums, labels], of=of)
    below = add("expand_dims", sums, axis=-1)
    softmax = edit.add(op("divide"), [exponentials, below], of=[pair.loss, pair.probabilities])
    edit.replace(pair.loss, loss)
    edit.replace(pair.probabilities, softmax)
    for index in pair.readers:  # of labels that the loss has checked, also if nobody fetches it
        edit.rewrite(index, control=(*edit.records[index].control, pair.loss))
    why = "the gradient divides the exponentials of the loss by their sums"
    made = range(before, len(edit.records))
    edit.note("replaced", "softmax", [pair.loss, pair.probabilities], made, why)
