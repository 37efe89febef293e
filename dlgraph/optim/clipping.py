"""Gradient clipping: one formula for gradients as arrays, tensors or nodes.

`clip_by_norm` and `clip_by_value` map gradients to gradients; `clip_grad_norm` and
`clip_grad_value` do it in place with the `.grad` of parameters; `minimize(loss, clip_norm=...)`
writes it into a graph.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from dlgraph.core.tensor import Tensor
from dlgraph.errors import BackwardError, OperationError
from dlgraph.ops.arithmetic import maximum, minimum
from dlgraph.ops.copies import astype
from dlgraph.ops.reduce import sum
from dlgraph.ops.unary import sqrt, square
from dlgraph.optim.groups import leaves
from dlgraph.optim.options import within


def global_norm(gradients: Sequence[Any]) -> Any:
    r"""Length of all gradients taken as one vector: $\sqrt{\sum_k \sum_i g_{ki}^2}$, float64.

    >>> import dlgraph as dg
    >>> print(dg.optim.global_norm([dg.Tensor([3.0]), dg.Tensor([0.0, 4.0])]))
    5.0
    """
    total: Any = None
    for g in gradients:
        part = astype(sum(square(g)), "float64")
        total = part if total is None else total + part
    if total is None:
        raise OperationError("global_norm: no gradients were given")
    return sqrt(total)


def clip_by_norm(gradients: Sequence[Any], limit: float) -> tuple[list[Any], Any]:
    r"""Gradients scaled down together so that their global norm is at most `limit`; and the norm.

    $g_k \leftarrow g_k \cdot \min\!\left(1, \frac{c}{\lVert g \rVert + 10^{-6}}\right)$ with
    the limit $c$ (Pascanu et al., "On the difficulty of training recurrent neural networks",
    ICML 2013; the small constant is PyTorch's).  The norm returned is that before clipping.
    A NaN in one gradient makes all of them NaN.

    >>> import dlgraph as dg
    >>> clipped, norm = dg.optim.clip_by_norm([dg.Tensor([3.0]), dg.Tensor([0.0, 4.0])], 1.0)
    >>> print(*clipped, norm)
    [0.60] [0.0 0.80] 5.0
    """
    _check_limit("clip_by_norm", limit)
    norm = global_norm(gradients)
    factor = minimum(float(limit) / (norm + 1e-6), 1.0)
    return [g * astype(factor, g.dtype) for g in gradients], norm


def clip_by_value(gradients: Sequence[Any], limit: float) -> list[Any]:
    r"""Every element of every gradient brought into $[-c, c]$.

    >>> import dlgraph as dg
    >>> print(*dg.optim.clip_by_value([dg.Tensor([-3.0, 0.5])], 1.0))
    [-1.0 0.5]
    """
    _check_limit("clip_by_value", limit)
    limit = float(limit)
    return [minimum(maximum(g, -limit), limit) for g in gradients]


def clip_grad_norm(parameters: Iterable[Tensor], limit: float) -> float:
    """Clip the `.grad` of parameters by their global norm; the norm before clipping.

    Call it between `backward()` and `step()`.  Parameters without a gradient are left out.
    Raises `BackwardError` if none has one.

    >>> import dlgraph as dg
    >>> w = dg.Parameter([1.0, 1.0])
    >>> (w * dg.Tensor([3.0, 4.0])).sum().backward()
    >>> print(dg.optim.clip_grad_norm([w], 1.0), w.grad)
    5.0 [0.60 0.80]
    """
    ready = _with_gradient("clip_grad_norm", parameters)
    clipped, norm = clip_by_norm([_values(p) for p in ready], limit)
    for p, g in zip(ready, clipped, strict=True):
        p._grad = g
    return float(norm)


def clip_grad_value(parameters: Iterable[Tensor], limit: float) -> None:
    """Bring every element of the `.grad` of parameters into [-limit, limit].

    >>> import dlgraph as dg
    >>> w = dg.Parameter([1.0, 1.0])
    >>> (w * dg.Tensor([3.0, 0.5])).sum().backward()
    >>> dg.optim.clip_grad_value([w], 1.0)
    >>> print(w.grad)
    [1.0 0.5]
    """
    ready = _with_gradient("clip_grad_value", parameters)
    for p, g in zip(ready, clip_by_value([_values(p) for p in ready], limit), strict=True):
        p._grad = g


def _with_gradient(who: str, parameters: Iterable[Tensor]) -> list[Tensor]:
    ready = [p for p in leaves(who, parameters) if p._grad is not None]
    if not ready:
        raise BackwardError(
            f"{who}: none of the parameters has a gradient", hint="call loss.backward() first"
        )
    return ready


def _values(p: Tensor) -> Any:
    return p._grad._data if isinstance(p._grad, Tensor) else p._grad


def _check_limit(who: str, limit: Any) -> None:
    if not within(limit, 0.0) or not limit:
        raise OperationError(f"{who}: the limit is a number above 0, not {limit!r}")
