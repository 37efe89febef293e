"""What both adapters share: dlgraph's operations under the names and arguments of `fuzz.py`.

The outside yardsticks (`../shared/conformance`, if that folder is there) load an adapter by its
path.  `dlgraph_eager.py` and `dlgraph_static.py` are the adapters; they differ in the mode only.
Operations that dlgraph does not have are left out, which the yardsticks count as missing.
"""

from __future__ import annotations

import numpy as np

import dlgraph as dg


def const(array):
    """A tensor that needs no gradient."""
    return dg.Tensor(array)


def to_numpy(tensor):
    return tensor.numpy()


FUZZ = {
    "add": dg.add,
    "sub": dg.subtract,
    "mul": dg.multiply,
    "div": dg.divide,
    "neg": dg.negative,
    "exp": dg.exp,
    "log": dg.log,
    "sqrt": dg.sqrt,
    "tanh": dg.tanh,
    "sigmoid": dg.sigmoid,
    "relu": dg.relu,
    "sin": dg.sin,
    "cos": dg.cos,
    "abs": dg.absolute,
    "square": dg.square,
    "maximum": dg.maximum,
    "minimum": dg.minimum,
    "matmul": dg.matmul,
    "addc": lambda x, c: x + c,
    "mulc": lambda x, c: c * x,
    "powc": lambda x, c: x**c,
    "sum": lambda x, axis, keepdims: x.sum(axis, keepdims),
    "mean": lambda x, axis, keepdims: x.mean(axis, keepdims),
    "max": lambda x, axis, keepdims: x.max(axis, keepdims),
    "softmax": lambda x, axis: dg.softmax(x, axis=axis),
    "log_softmax": lambda x, axis: dg.log_softmax(x, axis=axis),
    "logsumexp": lambda x, axis, keepdims: dg.logsumexp(x, axis=axis, keepdims=keepdims),
    "reshape": lambda x, shape: x.reshape(shape),
    "transpose": lambda x, axes: x.transpose(axes),
    "broadcast_to": lambda x, shape: dg.broadcast_to(x, shape=shape),
    "unsqueeze": lambda x, axis: dg.expand_dims(x, axis=axis),
    "concat": lambda *xs, axis: dg.concatenate(xs, axis),
    "stack": lambda *xs, axis: dg.stack(xs, axis),
    "slice": lambda x, index: x[tuple(slice(*entry) for entry in index)],
    "gather": lambda x, indices, axis: dg.take(x, indices, axis),
    "where": lambda a, b, mask: dg.where(mask, a, b),
    "detach": lambda x: x.detach(),
}


class Perceptron(dg.nn.Module):
    """784-100-100-10 with ReLU, from given weights; the same source in both modes."""

    def __init__(self, weights, dtype):
        self.fc1 = dg.nn.Linear(784, 100, dtype=dtype)
        self.fc2 = dg.nn.Linear(100, 100, dtype=dtype)
        self.fc3 = dg.nn.Linear(100, 10, dtype=dtype)
        for name, values in weights.items():
            layer, kind = name.split(".")
            parameter = {"w": "weight", "b": "bias"}[kind]
            getattr(getattr(self, layer), parameter).assign(np.asarray(values))

    def forward(self, x):
        return self.fc3(dg.relu(self.fc2(dg.relu(self.fc1(x)))))


def make_model(arch, weights, dtype):
    if arch != "mlp":
        from adapters import Unsupported  # of the yardsticks; there when one of them runs

        raise Unsupported(f"{arch}: dlgraph has no convolutions yet")
    return Perceptron(weights, dtype)


OPTIMIZERS = {"sgd": dg.optim.SGD, "adam": dg.optim.Adam}
