"""Profiles and sources: every step with its time, its work and its line."""

import json

import numpy as np
import pytest

import dlgraph as dg
from dlgraph.executors.machine import Machine
from dlgraph.executors.plan import Timing
from dlgraph.executors.profile import Profile


def training(executor="planned", **options):
    dg.seed(0)
    net = dg.nn.Sequential(dg.nn.Linear(64, 32), dg.nn.ReLU(), dg.nn.Linear(32, 10))
    with dg.Graph().as_default() as graph:
        x = dg.placeholder(("batch", 64), name="x")
        y = dg.placeholder(("batch",), "int64", name="y")
        loss = dg.cross_entropy(net(x), y)
        update = dg.optim.SGD(net.parameters(), lr=0.1).minimize(loss)
    session = dg.Session(graph, executor, **options)
    session.run(graph.startup)
    feed = {x: np.ones((16, 64), "float32"), y: np.zeros(16, "int64")}
    return session, session.program([loss, update], feed), feed


EXECUTORS = ["interpreter", "planned", "fast"]


@pytest.fixture(params=EXECUTORS)
def executor(request):
    if request.param == "fast":
        pytest.importorskip("llvmlite", reason="the fast executor needs llvmlite")
    return request.param


def test_every_executor_times_its_steps_and_counts_their_work(executor):
    _, program, feed = training(executor)
    profile = program.profile(feed, runs=2)
    assert profile.rows
    assert all(row.seconds >= 0 for row in profile.rows)
    assert sum(row.share for row in profile.rows) == pytest.approx(1)
    products = [row for row in profile.rows if row.flops >= 2 * 16 * 64 * 32]
    assert products
    assert str(profile).count("\n") >= len(profile.rows)


@pytest.mark.parametrize("exact", [True, False])
def test_the_work_of_a_fused_group_is_counted_once(executor, exact):
    with dg.Graph().as_default() as graph:
        x = dg.placeholder((50, 40), name="x")
        y = dg.sum(dg.tanh(dg.exp(x) * dg.sin(x) + 1.0), axis=1)
    program = dg.Session(graph, executor=executor, exact=exact).program(y, [x])
    rows = program.profile({x: np.ones((50, 40), "float32")}, runs=1).rows
    assert sum(row.flops for row in rows) == (3 * 10 + 3) * 50 * 40


def test_a_profile_runs_the_program_for_real(executor):
    session, program, feed = training(executor)
    (loss, _), *_ = [session.run(list(map(session.graph.handle, program.fetches)), feed)]
    program.profile(feed, runs=5)
    after, _ = session.run(list(map(session.graph.handle, program.fetches)), feed)
    assert after < loss


def test_the_interpreter_knows_the_memory_in_use():
    with dg.Graph().as_default() as graph:
        x = dg.placeholder((100,), name="x")
        y = (dg.exp(x) * 2.0).sum()
    program = dg.Session(graph, executor="interpreter").program(y, [x])
    rows = program.profile({x: np.zeros(100, "float32")}, runs=1).rows
    found = {row.operation: row.memory for row in rows}
    assert found["exp"] == 400
    assert found["sum"] == 4


def test_only_the_feeds_that_the_program_was_made_for(executor):
    _, program, feed = training(executor)
    with pytest.raises(dg.errors.FeedError, match="made for feeds of x, y"):
        program.profile(dict(list(feed.items())[:1]))


def profile_of(seconds, machine=None):
    with dg.Graph().as_default() as graph:
        x = dg.placeholder((100, 100), name="x")
        dg.relu(x @ x)
    runs = [[Timing((1,), 0.0, a), Timing((2,), a, b)] for a, b in seconds]
    return Profile(graph.records, runs, machine or Machine(1e12, ((10**9, 1e11),)))


def test_the_fastest_time_of_each_step_counts():
    profile = profile_of([(3.0, 2.0), (1.0, 4.0)])
    assert [row.seconds for row in profile.rows] == [1.0, 2.0]
    assert profile.seconds == 3.0
    assert profile.rows[1].share == pytest.approx(2 / 3)


def test_the_share_of_the_limit_is_that_of_the_nearer_ceiling():
    work = 2 * 100**3  # of the product
    profile = profile_of([(4e-6, 1.0)], Machine(1e12, ((10**9, 1e15),)))
    assert profile.rows[0].flops == work
    assert profile.rows[0].ceiling == pytest.approx(work / 1e12 / 4e-6)


def test_a_trace_is_what_perfetto_reads(tmp_path):
    path = profile_of([(1e-3, 2e-3)]).save(tmp_path / "trace.json")
    events = json.loads(path.read_text())["traceEvents"]
    assert [(e["ph"], e["ts"], e["dur"]) for e in events] == [
        ("X", 0.0, 1000.0),
        ("X", 1000.0, 2000.0),
    ]
    assert events[0]["args"]["operation"] == "matmul"


def test_a_trace_has_the_right_ending_and_spares_what_was_there(tmp_path):
    profile = profile_of([(1.0, 1.0)])
    with pytest.raises(dg.errors.OperationError, match="trace"):
        profile.save(tmp_path / "trace.txt")
    with pytest.raises(dg.errors.DataError):
        profile.save(tmp_path / "missing" / "trace.json")
    assert not list(tmp_path.iterdir())


def test_sources_tie_every_line_to_its_node_and_to_the_users_line(executor):
    _, program, _ = training(executor)
    source = program.source
    names = {record.name for record in program.timed_records}
    assert len(source) > 10 or executor == "fast"
    for line in source:
        if line.node:
            assert line.node in names
    assert "test_profile.py, line" in str(source)


def test_a_source_says_what_happens_in_place_and_what_is_only_a_view():
    _, program, _ = training()
    notes = " ".join(line.note for line in program.source)
    assert "in place of" in notes
    assert "a view" in notes
    assert "peak" in program.source.title


def test_hostile_names_stay_on_their_line():
    with dg.Graph().as_default() as graph:
        x = dg.placeholder((), name="x\nimport os")
        y = x * 2.0
    text = str(dg.Session(graph).program(y, [x]).source)
    assert not any(line.startswith("import") for line in text.splitlines())


@pytest.mark.parametrize("runs", [0, -1, 1.5])
def test_a_number_of_runs_is_whole(runs):
    with dg.Graph().as_default() as graph:
        y = dg.constant([1.0]) * 2
    with pytest.raises(dg.errors.OperationError, match="a whole number of at least 1"):
        dg.Session(graph).program(y).profile(runs=runs)
