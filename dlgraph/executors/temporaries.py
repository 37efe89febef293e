"""The memory of an operation that is called as it is: NumPy's, not the arena's.

Is its result new, or may it be a part of an operand?  And what does the forward function hold while
it runs, beside its operands and its result?  (Writers take such memory from the arena.)  The peak
of a plan counts both (`finish.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from dlgraph.core.body import Body
from dlgraph.core.declared import is_ours
from dlgraph.core.primitive import Primitive
from dlgraph.executors.plan import Instruction, Place
from dlgraph.passes.liveness import peak

_NEW_KINDS = ("contract", "random", "loss")
_NEW = {"argsort", "cumsum", "cumprod", "prod", "take_along_axis", "put_along_axis", "scatter_add"}
_NEW |= {"softplus", "erf", "erfc", "logsumexp", "product_of_others"}


def is_new(primitive: Primitive, inputs: Sequence[Place | None]) -> bool:
    """Is what a call returns new memory, no part of which belongs to an operand?"""
    picked = primitive.name == "gather" and any(p is not None and p.shape for p in inputs[1:])
    named = primitive.kind in _NEW_KINDS or primitive.name in _NEW or primitive.ufunc is not None
    return (named or picked) and is_ours(primitive)


def held_by_call(step: Instruction) -> int:
    """The bytes of the temporary arrays of a call; 0 if they are small or not known."""
    bodies = [value for value in step.attrs.values() if isinstance(value, Body)]
    if bodies:  # the branch, or the turn, that takes most
        return max(peak(body.records, body.outputs) for body in bodies)
    counted = _COUNTED.get(step.primitive.name)
    out, x = step.output, step.inputs[0] if step.inputs else None
    if counted is None or out is None or x is None or -1 in (*x.shape, *out.shape):
        return 0
    return counted(step, x, out)


def _arrays(count: float) -> Callable[[Instruction, Place, Place], int]:
    """So many arrays like the first operand."""
    return lambda step, x, out: int(count * x.bytes)


def _mask(step: Instruction, x: Place, out: Place) -> int:
    return x.bytes + x.size  # the mask, and the booleans that it is made from


def _position(step: Instruction, x: Place, out: Place) -> int:
    """NumPy copies what it looks through, unless the rows lie in order."""
    axis = step.attrs["axis"]
    rows = axis is None or axis % max(len(x.shape), 1) == len(x.shape) - 1
    return 0 if rows and (x.contiguous or not x.known) else x.bytes


def _order(step: Instruction, x: Place, out: Place) -> int:
    return out.bytes if step.attrs["descending"] else 0


def _tail(step: Instruction, x: Place, out: Place) -> int:
    return 8 * x.bytes + 2 * x.size  # two of booleans


_COUNTED: dict[str, Callable[[Instruction, Place, Place], int]] = {
    "argmax": _position,
    "argmin": _position,
    "argsort": _order,
    "drop": _mask,
    "erf": _tail,
    "erfc": _tail,
    "logsumexp": _arrays(2),
    "product_of_others": _arrays(2),
    "softplus": _arrays(2),
}
