"""What must be true of every layout, checked on the drawn coordinates alone."""

from __future__ import annotations

import re
from itertools import pairwise
from xml.etree import ElementTree

from dlgraph.draw.layout import Layout
from dlgraph.draw.model import LEAVES, Picture

SVG = "{http://www.w3.org/2000/svg}"


def overlaps(layout: Layout) -> list[tuple[str, str]]:
    """Pairs of boxes that share a point."""
    boxes = sorted(layout.boxes, key=lambda p: p.x)
    found = []
    for index, one in enumerate(boxes):
        for two in boxes[index + 1 :]:
            if two.x > one.x + one.box.width:
                break
            if one.y <= two.y + two.box.height and two.y <= one.y + one.box.height:
                found.append((one.box.key, two.box.key))
    return found


def lines_over_boxes(layout: Layout) -> list[tuple[str, str, str]]:
    """Lines (source, target) that touch a box (key) which is not their end."""
    found = []
    for line in layout.lines:
        for (x0, y0), (x1, y1) in pairwise(line.points):
            for p in layout.boxes:
                if p.box.key in (line.source, line.target):
                    continue
                rectangle = (p.x, p.y, p.x + p.box.width, p.y + p.box.height)
                if _touches(x0, y0, x1, y1, *rectangle):
                    found.append((line.source, line.target, p.box.key))
    return found


def _touches(x0, y0, x1, y1, left, top, right, bottom) -> bool:
    """Does a piece of a line touch a rectangle?  (Liang and Barsky's clipping.)"""
    start, end = 0.0, 1.0
    for step, room in (
        (x0 - x1, x0 - left),
        (x1 - x0, right - x0),
        (y0 - y1, y0 - top),
        (y1 - y0, bottom - y0),
    ):
        if step == 0:
            if room < 0:
                return False
        elif step < 0:
            start = max(start, room / step)
        else:
            end = min(end, room / step)
    return start <= end


def drawn_crossings(layout: Layout) -> int:
    """Pairs of lines that cross; lines that share an end do not count."""
    pieces = [(line, a, b) for line in layout.lines for a, b in pairwise(line.points) if a != b]
    return sum(
        not {one.source, one.target} & {two.source, two.target} and _cross(a, b, c, d)
        for index, (one, a, b) in enumerate(pieces)
        for two, c, d in pieces[index + 1 :]
    )


def _cross(a, b, c, d) -> bool:
    def side(p, q, r):
        return (q[0] - p[0]) * (r[1] - p[1]) - (q[1] - p[1]) * (r[0] - p[0])

    return side(a, b, c) * side(a, b, d) < 0 and side(c, d, a) * side(c, d, b) < 0


def mirror_error(layout: Layout) -> float:
    """How far the box of a gradient stands from the mirror image of its forward box, at most."""
    places = {p.box.key: (p.x + p.box.width / 2, p.y + p.box.height / 2) for p in layout.boxes}
    worst = 0.0
    for key, (x, y) in places.items():
        if key[0] == "b":
            twin_x, twin_y = places["f" + key[1:]]
            worst = max(worst, abs(2 * layout.axis - twin_x - x), abs(twin_y - y))
    return worst


def upward_edges(picture: Picture, layout: Layout) -> list[tuple[int, int]]:
    """Forward edges of the picture that do not lead downwards in the drawing."""
    middle = {p.box.key: p.y + p.box.height / 2 for p in layout.boxes}
    readers = picture.wiring.readers
    found = []
    for source, target, _ in picture.edges:
        ends = middle.get(f"f{source}"), middle.get(f"f{target}")
        shared = picture.nodes[source].kind in LEAVES and len(readers[source]) > 3
        if None not in ends and not shared and not ends[0] < ends[1]:
            found.append((source, target))
    return found


def texts_outside(svg: str, layout: Layout, text_width) -> list[str]:
    """Texts of boxes that do not fit in their box, as written in the SVG."""
    root = ElementTree.fromstring(svg)
    boxes = {p.box.key: p for p in layout.boxes}
    found = []
    for group in root.iter(f"{SVG}g"):
        name = group.get("id", "")
        match = re.fullmatch(r"dg-[0-9a-f]{10}-([fb]\d+)", name)
        if match is None:
            continue
        placed = boxes[match[1]]
        for text in group.iter(f"{SVG}text"):
            size = float(text.get("font-size", 12))
            width = text_width(text.text or "", size)
            for span in text:
                width += text_width(span.text or "", float(span.get("font-size", size)))
                width += text_width(span.tail or "", size)
            x, y = float(text.get("x")), float(text.get("y"))
            inside = placed.x <= x - width / 2 and x + width / 2 <= placed.x + placed.box.width
            if not inside or not placed.y + size / 2 < y < placed.y + placed.box.height:
                found.append(f"{match[1]}: {''.join(text.itertext())}")
    return found
