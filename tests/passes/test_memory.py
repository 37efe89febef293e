"""Schedule and recomputation: the peak of the memory falls, the numbers stay."""

from __future__ import annotations

import numpy as np

import dlgraph as dg
from dlgraph.passes import PassManager
from dlgraph.passes.liveness import held, peak
from tests.passes.tools import normal, without


def branches():
    """Five large values that are reduced to a number each, written down all before the sums."""
    with dg.Graph().as_default() as graph:
        x = dg.placeholder((1000,), name="x")
        large = [dg.exp(x * float(k)) for k in range(5)]
        y = sum(dg.sum(value) for value in large)
    return graph, y, {x: normal(1000)}


def deep(layers=8):
    """A deep network whose activations are kept for the backward part."""
    with dg.Graph().as_default() as graph:
        x = y = dg.placeholder((64, 16), name="x")
        for _ in range(layers):
            y = dg.tanh(dg.relu(dg.sin(y)) + 1.0)
        gx = dg.gradients(dg.sum(y), x)
    return graph, gx, {x: normal(64, 16)}


def test_the_peak_counts_values_from_maker_to_last_reader():
    with dg.Graph().as_default() as graph:
        x = dg.placeholder((100,), name="x")
        a = dg.exp(x)
        b = dg.reshape(a, (10, 10))
        c = dg.tanh(x)
        d = dg.sum(b)
    assert held(graph.records, [d.index]) == [0, 400, 400, 800, 404]
    assert held(graph.records, [d.index, b.index]) == [0, 400, 400, 800, 404]
    assert peak(graph.records, [c.index, d.index]) == 804


def test_branches_run_in_the_order_that_needs_least():
    graph, y, feed = branches()
    manager = PassManager(level=3, check=True)
    found = manager.run(graph, y, feed)
    assert peak(found.graph.records, found.fetches) < 8100 < 20000 < peak(graph.records, [y.index])
    assert "the peak of the memory falls from 23.4 KiB to 7.8 KiB" in found.report
    plain = without("schedule", level=3).run(graph, y, feed)
    assert peak(plain.graph.records, plain.fetches) > 20000


def test_the_order_of_what_touches_a_variable_stays():
    with dg.Graph().as_default() as graph:
        w = dg.variable(dg.Parameter(normal(100)), name="w")
        large = [dg.exp(w * float(k)) for k in range(4)]
        step = dg.assign(w, w * 0.5)
        after = dg.sum(dg.read(w))
        y = sum(dg.sum(value) for value in large)
    PassManager(level=3, check=True).run(graph, [y, step, after])


def test_values_are_computed_again_until_the_budget_is_met():
    graph, gx, feed = deep()
    plain = PassManager().run(graph, gx, feed)
    before = peak(plain.graph.records, plain.fetches)
    for share in (0.8, 0.6):
        budget = int(before * share)
        found = PassManager(check=True).run(graph, gx, feed, memory_budget=budget)
        assert peak(found.graph.records, found.fetches) <= budget
        change = found.reports[-1].changes[0]
        assert change.kind == "added" and change.flops < 0
        assert all(name.rpartition("_again")[1] for name in change.after)


def test_a_budget_that_cannot_be_met_is_told():
    graph, gx, feed = deep()
    found = PassManager(check=True).run(graph, gx, feed, memory_budget=100)
    assert "more than the budget of 100 B" in found.report


def test_nothing_is_computed_again_without_a_budget_or_below_it():
    graph, gx, feed = deep()
    for budget in (None, 10**9):
        found = PassManager(level=3).run(graph, gx, feed, memory_budget=budget)
        assert "recompute" not in [one.name for one in found.reports]


def test_dropout_is_the_same_when_computed_again():
    stream = dg.Stream(1)
    with dg.Graph().as_default() as graph:
        x = y = dg.placeholder((200,), name="x")
        for _ in range(5):
            y = dg.sin(y * stream.uniform((200,)))
        gx = dg.gradients(dg.sum(y), x)
    before = peak(graph.records, [gx.index])
    feed = {x: np.ones(200, np.float32)}
    found = PassManager(check=True).run(graph, gx, feed, memory_budget=before // 2)
    assert "computed" in found.report or "falls from" in found.report
    draws = [r for r in found.graph.records if r.primitive.name == "next_key"]
    assert len(draws) == 5
