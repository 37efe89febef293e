"""Gradients of loops and branches: the same bits in both modes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import dlgraph as dg

RNG = np.random.default_rng(0)
SQUARE = [RNG.normal(size=(3, 3)).astype("float32") * np.float32(0.7) for _ in range(3)]
FIRST = RNG.normal(size=(2, 3)).astype("float32")

# The next state from the state of the turn, the state so far, the row and three weights.  Some use
# a value once, some often.
STEPS = [
    lambda h, s, x, w, u, v: dg.tanh(s @ w + x @ u),
    lambda h, s, x, w, u, v: dg.sigmoid(h @ w) * s + (1 - dg.sigmoid(x @ v)) * h,
    lambda h, s, x, w, u, v: s * h + dg.tanh(x @ w),
    lambda h, s, x, w, u, v: dg.tanh(s @ u) + h @ u,
    lambda h, s, x, w, u, v: dg.cond(
        s.sum() > 0, lambda s: dg.tanh(s @ w) * s, lambda s: s @ v + dg.sin(s @ v), s
    ),
]
OUTPUTS = [
    lambda h, s, v: s,
    lambda h, s, v: s @ v,
    lambda h, s, v: (s, h),
    lambda h, s, v: dg.tanh(s) + s,
    lambda h, s, v: (s, s),
    lambda h, s, v: None,
]


def same_bits(build, arrays):
    """Gradients of what `build` returns, eagerly and from graphs run in two ways."""
    leaves = [dg.Parameter(a) for a in arrays]
    build(leaves).backward()
    for executor in ("interpreter", "planned"):
        nodes = [dg.Parameter(a) for a in arrays]
        with dg.Graph().as_default() as graph:
            found = dg.gradients(build(nodes), nodes)
        session = dg.Session(graph, executor=executor)
        session.run(graph.startup)
        for leaf, value in zip(leaves, session.run(found), strict=True):
            expected = np.zeros_like(value) if leaf.grad is None else leaf.grad.numpy()
            assert np.array_equal(value, expected)


@settings(max_examples=40, deadline=None)
@given(
    turns=st.integers(1, 5),
    steps=st.lists(st.sampled_from(STEPS), min_size=1, max_size=3),
    outputs=st.sampled_from(OUTPUTS),
    reverse=st.booleans(),
    twice=st.booleans(),
    penalty=st.booleans(),
    given_state=st.booleans(),
)
def test_any_scan_has_the_same_gradients(
    turns, steps, outputs, reverse, twice, penalty, given_state
):
    rows = np.random.default_rng(turns).normal(size=(turns, 2, 3)).astype("float32")

    def build(leaves):
        w, u, v, xs, first = leaves

        def turn(h, x):
            s = h
            for step in steps:
                s = step(h, s, x, w, u, v)
            return s, outputs(h, s, v)

        start = first if given_state else dg.tanh(first)
        last, ys = dg.scan(turn, start, xs, reverse=reverse)
        loss = (last * last).sum()
        for y in ys if isinstance(ys, tuple) else [ys]:
            if y is not None:
                loss = loss + dg.square(dg.tanh(y)).mean()
        if twice:
            loss = loss + dg.sin(dg.scan(turn, start, xs)[0]).sum()
        return loss + 0.1 * (w * w).sum() + dg.tanh(u).sum() if penalty else loss

    same_bits(build, [*SQUARE, rows, FIRST])


@pytest.mark.parametrize("layer", [dg.nn.RNN, dg.nn.LSTM, dg.nn.GRU])
def test_a_recurrent_layer_that_is_used_twice_has_the_same_gradients(layer):
    rows = np.random.default_rng(1).normal(size=(2, 2, 4, 3)).astype("float32")

    dg.seed(0)
    eager = layer(3, 3)

    def loss_of(net, one, other):
        weights = sum(dg.square(p).sum() for p in net.parameters())
        return dg.square(net(one)[0]).mean() + dg.tanh(net(other)[0]).sum() + 0.01 * weights

    loss_of(eager, dg.Tensor(rows[0]), dg.Tensor(rows[1])).backward()
    dg.seed(0)
    with dg.Graph().as_default() as graph:
        one, other = dg.placeholder((2, 4, 3)), dg.placeholder((2, 4, 3))
        net = layer(3, 3)
        found = dg.gradients(loss_of(net, one, other), net.parameters())
    session = dg.Session(graph)
    session.run(graph.startup)
    values = session.run(found, {one: rows[0], other: rows[1]})
    for parameter, value in zip(eager.parameters(), values, strict=True):
        assert np.array_equal(parameter.grad.numpy(), value), parameter.name
