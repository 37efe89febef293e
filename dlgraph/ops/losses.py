r"""Losses beyond squared and absolute error: classification with all options, Huber, divergences.

Every loss takes `reduction`: "mean" (the default), "sum", or "none" for one value per element or
sample.  Targets are compared with predictions of the same shape.
"""

from __future__ import annotations

from typing import Any

from dlgraph.core.arrays import is_array
from dlgraph.core.eager import from_list
from dlgraph.core.explain import describe_operand
from dlgraph.core.primitive import composite, primitive
from dlgraph.core.spec import Dim, Spec, same_shape, show_shape, spec_of
from dlgraph.core.tensor import Tensor, value_of
from dlgraph.errors import DtypeError, OperationError, ShapeError
from dlgraph.ops.activations import softplus
from dlgraph.ops.comparison import greater_equal, less_equal, not_equal, where
from dlgraph.ops.functions import log1p, xlogy
from dlgraph.ops.index import put_along_axis, take
from dlgraph.ops.labels import check_integers, check_labels
from dlgraph.ops.nn import (
    _paired,
    _places,
    log_softmax,
    mean_cross_entropy,
    softmax_cross_entropy,
)
from dlgraph.ops.reduce import element_count, mean, sum
from dlgraph.ops.shape import expand_dims
from dlgraph.ops.unary import absolute, exp, log, square

ROUNDING = 1e-6  # a probability may be so far beyond 0 or 1


def reduced(name: str, losses: Any, reduction: str) -> Any:
    """The losses as they are, their sum or their mean."""
    if reduction == "none":
        return losses
    if reduction not in ("mean", "sum"):
        raise OperationError(
            f"{name}: unknown reduction {reduction!r}", hint='"mean", "sum" or "none"'
        )
    return mean(losses) if reduction == "mean" else sum(losses)


def _listed(values: Any, like: Any) -> Any:
    """Lists of numbers as a tensor in the dtype of the predictions; anything else as it is."""
    return Tensor(values, dtype=like.dtype) if isinstance(values, (list, tuple)) else values


def _class_weights(name: str, weights: Any, logits: Any) -> Any:
    """The weights of the classes, if there is one for each."""
    weights = _listed(weights, logits)
    shape, classes = () if weights is None else spec_of(weights).shape, spec_of(logits).shape[-1]
    known = not any(isinstance(size, Dim) for size in (*shape, classes))
    if weights is not None and (len(shape) != 1 or (known and shape != (classes,))):
        raise ShapeError(
            f"{name}: weights {show_shape(shape)} for {classes} classes",
            hint='one weight per class; those of samples multiply the losses of reduction="none"',
        )
    return weights


# ---- classes -------------------------------------------------------------------------------------


@composite
def cross_entropy(
    logits: Any,
    labels: Any,
    *,
    weights: Any = None,
    ignore: int | None = None,
    smoothing: float = 0.0,
    reduction: str = "mean",
) -> Any:
    r"""Softmax cross-entropy: the loss for classification.

    Takes logits (..., classes), not probabilities: a softmax layer in front would be applied
    twice.  Labels (...) are class numbers, or (..., classes) probabilities.  `weights` (classes)
    makes some classes count more (the mean is then the weighted mean), samples with the label
    `ignore` count nothing, `smoothing` takes that share of the probability from the label and
    gives it to all classes alike.

    >>> import dlgraph as dg
    >>> print(dg.cross_entropy(dg.Tensor([[0.0, 0.0]]), dg.Tensor([0])))
    0.69315
    >>> print(dg.cross_entropy(dg.Tensor([[9.0, 0.0], [0.0, 0.0]]), dg.Tensor([-1, 0]), ignore=-1))
    0.69315
    """
    usual = weights is None and ignore is None and not smoothing
    soft = _kind(labels) == "f"
    if usual and not soft and reduction == "mean":
        return mean_cross_entropy(logits, labels)
    logits = from_list(logits)
    if not 0 <= smoothing <= 1:
        raise OperationError(f"cross_entropy: smoothing is a share from 0 to 1, not {smoothing}")
    if soft and spec_of(labels).ndim == spec_of(logits).ndim:
        return _soft_cross_entropy(logits, labels, weights, smoothing, reduction)
    if usual:
        return reduced("cross_entropy", softmax_cross_entropy(logits, labels), reduction)
    weights = _class_weights("cross_entropy", weights, logits)
    counts = None if ignore is None else not_equal(labels, ignore)
    # An ignored label may be no class at all: it is looked up as class 0, and its loss dropped.
    safe = labels if counts is None else where(counts, labels, 0)
    losses = softmax_cross_entropy(logits, safe)
    if weights is not None:
        losses = losses * take(weights, safe)
    if smoothing:
        uniform = -log_softmax(logits, axis=-1)
        if weights is not None:
            uniform = uniform * weights
        losses = losses * (1 - smoothing) + mean(uniform, axis=-1) * smoothing
    return _weighted("cross_entropy", losses, safe, counts, weights, reduction)


def _kind(value: Any) -> str:
    return (value if hasattr(value, "dtype") else spec_of(value)).dtype.kind


def _soft_cross_entropy(
    logits: Any, target: Any, weights: Any, smoothing: float, reduction: str
) -> Any:
    _paired("cross_entropy", logits, target)
    given, wanted = spec_of(target).dtype, spec_of(logits).dtype
    if hasattr(target, "dtype") and given != wanted:
        raise DtypeError(
            f"cross_entropy: the labels {describe_operand(target)} are {given} probabilities, the "
            f"logits {describe_operand(logits)} are {wanted}",
            hint=f'labels.astype("{wanted}"); one-hot labels: labels.argmax(-1)',
        )
    log_p = log_softmax(logits, axis=-1)
    smooth = target
    if smoothing:
        smooth = target * (1 - smoothing) + smoothing / element_count(target, axis=-1)
    terms = smooth * log_p if weights is None else smooth * log_p * weights
    return reduced("cross_entropy", -sum(terms, axis=-1), reduction)


def _weighted(
    name: str, losses: Any, labels: Any, counts: Any, weights: Any, reduction: str
) -> Any:
    """The reduction of losses some of which do not count, or count more than others."""
    if counts is not None:
        losses = where(counts, losses, 0.0)
    if reduction != "mean" or (counts is None and weights is None):
        return reduced(name, losses, reduction)
    share = losses * 0 + 1 if weights is None else take(weights, labels)
    if counts is not None:
        share = where(counts, share, 0.0)
    return sum(losses) / sum(share)


def _likelihood_spec(log_probabilities: Spec, labels: Spec) -> Spec:
    check_integers(labels.dtype)
    rows = log_probabilities.shape[:-1]
    if not log_probabilities.ndim or not same_shape(labels.shape, rows):
        raise ShapeError(
            f"labels {show_shape(labels.shape)} for {show_shape(log_probabilities.shape)}",
            where=None,
            hint="labels have the shape of the logarithms without their last axis, the classes",
        )
    return Spec(rows, log_probabilities.dtype)


@primitive(kind="loss", infer=_likelihood_spec, text="nll_loss({log_probabilities}, {labels})")
def negative_log_likelihood(xp: Any, log_probabilities: Any, labels: Any) -> Any:
    r"""$-\ln p_{n,t_n}$, one value per sample: the `nll_loss` before its reduction.

    Raises `LabelError` for a label that is not 0 ... classes - 1: looked up as it is, -1 would be
    the last class, without a word.

    >>> import dlgraph as dg
    >>> print(dg.negative_log_likelihood(dg.Tensor([[-1.0, -2.0]]), dg.Tensor([1])))
    [2.]
    """
    if labels.shape != log_probabilities.shape[:-1]:
        _likelihood_spec(spec_of(log_probabilities), spec_of(labels))  # which says what is wrong
    check_labels(labels, log_probabilities.shape[-1])
    chosen = log_probabilities.take(_places(xp, labels, log_probabilities))
    return -chosen.reshape(labels.shape)


negative_log_likelihood.vjp(
    log_probabilities=lambda g, like_log_probabilities, labels: put_along_axis(
        expand_dims(-g, axis=-1), like_log_probabilities, expand_dims(labels, axis=-1), axis=-1
    )
)


@composite
def nll_loss(
    log_probabilities: Any,
    labels: Any,
    *,
    weights: Any = None,
    ignore: int | None = None,
    reduction: str = "mean",
) -> Any:
    r"""Negative log-likelihood: $-\ln p_{t}$, from logarithms of probabilities (..., classes).

    `cross_entropy` is this loss of `log_softmax(logits)`, in one step.

    Raises `DtypeError` for labels that are no integers, and `LabelError` for those that are no
    class.

    >>> import dlgraph as dg
    >>> print(dg.nll_loss(dg.Tensor([[-1.0, -2.0]]), dg.Tensor([1])))
    2.0
    """
    log_probabilities, labels = from_list(log_probabilities), from_list(labels)
    weights = _class_weights("nll_loss", weights, log_probabilities)
    counts = None if ignore is None else not_equal(labels, ignore)
    safe = labels if counts is None else where(counts, labels, 0)
    losses = negative_log_likelihood(log_probabilities, safe)
    if weights is not None:
        losses = losses * take(weights, safe)
    return _weighted("nll_loss", losses, safe, counts, weights, reduction)


@composite
def binary_cross_entropy(
    probabilities: Any, target: Any, *, weights: Any = None, reduction: str = "mean"
) -> Any:
    r"""$-t \ln p - (1 - t) \ln (1 - p)$; logarithms are not taken below -100.

    Raises `OperationError` for probabilities below 0 or above 1, where there are values to look
    at (not in a graph that is being built).

    >>> import dlgraph as dg
    >>> print(dg.binary_cross_entropy(dg.Tensor([0.5]), dg.Tensor([1.0])))
    0.69315
    """
    probabilities = from_list(probabilities)
    target, weights = (_listed(values, probabilities) for values in (target, weights))
    _paired("binary_cross_entropy", probabilities, target)
    _check_probabilities(probabilities)
    # Asked in this way round a NaN is neither, and shows in the loss.
    none, sure = less_equal(probabilities, 0), greater_equal(probabilities, 1)
    log_p = where(none, -100.0, log(where(none, 1.0, probabilities)))
    log_q = where(sure, -100.0, log1p(-where(sure, 0.0, probabilities)))
    losses = -(target * log_p + (1 - target) * log_q)
    if weights is not None:
        losses = losses * weights
    return reduced("binary_cross_entropy", losses, reduction)


def _check_probabilities(p: Any) -> None:
    # Scores would give a loss below 0, and a training that runs away, without a word.
    data = value_of(p) if isinstance(p, Tensor) else p
    if not is_array(data) or data.dtype.kind != "f" or not data.size:
        return
    low, high = data.min(), data.max()
    if low < -ROUNDING or high > 1 + ROUNDING:
        raise OperationError(
            f"binary_cross_entropy: probabilities are between 0 and 1, {describe_operand(p)} "
            f"reaches from {low:.6g} to {high:.6g}",
            hint="dg.sigmoid(scores) makes probabilities; "
            "dg.binary_cross_entropy_with_logits takes the scores",
        )


@composite
def binary_cross_entropy_with_logits(
    logits: Any,
    target: Any,
    *,
    weights: Any = None,
    positive_weight: Any = None,
    reduction: str = "mean",
) -> Any:
    r"""Binary cross-entropy of $\sigma(z)$, from logits of any size: $(1 - t) z + \ln(1 + e^{-z})$.

    `positive_weight` makes positive targets count more.

    >>> import dlgraph as dg
    >>> loss = dg.binary_cross_entropy_with_logits(dg.Tensor([0.0, 1000.0]), dg.Tensor([1.0, 1.0]))
    >>> print(loss)
    0.34657
    """
    logits = from_list(logits)
    target, weights = (_listed(values, logits) for values in (target, weights))
    _paired("binary_cross_entropy_with_logits", logits, target)
    tail = softplus(-logits)
    if positive_weight is not None:
        tail = tail * (1 + (positive_weight - 1) * target)
    losses = (1 - target) * logits + tail
    if weights is not None:
        losses = losses * weights
    return reduced("binary_cross_entropy_with_logits", losses, reduction)


# ---- distances and divergences -------------------------------------------------------------------


@composite
def huber_loss(prediction: Any, target: Any, *, delta: float = 1.0, reduction: str = "mean") -> Any:
    r"""$\frac{1}{2} d^2$ for differences up to `delta`, beyond it $\delta(|d| - \delta/2)$.

    >>> import dlgraph as dg
    >>> print(dg.huber_loss(dg.Tensor([0.5, 3.0]), dg.Tensor([0.0, 0.0]), reduction="none"))
    [0.125 2.5 ]
    """
    prediction = from_list(prediction)
    if not delta > 0:
        raise OperationError(f"huber_loss: delta is above 0, not {delta}")
    _paired("huber_loss", prediction, target)
    size = absolute(prediction - target)
    near = 0.5 * square(size)
    losses = where(less_equal(size, delta), near, delta * (size - 0.5 * delta))
    return reduced("huber_loss", losses, reduction)


@composite
def smooth_l1_loss(
    prediction: Any, target: Any, *, beta: float = 1.0, reduction: str = "mean"
) -> Any:
    r"""The absolute error, rounded off below `beta`: the Huber loss divided by `beta`.

    >>> import dlgraph as dg
    >>> print(dg.smooth_l1_loss(dg.Tensor([0.5, 3.0]), dg.Tensor([0.0, 0.0]), reduction="none"))
    [0.125 2.5 ]
    """
    prediction = from_list(prediction)
    if beta < 0:
        raise OperationError(f"smooth_l1_loss: beta is at least 0, not {beta}")
    if beta == 0:
        _paired("smooth_l1_loss", prediction, target)
        return reduced("smooth_l1_loss", absolute(prediction - target), reduction)
    losses = huber_loss(prediction, target, delta=beta, reduction="none") / beta
    return reduced("smooth_l1_loss", losses, reduction)


@composite
def kl_div(log_q: Any, p: Any, *, log_target: bool = False, reduction: str = "mean") -> Any:
    r"""Kullback-Leibler divergence: $p (\ln p - \ln q)$, from the logarithm of q.

    `log_target` says that `p` is given as its logarithm too; the reduction "batchmean" divides
    the sum by the size of the first axis, which is the divergence as it is defined.

    >>> import dlgraph as dg
    >>> print(dg.kl_div(dg.Tensor([[0.0, 0.0]]), dg.Tensor([[0.5, 0.5]]), reduction="sum"))
    -0.69315
    """
    log_q = from_list(log_q)
    p = _listed(p, log_q)
    losses = exp(p) * (p - log_q) if log_target else xlogy(p, p) - p * log_q
    if reduction == "batchmean":
        per_sample = sum(losses, axis=tuple(range(1, losses.ndim))) if losses.ndim > 1 else losses
        return mean(per_sample)
    return reduced("kl_div", losses, reduction)
