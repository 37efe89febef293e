"""Scopes and repeats: which groups there are, and what is in sight when some are closed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import dlgraph as dg
from dlgraph.draw import collapse, draw
from dlgraph.draw.collapse import visible
from dlgraph.draw.layout import lay_out
from dlgraph.draw.model import topological_order
from dlgraph.draw.repeats import Block, find_blocks
from dlgraph.draw.scene import build_scene
from dlgraph.draw.scopes import Item, find_groups
from tests.draw.examples import EXAMPLES, Builder, chain, scopes, training_mlp
from tests.draw.geometry import overlaps
from tests.draw.pictures import pictures

SCOPES = build_scene(scopes())


def names(scene, parent=-1):
    return [
        f"{group.box.label} {group.box.tag}".strip()
        for group in scene.groups
        if group.parent == parent
    ]


def number(label):
    return [group.box.label for group in SCOPES.groups].index(label)


def test_scopes_are_groups_and_equal_neighbours_are_folded():
    assert names(SCOPES) == ["net"]
    assert names(SCOPES, 0) == ["stem/linear", "blocks ×4", "cell ×3", "activation", "activation"]
    assert names(SCOPES, number("blocks")) == ["blocks/0", "blocks/1 … 3 ×3"]
    assert names(SCOPES, number("blocks/0")) == ["one", "two"]
    assert names(SCOPES, number("blocks/1 … 3")) == ["blocks/1", "blocks/2", "blocks/3"]


def test_box_of_a_group_says_what_is_in_it():
    net, blocks, first, rest = (
        SCOPES.groups[number(label)] for label in ("net", "blocks", "blocks/0", "blocks/1 … 3")
    )
    assert net.box.detail == "31 operations, 10 parameters"
    assert blocks.box.detail == rest.box.detail == "each 4 operations, 2 parameters"
    assert first.box.detail == "4 operations, 2 parameters"
    assert blocks.box.title.split("\n")[0] == "blocks (scope net/blocks)"
    assert [group.folded for group in (net, blocks, first, rest)] == [False, False, False, True]
    assert (net.box.style, net.image.style) == ("scope", "scope_gradient")


def test_shared_weight_is_a_badge_of_the_group_that_does_not_hold_it():
    cell = next(group for group in SCOPES.groups if group.box.label == "cell")
    assert cell.box.badges == ("u",)
    assert SCOPES.groups[0].box.badges == ()  # `net` holds u


def test_layer_that_is_called_twice_is_two_groups():
    labels = [group.box.label for group in SCOPES.groups]
    assert labels.count("activation") == 2


def test_at_first_sight_a_small_picture_is_open_and_a_large_one_closed_where_blocks_repeat():
    small = build_scene(scopes(blocks=1, steps=1))
    assert len(small.boxes) <= collapse.SMALL < len(SCOPES.boxes)
    assert small.opened == list(range(len(small.groups)))
    closed = [p.box for p in lay_out(scopes()).boxes if p.box.style == "scope"]
    assert [f"{box.label} {box.tag}" for box in closed] == ["blocks/1 … 3 ×3", "matmul, tanh ×2"]
    shown = [p for p in lay_out(scopes()).boxes if p.box.key[0] == "f"]
    assert len(shown) <= collapse.SMALL


def test_one_more_level_is_opened_where_a_picture_would_say_too_little():
    b = Builder()
    h = b.add("x", "input")
    for i in range(collapse.SMALL + 10):
        h = b.add(f"op{i}", inputs=[h], scope="net")
    assert build_scene(b.picture()).opened == [0]
    for i in range(collapse.MANY):
        h = b.add(f"more{i}", inputs=[h], scope="net")
    assert build_scene(b.picture()).opened == []


def test_groups_of_a_closed_scene_are_boxes_with_merged_links():
    view = visible(SCOPES, [])
    assert [box.key for box in view.boxes] == ["f0", "fg0", "f42"]
    assert [(link.source, link.target, link.copies) for link in view.links] == [
        (0, 1, 1),
        (1, 2, 1),
    ]
    assert [link.flows for link in view.links] == [False, True]
    assert view.turns == [2]
    assert (view.closed, view.inside) == ([-1, 0, -1], [-1, -1, -1])


def test_closed_group_hides_open_ones_inside():
    assert visible(SCOPES, [2, 3, 4]).to_json()["boxes"] == visible(SCOPES, []).to_json()["boxes"]


def test_with_all_groups_open_nothing_is_different():
    view = visible(SCOPES, range(len(SCOPES.groups)))
    assert view.boxes == SCOPES.boxes
    assert view.links == SCOPES.links
    assert view.inside == SCOPES.inside


def test_scene_is_not_changed_by_its_views():
    before = SCOPES.to_json()
    lay_out(scopes(), [0, 2])
    view = visible(SCOPES, [0])
    view.boxes[0].badges = ("changed",)
    assert SCOPES.to_json() == before


@settings(max_examples=200, deadline=None)
@given(pictures(), st.data())
def test_no_choice_of_closed_groups_makes_a_cycle(picture, data):
    scene = build_scene(picture)
    numbers = range(len(scene.groups))
    opened = data.draw(st.sets(st.sampled_from(numbers))) if numbers else set()
    view = visible(scene, opened)
    above = [[] for _ in view.boxes]
    below = [[] for _ in view.boxes]
    for link in view.links:
        assert link.source != link.target
        above[link.target].append(link.source)
        below[link.source].append(link.target)
    assert len(topological_order(above, below)) == len(view.boxes)
    keys = [box.key for box in view.boxes]
    assert len(set(keys)) == len(keys)


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_box_is_in_sight_or_in_a_closed_group(name):
    scene = build_scene(EXAMPLES[name]())
    for opened in ([], [0], range(len(scene.groups))):
        view = visible(scene, opened)
        shown = {box.key for box in view.boxes}
        for box, group in zip(scene.boxes, scene.inside, strict=True):
            around = set()
            while group >= 0:
                around.add(f"fg{group}")
                group = scene.groups[group].parent
            assert (box.key in shown) + len(around & shown) == 1


def test_scope_that_is_left_and_entered_again_is_split():
    # a1 -> b -> a2: closing `a` as one box would make a cycle.
    items = [
        Item(("a",), False, "exp", []),
        Item(("a",), False, "log", [0]),
        Item(("b",), False, "tanh", [1]),
        Item(("a",), False, "exp", [2, 0]),
        Item(("a",), False, "cos", [3]),
    ]
    groups, inside = find_groups(items)
    assert [group.label for group in groups] == ["a", "a"]
    assert inside == [0, 0, -1, 1, 1]


def test_leaf_that_is_read_elsewhere_too_stands_outside():
    weight = Item(("embedding",), True, "parameter||", [])
    items = [
        weight,
        Item(("embedding",), False, "take", [0]),
        Item(("embedding",), False, "scale", [1]),
        Item(("head",), False, "matmul", [2, 0]),
        Item(("head",), False, "sum", [3]),
    ]
    assert find_groups(items)[1] == [-1, 0, 0, 1, 1]
    items[3] = items[3]._replace(sources=[2])
    assert find_groups(items)[1] == [0, 0, 0, 1, 1]


def row(text):
    """Operations one after the other; the first reads a leaf, which is in no unit."""
    items = [Item((), False, name, [i - 1]) for i, name in enumerate(text.split(), 1)]
    return [[i] for i in range(1, len(items) + 1)], [Item((), True, "input", []), *items]


@pytest.mark.parametrize(
    ("text", "blocks"),
    [
        ("a b c d", []),
        ("a a", []),  # too little to fold
        ("a b b b b b c", [Block(1, 1, 5)]),
        ("x a b a b a b y", [Block(1, 2, 3)]),
        ("a a a a a b b b b b b", [Block(0, 1, 5), Block(5, 1, 6)]),
        ("x contract y x contract y x contract y z", [Block(0, 3, 3)]),  # oftener than from 1
        ("s y contract x y contract x y contract x y", [Block(2, 3, 3)]),
    ],
)
def test_repeats_are_found(text, blocks):
    assert find_blocks(*row(text)) == blocks


def test_blocks_wired_differently_are_not_equal():
    units, items = row("s a b c a b c")
    assert find_blocks(units, items) == [Block(1, 3, 2)]
    items[7] = items[7]._replace(sources=[5])  # the second c reads a instead of b
    assert find_blocks(units, items) == []


def test_blocks_of_other_shapes_are_not_equal():
    picture = training_mlp()
    assert names(build_scene(picture)) == ["matmul, add, relu ×3"]
    nodes = tuple(
        replace(node, shape="64 × 50") if node.id in (14, 15, 16) else node
        for node in picture.nodes
    )
    assert names(build_scene(replace(picture, nodes=nodes))) == []


def test_recorded_model_is_folded_without_scopes():
    class Deep(dg.nn.Module):
        def __init__(self):
            super().__init__()
            self.layers = dg.nn.Sequential(*[dg.nn.Linear(3, 3) for _ in range(12)])

        def forward(self, x):
            for layer in self.layers:
                x = dg.tanh(layer(x))
            return x.sum()

    loss = Deep()(dg.Tensor(np.ones((2, 3), np.float32)))
    boxes = [p.box for p in draw(loss).layout.boxes if p.box.key[0] == "f"]
    folded = next(box for box in boxes if box.style == "scope")
    assert (folded.label, folded.tag) == ("matmul, add, tanh", "×11")  # the first one is open
    assert folded.detail == "each 3 operations, 2 parameters"
    assert [box.label for box in boxes if box.style == "operation"][:3] == ["matmul", "add", "tanh"]


def test_gradients_of_a_closed_group_are_counted_or_said_to_be_missing():
    model = dg.nn.Sequential(*[dg.nn.Linear(3, 3) for _ in range(12)])
    loss = model(dg.Tensor(np.ones((2, 3), np.float32))).sum()
    before = [p.box for p in draw(loss).layout.boxes if p.box.key.startswith("bg")]
    assert [(box.detail, box.muted) for box in before] == [("not computed yet", True)]
    loss.backward(retain_graph=True)
    after = [p.box for p in draw(loss).layout.boxes if p.box.key.startswith("bg")]
    assert [(box.detail, box.muted) for box in after] == [("each 4 gradients", False)]


def test_scopes_of_a_training_graph_are_mirrored():
    model = dg.nn.Sequential(*[dg.nn.Linear(3, 3 + i) for i in (0,)])
    with dg.Graph().as_default() as g:
        with dg.name_scope("net"):
            h = dg.placeholder((2, 3), name="x")
            for i in range(20):
                with dg.name_scope(f"layer{i}"):
                    h = dg.tanh(h * float(i + 1)) + 1.0 if i % 2 else model(h)
        dg.optim.SGD().minimize(h.sum())
    layout = draw(g).layout
    keys = {p.box.key for p in layout.boxes}
    assert any(key.startswith("fg") for key in keys)
    assert all("f" + key[1:] in keys for key in keys if key[0] == "b")
    assert overlaps(layout) == []


def test_very_long_pictures_are_grouped_without_recursion():
    scene = build_scene(chain(20_000))
    assert [group.box.tag for group in scene.groups] == ["×19999", "×19998"]
    b = Builder()
    h = b.add("x", "input")
    for i in range(2_000):
        h = b.add(f"op{i}", inputs=[h], scope="/".join(["s"] * (i // 2)))
    assert len(build_scene(b.picture()).groups) > 900
