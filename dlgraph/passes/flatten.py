"""Flatten: one update of all parameters together in place of one for each.

An optimiser applies the same formula, element by element, to every parameter.  Written once over
all of them laid end to end, it is a handful of calls for the whole model.  Every element is
computed as before, so no bit changes; and the plan places gradients and parameters side by side, so
nothing is copied to lay them end to end.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

from dlgraph.core.graph import Graph
from dlgraph.core.node import Record
from dlgraph.passes.base import Job, Pass, Rewritten, known
from dlgraph.passes.cse import frozen
from dlgraph.passes.edit import Cycle, Edit, op

LARGEST = 1 << 18  # elements: above, a parameter of its own costs nothing noticeable


class Chain(NamedTuple):
    """The element-wise operations that lead to the new values of one parameter and its slots."""

    signature: tuple[Any, ...]  # equal for chains that compute the same
    nodes: tuple[int, ...]  # in the order of the signature
    leaves: tuple[int, ...]  # values of the parameter's shape that the chain starts from
    shape: tuple[int, ...]


class Flatten(Pass):
    """Updates of the same form become one update over flat parameters, gradients and slots.

    >>> import dlgraph as dg
    >>> w, b = dg.Parameter(dg.Tensor([[1.0, 2.0]]), name="w"), dg.Parameter([3.0], name="b")
    >>> with dg.Graph().as_default() as g:
    ...     loss = dg.sum(dg.square(w * 2.0)) + dg.sum(dg.square(b * 2.0))
    ...     train = dg.optim.SGD([w, b], lr=0.1).minimize(loss)
    >>> found = dg.passes.PassManager(check=True).run(g, train)
    >>> [name for name in (r.primitive.name for r in found.graph.records) if name == "subtract"]
    ['subtract']
    >>> [r.name for r in found.reports if r.name == "flatten"]
    ['flatten']
    """

    name, exact, level = "flatten", True, 2
    targets = ("planned", "fast", "gpu")

    def run(self, graph: Graph, job: Job) -> Rewritten:
        """See the class."""
        groups: dict[Any, list[Chain]] = {}
        for chain in chains(graph.records):
            groups.setdefault(chain.signature, []).append(chain)
        wanted = [members for members in groups.values() if len(members) > 1]
        if not wanted:
            return Rewritten(graph)
        edit = Edit(graph, job)
        readers = edit.readers()
        for members in wanted:
            self._join(edit, members, readers)
        try:
            return edit.done()
        except Cycle:  # one parameter's gradient needs another's new value
            return Rewritten(graph)

    def _join(self, edit: Edit, members: Sequence[Chain], readers: list[list[int]]) -> None:
        flat: dict[int, int] = {}  # of the first chain's nodes and leaves: the flat value
        last = max(chain.nodes[-1] for chain in members)
        for places in zip(*(chain.leaves for chain in members), strict=True):
            flat[places[0]] = self._flat(edit, places, members, last)
        for k, index in enumerate(members[0].nodes):
            record = edit.records[index]
            inputs = [flat.get(i, i) for i in record.inputs]
            of = [chain.nodes[k] for chain in members]
            flat[index] = edit.add(
                record.primitive, inputs, record.attrs, of=of, name=record.primitive.name, at=last
            )
            self._hand_back(edit, of, members, flat[index], readers, last)
        before = [i for chain in members for i in chain.nodes]
        after = [flat[i] for i in members[0].nodes]
        why = f"one update for {len(members)} parameters laid end to end"
        edit.note("fused", self.name, before, after, why)

    def _flat(self, edit: Edit, places: Sequence[int], members: Sequence[Chain], at: int) -> int:
        parts = []
        for index, chain in zip(places, members, strict=True):
            if len(chain.shape) != 1:
                size = {"shape": (math.prod(chain.shape),)}
                of = [index, chain.nodes[0]]  # the last says whose part it is: the update's
                index = edit.add(op("reshape"), [index], size, of=of, name="flat", at=at)
            parts.append(index)
        of = [*places, members[0].nodes[0]]
        return edit.add(op("concatenate"), parts, {"axis": 0}, of=of, name="flat", at=at)

    def _hand_back(
        self,
        edit: Edit,
        of: Sequence[int],
        members: Sequence[Chain],
        whole: int,
        readers: list[list[int]],
        at: int,
    ) -> None:
        """Give whoever reads one parameter's value its piece of the flat one."""
        start = 0
        for index, chain in zip(of, members, strict=True):
            size = math.prod(chain.shape)
            if index in edit.kept or not set(readers[index]) <= set(chain.nodes):
                cut = {"index": (slice(start, start + size),)}
                simple = len(chain.shape) == 1
                name = None if simple else "piece"
                piece = edit.add(op("slice"), [whole], cut, of=[index], name=name, at=at)
                if not simple:
                    shape = {"shape": chain.shape}
                    piece = edit.add(op("reshape"), [piece], shape, of=[index], at=at)
                edit.replace(index, piece)
            start += size


# ---- finding the chains --------------------------------------------------------------------------


def chains(records: Sequence[Record]) -> list[Chain]:
    """The element-wise chain that leads to each parameter's assignments."""
    owner: dict[int, int] = {}  # of a chain's node: the assigned value it was found from
    parent: dict[int, int] = {}  # assigned values whose chains meet belong together
    for record in records:
        if record.primitive.name == "assign" and _in_chain(records, record.inputs[1]):
            parent.setdefault(record.inputs[1], record.inputs[1])
            _claim(records, record.inputs[1], owner, parent)
    together: dict[int, list[int]] = {}
    for root in parent:
        together.setdefault(_first(parent, root), []).append(root)
    found = [_written(records, roots) for roots in together.values()]
    return [chain for chain in found if chain is not None]


def _first(parent: dict[int, int], root: int) -> int:
    while parent[root] != root:
        parent[root] = root = parent[parent[root]]
    return root


def _in_chain(records: Sequence[Record], index: int) -> bool:
    record = records[index]
    return (
        record.primitive.kind == "elementwise"
        and record.role == "update"
        and record.spec.shape != ()
        and known(record.spec)
        and not record.control
        and math.prod(record.spec.shape) <= LARGEST
    )


def _claim(
    records: Sequence[Record], root: int, owner: dict[int, int], parent: dict[int, int]
) -> None:
    """Take the nodes behind an assigned value; chains that meet become one."""
    stack = [root]
    while stack:
        index = stack.pop()
        if index in owner:
            parent[_first(parent, root)] = _first(parent, owner[index])
            continue
        owner[index] = root
        stack += [i for i in records[index].inputs if _in_chain(records, i)]


def _written(records: Sequence[Record], roots: Sequence[int]) -> Chain | None:
    """The chain in a fixed order, as a signature that names no parameter; None if it is mixed."""
    shape = records[roots[0]].spec.shape
    number: dict[int, int] = {}
    leaves: dict[int, int] = {}
    signature: list[Any] = []
    stack = [(root, False) for root in reversed(roots)]
    while stack:
        index, ready = stack.pop()
        if index in number:
            continue
        record = records[index]
        if not ready:
            stack.append((index, True))
            inner = [i for i in record.inputs if _in_chain(records, i) and i not in number]
            stack += [(i, False) for i in reversed(inner)]
            continue
        if record.spec.shape != shape:
            return None
        inputs = []
        for i in record.inputs:
            if i in number:
                inputs.append(("node", number[i]))
            elif records[i].spec.shape == ():
                inputs.append(("scalar", i))
            elif records[i].spec.shape == shape:
                inputs.append(("leaf", leaves.setdefault(i, len(leaves))))
            else:
                return None
        number[index] = len(signature)
        signature.append((record.primitive, frozen(record.attrs), record.spec.dtype, *inputs))
    kinds = tuple(records[i].spec.dtype for i in leaves)
    ends = tuple(number[root] for root in roots)
    return Chain((tuple(signature), kinds, ends), tuple(number), tuple(leaves), shape)
