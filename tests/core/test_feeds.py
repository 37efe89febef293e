"""Feeding: by node or name, what fits, and what is said of a feed that does not."""

from __future__ import annotations

import numpy as np
import pytest

import dlgraph as dg
from dlgraph.errors import FeedError, OperationError


@pytest.fixture
def g():
    with dg.Graph().as_default() as graph:
        yield graph


def test_feeding_by_node_and_by_name(g):
    x, n = dg.placeholder((2,), name="x"), dg.placeholder((), "int64", name="n")
    y = x * n
    session = dg.Session(g)
    for feed in (
        {x: [1.0, 2.0], n: 3},
        {"x": (1.0, 2.0), "n": np.int64(3)},
        {x: np.array([1, 2], np.float32), "n": np.array(3)},
        {x: dg.Tensor([1.0, 2.0]), n: dg.Tensor(3)},
    ):
        assert session.run(y, feed).tolist() == [3.0, 6.0]
    assert session.run(y, {x: [1, 2], n: True}).tolist() == [1.0, 2.0]


def test_an_intermediate_node_can_be_fed(g):
    x = dg.placeholder((), name="x")
    h = x * 2
    y = h + 1
    session = dg.Session(g)
    assert session.run(y, {h: 10.0}) == 11.0  # x is not needed now
    assert session.run([y, h], {x: 1.0, h: 10.0}) == [11.0, 10.0]
    with pytest.raises(FeedError, match=r"'multiply' .* was fed with shape"):
        session.run(y, {h: [1.0, 2.0]})


def test_a_variable_can_be_fed_for_one_run(g):
    w = dg.Parameter([1.0], name="w")
    y = dg.variable(w) * 2
    session = dg.Session(g)
    assert session.run(y, {w: [5.0]}).tolist() == [10.0]
    assert session.run(y).tolist() == [2.0]


def test_a_feed_that_nothing_needs_is_allowed_but_checked(g):
    x, other = dg.placeholder((), name="x"), dg.placeholder((2,), name="other")
    session = dg.Session(g)
    assert session.run(x, {x: 1.0, other: [1.0, 2.0]}) == 1.0
    with pytest.raises(FeedError):
        session.run(x, {x: 1.0, other: [1.0]})


def test_a_missing_feed_tells_the_path_through_which_it_is_needed(g):
    image = dg.placeholder((None, 3), name="image")  # made here
    with dg.name_scope("mlp"):
        h = dg.tanh(image)
        loss = h.sum()
    with pytest.raises(FeedError) as caught:
        dg.Session(g).run([loss])
    error = caught.value
    assert error.what == "placeholder 'image' (?, 3) float32 needs a value to compute 'mlp/sum'"
    assert error.extra["needed via"] == "image -> mlp/tanh -> mlp/sum"
    assert "# made here" in error.extra["made at"]
    assert error.hint == 'session.run(..., {"image": value})'


def test_a_path_through_a_control_dependency(g):
    x = dg.placeholder((), name="x")
    w = dg.Parameter(0.0, name="w")
    with g.control_dependencies([dg.assign(w, x)]):
        done = dg.constant(1.0, name="done")
    with pytest.raises(FeedError) as caught:
        dg.Session(g).run(done)
    assert caught.value.extra["needed via"] == "x -> assign -> done"


def test_a_placeholder_that_is_not_needed_is_not_demanded(g):
    x, labels = dg.placeholder((), name="x"), dg.placeholder((), "int64", name="labels")
    y = x * 2
    y * labels
    assert dg.Session(g).run(y, {x: 1.0}) == 2.0


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (np.ones((2, 3)), "was fed with float64"),
        (np.ones((2, 3), "int64"), "was fed with int64"),
        (np.ones((2, 4), "float32"), r"was fed with shape \(2, 4\)"),
        (np.ones((3,), "float32"), r"was fed with shape \(3,\)"),
        (np.ones((1, 2, 3), "float32"), r"was fed with shape \(1, 2, 3\)"),
        (1.0, r"was fed with shape \(\)"),
        ([[1.0, 2.0, 3.0], [1.0]], "its rows differ in length"),
        ("images", "was fed with text"),
        (None, "such as None"),
        (object(), "objects that are not numbers"),
        ([[1j, 0, 0]], "was fed with complex128"),
    ],
)
def test_a_feed_that_does_not_fit_is_refused(g, value, words):
    x = dg.placeholder((None, 3), name="x")
    w = dg.variable(dg.Parameter(1.0, name="w"))
    step = dg.assign(w, w + x.sum())
    with pytest.raises(FeedError, match=words) as caught:
        dg.Session(g).run(step, {x: value})
    assert "placeholder 'x' (?, 3) float32" in caught.value.what
    assert w.tensor.item() == 1.0


def test_hints_for_feeds_that_almost_fit(g):
    x = dg.placeholder((None, 3), name="x")
    session = dg.Session(g)
    for value, hint in [
        (np.ones((2, 3)), 'feed value.astype("float32")'),
        (np.ones((3,), "float32"), "value[None]"),
        (np.ones((4, 3, 1), "float32"), "value.reshape(-1, 3)"),
        (np.ones((2, 5), "float32"), "? stands for any size"),
    ]:
        with pytest.raises(FeedError) as caught:
            session.run(x, {x: value})
        assert hint in caught.value.hint


def test_hints_for_lists_can_be_typed_as_they_stand(g):
    x = dg.placeholder((None, 3), name="x")
    n = dg.placeholder((None,), "int64", name="n")
    session = dg.Session(g)
    for node, value, hint in [
        (x, [1.0, 2.0, 3.0], "[value]"),
        (x, [[[1.0, 2.0, 3.0]], [[4.0, 5.0, 6.0]]], 'np.asarray(value, "float32").reshape(-1, 3)'),
        (n, [1.0, 2.0], 'np.asarray(value, "int64")'),
    ]:
        with pytest.raises(FeedError) as caught:
            session.run(node, {node: value})
        assert caught.value.hint.endswith(f" {hint}")
        followed = eval(hint, {"np": np, "value": value})
        assert session.run(node, {node: followed}).ndim == node.ndim


def test_a_size_that_is_fixed_is_not_called_open(g):
    pair, number = dg.placeholder((2,), name="pair"), dg.placeholder((), name="number")
    session = dg.Session(g)
    for node, value, hint in [
        (pair, 1.0, "feed exactly this shape"),
        (pair, [1.0, 2.0, 3.0], "feed exactly this shape"),
        (number, [1.0], "one number, without axes"),
    ]:
        with pytest.raises(FeedError) as caught:
            session.run(node, {node: value})
        assert hint in caught.value.hint


def test_integers_are_never_cut_to_fit(g):
    n = dg.placeholder((), "int64", name="n")
    b = dg.placeholder((), "uint8", name="b")
    session = dg.Session(g)
    for node, value in [
        (n, 1.5),
        (n, np.float32(2.0)),
        (b, 300),
        (b, -1),
        (b, np.int64(300)),
        (b, np.array(-1)),
    ]:
        with pytest.raises(FeedError):
            session.run(node, {node: value})
    assert session.run([n, b], {n: 7, b: 255}) == [7, 255]
    assert session.run([n, b], {n: np.uint8(7), b: np.int64(255)}) == [7, 255]


def test_unknown_doubled_and_symbolic_feeds(g):
    x = dg.placeholder((), name="image")
    y = x * 2
    session = dg.Session(g)
    with pytest.raises(FeedError, match="no node called 'Image'") as caught:
        session.run(y, {"Image": 1.0})
    assert caught.value.hint == "did you mean 'image'?"
    with pytest.raises(FeedError, match="'image' is fed twice"):
        session.run(y, {x: 1.0, "image": 1.0})
    with pytest.raises(FeedError, match="'image' is fed with the node 'multiply'"):
        session.run(y, {x: y})
    with pytest.raises(FeedError, match="a dictionary from placeholders to values, not list"):
        session.run(y, [1.0])
    with pytest.raises(FeedError, match="not int"):
        session.run(y, {0: 1.0})


def test_sizes_with_one_name_must_be_fed_equal(g):
    x, y = dg.placeholder(("n", 2), name="x"), dg.placeholder(("n",), name="y")
    with pytest.raises(FeedError) as caught:
        dg.Session(g).run([x, y], {x: np.ones((3, 2), np.float32), y: [1.0, 2.0]})
    assert caught.value.what == (
        "fed 'x' with shape (3, 2) and 'y' with shape (2,), but axis 0 of 'x' and axis 0 of 'y', "
        "the size n, must be the same size"
    )
    assert caught.value.hint == "feed the same number of samples to both"


def test_batches_that_met_in_a_loss_must_be_fed_equal(g):
    x, labels = dg.placeholder((None, 4), name="x"), dg.placeholder((None,), "int64", name="t")
    loss = dg.cross_entropy(x, labels)
    words = "axis 0 of 'x' and axis 0 of 't' must be the same size"
    with pytest.raises(FeedError, match=words) as caught:
        dg.Session(g).run(loss, {x: np.ones((3, 4), np.float32), labels: np.array([0, 1])})
    assert "dg.cross_entropy(x, labels)" in caught.value.extra["equal at"]


def test_a_square_that_is_fed_a_rectangle(g):
    x = dg.placeholder(("n", "n"), name="x")
    with pytest.raises(FeedError, match=r"^fed 'x' with shape \(2, 3\), but axis 0 .* axis 1"):
        dg.Session(g).run(x, {x: np.ones((2, 3), np.float32)})


def test_axes_that_are_no_batch_get_another_hint(g):
    a, b = dg.placeholder((2, None), name="a"), dg.placeholder((None, 2), name="b")
    product = a @ b
    with pytest.raises(FeedError, match="axis 1 of 'a' and axis 0 of 'b'") as caught:
        feed = {a: np.ones((2, 3), np.float32), b: np.ones((4, 2), np.float32)}
        dg.Session(g).run(product, feed)
    assert "met in an operation" in caught.value.hint
    assert "product = a @ b" in caught.value.extra["equal at"]


def test_an_array_with_rules_of_its_own_is_fed_as_a_plain_one(g):
    x = dg.placeholder((2, 2), name="x")
    y = x * x
    matrix = np.array([[1.0, 2.0], [3.0, 4.0]], np.float32).view(np.matrix)
    for executor in ("interpreter", "planned"):
        found = dg.Session(g, executor).run([x, y], {x: matrix})
        assert [type(one) for one in found] == [np.ndarray] * 2
        assert found[1].tolist() == [[1.0, 4.0], [9.0, 16.0]]


# ---- several steps


@pytest.fixture
def summed():
    with dg.Graph().as_default() as graph:
        x = dg.placeholder((None, 40), name="x")
        small = dg.placeholder((), "uint8", name="small")
        y = dg.exp(x).sum(axis=0)
    return graph, x, small, y


@pytest.mark.parametrize("executor", ["interpreter", "planned"])
@pytest.mark.parametrize(
    "laid",
    [
        lambda a: a[:, ::-1],
        lambda a: a[:, :, ::-1],
        lambda a: np.asfortranarray(a),
        lambda a: np.ascontiguousarray(a.transpose(0, 2, 1)).transpose(0, 2, 1),
        lambda a: np.broadcast_to(a[:, :1], a.shape),
        lambda a: np.concatenate([a, a], axis=2)[..., :40],
    ],
)
def test_steps_give_what_runs_give_however_the_values_lie_in_memory(executor, laid, summed):
    graph, x, _, y = summed
    values = laid(np.random.default_rng(0).normal(size=(3, 50, 40)).astype("float32"))
    session = dg.Session(graph, executor)
    found = session.run_steps(y, {x: values})
    for k in range(3):
        assert np.array_equal(found[k], session.run(y, {x: values[k]}))


def test_steps_take_lists_and_tensors_as_runs_do(summed):
    graph, x, small, y = summed
    session = dg.Session(graph)
    values = np.random.default_rng(0).normal(size=(2, 3, 40)).astype("float32")
    wanted = session.run_steps(y, {x: values})
    assert np.array_equal(session.run_steps(y, {"x": values.tolist()}), wanted)
    assert np.array_equal(session.run_steps(y, {x: dg.Tensor(values)}), wanted)
    for numbers in ([1, 2, 3], np.array([1, 2, 3])):
        assert session.run_steps(small, {small: numbers}).tolist() == [1, 2, 3]


def test_every_step_is_checked_and_not_the_first_alone(summed):
    graph, x, small, y = summed
    session = dg.Session(graph)
    for numbers in ([1, 300], np.array([1, -1])):
        with pytest.raises(FeedError, match="no array of uint8"):
            session.run_steps(small, {small: numbers})
    values = np.ma.array(np.zeros((2, 3, 40), "float32"), mask=False)
    values[1, 0, 0] = np.ma.masked
    with pytest.raises(OperationError, match="a masked array"):
        session.run_steps(y, {x: values})


def test_what_is_no_feed_of_steps_is_told(summed):
    graph, x, _, y = summed
    session = dg.Session(graph)
    for wrong, message in (
        ([1], "feed is a dictionary"),
        ({x: y}, "is fed with the node"),
        ({x: [[1.0, 2.0], [3.0]]}, "its rows differ in length"),
        ({x: np.zeros((2, 3, 40))}, "was fed with float64"),
        ({x: np.zeros((2, 3, 4), "float32")}, r"was fed with shape \(3, 4\)"),
        ({"z": np.zeros(2)}, "no node called 'z'"),
    ):
        with pytest.raises(FeedError, match=message):
            session.run_steps(y, wrong)
