"""Names that tell boxes apart: `hidden1.weight` where several parameters are called `weight`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any


def longer_names(graph: Any, wanted: Iterable[int]) -> dict[int, str]:
    """For leaves that share their last name: as much of the scope in front as tells them apart.

    >>> import dlgraph as dg
    >>> from dlgraph.draw.naming import longer_names
    >>> with dg.Graph().as_default() as g:
    ...     for layer in ("hidden1", "hidden2"):
    ...         with dg.name_scope(layer):
    ...             _ = dg.placeholder((), name="rate")
    >>> longer_names(g, range(2))
    {0: 'hidden1.rate', 1: 'hidden2.rate'}
    """
    alike: dict[str, list[tuple[int, list[str]]]] = {}
    for index in wanted:
        record = graph.records[index]
        if record.primitive.name in ("variable", "placeholder") and record.role == "forward":
            path = _path(graph, index, record)
            alike.setdefault(path[-1], []).append((index, path))
    found: dict[int, str] = {}
    for group in alike.values():
        longest = max(len(path) for _, path in group)
        for length in range(2, longest + 1):
            names = {index: ".".join(path[-length:]) for index, path in group}
            if len(group) > 1 and len(set(names.values())) == len(group):
                found |= names
                break
    return found


def captured(graph: Any, index: int) -> Any:
    """The tensor that an input of a traced function stands for, if it is known.

    The bodies of loops and branches do not hold what they capture, functions do.
    """
    return graph.tensor_of(index) if getattr(graph, "captures", None) else None


def _path(graph: Any, index: int, record: Any) -> list[str]:
    """The name of a leaf with all that stands before it: of its tensor, or of its node."""
    tensor = record.attrs.get("tensor", captured(graph, index))
    own = record.name.replace("/", ".").split(".")
    given = (getattr(tensor, "name", None) or "").split(".")
    return given if given != [""] and (len(given) > 1 or len(own) == 1) else own
