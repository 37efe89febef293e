"""Prune: what the fetches do not need goes, and the report says what it would have cost."""

from __future__ import annotations

import numpy as np

import dlgraph as dg
from dlgraph.passes import PassManager


def model():
    """A regression whose gradients, that of the input included, are all in the graph."""
    with dg.Graph().as_default() as graph:
        x = dg.placeholder(("batch", 784), name="image")
        w = dg.variable(dg.Parameter(np.ones((784, 10), np.float32)), name="w")
        loss = dg.mean(dg.square(x @ w))
        gradients = dg.gradients(loss, [x, w])
        step = dg.assign(w, w - 0.1 * gradients[1])
    return graph, x, loss, gradients, step


def test_the_gradient_of_the_input_image_is_named_with_what_it_would_have_cost():
    graph, x, loss, (image, weight), step = model()
    found = PassManager(level=0, check=True).run(
        graph, [loss, step], {x: np.ones((16, 784), np.float32)}
    )
    report = found.reports[0]
    assert "the gradient of the input image, which nobody fetches" in str(report)
    change = max(report.changes, key=lambda one: one.flops)
    assert image.name in change.before
    assert change.flops == 2 * 16 * 784 * 10
    assert change.where is not None and "x @ w" in change.where.text
    assert found.index(image.index) is None
    assert found.index(weight.index) is not None


def test_nothing_is_lost_of_what_is_fetched_or_watched():
    graph, x, loss, (image, _), _ = model()
    fetched = PassManager(level=0).run(graph, [loss, image], [x])
    watched = PassManager(level=0).run(graph, loss, [x], watched=[image])
    for found in (fetched, watched):
        record = found.graph.records[found.index(image.index)]
        assert record.name == image.name
        assert record.origin == (image.index,)


def test_what_lies_behind_a_fed_node_is_not_needed():
    with dg.Graph().as_default() as graph:
        x = dg.placeholder((3,), name="x")
        h = dg.exp(x)
        y = h * 2.0
    found = PassManager(level=0).run(graph, y, [h])
    kinds = {record.name: record.primitive.name for record in found.graph.records}
    assert kinds == {"exp": "placeholder", "constant": "constant", "multiply": "multiply"}
    program = dg.Program(found.graph, found.fetches, found.feeds)
    np.testing.assert_array_equal(program.run([np.ones(3, np.float32)])[0], [2, 2, 2])


def test_the_test_side_of_train_or_test_goes():
    with dg.Graph().as_default() as graph:
        x = dg.placeholder((3,), name="x")
        y = dg.train_or_test(x * 2.0, dg.exp(x)) + 1.0
    found = PassManager(level=0, check=True).run(graph, y, [x])
    names = {record.primitive.name for record in found.graph.records}
    assert names == {"placeholder", "constant", "multiply", "add"}


def test_control_dependencies_and_effects_stay():
    with dg.Graph().as_default() as graph:
        w = dg.variable(dg.Parameter(1.0), name="w")
        step = dg.assign(w, w + 1.0)
        with graph.control_dependencies([step]):
            after = dg.read(w)
        _ = dg.exp(w)
    found = PassManager(level=0, check=True).run(graph, after)
    assert [record.name for record in found.graph.records] == [
        "w",
        "constant",
        "add",
        "assign",
        "w_1",
    ]


def test_a_graph_of_which_all_is_needed_stays_the_same_graph():
    with dg.Graph().as_default() as graph:
        x = dg.placeholder((3,), name="x")
        y = dg.exp(x)
    found = PassManager(level=0).run(graph, y, [x])
    assert found.graph is graph
    assert found.reports == []
    assert found.index(y.index) == y.index
