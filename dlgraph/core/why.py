"""`explain_gradient`: why a gradient is None, in words."""

from __future__ import annotations

from typing import Any

from dlgraph.core.autodiff import _called
from dlgraph.core.node import Node
from dlgraph.core.tensor import DETACHED, Tensor
from dlgraph.core.tree import flatten
from dlgraph.core.where import line_of
from dlgraph.errors import OperationError


class Reason(str):
    """One or two sentences, shown without quotes."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


def explain_gradient(x: Any, loss: Tensor | None = None) -> Reason:
    """Why `x.grad` is None, or that it is not; with the loss, also whether a path leads there.

    Inside `dg.watch(lines=True)` tensors remember their lines, and the explanation can say at
    which one the values were cut off.

    >>> import dlgraph as dg
    >>> v, w = dg.Parameter(2.0, name="v"), dg.Parameter(3.0, name="w")
    >>> loss = v * w.detach()
    >>> loss.backward()
    >>> dg.explain_gradient(w, loss)
    w.grad is None: the loss was not computed from it.  It uses the values of w, cut off by
    detach(): use w itself.
    """
    if isinstance(x, Node):
        return Reason(
            f"{x.name} is a graph node and has no .grad: dg.gradients(loss, node) is the node of "
            "its gradient."
        )
    for value in (x, x if loss is None else loss):
        if not isinstance(value, Tensor):
            raise OperationError(
                f"explain_gradient needs tensors, not {type(value).__name__}",
                hint="pass the tensor itself: dg.explain_gradient(w), not w.grad",
            )
    name = _called(x).strip("'").replace("this tensor", "x")
    if x._grad is not None:
        return Reason(f"{name}.grad is there: {x.grad.shape} {x.dtype}, from the last backward().")
    return Reason(f"{name}.grad is None: {_why(x, loss, name)}")


def _why(x: Tensor, loss: Tensor | None, name: str) -> str:
    if x.dtype.kind not in "fc":
        return f"it holds {x.dtype}, and integers have no small changes to take a gradient of."
    if not x.requires_grad:
        return f"it does not require gradients{_origin(x)}."
    if loss is None:
        made = "" if x._op is None else f" (it was made by {x._op.name})"
        return (
            f"it requires gradients{made}, but no backward() has reached it since .grad was last "
            f"cleared.  Was backward() called?  If so, dg.explain_gradient({name}, loss) looks for "
            "the path."
        )
    if not loss.requires_grad:
        return f"the loss was not computed from anything that requires gradients.{_cuts(x, loss)}"
    if loss._used is not None and not loss._inputs and loss is not x:
        place = line_of(loss._used).place
        return (
            f"the record of the loss was used up by backward() at {place} and let go.  "
            "If .grad was cleared after it, compute the loss again."
        )
    if any(tensor is x for tensor in _behind(loss)):
        used = loss._used
        if used is None:
            return "the loss was computed from it, but loss.backward() was not called yet."
        return (
            f"a path leads from the loss to it, and backward() ran at {line_of(used).place}: .grad "
            "was cleared after that, or every gradient rule on the path stops."
        )
    return f"the loss was not computed from it.{_cuts(x, loss)}"


def _origin(x: Tensor) -> str:
    if x._attrs is DETACHED:
        return f": it was cut off by detach(){_line(x)}"
    if x._where is not None:
        why = ": it was computed inside no_grad, or from values that do not require them"
        return why + _line(x)
    return (
        " (created without requires_grad=True, computed inside no_grad, or only from values that "
        "do not require them)"
    )


def _cuts(x: Tensor, loss: Tensor) -> str:
    """The places where the record of the loss ends in values that were cut off."""
    cut = [t for t in _behind(loss) if t._attrs is DETACHED]
    same = [t for t in cut if t._data is x._data]
    name = _called(x).strip("'").replace("this tensor", "x")
    if same:
        place = _line(same[0])
        return f"  It uses the values of {name}, cut off by detach(){place}: use {name} itself."
    if cut:
        shapes = "; ".join(f"{t.shape}{_line(t)}" for t in cut[:3])
        return f"  It uses values that were cut off by detach(): {shapes}."
    return "  Was it left out, or were its values taken out with .numpy() or inside no_grad?"


def _line(x: Tensor) -> str:
    return f" at {x._where}" if x._where is not None else ""


def _behind(loss: Tensor) -> list[Tensor]:
    """All tensors in the record of the loss, also those that require no gradients."""
    seen: dict[int, Tensor] = {}
    stack = [loss]
    while stack:
        tensor = stack.pop()
        if tensor._order not in seen:
            seen[tensor._order] = tensor
            stack += [v for v in flatten(list(tensor._inputs))[0] if isinstance(v, Tensor)]
    return list(seen.values())
