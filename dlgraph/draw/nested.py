"""Loops, branches and calls in words: each holds a graph of its own and is drawn as one box.

Here is what such a box says about its inside; `draw(function)` and `draw(body)` show the inside
itself.  Read next: folding.py, which takes the boxes of the results away.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dlgraph.core.words import counted

NESTED = {"scan": "loop", "while_loop": "loop", "cond": "branch", "call": "function"}
_LEAVES = ("constant", "variable", "placeholder", "item")


def nested_label(record: Any) -> str:
    """What the box of a node that holds a graph is called; a call like its function."""
    if record.primitive.name == "call":
        return str(record.attrs["body"].name)
    return str(record.primitive.name)


def nested_words(record: Any, records: Sequence[Any]) -> str:
    """What goes on inside: how many turns, how many operations.

    >>> import dlgraph as dg
    >>> from dlgraph.draw.nested import nested_words
    >>> with dg.Graph().as_default() as g:
    ...     x = dg.placeholder((3,), name="x")
    ...     total, _ = dg.scan(lambda s, row: (s + row * row, None), 0.0, x)
    >>> [nested_words(r, g.records) for r in g.records if r.primitive.name == "scan"]
    ['3 turns of 2 operations']
    """
    attrs, name = record.attrs, record.primitive.name
    if name == "cond":
        then, otherwise = (_operations(attrs[side]) for side in ("then", "otherwise"))
        return f"then {counted(then, 'operation')}, otherwise {otherwise}"
    inside = counted(_operations(attrs["body"]), "operation")
    if name == "call":
        return inside
    turns = records[record.inputs[0]] if name == "scan" else None
    if turns is None or turns.primitive.name != "constant":
        return f"{inside} per turn"
    order = " from the end" if attrs["reverse"] else ""
    return f"{counted(int(turns.attrs['value']), 'turn')}{order} of {inside}"


def _operations(body: Any) -> int:
    return sum(record.primitive.name not in _LEAVES for record in body.records)
