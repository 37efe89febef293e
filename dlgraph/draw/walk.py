"""One computation in slow motion: every value forward, every local derivative backward, as numbers.

An eager record and a graph with a feed are walked alike, by the gradient rules of their primitives,
in the order of `backward()`.  Nothing of the user's is changed: no `.grad`, no record, no variable,
no stream of random numbers.  Read next: steps.py, which puts the walk into words.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from dlgraph.core.autodiff import accumulate, unbroadcast
from dlgraph.core.feeds import check_feed
from dlgraph.core.gradients import _between
from dlgraph.core.graph import Graph
from dlgraph.core.hooks import HOOKS
from dlgraph.core.hooks import run as run_hooks
from dlgraph.core.node import Node, str_spec
from dlgraph.core.program import Program, needed
from dlgraph.core.tensor import Tensor, describe, value_of
from dlgraph.core.where import name_in_frame, user_frame
from dlgraph.errors import BackwardError, FeedError, GraphError, MutationError, OperationError


class Flow(NamedTuple):
    """What comes back along one edge, from the result `reader` to its operand `source`."""

    reader: int
    source: int
    slot: int
    upstream: Any  # the finished gradient of the reader
    pulled: Any  # what the rule made of it
    downstream: Any  # the same in the shape of the source: summed back where that was stretched
    held: Any  # what came to the source along other edges before, None if this is the first
    total: Any  # with this one


@dataclass
class Walk:
    """A computation, its values, and its gradients in the order in which they are made."""

    graph: Graph
    root: int
    order: list[int]  # all nodes that the root depends on, inputs first
    values: dict[int, Any]
    flows: list[Flow] = field(default_factory=list)
    gradients: dict[int, Any] = field(default_factory=dict)
    hooked: dict[int, tuple[Any, Any]] = field(default_factory=dict)  # before and after its hooks
    fed: frozenset[int] = frozenset()  # whose values were given: nothing behind them took part
    eager: bool = True


def walk_of(x: Any, feed: Mapping[Any, Any] | None = None) -> Walk:
    """The walk from the leaves to `x` and back.

    Raises OperationError for something else than a Tensor or a Node, BackwardError for a result
    that has no gradient to walk back with, and what a run of the graph raises.
    """
    if isinstance(x, Tensor):
        if feed is not None:
            raise OperationError(
                "step: feed is for graph nodes; a Tensor has its values already",
                hint="dg.step(y) is enough",
            )
        found = _of_tensor(x)
    elif isinstance(x, Node):
        found = _of_node(x, feed or {})
    else:
        raise OperationError(
            f"step: {type(x).__name__} is not the result of a recorded computation",
            hint="pass a Tensor, dg.step(loss), or a Node with its feed, dg.step(loss, feed={...})",
        )
    _walk_back(found, name_in_frame(x, user_frame()) or "y")
    return found


# ---- forward -------------------------------------------------------------------------------------


def _of_tensor(root: Tensor) -> Walk:
    if root._op is None:
        raise BackwardError(
            f"step: {describe(root)} was not computed from anything that requires gradients, so "
            "there are no operations to step through",
            hint="create the leaves with requires_grad=True (or as dg.Parameter), outside no_grad",
        )
    graph = root.graph
    for index, tensor in graph.recorded.items():
        if tensor._op is not None and not tensor._inputs:
            raise BackwardError(
                f"step: the record of {graph.records[index].name!r} {tensor.spec} was let go by "
                "backward(), which frees large arrays while it walks",
                hint="call dg.step before backward(), or pass backward(retain_graph=True)",
            )
        for x in tensor._inputs:
            if getattr(x, "_changed", 0) > tensor._order:
                raise _changed_since(x, tensor)
    values = {i: value_of(tensor) for i, tensor in graph.recorded.items()}
    for index, record in enumerate(graph.records):
        if record.primitive.name == "constant":
            values[index] = record.attrs["value"]
    return Walk(graph, len(graph) - 1, list(range(len(graph))), values)


def _changed_since(x: Tensor, reader: Tensor) -> MutationError:
    return MutationError(
        f"step: {describe(x)} was changed after {getattr(reader._op, 'name', 'an operation')} "
        "used it, so the recorded numbers do not fit together any more",
        hint="call dg.step before the update (optimizer.step(), assign), or compute it again",
    )


def _of_node(root: Node, feed: Mapping[Any, Any]) -> Walk:
    graph = root.graph
    feeds = check_feed(graph, feed)
    order = needed(graph.records, [root.index], set(feeds))
    for index in order:
        if graph.records[index].primitive.effect:
            raise GraphError(
                f"step: computing {root.name!r} runs {graph.records[index].name!r}, which changes "
                "a variable; looking at a computation must not change it",
                hint="step through what it is computed from, for example the loss",
            )
    if root.dtype.kind == "V":
        raise GraphError(f"step: {root.name!r} has {str_spec(root.spec)}", hint="pass the loss")
    read = {source for i in order for source in graph.records[i].inputs}
    shown = sorted({*order, *(i for i in feeds if i in read)})
    with _streams_kept(graph, order):
        try:
            # The plain interpreter: every node has its value, nothing is optimised away.
            found = Program(graph, shown, feeds).run(list(feeds.values()))
        except FeedError as error:
            if error.hint and error.hint.startswith("session.run(..., "):
                error.hint = f"dg.step(..., feed={error.hint.removeprefix('session.run(..., ')}"
            raise
    values = dict(zip(shown, found, strict=True))
    return Walk(graph, root.index, shown, values, fed=frozenset(feeds), eager=False)


@contextmanager
def _streams_kept(graph: Graph, order: list[int]) -> Iterator[None]:
    """Draw random numbers as a run would, and put the streams back to where they were."""
    streams = {
        id(stream): stream
        for i in order
        if (stream := graph.records[i].attrs.get("stream")) is not None
    }
    states = {key: stream.state() for key, stream in streams.items()}
    try:
        yield
    finally:
        for key, stream in streams.items():
            stream.restore(states[key])


# ---- backward ------------------------------------------------------------------------------------


def _walk_back(walk: Walk, called: str) -> None:
    """Run the rules from the root to the leaves, one edge at a time."""
    graph, records, values = walk.graph, walk.graph.records, walk.values
    y = values[walk.root]
    if np.size(y) != 1 or np.asarray(y).dtype.kind not in "fc":
        kind = f"shape {np.shape(y)}" if np.size(y) != 1 else f"dtype {np.asarray(y).dtype}"
        raise BackwardError(
            f"step: {called} has {kind}; only a scalar of floating point has one gradient to walk "
            "back with",
            hint=f"reduce it first: dg.step({called}.sum()), dg.step({called}.mean())",
        )
    on_path = _between(graph, [walk.root], _targets(walk)) & set(walk.order)
    walk.gradients[walk.root] = np.ones_like(y)[()]
    for index in sorted(on_path, reverse=True):
        if index not in walk.gradients:
            continue
        g = walk.gradients[index] = _after_hooks(walk, index)
        record = records[index]
        wanted = [slot for slot, source in enumerate(record.inputs) if source in on_path]
        if not wanted or index in walk.fed:
            continue
        inputs = [values.get(i) for i in record.inputs]
        pulled = record.primitive.pulled(g, values[index], inputs, record.attrs, wanted)
        for slot, found in pulled:
            source = record.inputs[slot]
            gx = found
            if np.shape(found) != np.shape(values[source]):
                gx = unbroadcast(record.primitive, found, values[source])
            held = walk.gradients.get(source)
            total = gx if held is None else accumulate(held, gx)
            walk.gradients[source] = total
            walk.flows.append(Flow(index, source, slot, g, found, gx, held, total))
    if not walk.flows:
        raise BackwardError(
            f"step: no gradient comes back from {called}: nothing that it is computed from can "
            "have one",
            hint="use parameters, variables or floating point placeholders",
        )


def _targets(walk: Walk) -> set[int]:
    """Whose gradients are wanted: variables, and without any the placeholders of floats."""
    records = walk.graph.records
    leaves: dict[str, set[int]] = {"variable": set(), "placeholder": set()}
    for i in walk.order:
        name = records[i].primitive.name
        if name in leaves and records[i].spec.dtype.kind in "fc":
            leaves[name].add(i)
    return leaves["variable"] or (set() if walk.eager else leaves["placeholder"])


def _after_hooks(walk: Walk, index: int) -> Any:
    """The finished gradient of a node, as the hooks of its tensor leave it."""
    g = walk.gradients[index]
    tensor = walk.graph.recorded.get(index)
    if tensor is None or tensor._order not in HOOKS:
        return g
    found = run_hooks(tensor, g)
    if not np.array_equal(found, g, equal_nan=True):
        walk.hooked[index] = (g, found)
    return found
