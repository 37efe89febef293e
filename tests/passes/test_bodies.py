"""What is inside of loops and branches is optimised too, and computes the same."""

from __future__ import annotations

import numpy as np

import dlgraph as dg
from dlgraph.core.body import Body
from tests.passes.tools import normal, without


def optimised(graph, fetches, feeds):
    """All passes, checked; loops stay loops."""
    return without("unroll", check=True).run(graph, fetches, feeds)


def operations(graph):
    """Names of the operations in all bodies."""
    bodies = [v for r in graph.records for v in r.attrs.values() if isinstance(v, Body)]
    return [r.primitive.name for body in bodies for r in body.records if r.inputs]


def looped():
    w = dg.Parameter(normal(3, 3), name="w")
    with dg.Graph().as_default() as graph:
        xs = dg.placeholder((4, 3), name="xs")

        def turn(h, x):
            return dg.tanh(h @ w * 1.0 + x * (dg.constant(2.0) + 1.0)), dg.exp(h) + dg.exp(h)

        start = dg.constant(np.zeros(3, np.float32))
        h, ys = dg.scan(turn, start, xs)
        slope = dg.gradients(dg.sum(h), w)
    return graph, [h, ys, slope], {xs: normal(4, 3)}


def test_bodies_of_loops_are_folded_simplified_and_merged():
    graph, fetches, feed = looped()
    found = optimised(graph, fetches, feed)
    inner = operations(found.graph)
    assert inner.count("exp") < operations(graph).count("exp")
    assert "add" in inner
    assert "the body that it runs was simplified" in found.report
    plain = without("bodies", "unroll").run(graph, fetches, feed)
    assert operations(plain.graph).count("exp") > inner.count("exp")


def test_the_body_of_the_user_is_left_as_it_was():
    graph, fetches, feed = looped()
    before = operations(graph)
    optimised(graph, fetches, feed)
    assert operations(graph) == before


def test_branches_with_nested_loops():
    with dg.Graph().as_default() as graph:
        x = dg.placeholder((), name="x")

        def grown(v):
            (found,) = dg.while_loop(lambda u: u < 50.0, lambda u: (u * 2.0 * 1.0,), (v * 1.0,))
            return found

        y = dg.cond(x > 0.0, lambda: grown(x), lambda: dg.negative(-x))
    for value in (3.0, -3.0):
        found = optimised(graph, y, {x: np.float32(value)})
    assert "negative" not in operations(found.graph)


def test_random_keys_of_the_turns_stay_different():
    stream = dg.Stream(2)
    with dg.Graph().as_default() as graph:
        x = dg.placeholder((3,), name="x")
        h, _ = dg.scan(
            lambda h, u: (h + stream.uniform((3,)) * 1.0, h), x, dg.constant(np.zeros(4, "f"))
        )
    optimised(graph, h, {x: normal(3)})
