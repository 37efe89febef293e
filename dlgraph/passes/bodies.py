"""Bodies: what happens inside of loops, branches and calls is optimised as well.

The body of a loop runs once for each turn, so what is saved there is saved many times.
"""

from __future__ import annotations

from typing import Any

from dlgraph.core.body import Body
from dlgraph.core.graph import Graph
from dlgraph.passes.algebra import Algebra
from dlgraph.passes.base import Job, Pass, Rewritten
from dlgraph.passes.cse import Merge
from dlgraph.passes.edit import Edit
from dlgraph.passes.fold import Fold


class Bodies(Pass):
    """Folds, simplifies and merges inside of the bodies of `scan`, `cond`, `call` and others.

    >>> import dlgraph as dg
    >>> with dg.Graph().as_default() as g:
    ...     x = dg.placeholder((), name="x")
    ...     (y,) = dg.while_loop(
    ...         lambda v: v < 100.0, lambda v: (v * (dg.constant(1.0) + 1.0),), (x,)
    ...     )
    >>> found = dg.passes.PassManager(check=True).run(g, y, {x: 3.0})
    >>> body = next(r for r in found.graph.records if "body" in r.attrs).attrs["body"]
    >>> [r.primitive.name for r in body.records if r.inputs]
    ['multiply']
    """

    name, exact, level = "bodies", True, 2

    def keeps_bits(self, job: Job) -> bool:
        """If the job demands it."""
        return job.exact

    def run(self, graph: Graph, job: Job) -> Rewritten:
        """See the class."""
        if not any(record.primitive.kind == "control" for record in graph.records):
            return Rewritten(graph)
        edit = Edit(graph, job)
        done: dict[int, Body] = {}
        for index, record in enumerate(graph.records):
            if record.primitive.kind != "control":
                continue
            attrs = {name: self._inner(value, job, done) for name, value in record.attrs.items()}
            if any(attrs[name] is not value for name, value in record.attrs.items()):
                edit.rewrite(index, attrs=attrs)
                why = "the body that it runs was simplified"
                edit.note("replaced", self.name, [index], [index], why)
        return edit.done()

    def _inner(self, value: Any, job: Job, done: dict[int, Body]) -> Any:
        if not isinstance(value, Body):
            return value
        if id(value) not in done:
            done[id(value)] = self._optimised(value, job)
        return done[id(value)]

    def _optimised(self, body: Body, job: Job) -> Body:
        """The same function in fewer steps.  (Bodies nest as deep as the source.)"""
        graph: Graph = body
        inner = Job(
            (*body.outputs, *body.effects),
            tuple(body.all_inputs),
            exact=job.exact,
            target=job.target,
            watched=frozenset() if body.step is None else frozenset([body.step]),
        )
        moved = {i: i for i in range(len(body.records))}
        for one in (self, Fold(), Algebra(), Merge()):
            rewritten = one.run(graph, inner)
            if rewritten.moved is not None:
                onward = rewritten.moved
                graph, inner = rewritten.graph, inner.moved(onward)
                moved = {old: onward[i] for old, i in moved.items() if i in onward}
        if graph is body:
            return body
        made = Body(body.name)
        made.records, made._index, made._count = graph.records, graph._index, graph._count
        made.inputs = [moved[i] for i in body.inputs]
        made.outputs = [moved[i] for i in body.outputs]
        made.effects = [moved[i] for i in body.effects]
        made.captures = list(body.captures)
        made._capture_of = {key: moved[i] for key, i in body._capture_of.items()}
        made.step = None if body.step is None else moved[body.step]
        return made
