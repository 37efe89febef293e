"""Branches that work in both modes: `cond`; and what branches and loops have in common.

In eager code a branch is Python's `if`.  In a graph it is one node with both branches as `Body`s
inside, and its gradient is a branch again.  Next: `loops.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from dlgraph.core.arrays import Bundle
from dlgraph.core.body import (
    Body,
    check_takes,
    close,
    input_names,
    resolved,
    set_outputs,
    trace,
)
from dlgraph.core.bundle import item
from dlgraph.core.calls import distinct, gradient_inputs
from dlgraph.core.mode import is_tracing
from dlgraph.core.node import Node
from dlgraph.core.primitive import FUNCTIONS, NOTHING, primitive
from dlgraph.core.spec import BundleSpec, Spec, same_shape, spec_of
from dlgraph.core.tensor import Tensor, tick
from dlgraph.core.tree import flatten, rebuild, same_form
from dlgraph.errors import GraphError, ShapeError

FUNCTIONS_OF_OPERANDS = (
    "both are functions of the operands: dg.cond(x > 0, lambda x: x, lambda x: -x, x)"
)


def symbolic(values: Sequence[Any]) -> bool:
    """Is the program being written down (rather than computed)?"""
    return is_tracing() or any(isinstance(v, Node) for v in values)


def leaf_specs(leaves: Sequence[Any]) -> list[Any]:
    """Specs of values; of numbers, those of the tensors they would be."""
    return [spec_of(x if hasattr(x, "dtype") else Tensor(x)) for x in leaves]


def as_values(leaves: Sequence[Any]) -> list[Any]:
    """Numbers as tensors, everything else as it is."""
    return [x if hasattr(x, "dtype") else Tensor(x) for x in leaves]


# In a graph, what goes into a loop and what a turn or a branch returns are values of their own.  If
# they are that in eager code too, gradients are added up in the same order in both modes.


def begin(state: Any) -> Any:
    """The first state of an eager loop, as values of their own."""
    leaves, form = flatten(state)
    return rebuild(form, [FUNCTIONS["identity"](x) if _has_gradient(x) else x for x in leaves])


def apart(result: Any, since: int) -> Any:
    """What an eager turn or branch returned, without values that are older or come twice."""
    leaves, form = flatten(result)
    seen, shared = set(), []
    for k, x in enumerate(leaves):
        if _has_gradient(x):
            if x._order <= since or x._order in seen:
                shared.append(k)
            seen.add(x._order)
    if not shared:
        return result
    for k in reversed(shared):  # so that the gradient of the first one is added first
        leaves[k] = FUNCTIONS["identity"](leaves[k])
    return rebuild(form, leaves)


def _has_gradient(x: Any) -> bool:
    return isinstance(x, Tensor) and x.requires_grad


def items(result: Any, count: int) -> list[Any]:
    """The values of a bundle, one by one."""
    return [item(result, index=k) for k in range(count)]


@primitive(
    name="cond",
    kind="control",
    infer=lambda *specs, then, otherwise: BundleSpec(then.output_specs),
    text="cond({values})",
)
def branch(xp: Any, *values: Any, then: Body, otherwise: Body) -> Any:
    """The outputs of one of two bodies, chosen by the first value."""
    chosen = then if bool(values[0]) else otherwise
    return Bundle(chosen.values(values[1:]))


def _branch_gradients(
    g: Any,
    y: Any,
    inputs: Sequence[Any],
    attrs: dict[str, Any],
    wanted: tuple[int, ...],
    held: Mapping[int, Any] = NOTHING,
) -> list[Any]:
    then: Body = attrs["then"]
    otherwise: Body = attrs["otherwise"]
    positions, so_far = tuple(k - 1 for k in wanted), tuple(k - 1 for k in held)
    result = branch(
        *inputs,
        *gradient_inputs(then, g, bundled=True),
        *held.values(),
        then=then.gradient(positions, so_far),
        otherwise=otherwise.gradient(positions, so_far),
    )
    return items(result, len(wanted))


branch.joint, branch.goes_on = _branch_gradients, True


def cond(
    predicate: Any, then: Callable[..., Any], otherwise: Callable[..., Any], *operands: Any
) -> Any:
    """One of two functions of the operands, chosen when the program runs.

    In eager code this is `then(*operands) if predicate else otherwise(*operands)`.  In a graph
    both are built and one is run; they must return the same number of values with the same
    shapes and dtypes.

    >>> import dlgraph as dg
    >>> with dg.Graph().as_default() as g:
    ...     x = dg.placeholder((), name="x")
    ...     y = dg.cond(x > 0, lambda x: x * x, lambda x: -x, x)
    ...     slope = dg.gradients(y, x)
    >>> session = dg.Session(g)
    >>> print(*session.run([y, slope], {x: 3.0}), *session.run([y, slope], {x: -2.0}))
    9.0 6.0 2.0 -1.0
    """
    for function, name in ((then, "then"), (otherwise, "otherwise")):
        check_takes(f"cond: {name}", function, len(operands), FUNCTIONS_OF_OPERANDS)
    if not symbolic([predicate, *operands]):
        since, chosen = tick(), then if truth(predicate, "cond") else otherwise
        return apart(chosen(*operands), since)
    check_predicate(spec_of(predicate), "cond")
    leaves, form = flatten(operands)
    values, at = distinct(as_values(leaves))
    specs, places = leaf_specs(values), rebuild(form, at)
    bodies, forms = [], []
    for function, name in ((then, "then"), (otherwise, "otherwise")):
        names = input_names(function, places)

        def chosen(*xs: Any, function: Callable[..., Any] = function) -> Any:
            return function(*rebuild(form, [xs[k] for k in at]))

        body, result = trace(chosen, specs, name, names, given=values)
        outputs, result_form = flatten(result)
        set_outputs(body, outputs, f"cond: {name}")
        bodies.append(body)
        forms.append(result_form)
    _check_branches(bodies, forms)
    captures = close(bodies)
    captured = resolved(captures, [predicate, *values])
    result = branch(predicate, *values, *captured, then=bodies[0], otherwise=bodies[1])
    return rebuild(forms[0], items(result, len(bodies[0].outputs)))


def truth(value: Any, what: str) -> bool:
    """The condition of an eager branch or loop; a list is none, whatever Python says of it."""
    if isinstance(value, Tensor):
        check_predicate(value.spec, what)  # as in a graph: a number that stays would loop for ever
    elif np.size(value) != 1:
        check_predicate(spec_of(np.asarray(value)), what)
    return bool(value)


def check_predicate(spec: Spec, what: str) -> None:
    """Raise unless a condition is one boolean."""
    if spec.shape != () or spec.dtype.kind != "b":
        raise ShapeError(
            f"{what}: the condition is {spec}, it must be one boolean",
            hint="compare scalars, x.sum() > 0; to choose per element use dg.where",
        )


def _check_branches(bodies: Sequence[Body], forms: Sequence[Any]) -> None:
    if not same_form(*forms):
        raise GraphError(
            "cond: the two branches return values in different forms",
            hint="both must return as many values, nested alike",
        )
    pairs = zip(*(body.output_specs for body in bodies), strict=True)
    for k, (a, b) in enumerate(pairs):
        if a.dtype != b.dtype or not same_shape(a.shape, b.shape):
            raise GraphError(
                f"cond: value {k} is {a} in one branch and {b} in the other",
                hint="both branches must return the same shapes and dtypes",
            )
