"""Layered layout, step 2: the order within each row, so that few edges cross.

Edges that span several rows are cut into pieces by a helper vertex in every row they pass; boxes
and helpers are vertices alike from here on.  Rows are swept downwards and upwards, each sorted by
where its neighbours stand; then neighbours are swapped as long as that removes crossings.  Where
crossings do not decide, operands stand in the order in which the formula reads them, parameters
last.  Read next: coordinates.py.

The work is limited by counting steps, not by the clock: the same graph gives the same picture on
every machine.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

SWEEPS = 24
POLISH = 12  # sweeps from the best order found
WORK_LIMIT = 1_000_000  # edge visits; well under a second in Python
SIMPLE_ABOVE = 2_000  # vertices drawn; beyond, one sweep


@dataclass
class Layering:
    """Rows of vertices.  Vertices below `boxes` are boxes, the others help long edges along."""

    boxes: int
    rows: list[list[int]]
    row_of: list[int]
    above: list[list[int]]  # neighbours in the previous row, in reading order
    below: list[list[int]]  # neighbours in the next row
    chains: list[list[int]]  # per edge: its vertices from source to target
    wish: dict[tuple[int, int], tuple[int, int]]  # (vertex, box it leads to): place in the formula
    work: int = field(default=0)

    @property
    def exhausted(self) -> bool:
        """Has the work limit been reached?"""
        return self.work > WORK_LIMIT


def layering(
    ranks: Sequence[int], edges: Sequence[tuple[int, int]], keys: Sequence[tuple[int, int]]
) -> Layering:
    """Rows in an arbitrary order, helper vertices put in.  `keys` sorts the operands of a box."""
    boxes = len(ranks)
    row_of = list(ranks)
    above: list[list[int]] = [[] for _ in range(boxes)]
    below: list[list[int]] = [[] for _ in range(boxes)]
    chains: list[list[int]] = [[] for _ in edges]
    wish: dict[tuple[int, int], tuple[int, int]] = {}
    for edge in sorted(range(len(edges)), key=lambda edge: keys[edge]):
        source, target = edges[edge]
        chain = [source]
        for row in range(ranks[source] + 1, ranks[target]):
            chain.append(len(row_of))
            row_of.append(row)
            above.append([])
            below.append([])
        chain.append(target)
        for upper, lower in pairwise(chain):
            below[upper].append(lower)
            above[lower].append(upper)
        wish[(chain[-2], target)] = keys[edge]
        chains[edge] = chain
    rows: list[list[int]] = [[] for _ in range(max(row_of, default=-1) + 1)]
    for vertex, row in enumerate(row_of):
        rows[row].append(vertex)
    return Layering(boxes, rows, row_of, above, below, chains, wish)


def order_rows(graph: Layering) -> None:
    """Reorder `graph.rows` in place to the order with the fewest crossings found.

    Two starts are swept with all ties broken both ways, and shaken by swaps that change nothing;
    the best order of all is then polished.
    """
    best = _Best(graph)
    sweeps = SWEEPS if graph.boxes <= SIMPLE_ABOVE else 1
    for upwards in (True, False):
        graph.rows = _depth_first(graph, upwards)
        _swap_neighbours(graph, 2, shake=False)
        best.note()
        for sweep in range(sweeps):
            if best.done:
                break
            turned = sweep // 2 % 2 == 1
            _sweep(graph, downwards=sweep % 2 == 0, median=sweep % 4 < 2, turned=turned)
            _swap_neighbours(graph, 2, shake=turned)
            best.note()
    best.restore()
    _swap_neighbours(graph, 2 * POLISH, shake=False)
    best.note()
    for sweep in range(POLISH):
        if best.done:
            break
        turned = sweep // 2 % 2 == 0
        _sweep(graph, downwards=sweep % 2 == 0, median=sweep % 4 < 2, turned=turned)
        _swap_neighbours(graph, 4, shake=False)
        best.note()
    best.restore()


class _Best:
    """The best order seen so far."""

    def __init__(self, graph: Layering):
        self.graph = graph
        self.score: tuple[int, int] | None = None
        self.rows: list[list[int]] = []

    def note(self) -> None:
        score = (crossings(self.graph), _wishes_broken(self.graph))
        if self.score is None or score < self.score:
            self.score, self.rows = score, [list(row) for row in self.graph.rows]

    def restore(self) -> None:
        self.graph.rows = [list(row) for row in self.rows]

    @property
    def done(self) -> bool:
        return self.score == (0, 0) or self.graph.exhausted


def crossings(graph: Layering) -> int:
    """How many pairs of edges cross, counted row by row with an accumulator tree.

    W. Barth, M. Juenger, P. Mutzel: Simple and efficient bilayer cross counting (2002).
    """
    total = 0
    for upper, lower in zip(graph.rows, graph.rows[1:], strict=False):
        if len(upper) == 1 or len(lower) == 1:
            continue
        place = {vertex: index for index, vertex in enumerate(lower)}
        ends = [end for v in upper for end in sorted(place[w] for w in graph.below[v])]
        graph.work += len(ends)
        first = 1
        while first < len(lower):
            first *= 2
        tree = [0] * (2 * first)
        for end in ends:
            index = end + first
            tree[index] += 1
            while index > 1:
                if index % 2 == 0:
                    total += tree[index + 1]
                index //= 2
                tree[index] += 1
    return total


def _depth_first(graph: Layering, upwards: bool) -> list[list[int]]:
    """Rows in the order in which a walk from the results up (or from the leaves down) finds them.

    What hangs together stands together.  Boxes without any edge come first in their row, where
    they do not part a parameter from its reader.
    """
    near, far = (graph.above, graph.below) if upwards else (graph.below, graph.above)
    rows: list[list[int]] = [[] for _ in graph.rows]
    seen = [False] * len(graph.row_of)
    starts = [v for row in graph.rows for v in row if not far[v] and near[v]]
    alone = [v for row in graph.rows for v in row if not far[v] and not near[v]]
    stack = starts[::-1] + alone[::-1]
    while stack:
        vertex = stack.pop()
        if seen[vertex]:
            continue
        seen[vertex] = True
        rows[graph.row_of[vertex]].append(vertex)
        stack.extend(reversed(near[vertex]))
    return rows


def _sweep(graph: Layering, downwards: bool, median: bool, turned: bool) -> None:
    """Sort each row by the middle of its neighbours in the row before it.

    Equal ones keep their order, or reverse it if `turned`.
    """
    near = graph.above if downwards else graph.below
    rows = graph.rows if downwards else graph.rows[::-1]
    for fixed, row in pairwise(rows):
        if len(row) == 1:
            continue
        place = {vertex: index for index, vertex in enumerate(fixed)}
        middle: dict[int, float] = {}
        for vertex in row:
            found = sorted(place[v] for v in near[vertex])
            graph.work += len(found)
            if found:
                middle[vertex] = middle_of(found) if median else sum(found) / len(found)
        # Vertices without neighbours there keep their place; the others are sorted around them.
        movable = [v for v in row if v in middle]
        moved = iter(sorted(movable[::-1] if turned else movable, key=middle.__getitem__))
        row[:] = [next(moved) if v in middle else v for v in row]


def middle_of(found: Sequence[float]) -> float:
    """The median of sorted numbers: the middle one, or the mean of the two in the middle."""
    half = len(found) // 2
    return found[half] if len(found) % 2 else (found[half - 1] + found[half]) / 2


def _swap_neighbours(graph: Layering, rounds: int, shake: bool) -> None:
    """Swap neighbours in a row while that removes crossings, or fulfils a wish for free.

    With `shake` also where it changes nothing, which opens the way to other orders.
    """
    for _ in range(rounds):
        improved = False
        for index, row in enumerate(graph.rows):
            if len(row) == 1:
                continue
            places = [
                {vertex: at for at, vertex in enumerate(graph.rows[other])}
                for other in (index - 1, index + 1)
                if 0 <= other < len(graph.rows)
            ]
            near = [graph.above] if index > 0 else []
            near += [graph.below] if index + 1 < len(graph.rows) else []
            for at in range(len(row) - 1):
                gain = 0
                for place, neighbours in zip(places, near, strict=True):
                    gain += _gain(graph, place, neighbours[row[at]], neighbours[row[at + 1]])
                wanted = gain == 0 and not shake and _wishes_swap(graph, row[at], row[at + 1])
                if gain > 0 or wanted or (gain == 0 and shake):
                    row[at], row[at + 1] = row[at + 1], row[at]
                    improved |= gain > 0 or wanted
            if graph.exhausted:
                return
        if not improved:
            return


def _gain(graph: Layering, place: dict[int, int], left: list[int], right: list[int]) -> int:
    """Crossings that swapping two neighbours removes on one side, negative if it adds some."""
    graph.work += len(left) + len(right) + 1
    if not left or not right:
        return 0
    first = sorted(place[v] for v in left)
    second = sorted(place[v] for v in right)
    return _inversions(first, second) - _inversions(second, first)


def _inversions(first: list[int], second: list[int]) -> int:
    """Pairs with the member of `first` strictly to the right of the member of `second`."""
    total = reached = 0
    for value in first:
        while reached < len(second) and second[reached] < value:
            reached += 1
        total += reached
    return total


def _wishes_swap(graph: Layering, left: int, right: int) -> bool:
    balance = 0
    for target in graph.below[left]:
        mine, other = graph.wish.get((left, target)), graph.wish.get((right, target))
        if mine is not None and other is not None and mine != other:
            balance += 1 if mine > other else -1
    return balance > 0


def _wishes_broken(graph: Layering) -> int:
    """Neighbouring operands of a box that stand against the reading order."""
    total = 0
    for upper, lower in zip(graph.rows, graph.rows[1:], strict=False):
        place = {vertex: index for index, vertex in enumerate(upper)}
        for box in lower:
            operands = graph.above[box]
            if box < graph.boxes and len(operands) > 1:
                stand = [place[v] for v in operands]
                total += sum(a > b for a, b in pairwise(stand))
    return total
