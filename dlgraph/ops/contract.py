"""Contractions: products summed over a shared axis.  Here: the matrix product."""

from __future__ import annotations

import operator
from typing import Any

from dlgraph.core.primitive import primitive
from dlgraph.core.spec import Dim, Spec, broadcast_shapes, common_dtype
from dlgraph.errors import ShapeError


def _matmul_spec(a: Spec, b: Spec) -> Spec:
    for spec, side in ((a, "left"), (b, "right")):
        if spec.ndim == 0:
            raise ShapeError(
                f"the {side} operand is a scalar, a matrix product needs at least one axis",
                where=None,
                hint="multiply by a number with *",
            )
    inner_a, inner_b = a.shape[-1], b.shape[-2 if b.ndim > 1 else 0]
    if not isinstance(inner_a, Dim) and not isinstance(inner_b, Dim) and inner_a != inner_b:
        raise ShapeError(
            f"inner sizes {inner_a} and {inner_b} differ", where=None, hint=_hint(a, b)
        )
    if isinstance(inner_a, Dim) and isinstance(inner_b, Dim):
        inner_a.join(inner_b)
    rows = a.shape[-2:-1] if a.ndim > 1 else ()
    columns = b.shape[-1:] if b.ndim > 1 else ()
    stack = broadcast_shapes(a.shape[:-2], b.shape[:-2])
    return Spec((*stack, *rows, *columns), common_dtype((a.dtype, b.dtype)))


def _hint(a: Spec, b: Spec) -> str:
    if b.ndim > 1 and a.shape[-1] == b.shape[-1]:
        return "the last sizes agree: transpose the right operand, a @ b.mT"
    if a.ndim > 1 and a.shape[-2] == b.shape[-2 if b.ndim > 1 else 0]:
        return "the left operand fits when transposed: a.mT @ b"
    return (
        "(n, k) @ (k, m) gives (n, m): the last size on the left must equal the first on the right"
    )


@primitive(
    kind="contract",
    infer=_matmul_spec,
    broadcasts=True,
    promotes=(0, 1),
    operator=operator.matmul,
    ufunc="matmul",
    text="{a} @ {b}",
    tex="{a} {b}",
    onnx="MatMul",
)
def matmul(xp: Any, a: Any, b: Any) -> Any:
    r"""Matrix product: $y_{ij} = \sum_k a_{ik} b_{kj}$, shapes (n, k) @ (k, m) -> (n, m).

    Further axes in front are a stack of matrices and broadcast (NumPy's `matmul`, not `dot`); a
    vector on the left is a row, on the right a column.

    >>> import dlgraph as dg
    >>> print(dg.matmul(dg.Tensor([[1.0, 2.0]]), dg.Tensor([[3.0], [4.0]])))
    [[11.]]
    """


def _left(g: Any, b: Any) -> Any:
    if b.ndim == 1:
        return g[..., None] * b
    if g.ndim < b.ndim:  # a was a row
        return (g[..., None, :] @ b.mT)[..., 0, :]
    return g @ b.mT


def _right(g: Any, a: Any) -> Any:
    if a.ndim == 1:
        return a[:, None] * g[..., None, :] if g.ndim else a * g
    if g.ndim < a.ndim:  # b was a column
        return (a.mT @ g[..., None])[..., 0]
    return a.mT @ g


matmul.vjp(a=_left, b=_right)
