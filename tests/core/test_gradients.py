"""dg.gradients: the gradient as nodes of the same graph."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import dlgraph as dg
from dlgraph.errors import BackwardError, DtypeError, FetchError, OperationError, ShapeError


@pytest.fixture
def g():
    with dg.Graph().as_default() as graph:
        yield graph


def run(fetches, feed=None):
    node = fetches[0] if isinstance(fetches, (list, tuple)) else fetches
    return dg.Session(node.graph).run(fetches, feed)


def test_gradients_of_scalars_in_the_form_they_were_asked_in(g):
    a, b = dg.placeholder((), name="a"), dg.placeholder((), name="b")
    y = 2 * a + 3 * b
    feed = {a: 4.0, b: 5.0}
    assert run(dg.gradients(y, a), feed) == 2.0
    assert run(dg.gradients(y, [a, b]), feed) == [2.0, 3.0]
    pair = dg.gradients(y, (a, b))
    assert type(pair) is tuple and run(pair, feed) == (2.0, 3.0)


def test_gradients_of_parameters_nodes_and_names(g):
    w = dg.Parameter(3.0, name="w")
    x = dg.placeholder((), name="x")
    y = w * x * x
    of_tensor, of_node, of_name = dg.gradients(y, [w, x, "x"])
    assert run([of_tensor, of_node, of_name], {x: 2.0}) == [4.0, 12.0, 12.0]


def test_gradient_of_an_intermediate(g):
    x = dg.placeholder((), name="x")
    h = x * x
    gx, gh = dg.gradients(h * h, [x, h])
    assert run([gx, gh], {x: 3.0}) == [108.0, 18.0]


def test_gradient_of_the_loss_itself_is_one(g):
    x = dg.placeholder((), name="x")
    y = x * 2
    assert run(dg.gradients(y, y), {x: 3.0}) == 1.0


def test_an_unused_variable_gets_zeros_or_none(g):
    x, other = dg.placeholder((), name="x"), dg.placeholder((2, 3), name="other")
    unknown = dg.Parameter(np.ones((4,), np.float32), name="unknown")
    first, second = dg.gradients(x * x, [other, unknown])
    got = run([first, second], {other: np.ones((2, 3), np.float32)})
    assert [one.tolist() for one in got] == [np.zeros((2, 3)).tolist(), [0.0] * 4]
    assert dg.gradients(x * x, [x, other], allow_unused=True)[1] is None


def test_a_vector_takes_its_own_gradient(g):
    x = dg.placeholder((2,), name="x")
    y = x * x
    with pytest.raises(BackwardError, match=r"gradients of 'multiply' with shape \(2,\)"):
        dg.gradients(y, x)
    weighted = dg.gradients(y, x, gradient=dg.constant([1.0, 10.0]))
    assert run(weighted, {x: [1.0, 2.0]}).tolist() == [2.0, 40.0]


def test_the_given_gradient_must_fit(g):
    x = dg.placeholder((2,), name="x")
    for wrong in ([1.0, 2.0, 3.0], [[1.0], [2.0]], 1.0):
        for y in (x * x, x * 2):
            with pytest.raises(ShapeError, match="the given gradient is") as caught:
                dg.gradients(y, x, gradient=dg.constant(wrong))
            assert "test_gradients.py" in caught.value.where.place
    with pytest.raises(DtypeError, match="float64"):
        dg.gradients(x * 2, x, gradient=dg.constant([1.0, 2.0], dtype="float64"))


def test_integers_have_no_gradient(g):
    x, n = dg.placeholder((), name="x"), dg.placeholder((), "int64", name="n")
    with pytest.raises(BackwardError, match="'n' is int64: integers have no gradient"):
        dg.gradients(x * n, n)
    with pytest.raises(BackwardError, match="it is int64, not floating point"):
        dg.gradients(n * 2, x)


def test_eager_tensors_have_their_own_way(g):
    with pytest.raises(OperationError, match="not on Tensor") as caught:
        dg.gradients(dg.Tensor(1.0), [])
    assert "backward()" in caught.value.hint


def test_a_node_of_another_graph_is_refused(g):
    x = dg.placeholder((), name="x")
    with dg.Graph().as_default():
        other = dg.placeholder((), name="other")
    with pytest.raises(FetchError, match="another graph"):
        dg.gradients(x * x, other)


def test_gradient_of_gradient_of_gradient(g):
    x = dg.placeholder((), name="x")
    value, wanted = x**5, [80.0, 160.0, 240.0, 240.0, 120.0]
    for number in wanted:
        value = dg.gradients(value, x)
        assert run(value, {x: 2.0}) == number


def test_a_gradient_can_be_part_of_a_loss():
    w = dg.Parameter([1.0, -2.0], name="w")
    with dg.Graph().as_default():
        x = dg.placeholder((2,), name="x")
        y = dg.tanh((w * x).sum())
        slope = dg.gradients(y, x)
        penalty = dg.gradients((slope * slope).sum(), w)
    feed = np.array([0.5, 1.5], np.float32)

    eager_x = dg.Tensor(feed, requires_grad=True)
    eager = dg.grad(dg.tanh((w * eager_x).sum()), eager_x, create_graph=True)
    (eager * eager).sum().backward()
    np.testing.assert_array_equal(run(penalty, {x: feed}), w.grad.numpy())


def test_gradient_nodes_carry_role_twin_scope_and_line(g):
    x = dg.placeholder((3,), name="x")
    with dg.name_scope("block"):
        h = dg.tanh(x)  # the forward line
    forward = len(g)
    dg.gradients(h.sum(), x)
    backward = g.nodes[forward + 1 :]
    assert {node.role for node in backward} == {"backward"}
    of_tanh = [node for node in backward if node.twin is h]
    assert of_tanh and all(node.name.startswith("gradients/block/tanh/") for node in of_tanh)
    assert all("the forward line" in node.where.text for node in of_tanh)
    assert all(node.role == "forward" and node.twin is None for node in g.nodes[:forward])


def test_only_nodes_on_a_path_get_gradients(g):
    x, w = dg.placeholder((), name="x"), dg.placeholder((), name="w")
    y = dg.exp(w) * x
    dg.gradients(y, x)
    assert [n.primitive.name for n in g.nodes].count("exp") == 1
    backward = [n.primitive.name for n in g.nodes if n.role == "backward"]
    assert backward == ["constant", "multiply"]


def test_paths_that_meet_are_added(g):
    x = dg.placeholder((), name="x")
    y = x * x + dg.sin(x) * x + x
    got = run(dg.gradients(y, x), {x: 0.5})
    np.testing.assert_allclose(got, 1.0 + np.sin(0.5) + 0.5 * np.cos(0.5) + 1.0, rtol=1e-6)


def test_stretched_operands_are_summed_back_for_every_batch(g):
    x = dg.placeholder((None, 3), name="x")
    b = dg.Parameter(np.zeros(3, np.float32), name="b")
    s = dg.Parameter(np.ones(1, np.float32), name="s")
    gb, gs = dg.gradients(((x + b) * s).sum(), [b, s])
    for size in (1, 4):
        value = np.arange(3 * size, dtype=np.float32).reshape(size, 3)
        got_b, got_s = run([gb, gs], {x: value})
        assert got_b.tolist() == [size] * 3 and got_s.tolist() == [value.sum()]


def test_gradients_do_not_disturb_the_forward_result(g):
    x = dg.placeholder((), name="x")
    y = x * x
    names = [n.name for n in g.nodes]
    dg.gradients(y, x)
    assert [n.name for n in g.nodes][: len(names)] == names
    assert run(y, {x: 3.0}) == 9.0


UNARY = [dg.tanh, dg.exp, dg.sigmoid, dg.relu, dg.square, dg.sin, dg.negative]
BINARY = [dg.add, dg.subtract, dg.multiply, dg.maximum]


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_random_formulas_have_the_same_gradient_bits_in_both_modes(data):
    rows = data.draw(st.integers(1, 3))
    shapes = [(rows, 2), (2,), (1, 2), (rows, 1)]
    values = [
        np.asarray(
            data.draw(st.lists(st.floats(-1, 1, width=32), min_size=4, max_size=4)), np.float32
        )
        for _ in range(2)
    ]
    shape = data.draw(st.sampled_from(shapes)), data.draw(st.sampled_from(shapes))
    arrays = [np.resize(value, s) for value, s in zip(values, shape, strict=True)]
    steps = [
        (
            data.draw(st.sampled_from(UNARY + BINARY)),
            data.draw(st.integers(0, 1 + i)),
            data.draw(st.integers(0, 1 + i)),
        )
        for i in range(data.draw(st.integers(1, 6)))
    ]

    def formula(a, b):
        known = [a, b]
        for op, i, j in steps:
            known.append(op(known[i]) if op in UNARY else op(known[i], known[j]))
        return known[-1].mean()

    leaves = [dg.Tensor(array, requires_grad=True) for array in arrays]
    eager = dg.grad(formula(*leaves), leaves)
    with dg.Graph().as_default():
        nodes = [
            dg.placeholder([None] * array.ndim, name="ab"[i]) for i, array in enumerate(arrays)
        ]
        symbolic = dg.gradients(formula(*nodes), nodes)
    got = run(symbolic, dict(zip(nodes, arrays, strict=True)))
    for e, s in zip(eager, got, strict=True):
        np.testing.assert_array_equal(e.numpy(), s)
        assert s.dtype == np.float32
