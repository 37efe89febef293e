"""What calls take beside the arena: counted before a run, or seen by the first one."""

import gc
import itertools
import tracemalloc

import numpy as np
import pytest

import dlgraph as dg
from dlgraph.core.primitive import REGISTRY
from dlgraph.core.spec import Spec, spec_of
from dlgraph.executors import layout
from dlgraph.executors.plan import Place
from dlgraph.executors.temporaries import Watched, strides_of_result
from tests.ops.samples import every_sample

ROWS = np.arange(256) % 200


def peaks(build, shape=(256, 512), executor="planned"):
    """What a plan says before and after a run, and what a run takes, for a value made from x."""
    with dg.Graph().as_default() as graph:
        x = dg.placeholder(shape, name="x")
        y = dg.square(build(x * 1.5)).sum()
    session = dg.Session(graph, executor)
    session.run(graph.startup)
    feed = {x: np.random.default_rng(0).normal(size=shape).astype("float32")}
    before = session.program(y, feed).plan.peak
    session.run(y, feed)
    plan = session.program(y, feed).plan
    gc.collect()
    tracemalloc.start()
    session.run(y, feed)
    peak = tracemalloc.get_traced_memory()[1] + plan.buffers[0].size
    tracemalloc.stop()
    return before, plan.peak, peak


def slope_of(build):
    return lambda x: dg.gradients(dg.square(build(x)).sum(), x)


# Operations whose forward functions hold large arrays of their own while they run.
HOLDING = {
    "dropout": lambda x: dg.dropout(x, 0.3),
    "dropout, double": lambda x: dg.dropout(dg.cast(x, "float64"), 0.3),
    "dropout, slope": slope_of(lambda x: dg.dropout(dg.exp(x), 0.3)),
    "dropout, unknown layout": lambda x: dg.dropout(dg.erf(x)[:, np.arange(256)], 0.3),
    "uniform": lambda x: dg.default_stream().uniform(x.shape, -1.0, 2.0) + x,
    "normal": lambda x: dg.default_stream().normal(x.shape) + x,
    "transposed convolution": lambda x: dg.conv_transpose2d(
        dg.reshape(x, (8, 16, 32, 32)), dg.constant(np.ones((16, 4, 3, 3), np.float32))
    ),
    "erf": dg.erf,
    "erfc": dg.erfc,
    "gelu": dg.gelu,
    "gelu, slope": slope_of(dg.gelu),
    "softplus": dg.softplus,
    "logsumexp": lambda x: dg.logsumexp(x, axis=1),
    "logsumexp of columns": lambda x: dg.logsumexp(x, axis=0),
    "prod, slope": slope_of(lambda x: dg.prod(x, axis=1)),
    "argmax of columns": lambda x: dg.argmax(x, axis=0),
    "argmax of rows": lambda x: dg.argmax(x, axis=1),
    "argmin of a turned array": lambda x: dg.argmin(dg.transpose(x), axis=1),
    "topk": lambda x: dg.topk(x, 5)[0],
    "sort": dg.sort,
    "cumsum, slope": slope_of(lambda x: dg.cumsum(x, axis=1)),
    "rows, then sigmoid": lambda x: dg.sigmoid(x[ROWS] * 2.0),
    "rows, then a block": lambda x: dg.nn.TransformerEncoderBlock(512, 8)(
        dg.reshape(x[ROWS], (4, 64, 512))
    ),
    "columns of rows": lambda x: x[ROWS][:, ROWS],
    "while": lambda x: dg.while_loop(
        lambda turn, v: turn < 3.0,
        lambda turn, v: (turn + 1.0, dg.tanh(v) * dg.exp(v)),
        (dg.constant(np.float32(0)), dg.tanh(x)),
    )[1],
    "cond": lambda x: dg.cond(x.sum() > -1e9, lambda: dg.exp(x) + dg.tanh(x), lambda: x),
    "softplus, then sigmoid": lambda x: dg.sigmoid(dg.softplus(x)),
    "softplus, then softmax, slope": slope_of(lambda x: dg.softmax(dg.softplus(x))),
    "erf of a turned array, then relu": lambda x: dg.relu(dg.erf(dg.transpose(x))),
    "sort, then sigmoid": lambda x: dg.sigmoid(dg.sort(x)),
    "softplus, then pooling, slope": slope_of(
        lambda x: dg.max_pool2d(dg.reshape(dg.softplus(x), (8, 16, 32, 32)), 2)
    ),
}


@pytest.mark.parametrize("name", HOLDING)
def test_what_an_operation_holds_while_it_runs_is_counted(name):
    before, after, measured = peaks(HOLDING[name])
    assert before == pytest.approx(measured, rel=0.1)
    assert after == pytest.approx(measured, rel=0.1)


def test_dropout_without_a_backward_pass_takes_what_the_plan_says():
    net = dg.nn.Sequential(
        dg.nn.Linear(512, 256), dg.nn.ReLU(), dg.nn.Dropout(0.2), dg.nn.Linear(256, 256)
    )
    before, after, measured = peaks(net, (2048, 512))
    assert before == after == pytest.approx(measured, rel=0.1)


# ---- what only a run can tell --------------------------------------------------------------------


@dg.primitive(kind="elementwise", floating=True)
def held_test_wave(xp, x):
    """An operation that holds an array beside its result."""
    return xp.exp(xp.sin(x)) * x


held_test_wave.vjp(x=lambda g, x: g * x)


@dg.primitive(kind="elementwise")
def held_test_same(xp, x):
    """An operation that returns what it was given."""
    return x


held_test_same.vjp(x=lambda g: -g)


@dg.primitive(kind="reduce", infer=lambda x: Spec((), x.dtype))
def held_test_norm(xp, x):
    """An operation whose result is small, but not what it holds."""
    size = xp.abs(x)
    return xp.sqrt(xp.sum(size * size + size))


held_test_norm.vjp(x=lambda g, x, y: g * x / y)

OWN = {
    "once": held_test_wave,
    "twice": lambda x: held_test_wave(held_test_wave(x)),
    "slope": slope_of(held_test_wave),
    "then sigmoid": lambda x: dg.sigmoid(held_test_wave(x)),
    "nothing new": lambda x: dg.exp(held_test_same(held_test_same(x))) * 2.0,
    "nothing new, slope": slope_of(held_test_same),
    "a number": held_test_norm,
    "a number, slope": slope_of(held_test_norm),
    "in a loop": lambda x: dg.while_loop(
        lambda turn, v: turn < 3.0,
        lambda turn, v: (turn + 1.0, held_test_wave(v)),
        (dg.constant(np.float32(0)), x),
    )[1],
    "in a branch": lambda x: dg.cond(x.sum() > -1e9, lambda: held_test_wave(x), lambda: x),
    "rows, one by one, slope": slope_of(
        lambda x: sum(dg.square(row) for row in dg.unstack(dg.reshape(x, (4, 64, 512))))
    ),
}


@pytest.mark.parametrize("executor", ["planned", "fast"])
@pytest.mark.parametrize("name", OWN)
def test_what_only_a_run_can_tell_is_counted_once_it_ran(name, executor):
    if executor == "fast":
        pytest.importorskip("llvmlite")
    _, after, measured = peaks(OWN[name], executor=executor)
    assert after == pytest.approx(measured, rel=0.1)


def own_program():
    with dg.Graph().as_default() as graph:
        x = dg.placeholder((64, 512), name="x")
        y = held_test_wave(x * 2.0)
    session = dg.Session(graph)
    feed = {x: np.ones((64, 512), np.float32)}
    return session, y, feed, session.program(y, feed)


ONE = 64 * 512 * 4  # bytes of one array of that program


def test_before_a_run_a_plan_does_not_know_what_an_operation_of_your_own_holds():
    session, y, feed, program = own_program()
    (made,) = program.plan.made
    assert made.held is None
    assert program.plan.peak == 2 * ONE
    session.run(y, feed)
    (made,) = program.plan.made
    # one array that the function makes, and one with its operand: it might keep that
    assert made.held == pytest.approx(2 * ONE, abs=4000)
    assert program.plan.peak == pytest.approx(4 * ONE, abs=4000)


def test_a_call_is_watched_once():
    session, y, feed, program = own_program()
    session.run(y, feed)
    runner = next(iter(program._runners.values()))
    assert not runner.watched and not any(type(f) is Watched for f, _ in runner.calls)
    assert not tracemalloc.is_tracing()


@pytest.fixture
def tracing():
    tracemalloc.start()
    yield
    tracemalloc.stop()


def test_whoever_traces_memory_goes_on_undisturbed(tracing):
    session, y, feed, program = own_program()
    np.ones(10_000_000, np.uint8)
    _, most = tracemalloc.get_traced_memory()
    session.run(y, feed)  # far below the peak of before: nothing can be seen
    assert tracemalloc.get_traced_memory()[1] == most
    assert program.plan.made[0].held is None
    tracemalloc.reset_peak()
    session.run(y, feed)
    assert tracemalloc.is_tracing()
    assert program.plan.made[0].held == pytest.approx(2 * ONE, abs=4000)


def test_an_error_in_a_watched_call_is_explained_and_tracing_ends():
    with dg.Graph().as_default() as graph:
        x = dg.placeholder((64, 512), name="x")
        bad = dg.cross_entropy(held_test_wave(x), dg.constant(np.full(64, 700)))
    with pytest.raises(dg.errors.DlgraphError, match="700"):
        dg.Session(graph).run(bad, {x: np.ones((64, 512), np.float32)})
    assert not tracemalloc.is_tracing()


# ---- layouts -------------------------------------------------------------------------------------


def arrangements(array):
    """The same values in other layouts."""
    yield array
    if array.ndim > 1 and array.size:
        yield np.asfortranarray(array)
        yield np.repeat(array, 2, axis=-1)[..., ::2]
        yield array[::-1].copy()[::-1]
        yield np.ascontiguousarray(np.moveaxis(array, 0, 1)).swapaxes(0, 1)


def place_of(array):
    return Place(0, 0, array.shape, array.strides, array.dtype)


SKIPPED = ("state", "effect", "control", "view", "random")


@pytest.mark.parametrize(
    ("name", "sample"),
    every_sample(lambda name, sample: REGISTRY[name].kind not in SKIPPED),
    ids=str,
)
def test_results_lie_as_it_was_said(name, sample):
    primitive = REGISTRY[name]
    attrs = primitive.complete(sample.attrs)
    for inputs in itertools.product(*map(list, map(arrangements, sample.arrays))):
        with np.errstate(all="ignore"):
            found = primitive.forward(np, *inputs, **attrs)
        if isinstance(found, np.ndarray):
            said = strides_of_result(
                primitive, attrs, [place_of(x) for x in inputs], spec_of(found)
            )
            assert said is None or layout.alike(said, place_of(found))
