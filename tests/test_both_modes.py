"""One source, two modes: from the same seed both end with the same bits, on real digits too."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import dlgraph as dg

REPOSITORY = Path(__file__).resolve().parents[1]


def mlp(dropout=0.2):
    """The network of the source articles, 784-100-100-10, with dropout added."""
    return dg.nn.Sequential(
        dg.nn.Linear(784, 100),
        dg.nn.ReLU(),
        dg.nn.Dropout(dropout),
        dg.nn.Linear(100, 100),
        dg.nn.ReLU(),
        dg.nn.Dropout(dropout),
        dg.nn.Linear(100, 10),
    )


def train_eagerly(make_model, make_optimizer, batches, seed=0):
    """Parameters and losses after one pass over the batches, define-by-run."""
    dg.seed(seed)
    model = make_model()
    optimizer = make_optimizer(model.parameters())
    losses = []
    for x, labels in batches:
        loss = dg.cross_entropy(model(dg.Tensor(x)), dg.Tensor(labels))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return model, losses


def train_in_a_session(make_model, make_optimizer, batches, seed=0):
    """The same, define-then-run: initialised by the start-up graph, updated by graph nodes."""
    dg.seed(seed)
    features = batches[0][0].shape[1]
    with dg.Graph().as_default() as graph:
        x = dg.placeholder((None, features), name="x")
        labels = dg.placeholder((None,), "int64", name="labels")
        model = make_model()
        loss = dg.cross_entropy(model(x), labels)
        train = make_optimizer(model.parameters()).minimize(loss)
    session = dg.Session(graph)
    session.run(graph.startup)
    losses = [session.run([loss, train], {x: a, labels: b})[0].item() for a, b in batches]
    return model, losses


def assert_same(one, two):
    (eager, eager_losses), (symbolic, symbolic_losses) = one, two
    values = symbolic.state_dict()
    for name, value in eager.state_dict().items():
        assert value.dtype == values[name].dtype == np.float32
        np.testing.assert_array_equal(value, values[name], err_msg=name)
    assert eager_losses == symbolic_losses


# ---- MNIST


@pytest.fixture(scope="module")
def mnist():
    folder = os.environ.get("DLGRAPH_DATA") or REPOSITORY.parent / "shared" / "data"
    if not Path(folder, "mnist").is_dir():
        pytest.skip("needs the real MNIST: set DLGRAPH_DATA to a folder that holds mnist/")
    return dg.data.mnist(folder)


def test_one_epoch_of_mnist_gives_the_same_bits_in_both_modes(mnist):
    x, labels = mnist.train.arrays()
    batches = list(dg.data.DataLoader(x, labels, 16, shuffle=True, seed=1))
    assert len(batches) == 3750

    def optimizer(parameters):
        return dg.optim.SGD(parameters, lr=0.05)

    eager = train_eagerly(mlp, optimizer, batches, seed=7)
    assert_same(eager, train_in_a_session(mlp, optimizer, batches, seed=7))

    test, wanted = mnist.test.arrays()
    with dg.no_grad():
        accuracy = dg.accuracy(eager[0].eval()(dg.Tensor(test)), wanted).item()
    assert accuracy > 0.94  # it did learn


@pytest.fixture(scope="module")
def few(mnist):
    x, labels = mnist.train.arrays()
    return [(x[i : i + 16], labels[i : i + 16]) for i in range(0, 320, 16)]


def adam(parameters):
    return dg.optim.Adam(parameters, lr=0.001)


def test_adam_on_real_digits_gives_the_same_bits_in_both_modes(few):
    assert_same(train_eagerly(mlp, adam, few), train_in_a_session(mlp, adam, few))


def test_another_seed_gives_other_bits(few):
    one, two = (train_eagerly(mlp, adam, few[:3], seed=s)[0].state_dict() for s in (0, 1))
    assert not np.array_equal(one["0.weight"], two["0.weight"])


def test_a_model_trained_in_one_mode_runs_in_the_other(few):
    model, _ = train_eagerly(mlp, adam, few)
    with dg.Graph().as_default() as graph:
        x = dg.placeholder((None, 784), name="x")
        logits = model(x)
    test = dg.Session(graph.clone(for_test=True))
    with dg.no_grad():
        eager = model.eval()(dg.Tensor(few[0][0])).numpy()
    np.testing.assert_array_equal(test.run(logits, {x: few[0][0]}), eager)


@pytest.mark.parametrize("executor", ["interpreter", "planned"])
def test_values_of_variables_lie_alike_in_memory(executor):
    """The gradient of a weight that is used transposed is transposed, and so was the next weight:
    its sum had other bits."""
    values = np.random.default_rng(0).normal(size=(130, 65)).astype("float32")
    given = np.random.default_rng(1).normal(size=(4, 65)).astype("float32")
    w = dg.Parameter(values)
    optimizer = dg.optim.SGD([w], lr=0.1)
    eager = []
    for _ in range(3):
        optimizer.zero_grad()
        loss = (dg.Tensor(given) @ w.T).sum() * 0.01
        eager.append(w.sum().item())
        loss.backward()
        optimizer.step()

    w = dg.Parameter(values)
    with dg.Graph().as_default() as graph:
        x = dg.placeholder((4, 65), name="x")
        total = dg.variable(w).sum()
        train = dg.optim.SGD([w], lr=0.1).minimize((x @ w.T).sum() * 0.01)
    session = dg.Session(graph, executor=executor)
    session.run(graph.startup)
    assert [session.run([total, train], {x: given})[0].item() for _ in range(3)] == eager

    with dg.Graph().as_default() as graph:
        twice = dg.assign(w, dg.transpose(dg.constant(values.T.copy())) * 2.0)
        total = dg.variable(w).sum()
    session = dg.Session(graph, executor=executor)
    session.run(twice)
    assert session.run(total) == (values * 2).sum()


class Dtypes:
    """Collects, with dg.watch, the dtypes of all results and inputs of operations."""

    def __init__(self):
        self.seen: dict[str, set[str]] = {}

    def __call__(self, op, result, inputs):
        for value in (result, *inputs):
            if hasattr(value, "dtype"):
                self.seen.setdefault(str(value.dtype), set()).add(op.name)

    def watch(self):
        return dg.watch(nan=True, call=self)


# The learning rate and the step count are kept in float64 and cast once per step.
OF_THE_RATE = {
    "variable",
    "add",
    "subtract",
    "divide",
    "power",
    "sqrt",
    "constant",
    "assign",
    "cast",
}


def check_float32(dtypes):
    assert set(dtypes.seen) <= {"float32", "int64", "bool", "uint64", "float64"}
    assert dtypes.seen["int64"] & {"mean_cross_entropy", "minus_one_hot"}  # labels stay integer
    assert dtypes.seen["uint64"] <= {"next_key", "drop", "random_uniform"}  # random keys
    assert dtypes.seen.get("float64", set()) <= OF_THE_RATE
    assert {"matmul", "relu", "drop", "mean_cross_entropy"} <= dtypes.seen["float32"]


def test_everything_is_float32_in_eager_training(few):
    model = mlp()
    x, labels = few[0]
    dtypes = Dtypes()
    with dtypes.watch():
        loss = dg.cross_entropy(model(dg.Tensor(x)), dg.Tensor(labels))
        loss.backward(create_graph=True)  # so that the backward pass is watched too
    check_float32(dtypes)
    assert "float64" not in dtypes.seen
    assert {p.grad.dtype.name for p in model.parameters()} == {"float32"}

    x = dg.Tensor(x)
    loss = dg.cross_entropy(model(x), dg.Tensor(labels))
    loss.backward()
    tensors = [node.tensor for node in loss.graph.nodes if node.tensor is not None]
    gradients = [t.grad for t in tensors if t.requires_grad]
    assert len(gradients) > 12 and {g.dtype.name for g in gradients} == {"float32"}


@pytest.mark.parametrize("make", [adam, lambda p: dg.optim.SGD(p, lr=0.1, momentum=0.9)])
def test_everything_is_float32_in_a_session(few, make):
    dtypes = Dtypes()
    with dtypes.watch():
        train_in_a_session(mlp, make, few[:2])
    check_float32(dtypes)


# ---- any small network

ACTIVATIONS = [dg.nn.ReLU, dg.nn.Tanh, dg.nn.Sigmoid]
OPTIMIZERS = {
    "sgd": lambda p: dg.optim.SGD(p, lr=0.1),
    "momentum": lambda p: dg.optim.SGD(p, lr=0.05, momentum=0.9, weight_decay=0.01),
    "nesterov": lambda p: dg.optim.SGD(p, lr=0.05, momentum=0.5, nesterov=True),
    "adam": lambda p: dg.optim.Adam(p, lr=0.01),
}


@settings(max_examples=25, deadline=None)
@given(
    widths=st.lists(st.integers(1, 9), min_size=1, max_size=4),
    kinds=st.lists(st.sampled_from(ACTIVATIONS), min_size=4, max_size=4),
    rates=st.lists(st.sampled_from([0.0, 0.3, 0.5]), min_size=4, max_size=4),
    optimizer=st.sampled_from(list(OPTIMIZERS)),
    sizes=st.lists(st.integers(1, 8), min_size=1, max_size=5),
    seed=st.integers(0, 2**32),
)
def test_any_small_network_gives_the_same_bits_in_both_modes(
    widths, kinds, rates, optimizer, sizes, seed
):
    def model():
        layers, size = [], 4
        for width, kind, rate in zip(widths, kinds, rates, strict=False):
            layers += [dg.nn.Linear(size, width, bias=width % 2 == 0), kind(), dg.nn.Dropout(rate)]
            size = width
        return dg.nn.Sequential(*layers, dg.nn.Linear(size, 3))

    rng = np.random.default_rng(seed)
    batches = [
        (rng.normal(size=(size, 4)).astype(np.float32), rng.integers(0, 3, size)) for size in sizes
    ]
    make = OPTIMIZERS[optimizer]
    assert_same(
        train_eagerly(model, make, batches, seed), train_in_a_session(model, make, batches, seed)
    )
