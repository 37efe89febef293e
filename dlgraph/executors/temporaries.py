"""The memory of an operation that is called as it is: NumPy's, not the arena's.

Is its result new, or may it be a part of an operand?  And what does the forward function hold while
it runs, beside its operands and its result?  (Writers take such memory from the arena.)  The peak
of a plan counts both (`finish.py`); what is not known before, the first run tells (`Watched`).
"""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Sequence
from typing import Any

from dlgraph.core.body import Body
from dlgraph.core.declared import is_ours
from dlgraph.core.primitive import Primitive
from dlgraph.core.spec import Spec
from dlgraph.executors import layout
from dlgraph.executors.plan import Instruction, Made, Place, strides_of
from dlgraph.passes.liveness import peak

SMALL = 1 << 14  # bytes of operands and result of calls whose temporary arrays do not matter

# What these return lies in the memory of their input, whatever its layout.
_SHARED = {"transpose", "slice", "expand_dims", "squeeze", "broadcast_to", "expand_like"}
_SHARED |= {"rows", "item"}

# What these return of operands whose elements lie in order lies in order too.
_IN_ORDER = {"argsort", "cumprod", "prod", "logsumexp", "product_of_others", "put_along_axis"}
_IN_ORDER |= {"scatter_add", "pad", "one_hot", "max_pool2d_pick"}

_NEW_KINDS = ("contract", "random", "loss")
_NEW = {"argsort", "cumsum", "cumprod", "prod", "take_along_axis", "put_along_axis", "scatter_add"}
_NEW |= {"softplus", "erf", "erfc", "logsumexp", "product_of_others"}


def all_ours(primitive: Primitive, attrs: dict[str, Any]) -> bool:
    """Is an operation defined in dlgraph, and all inside of its bodies?"""
    if not is_ours(primitive):
        return False
    bodies = [value for value in attrs.values() if isinstance(value, Body)]
    while bodies:
        for record in bodies.pop().records:
            if not is_ours(record.primitive):
                return False
            bodies += [value for value in record.attrs.values() if isinstance(value, Body)]
    return True


class Watched:
    """A call of an instruction whose memory only a run can tell: `seen` is what that told.

    That is the bytes that are left after it, and the most while it ran.  (NumPy tells `tracemalloc`
    of its memory.  If somebody else is tracing, only a new peak can be seen.)
    """

    def __init__(self, number: int, call: tuple[Callable[..., Any], tuple]):
        self.number, self.call = number, call
        self.seen: tuple[int, int] | None = None

    def __call__(self) -> None:
        function, arguments = self.call
        tracing = tracemalloc.is_tracing()
        if not tracing:
            tracemalloc.start()
        try:
            before, most = tracemalloc.get_traced_memory()
            function(*arguments)
            after, peak = tracemalloc.get_traced_memory()
        finally:
            if not tracing:
                tracemalloc.stop()
        if not tracing or peak > most:
            self.seen = max(after - before, 0), peak - before

    def told(self, made: Made, bundle: bool) -> Made:
        """What the call takes, now that it ran."""
        assert self.seen is not None
        left, most = self.seen
        new = left > max(made.size // 2, SMALL // 16)
        if bundle or not new:  # the values of a bundle are counted where they are taken out
            return made._replace(size=0, held=most)
        return made._replace(size=left, held=most - left, keeps=())


def is_new(primitive: Primitive, inputs: Sequence[Place | None]) -> bool:
    """Is what a call returns new memory, no part of which belongs to an operand?"""
    picked = primitive.name == "gather" and any(p is not None and p.shape for p in inputs[1:])
    named = primitive.kind in _NEW_KINDS or primitive.name in _NEW or primitive.ufunc is not None
    return (named or picked) and is_ours(primitive)


def is_shared(primitive: Primitive) -> bool:
    """Is what a call returns always a part of an operand?"""
    return primitive.name in _SHARED


def strides_of_result(
    primitive: Primitive, attrs: dict[str, Any], inputs: Sequence[Place | None], spec: Spec
) -> tuple[int, ...] | None:
    """The strides of what a call returns; None if only the run will tell."""
    places = [p for p in inputs if p is not None and p.known]
    if len(places) < len(inputs) or not is_ours(primitive):
        return None
    if primitive.kind == "elementwise" and primitive.name != "fused":  # that is several
        return layout.elementwise(places, spec.shape, spec.dtype)
    rows = primitive.name == "gather" and layout.are_rows(attrs["index"], places)
    ordered = primitive.name in _IN_ORDER and all(p.contiguous for p in places)
    if rows or ordered or primitive.kind == "random":
        return strides_of(spec.shape, spec.dtype.itemsize)
    return None


def held_by_call(step: Instruction) -> int | None:
    """The bytes of the temporary arrays of a call; None if only a run can tell."""
    bodies = [value for value in step.attrs.values() if isinstance(value, Body)]
    if bodies and all_ours(step.primitive, step.attrs):  # the branch, or the turn, that takes most
        return max(peak(body.records, body.outputs) for body in bodies)
    out, x = step.output, step.inputs[0] if step.inputs else None
    open_sizes = any(p is not None and -1 in p.shape for p in (*step.inputs, out))
    if not open_sizes and sum(p.bytes for p in (*step.inputs, out) if p is not None) < SMALL:
        return 0
    if is_shared(step.primitive):
        return 0
    counted = _COUNTED.get(step.primitive.name)
    if counted is None or out is None or x is None or open_sizes:
        return None
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
