"""Geometry of the layout: on the examples, on random graphs, on very large ones."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dlgraph.draw import theme
from dlgraph.draw.layout import DUMMY_LIMIT, lay_out
from dlgraph.draw.model import Picture, PictureNode
from dlgraph.draw.scene import build_scene
from tests.draw.examples import EXAMPLES, Builder, chain, diamond, fan, training_mlp
from tests.draw.geometry import (
    drawn_crossings,
    lines_over_boxes,
    mirror_error,
    overlaps,
    upward_edges,
)
from tests.draw.pictures import pictures

LAYOUTS = {name: lay_out(example()) for name, example in EXAMPLES.items()}


@pytest.mark.parametrize("name", EXAMPLES)
def test_no_box_overlaps_another(name):
    assert overlaps(LAYOUTS[name]) == []


@pytest.mark.parametrize("name", EXAMPLES)
def test_no_line_runs_over_a_box(name):
    assert lines_over_boxes(LAYOUTS[name]) == []


@pytest.mark.parametrize("name", EXAMPLES)
def test_edges_lead_downwards(name):
    assert upward_edges(EXAMPLES[name](), LAYOUTS[name]) == []


@pytest.mark.parametrize("name", EXAMPLES)
def test_everything_is_on_the_page(name):
    layout = LAYOUTS[name]
    for placed in layout.boxes:
        assert placed.x >= theme.MARGIN and placed.y >= theme.MARGIN
        assert placed.x + placed.box.width <= layout.width - theme.MARGIN + 0.1
        assert placed.y + placed.box.height <= layout.height - theme.MARGIN + 0.1
    for line in layout.lines:
        assert all(0 <= x <= layout.width and 0 <= y <= layout.height for x, y in line.points)


@pytest.mark.parametrize("name", [n for n, made in LAYOUTS.items() if made.axis is not None])
def test_gradients_are_the_mirror_image(name):
    layout = LAYOUTS[name]
    assert any(placed.box.key[0] == "b" for placed in layout.boxes)
    assert mirror_error(layout) <= 0.2  # each coordinate is rounded to 0.1


@pytest.mark.parametrize("name", ["two_a_plus_three_b", "diamond", "residual", "attention"])
def test_gradient_lines_are_mirrored_value_lines_with_the_arrow_reversed(name):
    layout = LAYOUTS[name]
    forward = {(line.source, line.target): line for line in layout.lines if line.source[0] == "f"}
    gradients = [line for line in layout.lines if line.style == "gradient"]
    assert gradients
    for line in gradients:
        twin = forward["f" + line.target[1:], "f" + line.source[1:]]
        # Ends differ in y where the boxes differ in height; the lanes must not.
        lanes = sorted({x for x, _ in twin.points})
        mirrored = sorted({2 * layout.axis - x for x, _ in line.points})
        assert mirrored == pytest.approx(lanes, abs=0.2)
        assert [y for _, y in line.points] == sorted((y for _, y in line.points), reverse=True)


def test_crossings_of_the_training_graph():
    # The layout study counted 6 with lines for saved values, which this figure leaves out.
    layout = LAYOUTS["training_mlp"]
    assert drawn_crossings(layout) == 0
    assert layout.crossings == 0


def test_training_graph_is_compact_and_its_spine_straight():
    layout = LAYOUTS["training_mlp"]
    spine = [
        p.x + p.box.width / 2
        for p in layout.boxes
        if p.box.key[0] == "f" and p.box.style in ("operation", "loss")
    ]
    assert len(spine) == 18
    assert max(spine) == min(spine)
    assert layout.width < 560


def test_operation_on_a_parameter_alone_does_not_bend_the_spine():
    b = Builder()
    h = b.add("x", "input", name="x")
    for layer in range(3):
        w, bias = (b.add(n, "parameter", name=f"{n}{layer}") for n in "wb")
        h = b.add(f"conv {layer}", "contract", [h, w])
        h = b.add(f"add {layer}", inputs=[h, b.add("reshape", "view", [bias])])
    boxes = lay_out(b.picture(), range(9)).boxes
    spine = {p.x + p.box.width / 2 for p in boxes if p.box.label.startswith(("x", "conv", "add"))}
    assert len(spine) == 1
    assert all(p.x > min(spine) for p in boxes if p.box.label == "reshape")


def test_symmetric_graph_is_drawn_symmetrically():
    x, left, right, y = LAYOUTS["diamond"].boxes[:4]
    centre = [p.x + p.box.width / 2 for p in (x, left, right, y)]
    assert centre[0] == centre[3] == pytest.approx((centre[1] + centre[2]) / 2, abs=0.1)


def test_operands_stand_in_the_order_of_the_formula():
    places = {p.box.key: p.x for p in LAYOUTS["two_a_plus_three_b"].boxes}
    assert places["f1"] < places["f4"]  # a is left of b
    heads = [p for p in LAYOUTS["fan"].boxes if p.box.label.startswith("head")]
    names = [p.box.label for p in sorted(heads, key=lambda p: p.x)]
    assert names == [f"head {i}" for i in range(12)]


def test_node_read_twice_has_two_lines_side_by_side():
    b = Builder()
    x = b.add("x", "input")
    y = b.add("multiply", inputs=[x, x])
    one, two = lay_out(b.picture([y])).lines
    assert one.points[0][0] + 8 <= two.points[0][0]


def test_update_that_has_no_level_way_goes_around():
    b = Builder()
    w = b.add("w", "parameter", name="w")
    x = b.add("x", "input", name="x")
    y = b.add("matmul", "contract", [w, x], name="y")
    g = b.add("matmul", "contract", [y], role="backward", twin=y)
    b.add("sgd", "effect", [w, g], role="update", twin=w)
    layout = lay_out(b.picture([y]))
    assert lines_over_boxes(layout) == []
    update = next(line for line in layout.lines if line.style == "update")
    assert (update.source, update.target) == ("b0", "f0")


def test_long_chain_needs_no_recursion():
    layout = lay_out(chain(10_000), range(2))
    assert len(layout.boxes) == 20_000
    assert len({p.x + p.box.width / 2 for p in layout.boxes if p.box.key[0] == "f"}) == 1


def test_line_past_too_many_rows_becomes_a_badge():
    b = Builder()
    h = first = b.add("x", "input", name="x")
    for _ in range(DUMMY_LIMIT // 2 + 2):
        h = b.add("tanh", inputs=[h])
    add = b.add("add", inputs=[h, first])
    b.add("add", inputs=[add, first])
    layout = lay_out(b.picture(), range(2))
    badges = [p.box.badges for p in layout.boxes if p.box.label == "add"]
    assert "uses x" in next(p.box.title for p in layout.boxes if p.box.badges)
    assert sorted(badges) == [(), ("x",)]  # one line of the two had to go, the longer one


def test_wide_fan_keeps_lines_steep():
    heads = [p for p in lay_out(fan(60)).boxes if p.box.label.startswith("head")]
    above = next(p for p in lay_out(fan(60)).boxes if p.box.label == "exp")
    assert heads[0].y - above.y - above.box.height == theme.RANK_GAP + theme.RANK_GAP_MORE


def test_empty_picture_and_single_node():
    assert lay_out(Picture(())).boxes == []
    assert len(lay_out(Picture((PictureNode(7, "x", "input"),))).boxes) == 1


@settings(max_examples=150, deadline=None)
@given(pictures())
def test_random_graphs_are_laid_out_well(picture):
    layout = lay_out(picture, range(len(picture.nodes)))
    assert overlaps(layout) == []
    assert lines_over_boxes(layout) == []
    assert upward_edges(picture, layout) == []
    if layout.axis is not None:
        assert mirror_error(layout) <= 0.2
    again = Picture.from_json(picture.to_json())
    assert lay_out(again, range(len(picture.nodes))).to_json() == layout.to_json()


@settings(max_examples=150, deadline=None)
@given(pictures(), st.data())
def test_random_graphs_with_some_groups_closed_are_laid_out_well(picture, data):
    groups = range(len(build_scene(picture).groups))
    opened = data.draw(st.sets(st.sampled_from(groups))) if groups else set()
    layout = lay_out(picture, opened, saved=True)
    assert overlaps(layout) == []
    assert lines_over_boxes(layout) == []
    middle = {p.box.key: p.y + p.box.height / 2 for p in layout.boxes}
    for line in layout.lines:
        if line.style == "forward":
            assert middle[line.source] < middle[line.target]
    if layout.axis is not None:
        assert mirror_error(layout) <= 0.2


def test_layout_of_equal_pictures_is_equal():
    assert lay_out(diamond()).to_json() == lay_out(diamond()).to_json()
    assert lay_out(training_mlp(2)).to_json() != lay_out(training_mlp(3)).to_json()
