"""Small translations between PyTorch's ways of giving arguments and dlgraph's."""

from __future__ import annotations

from typing import Any


def unsupported(what: str) -> None:
    from adapters import Unsupported  # of the yardsticks; there when one of them runs

    raise Unsupported(what)


def typed(x: Any, dtype: Any) -> Any:
    return x if dtype is None else x.astype(dtype)


def axes_of(dim: Any, ndim: int) -> Any:
    """Axes to reduce: those of a scalar, which PyTorch counts as one axis, are none."""
    if ndim == 0:
        return None
    return tuple(dim) if isinstance(dim, list) else dim


def dims(values: tuple) -> tuple:
    """Sizes or axes given one by one, or as one tuple."""
    if len(values) == 1 and isinstance(values[0], (tuple, list)):
        return tuple(values[0])
    return tuple(values)


def result_axis(axis: int, ndim: int) -> int:
    return axis % ndim


def integers(value: Any) -> list[int]:
    """A list of numbers, also from a tensor."""
    found = value.numpy().tolist() if hasattr(value, "numpy") else value
    return list(found) if isinstance(found, (tuple, list)) else [found]
