"""`diff`: what the passes did to a graph, one pass after the other, in one picture.

Every node that ever was has its place and keeps it; a slider goes through the passes, and each
change tells its rule, its reason and what it saves.  Read next: lineage.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any, NamedTuple

from dlgraph.core.graph import Graph
from dlgraph.draw import page, theme
from dlgraph.draw.boxes import sized
from dlgraph.draw.figure import Figure
from dlgraph.draw.from_graph import picture_of
from dlgraph.draw.layout import Layout
from dlgraph.draw.lineage import Lineage, lineage
from dlgraph.draw.mirror import find_mirror
from dlgraph.draw.model import Edge, Picture, PictureNode
from dlgraph.draw.payload import payload_of
from dlgraph.draw.scene import build_scene
from dlgraph.draw.scene_parts import Scene
from dlgraph.draw.svg import render
from dlgraph.draw.text import clean
from dlgraph.errors import OperationError
from dlgraph.passes.manager import Optimised

CHANGES = 40  # of one pass that are listed: those that save most


class Told(NamedTuple):
    """One change in words, and the boxes that it is about."""

    text: str
    reason: str
    keys: tuple[str, ...]


class Stage(NamedTuple):
    """The graph after one pass: its state of every box (kept, changed, new, gone, later).

    `texts` are what boxes say at this stage, `{key: {"detail": ..., "badges": [...]}}`, where the
    common picture says what all stages together hold.
    """

    title: str
    text: str
    marks: dict[str, str]
    changes: tuple[Told, ...]
    texts: dict[str, dict[str, Any]]


class DiffFigure(Figure):
    """What `diff` returns: the picture of all versions with a slider over the passes.

    >>> import dlgraph as dg
    >>> with dg.Graph().as_default() as g:
    ...     x = dg.placeholder((4,), name="x")
    ...     y, unused = dg.exp(x), dg.log(x)
    >>> figure = dg.diff(dg.passes.PassManager(level=0).run(g, y, [x]))
    >>> [(stage.title, sorted(stage.marks.values())) for stage in figure.stages]
    [('as written', []), ('prune', ['gone'])]
    """

    def __init__(self, picture: Picture, stages: Sequence[Stage], words: str):
        super().__init__(picture)
        self.stages, self.words = list(stages), words

    @cached_property
    def scene(self) -> Scene:
        """All boxes, each with room for what it says at any stage: it keeps its place and size."""
        scene = build_scene(self.picture)
        for box in filter(None, [*scene.boxes, *scene.images]):
            for stage in self.stages:
                if says := stage.texts.get(box.key):
                    said = sized(replace(box, **_fields(says)))
                    box.width = max(box.width, said.width)
                    box.height = max(box.height, said.height)
        return scene

    @cached_property
    def svg(self) -> str:
        """The last version as SVG text: what is gone is faint, what is new is bold."""
        last = self.stages[-1]
        shown = marked(self.layout, last.marks, last.texts)
        return render(shown, self.picture.title, str(self), self.describe())

    def describe(self) -> str:
        """Every pass with its changes, in words."""
        lines = [self.words]
        for stage in self.stages[1:]:
            lines += ["", stage.text]
            lines += [f"  {change.text} ({change.reason})" for change in stage.changes]
        return "\n".join(lines)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        stages = [
            [one.title, one.text, one.marks, [list(change) for change in one.changes], one.texts]
            for one in self.stages
        ]
        data = payload_of(self.picture, self.layout, stages=stages)
        return {
            "text/html": page.html(data, bundle="diff", svg=self.svg, text=str(self)),
            "image/svg+xml": self.svg,
            "text/plain": str(self),
        }

    def __str__(self) -> str:
        return self.words


def diff(before: Any, after: Any = None) -> DiffFigure:
    """Show what was done to a graph between two versions, or by the passes of a program.

    Give two graphs, of which the second was made from the first by passes; or just what the pass
    manager returned, or a program of a session: then a slider goes through the passes.  In every
    version the same node is at the same place; what a pass removed is faint, what it added is
    bold, what it computes in another way is outlined twice.  Each change names its rule, its
    reason, what it saves and the line of your code.

    Raises OperationError for anything else, and for a program that ran without passes.

    >>> import dlgraph as dg
    >>> with dg.Graph().as_default() as g:
    ...     x = dg.placeholder((4,), name="x")
    ...     y, unused = dg.exp(x) * 1.0, dg.log(x)
    >>> print(dg.diff(dg.passes.PassManager(level=0).run(g, y, [x])))
    1 pass: 5 nodes before, 4 after, saves 40 FLOP and 32 B
    """
    if isinstance(before, Graph) and isinstance(after, Graph):
        return _of_graphs(before, after)
    found = before if isinstance(before, Optimised) else getattr(before, "optimised", None)
    if after is not None or not isinstance(found, Optimised):
        raise OperationError(
            "diff shows two graphs, a program, or what a pass manager returned, not "
            + " and ".join(type(one).__name__ for one in (before, after) if one is not None),
            hint="dg.diff(graph_before, graph_after), or dg.diff(session.program(y, [x]))",
        )
    return _of_passes(found)


def _of_graphs(before: Graph, after: Graph) -> DiffFigure:
    versions = lineage([before, after])
    picture, boxes = _picture(versions)
    texts = _texts(picture, versions, [before, after])
    stages = [
        Stage("before", "the graph as it was", _marks(versions, boxes, 0), (), texts[0]),
        Stage("after", "the graph as it is", _marks(versions, boxes, 1), (), texts[1]),
    ]
    words = f"{len(before)} nodes before, {len(after)} after"
    return DiffFigure(picture, stages, words)


def _of_passes(found: Optimised) -> DiffFigure:
    versions = lineage(found.stages)
    picture, boxes = _picture(versions)
    place = {record.name: i for i, record in enumerate(versions.graph.records)}
    texts = _texts(picture, versions, found.stages)
    marks = _marks(versions, boxes, 0)
    stages = [Stage("as written", "the graph as you wrote it", marks, (), texts[0])]
    for number, report in enumerate(found.reports, 1):
        order = sorted(report.changes, key=lambda change: -change.saved.weight)[:CHANGES]
        told = []
        for change in order:
            names = dict.fromkeys((*change.before, *change.after))
            keys = dict.fromkeys(boxes[place[n]] for n in names if place.get(n) in boxes)
            text = str(change).partition("\n")[0]
            where = f", {change.where.place}" if change.where else ""
            told.append(Told(clean(text), clean(f"rule {change.rule}{where}"), tuple(keys)))
        text = clean(str(report).partition("\n")[0])
        marks = _marks(versions, boxes, number)
        words = " ".join(text.split())
        stages.append(Stage(report.name, words, marks, tuple(told), texts[number]))
    saved = found.saved.text()
    count = len(found.reports)
    words = (
        f"{count} pass{'es' * (count != 1)}: {len(found.source)} nodes before, "
        f"{len(found.graph)} after" + (f", {saved}" if saved else "")
    )
    return DiffFigure(picture, stages, words)


def _picture(versions: Lineage) -> tuple[Picture, dict[int, str]]:
    """The picture of the common graph, and the box that each of its nodes is drawn in."""
    plain = picture_of(versions.graph)
    ids = {node.id for node in plain.nodes}
    more = [Edge(s, t, k) for s, t, k in versions.links if s in ids and t in ids]
    picture = Picture(plain.nodes, (*plain.edges, *more), plain.title, plain.outputs)
    mirror = find_mirror(picture, picture.wiring)
    if mirror is None:
        return picture, {node.id: f"f{node.id}" for node in picture.nodes}
    boxes = {
        node.id: f"f{node.id}"
        for node, twin in zip(picture.nodes, mirror.twin, strict=True)
        if twin is None
    }
    for forward, members in mirror.images.items():
        for member in members:
            boxes[picture.nodes[member].id] = f"b{picture.nodes[forward].id}"
    return picture, boxes


def _marks(versions: Lineage, boxes: dict[int, str], version: int) -> dict[str, str]:
    """The state of every box that is not as it was in the first version."""
    inside: dict[str, list[int]] = {}
    for node, key in boxes.items():
        inside.setdefault(key, []).append(node)
    marks = {}
    for key, nodes in inside.items():
        first = [versions.present[0].get(node) for node in nodes]
        now = [versions.present[version].get(node) for node in nodes]
        if not any(now):
            ever = any(versions.present[v].get(n) for v in range(version) for n in nodes)
            marks[key] = "gone" if ever else "later"
        elif not any(first):
            marks[key] = "new"
        elif now != first:
            marks[key] = "changed"
    return marks


def _texts(
    picture: Picture, versions: Lineage, graphs: Sequence[Graph]
) -> list[dict[str, dict[str, Any]]]:
    """For each version what its boxes say, where that is not what the common picture says.

    A box that stands for several operations, or that reads something from afar, holds in the
    common picture what all versions together have.
    """
    place = {record.name: i for i, record in enumerate(versions.graph.records)}
    common = _sayings(picture)
    found = []
    for graph, present in zip(graphs, versions.present, strict=True):
        own = {place[graph.records[node.id].name]: node for node in picture_of(graph).nodes}
        changed = {i for i in own if present[i] != versions.graph.records[i].primitive.name}
        nodes = tuple(
            replace(
                _computed(node, own[node.id]) if node.id in changed else node,
                twin=node.twin if node.twin in present else None,
            )
            for node in picture.nodes
            if node.id in present
        )
        ids = {node.id for node in nodes}
        ends = [
            (place[graph.records[i].name], place[record.name], slot)
            for record in graph.records
            for slot, i in enumerate(record.inputs)
        ]
        edges = tuple(Edge(*end) for end in ends if ids.issuperset(end[:2]))
        outputs = tuple(node for node in picture.outputs if node in ids)
        now = _sayings(Picture(nodes, edges, outputs=outputs))
        found.append({key: says for key, says in now.items() if says != common.get(key, says)})
    return found


def _computed(node: PictureNode, now: PictureNode) -> PictureNode:
    """A node of the backward half called by the operation that computes it in this version.

    (A node of the forward half is called by its name, and keeps that.)
    """
    if node.role == "forward":
        return node
    return replace(node, label=now.label, kind=now.kind, value=now.value, formula="")


def _sayings(picture: Picture) -> dict[str, dict[str, Any]]:
    scene = build_scene(picture)
    return {
        box.key: {"detail": box.detail, "badges": list(box.badges)}
        for box in [*scene.boxes, *scene.images]
        if box is not None
    }


def _fields(says: dict[str, Any]) -> dict[str, Any]:
    """What a box says at a stage, as fields of `Box`."""
    return {"detail": says["detail"], "badges": tuple(says["badges"])}


def marked(
    layout: Layout, marks: dict[str, str], texts: dict[str, dict[str, Any]] | None = None
) -> Layout:
    """The layout with the boxes drawn in the style of their state and with the texts of a stage.

    What comes later is left out.
    """
    hidden = {key for key, mark in marks.items() if mark == "later"}
    boxes = []
    for placed in layout.boxes:
        mark = marks.get(placed.box.key)
        if placed.box.key in hidden:
            continue
        if says := (texts or {}).get(placed.box.key):
            placed = placed._replace(box=replace(placed.box, **_fields(says)))
        if mark:
            own = f"{mark}_{placed.box.style}"  # gradients and updates keep their colour
            style = own if own in theme.BOXES else mark
            placed = placed._replace(box=replace(placed.box, style=style))
        boxes.append(placed)
    gone = {key for key, mark in marks.items() if mark == "gone"}
    lines = [
        line._replace(style="gone") if {line.source, line.target} & gone else line
        for line in layout.lines
        if not {line.source, line.target} & hidden
    ]
    return Layout(layout.width, layout.height, boxes, lines, layout.axis, layout.badges)
