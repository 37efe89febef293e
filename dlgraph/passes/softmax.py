"""Softmax: the cross-entropy and its gradient share their exponentials.

The gradient of the cross-entropy is written with its value, `exp(z - (z[label] + loss))`: right for
a loss that is one operation.  Where NumPy runs both, the loss has computed the exponentials of
the logits and their sums already; only a division is left.  The sums themselves are a product with
ones, which takes NumPy half as long.  Not exact: the same value, rounded otherwise.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from dlgraph.core.graph import Graph
from dlgraph.core.node import Record
from dlgraph.passes.base import Job, Pass, Rewritten, known
from dlgraph.passes.edit import Edit, constant, op


class Pair(NamedTuple):
    """A cross-entropy, the node of its gradient that is the softmax, and that node's readers."""

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
        if not any(record.primitive.name == "softmax_cross_entropy" for record in records):
            return Rewritten(graph)
        edit = Edit(graph, job)
        readers = edit.readers()
        feeds = set(job.feeds)
        for index, record in enumerate(records):
            loss = _loss_of(records, index) if record.primitive.name == "exp" else None
            if loss is None or not feeds.isdisjoint((loss, index)):
                continue
            if all(records[i].primitive.name == "minus_one_hot" for i in readers[index]):
                _write(edit, Pair(loss, index, tuple(readers[index])))
        return edit.done()


def _loss_of(records: Sequence[Record], index: int) -> int | None:
    """The loss of which this is the softmax: `exp(z - (z[label] + loss))`."""
    difference = _made_by(records, records[index].inputs[0], "subtract")
    total = difference and _made_by(records, difference.inputs[1], "add")
    if not difference or not total:
        return None
    logits = difference.inputs[0]
    for chosen, above in (total.inputs, total.inputs[::-1]):
        picked = _made_by(records, chosen, "take_along_axis")
        raised = _made_by(records, above, "expand_dims")
        column = picked and _made_by(records, picked.inputs[1], "expand_dims")
        loss = raised and _made_by(records, raised.inputs[0], "softmax_cross_entropy")
        if not picked or not raised or not column or not loss:
            continue
        last = (records[logits].spec.ndim - 1, -1)
        axes = [one.attrs["axis"] for one in (picked, raised, column)]
        same = picked.inputs[0] == logits and loss.inputs == (logits, column.inputs[0])
        if same and all(axis in last for axis in axes):
            return raised.inputs[0]
    return None


def _made_by(records: Sequence[Record], index: int, name: str) -> Record | None:
    record = records[index]
    return record if record.primitive.name == name and not record.control else None


def _write(edit: Edit, pair: Pair) -> None:
    of = [pair.loss]
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
    edit.note("replaced", "softmax", [pair.loss, pair.probabilities], [loss, softmax], why)
