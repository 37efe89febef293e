"""clone(for_test=True): the forward part in evaluation mode; clone(): a whole copy."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest

import dlgraph as dg
from dlgraph.errors import FetchError, GraphError

X = np.arange(12, dtype=np.float32).reshape(4, 3) / 12
LABELS = np.array([0, 1, 1, 0])


class Network:
    """A small network with dropout; `minimize` adds the training part."""

    def __init__(self, minimize: bool):
        dg.seed(5)
        self.model = dg.nn.Sequential(
            dg.nn.Linear(3, 8), dg.nn.ReLU(), dg.nn.Dropout(0.5), dg.nn.Linear(8, 2)
        )
        self.optimizer = dg.optim.SGD(self.model.parameters(), lr=0.05, momentum=0.9)
        with dg.Graph().as_default() as self.graph:
            self.x = dg.placeholder((None, 3), name="x")
            self.labels = dg.placeholder((None,), "int64", name="labels")
            self.logits = self.model(self.x)
            self.loss = dg.cross_entropy(self.logits, self.labels)
        if minimize:
            self.minimize()

    def minimize(self):
        with self.graph.as_default():
            self.train = self.optimizer.minimize(self.loss)

    def feed(self):
        return {self.x: X, self.labels: LABELS}


def test_it_makes_no_difference_whether_it_was_cloned_before_or_after_minimize():
    network = Network(minimize=False)
    before = network.graph.clone(for_test=True)
    network.minimize()
    after = network.graph.clone(for_test=True)
    assert len(after) == len(before) < len(network.graph)
    assert before.structure_hash() == after.structure_hash()
    assert str(before) == str(after)


def test_the_test_clone_has_only_forward_nodes_and_no_dropout():
    network = Network(minimize=True)
    clone = network.graph.clone(for_test=True)
    assert {node.role for node in clone.nodes} == {"forward"}
    names = [node.primitive.name for node in clone.nodes]
    assert not {"train_or_test", "assign", "group"} & set(names)
    first, second = (dg.Session(clone).run(network.logits, {network.x: X}) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    eager = network.model.eval()(dg.Tensor(X))
    np.testing.assert_array_equal(first, eager.numpy())
    session = dg.Session(network.graph)
    noisy = [session.run(network.logits, {network.x: X}).tolist() for _ in range(3)]
    assert len({str(one) for one in noisy}) == 3


def test_the_clone_shares_the_parameters():
    network = Network(minimize=True)
    clone = dg.Session(network.graph.clone(for_test=True))
    session = dg.Session(network.graph)
    session.run(network.graph.startup)
    before = clone.run(network.loss, network.feed())
    for _ in range(20):
        session.run(network.train, network.feed())
    after = clone.run(network.loss, network.feed())
    assert after < before


def test_nodes_of_the_original_are_fetched_and_fed_by_node_or_name():
    network = Network(minimize=True)
    clone = network.graph.clone(for_test=True)
    session = dg.Session(clone)
    by_node = session.run(network.loss, network.feed())
    by_name = session.run(network.loss.name, {"x": X, "labels": LABELS})
    own = session.run(
        clone.node("mean_cross_entropy"), {clone.node(network.x): X, clone.node("labels"): LABELS}
    )
    assert by_node == by_name == own
    assert clone.node(network.logits).name == network.logits.name


def test_the_name_of_the_dropped_layer_still_leads_to_its_value():
    with dg.Graph().as_default() as g:
        x = dg.placeholder((3,), name="x")
        y = dg.nn.Dropout(0.5)(x)
    clone = g.clone(for_test=True)
    assert dg.Session(clone).run(y, {x: [1.0, 2.0, 3.0]}).tolist() == [1.0, 2.0, 3.0]
    assert dg.Session(clone).run(y.name, {x: [1.0, 2.0, 3.0]}).tolist() == [1.0, 2.0, 3.0]


def test_what_the_test_clone_left_out_cannot_be_fetched():
    network = Network(minimize=True)
    session = dg.Session(network.graph.clone(for_test=True))
    with pytest.raises(FetchError, match="minimize"):
        session.run(network.train, network.feed())


def test_a_clone_of_another_graph_does_not_know_the_nodes():
    one, two = Network(minimize=False), Network(minimize=False)
    with pytest.raises(FetchError, match="another graph"):
        dg.Session(one.graph.clone(for_test=True)).run(two.loss, two.feed())


def test_a_node_that_reads_a_gradient_is_left_out():
    with dg.Graph().as_default() as g:
        x = dg.placeholder((), name="x")
        y = x * x
        doubled = dg.gradients(y, x) * 2
    clone = g.clone(for_test=True)
    with pytest.raises(FetchError):
        dg.Session(clone).run(doubled, {x: 1.0})
    assert dg.Session(clone).run(y, {x: 3.0}) == 9.0


def test_a_whole_clone_trains_the_same_parameters():
    network = Network(minimize=True)
    clone = network.graph.clone()
    assert clone.structure_hash() == network.graph.structure_hash()
    assert str(clone) == str(network.graph)
    session = dg.Session(clone)
    session.run(clone.startup)
    before = network.model.state_dict()
    session.run([network.loss, network.train], network.feed())
    after = network.model.state_dict()
    assert not np.array_equal(before["0.weight"], after["0.weight"])


def test_a_clone_grows_apart_from_its_original():
    network = Network(minimize=False)
    clone = network.graph.clone()
    size = len(network.graph)
    with clone.as_default():
        extra = clone.node(network.loss) * 2
    assert extra.name == "multiply" and len(network.graph) == size and len(clone) == size + 2


def test_twins_and_origins_of_a_clone_point_to_the_same_nodes():
    network = Network(minimize=True)
    clone = network.graph.clone()
    for original, other in zip(network.graph.nodes, clone.nodes, strict=True):
        assert other.record.origin == (original.index,)
        assert other.record.twin == original.record.twin
        assert other.where is original.where
    again = clone.clone()
    assert [node.record.origin for node in again.nodes] == [
        node.record.origin for node in clone.nodes
    ]


def test_a_clone_outlives_its_original():
    def make():
        with dg.Graph().as_default() as g:
            dg.placeholder((), name="x") * 3
        return g.clone(for_test=True)

    assert dg.Session(make()).run("multiply", {"x": 2.0}) == 6.0


def test_train_or_test_chooses_by_kind_of_graph():
    with dg.Graph().as_default() as g:
        x = dg.placeholder((), name="x")
        y = dg.train_or_test(x * 2, x * 5)
        slope = dg.gradients(y, x)
    assert dg.Session(g).run([y, slope], {x: 1.0}) == [2.0, 2.0]
    assert dg.Session(g.clone(for_test=True)).run(y, {x: 1.0}) == 5.0


@pytest.mark.parametrize("copied", [copy.deepcopy, pickle.dumps])
@pytest.mark.parametrize("what", ["graph", "session"])
def test_a_graph_is_not_copied_with_its_tensors(copied, what):
    graph = Network(minimize=True).graph
    with pytest.raises(GraphError, match="belongs to the running program") as caught:
        copied(graph if what == "graph" else dg.Session(graph))
    assert "clone()" in caught.value.hint and "save_inference_model" in caught.value.hint


def test_a_node_is_not_pickled_without_its_graph():
    with pytest.raises(GraphError, match="belongs to the running program"):
        pickle.dumps(Network(minimize=False).loss)


def test_copy_of_a_graph_is_its_clone():
    network = Network(minimize=False)
    copied = copy.copy(network.graph)
    before = len(network.graph.records)
    with copied.as_default():
        copied.node(network.loss) * 2
    assert len(copied.records) > before == len(network.graph.records)
