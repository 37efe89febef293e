"""Turn a failed operation into an error that a student can use.

The arrays' own message ("operands could not be broadcast together") is replaced by the shape rule
of the primitive, worded with the names, shapes and dtypes of what was passed.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from dlgraph.core import arrays
from dlgraph.core.declared import is_ours
from dlgraph.core.operators import Operators
from dlgraph.core.primitive import Primitive
from dlgraph.core.promotion import target_dtype, weak_kind
from dlgraph.core.spec import Spec, show_shape, spec_of
from dlgraph.core.values import operand
from dlgraph.core.where import Where, name_in_frame, user_frame
from dlgraph.errors import DeviceError, DlgraphError, LabelError, OperationError


def explain(
    primitive: Primitive,
    inputs: tuple,
    attrs: dict[str, Any],
    error: Exception,
    *,
    node: str | None = None,
    where: Where | str | None = "caller",
) -> Exception:
    """The error to raise instead of `error`, which the operation failed with."""
    wrong = _array_as_axis(primitive, inputs, attrs)
    if wrong is not None:
        return wrong
    if not isinstance(error, DlgraphError):
        found = _mixed_devices(primitive, inputs) or _from_rules(primitive, inputs, attrs)
        found = found or _no_numbers(inputs)
        if found is None and not is_ours(primitive):
            return error  # a mistake inside an operation of your own: its traceback tells most
        kind = LabelError if isinstance(error, IndexError) else OperationError
        error = found or kind(arrays.reason(error), where=None)
    if error.node is not None or error.where is not None:
        return error.with_traceback(None)  # worded further inside already
    attempted = formula_with_shapes(primitive, inputs, attrs)
    if not re.match(r"\w+\(", attempted):  # `sum(x (2, 3))` says already which operation it is
        attempted = f"{primitive.name}: {attempted}"
    return type(error)(
        f"{attempted}: {error.what}", node=node, where=where, hint=error.hint, extra=error.extra
    )


def explain_plain(
    primitive: Primitive, inputs: tuple, attrs: dict[str, Any], error: Exception
) -> Exception:
    """The same for an operation that was called with plain arrays and numbers."""
    wrong = _array_as_axis(primitive, inputs, attrs)
    if wrong is not None:
        return wrong
    plain = [type(x).__name__ for x in inputs if not hasattr(x, "dtype")]
    if plain and isinstance(error, AttributeError):
        return OperationError(
            f"{primitive.name} computes with tensors and arrays, not with a plain {plain[0]}",
            hint=f"make a tensor of it first: dg.{primitive.name}(dg.Tensor(...))",
        )
    return explain(primitive, inputs, attrs, error)


OF_TWO = {
    "max": "dg.maximum({a}, {b})",
    "mean": "({a} + {b}) / 2",
    "min": "dg.minimum({a}, {b})",
    "prod": "{a} * {b}",
    "sum": "{a} + {b}",
}


def _array_as_axis(primitive: Primitive, inputs: tuple, attrs: dict) -> DlgraphError | None:
    # dg.max(a, b): the second argument is the axis.
    axis = attrs.get("axis")
    if len(inputs) != 1 or not (isinstance(axis, Operators) or arrays.is_array(axis)):
        return None
    spec = spec_of(axis)
    if not spec.shape and spec.dtype.kind in "iu":
        return None
    a, b = (repr(x) if isinstance(x, (int, float)) else display_name(x) for x in (inputs[0], axis))
    two = OF_TWO.get(primitive.name)
    given = "an array" if spec.shape else f"{spec.dtype}"
    return OperationError(
        f"{primitive.name}({', '.join(map(describe_operand, (*inputs, axis)))}): the argument "
        f"behind the values is the axis, a whole number, not {given}",
        hint=two and f"of two values, element by element: {two.format(a=a or 'a', b=b or 'b')}",
    )


def check_one_device(primitive: Primitive, inputs: tuple) -> None:
    """Raise `DeviceError` if tensors of two devices meet (asked only where one is on a GPU)."""
    found = _mixed_devices(primitive, inputs)
    if found is not None:
        raise found


def _mixed_devices(primitive: Primitive, inputs: tuple) -> DlgraphError | None:
    # A tensor without axes is a number to any array library, so it may be anywhere; and keys are
    # read on the CPU.  What is no tensor (nor a value of a graph) follows the tensors.
    met: dict[str, str] = {}
    for place, x in enumerate(inputs if arrays.MODULES else ()):
        data: Any = getattr(x, "_data", getattr(x, "value", None))
        key = not primitive.variadic and primitive.inputs[place] == "key"
        if arrays.is_array(data) and np.ndim(data) and not key:
            called = display_name(x) or f"input {place + 1}"
            met.setdefault(arrays.device_of(data), called)
    if len(met) < 2:
        return None
    return DeviceError(
        f"{met['gpu']} is on the gpu, {met['cpu']} on the cpu",
        where=None,
        hint=f'bring both to one device before: {met["cpu"]}.to("gpu")',
    )


def _from_rules(primitive: Primitive, inputs: tuple, attrs: dict) -> DlgraphError | None:
    # Eager code computes first and asks the rules only when that failed.
    try:
        primitive.infer(*(spec_of(x) for x in inputs), **attrs)
        if primitive.promotes:
            kinds = [weak_kind(inputs[i]) or spec_of(inputs[i]).dtype for i in primitive.promotes]
            target_dtype(primitive, kinds)
    except DlgraphError as found:
        return found
    except Exception:
        return None
    return None


def _no_numbers(inputs: tuple) -> DlgraphError | None:
    try:
        for x in inputs:
            if not isinstance(x, Operators) and not hasattr(x, "dtype"):
                operand(x)
    except DlgraphError as found:
        return found
    return None


def formula_with_shapes(primitive: Primitive, inputs: tuple, attrs: dict[str, Any]) -> str:
    """`h (64, 100) @ W2 (784, 10)`; attributes that differ from their defaults are added."""
    text = primitive.formula(*(describe_operand(value) for value in inputs))
    if "index" in attrs:
        text = text.removesuffix("[...]") + _index_text(attrs["index"])
    shown = [
        f"{name}={_written(value)}"
        for name, value in attrs.items()
        if value is not primitive.attributes.get(name)
        and len(_written(value)) <= 60
        and name != "index"
    ]
    return f"{text} with {', '.join(shown)}" if shown else text


def _index_text(index: tuple) -> str:
    # As it was written; the arrays in it are operands and stand in front.
    def one(entry: Any) -> str:
        if isinstance(entry, slice):
            parts = [entry.start, entry.stop, *([entry.step] if entry.step is not None else [])]
            return ":".join("" if part is None else str(part) for part in parts)
        if entry is Ellipsis:
            return "..."
        return str(entry) if entry is None or isinstance(entry, int) else "array"

    return f"[{', '.join(map(one, index))}]"


def describe_operand(value: Any) -> str:
    """Name, shape and (if not float32) dtype of an operand; a number, a text or None is itself."""
    if value is None or isinstance(value, (bool, int, float, str)):
        return _written(value)
    try:
        spec = spec_of(value)
    except ValueError:  # a nested list that is no array
        return f"a {type(value).__name__}"
    return f"{display_name(value) or _kind(value)} {spec_text(spec)}"


def _written(value: Any) -> str:
    try:
        return repr(value)
    except ValueError:  # a number with more digits than Python writes
        return "..."


def spec_text(spec: Spec) -> str:
    """Shape, and the dtype where it is not the usual float32."""
    dtype = "" if spec.dtype == np.float32 else f" {spec.dtype}"
    return f"{show_shape(spec.shape)}{dtype}"


def display_name(value: Any) -> str | None:
    """The name that was given, or the variable of the user's code that holds the value."""
    name = getattr(value, "name", None)
    return name if isinstance(name, str) and name else name_in_frame(value, user_frame(2))


def _kind(value: Any) -> str:
    return "array" if isinstance(value, np.ndarray) else type(value).__name__.lower()
