"""Nodes as lines of Python: names for variables, formulas as calls.

Used by `standalone.py` (a file that runs) and `source.py` (what a session will run, to be read).
"""

from __future__ import annotations

import ast
import keyword
import re
from collections.abc import Iterable, Sequence

from dlgraph.core.primitive import REGISTRY, Primitive

RESERVED = ("np", "state", "run", "array", "base64", "initial_state", "next_key", "Body", "float")


def identifiers(names: Iterable[str]) -> list[str]:
    """Names of nodes as short names of Python variables, all different.

    As little of the scope as tells a node from the others, `d_` in front of gradients.

    >>> from dlgraph.executors.expressions import identifiers
    >>> identifiers(["net/layer1/matmul", "net/layer2/matmul", "relu", "gradients/net/add/sum"])
    ['layer1_matmul', 'layer2_matmul', 'relu_0', 'd_add_sum']
    """
    taken = {*RESERVED, *REGISTRY}  # a variable `relu` would hide the function
    return [_identifier(name, taken) for name in names]


def _identifier(name: str, taken: set[str]) -> str:
    parts = [re.sub(r"\W", "_", part) for part in name.split("/")]
    first = ["d"] if parts[0] == "gradients" and len(parts) > 1 else []
    rest = parts[1:] if first else parts
    start = min(2, len(rest))
    wishes = ["_".join([*first, *rest[-k:]]) for k in range(start, len(rest) + 1)]
    wishes = [wish for wish in wishes if wish.isidentifier()] or wishes[-1:]
    count = -1
    while True:
        wish = wishes.pop(0) if wishes else f"{'_'.join([*first, *rest])}_{count}"
        plain = wish if wish.isidentifier() and not keyword.iskeyword(wish) else f"_{wish}"
        if plain not in taken:
            taken.add(plain)
            return plain
        count += not wishes


def operator_text(primitive: Primitive, given: Sequence[str]) -> str | None:
    """The formula of an operator as Python, which it is already; None for anything else.

    >>> import dlgraph as dg
    >>> from dlgraph.executors.expressions import operator_text
    >>> operator_text(dg.multiply, ["x", "w"]), operator_text(dg.tanh, ["x"])
    ('x * w', None)
    """
    if not primitive.operator:
        return None
    text = primitive.formula(*given)
    try:
        ast.parse(text, mode="eval")
    except SyntaxError:
        return None  # x²
    return text


def one_line(text: str) -> str:
    """A name in a comment, where it must not be able to begin a line of code."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())
