"""The operators of `torch.nn.functional`, with PyTorch's arguments, written with dlgraph's."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from opinfo_tools import unsupported

import dlgraph as dg

# ---- losses --------------------------------------------------------------------------------------


def reduced(losses, reduction, size_average=None, reduce=None):
    if reduce is False:
        reduction = "none"
    elif size_average is not None:
        reduction = "mean" if size_average else "sum"
    return {"mean": dg.mean, "sum": dg.sum, "none": lambda x: x}[reduction](losses)


def classes_last(x):
    return dg.moveaxis(x, 1, -1) if x.ndim > 2 else x


def cross_entropy(
    x,
    target,
    weight=None,
    size_average=None,
    ignore_index=-100,
    reduce=None,
    reduction="mean",
    label_smoothing=0.0,
):
    soft = target.dtype.kind == "f"
    return dg.cross_entropy(
        classes_last(x),
        classes_last(target) if soft else target,
        weights=weight,
        ignore=None if soft else ignore_index,
        smoothing=label_smoothing,
        reduction=reduction,
    )


def nll_loss(
    x,
    target,
    weight=None,
    size_average=None,
    ignore_index=-100,
    reduce=None,
    reduction="mean",
):
    return dg.nll_loss(
        classes_last(x), target, weights=weight, ignore=ignore_index, reduction=reduction
    )


def binary_cross_entropy(x, target, weight=None, size_average=None, reduce=None, reduction="mean"):
    return dg.binary_cross_entropy(x, target, weights=weight, reduction=reduction)


def binary_cross_entropy_with_logits(
    x, target, weight=None, size_average=None, reduce=None, reduction="mean", pos_weight=None
):
    return dg.binary_cross_entropy_with_logits(
        x, target, weights=weight, positive_weight=pos_weight, reduction=reduction
    )


def paired(function):
    """A loss of the difference; PyTorch lets the two broadcast, which dlgraph refuses."""

    def loss(x, target, size_average=None, reduce=None, reduction="mean", **options):
        if x.shape != target.shape:
            x, target = x + dg.zeros_like(target), target + dg.zeros_like(x)
        return reduced(function(x, target, **options), reduction, size_average, reduce)

    return loss


def kl_div(x, target, size_average=None, reduce=None, reduction="mean", log_target=False):
    if reduction == "batchmean" and not x.ndim:
        reduction = "sum"
    return dg.kl_div(x, target, log_target=log_target, reduction=reduction)


def margin_ranking_loss(a, b, target, margin=0.0, reduction="mean", **rest):
    return reduced(dg.relu(margin - target * (a - b)), reduction)


def hinge_embedding_loss(x, target, margin=1.0, reduction="mean", **rest):
    losses = dg.where(target != -1, x, 0.0) + dg.where(target != 1, dg.relu(margin - x), 0.0)
    return reduced(losses, reduction)


def soft_margin_loss(x, target, reduction="mean", **rest):
    return reduced(dg.softplus(-target * x), reduction)


def gaussian_nll_loss(x, target, var, full=False, eps=1e-6, reduction="mean"):
    if not hasattr(var, "dtype"):
        var = dg.zeros_like(x) + var
    if var.ndim == x.ndim - 1 and var.shape == x.shape[:-1]:
        var = dg.expand_dims(var, axis=-1)
    # The bound has no gradient of its own: PyTorch applies it outside of the record.
    var = var + dg.stop_gradient(dg.clip(var, eps) - var)
    losses = 0.5 * (dg.log(var) + dg.square(x - target) / var)
    return reduced(losses + 0.5 * math.log(2 * math.pi) if full else losses, reduction)


def poisson_nll_loss(
    x,
    target,
    log_input=True,
    full=False,
    size_average=None,
    eps=1e-8,
    reduce=None,
    reduction="mean",
):
    losses = dg.exp(x) - target * x if log_input else x - target * dg.log(x + eps)
    if full:
        more = dg.where(target > 1, target, 2.0)
        stirling = more * dg.log(more) - more + 0.5 * dg.log(2 * math.pi * more)
        losses = losses + dg.where(target > 1, stirling, 0.0)
    return reduced(losses, reduction)


def multi_margin_loss(
    x, target, p=1, margin=1.0, weight=None, size_average=None, reduce=None, reduction="mean"
):
    rows = x if x.ndim > 1 else dg.reshape(x, (1, -1))
    labels = dg.reshape(target, (-1,))
    chosen = dg.take_along_axis(rows, dg.expand_dims(labels, axis=1), axis=1)
    gaps = dg.relu(margin - chosen + rows)
    gaps = gaps if p == 1 else dg.square(gaps)
    if weight is not None:
        gaps = gaps * dg.expand_dims(dg.take(weight, labels), axis=1)
    others = dg.positions(rows, axis=1) != dg.expand_dims(labels, axis=1)
    losses = dg.sum(dg.where(others, gaps, 0.0), axis=1) / rows.shape[1]
    losses = losses if x.ndim > 1 and target.ndim else losses[0]
    return reduced(losses, reduction)


def pairwise_distance(a, b, p=2.0, eps=1e-6, keepdim=False):
    return dg.norm(a - b + eps, ord=p, axis=-1, keepdims=keepdim)


def triplet_margin_loss(
    anchor, positive, negative, margin=1.0, p=2, eps=1e-6, swap=False, reduction="mean", **rest
):
    near = pairwise_distance(anchor, positive, p, eps)
    far = pairwise_distance(anchor, negative, p, eps)
    if swap:
        far = dg.minimum(far, pairwise_distance(positive, negative, p, eps))
    return reduced(dg.relu(near - far + margin), reduction)


def cosine_similarity(a, b, dim=1, eps=1e-8):
    a, b = a + dg.zeros_like(b), b + dg.zeros_like(a)
    if not a.ndim:
        a, b, dim = dg.reshape(a, (1,)), dg.reshape(b, (1,)), 0
    sizes = [dg.clip(dg.norm(x, axis=dim, keepdims=True), eps) for x in (a, b)]
    return dg.sum((a / sizes[0]) * (b / sizes[1]), axis=dim)


def cosine_embedding_loss(a, b, target, margin=0.0, reduction="mean", **rest):
    cosine = cosine_of(a, b)
    losses = dg.where(target == 1, 1 - cosine, 0.0) + dg.where(
        target == -1, dg.relu(cosine - margin), 0.0
    )
    return reduced(losses, reduction)


def cosine_of(a, b):
    epsilon = 1e-12
    squares = [dg.sum(dg.square(x), axis=-1) + epsilon for x in (a, b)]
    return dg.sum(a * b, axis=-1) / dg.sqrt(squares[0] * squares[1])


# ---- normalisation -------------------------------------------------------------------------------


def per_channel(value, ndim):
    if ndim < 2:
        return value
    return dg.reshape(value, (1, -1, *(1,) * (ndim - 2)))


def normalised(x, axes, eps, mean=None, var=None):
    if mean is None:
        mean = dg.mean(x, axis=axes, keepdims=True)
        var = dg.var(x, axis=axes, keepdims=True)
    return (x - mean) / dg.sqrt(var + eps)


def scaled(y, weight, bias, shape=lambda v: v):
    y = y if weight is None else y * shape(weight)
    return y if bias is None else y + shape(bias)


def batch_norm(x, mean, var, weight=None, bias=None, training=False, momentum=0.1, eps=1e-5):
    def shape(v):
        return per_channel(v, x.ndim)

    axes = tuple(i for i in range(x.ndim) if i != 1)
    known = () if training or mean is None else (shape(mean), shape(var))
    return scaled(normalised(x, axes, eps, *known), weight, bias, shape)


def instance_norm(
    x,
    running_mean=None,
    running_var=None,
    weight=None,
    bias=None,
    use_input_stats=True,
    momentum=0.1,
    eps=1e-5,
):
    def shape(v):
        return per_channel(v, x.ndim)

    known = () if use_input_stats else (shape(running_mean), shape(running_var))
    return scaled(normalised(x, tuple(range(2, x.ndim)), eps, *known), weight, bias, shape)


def group_norm(x, groups, weight=None, bias=None, eps=1e-5):
    grouped = dg.reshape(x, (x.shape[0], groups, x.shape[1] // groups, *x.shape[2:]))
    y = normalised(grouped, tuple(range(2, grouped.ndim)), eps)
    return scaled(dg.reshape(y, x.shape), weight, bias, lambda v: per_channel(v, x.ndim))


def layer_norm(x, normalized_shape, weight=None, bias=None, eps=1e-5):
    axes = tuple(range(x.ndim - len(normalized_shape), x.ndim))
    return scaled(normalised(x, axes, eps), weight, bias)


def rms_norm(x, normalized_shape, weight=None, eps=None):
    axes = tuple(range(x.ndim - len(normalized_shape), x.ndim))
    eps = np.finfo(x.dtype).eps if eps is None else eps
    size = dg.mean(dg.square(x), axis=axes, keepdims=True)
    return scaled(x / dg.sqrt(size + float(eps)), weight, None)


def normalize(x, p=2.0, dim=1, eps=1e-12, out=None):
    axis = dim if x.ndim else None
    return x / dg.clip(dg.norm(x, ord=p, axis=axis, keepdims=True), eps)


def local_response_norm(x, size, alpha=1e-4, beta=0.75, k=1.0):
    squares = dg.square(x)
    channels = dg.moveaxis(squares, 1, -1)
    flat = dg.reshape(channels, (*channels.shape[:-1], channels.shape[-1]))
    wide = dg.pad(flat, ((0, 0),) * (x.ndim - 1) + ((size // 2, (size - 1) // 2),))
    means = dg.avg_pool1d(wide, size, stride=1)
    return (
        x / (means * alpha + k) ** beta
        if x.ndim < 2
        else x / dg.moveaxis((means * alpha + k) ** beta, -1, 1)
    )


# ---- layers --------------------------------------------------------------------------------------


def linear(x, w, bias=None):
    y = x @ (w.T if w.ndim > 1 else w)
    return y if bias is None else y + bias


def bilinear(a, b, w, bias=None):
    y = dg.einsum("...i,oij,...j->...o", a, w, b)
    return y if bias is None else y + bias


def embedding(
    weight,
    index,
    padding_idx=None,
    max_norm=None,
    norm_type=2.0,
    scale_grad_by_freq=False,
    sparse=False,
):
    if max_norm is not None or scale_grad_by_freq:
        unsupported("rows changed by looking them up, gradients divided by frequency")
    return dg.embedding(weight, index, padding=padding_idx)


def attention(
    q, k, v, attn_mask=None, dropout_p=0.0, is_causal=False, scale=None, enable_gqa=False
):
    if dropout_p:
        unsupported("dropout")
    if enable_gqa:
        times = q.shape[-3] // k.shape[-3]
        k, v = dg.repeat(k, times, axis=-3), dg.repeat(v, times, axis=-3)
    scores = q @ k.mT * (1 / math.sqrt(q.shape[-1]) if scale is None else scale)
    if is_causal:
        attn_mask = np.tril(np.ones((q.shape[-2], k.shape[-2]), bool))
    if attn_mask is not None:
        if attn_mask.dtype.kind == "b":
            scores = dg.where(attn_mask, scores, -math.inf)
        else:
            scores = scores + attn_mask
    return dg.softmax(scores, axis=-1) @ v


def convolution(op):
    def run(x, w, bias=None, stride=1, padding=0, dilation=1, groups=1):
        return op(x, w, bias, stride=stride, padding=padding, dilation=dilation, groups=groups)

    return run


def transposed(op):
    def run(x, w, bias=None, stride=1, padding=0, output_padding=0, groups=1, dilation=1):
        return op(
            x,
            w,
            bias,
            stride=stride,
            padding=padding,
            output_padding=output_padding,
            groups=groups,
            dilation=dilation,
        )

    return run


def max_pool(op, places):
    def run(
        x,
        kernel_size,
        stride=None,
        padding=0,
        dilation=1,
        ceil_mode=False,
        return_indices=False,
    ):
        facts = {"stride": stride, "padding": padding, "dilation": dilation, "ceil": ceil_mode}
        y = op(x, kernel_size, **facts)
        return (y, places(x, kernel_size, **facts)) if return_indices else y

    return run


def avg_pool1d(x, kernel_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True):
    return dg.avg_pool1d(
        x,
        kernel_size,
        stride=stride,
        padding=padding,
        ceil=ceil_mode,
        count_padding=count_include_pad,
    )


def avg_pool2d(
    x,
    kernel_size,
    stride=None,
    padding=0,
    ceil_mode=False,
    count_include_pad=True,
    divisor_override=None,
):
    return dg.avg_pool2d(
        x,
        kernel_size,
        stride=stride,
        padding=padding,
        ceil=ceil_mode,
        count_padding=count_include_pad,
        divisor=divisor_override,
    )


def adaptive_max_pool2d(x, output_size, return_indices=False):
    y = dg.adaptive_max_pool2d(x, output_size)
    return (y, dg.adaptive_max_pool2d_indices(x, output_size)) if return_indices else y


def pad(mode):
    def run(x, pad, mode_=None, value=None, **rest):
        given = list(pad)
        pairs = list(zip(given[::2], given[1::2], strict=True))[::-1]
        widths = [(0, 0)] * (x.ndim - len(pairs)) + pairs
        return dg.pad(x, widths, mode, 0 if value is None else value)

    return run


def pixel_shuffle(x, upscale_factor):
    factor = upscale_factor
    *batch, c, h, w = x.shape
    n = len(batch)
    y = dg.reshape(x, (*batch, c // factor**2, factor, factor, h, w))
    order = (*range(n), n, n + 3, n + 1, n + 4, n + 2)
    return dg.reshape(dg.transpose(y, axes=order), (*batch, c // factor**2, h * factor, w * factor))


def pixel_unshuffle(x, downscale_factor):
    factor = downscale_factor
    *batch, c, h, w = x.shape
    n = len(batch)
    y = dg.reshape(x, (*batch, c, h // factor, factor, w // factor, factor))
    order = (*range(n), n, n + 2, n + 4, n + 1, n + 3)
    return dg.reshape(
        dg.transpose(y, axes=order), (*batch, c * factor**2, h // factor, w // factor)
    )


def unfold(x, kernel_size, dilation=1, padding=0, stride=1):
    k, d, p, s = (
        v if isinstance(v, tuple) else (v, v) for v in (kernel_size, dilation, padding, stride)
    )
    alone = x.ndim == 3
    x = dg.expand_dims(x, axis=0) if alone else x
    x = dg.pad(x, ((0, 0), (0, 0), (p[0], p[0]), (p[1], p[1])))
    places = [
        np.arange(k[i])[:, None] * d[i] + np.arange(0, x.shape[2 + i] - d[i] * (k[i] - 1), s[i])
        for i in (0, 1)
    ]
    y = x[:, :, places[0][:, None, :, None], places[1][None, :, None, :]]
    y = dg.reshape(y, (x.shape[0], x.shape[1] * k[0] * k[1], -1))
    return dg.squeeze(y, axis=0) if alone else y


def target_sizes(x, size, scale_factor):
    n = x.ndim - 2
    if size is not None:
        return (tuple(size) if isinstance(size, (tuple, list)) else (size,) * n), (None,) * n
    factors = scale_factor if isinstance(scale_factor, (tuple, list)) else (scale_factor,) * n
    return tuple(math.floor(a * f) for a, f in zip(x.shape[2:], factors, strict=True)), factors


def nearest(
    x,
    size=None,
    scale_factor=None,
    mode="nearest",
    align_corners=None,
    recompute_scale_factor=None,
    antialias=False,
):
    if mode != "nearest":
        unsupported(mode)
    sizes, factors = target_sizes(x, size, scale_factor)
    for axis, (out, factor) in enumerate(zip(sizes, factors, strict=True), start=2):
        n = x.shape[axis]
        step = n / out if factor is None or recompute_scale_factor else 1 / factor
        place = np.minimum(np.floor(np.arange(out) * np.float32(step)).astype(np.int64), n - 1)
        x = dg.take(x, place, axis)
    return x


def linear_interpolation(
    x,
    size=None,
    scale_factor=None,
    mode="bilinear",
    align_corners=None,
    recompute_scale_factor=None,
    antialias=False,
):
    if mode not in ("linear", "bilinear") or antialias:
        unsupported(mode)
    sizes, factors = target_sizes(x, size, scale_factor)
    for axis, (out, factor) in enumerate(zip(sizes, factors, strict=True), start=2):
        n = x.shape[axis]
        if align_corners:
            place = np.arange(out) * ((n - 1) / (out - 1) if out > 1 else 0.0)
        else:
            step = n / out if factor is None or recompute_scale_factor else 1 / factor
            place = np.maximum((np.arange(out) + 0.5) * step - 0.5, 0)
        low = np.minimum(np.floor(place).astype(np.int64), n - 1)
        high = np.minimum(low + 1, n - 1)
        share = (place - low).reshape((-1,) + (1,) * (x.ndim - 1 - axis)).astype(x.dtype)
        x = dg.take(x, low, axis) * (1 - share) + dg.take(x, high, axis) * share
    return x


# ---- activations ---------------------------------------------------------------------------------


def softmax(function):
    def run(x, dim=None, _stacklevel=3, dtype=None):
        x = x if dtype is None else x.astype(dtype)
        if not x.ndim:
            return dg.reshape(function(dg.reshape(x, (1,)), axis=0), ())
        return function(x, axis=dim)

    return run


def softplus(x, beta=1, threshold=20):
    scaled_x = x * beta
    return dg.where(scaled_x > threshold, x, dg.softplus(scaled_x) / beta)


def prelu(x, weight):
    if not x.ndim:
        return dg.prelu(x, dg.reshape(weight, ()))
    return dg.prelu(x, per_channel(weight, x.ndim) if x.ndim > 1 and weight.ndim else weight)


def hardtanh(x, min_val=-1.0, max_val=1.0, inplace=False):
    return dg.hardtanh(x, min_val, max_val)


def hardshrink(x, lambd=0.5):
    return dg.where(dg.absolute(x) > lambd, x, 0.0)


def threshold(x, threshold, value, inplace=False):
    return dg.where(x > threshold, x, float(value))


def plain(function):
    return lambda x, inplace=False: function(x)


NETWORK: dict[str, Any] = {
    "log_softmax": softmax(dg.log_softmax),
    "softmax": softmax(dg.softmax),
    "nn.functional.adaptive_avg_pool1d": dg.adaptive_avg_pool1d,
    "nn.functional.adaptive_avg_pool2d": dg.adaptive_avg_pool2d,
    "nn.functional.adaptive_max_pool2d": adaptive_max_pool2d,
    "nn.functional.avg_pool1d": avg_pool1d,
    "nn.functional.avg_pool2d": avg_pool2d,
    "nn.functional.batch_norm": batch_norm,
    "nn.functional.bilinear": bilinear,
    "nn.functional.binary_cross_entropy": binary_cross_entropy,
    "nn.functional.binary_cross_entropy_with_logits": binary_cross_entropy_with_logits,
    "nn.functional.celu": lambda x, alpha=1.0, inplace=False: dg.celu(x, alpha),
    "nn.functional.conv1d": convolution(dg.conv1d),
    "nn.functional.conv2d": convolution(dg.conv2d),
    "nn.functional.conv_transpose1d": transposed(dg.conv_transpose1d),
    "nn.functional.conv_transpose2d": transposed(dg.conv_transpose2d),
    "nn.functional.cosine_embedding_loss": cosine_embedding_loss,
    "nn.functional.cosine_similarity": cosine_similarity,
    "nn.functional.cross_entropy": cross_entropy,
    "nn.functional.elu": lambda x, alpha=1.0, inplace=False: dg.elu(x, alpha),
    "nn.functional.embedding": embedding,
    "nn.functional.gaussian_nll_loss": gaussian_nll_loss,
    "nn.functional.gelu": lambda x, *, approximate="none": dg.gelu(x, approximate),
    "nn.functional.glu": lambda x, dim=-1: dg.glu(x, dim),
    "nn.functional.group_norm": group_norm,
    "nn.functional.hardshrink": hardshrink,
    "nn.functional.hardsigmoid": plain(dg.hard_sigmoid),
    "nn.functional.hardswish": plain(dg.hard_swish),
    "nn.functional.hardtanh": hardtanh,
    "nn.functional.hinge_embedding_loss": hinge_embedding_loss,
    "nn.functional.huber_loss": paired(
        lambda x, t, delta=1.0: dg.huber_loss(x, t, delta=delta, reduction="none")
    ),
    "nn.functional.instance_norm": instance_norm,
    "nn.functional.interpolate.bilinear": linear_interpolation,
    "nn.functional.interpolate.nearest": nearest,
    "nn.functional.kl_div": kl_div,
    "nn.functional.l1_loss": paired(lambda x, t: dg.absolute(x - t)),
    "nn.functional.layer_norm": layer_norm,
    "nn.functional.leaky_relu": lambda x, negative_slope=0.01, inplace=False: dg.leaky_relu(
        x, negative_slope
    ),
    "nn.functional.linear": linear,
    "nn.functional.local_response_norm": local_response_norm,
    "nn.functional.logsigmoid": dg.log_sigmoid,
    "nn.functional.margin_ranking_loss": margin_ranking_loss,
    "nn.functional.max_pool1d": max_pool(dg.max_pool1d, dg.max_pool1d_indices),
    "nn.functional.max_pool2d": max_pool(dg.max_pool2d, dg.max_pool2d_indices),
    "nn.functional.mish": plain(dg.mish),
    "nn.functional.mse_loss": paired(lambda x, t: dg.square(x - t)),
    "nn.functional.multi_margin_loss": multi_margin_loss,
    "nn.functional.nll_loss": nll_loss,
    "nn.functional.normalize": normalize,
    "nn.functional.pad.circular": pad("wrap"),
    "nn.functional.pad.constant": pad("constant"),
    "nn.functional.pad.reflect": pad("reflect"),
    "nn.functional.pad.replicate": pad("edge"),
    "nn.functional.pairwise_distance": pairwise_distance,
    "nn.functional.pixel_shuffle": pixel_shuffle,
    "nn.functional.pixel_unshuffle": pixel_unshuffle,
    "nn.functional.poisson_nll_loss": poisson_nll_loss,
    "nn.functional.prelu": prelu,
    "nn.functional.relu": plain(dg.relu),
    "nn.functional.relu6": plain(dg.relu6),
    "nn.functional.rms_norm": rms_norm,
    "nn.functional.scaled_dot_product_attention": attention,
    "nn.functional.selu": plain(dg.selu),
    "nn.functional.silu": plain(dg.silu),
    "nn.functional.smooth_l1_loss": paired(
        lambda x, t, beta=1.0: dg.smooth_l1_loss(x, t, beta=beta, reduction="none")
    ),
    "nn.functional.soft_margin_loss": soft_margin_loss,
    "nn.functional.softmin": lambda x, dim=None, dtype=None: softmax(dg.softmax)(
        -x, dim, dtype=dtype
    ),
    "nn.functional.softplus": softplus,
    "nn.functional.softshrink": lambda x, lambd=0.5: dg.softshrink(x, lambd),
    "nn.functional.softsign": dg.softsign,
    "nn.functional.tanhshrink": dg.tanhshrink,
    "nn.functional.threshold": threshold,
    "nn.functional.triplet_margin_loss": triplet_margin_loss,
    "nn.functional.unfold": unfold,
}
