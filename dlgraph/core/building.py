"""Where nodes are added: the graph that is open, and what goes down with every new record.

`with graph.as_default():` and `with dg.name_scope("block"):` change it for the length of a block.
Next: `graph.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, NamedTuple

from dlgraph.core.where import Where
from dlgraph.errors import GraphError

if TYPE_CHECKING:
    from dlgraph.core.graph import Graph


class Building(NamedTuple):
    """The circumstances in which nodes are being added at the moment."""

    graph: Graph | None = None
    scope: str = ""
    role: str = "forward"
    twin: int | None = None
    where: Where | None = None
    control: tuple[int, ...] = ()


BUILDING: ContextVar[Building] = ContextVar("dlgraph_building", default=Building())  # noqa: B039


@contextmanager
def building(**changes: Any) -> Iterator[None]:
    """Add nodes in other circumstances for the length of a `with` block."""
    token = BUILDING.set(BUILDING.get()._replace(**changes))
    try:
        yield
    finally:
        BUILDING.reset(token)


@contextmanager
def name_scope(name: str) -> Iterator[str]:
    """Names of nodes made inside the block start with `name/`; scopes nest.

    >>> import dlgraph as dg
    >>> with dg.Graph().as_default():
    ...     x = dg.placeholder((), name="x")
    ...     with dg.name_scope("block"), dg.name_scope("inner"):
    ...         y = x * x
    >>> y.name, y.scope
    ('block/inner/multiply', 'block/inner')
    """
    if not isinstance(name, str) or not all(p.replace("_", "a").isalnum() for p in name.split("/")):
        raise GraphError(
            f"name_scope({name!r}): a scope is called by letters, digits and underscores",
            hint='for example "layer1"',
        )
    outer = BUILDING.get().scope
    path = f"{outer}/{name}" if outer else name
    with building(scope=path):
        yield path


def default_graph(what: str) -> Graph:
    """The graph of the enclosing `with graph.as_default():`, or an error that says to open one."""
    graph = BUILDING.get().graph
    if graph is None:
        raise GraphError(
            f"{what} belongs to a graph, and none is open",
            hint="graph = dg.Graph(), then inside `with graph.as_default():`",
        )
    return graph


def current_graph() -> Graph | None:
    """The graph of the enclosing `with graph.as_default():`, None in eager code."""
    return BUILDING.get().graph
