"""Lines from the forward half to the backward half.

The turn, where the gradient of the result starts the way back, and the new values that an update
writes into its parameter.  A line runs level where nothing stands in its way; otherwise it takes
a track of its own in a gap between two rows.  Read next: layout.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from dlgraph.draw.ordering import Layering
from dlgraph.draw.routes import Point, Rows
from dlgraph.draw.scene import Scene


class Crossing(NamedTuple):
    """A line across from box `number` to its image; `gap` is None where it runs level."""

    number: int
    style: str  # turn or update
    gap: int | None
    track: int  # which one in the gap


def plan_across(
    scene: Scene, graph: Layering, xs: Sequence[float]
) -> tuple[list[Crossing], list[int]]:
    """How each line across runs, and the number of tracks in every gap."""
    tracks = [0] * (len(graph.rows) + 1)
    found = []
    updates = [n for n, image in enumerate(scene.images) if image and image.style == "update"]
    for number, style in [(n, "turn") for n in scene.turns] + [(n, "update") for n in updates]:
        row = graph.row_of[number]
        if all(xs[v] <= xs[number] for v in graph.rows[row] if v < graph.boxes):
            found.append(Crossing(number, style, None, 0))
            continue
        # The turn leaves below its box, an update arrives above its parameter: there no other
        # line starts or ends.
        gap = row + 1 if style == "turn" else row
        found.append(Crossing(number, style, gap, tracks[gap]))
        tracks[gap] += 1
    return found, tracks


def route_across(
    line: Crossing,
    scene: Scene,
    graph: Layering,
    ends: tuple[float, float],
    rows: Rows,
    tracks: Sequence[int],
) -> list[Point]:
    """The corners, from the box at x `ends[0]` to its image at `ends[1]`."""
    box, image = scene.boxes[line.number], scene.images[line.number]
    if image is None:
        return []
    y = rows.middle(graph.row_of[line.number])
    left, right = ends
    if line.gap is None:
        return [(left + box.width / 2, y), (right - image.width / 2, y)]
    track = rows.track(line.gap, line.track, tracks[line.gap])
    side = 0.5 if line.style == "turn" else -0.5
    return [
        (left, y + side * box.height),
        (left, track),
        (right, track),
        (right, y + side * image.height),
    ]
