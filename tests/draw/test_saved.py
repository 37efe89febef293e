"""What is kept for the backward pass: read off a graph, or foreseen for a recorded one."""

from __future__ import annotations

import numpy as np
import pytest

import dlgraph as dg
from dlgraph.draw import draw
from dlgraph.draw.layout import lay_out
from dlgraph.draw.model import Picture, PictureNode
from dlgraph.errors import GraphError
from tests.draw.examples import training_mlp
from tests.draw.geometry import lines_over_boxes


def pairs(picture):
    """Which value is kept for whose gradient, by name."""
    words = {node.id: node.name or node.label for node in picture.nodes}
    return {(words[value], words[reader]) for value, reader in picture.saved}


def layer(x, w, b):
    return dg.tanh(x @ w + b).sum()


def test_recorded_graph_keeps_what_the_rules_will_read():
    x = dg.Tensor(np.ones((2, 3), np.float32), name="x")
    w = dg.Tensor(np.ones((3, 4), np.float32), requires_grad=True, name="w")
    b = dg.Tensor(np.ones(4, np.float32), requires_grad=True, name="b")
    picture = draw(layer(x, w, b)).picture
    # The rule for w reads the other operand of the product; that for b needs its shape only.
    assert pairs(picture) == {("x", "matmul"), ("tanh", "tanh")}


def test_built_graph_keeps_what_its_gradient_nodes_read():
    with dg.Graph().as_default() as g:
        x = dg.placeholder((2, 3), name="x")
        w = dg.Parameter(np.ones((3, 4), np.float32), name="w")
        b = dg.Parameter(np.ones(4, np.float32), name="b")
        dg.optim.SGD().minimize(layer(x, w, b))
    assert pairs(draw(g).picture) == {("x", "matmul"), ("tanh", "tanh")}


def test_nothing_is_kept_where_no_gradient_is_wanted():
    x = dg.Tensor([1.0, 2.0], name="x")
    assert draw(dg.exp(x * x)).picture.saved == ()


def test_pairs_of_unknown_nodes_are_refused():
    nodes = (PictureNode(0, "x", "input"),)
    with pytest.raises(GraphError, match="node 9"):
        Picture(nodes, saved=((0, 9),))


def test_lines_of_kept_values_move_nothing_and_run_over_no_box():
    without, all_of_them = (lay_out(training_mlp(), range(9), kept) for kept in (False, True))
    assert all_of_them.boxes == without.boxes
    assert (all_of_them.width, all_of_them.height) == (without.width, without.height)
    kept = [line for line in all_of_them.lines if line.style == "saved"]
    assert len(kept) == 27
    assert [line for line in all_of_them.lines if line.style != "saved"] == without.lines
    assert lines_over_boxes(all_of_them) == []
    inside = [0 <= y <= all_of_them.height for line in kept for _, y in line.points]
    assert all(inside)


@pytest.mark.parametrize("end", ["source", "target"])
def test_lines_of_one_box(end):
    everything = lay_out(training_mlp(), range(9), True)
    key = getattr(next(line for line in everything.lines if line.style == "saved"), end)
    kept = [line for line in lay_out(training_mlp(), range(9), key).lines if line.style == "saved"]
    assert kept and all(getattr(line, end) == key for line in kept)
