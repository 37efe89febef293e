"""Twelve graphs made by the engine, against which the layout is measured: small and large, recorded
and built, most of them with their backward half."""

from __future__ import annotations

import numpy as np

import dlgraph as dg
from dlgraph.draw import draw
from dlgraph.draw.model import Picture

nn = dg.nn


def _tensor(*shape, name=""):
    return dg.Tensor(np.ones(shape, np.float32), requires_grad=True, name=name or None)


def _recorded(loss) -> Picture:
    loss.backward(retain_graph=True)
    return draw(loss).picture


def _trained(model, *shape) -> Picture:
    with dg.Graph().as_default() as graph:
        dg.optim.SGD().minimize(model(dg.placeholder(shape, name="x")).sum())
    return draw(graph).picture


def formula() -> Picture:
    """y = 2a + 3b."""
    a, b = _tensor(name="a"), _tensor(name="b")
    return _recorded(2 * a + 3 * b)


def diamond() -> Picture:
    """One value, two ways."""
    x = _tensor(name="x")
    return _recorded(dg.exp(x) * dg.sin(x) + x)


def neuron() -> Picture:
    """Two inputs, weights, a bias and a squared error."""
    x, w, b, t = _tensor(3, name="x"), _tensor(3, name="w"), _tensor(name="b"), _tensor(name="t")
    return _recorded((dg.tanh((x * w).sum() + b) - t) ** 2)


def perceptron() -> Picture:
    """A training step of five layers."""
    layers = [layer for i in range(5) for layer in (nn.Linear(6, 6), nn.ReLU())]
    return _trained(nn.Sequential(*layers[:-1]), 4, 6)


def recorded_perceptron() -> Picture:
    """The same network, recorded, with its gradients."""
    layers = [layer for i in range(5) for layer in (nn.Linear(6, 6), nn.ReLU())]
    return _recorded(nn.Sequential(*layers)(_tensor(4, 6, name="x")).sum())


def convolutions() -> Picture:
    """A training step of a small image classifier."""
    layers = [nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Conv2d(4, 4, 3), nn.ReLU(), nn.Flatten()]
    return _trained(nn.Sequential(*layers, nn.Linear(16, 10)), 2, 1, 6, 6)


class _Residual(nn.Module):
    def __init__(self):
        super().__init__()
        self.blocks = nn.Sequential(*[nn.Linear(4, 4) for _ in range(6)])

    def forward(self, x):
        for block in self.blocks:
            x = x + dg.relu(block(x))
        return x


def residual() -> Picture:
    """A training step of six blocks with skip connections."""
    return _trained(_Residual(), 3, 4)


def recurrent() -> Picture:
    """Eight steps of a recurrent network, recorded."""
    w, u, h = _tensor(3, 3, name="w"), _tensor(3, 3, name="u"), _tensor(1, 3, name="h")
    for step in range(8):
        h = dg.tanh(_tensor(1, 3, name=f"x{step}") @ w + h @ u)
    return _recorded(h.sum())


def gates() -> Picture:
    """Three steps of a long short-term memory, recorded."""
    weights = [_tensor(6, 3, name=f"w_{gate}") for gate in "ifgo"]
    h, c = _tensor(1, 3, name="h"), _tensor(1, 3, name="c")
    for step in range(3):
        joined = dg.concatenate([_tensor(1, 3, name=f"x{step}"), h], axis=1)
        i, f, o = (dg.sigmoid(joined @ weights[k]) for k in (0, 1, 3))
        c = f * c + i * dg.tanh(joined @ weights[2])
        h = o * dg.tanh(c)
    return _recorded(h.sum())


def attention() -> Picture:
    """One attention head, recorded."""
    x = _tensor(5, 8, name="x")
    q, k, v = (x @ _tensor(8, 8, name=f"w_{name}") for name in "qkv")
    mixed = dg.softmax(q @ dg.transpose(k) / 8.0) @ v
    return _recorded((mixed @ _tensor(8, 8, name="w_out") + x).sum())


def dense() -> Picture:
    """Five layers, each of which reads all before it."""
    outputs = [_tensor(2, 3, name="x")]
    for layer in range(5):
        outputs.append(dg.tanh(sum(outputs[1:], outputs[0]) @ _tensor(3, 3, name=f"w{layer}")))
    return _recorded(sum(outputs[1:], outputs[0]).sum())


def loop() -> Picture:
    """A loop in a graph, and its training step."""
    with dg.Graph().as_default() as graph:
        x = dg.placeholder((7, 4, 3), name="x")
        w = dg.Parameter(np.zeros((3, 5), np.float32), name="w")
        first = dg.zeros((4, 5))
        last, outputs = dg.scan(lambda h, row: (dg.tanh(row @ w + h),) * 2, first, x)
        dg.optim.SGD().minimize(last.sum() + outputs.mean())
    return draw(graph).picture


GRAPHS = {
    made.__name__: made
    for made in (
        formula,
        diamond,
        neuron,
        perceptron,
        recorded_perceptron,
        convolutions,
        residual,
        recurrent,
        gates,
        attention,
        dense,
        loop,
    )
}
