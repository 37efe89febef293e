"""Is a figure as clear as the one that Graphviz would draw of the same graph?

`dot` gets every box with its size, every line (the kept values of the backward pass are edges of
the graph like any other) and the same distances, and places them its own way.  Compared are

- crossings, counted on the lines that a figure shows at first sight, that is without those of kept
  values; lines that share an end do not count;
- the length of all lines, those of kept values included.

Skipped where Graphviz is not installed.  `python -m tests.draw.test_against_dot` prints the table.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import replace
from functools import cache
from itertools import pairwise
from math import dist

import pytest

from dlgraph.draw import theme
from dlgraph.draw.layout import Layout, lay_out
from tests.draw.geometry import drawn_crossings
from tests.draw.reference_graphs import GRAPHS

DOT = shutil.which("dot")
STEPS = 8  # straight pieces per curve of a line that dot drew
EVERYTHING = range(1_000)  # all groups open: both draw the same boxes

needs_dot = pytest.mark.skipif(DOT is None, reason="Graphviz is not installed: nothing to compare")


@cache
def drawings(name: str) -> tuple[Layout, Layout]:
    """All boxes and lines of a graph, placed by this package and by dot."""
    ours = lay_out(GRAPHS[name](), EVERYTHING, saved=True)
    return ours, by_dot(ours)


def by_dot(layout: Layout) -> Layout:
    """The same boxes and lines, placed by dot."""
    known = {placed.box.key: n for n, placed in enumerate(layout.boxes)}
    rows = [f"digraph {{ nodesep={theme.NODE_GAP / 72}; ranksep={theme.RANK_GAP / 72};"]
    rows += [
        f'n{n} [shape=box fixedsize=true label="" '
        f"width={placed.box.width / 72} height={placed.box.height / 72}];"
        for n, placed in enumerate(layout.boxes)
    ]
    rows += [
        f"n{known[line.source]} -> n{known[line.target]} [id={n} arrowhead=none];"
        for n, line in enumerate(layout.lines)
    ]
    run = subprocess.run(
        [DOT, "-Tjson"], input="\n".join([*rows, "}"]), capture_output=True, text=True, check=True
    )
    drawn = json.loads(run.stdout)
    lines = [
        layout.lines[int(edge["id"])]._replace(points=sampled(edge["pos"]))
        for edge in drawn["edges"]
    ]
    width, height = (float(side) for side in drawn["bb"].split(",")[2:])
    return Layout(width, height, layout.boxes, lines)


def sampled(curve: str) -> list[tuple[float, float]]:
    """The points of a chain of cubic curves; every third corner is a point on it."""
    corners = [tuple(map(float, pair.split(","))) for pair in curve.split()]
    points = [corners[0]]
    for start in range(0, len(corners) - 1, 3):
        four = corners[start : start + 4]
        for step in range(1, STEPS + 1):
            t = step / STEPS
            weights = ((1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t * t * (1 - t), t**3)
            x, y = (
                sum(w * corner[axis] for w, corner in zip(weights, four, strict=True))
                for axis in (0, 1)
            )
            points.append((x, y))
    return points


def shown_crossings(layout: Layout) -> int:
    """Crossings of the lines that a figure shows at first sight."""
    shown = [line for line in layout.lines if line.style != "saved"]
    return drawn_crossings(replace(layout, lines=shown))


def length(layout: Layout) -> float:
    """Of all lines together, in pixels."""
    return sum(dist(a, b) for line in layout.lines for a, b in pairwise(line.points))


@needs_dot
@pytest.mark.parametrize("name", GRAPHS)
def test_no_more_crossings_than_dot(name):
    ours, theirs = drawings(name)
    assert len(theirs.lines) == len(ours.lines) > 0
    assert shown_crossings(ours) <= shown_crossings(theirs)


@needs_dot
@pytest.mark.parametrize("name", GRAPHS)
def test_shorter_lines_than_dot(name):
    ours, theirs = drawings(name)
    if name == "formula":
        # Ten boxes with nothing kept are a stack to dot, with the gradients below the values; the
        # way across to the mirror image is longer than any line in it.
        assert length(theirs) < length(ours) < 1.6 * length(theirs)
    else:
        assert length(ours) < length(theirs)


def test_curves_are_sampled_from_end_to_end():
    points = sampled("0,0 0,9 9,9 9,0 9,-9 18,-9 18,0")
    assert (points[0], points[-1], len(points)) == ((0.0, 0.0), (18.0, 0.0), 17)
    assert points[4] == (4.5, 6.75)


def main() -> None:
    """Print the table: this package, then dot."""
    print(f"{'graph':20} boxes lines kept   crossings        length px      width x height")
    for name in GRAPHS:
        both = drawings(name)
        kept = sum(line.style == "saved" for line in both[0].lines)
        counts = "{:4} {:4}".format(*map(shown_crossings, both))
        lengths = "{:8.0f} {:8.0f}".format(*map(length, both))
        sizes = "   ".join(f"{one.width:.0f} x {one.height:.0f}" for one in both)
        boxes, lines = len(both[0].boxes), len(both[0].lines)
        print(f"{name:20} {boxes:5} {lines:5} {kept:4}   {counts}   {lengths}   {sizes}")


if __name__ == "__main__":
    main()
