"""SGD and Adam: the formulas, written out independently in NumPy float64; both modes alike."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import dlgraph as dg

A = np.array([[2.0, 0.5], [0.5, 1.0]])
START = np.array([1.0, -2.0])


def gradient(w):
    """Of f(w) = wᵀ A w / 2 + sum(w)."""
    return A @ w + 1


def sgd(steps, lr, momentum=0.0, nesterov=False, weight_decay=0.0):
    w, v = START.copy(), np.zeros(2)
    for t in range(steps):
        g = gradient(w) + weight_decay * w
        v = momentum * v + g
        direction = (g + momentum * v if nesterov else v) if momentum else g
        w = w - lr[t] * direction
    return w


def adam(steps, lr, betas=(0.9, 0.999), epsilon=1e-8, weight_decay=0.0):
    w, m, v = START.copy(), np.zeros(2), np.zeros(2)
    for t in range(1, steps + 1):
        g = gradient(w) + weight_decay * w
        m = betas[0] * m + (1 - betas[0]) * g
        v = betas[1] * v + (1 - betas[1]) * g**2
        m_hat, v_hat = m / (1 - betas[0] ** t), v / (1 - betas[1] ** t)
        w = w - lr[t - 1] * m_hat / (np.sqrt(v_hat) + epsilon)
    return w


CASES = {
    "plain": (dg.optim.SGD, sgd, {}),
    "momentum": (dg.optim.SGD, sgd, {"momentum": 0.9}),
    "nesterov": (dg.optim.SGD, sgd, {"momentum": 0.8, "nesterov": True}),
    "decay": (dg.optim.SGD, sgd, {"weight_decay": 0.1}),
    "all": (dg.optim.SGD, sgd, {"momentum": 0.5, "nesterov": True, "weight_decay": 0.05}),
    "adam": (dg.optim.Adam, adam, {}),
    "adam betas": (dg.optim.Adam, adam, {"betas": (0.5, 0.9), "epsilon": 1e-3}),
    "adam decay": (dg.optim.Adam, adam, {"weight_decay": 0.1}),
}


def objective(w, matrix):
    return (w * (matrix @ w)).sum() * 0.5 + w.sum()


class Eager:
    def __init__(self, w, optimizer):
        self.w, self.optimizer = w, optimizer
        self.matrix = dg.Tensor(A.astype(w.dtype))

    def step(self):
        self.optimizer.zero_grad()
        objective(self.w, self.matrix).backward()
        self.optimizer.step()


class Symbolic:
    def __init__(self, w, optimizer):
        with dg.Graph().as_default() as g:
            loss = objective(dg.variable(w), dg.constant(A.astype(w.dtype)))
            self.train = optimizer.minimize(loss)
        self.session = dg.Session(g)
        self.session.run(g.startup)

    def step(self):
        self.session.run(self.train)


def trained(way, case, steps=20, dtype="float64", changes=None):
    """The parameter after some steps, the learning rate changed in between."""
    make, _, options = CASES[case]
    w = dg.Parameter(START.astype(dtype), name="w")
    optimizer = make([w], lr=0.1, **options)
    loop = way(w, optimizer)
    for t in range(steps):
        optimizer.lr = (changes or {}).get(t, optimizer.lr)
        loop.step()
    return w.numpy()


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("way", [Eager, Symbolic])
def test_a_rule_is_its_formula(way, case):
    _, formula, options = CASES[case]
    lr = [0.1] * 5 + [0.03] * 15
    wanted = formula(20, lr, **options)
    got = trained(way, case, changes={5: 0.03})
    np.testing.assert_allclose(got, wanted, rtol=1e-10, atol=1e-10)
    assert got.dtype == np.float64
    assert not np.allclose(got, START)


@pytest.mark.parametrize("case", CASES)
def test_step_and_minimize_give_the_same_bits_in_float32(case):
    changes = {0: 0.2, 7: 0.05, 13: 0.3}
    eager = trained(Eager, case, dtype="float32", changes=changes)
    symbolic = trained(Symbolic, case, dtype="float32", changes=changes)
    np.testing.assert_array_equal(eager, symbolic)
    assert eager.dtype == symbolic.dtype == np.float32


@pytest.mark.parametrize("case", CASES)
def test_ten_eager_steps_and_ten_symbolic_ones_make_twenty(case):
    make, _, options = CASES[case]
    w = dg.Parameter(START.astype("float32"), name="w")
    optimizer = make([w], lr=0.1, **options)
    eager = Eager(w, optimizer)
    for _ in range(10):
        eager.step()
    symbolic = Symbolic(w, optimizer)
    for _ in range(5):
        symbolic.step()
    for _ in range(2):
        eager.step()
    for _ in range(3):
        symbolic.step()
    np.testing.assert_array_equal(w.numpy(), trained(Eager, case, dtype="float32"))


def test_slots_that_wait_for_startup_train_too():
    w = dg.Parameter(START.astype("float32"), name="w")
    loop = Symbolic(w, dg.optim.SGD([w], lr=0.1, momentum=0.9))
    for _ in range(20):
        loop.step()
    np.testing.assert_array_equal(w.numpy(), trained(Eager, "momentum", dtype="float32"))


@settings(max_examples=15, deadline=None)
@given(
    st.floats(0.001, 0.3),
    st.floats(0, 0.95),
    st.booleans(),
    st.floats(0, 0.2),
    st.integers(1, 10),
)
def test_any_setting_of_sgd(lr, momentum, nesterov, decay, steps):
    options = {
        "momentum": momentum,
        "nesterov": nesterov and momentum > 0,
        "weight_decay": decay,
    }
    w = dg.Parameter(START, name="w")
    loop = Eager(w, dg.optim.SGD([w], lr=lr, **options))
    for _ in range(steps):
        loop.step()
    np.testing.assert_allclose(w.numpy(), sgd(steps, [lr] * steps, **options), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(
    "make",
    [
        lambda w: dg.optim.SGD([w], lr=np.float64(0.1), momentum=np.float64(0.9)),
        lambda w: dg.optim.SGD([w], lr=np.float32(0.1), weight_decay=np.float64(0.1)),
        lambda w: dg.optim.Adam(
            [w],
            lr=np.float64(0.1),
            betas=(np.float64(0.9), np.float64(0.99)),
            epsilon=np.float64(1e-8),
            weight_decay=np.float64(0.1),
        ),
    ],
)
@pytest.mark.parametrize("way", [Eager, Symbolic])
def test_numpy_hyperparameters_do_not_widen_the_parameters(make, way):
    w = dg.Parameter(START.astype("float32"), name="w")
    optimizer = make(w)
    loop = way(w, optimizer)
    for _ in range(2):
        loop.step()
    assert w.numpy().dtype == np.float32
    assert all(slot.numpy().dtype == np.float32 for slot in optimizer.state_of(w).values())


class Signed(dg.optim.SGD):
    """Descends by the sign of the gradient."""

    def rule(self, p, g, *, lr, **options):
        return (p - lr * dg.sign(g),)


class Halved(dg.optim.SGD):
    """Descends half as far."""

    def factors(self, lr, count, **options):
        return {"lr": lr / 2}


@pytest.mark.parametrize("kind, expected", [(Signed, 3.5), (Halved, 2.0), (dg.optim.SGD, 0.0)])
def test_descent_of_a_subclass_is_its_own(kind, expected):
    w = dg.Parameter(4.0)
    (w * w).backward()
    kind([w], lr=0.5).step()
    assert w.item() == expected
