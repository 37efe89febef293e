"""Operators and methods that tensors and nodes share: the same as NumPy's, in both modes."""

from __future__ import annotations

import numpy as np
import pytest

import dlgraph as dg

X = np.array([[[0.5, -1.0, 2.0], [3.0, 0.25, -0.5]]] * 2, np.float32)
X[1] += 1
Y = np.array([[2.0], [4.0]], np.float32)

BOTH = {
    "x + y": lambda x, y: x + y,
    "x - y": lambda x, y: x - y,
    "x * y": lambda x, y: x * y,
    "x / y": lambda x, y: x / y,
    "x ** 2": lambda x, y: x**2,
    "2 ** x": lambda x, y: 2**x,
    "1 - x": lambda x, y: 1 - x,
    "1 / y": lambda x, y: 1 / y,
    "x @ x.mT": lambda x, y: x @ x.mT,
    "-x, +x, abs": lambda x, y: -x + (+x) * abs(x),
    "x > y": lambda x, y: x > y,
    "x >= 0.5": lambda x, y: x >= 0.5,
    "x < y": lambda x, y: x < y,
    "x <= 0.5": lambda x, y: x <= 0.5,
    "x == 0.5": lambda x, y: x == 0.5,
    "x != 0.5": lambda x, y: x != 0.5,
    "and": lambda x, y: (x > 0) & (x < 2),
    "or": lambda x, y: (x > 2) | (x < 0),
    "not": lambda x, y: ~(x > 0),
    "x[0]": lambda x, y: x[0],
    "x[..., 1:]": lambda x, y: x[..., 1:],
    "x[:, None, 0]": lambda x, y: x[:, None, 0],
    "reshape": lambda x, y: x.reshape(3, -1),
    "reshape of a tuple": lambda x, y: x.reshape((4, 3)),
    "transpose": lambda x, y: x.transpose(),
    "transpose None": lambda x, y: x.transpose(None),
    "transpose axes": lambda x, y: x.transpose(1, 0, 2),
    "transpose tuple": lambda x, y: x.transpose((2, 0, 1)),
    "swapaxes": lambda x, y: x.swapaxes(0, 2),
    "squeeze": lambda x, y: x[:1].squeeze(),
    "squeeze axis": lambda x, y: y.squeeze(1),
    "flatten": lambda x, y: x.flatten(),
    "T": lambda x, y: x.T,
    "mT": lambda x, y: x.mT,
    "sum": lambda x, y: x.sum(),
    "sum axis": lambda x, y: x.sum(axis=1),
    "mean": lambda x, y: x.mean(axis=(0, 2), keepdims=True),
    "max": lambda x, y: x.max(axis=-1),
    "min": lambda x, y: x.min(),
    "min axis": lambda x, y: x.min(axis=0),
    "var": lambda x, y: x.var(axis=0, keepdims=True),
    "argmax": lambda x, y: x.argmax(axis=1),
    "argmax of all": lambda x, y: x.argmax(),
    "astype": lambda x, y: x.astype("float64"),
}


@pytest.mark.parametrize("what", BOTH)
def test_as_in_numpy_in_both_modes(what):
    formula = BOTH[what]
    wanted = np.asarray(formula(X, Y))
    eager = formula(dg.Tensor(X), dg.Tensor(Y))
    with dg.Graph().as_default() as g:
        x, y = dg.placeholder(X.shape, name="x"), dg.placeholder((None, 1), name="y")
        node = formula(x, y)
    symbolic = np.asarray(dg.Session(g).run(node, {x: X, y: Y}))
    for got in (eager.numpy(), symbolic):
        assert (got.shape, got.dtype) == (wanted.shape, wanted.dtype)
        np.testing.assert_allclose(got, wanted, rtol=1e-6)
    assert node.dtype == wanted.dtype and node.ndim == wanted.ndim


@pytest.mark.parametrize("name", ["exp", "log", "sqrt", "tanh", "relu", "sigmoid"])
def test_functions_that_are_methods_too(name):
    x = dg.Tensor(Y)
    assert getattr(x, name)().tolist() == getattr(dg, name)(x).tolist()


def test_flatten_from_an_axis_on():
    assert dg.Tensor(X).flatten(1).shape == (2, 6)


def test_tensors_are_keys_by_identity():
    a, b = dg.Tensor(1.0), dg.Tensor(1.0)
    assert {a: "a", b: "b"}[a] == "a" and len({a, b}) == 2
