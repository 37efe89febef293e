"""Numbers by which a figure is coloured."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

import dlgraph as dg
from dlgraph.draw import draw
from dlgraph.draw.measures import measures_of, sizes_of
from dlgraph.errors import OperationError


def loss():
    x = dg.Tensor(np.ones((4, 3), dtype=np.float32), requires_grad=True, name="x")
    return dg.sum(dg.exp(x) * 2)


def test_memory_is_that_of_the_values():
    graph = loss().graph
    found = measures_of(graph)["memory"]
    sizes = {graph.records[index].primitive.name: size for index, (size, _) in found.items()}
    assert sizes["exp"] == 4 * 3 * 4 and sizes["sum"] == 4
    assert (
        found[next(i for i, r in enumerate(graph.records) if r.primitive.name == "exp")][1]
        == "48 B"
    )


def test_gradient_norms_come_with_backward():
    y = loss()
    assert "gradient" not in measures_of(y.graph)
    y.backward()
    graph = y.graph
    found = measures_of(graph)["gradient"]
    place = next(i for i, r in enumerate(graph.records) if r.name == "x")
    assert found[place][0] == pytest.approx(2 * np.e * np.sqrt(12), rel=1e-5)


def test_times_come_from_a_profile():
    with dg.Graph().as_default() as graph:
        a = dg.placeholder((3,), name="a")
        dg.exp(a * 2)
    rows = [
        SimpleNamespace(name=name, seconds=s) for name, s in (("exp", 2e-3), ("multiply", 1e-6))
    ]
    rows.append(SimpleNamespace(name="fused away", seconds=1.0))
    found = measures_of(graph, SimpleNamespace(rows=rows))["time"]
    words = {graph.records[index].name: text for index, (_, text) in found.items()}
    assert words == {"exp": "2 ms", "multiply": "1 µs"}


def test_what_is_the_same_everywhere_is_left_out():
    a = dg.Tensor(4.0, requires_grad=True, name="a")
    assert measures_of((a * a).graph) == {}


def test_sizes_that_are_not_known_are_left_out():
    with dg.Graph().as_default() as graph:
        x = dg.placeholder((None, 3), name="x")
        dg.sum(x) + dg.placeholder((5,), name="b")
    found = measures_of(graph)["memory"]
    assert 0 not in found


def test_they_travel_with_figures_that_can_show_them():
    y = loss()
    page = draw(y)._repr_mimebundle_()["text/html"]
    assert ('"measures":{"memory"' in page) == (draw(y)._bundle() != "figure")


def test_a_program_knows_the_sizes_that_were_fed():
    with dg.Graph().as_default() as graph:
        x = dg.placeholder((None, 3), name="x")
        y = dg.exp(x) + 1.0
    session = dg.Session(graph)
    assert sizes_of(session.program(y, [x])) == {}  # nothing fed, nothing known
    program = session.program(y, {x: np.zeros((5, 3), np.float32)})
    assert list(sizes_of(program).values()) == [5]
    boxes = draw(program, colour="memory").describe()
    assert "x: ? × 3; 60 B" in boxes and "not known" not in boxes
    assert "size not known" in draw(graph, colour="memory").describe()
    assert sizes_of(graph) == {}


@pytest.mark.parametrize("profile", [3, "time", [1.0]])
def test_what_is_no_profile_is_refused(profile):
    with pytest.raises(OperationError, match="is no profile of a program") as caught:
        draw(loss(), profile=profile)
    assert "session.program(y).profile(feeds)" in caught.value.hint
