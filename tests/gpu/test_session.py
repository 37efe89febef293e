"""`Session(graph, device="gpu")`: the answers of the CPU, for every operation and for training."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import dlgraph as dg
from dlgraph.core.primitive import REGISTRY
from tests.gpu.test_sweep import DTYPES, TOLERANCES, function_of, sweep
from tests.gpu.test_training import MODELS, OPTIMISERS, batch
from tests.ops.forms import Sample, in_dtype
from tests.ops.samples import SAMPLES

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")
EXECUTORS = pytest.mark.parametrize("executor", ["interpreter", "planned"])


def built(name: str, samples: list[Sample]) -> tuple[Any, Any, dict]:
    """The primitive on samples, and its gradients where it has them, as nodes with their feeds."""
    feed, fetched = {}, []
    with dg.Graph().as_default() as graph:
        for sample in samples:
            nodes = [dg.placeholder(a.shape, a.dtype) for a in sample.arrays]
            result = function_of(name, sample)(*nodes)
            fetched.append(result)
            xs = [n for n, a in zip(nodes, sample.arrays, strict=True) if a.dtype.kind == "f"]
            if REGISTRY[name].rules and xs and result.dtype.kind == "f":
                fetched += dg.gradients(dg.sum(result * result), xs)
            feed |= dict(zip(nodes, sample.arrays, strict=True))
    return graph, fetched, feed


def compare(graph: Any, fetched: Any, feed: dict, executor: str) -> None:
    wanted = dg.Session(graph, "interpreter").run(fetched, feed)
    session = dg.Session(graph, executor, device="gpu")
    for _ in range(2):  # the second run of a plan is a recorded one
        found = session.run(fetched, feed)
        for got, want in zip(found, wanted, strict=True):
            assert isinstance(got, (np.ndarray, np.generic))
            assert (np.shape(got), got.dtype) == (np.shape(want), want.dtype)
            if want.dtype.kind != "f":
                np.testing.assert_array_equal(got, want)
                continue
            finite = np.abs(want[np.isfinite(want)])
            size = max(1.0, finite.max(initial=0.0))
            close = 10 * TOLERANCES[want.dtype.name]
            np.testing.assert_allclose(got, want, rtol=close, atol=close * size)


@DTYPES
@sweep()
def test_every_operation_node_by_node(gpu, name, sample, dtype):
    compare(*built(name, [in_dtype(sample, dtype)]), "interpreter")


@pytest.mark.parametrize("name", SAMPLES)
def test_every_operation_in_kernels(gpu, name):
    """All samples of an operation in one plan, so that the compiler is called once."""
    samples = [in_dtype(s, dtype) for s in SAMPLES[name].samples for dtype in TOLERANCES]
    compare(*built(name, samples), "planned")


def train(model: str, optimiser: str, **options: Any) -> tuple[list[float], dict[str, Any]]:
    make, shape = MODELS[model]
    x, labels = batch(shape)
    dg.seed(1)
    with dg.Graph().as_default() as graph:
        fed_x, fed_labels = dg.placeholder(shape), dg.placeholder(labels.shape, "int64")
        net = make()
        loss = dg.cross_entropy(net(fed_x), fed_labels)
        step = OPTIMISERS[optimiser](net.parameters()).minimize(loss, clip_norm=1.0)
    session = dg.Session(graph, **options)
    session.run(graph.startup)
    feed = {fed_x: x, fed_labels: labels}
    losses = [session.run([loss, step], feed)[0].item() for _ in range(4)]
    return losses, net.state_dict()


@EXECUTORS
@pytest.mark.parametrize("optimiser", OPTIMISERS)
@pytest.mark.parametrize("model", MODELS)
def test_training_gives_what_the_cpu_gives(gpu, model, optimiser, executor):
    losses, state = train(model, optimiser, executor=executor, device="gpu")
    wanted, values = train(model, optimiser)
    np.testing.assert_allclose(losses, wanted, rtol=1e-4)
    for name, value in values.items():
        np.testing.assert_allclose(state[name], value, rtol=1e-3, atol=1e-4, err_msg=name)


@EXECUTORS
def test_both_modes_share_the_parameters(gpu, executor):
    w = dg.Parameter([1.0, 2.0], name="w")
    with dg.Graph().as_default() as graph:
        x = dg.placeholder((2,), name="x")
        y = (dg.variable(w) * x).sum()
        step = dg.assign(w, dg.variable(w) * 2.0)
    session = dg.Session(graph, executor, device="gpu")
    assert session.run(y, {x: [1.0, 1.0]}) == 3.0
    session.run(step)
    np.testing.assert_array_equal(w.numpy(), [2, 4])
    before = w.to("cpu")
    w.assign([5.0, 6.0])
    assert session.run(y, {x: [1.0, 1.0]}) == 11.0
    session.run(step)
    np.testing.assert_array_equal(w.numpy(), [10, 12])
    np.testing.assert_array_equal(before.numpy(), [2, 4])


@EXECUTORS
def test_control_flow(gpu, executor):
    def chosen(x: Any) -> Any:
        return dg.cond(dg.sum(x) > 0, lambda: total(x), lambda: -x)

    def total(x: Any) -> Any:
        return dg.while_loop(lambda i, s: i < 3, lambda i, s: (i + 1, s + x), (0, x))[1]

    values = np.array([1.0, 2.0], "float32")
    answers = []
    for options in ({}, {"executor": executor, "device": "gpu"}):
        with dg.Graph().as_default() as graph:
            x = dg.placeholder((2,), name="x")
            y = chosen(x)
            g = dg.gradients(dg.sum(y * y), x)
        answers.append(dg.Session(graph, **options).run([y, g], {x: values}))
    for want, got in zip(*answers, strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-5)


def test_a_session_of_the_cpu_says_that_a_variable_is_elsewhere(gpu):
    w = dg.Parameter([1.0, 2.0], name="w")
    with dg.Graph().as_default() as graph:
        y = dg.variable(w) * 2.0
    w_there = w.to("gpu")
    w._replace(w_there._data)
    with pytest.raises(dg.errors.DeviceError, match="'w' is on the gpu, this session") as caught:
        dg.Session(graph).run(y)
    assert 'device="gpu"' in caught.value.hint


def test_what_cannot_be_asked_for(gpu):
    graph = dg.Graph()
    with pytest.raises(dg.errors.OperationError, match="compiles for the CPU"):
        dg.Session(graph, "fast", device="gpu")
    with pytest.raises(dg.errors.DeviceError, match="no device 'tpu'"):
        dg.Session(graph, device="tpu")
