"""Functions composed of primitives: values against NumPy, slopes, and one mode against the other.

Where a function needs sizes (a diagonal, pieces), only the batch is unknown to the graph.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest

import dlgraph as dg
from dlgraph.errors import DlgraphError, ShapeError
from dlgraph.testing import assert_modes_agree, check_grads, run_eager, run_graph
from tests.ops.forms import positive, v, w

pytestmark = pytest.mark.filterwarnings("error")

ROWS = np.array([1, 0, 1])
LABELS = np.array([2, 0, 1, 2])
PROBABILITIES = np.array([[0.2, 0.5], [0.9, 0.05]])


class Case(NamedTuple):
    function: Callable[..., Any]
    arrays: tuple[np.ndarray, ...]
    reference: Callable[..., Any] | None
    sizes: str = "none"  # which the graph must know: "none", "all but the batch" or "all"
    order: int = 2


def case(function, *arrays, reference=None, **facts):
    return Case(function, arrays, reference, **facts)


def like(x, *arrays):
    """The arrays in the dtype of x."""
    return [a.astype(x.dtype) for a in arrays]


def log_softmax(x):
    return x - np.log(np.exp(x).sum(-1, keepdims=True))


def smoothed(x, t, share):
    target = np.eye(3)[t] * (1 - share) + share / 3
    return -(target * log_softmax(x)).sum(-1).mean()


REST = "all but the batch"
CASES = {
    # ---- functions
    "exp2": case(dg.exp2, v(2, 3), reference=np.exp2),
    "log2": case(dg.log2, positive(2, 3), reference=np.log2),
    "log10": case(dg.log10, positive(2, 3), reference=np.log10),
    "reciprocal": case(dg.reciprocal, v(2, 3), reference=lambda x: 1 / x),
    "rsqrt": case(dg.rsqrt, positive(2, 3), reference=lambda x: 1 / np.sqrt(x)),
    "sinc": case(dg.sinc, v(2, 3), reference=np.sinc),
    "trunc": case(dg.trunc, v(2, 3), reference=np.trunc),
    "fmod": case(dg.fmod, v(2, 3), w(3), reference=np.fmod),
    "clip": case(lambda x: dg.clip(x, -1, 1), v(2, 3), reference=lambda x: np.clip(x, -1, 1)),
    "clip to values": case(dg.clip, v(2, 3), w(3), w(3) + 1, reference=np.clip),
    "isnan": case(dg.isnan, np.array([1.0, np.nan]), reference=np.isnan),
    "isinf": case(dg.isinf, np.array([1.0, np.nan, -np.inf]), reference=np.isinf),
    "isfinite": case(dg.isfinite, np.array([1.0, np.nan, -np.inf]), reference=np.isfinite),
    "logical_xor": case(dg.logical_xor, v(3) > 0, w(3) > 0, reference=np.logical_xor),
    "copysign": case(dg.copysign, v(2, 3), w(3), reference=np.copysign),
    "hypot": case(dg.hypot, v(2, 3), w(3), reference=np.hypot),
    "xlogy": case(dg.xlogy, v(2, 3), positive(3), reference=lambda x, y: x * np.log(y)),
    # ---- activations
    "log_sigmoid": case(dg.log_sigmoid, v(2, 3), reference=lambda x: np.log(1 / (1 + np.exp(-x)))),
    "silu": case(dg.silu, v(2, 3), reference=lambda x: x / (1 + np.exp(-x))),
    "gelu": case(
        dg.gelu,
        v(2, 3),
        reference=lambda x: x * np.vectorize(lambda t: 0.5 * math.erfc(-t / math.sqrt(2)))(x),
    ),
    "gelu tanh": case(lambda x: dg.gelu(x, "tanh"), v(2, 3)),
    "elu": case(
        lambda x: dg.elu(x, 0.5), v(2, 3), reference=lambda x: np.where(x > 0, x, np.expm1(x) / 2)
    ),
    "celu": case(
        lambda x: dg.celu(x, 2.0),
        v(2, 3),
        reference=lambda x: np.where(x > 0, x, 2 * np.expm1(x / 2)),
    ),
    "selu": case(dg.selu, v(2, 3)),
    "leaky_relu": case(dg.leaky_relu, v(2, 3), reference=lambda x: np.maximum(x, 0.01 * x)),
    "hardtanh": case(dg.hardtanh, v(2, 3), reference=lambda x: np.clip(x, -1, 1)),
    "relu6": case(dg.relu6, 5 * v(2, 3), reference=lambda x: np.clip(x, 0, 6)),
    "hard_sigmoid": case(
        dg.hard_sigmoid, 2 * v(2, 3), reference=lambda x: np.clip(x + 3, 0, 6) / 6
    ),
    "hard_swish": case(
        dg.hard_swish, 2 * v(2, 3), reference=lambda x: x * np.clip(x + 3, 0, 6) / 6
    ),
    "softsign": case(dg.softsign, v(2, 3), reference=lambda x: x / (1 + abs(x))),
    "mish": case(dg.mish, v(2, 3), reference=lambda x: x * np.tanh(np.log1p(np.exp(x)))),
    "tanhshrink": case(dg.tanhshrink, v(2, 3), reference=lambda x: x - np.tanh(x)),
    "softshrink": case(
        dg.softshrink,
        v(2, 3),
        reference=lambda x: np.sign(x) * np.maximum(abs(x) - 0.5, 0),
    ),
    "prelu": case(dg.prelu, v(2, 3), w(3), reference=lambda x, a: np.where(x > 0, x, a * x)),
    "glu": case(
        dg.glu, v(2, 4), reference=lambda x: x[:, :2] / (1 + np.exp(-x[:, 2:])), sizes=REST
    ),
    # ---- reductions
    "prod": case(dg.prod, v(2, 3), reference=np.prod),
    "prod over two": case(
        lambda x: dg.prod(x, axis=(0, -1), keepdims=True),
        v(2, 3, 2),
        reference=lambda x: np.prod(x, axis=(0, -1), keepdims=True),
    ),
    "prod with zeros": case(dg.prod, np.array([2.0, 0.0, 3.0])),
    "var": case(
        lambda x: dg.var(x, axis=1, correction=1), v(2, 3), reference=lambda x: x.var(1, ddof=1)
    ),
    "std": case(lambda x: dg.std(x, axis=0), v(2, 3), reference=lambda x: x.std(0)),
    "count_nonzero": case(
        dg.count_nonzero, np.array([0.0, 2.0]), reference=lambda x: np.int64(np.count_nonzero(x))
    ),
    "any": case(lambda x: dg.any(x, axis=0), np.eye(2, 3) > 0, reference=lambda x: x.any(0)),
    "any of none": case(dg.any, v(0, 3) > 0, reference=np.any),
    "all": case(lambda x: dg.all(x, axis=0), np.tri(2, 3) > 0, reference=lambda x: x.all(0)),
    "all of none": case(dg.all, v(0, 3) > 0, reference=np.all),
    "norm": case(
        lambda x: dg.norm(x, axis=1), v(2, 3), reference=lambda x: np.linalg.norm(x, axis=1)
    ),
    "norm 1": case(lambda x: dg.norm(x, ord=1), v(3), reference=lambda x: np.linalg.norm(x, 1)),
    "norm 3": case(lambda x: dg.norm(x, ord=3), v(3), reference=lambda x: np.linalg.norm(x, 3)),
    "norm inf": case(
        lambda x: dg.norm(x, ord=math.inf), v(3), reference=lambda x: np.linalg.norm(x, np.inf)
    ),
    # ---- arranging
    "pad edge": case(
        lambda x: dg.pad(x, ((1, 2), (0, 3)), "edge"),
        v(2, 3),
        reference=lambda x: np.pad(x, ((1, 2), (0, 3)), "edge"),
    ),
    "pad reflect": case(
        lambda x: dg.pad(x, ((1, 1), (2, 1)), "reflect"),
        v(2, 3),
        reference=lambda x: np.pad(x, ((1, 1), (2, 1)), "reflect"),
    ),
    "pad symmetric": case(
        lambda x: dg.pad(x, 2, "symmetric"),
        v(2, 3),
        reference=lambda x: np.pad(x, 2, "symmetric"),
    ),
    "pad wrap": case(
        lambda x: dg.pad(x, 2, "wrap"), v(2, 3), reference=lambda x: np.pad(x, 2, "wrap")
    ),
    "pad less": case(
        lambda x: dg.pad(x, ((-1, 2), (0, -1))),
        v(2, 3),
        reference=lambda x: np.pad(x[1:, :-1], ((0, 2), (0, 0))),
    ),
    "moveaxis": case(
        lambda x: dg.moveaxis(x, (0, 1), (-1, 0)),
        v(2, 3, 4),
        reference=lambda x: np.moveaxis(x, (0, 1), (-1, 0)),
    ),
    "flip": case(lambda x: dg.flip(x, -1), v(2, 3), reference=lambda x: np.flip(x, -1)),
    "roll": case(
        lambda x: dg.roll(x, (1, -5), (0, 1)),
        v(2, 3),
        reference=lambda x: np.roll(x, (1, -5), (0, 1)),
    ),
    "roll all": case(
        lambda x: dg.roll(x, 2), v(2, 3), reference=lambda x: np.roll(x, 2), sizes=REST
    ),
    "tile": case(
        lambda x: dg.tile(x, (2, 1, 3)), v(2, 3), reference=lambda x: np.tile(x, (2, 1, 3))
    ),
    "tile to nothing": case(lambda x: dg.tile(x, 0), v(2), reference=lambda x: np.tile(x, 0)),
    "repeat": case(lambda x: dg.repeat(x, 2, 1), v(2, 3), reference=lambda x: np.repeat(x, 2, 1)),
    "repeat each": case(
        lambda x: dg.repeat(x, [1, 0, 2], 1),
        v(2, 3),
        reference=lambda x: np.repeat(x, [1, 0, 2], 1),
        sizes=REST,
    ),
    "split": case(lambda x: dg.split(x, [1, 2], 1), v(2, 3), sizes=REST),
    "chunk": case(lambda x: dg.chunk(x, 2, 1), v(2, 3), sizes=REST),
    "diagonal": case(
        lambda x: dg.diagonal(x, 1, 1, 2),
        v(2, 3, 3),
        reference=lambda x: np.diagonal(x, 1, 1, 2),
        sizes=REST,
    ),
    "trace": case(dg.trace, v(3, 3), reference=np.trace, sizes="all"),
    "diag": case(lambda x: dg.diag(x, -1), v(3), reference=lambda x: np.diag(x, -1)),
    "diag of a matrix": case(
        lambda x: dg.diag(x, 1), v(2, 3), reference=lambda x: np.diag(x, 1), sizes="all"
    ),
    "embed_diagonal": case(
        dg.embed_diagonal, v(2, 3), reference=lambda x: np.stack([np.diag(row) for row in x])
    ),
    "tril": case(lambda x: dg.tril(x, 1), v(2, 3, 3), reference=lambda x: np.tril(x, 1)),
    "triu": case(lambda x: dg.triu(x, -1), v(3, 2), reference=lambda x: np.triu(x, -1)),
    "full_like": case(
        lambda x: dg.full_like(x, 2.5), v(2, 3), reference=lambda x: np.full_like(x, 2.5)
    ),
    "meshgrid": case(lambda x, y: dg.meshgrid([x, y]), v(2), w(3)),
    # ---- sorting
    "sort": case(lambda x: dg.sort(x, 0), v(4, 3), reference=lambda x: np.sort(x, 0)),
    "sort down": case(
        lambda x: dg.sort(x, descending=True), v(2, 5), reference=lambda x: -np.sort(-x)
    ),
    "topk": case(lambda x: dg.topk(x, 2)[0], v(3, 5), reference=lambda x: -np.sort(-x)[:, :2]),
    # ---- products
    "einsum implicit": case(
        lambda a, b: dg.einsum("kj,ik", a, b),
        v(3, 2),
        w(4, 3),
        reference=lambda a, b: np.einsum("kj,ik", a, b),
    ),
    "einsum diagonal": case(
        lambda a: dg.einsum("...ii->...i", a),
        v(2, 3, 3),
        reference=lambda a: np.einsum("...ii->...i", a),
        sizes=REST,
    ),
    "einsum dots": case(
        lambda a, b: dg.einsum("...ij,jk->...ik", a, b),
        v(2, 2, 3),
        w(3, 2),
        reference=lambda a, b: a @ b,
    ),
    "einsum stretched": case(
        lambda a, b: dg.einsum("bij,bjk->bik", a, b),
        v(1, 2, 3),
        w(4, 3, 2),
        reference=lambda a, b: a @ b,
        sizes="all",
    ),
    "outer": case(dg.outer, v(2), w(3), reference=np.outer),
    "inner": case(dg.inner, v(2, 3), w(4, 3), reference=np.inner),
    "tensordot": case(
        lambda a, b: dg.tensordot(a, b, ([0, 1], [1, 0])),
        v(2, 3, 4),
        w(3, 2),
        reference=lambda a, b: np.tensordot(a, b, ([0, 1], [1, 0])),
    ),
    "kron": case(dg.kron, v(2, 3), w(2, 2), reference=np.kron, sizes="all"),
    # ---- convolution and pooling
    "conv1d": case(
        lambda x, k: dg.conv1d(x, k, padding=1),
        v(2, 1, 5),
        w(1, 1, 3),
        reference=lambda x, k: np.stack([[np.convolve(r[0], k[0, 0, ::-1], "same")] for r in x]),
    ),
    "conv2d same": case(
        lambda x: dg.conv2d(x, *like(x, w(2, 1, 2, 3), w(2)), padding="same"),
        v(2, 1, 3, 4),
        sizes=REST,
    ),
    "conv_transpose1d": case(
        lambda x: dg.conv_transpose1d(
            x, *like(x, w(1, 2, 3), w(2)), stride=2, padding=1, output_padding=1
        ),
        v(2, 1, 3),
        sizes=REST,
    ),
    "conv_transpose2d wider": case(
        lambda x: dg.conv_transpose2d(
            x, *like(x, w(1, 1, 2, 2)), stride=(2, 3), output_padding=(1, 2), dilation=2
        ),
        v(2, 1, 2, 2),
        sizes=REST,
    ),
    "max_pool1d": case(
        lambda x: dg.max_pool1d(x, 2),
        v(2, 4),
        reference=lambda x: x.reshape(2, 2, 2).max(-1),
    ),
    "max_pool2d ceil": case(
        lambda x: dg.max_pool2d(x, 2, padding=1, ceil=True), v(2, 4, 4), sizes=REST
    ),
    "max_pool2d_indices": case(
        lambda x: dg.max_pool2d_indices(x, (1, 2)),
        np.array([[1.0, 3.0, 2.0, 0.0]]),
        reference=lambda x: np.array([[1, 2]]),
    ),
    "max_pool1d_indices": case(
        lambda x: dg.max_pool1d_indices(x, 2),
        np.array([[1.0, 3.0, 2.0, 0.0]]),
        reference=lambda x: np.array([[1, 2]]),
    ),
    "avg_pool1d": case(
        lambda x: dg.avg_pool1d(x, 2),
        v(2, 4),
        reference=lambda x: x.reshape(2, 2, 2).mean(-1),
    ),
    "avg_pool2d inner": case(
        lambda x: dg.avg_pool2d(x, 3, padding=1, stride=2, count_padding=False), v(2, 4, 5)
    ),
    "adaptive_avg_pool2d": case(
        lambda x: dg.adaptive_avg_pool2d(x, (2, 3)),
        v(2, 4, 3),
        reference=lambda x: x.reshape(2, 2, 2, 3).mean(2),
        sizes=REST,
    ),
    "adaptive_avg_pool1d": case(lambda x: dg.adaptive_avg_pool1d(x, 3), v(2, 4), sizes=REST),
    "adaptive_max_pool2d": case(
        lambda x: dg.adaptive_max_pool2d(x, (2, 3)),
        v(2, 4, 3),
        reference=lambda x: x.reshape(2, 2, 2, 3).max(2),
        sizes=REST,
    ),
    "adaptive_max_pool1d": case(lambda x: dg.adaptive_max_pool1d(x, 3), v(2, 4), sizes=REST),
    "adaptive_max_pool2d_indices": case(
        lambda x: dg.adaptive_max_pool2d_indices(x, (1, 2)),
        np.array([[[1.0, 5.0], [7.0, 0.0]]]),
        reference=lambda x: np.array([[[2, 1]]]),
        sizes=REST,
    ),
    # ---- losses
    "cross_entropy": case(
        lambda x, t: dg.cross_entropy(x, t, smoothing=0.1),
        v(4, 3),
        LABELS,
        reference=lambda x, t: smoothed(x, t, 0.1),
    ),
    "cross_entropy ignoring": case(
        lambda x, t: dg.cross_entropy(x, t, ignore=2),
        v(4, 3),
        LABELS,
        reference=lambda x, t: smoothed(x[1:3], t[1:3], 0.0),
    ),
    "cross_entropy weighted": case(
        lambda x, t, a: dg.cross_entropy(x, t, weights=a),
        v(4, 3),
        LABELS,
        positive(3),
        reference=lambda x, t, a: -(log_softmax(x)[range(4), t] * a[t]).sum() / a[t].sum(),
    ),
    "cross_entropy of probabilities": case(
        lambda x, t: dg.cross_entropy(x, t, smoothing=0.2),
        v(2, 3),
        np.array([[0.5, 0.25, 0.25], [1.0, 0.0, 0.0]]),
    ),
    "nll_loss": case(
        lambda x, t: dg.nll_loss(x, t, ignore=0, reduction="sum"),
        v(4, 3),
        LABELS,
        reference=lambda x, t: -(x[0, 2] + x[2, 1] + x[3, 2]),
    ),
    "binary_cross_entropy": case(
        lambda p: dg.binary_cross_entropy(p, dg.full_like(p, 1.0)),
        PROBABILITIES,
        reference=lambda p: -np.log(p).mean(),
    ),
    "binary_cross_entropy_with_logits": case(
        lambda x, t: dg.binary_cross_entropy_with_logits(x, t, positive_weight=2.0),
        v(2, 2),
        PROBABILITIES,
        reference=lambda x, t: (
            (1 - t) * np.log1p(np.exp(x)) + 2 * t * np.log1p(np.exp(-x))
        ).mean(),
    ),
    "huber_loss": case(
        lambda x, t: dg.huber_loss(x, t, delta=0.7),
        v(2, 3),
        w(2, 3),
        reference=lambda x, t: np.where(
            abs(x - t) < 0.7, (x - t) ** 2 / 2, 0.7 * (abs(x - t) - 0.35)
        ).mean(),
    ),
    "smooth_l1_loss": case(
        lambda x, t: dg.smooth_l1_loss(x, t, beta=0.0, reduction="sum"),
        v(2, 3),
        w(2, 3),
        reference=lambda x, t: abs(x - t).sum(),
    ),
    "kl_div": case(
        lambda q, p: dg.kl_div(q, p, reduction="batchmean"),
        np.log(PROBABILITIES),
        PROBABILITIES[::-1].copy(),
        reference=lambda q, p: (p * (np.log(p) - q)).sum() / 2,
    ),
    # ---- picking and placing
    "embedding": case(lambda t: dg.embedding(t, ROWS), v(2, 3), reference=lambda t: t[ROWS]),
    "masked_fill": case(
        lambda x: dg.masked_fill(x, x > 0, 7.0), v(3), reference=lambda x: np.where(x > 0, 7.0, x)
    ),
    "masked_select": case(
        lambda x: dg.masked_select(x, x > 0), v(2, 3), reference=lambda x: x[x > 0]
    ),
    "index_add": case(
        lambda x, y: dg.index_add(x, ROWS, y),
        v(2, 2),
        w(3, 2),
        reference=lambda x, y: x + np.array([y[1], y[0] + y[2]]),
    ),
    "index_fill": case(
        lambda x: dg.index_fill(x, [0, 2], 5.0, axis=1),
        v(2, 3),
        reference=lambda x: np.where([True, False, True], 5.0, x),
    ),
    "add_along_axis": case(
        lambda x, y: dg.add_along_axis(x, np.array([[1, 1]]), y, axis=1),
        v(1, 3),
        w(1, 2),
        reference=lambda x, y: x + np.array([[0, y.sum(), 0]]),
    ),
    "set_along_axis": case(
        lambda x, y: dg.set_along_axis(x, np.array([[2, 0]]), y, axis=1),
        v(1, 3),
        w(1, 2),
        reference=lambda x, y: np.array([[y[0, 1], x[0, 1], y[0, 0]]]),
    ),
}
EVERY = pytest.mark.parametrize("name", CASES)


def outputs_of(function, *arrays):
    found = function(*arrays)
    return list(found) if isinstance(found, (list, tuple)) else [found]


@pytest.mark.parametrize("name", [name for name, one in CASES.items() if one.reference])
def test_values(name):
    function, arrays, reference, *_ = CASES[name]
    want = np.asarray(reference(*arrays))
    (got,), _ = run_eager(function, arrays)
    assert (got.shape, got.dtype) == (want.shape, want.dtype)
    np.testing.assert_allclose(got, want, rtol=1e-12, atol=1e-14)


@EVERY
def test_modes_agree(name):
    function, arrays, _, sizes, _ = CASES[name]
    assert_modes_agree(function, arrays, unknown_sizes=sizes == "none")


@pytest.mark.parametrize("name", [name for name, one in CASES.items() if one.sizes == REST])
def test_unknown_batch(name):
    """A graph built for any batch: the same bits as eager mode, also for another batch."""
    function, (x,), *_ = CASES[name]
    with dg.Graph().as_default() as graph:
        node = dg.placeholder((None, *x.shape[1:]), x.dtype)
        results = outputs_of(function, node)
        slope = dg.gradients(sum(y.sum() for y in results), node) if floats(results) else None
    session = dg.Session(graph)
    for batch in (x, np.concatenate([x, x]), x[:1]):
        want, slopes = run_eager(function, [batch])
        got = session.run(results, {node: batch})
        assert [a.tobytes() for a in got] == [a.tobytes() for a in want]
        if slope is not None:
            np.testing.assert_array_equal(session.run(slope, {node: batch}), slopes[0])


def floats(results) -> bool:
    return all(y.dtype.kind == "f" for y in results)


def measurable(name: str) -> bool:
    function, arrays, *_ = CASES[name]
    if not any(a.dtype.kind == "f" and a.size for a in arrays):
        return False
    return floats(run_eager(function, arrays)[0]) and np.isfinite(arrays[0]).all()


@pytest.mark.parametrize("name", [name for name in CASES if measurable(name)])
def test_slopes(name):
    function, arrays, *_, order = CASES[name]
    assert check_grads(function, arrays, order=order).passed


@pytest.mark.parametrize("name", [name for name in CASES if measurable(name)])
def test_float32_stays(name):
    function, arrays, *_ = CASES[name]
    single = [a.astype(np.float32) if a.dtype == np.float64 else a for a in arrays]
    results, slopes = run_eager(function, single)
    assert {a.dtype for a in [*results, *(g for g in slopes if g is not None)]} == {
        np.dtype(np.float32)
    }


# ---- edges ---------------------------------------------------------------------------------------


def gradient(function, *arrays):
    return run_eager(function, arrays)[1][0]


def test_huge_numbers_give_no_nan():
    x = np.array([-1000.0, 1000.0])
    for function in (dg.softplus, dg.elu, dg.celu, dg.selu, dg.log_sigmoid, dg.mish, dg.silu):
        values, slopes = run_eager(function, [x])
        assert np.isfinite(values[0]).all() and np.isfinite(slopes[0]).all(), function.__name__


def test_gradient_of_a_norm_at_zero_is_zero():
    np.testing.assert_array_equal(gradient(dg.norm, np.zeros(3)), np.zeros(3))


def test_gradient_of_a_product_with_one_zero():
    np.testing.assert_array_equal(gradient(dg.prod, np.array([2.0, 0.0, 3.0])), [0, 6, 0])


def test_bounds_keep_their_gradient():
    found = gradient(lambda x: dg.clip(x, 0.0, 1.0), np.array([-1.0, 0.0, 0.5, 1.0, 2.0]))
    np.testing.assert_array_equal(found, [0, 1, 1, 1, 0])


def test_the_first_of_equal_elements_gets_the_gradient_of_pooling():
    found = gradient(lambda x: dg.max_pool2d(x, 2), np.ones((2, 2)))
    np.testing.assert_array_equal(found, [[1, 0], [0, 0]])


def test_a_padded_row_of_an_embedding_gets_no_gradient():
    found = gradient(lambda t: dg.embedding(t, np.array([0, 1, 1]), padding=0), np.ones((2, 1)))
    np.testing.assert_array_equal(found, [[0], [2]])


def test_certain_probabilities_cost_a_hundred_at_most():
    (value,), _ = run_eager(
        lambda p: dg.binary_cross_entropy(p, dg.Tensor(np.array([0.0, 1.0]))),
        [np.array([1.0, 0.0])],
    )
    assert value == 100.0


def test_arrays_to_start_from():
    assert [dg.arange(3).dtype, dg.arange(3.0).dtype] == [np.int64, np.float32]
    assert [dg.full((2,), 1).dtype, dg.full((2,), True).dtype] == [np.int64, np.bool_]
    np.testing.assert_array_equal(dg.eye(2, 3, 1).numpy(), np.eye(2, 3, 1, np.float32), strict=True)
    np.testing.assert_array_equal(dg.zeros((1, 2)).numpy(), np.zeros((1, 2), np.float32))
    np.testing.assert_array_equal(dg.ones(2).numpy(), np.ones(2, np.float32))
    np.testing.assert_allclose(dg.linspace(0, 1, 5).numpy(), np.linspace(0, 1, 5), rtol=1e-7)


IMAGE, FILTERS = v(1, 3, 4, 4), w(2, 3, 3, 3)
REFUSED = {
    "channels": (lambda x: dg.conv2d(x, w(2, 4, 3, 3)), IMAGE, "3 channels"),
    "too small": (lambda x: dg.conv2d(x, w(2, 3, 5, 5)), IMAGE, "does not fit"),
    "groups": (lambda x: dg.conv2d(x, FILTERS, groups=3), IMAGE, "groups"),
    "rank": (lambda x: dg.conv2d(x[0, 0], FILTERS), IMAGE, "4 axes"),
    "padding word": (lambda x: dg.conv2d(x, FILTERS, padding="some"), IMAGE, "padding"),
    "same with stride": (
        lambda x: dg.conv2d(x, FILTERS, padding="same", stride=2),
        IMAGE,
        "stride of 1",
    ),
    "output padding": (
        lambda x: dg.conv_transpose2d(x, w(3, 1, 2, 2), output_padding=1),
        IMAGE,
        "output_padding",
    ),
    "window": (lambda x: dg.max_pool2d(x, 5), IMAGE, "does not fit"),
    "pool padding": (lambda x: dg.max_pool2d(x, 2, padding=2), IMAGE, "half of the window"),
    "einsum order": (lambda x: dg.einsum(x, "ij->ji"), v(2, 2), "the subscripts are a text"),
    "stack axis": (lambda x: dg.stack([x, x], axis=5), v(3), r"stack: axis 5 .* 2 dimensions"),
    "stack form": (lambda x: dg.stack([x, x], axis=x), v(3), "stack: the axis is a whole number"),
    "stack none": (lambda x: dg.stack([]), v(3), "stack needs at least one"),
    "stack shapes": (lambda x: dg.stack([x, x[:2]]), v(3), r"stack: .*\(3,\), \(2,\)"),
    "einsum terms": (lambda x: dg.einsum("ij,jk->ik", x), v(2, 2), "2 terms for 1"),
    "einsum sizes": (lambda x: dg.einsum("ij,jk->ik", x, w(3, 2)), v(2, 2), "letter 'j'"),
    "einsum output": (lambda x: dg.einsum("ij->k", x), v(2, 2), "in no term"),
    "einsum rank": (lambda x: dg.einsum("ijk->k", x), v(2, 2), "the term 'ijk'"),
    "einsum sign": (lambda x: dg.einsum("i1->i", x), v(2, 2), "not a letter"),
    "tensordot": (lambda x: dg.tensordot(x, w(5, 2), 1), v(3, 1), "size 1, axis 0 of .* size 5"),
    "inner": (lambda x: dg.inner(x, w(3, 5)), v(2, 1), "axis 1 of .* size 5"),
    "split": (lambda x: dg.split(x, 2), v(3), "does not divide"),
    "split sizes": (lambda x: dg.split(x, [1, 1]), v(3), "pieces of"),
    "split half": (lambda x: dg.split(x, 1.5), v(3), r"split: parts is 1\.5, not a whole"),
    "split halves": (lambda x: dg.split(x, [1.5, 1.5]), v(3), r"split: parts is 1\.5, not a"),
    "chunk text": (lambda x: dg.chunk(x, "2"), v(3), "chunk: count is '2', not a whole"),
    "tile half": (lambda x: dg.tile(x, 2.5), v(3), r"tile: repeats is 2\.5, not a whole"),
    "tile below 0": (lambda x: dg.tile(x, (2, -1)), v(3), "tile: repeats is -1, not a whole"),
    "join no list": (lambda x: dg.concatenate(3), v(3), "concatenate joins a list of values"),
    "mask of numbers": (lambda x: dg.masked_select(x, [1, 0, 1]), v(3), "mask has dtype int64"),
    "pad widths": (lambda x: dg.pad(x, ((1, 1),)), v(2, 3), "each of 2 dimensions"),
    "pad mode": (lambda x: dg.pad(x, 1, "other"), v(2, 3), "unknown mode"),
    "pad margin": (lambda x: dg.pad(x, 3, "reflect"), v(2, 3), "at most"),
    "topk": (lambda x: dg.topk(x, 4), v(3), "at most 3"),
    "glu": (dg.glu, v(3), "even"),
    "gelu": (lambda x: dg.gelu(x, "erf"), v(3), "no approximation"),
    "reduction": (lambda x: dg.huber_loss(x, x, reduction="max"), v(3), "unknown reduction"),
    "delta": (lambda x: dg.huber_loss(x, x, delta=0), v(3), "above 0"),
    "smoothing": (
        lambda x: dg.cross_entropy(x, [0, 1], smoothing=1.5),
        v(2, 3),
        "smoothing is a share from 0 to 1, not 1.5",
    ),
    "class weights": (
        lambda x: dg.cross_entropy(x, [0, 1], weights=[1.0, 2.0]),
        v(2, 3),
        r"cross_entropy: weights \(2,\) .* 3 classes",
    ),
    "nll weights": (
        lambda x: dg.nll_loss(x, [0, 1], weights=[1.0, 2.0]),
        v(2, 3),
        r"nll_loss: weights \(2,\) .* 3 classes",
    ),
    "one-hot labels": (
        lambda x: dg.cross_entropy(x, np.eye(3, dtype=np.float32)[[0, 1]]),
        v(2, 3),
        "cross_entropy: .* float32 .* float64",
    ),
    "loss shapes": (lambda x: dg.huber_loss(x, w(3, 1)), v(3), "broadcasting"),
    "diagonal": (lambda x: dg.diagonal(x, 0, 1, 1), v(2, 2), "axis 1"),
    "tril": (dg.tril, v(3), "two axes"),
    "repeat": (lambda x: dg.repeat(x, [1, 2], 0), v(3), "as many as the axis is long"),
    "roll": (lambda x: dg.roll(x, (1, 2), 0), v(3), "2 shifts for 1"),
    "meshgrid": (lambda x: dg.meshgrid([x], indexing="yx"), v(3), "indexing"),
    "mask": (lambda x: dg.masked_select(x, x), v(3), "dtype"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused_with_a_reason(name):
    function, x, words = REFUSED[name]
    for run in (run_eager, run_graph):
        with pytest.raises(DlgraphError, match=words) as caught:
            run(function, [x])
        assert caught.value.where is not None, "the error names the user's line"


@pytest.mark.parametrize("make", [dg.Tensor, np.array])
def test_scores_are_not_taken_for_probabilities(make):
    target = [1.0, 0.0]
    for scores, range_ in (([2.0, 0.5], "0.5 to 2"), ([0.5, -0.25], "-0.25 to 0.5")):
        with pytest.raises(DlgraphError, match=f"probabilities .* from {range_}") as caught:
            dg.binary_cross_entropy(make(scores), target)
        assert "binary_cross_entropy_with_logits" in caught.value.hint
        assert caught.value.where.file == __file__
    rounded = dg.binary_cross_entropy(make([1 + 1e-7, -1e-7]), target)
    assert float(rounded) == pytest.approx(0, abs=1e-6)
    assert np.isnan(float(dg.binary_cross_entropy(make([np.nan, 0.5]), target))), "as it came"


@pytest.mark.parametrize("executor", ["planned", "interpreter"])
def test_more_than_there_are_is_also_too_many_where_the_size_is_not_known(executor):
    with dg.Graph().as_default() as graph:
        x = dg.placeholder((None, None), name="x")
        values, indices = dg.topk(x, 3)
        slope = dg.gradients(values.sum(), x)
    session = dg.Session(graph, executor)
    found = session.run([values, indices, slope], {x: [[5.0, 2.0, 7.0, 3.0]]})
    assert [a.tolist() for a in found] == [[[7, 5, 3]], [[2, 0, 3]], [[1, 0, 1, 1]]]
    with pytest.raises(DlgraphError, match="index 2 is out of bounds for axis 1 with size 2"):
        session.run(values, {x: [[5.0, 2.0]]})


LISTED = {
    "exp2": (lambda x: dg.exp2(x), [1.0, 2.0]),
    "gelu": (lambda x: dg.gelu(x), [1.0, 2.0]),
    "log_sigmoid": (lambda x: dg.log_sigmoid(x), [1.0, 2.0]),
    "leaky_relu": (lambda x: dg.leaky_relu(x, 2), [1, -2]),
    "astype": (lambda x: dg.astype(x, "float64"), [1, 2]),
    "flip": (lambda x: dg.flip(x), [1, 2]),
    "roll": (lambda x: dg.roll(x, 1), [1, 2, 3]),
    "take": (lambda x: dg.take(x, [0, 0]), [1.0, 2.0]),
    "flatten": (lambda x: dg.flatten(x), [[1, 2], [3, 4]]),
    "swapaxes": (lambda x: dg.swapaxes(x, 0, 1), [[1, 2], [3, 4]]),
    "trace": (lambda x: dg.trace(x), [[1, 2], [3, 4]]),
    "einsum": (lambda x: dg.einsum("i,i->", x, x), [1.0, 2.0]),
    "inner": (lambda x: dg.inner(x, x), [1.0, 2.0]),
    "kron": (lambda x: dg.kron(x, x), [1.0, 2.0]),
    "mse_loss": (lambda x: dg.mse_loss(x, [0.0, 0.0]), [1.0, 2.0]),
    "huber_loss": (lambda x: dg.huber_loss(x, [0.0, 0.0]), (1.0, 2.0)),
    "prod": (lambda x: dg.prod(x), range(1, 4)),
    "sort": (lambda x: dg.sort(x), [2, 1]),
    "embedding": (lambda x: dg.embedding(x, [1, 0]), [[1.0], [2.0]]),
    "conv1d": (lambda x: dg.conv1d(x, [[[1.0, 2.0]]]), [[[1.0, 2.0, 3.0]]]),
    "pad": (lambda x: dg.pad(x, 1), [1.0]),
    "unstack": (lambda x: dg.unstack(x)[1], [[1.0], [2.0]]),
}


@pytest.mark.parametrize("name", LISTED)
def test_lists_are_tensors(name):
    function, values = LISTED[name]
    found, wanted = function(values), function(dg.Tensor(values))
    assert isinstance(found, dg.Tensor) and found.spec == wanted.spec
    np.testing.assert_array_equal(found.numpy(), wanted.numpy())


@pytest.mark.parametrize("wrong", ["text", None, {}, {1}, b"1"])
def test_what_holds_no_numbers_is_refused_in_words(wrong):
    for function in (dg.flip, dg.gelu, dg.sort, lambda x: dg.mse_loss(x, 1.0)):
        with pytest.raises(DlgraphError, match="cannot compute with") as raised:
            function(wrong)
        assert "test_compositions.py" in str(raised.value)


def test_an_axis_that_take_has_not_is_named_with_function_and_line():
    with pytest.raises(ShapeError, match="take: axis 3 is out of range") as raised:
        dg.take(dg.Tensor([1.0, 2.0]), [0], axis=3)
    assert "axis=3" in str(raised.value.where)
