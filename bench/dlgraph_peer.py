"""dlgraph's side of the shared benchmark: the workloads, eagerly and define-then-run.

The harness beside the repository (`shared/bench`) runs this file in a process of its own, next to
PyTorch and the other peers, with the same data, weights and check values; `python bench/run.py`
hands it over.  Each `make` gives `(setup, step)`; `step(n)` does n iterations and returns the check
value.  Where there is a GPU, W1 to W6 have forms that end in `-gpu` too.
"""

from __future__ import annotations

import itertools

import common as shared  # the harness puts its folder on the path
import numpy as np

import dlgraph as dg


def versions():
    """What was measured."""
    return {"dlgraph": dg.__version__, "numpy": np.__version__}


def eager(prepare, turn, check=lambda last, *state: last):
    """A workload run eagerly: `prepare()` makes the state, `turn(*state)` one iteration.

    `check(last, *state)` makes the check value of what the last iteration returned; as with the
    other peers it is computed after the iterations, not in each.
    """

    def make():
        state = []

        def setup():
            state[:] = prepare()

        def step(n):
            given = tuple(state)
            for _ in range(n):
                value = turn(*given)
            return float(check(value, *given))

        return setup, step

    return make


def static(build, feeds=None, **options):
    """A workload as a graph: `build()` returns the fetch (and feeds by number of the batch)."""

    def make():
        state = {"i": 0}

        def setup():
            graph = dg.Graph()
            with graph.as_default():
                state["fetch"], state["nodes"] = build()
            state["session"] = dg.Session(graph, **options)
            state["session"].run(graph.startup)
            state["data"] = feeds() if feeds else [()]

        def step(n):
            session, fetch, nodes, data = (state[k] for k in ("session", "fetch", "nodes", "data"))
            for _ in range(n):
                batch = data[state["i"] % len(data)]
                state["i"] += 1
                found = session.run(fetch, dict(zip(nodes, batch, strict=True)))
            return float(found[0] if isinstance(found, list) else found)

        return setup, step

    return make


def on_gpu(build, feeds, together=1):
    """A graph on the GPU, batches there already; the answer of the last iteration comes back.

    With `together`, so many iterations are one call of `run_steps`, which brings their batches.
    """

    def make():
        state = {"i": 0}

        def setup():
            graph = dg.Graph()
            with graph.as_default():
                state["fetch"], nodes = build()
            session = state["session"] = dg.Session(graph, device="gpu")
            session.run(graph.startup)
            data = feeds()
            state["feeds"] = [
                {node: dg.Tensor(v).to("gpu") for node, v in zip(nodes, batch, strict=True)}
                for batch in data
            ]
            state["stacked"] = {node: np.stack(v) for node, *v in zip(nodes, *data, strict=True)}

        def one(last):
            feed = state["feeds"][state["i"] % len(state["feeds"])]
            state["i"] += 1
            return state["session"].run(state["fetch"] if last else state["fetch"][-1], feed)

        def several(count, last):
            chosen = (state["i"] + np.arange(count)) % len(state["feeds"])
            feed = {node: values[chosen] for node, values in state["stacked"].items()}
            state["i"] += count
            fetch = state["fetch"] if last else state["fetch"][-1]
            return state["session"].run_steps(fetch, feed)

        def step(n):
            alone = not isinstance(state["fetch"], list)
            left = n
            while left:
                count = min(left, together)
                left -= count
                last = alone or not left
                found = one(last) if together == 1 else several(count, last)
            return float(np.ravel(found[0] if isinstance(found, list) else found)[-1])

        return setup, step

    return make


def statics(build, feeds):
    """The forms in which a graph runs: as it is by default, and compiled."""
    there = dg.gpu.is_available()
    return {
        **({"static-gpu": on_gpu(build, feeds)} if there else {}),
        "static": static(build, feeds),
        "static-numpy": static(build, feeds, exact=False),
        "static-fast": static(build, feeds, executor="fast"),
    }


# ---- W1, W2: the cost of an operation ------------------------------------------------------------


def eagers(prepare, turn, check=lambda last, *state: last):
    """A workload run eagerly on the CPU and, if there is one, on the GPU: `prepare(device)`."""
    places = {"eager": "cpu"} | ({"eager-gpu": "gpu"} if dg.gpu.is_available() else {})
    return {
        form: eager(lambda device=device: prepare(device), turn, check)
        for form, device in places.items()
    }


def chain_state(grad, device):
    x, a, b = shared.w1_data()
    made = dg.Tensor(x, requires_grad=grad), dg.Tensor(a), dg.Tensor(b)
    return [tensor.to(device) for tensor in made]


def chain_forward(x, a, b):
    with dg.no_grad():
        return shared.w1_chain(x, a, b)


def chain_backward(x, a, b):
    x.grad = None
    shared.w1_chain(x, a, b).sum().backward()


def formula(a, b):
    a.grad = b.grad = None
    y = 2 * a + 3 * b
    y.backward()
    return y


def formula_check(y, a, b):
    return y.item() + a.grad.item() + b.grad.item()


def formula_state(device):
    return [dg.Tensor(value, requires_grad=True).to(device) for value in (3.0, 4.0)]


# ---- W3, W4: training ----------------------------------------------------------------------------


class MLP(dg.nn.Module):
    """784-100-100-10 from the shared weights."""

    def __init__(self):
        self.weights = [dg.Parameter(values) for pair in shared.mlp_params() for values in pair]

    def forward(self, x):
        w1, b1, w2, b2, w3, b3 = self.weights
        return dg.relu(dg.relu(x @ w1 + b1) @ w2 + b2) @ w3 + b3


class CNN(dg.nn.Module):
    """Two convolutions with pooling, three full layers, from the shared weights."""

    def __init__(self):
        for name, values in shared.cnn_params().items():
            setattr(self, name, dg.Parameter(values))

    def forward(self, x):
        for k in "12":
            x = dg.conv2d(x, getattr(self, f"c{k}w"), getattr(self, f"c{k}b"))
            x = dg.max_pool2d(dg.relu(x), 2)
        x = x.flatten(1)
        x = dg.relu(x @ self.f1w + self.f1b)
        return dg.relu(x @ self.f2w + self.f2b) @ self.f3w + self.f3b


def training(model, optimizer, data):
    """A training workload in both forms."""

    def prepare(device):
        net = model().to(device)
        pairs = zip(*data(), strict=True)
        batches = [(dg.Tensor(x).to(device), dg.Tensor(y).to(device)) for x, y in pairs]
        return net, optimizer(net.parameters()), itertools.cycle(batches)

    def turn(net, opt, batches):
        x, y = next(batches)
        loss = dg.cross_entropy(net(x), y)
        opt.zero_grad()
        loss.backward()
        opt.step()
        return loss

    def build():
        xs, _ = data()
        x = dg.placeholder(("batch", *xs.shape[2:]), name="x")
        y = dg.placeholder(("batch",), "int64", name="y")
        net = model()
        loss = dg.cross_entropy(net(x), y)
        return [loss, optimizer(net.parameters()).minimize(loss)], (x, y)

    def feeds():
        return list(zip(*data(), strict=True))

    several = {"steps50-gpu": on_gpu(build, feeds, 50)} if dg.gpu.is_available() else {}
    return {**eagers(prepare, turn), **statics(build, feeds), **several}


# ---- W5: element-wise chain ----------------------------------------------------------------------


def w5_forms(grad):
    def prepare(device):
        x, *rest = shared.w5_data()
        rest = [dg.Tensor(v).to(device) for v in rest]
        return dg.Tensor(x, requires_grad=grad).to(device), *rest

    def turn(x, *rest):
        x.grad = None
        y = shared.w5_chain(x, *rest, dg.tanh, dg.exp)
        if not grad:
            return y.mean()
        y.sum().backward()
        return x.grad.mean()

    def build():
        x, *rest = shared.w5_data()
        node = dg.placeholder(x.shape, name="x")
        y = shared.w5_chain(node, *map(dg.constant, rest), dg.tanh, dg.exp)
        return (dg.gradients(y.sum(), node) if grad else y).mean(), (node,)

    return {**eagers(prepare, turn), **statics(build, lambda: [shared.w5_data()[:1]])}


# ---- W6: LSTM ------------------------------------------------------------------------------------


def lstm_loss(xs, target, wx, wh, b, device="cpu"):
    """32 steps written out, and the mean squared error of the last state."""
    n = shared.LSTM_H
    h = c = dg.Tensor(np.zeros((shared.LSTM_B, n), np.float32)).to(device)
    for t in range(shared.LSTM_T):
        z = xs[t] @ wx + h @ wh + b
        i, f, g, o = (z[:, k * n : (k + 1) * n] for k in range(4))
        c = dg.sigmoid(f) * c + dg.sigmoid(i) * dg.tanh(g)
        h = dg.sigmoid(o) * dg.tanh(c)
    return dg.mse_loss(h, target)


def w6_forms():
    def prepare(device):
        xs, target = shared.lstm_data()
        weights = [dg.Parameter(v).to(device) for v in shared.lstm_params()]
        rows = [dg.Tensor(x).to(device) for x in xs]
        opt = dg.optim.SGD(weights, lr=shared.LSTM_LR)
        target = dg.Tensor(target).to(device)
        return rows, target, weights, opt, device

    def turn(xs, target, weights, opt, device):
        loss = lstm_loss(xs, target, *weights, device=device)
        opt.zero_grad()
        loss.backward()
        opt.step()
        return loss

    def build():
        xs, target = shared.lstm_data()
        weights = [dg.Parameter(v) for v in shared.lstm_params()]
        x = dg.placeholder(xs.shape, name="x")
        loss = lstm_loss(x, dg.constant(target), *weights)
        return [loss, dg.optim.SGD(weights, lr=shared.LSTM_LR).minimize(loss)], (x,)

    return {**eagers(prepare, turn), **statics(build, lambda: [shared.lstm_data()[:1]])}


# ---- W7: large graphs ----------------------------------------------------------------------------


def scale(size):
    """Build, plan and run a graph of this many nodes, anew at every step."""

    def make():
        def step(n):
            x, a, b = shared.w1_data()
            for _ in range(n):
                with dg.Graph().as_default() as graph:
                    node = dg.placeholder(x.shape, name="x")
                    y = shared.w7_chain(node, dg.constant(a), dg.constant(b), size, dg.tanh)
                found = dg.Session(graph).run(y, {node: x})
            return float(found.sum())

        return lambda: None, step

    return make


def workloads():
    """Every workload by `name/form`."""
    small = {
        "W1.fwd": eagers(lambda on: chain_state(False, on), chain_forward, lambda y, *_: y.sum()),
        "W1.fwdbwd": eagers(
            lambda on: chain_state(True, on), chain_backward, lambda _, x, *rest: x.grad.sum()
        ),
        "W2": eagers(formula_state, formula, formula_check),
    }
    forms = small | {"W5.fwd": w5_forms(False), "W5.grad": w5_forms(True), "W6": w6_forms()}
    for batch in (16, 64, 256, 1024):
        forms[f"W3.b{batch}"] = training(
            MLP,
            lambda p: dg.optim.SGD(p, lr=shared.MLP_LR),
            lambda batch=batch: shared.mlp_data(batch),
        )
    forms["W4.b64"] = training(
        CNN, lambda p: dg.optim.Adam(p, lr=shared.CNN_LR), lambda: shared.cnn_data(64)
    )
    found = {f"{name}/{form}": make for name, one in forms.items() for form, make in one.items()}
    return found | {f"W7.{name}/static": scale(n) for name, n in shared.W7_SIZES.items()}
