"""One test for each trap that other engines fell into.

Wherever it makes sense, a trap is tried in both modes.
"""

from __future__ import annotations

import gc
import subprocess
import sys
import weakref

import numpy as np
import pytest

import dlgraph as dg
from dlgraph.core.primitive import FUNCTIONS, REGISTRY
from dlgraph.errors import BackwardError, FeedError, MutationError
from dlgraph.testing import assert_modes_agree, check_grads, run_eager

LONG = 20_000  # operations in a chain; Python's own limit of nested calls is 1,000
DEPTH = 60  # of a diamond: 2 ** 60 paths


# ---- dtypes --------------------------------------------------------------------------------------


@pytest.mark.parametrize("labels_dtype", ["int64", "int32", "uint8"])
def test_integer_labels_do_not_turn_gradients_into_float64(labels_dtype):
    labels = np.array([0, 2], labels_dtype)

    def loss(w):
        one_hot = (labels[:, None] == np.arange(3)).astype(labels_dtype)
        p = dg.softmax(w)
        return ((p - dg.one_hot(labels, depth=3)) ** 2).sum() + (p * one_hot).sum() * labels.size

    w = np.array([[0.1, 0.2, 0.3], [0.3, 0.2, 0.1]], np.float32)
    outputs, gradients = run_eager(loss, [w])
    assert outputs[0].dtype == gradients[0].dtype == np.float32
    assert_modes_agree(loss, [w])


def test_integer_tensors_do_not_turn_a_float32_model_into_float64():
    def loss(x, count):
        return (x * count).sum() / count.sum()

    arrays = [np.array([0.5, 1.5], np.float32), np.array([3, 4])]
    outputs, gradients = run_eager(loss, arrays)
    assert outputs[0].dtype == gradients[0].dtype == np.float32
    assert_modes_agree(loss, arrays)


@pytest.mark.parametrize(
    "number", [np.sqrt(2.0), np.float64(0.1), np.array(0.1), np.int64(3), 0.1, [0.1, 0.2]]
)
def test_numpy_numbers_leave_float32_as_it_is(number):
    for function in (
        lambda x: x * number,
        lambda x: number * x,
        lambda x: x / number,
        lambda x: dg.maximum(number, x),
        lambda x: dg.where(x > number, x, number),
    ):
        outputs, gradients = run_eager(function, [np.array([1.0, -2.0], np.float32)])
        assert outputs[0].dtype == gradients[0].dtype == np.float32
        assert_modes_agree(function, [np.array([1.0, -2.0], np.float32)])


# ---- operations ----------------------------------------------------------------------------------


def test_batched_matmul_follows_matmul_and_not_dot():
    a, b = np.arange(12.0).reshape(2, 2, 3), np.arange(24.0).reshape(2, 3, 4)
    outputs, gradients = run_eager(dg.matmul, [a, b])
    np.testing.assert_array_equal(outputs[0], a @ b)
    assert outputs[0].shape == (2, 2, 4) != np.dot(a, b).shape
    ones = np.ones((2, 2, 4))
    np.testing.assert_array_equal(gradients[0], ones @ b.swapaxes(1, 2))
    np.testing.assert_array_equal(gradients[1], a.swapaxes(1, 2) @ ones)
    assert_modes_agree(dg.matmul, [a, b])


@pytest.mark.parametrize("axis", [-1, -2, 0, 1, (-1, 0), None])
@pytest.mark.parametrize("keepdims", [False, True])
def test_max_over_a_negative_axis_has_a_gradient(axis, keepdims):
    x = np.array([[1.0, 5.0, 2.0], [7.0, 3.0, 4.0]])

    def function(t):
        return t.max(axis=axis, keepdims=keepdims)

    want = (x == x.max(axis=axis, keepdims=True)).astype(float)
    np.testing.assert_array_equal(run_eager(function, [x])[1][0], want)
    assert_modes_agree(function, [x])


def test_second_derivative_of_relu_is_zeros_and_not_none():
    x = dg.Tensor([-1.0, 2.0], requires_grad=True)
    first = dg.grad(dg.relu(x).sum(), x, create_graph=True)
    assert first.tolist() == [0, 1]
    assert dg.grad(first.sum(), x).tolist() == [0, 0]
    with dg.Graph().as_default() as g:
        node = dg.placeholder((2,))
        first = dg.gradients(dg.relu(node).sum(), node)
        second = dg.gradients(first.sum(), node)
    found = dg.Session(g).run([first, second], {node: [-1.0, 2.0]})
    assert [a.tolist() for a in found] == [[0, 1], [0, 0]]


def test_the_same_input_twice():
    for function in (lambda x: x * x, lambda x: x + x, lambda x: dg.concatenate([x, x]).sum()):
        assert_modes_agree(function, [np.array([3.0, -2.0])])
    assert run_eager(lambda x: x * x, [[3.0, -2.0]])[1][0].tolist() == [6, -4]
    assert run_eager(lambda x: x - x, [3.0])[1][0] == 0
    assert run_eager(lambda x: x @ x, [[3.0, -2.0]])[1][0].tolist() == [6, -4]


def test_paths_of_different_length():
    def function(x):
        long = x
        for _ in range(5):
            long = dg.sin(long)
        return x + long * x + dg.exp(x)

    check_grads(function, [[0.3, -1.2]], order=2)
    assert_modes_agree(function, [[0.3, -1.2]])


# ---- values that change --------------------------------------------------------------------------


def test_changing_the_original_array_changes_no_gradient():
    original = np.array([1.0, 2.0])
    x = dg.Tensor(original, requires_grad=True)
    y = (x * x).sum()
    original[:] = 100.0
    y.backward()
    assert x.grad.tolist() == [2, 4]


def test_what_numpy_hands_out_cannot_be_written_to():
    x = dg.Tensor([1.0, 2.0], requires_grad=True)
    for view in (x.numpy(), np.asarray(x), (x * 2).numpy()):
        with pytest.raises(ValueError, match="read-only"):
            view[0] = 100.0


def test_changing_a_fed_or_a_fetched_array_changes_nothing_else():
    w = dg.Parameter(np.array([1.0, 2.0]))
    with dg.Graph().as_default() as g:
        x = dg.placeholder((2,), "float64")
        same, y = dg.identity(x), x * dg.variable(w)
        store = dg.assign(dg.variable(w), x)
    session = dg.Session(g)
    fed = np.array([3.0, 4.0])
    got_same, stored = session.run([same, store], {x: fed})
    fed[:] = 100.0
    stored[:] = 200.0
    assert got_same.tolist() == [3, 4]
    assert w.tolist() == [3, 4]
    assert session.run(y, {x: [1.0, 1.0]}).tolist() == [3, 4]


def test_assigning_between_forward_and_backward_is_an_error():
    w = dg.Parameter([1.0, 2.0], name="w")
    y = (w * w).sum()
    w.assign([100.0, 100.0])
    with pytest.raises(MutationError, match=r"'w'.*was changed after multiply used it"):
        y.backward()
    assert w.grad is None


def test_an_update_between_forward_and_backward_is_an_error():
    w = dg.Parameter([1.0, 2.0], name="w")
    optimizer = dg.optim.SGD([w], lr=0.1)
    first, second = (w * w).sum(), (w * w * w).sum()
    first.backward()
    optimizer.step()
    with pytest.raises(MutationError):
        second.backward()


# ---- wrong use -----------------------------------------------------------------------------------


def test_backward_of_a_leaf_says_what_to_do():
    x = dg.Tensor(3.0, requires_grad=True, name="x")
    with pytest.raises(BackwardError, match="'x': it is a leaf") as caught:
        x.backward()
    assert "loss" in caught.value.hint


def test_a_second_backward_is_an_error_and_not_silence():
    x = dg.Tensor(3.0, requires_grad=True)
    y = x * x
    y.backward()
    with pytest.raises(BackwardError, match="second backward") as caught:
        y.backward()
    assert "retain_graph=True" in caught.value.hint
    assert x.grad.item() == 6, "and nothing was added"
    z = x * x
    z.backward(retain_graph=True)
    z.backward()
    assert x.grad.item() == 18


def test_an_unfed_placeholder_is_named_with_the_path_to_it():
    with dg.Graph().as_default() as g:
        x = dg.placeholder((), name="x")
        with dg.name_scope("layer"):
            y = x * 2 + 1
    with pytest.raises(FeedError, match=r"'x'.*needs a value") as caught:
        dg.Session(g).run(y)
    assert caught.value.extra["needed via"] == "x -> layer/multiply -> layer/add"


# ---- long chains and many paths ------------------------------------------------------------------


def test_a_chain_of_20000_operations_eagerly():
    x = dg.Tensor(1.0, requires_grad=True)
    y = x
    for _ in range(LONG):
        y = y + 1.0
    y.backward(retain_graph=True)
    assert (y.item(), x.grad.item()) == (LONG + 1, 1)
    assert dg.grad(y, x, create_graph=True).item() == 1
    graph = y.graph
    assert len(graph) > LONG
    assert str(graph).count("\n") == len(graph)


def test_a_chain_of_20000_operations_define_then_run():
    with dg.Graph().as_default() as g:
        x = dg.placeholder((), name="x")
        y = x
        for _ in range(LONG):
            y = dg.negative(y)
        slope = dg.gradients(y, x)
    session = dg.Session(g)
    assert session.run([y, slope], {x: 2.0}) == [2, 1]
    assert dg.Session(g.clone(for_test=True)).run(y, {x: 2.0}) == 2
    assert len(g.clone()) == len(g) > 2 * LONG
    assert str(g).count("\n") == len(g)
    assert g.structure_hash() == g.clone().structure_hash()
    assert str(session.program(y, [x])).startswith(f"program with {LONG} steps")


@pytest.mark.parametrize("mode", ["eager", "graph"])
def test_deleting_a_chain_of_20000_operations_does_not_crash(mode):
    # In a process of its own: a crash here would be one of the interpreter.
    build = {
        "eager": "x = dg.Tensor(1.0, requires_grad=True)",
        "graph": "x = dg.placeholder(())",
    }[mode]
    code = f"""
import dlgraph as dg
with dg.Graph().as_default():
    {build}
    y = x
    for _ in range({LONG}):
        y = y * 1.0
    del x
    del y
print("alive")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300)
    assert done.stdout.strip() == "alive", done.stderr[-500:]


@pytest.fixture
def probe():
    """A sum whose gradient rules count how often they are asked."""
    calls = []

    @dg.primitive(kind="elementwise")
    def probe_sum(xp, a, b):
        """The sum of two values."""
        return a + b

    def rule(g):
        calls.append(g)
        return g

    probe_sum.vjp(a=rule, b=rule)
    yield probe_sum, calls
    unregister("probe_sum")


def unregister(name):
    del REGISTRY[name], FUNCTIONS[name]


def test_a_diamond_of_depth_60_eagerly(probe):
    twice, calls = probe
    seen = []
    x = dg.Tensor(1.0, requires_grad=True)
    with dg.watch(call=lambda primitive, *rest: seen.append(primitive.name)):
        y = x
        for _ in range(DEPTH):
            y = twice(y, y)
        y.backward()
    assert y.item() == x.grad.item() == 2.0**DEPTH
    assert len(seen) == DEPTH
    assert len(calls) == 2 * DEPTH, "one per input of each operation, not one per path"
    assert len(y.graph) == DEPTH + 1


def test_a_diamond_of_depth_60_define_then_run(probe):
    twice, calls = probe
    with dg.Graph().as_default() as g:
        x = dg.placeholder(())
        y = x
        for _ in range(DEPTH):
            y = twice(y, y)
        slope = dg.gradients(y, x)
    assert len(calls) == 2 * DEPTH
    seen = []
    with dg.watch(call=lambda primitive, *rest: seen.append(primitive.name)):
        found = dg.Session(g).run([y, slope], {x: 1.0})
    assert found == [2.0**DEPTH, 2.0**DEPTH]
    assert seen.count("probe_sum") == DEPTH
    assert seen.count("add") == DEPTH, "gradients that meet are added once"


# ---- memory --------------------------------------------------------------------------------------


def train(model, images, labels, mode):
    optimizer = dg.optim.Adam(model.parameters(), lr=0.01)
    if mode == "eager":
        for _ in range(2):
            loss = dg.cross_entropy(model(dg.Tensor(images)), dg.Tensor(labels))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        return weakref.ref(loss)
    graph = dg.Graph()
    with graph.as_default():
        image, label = dg.placeholder((None, 6)), dg.placeholder((None,), "int64")
        loss = dg.cross_entropy(model(image), label)
        step = optimizer.minimize(loss)
    session = dg.Session(graph)
    session.run(graph.startup)
    for _ in range(2):
        session.run([loss, step], {image: images, label: labels})
    dg.Session(graph.clone(for_test=True)).run(loss, {image: images, label: labels})
    return weakref.ref(graph)


@pytest.mark.parametrize("mode", ["eager", "graph"])
def test_no_tape_and_no_cycle_keeps_a_graph_alive(mode):
    model = dg.nn.Sequential(
        dg.nn.Linear(6, 5), dg.nn.ReLU(), dg.nn.Dropout(0.5), dg.nn.Linear(5, 3)
    )
    images, labels = np.ones((4, 6), np.float32), np.array([0, 1, 2, 0])
    train(model, images, labels, mode)  # caches are filled, modules imported
    gc.collect()
    gc.disable()
    try:
        remembered = train(model, images, labels, mode)
        assert remembered() is None, "freed by reference counting alone"
        assert gc.collect() == 0, "objects in reference cycles"
    finally:
        gc.enable()


def test_nobody_holds_a_result_that_nobody_wants():
    x = dg.Tensor(np.ones(1000), requires_grad=True)
    middle = x * 2
    remembered = weakref.ref(middle)
    y = middle.sum()
    del middle
    assert remembered() is not None, "the result needs it for the gradient"
    del y
    assert remembered() is None


# ---- order, and the checker itself ---------------------------------------------------------------


def test_parameters_come_in_the_order_of_their_definition():
    code = """
import dlgraph as dg
class Model(dg.nn.Module):
    def __init__(self):
        for name in ("zeta", "alpha", "mu"):
            setattr(self, name, dg.Parameter(0.0))
        self.layers = [dg.nn.Linear(2, 2) for _ in range(12)]
model = Model()
print(*[name for name, _ in model.named_parameters()])
print(*[p.name for p in dg.optim.SGD(model.parameters(), lr=0.1).parameters])
"""
    layers = [f"layers.{i}.{kind}" for i in range(12) for kind in ("weight", "bias")]
    want = " ".join(["zeta", "alpha", "mu", *layers])
    for hash_seed in ("1", "2"):  # the order of a set depends on it
        done = subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            env={"PYTHONHASHSEED": hash_seed, "PYTHONPATH": ":".join(filter(None, sys.path))},
            timeout=300,
        )
        assert done.stdout.split("\n")[:2] == [want, want], done.stderr[-500:]


@pytest.mark.parametrize(
    ("rule", "place"),
    [
        (lambda g, x: g * (3.0 * x * x + 1e-3), "gradient of input 0"),
        (lambda g, x: g * (2.0 * x * x), "gradient of input 0"),
        (lambda g, x: -g * (3.0 * x * x), "gradient of input 0"),
        (lambda g, x: g * 3.0 * x.max() ** 2 + 0 * x, "gradient of input 0"),
        (lambda g, x: g * (3.0 * x * dg.stop_gradient(x)), "derivative 2 of input 0"),
        (lambda g, x: None, "gradient of input 0"),
    ],
)
@pytest.mark.parametrize("size", [3, 500])
def test_the_gradient_checker_notices_a_wrong_gradient(rule, place, size):
    @dg.primitive(kind="elementwise", text="{x}³")
    def wrong_cube(xp, x):
        """Third power, with a wrong gradient."""
        return x * x * x

    wrong_cube.vjp(x=rule)
    try:
        x = np.linspace(0.5, 1.5, size)
        with pytest.raises(AssertionError, match=f"FAIL {place}"):
            check_grads(wrong_cube, [x], order=2)
        wrong_cube.vjp(x=lambda g, x: g * (3.0 * x * x))
        assert check_grads(wrong_cube, [x], order=2).passed
    finally:
        unregister("wrong_cube")


@pytest.mark.parametrize(
    "use",
    [
        lambda w: w.sum(),
        lambda w: w.mean(),
        lambda w: w.reshape(-1)[0],
        lambda w: dg.concatenate([w, w]).sum(),
        lambda w: (w + 1).sum(),
    ],
)
def test_a_change_that_no_gradient_rule_reads_is_fine(use):
    w = dg.Parameter([1.0, 2.0], name="w")
    y = use(w)
    w.assign([5.0, 6.0])
    y.backward()
    assert w.grad is not None
