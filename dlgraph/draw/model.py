"""What is drawn: a graph as plain data, with no link to the engine.

A `Picture` can be made from any graph (from_graph.py makes it from the engine's), stored as JSON
and drawn again elsewhere, by this package or by its JavaScript twin.  Read next: scene.py, which
turns a picture into boxes.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any, NamedTuple

from dlgraph.errors import GraphError

KINDS = (
    "input",
    "parameter",
    "constant",
    "elementwise",
    "reduce",
    "contract",
    "view",
    "index",
    "random",
    "control",
    "loop",
    "branch",
    "function",
    "part",
    "effect",
    "loss",
    "failed",
)
ROLES = ("forward", "backward", "update")
LEAVES = ("input", "parameter", "constant")
NODE_LIMIT = 100_000
JSON_LIMIT = 64_000_000  # characters; a picture of 100,000 nodes needs about 20 million


@dataclass(frozen=True, slots=True)
class PictureNode:
    """One node: what it is called, what it computes, and what is known about it as text.

    `twin` is the id of the forward node whose gradient (role "backward") or new value (role
    "update") this node computes.  `needs_gradient` asks for a mirrored gradient box on a graph
    that has no backward nodes of its own; `gradient` is its text, None while it is unknown.
    A node of kind "part" takes one value out of its operand; its label says which, "[0]".
    `numbers` is the formula with the values of the operands put in.  A node of kind "failed" is
    the operation that could not be carried out.
    """

    id: int
    label: str
    kind: str = "elementwise"
    role: str = "forward"
    name: str = ""
    scope: str = ""
    shape: str = ""
    dtype: str = ""
    value: str | None = None
    gradient: str | None = None
    needs_gradient: bool = False
    formula: str = ""
    where: str | None = None
    twin: int | None = None
    numbers: str = ""


class Edge(NamedTuple):
    """`source` is operand number `slot` of `target`; both are ids of nodes."""

    source: int
    target: int
    slot: int = 0


class Wiring(NamedTuple):
    """The edges by position of the node instead of id, and an order in which to compute."""

    inputs: list[list[tuple[int, int]]]  # per node: (position of the source, slot), by slot
    readers: list[list[int]]  # per node: positions of the targets, in the order of the edges
    order: list[int]  # positions, every node after its inputs
    position: dict[int, int]  # position of an id


@dataclass(frozen=True)
class Picture:
    """A graph as plain data: nodes, edges, a title, and the ids of the nodes it computes.

    `saved` lists what the backward pass keeps: (id of a value, id of the forward node whose
    gradient reads it).
    Raises GraphError for ids that are used twice or missing, unknown kinds and roles, more than
    100,000 nodes, or a cycle.

    >>> from dlgraph.draw.model import Edge, Picture, PictureNode
    >>> a = PictureNode(0, "a", kind="input", value="4")
    >>> y = PictureNode(1, "square", name="y", value="16", formula="a²")
    >>> picture = Picture((a, y), (Edge(0, 1),), outputs=(1,))
    >>> Picture.from_json(picture.to_json()) == picture
    True
    """

    nodes: tuple[PictureNode, ...]
    edges: tuple[Edge, ...] = ()
    title: str = ""
    outputs: tuple[int, ...] = ()
    saved: tuple[tuple[int, int], ...] = ()

    def __post_init__(self) -> None:
        if len(self.nodes) > NODE_LIMIT:
            raise GraphError(
                f"a picture of {len(self.nodes):,} nodes: at most {NODE_LIMIT:,} can be drawn",
                hint="draw a part of the graph, for example one layer",
            )
        known = {node.id for node in self.nodes}
        if len(known) != len(self.nodes):
            raise GraphError("a picture has two nodes with the same id", hint="ids are unique")
        for node in self.nodes:
            if node.kind not in KINDS or node.role not in ROLES:
                raise GraphError(
                    f"node {node.id} has kind {node.kind!r} and role {node.role!r}",
                    hint=f"kinds: {', '.join(KINDS)}; roles: {', '.join(ROLES)}",
                )
        used = {end for edge in self.edges for end in edge[:2]} | set(self.outputs)
        used |= {end for pair in self.saved for end in pair}
        used |= {node.twin for node in self.nodes if node.twin is not None}
        if missing := sorted(used - known):
            raise GraphError(
                f"a picture refers to node {missing[0]}, which it does not have",
                hint="edges, twins and outputs name ids of nodes",
            )
        self.wiring  # noqa: B018, raises for a cycle

    @cached_property
    def wiring(self) -> Wiring:
        """The edges by position of the node, and an order in which to compute."""
        return _wire(self)

    def to_json(self) -> dict[str, Any]:
        """Plain lists and dicts that `json.dumps` writes the same way every time."""
        names = [one.name for one in fields(PictureNode)]
        if not any(node.numbers for node in self.nodes):
            names.remove("numbers")
        return {
            "format": "dlgraph-picture",
            "version": 1,
            "title": self.title,
            "outputs": list(self.outputs),
            "fields": names,
            "nodes": [[getattr(node, name) for name in names] for node in self.nodes],
            "edges": [list(edge) for edge in self.edges],
            "saved": [list(pair) for pair in self.saved],
        }

    @classmethod
    def from_json(cls, data: dict[str, Any] | str) -> Picture:
        """The picture that `to_json` wrote, given as a dict or as text; checked, never executed.

        Raises GraphError when the data is not a picture.
        """
        if isinstance(data, str):
            data = _parse(data)
        try:
            if data["format"] != "dlgraph-picture" or data["version"] != 1:
                raise ValueError(f"format {data['format']!r}, version {data['version']!r}")
            names = data["fields"]
            nodes = tuple(_node(names, row) for row in data["nodes"])
            edges = tuple(Edge(*map(_integer, row)) for row in data["edges"])
            outputs = tuple(map(_integer, data["outputs"]))
            title = _checked("title", data["title"], str)
            saved = tuple((_integer(a), _integer(b)) for a, b in data.get("saved", []))
            return cls(nodes, edges, title, outputs, saved)
        except (KeyError, TypeError, ValueError) as problem:
            if isinstance(problem, GraphError):
                raise
            raise GraphError(
                f"this is not a stored picture: {problem}",
                hint='expected what Picture.to_json() writes: "format": "dlgraph-picture"',
            ) from problem


def _wire(picture: Picture) -> Wiring:
    position = {node.id: place for place, node in enumerate(picture.nodes)}
    inputs: list[list[tuple[int, int]]] = [[] for _ in picture.nodes]
    readers: list[list[int]] = [[] for _ in picture.nodes]
    for source, target, slot in picture.edges:
        inputs[position[target]].append((position[source], slot))
        readers[position[source]].append(position[target])
    for row in inputs:
        row.sort(key=lambda operand: operand[1])
    order = topological_order([[source for source, _ in row] for row in inputs], readers)
    if len(order) < len(picture.nodes):
        stuck = min(set(range(len(picture.nodes))) - set(order))
        raise GraphError(
            f"node {picture.nodes[stuck].id} depends on itself: a picture has no cycles",
            hint="unroll the loop, or draw its body",
        )
    return Wiring(inputs, readers, order, position)


def topological_order(
    inputs: Sequence[Sequence[int]], readers: Sequence[Sequence[int]]
) -> list[int]:
    """Every node after its inputs; nodes on a cycle are left out.

    >>> from dlgraph.draw.model import topological_order
    >>> topological_order([[], [0], [0, 1]], [[1, 2], [2], []])
    [0, 1, 2]
    """
    missing = [len(row) for row in inputs]
    order = [node for node, count in enumerate(missing) if count == 0]
    for node in order:  # grows while it is walked
        for reader in readers[node]:
            missing[reader] -= 1
            if missing[reader] == 0:
                order.append(reader)
    return order


def _parse(text: str) -> dict[str, Any]:
    if len(text) > JSON_LIMIT:
        raise GraphError(
            f"a stored picture of {len(text):,} characters: at most {JSON_LIMIT:,} are read",
            hint="store a part of the graph",
        )
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as problem:
        raise GraphError(f"this is not JSON: {problem}", hint="was the file cut?") from problem
    if not isinstance(data, dict):
        raise GraphError("this is not a stored picture: its JSON is not an object", hint=None)
    return data


_TYPES: dict[str, tuple[type, ...]] = {
    "id": (int,),
    "needs_gradient": (bool,),
    "twin": (int, type(None)),
    **{name: (str, type(None)) for name in ("value", "gradient", "where")},
}


def _node(names: list[str], row: list[Any]) -> PictureNode:
    if len(names) != len(row):
        raise ValueError(f"a node has {len(row)} values for {len(names)} fields")
    cells = zip(names, row, strict=True)
    return PictureNode(
        **{name: _checked(name, cell, *_TYPES.get(name, (str,))) for name, cell in cells}
    )


def _checked(name: str, value: Any, *types: type) -> Any:
    wrong_bool = isinstance(value, bool) and bool not in types
    if wrong_bool or not isinstance(value, types):
        raise ValueError(f"{name} is {str(value)[:40]!r}, expected {types[0].__name__}")
    return value


def _integer(value: Any) -> int:
    number: int = _checked("an id or slot", value, int)
    return number
