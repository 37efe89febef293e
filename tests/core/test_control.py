"""Branches and loops: the same values and gradients in both modes, to second order."""

import gc

import numpy as np
import pytest

import dlgraph as dg
from dlgraph.core import arrays
from dlgraph.core.body import Body
from dlgraph.errors import OperationError, ShapeError

RNG = np.random.default_rng(0)


def normal(*shape):
    return RNG.normal(size=shape)


def both(function, *arrays):
    """Value, gradients and gradients of the gradients' squares, eagerly and from a graph."""
    xs = [dg.Tensor(a, requires_grad=True) for a in arrays]
    value = function(*xs)
    first = dg.grad(value, xs, create_graph=True)
    second = dg.grad(sum((g * g).sum() for g in first), xs)
    with dg.Graph().as_default() as graph:
        nodes = [dg.placeholder(a.shape, a.dtype) for a in arrays]
        value_node = function(*nodes)
        first_nodes = dg.gradients(value_node, nodes)
        second_nodes = dg.gradients(sum((g * g).sum() for g in first_nodes), nodes)
    fetches = [value_node, first_nodes, second_nodes]
    found = dg.Session(graph).run(fetches, dict(zip(nodes, arrays, strict=True)))
    assert np.allclose(found[0], value.numpy())
    for a, b in zip([*found[1], *found[2]], [*first, *second], strict=True):
        assert a.shape == b.shape and np.allclose(a, b.numpy())
    assert any(np.abs(g.numpy()).max() > 1e-3 for g in second)
    return found[0]


@pytest.mark.parametrize("sign", [1, -1])
def test_cond(sign):
    def function(x, y):
        values = dg.cond(
            x.sum() > 0,
            lambda a, b: ((a * b).sum(), b.sum()),
            lambda a, b: ((a - b * y).sum(), (b * b).sum()),
            x,
            y,
        )
        return values[0] * 2

    both(function, sign * np.abs(normal(3)), normal(3))


@pytest.mark.parametrize("reverse", [False, True])
def test_scan_with_nested_outputs_and_a_captured_weight(reverse):
    w = dg.Parameter(normal(3, 3))

    def function(x, h):
        last, ys = dg.scan(
            lambda h, x: ((h @ w + x).tanh(), {"a": h * x, "b": h.sum()}), h, x, reverse=reverse
        )
        return last.sum() + (ys["a"] * ys["a"]).sum() + ys["b"].sum()

    both(function, normal(5, 2, 3), normal(2, 3))


def test_gradient_of_a_captured_weight():
    w = dg.Parameter(normal(3, 3))
    x = normal(4, 3)

    def function(x):
        return dg.scan(lambda h, x: ((h @ w + x).tanh(), h), x[0], x)[1].sum()

    function(dg.Tensor(x)).backward()
    with dg.Graph().as_default() as graph:
        node = dg.placeholder(x.shape, x.dtype)
        slope = dg.gradients(function(node), w)
    assert np.allclose(dg.Session(graph).run(slope, {node: x}), w.grad.numpy())


def test_while_loop_with_an_integer_in_the_state():
    def function(x, y):
        start = dg.zeros_like(x.sum()).astype("int64")
        n, v = dg.while_loop(
            lambda n, v: (v * v).sum() < 100.0,
            lambda n, v: (n + 1, v * 1.5 + dg.sin(y)),
            (start, x),
        )
        return v.sum() * n.astype("float64")

    both(function, normal(3), normal(3))


def test_loops_of_no_turns():
    x = np.ones((0, 2), "float32")
    with dg.Graph().as_default() as graph:
        node = dg.placeholder((None, 2))
        start = dg.constant([5.0, 6.0])
        last, ys = dg.scan(lambda h, x: (h + x, h), start, node)
        (same,) = dg.while_loop(lambda v: v.sum() < 0, lambda v: (v * 2,), (start,))
        slope = dg.gradients(last.sum() + same.sum(), start)
    session = dg.Session(graph)
    found = session.run([last, ys, same, slope], {node: x})
    assert [a.tolist() for a in found] == [[5, 6], [], [5, 6], [2, 2]]
    assert found[1].shape == (0, 2)
    assert session.run(ys, {node: np.ones((3, 2), "float32")}).shape == (3, 2)


def test_dropout_in_a_loop_draws_a_mask_per_turn_and_repeats_it_backward():
    rng = dg.Stream(3)
    with dg.Graph().as_default() as graph:
        x = dg.placeholder((50,))
        _, ys = dg.scan(lambda h, _: (h, dg.dropout(x, 0.5, rng)), x, length=3)
        slope = dg.gradients(ys.sum(), x)
    session, ones = dg.Session(graph), np.ones(50, "float32")
    masks, gradient = session.run([ys, slope], {x: ones})
    assert len({tuple(mask) for mask in masks}) == 3
    assert np.array_equal(masks.sum(0), gradient)
    assert not np.array_equal(session.run(ys, {x: ones}), masks)


def test_eager_branches_and_loops_are_pythons():
    ran = []
    dg.cond(dg.Tensor(True), lambda: ran.append("then"), lambda: ran.append("otherwise"))
    (v,) = dg.while_loop(lambda v: v < 3, lambda v: v + 1, (dg.Tensor(0),))
    assert ran == ["then"] and v.item() == 3


@pytest.mark.parametrize("several", [[True, False], np.array([True, False]), []])
def test_a_list_is_no_condition(several):
    for run in (
        lambda: dg.cond(several, lambda: 1, lambda: 2),
        lambda: dg.while_loop(lambda v: several, lambda v: v, (0,)),
    ):
        with pytest.raises(ShapeError, match="it must be one boolean") as caught:
            run()
        assert "dg.where" in caught.value.hint
    assert dg.cond(np.array([True]), lambda: 1, lambda: 2) == 1


def test_errors():
    with dg.Graph().as_default():
        x = dg.placeholder((3,), name="x")
        with pytest.raises(dg.errors.ShapeError, match="one boolean"):
            dg.cond(x > 0, lambda: 1.0, lambda: 2.0)
        with pytest.raises(dg.errors.GraphError, match="in one branch and"):
            dg.cond(x.sum() > 0, lambda: x, lambda: x.sum())
        with pytest.raises(dg.errors.GraphError, match="different forms"):
            dg.cond(x.sum() > 0, lambda: (x, x), lambda: x)
        with pytest.raises(dg.errors.GraphError, match="stay the same"):
            dg.scan(lambda c, r: (c + r, None), 0, x)
        with pytest.raises(dg.errors.OperationError, match="a pair"):
            dg.scan(lambda c, r: c + r, 0.0, x)
        with pytest.raises(dg.errors.OperationError, match="a tuple"):
            dg.while_loop(lambda v: v.sum() < 1, lambda v: v, x)
        with pytest.raises(dg.errors.GraphError, match="the body returned 2"):
            dg.while_loop(lambda v: v.sum() < 1, lambda v: (v, v), (x,))


@pytest.mark.parametrize(
    "length", [-1, 2.5, True, "3", np.int64(-2), np.float64(2.5), np.array([3]), dg.Tensor(2.0)]
)
def test_a_number_of_turns_is_whole(length):
    with pytest.raises(dg.errors.OperationError, match="a number of turns is a whole number"):
        dg.scan(lambda c, _: (c + 1, c), 0.0, length=length)


def test_a_list_of_numbers_is_no_sequence_of_rows():
    with pytest.raises(dg.errors.ShapeError) as caught:
        dg.scan(lambda c, r: (c + r, c), 0.0, [1.0, 2.0])
    assert "dg.Tensor" in caught.value.hint


def test_no_reference_cycles():
    def build_and_run():
        with dg.Graph().as_default() as graph:
            x = dg.placeholder((4, 3))
            last, ys = dg.scan(lambda h, r: (h * r, h), x[0], x)
            y = dg.cond(last.sum() > 0, lambda a: a * x[0], lambda a: -a, last)
            slope = dg.gradients(y.sum() + ys.sum(), x)
        dg.Session(graph).run(slope, {x: np.ones((4, 3), "float32")})
        traced = dg.function(lambda t: (t * t).sum())
        traced(dg.Tensor([1.0, 2.0], requires_grad=True)).backward()

    build_and_run()
    gc.collect()
    gc.disable()
    try:
        build_and_run()
        assert gc.collect() == 0
    finally:
        gc.enable()


def test_a_clone_for_testing_reaches_into_bodies():
    drop = dg.nn.Dropout(0.5, rng=dg.Stream(0))
    with dg.Graph().as_default() as graph:
        x = dg.placeholder((20,))
        inner = dg.cond(x.sum() > 0, lambda a: drop(a), lambda a: a, x)
        last, _ = dg.scan(lambda h, _: (drop(h), None), inner, length=2)
    ones = np.ones(20, "float32")
    assert dg.Session(graph).run(last, {x: ones}).tolist() != ones.tolist()
    assert dg.Session(graph.clone(for_test=True)).run(last, {x: ones}).tolist() == ones.tolist()


def branches(graph):
    """The bodies in a graph: `(name, names of its inputs)`."""
    bodies = [b for r in graph.records for b in r.attrs.values() if isinstance(b, Body)]
    return [(b.name, [b.records[i].name for i in b.inputs]) for b in bodies]


def test_inputs_of_branches_and_loops_are_called_as_the_parameters():
    with dg.Graph().as_default() as graph:
        x, n = dg.placeholder((3,)), dg.placeholder((), "int64")
        dg.cond(x.sum() > 0, lambda left, right: left, lambda a, b: b, x, x + 1)
        dg.scan(lambda state, row: (state, None), (x, x), x)
        dg.scan(lambda total, _: (total, None), 0.0, length=3)
        dg.while_loop(lambda i, *_: i < 3, lambda i, h: (i + 1, h), (n, x))
        dg.cond(x.sum() > 0, lambda *xs: xs[0]["u"], lambda pair, b=1: pair["u"], {"u": x})
    assert branches(graph) == [
        ("then", ["left", "right"]),
        ("otherwise", ["a", "b"]),
        ("scan", ["step", "state_0", "state_1", "row"]),
        ("scan", ["step", "total"]),
        ("condition", ["step", "i", "__0"]),
        ("turn", ["step", "i", "h"]),
        ("then", ["xs_0"]),
        ("otherwise", ["pair_0"]),
    ]
    with pytest.raises(ShapeError, match=r"multiply: h \(3,\) \* w \(4,\)"), graph.as_default():
        w = dg.placeholder((4,), name="w")
        dg.while_loop(lambda i, h: i < 3, lambda i, h: (i + 1, h * w), (n, x))


@pytest.mark.parametrize("make", [dg.Tensor, dg.constant])
def test_functions_that_do_not_fit_are_refused_in_both_modes(make):
    with dg.Graph().as_default():
        x = make([1.0, 2.0])
        yes, i = x.sum() > 0, make(0)
        with pytest.raises(OperationError, match=r"cond: then takes \(\) .* with 1 value\n") as e:
            dg.cond(yes, lambda: x, lambda: x, x)
        assert "functions of the operands" in e.value.hint and e.value.where.file == __file__
        with pytest.raises(OperationError, match=r"cond: otherwise takes \(a, b\) .* 0 values"):
            dg.cond(yes, lambda: x, lambda a, b: x)
        with pytest.raises(OperationError, match=r"cond: then is a .*, not a function"):
            dg.cond(yes, x, lambda: x)
        with pytest.raises(OperationError, match=r"the condition takes \(i\) .* 2 values"):
            dg.while_loop(lambda i: i < 3, lambda i, x: (i, x), (i, x))
        with pytest.raises(OperationError, match=r"the body takes \(i\) .* 2 values"):
            dg.while_loop(lambda i, x: i < 3, lambda i: i, (i, x))
        with pytest.raises(OperationError, match=r"scan: the function takes \(h\) .* 2 values"):
            dg.scan(lambda h: (h, h), 0.0, x)
        with pytest.raises(OperationError, match=r"scan: the function is a .*, not a function"):
            dg.scan(x, lambda h, x: (h, h), 0.0)


@pytest.mark.parametrize("make", [dg.Tensor, dg.constant])
def test_what_a_scan_returns_is_not_taken_apart(make):
    with dg.Graph().as_default():
        rows = make([[1.0, 2.0], [3.0, 4.0]])  # a carry of two elements is no pair
        for function in (lambda h, x: h + x, lambda h, x: [h, x], lambda h, x: (h, x, x)):
            with pytest.raises(OperationError, match="must return a pair"):
                dg.scan(function, make([0.0, 0.0]), rows)


def test_the_gradient_of_a_loop_over_many_rows_looks_at_every_row_once():
    """So many steps as rows, not as many as rows times rows."""
    turns = 2000
    x = dg.Tensor(np.linspace(-1, 1, turns).astype("float32"), requires_grad=True)
    counted = []

    class Counting(arrays.Zeros):
        def __init__(self, *facts):
            counted.append(facts)
            super().__init__(*facts)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(arrays, "Zeros", Counting)
        last, ys = dg.scan(lambda s, row: (s + row, s * row), 0.0, x)
        (last + ys.sum()).backward()
    assert len(counted) <= 2 * turns
    sums = np.cumsum(x.numpy(), dtype="float64") - x.numpy()
    rest = x.numpy().sum(dtype="float64") - sums - x.numpy()
    np.testing.assert_allclose(x.grad.numpy(), 1 + sums + rest, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("executor", ["interpreter", "planned"])
def test_a_loop_of_no_turns_gives_outputs_of_the_sizes_that_turned_out(executor):
    with dg.Graph().as_default() as graph:
        x, h = dg.placeholder((None, None), name="x"), dg.placeholder((None,), name="h")
        w = dg.placeholder((None, 2), name="w")
        last, ys = dg.scan(lambda c, row: (dg.tanh(c + row), (c * row) @ w), h, x)
        slopes = dg.gradients(dg.sum(last) + dg.sum(ys), [x, h, w])
    feed = {x: np.zeros((0, 3), "float32"), h: np.ones(3, "float32"), w: np.ones((3, 2), "float32")}
    session = dg.Session(graph, executor=executor)
    found = session.run([ys, *slopes], feed)
    assert [value.shape for value in found] == [(0, 2), (0, 3), (3,), (3, 2)]
    assert found[2].tolist() == [1.0, 1.0, 1.0] and not found[3].any()
    assert session.run(ys, {**feed, x: np.ones((4, 3), "float32")}).shape == (4, 2)
    # A shape that only the values decide: the trial has none that suit.
    with graph.as_default():
        _, rows = dg.scan(lambda c, row: (c, dg.take(h, dg.astype(row, "int64") - 9)), h, x)
    assert dg.Session(graph, executor=executor).run(rows, feed).shape[0] == 0


@pytest.mark.parametrize("value", [0.5, [True], [0.5, 1.0], 3], ids=str)
def test_a_condition_is_one_boolean_in_both_modes(value):
    x = dg.Tensor(value)
    for run in (
        lambda c: dg.cond(c, lambda: 1.0, lambda: 2.0),
        lambda c: dg.while_loop(lambda s: s, lambda s: (s,), (c,)),
    ):
        with pytest.raises(ShapeError, match="it must be one boolean") as caught:
            run(x)
        assert caught.value.where.file == __file__
        with dg.Graph().as_default(), pytest.raises(ShapeError, match="it must be one boolean"):
            run(dg.placeholder(x.shape, x.dtype))
