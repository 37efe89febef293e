"""Modules and functions drawn by calling them, and what is drawn when they fail."""

from __future__ import annotations

import numpy as np
import pytest

import dlgraph as dg
from dlgraph.draw import draw
from dlgraph.draw.model import LEAVES
from dlgraph.draw.payload import payload_of
from dlgraph.errors import OperationError


def net(inner: int = 4) -> dg.nn.Module:
    return dg.nn.Sequential(dg.nn.Linear(3, 4), dg.nn.ReLU(), dg.nn.Linear(inner, 2))


def kinds(figure) -> list[tuple[str, str]]:
    return [(node.label, node.kind) for node in figure.picture.nodes]


def test_a_module_is_drawn_with_its_shapes_and_scopes_and_computes_nothing():
    model = net()
    figure = draw(model, dg.zeros((5, 3)))
    by_label = {node.label: node for node in figure.picture.nodes}
    assert by_label["relu"].shape == "5 × 4"
    assert by_label["relu"].scope == "sequential/1"
    assert by_label["x"].kind == "input"
    made = [node for node in figure.picture.nodes if node.kind not in LEAVES]
    assert [node.value for node in made] == [None] * len(made)
    assert all(parameter.grad is None for parameter in model.parameters())


@pytest.mark.parametrize(
    "make", [lambda a: a, np.asarray, dg.Tensor], ids=["list", "array", "tensor"]
)
def test_inputs_stand_for_their_shapes(make):
    values = [[1.0, 2.0, 3.0]]
    figure = draw(lambda x: dg.sum(x * 2), make(values))
    assert [node.shape for node in figure.picture.nodes if node.kind == "input"] == ["1 × 3"]


def test_other_arguments_are_passed_as_they_are():
    def power(x, times):
        for _ in range(times):
            x = x * x
        return x

    figure = draw(power, dg.zeros((2,)), 3)
    assert [label for label, _ in kinds(figure)] == ["x", "multiply", "multiply", "multiply"]


def test_a_failed_operation_is_drawn_with_the_edges_that_did_not_fit(capsys):
    def wrong(a, b):
        h = dg.exp(a)
        return h @ b

    figure = draw(wrong, dg.zeros((2, 3)), dg.zeros((4, 5)))
    picture = figure.picture
    failed = picture.nodes[-1]
    assert (failed.label, failed.kind) == ("matmul", "failed")
    assert "inner sizes 3 and 4 differ" in failed.formula
    assert "return h @ b" in failed.where
    ends = {picture.nodes[e.source].label for e in picture.edges if e.target == failed.id}
    assert ends == {"exp", "b"}
    marked = [line for line in figure.layout.lines if line.style == "failed"]
    assert {line.target for line in marked} == {f"f{failed.id}"} and len(marked) == 2
    assert "inner sizes 3 and 4 differ" in capsys.readouterr().out
    assert "failed" in figure.svg


def test_a_module_that_refuses_its_input_is_drawn_up_to_there(capsys):
    figure = draw(net(inner=7), dg.zeros((5, 3)))
    labels = [label for label, _ in kinds(figure)]
    assert labels[-2:] == ["relu", "ShapeError"]
    assert "layer 2 (Linear 7 -> " in capsys.readouterr().out


def test_an_error_that_is_not_ours_is_drawn_too(capsys):
    def wrong(x):
        dg.exp(x)
        raise KeyError("lost")

    figure = draw(wrong, dg.zeros(3))
    assert kinds(figure)[-2:] == [("exp", "elementwise"), ("KeyError", "failed")]
    assert "lost" in capsys.readouterr().out


def test_a_value_asked_for_while_building_says_so(capsys):
    figure = draw(lambda x: float(dg.sum(x)), dg.zeros(3))
    assert kinds(figure)[-1] == ("SymbolicValueError", "failed")
    assert "has no value" in capsys.readouterr().out or figure.picture.nodes[-1].formula


def test_inputs_for_what_cannot_be_called_are_refused():
    with pytest.raises(OperationError, match="takes no inputs"):
        draw(dg.Graph(), dg.zeros(3))


def test_a_session_draws_its_graph_and_a_program_what_runs():
    with dg.Graph().as_default() as graph:
        a = dg.placeholder((), name="a")
        wanted = dg.exp(a * 2)
        dg.log(a)
    session = dg.Session(graph)
    labels = [label for label, _ in kinds(draw(session))]
    assert "log" in labels
    labels = [label for label, _ in kinds(draw(session.program(wanted, [a])))]
    assert "exp" in labels and "log" not in labels


def test_what_went_wrong_is_written_out_in_the_picture():
    figure = draw(net(inner=7), dg.zeros((5, 3)))
    (failed,) = (p.box for p in figure.layout.boxes if p.box.style == "failed")
    assert failed.detail == figure.picture.nodes[-1].formula and "…" not in failed.detail
    # It is no formula: the details of the live figure say its words, not the columns of a node.
    payload = payload_of(figure.picture, figure.layout)
    assert str(figure.picture.nodes[-1].id) not in payload["facts"]
    (row,) = (row for row in payload["layout"][5] if row[0] == failed.key)
    assert failed.title in row
