"""The chain rule over a recorded eager computation, iteratively.

`sweep` walks the record from results to leaves, the latest first.  Every tensor carries a number
that grows with time, so taking the latest that waits is a topological order: no recursion, and each
operation is visited once however many paths lead to it.  The rules run on plain arrays; with
`create_graph` they run on Tensors, and are recorded themselves.

(This file sees Tensors only by their attributes; `tensor.py` imports it, not the reverse.)
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from operator import attrgetter
from typing import Any

import numpy as np

from dlgraph.core.arrays import Constant, constant, module_of
from dlgraph.core.declared import no_rule
from dlgraph.core.hooks import HOOKS
from dlgraph.core.hooks import run as run_hooks
from dlgraph.core.mode import enable_grad
from dlgraph.core.primitive import FUNCTIONS, NOTHING
from dlgraph.core.pulls import GRADIENT, OUTPUT
from dlgraph.core.where import Spot, line_of, user_spot
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

NO_ATTRS: dict[str, Any] = {}  # of records without any, and of those that were let go


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
    grads = {root._order: _seed(root, gradient, create_graph)}
    place = None if retain else user_spot(3)
    run = sweep_recorded if create_graph else sweep
    try:
        leaves = run([root], grads, mark=True, place=place)
    except BaseException:
        # The record is as good as it was, unless parts of it were let go.
        for tensor in recorded([root], place) if place is not None else ():
            if tensor._inputs:
                tensor._used = None
        raise
    for leaf in leaves:
        g = grads[leaf._order]
        if leaf._grad is None:
            leaf._grad = g
        else:
            _accumulate(leaf, g)


def _accumulate(leaf: Any, g: Any) -> None:
    held = leaf._grad
    if hasattr(held, "requires_grad") and not hasattr(g, "requires_grad"):
        leaf._grad = held._data + g
    else:
        leaf._grad = held + g


_BY_ORDER = attrgetter("_order")
_ONES = {scalar: scalar(1) for scalar in (np.float16, np.float32, np.float64)}


def _seed(root: Any, gradient: Any, as_tensor: bool) -> Any:
    data = root._data
    if gradient is None and not as_tensor and type(data) in _ONES:
        return _ONES[type(data)]
    if gradient is None:
        if data.size != 1:
            raise BackwardError(
                f"backward() of {_called(root)} with shape {root.shape}: only a scalar has one "
                "gradient",
                hint="reduce it first, loss.mean().backward(), or pass the gradient of the result:"
                f" backward(gradient) with shape {root.shape}",
            )
        if data.dtype.kind not in "fc":
            raise BackwardError(
                f"backward() of {_called(root)}, which holds {data.dtype}: integers have no small "
                "changes",
                hint='compute the loss from floats: write 4.0, or x.astype("float32")',
            )
        xp = module_of(data)
        scalar = data.ndim == 0 and xp is np
        seed = constant(1, data.dtype.type)._data if scalar else xp.ones_like(data)
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


def sweep(
    roots: list[Any],
    grads: dict[int, Any],
    *,
    as_tensors: bool = False,
    needed: set[int] | None = None,
    mark: bool = False,
    place: Spot | None = None,
) -> list[Any]:
    """Run the gradient rules of all that the roots were computed from; returns the leaves met.

    `grads` maps order numbers to the gradients of the roots, afterwards to all of them; they are
    arrays, or Tensors with `as_tensors`.  With `needed`, gradients of other tensors are not
    computed.  With `mark`, the tensors remember their gradient and the place that used them up; if
    one of them is large, links and gradients are let go once the sweep is past: memory that is free
    again at once is used again at once, while it is still in the cache.
    """
    hooked, keep = bool(HOOKS), True
    leaves: list[Any] = []
    waiting: list[Any] = []  # the latest last
    for root in {root._order: root for root in roots if root._order in grads}.values():
        if root._used is not None:
            raise _used_up(root)
        (leaves if root._op is None else waiting).append(root)
    waiting.sort(key=_BY_ORDER)
    while waiting:
        # Whatever adds to its gradient came later, and so before it here: it is complete.
        tensor = waiting.pop()
        made = tensor._order
        g = grads[made]
        if hooked and made in HOOKS:
            g = grads[made] = run_hooks(tensor, g)
        op, inputs = tensor._op, tensor._inputs
        for i, reads, rule in op.steps or _found_together(tensor, grads, as_tensors, needed):
            x = inputs[i]
            if not x.requires_grad:
                continue
            number = x._order
            if needed is not None and number not in needed:
                continue
            if reads >= 0:
                other = inputs[reads]
                if other._changed > made:
                    _check_unchanged(tensor, other)
                gx = rule(g, _value(other) if as_tensors else other._data)
            elif reads == GRADIENT:
                gx = g if rule is None else rule(g)
            elif reads == OUTPUT:
                gx = rule(g, tensor if as_tensors else tensor._data)
            else:
                y = tensor if as_tensors else tensor._data
                gx = rule(g, y, _values(tensor, as_tensors), tensor._attrs)
            if gx is None:
                continue
            if gx.shape != x._data.shape:
                gx = unbroadcast(op, gx, x if as_tensors else x._data)
            if number in grads:
                grads[number] = accumulate(grads[number], gx)
                continue
            grads[number] = gx
            if x._op is None:
                leaves.append(x)
            elif x._used is not None:
                raise _used_up(x, [tensor, *waiting])
            elif not waiting or waiting[-1]._order < number:
                waiting.append(x)
            else:
                insort(waiting, x, key=_BY_ORDER)
        if mark:
            tensor._grad, tensor._used = g, place
            if not keep:
                tensor._inputs, tensor._attrs = (), NO_ATTRS
                del grads[made]
            elif place is not None and tensor._data.nbytes > KEEP_BYTES:
                keep = False
                _let_go(roots, waiting, grads, place)
    if hooked:
        for leaf in sorted(leaves, key=_BY_ORDER, reverse=True):
            if leaf._order in HOOKS:
                grads[leaf._order] = run_hooks(leaf, grads[leaf._order])
    return leaves


def _let_go(roots: list[Any], waiting: list[Any], grads: dict[int, Any], place: Spot) -> None:
    """Let go of what was walked until here, if nothing that is left was used up."""
    for tensor in recorded(waiting):
        if tensor._used is not None:
            raise _used_up(tensor, waiting)
    for tensor in recorded(roots, place):
        tensor._inputs, tensor._attrs = (), NO_ATTRS
        del grads[tensor._order]


def sweep_recorded(*given: Any, **options: Any) -> list[Any]:
    """`sweep` on Tensors, so that it is recorded itself: for derivatives of derivatives."""
    with enable_grad():
        return sweep(*given, as_tensors=True, **options)


def recorded(roots: Iterable[Any], place: Spot | None = None) -> list[Any]:
    """Computed tensors behind these, which are among them; with `place`, those it used up."""
    found, waiting = {}, list(roots)
    for tensor in waiting:  # which grows meanwhile
        if not tensor.requires_grad or tensor._op is None or tensor._order in found:
            continue
        if place is None or tensor._used is place:
            found[tensor._order] = tensor
            waiting += tensor._inputs
    return list(found.values())


def _value(x: Any) -> Any:
    return x._data if type(x) is Constant else x


def _values(tensor: Any, as_tensors: bool) -> list[Any]:
    made, values = tensor._order, []
    for x in tensor._inputs:
        if x._changed > made:
            _check_unchanged(tensor, x)
        values.append(_value(x) if as_tensors else x._data)
    return values


def _found_together(
    tensor: Any, grads: dict[int, Any], as_tensors: bool, needed: set[int] | None
) -> list[tuple[int, int, Any]]:
    """Rules that return what was found already: for operations that compute gradients together,
    and for those with any number of inputs.  Where a rule went on, its result stands already."""
    op, numbers = tensor._op, [x._order for x in tensor._inputs]
    if op.lacks_rule and tensor._data.dtype.kind in "fc":
        raise no_rule(op.name, op.inputs)
    wanted = [
        i
        for i, x in enumerate(tensor._inputs)
        if x.requires_grad and (needed is None or x._order in needed)
    ]
    y = tensor if as_tensors else tensor._data
    values = _values(tensor, as_tensors)
    held = begun(grads, numbers, wanted) if op.goes_on else NOTHING
    found = dict(op.pulled(grads[tensor._order], y, values, tensor._attrs, wanted, held))
    for i in held:
        grads[numbers[i]] = found.pop(i, held[i])
    return [(i, GRADIENT, partial(_known, gx)) for i, gx in found.items()]


def begun(grads: Mapping[int, Any], numbers: Sequence[int], wanted: list[int]) -> dict[int, Any]:
    """Gradients so far, by position in the inputs with these `numbers`.

    Of an input that comes twice at its last position: the rest is added later, the last first.
    """
    last = {numbers[i]: i for i in wanted}
    return {i: grads[number] for number, i in last.items() if number in grads}


def _known(gx: Any, g: Any) -> Any:
    return gx


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
    summed: Any = FUNCTIONS["sum_like"]
    return summed.forward(np, g, x) if type(g) is np.ndarray else summed(g, x)


def restrict(order: list[Any], targets: Iterable[Any]) -> set[int]:
    """Order numbers of the tensors that lie on a path to one of the targets."""
    needed = {target._order for target in targets}
    for tensor in order:
        if any(getattr(x, "_order", None) in needed for x in tensor._inputs):
            needed.add(tensor._order)
    return needed


def gradients_of(
    outputs: list[Any], seeds: list[Any], targets: list[Any], *, create_graph: bool, retain: bool
) -> list[Any]:
    """Gradients of the targets, None where no path leads there; `.grad` is left alone."""
    order = sorted(recorded(outputs), key=_BY_ORDER)
    for tensor in order:
        if tensor._used is not None:
            raise _used_up(tensor, outputs)
    needed = restrict(order, targets)
    grads: dict[int, Any] = {}
    for output, seed in zip(outputs, seeds, strict=True):
        if output.requires_grad:
            held = grads.get(output._order)
            grads[output._order] = seed if held is None else held + seed
    run = sweep_recorded if create_graph else sweep
    run(outputs, grads, needed=needed)
    if not retain:
        place = user_spot(3)
        for tensor in order:
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


def _used_up(tensor: Any, ends: Iterable[Any] = ()) -> BackwardError:
    first = line_of(tensor._used)
    again = "pass retain_graph=True there, or compute the result again before this backward()"
    stepped = next((t for t in recorded(ends) if _is_step(t, tensor)), None)
    if stepped is not None:
        from dlgraph.core.explain import display_name

        x = display_name(stepped) or "x"
        again = (
            f"a step of training is {x}.assign({x} - ...), then {x}.grad = None: `{x} = {x} - ...` "
            f"makes {x} a result of all steps before; if it is none, {again}"
        )
    return BackwardError(
        f"second backward through {_called(tensor)} (made by {tensor._op.name}): its record was "
        f"used up by backward() at {first.place}",
        extra={"first": str(first)},
        hint=again,
    )


def _is_step(new: Any, old: Any) -> bool:
    """Is it `old - lr * old.grad`, where `old` was the result of such a step, or looks so?"""
    ops = [getattr(t._op, "name", None) for t in (new, old)]
    if ops != ["subtract", "subtract"] or not new._inputs or new._inputs[0] is not old:
        return False
    return old._grad is not None and not new._inputs[1].requires_grad


def _called(tensor: Any) -> str:
    from dlgraph.core.explain import display_name

    name = display_name(tensor)
    return f"{name!r}" if name else "this tensor"
