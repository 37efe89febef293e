"""A picture in words: one sentence, or one line per box.  For terminals and screen readers."""

from __future__ import annotations

from dlgraph.draw.layout import Layout
from dlgraph.draw.model import LEAVES, Picture, PictureNode
from dlgraph.draw.text import clean
from dlgraph.draw.wording import MISSING, is_operation

EXPRESSION_LIMIT = 90  # characters
NAMES_SHOWN = 6
LINES_SHOWN = 80


def sentence(picture: Picture) -> str:
    """One honest sentence: what is computed from what, its value and its gradients.

    >>> from dlgraph.draw.describe import sentence
    >>> from dlgraph.draw.model import Edge, Picture, PictureNode
    >>> a = PictureNode(0, "a", "input", name="a", value="3", gradient="6", needs_gradient=True)
    >>> y = PictureNode(1, "square", name="y", value="9", needs_gradient=True)
    >>> sentence(Picture((a, y), (Edge(0, 1),), outputs=(1,)))
    'y = square(a) -> 9; gradients: a 6'
    """
    nodes = picture.nodes
    if not nodes:
        return "an empty graph"
    parts = [_computed(picture)]
    counts = {role: sum(node.role == role for node in nodes) for role in ("backward", "update")}
    parts += [f"{count} {role} nodes" for role, count in counts.items() if count]
    leaves = [node for node in nodes if node.kind in LEAVES and node.needs_gradient]
    known = [f"{_name(node)} {node.gradient}" for node in leaves if node.gradient is not None]
    if known:
        parts.append(f"gradients: {_listed(known)}")
    elif leaves and not any(counts.values()):
        parts.append(f"gradients: {MISSING}")
    return clean("; ".join(parts), limit=600)


def describe(words: str, layout: Layout) -> str:
    """The figure as text: its sentence, then every box in the order in which it is computed."""
    forward = sorted(
        (p for p in layout.boxes if p.box.key[0] == "f"),
        key=lambda p: (p.y + p.box.height / 2, p.x),
    )
    backward = sorted(
        (p for p in layout.boxes if p.box.key[0] == "b"),
        key=lambda p: (-p.y - p.box.height / 2, p.x),
    )
    lines = [words]
    for heading, placed in (("forward", forward), ("backward", backward)):
        if placed and layout.axis is not None:
            lines.append(f"{heading}:")
        for one in placed[:LINES_SHOWN]:
            badges = f" [{', '.join(one.box.badges)}]" if one.box.badges else ""
            tag = f" {one.box.tag}" if one.box.tag else ""
            detail = f": {one.box.detail}" if one.box.detail else ""
            ports = f"; gives {', '.join(one.box.ports)}" if one.box.ports else ""
            lines.append(f"  {one.box.label}{tag}{badges}{detail}{ports}")
        if len(placed) > LINES_SHOWN:
            lines.append(f"  and {len(placed) - LINES_SHOWN:,} more")
    return "\n".join(lines)


def _computed(picture: Picture) -> str:
    nodes = picture.nodes
    forward = [node for node in nodes if node.role == "forward"]
    operations = sum(map(is_operation, forward))
    if len(picture.outputs) == 1:
        texts = _expressions(picture)
        place = picture.wiring.position[picture.outputs[0]]
        node, text = nodes[place], texts[place]
        value = f" -> {node.value}" if node.value is not None else ""
        if text is not None:
            named = f"{node.name} = " if node.name and node.name != text else ""
            return f"{named}{text}{value}"
        leaves = [
            _name(leaf) for leaf in forward if leaf.kind in LEAVES and leaf.kind != "constant"
        ]
        return f"{_name(node)}{value}, made by {operations} operations from {_listed(leaves)}"
    results = [_name(node) for node in nodes if node.id in picture.outputs]
    made = f" computing {_listed(results)}" if results else ""
    return f"a graph of {operations} operations{made}"


def _expressions(picture: Picture) -> list[str | None]:
    """Every node written out as nested calls; None where that is too long to read."""
    wiring = picture.wiring
    texts: list[str | None] = [None] * len(picture.nodes)
    for place in wiring.order:
        node = picture.nodes[place]
        if node.kind in LEAVES:
            texts[place] = _name(node)
            continue
        operands = [texts[source] for source, _ in wiring.inputs[place]]
        known = [text for text in operands if text is not None]
        if len(known) == len(operands):
            text = f"{node.label}({', '.join(known)})"
            if node.kind == "part":
                text = "".join(known) + node.label
            texts[place] = text if len(text) <= EXPRESSION_LIMIT else None
    return texts


def _name(node: PictureNode) -> str:
    if node.name:
        return node.name
    if node.kind == "part":
        return node.formula
    return node.value if node.kind == "constant" and node.value is not None else node.label


def _listed(words: list[str]) -> str:
    shown = ", ".join(words[:NAMES_SHOWN])
    more = len(words) - NAMES_SHOWN
    return f"{shown} and {more} more" if more > 0 else shown or "nothing"
