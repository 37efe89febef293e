"""Session: fetching, pruning, plans, errors while running, growing graphs."""

from __future__ import annotations

import gc
import threading
import warnings
import weakref
from typing import NamedTuple

import numpy as np
import pytest

import dlgraph as dg
from dlgraph.errors import (
    FeedError,
    FetchError,
    GrowingGraphWarning,
    LabelError,
    OperationError,
    ShapeError,
)


@pytest.fixture
def g():
    with dg.Graph().as_default() as graph:
        yield graph


class Pair(NamedTuple):
    first: object
    second: object


# ---- fetches


def test_fetches_are_answered_in_their_form(g):
    x = dg.placeholder((), name="x")
    y = x + 1
    session = dg.Session(g)
    feed = {x: 2.0}
    assert session.run(y, feed) == 3.0
    assert session.run([y, x], feed) == [3.0, 2.0]
    assert session.run((y, [x, {"again": y}]), feed) == (3.0, [2.0, {"again": 3.0}])
    named = session.run(Pair(x, (y,)), feed)
    assert type(named) is Pair and named == Pair(2.0, (3.0,))
    assert session.run({"a": {"b": Pair(y, y)}}, feed) == {"a": {"b": Pair(3.0, 3.0)}}
    assert session.run([], feed) == [] and session.run({}) == {}


def test_a_session_in_a_with_statement_runs_and_lets_go_of_its_programs(g):
    x = dg.placeholder((), name="x")
    count = dg.Parameter(dg.Tensor(1.0), name="count")
    y = x + g.variable(count)
    with dg.Session(g) as session:
        assert isinstance(session, dg.Session)
        assert session.run(y, {x: 2.0}) == 3.0
        program = weakref.ref(session.program(y, [x]))
    gc.collect()
    assert program() is None
    assert session.run(y, {x: 3.0}) == 4.0  # the next run makes it again
    with pytest.raises(dg.errors.FeedError), dg.Session(g) as session:
        session.run(y, {x: [1.0, 2.0]})


def test_fetching_by_name_node_and_parameter(g):
    w = dg.Parameter([1.0, 2.0], name="w")
    with dg.name_scope("block"):
        y = dg.variable(w) * 2
    session = dg.Session(g)
    for fetch in (y, "block/multiply", g.nodes[-1]):
        assert session.run(fetch).tolist() == [2.0, 4.0]
    assert session.run(w).tolist() == [1.0, 2.0]
    assert session.run([y, y, "block/w"])[2].tolist() == [1.0, 2.0]


def test_scalars_come_out_as_numbers_and_arrays_as_arrays(g):
    x = dg.placeholder((2,), name="x")
    got = dg.Session(g).run([x.sum(), x, x > 1], {x: [1.0, 2.0]})
    assert type(got[0]) is np.float32 and type(got[1]) is np.ndarray and got[2].dtype == bool


def test_what_is_fetched_cannot_be_changed_later(g):
    w = dg.Parameter([1.0, 2.0], name="w")
    node = dg.variable(w)
    x = dg.placeholder((2,), name="x")
    step = dg.assign(node, node + 1)
    session = dg.Session(g)
    fed = np.array([5.0, 6.0], np.float32)
    got = session.run([node, x, x.reshape(2, 1), node.T, step, dg.constant([7.0])], {x: fed})
    kept = [array.copy() for array in got]
    fed[:] = 0
    session.run(step)
    w.assign([9.0, 9.0])
    for array, before in zip(got, kept, strict=True):
        np.testing.assert_array_equal(array, before)
        array[...] = -1  # and it is ours to change
    assert w.tolist() == [9.0, 9.0]


def test_changing_a_fetched_constant_does_not_change_the_graph(g):
    c = dg.constant([7.0])
    session = dg.Session(g)
    session.run(c)[0] = 1.0
    assert session.run(c).tolist() == [7.0]


@pytest.mark.parametrize("way", ["plain", "reshaped", "sliced", "transposed"])
def test_a_variable_never_aliases_what_was_fed(g, way):
    w = dg.Parameter(np.zeros((2, 2), np.float32), name="w")
    x = dg.placeholder((2, 2), name="x")
    value = {
        "plain": lambda: x,
        "reshaped": lambda: x.reshape(4).reshape(2, 2),
        "sliced": lambda: x[:, :],
        "transposed": lambda: x.T,
    }[way]()
    step = dg.assign(w, value)
    fed = np.ones((2, 2), np.float32)
    dg.Session(g).run(step, {x: fed})
    fed[:] = 5
    assert w.tolist() == [[1.0, 1.0], [1.0, 1.0]]


def test_unknown_fetches(g):
    dg.placeholder((), name="accuracy")
    session = dg.Session(g)
    with pytest.raises(FetchError, match="no node called 'acuracy'") as caught:
        session.run("acuracy")
    assert caught.value.hint == "did you mean 'accuracy'?"
    for wrong, words in [(None, "not NoneType"), (3.0, "not float"), ({"a": object}, "not type")]:
        with pytest.raises(FetchError, match=words):
            session.run(wrong)
    with pytest.raises(FetchError, match="no node of <Graph with 1 node> reads parameter 'w'"):
        session.run(dg.Parameter([1.0], name="w"))
    with pytest.raises(FetchError, match="needs a Graph, not Node"):
        dg.Session(g.nodes[0])


# ---- pruning and plans


def test_only_what_the_fetches_need_is_run(g):
    x = dg.placeholder((), name="x")
    used = dg.exp(x)
    dg.log(x)
    dg.tanh(dg.sin(x))
    calls = []
    with dg.watch(nan=False, call=lambda op, *_: calls.append(op.name)):
        dg.Session(g).run(used, {x: 1.0})
    assert calls == ["exp"]


def test_a_shared_node_runs_once(g):
    x = dg.placeholder((), name="x")
    h = dg.exp(x)
    calls = []
    with dg.watch(nan=False, call=lambda op, *_: calls.append(op.name)):
        dg.Session(g).run([h * h, h + h, h], {x: 1.0})
    assert calls.count("exp") == 1


def test_dropout_is_not_drawn_in_a_test_clone(g):
    x = dg.placeholder((4,), name="x")
    y = dg.nn.Dropout(0.5)(x)
    calls = []
    with dg.watch(nan=False, call=lambda op, *_: calls.append(op.name)):
        dg.Session(g.clone(for_test=True)).run(y, {x: np.ones(4, np.float32)})
    assert "next_key" not in calls and "drop" not in calls


def test_one_plan_per_set_of_fetches_and_feeds(g):
    x, z = dg.placeholder((), name="x"), dg.placeholder((), name="z")
    h = x * 2
    y = h + 1
    session = dg.Session(g)
    plan = session.program(y, [x])
    assert session.program(y, {x: 1.0}) is plan and session.program("add", ["x"]) is plan
    session.run(y, {x: 1.0})
    session.run([y], {x: 2.0})
    assert session.program([y], [x]) is plan
    others = [
        session.program([y, h], [x]),
        session.program(y, [h]),
        session.program(y, [x, z]),
        dg.Session(g).program(y, [x]),
    ]
    assert len({id(one) for one in [plan, *others]}) == 5
    assert session.program(y, [z, x]) is session.program(y, [x, z])
    count = len(session._programs)
    session.run(y, {x: 1.0, z: 2.0})
    session.run(y, {z: 2.0, x: 1.0})
    assert len(session._programs) == count


def test_a_plan_in_print(g):
    x, y = dg.placeholder((), name="x"), dg.placeholder((), name="y")
    z = dg.exp(x * 3) - y
    assert str(dg.Session(g).program([z], [x, y])).splitlines() == [
        "program with 4 steps for subtract",
        "  constant = 3.0",
        "  multiply = x * constant",
        "  exp = exp(multiply)",
        "  subtract = exp - y",
    ]


def test_values_are_dropped_after_their_last_reader(g):
    x = dg.placeholder((2,), name="x")
    h = x + 1
    for _ in range(5):
        h = dg.exp(h) * 0
    program = dg.Session(g).program(h, [x])
    alive = most = 1
    for step in program.steps:
        alive += 1
        most = max(most, alive)
        alive -= len(step.drop)
    assert most <= 4 and alive == 1


# ---- errors at run time


def test_a_mismatch_at_run_time_names_node_shapes_and_building_line(g):
    a, b = dg.placeholder((None,), name="a"), dg.placeholder((None,), name="b")
    with dg.name_scope("block"):
        y = a * 2 + b  # built here
    session = dg.Session(g)
    with pytest.raises(ShapeError) as caught:
        session.run(y, {a: [1.0, 2.0, 3.0], b: [1.0, 2.0]})
    error = caught.value
    assert error.what.startswith("add: block/multiply (3,) + b (2,): shapes (3,) and (2,) do not")
    assert error.node == "block/add" and "# built here" in error.where.text
    assert session.run(y, {a: [1.0], b: [1.0]}).tolist() == [3.0]


def test_a_failed_run_leaves_the_variables_of_the_step_alone(g):
    w = dg.variable(dg.Parameter(1.0, name="w"))
    a, b = dg.placeholder((None,), name="a"), dg.placeholder((None,), name="b")
    step = dg.assign(w, w + (a * b).sum())
    session = dg.Session(g)
    with pytest.raises(ShapeError):
        session.run(step, {a: [1.0, 2.0], b: [1.0, 2.0, 3.0]})
    assert w.tensor.item() == 1.0
    assert session.run(step, {a: [1.0], b: [2.0]}) == 3.0


def test_a_label_out_of_range_at_run_time_names_the_loss(g):
    logits, labels = dg.placeholder((None, 3), name="z"), dg.placeholder((None,), "int64", name="t")
    loss = dg.cross_entropy(logits, labels)  # the loss
    with pytest.raises(dg.errors.LabelError, match="label 3 at position") as caught:
        dg.Session(g).run(loss, {logits: np.zeros((2, 3), np.float32), labels: np.array([0, 3])})
    assert caught.value.node == "mean_cross_entropy" and "# the loss" in caught.value.where.text


# ---- growing graphs


def test_a_graph_that_grows_in_the_loop_is_warned_about_once(g):
    x = dg.placeholder((), name="x")
    session = dg.Session(g)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for _ in range(10):
            y = x * 2  # built in the loop
            session.run(y, {x: 1.0})  # run in the loop
    (warning,) = caught
    assert warning.category is GrowingGraphWarning
    text = str(warning.message)
    assert "grew between the last 3 runs, by 2 nodes before this one" in text
    assert "# built in the loop" in text and "hint" in text
    assert warning.filename == __file__


def test_building_between_runs_is_normal(g):
    x = dg.placeholder((), name="x")
    session = dg.Session(g)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(2):
            session.run(x * 2, {x: 1.0})
        for _ in range(5):
            session.run(x, {x: 1.0})
        for _ in range(2):
            session.run(x * 3, {x: 1.0})
        session.run(x, {x: 1.0})
        session.run(g.startup)


def test_building_models_and_startup_in_turn_is_normal(g):
    session = dg.Session(g)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(5):
            dg.nn.Linear(2, 2)
            session.run(g.startup)


# ---- several sessions


def test_sessions_of_one_graph_share_the_variables(g):
    w = dg.variable(dg.Parameter(1.0, name="w"))
    step = dg.assign(w, w + 1)
    one, two = dg.Session(g), dg.Session(g)
    one.run(step)
    two.run(step)
    assert one.run(w) == 3.0


def test_sessions_run_in_several_threads(g):
    x = dg.placeholder((None,), name="x")
    y = (dg.exp(x) * 2).sum()
    results = {}

    def work(k):
        session = dg.Session(g)
        value = np.full(50, k / 10, np.float32)
        results[k] = {session.run(y, {x: value}).item() for _ in range(50)}

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for k, found in results.items():
        wanted = (np.exp(np.full(50, k / 10, np.float32)) * np.float32(2)).sum()
        assert found == {float(wanted)}


def test_run_steps_gives_what_as_many_runs_give():
    with dg.Graph().as_default() as g:
        x = dg.placeholder((2,), name="x")
        w = dg.variable(np.zeros(2, "float32"), name="w")
        step = dg.assign(w, w + x)
        total = dg.sum(dg.read(w))
    xs = np.arange(6, dtype="float32").reshape(3, 2)
    found, (again, nothing) = dg.Session(g).run_steps((step, [total, dg.group([step])]), {x: xs})
    assert isinstance(again, np.ndarray) and again.shape == (3,) and nothing is None
    np.testing.assert_array_equal(found, np.cumsum(xs, 0))


@pytest.mark.parametrize("values", [({},), ({"x": 1.0},), ({"x": [1.0], "z": [1.0, 2.0]},)])
def test_run_steps_needs_the_same_number_of_steps_everywhere(values):
    with dg.Graph().as_default() as g:
        x, z = dg.placeholder((), name="x"), dg.placeholder((), name="z")
        y = x + z
    with pytest.raises(dg.errors.FeedError, match="first axis of every value counts the steps"):
        dg.Session(g).run_steps(y, values[0])


def test_run_steps_refuses_what_run_refuses():
    with dg.Graph().as_default() as g:
        x = dg.placeholder((2,), name="x")
        y = x * 2
    with pytest.raises(dg.errors.FeedError, match="was fed with float64"):
        dg.Session(g).run_steps(y, {x: np.zeros((3, 2))})
    with pytest.raises(dg.errors.FeedError, match="was fed with shape"):
        dg.Session(g).run_steps(y, {x: np.zeros((3, 4), "float32")})


def test_a_session_says_what_it_runs_and_how(g):
    dg.placeholder((), name="x")
    assert repr(dg.Session(g)) == "Session(<Graph with 1 node>, executor='planned')"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"exact": "no"}, r"Session\(exact='no'\): exact is True or False"),
        ({"exact": 0}, "exact is True or False"),
        ({"check": "no"}, r"Session\(check='no'\): check is True or False"),
        ({"check": None}, "check is True or False"),
        ({"level": 7}, r"Session\(level=7\): there are levels 0, 1, 2 and 3"),
        ({"level": "2"}, "there are levels"),
        ({"executor": ["planned"]}, r"there is no executor \['planned'\]"),
    ],
)
def test_options_of_a_session_that_mean_nothing_are_refused(options, words):
    with pytest.raises(OperationError, match=words):
        dg.Session(dg.Graph(), **options)
    assert dg.Session(dg.Graph(), exact=np.True_, check=False, level=0)


@pytest.mark.parametrize("name", ["feed_dict", "feeds"])
def test_what_is_fed_under_another_name_is_told_ours(name):
    with dg.Graph().as_default() as g:
        x = dg.placeholder((), name="x")
        y = x * 2
    with pytest.raises(FeedError, match=f"session.run has no argument {name}") as caught:
        dg.Session(g).run(y, **{name: {x: 1.0}})
    assert "feed={x: value}" in caught.value.hint
    assert dg.Session(g).run(y, feed={x: 1.0}) == 2.0


def test_a_program_is_asked_for_with_nodes():
    with dg.Graph().as_default() as g:
        x = dg.placeholder((), name="x")
        y = x * 2
    with pytest.raises(FeedError, match="what will be fed is nodes, not int"):
        dg.Session(g).program(y, 5)
    session = dg.Session(g)
    assert session.program(y, x) is session.program(y, "x") is session.program(y, [x])


def test_what_no_fetch_needs_does_not_fail():
    with dg.Graph().as_default() as graph:
        x, at = dg.placeholder((3,), name="x"), dg.placeholder((2,), "int64", name="at")
        picked = dg.take(x, at)
        shape_only, other = dg.zeros_like(picked) + 1.0, x * 2.0
    feed = {x: np.ones(3, "float32"), at: np.array([0, 7])}
    plain, session = dg.Session(graph, "interpreter", level=0), dg.Session(graph)
    for one in (plain, session):
        assert one.run(other, feed).tolist() == [2, 2, 2]
        with pytest.raises(LabelError):
            one.run(picked, feed)
    with pytest.raises(LabelError):
        plain.run(shape_only, feed)
    assert session.run(shape_only, feed).tolist() == [1, 1]  # docs/reference/errors.md
