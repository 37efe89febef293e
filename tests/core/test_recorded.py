"""tensor.graph: the record of an eager computation as a Graph."""

from __future__ import annotations

import numpy as np
import pytest

import dlgraph as dg


def test_names_come_from_the_tensors_or_from_the_variables_that_hold_them():
    a = dg.Tensor(4.0, requires_grad=True, name="first")
    b = dg.Tensor(5.0, requires_grad=True)
    y = 2 * a + 3 * b
    assert str(y.graph).splitlines() == [
        "graph with 7 nodes",
        "  first       () float32  variable",
        "  b           () float32  variable",
        "  constant    () float32  constant = 2.0",
        "  multiply    () float32  constant * first",
        "  constant_1  () float32  constant = 3.0",
        "  multiply_1  () float32  constant_1 * b",
        "  add         () float32  multiply + multiply_1",
    ]


def test_leaves_without_gradients_are_placeholders_that_remember():
    x = dg.Tensor([1.0, 2.0], name="x")
    w = dg.Parameter([3.0, 4.0], name="w")
    y = (w * x).sum()
    graph = y.graph
    assert {n.name: n.primitive.name for n in graph.nodes if not n.inputs} == {
        "x": "placeholder",
        "w": "variable",
    }
    assert dg.Session(graph).run(graph.nodes[-1]) == 11.0
    assert dg.Session(graph).run(graph.nodes[-1], {"x": [1.0, 1.0]}) == 7.0


def test_every_node_leads_back_to_its_tensor():
    x = dg.Tensor([0.0, 2.0], requires_grad=True, name="x")
    h = x * 3
    y = h.sum()
    y.backward()
    graph = y.graph
    by_name = {node.name: node.tensor for node in graph.nodes}
    assert by_name["x"] is x and by_name["multiply"] is h and by_name["sum"] is y
    assert by_name["constant"] is None
    assert by_name["multiply"].grad.tolist() == [1.0, 1.0]


def test_the_record_of_a_module_names_its_parameters():
    class Model(dg.nn.Module):
        def __init__(self):
            self.layer1 = dg.nn.Linear(3, 2)

        def forward(self, x):
            return dg.relu(self.layer1(x))

    y = Model()(dg.Tensor(np.ones((1, 3), np.float32), name="image"))
    assert [node.name for node in y.graph.nodes] == [
        "layer1.weight",
        "layer1.bias",
        "image",
        "matmul",
        "add",
        "relu",
    ]


def test_all_nodes_are_forward_and_inputs_come_first():
    x = dg.Tensor([1.0, 2.0], requires_grad=True)
    y = (dg.exp(x) * x + x).sum()
    graph = y.graph
    assert {node.role for node in graph.nodes} == {"forward"}
    assert all(i < node.index for node in graph.nodes for i in node.record.inputs)
    assert sum(node.name == "x" for node in graph.nodes) == 1


def test_the_structure_is_the_same_for_200_batches_of_different_data():
    rng = np.random.default_rng(0)
    model = dg.nn.Sequential(dg.nn.Linear(4, 3), dg.nn.Tanh(), dg.nn.Linear(3, 2))
    hashes = set()
    for _ in range(200):
        x = dg.Tensor(rng.normal(size=(5, 4)).astype(np.float32))
        labels = dg.Tensor(rng.integers(0, 2, 5))
        hashes.add(dg.cross_entropy(model(x), labels).graph.structure_hash())
    assert len(hashes) == 1


def test_another_structure_has_another_hash():
    x = dg.Tensor([1.0, 2.0], requires_grad=True)
    formulas = [
        (x * x).sum(),
        (x * 2).sum(),
        (x * 3).sum(),
        (x + x).sum(),
        (x * x).mean(),
        (x[:1] * x[:1]).sum(),
    ]
    assert len({y.graph.structure_hash() for y in formulas}) == len(formulas)


def test_a_record_that_was_let_go_ends_at_the_result():
    x = dg.Tensor(np.ones(10_000, np.float32), requires_grad=True)
    y = (x * x).sum()
    y.backward()
    assert [node.primitive.name for node in y.graph.nodes] == ["placeholder"]


def test_a_leaf_alone_is_a_graph_of_one_node():
    alone = dg.Parameter([1.0], name="alone")
    assert str(alone.graph) == "graph with 1 node\n  alone  (1,) float32  variable"


def test_a_detached_tensor_starts_a_new_graph():
    x = dg.Tensor(2.0, requires_grad=True)
    cut = (x * x).detach()
    y = cut * x
    kinds = [node.primitive.name for node in y.graph.nodes]
    assert sorted(kinds) == ["multiply", "placeholder", "variable"]


def test_the_graph_survives_the_names_of_tensors_that_are_no_names():
    x = dg.Tensor(2.0, requires_grad=True, name="a b/<c>")
    y = x * 2
    graph = y.graph
    assert dg.Session(graph).run({"y": "multiply", "x": "a b/<c>"}) == {"y": 4.0, "x": 2.0}


@pytest.mark.parametrize("count", [1, 2])
def test_a_graph_can_be_asked_for_again(count):
    x = dg.Tensor(2.0, requires_grad=True)
    y = x * x
    for _ in range(count):
        y.backward(retain_graph=True)
    assert str(y.graph) == str(y.graph)
