"""The manager: levels, checks, reports, what it refuses; and the cost of nodes."""

from __future__ import annotations

import numpy as np
import pytest

import dlgraph as dg
from dlgraph.errors import GraphError, OperationError
from dlgraph.passes import PASSES, Pass, PassManager, Rewritten
from dlgraph.passes.cost import Cost, cost_of
from dlgraph.passes.edit import Edit, op


def chain():
    with dg.Graph().as_default() as graph:
        x = dg.placeholder((4,), name="x")
        y = dg.exp(dg.tanh(x)) + dg.exp(dg.tanh(x))
    return graph, y, x


def test_levels_and_exactness_choose_the_passes():
    names = [[one.name for one in PassManager(level=level).passes] for level in range(4)]
    assert names[0] == ["prune"]
    assert set(names[1]) < set(names[2]) <= set(names[3])
    assert [one.name for one in PASSES] == names[3]
    with pytest.raises(OperationError, match="levels 0, 1, 2 and 3"):
        PassManager(level=4)


def test_unknown_targets_are_refused():
    graph, y, x = chain()
    with pytest.raises(OperationError, match="unknown target 'cpu'"):
        PassManager().run(graph, y, [x], target="cpu")


class Wrong(Pass):
    """Puts a sine where an exponential was."""

    name = "wrong"

    def run(self, graph, job):
        edit = Edit(graph, job)
        for index, record in enumerate(graph.records):
            if record.primitive.name == "exp":
                edit.replace(index, edit.add(op("sin"), record.inputs, of=[index]))
        return edit.done()


class Broken(Pass):
    """Forgets that readers come after what they read."""

    name = "broken"

    def run(self, graph, job):
        found = graph.clone()
        found.records.reverse()
        return Rewritten(found, {i: len(graph) - 1 - i for i in range(len(graph))})


def test_checking_finds_a_pass_that_changes_values():
    graph, y, x = chain()
    assert PassManager(passes=[Wrong()]).run(graph, y, [x])
    with pytest.raises(GraphError, match="the pass 'wrong' changed the value of 'add'"):
        PassManager(passes=[Wrong()], check=True).run(graph, y, [x])


def test_checking_finds_a_graph_that_is_not_well_formed():
    graph, y, x = chain()
    with pytest.raises(GraphError, match="'broken' left a broken graph"):
        PassManager(passes=[Broken()], check=True).run(graph, y, [x])


def test_checking_changes_no_variable():
    w = dg.Parameter(1.0, name="w")
    with dg.Graph().as_default() as graph:
        step = dg.assign(w, dg.variable(w) + (1.0 - 0.0) * 2.0)
    PassManager(check=True).run(graph, step)
    assert w.item() == 1.0


def test_the_report_names_passes_rules_lines_and_savings():
    graph, y, x = chain()
    text = PassManager().run(graph, y, {x: np.ones(4, np.float32)}).report
    assert text.startswith("passes: 6 nodes before, 4 after, saves 80 FLOP")
    assert "merged exp, exp_1 -> exp: all compute exp(tanh)  [saves 40 FLOP and 32 B]" in text
    assert "at test_manager.py, line" in text and "y = dg.exp(dg.tanh(x))" in text


def test_the_stages_can_be_looked_at():
    graph, y, x = chain()
    found = PassManager().run(graph, y, [x])
    assert found.stages[0] is graph and found.stages[-1] is found.graph
    assert len(found.stages) == len(found.reports) + 1


@pytest.mark.parametrize(
    ("build", "flops", "moved"),
    [
        (lambda x: x @ x, 2 * 4 * 4 * 4, 3 * 64),
        (lambda x: x + x, 16, 3 * 64),
        (lambda x: dg.exp(x), 160, 2 * 64),
        (lambda x: dg.relu(x), 16, 2 * 64),
        (lambda x: dg.sum(x, axis=0), 16, 64 + 16),
        (lambda x: x.T, 0, 0),
        (lambda x: x > 0.0, 0, 64 + 4 + 16),
        (lambda x: dg.einsum("ij,jk->ik", x, x), 2 * 64, 3 * 64),
        (
            lambda x: dg.conv2d(x.reshape(1, 1, 4, 4), dg.constant(np.ones((2, 1, 3, 3), "f"))),
            2 * (2 * 2 * 2) * 9,
            4 * (16 + 18 + 8),
        ),
    ],
)
def test_costs(build, flops, moved):
    with dg.Graph().as_default():
        y = build(dg.placeholder((4, 4), name="x"))
    found = cost_of(y.record, [node.spec for node in y.inputs], {})
    assert (found.flops, found.bytes) == (flops, moved)


def test_unknown_sizes_are_counted_as_open():
    with dg.Graph().as_default():
        x = dg.placeholder((None, 4), name="x")
        y = dg.exp(x)
    assert cost_of(y.record, [x.spec], {}) == Cost(open=1)
    assert cost_of(y.record, [x.spec], {x.shape[0]: 2}).flops == 80


def test_a_scan_costs_all_its_turns():
    with dg.Graph().as_default() as graph:
        xs = dg.placeholder((5, 3), name="xs")
        dg.scan(lambda h, x: (dg.tanh(h + x), h), dg.constant(np.zeros(3, np.float32)), xs)
    record = next(r for r in graph.records if r.primitive.name == "scan")
    specs = [graph.records[i].spec for i in record.inputs]
    assert cost_of(record, specs, {}).flops == 5 * (3 + 30)


@pytest.mark.parametrize("budget", ["64 MiB", 1.5, -1, True])
def test_a_memory_budget_is_a_number_of_bytes(budget):
    with dg.Graph().as_default() as g:
        y = dg.placeholder((), name="x") * 2
    with pytest.raises(OperationError, match="a budget is a number of bytes, or None"):
        PassManager().run(g, y, ["x"], memory_budget=budget)
    assert PassManager().run(g, y, ["x"], memory_budget=2**20).graph is not None
