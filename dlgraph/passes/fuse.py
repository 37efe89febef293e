"""Fuse: element-wise operations that follow each other as one group.

Each operation of a chain reads and writes a whole array; a fused group reads its inputs and writes
its output once, and keeps what is in between in registers.  Bias and activation after a product are
such a group.  NumPy cannot run a group as one, so this is done for executors that generate code.
"""

from __future__ import annotations

from collections.abc import Sequence

from dlgraph.core.body import Body
from dlgraph.core.graph import Graph
from dlgraph.core.node import Record
from dlgraph.core.spec import Spec
from dlgraph.passes.base import Job, Pass, Rewritten
from dlgraph.passes.edit import Edit, op

MOST = 64  # operations in a group: more would spill out of the registers
MOST_INPUTS = 16


class Fuse(Pass):
    """Groups of element-wise operations become one `fused` node with the group as its body.

    An operation joins the group of its readers if nobody else reads it.  Operands may be
    stretched, as in adding a bias; what is in between has the shape of the result.

    >>> import dlgraph as dg
    >>> with dg.Graph().as_default() as g:
    ...     x, b = dg.placeholder((2, 3), name="x"), dg.placeholder((3,), name="b")
    ...     y = dg.relu(dg.tanh(x * 2.0) + b)
    >>> found = dg.passes.PassManager(check=True).run(g, y, [x, b], target="fast")
    >>> print(found.graph)
    graph with 3 nodes
      x     (2, 3) float32  placeholder
      b     (3,) float32    placeholder
      relu  (2, 3) float32  fused(x, b)
    >>> print(found.graph.records[2].attrs["body"])
    graph multiply, tanh, add, relu with 7 nodes
      x         (2, 3) float32  placeholder
      b         (3,) float32    placeholder
      constant  () float32      constant = 2.0
      multiply  (2, 3) float32  x * constant
      tanh      (2, 3) float32  tanh(multiply)
      add       (2, 3) float32  tanh + b
      relu      (2, 3) float32  relu(add)
    """

    name, exact, level = "fuse", True, 2
    targets = ("fast", "gpu")

    def run(self, graph: Graph, job: Job) -> Rewritten:
        """See the class."""
        edit = Edit(graph, job)
        for members in groups(graph.records, edit.readers(), edit.kept, set(job.feeds)):
            self._write(edit, members)
        return edit.done()

    def _write(self, edit: Edit, members: Sequence[int]) -> None:
        body, inputs = body_of(edit.records, members)
        root = members[-1]
        made = edit.add(
            op("fused"), inputs, {"body": body}, of=members, spec=edit.records[root].spec
        )
        edit.replace(root, made)
        why = f"{len(members)} element-wise operations in one go"
        edit.note("fused", self.name, members, [made], why)


def groups(
    records: Sequence[Record], readers: Sequence[Sequence[int]], kept: set[int], feeds: set[int]
) -> list[list[int]]:
    """Members of each group, in order; the last one is the result."""
    group: dict[int, int] = {}  # of a member: the result of its group
    members: dict[int, list[int]] = {}
    outside: dict[int, set[int]] = {}  # of a group: what it reads
    for index in range(len(records) - 1, -1, -1):
        record = records[index]
        if not _fusable(record) or index in feeds:
            continue
        found = {group.get(reader) for reader in readers[index]}
        root = found.pop() if len(found) == 1 and index not in kept else None
        if root is not None:
            joint = (outside[root] - {index}) | set(record.inputs)
            small = len(members[root]) < MOST and len(joint) <= MOST_INPUTS
            if not small or records[root].spec.shape != record.spec.shape:
                root = None
        if root is None:
            root, joint = index, set(record.inputs)
            members[root] = []
        group[index] = root
        members[root].append(index)
        outside[root] = joint
    return [found[::-1] for root, found in sorted(members.items()) if len(found) > 1]


def _fusable(record: Record) -> bool:
    return (
        record.primitive.kind == "elementwise"
        and bool(record.inputs)
        and not record.control
        and type(record.spec) is Spec
        and record.spec.dtype.kind in "fb"
        and not record.primitive.shape_only
        and record.primitive.joint is None
    )


def body_of(records: Sequence[Record], members: Sequence[int]) -> tuple[Body, list[int]]:
    """The group as a body, and the records that it reads; scalar constants are part of it."""
    inside = set(members)
    reads = dict.fromkeys(i for m in members for i in records[m].inputs if i not in inside)
    constants = [
        i for i in reads if records[i].primitive.name == "constant" and not records[i].spec.shape
    ]
    inputs = [i for i in reads if i not in set(constants)]
    body = Body(", ".join(records[i].primitive.name for i in members))
    position: dict[int, int] = {}
    for i in (*inputs, *constants, *members):
        record = records[i]
        position[i] = len(body.records)
        if i in inputs:
            record = Record(op("placeholder"), (), {"default": None}, record.spec, record.name)
        linked = tuple(position[k] for k in record.inputs)
        body.records.append(record._replace(inputs=linked, twin=None, control=()))
    body._index = {record.name: k for k, record in enumerate(body.records)}
    body.inputs = list(range(len(inputs)))
    body.outputs = [len(body.records) - 1]
    return body, inputs
