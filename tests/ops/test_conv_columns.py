"""Both forms of a convolution against the sum that defines it."""

import itertools

import numpy as np
import pytest

from dlgraph.ops import conv, conv_columns
from dlgraph.ops.conv import conv2d_filters, conv2d_input

RNG = np.random.default_rng(3)
FACTS = [
    {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    for stride, padding, dilation, groups in itertools.product(
        ((1, 1), (2, 3)), (((0, 0), (0, 0)), ((1, 2), (0, 1))), ((1, 1), (1, 2), (2, 1)), (1, 2)
    )
]


def by_definition(x, w, stride, padding, dilation, groups):
    """Every window times every filter."""
    wide = np.pad(x, ((0, 0), (0, 0), *padding))
    spans = [d * (k - 1) + 1 for k, d in zip(w.shape[2:], dilation, strict=True)]
    windows = np.lib.stride_tricks.sliding_window_view(wide, spans, axis=(2, 3))
    windows = windows[:, :, :: stride[0], :: stride[1], :: dilation[0], :: dilation[1]]
    parts = zip(np.split(windows, groups, 1), np.split(w, groups), strict=True)
    return np.concatenate([np.einsum("bchwij,ocij->bohw", *part) for part in parts], 1)


@pytest.fixture(params=[True, False], ids=["rows", "one product"])
def rows(request, monkeypatch):
    """Does each row of windows have its product?"""
    monkeypatch.setattr(conv_columns, "rows_pay", lambda *sizes: request.param)
    conv_columns._columns_of.cache_clear()
    yield request.param
    conv_columns._columns_of.cache_clear()


@pytest.fixture(params=[1, 10**9], ids=["side by side", "one after another"])
def many(request, monkeypatch):
    """From how many images on the batch is the last axis in memory."""
    monkeypatch.setattr(conv_columns, "MANY", request.param)
    return request.param


@pytest.mark.parametrize("facts", FACTS, ids=str)
def test_a_convolution_and_its_gradients_are_what_the_definition_says(facts, many, rows):
    x, w = RNG.normal(size=(3, 4, 8, 9)), RNG.normal(size=(6, 4 // facts["groups"], 3, 2))
    want = by_definition(x, w, **facts)
    y = conv._conv2d.forward(np, x, w, **facts)
    np.testing.assert_allclose(y, want, rtol=1e-12, atol=1e-12)
    form = conv_columns.columns_of(x.shape, w.shape, y.shape, **facts)
    assert form.by_row == (rows and facts["dilation"][0] == 1)
    assert (form.order[-1] == 0) == (many == 1) == (y.strides[0] == y.itemsize)
    # It is linear in both operands: <dy, conv(x, w)> = <dx, x> = <dw, w>, for all directions.
    dy = RNG.normal(size=y.shape)
    dx = conv2d_input.forward(np, dy, w, x, **facts)
    dw = conv2d_filters.forward(np, x, dy, w, **facts)
    assert dx.shape == x.shape and dw.shape == w.shape
    for _ in range(3):
        other, filters = RNG.normal(size=x.shape), RNG.normal(size=w.shape)
        along = np.sum(dy * by_definition(other, w, **facts))
        np.testing.assert_allclose(np.sum(dx * other), along, rtol=1e-9)
        along = np.sum(dy * by_definition(x, filters, **facts))
        np.testing.assert_allclose(np.sum(dw * filters), along, rtol=1e-9)


def test_an_empty_batch_has_no_windows(rows):
    x, w = np.zeros((0, 2, 5, 5)), np.ones((3, 2, 3, 3))
    y = conv._conv2d.forward(np, x, w, **FACTS[0])
    assert y.shape == (0, 3, 3, 3)
    assert conv2d_input.forward(np, y, w, x, **FACTS[0]).shape == x.shape
    assert not conv2d_filters.forward(np, x, y, w, **FACTS[0]).any()
