"""Normalisation layers: against NumPy, and the same in both modes."""

import numpy as np
import pytest

import dlgraph as dg
from tests.nn.modes import assert_same_bits, train_both

RNG = np.random.default_rng(0)


def squared(model, x, y):
    return dg.mse_loss(model(x), y)


@pytest.mark.parametrize("shape", [(6, 3), (6, 3, 4), (6, 3, 4, 2)])
def test_batch_norm_against_numpy(shape):
    x = RNG.normal(2, 3, shape).astype("float32")
    layer = dg.nn.BatchNorm(3, momentum=0.25)
    axes = (0, *range(2, len(shape)))
    keep = (1, 3, *(1,) * (len(shape) - 2))
    mean, var = x.mean(axes), x.var(axes)
    wanted = (x - mean.reshape(keep)) / np.sqrt(var.reshape(keep) + 1e-5)
    assert np.allclose(layer(dg.Tensor(x)).numpy(), wanted, atol=1e-5)
    n = x.size // 3
    assert np.allclose(layer.running_mean.numpy(), 0.25 * mean, rtol=1e-5)
    assert np.allclose(layer.running_var.numpy(), 0.75 + 0.25 * var * n / (n - 1), rtol=1e-5)
    before = layer.state_dict()
    kept = layer.running_mean.numpy().reshape(keep), layer.running_var.numpy().reshape(keep)
    tested = layer.eval()(dg.Tensor(x)).numpy()
    assert np.allclose(tested, (x - kept[0]) / np.sqrt(kept[1] + 1e-5), atol=1e-5)
    assert all(np.array_equal(before[k], v) for k, v in layer.state_dict().items())


@pytest.mark.parametrize("shape", [(1, 3), (1, 3, 1)])
def test_a_batch_of_one_value_leaves_no_nan_behind(shape):
    x = RNG.normal(2, 3, shape).astype("float32")
    layer, other = dg.nn.BatchNorm(3), dg.nn.BatchNorm(3)
    with np.errstate(all="raise"):
        assert layer(dg.Tensor(x)).tolist() == np.zeros(shape).tolist()
    assert np.allclose(layer.running_var.numpy(), 0.9)  # one value varies by nothing
    assert np.isfinite(layer.eval()(dg.Tensor(x)).numpy()).all()
    with dg.Graph().as_default() as graph:
        node = dg.placeholder((None, *shape[1:]))
        y = other(node)
    dg.Session(graph).run(y, {node: x})
    assert_same_bits(layer, other)


def test_running_averages_are_not_trained():
    layer = dg.nn.BatchNorm(3)
    layer(dg.Tensor(RNG.normal(size=(4, 3)).astype("float32"))).sum().backward()
    assert layer.running_mean.grad is None and layer.weight.grad is not None


def build(rng):
    return dg.nn.Sequential(
        dg.nn.Linear(5, 6, rng=rng), dg.nn.BatchNorm(6), dg.nn.ReLU(),
        dg.nn.LayerNorm(6), dg.nn.Linear(6, 2, rng=rng),
    )  # fmt: skip


def test_both_modes_and_the_test_clone():
    x = RNG.normal(size=(8, 5)).astype("float32")
    y = RNG.normal(size=(8, 2)).astype("float32")
    eager, model, session, nodes, loss = train_both(build, x, y, squared)
    assert_same_bits(eager, model)
    test = dg.Session(session.graph.clone(for_test=True))
    before = model.state_dict()
    found = test.run(loss, dict(zip(nodes, (x, y), strict=True)))
    wanted = squared(eager.eval(), dg.Tensor(x), dg.Tensor(y)).numpy()
    assert np.array_equal(found, wanted)
    assert all(np.array_equal(before[k], v) for k, v in model.state_dict().items())


def test_traced_function_moves_running_averages():
    layer, other = dg.nn.BatchNorm(3), dg.nn.BatchNorm(3)
    traced = dg.function(lambda x: layer(x))
    x = dg.Tensor(RNG.normal(size=(4, 3)).astype("float32"))
    for _ in range(3):
        assert np.array_equal(traced(x).numpy(), other(x).numpy())
    assert_same_bits(layer, other)


def test_group_norm_against_numpy():
    x = RNG.normal(size=(2, 6, 4, 3)).astype("float32")
    grouped = x.reshape(2, 3, -1)
    wanted = (grouped - grouped.mean(-1, keepdims=True)) / np.sqrt(
        grouped.var(-1, keepdims=True) + 1e-5
    )
    found = dg.nn.GroupNorm(3, 6)(dg.Tensor(x)).numpy()
    assert np.allclose(found, wanted.reshape(x.shape), atol=1e-5)


@pytest.mark.parametrize(
    "make", [lambda: dg.nn.BatchNorm(3), lambda: dg.nn.LayerNorm(3), lambda: dg.nn.GroupNorm(1, 3)]
)
def test_wrong_sizes_are_named(make):
    with pytest.raises(dg.errors.ShapeError, match=r"\(4, 2\)"):
        make()(dg.Tensor(np.ones((4, 2), "float32")))


@pytest.mark.parametrize(
    "make", [lambda: dg.nn.BatchNorm(3), lambda: dg.nn.LayerNorm(3), lambda: dg.nn.GroupNorm(1, 3)]
)
def test_arrays_and_lists_are_normalised_as_tensors_are(make):
    x = RNG.normal(2, 3, (6, 3)).astype("float32")
    wanted, taught = make(), make()
    expected = wanted(dg.Tensor(x)).numpy()
    assert np.array_equal(taught(x).numpy(), expected)
    assert_same_bits(wanted, taught)
    assert np.array_equal(make()(x.tolist()).numpy(), expected)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: dg.nn.BatchNorm(3, momentum="a"), r"BatchNorm\(momentum='a'\): momentum is a num"),
        (lambda: dg.nn.BatchNorm(3, momentum=None), "momentum is a number above 0 and at most 1"),
        (lambda: dg.nn.BatchNorm(3, momentum=0.0), "momentum is a number above 0"),
        (lambda: dg.nn.BatchNorm(3, momentum=True), "momentum is a number"),
        (lambda: dg.nn.BatchNorm(3, epsilon="a"), r"BatchNorm\(epsilon='a'\): epsilon is a number"),
        (lambda: dg.nn.LayerNorm(3, epsilon="a"), r"LayerNorm\(epsilon='a'\): epsilon is a number"),
        (lambda: dg.nn.LayerNorm(3, epsilon=0), "epsilon is a number above 0"),
        (lambda: dg.nn.GroupNorm(1, 3, epsilon=[1]), r"GroupNorm\(epsilon=\[1\]\)"),
    ],
)
def test_options_that_are_no_numbers_are_refused(make, words):
    with pytest.raises(dg.errors.OperationError, match=words):
        make()
    assert dg.nn.BatchNorm(3, momentum=np.float32(0.5), epsilon=np.float64(1e-3)).momentum == 0.5
