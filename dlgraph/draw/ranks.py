"""Layered layout, step 1: which row each box stands in.

Row 0 is the top; every edge leads downwards.  Boxes are numbers from here on, edges are pairs of
numbers; no names, no sizes.  Read next: ordering.py.
"""

from __future__ import annotations

from collections.abc import Sequence

from dlgraph.draw.model import topological_order

ROUNDS = 8


def assign_ranks(count: int, edges: Sequence[tuple[int, int]]) -> list[int]:
    """The rank of each box: longest path from the top, then every box to its cheapest place.

    After the longest path a parameter of the last layer would hang at the top with a line through
    the whole picture.  So boxes slide within their slack towards the side on which they have more
    edges.  A box with as many above as below slides for free: down, so that what hangs above it
    can follow, and back up where that gained nothing.  No slide makes the edges longer in total.

    >>> from dlgraph.draw.ranks import assign_ranks
    >>> assign_ranks(4, [(0, 1), (1, 2), (3, 2)])  # box 3 is needed in the last step only
    [0, 1, 2, 1]
    """
    above: list[list[int]] = [[] for _ in range(count)]
    below: list[list[int]] = [[] for _ in range(count)]
    for source, target in edges:
        above[target].append(source)
        below[source].append(target)
    order = topological_order(above, below)
    ranks = [0] * count
    for box in order:
        for source in above[box]:
            ranks[box] = max(ranks[box], ranks[source] + 1)
    for _ in range(ROUNDS):
        before = list(ranks)
        for box in reversed(order):
            if below[box] and len(below[box]) >= len(above[box]):
                ranks[box] = min(ranks[target] for target in below[box]) - 1
        for box in order:
            if above[box] and len(above[box]) >= len(below[box]):
                ranks[box] = max(ranks[source] for source in above[box]) + 1
        if ranks == before:
            break
    top = min(ranks, default=0)
    return [rank - top for rank in ranks]


def long_edges(ranks: Sequence[int], edges: Sequence[tuple[int, int]], limit: int) -> set[int]:
    """Which edges to take out so that the others pass through at most `limit` rows in all.

    The longest go first: a layered layout pays for each row that an edge passes.

    >>> from dlgraph.draw.ranks import long_edges
    >>> long_edges([0, 1, 9], [(0, 1), (0, 2), (1, 2)], limit=7)
    {1}
    """
    spans = [ranks[target] - ranks[source] - 1 for source, target in edges]
    total = sum(spans)
    cut: set[int] = set()
    for edge in sorted(range(len(edges)), key=lambda edge: -spans[edge]):
        if total <= limit:
            break
        total -= spans[edge]
        cut.add(edge)
    return cut
