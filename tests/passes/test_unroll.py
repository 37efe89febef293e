"""Loops written out, and calls put in place: the same bits, and no control node is left."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import dlgraph as dg
from dlgraph.passes import unroll
from tests.passes.tools import kinds, normal, optimised, report, without

CONTROL = ("scan", "call", "item", "place", "add_bundles", "stack_bundle")


def written_out(graph, fetches, feeds, **options):
    """The optimised graph, which gives what the loops gave (`check=True`)."""
    found = optimised(graph, fetches, feeds, **options)
    assert not [name for name in kinds(found) if name in CONTROL]
    return found


@pytest.mark.parametrize("lengths", [None, [5, 1, 3]])
@pytest.mark.parametrize("both", [False, True])
@pytest.mark.parametrize("layer", [dg.nn.RNN, dg.nn.LSTM, dg.nn.GRU])
def test_recurrent_layers_and_their_gradients(layer, both, lengths):
    model = layer(4, 3, bidirectional=both, rng=dg.Stream(1))
    with dg.Graph().as_default() as graph:
        x = dg.placeholder(("batch", "time", 4), name="x")
        outputs, _ = model(x, lengths=None if lengths is None else dg.constant(lengths))
        loss = dg.sum(outputs**2)
        slopes = dg.gradients(loss, [*model.parameters(), x])
    found = written_out(graph, [loss, *slopes], {x: normal(3, 5, 4)})
    looped = without("unroll").run(graph, [loss, *slopes], {x: normal(3, 5, 4)})
    assert kinds(looped)["scan"] > 0
    assert "all turns are written out" in str(report(found, "unroll"))


def test_what_the_gradient_computes_again_is_computed_once():
    w = dg.Parameter(normal(3, 3), name="w")
    with dg.Graph().as_default() as graph:
        xs = dg.placeholder((6, 3), name="xs")
        last, _ = dg.scan(lambda h, x: (dg.tanh(h @ w + x), None), dg.zeros(3), xs)
        slope = dg.gradients(dg.sum(last), w)
    found = written_out(graph, [last, slope], {xs: normal(6, 3)})
    assert kinds(found)["tanh"] == 6


@pytest.mark.parametrize("reverse", [False, True])
def test_numbers_of_turns_outputs_and_keys(reverse):
    stream = dg.Stream(2)
    with dg.Graph().as_default() as graph:
        x = dg.placeholder((3,), name="x")
        (total, count), ys = dg.scan(
            lambda state, u: (
                (state[0] + stream.uniform((3,)) * u, state[1] + 1),
                {"squares": u * u, "sum": state[0]},
            ),
            (x, 0),
            dg.constant(normal(5)),
            reverse=reverse,
        )
    written_out(graph, [total, count, ys["squares"], ys["sum"]], {x: normal(3)})


def test_loops_in_loops_and_derivatives_of_derivatives():
    with dg.Graph().as_default() as graph:
        x = dg.placeholder((3,), name="x")

        def outer(total, row):
            inner, _ = dg.scan(lambda s, one: (s * dg.sin(one), None), total, x)
            return inner + row, inner

        last, ys = dg.scan(outer, 1.0, x)
        slope = dg.gradients(last + dg.sum(ys), x)
        second = dg.gradients(dg.sum(slope * slope), x)
    written_out(graph, [last, slope, second], {x: normal(3)})


def test_called_functions_stand_in_place():
    inner = dg.function(lambda a, b: (a * b, dg.exp(a)))
    with dg.Graph().as_default() as graph:
        x = dg.placeholder((3,), name="x")
        product, power = inner(x, x + 1.0)
        slope = dg.gradients(dg.sum(product * power), x)
    written_out(graph, [product, slope], {x: normal(3)})


def test_branches_stay_and_loops_around_them_do_not():
    with dg.Graph().as_default() as graph:
        x = dg.placeholder((4,), name="x")
        last, _ = dg.scan(
            lambda s, u: (dg.cond(u > 0.0, lambda: s * u, lambda: s - u), None), 1.0, x
        )
        slope = dg.gradients(last, x)
    found = optimised(graph, [last, slope], {x: normal(4)})
    assert kinds(found)["scan"] == 0
    assert kinds(found)["cond"] >= 4


def test_long_unknown_and_empty_loops_stay(monkeypatch):
    with dg.Graph().as_default() as graph:
        x = dg.placeholder(("time",), name="x")
        last, ys = dg.scan(lambda s, u: (s + u, s * u), 0.0, x)
    assert kinds(optimised(graph, [last, ys], [x]))["scan"] == 1
    for size in (0, 9):
        monkeypatch.setattr(unroll, "MOST", 40)
        assert kinds(optimised(graph, [last, ys], {x: normal(size)}))["scan"] == 1
    assert kinds(optimised(graph, [last, ys], {x: normal(5)}))["scan"] == 0


def test_gradients_of_loops_over_values_of_unknown_size_are_written_out():
    with dg.Graph().as_default() as graph:
        x = dg.placeholder((5,), name="x")
        positive = dg.masked_select(x, x > 0.0)  # how many, only the run will tell
        last, ys = dg.scan(lambda c, _: (dg.tanh(c), c), positive, length=3)
        slope = dg.gradients(dg.sum(last), x)
        other = dg.gradients(dg.sum(ys), x)
    for fetches in (slope, other, [last, ys, slope]):
        written_out(graph, fetches, {x: normal(5)})


def test_the_interpreter_shows_loops_as_loops():
    with dg.Graph().as_default() as graph:
        x = dg.placeholder((3,), name="x")
        last, _ = dg.scan(lambda s, u: (s + u, None), 0.0, x)
    found = optimised(graph, last, {x: np.ones(3, np.float32)}, target="interpreter")
    assert kinds(found)["scan"] == 1


UNARY = (dg.tanh, dg.sin, dg.sigmoid, lambda x: -x, lambda x: x[::-1])
BINARY = (lambda a, b: a + b, lambda a, b: a * b, lambda a, b: a - 0.5 * b)


@settings(max_examples=40, deadline=None)
@given(
    turns=st.integers(1, 4),
    carries=st.integers(1, 3),
    sequences=st.integers(0, 2),
    reverse=st.booleans(),
    choices=st.lists(st.integers(0, 10**6), min_size=4, max_size=10),
)
def test_any_loop_gives_the_same_bits(turns, carries, sequences, reverse, choices):
    rng = np.random.default_rng(turns)
    w = dg.Parameter(rng.normal(size=3).astype("float32"), name="w")
    feeds = [rng.normal(size=3).astype("float32") for _ in range(carries)]
    feeds += [rng.normal(size=(turns, 3)).astype("float32") for _ in range(sequences)]

    def turn(carry, rows):
        values = [*carry, *(rows or ()), w]
        for choice in choices:
            a, b = values[choice % len(values)], values[choice // 7 % len(values)]
            kind = choice // 50
            values.append(BINARY[kind % 3](a, b) if kind % 2 else UNARY[kind % 5](a))
        return values[-carries:], {"last": values[-1], "first": carry[0]}

    with dg.Graph().as_default() as graph:
        nodes = [dg.placeholder(value.shape, name=f"x{k}") for k, value in enumerate(feeds)]
        rows = nodes[carries:] or None
        last, ys = dg.scan(turn, nodes[:carries], rows, length=turns, reverse=reverse)
        total = dg.sum(ys["last"]) + dg.sum(last[0] * ys["first"][0])
        slopes = dg.gradients(total, [w, *nodes], allow_unused=True)
    fetches = [*last, ys["last"], ys["first"], *(s for s in slopes if s is not None)]
    written_out(graph, fetches, dict(zip(nodes, feeds, strict=True)))
