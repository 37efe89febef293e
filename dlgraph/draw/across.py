"""Lines from the forward half to the backward half.

The turn, where the gradient of the result starts the way back, and the new values that an update
writes into its parameter.  A line runs level where nothing stands in its way; otherwise it takes
a track of its own in a gap between two rows.  On demand also the values that are kept for the
backward pass; these take whatever room there is, so that asking for them moves nothing.
Read next: layout.py.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from dlgraph.draw.ordering import Layering
from dlgraph.draw.routes import Point, Rows
from dlgraph.draw.scene_parts import Scene


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


CORNER = 10  # px from the side of a box at which lines of kept values leave and arrive
LANES = 60  # px between the halves over which their upright pieces are spread
SPARE = 16  # px below the last row


def route_saved(
    pairs: Sequence[tuple[int, int]],
    scene: Scene,
    graph: Layering,
    ends: Sequence[tuple[float, float]],
    middle: float,
    rows: Rows,
) -> list[list[Point]]:
    """The corners of the lines from kept values to the images that read them.

    `ends` are the x of both ends of every line.  It leaves below its box, runs in the gap there
    to the `middle` between the halves, there to the row of the image, and in a gap to the image.
    """
    gaps = []
    for value, reader in pairs:
        leave, arrive = graph.row_of[value] + 1, graph.row_of[reader]
        gaps.append((leave, arrive if arrive >= leave else arrive + 1))
    counts = Counter(gap for pair in gaps for gap in {*pair})
    taken = dict.fromkeys(counts, 0)
    lines = []
    for index, ((value, reader), pair, (left, right)) in enumerate(
        zip(pairs, gaps, ends, strict=True)
    ):
        tracks = []
        for gap in dict.fromkeys(pair):
            taken[gap] += 1
            tracks.append(_between(rows, gap, taken[gap] / (counts[gap] + 1)))
        lane = middle + LANES * ((index + 1) / (len(pairs) + 1) - 0.5)
        box, image = scene.boxes[value], scene.images[reader]
        below = pair[1] > graph.row_of[reader]
        half = image.height / 2 if image else 0
        start = rows.middle(graph.row_of[value]) + box.height / 2
        end = rows.middle(graph.row_of[reader]) + (half if below else -half)
        way = [(left, tracks[0]), (lane, tracks[0]), (lane, tracks[-1]), (right, tracks[-1])]
        way = way if len(tracks) > 1 else [way[0], way[3]]
        lines.append([(left, start), *way, (right, end)])
    return lines


def _between(rows: Rows, gap: int, share: float) -> float:
    """A height in a gap, of which the last one may have no room of its own."""
    if gap == len(rows.tops):
        return rows.bottom + max(rows.gaps[gap], SPARE) * share
    return rows.tops[gap] - rows.gaps[gap] * (1 - share)
