"""Convolution layers: sizes, errors, names, and the same bits in both modes."""

import numpy as np
import pytest

import dlgraph as dg
from tests.nn.modes import assert_same_bits, train_both

RNG = np.random.default_rng(0)


def lenet(rng):
    return dg.nn.Sequential(
        dg.nn.Conv2d(1, 3, 5, padding=2, rng=rng), dg.nn.BatchNorm(3), dg.nn.ReLU(),
        dg.nn.MaxPool2d(2), dg.nn.Conv2d(3, 4, 3, rng=rng), dg.nn.ReLU(), dg.nn.AvgPool2d(2),
        dg.nn.Flatten(), dg.nn.Linear(16, 3, rng=rng),
    )  # fmt: skip


def test_both_modes():
    x = RNG.normal(size=(6, 1, 12, 12)).astype("float32")
    labels = RNG.integers(0, 3, 6)
    eager, model, *_ = train_both(
        lenet, x, labels, lambda m, x, y: dg.nn.cross_entropy(m(x), y), steps=3
    )
    assert_same_bits(eager, model)


@pytest.mark.parametrize(
    ("layer", "shape", "wanted"),
    [
        (lambda: dg.nn.Conv1d(2, 4, 3, stride=2, padding=1), (2, 2, 9), (2, 4, 5)),
        (lambda: dg.nn.Conv2d(4, 6, (3, 1), groups=2, dilation=2), (1, 4, 8, 7), (1, 6, 4, 7)),
        (
            lambda: dg.nn.ConvTranspose2d(2, 4, 3, stride=2, padding=1, output_padding=1),
            (1, 2, 4, 5),
            (1, 4, 8, 10),
        ),
        (lambda: dg.nn.ConvTranspose1d(2, 4, 3, stride=2), (1, 2, 4), (1, 4, 9)),
    ],
)
def test_sizes_in_both_modes(layer, shape, wanted):
    made = layer()
    x = RNG.normal(size=shape).astype("float32")
    found = made(dg.Tensor(x))
    assert found.shape == wanted
    with dg.Graph().as_default() as graph:
        node = dg.placeholder((None, *shape[1:]))
        y = made(node)
    assert y.shape[1:] == wanted[1:]
    assert np.array_equal(dg.Session(graph).run(y, {node: x}), found.numpy())


def test_errors():
    with pytest.raises(dg.errors.ShapeError, match=r"made for images \(n, 3, height, width\)"):
        dg.nn.Conv2d(3, 4, 3)(dg.Tensor(np.ones((1, 2, 8, 8), "float32")))
    with pytest.raises(dg.errors.OperationError, match="divide evenly"):
        dg.nn.Conv2d(3, 4, 3, groups=2)


@pytest.mark.parametrize(
    ("layer", "shape", "hint"),
    [
        (dg.nn.Conv2d(1, 4, 3), (5, 8, 8), "x[:, None]"),
        (dg.nn.Conv2d(1, 4, 3), (8, 8), "x[None, None]"),
        (dg.nn.Conv2d(3, 4, 3), (3, 8, 8), "x[None]"),
        (dg.nn.Conv2d(3, 4, 3), (5, 8, 7, 3), "x.transpose(0, 3, 1, 2)"),
        (dg.nn.Conv1d(1, 4, 3), (5, 8), "x[:, None]"),
        (dg.nn.Conv1d(2, 4, 3), (5, 8, 2), "x.transpose(0, 2, 1)"),
    ],
)
def test_the_hint_makes_the_input_fit(layer, shape, hint):
    x = dg.ones(shape)
    with pytest.raises(dg.errors.ShapeError) as caught:
        layer(x)
    advice = caught.value.hint
    assert advice.endswith(f": {hint}")
    assert layer(eval(hint, {"x": x})).ndim == layer.axes + 2


@pytest.mark.parametrize(
    "layer", [dg.nn.Conv2d(1, 4, 3), dg.nn.ConvTranspose2d(1, 4, 3)], ids=["conv", "transpose"]
)
def test_a_nested_list_is_an_input_too(layer):
    x = RNG.normal(size=(2, 1, 5, 5)).astype("float32")
    assert np.array_equal(layer(x.tolist()).numpy(), layer(x).numpy())


@pytest.mark.parametrize(
    "options", [{"stride": 0}, {"stride": (1, -1)}, {"dilation": 0}, {"padding": -1}], ids=str
)
@pytest.mark.parametrize("convolve", [dg.conv2d, dg.conv_transpose2d], ids=["conv", "transpose"])
def test_sizes_that_mean_nothing_are_refused(convolve, options):
    x, w = dg.ones((1, 1, 4, 4)), dg.ones((1, 1, 2, 2))
    with pytest.raises(dg.errors.OperationError, match=f"{next(iter(options))} is") as caught:
        convolve(x, w, **options)
    assert "at least" in caught.value.hint


@pytest.mark.parametrize(
    ("window", "options", "words"),
    [
        (0, {}, "max_pool2d: the window is 0"),
        (2, {"stride": -1}, "max_pool2d: stride is -1"),
        (2, {"padding": -1}, "max_pool2d: padding is -1"),
        (2, {"dilation": (0, 1)}, "max_pool2d: dilation is"),
        (2, {"padding": 2}, "at most half"),
    ],
    ids=str,
)
def test_windows_that_mean_nothing_are_refused(window, options, words):
    with pytest.raises(dg.errors.OperationError) as caught:
        dg.max_pool2d(dg.ones((1, 1, 4, 4)), window, **options)
    assert words in str(caught.value)
