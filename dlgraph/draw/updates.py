"""Whose update does a node of an optimiser belong to?

An update graph has no twins of its own: it reads a parameter, its gradient, a learning rate and
perhaps a velocity, and ends in an assignment.  Everything that leads to one assignment is one box.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple


class Owners(NamedTuple):
    """By index of the node."""

    twin: dict[int, int]  # update node: the parameter or state whose new value it helps compute
    state: set[int]  # variables of the optimiser that several updates read: a learning rate


def find_owners(records: Sequence[Any], wanted: Sequence[int]) -> Owners:
    """Assign every update node to the parameter it serves.

    What serves several parameters (a count of steps, and what is computed from it) belongs to the
    variable of the optimiser that it comes from.
    """
    serves = _served(records, wanted)
    assigned = {
        records[i].inputs[0]: i for i in wanted if i in serves and _is_assignment(records[i])
    }
    twin: dict[int, int] = {}
    state: set[int] = set()
    for i in wanted:
        if i not in serves:
            continue
        served = serves[i]
        if _is_assignment(records[i]):
            variable = records[i].inputs[0]
            served = serves.get(variable, {variable})
        if len(served) == 1:
            twin[i] = next(iter(served))
        elif records[i].primitive.name == "variable":
            state.add(i)
        else:
            came_from = (
                s if s in state and s in assigned else twin.get(s) for s in records[i].inputs
            )
            source = next((s for s in came_from if s is not None), None)
            if source is not None:
                twin[i] = source
    return Owners(twin, state)


def _served(records: Sequence[Any], wanted: Sequence[int]) -> dict[int, set[int]]:
    """For every update node, the parameters whose new value depends on it."""
    serves: dict[int, set[int]] = {i: set() for i in wanted if records[i].role == "update"}
    for i in reversed(wanted):
        if i not in serves:
            continue
        record = records[i]
        if _is_assignment(record) and record.inputs[0] not in serves:
            serves[i] = {record.inputs[0]}
        for source in record.inputs:
            if source in serves:
                serves[source] |= serves[i]
    return serves


def _is_assignment(record: Any) -> bool:
    return bool(record.primitive.name == "assign")
