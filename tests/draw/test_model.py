"""Pictures as data: stored, read back, checked."""

from __future__ import annotations

import json

import pytest

from dlgraph.draw import model
from dlgraph.draw.model import Edge, Picture, PictureNode, topological_order
from dlgraph.errors import GraphError
from tests.draw.examples import EXAMPLES, diamond


@pytest.mark.parametrize("name", EXAMPLES)
def test_json_gives_back_the_picture(name):
    picture = EXAMPLES[name]()
    text = json.dumps(picture.to_json())
    assert Picture.from_json(text) == picture
    assert json.dumps(Picture.from_json(text).to_json()) == text


def test_inputs_are_sorted_by_slot_and_order_is_topological():
    nodes = tuple(PictureNode(i, "n") for i in (5, 3, 9))
    wiring = Picture(nodes, (Edge(9, 5, 1), Edge(3, 5, 0), Edge(9, 3))).wiring
    assert wiring.inputs[0] == [(1, 0), (2, 1)]
    assert wiring.order == [2, 1, 0]


def test_topological_order_leaves_out_cycles():
    assert topological_order([[], [2], [1]], [[], [2], [1]]) == [0]


@pytest.mark.parametrize(
    ("nodes", "edges", "words"),
    [
        ([PictureNode(1, "a"), PictureNode(1, "b")], [], "same id"),
        ([PictureNode(1, "a", "car")], [], "kind 'car'"),
        ([PictureNode(1, "a", role="sideward")], [], "role 'sideward'"),
        ([PictureNode(1, "a")], [Edge(1, 2)], "node 2"),
        ([PictureNode(1, "a", twin=3)], [], "node 3"),
        ([PictureNode(1, "a"), PictureNode(2, "b")], [Edge(1, 2), Edge(2, 1)], "depends on itself"),
    ],
)
def test_impossible_pictures_are_refused(nodes, edges, words):
    with pytest.raises(GraphError, match=words):
        Picture(tuple(nodes), tuple(edges))


def test_too_many_nodes_are_refused(monkeypatch):
    monkeypatch.setattr(model, "NODE_LIMIT", 3)
    with pytest.raises(GraphError, match="at most 3"):
        diamond()


def broken(**changes):
    return json.dumps({**diamond().to_json(), **changes})


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("[1]", "not an object"),
        ("{}", "format"),
        (broken(version=2), "version 2"),
        (broken(nodes=[[0, "x"]]), "2 values for 14 fields"),
        (broken(fields=["id", "label"], nodes=[["0", "x"]]), "id is '0'"),
        (broken(fields=["id", "label"], nodes=[[True, "x"]]), "id is 'True'"),
        (broken(fields=["id", "label", "code"], nodes=[[0, "x", "y"]]), "code"),
        (broken(edges=[[0]]), "not a stored picture"),
        (broken(edges=[[0, 99, 0]]), "node 99"),
        (broken(title=7), "title is '7'"),
    ],
)
def test_files_that_are_not_pictures_are_refused(text, words):
    with pytest.raises(GraphError, match=words):
        Picture.from_json(text)


def test_too_long_files_are_refused(monkeypatch):
    monkeypatch.setattr(model, "JSON_LIMIT", 10)
    with pytest.raises(GraphError, match="at most 10"):
        Picture.from_json(broken())
