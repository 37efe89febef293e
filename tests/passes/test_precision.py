"""Mixed precision: half products, scaled gradients, single updates; and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

import dlgraph as dg
from dlgraph.errors import OperationError
from dlgraph.passes import MixedPrecision, PassManager
from tests.passes.tools import normal


def step():
    w, b = dg.Parameter(normal(6, 4), name="w"), dg.Parameter(normal(4), name="b")
    with dg.Graph().as_default() as graph:
        x = dg.placeholder((8, 6), name="x")
        y = dg.placeholder((8,), "int64", name="y")
        loss = dg.cross_entropy(dg.tanh(x @ w) @ dg.constant(normal(4, 4)) + b, y)
        slope = dg.gradients(loss, w)
        train = dg.optim.SGD([w, b], lr=0.1).minimize(loss)
    return graph, [loss, train, slope], {x: normal(8, 6), y: np.arange(8) % 4}


def half(**options):
    return PassManager(exact=False, precision="float16", **options)


def test_products_are_half_and_everything_that_is_kept_is_single():
    graph, fetches, feed = step()
    found = half().run(graph, fetches, feed, target="gpu")
    products = [r for r in found.graph.records if r.primitive.name in ("matmul", "gemm")]
    assert {str(r.spec.dtype) for r in products if len(r.spec.shape) == 2} == {"float16"}
    for index in found.fetches:
        assert found.graph.records[index].spec.dtype != np.float16
    for record in found.graph.records:
        if record.primitive.name == "assign":
            assert found.graph.records[record.inputs[1]].spec.dtype == np.float32


def test_the_numbers_agree_to_three_digits():
    graph, fetches, feed = step()
    values = []
    for manager in (PassManager(level=0), half()):
        found = manager.run(graph, fetches, feed, target="gpu")
        values.append(dg.passes.check.outcome(found.graph, found.job, list(feed.values())))
    (loss, _, slope), _ = values[0]
    (loss_half, _, slope_half), _ = values[1]
    assert loss_half == pytest.approx(loss, rel=3e-3)
    np.testing.assert_allclose(slope_half, slope, atol=3e-3 * np.abs(slope).max())
    for before, after in zip(values[0][1].values(), values[1][1].values(), strict=True):
        np.testing.assert_allclose(after, before, atol=3e-3)


def test_small_gradients_survive_because_they_are_scaled():
    with dg.Graph().as_default() as graph:
        x = dg.placeholder((2, 2), name="x")
        w = dg.variable(dg.Parameter(normal(2, 2)), name="w")
        slope = dg.gradients(dg.sum(x @ w) * 1e-8, w)
    feed = {x: np.ones((2, 2), np.float32)}
    result = {}
    for scale in (1.0, 1024.0):
        manager = PassManager(passes=[MixedPrecision(scale)], exact=False)
        found = manager.run(graph, slope, feed, target="gpu")
        result[scale] = dg.passes.check.outcome(found.graph, found.job, list(feed.values()))[0][0]
    assert not result[1.0].any()
    np.testing.assert_allclose(result[1024.0], 2e-8, rtol=1e-2)


def test_a_gradient_that_is_differentiated_again_is_not_scaled():
    with dg.Graph().as_default() as graph:
        x = dg.placeholder((3, 3), name="x")
        first = dg.gradients(dg.sum(dg.tanh(x @ x)), x)
        second = dg.gradients(dg.sum(dg.square(first)), x)
    half(check=True).run(graph, [first, second], {x: normal(3, 3) * 0.1}, target="gpu")


@pytest.mark.parametrize("target", ["planned", "fast", "interpreter"])
def test_cpus_are_refused_in_words_that_say_why(target):
    graph, fetches, feed = step()
    with pytest.raises(OperationError, match="a CPU computes float16 many times slower"):
        half().run(graph, fetches, feed, target=target)


def test_exactness_and_other_precisions_are_refused():
    graph, fetches, feed = step()
    with pytest.raises(OperationError, match="exact=True forbids it"):
        PassManager(precision="float16").run(graph, fetches, feed, target="gpu")
    with pytest.raises(OperationError, match='computed in "float16"'):
        PassManager(precision="bfloat16")
