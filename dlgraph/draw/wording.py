"""The words in the boxes: how a node is called, what its second line and its tooltip say."""

from __future__ import annotations

import re
from collections import Counter

from dlgraph.draw import theme
from dlgraph.draw.model import LEAVES, PictureNode
from dlgraph.draw.text import clean, text_width

MERGED_ROOM = 140  # px for the operations merged into a gradient or an update
MISSING = "not computed yet"
NESTED_KINDS = ("loop", "branch", "function")


def reference(node: PictureNode) -> str:
    """How other boxes call a node: by name, value, short formula, or operation.

    >>> from dlgraph.draw.model import PictureNode
    >>> from dlgraph.draw.wording import reference
    >>> reference(PictureNode(1, "mul", formula="2·a"))
    '(2·a)'
    """
    if node.name:
        return node.name
    if node.kind == "constant" and node.value is not None:
        return node.value
    if node.formula and node.kind not in NESTED_KINDS and len(node.formula) <= 12:
        plain = re.fullmatch(r"[\w.]+(\([^()]*\))?", node.formula, re.ASCII)
        return node.formula if plain else f"({node.formula})"
    return node.label


def is_operation(node: PictureNode) -> bool:
    """Does it compute?  Leaves do not, nor does taking one value out of several."""
    return node.kind not in LEAVES and node.kind != "part"


def style_of(node: PictureNode) -> str:
    """The key of theme.BOXES for a node."""
    if node.role != "forward":
        return node.role
    return node.kind if node.kind in theme.BOXES else "operation"


def describe_node(node: PictureNode) -> str:
    """All that is known about a node, for a tooltip and a screen reader."""
    what = {"operation": "operation", "loss": "operation"}.get(style_of(node), style_of(node))
    head = f"{node.name}: {node.label}" if node.name and node.name != node.label else node.label
    facts = [what]
    facts += [f"shape {node.shape}"] if node.shape else []
    facts += [node.dtype] if node.dtype else []
    facts += [f"in {node.scope}"] if node.scope else []
    lines = [f"{clean(head)} ({clean(', '.join(facts))})"]
    if node.formula or node.value is not None:
        value = [node.value] if node.value is not None else []
        lines.append(clean(" = ".join([*([node.formula] if node.formula else []), *value])))
    if node.needs_gradient:
        lines.append(clean(f"gradient: {node.gradient or MISSING}"))
    if node.where:
        lines.append(clean(node.where))
    return "\n".join(lines)


def detail_of(node: PictureNode) -> str:
    if node.kind in LEAVES:
        return node.shape
    if node.kind in NESTED_KINDS:
        return f"{node.formula}, value {node.value}" if node.value is not None else node.formula
    if node.value is not None:
        return f"{node.formula} = {node.value}" if node.formula else f"= {node.value}"
    return node.shape or node.formula


def counted(nodes: list[PictureNode]) -> str:
    """The operations merged into one box: `matmul ×2, sum_like`; the formula if it is just one."""
    operations = [node for node in nodes if is_operation(node)]
    if len(operations) == 1 and operations[0].formula and operations[0].kind not in NESTED_KINDS:
        return operations[0].formula
    counts = Counter(node.label for node in operations)
    return ", ".join(f"{label} ×{n}" if n > 1 else label for label, n in counts.items())


def merged(nodes: list[PictureNode]) -> str:
    """The same, or their number where the list is too long to show."""
    text = counted(nodes)
    if text_width(clean(text), theme.DETAIL_SIZE) <= MERGED_ROOM:
        return text
    count = sum(map(is_operation, nodes))
    return f"{count} operation{'s' * (count != 1)}"
