"""The same value again: under another name, without gradient, in another element type.

And zeros or ones of the same shape.  Next: `reduce.py`, sums over axes.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from dlgraph.core.eager import from_list
from dlgraph.core.primitive import composite, primitive
from dlgraph.core.pulls import unchanged
from dlgraph.core.spec import Spec
from dlgraph.core.values import element_type


@primitive(kind="elementwise", shape_only=("x",))
def zeros_like(xp: Any, x: Any) -> Any:
    """Zeros of the same shape and dtype.

    >>> import dlgraph as dg
    >>> print(dg.zeros_like(dg.Tensor([1.0, 2.0])))
    [0. 0.]
    """
    return xp.zeros_like(x)


@primitive(kind="elementwise", shape_only=("x",))
def ones_like(xp: Any, x: Any) -> Any:
    """Ones of the same shape and dtype.

    >>> import dlgraph as dg
    >>> print(dg.ones_like(dg.Tensor([1.0, 2.0])))
    [1. 1.]
    """
    return xp.ones_like(x)


@primitive(kind="view", text="{x}")
def identity(xp: Any, x: Any) -> Any:
    """The same value under another name.

    >>> import dlgraph as dg
    >>> print(dg.identity(dg.Tensor(2.0)))
    2.0
    """
    return x


identity.vjp(x=unchanged)


@primitive(kind="view")
def stop_gradient(xp: Any, x: Any) -> Any:
    """The same value; no gradient flows back through it.

    >>> import dlgraph as dg
    >>> x = dg.Tensor(2.0, requires_grad=True)
    >>> (x * dg.stop_gradient(x)).backward()
    >>> print(x.grad)
    2.0
    """
    return x


def _cast_spec(x: Spec, dtype: Any) -> Spec:
    return Spec(x.shape, np.dtype(dtype))


@primitive(kind="elementwise", infer=_cast_spec, text="cast({x})", onnx="Cast")
def cast(xp: Any, x: Any, *, dtype: Any) -> Any:
    """The same values in another floating point type; use `astype`.

    >>> import dlgraph as dg
    >>> dg.cast(dg.Tensor([1, 2]), dtype="float64").dtype
    dtype('float64')
    """
    return x.astype(dtype)


cast.vjp(x=lambda g, like_x: cast(g, dtype=like_x.dtype))


@primitive(kind="elementwise", infer=_cast_spec, text="cast({x})", onnx="Cast")
def to_integer(xp: Any, x: Any, *, dtype: Any) -> Any:
    """The values cut to integers or booleans, without gradient; use `astype`.

    >>> import dlgraph as dg
    >>> print(dg.to_integer(dg.Tensor([1.7, -1.7]), dtype="int64"))
    [ 1 -1]
    """
    return x.astype(dtype)


@composite
def astype(x: Any, dtype: Any) -> Any:
    """The same values in another element type, the only way in which a dtype changes.

    >>> import dlgraph as dg
    >>> print(dg.astype(dg.Tensor([0, 3]), "float32"))
    [0. 3.]
    """
    x = from_list(x)
    target = element_type(dtype)
    if x.dtype == target:
        return x
    return cast(x, dtype=target) if target.kind in "fc" else to_integer(x, dtype=target)
