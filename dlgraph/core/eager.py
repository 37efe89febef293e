"""How a primitive is applied to Tensors: compute now, record if a gradient may be needed."""

from __future__ import annotations

from typing import Any

import numpy as np

from dlgraph.core import arrays
from dlgraph.core.explain import check_one_device, explain
from dlgraph.core.mode import MODE
from dlgraph.core.primitive import MADE_ARRAYS, Primitive
from dlgraph.core.promotion import target_dtype, weak_kind
from dlgraph.core.pulls import RESIDUAL
from dlgraph.core.tensor import Tensor, result, value_of
from dlgraph.core.values import operand
from dlgraph.errors import DtypeError


def apply_eager(primitive: Primitive, inputs: tuple, attrs: dict[str, Any]) -> Tensor:
    """Interpret a primitive on Tensors: compute now, record if a gradient may be needed."""
    mode = MODE.get()
    if mode is not None and mode.tracing:
        return primitive.staged(inputs, attrs)
    wants_grad, usual = False, not primitive.variadic
    kept, xp = inputs, np
    operands: list[Any] = []
    try:
        for x in inputs:
            data = None
            if isinstance(x, Tensor):
                data = x._data
                if x.requires_grad:
                    wants_grad = True
            if data is None:  # no tensor, or one without values
                usual = False
            operands.append(data)
        if usual:
            # Have they the dtype that is computed with?  One that is no float may be promoted.
            dtype = None
            for i in primitive.promotes:
                found = operands[i].dtype
                if found is not dtype and (dtype is not None or found.kind != "f"):
                    usual = False
                dtype = found
        if not usual:
            operands = eager_operands(primitive, inputs)
            # The record keeps the Tensors themselves (the links of the graph); what was not a
            # Tensor, or was an integer tensor that had to become float, is kept as the array that
            # was used.
            kept = tuple(
                x if isinstance(x, Tensor) and x._data is used else arrays.Constant(used)
                for x, used in zip(inputs, operands, strict=True)
            )
        if arrays.MODULES:
            xp = arrays.module_of(*operands)
            if xp is not np:
                check_one_device(primitive, inputs)
        if wants_grad and primitive.residual and (mode is None or mode.recording):
            data, residual = primitive.residual(xp, *operands, **attrs)
        else:
            data, residual = primitive.forward(xp, *operands, **attrs), None
    except Exception as error:
        raise explain(primitive, inputs, attrs, error) from None
    if wants_grad and not primitive.steps:
        wants_grad = primitive.differentiable
    made = result(data, primitive, kept, wants_grad, attrs)
    if residual is not None:
        made._attrs = {**attrs, RESIDUAL: residual}
    return made


def eager_operands(primitive: Primitive, inputs: tuple) -> list[Any]:
    """The arrays of the inputs, numbers and integers brought to the dtype they are used in."""
    values = [value_of(x) if isinstance(x, Tensor) else x for x in inputs]
    together = range(len(values)) if primitive.variadic and primitive.promotes else None
    positions = together or primitive.promotes
    if positions:
        kinds = [
            values[i].dtype if isinstance(inputs[i], Tensor) else weak_kind(values[i])
            for i in positions
        ]
        kinds = [
            operand(values[i]).dtype if kind is None else kind
            for i, kind in zip(positions, kinds, strict=True)
        ]
        target = target_dtype(primitive, kinds)
        for i in positions:
            if getattr(values[i], "dtype", None) is not target:
                values[i] = operand(values[i], target)
    made = [v if arrays.is_array(v) else _as_it_is(v) for v in values]
    return _followed(primitive, inputs, made) if arrays.MODULES else made


def _as_it_is(value: Any) -> Any:
    # What is wrong with it the operation says best: "labels are whole numbers".
    try:
        return operand(value)
    except DtypeError:
        return np.asarray(value)


def _followed(primitive: Primitive, inputs: tuple, values: list[Any]) -> list[Any]:
    # Tensors have a device; numbers, lists and plain arrays follow them to theirs.  (A key stays:
    # the generator of random numbers reads it on the CPU.)
    xp = arrays.module_of(*values)
    if xp is np:
        return values
    names = primitive.inputs * len(values) if primitive.variadic else primitive.inputs
    return [
        value if isinstance(x, Tensor) or name == "key" else arrays.beside(xp, value)
        for x, value, name in zip(inputs, values, names, strict=False)
    ]


_PLAIN = frozenset({*MADE_ARRAYS, bool, int, float, type(None)})


def from_list(x: Any) -> Any:
    """A tensor in place of a list or a number, which primitives take too; else what it is.

    For composites that ask for `x.ndim`, or compute `-x`, before they call a primitive.  Raises
    what `Tensor` raises for texts and the like, of which there are none.
    """
    return Tensor(x) if type(x) in _PLAIN else x
