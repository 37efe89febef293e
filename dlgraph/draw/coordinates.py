"""Layered layout, step 3: how far right each box stands, so that lines are straight.

U. Brandes, B. Koepf: Fast and simple horizontal coordinate assignment (2001).  Each vertex is put
straight below (or above) the middle one of its neighbours wherever that is possible; this is done
four times, preferring up or down and left or right, and the median of the four is taken.

Two changes keep the spine of a network straight: a box that has data from above ignores *light*
neighbours (a weight, a bias, labels), and light boxes are never lined up themselves but stand as
close to their reader as they can.  Read next: routes.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from dlgraph.draw.model import topological_order
from dlgraph.draw.ordering import Layering, middle_of
from dlgraph.draw.theme import LINE_GAP, NODE_GAP

KINK = 12  # px


def place_boxes(graph: Layering, widths: Sequence[float], light: Sequence[bool]) -> list[float]:
    """The x of the centre of every vertex; neighbours in a row keep their distance."""
    if not graph.row_of:
        return []
    vertices = len(graph.row_of)
    wide = [*widths, *([0.0] * (vertices - graph.boxes))]
    thin = [*light, *([False] * (vertices - graph.boxes))]
    conflicts = _conflicts(graph)
    runs = []
    for upwards in (False, True):
        for leftwards in (False, True):
            rows = graph.rows[::-1] if upwards else graph.rows
            rows = [row[::-1] for row in rows] if leftwards else rows
            near = graph.below if upwards else graph.above
            root = _align(rows, near, thin, conflicts)
            xs = _compact(rows, root, graph.boxes, wide)
            runs.append([-x for x in xs] if leftwards else xs)
    xs = _balance(runs, wide)
    _straighten(graph, xs, wide, thin)
    _tuck_light(graph, xs, wide, thin)
    left = min(x - w / 2 for x, w in zip(xs, wide, strict=True))
    return [x - left for x in xs]


def distance(graph_boxes: int, wide: Sequence[float], left: int, right: int) -> float:
    """Least distance between the centres of two neighbours in a row."""
    helper = left >= graph_boxes or right >= graph_boxes
    return (wide[left] + wide[right]) / 2 + (LINE_GAP if helper else NODE_GAP)


def _conflicts(graph: Layering) -> set[tuple[int, int]]:
    """Pieces of short edges that cross the inner piece of a long one: they give way."""
    found: set[tuple[int, int]] = set()
    for upper, lower in zip(graph.rows, graph.rows[1:], strict=False):
        if len(upper) == 1 or len(lower) == 1:
            continue
        place = {vertex: index for index, vertex in enumerate(upper)}
        start, first = 0, 0
        for index, vertex in enumerate(lower):
            inner = _inner(graph, vertex)
            if inner is None and index < len(lower) - 1:
                continue
            end = len(upper) - 1 if inner is None else place[inner]
            for other in lower[first : index + 1]:
                for above in graph.above[other]:
                    if not start <= place[above] <= end and _inner(graph, other) != above:
                        found.add((above, other))
            start, first = end, index + 1
    return found


def _inner(graph: Layering, vertex: int) -> int | None:
    """The helper above a helper: both belong to the inside of one long edge."""
    if vertex < graph.boxes:
        return None
    above = graph.above[vertex][0]
    return above if above >= graph.boxes else None


def _align(
    rows: Sequence[Sequence[int]],
    near: Sequence[Sequence[int]],
    light: Sequence[bool],
    conflicts: set[tuple[int, int]],
) -> list[int]:
    """Chain vertices into blocks that share one x; returns the first vertex of each one's block."""
    root = list(range(len(near)))
    taken = [False] * len(near)  # has this vertex been continued by one in the next row?
    for fixed, row in pairwise(rows):
        place = {vertex: index for index, vertex in enumerate(fixed)}
        reached = -1
        for vertex in row:
            heavy = [v for v in near[vertex] if not light[v]]
            if light[vertex] or not heavy:
                continue
            heavy.sort(key=place.__getitem__)
            for middle in ((len(heavy) - 1) // 2, len(heavy) // 2):
                other = heavy[middle]
                blocked = (other, vertex) in conflicts or (vertex, other) in conflicts
                if taken[other] or blocked or place[other] <= reached:
                    continue
                root[vertex] = root[other]
                taken[other] = True
                reached = place[other]
                break
    return root


def _compact(
    rows: Sequence[Sequence[int]], root: Sequence[int], boxes: int, wide: Sequence[float]
) -> list[float]:
    """Push the blocks together: as far left as they go, then back right where there is room."""
    left: list[list[int]] = [[] for _ in root]
    right: list[list[int]] = [[] for _ in root]
    apart: dict[tuple[int, int], float] = {}
    for row in rows:
        for one, two in pairwise(row):
            pair = (root[one], root[two])
            needed = distance(boxes, wide, one, two)
            if pair not in apart:
                right[pair[0]].append(pair[1])
                left[pair[1]].append(pair[0])
            apart[pair] = max(apart.get(pair, 0.0), needed)
    xs = [0.0] * len(root)
    order = topological_order(left, right)
    for block in order:
        for other in left[block]:
            xs[block] = max(xs[block], xs[other] + apart[(other, block)])
    for block in reversed(order):
        if right[block]:
            room = min(xs[other] - apart[(block, other)] for other in right[block])
            xs[block] = max(xs[block], room)
    return [xs[block] for block in root]


def _balance(runs: Sequence[Sequence[float]], wide: Sequence[float]) -> list[float]:
    """The median of the four runs, shifted onto the narrowest one."""
    spans = []
    for run in runs:
        low = min(x - w / 2 for x, w in zip(run, wide, strict=True))
        high = max(x + w / 2 for x, w in zip(run, wide, strict=True))
        spans.append((low, high))
    best = min(range(4), key=lambda index: (spans[index][1] - spans[index][0], index))
    moved = []
    for index, run in enumerate(runs):
        # Runs that packed to the left share the left border, the others the right one.
        side = index % 2
        shift = spans[best][side] - spans[index][side]
        moved.append([x + shift for x in run])
    return [middle_of(sorted(four)) for four in zip(*moved, strict=True)]


def _straighten(
    graph: Layering, xs: list[float], wide: Sequence[float], light: Sequence[bool]
) -> None:
    """Take out kinks of a few pixels, which the median of four leaves: each box moves straight
    below a neighbour that it almost stands below."""
    for row in graph.rows:
        for index, vertex in enumerate(row):
            if light[vertex] or vertex >= graph.boxes:
                continue
            near = [v for v in graph.above[vertex] if not light[v]]
            offsets = [xs[v] - xs[vertex] for v in near]
            offset = min(offsets, key=abs, default=0.0)
            if 0 < abs(offset) <= KINK:
                xs[vertex] = _within(graph, row, index, xs[vertex] + offset, xs, wide)


def _within(
    graph: Layering,
    row: Sequence[int],
    index: int,
    x: float,
    xs: Sequence[float],
    wide: Sequence[float],
) -> float:
    """The x nearest to the wanted one that keeps the distance to both neighbours."""
    if index + 1 < len(row):
        x = min(x, xs[row[index + 1]] - distance(graph.boxes, wide, row[index], row[index + 1]))
    if index > 0:
        x = max(x, xs[row[index - 1]] + distance(graph.boxes, wide, row[index - 1], row[index]))
    return x


def _tuck_light(
    graph: Layering, xs: list[float], wide: Sequence[float], light: Sequence[bool]
) -> None:
    """Move each light box as close above its readers as its neighbours allow, lower rows first."""
    for row in reversed(graph.rows):
        for index, vertex in enumerate(row):
            if light[vertex] and graph.below[vertex]:
                x = middle_of(sorted(xs[v] for v in graph.below[vertex]))
                xs[vertex] = _within(graph, row, index, x, xs, wide)
