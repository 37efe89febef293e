"""Whole programs with the compiled executor: training, errors, memory, threads, no llvmlite."""

import re
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

import dlgraph as dg
from dlgraph.errors import MissingPackageError
from dlgraph.executors.fast import executor as fast

ROOT = Path(__file__).parents[2]
RNG = np.random.default_rng(0)


@pytest.fixture(autouse=True, scope="module")
def own_cache(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture
def llvmlite():
    return pytest.importorskip("llvmlite")


def network(optimizer):
    """A small classifier as a graph, from fixed weights."""
    rng = np.random.default_rng(3)
    sizes = [(12, 20), (20,), (20, 5), (5,)]
    weights = [dg.Parameter(rng.normal(size=s).astype("float32") * 0.3) for s in sizes]
    with dg.Graph().as_default() as graph:
        x, y = (
            dg.placeholder(("batch", 12), name="x"),
            dg.placeholder(("batch",), "int64", name="y"),
        )
        hidden = dg.tanh(x @ weights[0] + weights[1])
        loss = dg.cross_entropy(dg.relu(hidden) @ weights[2] + weights[3], y)
        step = optimizer(weights).minimize(loss)
    return graph, weights, (x, y), loss, step


def batch(size, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(size, 12)).astype("float32"), rng.integers(0, 5, size)


OPTIMIZERS = [
    lambda p: dg.optim.SGD(p, lr=0.1, momentum=0.9),
    lambda p: dg.optim.Adam(p, lr=0.01),
    lambda p: dg.optim.RMSprop(p, lr=0.01),
]


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_training_goes_the_same_way(llvmlite, optimizer):
    losses = []
    for executor in ("interpreter", "fast"):
        graph, weights, nodes, loss, step = network(optimizer)
        session = dg.Session(graph, executor=executor)
        session.run(graph.startup)
        found = []
        for k in range(30):
            feed = dict(zip(nodes, batch(7 + k % 2, k), strict=True))
            found.append(session.run([loss, step], feed)[0])
        losses.append([*found, *(w.numpy().sum() for w in weights)])
    np.testing.assert_allclose(*losses, rtol=2e-4, atol=1e-5)


def test_exact_training_keeps_every_bit(llvmlite):
    found = []
    for executor in ("interpreter", "fast"):
        graph, weights, nodes, loss, step = network(OPTIMIZERS[1])
        session = dg.Session(graph, executor=executor, exact=True)
        session.run(graph.startup)
        feed = dict(zip(nodes, batch(9), strict=True))
        losses = [session.run([loss, step], feed)[0] for _ in range(5)]
        found.append([losses, *(w.numpy() for w in weights)])
    for a, b in zip(*found, strict=True):
        np.testing.assert_array_equal(a, b)


def test_arrays_that_somebody_holds_do_not_change(llvmlite):
    graph, weights, nodes, loss, step = network(OPTIMIZERS[0])
    session = dg.Session(graph, executor="fast")
    session.run(graph.startup)
    feed = dict(zip(nodes, batch(6), strict=True))
    held = []
    for _ in range(4):
        fetched = session.run([loss, step, nodes[0]], feed)[2]
        held.append([(w.numpy(), w.numpy().copy()) for w in weights] + [(fetched, feed[nodes[0]])])
    for array, copy in (pair for row in held for pair in row):
        np.testing.assert_array_equal(array, copy)
    weights[0].assign(np.zeros((12, 20), np.float32))
    session.run([loss, step], feed)
    assert np.abs(weights[0].numpy()).max() < 1


def test_what_cannot_be_compiled_runs_between(llvmlite):
    def mixed(x):
        a = dg.sin(x * 2) + 1  # the sine of NumPy
        b = dg.cumsum(a * x, axis=0) * 0.5
        return [a, b, dg.sort(b, axis=1).sum(), b[b > 0].sum()]

    with dg.Graph().as_default() as graph:
        x = dg.placeholder((40, 30), name="x")
        fetches = mixed(x)
    value = RNG.normal(size=(40, 30)).astype("float32")
    session = dg.Session(graph, executor="fast")
    wanted = dg.Session(graph, executor="interpreter").run(fetches, {x: value})
    for _ in range(2):
        for a, b in zip(session.run(fetches, {x: value}), wanted, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4)


def test_large_feeds_are_read_where_they_lie(llvmlite):
    with dg.Graph().as_default() as graph:
        x = dg.placeholder((300, 200), name="x")
        y = (x * 2).sum(axis=1)
    session = dg.Session(graph, executor="fast")
    for k in range(3):
        value = RNG.normal(size=(300, 200)).astype("float32") + k
        np.testing.assert_allclose(
            session.run(y, {x: value}), 2 * value.sum(1), rtol=1e-3, atol=1e-3
        )


@pytest.mark.parametrize("function", [dg.gelu, dg.softplus, dg.mish])
def test_functions_of_which_numpy_has_none_are_compiled(llvmlite, function):
    with dg.Graph().as_default() as graph:
        x = dg.placeholder((70, 3), name="x")
        y = function(x * 2.0)
        slope = dg.gradients(dg.sum(y), x)
    value = RNG.normal(size=(70, 3)).astype("float32")
    program = dg.Session(graph, executor="fast").program([y, slope], [x])
    for found, wanted in zip(
        program.run([value]), dg.Session(graph).run([y, slope], {x: value}), strict=True
    ):
        np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-5)
    assert "compiled" in str(program.profile({x: value}))
    assert not [buffer for buffer in program.plan.buffers if buffer.kind == "made"]


def test_views_of_large_feeds_reach_what_is_left_to_numpy(llvmlite):
    with dg.Graph().as_default() as graph:
        x = dg.placeholder((300, 200), name="x")
        y = dg.cumsum(x.T[1:], axis=0) * 2
    value = RNG.normal(size=(300, 200)).astype("float32")
    found = dg.Session(graph, executor="fast").run(y, {x: value})
    np.testing.assert_allclose(found, 2 * value.T[1:].cumsum(0), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("layer", [dg.nn.LSTM, dg.nn.GRU, dg.nn.RNN])
def test_recurrent_layers_train_when_compiled(llvmlite, layer):
    """A batch so large that it is read where it lies; the loop is written out."""
    losses = []
    value = RNG.normal(size=(64, 12, 28)).astype("float32")
    for options in ({"executor": "interpreter"}, {"executor": "fast"}):
        model = layer(28, 16, rng=dg.Stream(2))
        with dg.Graph().as_default() as graph:
            x = dg.placeholder(("batch", "time", 28), name="x")
            loss = dg.mean(model(x)[0] ** 2)
            step = dg.optim.Adam(lr=0.01).minimize(loss)
        session = dg.Session(graph, **options)
        session.run(graph.startup)
        losses.append([session.run([loss, step], {x: value})[0] for _ in range(4)])
    np.testing.assert_allclose(*losses, rtol=1e-4)


def test_several_threads_use_one_session(llvmlite):
    with dg.Graph().as_default() as graph:
        x = dg.placeholder((64, 64), name="x")
        y = dg.exp(x @ x.T * 0.01).sum()
    session = dg.Session(graph, executor="fast")
    values = [RNG.normal(size=(64, 64)).astype("float32") for _ in range(4)]
    wanted = [session.run(y, {x: v}) for v in values]
    wrong = []

    def work(k):
        for _ in range(50):
            if session.run(y, {x: values[k]}) != wanted[k]:
                wrong.append(k)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_the_source_names_every_node(llvmlite):
    graph, _, nodes, loss, step = network(OPTIMIZERS[0])
    session = dg.Session(graph, executor="fast")
    session.run(graph.startup)
    program = session.program([loss, step], list(nodes))
    session.run([loss, step], dict(zip(nodes, batch(6), strict=True)))
    runner = next(iter(program._runners.values()))
    assert "for each of 6 x 20 elements:" in runner.source
    assert re.search(r"^ +tanh = tanh\(add\)$", runner.source, re.MULTILINE)
    assert "mean_cross_entropy = softmax_cross_entropy(" in runner.source


def test_without_llvmlite_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "llvmlite", None)
    monkeypatch.setitem(sys.modules, "llvmlite.binding", None)
    with dg.Graph().as_default() as graph:
        y = dg.constant([1.0, 2.0]) * 2.0
    with pytest.raises(MissingPackageError, match=r'pip install "dlgraph\[fast\]"'):
        dg.Session(graph, executor="fast").run(y)
    np.testing.assert_array_equal(dg.Session(graph).run(y), [2.0, 4.0])


def test_importing_dlgraph_does_not_import_llvmlite():
    check = "import sys, dlgraph; sys.exit('llvmlite' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", check]).returncode == 0


def test_one_module_imports_llvmlite():
    files = (ROOT / "dlgraph").rglob("*.py")
    pattern = re.compile(r"^\s*(import|from) llvmlite", re.MULTILINE)
    found = [f.name for f in files if pattern.search(f.read_text(encoding="utf-8"))]
    assert found == ["llvm.py"]


def test_a_large_product_has_a_segment_of_its_own(llvmlite):
    """The BLAS may use threads there; nothing else in a segment can."""
    with dg.Graph().as_default() as graph:
        a, b = dg.placeholder((60, 700), name="a"), dg.placeholder((700, 600), name="b")
        y = dg.tanh((a * 0.1) @ (b * 0.1)) + 1.0
    values = {a: RNG.normal(size=(60, 700)), b: RNG.normal(size=(700, 600))}
    values = {node: value.astype("float32") for node, value in values.items()}
    session = dg.Session(graph, executor="fast")
    found = session.run(y, values)
    np.testing.assert_allclose(found, dg.Session(graph).run(y, values), rtol=1e-4, atol=1e-4)
    runner = next(iter(session.program(y, [a, b])._runners.values()))
    calls = [s for s in runner.segments if any(p.recipe.blas for p in s.pieces)]
    assert all(len(s.pieces) == 1 for s in calls)
    native = [at for at, (function, _) in enumerate(runner.calls) if hasattr(function, "pieces")]
    assert sum(map(runner._has_threads, native)) == len(calls)


def test_very_long_programs_are_left_to_numpy(llvmlite, monkeypatch):
    monkeypatch.setattr(fast, "LONGEST", 2)
    with dg.Graph().as_default() as graph:
        x = dg.placeholder((3, 3), name="x")
        y = (dg.exp(x @ x) - x).sum() * 2.0
    session = dg.Session(graph, executor="fast")
    value = np.eye(3, dtype="float32")
    wanted = dg.Session(graph).run(y, {x: value})
    np.testing.assert_allclose(session.run(y, {x: value}), wanted, rtol=1e-6)
    assert "compiled" not in str(session.program(y, [x]).profile({x: value}, runs=1))
