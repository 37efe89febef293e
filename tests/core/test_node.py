"""A node asked for its value before the run: one error that says how to get it."""

from __future__ import annotations

import copy
import math

import numpy as np
import pytest

import dlgraph as dg
from dlgraph.errors import OperationError, SymbolicValueError


@pytest.fixture
def nodes():
    with dg.Graph().as_default():
        x = dg.placeholder((None, 3), name="x")
        loss = x.sum()  # the loss is built here
        yield x, loss


ASKED = {
    "if node:": lambda node: 1 if node else 2,
    "float(node)": float,
    "int(node)": int,
    "sequence[node]": lambda node: [1, 2][node],
    "np.asarray(node)": np.asarray,
    "node.numpy()": lambda node: node.numpy(),
    "node.item()": lambda node: node.item(),
    "node.tolist()": lambda node: node.tolist(),
    "node.backward()": lambda node: node.backward(),
    "value in node": lambda node: 3 in node,
    'f"{node:.3f}"': lambda node: f"{node:.3f}",
}


@pytest.mark.parametrize("how", ASKED)
def test_each_way_of_asking_is_named(nodes, how):
    _, loss = nodes
    with pytest.raises(SymbolicValueError) as caught:
        ASKED[how](loss)
    error = caught.value
    assert error.what == (
        f"`{how}` needs the value of 'sum' () float32: "
        "a graph node has no value until the graph runs"
    )
    assert "the loss is built here" in error.extra["made at"]
    assert error.hint and error.where is not None


def test_other_ways_in_end_in_the_same_error(nodes):
    _, loss = nodes
    for ask in (math.sqrt, np.array, lambda v: not v, lambda v: np.ones(2)[v], lambda v: max(v, 1)):
        with pytest.raises(SymbolicValueError):
            ask(loss)
    with pytest.raises(SymbolicValueError):
        dg.Tensor(loss)


def test_the_hint_uses_the_name_of_your_variable(nodes):
    my_loss = nodes[1]
    with pytest.raises(SymbolicValueError) as caught:
        float(my_loss)
    assert caught.value.hint == "session.run(my_loss, feed) returns the value"
    with pytest.raises(SymbolicValueError) as caught:
        float(nodes[0].mean())
    assert caught.value.hint == 'session.run("mean", feed) returns the value'


def test_where_a_function_is_traced_no_session_is_advised():
    @dg.function
    def scaled(x):
        return x * float(x)

    with pytest.raises(SymbolicValueError) as caught:
        scaled(dg.Tensor(2.0))
    assert caught.value.hint == (
        "x has a value once the function runs, not while it is traced: compute with x itself, or "
        "return it and look at it outside"
    )


def test_the_hint_for_a_condition_and_for_backward(nodes):
    _, loss = nodes
    with pytest.raises(SymbolicValueError) as caught:
        if loss > 0:
            pass
    assert "dg.where(condition, a, b)" in caught.value.hint
    with pytest.raises(SymbolicValueError) as caught:
        loss.backward()
    assert "dg.gradients(loss, variables)" in caught.value.hint


def test_length_and_iteration_need_a_known_size(nodes):
    x, loss = nodes
    for ask in (len, list, iter):
        with pytest.raises(
            SymbolicValueError, match=r"`(len\(node\)|for row in node)` needs"
        ) as caught:
            ask(x)
        assert "axis 0 is not known before the run" in caught.value.hint
        with pytest.raises(OperationError, match="'sum' is a scalar: it has no length"):
            ask(loss)


def test_a_known_first_axis_can_be_counted_and_walked():
    with dg.Graph().as_default() as g:
        x = dg.placeholder((2, None), name="x")
        first, second = x
    assert len(x) == 2
    got = dg.Session(g).run([first, second], {x: [[1.0, 2.0], [3.0, 4.0]]})
    assert [row.tolist() for row in got] == [[1.0, 2.0], [3.0, 4.0]]


def test_printing_a_node_is_fine(nodes):
    x, loss = nodes
    assert str(x) == f"{x}" == "<Node x (?, 3) float32, not run yet>"
    assert repr(dg.group([loss])) == "<Node group no value, not run yet>"


def test_numpy_on_the_left_builds_a_node(nodes):
    x, _ = nodes
    row = np.array([1.0, 2.0, 3.0], np.float32)
    for node in (row + x, row * x, np.float32(2) - x, x.sum(axis=0) > row):
        assert isinstance(node, dg.Node)
    with pytest.raises(OperationError, match=r"np\.exp computes on arrays") as caught:
        np.exp(x)
    assert caught.value.hint.startswith("dg.exp")


def test_detach_of_a_node_stops_the_gradient():
    with dg.Graph().as_default() as g:
        x = dg.placeholder((), name="x")
        gradient = dg.gradients(x.detach() * x, x)
    assert dg.Session(g).run(gradient, {x: 3.0}) == 3.0


def test_a_recorded_scalar_zero_is_still_found():
    y = dg.Tensor(0.0, requires_grad=True) * 2
    vector = dg.Tensor([0.0, 0.0], requires_grad=True) * 2
    graph, other = y.graph, vector.graph
    assert graph.nodes[-1].tensor is y and other.nodes[-1].tensor is vector


def test_the_copy_of_a_feed_feeds_the_same_nodes():
    with dg.Graph().as_default() as graph:
        x = dg.placeholder((2,), name="x")
        y = x * 2
    feed = copy.deepcopy({x: [1.0, 2.0]})
    assert copy.copy(y) is y and copy.deepcopy([x, y])[1] is y
    assert dg.Session(graph).run(y, feed).tolist() == [2.0, 4.0]


@pytest.mark.parametrize(
    ("ask", "how"),
    [
        (len, "len(node)"),
        (list, "for row in node"),
        (lambda x: [row for row in x], "for row in node"),
        (lambda x: dict(zip("ab", x, strict=False)), "for row in node"),
    ],
)
def test_going_through_rows_and_counting_them_are_told_apart(nodes, ask, how):
    with pytest.raises(SymbolicValueError) as caught:
        ask(nodes[0])
    assert f"`{how}`" in caught.value.what and "x.sum(axis=0)" in caught.value.hint
