"""Variables, assignment, control dependencies, groups and the start-up graph."""

from __future__ import annotations

import numpy as np
import pytest

import dlgraph as dg
from dlgraph.errors import DtypeError, GraphError, ShapeError, UninitialisedError


@pytest.fixture
def g():
    with dg.Graph().as_default() as graph:
        yield graph


# ---- assign


def test_assign_runs_only_when_it_is_asked_for(g):
    w = dg.Parameter(1.0, name="w")
    step = dg.assign(w, dg.variable(w) * 2)
    y = dg.variable(w) + 0
    session = dg.Session(g)
    assert session.run(y) == 1.0 and w.item() == 1.0
    assert session.run(step) == 2.0 and w.item() == 2.0
    assert session.run(y) == 2.0


def test_a_value_computed_from_an_assignment_sees_the_new_value(g):
    w = dg.Parameter(1.0, name="w")
    y = dg.assign(w, dg.variable(w) + 1) * 10
    assert dg.Session(g).run(y) == 20.0 and w.item() == 2.0


def test_all_reads_of_a_run_see_the_value_from_before_unless_ordered(g):
    w = dg.variable(dg.Parameter(1.0, name="w"))
    step = dg.assign(w, w + 1)
    with g.control_dependencies([step]):
        after = dg.read(w)
        late = w * 10  # made inside, but reads the node that was read before
    before = w * 100
    assert dg.Session(g).run([w, after, late, before, step]) == [1.0, 2.0, 10.0, 100.0, 2.0]


def test_control_dependencies_pull_in_what_was_not_fetched(g):
    w = dg.variable(dg.Parameter(1.0, name="w"))
    step = dg.assign(w, w + 1)
    with g.control_dependencies([step]):
        done = dg.constant(0.0)
    session = dg.Session(g)
    session.run(done)
    assert w.tensor.item() == 2.0
    assert done.record.control == (step.index,) and "after assign" in str(g)


def test_control_dependencies_nest(g):
    w = dg.variable(dg.Parameter(1.0, name="w"))
    first, second = dg.assign(w, w + 1), dg.assign(w, w * 10)
    with g.control_dependencies([first]), g.control_dependencies([second]):
        inner = dg.constant(1.0)
    outside = dg.constant(1.0)
    assert inner.record.control == (first.index, second.index) and outside.record.control == ()


def test_assignments_in_an_order(g):
    w = dg.variable(dg.Parameter(3.0, name="w"))
    first = dg.assign(w, w + 1)
    with g.control_dependencies([first]):
        second = dg.assign(w, dg.read(w) * 10)
    assert dg.Session(g).run([first, second]) == [4.0, 40.0]


@pytest.mark.parametrize(
    ("value", "error"),
    [
        (np.ones(3, np.float32), ShapeError),
        (1.0, ShapeError),
        (np.ones(2), DtypeError),
        (np.ones(2, "int64"), DtypeError),
        ([["a", "b"]], DtypeError),
    ],
)
def test_assignment_never_converts_or_stretches(g, value, error):
    w = dg.Parameter([1.0, 2.0], name="w")
    with pytest.raises(error):
        dg.assign(w, value)


def test_bare_numbers_take_the_dtype_of_the_variable(g):
    w = dg.Parameter(np.ones(2), name="w")
    dg.Session(g).run(dg.assign(w, [3, 4]))
    assert w.tolist() == [3.0, 4.0] and w.dtype == np.float64


def test_only_variables_can_be_assigned_and_read(g):
    x = dg.placeholder((), name="x")
    with pytest.raises(GraphError, match="assign: 'x' is not a variable"):
        dg.assign(x, 1.0)
    with pytest.raises(GraphError, match="read: 'x' is not a variable"):
        dg.read(x)
    with pytest.raises(GraphError, match="read: float is not a variable"):
        dg.read(3.0)


def test_a_size_known_only_at_run_time_is_checked_then():
    w = dg.Parameter(np.zeros(2, np.float32), name="w")
    with dg.Graph().as_default() as g:
        x = dg.placeholder((None,), name="x")
        step = dg.assign(w, x)
    session = dg.Session(g)
    session.run(step, {x: [1.0, 2.0]})
    assert w.tolist() == [1.0, 2.0]
    with pytest.raises(ShapeError, match=r"holds \(2,\) float32.*\(3,\) float32"):
        session.run(step, {x: [1.0, 2.0, 3.0]})
    assert w.tolist() == [1.0, 2.0] and w.shape == (2,)


# ---- group


def test_a_group_runs_all_and_returns_nothing(g):
    v, w = dg.variable(dg.Parameter(1.0, name="v")), dg.variable(dg.Parameter(2.0, name="w"))
    both = dg.group([dg.assign(v, v + 1), dg.assign(w, w + 1)], name="both")
    assert dg.Session(g).run(both) is None and dg.Session(g).run({"done": "both"}) == {"done": None}
    assert (v.tensor.item(), w.tensor.item()) == (3.0, 4.0)


def test_an_empty_group_does_nothing(g):
    assert dg.Session(g).run(dg.group([])) is None


def test_a_group_of_two_graphs_is_refused(g):
    with dg.Graph().as_default():
        other = dg.constant(1.0)
    with pytest.raises(dg.errors.DlgraphError, match="another graph"):
        dg.group([dg.constant(1.0), other])


# ---- the start-up graph


@pytest.fixture
def model(g):
    return dg.nn.Sequential(dg.nn.Linear(3, 4), dg.nn.Linear(4, 2))


def test_initialisers_are_nodes_of_the_startup_graph(g, model):
    assert len(g) == 0
    nodes = g.startup.nodes
    variables = [n.name for n in nodes if n.primitive.name == "variable"]
    assert variables == ["weight", "bias", "weight_1", "bias_1"]
    assert [n.primitive.name for n in nodes].count("random_uniform") == 2
    assert "assign_1          (4,) float32    bias := constant\n" in str(g.startup)
    assert all(p._data is None for p in model.parameters())


def test_startup_gives_values_and_again_other_random_ones(g, model):
    session = dg.Session(g)
    assert session.run(g.startup) is None
    first = model.state_dict()
    session.run(g.startup)
    second = model.state_dict()
    assert not np.array_equal(first["0.weight"], second["0.weight"])
    assert np.array_equal(first["0.bias"], second["0.bias"])
    assert all(p.dtype == np.float32 and p.is_leaf for p in model.parameters())


def test_the_same_seed_gives_the_same_startup():
    def weights():
        dg.seed(3)
        with dg.Graph().as_default() as g:
            model = dg.nn.Linear(3, 2)
        dg.Session(g).run(g.startup)
        return model.weight.tolist()

    assert weights() == weights()


def test_a_parameter_is_uninitialised_until_then(g, model):
    y = model(dg.placeholder((None, 3), name="x"))
    session = dg.Session(g)
    with pytest.raises(UninitialisedError, match=r"'0\.weight' has no value yet") as caught:
        session.run(y, {"x": [[1.0, 2.0, 3.0]]})
    assert caught.value.node == "sequential/0/weight"
    assert "session.run(graph.startup)" in caught.value.hint
    for ask in (
        model.state_dict,
        lambda: model.parameters()[0].numpy(),
        lambda: float(model.parameters()[0]),
    ):
        with pytest.raises(UninitialisedError):
            ask()
    weight = model.parameters()[0]
    assert (weight.shape, weight.dtype, weight.ndim) == ((3, 4), np.float32, 2)
    assert repr(weight) == "Parameter(not initialised, float32)"
    session.run(g.startup)
    assert session.run(y, {"x": [[1.0, 2.0, 3.0]]}).shape == (1, 2)


def test_loading_values_initialises_too(g, model):
    values = {n: np.ones(p.shape, p.dtype) for n, p in model.named_parameters()}
    model.load_state_dict(values)
    y = model(dg.placeholder((None, 3), name="x"))
    assert dg.Session(g).run(y, {"x": [[1.0, 1.0, 1.0]]}).tolist() == [[17.0, 17.0]]


def test_startup_is_not_part_of_the_graph_itself(g, model):
    before = g.structure_hash()
    assert g.startup is g.startup and g.startup is not g
    assert g.structure_hash() == before


def test_a_graph_without_parameters_has_an_empty_startup(g):
    dg.placeholder((), name="x")
    assert dg.Session(g).run(g.startup) is None


def test_the_startup_of_another_graph_is_refused(g):
    with pytest.raises(dg.errors.FetchError, match="is not the start-up graph of"):
        dg.Session(g).run(dg.Graph().startup)


def test_parameters_made_eagerly_are_not_initialised_again(g):
    ready = dg.Parameter([5.0], name="ready")
    dg.variable(ready)
    dg.Session(g).run(g.startup)
    assert ready.tolist() == [5.0]


def test_an_uninitialised_model_says_so_in_eager_code():
    with dg.Graph().as_default():
        model = dg.nn.Linear(3, 2)
    with pytest.raises(UninitialisedError, match="weight"):
        model(dg.Tensor([[1.0, 2.0, 3.0]]))


def test_one_node_stands_for_a_list_of_one(g):
    w = dg.variable(np.zeros(3, "float32"), name="w")
    step = dg.assign(w, w + 1.0)
    both = dg.group(step)
    with g.control_dependencies(step), g.control_dependencies(both):
        after = dg.read(w)
    assert "slice" not in [node.primitive.name for node in g.nodes]
    assert dg.Session(g).run(after).tolist() == [1.0, 1.0, 1.0]


def test_what_is_read_while_training_and_in_tests_has_one_form(g):
    x = dg.placeholder((None, 3), name="x")
    for other, error in (
        (dg.placeholder((4,)), dg.errors.ShapeError),
        (dg.placeholder((None, 3), "int64"), dg.errors.DtypeError),
        (1.0, dg.errors.ShapeError),
    ):
        with pytest.raises(error, match="what reads it takes one form"):
            dg.train_or_test(x, other)
    assert dg.train_or_test(x * 2, x).shape == x.shape


@pytest.mark.parametrize("dtype", [None, object, "U3", "V4"])
def test_placeholders_hold_numbers(g, dtype):
    x = dg.placeholder((2,), name="x")
    for make in (
        lambda: dg.placeholder((2,), dtype),
        lambda: x.astype(dtype),
        lambda: dg.Tensor([1.0]).astype(dtype),
        lambda: dg.zeros((2,), dtype),
    ):
        with pytest.raises(dg.errors.DtypeError, match=r"cannot compute with|None is not an elem"):
            make()


@pytest.mark.parametrize("shape", [5.5, object(), "ab"])
def test_what_cannot_be_gone_through_is_no_shape(g, shape):
    with pytest.raises(dg.errors.ShapeError, match="a shape is a tuple of sizes"):
        dg.placeholder(shape)


@pytest.mark.parametrize(
    ("shape", "words"),
    [
        ((1,) * 65, "65 axes, an array has at most 64"),
        ((None,) * 65, "65 axes"),
        ((2, 2**70), f"the size {2**70} is larger than that of any array"),
        ((2**63,), "larger than that of any array"),
    ],
)
def test_shapes_that_no_array_has_are_refused(shape, words):
    with dg.Graph().as_default() as g:
        with pytest.raises(dg.errors.ShapeError, match=words):
            dg.placeholder(shape)
        assert len(g) == 0
        assert dg.placeholder((1,) * 64).ndim == 64
        assert dg.placeholder((2**63 - 1,)).shape == (2**63 - 1,)


def test_a_group_is_of_nodes_or_their_names():
    with dg.Graph().as_default() as g:
        w = dg.variable(1.0, name="w")
        dg.assign(w, w + 1, name="step")
        for wrong in (None, 5):
            with pytest.raises(GraphError, match=f"of nodes, not {type(wrong).__name__}"):
                dg.group(wrong)
        for wrong in ("x", ["x"], ["step", "x"]):
            with pytest.raises(dg.errors.FetchError, match="has no node called 'x'"):
                dg.group(wrong)
        named, listed = dg.group("step"), dg.group(["step"])
    session = dg.Session(g)
    assert session.run([named, listed]) == [None, None] and session.run(w) == 2.0
