"""The chain rule over a recorded eager computation, iteratively.

`sweep` walks the record from results to leaves in descending order of creation.  Every tensor
carries a number that grows with time, so sorting by it is a topological order: no recursion, and
each operation is visited once however many paths lead to it.  The rules run on plain arrays; with
`create_graph` they run on Tensors, and are recorded themselves.

(This file sees Tensors only by their attributes; `tensor.py` imports it, not the reverse.)
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from dlgraph.core.hooks import HOOKS
from dlgraph.core.hooks import run as run_hooks
from dlgraph.core.mode import enable_grad
from dlgraph.core.primitive import FUNCTIONS
from dlgraph.core.where import user_line
from dlgraph.errors import (
    BackwardError,
    DtypeError,
    MutationError,
    OperationError,
    ShapeError,
)

# A record whose arrays are all this small stays linked after backward(), so that it can still be
# drawn with its values and gradients.  Larger ones are let go: that is memory (16 KiB).
KEEP_BYTES = 16 * 1024


def backward(root: Any, gradient: Any, retain: bool, create_graph: bool) -> None:
    """What `Tensor.backward` does: one sweep, then `.grad` of all tensors that took part."""
    if not root.requires_grad:
        raise BackwardError(
            f"backward() of {_called(root)}: it was not computed from anything that requires "
            "gradients",
            hint="create the leaves with requires_grad=True (or as dg.Parameter), outside no_grad",
        )
    if root._op is None:
        raise BackwardError(
            f"backward() of {_called(root)}: it is a leaf, there is no computation to go back "
            "through",
            hint="call backward() on a result that was computed from it, usually the loss",
        )
    seed = _seed(root, gradient, create_graph)
    order = reachable([root])
    keep = retain or all(x._op is None or x._data.nbytes <= KEEP_BYTES for x in order)
    leaves = [x for x in order if x._op is None]
    place = None if retain else user_line(2)
    grads = {root._order: seed}
    if keep:
        sweep(order, grads, create_graph=create_graph)
        for tensor in order:
            if tensor._op is not None:
                tensor._grad, tensor._used = grads.get(tensor._order), place
    else:
        sweep(_letting_go(order, grads, place), grads, create_graph=create_graph)
    for leaf in leaves:
        if leaf._order in grads:
            _accumulate(leaf, grads[leaf._order])


def _letting_go(order: list[Any], grads: dict[int, Any], place: Any) -> Iterator[Any]:
    """The tensors in order; once the sweep is past one, its links and its gradient are let go.

    Memory that is free again at once is used again at once, while it is still in the cache.
    """
    order.reverse()
    while order:
        tensor = order.pop()
        yield tensor
        if tensor._op is not None:
            tensor._grad, tensor._used = grads.pop(tensor._order, None), place
            tensor._inputs = ()


def _accumulate(leaf: Any, g: Any) -> None:
    held = leaf._grad
    if held is None:
        leaf._grad = g
    elif hasattr(held, "requires_grad") and not hasattr(g, "requires_grad"):
        leaf._grad = held._data + g
    else:
        leaf._grad = held + g


def _seed(root: Any, gradient: Any, as_tensor: bool) -> Any:
    data = root._data
    if gradient is None:
        if data.size != 1:
            raise BackwardError(
                f"backward() of {_called(root)} with shape {root.shape}: only a scalar has one "
                "gradient",
                hint="reduce it first, loss.mean().backward(), or pass the gradient of the result:"
                f" backward(gradient) with shape {root.shape}",
            )
        seed = data.dtype.type(1) if data.ndim == 0 else np.ones_like(data)
    else:
        seed = root._adapted(gradient)
        if seed.shape != data.shape or seed.dtype != data.dtype:
            wrong = ShapeError if seed.shape != data.shape else DtypeError
            raise wrong(
                f"backward(gradient): the gradient is {seed.shape} {seed.dtype}, "
                f"the tensor {root.shape} {root.dtype}",
                hint="they must agree in shape and dtype",
            )
    if not as_tensor:
        return seed
    if hasattr(gradient, "requires_grad"):
        return gradient
    made = root.detach()
    made._data = seed
    return made


def reachable(roots: Iterable[Any], stop: Any = frozenset()) -> list[Any]:
    """All tensors that the roots were computed from, latest first; `stop` is not gone behind."""
    seen: dict[int, Any] = {}
    stack = [root for root in roots if root.requires_grad]
    while stack:
        tensor = stack.pop()
        order = tensor._order
        if order in seen:
            continue
        seen[order] = tensor
        if tensor._op is not None and order not in stop:
            if tensor._used is not None:
                raise _used_up(tensor)
            for x in tensor._inputs:
                if getattr(x, "requires_grad", False) and x._order not in seen:
                    stack.append(x)
    return [seen[order] for order in sorted(seen, reverse=True)]


def sweep(
    order: Iterable[Any],
    grads: dict[int, Any],
    *,
    create_graph: bool,
    needed: set[int] | None = None,
) -> dict[int, Any]:
    """Run the gradient rules over tensors sorted latest first.

    `grads` maps order numbers to the gradients known at the start; the result has all of them.
    With `needed`, gradients of other tensors are not computed.
    """
    if create_graph:
        with enable_grad():
            return _sweep(order, grads, True, needed)
    return _sweep(order, grads, False, needed)


def _sweep(
    order: Iterable[Any], grads: dict[int, Any], as_tensors: bool, needed: set[int] | None
) -> dict[int, Any]:
    hooked = bool(HOOKS)
    for tensor in order:
        # Whatever adds to its gradient came before it in this order, so it is complete here.
        if hooked and tensor._order in HOOKS and tensor._order in grads:
            grads[tensor._order] = run_hooks(tensor, grads[tensor._order])
        op = tensor._op
        if op is None:
            continue
        g = grads.get(tensor._order)
        if g is None:
            continue
        inputs = tensor._inputs
        values = []
        for x in inputs:
            if hasattr(x, "_changed"):
                if x._changed > tensor._order:
                    _check_unchanged(tensor, x)
                values.append(x if as_tensors else x._data)
            else:
                values.append(x)
        y = tensor if as_tensors else tensor._data
        attrs = tensor._attrs
        together = _together(op, g, y, inputs, values, attrs, needed) if op.joint else None
        for i, x in enumerate(inputs):
            if not getattr(x, "requires_grad", False):
                continue
            number = x._order
            if needed is not None and number not in needed:
                continue
            if together is None:
                pull = op.pull(i)
                gx = None if pull is None else pull(g, y, values, attrs)
            else:
                gx = together[i]
            if gx is None:
                continue
            if gx.shape != values[i].shape:
                gx = unbroadcast(op, gx, values[i])
            held = grads.get(number)
            grads[number] = gx if held is None else accumulate(held, gx)
    return grads


def _together(
    op: Any, g: Any, y: Any, inputs: tuple, values: list, attrs: dict, needed: set[int] | None
) -> dict[int, Any]:
    wanted = tuple(
        i
        for i, x in enumerate(inputs)
        if getattr(x, "requires_grad", False) and (needed is None or x._order in needed)
    )
    return dict(zip(wanted, op.joint(g, y, values, attrs, wanted), strict=True))


def accumulate(held: Any, g: Any) -> Any:
    """The sum of two gradients of one value, on any carrier."""
    if held.dtype.kind == "O":  # several values that travel together: see bundle.py
        return FUNCTIONS["add_bundles"](held, g)
    return held + g


def unbroadcast(op: Any, g: Any, x: Any) -> Any:
    """Sum the gradient over the axes along which `x` was stretched."""
    if not op.broadcasts:
        raise OperationError(
            f"the gradient rule of {op.name} returned shape {tuple(g.shape)} for an input of "
            f"shape {tuple(x.shape)}",
            hint="a rule must return the shape of its input",
        )
    return FUNCTIONS["sum_like"](g, x)


def restrict(order: list[Any], targets: Iterable[Any]) -> set[int]:
    """Order numbers of the tensors that lie on a path to one of the targets."""
    needed = {target._order for target in targets}
    for tensor in reversed(order):
        if any(getattr(x, "_order", None) in needed for x in tensor._inputs):
            needed.add(tensor._order)
    return needed


def gradients_of(
    outputs: list[Any], seeds: list[Any], targets: list[Any], *, create_graph: bool, retain: bool
) -> list[Any]:
    """Gradients of the targets, None where no path leads there; `.grad` is left alone."""
    order = reachable(outputs)
    needed = restrict(order, targets)
    grads: dict[int, Any] = {}
    for output, seed in zip(outputs, seeds, strict=True):
        if output.requires_grad:
            held = grads.get(output._order)
            grads[output._order] = seed if held is None else held + seed
    grads = sweep(order, grads, create_graph=create_graph, needed=needed)
    if not retain:
        place = user_line(3)
        for tensor in order:
            if tensor._op is not None:
                tensor._used = place
    return [grads.get(target._order) for target in targets]


def _check_unchanged(result: Any, x: Any) -> None:
    # Only a value that some rule reads makes the gradient wrong.
    op = result._op
    position = next(i for i, held in enumerate(result._inputs) if held is x)
    name = op.inputs[0 if op.variadic else position]
    if not any(name in op.needs(i) and name not in op.shape_only for i in range(len(op.inputs))):
        return
    raise MutationError(
        f"{op.name}: {_called(x)} {tuple(x.shape)} was changed after {op.name} used it, so the "
        "gradient would be computed from the wrong values",
        hint="call backward() before the update, or compute the result again",
        extra={"used at": str(result._where)} if result._where else None,
    )


def _used_up(tensor: Any) -> BackwardError:
    return BackwardError(
        f"second backward through {_called(tensor)} (made by {tensor._op.name}): its record was "
        f"used up by backward() at {tensor._used.place}",
        extra={"first": str(tensor._used)},
        hint="pass retain_graph=True there, or compute the result again before this backward()",
    )


def _called(tensor: Any) -> str:
    from dlgraph.core.explain import display_name

    name = display_name(tensor)
    return f"{name!r}" if name else "this tensor"
