"""Hooks on gradients: functions that see, and may replace, the gradient of a tensor.

They are kept here and not in the tensors: almost no tensor has one, and a field more would cost
every operation its share.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

from dlgraph.errors import BackwardError, DtypeError, OperationError, ShapeError

HOOKS: dict[int, list[Callable[[Any], Any]]] = {}  # by the order number of the tensor


class Handle:
    """What registering a hook returns; `remove()` takes the hook away again."""

    def __init__(self, hooks: list[Callable[..., Any]], function: Callable[..., Any]):
        self._hooks, self._function = hooks, function

    def remove(self) -> None:
        """Take the hook away; a second time does nothing."""
        if self._function in self._hooks:
            self._hooks.remove(self._function)
        self._hooks = []  # the same function may be there again, by another handle


def register(tensor: Any, function: Callable[[Any], Any]) -> Handle:
    """What `Tensor.register_hook` does."""
    if not callable(function):
        raise OperationError(f"register_hook needs a function, not {function!r}")
    if not tensor.requires_grad:
        raise BackwardError(
            "register_hook: this tensor does not require gradients, so none will come by",
            hint="create it with requires_grad=True",
        )
    number = tensor._order
    if number not in HOOKS:
        HOOKS[number] = []
        weakref.finalize(tensor, HOOKS.pop, number, None)
    HOOKS[number].append(function)
    return Handle(HOOKS[number], function)


def run(tensor: Any, g: Any) -> Any:
    """The gradient after the hooks of this tensor, on the carrier on which it came."""
    as_tensor = hasattr(g, "requires_grad")
    for function in list(HOOKS[tensor._order]):
        found = function(g if hasattr(g, "requires_grad") else _carried(tensor, g))
        if found is None:
            continue
        _check(g, found)
        g = found
    if as_tensor:
        return g if hasattr(g, "requires_grad") else _carried(tensor, g)
    return getattr(g, "_data", g)


def _check(g: Any, found: Any) -> None:
    shape, dtype = getattr(found, "shape", None), getattr(found, "dtype", None)
    if shape == g.shape and dtype == g.dtype:
        return
    wrong = OperationError
    if shape is not None:
        wrong = DtypeError if shape == g.shape else ShapeError  # type: ignore[assignment]
    given = f"{shape} {dtype}" if shape is not None else f"a {type(found).__name__}"
    raise wrong(
        f"a gradient hook returned {given}, the gradient is {tuple(g.shape)} {g.dtype}",
        hint="a hook returns None, or a gradient of the same shape and dtype",
    )


def _carried(tensor: Any, data: Any) -> Any:
    made = tensor.detach()
    made._data = data
    return made
