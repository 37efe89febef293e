"""Figures that are coloured from the start."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest

import dlgraph as dg
from dlgraph.draw import draw
from dlgraph.draw.boxes import TALL
from dlgraph.draw.colouring import Colouring, ends, mixed
from dlgraph.draw.model import LEAVES
from dlgraph.draw.page import script
from dlgraph.draw.text import text_width
from dlgraph.errors import OperationError


def two_a_plus_three_b(backward: bool = True) -> dg.Tensor:
    a = dg.Tensor(4.0, requires_grad=True, name="a")
    b = dg.Tensor(5.0, requires_grad=True, name="b")
    y = 2 * a + 3 * b
    if backward:
        y.backward()
    return y


def details(figure) -> dict[str, str]:
    """What `describe` says of every forward box: by its label what stands beside the value."""
    lines = figure.describe().partition("backward:")[0].splitlines()[1:]
    rows = [line.strip().partition(": ") for line in lines if ": " in line]
    return {label: words.rpartition("; ")[2] for label, _, words in rows}


def fill(figure, key: str) -> str:
    found = re.search(rf'<g id="[^"]*{key}">.*?fill="(#\w+)"', figure.svg, re.DOTALL)
    assert found
    return found[1]


def html(figure) -> str:
    return figure._repr_mimebundle_()["text/html"]


def test_every_box_says_its_norm():
    found = details(draw(two_a_plus_three_b(), colour="gradient"))
    norms = {"a = 4": 2, "b = 5": 3, "multiply [2]": 1, "multiply [3]": 1, "add": 1}
    assert found == {label: f"gradient norm {norm}" for label, norm in norms.items()}


def test_more_is_stronger_and_like_is_alike():
    figure = draw(two_a_plus_three_b(), colour="gradient")
    ids = {node.name or node.label: node.id for node in figure.picture.nodes}
    fills = (fill(figure, f"f{ids[name]}") for name in ("a", "b", "add"))
    a, b, y = (sum(bytes.fromhex(colour[1:])) for colour in fills)
    assert b < a < y < sum(bytes.fromhex(mixed(0)[1:]))
    plain = draw(two_a_plus_three_b())
    assert fill(figure, f"b{ids['a']}") == fill(plain, f"b{ids['a']}")


def test_the_words_fit_into_their_boxes():
    figure = draw(two_a_plus_three_b(), colour="gradient")
    forward = [placed.box for placed in figure.layout.boxes if placed.box.key[0] == "f"]
    assert all(box.width > text_width("gradient norm 3", 12) for box in forward)
    assert {box.height for box in forward} == {TALL}  # `a = 4` has one line otherwise


def test_without_a_colour_nothing_is_added():
    y = two_a_plus_three_b()
    plain = html(draw(y))
    assert script("figure") in plain and "measures" not in plain and "colour by" not in plain
    assert len(plain.encode()) <= 15 * 1024


@pytest.mark.parametrize("colour", ["kind", "gradient", "memory"])
def test_a_small_figure_with_a_colour_has_the_fuller_script(colour):
    page = html(draw(two_a_plus_three_b(), colour=colour))
    assert script("figure_kinds") in page and script("figure") not in page
    assert (f'"colour":"{colour}"' in page) == (colour != "kind")


def test_kind_leaves_the_picture_as_it_is():
    y = two_a_plus_three_b()
    plain, kind = draw(y), draw(y, colour="kind")
    assert details(plain) == details(kind)
    ids = [placed.box.key for placed in plain.layout.boxes]
    assert [fill(plain, one) for one in ids] == [fill(kind, one) for one in ids]


def test_zero_and_none_have_no_tint_and_say_so():
    x = dg.Tensor(np.ones((2, 3), "float32"), name="x")
    w = dg.Tensor(-np.ones((3, 2), "float32"), requires_grad=True, name="w")
    h = dg.relu(x @ w)
    y = (h + 1.0).sum()
    y.backward()
    figure = draw(y, colour="gradient")
    assert details(figure)["x"] == "no gradient" and details(figure)["w"] == "gradient norm 0"
    ids = {
        node.label if node.label == "sum" else node.name: node.id for node in figure.picture.nodes
    }
    assert {fill(figure, f"f{ids[name]}") for name in "xw"} == {mixed(0)}
    assert fill(figure, f"f{ids['sum']}") != mixed(0)


def test_not_a_number_is_as_strong_as_the_largest():
    figure = draw(two_a_plus_three_b())
    places = [node.id for node in figure.picture.nodes if node.kind not in LEAVES]
    numbers = dict(zip(places, (math.nan, 1.0, 4.0), strict=True))
    sizes = Colouring("gradient", numbers).sizes(figure.scene)
    assert sizes[str(places[0])] == (4.0, "gradient norm nan")
    assert all(size > 0 and math.isfinite(size) for size, _ in sizes.values())


@pytest.mark.parametrize("numbers", [(1e-320, 1e300), (5e-324, 5e-324), (0.0, 0.0), (math.inf, 1)])
def test_the_scale_holds_any_numbers(numbers):
    figure = draw(two_a_plus_three_b())
    places = [node.id for node in figure.picture.nodes if node.kind not in LEAVES]
    given = Colouring("gradient", dict(zip(places, numbers, strict=False)))
    sizes = given.sizes(figure.scene)
    assert all(0 < size < math.inf for size, _ in sizes.values())
    assert all(re.fullmatch("#[0-9a-f]{6}", colour) for colour, _ in ends(sizes))


def test_what_is_the_same_everywhere_is_coloured_when_asked():
    figure = draw(two_a_plus_three_b(), colour="memory")
    assert set(details(figure).values()) == {"4 B"}
    assert figure.svg.count(">4 B</text>") == 5 + 1  # and the legend once


def test_a_closed_group_speaks_for_what_it_holds():
    model = dg.nn.Sequential(*[dg.nn.Linear(3, 3) for _ in range(12)])
    figure = draw(model, dg.zeros((2, 3)), colour="memory")
    assert figure.scene.groups
    sizes = figure.colouring.sizes(figure.scene)
    inner = len(figure.scene.groups) - 1
    inside = [
        sizes[box.key[1:]][0]
        for box, group in zip(figure.scene.boxes, figure.scene.inside, strict=True)
        if group == inner
    ]
    whole, words = sizes[f"g{inner}"]
    assert whole == sum(inside) and words.endswith(" in all")


def test_the_legend_of_a_file_says_what_pale_and_strong_mean():
    text = draw(two_a_plus_three_b(), colour="gradient").svg
    legend = text.rpartition('<g transform="translate(')[2]
    assert ">gradient norm 1</text>" in legend and ">gradient norm 3</text>" in legend


def test_time_comes_from_a_profile():
    with dg.Graph().as_default() as graph:
        a = dg.placeholder((8, 8), name="a")
        y = dg.sum(a @ a)
    program = dg.Session(graph).program(y, [a])
    profile = program.profile({a: dg.ones((8, 8))})
    found = details(draw(program, profile=profile, colour="time"))
    assert found["a"] == "not timed" and re.fullmatch(r"[\d.]+ \ws", found["matmul"])


WRONG = {
    "another word": (lambda: draw(two_a_plus_three_b(), colour="speed"), "'time', 'memory'"),
    "no profile": (lambda: draw(two_a_plus_three_b(), colour="time"), "profile=profile"),
    "no backward": (
        lambda: draw(two_a_plus_three_b(backward=False), colour="gradient"),
        "call backward()",
    ),
    "nothing to learn": (lambda: draw(dg.exp(dg.ones(3)), colour="gradient"), "requires_grad=True"),
    "only built": (
        lambda: draw(dg.nn.Linear(3, 2), dg.zeros((5, 3)), colour="gradient"),
        "eager mode",
    ),
    "a picture": (
        lambda: draw(draw(two_a_plus_three_b()).picture, colour="memory"),
        "the tensor or the graph",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_missing_is_said(name):
    call, hint = WRONG[name]
    with pytest.raises(OperationError) as caught:
        call()
    assert hint in str(caught.value) and "'kind'" in str(caught.value)
