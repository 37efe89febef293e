"""The incremental engine: it computes what a fresh run computes, and only what is stale."""

import numpy as np
import pytest

import dlgraph as dg
from dlgraph.errors import (
    DtypeError,
    FeedError,
    GraphError,
    NonFiniteError,
    OperationError,
    ShapeError,
)
from dlgraph.widgets.live import Change, Live


def leaf(value, name, grad=True):
    return dg.Tensor(value, requires_grad=grad, name=name)


def live_of(y, feed=None):
    return Live(y.graph.nodes[-1], feed)


def index_of(live, name):
    return next(i for i in live.leaves if live.source.records[i].name == name)


def set_by_name(live, name, value, at=None):
    return live.set(index_of(live, name), value, at)


def networks():
    """Name, a function of tensors, and start values of its leaves."""
    rng = np.random.default_rng(0)

    def normal(*shape):
        return rng.normal(size=shape).astype("float32")

    def attention(q, k, v):
        return (dg.softmax(q @ k.T) @ v).sum()

    def mlp(x, w, b):
        return dg.mse_loss(dg.relu(x @ w + b), dg.ones((4, 2)))

    def looped(x, w):
        return dg.scan(lambda state, row: (dg.tanh(state * w + row), None), 0.0, x)[0]

    def chosen(x, w):
        return dg.cond(x.sum() > 0.0, lambda: (x * w).sum(), lambda: (x - w).sum())

    yield "line", lambda a, b: 2 * a + 3 * b, {"a": 4.0, "b": 5.0}
    yield "mlp", mlp, {"x": normal(4, 3), "w": normal(3, 2), "b": normal(2)}
    yield "attention", attention, {n: normal(3, 4) for n in "qkv"}
    yield "loop", looped, {"x": normal(5), "w": np.float32(0.3)}
    yield "branch", dg.function(chosen), {"x": normal(5), "w": normal(5)}
    yield "traced", dg.function(mlp), {"x": normal(4, 3), "w": normal(3, 2), "b": normal(2)}


NETWORKS = list(networks())


@pytest.mark.parametrize("function, start", [n[1:] for n in NETWORKS], ids=[n[0] for n in NETWORKS])
def test_every_change_gives_what_a_fresh_run_gives(function, start):
    leaves = {name: leaf(value, name) for name, value in start.items()}
    live = live_of(function(**leaves))
    now = dict(start)
    for step, name in enumerate([*start, *start]):
        now[name] = (np.asarray(now[name]) * np.float32(-0.7) + np.float32(step)).astype("float32")
        set_by_name(live, name, now[name])
        fresh = {n: leaf(value, n) for n, value in now.items()}
        y = function(**fresh)
        y.backward()
        assert np.array_equal(live.value(live.target), y.numpy())
        for n, tensor in fresh.items():
            assert np.array_equal(live.gradient(index_of(live, n)), tensor.grad.numpy()), n


def test_only_the_stale_part_runs():
    a, b = leaf(4.0, "a"), leaf(5.0, "b")
    live = live_of(dg.exp(a) * 2 + dg.exp(b) * 3)
    ran = []
    with dg.watch(nan=False, lines=False, call=lambda op, data, inputs: ran.append(op.name)):
        change = set_by_name(live, "a", 1.0)
    names = [live.source.records[i].name for i in change.forward]
    assert names == ["exp", "multiply", "add"]
    # Forward exp, multiply, add; backward one multiply, because d exp(a) needs the new exp(a).
    assert ran == ["exp", "multiply", "add", "multiply"]
    assert [live.source.records[i].name for i in change.backward] == ["a"]


def test_the_gradients_of_a_line_never_change():
    live = live_of(2 * leaf(4.0, "a") + 3 * leaf(5.0, "b"))
    assert set_by_name(live, "a", -1.0).backward == ()
    assert float(live.value(live.target)) == 13.0


def test_a_value_of_which_only_the_shape_is_read_makes_no_gradient_stale():
    w = leaf([1.0, 2.0, 3.0], "w")
    live = live_of(w.mean())
    assert set_by_name(live, "w", [4.0, 5.0, 6.0]).backward == ()


def test_it_follows_gradients_in_the_order_of_the_backward_pass():
    x = leaf(0.5, "x")
    live = live_of(dg.tanh(dg.exp(dg.sin(x))))
    change = set_by_name(live, "x", 0.25)
    assert list(change.forward) == [1, 2, 3]
    assert list(change.backward) == [2, 1, 0]


def test_nothing_of_the_user_is_touched():
    dg.seed(3)
    layer = dg.nn.Linear(2, 2)
    x = leaf([[1.0, 2.0]], "x")
    y = dg.dropout(layer(x), rate=0.5).sum()
    y.backward(retain_graph=True)
    before = [(p.numpy().copy(), p.grad.numpy().copy()) for p in (*layer.parameters(), x)]
    drawn = dg.default_stream().state()
    live = live_of(y)
    for i in live.leaves:
        live.set(i, np.asarray(live.value(i)) + np.float32(1))
    after = [(p.numpy(), p.grad.numpy()) for p in (*layer.parameters(), x)]
    for old, new in zip(before, after, strict=True):
        assert np.array_equal(old[0], new[0]) and np.array_equal(old[1], new[1])
    assert dg.default_stream().state() == drawn
    assert float(live.value(live.target)) != y.item()


def test_a_leaf_given_as_an_array_is_not_shared():
    live = live_of((leaf([1.0, 2.0], "w") * 2).sum())
    mine = np.array([5.0, 6.0], "float32")
    set_by_name(live, "w", mine)
    mine[0] = 100.0
    assert set_by_name(live, "w", 7.0, at=(1,)).forward
    assert live.value(index_of(live, "w")).tolist() == [5.0, 7.0]


def test_random_numbers_keep_their_keys_in_both_modes():
    stream = dg.Stream(7)
    x = leaf(np.ones(50), "x")
    live = live_of((dg.dropout(x, rate=0.5, rng=stream) * x).sum())
    first = float(live.value(live.target))
    set_by_name(live, "x", np.full(50, 3.0))
    set_by_name(live, "x", np.ones(50))
    assert float(live.value(live.target)) == first

    with dg.Graph().as_default():
        p = dg.placeholder((50,), name="p")
        node = dg.dropout(p, rate=0.5, rng=stream).sum()
    drawn = stream.state()
    live = Live(node, {p: np.ones(50, "float32")})
    first = float(live.value(live.target))
    live.set(p.index, np.full(50, 2.0, "float32"))
    assert float(live.value(live.target)) == 2 * first
    assert stream.state() == drawn
    assert live.leaves == [p.index]  # the key is no leaf to play with


def test_a_node_with_a_feed():
    w = dg.Parameter([[1.0], [2.0]], name="w")
    with dg.Graph().as_default():
        x = dg.placeholder((None, 2), name="x")
        y = dg.square(x @ dg.variable(w)).mean()
    live = Live(y, {"x": [[1.0, 1.0], [0.0, 2.0]]})
    assert float(live.value(y.index)) == 12.5
    live.set(live.leaves[0], [[0.0, 0.0], [0.0, 1.0]])
    assert float(live.value(y.index)) == 2.0
    assert w.tolist() == [[1.0], [2.0]]


def test_a_fed_node_hides_what_would_compute_it():
    with dg.Graph().as_default():
        x, w = dg.placeholder((), name="x"), dg.placeholder((), name="w")
        h = x * w
        y = h * w
    live = Live(y, {h: 3.0, w: 5.0})
    assert live.leaves == [w.index, h.index] and x.index not in live.nodes
    # dy/dw is h alone: through h there is no way back to w.
    assert float(live.gradient(w.index)) == 3.0


def test_reset_goes_back_and_runs_only_what_differs():
    live = live_of(leaf(4.0, "a") * leaf(5.0, "b"))
    assert live.reset() == Change()
    set_by_name(live, "a", 1.0)
    set_by_name(live, "b", 1.0)
    assert live.reset().forward == (2,)
    assert float(live.value(live.target)) == 20.0


def test_whole_numbers_stay_whole():
    n = leaf(np.arange(3), "n", grad=False)
    live = live_of(dg.take(leaf([1.0, 2.0, 4.0], "w"), n).sum())
    set_by_name(live, "n", [0, 2, 2])
    assert float(live.value(live.target)) == 9.0
    assert live.value(index_of(live, "n")).dtype == np.int64
    for value, at in ((2.5, (0,)), ([1.5, 2.0, 3.0], None)):
        with pytest.raises(DtypeError, match="whole numbers"):
            set_by_name(live, "n", value, at)


def refused(live, error, words, name, value, at=None):
    values = dict(live.values)
    with pytest.raises(error, match=words):
        set_by_name(live, name, value, at)
    assert live.values == values


def test_what_is_refused_leaves_the_last_good_state():
    live = live_of(dg.log(leaf(2.0, "a")) * 3)
    refused(live, NonFiniteError, "log.* becomes NaN where a = -1", "a", -1.0)
    refused(live, NonFiniteError, "log.* becomes infinite where a = 0", "a", 0.0)
    refused(live, ShapeError, r"a has shape \(\), the new value \(2,\)", "a", [1.0, 2.0])
    refused(live, OperationError, "too large for float32", "a", 1e300)
    refused(live, OperationError, "NaN or infinity", "a", float("nan"))
    refused(live, DtypeError, "text", "a", "5")
    refused(live, OperationError, "differ in length", "a", [[1.0], [1.0, 2.0]])
    refused(live, OperationError, "no element", "a", 1.0, at=(3,))


def test_a_gradient_that_becomes_infinite_is_named():
    live = live_of(dg.sqrt(leaf(4.0, "a")))
    refused(live, NonFiniteError, "the gradient at .* becomes infinite where a = 0", "a", 0.0)


def test_where_nothing_was_finite_before_changes_are_let_through():
    live = live_of(dg.log(leaf(-1.0, "a")))
    set_by_name(live, "a", -2.0)
    set_by_name(live, "a", 1.0)
    assert float(live.value(live.target)) == 0.0


def test_only_leaves_can_be_set():
    live = live_of(leaf(2.0, "a") * 3)
    with pytest.raises(OperationError, match=r"multiply = .* is computed") as caught:
        live.set(live.target, 1.0)
    assert caught.value.hint == "set one of a"


def test_no_gradients_and_why():
    a = leaf([1.0, 2.0], "a")
    assert "2 elements" in live_of(a * 2).why_no_gradients
    assert "int64" in live_of(dg.argmax(a)).why_no_gradients
    with dg.Graph().as_default():
        x = dg.placeholder((), "int64", name="x")
        y = x.astype("float32") * 2
    assert "asks for a gradient" in Live(y, {x: 1}).why_no_gradients
    assert live_of((a * 2).sum()).why_no_gradients == ""


def test_gradients_only_where_they_were_asked_for():
    live = live_of((leaf(1.0, "a") * leaf(2.0, "b", grad=False)) * 2)
    assert live.gradient(index_of(live, "a")) is not None
    assert live.gradient(index_of(live, "b")) is None


def test_what_changes_state_is_refused():
    with dg.Graph().as_default():
        w = dg.variable(dg.Parameter(1.0), name="w")
        step = dg.assign(w, w * 2)
        with w.graph.control_dependencies([step]):
            after = dg.read(w) * 3
    for node in (step, after):
        with pytest.raises(GraphError, match="changes state"):
            Live(node)


def test_a_missing_feed_says_on_which_way_it_is_needed():
    with dg.Graph().as_default():
        x = dg.placeholder((), name="x")
        y = dg.exp(x) * 2
    with pytest.raises(FeedError, match="needed via  x -> exp -> multiply"):
        Live(y)


def test_a_long_chain_is_no_recursion():
    x = leaf(1.0, "x")
    y = x
    for _ in range(3_000):
        y = y * 1.0
    live = live_of(y)
    assert len(set_by_name(live, "x", 2.0).forward) == 3_000
