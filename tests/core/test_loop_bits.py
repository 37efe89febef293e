"""Gradients through loops, branches and traced functions: the same bits in both modes."""

from __future__ import annotations

import itertools
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import dlgraph as dg
from dlgraph.core.tree import flatten

RNG = np.random.default_rng(0)
SQUARE = RNG.normal(size=(3, 3)).astype("float32") * np.float32(0.7)
FIRST, SECOND = RNG.normal(size=(2, 2, 3)).astype("float32")


def same_bits(build, arrays):
    """Gradients of what `build` returns, eagerly and from graphs run in two ways."""
    leaves = [dg.Parameter(a) for a in arrays]
    build(*leaves).backward()
    for executor in ("interpreter", "planned"):
        nodes = [dg.Parameter(a) for a in arrays]
        with dg.Graph().as_default() as graph:
            found = dg.gradients(build(*nodes), nodes)
        session = dg.Session(graph, executor=executor)
        session.run(graph.startup)
        for leaf, value in zip(leaves, session.run(found), strict=True):
            expected = np.zeros_like(value) if leaf.grad is None else leaf.grad.numpy()
            assert np.array_equal(value, expected)


def looped(turns, body, *state):
    """A while loop of so many turns; the states."""

    def turn(i, *state):
        return i + 1, *body(*state)

    return dg.while_loop(lambda i, *_: i < turns, turn, (np.int64(0), *state))[1:]


def rows_of(*values):
    return dg.stack([dg.tanh(value) for value in values])


# Sums of three parts or more, which a different order would round differently: what is in
# `later` is used after the loop or branch too.
CASES = {
    "the first state of a loop of unknown length": lambda w, a, b: looped(
        2, lambda h: (dg.tanh(h @ w) * h,), a
    ),
    "a loop without a turn": lambda w, a, b: looped(0, lambda h: (h @ w,), a),
    "one value as two first states": lambda w, a, b: looped(
        2, lambda h, k: (dg.sin(k) + h, h * k), a, a
    ),
    "a first state that is captured too": lambda w, a, b: looped(
        2, lambda h: (dg.tanh(h @ w) * a + dg.sin(h) * a,), a
    ),
    "a state that holds one value twice": lambda w, a, b: looped(
        3, lambda h, k: (dg.sin(h @ w) * k,) * 2, a, b
    ),
    "a state that stays": lambda w, a, b: looped(3, lambda h, k: (h, dg.sin(h @ w) * k + h), a, b),
    "a state that becomes what is captured": lambda w, a, b: looped(
        2, lambda h, k: (a, dg.sin(h @ w) * k + h), a, b
    ),
    "states that change places": lambda w, a, b: looped(3, lambda h, k: (k, dg.sin(h) * k), a, b),
    "a state that is put out, twice": lambda w, a, b: dg.scan(
        lambda h, x: (s := dg.tanh(h @ w) * x + h, (s, s, h)), a, rows_of(a, b, a)
    )[1],
    "what is captured is put out": lambda w, a, b: dg.scan(
        lambda h, x: (dg.tanh(h @ w) + x * a, (a, x)), b, rows_of(a, b, a)
    )[1],
    "one value as rows twice": lambda w, a, b: dg.scan(
        lambda h, x: (dg.tanh(h @ w) * x[0] + x[1] * x[0], x[1]), a, (rows_of(a, b),) * 2
    ),
    "a branch that returns what it was given": lambda w, a, b: dg.cond(
        a.sum() < 100, lambda x, y: (x, x, y), lambda x, y: (y @ w, x, x), a, b
    ),
    "a branch that is given one value twice": lambda w, a, b: dg.cond(
        a.sum() < 100, lambda x, y: dg.sin(x) * y + x * a, lambda x, y: y @ w, a, a
    ),
    "a branch in a branch that knows one value in two ways": lambda w, a, b: dg.cond(
        a.sum() < 100,
        lambda x: dg.cond(
            b.sum() < 100, lambda y, z: dg.sin(x) * y + a * z, lambda y, z: y @ w, x, a
        ),
        lambda x: x,
        a,
    ),
    "a traced function that reads a value often": lambda w, a, b: dg.function(
        lambda x: dg.tanh(x @ w) * x + dg.sin(a) * x @ w
    )(a),
    "a traced function that is given one value twice": lambda w, a, b: dg.function(
        lambda x, y: dg.sin(x) * y + x * dg.tanh(y)
    )(a, a),
    "a traced function that returns what it was given": lambda w, a, b: dg.function(
        lambda x, y: (x, x * y, a, s := dg.sin(x) * y, s)
    )(a, b),
    "a traced function with a loop that knows one value in two ways": lambda w, a, b: dg.function(
        lambda x: looped(3, lambda h: (dg.sin(h @ w) * a + x * h,), b)
    )(a),
    "a traced function with a branch that knows one value in two ways": lambda w, a, b: dg.function(
        lambda x: dg.cond(b.sum() < 100, lambda y: dg.sin(x) * y + a * y, lambda y: y, b)
    )(a),
    "a recomputed function": lambda w, a, b: dg.checkpoint(
        lambda x, y: (x, dg.tanh(x @ w) * y + x * a), a, a
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_sums_have_one_order(case):
    def build(w, a, b):
        found, _ = flatten(CASES[case](w, a, b))
        later = dg.tanh(a).sum() * 0.3 + dg.square(b).mean() + dg.sin(w).sum() * 0.1
        return sum(dg.sin(x).sum() for x in found) + later

    same_bits(build, [SQUARE, FIRST, SECOND])


class Program:
    """A random program, the same whenever it is built from one seed.

    Bodies choose among their own values and those around them, so values come in twice, stay, are
    returned as they are, are put out and carried along, and so on.
    """

    def __init__(self, weights):
        self.weights = weights
        self.blocks = [self.scan, self.loop, self.branch, self.function, self.recomputed]

    def extend(self, seed, values, depth):
        """The values, and random ones that are computed from them."""
        random, values = Random(seed), list(values)
        for _ in range(random.randint(1, 4)):
            if depth and random.random() < 0.5:
                values += random.choice(self.blocks)(random, values, depth - 1)
            else:
                a, b = random.choices(values, k=2)
                w, kind = random.choice(self.weights), random.randrange(4)
                one = dg.tanh(a @ w) if kind == 0 else a * b if kind == 1 else dg.sin(a) + b
                values.append(one if kind < 3 else dg.sigmoid(a) * dg.tanh(b) + a)
        return values

    def inside(self, random, values, depth, count):
        """A function that returns so many values, computed from its own and those around it."""
        around, seed = values if random.random() < 0.7 else [], random.random()

        def function(*given):
            found = self.extend(seed, [*given, *around], depth)
            return Random(seed).choices(found[-3:] if seed < 0.5 else found, k=count)

        return function

    def scan(self, random, values, depth):
        carries, sequences, outputs = (
            random.randint(1, 2),
            random.randint(0, 2),
            random.randint(0, 2),
        )
        turns, turn = random.randint(1, 3), self.inside(random, values, depth, carries + outputs)
        rows = [dg.stack(random.choices(values, k=turns)) for _ in range(sequences)]
        if random.random() < 0.3:
            rows = rows[:1] * sequences

        def function(carry, row):
            found = turn(*carry, *(row or []))
            return found[:carries], found[carries:] or None

        xs = {"xs": rows} if rows else {"length": turns}
        first = random.choices(values, k=carries)
        last, ys = dg.scan(function, first, **xs, reverse=random.random() < 0.3)
        return [*last, *(dg.tanh(y).sum(axis=0) for y in ys or [])]

    def loop(self, random, values, depth):
        count = random.randint(1, 2)
        turn = self.inside(random, values, depth, count)
        return looped(random.randint(0, 3), turn, *random.choices(values, k=count))

    def branch(self, random, values, depth):
        count = random.randint(1, 3)
        bodies = [self.inside(random, values, depth, count) for _ in range(2)]
        a, b, *given = random.choices(values, k=random.randint(3, 5))
        return dg.cond(a.sum() > b.sum() - 0.1, *bodies, *given)

    def function(self, random, values, depth):
        function = self.inside(random, values, depth, random.randint(1, 3))
        return dg.function(function)(*random.choices(values, k=random.randint(1, 3)))

    def recomputed(self, random, values, depth):
        function = self.inside(random, values, depth, random.randint(1, 3))
        return dg.checkpoint(function, *random.choices(values, k=random.randint(1, 3)))


@pytest.mark.filterwarnings("ignore::dlgraph.errors.TraceWarning")
@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 1_000_000))
def test_any_program_of_loops_and_branches_has_the_same_gradients(seed):
    def build(w, v, a, b):
        found = Program([w, v]).extend(seed, [a, dg.tanh(b)], depth=2)
        chosen = Random(seed).choices(found, k=4)
        loss = sum((x * y).mean() for x, y in itertools.pairwise(chosen))
        return loss + dg.sin(found[-1]).sum() + 0.1 * (w * w).sum()

    same_bits(build, [SQUARE, SQUARE.T.copy(), FIRST, SECOND])


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
