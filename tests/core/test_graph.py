"""Graph: names, scopes, links, text, one node per variable."""

from __future__ import annotations

import numpy as np
import pytest

import dlgraph as dg
from dlgraph.errors import DtypeError, FetchError, GraphError, ShapeError


@pytest.fixture
def g():
    with dg.Graph().as_default() as graph:
        yield graph


def kinds(graph):
    return [node.primitive.name for node in graph.nodes]


# ---- names and scopes


def test_names_are_unique_and_count_up(g):
    x = dg.placeholder((), name="x")
    names = [(x + x).name for _ in range(3)] + [dg.placeholder((), name="x").name]
    assert names == ["add", "add_1", "add_2", "x_1"]


def test_a_given_name_that_looks_counted_is_stepped_over(g):
    assert dg.placeholder((), name="x_1").name == "x_1"
    assert [dg.placeholder((), name="x").name for _ in range(3)] == ["x", "x_2", "x_3"]


def test_a_given_name_that_was_counted_already_is_counted_further(g):
    for _ in range(2):
        dg.placeholder((), name="x")
    names = [dg.placeholder((), name="x_1").name for _ in range(2)]
    assert names == ["x_1_1", "x_1_2"]
    assert len({node.name for node in g.nodes}) == 4


def test_scopes_nest_and_are_restored(g):
    x = dg.placeholder((), name="x")
    with dg.name_scope("outer") as outer:
        first = x + 1
        with dg.name_scope("inner") as inner:
            second = x * 2
        third = x - 3
    last = x / 4
    assert (outer, inner) == ("outer", "outer/inner")
    assert [n.name for n in (first, second, third, last)] == [
        "outer/add",
        "outer/inner/multiply",
        "outer/subtract",
        "divide",
    ]
    assert (second.scope, last.scope) == ("outer/inner", "")


def test_a_scope_may_be_opened_twice_and_named_with_slashes(g):
    x = dg.placeholder((), name="x")
    names = []
    for _ in range(2):
        with dg.name_scope("a/b"):
            names.append((x + 1).name)
    assert names == ["a/b/add", "a/b/add_1"]


def test_a_scope_ends_with_an_error(g):
    x = dg.placeholder((), name="x")
    with pytest.raises(ZeroDivisionError), dg.name_scope("broken"):
        1 / 0  # noqa: B018
    assert (x + 1).name == "add"


@pytest.mark.parametrize("name", ["a b", "", "a//b", "/", "<script>", 3, None, "a.b"])
def test_a_scope_has_a_plain_name(name):
    with pytest.raises(GraphError, match="letters, digits and underscores"), dg.name_scope(name):
        pass


def test_a_node_is_called_by_text(g):
    with pytest.raises(GraphError, match="not by 3"):
        dg.placeholder((), name=3)
    assert len(g) == 0


def test_each_graph_starts_outside_all_scopes():
    with dg.Graph().as_default(), dg.name_scope("outer"), dg.Graph().as_default():
        assert dg.placeholder((), name="x").name == "x"


def test_modules_open_a_scope_of_their_name(g):
    class Model(dg.nn.Module):
        def __init__(self):
            self.hidden = [dg.nn.Linear(2, 2), dg.nn.Linear(2, 2)]

        def forward(self, x):
            for layer in self.hidden:
                x = layer(x)
            return x

    Model()(dg.placeholder((None, 2), name="x"))
    assert [n.name for n in g.nodes] == [
        "x",
        "model/hidden_0/weight",
        "model/hidden_0/matmul",
        "model/hidden_0/bias",
        "model/hidden_0/add",
        "model/hidden_1/weight",
        "model/hidden_1/matmul",
        "model/hidden_1/bias",
        "model/hidden_1/add",
    ]


# ---- nodes


def test_a_node_is_one_object_as_long_as_it_is_held(g):
    x = dg.placeholder((), name="x")
    y = x * x
    assert g.node("x") is x and g.nodes[0] is x and y.inputs == (x, x) and g.node(y) is y
    assert {x: "fed"}[g.node("x")] == "fed"


def test_a_node_tells_what_it_is(g):
    x = dg.placeholder((None, 3), name="x")
    y = x.sum(axis=1, keepdims=True)
    assert (y.primitive, y.inputs, y.shape[1], y.dtype, y.ndim) == (
        dg.sum,
        (x,),
        1,
        np.float32,
        2,
    )
    assert y.attrs == {"axis": 1, "keepdims": True}
    assert (y.role, y.twin, y.tensor) == ("forward", None, None)
    assert "x.sum(axis=1, keepdims=True)" in y.where.text and "test_graph.py" in y.where.file
    assert repr(y) == "<Node sum (?, 1) float32, not run yet>"


def test_nodes_cannot_be_changed(g):
    x = dg.placeholder((), name="x")
    for name in ("name", "spec", "index", "anything"):
        with pytest.raises(AttributeError, match=f"cannot be changed.*'{name}'"):
            setattr(x, name, 3)
    with pytest.raises(AttributeError):
        x.record.name = "other"
    with pytest.raises(ValueError, match="read-only"):
        dg.constant([1.0]).attrs["value"][0] = 2.0


def test_text_of_a_graph(g):
    x = dg.placeholder(("batch", 3), name="x")
    w = dg.variable(dg.Parameter(np.ones((3, 2), np.float32), name="w"))
    y = (x @ w).sum(axis=1)
    dg.assign(w, w * 0.5)
    assert y.name == "sum"
    assert str(g).splitlines() == [
        "graph with 7 nodes",
        "  x         (batch, 3) float32  placeholder",
        "  w         (3, 2) float32      variable",
        "  matmul    (batch, 2) float32  x @ w",
        "  sum       (batch,) float32    sum(matmul)  [axis=1]",
        "  constant  () float32          constant = 0.5",
        "  multiply  (3, 2) float32      w * constant",
        "  assign    (3, 2) float32      w := multiply",
    ]
    assert repr(g) == "<Graph with 7 nodes>" and len(g) == 7 and bool(dg.Graph())
    assert str(dg.Graph("empty")) == "graph empty with 0 nodes"


def test_long_constants_are_shortened_in_print(g):
    dg.constant(np.arange(1000.0))
    assert len(str(g)) < 200


def test_nodes_that_are_not_there_are_named_with_their_neighbours(g):
    dg.placeholder((), name="image")
    with pytest.raises(FetchError, match="no node called 'Imgae'") as caught:
        g.node("Imgae")
    assert caught.value.hint == "did you mean 'image'?"
    with pytest.raises(FetchError, match="not int"):
        g.node(3)


# ---- one node per variable; constants


def test_one_variable_node_per_tensor(g):
    w = dg.Parameter([1.0, 2.0], name="w")
    node = dg.variable(w)
    assert dg.variable(w) is node and dg.variable(w, name="other") is node
    x = dg.placeholder((2,), name="x")
    x * w + w
    assert kinds(g).count("variable") == 1
    assert g.node(w) is node and node.tensor is w


def test_a_variable_of_values_makes_its_own_parameter(g):
    node = dg.variable([1, 2.5], name="w")
    assert isinstance(node.tensor, dg.Parameter)
    assert (node.tensor.name, node.tensor.tolist(), node.dtype) == ("w", [1.0, 2.5], np.float32)
    with pytest.raises(GraphError, match="'w' is a node already"):
        dg.variable(node)


def test_plain_tensors_are_constants_with_the_value_of_now(g):
    t = dg.Tensor([1.0, 2.0], name="t")
    y = dg.placeholder((2,), name="x") * t
    t.assign([5.0, 5.0])
    assert "variable" not in kinds(g)
    assert dg.Session(g).run(y, {"x": [1.0, 1.0]}).tolist() == [1.0, 2.0]


def test_a_leaf_that_requires_gradients_is_a_variable(g):
    t = dg.Tensor([1.0, 2.0], requires_grad=True)
    y = dg.placeholder((2,), name="x") * t
    t.assign([5.0, 5.0])
    assert dg.Session(g).run(y, {"x": [1.0, 1.0]}).tolist() == [5.0, 5.0]


def test_inside_the_block_nothing_is_computed(g):
    w, offset = dg.Parameter([1.0, 2.0], name="w"), dg.Tensor([1.0, 1.0])
    y = (w * w).sum() + offset.sum()
    assert isinstance(y, dg.Node)
    w.assign([3.0, 4.0])
    assert dg.Session(g).run(y) == 27.0


def test_what_was_computed_eagerly_cannot_enter_a_graph():
    a = dg.Tensor(2.0, requires_grad=True)
    product = a * 3
    with dg.Graph().as_default() as g:
        x = dg.placeholder((), name="x")
    with pytest.raises(
        GraphError, match=r"product \(\) float32 was computed eagerly \(by multiply"
    ) as caught:
        x + product
    assert "detach" in caught.value.hint
    assert dg.Session(g).run(x + product.detach(), {"x": 1.0}) == 7.0


def test_a_constant_is_a_copy(g):
    array = np.ones(2, np.float32)
    c = dg.constant(array)
    array[0] = 9
    assert dg.Session(g).run(c).tolist() == [1.0, 1.0]


def test_nodes_of_two_graphs_do_not_mix(g):
    with dg.Graph("other").as_default():
        other = dg.placeholder((), name="z")
    x = dg.placeholder((), name="x")
    for combine in (lambda: x + other, lambda: dg.concatenate([x[None], other[None]])):
        with pytest.raises(GraphError, match="of another graph"):
            combine()


def test_a_fetch_from_elsewhere_says_where_it_was_made(g):
    with dg.Graph("other").as_default():
        other = dg.placeholder((), name="z")
    with pytest.raises(FetchError, match="another graph") as caught:
        dg.Session(g).run(other)
    assert "test_graph.py" in caught.value.extra["made at"]
    leaked = []
    dg.while_loop(lambda i: i < 3, lambda i: (leaked.append(i * 2) or i + 1,), (dg.constant(0),))
    with pytest.raises(FetchError, match="'multiply' is a node of another graph") as caught:
        dg.Session(g).run(leaked[0])
    assert "only inside a loop" in caught.value.hint


def test_a_value_that_took_the_name_of_its_node_is_no_fetch(g):
    x = dg.placeholder((2,), name="x")
    loss, session = x.sum(), dg.Session(g)
    with pytest.raises(FetchError, match="not float32") as caught:
        for _ in range(2):
            loss = session.run(loss, {x: [1.0, 2.0]})
    assert "value = session.run(node, feed)" in caught.value.hint


def test_outside_a_graph_there_are_no_placeholders():
    for make in (
        lambda: dg.placeholder((3,)),
        lambda: dg.constant(1.0),
        lambda: dg.variable(1.0),
        lambda: dg.group([]),
    ):
        with pytest.raises(GraphError, match="belongs to a graph, and none is open"):
            make()


def test_operations_on_nodes_need_no_open_graph():
    with dg.Graph().as_default() as graph:
        x = dg.placeholder((), name="x")
    y = x * 2 + 1
    assert y.graph is graph and dg.Session(graph).run(y, {x: 3.0}) == 7.0


@pytest.mark.parametrize("shape", [3, "batch", None, (3.5,), (-1,), (True,), ("n", [2])])
def test_a_placeholder_has_a_tuple_of_sizes(g, shape):
    with pytest.raises(ShapeError, match=r"placeholder\(shape="):
        dg.placeholder(shape)


def test_a_size_may_be_zero(g):
    x = dg.placeholder((0, None), name="x")
    assert dg.Session(g).run(x.sum(axis=0), {x: np.zeros((0, 2), np.float32)}).tolist() == [0, 0]


def test_a_placeholder_has_an_element_type(g):
    with pytest.raises(DtypeError, match="'flaot' is not an element type"):
        dg.placeholder((), "flaot")
    assert dg.placeholder([2, None], np.int32).dtype == np.int32


@pytest.mark.parametrize("number", [99, -1, "x", None])
def test_a_number_of_no_node_is_told(number):
    with dg.Graph().as_default() as g:
        x = dg.placeholder((), name="x")
    with pytest.raises(FetchError, match=f"has no node number {number!r}"):
        g.handle(number)
    assert g.handle(0) is x is g.handle(np.int64(0))
