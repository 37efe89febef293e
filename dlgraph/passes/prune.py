"""Prune: leave out what nobody asked for.

A run computes only what its fetches need; this pass makes that visible, with what it would have
cost.  The best known case is the gradient of the input image: a training step that asks for all
gradients pays a quarter of its time for one that nobody reads.
"""

from __future__ import annotations

from collections.abc import Sequence

from dlgraph.core.graph import Graph
from dlgraph.core.node import Record
from dlgraph.core.primitive import FUNCTIONS
from dlgraph.passes.base import Job, Pass, Rewritten
from dlgraph.passes.edit import Edit


class Prune(Pass):
    """Removes what the fetches do not need, and everything behind a fed node.

    A fed node becomes a placeholder.  Of a `train_or_test` node the training side remains, as
    when it runs; the other one is dead, unless somebody else reads it.

    >>> import dlgraph as dg
    >>> with dg.Graph().as_default() as g:
    ...     x = dg.placeholder((16, 784), name="x")
    ...     w = dg.variable(dg.Parameter(dg.Tensor([[0.5] * 10] * 784)), name="w")
    ...     loss = dg.mean(x @ w)
    ...     gx, gw = dg.gradients(loss, [x, w])
    >>> found = dg.passes.PassManager(level=0).run(g, gw, [x])
    >>> change = max(found.reports[0].changes, key=lambda one: one.flops)
    >>> change.reason, change.flops
    ('the gradient of the input x, which nobody fetches', 250880)
    """

    name, exact, level = "prune", True, 0

    def run(self, graph: Graph, job: Job) -> Rewritten:
        """See the class."""
        records = graph.records
        edit = Edit(graph, job)
        feeds = set(job.feeds)
        for index in feeds:
            record = records[index]
            if record.primitive.name != "placeholder":
                made: object = FUNCTIONS["placeholder"]
                edit.rewrite(index, primitive=made, inputs=(), control=(), attrs={"default": None})
        for index, record in enumerate(records):
            if record.primitive.name == "train_or_test" and index not in feeds:
                edit.replace(index, record.inputs[0])
        used = edit.used()
        if len(used) < len(records):
            self._report(edit, records, [i for i in range(len(records)) if i not in used])
        elif not any(record.origin for record in records):
            return edit.done()
        return edit.done(fresh=True)

    def _report(self, edit: Edit, records: Sequence[Record], removed: list[int]) -> None:
        groups: dict[object, list[int]] = {}
        for index in removed:
            record = records[index]
            key = record.where if record.twin is None else record.twin
            groups.setdefault((record.role, key), []).append(index)
        read = {i for index in removed for i in records[index].inputs}
        for members in groups.values():
            edit.note("removed", self.name, members, (), _reason(records, members, read))


def _reason(records: Sequence[Record], members: list[int], read: set[int]) -> str:
    last = records[members[-1]]
    if last.role == "backward" and last.twin is not None and members[-1] not in read:
        for i in records[last.twin].inputs:
            source = records[i]
            if source.primitive.name == "placeholder" and source.spec == last.spec:
                return f"the gradient of the input {source.name}, which nobody fetches"
    return "nothing that is fetched needs it"
