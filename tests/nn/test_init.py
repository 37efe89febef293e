"""Initialisers: their statistics, and the same values in both modes from one seed."""

from __future__ import annotations

import numpy as np
import pytest

import dlgraph as dg
from dlgraph.errors import OperationError
from dlgraph.nn import init

SHAPE = (200, 100)

RANDOM = {
    "uniform": (lambda **k: init.uniform(SHAPE, -0.5, 1.5, **k), 0.5, 2 / np.sqrt(12)),
    "normal": (lambda **k: init.normal(SHAPE, 0.25, 0.1, **k), 0.25, 0.1),
    "xavier_uniform": (lambda **k: init.xavier_uniform(SHAPE, **k), 0, np.sqrt(2 / 300)),
    "he_normal": (lambda **k: init.he_normal(SHAPE, **k), 0, np.sqrt(2 / 200)),
    "fan_in_uniform": (lambda **k: init.fan_in_uniform(SHAPE, **k), 0, 1 / np.sqrt(3 * 200)),
}


@pytest.mark.parametrize("name", RANDOM)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_mean_and_deviation(name, dtype):
    make, mean, deviation = RANDOM[name]
    values = dg.Parameter(make(rng=dg.Stream(0), dtype=dtype)).numpy()
    count = values.size
    assert values.shape == SHAPE and values.dtype == dtype
    assert abs(values.mean() - mean) < 5 * deviation / np.sqrt(count)
    assert abs(values.std() - deviation) < 5 * deviation / np.sqrt(count)


def test_bounds_of_the_uniform_ones():
    for make, bound in [
        (init.xavier_uniform(SHAPE, rng=dg.Stream(1)), np.sqrt(6 / 300)),
        (init.fan_in_uniform(SHAPE, rng=dg.Stream(1)), 1 / np.sqrt(200)),
        (init.fan_in_uniform((100,), fan_in=25, rng=dg.Stream(1)), 1 / 5),
    ]:
        largest = np.abs(dg.Parameter(make).numpy()).max()
        assert 0.95 * bound < largest <= np.float32(bound)


def test_constants_draw_nothing():
    before = dg.default_stream().state()
    assert dg.Parameter(init.zeros((2,))).tolist() == [0.0, 0.0]
    assert dg.Parameter(init.ones((2,), dtype="float64")).dtype == np.float64
    assert dg.Parameter(init.constant((1, 2), 0.5)).tolist() == [[0.5, 0.5]]
    assert dg.default_stream().state() == before


def test_fans_need_a_matrix():
    with pytest.raises(OperationError, match="at least two axes"):
        init.xavier_uniform((3,))


@pytest.mark.parametrize("name", RANDOM)
def test_both_modes_draw_the_same_values(name):
    make = RANDOM[name][0]
    dg.seed(7)
    eager = [dg.Parameter(make()) for _ in range(2)]
    dg.seed(7)
    with dg.Graph().as_default() as g:
        waiting = [dg.Parameter(make()) for _ in range(2)]
    assert all(p._data is None for p in waiting)
    dg.Session(g).run(g.startup)
    for one, two in zip(eager, waiting, strict=True):
        np.testing.assert_array_equal(one.numpy(), two.numpy())
    assert not np.array_equal(eager[0].numpy(), eager[1].numpy())


def test_whole_models_start_equal_in_both_modes():
    def model():
        return dg.nn.Sequential(
            dg.nn.Linear(5, 4), dg.nn.Dropout(0.5), dg.nn.Linear(4, 3, bias=False)
        )

    dg.seed(11)
    eager = model().state_dict()
    dg.seed(11)
    with dg.Graph().as_default() as g:
        waiting = model()
    dg.Session(g).run(g.startup)
    for name, value in waiting.state_dict().items():
        np.testing.assert_array_equal(value, eager[name])


@pytest.mark.parametrize("make", [dg.nn.init.normal, dg.nn.init.zeros, dg.nn.init.ones])
def test_a_shape_is_a_tuple(make):
    with pytest.raises(OperationError, match="shape 3: a shape is a tuple of sizes"):
        make(3)
