"""Derivatives as functions: `grad` and `value_and_grad`, in both modes.

`autodiff.py` walks eager records, `gradients.py` builds the same walk as graph nodes; here is the
form in which people ask for it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from dlgraph.core import autodiff
from dlgraph.core.gradients import gradients
from dlgraph.core.node import Node
from dlgraph.core.primitive import FUNCTIONS
from dlgraph.core.tensor import Tensor, _plain
from dlgraph.errors import BackwardError, OperationError

TAKEN: dict[str, Any] = {"made by": "grad"}  # the attributes of a gradient that has no record


def grad(
    y: Any,
    xs: Any = None,
    *,
    gradient: Any = None,
    create_graph: bool = False,
    retain_graph: bool | None = None,
    allow_unused: bool = False,
) -> Any:
    r"""Gradient of `y` with respect to `xs`: $\partial y / \partial x$, without touching `.grad`.

    `xs` is a tensor or a sequence of tensors (also intermediate ones); the answer has the same
    form, each gradient the shape and dtype of its `x`.  `y` is a scalar, or `gradient` gives its
    own gradient.  `create_graph=True` makes the answer differentiable again.  Where `y` does not
    depend on an `x`, its gradient is zeros, or None with `allow_unused=True`.

    On nodes it is `dg.gradients`: the answer is nodes.

    Raises `BackwardError` if an `x` does not require gradients, if the record was used up, or if
    `y` is itself a gradient that was taken without `create_graph=True`.

    >>> import dlgraph as dg
    >>> x = dg.Tensor(2.0, requires_grad=True)
    >>> y = x * x * x
    >>> first = dg.grad(y, x, create_graph=True)
    >>> second = dg.grad(first, x)
    >>> print(first, second)
    12.0 12.0
    """
    if isinstance(y, Node) and xs is not None:
        return gradients(y, xs, gradient=gradient, allow_unused=allow_unused)
    if callable(y) or xs is None:
        raise _no_value(y)
    several = isinstance(xs, (list, tuple))
    targets = list(xs) if several else [xs]
    for value in (y, *targets):
        if not isinstance(value, Tensor):
            raise OperationError(
                f"dg.grad works on tensors and on nodes, not on {type(value).__name__}",
                hint="make a tensor of it: dg.Tensor(value, requires_grad=True)",
            )
    for x in targets:
        if not x.requires_grad:
            raise BackwardError(
                f"dg.grad: {autodiff._called(x)} does not require gradients, so nothing was "
                "recorded for it",
                hint="create it with requires_grad=True before computing y",
            )
    if y._attrs is TAKEN:  # zeros would be wrong
        raise BackwardError(
            f"dg.grad: {autodiff._called(y)} is a gradient that was taken without "
            "create_graph=True: how it was computed was not recorded",
            hint="take the first one with dg.grad(y, x, create_graph=True)",
        )
    seeds = [autodiff._seed(y, gradient, create_graph)]
    retain = create_graph if retain_graph is None else retain_graph
    found = autodiff.gradients_of(
        [y], seeds, targets, create_graph=create_graph, retain=bool(retain)
    )
    result = [_as_tensor(g, x, allow_unused) for g, x in zip(found, targets, strict=True)]
    return (type(xs)(result) if type(xs) in (list, tuple) else result) if several else result[0]


def _no_value(y: Any) -> OperationError:
    if callable(y):
        return OperationError(
            f"dg.grad takes the value y that was computed, not the function {_name_of(y)}",
            hint=f"value, slope = dg.value_and_grad({_name_of(y)})(x), or dg.grad(y, x) of its "
            "result y",
        )
    return OperationError(
        "dg.grad(y, xs) needs to know with respect to which tensors",
        hint="dg.grad(y, x), or dg.grad(y, [x, w])",
    )


def _name_of(function: Any) -> str:
    name = getattr(function, "__name__", "f")
    return str(name) if str(name).isidentifier() else "f"


def _as_tensor(g: Any, x: Tensor, allow_unused: bool) -> Tensor | None:
    if g is None:
        return None if allow_unused else _plain(np.zeros_like(x._data))
    if isinstance(g, Tensor):
        return g
    taken = _plain(g)
    taken._attrs = TAKEN
    return taken


def value_and_grad(
    function: Callable[..., Any], argnums: int | Sequence[int] = 0
) -> Callable[..., tuple[Any, Any]]:
    """A function that returns the value of `function` and its gradient.

    The gradient is taken with respect to the positional arguments in `argnums`: numbers and
    arrays are made tensors; for nodes both are nodes.

    >>> import dlgraph as dg
    >>> f = dg.value_and_grad(lambda a, b: 2 * a + 3 * b, argnums=(0, 1))
    >>> value, (da, db) = f(4.0, 5.0)
    >>> print(value, da, db)
    23.0 2.0 3.0
    """
    wanted = (argnums,) if isinstance(argnums, int) else tuple(argnums)

    def run(*args: Any, **kwargs: Any) -> tuple[Any, Any]:
        leaves = list(args)
        if not all(isinstance(i, int) and -len(args) <= i < len(args) for i in wanted):
            raise OperationError(
                f"value_and_grad(argnums={argnums!r}) of a call with {len(args)} positional "
                "arguments",
                hint="argnums are the numbers of those to differentiate with respect to, from 0",
            )
        for i in wanted:
            # A node of its own, since one argument may be computed from another.
            symbol = isinstance(leaves[i], Node)
            leaves[i] = (
                FUNCTIONS["identity"](leaves[i])
                if symbol
                else Tensor(leaves[i], requires_grad=True)
            )
        value = function(*leaves, **kwargs)
        found = grad(value, [leaves[i] for i in wanted])
        kept = value if isinstance(value, Node) else value.detach()
        return kept, found[0] if isinstance(argnums, int) else tuple(found)

    return run
