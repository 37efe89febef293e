"""Drawing what the engine makes: eager records, graphs, nodes."""

from __future__ import annotations

import numpy as np
import pytest

import dlgraph as dg
from dlgraph.draw import draw
from dlgraph.draw.from_graph import picture_of
from dlgraph.draw.model import PictureNode
from dlgraph.errors import OperationError
from tests.draw.examples import two_a_plus_three_b
from tests.draw.geometry import lines_over_boxes, mirror_error, overlaps


def texts(figure, half):
    return {
        placed.box.label: (placed.box.detail, placed.box.badges)
        for placed in figure.layout.boxes
        if placed.box.key[0] == half
    }


def line_of_two():
    a = dg.Tensor(4.0, requires_grad=True, name="a")
    b = dg.Tensor(5.0, requires_grad=True, name="b")
    return a, b, 2 * a + 3 * b


def test_eager_line_before_and_after_backward():
    _, _, y = line_of_two()
    before = draw(y)
    assert str(before).endswith("-> 23; gradients: not computed yet")
    assert {detail for detail, _ in texts(before, "b").values()} == {"not computed yet"}
    y.backward()
    after = draw(y)
    assert str(after) == "y = add(multiply(2, a), multiply(3, b)) -> 23; gradients: a 2, b 3"
    assert {label: detail for label, (detail, _) in texts(after, "b").items()} == {
        "∂y/∂y": "1",
        "∂y/∂(2·a)": "1",
        "∂y/∂(3·b)": "1",
        "∂y/∂a": "2",
        "∂y/∂b": "3",
    }


def test_eager_line_is_the_picture_of_the_lesson():
    _, _, y = line_of_two()
    y.backward()
    made, expected = draw(y).picture, two_a_plus_three_b()
    ids = {node.id: place for place, node in enumerate(made.nodes)}
    facts = [(n.name, n.label, n.value, n.gradient, n.formula) for n in made.nodes]
    wanted = [(n.name, n.label, n.value, n.gradient, n.formula) for n in expected.nodes]
    assert sorted(facts) == sorted(wanted)
    assert len(ids) == 7 and len(made.edges) == 6


def test_a_formula_calls_a_leaf_without_a_name_as_its_box_does():
    weight = dg.Tensor([1.0, 2.0], requires_grad=True, name="w")
    assert texts(draw(weight * dg.Tensor([3.0, 4.0])), "f") == {
        "w": ("(2,)", ()),
        "input": ("(2,)", ()),
        "multiply": ("w·input = [3, 8]", ()),
    }
    with dg.Graph().as_default() as graph:
        dg.placeholder((2, 3)) @ dg.placeholder((3, 2), name="w")
    assert [node.formula for node in picture_of(graph).nodes] == ["", "", "input @ w"]
    assert [node.label for node in picture_of(graph).nodes] == ["input", "w", "matmul"]


def test_drawing_computes_and_changes_nothing():
    a, _, y = line_of_two()
    assert draw(y).svg
    assert a.grad is None
    y.backward()
    assert a.grad.item() == 2.0


def test_variables_of_the_caller_name_what_has_no_name():
    x = dg.Tensor(3.0, requires_grad=True)
    square = x * x
    result = square + 1
    labels = texts(draw(result), "f")
    assert set(labels) == {"x", "square", "result"}


def test_parameter_input_and_constant_are_told_apart():
    w = dg.Parameter([[1.0], [2.0]], name="w")
    x = dg.Tensor([[3.0, 4.0]], name="x")
    y = (x @ w) * 0.5
    kinds = {node.name or node.label: node.kind for node in draw(y).picture.nodes}
    assert kinds["w"] == "parameter" and kinds["x"] == "input" and kinds["constant"] == "constant"
    assert texts(draw(y), "f")["y"][1] == ("0.5",)


def test_large_values_are_shown_by_shape_and_gradients_by_norm():
    w = dg.Parameter(np.ones((3, 2), np.float32), name="w")
    x = dg.Tensor(np.ones((4, 3), np.float32), name="x")
    loss = (x @ w).sum()
    loss.backward()
    figure = draw(loss)
    assert texts(figure, "f")["matmul"] == ("4 × 2", ())
    assert texts(figure, "b")["∂loss/∂w"] == ("norm 9.798", ())


def test_record_that_was_let_go_is_said():
    w = dg.Parameter(np.ones((300, 300), np.float32), name="w")
    loss = (w * w).sum()
    loss.backward()
    figure = draw(loss)
    assert "retain_graph=True" in figure.picture.title
    assert len(figure.layout.boxes) <= 2


def graph_line():
    with dg.Graph().as_default() as g:
        a = dg.placeholder((), name="a")
        b = dg.placeholder((), name="b")
        y = 2 * a + 3 * b
        dg.gradients(y, [a, b])
    return g


def test_graph_has_formulas_and_no_values():
    figure = draw(graph_line())
    assert texts(figure, "f")["a"] == ("", ())
    assert texts(figure, "f")["multiply"] == ("3·b", ("3",))
    assert set(texts(figure, "b")) == {"∂add", "∂multiply", "∂add/∂a", "∂add/∂b"}
    assert all(node.value is None for node in figure.picture.nodes if node.kind != "constant")


def mlp(optimizer):
    with dg.Graph("mlp").as_default() as g:
        x = dg.placeholder(("batch", 8), name="x")
        labels = dg.placeholder(("batch",), "int64", name="labels")
        h = x
        for n, (rows, columns) in enumerate([(8, 6), (6, 4), (4, 3)], 1):
            w = dg.Parameter(np.zeros((rows, columns), np.float32), name=f"W{n}")
            c = dg.Parameter(np.zeros(columns, np.float32), name=f"b{n}")
            h = h @ w + c
            h = dg.relu(h) if n < 3 else h
        loss = dg.cross_entropy(h, labels)
        train = optimizer.minimize(loss)
    return g, loss, train


@pytest.mark.parametrize(
    "optimizer", [dg.optim.SGD(), dg.optim.SGD(lr=0.1, momentum=0.9), dg.optim.Adam()]
)
def test_training_graph_is_mirrored(optimizer):
    g, _, _ = mlp(optimizer)
    figure = draw(g)
    labels = set(texts(figure, "b"))
    assert {f"update {kind}{n}" for kind in "Wb" for n in (1, 2, 3)} <= labels
    assert overlaps(figure.layout) == [] and lines_over_boxes(figure.layout) == []
    assert mirror_error(figure.layout) <= 0.2
    # Gradients come by lines, not by badges: each one is explained by the forward graph.
    assert not [p.box.badges for p in figure.layout.boxes if any("∂" in b for b in p.box.badges)]
    written = {(line.source, line.target) for line in figure.layout.lines if line.style == "update"}
    assert all(source[1:] == target[1:] for source, target in written)
    assert len(written) == 6 + isinstance(optimizer, dg.optim.Adam)


def test_learning_rate_and_velocity_are_badges_of_the_update():
    g, _, _ = mlp(dg.optim.SGD(lr=0.1, momentum=0.9))
    assert set(texts(draw(g), "b")["update W1"][1]) == {"lr", "velocity"}
    assert "steps" not in texts(draw(g), "f")  # plain descent does not read it


def test_no_update_is_said_to_use_another_parameter_because_the_learning_rate_is_computed_there():
    # AdamW casts the learning rate once for all parameters, in the update of the first one.
    layer = dg.nn.Linear(3, 2)
    with dg.Graph().as_default() as graph:
        x = dg.placeholder((None, 3), name="x")
        dg.optim.AdamW(layer.parameters(), lr=0.1).minimize(dg.mean(layer(x)))
    figure = dg.draw(graph)
    updates = {p.box.label: p.box for p in figure.layout.boxes if p.box.style == "update"}
    for name in ("update weight", "update bias"):
        uses = [line for line in updates[name].title.split("\n") if line.startswith("uses ")]
        assert sorted(uses) == ["uses lr", "uses mean", "uses square", "uses steps"], name


def test_state_that_all_updates_share_is_one_box():
    g, _, _ = mlp(dg.optim.Adam())
    figure = draw(g)
    assert texts(figure, "b")["update steps"][1] == ("lr",)
    assert "steps" in texts(figure, "f")
    assert "steps" in texts(figure, "b")["update W1"][1]


def test_node_is_drawn_with_what_it_depends_on_only():
    g, loss, train = mlp(dg.optim.SGD())
    forward = draw(loss)
    assert {node.role for node in forward.picture.nodes} == {"forward"}
    assert len(draw(train).picture.nodes) == len(draw(g).picture.nodes)
    assert len(forward.picture.nodes) < len(draw(g).picture.nodes)


def test_gradient_of_a_repeated_input_is_one_sum():
    with dg.Graph().as_default() as g:
        x = dg.placeholder((), name="x")
        y = dg.exp(x) + x * x
        dg.gradients(y, [x])
    figure = draw(g)
    gradients = [line for line in figure.layout.lines if line.style == "gradient"]
    into_x = [line for line in gradients if line.target == "b0"]
    assert len(into_x) == 3  # one from exp, two from x * x
    assert not [p for p in figure.layout.boxes if "∂" in "".join(p.box.badges)]


def test_gradient_through_a_skip_connection():
    with dg.Graph().as_default() as g:
        x = dg.placeholder((2, 4), name="x")
        w = dg.Parameter(np.zeros((4, 4), np.float32), name="w")
        c = dg.Parameter(np.zeros(4, np.float32), name="c")
        k = x
        for _ in range(3):
            k = k + dg.tanh(k @ w + c)
        loss = k.sum()
        dg.gradients(loss, [w, c])
    figure = draw(g)
    assert not [p for p in figure.layout.boxes if "∂" in "".join(p.box.badges)]
    assert lines_over_boxes(figure.layout) == []


def test_second_derivative_is_drawn_in_one_piece():
    with dg.Graph().as_default() as g:
        x = dg.placeholder((), name="x")
        first = dg.gradients(dg.exp(x) * x, x)
        dg.gradients(first, x)
    figure = draw(g)
    assert figure.layout.axis is None
    assert overlaps(figure.layout) == [] and lines_over_boxes(figure.layout) == []


def test_line_of_the_user_is_in_the_tooltip():
    node = next(n for n in draw(graph_line()).picture.nodes if n.label == "add")
    assert node.where.startswith("test_from_graph.py, line") and "2 * a + 3 * b" in node.where


def test_recorded_node_has_no_line_rather_than_a_wrong_one():
    _, _, y = line_of_two()
    assert {node.where for node in draw(y).picture.nodes} == {None}


def test_two_drawings_are_the_same_bytes():
    assert draw(graph_line()).svg == draw(graph_line()).svg


def test_deep_graph_is_drawn_without_recursion():
    h = dg.Tensor(0.5, requires_grad=True, name="h")
    for _ in range(3_000):
        h = h * 1.0
    boxes = [placed.box for placed in draw(h).layout.boxes]
    shown = [(box.label, box.tag) for box in boxes[:3]]
    assert shown == [("h", "= 0.5"), ("multiply", ""), ("multiply", "×2999")]


def test_pictures_are_drawn_as_they_are_and_other_things_refused():
    picture = two_a_plus_three_b()
    assert draw(picture).picture is picture
    with pytest.raises(OperationError, match="list is not something") as caught:
        draw([1, 2])
    assert "dg.draw(loss)" in caught.value.hint


def test_names_of_the_engine_cannot_break_out():
    x = dg.Tensor(1.0, requires_grad=True, name='"><svg onload=alert(1)>')
    figure = draw(x * 2)
    assert "<svg onload" not in figure.svg
    assert isinstance(figure.picture.nodes[0], PictureNode)


def test_formulas_have_their_numbers_put_in():
    a, b = (dg.Tensor(value, requires_grad=True) for value in (-4.0, 5.0))
    y = 2 * a + 3 * b
    numbers = {node.numbers for node in picture_of(y).nodes if node.numbers}
    assert numbers == {"2·(-4) = -8", "3·5 = 15", "-8 + 15 = 7"}
    x = dg.Tensor([[1.0, 2.0]] * 9, requires_grad=True)
    assert not any(node.numbers for node in picture_of(dg.sum(x * x)).nodes)
