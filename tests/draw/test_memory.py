"""The memory of a program, drawn: every stretch with its reason."""

import numpy as np
import pytest

import dlgraph as dg


def program():
    dg.seed(0)
    net = dg.nn.Sequential(dg.nn.Linear(64, 32), dg.nn.ReLU(), dg.nn.Linear(32, 10))
    with dg.Graph().as_default() as graph:
        x = dg.placeholder(("batch", 64), name="x")
        y = dg.placeholder(("batch",), "int64", name="y")
        loss = dg.cross_entropy(net(x), y)
        update = dg.optim.SGD(net.parameters(), lr=0.1).minimize(loss)
    session = dg.Session(graph)
    session.run(graph.startup)
    feed = {x: np.zeros((16, 64), "float32"), y: np.zeros(16, "int64")}
    return session.program([loss, update], feed)


def test_the_planned_curve_stays_below_the_peak_and_the_other_one_ends_far_above():
    found = program()
    curves = {curve.name: curve.values for curve in dg.memory(found).chart.curves}
    assert 0 < max(curves["planned"]) <= found.plan.peak  # there may be gaps between values
    assert curves["without reuse"][-1] > 2 * found.plan.peak


def test_a_value_that_the_backward_pass_reads_says_for_which_operation():
    lines = [" ".join(bar.lines) for bar in dg.memory(program()).chart.bars]
    assert any("saved for the gradient of" in line for line in lines)


def test_a_fetched_value_stays_until_the_end():
    figure = dg.memory(program())
    kept = [bar for bar in figure.chart.bars if "handed out" in " ".join(bar.lines)]
    assert kept
    assert all(bar.end == figure.chart.extent for bar in kept)


def test_bars_lie_where_the_plan_says():
    found = program()
    blocks = {(block.first, block.offset) for block in found.plan.blocks}
    for bar in dg.memory(found).chart.bars:
        offset, first = bar.key[1:].split("-")
        assert (int(first), int(offset)) in blocks


def test_the_bundle_is_the_same_every_time():
    one, two = (dg.memory(program())._repr_mimebundle_() for _ in range(2))
    assert one == two


@pytest.mark.parametrize("wrong", [3, None])
def test_what_has_no_plan_is_an_error(wrong):
    with pytest.raises(dg.errors.OperationError, match="memory plan"):
        dg.memory(wrong)
