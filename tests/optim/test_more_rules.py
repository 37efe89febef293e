"""The update rules against the formulas of PyTorch's documentation, written out in NumPy."""

import numpy as np
import pytest

import dlgraph as dg
from dlgraph.errors import OperationError

STEPS = 7


def sgd(p, g, t, s, lr, momentum=0.0, nesterov=False, weight_decay=0.0):
    g = g + weight_decay * p
    if momentum:
        s["b"] = g if t == 1 else momentum * s["b"] + g
        g = g + momentum * s["b"] if nesterov else s["b"]
    return p - lr * g


def adagrad(p, g, t, s, lr, lr_decay=0.0, weight_decay=0.0, initial=0.0, epsilon=1e-10):
    g = g + weight_decay * p
    s["sum"] = s.get("sum", initial) + g**2
    return p - lr / (1 + (t - 1) * lr_decay) * g / (np.sqrt(s["sum"]) + epsilon)


def rmsprop(
    p, g, t, s, lr, decay=0.99, epsilon=1e-8, momentum=0.0, centered=False, weight_decay=0.0
):
    g = g + weight_decay * p
    s["v"] = decay * s.get("v", 0) + (1 - decay) * g**2
    spread = s["v"]
    if centered:
        s["m"] = decay * s.get("m", 0) + (1 - decay) * g
        spread = spread - s["m"] ** 2
    s["b"] = momentum * s.get("b", 0) + g / (np.sqrt(spread) + epsilon)
    return p - lr * s["b"]


def adam(p, g, t, s, lr, betas=(0.9, 0.999), epsilon=1e-8, weight_decay=0.0):
    g = g + weight_decay * p
    s["m"] = betas[0] * s.get("m", 0) + (1 - betas[0]) * g
    s["v"] = betas[1] * s.get("v", 0) + (1 - betas[1]) * g**2
    m, v = s["m"] / (1 - betas[0] ** t), s["v"] / (1 - betas[1] ** t)
    return p - lr * m / (np.sqrt(v) + epsilon)


def adamw(p, g, t, s, lr, weight_decay=0.01, **options):
    return adam(p - lr * weight_decay * p, g, t, s, lr, **options)


CASES = [
    ("SGD", sgd, {}),
    ("SGD", sgd, {"weight_decay": 0.1}),
    ("SGD", sgd, {"momentum": 0.9, "weight_decay": 0.1}),
    ("SGD", sgd, {"momentum": 0.9, "nesterov": True}),
    ("Adagrad", adagrad, {}),
    ("Adagrad", adagrad, {"lr_decay": 0.1, "weight_decay": 0.1, "initial": 0.5, "epsilon": 1e-3}),
    ("RMSprop", rmsprop, {}),
    ("RMSprop", rmsprop, {"momentum": 0.9, "weight_decay": 0.1, "decay": 0.9}),
    ("RMSprop", rmsprop, {"centered": True, "epsilon": 1e-3}),
    ("RMSprop", rmsprop, {"centered": True, "momentum": 0.5}),
    ("Adam", adam, {}),
    ("Adam", adam, {"betas": (0.5, 0.9), "weight_decay": 0.1, "epsilon": 1e-3}),
    ("AdamW", adamw, {}),
    ("AdamW", adamw, {"weight_decay": 0.3, "betas": (0.5, 0.9)}),
]


def loss_of(w, x):
    return ((w * x - 1.0) ** 2).sum()


def expected(rule, options, start, x):
    p, state = start.copy(), {}
    for t in range(1, STEPS + 1):
        p = rule(p, 2 * (p * x - 1.0) * x, t, state, 0.05, **options)
    return p


def trained(kind, options, start, x, mode):
    w = dg.Parameter(start, name="w")
    optimizer = getattr(dg.optim, kind)([w], lr=0.05, **options)
    if mode == "eager":
        for _ in range(STEPS):
            optimizer.zero_grad()
            loss_of(w, dg.Tensor(x)).backward()
            optimizer.step()
    else:
        with dg.Graph().as_default() as graph:
            update = optimizer.minimize(loss_of(dg.variable(w), dg.constant(x)))
        session = dg.Session(graph)
        session.run(graph.startup)
        for _ in range(STEPS):
            session.run(update)
    return w.numpy(), optimizer


@pytest.mark.parametrize(("kind", "rule", "options"), CASES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", [(), (3, 2)])
def test_the_formula_in_both_modes(kind, rule, options, dtype, shape):
    rng = np.random.default_rng(0)
    start, x = rng.normal(size=shape), rng.normal(size=shape) + 2.0
    start, x = np.asarray(start, dtype), np.asarray(x, dtype)
    eager, first = trained(kind, options, start, x, "eager")
    graph, second = trained(kind, options, start, x, "graph")
    wanted = expected(rule, options, start.astype("float64"), x.astype("float64"))
    assert eager.dtype == graph.dtype == np.dtype(dtype)
    tolerance = 1e-12 if dtype == "float64" else 2e-5
    np.testing.assert_allclose(eager, wanted, rtol=tolerance)
    assert np.array_equal(eager, graph)
    one, two = first.state_dict(), second.state_dict()
    assert one["steps"] == two["steps"]
    for name, slot in one["slots"].items():
        assert np.array_equal(slot, two["slots"][name]), name
        assert slot.dtype == np.dtype(dtype)


def test_rounding_below_zero_under_the_root_gives_no_nan():
    w = dg.Parameter(np.ones(100, "float32"))
    optimizer = dg.optim.RMSprop([w], lr=1e-3, decay=0.5, centered=True)
    for _ in range(100):  # the same gradient again and again: its variance goes to 0
        w.grad = dg.Tensor(np.full(100, 0.1, "float32"))
        optimizer.step()
    assert np.isfinite(w.numpy()).all()


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        ("SGD", {"momentum": 1.0}, "momentum is at least 0 and less than 1"),
        ("SGD", {"weight_decay": -1}, "weight_decay is at least 0"),
        ("SGD", {"momentum": "x"}, "momentum is at least 0"),
        ("SGD", {"nesterov": True}, "needs a momentum"),
        ("SGD", {"lr": float("nan")}, "a learning rate is a number of at least 0"),
        ("SGD", {"lr": float("inf")}, "a learning rate is a number of at least 0"),
        ("Adagrad", {"initial": -1.0}, "initial is at least 0"),
        ("Adagrad", {"lr_decay": -1.0}, "lr_decay is at least 0"),
        ("RMSprop", {"decay": 1.0}, "decay is at least 0 and less than 1"),
        ("RMSprop", {"epsilon": 0.0}, "epsilon is above 0"),
        ("Adam", {"betas": 0.9}, "betas are 2 numbers"),
        ("Adam", {"betas": (0.9, 1.0)}, "betas are 2 numbers"),
        ("AdamW", {"epsilon": -1.0}, "epsilon is above 0"),
    ],
)
def test_options_outside_their_range(kind, options, message):
    with pytest.raises(OperationError, match=message):
        getattr(dg.optim, kind)([dg.Parameter(1.0)], **options)


def test_numpy_numbers_keep_float32():
    w = dg.Parameter([1.0])
    optimizer = dg.optim.Adam([w], lr=np.float64(0.1), betas=(np.float64(0.5), np.float64(0.5)),
                              weight_decay=np.float64(0.1))  # fmt: skip
    (w * w).sum().backward()
    optimizer.step()
    assert w.numpy().dtype == np.float32
