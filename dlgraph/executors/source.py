"""`program.source`: what will run, as short Python to be read, each line tied to its node.

It is made from the plan itself, so it shows what the passes left, what is computed in place, what
is only a view, and which values share memory.  To get a file that runs, see `standalone.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from dlgraph.core.body import Body
from dlgraph.core.node import NO_VALUE, Record
from dlgraph.core.where import Where
from dlgraph.executors.expressions import identifiers, one_line, operator_text
from dlgraph.executors.plan import Instruction, Plan
from dlgraph.passes.cost import show_bytes

CODE_WIDTH = 56  # where the comments begin


class SourceLine(NamedTuple):
    """A line: its code, the node that it computes, what is worth knowing, the user's line."""

    code: str
    node: str
    note: str = ""
    where: Where | None = None

    def __str__(self) -> str:
        parts = [one_line(self.node), self.note, self.where.place if self.where else ""]
        return f"{self.code:<{CODE_WIDTH}}  # {'; '.join(filter(None, map(one_line, parts)))}"


class Source(Sequence[SourceLine]):
    """The lines of a program; printing it shows them as text.

    >>> import dlgraph as dg
    >>> with dg.Graph().as_default() as g:
    ...     x = dg.placeholder((2, 3), name="x")
    ...     y = dg.relu(x * 2)
    >>> source = dg.Session(g).program(y, [x]).source
    >>> [line.code for line in source]
    ['multiply_0 = x * 2', 'relu_0 = relu(multiply_0)']
    """

    def __init__(self, title: str, lines: Sequence[SourceLine]):
        self.title, self.lines = title, list(lines)

    def __len__(self) -> int:
        return len(self.lines)

    def __getitem__(self, index: Any) -> Any:
        return self.lines[index]

    def __str__(self) -> str:
        return "\n".join([f"# {self.title}", *map(str, self.lines)])

    def __repr__(self) -> str:
        return str(self)


def source_of_records(records: Sequence[Record], indices: Sequence[int], title: str) -> Source:
    """The lines of an interpreted program."""
    names = _names(records)
    lines = [
        SourceLine(_code(records[i], i, names), records[i].name, "", records[i].where)
        for i in indices
        if _shown(records[i])
    ]
    return Source(title, lines)


def source_of_plan(plan: Plan, title: str) -> Source:
    """The lines of a planned program, with what is known about memory."""
    records = plan.graph.records
    names = _names(records)
    lines = [
        SourceLine(
            _code(records[step.record], step.record, names),
            records[step.record].name,
            _memory(plan, step, names),
            records[step.record].where,
        )
        for before, step in zip((None, *plan.instructions), plan.instructions, strict=False)
        if _shown(records[step.record]) and (before is None or before.record != step.record)
    ]
    saved = f", peak {show_bytes(plan.peak)} instead of {show_bytes(plan.naive_peak)}"
    return Source(title + saved, lines)


def _shown(record: Record) -> bool:
    return record.primitive.name not in ("placeholder", "constant", "variable")


def _names(records: Sequence[Record]) -> list[str]:
    """Variables for values; small constants stand in the formulas as numbers."""
    found = identifiers(record.name for record in records)
    for index, record in enumerate(records):
        if record.primitive.name == "constant" and np.ndim(record.attrs["value"]) == 0:
            found[index] = f"{record.attrs['value'].item():g}"
    return found


def _code(record: Record, index: int, names: Sequence[str]) -> str:
    given = [names[i] for i in record.inputs]
    op = record.primitive
    if op.name == "assign":
        return f"{given[0]} = {given[1]}"
    if op.name == "train_or_test":
        return f"{names[index]} = {given[0]}"
    formula = operator_text(op, given)
    if formula is None:
        attrs = [
            f"{key}={_attribute(value)}"
            for key, value in record.attrs.items()
            if isinstance(value, np.ndarray) or value != op.attributes.get(key)
        ]
        formula = f"{op.name}({', '.join([*given, *attrs])})"
    return formula if record.spec == NO_VALUE else f"{names[index]} = {formula}"


def _attribute(value: Any) -> str:
    if isinstance(value, Body):
        return f"<{value.name}>"
    if isinstance(value, np.ndarray):
        return f"<array {value.shape}>"
    return one_line(repr(value))


def _memory(plan: Plan, step: Instruction, names: Sequence[str]) -> str:
    if step.kind == "view":
        return "a view, nothing is computed"
    if step.kind == "effect" or step.output is None:
        return ""
    if step.in_place is not None:
        return f"in place of {names[plan.graph.records[step.record].inputs[step.in_place]]}"
    buffer = plan.buffers[step.output.buffer]
    if buffer.kind == "arena":
        return f"arena+{step.output.offset}"
    return {"parameter": "into the parameters", "made": "new memory"}.get(buffer.kind, "")
