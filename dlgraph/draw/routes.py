"""Layered layout, step 4: where the rows stand and how the lines run.

A line leaves at the middle of the bottom of its box, passes every row that it does not stop at
straight down, in the lane that its helper vertex kept free, and enters at the middle of the top.
It moves sideways only between two rows, so it never runs over a box.  Read next: layout.py.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from dlgraph.draw.ordering import Layering
from dlgraph.draw.theme import RANK_GAP, RANK_GAP_MORE

Point = tuple[float, float]
SLANT = 8  # px sideways for which a gap grows by one px
SIDE_BY_SIDE = 16  # px over which parallel lines are spread
INSET = 16  # px from the side of a box to the line that arrives or leaves furthest out
TRACK = 12  # px for a line that runs sideways in a gap


class Rows(NamedTuple):
    """Top and height of every row, and of the gap above it (one more: the gap below the last)."""

    tops: list[float]
    heights: list[float]
    gaps: list[float]
    bottom: float

    def middle(self, row: int) -> float:
        """The height at which the boxes of a row are centred."""
        return self.tops[row] + self.heights[row] / 2

    def track(self, gap: int, index: int, count: int) -> float:
        """The y of one of `count` lines that run sideways in a gap."""
        top = self.tops[gap] - self.gaps[gap] if gap < len(self.tops) else self.bottom
        return top + self.gaps[gap] * (index + 1) / (count + 1)


def place_rows(
    graph: Layering, slants: Sequence[float], heights: Sequence[int], tracks: Sequence[int]
) -> Rows:
    """Stack the rows from y = 0.  `tracks[g]` lines run sideways in gap g, above row g.

    Two rows stand the further apart, the further the lines between them slant (`slants`, see
    there), so that none becomes nearly level.
    """
    rows: list[float] = []
    tops: list[float] = []
    gaps: list[float] = []
    y = 0.0
    for row, vertices in enumerate(graph.rows):
        gap = RANK_GAP + min(RANK_GAP_MORE, math.floor(slants[row] / SLANT)) if row else 0
        gaps.append(_widened(gap, tracks[row]))
        tops.append(y + gaps[-1])
        rows.append(float(max((heights[v] for v in vertices if v < graph.boxes), default=0)))
        y = tops[-1] + rows[-1]
    gaps.append(_widened(0, tracks[-1]))
    return Rows(tops, rows, gaps, y)


def slants(graph: Layering, xs: Sequence[float], sides: Sequence[Sequence[Shift]]) -> list[float]:
    """How far sideways the lines that end in each row run in the gap above it, at most."""
    found = [0.0] * len(graph.rows)
    for chain, shifts_of in zip(graph.chains, sides, strict=True):
        for shift in shifts_of:
            for step in range(1, len(chain)):
                before = xs[chain[step - 1]] + (shift.way if step > 1 else shift.start)
                after = xs[chain[step]] + (shift.way if step < len(chain) - 1 else shift.end)
                row = graph.row_of[chain[step]]
                found[row] = max(found[row], abs(after - before))
    return found


def _widened(gap: int, tracks: int) -> float:
    return float(gap + TRACK * tracks + (TRACK if tracks and not gap else 0))


class Shift(NamedTuple):
    """How far one line stands beside the middle: at its start, on its way, at its end."""

    start: float = 0
    way: float = 0
    end: float = 0


def route(
    graph: Layering,
    chain: Sequence[int],
    xs: Sequence[float],
    heights: Sequence[int],
    rows: Rows,
    shift: Shift,
) -> list[Point]:
    """The corners of the line along a chain of vertices, from the source down to the target."""
    points: list[Point] = []
    for step, vertex in enumerate(chain):
        row = graph.row_of[vertex]
        top, bottom = rows.tops[row], rows.tops[row] + rows.heights[row]
        if step == 0:
            x = xs[vertex] + shift.start
            points += [(x, rows.middle(row) + heights[vertex] / 2), (x, bottom)]
        elif step == len(chain) - 1:
            x = xs[vertex] + shift.end
            points += [(x, top), (x, rows.middle(row) - heights[vertex] / 2)]
        else:
            x = xs[vertex] + shift.way
            points += [(x, top), (x, bottom)]
    return straightened(points)


def straightened(points: Sequence[Point]) -> list[Point]:
    """The same line without repeated corners and without corners on a vertical run."""
    kept: list[Point] = []
    for point in points:
        if kept and kept[-1] == point:
            continue
        if len(kept) > 1 and kept[-2][0] == kept[-1][0] == point[0]:
            kept[-1] = point
        else:
            kept.append(point)
    return kept


def shifts(
    graph: Layering, counts: Sequence[int], xs: Sequence[float], widths: Sequence[float]
) -> list[list[Shift]]:
    """For each edge the shifts of its lines: one line per operand, so `x * x` has two.

    Where a box has such an edge, all lines on that side of it are spread, in the order in which
    they lead away, so that they neither cross nor hide each other.  Elsewhere a line leaves and
    arrives in the middle if it can be straight, else as near to its other end as the box allows.
    """
    starts = _ports(graph, counts, xs, widths, at_start=True)
    ends = _ports(graph, counts, xs, widths, at_start=False)
    _lean(graph, starts, ends, xs, widths)
    found = []
    for edge, count in enumerate(counts):
        step = SIDE_BY_SIDE / max(count - 1, 2)
        ways = [(index - (count - 1) / 2) * step for index in range(count)]
        found.append([Shift(*three) for three in zip(starts[edge], ways, ends[edge], strict=True)])
    return found


def _lean(
    graph: Layering,
    starts: list[list[float]],
    ends: list[list[float]],
    xs: Sequence[float],
    widths: Sequence[float],
) -> None:
    """Shift the ends of single lines towards each other; empty lists are filled in."""
    for edge, chain in enumerate(graph.chains):
        source, target = chain[0], chain[-1]
        leave = 0.0 if starts[edge] else max(0.0, widths[source] / 2 - INSET)
        arrive = 0.0 if ends[edge] else max(0.0, widths[target] / 2 - INSET)
        end = _within(xs[chain[-2]] - xs[target], arrive)
        straight = len(chain) == 2 and abs(xs[target] - xs[source]) <= leave
        end = 0.0 if straight else end
        ahead = xs[chain[1]] + (end if len(chain) == 2 else 0.0)
        ends[edge] = ends[edge] or [end]
        starts[edge] = starts[edge] or [_within(ahead - xs[source], leave)]


def _within(shift: float, reach: float) -> float:
    return max(-reach, min(reach, shift))


def _ports(
    graph: Layering,
    counts: Sequence[int],
    xs: Sequence[float],
    widths: Sequence[float],
    at_start: bool,
) -> list[list[float]]:
    """How far from the middle of the box its lines stand; nothing where they need not be spread."""
    ports: list[list[float]] = [[] for _ in counts]
    edges_at: dict[int, list[int]] = {}
    for edge, chain in enumerate(graph.chains):
        edges_at.setdefault(chain[0] if at_start else chain[-1], []).append(edge)
    for box, edges in edges_at.items():
        if all(counts[edge] == 1 for edge in edges):
            continue
        # Sorted by the next corner of each line as seen from the box.
        edges.sort(key=lambda edge: xs[graph.chains[edge][1 if at_start else -2]])
        total = sum(counts[edge] for edge in edges)
        step = min(SIDE_BY_SIDE * 0.75, (widths[box] - SIDE_BY_SIDE) / max(total - 1, 1))
        place = -(total - 1) / 2
        for edge in edges:
            for _ in range(counts[edge]):
                ports[edge].append(place * step)
                place += 1
    return ports
