"""Clipping: the formula on arrays, tensors and nodes, and within training."""

import numpy as np
import pytest

import dlgraph as dg
from dlgraph.errors import BackwardError, OperationError

GRADS = [np.array([3.0, 0.0], "float32"), np.array([[4.0]], "float32")]


def test_every_carrier_gives_the_same_numbers():
    arrays, norm = dg.optim.clip_by_norm(GRADS, 1.0)
    tensors, tensor_norm = dg.optim.clip_by_norm([dg.Tensor(g) for g in GRADS], 1.0)
    with dg.Graph().as_default() as graph:
        nodes, node_norm = dg.optim.clip_by_norm([dg.constant(g) for g in GRADS], 1.0)
        values = dg.optim.clip_by_value([dg.constant(g) for g in GRADS], 3.5)
    found, found_norm, found_values = dg.Session(graph).run([nodes, node_norm, values])
    assert norm == tensor_norm.item() == found_norm == 5.0
    for a, t, n, g in zip(arrays, tensors, found, GRADS, strict=True):
        assert np.array_equal(a, t.numpy()) and np.array_equal(a, n)
        np.testing.assert_allclose(a, g / (5.0 + 1e-6), rtol=1e-6)
        assert a.dtype == np.float32 and a.shape == g.shape
    clipped = dg.optim.clip_by_value(GRADS, 3.5)
    assert [c.tolist() for c in clipped] == [[3.0, 0.0], [[3.5]]]
    assert [c.tolist() for c in found_values] == [[3.0, 0.0], [[3.5]]]


def test_small_gradients_stay_as_they_are():
    arrays, norm = dg.optim.clip_by_norm(GRADS, 6.0)
    assert norm == 5.0
    for a, g in zip(arrays, GRADS, strict=True):
        assert np.array_equal(a, g)
    zeros, norm = dg.optim.clip_by_norm([np.zeros(2, "float32")], 1.0)
    assert norm == 0.0 and zeros[0].tolist() == [0.0, 0.0]


def test_a_nan_spreads_instead_of_hiding():
    arrays, norm = dg.optim.clip_by_norm([np.array([np.nan, 1.0])], 1.0)
    assert np.isnan(norm) and np.isnan(arrays[0]).all()


def test_in_place_on_parameters():
    w, unused = dg.Parameter([1.0, 1.0]), dg.Parameter([1.0])
    (w * dg.Tensor([3.0, 4.0])).sum().backward()
    assert dg.optim.clip_grad_norm([w, unused], 1.0) == 5.0
    np.testing.assert_allclose(np.linalg.norm(w.grad.numpy()), 1.0, rtol=1e-5)
    dg.optim.clip_grad_value([w], 0.7)
    assert w.grad.numpy().max() == np.float32(0.7)
    assert unused.grad is None
    with pytest.raises(BackwardError, match="none of the parameters has a gradient"):
        dg.optim.clip_grad_norm([unused], 1.0)


@pytest.mark.parametrize("options", [{"clip_norm": 0.5}, {"clip_value": 0.1}])
def test_minimize_clips_as_eager_code_does(options):
    def make():
        return dg.Parameter([1.0, -2.0], name="a"), dg.Parameter(3.0, name="b")

    a, b = make()
    optimizer = dg.optim.Adam([a, b], lr=0.1)
    with dg.Graph().as_default() as graph:
        update = optimizer.minimize((dg.variable(a) ** 2).sum() * dg.variable(b), **options)
    session = dg.Session(graph)
    session.run(graph.startup)
    c, d = make()
    other = dg.optim.Adam([c, d], lr=0.1)
    for _ in range(4):
        session.run(update)
        other.zero_grad()
        ((c**2).sum() * d).backward()
        if "clip_norm" in options:
            dg.optim.clip_grad_norm([c, d], options["clip_norm"])
        else:
            dg.optim.clip_grad_value([c, d], options["clip_value"])
        other.step()
    assert np.array_equal(a.numpy(), c.numpy()) and np.array_equal(b.numpy(), d.numpy())


def test_gradients_can_be_changed_on_the_way():
    w = dg.Parameter(1.0, name="w")
    with dg.Graph().as_default() as graph:
        slope = dg.gradients(dg.variable(w) * 4.0, w)
        update = dg.optim.SGD([w], lr=0.5).apply_gradients([(w, slope * 0.5)])
    dg.Session(graph).run(update)
    assert w.item() == 0.0


@pytest.mark.parametrize("limit", [0, -1.0, float("nan"), "x"])
def test_wrong_limits(limit):
    with pytest.raises(OperationError, match="a number above 0"):
        dg.optim.clip_by_norm(GRADS, limit)
    with pytest.raises(OperationError, match="a number above 0"):
        dg.optim.clip_by_value(GRADS, limit)


def test_nothing_to_clip():
    with pytest.raises(OperationError, match="no gradients"):
        dg.optim.global_norm([])
