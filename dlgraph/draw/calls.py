"""What `dg.build` is given: a function, of which the source is needed, and its arguments."""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Sequence
from typing import Any

import numpy as np

from dlgraph.core.parameter import Parameter
from dlgraph.core.tensor import Tensor, value_of
from dlgraph.errors import OperationError


def source_of(function: Any) -> tuple[list[str], int]:
    """The lines of a function, without what they are all indented by, and where they start."""
    called = getattr(function, "__name__", "")
    if not (inspect.isfunction(function) or inspect.ismethod(function)):
        what = called or f"an object of class {type(function).__name__}"
        raise OperationError(
            f"build: {what} is not a Python function with lines to follow",
            hint="pass a function: dg.build(lambda x: model(x), x)",
        )
    try:
        lines, first = inspect.getsourcelines(function)
    except (OSError, TypeError):
        raise OperationError(
            f"build: the source of {called} is not at hand, so its lines cannot be shown",
            hint="define it with `def` in a notebook cell or in a file (not with exec, and not in "
            "an interactive Python prompt)",
        ) from None
    text = textwrap.dedent("".join(lines)).rstrip("\n")
    return text.expandtabs(4).split("\n"), first


def arguments_of(function: Any, values: Sequence[Any]) -> list[tuple[str, Any]]:
    """The arguments with the names of the parameters; numbers and arrays as tensors."""
    signature = inspect.signature(function)
    try:
        bound = signature.bind(*values).arguments
    except TypeError as error:
        raise OperationError(
            f"build: {function.__name__}{signature} cannot be called with {len(values)} "
            f"value{'s' * (len(values) != 1)}: {error}",
            hint="pass one value per argument: dg.build(f, 4.0, 5.0)",
        ) from None
    named = []
    for name, value in bound.items():
        several = signature.parameters[name].kind is inspect.Parameter.VAR_POSITIONAL
        parts = value if several else [value]
        for place, part in enumerate(parts):
            named.append((f"{name}{place}" if several else name, _as_tensor(part)))
    return named


def _as_tensor(value: Any) -> Any:
    """A fresh tensor for a number, a list, an array or a tensor; anything else as it is."""
    if isinstance(value, (Parameter, bool, str)) or value is None:
        return value
    if isinstance(value, Tensor):
        return Tensor(value_of(value), requires_grad=value.requires_grad)
    if isinstance(value, (int, float, list, np.ndarray, np.generic)):
        return Tensor(value)
    return value
