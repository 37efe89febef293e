"""Schedule: run independent branches in the order that needs the least memory.

A graph lists nodes in the order in which they were written; any order in which inputs come before
readers computes the same.  This one takes, of all nodes that are ready, the one after which the
least memory is held, and is used if its peak is lower.
"""

from __future__ import annotations

import heapq

from dlgraph.core.graph import Graph
from dlgraph.passes.base import Job, Pass, Rewritten
from dlgraph.passes.cost import show_bytes
from dlgraph.passes.edit import Edit, constraints
from dlgraph.passes.liveness import owners, peak, size_of

LARGEST = 20_000  # nodes: above, finding an order takes longer than it is worth


class Schedule(Pass):
    """The nodes in another order, if that lowers the peak of the memory.

    >>> import dlgraph as dg
    >>> with dg.Graph().as_default() as g:
    ...     x = dg.placeholder((100,), name="x")
    ...     large = [dg.exp(x * float(k)) for k in range(1, 5)]
    ...     y = sum(dg.sum(value) for value in large)
    >>> found = dg.passes.PassManager(level=3, check=True).run(g, y, [x])
    >>> found.reports[-1].changes[0].reason
    'the peak of the memory falls from 2.0 KiB to 804 B'
    """

    name, exact, level = "schedule", True, 3

    def run(self, graph: Graph, job: Job) -> Rewritten:
        """See the class."""
        records = graph.records
        if len(records) > LARGEST:
            return Rewritten(graph)
        order = self._order(graph, job)
        edit = Edit(graph, job)
        position = {index: k for k, index in enumerate(order)}
        arranged = [
            records[i]._replace(inputs=tuple(position[k] for k in records[i].inputs)) for i in order
        ]
        before = peak(records, job.kept)
        after = peak(arranged, [position[i] for i in job.kept])
        if after >= before:
            return Rewritten(graph)
        why = f"the peak of the memory falls from {show_bytes(before)} to {show_bytes(after)}"
        out_of_order = [i for k, i in enumerate(order[1:], 1) if i < order[k - 1]]
        edit.note("replaced", self.name, out_of_order, out_of_order, why)
        return edit.done(order=order)

    def _order(self, graph: Graph, job: Job) -> list[int]:
        records, owner = graph.records, owners(graph.records)
        everything = list(range(len(records)))
        before = constraints(records, everything)
        reads = [{owner[i] for i in record.inputs} for record in records]
        left = [0] * len(records)  # readers of each value that still have to run
        after: list[list[int]] = [[] for _ in records]
        for index, record in enumerate(records):
            before[index].update(record.inputs, record.control)
            for i in before[index]:
                after[i].append(index)
            for i in reads[index]:
                left[i] += 1
        kept = {owner[i] for i in job.kept}
        waits = [len(before[i]) for i in everything]

        def change(index: int) -> int:
            freed = sum(size_of(records[i]) for i in reads[index] if left[i] == 1 and i not in kept)
            return size_of(records[index]) - freed

        ready = [(change(i), i) for i in everything if not waits[i]]
        heapq.heapify(ready)
        order = []
        while ready:
            found, index = heapq.heappop(ready)
            now = change(index)
            if now < found:  # more of what it reads is free after it than was thought
                heapq.heappush(ready, (now, index))
                continue
            order.append(index)
            for i in reads[index]:
                left[i] -= 1
            for i in after[index]:
                waits[i] -= 1
                if not waits[i]:
                    heapq.heappush(ready, (change(i), i))
        return order
