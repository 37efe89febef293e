"""Operations that passes write: several steps in one, for executors that can run them so.

Nobody has to use them by hand.  They are ordinary primitives, so a rewritten graph can be printed,
drawn, differentiated and run by any executor.
"""

from __future__ import annotations

from typing import Any

from dlgraph.core.body import Body
from dlgraph.core.calls import call
from dlgraph.core.primitive import primitive
from dlgraph.core.spec import Spec, broadcast_shapes, same_shape, show_shape, spec_of
from dlgraph.errors import ShapeError
from dlgraph.ops.contract import matmul
from dlgraph.ops.copies import zeros_like
from dlgraph.ops.labels import check_labels
from dlgraph.ops.nn import _cross_entropy_spec, _places, minus_one_hot
from dlgraph.ops.reduce import sum
from dlgraph.ops.shape import expand_dims


def _gemm_spec(a: Spec, b: Spec, c: Spec, alpha: Spec, ta: bool, tb: bool, beta: float) -> Spec:
    if a.ndim != 2 or b.ndim != 2 or alpha.ndim:
        raise ShapeError(
            f"gemm takes two matrices and a number, not {show_shape(a.shape)}, "
            f"{show_shape(b.shape)} and {show_shape(alpha.shape)}",
            where=None,
        )
    left = a._replace(shape=a.shape[::-1]) if ta else a
    right = b._replace(shape=b.shape[::-1]) if tb else b
    made = matmul.infer(left, right)
    if not same_shape(made.shape, c.shape):
        raise ShapeError(
            f"gemm adds {show_shape(c.shape)} to a product of shape {show_shape(made.shape)}",
            where=None,
            hint="nothing is stretched here: both must have the same shape",
        )
    return Spec(c.shape, made.dtype)


@primitive(
    kind="contract",
    infer=_gemm_spec,
    promotes=(0, 1, 2, 3),
    text="{alpha} * {a} @ {b} + {c}",
    tex="{alpha} {a} {b} + {c}",
    onnx="Gemm",
)
def gemm(
    xp: Any, a: Any, b: Any, c: Any, alpha: Any, *, ta: bool = False, tb: bool = False, beta: float
) -> Any:
    r"""Product and sum in one: $y = \alpha\, A B + \beta\, C$ (the BLAS routine of this name).

    `ta` and `tb` take $A^\top$ and $B^\top$ instead.  All three are matrices of one floating
    dtype, $\alpha$ is a scalar; nothing is stretched.  The pass `update` makes gradient
    descent out of it: the product that would be the gradient is added to the weights at once.

    >>> import dlgraph as dg
    >>> from dlgraph.ops.fused import gemm
    >>> x, d, w = dg.Tensor([[1.0, 2.0]]), dg.Tensor([[3.0]]), dg.Tensor([[1.0], [1.0]])
    >>> print(gemm(x, d, w, dg.Tensor(-0.5), ta=True, beta=1.0))
    [[-0.5]
     [-2. ]]
    """
    product = xp.matmul(a.T if ta else a, b.T if tb else b)
    return product * alpha + (c if beta == 1.0 else c * c.dtype.type(beta))


def _gemm_a(g: Any, b: Any, alpha: Any, ta: bool, tb: bool) -> Any:
    right = b if tb else b.mT
    return (g @ right).mT * alpha if ta else (g @ right) * alpha


def _gemm_b(g: Any, a: Any, alpha: Any, ta: bool, tb: bool) -> Any:
    left = a if ta else a.mT
    return (left @ g).mT * alpha if tb else (left @ g) * alpha


def _gemm_alpha(g: Any, a: Any, b: Any, ta: bool, tb: bool) -> Any:
    return sum(g * ((a.mT if ta else a) @ (b.mT if tb else b)))


gemm.vjp(a=_gemm_a, b=_gemm_b, c=lambda g, beta: g * beta, alpha=_gemm_alpha)


def _from_sums_spec(shifted: Spec, sums: Spec, labels: Spec) -> Spec:
    made = _cross_entropy_spec(shifted, labels)
    if not same_shape(sums.shape, made.shape):
        raise ShapeError(
            f"there is one sum for each label, not {show_shape(sums.shape)} for labels "
            f"{show_shape(labels.shape)}",
            where=None,
        )
    return made


@primitive(
    kind="loss", infer=_from_sums_spec, promotes=(0, 1), text="log({sums}) - {shifted}[{labels}]"
)
def cross_entropy_from_sums(xp: Any, shifted: Any, sums: Any, labels: Any) -> Any:
    r"""Cross-entropy of a softmax of which the sums are known: $\ell_n = \ln s_n - z_{n,t_n}$.

    `shifted` (..., classes) are logits, usually less their largest; `sums` (...) those of
    their exponentials; `labels` (...) integers 0 ... classes - 1.  The pass `softmax` writes it, so
    that the gradient can use the same exponentials.

    >>> import dlgraph as dg
    >>> from dlgraph.ops.fused import cross_entropy_from_sums
    >>> z = dg.Tensor([[0.0, -1.0]])
    >>> print(cross_entropy_from_sums(z, dg.exp(z).sum(axis=-1), dg.Tensor([1])))
    [1.31326]
    """
    if labels.shape != shifted.shape[:-1] or shifted.dtype.kind != "f":
        _from_sums_spec(spec_of(shifted), spec_of(sums), spec_of(labels))  # says what is wrong
    check_labels(labels, shifted.shape[-1])
    chosen = shifted.take(_places(xp, labels, shifted)).reshape(labels.shape)
    return xp.log(sums) - chosen


def _from_sums_rule(g: Any, shifted: Any, labels: Any) -> Any:
    return minus_one_hot(zeros_like(shifted), labels) * expand_dims(g, axis=-1)


cross_entropy_from_sums.vjp(shifted=_from_sums_rule, sums=lambda g, sums: g / sums)


def _fused_spec(*values: Spec, body: Body) -> Spec:
    specs: dict[int, Any] = dict(zip(body.all_inputs, values, strict=True))
    for index, record in enumerate(body.records):
        if index not in specs:
            inputs = [specs[i] for i in record.inputs]
            inferred = record.primitive.infer(*inputs, **record.attrs) if inputs else record.spec
            specs[index] = inferred
    made = specs[body.outputs[0]]
    return Spec(broadcast_shapes(made.shape, *(spec.shape for spec in values)), made.dtype)


@primitive(kind="elementwise", infer=_fused_spec, text="fused({values})")
def fused(xp: Any, *values: Any, body: Body) -> Any:
    """A group of element-wise operations as one: a body with one output.

    Executors that generate code make one loop of it, which reads every input and writes the
    output once; NumPy runs the operations one by one.

    >>> import dlgraph as dg
    >>> from dlgraph.core.body import Body
    >>> from dlgraph.ops.fused import fused
    >>> body, pair = Body("tanh of a sum"), dg.Tensor([0.0, 0.0]).spec
    >>> with body.as_default():
    ...     a, b = body.input(pair), body.input(pair)
    ...     body.outputs = [dg.tanh(a + b).index]
    >>> print(fused(dg.Tensor([0.0, 1.0]), dg.Tensor([0.0, 0.0]), body=body))
    [0. 0.76159]
    """
    return body.run(values)


fused.joint = call.joint
