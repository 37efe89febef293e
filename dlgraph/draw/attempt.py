"""Draw a module or a function by calling it on nodes; when it fails, what there was until then.

The call builds a graph, so it computes nothing and has the scopes of the modules.  A failed
operation is drawn too, with the edges that did not fit.  Read next: from_graph.py.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from types import FrameType
from typing import Any

import numpy as np

from dlgraph.core.graph import Graph
from dlgraph.core.node import Node
from dlgraph.core.primitive import Primitive
from dlgraph.core.state import placeholder
from dlgraph.core.tensor import Tensor, as_array, value_of
from dlgraph.core.tree import flatten
from dlgraph.draw.from_graph import picture_of
from dlgraph.draw.model import Edge, Picture, PictureNode
from dlgraph.errors import DlgraphError, OperationError


@dataclass(frozen=True)
class Attempt:
    """What came of calling a function on nodes."""

    picture: Picture
    graph: Graph
    error: Exception | None = None


def attempt(
    function: Callable[..., Any],
    inputs: Sequence[Any],
    *,
    title: str = "",
    frame: FrameType | None = None,
) -> Attempt:
    """Call `function` on placeholders of the shapes of `inputs` and draw what it builds.

    An error of the call is not raised: it is returned, and the operation that failed stands in
    the picture as a node of kind "failed".
    """
    graph = Graph(type(function).__name__ if hasattr(function, "forward") else _name(function))
    error = None
    outputs: list[Node] = []
    with graph.as_default():
        nodes = [
            _stand_in(value, name)
            for value, name in zip(inputs, _names(function, len(inputs)), strict=True)
        ]
        try:
            leaves, _ = flatten(function(*nodes))
            outputs = [leaf for leaf in leaves if isinstance(leaf, Node)]
        except Exception as caught:
            error = caught
    picture = picture_of(graph, title=title, frame=frame)
    found = tuple(dict.fromkeys(node.index for node in outputs if node.graph is graph))
    picture = replace(picture, outputs=found or picture.outputs)
    if error is not None:
        picture = _with_failure(picture, graph, error)
    return Attempt(picture, graph, error)


def _name(function: Any) -> str:
    return str(getattr(function, "__name__", type(function).__name__))


def _names(function: Any, count: int) -> list[str]:
    """What the function calls its inputs."""
    try:
        parameters = inspect.signature(getattr(function, "forward", function)).parameters.values()
    except (TypeError, ValueError):
        parameters = ()  # type: ignore[assignment]
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    names = [one.name for one in parameters if one.kind in kinds]
    return [*names, *(f"input{number}" for number in range(len(names), count))][:count]


def _stand_in(value: Any, name: str) -> Any:
    """A placeholder of the shape and dtype of an array or a tensor; anything else as it is."""
    if isinstance(value, Tensor):
        value = value_of(value)
    elif isinstance(value, (list, np.ndarray, np.generic)):
        value = as_array(value, copy=False)
    else:
        return value
    return placeholder(value.shape, value.dtype, name=name)


def _with_failure(picture: Picture, graph: Graph, error: Exception) -> Picture:
    """The operation that could not be carried out, behind the nodes that it was given."""
    primitive, operands = _failed_call(error)
    words = error.what if isinstance(error, DlgraphError) else f"{type(error).__name__}: {error}"
    number = max((node.id for node in picture.nodes), default=-1) + 1
    where = getattr(error, "where", None)
    node = PictureNode(
        number,
        primitive.name if primitive else type(error).__name__,
        "failed",
        formula=words,
        where=str(where) if where else None,
    )
    known = {one.id for one in picture.nodes}
    given = [
        (slot, one.index)
        for slot, one in enumerate(operands)
        if isinstance(one, Node) and one.graph is graph and one.index in known
    ]
    if not given and picture.nodes and primitive is None:
        given = [(0, picture.nodes[-1].id)]  # it went wrong after the last node was made
    edges = tuple(Edge(source, number, slot) for slot, source in given)
    return replace(
        picture,
        nodes=(*picture.nodes, node),
        edges=picture.edges + edges,
        outputs=(number,),
        title=f"{picture.title}: stopped before its end",
    )


def _failed_call(error: Exception) -> tuple[Primitive | None, tuple[Any, ...]]:
    """The operation that raised the error, and its operands: the innermost call on the way."""
    found: tuple[Primitive | None, tuple[Any, ...]] = (None, ())
    trace = error.__traceback__
    while trace is not None:
        names = trace.tb_frame.f_locals
        primitive = names.get("primitive", names.get("self"))
        if isinstance(primitive, Primitive) and isinstance(names.get("inputs"), tuple):
            found = primitive, names["inputs"]
        trace = trace.tb_next
    return found


def require_callable(x: Any, inputs: Sequence[Any]) -> None:
    """Inputs are for what can be called."""
    if not callable(x):
        raise OperationError(
            f"draw: {type(x).__name__} takes no inputs, {len(inputs)} were given",
            hint="inputs belong to a module or a function: dg.draw(model, x)",
        )
