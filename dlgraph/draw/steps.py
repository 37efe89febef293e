"""What a step is, and the picture that the steps walk through.

A step says which boxes and lines it is about, what stands in them afterwards, one sentence for
terminals and screen readers, and the numbers of the chain rule for a page to lay out.  Read next:
telling.py, which makes them from a walk.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from types import FrameType
from typing import Any

import numpy as np

from dlgraph.draw.boxes import DETAIL_ROOM
from dlgraph.draw.formula import gradient_text, in_brackets, value_text
from dlgraph.draw.from_graph import picture_of
from dlgraph.draw.model import Picture, PictureNode
from dlgraph.draw.quantity import quantity_text
from dlgraph.draw.text import text_width
from dlgraph.draw.theme import DETAIL_SIZE
from dlgraph.draw.walk import Flow, Walk
from dlgraph.draw.wording import is_operation

Texts = dict[str, dict[str, str]]  # key of a box: its tag or detail, as it then stands there

ROOM = 26  # characters of the numbers in a box

NAMES_SHOWN = 6
SHORT = 18  # characters of a formula that serves as a name
_LOW = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")


@dataclass(frozen=True)
class Step:
    """One moment.  `shown` holds the boxes that are known from now on, and what changes in them."""

    kind: str  # start, forward, seed, backward or end
    text: str
    boxes: tuple[str, ...] = ()
    lines: tuple[tuple[str, str, int], ...] = ()  # source, target, which of several
    shown: Texts = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)
    quiz: dict[str, Any] | None = None

    def to_json(self) -> dict[str, Any]:
        """What is not empty, as plain lists and dicts."""
        found = {name: getattr(self, name) for name in self.__dataclass_fields__}
        found["facts"] = {name: value for name, value in self.facts.items() if value != ""}
        found |= {"boxes": list(self.boxes), "lines": [list(line[:2]) for line in self.lines]}
        return {name: value for name, value in found.items() if value}


def walked_picture(walk: Walk, frame: FrameType | None, title: str = "") -> Picture:
    """The picture of a walk with all its numbers."""
    subject: Any = walk.graph if walk.eager else walk.graph.handle(walk.root)
    picture = picture_of(subject, title=title, frame=frame)
    kept = set(walk.order)
    nodes = tuple(
        replace(
            node,
            role="forward",
            twin=None,
            scope="",  # every operation has a box of its own
            value=node.value if node.value is not None else _value(walk, node),
            needs_gradient=node.id in walk.gradients,
            gradient=short_text(walk.gradients[node.id]) if node.id in walk.gradients else None,
        )
        for node in picture.nodes
        if node.id in kept
    )
    edges = tuple(e for e in picture.edges if e.source in kept and e.target in kept)
    edges = tuple(e for e in edges if e.target not in walk.fed)
    return Picture(nodes, edges, picture.title, (walk.root,))


def with_room(picture: Picture, walk: Walk) -> Picture:
    """The picture to be laid out: every gradient as long as it ever gets on the way."""
    stages = gradient_stages(walk)
    nodes = tuple(
        replace(
            node,
            formula=formula_shown(node),
            gradient=max(stages.get(node.id, [node.gradient or "?"]), key=len)
            if node.needs_gradient
            else None,
        )
        for node in picture.nodes
    )
    return replace(picture, nodes=nodes)


def formula_shown(node: PictureNode) -> str:
    """The formula, unless there is no room for it beside the value: numbers are never cut."""
    wide = text_width(f"{node.formula} = {node.value}", DETAIL_SIZE) > DETAIL_ROOM
    return "" if wide and node.value is not None and is_operation(node) else node.formula


def unknown_picture(picture: Picture) -> Picture:
    """The picture without its numbers: what a page knows before the first step."""
    # Made of what may be known, so that no field with numbers in it slips through.
    known = ("id", "label", "kind", "role", "name", "scope", "shape", "dtype", "formula", "where")
    nodes = tuple(
        PictureNode(
            **{name: getattr(node, name) for name in known}, needs_gradient=node.needs_gradient
        )
        for node in picture.nodes
    )
    return replace(picture, nodes=nodes)


def waiting_texts(picture: Picture) -> Texts:
    """What stands in every box until its value or gradient is known."""
    found = {f"b{node.id}": {"detail": "?"} for node in picture.nodes if node.needs_gradient}
    for node in picture.nodes:
        if is_operation(node):
            found[f"f{node.id}"] = {"detail": formula_shown(node) or node.shape or "?"}
    return found


def _value(walk: Walk, node: PictureNode) -> str | None:
    """The numbers, if they are few; of a larger result that it is there, by its shape."""
    value = np.asarray(walk.values[node.id])
    if value.dtype.kind == "O":
        return None
    shape = in_brackets(value.shape) if is_operation(node) else None
    return value_text(value) or _row(value) or shape


def _row(value: Any) -> str | None:
    """A matrix of one row or of one number, if it is short enough for a box."""
    text = quantity_text(value) if np.ndim(value) == 2 and np.size(value) <= 4 else ""
    return text if 0 < len(text) <= ROOM else None


def gradient_stages(walk: Walk) -> dict[int, list[str]]:
    """What stands in the box of each gradient, contribution by contribution."""
    expected = Counter(flow.source for flow in walk.flows)
    found: dict[int, list[str]] = {walk.root: [short_text(walk.gradients[walk.root])]}
    for flow in walk.flows:
        texts = found.setdefault(flow.source, [])
        if len(texts) < expected[flow.source]:
            texts.append(_stage(flow, len(texts) + 1, expected[flow.source]))
    return found


def _stage(flow: Flow, number: int, expected: int) -> str:
    total = short_text(flow.total)
    if expected == 1:
        return total
    if number == 1:
        return f"{total}, 1 of {expected} paths"
    if np.size(flow.total) == 1:
        total = f"{short_text(flow.held)} + {short_text(flow.downstream)} = {total}"
    return f"{total}, {number} of {expected} paths" if number < expected else total


def short_text(value: Any) -> str:
    """A gradient as it stands in its box: the numbers, or their length."""
    if np.asarray(value).dtype.kind == "O":
        return "several values"
    return _row(value) or gradient_text(value)
