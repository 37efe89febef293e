"""Plans on the device: launches, recording, memory that moves, labels, and what is said of it."""

from __future__ import annotations

import numpy as np
import pytest

import dlgraph as dg
from dlgraph.core import arrays
from dlgraph.gpu.driver import DRIVERS
from tests.gpu import emulator, strict_arrays

pytestmark = pytest.mark.skipif(emulator.COMPILER is None, reason="no g++ to run kernels with")


@pytest.fixture
def device(monkeypatch):
    """The emulated device, which tells what was launched."""
    monkeypatch.setattr(arrays, "MODULES", {})
    arrays.register(strict_arrays.ndarray, strict_arrays)

    def make(**options):
        made = emulator.Emulator(**options)
        monkeypatch.setitem(DRIVERS, strict_arrays.__name__, made)
        return made

    return make


def model(rate=0.1, dropout=0.0):
    dg.seed(0)
    with dg.Graph().as_default() as graph:
        x = dg.placeholder((None, 6), name="x")
        labels = dg.placeholder((None,), "int64", name="labels")
        layers = [dg.nn.Linear(6, 8), dg.nn.ReLU(), dg.nn.Linear(8, 3)]
        net = dg.nn.Sequential(*layers, *([dg.nn.Dropout(dropout)] if dropout else []))
        loss = dg.cross_entropy(net(x), labels)
        optimiser = dg.optim.SGD(net.parameters(), lr=rate)
        train = optimiser.minimize(loss)
    rng = np.random.default_rng(0)
    feed = {x: rng.normal(size=(4, 6)).astype("float32"), labels: rng.integers(0, 3, 4)}
    return graph, loss, train, feed, net, optimiser


def sessions(graph, net, **options):
    """A session on the device, and the parameters as they are at first."""
    session = dg.Session(graph, device="gpu", **options)
    session.run(graph.startup)
    return session, net.state_dict()


def test_a_step_is_recorded_and_then_one_launch(device):
    driver = device()
    graph, loss, train, feed, net, _ = model()
    session, _ = sessions(graph, net)
    first = session.run([loss, train], feed)[0]
    count = len(driver.launched)
    assert count > 10 and driver.replayed == 0
    losses = [session.run([loss, train], feed)[0] for _ in range(3)]
    assert len(driver.launched) == count and driver.replayed == 3
    assert first > losses[0] > losses[1] > losses[2]
    notes = session.program([loss, train], feed).notes
    assert "recorded: a run is one launch of a CUDA graph" in notes
    assert "kernels and" in notes[0]


def test_another_shape_has_a_plan_and_a_recording_of_its_own(device):
    driver = device()
    graph, loss, _, feed, net, _ = model()
    session, _ = sessions(graph, net)
    whole = [session.run(loss, feed) for _ in range(2)]
    half = {node: value[:2] for node, value in feed.items()}
    small = [session.run(loss, half) for _ in range(2)]
    assert whole[0] == whole[1] and small[0] == small[1] != whole[0]
    assert driver.replayed == 2


def test_the_learning_rate_is_read_by_recorded_runs(device):
    device()
    found = []
    for options in ({"device": "gpu"}, {}):
        graph, loss, train, feed, net, optimiser = model()
        session = dg.Session(graph, **options)
        session.run(graph.startup)
        for rate in (0.1, 0.1, 0.0, 1.0):
            optimiser.lr = rate
            session.run([loss, train], feed)
        found.append(net.state_dict())
    for name, value in found[1].items():
        np.testing.assert_allclose(found[0][name], value, rtol=1e-4, atol=1e-6)


def test_without_cublas_products_are_cupys_and_nothing_is_recorded(device):
    driver = device(with_blas=False)
    graph, loss, train, feed, net, _ = model()
    session, _ = sessions(graph, net)
    losses = [session.run([loss, train], feed)[0] for _ in range(3)]
    assert losses[0] > losses[2] and driver.replayed == 0
    (note,) = [n for n in session.program([loss, train], feed).notes if "by CuPy" in n]
    assert "matmul" in note and "not recorded" in note


def test_a_device_that_cannot_record_goes_on_launch_by_launch(device):
    driver = device(records=False)
    graph, loss, train, feed, net, _ = model()
    session, _ = sessions(graph, net)
    losses = [session.run([loss, train], feed)[0] for _ in range(3)]
    assert losses[0] > losses[2] and driver.replayed == 0
    assert any("could not be recorded" in n for n in session.program([loss, train], feed).notes)


def test_random_numbers_are_drawn_on_the_cpu_and_said_so(device):
    driver = device()
    graph, loss, _, feed, net, _ = model(dropout=0.5)
    session, _ = sessions(graph, net)
    losses = {session.run(loss, feed).item() for _ in range(4)}
    assert len(losses) > 1 and driver.replayed == 0
    assert any("dropout" in n or "drop" in n for n in session.program(loss, feed).notes)


def test_a_label_out_of_range_changes_nothing(device):
    device()
    graph, loss, train, feed, net, _ = model()
    session, before = sessions(graph, net)
    wrong = {node: value.copy() for node, value in feed.items()}
    wrong[next(n for n in feed if n.name == "labels")][2] = 3
    for _ in range(2):
        with pytest.raises(dg.errors.LabelError, match="label 3 at position \\[2\\]"):
            session.run([loss, train], wrong)
    for name, value in net.state_dict().items():
        np.testing.assert_array_equal(value, before[name])


def test_arrays_that_somebody_holds_are_not_written_to(device):
    driver = device()
    graph, loss, train, feed, net, _ = model()
    session, _ = sessions(graph, net)
    session.run([loss, train], feed)
    held = net[0].weight._data
    before = held.get()
    session.run([loss, train], feed)
    np.testing.assert_array_equal(held.get(), before)
    assert not np.array_equal(net[0].weight.numpy(), before)
    del held
    for _ in range(3):
        session.run([loss, train], feed)
    assert driver.replayed >= 2


def test_values_assigned_from_outside_are_taken_over(device):
    device()
    graph, loss, train, feed, net, _ = model(rate=0.0)
    session, start = sessions(graph, net)
    want = session.run([loss, train], feed)[0]
    for p in net.parameters():
        p.assign(p.numpy() * 0)
    assert session.run([loss, train], feed)[0] == pytest.approx(np.log(3), rel=1e-5)
    net.load_state_dict(start)
    assert session.run([loss, train], feed)[0] == want
    assert session.run(loss, feed) == want  # another program on the same parameters


def test_two_programs_share_the_memory_of_the_parameters(device):
    driver = device()
    graph, loss, train, feed, net, _ = model()
    session, _ = sessions(graph, net)
    for _ in range(3):
        session.run([loss, train], feed)
        session.run(train, feed)
    first = len(driver.launched)
    for _ in range(2):
        session.run([loss, train], feed)
        session.run(train, feed)
    assert len(driver.launched) == first  # nothing moved, so everything stayed recorded


def test_feeds_that_are_on_the_device_already(device):
    device()
    graph, loss, _, feed, net, _ = model()
    session, _ = sessions(graph, net)
    want = session.run(loss, feed)
    there = {node: dg.Tensor(value).to("gpu") for node, value in feed.items()}
    assert session.run(loss, there) == want


def test_what_cannot_be_planned_runs_node_by_node(device):
    device()
    with dg.Graph().as_default() as graph:
        x = dg.placeholder((3,), name="x")
        y = dg.cond(dg.sum(x) > 0, lambda: x * 2, lambda: x)
    session = dg.Session(graph, device="gpu")
    np.testing.assert_array_equal(session.run(y, {x: [1.0, 2.0, 3.0]}), [2, 4, 6])


def test_the_source_is_shown_and_the_profile_measures_each_launch(device):
    device()
    graph, loss, train, feed, net, _ = model()
    session, _ = sessions(graph, net)
    program = session.program([loss, train], feed)
    text = str(program.source)
    assert 'extern "C" __global__ void k' in text
    assert "cuBLAS gemm, 4 x 6 by 6 x 8" in text
    assert "test_launches.py, line" in text
    assert any("<<<" in line.code for line in program.source)
    rows = program.profile(feed, runs=1).rows
    assert len(rows) == len(program.source)


def test_names_of_nodes_cannot_leave_their_comment(device):
    device()
    with dg.Graph().as_default() as graph:
        x = dg.placeholder((3,), name="x")
        y = dg.multiply(x, 3.0, **{})
        record = graph.records[y.index]
        graph.records[y.index] = record._replace(name="evil\n#error \\")
    session = dg.Session(graph, device="gpu")
    np.testing.assert_array_equal(session.run(y, {x: [1.0, 2.0, 3.0]}), [3, 6, 9])
    assert "// evil #error /" in str(session.program(y, [x]).source)


# ---- several steps


def steps_of(feed, count):
    """Different batches for every step."""
    rng = np.random.default_rng(1)
    found = {}
    for node, value in feed.items():
        shape = (count, *value.shape)
        whole = value.dtype.kind == "i"
        numbers = rng.integers(0, 3, shape) if whole else rng.normal(size=shape)
        found[node] = numbers.astype(value.dtype)
    return found


@pytest.mark.parametrize("count", [1, 2, 7, 120])
def test_several_steps_give_what_as_many_runs_give(device, count):
    driver = device()
    found = []
    for way in ("together", "one by one", "cpu", "cpu together"):
        graph, loss, train, feed, net, _ = model()
        session = dg.Session(graph, device="cpu" if "cpu" in way else "gpu")
        session.run(graph.startup)
        steps = steps_of(feed, count)
        if "together" in way:
            losses, nothing = session.run_steps([loss, train], steps)
            assert nothing is None
        else:
            runs = [{node: value[k] for node, value in steps.items()} for k in range(count)]
            losses = np.array([session.run([loss, train], one)[0] for one in runs])
        if way == "together" and count == 120:
            # One run to load everything, then 50 steps, 50 and 19 as a launch each.
            assert driver.replayed == 3
        found.append((losses, net.state_dict()))
    losses, state = found[0]
    assert losses.shape == (count,)
    np.testing.assert_array_equal(losses, found[1][0])
    np.testing.assert_array_equal(found[2][0], found[3][0])
    np.testing.assert_allclose(losses, found[2][0], rtol=1e-4)
    for name, value in state.items():
        np.testing.assert_array_equal(value, found[1][1][name])
        np.testing.assert_allclose(value, found[2][1][name], rtol=1e-3, atol=1e-5)


def test_steps_go_on_after_parameters_were_assigned(device):
    device()
    graph, loss, train, feed, net, _ = model()
    session, start = sessions(graph, net)
    steps = steps_of(feed, 5)
    first = session.run_steps([loss, train], steps)[0]
    net.load_state_dict(start)
    held = net[0].weight._data  # so that the parameters have to move
    np.testing.assert_array_equal(session.run_steps([loss, train], steps)[0], first)
    np.testing.assert_array_equal(held.get(), start["0.weight"])


def test_steps_without_a_recording(device):
    device(with_blas=False)
    graph, loss, train, feed, net, _ = model()
    session, _ = sessions(graph, net)
    assert session.run_steps([loss, train], steps_of(feed, 3))[0].shape == (3,)


def test_a_wrong_label_in_a_later_step_changes_nothing(device):
    device()
    graph, loss, train, feed, net, _ = model()
    session, before = sessions(graph, net)
    steps = steps_of(feed, 4)
    steps[next(n for n in feed if n.name == "labels")][3, 1] = 9
    with pytest.raises(dg.errors.LabelError, match="label 9 at position \\[3, 1\\]"):
        session.run_steps([loss, train], steps)
    for name, value in net.state_dict().items():
        np.testing.assert_array_equal(value, before[name])
