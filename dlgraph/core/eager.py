"""How a primitive is applied to Tensors: compute now, record if a gradient may be needed."""

from __future__ import annotations

from typing import Any

import numpy as np

from dlgraph.core import arrays
from dlgraph.core.explain import check_one_device, explain
from dlgraph.core.mode import is_tracing
from dlgraph.core.primitive import Primitive, target_dtype, weak_kind
from dlgraph.core.tensor import Tensor, as_array, result, value_of


def apply_eager(primitive: Primitive, inputs: tuple, attrs: dict[str, Any]) -> Tensor:
    """Interpret a primitive on Tensors: compute now, record if a gradient may be needed."""
    if is_tracing():
        return primitive.staged(inputs, attrs)
    try:
        kept = inputs
        operands = _as_they_are(primitive, inputs)
        if operands is None:
            operands = eager_operands(primitive, inputs)
            # The record keeps the Tensors themselves (the links of the graph); what was not a
            # Tensor, or was an integer tensor that had to become float, is kept as the array that
            # was used.
            kept = tuple(
                x if isinstance(x, Tensor) and x._data is used else arrays.Constant(used)
                for x, used in zip(inputs, operands, strict=True)
            )
        xp = np
        if arrays.MODULES:
            xp = arrays.module_of(*operands)
            if xp is not np:
                check_one_device(primitive, inputs)
        data = primitive.forward(xp, *operands, **attrs)
    except Exception as error:
        raise explain(primitive, inputs, attrs, error) from None
    wants_grad = False
    for x in inputs:
        if isinstance(x, Tensor) and x.requires_grad:
            wants_grad = primitive.differentiable
    return result(data, primitive, kept, wants_grad, attrs)


def _as_they_are(primitive: Primitive, inputs: tuple) -> list[Any] | None:
    """The arrays of the inputs if they need no conversion: the usual case, found out cheaply."""
    operands = []
    for x in inputs:
        data = x._data if isinstance(x, Tensor) else None
        if data is None:
            return None
        operands.append(data)
    promotes = primitive.promotes
    if promotes:
        if primitive.variadic:
            return None
        dtype = operands[promotes[0]].dtype
        if dtype.kind != "f":
            return None
        if len(promotes) > 1:
            for i in promotes:
                if operands[i].dtype is not dtype:
                    return None
    return operands


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
            as_array(values[i], copy=False).dtype if kind is None else kind
            for i, kind in zip(positions, kinds, strict=True)
        ]
        target = target_dtype(primitive, kinds)
        for i in positions:
            if getattr(values[i], "dtype", None) is not target:
                values[i] = as_array(values[i], target, copy=False)
    made = [v if arrays.is_array(v) else np.asarray(v) for v in values]
    return _followed(primitive, inputs, made) if arrays.MODULES else made


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
