"""The gradient as a graph: the same rules as in eager mode, run on nodes.

`gradients` walks the forward nodes from the loss back, latest first, and lets each primitive's
rule append the nodes that compute the gradient.  Nothing is computed here; the result can be
printed, drawn, optimised and differentiated again.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from dlgraph.core.autodiff import accumulate, begun, unbroadcast
from dlgraph.core.building import building
from dlgraph.core.declared import no_rule
from dlgraph.core.graph import Graph
from dlgraph.core.node import Node
from dlgraph.core.primitive import FUNCTIONS, Primitive
from dlgraph.core.spec import same_shape, show_shape
from dlgraph.core.tensor import Tensor
from dlgraph.errors import BackwardError, DtypeError, OperationError, ShapeError


def gradients(
    loss: Node, variables: Any, *, gradient: Node | None = None, allow_unused: bool = False
) -> Any:
    r"""Nodes that compute $\partial\,\text{loss} / \partial v$ for every variable.

    `variables` is a node, a Parameter, or a sequence of them (any node will do, also an
    intermediate one); the answer has the same form.  `loss` is a scalar node, or `gradient` is
    the node of its own gradient.  Where the loss does not depend on a variable the answer is a
    node of zeros, or None with `allow_unused=True`.

    >>> import dlgraph as dg
    >>> with dg.Graph().as_default() as g:
    ...     a = dg.placeholder((), name="a")
    ...     b = dg.placeholder((), name="b")
    ...     y = 2 * a + 3 * b
    ...     da, db = dg.gradients(y, [a, b])
    >>> dg.Session(g).run([da, db], {a: 4.0, b: 5.0})
    [np.float32(2.0), np.float32(3.0)]
    """
    if not isinstance(loss, Node):
        raise OperationError(
            f"dg.gradients works on graph nodes, not on {type(loss).__name__}",
            hint="for eager tensors use loss.backward() or dg.grad(loss, xs)",
        )
    graph = loss.graph
    several = isinstance(variables, (list, tuple))
    asked = list(variables) if several else [variables]
    targets = [_target(graph, v) for v in asked]
    seed = _seed(loss, gradient)
    found = walk(graph, {loss.index: seed.index}, {t.index for t in targets if t is not None})
    result: list[Any] = []
    for target, original in zip(targets, asked, strict=True):
        index = None if target is None else found.get(target.index)
        if index is not None:
            result.append(graph.handle(index))
        elif allow_unused:
            result.append(None)
        else:
            node = target if target is not None else graph.convert(original)
            with building(role="backward", scope="gradients"):
                result.append(FUNCTIONS["zeros_like"](node))
    return type(variables)(result) if several else result[0]


def _target(graph: Graph, variable: Any) -> Node | None:
    if isinstance(variable, Tensor):
        index = graph._variables.get(id(variable))
        return None if index is None else graph.handle(index)
    node = graph.node(variable)
    if node.dtype.kind not in "fc":
        raise BackwardError(
            f"{node.name!r} is {node.dtype}: integers have no gradient",
            hint="differentiate with respect to a floating point node",
        )
    return node


def _seed(loss: Node, gradient: Node | None) -> Node:
    if gradient is not None:
        given = loss.graph.convert(gradient, loss.dtype)
        if given.dtype != loss.dtype or not same_shape(given.shape, loss.shape):
            wrong = DtypeError if same_shape(given.shape, loss.shape) else ShapeError
            raise wrong(
                f"gradients of {loss.name!r} {loss.spec}: the given gradient is {given.spec}",
                hint="a gradient has the shape and the dtype of its node",
            )
        return given
    if loss.dtype.kind not in "fc":
        raise BackwardError(f"gradients of {loss.name!r}: it is {loss.dtype}, not floating point")
    if loss.shape != ():
        raise BackwardError(
            f"gradients of {loss.name!r} with shape {show_shape(loss.shape)}: only a scalar has "
            "one gradient",
            hint="reduce it first, loss.mean(), or pass gradient=, the node of its own gradient",
        )
    with building(role="backward", scope="gradients", twin=loss.index, where=loss.where):
        return loss.graph.convert(np.ones((), loss.dtype), loss.dtype)


def walk(graph: Graph, seeds: dict[int, int], targets: set[int]) -> dict[int, int]:
    """Append the gradient nodes of every forward node on a path from the targets to the seeds.

    `seeds` maps nodes to the nodes of their gradients; the result does so for all on the path.
    """
    records = graph.records
    on_path = _between(graph, seeds, targets)
    grads = dict(seeds)
    for index in sorted(on_path, reverse=True):
        g = grads.get(index)
        if g is None:
            continue
        record = records[index]
        op = record.primitive
        if op.lacks_rule and record.spec.dtype.kind in "fc":
            raise no_rule(op.name, op.inputs)
        scope = f"gradients/{record.name}"
        with building(role="backward", twin=index, where=record.where, scope=scope):
            inputs = [graph.handle(i) for i in record.inputs]
            wanted = [k for k, i in enumerate(record.inputs) if i in on_path]
            y = graph.handle(index)
            held = begun(grads, record.inputs, wanted) if op.goes_on else {}
            held = {k: graph.handle(known) for k, known in held.items()}
            found = op.pulled(graph.handle(g), y, inputs, record.attrs, wanted, held)
            for k, gx in reversed(found) if op.goes_on else found:
                i = record.inputs[k]
                gx = graph.convert(gx, records[i].spec.dtype)
                if gx.shape != records[i].spec.shape:
                    gx = _in_shape(op, gx, inputs[k])
                before = None if k in held else grads.get(i)
                if before is not None:
                    gx = accumulate(graph.handle(before), gx)
                grads[i] = gx.index
    return grads


def _in_shape(op: Primitive, g: Node, x: Node) -> Node:
    # What was stretched is summed back.  Other operations keep the shape; that an unknown size in
    # the gradient is the unknown size of the input need not be known before the run.
    if not op.broadcasts and same_shape(g.shape, x.shape):
        return g
    return unbroadcast(op, g, x)


def _between(graph: Graph, starts: Iterable[int], targets: Iterable[int]) -> set[int]:
    """Nodes that depend on a target and that a start depends on, differentiably."""
    depends = set(targets)
    last = max(starts)
    for index in range(min(depends, default=last), last + 1):
        record = graph.records[index]
        if record.primitive.differentiable and any(i in depends for i in record.inputs):
            depends.add(index)
    needed, stack = set(), list(starts)
    while stack:
        index = stack.pop()
        if index in needed or index not in depends:
            continue
        needed.add(index)
        stack.extend(graph.records[index].inputs)
    return needed
