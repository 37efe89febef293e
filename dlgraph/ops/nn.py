"""Softmax, cross-entropy and the losses for numbers; the other losses are in `losses.py`.

The cross-entropy of the softmax is one primitive on purpose: from logits it never computes the
logarithm of a probability that has already been rounded to 0.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numpy as np

from dlgraph.core.eager import from_list
from dlgraph.core.explain import describe_operand
from dlgraph.core.primitive import composite, primitive
from dlgraph.core.pulls import unchanged
from dlgraph.core.spec import Spec, normalise_axis, same_shape, show_shape, spec_of
from dlgraph.core.tensor import Tensor
from dlgraph.errors import DtypeError, ShapeError
from dlgraph.ops.copies import astype
from dlgraph.ops.labels import check_integers, check_labels
from dlgraph.ops.reduce import argmax, check_axis, element_count, mean, sum
from dlgraph.ops.shape import expand_dims
from dlgraph.ops.unary import absolute, exp, square


def _along_axis(x: Spec, axis: int) -> Spec:
    normalise_axis(axis, x.ndim)
    return x


@lru_cache(maxsize=8)
def row_starts(shape: tuple[int, ...]) -> np.ndarray:
    """The number of the first element of every row, when the rows are laid end to end."""
    made = np.arange(math.prod(shape[:-1]), dtype=np.int64) * shape[-1]
    made.flags.writeable = False
    return made


def _largest(x: Any, axis: int) -> Any:
    """The largest along the axis, which stays, with one place."""
    if type(x) is not np.ndarray:
        return x.max(axis=axis, keepdims=True)
    if x.ndim == 2 and x.size and axis % 2:
        if x.shape[0] > 20 * x.shape[1]:
            # NumPy compares whole rows ten times faster than the elements of one,
            return np.maximum.reduce(x.T.copy())[:, None]
        # and in a row it finds the position of the largest faster than what it is.
        return x.take(row_starts(x.shape) + x.argmax(1))[:, None]
    return np.maximum.reduce(x, axis, keepdims=True)


@primitive(kind="reduce", infer=_along_axis, floating=True, onnx="LogSoftmax")
def log_softmax(xp: Any, x: Any, *, axis: int = -1) -> Any:
    r"""Logarithm of the softmax, computed without overflow: $x_i - \ln \sum_j e^{x_j}$.

    >>> import dlgraph as dg
    >>> print(dg.log_softmax(dg.Tensor([0.0, 1000.0])))
    [-1000.     0.]
    """
    check_axis(x, axis)
    if not x.size:
        return x.copy()
    shifted = x - _largest(x, axis)
    return shifted - xp.log(xp.exp(shifted).sum(axis=axis, keepdims=True))


log_softmax.vjp(x=lambda g, y, axis: g - exp(y) * sum(g, axis=axis, keepdims=True))


@primitive(kind="reduce", infer=_along_axis, floating=True, onnx="Softmax")
def softmax(xp: Any, x: Any, *, axis: int = -1) -> Any:
    r"""Positive numbers that sum to 1 along the axis: $\frac{e^{x_i}}{\sum_j e^{x_j}}$.

    Computed without overflow: the largest is subtracted first, which changes no share.

    >>> import dlgraph as dg
    >>> print(dg.softmax(dg.Tensor([0.0, 0.0])))
    [0.5 0.5]
    """
    check_axis(x, axis)
    if not x.size:
        return x.copy()
    shares = x - _largest(x, axis)
    xp.exp(shares, out=shares)
    shares /= xp.add.reduce(shares, axis, keepdims=True)
    return shares


softmax.vjp(x=lambda g, y, axis: y * (g - sum(g * y, axis=axis, keepdims=True)))


ONE_HOT = "one-hot labels? use labels.argmax(1)"


def _cross_entropy_spec(logits: Spec, labels: Spec) -> Spec:
    if logits.dtype.kind != "f":
        raise DtypeError(f"logits are floating point, not {logits.dtype}", where=None)
    if labels.shape == logits.shape:
        check_integers(labels.dtype, ONE_HOT)
    check_integers(labels.dtype)
    if logits.ndim < 1 or not same_shape(labels.shape, logits.shape[:-1]):
        hint = None
        if labels.ndim == logits.ndim:
            column = labels.shape[-1] == 1
            hint = "remove the last axis: labels.squeeze(-1)" if column else ONE_HOT
        raise ShapeError(
            f"labels {show_shape(labels.shape)} must have the shape of the logits "
            f"{show_shape(logits.shape)} without their last axis, the classes",
            where=None,
            hint=hint,
        )
    return Spec(logits.shape[:-1], logits.dtype)


def _places(xp: Any, labels: Any, rows: Any) -> Any:
    """Where the element of each label stands when the rows are laid end to end."""
    starts = row_starts(rows.shape) if xp is np else xp.arange(0, rows.size, rows.shape[-1])
    flat = labels if labels.ndim == 1 else labels.reshape(-1)
    return starts + (flat if flat.dtype.kind == "i" else flat.astype(np.int64))


def _losses(xp: Any, logits: Any, labels: Any) -> tuple[Any, Any]:
    """The losses, and what their gradient needs: exponentials, their sums, places of the labels."""
    if labels.shape != logits.shape[:-1] or logits.dtype.kind != "f":
        _cross_entropy_spec(spec_of(logits), spec_of(labels))  # which says what is wrong
    check_labels(labels, logits.shape[-1])
    exponentials = logits - _largest(logits, -1)
    places = _places(xp, labels, exponentials)
    chosen = exponentials.take(places)
    if labels.ndim != 1:
        chosen = chosen.reshape(labels.shape)
    xp.exp(exponentials, out=exponentials)
    sums = xp.add.reduce(exponentials, -1)
    return xp.log(sums) - chosen, (exponentials, sums, places)


@primitive(
    kind="loss",
    infer=_cross_entropy_spec,
    residual=_losses,
    onnx="SoftmaxCrossEntropyLoss",
)
def softmax_cross_entropy(xp: Any, logits: Any, labels: Any) -> Any:
    r"""Cross-entropy of the softmax of `logits`, one value per sample.

    $\ell_n = \ln \sum_j e^{z_{nj}} - z_{n,t_n}$; logits (..., classes) floating, labels
    (...) integers 0 ... classes - 1; the result has the shape of the labels.  Stable for logits of
    any size.

    >>> import dlgraph as dg
    >>> print(dg.softmax_cross_entropy(dg.Tensor([[1000.0, 0.0]]), dg.Tensor([1])))
    [1000.]
    """
    return _losses(xp, logits, labels)[0]


def _minus_one_hot_spec(probabilities: Spec, labels: Spec) -> Spec:
    return probabilities


@primitive(kind="index", infer=_minus_one_hot_spec, text="{probabilities} - one_hot({labels})")
def minus_one_hot(xp: Any, probabilities: Any, labels: Any) -> Any:
    """1 subtracted at the place of each label: the heart of the cross-entropy's gradient.

    Raises `LabelError` for a label that is not 0 ... classes - 1.

    >>> import dlgraph as dg
    >>> print(dg.minus_one_hot(dg.Tensor([[0.25, 0.75]]), dg.Tensor([1])))
    [[ 0.25 -0.25]]
    """
    check_labels(labels, probabilities.shape[-1])
    flat = probabilities.reshape(-1).copy()
    flat[_places(xp, labels, probabilities)] -= 1
    return flat.reshape(probabilities.shape)


minus_one_hot.vjp(probabilities=unchanged)


def _cross_entropy_rule(g: Any, logits: Any, labels: Any, residual: Any) -> Any:
    if residual is not None and not isinstance(g, Tensor):
        return _slope(residual, g[..., None])
    return minus_one_hot(softmax(logits), labels) * expand_dims(g, axis=-1)


def _slope(residual: Any, factor: Any) -> Any:
    """The rules of the cross-entropies on arrays: the same bits, from what is known already."""
    exponentials, sums, places = residual
    slope = exponentials / sums[..., None]
    flat = slope.reshape(-1)
    flat[places] -= 1
    slope = flat.reshape(slope.shape)
    slope *= factor
    return slope


softmax_cross_entropy.vjp(logits=_cross_entropy_rule)


def _mean_spec(logits: Spec, labels: Spec) -> Spec:
    return Spec((), _cross_entropy_spec(logits, labels).dtype)


def _mean_loss(xp: Any, logits: Any, labels: Any) -> tuple[Any, Any]:
    losses, residual = _losses(xp, logits, labels)
    return xp.add.reduce(losses, None) / losses.size, residual


@primitive(
    kind="loss",
    infer=_mean_spec,
    residual=_mean_loss,
    text="cross_entropy({logits}, {labels})",
    onnx="SoftmaxCrossEntropyLoss",
)
def mean_cross_entropy(xp: Any, logits: Any, labels: Any) -> Any:
    r"""Mean over all samples of `softmax_cross_entropy`, the usual loss: one number.

    $\frac{1}{N} \sum_n \bigl( \ln \sum_j e^{z_{nj}} - z_{n,t_n} \bigr)$.

    >>> import dlgraph as dg
    >>> print(dg.mean_cross_entropy(dg.Tensor([[4.0, 0.0], [0.0, 4.0]]), dg.Tensor([0, 0])))
    2.01815
    """
    return _mean_loss(xp, logits, labels)[0]


def _mean_cross_entropy_rule(g: Any, logits: Any, labels: Any, residual: Any) -> Any:
    if residual is not None and not isinstance(g, Tensor):
        return _slope(residual, g / residual[1].size)
    samples = element_count(logits, axis=tuple(range(logits.ndim - 1)))
    return minus_one_hot(softmax(logits), labels) * (g / samples)


mean_cross_entropy.vjp(logits=_mean_cross_entropy_rule)


def _paired(name: str, prediction: Any, target: Any) -> None:
    a, b = spec_of(prediction), spec_of(target)
    if same_shape(a.shape, b.shape) or b.shape == ():
        return
    column = {1, 2} == {a.ndim, b.ndim} and 1 in (a.shape[-1:] + b.shape[-1:])
    reason = "broadcasting would compare every prediction with every target"
    raise ShapeError(
        f"{name}: {describe_operand(prediction)} against {describe_operand(target)}: "
        + (reason if column else "every prediction needs one target"),
        hint="make the shapes equal: prediction.squeeze(-1), or target[:, None]"
        if column
        else "make the shapes equal",
    )


@composite
def mse_loss(prediction: Any, target: Any) -> Any:
    r"""Mean squared error: $\frac{1}{n} \sum_i (p_i - t_i)^2$.

    The shapes must be equal; (n,) against (n, 1) is an error, since broadcasting would make an
    (n, n) table of differences.

    >>> import dlgraph as dg
    >>> print(dg.mse_loss(dg.Tensor([1.0, 2.0]), dg.Tensor([1.0, 4.0])))
    2.0
    """
    prediction = from_list(prediction)
    _paired("mse_loss", prediction, target)
    return mean(square(prediction - target))


@composite
def l1_loss(prediction: Any, target: Any) -> Any:
    r"""Mean absolute error: $\frac{1}{n} \sum_i |p_i - t_i|$; shapes must be equal.

    >>> import dlgraph as dg
    >>> print(dg.l1_loss(dg.Tensor([1.0, 2.0]), dg.Tensor([1.0, 4.0])))
    1.0
    """
    prediction = from_list(prediction)
    _paired("l1_loss", prediction, target)
    return mean(absolute(prediction - target))


@composite
def accuracy(logits: Any, labels: Any) -> Any:
    """Share of rows whose largest logit is at the label; a float32 scalar.

    >>> import dlgraph as dg
    >>> print(dg.accuracy(dg.Tensor([[2.0, 1.0], [0.0, 3.0]]), dg.Tensor([0, 0])))
    0.5
    """
    labels_spec = spec_of(labels)
    if not same_shape(labels_spec.shape, spec_of(logits).shape[:-1]):
        raise ShapeError(
            f"accuracy: logits {show_shape(spec_of(logits).shape)} and labels "
            f"{show_shape(labels_spec.shape)} do not belong together",
            hint="labels have the shape of the logits without the last axis",
        )
    return mean(astype(argmax(logits, axis=-1) == labels, "float32"))
