"""The whole layout: a picture goes in, places of boxes and corners of lines come out.

The forward graph is laid out in rows (ranks.py, ordering.py, coordinates.py, routes.py); each
gradient is drawn at the mirror image of its forward node, x' = 2 * axis - x, its lines with the
arrows reversed.  All decisions rest on counting and on stable sorts; there is no clock and no
random number, and coordinates are rounded to 0.1 px: the same picture gives the same bytes on
every machine, and a twin in another language can follow step by step.  Read next: svg.py.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, fields
from typing import Any, NamedTuple

from dlgraph.draw import theme
from dlgraph.draw.across import CORNER, plan_across, route_across, route_saved
from dlgraph.draw.boxes import Box, add_badge, port_places
from dlgraph.draw.collapse import visible
from dlgraph.draw.coordinates import place_boxes
from dlgraph.draw.model import Picture
from dlgraph.draw.ordering import Layering, crossings, layering, order_rows
from dlgraph.draw.ranks import assign_ranks, long_edges
from dlgraph.draw.routes import Point, Shift, place_rows, route, shifts, slants
from dlgraph.draw.scene import Link, Scene, build_scene

DUMMY_LIMIT = 20_000  # rows passed by long lines, in all


class Placed(NamedTuple):
    """A box and the corner at its upper left.

    `group` is the closed group that it stands for, `inside` the innermost open group around it;
    both are -1 where there is none.
    """

    box: Box
    x: float
    y: float
    group: int = -1
    inside: int = -1


class Line(NamedTuple):
    """A line from box to box, as corners in the direction of its arrow; `style` as in the theme."""

    style: str
    source: str
    target: str
    points: list[Point]


@dataclass
class Layout:
    """Where everything stands.  All numbers are pixels, rounded to 0.1."""

    width: float
    height: float
    boxes: list[Placed] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)
    axis: float | None = None  # x of the mirror
    badges: str = ""  # what the badges stand for, for the legend
    crossings: int = 0  # of lines in the forward half; the mirror image has as many or fewer

    def to_json(self) -> dict[str, Any]:
        """Plain lists, the form in which layouts are compared between languages."""
        return {
            "format": "dlgraph-layout",
            "version": 1,
            "size": [self.width, self.height],
            "axis": self.axis,
            "badges": self.badges,
            "fields": [*(field.name for field in fields(Box)), "x", "y", "group", "inside"],
            "boxes": [[*p.box.to_json(), p.x, p.y, p.group, p.inside] for p in self.boxes],
            "lines": [
                [line.style, line.source, line.target, [list(point) for point in line.points]]
                for line in self.lines
            ],
        }


def tenth(value: float) -> float:
    """Rounded to 0.1, halves upwards (Python's `round` and JavaScript's differ, this does not)."""
    return math.floor(value * 10 + 0.5) / 10


def lay_out(
    picture: Picture, opened: Iterable[int] | None = None, saved: bool | str = False
) -> Layout:
    """Place every box and line of a picture.

    `opened` are the numbers of the groups (scopes, repeats) that are open; without it those that
    are open at first sight, see collapse.py.  `saved` adds lines for the values kept for the
    backward pass: all with True; with the key of a box those that start or end there.

    >>> from dlgraph.draw.layout import lay_out
    >>> from dlgraph.draw.model import Edge, Picture, PictureNode
    >>> nodes = (PictureNode(0, "a", kind="input"), PictureNode(1, "square"))
    >>> layout = lay_out(Picture(nodes, (Edge(0, 1),)))
    >>> [(placed.box.label, placed.y) for placed in layout.boxes]
    [('a', 20.0), ('square', 80.0)]
    """
    return place(visible(build_scene(picture), opened), saved)


def place(scene: Scene, saved: bool | str = False) -> Layout:
    """Place every box and line of a scene as `visible` gives it."""
    pairs = [(link.source, link.target) for link in scene.links]
    ranks = assign_ranks(len(scene.boxes), pairs)
    cut = long_edges(ranks, pairs, DUMMY_LIMIT)
    for edge in sorted(cut):
        source, target = pairs[edge]
        add_badge(scene.boxes[target], scene.boxes[source].label)
    scene.links = [link for edge, link in enumerate(scene.links) if edge not in cut]
    return _Placing(scene, ranks, saved).layout()


class _Placing:
    """The forward half, placed; its mirror image follows from it."""

    def __init__(self, scene: Scene, ranks: list[int], saved: bool | str):
        self.scene = scene
        self.saved = saved
        keys = [(int(scene.light[link.source]), link.slot) for link in scene.links]
        pairs = [(link.source, link.target) for link in scene.links]
        self.graph: Layering = layering(ranks, pairs, keys)
        order_rows(self.graph)
        # Twins may differ in size: the layout keeps room for the larger one on both sides.
        twins = list(zip(scene.boxes, scene.images, strict=True))
        widths = [max(box.width, image.width if image else 0) for box, image in twins]
        heights = [max(box.height, image.height if image else 0) for box, image in twins]
        self.xs = place_boxes(self.graph, widths, scene.light)
        self.crossings_over, self.tracks = plan_across(scene, self.graph, self.xs)
        narrow = [min(box.width, image.width if image else box.width) for box, image in twins]
        counts = [link.copies for link in scene.links]
        self.shifts = shifts(self.graph, counts, self.xs, narrow)
        self._set_ports()
        steep = slants(self.graph, self.xs, self.shifts)
        self.rows = place_rows(self.graph, steep, heights, self.tracks)
        self._set_axis()

    def _set_ports(self) -> None:
        """Sort the ports of each box by where their lines lead, and start the lines there."""
        leads: dict[int, dict[str, list[float]]] = {}
        for link, chain in zip(self.scene.links, self.graph.chains, strict=True):
            for port in link.ports:
                leads.setdefault(link.source, {}).setdefault(port, []).append(self.xs[chain[1]])
        starts: dict[tuple[int, str], float] = {}
        for number, ports in leads.items():
            box = self.scene.boxes[number]
            means = {port: sum(xs) / len(xs) for port, xs in ports.items()}
            box.ports = tuple(sorted(box.ports, key=lambda port: means.get(port, 0.0)))
            for port, place in zip(box.ports, port_places(box.ports), strict=True):
                starts[number, port] = place
        for edge, link in enumerate(self.scene.links):
            if link.ports:
                self.shifts[edge] = [
                    shift._replace(start=starts[link.source, port])
                    for shift, port in zip(self.shifts[edge], link.ports, strict=True)
                ]

    def _set_axis(self) -> None:
        """The axis as far left as the two halves allow, and the ends of the page."""
        boxes, images = self.scene.boxes, self.scene.images
        helpers = self.xs[len(boxes) :]
        left = [(x, box.width / 2) for x, box in zip(self.xs, boxes, strict=False)]
        right = [(x, image.width / 2) for x, image in zip(self.xs, images, strict=False) if image]
        reach = max([x + half for x, half in left] + helpers, default=0.0)
        self.left = min([x - half for x, half in left] + helpers, default=0.0)
        self.between = reach + theme.AXIS_GAP / 2  # the middle of what is free between the halves
        if not self.scene.mirrored:
            self.axis, self.right = 0.0, reach
            return
        image_reach = max([x + half for x, half in right] + helpers)
        self.axis = (reach + image_reach + theme.AXIS_GAP) / 2
        self.right = self._mirrored(min([x - half for x, half in right] + helpers))

    def layout(self) -> Layout:
        """Everything moved onto the page and rounded."""
        scene, margin = self.scene, theme.MARGIN
        pairs = list(zip(scene.boxes, scene.images, self.xs, strict=False))
        boxes = [self._placed(n, box, x) for n, (box, _, x) in enumerate(pairs)]
        boxes += [
            self._placed(n, image, self._mirrored(x))
            for n, (_, image, x) in enumerate(pairs)
            if image
        ]
        lines = [*self._forward_lines(), *self._backward_lines(), *self._lines_across()]
        lines += self._saved_lines()
        dx = margin - self.left
        return Layout(
            tenth(self.right - self.left + 2 * margin),
            tenth(self.rows.bottom + self.rows.gaps[-1] + 2 * margin),
            [p._replace(x=tenth(p.x + dx), y=tenth(p.y + margin)) for p in boxes],
            [
                line._replace(points=[(tenth(x + dx), tenth(y + margin)) for x, y in line.points])
                for line in lines
            ],
            tenth(self.axis + dx) if scene.mirrored else None,
            scene.badges,
            crossings(self.graph),
        )

    def _mirrored(self, x: float) -> float:
        return 2 * self.axis - x

    def _placed(self, number: int, box: Box, x: float) -> Placed:
        y = self.rows.middle(self.graph.row_of[number])
        groups = self.scene.closed[number], self.scene.inside[number]
        return Placed(box, x - box.width / 2, y - box.height / 2, *groups)

    def _forward_lines(self) -> Iterator[Line]:
        boxes = self.scene.boxes
        heights = [box.height for box in boxes]
        for link, chain, sides in self._routes():
            source, target = boxes[link.source], boxes[link.target]
            for side in sides:
                points = route(self.graph, chain, self.xs, heights, self.rows, side)
                yield Line(_style(source, target), source.key, target.key, points)

    def _backward_lines(self) -> Iterator[Line]:
        images = self.scene.images
        heights = [image.height if image else 0 for image in images]
        for link, chain, sides in self._routes():
            source, target = images[link.source], images[link.target]
            if not link.flows or source is None or target is None:
                continue
            for side in sides:
                points = route(self.graph, chain, self.xs, heights, self.rows, side)
                back = [(self._mirrored(x), y) for x, y in reversed(points)]
                yield Line("gradient", target.key, source.key, back)

    def _routes(self) -> Iterator[tuple[Link, list[int], list[Shift]]]:
        return zip(self.scene.links, self.graph.chains, self.shifts, strict=True)

    def _lines_across(self) -> Iterator[Line]:
        for line in self.crossings_over:
            box, image = self.scene.boxes[line.number], self.scene.images[line.number]
            if image is None:
                continue
            x = self.xs[line.number]
            ends = (x, self._mirrored(x))
            points = route_across(line, self.scene, self.graph, ends, self.rows, self.tracks)
            if line.style == "turn":
                yield Line("turn", box.key, image.key, points)
            else:
                yield Line("update", image.key, box.key, points[::-1])

    def _saved_lines(self) -> Iterator[Line]:
        boxes, images = self.scene.boxes, self.scene.images
        pairs = [
            (value, boxes[value], reader, image)
            for value, reader in (self.scene.saved if self.saved else [])
            if (image := images[reader]) and self.saved in (True, boxes[value].key, image.key)
        ]
        ends = [
            (
                self.xs[value] + box.width / 2 - CORNER,
                self._mirrored(self.xs[reader]) - image.width / 2 + CORNER,
            )
            for value, box, reader, image in pairs
        ]
        numbers = [(value, reader) for value, _, reader, _ in pairs]
        routes = route_saved(numbers, self.scene, self.graph, ends, self.between, self.rows)
        for (_, box, _, image), points in zip(pairs, routes, strict=True):
            yield Line("saved", box.key, image.key, points)


def _style(source: Box, target: Box) -> str:
    if target.style in ("update", "failed"):
        return target.style
    if target.style == "backward" and source.style == "backward":
        return "gradient"
    return "parameter" if source.style == "parameter" else "forward"
