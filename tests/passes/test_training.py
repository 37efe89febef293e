"""The passes that make a training step fast, on a small MLP and on a recurrence."""

from __future__ import annotations

import numpy as np
import pytest

import dlgraph as dg
from dlgraph.passes import PassManager
from tests.passes.tools import kinds, normal, optimised, report, without


def mlp(optimizer="SGD", **options):
    """One training step; graph, fetches, feeds and the gradient of the first weights."""
    parameters = [
        dg.Parameter(value, name=name)
        for name, value in (("w1", normal(6, 5)), ("b1", normal(5)), ("w2", normal(5, 3)))
    ] + [dg.Parameter(normal(3), name="b2")]
    w1, b1, w2, b2 = parameters
    with dg.Graph().as_default() as graph:
        x = dg.placeholder(("batch", 6), name="x")
        y = dg.placeholder(("batch",), "int64", name="y")
        loss = dg.cross_entropy(dg.relu(x @ w1 + b1) @ w2 + b2, y)
        step = getattr(dg.optim, optimizer)(parameters, lr=0.1, **options).minimize(loss)
    dg.Session(graph).run(graph.startup)
    return graph, [loss, step], {x: normal(4, 6), y: np.array([0, 2, 1, 0])}


def gradient_of(graph, name):
    """The matrix product that is the gradient of these weights."""
    update = next(r for r in graph.records if r.name == f"sgd/{name}/multiply")
    return graph.handle(update.inputs[1])


def test_exact_passes_keep_the_step_bit_for_bit_for_every_optimiser():
    for optimizer in ("SGD", "Adam", "AdamW", "RMSprop", "Adagrad"):
        found = optimised(*mlp(optimizer))
        assert report(found, "flatten").exact
    optimised(*mlp("SGD", momentum=0.9, nesterov=True, weight_decay=0.01))


def test_checking_does_not_stumble_over_gradients_that_are_only_noise():
    """A bias in front of a softmax that adds the same to all classes has no gradient."""
    b = dg.Parameter(np.zeros((), np.float32), name="only_noise")
    with dg.Graph().as_default() as graph:
        x = dg.placeholder((6, 3), name="x")
        loss = dg.mean(dg.square(dg.softmax(dg.tanh(x) + b)))
        step = dg.optim.Adam([b], lr=0.1).minimize(loss)
    dg.Session(graph).run(graph.startup)
    optimised(graph, [loss, step], {x: normal(6, 3)}, exact=False)


def test_the_updates_of_all_parameters_are_one():
    found = optimised(*mlp("Adam"))
    assert kinds(found)["sqrt"] == 2  # one of the step count, one of all squares
    assert "one update for 4 parameters laid end to end" in found.report
    assert kinds(without("flatten").run(*mlp("Adam")))["sqrt"] == 5


def test_parameters_of_different_groups_are_not_mixed():
    w, b = dg.Parameter(normal(3, 2), name="w"), dg.Parameter(normal(2), name="b")
    groups = [{"parameters": [w], "lr": 0.1}, {"parameters": [b], "lr": 0.2}]
    with dg.Graph().as_default() as graph:
        x = dg.placeholder((4, 3), name="x")
        step = dg.optim.SGD(groups).minimize(dg.sum(dg.square(x @ w + b)))
    found = optimised(graph, step, {x: normal(4, 3)})
    assert "flatten" not in [one.name for one in found.reports]


def test_the_learning_rate_goes_into_the_first_gradient():
    graph, fetches, feed = mlp()
    found = optimised(graph, fetches, feed, exact=False)
    reason = report(found, "factors").changes[0].reason
    assert reason == "the factor sgd/w1/cast is multiplied with one number instead of 53"
    assert "factors" not in [one.name for one in optimised(graph, fetches, feed).reports]


def test_a_factor_stays_where_the_gradient_is_fetched():
    graph, fetches, feed = mlp()
    gradient = gradient_of(graph, "w2")
    found = optimised(graph, [*fetches, gradient], feed, exact=False)
    assert "factors" not in [one.name for one in found.reports]


def test_a_factor_that_depends_on_the_gradients_stays():
    w = dg.Parameter(normal(3, 2), name="w")
    with dg.Graph().as_default() as graph:
        x = dg.placeholder((4, 3), name="x")
        loss = dg.sum(dg.square(x @ w))
        step = dg.optim.SGD([w], lr=0.1).minimize(loss, clip_norm=1.0)
    optimised(graph, [loss, step], {x: normal(4, 3)}, exact=False)


def test_bias_gradients_are_products_with_ones():
    found = optimised(*mlp(), exact=False)
    assert kinds(found)["sum"] == 0
    plain = kinds(without("ones", exact=False).run(*mlp()))
    assert (plain["sum"], plain["mean"]) == (2, 1)


def test_the_mean_of_the_losses_is_a_product_where_numpy_runs_it():
    assert kinds(optimised(*mlp(), exact=False))["mean"] == 0
    assert kinds(PassManager(exact=False).run(*mlp(), target="fast"))["mean"] == 1


@pytest.mark.parametrize("shape", [(5,), (5, 3), (5, 4, 3), (5, 5, 3), (2, 3, 2, 4)])
def test_means_over_the_first_axis_of_any_array_are_what_they_were(shape):
    with dg.Graph().as_default() as graph:
        x = dg.placeholder(shape, name="x")
        y = dg.mean(dg.tanh(x), axis=0)
    optimised(graph, y, {x: normal(*shape)}, exact=False)


def test_the_cross_entropy_and_its_gradient_share_their_exponentials():
    found = optimised(*mlp(), exact=False)
    names = kinds(found)
    assert (names["exp"], names["softmax_cross_entropy"]) == (1, 0)
    assert (names["cross_entropy_from_sums"], names["softmax"]) == (1, 0)
    plain = kinds(without("softmax", exact=False).run(*mlp()))
    assert (plain["softmax"], plain["softmax_cross_entropy"]) == (1, 1)
    (report,) = (report for report in found.reports if report.name == "softmax")
    assert report.saved == report.changes[0].saved and report.saved.flops > 0
    compiled = PassManager(exact=False).run(*mlp(), target="fast")
    assert kinds(compiled)["softmax_cross_entropy"] == 1  # which has a kernel of its own
    assert kinds(compiled)["softmax"] == 1


def test_logits_that_are_large_keep_a_finite_loss_and_gradient():
    with dg.Graph().as_default() as graph:
        z = dg.placeholder((2, 3), name="z")
        y = dg.placeholder((2,), "int64", name="y")
        loss = dg.cross_entropy(z, y)
        fetches = [loss, dg.gradients(loss, z)]
    feed = {z: np.array([[1e4, 0, -1e4], [-1e4, -1e4, -1e4]], np.float32), y: np.array([1, 2])}
    want, got = (dg.Session(graph, exact=exact).run(fetches, feed) for exact in (True, False))
    for a, b in zip(want, got, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4)


@pytest.mark.parametrize("label", [3, -1])
@pytest.mark.parametrize("what", ["both", "gradient"])
def test_a_label_out_of_range_is_told_as_without_the_pass(label, what):
    graph, x, y, (loss, gradient) = labelled()
    fetches = [loss, gradient] if what == "both" else gradient
    told = []
    for exact in (True, False):
        with pytest.raises(dg.errors.LabelError, match="out of range") as caught:
            dg.Session(graph, exact=exact).run(fetches, {x: normal(2, 3), y: [label, 0]})
        told.append(caught.value.what[caught.value.what.index("label ") :])
    assert told[0] == told[1]


def test_a_loss_whose_labels_come_from_the_gradient_of_another_is_no_pair_with_it():
    """They read the same logits; joined, each would have waited for the other."""
    with dg.Graph().as_default() as graph:
        z = dg.placeholder((4, 3), name="z")
        first = dg.constant([0, 1, 2, 0])
        gradient = dg.gradients(dg.cross_entropy(z, first), z)
        loss = dg.cross_entropy(z, dg.argmax(gradient, axis=1))
    feed = {z: normal(4, 3)}
    want, got = (
        dg.Session(graph, exact=exact).run([loss, gradient], feed) for exact in (True, False)
    )
    for a, b in zip(want, got, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6)


def labelled():
    with dg.Graph().as_default() as graph:
        x = dg.placeholder((2, 3), name="x")
        y = dg.placeholder((2,), "int64", name="y")
        loss = dg.cross_entropy(x, y)
        return graph, x, y, (loss, dg.gradients(loss, x))


def test_updates_are_added_by_the_product():
    found = optimised(*mlp(), exact=False)
    gemms = [r for r in found.graph.records if r.primitive.name == "gemm"]
    assert [r.attrs for r in gemms] == [{"ta": True, "tb": False, "beta": 1.0}] * 2
    assert kinds(without("update", exact=False).run(*mlp()))["gemm"] == 0
    momentum = optimised(*mlp("SGD", momentum=0.5), exact=False)
    betas = [r.attrs["beta"] for r in momentum.graph.records if r.primitive.name == "gemm"]
    assert betas == [0.5, 0.5]


@pytest.mark.parametrize("how", ["fetched", "watched"])
def test_a_gradient_that_somebody_looks_at_stays(how):
    graph, fetches, feed = mlp()
    gradient = gradient_of(graph, "w1")
    extra = [gradient] if how == "fetched" else []
    watched = [gradient] if how == "watched" else []
    found = optimised(graph, [*fetches, *extra], feed, exact=False, watched=watched)
    assert kinds(found)["gemm"] == 1
    where = found.index(gradient.index)
    assert found.graph.records[where].primitive.name == "matmul"


# ---- a recurrence --------------------------------------------------------------------------------

STEPS, BATCH, SIZE = 5, 3, 4


def recurrence(training=True):
    """An LSTM-like cell with two gates, written out over time."""
    wx, wh = dg.Parameter(normal(2, 2 * SIZE)), dg.Parameter(normal(SIZE, 2 * SIZE))
    b = dg.Parameter(normal(2 * SIZE))
    with dg.Graph().as_default() as graph:
        x = dg.placeholder((STEPS, BATCH, 2), name="x")
        h = dg.constant(np.zeros((BATCH, SIZE), np.float32))
        for t in range(STEPS):
            z = x[t] @ wx + h @ wh + b
            h = dg.sigmoid(z[:, :SIZE]) * dg.tanh(z[:, SIZE:])
        loss = dg.mean(dg.square(h))
        step = dg.optim.SGD([wx, wh, b], lr=0.1).minimize(loss)
    return graph, [loss, step] if training else loss, {x: normal(STEPS, BATCH, 2)}


def test_products_of_a_recurrence_are_stacked():
    graph, fetches, feed = recurrence()
    found = optimised(graph, fetches, feed, exact=False)
    # Forward: all x at once, and h step by step; backward: dh step by step.
    assert kinds(found)["matmul"] == 1 + STEPS + (STEPS - 1) + 1
    assert kinds(found)["gemm"] == 2
    plain = without("stack", exact=False).run(graph, fetches, feed)
    assert kinds(plain)["matmul"] + kinds(plain)["gemm"] >= 5 * STEPS - 1
    text = str(report(found, "stack"))
    assert f"{STEPS} products with variable become one, of {STEPS * BATCH} rows" in text
    assert f"the sum of {STEPS} products is one over stacked rows" in text
    assert f"the sum of {STEPS} sums is one over stacked rows" in text


def test_the_inputs_of_all_steps_are_stacked_without_a_copy():
    graph, loss, feed = recurrence(training=False)
    found = optimised(graph, loss, feed, exact=False)
    assert kinds(found)["concatenate"] == 0 and kinds(found)["reshape"] == 1


def test_the_gates_of_a_gradient_are_joined_in_both_ways():
    for exact in (True, False):
        graph, fetches, feed = recurrence()
        found = optimised(graph, fetches, feed, exact=exact)
        assert kinds(found)["scatter"] == 0
        assert report(found, "join").exact is exact
    assert kinds(without("join").run(graph, fetches, feed))["scatter"] == 2 * STEPS


def test_products_that_wait_for_each_other_are_not_stacked():
    w = dg.Parameter(normal(3, 3))
    with dg.Graph().as_default() as graph:
        x = dg.placeholder((2, 3), name="x")
        y = dg.tanh(dg.tanh(x @ w) @ w) @ w
    found = optimised(graph, y, {x: normal(2, 3)}, exact=False)
    assert kinds(found)["matmul"] == 3


def test_two_groups_that_wait_for_each_other():
    v, w = dg.Parameter(normal(3, 3)), dg.Parameter(normal(3, 3))
    with dg.Graph().as_default() as graph:
        x, y = dg.placeholder((2, 3), name="x"), dg.placeholder((2, 3), name="y")
        left = (x @ v) @ w  # v first, then w
        right = (y @ w) @ v  # w first, then v
    feed = {x: normal(2, 3), y: normal(2, 3)}
    found = optimised(graph, [left, right], feed, exact=False)
    assert kinds(found)["matmul"] == 3


# ---- fusing --------------------------------------------------------------------------------------


def test_bias_and_activation_are_fused_for_executors_that_can():
    graph, fetches, feed = mlp()
    found = optimised(graph, fetches[0], feed, target="fast")
    fused = [r for r in found.graph.records if r.primitive.name == "fused"]
    assert [r.name for r in fused] == ["relu"]
    body = fused[0].attrs["body"]
    assert [r.primitive.name for r in body.records][-2:] == ["add", "relu"]
    assert fused[0].origin and fused[0].where is not None
    assert kinds(optimised(graph, fetches[0], feed, target="planned"))["fused"] == 0


def test_what_is_read_twice_or_fetched_is_no_inner_part_of_a_group():
    with dg.Graph().as_default() as graph:
        x = dg.placeholder((3,), name="x")
        h = dg.tanh(x) + 1.0
        y, z = dg.exp(h) * 2.0, dg.sum(h)
    found = optimised(graph, [y, z], {x: normal(3)}, target="fast")
    assert kinds(found)["fused"] == 2
    assert found.index(h.index) is not None


def test_groups_stay_small_enough():
    with dg.Graph().as_default() as graph:
        x = y = dg.placeholder((3,), name="x")
        for _ in range(200):
            y = dg.tanh(y)
    found = optimised(graph, y, {x: normal(3)}, target="fast")
    sizes = [len(r.attrs["body"].records) for r in found.graph.records if r.attrs.get("body")]
    assert sizes == [9, 65, 65, 65] or sorted(sizes) == [9, 65, 65, 65]


def test_a_fused_group_can_be_differentiated():
    with dg.Graph().as_default() as graph:
        x = dg.placeholder((3,), name="x")
        y = dg.tanh(x) * 2.0 + 1.0
    found = PassManager().run(graph, y, {x: normal(3)}, target="fast")
    body = found.graph.records[found.fetches[0]].attrs["body"]
    t = dg.Tensor([0.0, 1.0, 2.0], requires_grad=True)
    from dlgraph.ops.fused import fused

    fused(t, body=body).sum().backward()
    np.testing.assert_allclose(t.grad.numpy(), 2 / np.cosh([0.0, 1.0, 2.0]) ** 2, rtol=1e-5)
