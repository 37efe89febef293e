"""A long walk, scope by scope: what is done together is one step.

Operations that follow each other in one scope (a layer) are a group; eager operations, which have
no scopes, take the layer of the parameter that they read.  A group is always a run of the order in
which things are computed, so that groups never wait for each other.  Read next: telling.py.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from dlgraph.core.autodiff import accumulate
from dlgraph.draw.formula import value_text
from dlgraph.draw.model import LEAVES, Edge, Picture, PictureNode
from dlgraph.draw.quantity import quantity, quantity_text
from dlgraph.draw.steps import Step
from dlgraph.draw.telling import Teller
from dlgraph.draw.walk import Flow, Walk
from dlgraph.draw.wording import counted, is_operation

MOST = 60  # operations that are walked through one by one; then groups, at most as many
RUN = 12  # operations of a group where there are no scopes to go by


class Group(NamedTuple):
    """Operations of one scope, one after the other; the last stands for all."""

    name: str
    members: list[int]

    @property
    def last(self) -> int:
        """The operation that stands for all."""
        return self.members[-1]


def is_long(picture: Picture) -> bool:
    """Are there too many operations to walk through one by one?"""
    return sum(map(is_operation, picture.nodes)) > MOST


def groups_of(walk: Walk, picture: Picture) -> list[Group]:
    """The operations in groups, at most 60 of them."""
    members = [i for i in walk.order if _in_group(picture, i)]
    scopes = _scopes(walk, members)
    deepest = max((scope.count("/") + 1 for scope in scopes if scope), default=0)
    for depth in range(deepest, 0, -1):
        cut = ["/".join(scope.split("/")[:depth]) for scope in scopes]
        runs = _runs(members, cut)
        if 1 < len(runs) <= MOST:
            return _named(runs)
    size = max(RUN, -(-len(members) // MOST))
    rows = [members[k : k + size] for k in range(0, len(members), size)]
    return [
        Group(f"operations {k * size + 1} to {k * size + len(row)}", row)
        for k, row in enumerate(rows)
    ]


def _in_group(picture: Picture, index: int) -> bool:
    return any(node.id == index and node.kind not in LEAVES for node in picture.nodes)


def _scopes(walk: Walk, members: Sequence[int]) -> list[str]:
    """The scope of each operation; of eager ones, that of the parameter that was read last."""
    records, found = walk.graph.records, []
    latest = ""
    for i in members:
        scope = records[i].name.rpartition("/")[0]
        for source in records[i].inputs:
            own = records[source].name.replace("/", ".").rpartition(".")[0]
            if walk.eager and own and records[source].primitive.name == "variable":
                latest = own.replace(".", "/")
        found.append(latest if walk.eager else scope)
    return found


def _runs(members: Sequence[int], scopes: Sequence[str]) -> list[tuple[str, list[int]]]:
    runs: list[tuple[str, list[int]]] = []
    for index, scope in zip(members, scopes, strict=True):
        if not runs or runs[-1][0] != scope:
            runs.append((scope, []))
        runs[-1][1].append(index)
    return runs


def _named(runs: Sequence[tuple[str, list[int]]]) -> list[Group]:
    times = Counter(scope for scope, _ in runs)
    count: Counter[str] = Counter()
    found = []
    for scope, row in runs:
        count[scope] += 1
        name = scope or "outside"
        found.append(Group(f"{name} ({count[scope]})" if times[scope] > 1 else name, row))
    return found


def grouped(walk: Walk, picture: Picture, groups: Sequence[Group]) -> tuple[Walk, Picture]:
    """The walk and the picture with one operation per group."""
    owner = {i: group.last for group in groups for i in group.members}
    nodes = {node.id: node for node in picture.nodes}
    boxes = {group.last: _box(walk, group, nodes) for group in groups}
    leaves = [node for node in picture.nodes if node.id not in owner]
    edges: dict[tuple[int, int], int] = {}
    for edge in picture.edges:
        pair = (owner.get(edge.source, edge.source), owner.get(edge.target, edge.target))
        if pair[0] != pair[1]:
            edges.setdefault(pair, sum(target == pair[1] for _, target in edges))
    lines = tuple(Edge(source, target, slot) for (source, target), slot in edges.items())
    whole = Picture(
        (*leaves, *(boxes[group.last] for group in groups)), lines, picture.title, (walk.root,)
    )
    order = [i for i in walk.order if i not in owner or i in boxes]
    return replace(walk, order=order, flows=_between_groups(walk, owner)), whole


def _box(walk: Walk, group: Group, nodes: dict[int, PictureNode]) -> PictureNode:
    members = [nodes[i] for i in group.members]
    operations = sum(map(is_operation, members))
    last = nodes[group.last]
    gradients = [nodes[i].gradient for i in group.members if i in walk.gradients]
    return PictureNode(
        id=group.last,
        label=group.name,
        kind="function",
        name=last.name if group.last == walk.root else "",
        shape=last.shape,
        dtype=last.dtype,
        value=value_text(walk.values[group.last]) if last.value is not None else None,
        gradient=gradients[-1] if gradients else None,
        needs_gradient=bool(gradients),
        formula=f"{operations} operation{'s' * (operations != 1)}",
    )


def _between_groups(walk: Walk, owner: dict[int, int]) -> list[Flow]:
    """What comes out of each group to each value outside, all edges of the group added."""
    found: dict[tuple[int, int], Flow] = {}
    for flow in walk.flows:
        reader, source = owner[flow.reader], flow.source
        if owner.get(source) == reader:
            continue
        upstream = walk.gradients.get(reader, flow.upstream)
        before = found.get((reader, source))
        if before is None:
            whole = flow.downstream
            found[reader, source] = flow._replace(reader=reader, upstream=upstream, pulled=whole)
            continue
        whole = accumulate(before.downstream, flow.downstream)
        found[reader, source] = before._replace(pulled=whole, downstream=whole, total=flow.total)
    return list(found.values())


class GroupTeller(Teller):
    """Tells a walk in which every operation is a group."""

    def __init__(self, walk: Walk, picture: Picture, groups: Sequence[Group], inner: Picture):
        self.owner = {i: group.last for group in groups for i in group.members}
        nodes = {node.id: node for node in inner.nodes}
        self.members = {g.last: [nodes[i] for i in g.members] for g in groups}
        super().__init__(walk, picture)
        self.names |= {i: self.names[own] for i, own in self.owner.items()}

    def box(self, index: int) -> int:
        """The group, or the leaf itself."""
        return self.owner.get(index, index)

    def primitive(self, index: int) -> str:
        """Groups are told like calls: by name, without a formula."""
        return "call" if index in self.owner else super().primitive(index)

    def lines_into(self, index: int) -> tuple[tuple[str, str, int], ...]:
        """From the boxes that a group reads."""
        members = {node.id for node in self.members[index]}
        read = (s for i in sorted(members) for s in self.records[i].inputs if s not in members)
        return tuple((f"f{s}", f"f{index}", 0) for s in dict.fromkeys(map(self.box, read)))

    def forward(self, index: int) -> Step:
        """One group: which operations, and the value of the last."""
        found = super().forward(index)
        how = counted(self.members[index])
        text = f"{self.names[index]}: {how} = {quantity_text(self.walk.values[index])}"
        return replace(found, text=text, facts=found.facts | {"formula": how})

    def local(self, flow: Flow) -> Any:
        """A group has no local derivative of its own."""
        return None

    def facts(self, flow: Flow) -> dict[str, Any]:
        """Upstream and downstream; between them a chain of local derivatives."""
        slope, missing = self.slope(flow.source), self.missing(flow)
        return {
            "label": self.names[flow.reader],
            "from": self.names[flow.reader],
            "to": self.names[flow.source],
            "above": self.slope(flow.reader),
            "slope": slope,
            "rule": "the chain rule inside it",
            "upstream": quantity(flow.upstream),
            "pulled": quantity(flow.pulled),
            "parts": self.expected[flow.source],
            "missing": missing,
            "hook": self.hook(flow.source) if not missing else "",
        } | self.added(flow)

    def way(self, facts: dict[str, Any]) -> str:
        """What turns the upstream into the downstream."""
        return str(facts["rule"])

    def quiz(self, flow: Flow) -> None:
        """Nobody multiplies a whole layer in the head."""

    def which(self, flow: Flow) -> str:
        """A group is not asked for the number of an operand."""
        return ""

    def nth(self, flow: Flow) -> int:
        """One line leads from group to group."""
        return 0
