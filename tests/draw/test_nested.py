"""Loops, branches and calls: one box each, their values as ports, their inside on request."""

from __future__ import annotations

import re

import numpy as np
import pytest

import dlgraph as dg
from dlgraph.draw import draw, theme
from dlgraph.draw.boxes import PORTS, port_places
from dlgraph.draw.figure import Figure
from dlgraph.draw.scene import build_scene
from dlgraph.draw.text import text_width
from dlgraph.errors import OperationError
from tests.draw.examples import branches, rnn_loop
from tests.draw.geometry import lines_over_boxes, mirror_error, overlaps, texts_outside


def box(figure, label, half="f"):
    (found,) = (p.box for p in figure.layout.boxes if p.box.label == label and p.box.key[0] == half)
    return found


def labels(figure, half="f"):
    return sorted(p.box.label for p in figure.layout.boxes if p.box.key[0] == half)


def recurrent(reverse=False):
    with dg.Graph().as_default() as g:
        x = dg.placeholder((7, 4, 3), name="x")
        w = dg.Parameter(np.zeros((3, 5), np.float32), name="w")
        u = dg.Parameter(np.zeros((5, 5), np.float32), name="u")

        def turn(h, row):
            h = dg.tanh(row @ w + h @ u)
            return h, h

        last, states = dg.scan(turn, np.zeros((4, 5), np.float32), x, reverse=reverse)
        loss = last.sum() + states.mean()
        dg.optim.SGD(lr=0.1).minimize(loss)
    return g, loss


def loop_body(g, name, key="body"):
    return next(r.attrs[key] for r in g.records if r.primitive.name == name)


def chosen():
    with dg.Graph().as_default() as g:
        x = dg.placeholder((), name="x")
        w = dg.Parameter(2.0, name="w")
        y = dg.cond(x > 0, lambda x: x * x * w + dg.exp(x), lambda x: -x, x)
        dg.gradients(y, [x, w])
    return g, y


def test_loop_with_its_training_step_is_one_box_and_one_gradient():
    g, loss = recurrent()
    figure = draw(g)
    assert figure.picture.outputs == (loss.index,)
    assert labels(figure) == ["loss", "mean", "scan", "sum", "u", "w", "x"]
    assert box(figure, "scan").style == "loop"
    assert box(figure, "scan").detail == "7 turns of 4 operations"
    assert labels(figure, "b") == ["update u", "update w", "∂loss", "∂mean", "∂scan", "∂sum"]
    assert not [p.box.badges for p in figure.layout.boxes if any("∂" in b for b in p.box.badges)]
    assert overlaps(figure.layout) == [] and lines_over_boxes(figure.layout) == []
    assert mirror_error(figure.layout) <= 0.2
    assert texts_outside(figure.svg, figure.layout, text_width) == []


def test_values_that_leave_a_loop_are_ports():
    g, _ = recurrent()
    figure = draw(g)
    scan = box(figure, "scan")
    assert sorted(scan.ports) == ["[0]", "[1]"]
    starts = {
        line.points[0][0]: line.target for line in figure.layout.lines if line.source == scan.key
    }
    targets = {p.box.key: p.box.label for p in figure.layout.boxes}
    left_to_right = [targets[starts[x]] for x in sorted(starts)]
    reader = {"[0]": "sum", "[1]": "mean"}
    assert left_to_right == [reader[port] for port in scan.ports]
    assert f"gives {', '.join(scan.ports)}" in figure.describe()


def test_ports_are_called_by_the_variables_of_the_caller():
    with dg.Graph().as_default():
        x = dg.placeholder((3,), name="x")
        total, sums = dg.scan(lambda s, row: (s + row, s), 0.0, x)
        y = total + sums.sum()
    assert sorted(box(draw(y), "scan").ports) == ["sums", "total"]


def test_loop_of_which_one_value_is_used_has_one_result():
    with dg.Graph().as_default() as g:
        x = dg.placeholder((3,), name="x")
        loss = dg.scan(lambda s, row: (s + row, s), 0.0, x)[0] * 2.0
        dg.gradients(loss, x)
    figure = draw(g)
    assert figure.picture.outputs == (loss.index,)
    assert box(figure, "scan").ports == ("[0]",)
    assert "∂loss/∂x" in labels(figure, "b")


@pytest.mark.parametrize(
    ("length", "reverse", "words"),
    [
        (1, False, "1 turn of 1 operation"),
        (7, True, "7 turns from the end of 1 operation"),
        (None, False, "1 operation per turn"),
    ],
)
def test_turns_are_counted_where_they_are_known(length, reverse, words):
    with dg.Graph().as_default():
        x = dg.placeholder((length,), name="x")
        y = dg.scan(lambda s, row: (s + row, None), 0.0, x, reverse=reverse)[0]
    assert box(draw(y), "y").detail == words


def test_branch_says_what_is_on_either_side_and_takes_the_name_of_its_value():
    g, y = chosen()
    figure = draw(g)
    assert figure.picture.outputs == (y.index,)
    found = box(figure, "y")
    assert (found.tag, found.style, found.ports) == ("cond", "branch", ())
    assert found.detail == "then 4 operations, otherwise 1"
    assert labels(figure, "b") == ["∂y", "∂y/∂w", "∂y/∂x"]
    assert str(figure) == "y = cond(greater(x, 0), x, w); 6 backward nodes"


def test_while_loop_with_gradient():
    with dg.Graph().as_default() as g:
        x = dg.placeholder((), name="x")
        state, count = dg.while_loop(
            lambda y, n: y < 100.0, lambda y, n: (y * x, n + 1), (x, np.int64(0))
        )
        z = state * 2.0 + count.astype("float32")
        dg.gradients(z, x)
    figure = draw(g)
    loop = box(figure, "while_loop")
    assert loop.detail == "2 operations per turn"
    assert set(loop.ports) == {"state", "count"}
    assert "∂while_loop" in labels(figure, "b") and "∂z/∂x" in labels(figure, "b")
    assert mirror_error(figure.layout) <= 0.2


def layer_of_two():
    w = dg.Parameter(np.ones((3, 2), np.float32), name="w")

    @dg.function
    def layer(x):
        h = dg.relu(x @ w)
        return h, h.sum()

    x = dg.Tensor(np.ones((4, 3), np.float32), name="x", requires_grad=True)
    return layer, x


def test_recorded_call_has_values_and_gradients():
    layer, x = layer_of_two()
    _, total = layer(x)
    y = total * 2
    assert box(draw(y), "∂y/∂layer", "b").detail == "not computed yet"
    y.backward()
    figure = draw(y)
    assert box(figure, "layer").style == "function"
    assert box(figure, "layer").detail == "3 operations, value total 24"
    assert box(figure, "∂y/∂layer", "b").detail == "total 2"
    assert figure.picture.nodes[-1].value == "48"


def test_rows_of_a_tensor_are_ports_too():
    x = dg.Tensor([1.0, 2.0, 3.0], requires_grad=True, name="x")
    a, b, c = dg.unstack(x)
    z = a * b + c * a
    z.backward(retain_graph=True)
    figure = draw(z)
    assert labels(figure) == ["multiply", "multiply", "rows", "x", "z"]
    assert set(box(figure, "rows").ports) == {"a", "b", "c"}
    assert box(figure, "∂z/∂unstack(x)", "b").detail == "a 5, b 1, c 1"


def test_second_derivative_of_a_branch_is_drawn_without_boxes_for_values():
    with dg.Graph().as_default() as g:
        x = dg.placeholder((), name="x")
        y = dg.cond(x > 0, lambda x: x * x * x, lambda x: -x, x)
        dg.gradients(dg.gradients(y, x), x)
    figure = draw(g)
    assert figure.layout.axis is None
    assert not [label for label in labels(figure) if label.startswith("[") or not label]
    assert overlaps(figure.layout) == [] and lines_over_boxes(figure.layout) == []


def test_inside_of_a_loop_is_drawn_on_request():
    g, _ = recurrent()
    figure = draw(loop_body(g, "scan"))
    assert figure.picture.title == "scan"
    assert labels(figure).count("matmul") == 2 and "tanh" in labels(figure)
    assert "step" not in labels(figure)  # the number of the turn is not used
    assert [figure.picture.nodes[-1].id] == list(figure.picture.outputs)


def test_inside_of_a_branch_leaves_out_what_only_the_other_one_reads():
    g, _ = chosen()
    assert "w" in labels(draw(loop_body(g, "cond", "then")))
    assert "w" not in labels(draw(loop_body(g, "cond", "otherwise")))


def test_traced_function_shows_its_latest_trace():
    layer, x = layer_of_two()
    with pytest.raises(OperationError, match="layer was not traced yet"):
        draw(layer)
    layer(x)
    figure = draw(layer)
    assert figure.picture.title == "layer"
    kinds = {node.name: node.kind for node in figure.picture.nodes}
    assert kinds["w"] == "parameter" and "relu" in labels(figure)
    layer(dg.Tensor(np.ones((9, 3), np.float32)))
    assert box(draw(layer), "matmul").detail == "9 × 2"


def test_module_and_plain_function_are_refused_with_a_way_out():
    with pytest.raises(OperationError, match="Linear is not something") as caught:
        draw(dg.nn.Linear(2, 2))
    assert "dg.draw(model, x)" in caught.value.hint
    with pytest.raises(OperationError) as caught:
        draw(len)
    assert "dg.draw(f, x)" in caught.value.hint


class Two(dg.nn.Module):
    def __init__(self):
        super().__init__()
        self.hidden1, self.hidden2 = dg.nn.Linear(4, 3), dg.nn.Linear(3, 2)

    def forward(self, x):
        return self.hidden2(self.hidden1(x))


def test_parameters_of_one_name_are_told_apart_by_their_layer():
    with dg.Graph().as_default() as g:
        loss = Two()(dg.placeholder((5, 4), name="x")).sum()
        dg.optim.SGD().minimize(loss)
    figure = draw(g)
    assert {"hidden1.weight", "hidden2.weight", "hidden1.bias"} <= set(labels(figure))
    assert "update hidden2.weight" in labels(figure, "b")
    with dg.Graph().as_default():
        y = dg.nn.Linear(4, 3)(dg.placeholder((5, 4), name="x"))
    assert {"weight", "bias"} <= set(labels(draw(y)))


def test_only_as_much_of_the_scope_as_is_needed():
    with dg.Graph().as_default() as g:
        for path in ("net/one/cell", "net/two/cell"):
            with dg.name_scope(path):
                dg.placeholder((), name="w") * 2.0
    assert {"one.cell.w", "two.cell.w"} <= set(labels(draw(g)))


def test_row_of_ports_is_inside_its_box():
    scene = build_scene(rnn_loop())
    loop = next(found for found in scene.boxes if found.style == "loop")
    assert loop.ports and loop.height == 44 + PORTS
    assert max(map(abs, port_places(loop.ports))) < loop.width / 2 - theme.STRIP / 2
    image = scene.images[scene.boxes.index(loop)]
    assert image.width >= loop.width  # the gradients arrive at the same places


def test_mark_and_word_tell_loop_branch_and_function_apart():
    svgs = [Figure(picture).svg for picture in (rnn_loop(), branches())]
    for svg, present, missing in zip(
        svgs, (["loop"], ["branch", "function"]), (["branch", "function"], ["loop"]), strict=True
    ):
        words = re.findall(">([a-z]+)</text>", svg)
        assert set(present) <= set(words) and not set(missing) & set(words)


def test_hostile_name_of_a_port_stays_text():
    with dg.Graph().as_default():
        x = dg.placeholder((3,), name="x")
        a, b = dg.scan(lambda s, row: (s + row, s), 0.0, x)
        y = a + b.sum()
    picture = draw(y).picture
    nodes = tuple(
        node if node.kind != "part" else type(node)(node.id, "<b>&", "part", name="<svg onload=1>")
        for node in picture.nodes
    )
    assert "<svg onload" not in Figure(type(picture)(nodes, picture.edges)).svg
