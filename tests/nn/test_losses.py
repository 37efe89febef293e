"""Losses: values and gradients against formulas in float64, stability, and refused labels."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import dlgraph as dg
from dlgraph.errors import DtypeError, LabelError, ShapeError

MODES = ["eager", "graph"]


def call(mode, loss, *values):
    """A loss in one of the modes; unknown sizes in the graph, so that it checks while running."""
    if mode == "eager":
        return loss(*(dg.Tensor(v) for v in values)).numpy()
    with dg.Graph().as_default() as g:
        nodes = [
            dg.placeholder((None,) * np.ndim(v), np.asarray(v).dtype, name=f"v{i}")
            for i, v in enumerate(values)
        ]
        y = loss(*nodes)
    return dg.Session(g).run(y, dict(zip(nodes, values, strict=True)))


def reference(logits, labels):
    z = logits.astype(float)
    z = z - z.max(-1, keepdims=True)
    log_p = z - np.log(np.exp(z).sum(-1, keepdims=True))
    return -np.take_along_axis(log_p, labels[..., None], -1)[..., 0], np.exp(log_p)


@pytest.mark.parametrize("mode", MODES)
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_cross_entropy_is_its_formula(mode, data):
    rows, classes = data.draw(st.integers(1, 5)), data.draw(st.integers(1, 6))
    scale = data.draw(st.sampled_from([1.0, 30.0, 1e4]))
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    logits = (rng.normal(size=(rows, classes)) * scale).astype(np.float32)
    labels = rng.integers(0, classes, rows)
    wanted, _ = reference(logits, labels)
    got = call(mode, dg.softmax_cross_entropy, logits, labels)
    np.testing.assert_allclose(got, wanted, rtol=2e-5, atol=2e-6)
    assert got.dtype == np.float32
    mean = call(mode, dg.cross_entropy, logits, labels)
    np.testing.assert_allclose(mean, wanted.mean(), rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize("scale", [1.0, 50.0, 1e4])
def test_the_gradient_of_cross_entropy_is_probability_minus_one_hot(scale):
    rng = np.random.default_rng(2)
    logits = (rng.normal(size=(2, 3, 5)) * scale).astype(np.float32)
    labels = rng.integers(0, 5, (2, 3))
    x = dg.Tensor(logits, requires_grad=True)
    dg.cross_entropy(x, dg.Tensor(labels)).backward()
    _, probabilities = reference(logits, labels)
    wanted = (probabilities - np.eye(5)[labels]) / labels.size
    np.testing.assert_allclose(x.grad.numpy(), wanted, rtol=2e-3, atol=1e-7 + 1e-8 * scale)
    assert x.grad.dtype == np.float32


def test_cross_entropy_of_huge_logits_is_finite():
    logits = dg.Tensor([[1e4, -1e4, 0.0], [-1e30, 1e30, 0.0]], requires_grad=True)
    loss = dg.cross_entropy(logits, dg.Tensor([1, 1]))
    loss.backward()
    assert loss.item() == 1e4 and np.isfinite(logits.grad.numpy()).all()
    np.testing.assert_allclose(logits.grad.numpy(), [[0.5, -0.5, 0.0], [0.0, 0.0, 0.0]])


def test_second_derivative_of_cross_entropy():
    z = np.array([[0.3, -0.2, 0.9]])
    x = dg.Tensor(z, requires_grad=True)
    first = dg.grad(dg.cross_entropy(x, dg.Tensor([2])), x, create_graph=True)
    rows = [dg.grad(first[0, i], x, retain_graph=True).numpy()[0] for i in range(3)]
    p = np.exp(z[0]) / np.exp(z[0]).sum()
    np.testing.assert_allclose(rows, np.diag(p) - np.outer(p, p), atol=1e-12)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("labels", [[0, 3, 1], [0, -1, 1], [0, 1, 2**40]])
def test_labels_out_of_range_are_named_with_their_position(mode, labels):
    logits = np.zeros((3, 3), np.float32)
    value = next(label for label in labels if not 0 <= label < 3)
    position = labels.index(value)
    words = rf"label {value} at position \[{position}\] is out of range: there are 3 classes"
    with pytest.raises(LabelError, match=words):
        call(mode, dg.cross_entropy, logits, np.array(labels))


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int32", "uint64"])
def test_labels_of_any_integer_type_stay_what_they_are(dtype):
    logits = dg.Tensor(np.zeros((2, 3), np.float32), requires_grad=True)
    loss = dg.cross_entropy(logits, np.array([0, 2], dtype))
    loss.backward()
    assert loss.dtype == logits.grad.dtype == np.float32
    with pytest.raises(LabelError, match="label 3"):
        dg.cross_entropy(logits, np.array([0, 3], dtype))


@pytest.mark.parametrize("mode", MODES)
def test_labels_that_are_no_class_numbers(mode):
    logits = np.zeros((3, 4), np.float32)
    with pytest.raises(DtypeError, match=r"numbers \(integers\), not float32") as caught:
        call(mode, dg.cross_entropy, logits, np.zeros(3, np.float32))
    assert "astype" in caught.value.hint
    with pytest.raises(ShapeError) as caught:
        call(mode, dg.cross_entropy, logits, np.eye(4, dtype=np.int64)[:3])
    assert "one-hot" in caught.value.hint and "argmax" in caught.value.hint


@pytest.mark.parametrize("shape", [(3, 1), (4,), (3, 4), (1, 3), ()])
def test_labels_of_the_wrong_shape(shape):
    logits = dg.Tensor(np.zeros((3, 4), np.float32))
    words = r"must have the shape of the logits \(3, 4\) without their last axis"
    with pytest.raises(ShapeError, match=words):
        dg.cross_entropy(logits, np.zeros(shape, int))
    with dg.Graph().as_default(), pytest.raises(ShapeError, match=words):
        dg.cross_entropy(dg.placeholder((3, 4), name="z"), dg.placeholder(shape, "int64", name="t"))


def test_integer_logits_are_refused():
    with pytest.raises(DtypeError, match="logits are floating point, not int64"):
        dg.cross_entropy(dg.Tensor([[1, 2]]), dg.Tensor([0]))


# ---- regression


@pytest.mark.parametrize("mode", MODES)
def test_mse_and_l1_are_their_formulas(mode):
    rng = np.random.default_rng(1)
    p, t = rng.normal(size=(2, 4, 3)).astype(np.float32)
    np.testing.assert_allclose(call(mode, dg.mse_loss, p, t), ((p - t) ** 2).mean(), rtol=1e-6)
    np.testing.assert_allclose(call(mode, dg.l1_loss, p, t), np.abs(p - t).mean(), rtol=1e-6)


def test_gradients_of_mse_and_l1():
    p = dg.Tensor([1.0, 5.0, 2.0], requires_grad=True)
    t = dg.Tensor([2.0, 3.0, 2.0])
    assert dg.grad(dg.mse_loss(p, t), p).tolist() == pytest.approx([-2 / 3, 4 / 3, 0.0])
    assert dg.grad(dg.l1_loss(p, t), p).tolist() == pytest.approx([-1 / 3, 1 / 3, 0.0])


@pytest.mark.parametrize("loss", [dg.mse_loss, dg.l1_loss])
@pytest.mark.parametrize(
    ("prediction", "target"), [((8, 1), (8,)), ((8,), (8, 1)), ((2, 8), (8,)), ((8,), (7,))]
)
def test_a_loss_of_unequal_shapes_is_refused_in_both_modes(loss, prediction, target):
    p, t = np.zeros(prediction, np.float32), np.zeros(target, np.float32)
    with pytest.raises(ShapeError, match=loss.__name__) as caught:
        loss(dg.Tensor(p), t)
    assert caught.value.hint
    with dg.Graph().as_default(), pytest.raises(ShapeError, match=loss.__name__):
        loss(dg.placeholder(prediction, name="p"), dg.placeholder(target, name="t"))


def test_a_column_against_a_row_names_both_and_says_what_to_do():
    prediction, target = dg.Tensor(np.zeros((8, 1), np.float32)), np.zeros(8, np.float32)
    with pytest.raises(ShapeError) as caught:
        dg.mse_loss(prediction, target)
    assert caught.value.what.startswith("mse_loss: prediction (8, 1) against target (8,): ")
    assert "prediction.squeeze(-1)" in caught.value.hint


def test_a_column_against_a_row_is_refused_for_any_batch():
    with dg.Graph().as_default(), pytest.raises(ShapeError, match=r"p \(\?, 1\) against t \(\?,\)"):
        dg.mse_loss(dg.placeholder((None, 1), name="p"), dg.placeholder((None,), name="t"))


def test_a_number_as_target_is_one_for_all():
    assert dg.mse_loss(dg.Tensor([1.0, 3.0]), 2.0).item() == 1.0


# ---- accuracy


@pytest.mark.parametrize("mode", MODES)
def test_accuracy_is_the_share_of_right_rows(mode):
    logits = np.array([[2.0, 1.0], [0.0, 3.0], [1.0, 0.0]], np.float32)
    got = call(mode, dg.accuracy, logits, np.array([0, 0, 0]))
    np.testing.assert_allclose(got, 2 / 3, rtol=1e-6)
    assert got.dtype == np.float32


def test_accuracy_of_labels_that_do_not_belong():
    with pytest.raises(ShapeError, match="accuracy"):
        dg.accuracy(dg.Tensor([[1.0, 2.0]]), dg.Tensor([[0]]))


def test_targets_labels_and_weights_may_be_lists():
    p, z = dg.Tensor([0.25, 0.5]), dg.Tensor([[1.0, 2.0], [0.5, -1.0]])
    pairs = [
        (dg.binary_cross_entropy(p, [0, 1]), dg.binary_cross_entropy(p, dg.Tensor([0.0, 1.0]))),
        (
            dg.binary_cross_entropy_with_logits(p, [0.0, 1.0], weights=[1, 2]),
            dg.binary_cross_entropy_with_logits(
                p, dg.Tensor([0.0, 1.0]), weights=dg.Tensor([1.0, 2.0])
            ),
        ),
        (dg.kl_div(p, [0.5, 0.5]), dg.kl_div(p, dg.Tensor([0.5, 0.5]))),
        (
            dg.nll_loss(z, [0, 1], weights=[1.0, 3.0]),
            dg.nll_loss(z, dg.Tensor([0, 1]), weights=dg.Tensor([1.0, 3.0])),
        ),
        (
            dg.cross_entropy(z, [0, -1], weights=[1.0, 3.0], ignore=-1),
            dg.cross_entropy(z, dg.Tensor([0, -1]), weights=dg.Tensor([1.0, 3.0]), ignore=-1),
        ),
    ]
    for found, wanted in pairs:
        assert found.item() == wanted.item() and found.dtype == np.float32


@pytest.mark.parametrize("labels", [[0.0, 1.0], np.array([0.0, 1.0], "float32")])
@pytest.mark.parametrize("options", [{}, {"ignore": -1}, {"weights": [1.0, 2.0, 3.0]}])
def test_nll_loss_asks_for_class_numbers(labels, options):
    z = dg.Tensor(np.zeros((2, 3), "float32"))
    words = r"^nll_loss\(z \(2, 3\), .*\): labels are class numbers \(integers\), not float32"
    with pytest.raises(DtypeError, match=words) as caught:
        dg.nll_loss(z, labels, **options)
    assert caught.value.hint == 'labels.astype("int64")' and caught.value.where is not None
    with dg.Graph().as_default(), pytest.raises(DtypeError, match=r"nll_loss.* class numbers"):
        dg.nll_loss(dg.placeholder((2, 3)), dg.placeholder((2,)), **options)


@pytest.mark.parametrize("wrong", [-1, 3])
def test_nll_loss_takes_no_label_that_is_no_class(wrong):
    z = dg.Tensor(np.zeros((2, 3), "float32"))
    words = rf"^nll_loss\(.*: label {wrong} at position \[1\] is out of range: there are 3 classes"
    with pytest.raises(LabelError, match=words):
        dg.nll_loss(z, [0, wrong])
    assert dg.nll_loss(z, [0, wrong], ignore=wrong).item() == 0.0
    with dg.Graph().as_default() as graph:
        scores = dg.placeholder((None, None), name="z")
        labels = dg.placeholder((None,), "int64")
        loss = dg.nll_loss(scores, labels)
        skipped = dg.nll_loss(scores, labels, ignore=wrong)
    feed = {scores: z.numpy(), labels: np.array([0, wrong])}
    for executor in ("interpreter", "planned", "fast"):
        session = dg.Session(graph, executor)
        with pytest.raises(LabelError, match=words):
            session.run(loss, feed)
        assert session.run(skipped, feed) == 0.0
