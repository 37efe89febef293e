"""Planned runs give the interpreter's bits and never write to what belongs to somebody else."""

import gc
import threading
import tracemalloc

import numpy as np
import pytest

import dlgraph as dg
from dlgraph.executors.program import PlannedProgram

OPERATIONS = [
    lambda rng, x, y: x + y,
    lambda rng, x, y: x * y,
    lambda rng, x, y: x - 0.5 * y,
    lambda rng, x, y: dg.tanh(x),
    lambda rng, x, y: dg.relu(x),
    lambda rng, x, y: dg.sigmoid(x),
    lambda rng, x, y: dg.exp(-dg.square(x)),
    lambda rng, x, y: dg.where(x > y, x, y),
    lambda rng, x, y: x.T.reshape((4, 6)),
    lambda rng, x, y: (x.T + y.T).T,
    lambda rng, x, y: x[::-1],
    lambda rng, x, y: dg.concatenate([x[1:], y[:1]]),
    lambda rng, x, y: dg.concatenate([x[:, 3:], y[:, :3]], axis=1),
    lambda rng, x, y: x - x.mean(axis=int(rng.integers(2)), keepdims=True),
    lambda rng, x, y: x.T.sum(axis=0, keepdims=True).T + y,
    lambda rng, x, y: dg.tanh(x @ y.T) @ y,
    lambda rng, x, y: dg.log_softmax(x, axis=-1),
    lambda rng, x, y: dg.broadcast_to(x[0], shape=(4, 6)) * y,
    lambda rng, x, y: x.reshape((6, 4)).T,
    lambda rng, x, y: dg.max(x, axis=1, keepdims=True) + y,
    lambda rng, x, y: dg.stop_gradient(x).reshape((-1,)).reshape((4, 6)),
]


def random_graph(seed):
    """A graph full of views, with variables that are read and assigned in some order."""
    rng = np.random.default_rng(seed)
    tensors = [dg.Parameter(rng.normal(size=(4, 6)).astype("float32")) for _ in range(3)]
    graph = dg.Graph()
    with graph.as_default():
        feeds = [dg.placeholder((4, 6), name=name) for name in "ab"]
        values = [*feeds, *(dg.variable(t) for t in tensors)]
        effects, control = [], []
        for _ in range(int(rng.integers(5, 30))):
            x, y = (values[i] for i in rng.integers(len(values), size=2))
            with graph.control_dependencies(control):
                values.append(OPERATIONS[rng.integers(len(OPERATIONS))](rng, x, y))
                if rng.random() < 0.15:
                    k = int(rng.integers(3))
                    assigned = dg.assign(graph.variable(tensors[k]), dg.tanh(values[-1]))
                    effects.append(assigned)
                    values.append(assigned)
                    control = [assigned] if rng.random() < 0.5 else control
                if rng.random() < 0.15:
                    values.append(dg.read(graph.variable(tensors[int(rng.integers(3))])))
        chosen = [values[i] for i in rng.integers(len(values), size=3)]
        if rng.random() < 0.5:
            chosen.append(dg.gradients(dg.sum(values[-1] * values[-1]), feeds[:1])[0])
    feed = {f: rng.normal(size=(4, 6)).astype("float32") for f in feeds}
    return graph, tensors, chosen + effects, feed


def build_or_skip(seed):
    try:
        return random_graph(seed)
    except dg.errors.DlgraphError:  # a value on which nothing that is fed has an influence
        return None


@pytest.mark.parametrize("block", range(8))
def test_random_graphs_full_of_views_give_the_same_bits_and_nothing_is_overwritten(block):
    planned = 0
    for seed in range(25 * block, 25 * block + 25):
        one, two = build_or_skip(seed), build_or_skip(seed)
        if one is None or two is None:
            continue
        slow, fast = dg.Session(one[0], "interpreter"), dg.Session(two[0])
        fed = {f.name: value.copy() for f, value in two[3].items()}
        kept = []
        for turn in range(3):
            want = slow.run(one[2], one[3])
            got = fast.run(two[2], two[3])
            assert all(same_bits(a, b) for a, b in zip(want, got, strict=True)), seed
            assert all(
                same_bits(a.numpy(), b.numpy()) for a, b in zip(one[1], two[1], strict=True)
            ), seed
            assert all(same_bits(fed[f.name], value) for f, value in two[3].items()), seed
            kept += [(array, array.copy()) for array in got if isinstance(array, np.ndarray)]
            if turn == 1:  # arrays of parameters that somebody holds stay as they are
                kept += [(t.numpy(), t.numpy().copy()) for t in two[1]]
            assert all(same_bits(array, copy) for array, copy in kept), seed
        (program,) = fast._programs.values()
        planned += any(program._runners.values())
    assert planned > 10


def same_bits(a, b):
    a, b = np.asarray(a), np.asarray(b)
    return (a.shape, a.dtype) == (b.shape, b.dtype) and a.tobytes() == b.tobytes()


# ---- models --------------------------------------------------------------------------------------


def perceptron():
    net = dg.nn.Sequential(
        dg.nn.Linear(12, 16), dg.nn.ReLU(), dg.nn.Dropout(0.3), dg.nn.Linear(16, 4)
    )
    return net, (12,), dg.optim.Adam


def convolution():
    class Net(dg.nn.Module):
        def __init__(self):
            self.conv = dg.nn.Conv2d(1, 3, 3, padding=1)
            self.norm = dg.nn.BatchNorm(3)
            self.last = dg.nn.Linear(3 * 3 * 3, 4)

        def forward(self, x):
            x = dg.max_pool2d(dg.relu(self.norm(self.conv(x))), 2)
            return self.last(x.flatten(1))

    return Net(), (1, 6, 6), dg.optim.SGD


def recurrence():
    class Net(dg.nn.Module):
        def __init__(self):
            self.lstm = dg.nn.LSTM(5, 8)
            self.last = dg.nn.Linear(8, 4)

        def forward(self, x):
            found = self.lstm(x)
            found = found[0] if isinstance(found, tuple) else found
            return self.last(found[:, -1])

    return Net(), (7, 5), dg.optim.Adam


def attention():
    class Net(dg.nn.Module):
        def __init__(self):
            self.attend = dg.nn.MultiHeadAttention(8, 2)
            self.last = dg.nn.Linear(8, 4)

        def forward(self, x):
            found = self.attend(x)
            found = found[0] if isinstance(found, tuple) else found
            return self.last(found.mean(axis=1))

    return Net(), (5, 8), dg.optim.AdamW


@pytest.mark.parametrize("model", [perceptron, convolution, recurrence, attention])
def test_real_models_train_with_the_same_bits(model):
    runs = [trained(model, executor) for executor in ("interpreter", "planned")]
    assert runs[0] == runs[1]


def trained(model, executor):
    dg.seed(3)
    rng = np.random.default_rng(0)
    graph = dg.Graph()
    with graph.as_default():
        net, shape, optimizer = model()
        x = dg.placeholder(("batch", *shape), name="x")
        y = dg.placeholder(("batch",), "int64", name="y")
        loss = dg.cross_entropy(net(x), y)
        step = optimizer(net.parameters(), lr=0.01).minimize(loss)
    session = dg.Session(graph, executor)
    session.run(graph.startup)
    losses = []
    for turn in range(5):
        size = 6 if turn != 3 else 4  # another plan in between
        feed = {
            x: rng.normal(size=(size, *shape)).astype("float32"),
            y: rng.integers(0, 4, size),
        }
        losses.append(session.run([loss, step], feed)[0].tobytes())
    if executor == "planned":
        (program,) = session._programs.values()
        assert isinstance(program, PlannedProgram)
        assert all(program._runners.values())
    return losses, [p.numpy().tobytes() for p in net.parameters()]


# ---- parameters ----------------------------------------------------------------------------------


def descent():
    w = dg.Parameter([1.0, 2.0, 3.0], name="w")
    with dg.Graph().as_default() as graph:
        x = dg.placeholder((3,), name="x")
        loss = dg.sum((w * x - 1.0) ** 2)
        step = dg.optim.SGD([w], lr=0.1).minimize(loss)
    return graph, w, x, loss, step


def test_a_parameter_is_updated_where_it_lies_while_nobody_else_holds_it():
    graph, w, x, _loss, step = descent()
    session = dg.Session(graph)
    feed = {x: np.ones(3, np.float32)}
    session.run(step, feed)
    before = w.numpy().__array_interface__["data"][0]
    session.run(step, feed)
    session.run(step, feed)
    assert w.numpy().__array_interface__["data"][0] == before


@pytest.mark.parametrize(
    "hold", [lambda w: w.numpy(), lambda w: w.numpy()[1:], lambda w: w.detach()]
)
def test_what_the_user_holds_of_a_parameter_does_not_change(hold):
    graph, w, x, _loss, step = descent()
    session = dg.Session(graph)
    feed = {x: np.ones(3, np.float32)}
    session.run(step, feed)
    held = hold(w)
    copy = np.array(held)
    session.run(step, feed)
    assert (np.array(held) == copy).all()
    assert not (np.array(hold(w)) == copy).all()


def test_values_assigned_from_outside_are_taken_over():
    graph, w, x, loss, step = descent()
    session = dg.Session(graph)
    feed = {x: np.ones(3, np.float32)}
    session.run(step, feed)
    w.assign([0.0, 0.0, 1.0])
    assert session.run([loss, step], feed)[0] == 2.0
    assert w.tolist() == pytest.approx([0.2, 0.2, 1.0])


def test_a_second_session_reads_what_the_first_one_trains():
    graph, w, x, loss, step = descent()
    training, testing = dg.Session(graph), dg.Session(graph.clone(for_test=True))
    feed = {x: np.ones(3, np.float32)}
    seen = []
    for _ in range(4):
        training.run(step, feed)
        seen.append(float(testing.run(loss, feed)))
    assert seen == sorted(seen, reverse=True)
    address = w.numpy().__array_interface__["data"][0]
    training.run(step, feed)
    assert w.numpy().__array_interface__["data"][0] == address  # the reader is no stranger


def test_the_change_of_a_parameter_is_noticed_by_backward():
    graph, w, x, _loss, step = descent()
    session = dg.Session(graph)
    session.run(step, {x: np.ones(3, np.float32)})
    y = (w * w).sum()
    session.run(step, {x: np.ones(3, np.float32)})
    with pytest.raises(dg.errors.MutationError):
        y.backward()


# ---- runs ----------------------------------------------------------------------------------------


def test_an_error_half_way_leaves_the_session_usable():
    with dg.Graph().as_default() as graph:
        x = dg.placeholder((None, 3), name="x")
        labels = dg.placeholder((None,), "int64", name="labels")
        loss = dg.cross_entropy(x * 2.0, labels)
    session = dg.Session(graph)
    good = {x: np.eye(3, dtype=np.float32), labels: np.arange(3)}
    want = session.run(loss, good)
    with pytest.raises(dg.errors.LabelError, match="label 7"):
        session.run(loss, {**good, labels: np.array([0, 7, 1])})
    assert session.run(loss, good) == want


def test_an_interrupt_leaves_the_session_usable():
    @dg.primitive(kind="elementwise")
    def interrupted_example(xp, x):
        """The same, unless somebody presses stop."""
        if x[0] < 0:
            raise KeyboardInterrupt
        return x + 1

    with dg.Graph().as_default() as graph:
        x = dg.placeholder((2,), name="x")
        y = interrupted_example(x * 2.0) * 3.0
    session = dg.Session(graph)
    with pytest.raises(KeyboardInterrupt):
        session.run(y, {x: [-1.0, 0.0]})
    assert session.run(y, {x: [1.0, 0.0]}).tolist() == [9.0, 3.0]


def test_two_threads_share_a_session():
    with dg.Graph().as_default() as graph:
        x = dg.placeholder((64, 64), name="x")
        y = dg.tanh(x @ x.T).sum(axis=0)
    session = dg.Session(graph)
    feeds = [np.full((64, 64), k / 64, np.float32) for k in range(4)]
    want = [session.run(y, {x: feed}) for feed in feeds]
    wrong = []

    def work(k):
        for _ in range(50):
            if not same_bits(session.run(y, {x: feeds[k]}), want[k]):
                wrong.append(k)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_an_operation_of_the_user_may_keep_its_input():
    kept = []

    @dg.primitive(kind="elementwise")
    def keeping_example(xp, x):
        """The same value, remembered."""
        kept.append(x)
        return x

    with dg.Graph().as_default() as graph:
        x = dg.placeholder((3,), name="x")
        y = dg.exp(keeping_example(x * 2.0)) * 2.0
    session = dg.Session(graph)
    session.run(y, {x: [1.0, 2.0, 3.0]})
    session.run(y, {x: [4.0, 5.0, 6.0]})
    assert [v.tolist() for v in kept] == [[2.0, 4.0, 6.0], [8.0, 10.0, 12.0]]


def test_a_watched_run_sees_every_node():
    with dg.Graph().as_default() as graph:
        x = dg.placeholder((2,), name="x")
        y = dg.exp(x * 2.0)
    session, seen = dg.Session(graph), []
    session.run(y, {x: [1.0, 2.0]})
    with dg.watch(call=lambda primitive, result, inputs: seen.append(primitive.name)):
        session.run(y, {x: [1.0, 2.0]})
    assert seen == ["constant", "multiply", "exp"]


# ---- the plan ------------------------------------------------------------------------------------


def test_the_peak_of_the_plan_is_what_a_run_takes():
    with dg.Graph().as_default() as graph:
        x = dg.placeholder((200, 300), name="x")
        h = dg.tanh(x @ dg.constant(np.ones((300, 400), np.float32)))
        y = (dg.exp(h) * h).sum()
        slope = dg.gradients(y, x)
        total = slope.sum()
    session = dg.Session(graph)
    value = np.ones((200, 300), np.float32)
    gc.collect()
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    program = session.program(total, {x: value})
    tracemalloc.reset_peak()
    session.run(total, {x: value})
    peak = tracemalloc.get_traced_memory()[1] - before
    tracemalloc.stop()
    assert program.plan.peak == pytest.approx(peak, rel=0.1)
    assert program.plan.peak < program.plan.naive_peak


@pytest.mark.parametrize("axes", [(1, 0), (0, 1)])
def test_a_loop_takes_what_the_plan_says(axes):
    turns = 200  # too many to be written out
    with dg.Graph().as_default() as graph:
        x = dg.placeholder((turns, 2000), name="x")
        sums = dg.scan(lambda carry, row: (carry + row, carry), dg.zeros((2000,)), x)[1]
        y = dg.reshape(dg.transpose(sums[: turns // 2], axes), (-1,)).sum()
    session = dg.Session(graph, level=1)
    feed = {x: np.ones((turns, 2000), np.float32)}
    session.run(y, feed)
    gc.collect()
    tracemalloc.start()
    session.run(y, feed)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert session.program(y, feed).plan.peak == pytest.approx(peak, rel=0.1)


@pytest.mark.parametrize("turned", [(), ("table",), ("picked",), ("table", "picked")])
@pytest.mark.parametrize("shape", [(), (7,), (5, 4), (3, 0, 2)])
def test_rows_of_a_table_lie_as_numpy_puts_them(shape, turned):
    rng = np.random.default_rng(1)
    table = rng.normal(size=(300, 130)).astype("float32")
    picked = np.array(rng.integers(-300, 300, size=shape))
    table = np.asfortranarray(table) if "table" in turned else table
    picked = picked.T.copy().T if "picked" in turned else picked

    def sums(table, picked):
        rows = table[picked]
        return [dg.square(rows), dg.sum(dg.exp(rows)), dg.softmax(rows).sum(axis=0)]

    with dg.Graph().as_default() as graph:
        nodes = dg.placeholder(table.shape), dg.placeholder(shape, "int64")
        found = sums(*nodes)
    values = dg.Session(graph).run(found, dict(zip(nodes, (table, picked), strict=True)))
    for one, other in zip(values, sums(dg.Tensor(table), dg.Tensor(picked)), strict=True):
        np.testing.assert_array_equal(one, other.numpy(), strict=True)


def pictures(pool, norm):
    first = [dg.nn.Conv2d(1, 8, 3, padding=1), *([dg.nn.BatchNorm(8)] if norm else [])]
    return dg.nn.Sequential(
        *first,
        dg.nn.ReLU(),
        pool(2),
        dg.nn.Conv2d(8, 8, 3, padding=1, stride=2 if norm else 1),
        dg.nn.Tanh(),
        pool(2),
        dg.nn.Flatten(),
        dg.nn.Linear(8 * (9 if norm else 49), 10),
    )


@pytest.mark.parametrize("norm", [False, True])
@pytest.mark.parametrize("pool", [dg.nn.MaxPool2d, dg.nn.AvgPool2d])
def test_a_step_of_a_network_for_pictures_takes_what_the_plan_says(pool, norm):
    with dg.Graph().as_default() as graph:
        x, y = dg.placeholder((96, 1, 28, 28)), dg.placeholder((96,), "int64")
        net = pictures(pool, norm)
        loss = dg.cross_entropy(net(x), y)
        step = dg.optim.SGD(net.parameters(), lr=0.01).minimize(loss)
    session = dg.Session(graph)
    session.run(graph.startup)
    feed = {x: np.ones((96, 1, 28, 28), np.float32), y: np.zeros(96, np.int64)}
    gc.collect()
    tracemalloc.start()
    plan = session.program([loss, step], feed).plan
    objects = tracemalloc.get_traced_memory()[0] - plan.buffers[0].size
    session.run([loss, step], feed)
    tracemalloc.reset_peak()
    session.run([loss, step], feed)
    peak = tracemalloc.get_traced_memory()[1] - objects
    tracemalloc.stop()
    assert plan.peak == pytest.approx(peak, rel=0.1)


def test_no_two_values_that_live_at_once_share_memory():
    graph, _tensors, fetches, feed = next(filter(None, map(build_or_skip, range(40, 60))))
    plan = dg.Session(graph).program(fetches, feed).plan
    for k, a in enumerate(plan.blocks):
        for b in plan.blocks[k + 1 :]:
            together = a.first <= b.last and b.first <= a.last
            apart = a.offset + a.size <= b.offset or b.offset + b.size <= a.offset
            assert apart or not together or a.last == b.first or b.last == a.first


def test_a_plan_needs_sizes():
    with dg.Graph().as_default() as graph:
        x = dg.placeholder((None,), name="x")
        y = x * 2.0
    session = dg.Session(graph)
    with pytest.raises(dg.errors.OperationError, match="sizes that are not known"):
        _ = session.program(y, [x]).plan
    session.run(y, {x: [1.0, 2.0]})
    assert "arena" in str(session.program(y, [x]).plan)


def test_an_unknown_executor_is_refused():
    with pytest.raises(dg.errors.OperationError, match="no executor 'gpu3'"):
        dg.Session(dg.Graph(), "gpu3")


# ---- what is handed out --------------------------------------------------------------------------


@pytest.mark.parametrize("executor", ["interpreter", "planned"])
def test_fetches_that_a_pass_merged_are_arrays_of_their_own(executor):
    with dg.Graph().as_default() as graph:
        x = dg.placeholder((3, 4), name="x")
        one, two = dg.exp(x), dg.exp(x)
        sorts = [dg.sort(x), dg.sort(x)]  # whose results are no planned memory
    session = dg.Session(graph, executor)
    fetches = [one, two, one, *sorts, one.reshape((4, 3))]
    feed = {x: np.arange(12, dtype=np.float32).reshape(3, 4)}
    want = [array.copy() for array in session.run(fetches, feed)]
    for _ in range(2):
        found = session.run(fetches, feed)
        for k, array in enumerate(found):
            array[...] = -1.0
            for other, right in zip(found[k + 1 :], want[k + 1 :], strict=True):
                assert same_bits(other, right)


def test_relu_of_any_layout_and_size_has_the_bits_of_eager_code():
    special = np.array([0.0, -0.0, np.nan, np.inf, -np.inf, 1e-42, -1e-42], np.float32)
    values = np.resize(special, 70_001).astype(np.float32)
    values[::3] = np.random.default_rng(0).normal(size=len(values[::3]))
    for x in (values, values[:70_000].reshape(200, 350).T.copy().T, values[:6].reshape(2, 3)):
        with dg.Graph().as_default() as graph:
            node = dg.placeholder(x.shape, name="x")
            y = dg.relu(node.T if x.ndim == 2 else node)
        session = dg.Session(graph)
        want = dg.relu(dg.Tensor(x).T if x.ndim == 2 else dg.Tensor(x)).numpy()
        for _ in range(2):
            assert same_bits(session.run(y, {node: x}), want)


@pytest.mark.parametrize("batch", [3, 64])
def test_weights_learn_the_same_from_feeds_that_are_looked_up(batch):
    """A large feed stays where the user has it: products read it by its address."""
    rng = np.random.default_rng(0)
    batches = [rng.normal(size=(batch, 500)).astype(np.float32) for _ in range(3)]
    runs = []
    for exact in (True, False):
        w = dg.Parameter(np.ones((500, 4), np.float32), name="w")
        with dg.Graph().as_default() as graph:
            x = dg.placeholder(("batch", 500), name="x")
            loss = dg.mean(dg.square(x @ w))
            step = dg.optim.SGD([w], lr=0.01).minimize(loss)
        session = dg.Session(graph, exact=exact)
        losses = [session.run([loss, step], {x: values.copy()})[0] for values in 2 * batches]
        runs.append((losses, w.numpy()))
    np.testing.assert_allclose(runs[0][0], runs[1][0], rtol=1e-4)
    np.testing.assert_allclose(runs[0][1], runs[1][1], rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("label", [-1, 3])
def test_labels_are_checked_also_where_only_a_loss_that_nobody_reads_would_do_it(label):
    with dg.Graph().as_default() as graph:
        z = dg.placeholder((2, 3), name="z")
        y = dg.placeholder((2,), "int64", name="y")
        loss = dg.softmax_cross_entropy(z, y)
        fetch = dg.minus_one_hot(z, y) + 0.0 * dg.zeros_like(loss)[:, None]
    feed = {z: np.zeros((2, 3), np.float32), y: np.array([0, label])}
    want = dg.Session(graph, "interpreter")
    session = dg.Session(graph)
    with pytest.raises(dg.errors.LabelError):
        want.run([fetch, loss], feed)
    with pytest.raises(dg.errors.LabelError):
        session.run([fetch, loss], feed)


@pytest.mark.parametrize("dtype", ["int8", "int16", "int32", "int64"])
def test_a_negative_label_is_found_in_every_width(dtype):
    classes = 40_000 if dtype == "int16" else 200
    with dg.Graph().as_default() as graph:
        z = dg.placeholder((2, classes), name="z")
        y = dg.placeholder((2,), dtype, name="y")
        loss = dg.cross_entropy(z, y)
        fetches = [loss, dg.gradients(loss, z)]
    feed = {z: np.zeros((2, classes), np.float32), y: np.array([5, -1], dtype)}
    for options in ({"executor": "interpreter"}, {}, {"exact": False}):
        with pytest.raises(dg.errors.LabelError, match="label -1 at position"):
            dg.Session(graph, **options).run(fetches, feed)


NOT_FITTING = {
    "an index": lambda x: x[5],
    "a shape": lambda x: dg.reshape(x, (2, 2)),
    "an axis": lambda x: dg.squeeze(x, axis=0),
    "a stretch": lambda x: dg.broadcast_to(x, (4, 2)),
    "a row": lambda x: dg.stack([x, dg.constant(np.ones(4, np.float32))]),
}


@pytest.mark.parametrize("level", [0, 2])
@pytest.mark.parametrize("what", NOT_FITTING)
def test_sizes_that_turn_out_not_to_fit_are_told_in_the_interpreters_words(what, level):
    with dg.Graph().as_default() as graph:
        x = dg.placeholder((None,), name="x")
        y = NOT_FITTING[what](x * 2.0)
    told = []
    for options in ({"executor": "interpreter"}, {"executor": "planned", "level": level}):
        with pytest.raises(dg.errors.DlgraphError) as caught:
            dg.Session(graph, **options).run(y, {x: np.ones(3, np.float32)})
        told.append((type(caught.value), caught.value.what))
    assert told[0] == told[1]


def test_a_stack_of_values_that_turn_out_unequal_reads_no_foreign_memory():
    with dg.Graph().as_default() as graph:
        x, w = dg.placeholder((2, 3), name="x"), dg.placeholder((None, None), name="w")
        y = dg.stack([x * 2.0, w * 3.0])
    session = dg.Session(graph, executor="planned", level=0)
    with pytest.raises(dg.errors.ShapeError, match="differs"):
        session.run(y, {x: np.ones((2, 3), np.float32), w: np.ones((2, 2), np.float32)})


class Counted:
    """A lock that counts, and can be interrupted while somebody waits for it."""

    def __init__(self, interrupts=False):
        self.held, self.interrupts = 0, interrupts

    def __enter__(self):
        if self.interrupts:
            raise KeyboardInterrupt
        self.held += 1

    def __exit__(self, *error):
        self.held -= 1


def test_an_interrupt_while_a_run_waits_for_memory_lets_go_of_what_it_has():
    with dg.Graph().as_default() as graph:
        x = dg.placeholder((2,), name="x")
        y = dg.exp(x)
    program = dg.Session(graph).program(y, [x])
    value = [np.zeros(2, "float32")]
    program.prepare(value)
    (runner,) = program._runners.values()
    runner.locks = [Counted(), Counted(interrupts=True), Counted()]
    with pytest.raises(KeyboardInterrupt):
        program.answer(value)
    assert [lock.held for lock in runner.locks] == [0, 0, 0]
    runner.locks[1].interrupts = False
    assert program.answer(value)[0].tolist() == [1.0, 1.0]
    assert [lock.held for lock in runner.locks] == [0, 0, 0]


def test_locks_are_held_while_a_plan_runs_and_let_go_after_an_error():
    with dg.Graph().as_default() as graph:
        x = dg.placeholder((2,), "int64", name="x")
        y = dg.one_hot(x, 3)
    program = dg.Session(graph).program(y, [x])
    program.prepare([np.array([1, 2])])
    (runner,) = program._runners.values()
    runner.locks = [Counted(), Counted()]
    held = []
    begin = runner._begin
    runner._begin = lambda feeds: (held.append([one.held for one in runner.locks]), begin(feeds))
    program.answer([np.array([1, 2])])
    with pytest.raises(dg.errors.LabelError):
        program.answer([np.array([1, 7])])
    assert held == [[1, 1], [1, 1]]
    assert [one.held for one in runner.locks] == [0, 0]


CUTS = [
    lambda c: c[:, :1],
    lambda c: c[::-1],
    lambda c: c[:, ::-2],
    lambda c: c.T[:2],
    lambda c: c[2:0:-1, 1:3],
    lambda c: dg.broadcast_to(c[:1], (3, 4)),
]


@pytest.mark.parametrize("cut", range(len(CUTS)))
@pytest.mark.parametrize("executor", ["planned", "fast"])
def test_constants_with_gaps_and_backwards_are_read_where_they_are(executor, cut):
    pytest.importorskip("llvmlite")
    with dg.Graph().as_default() as graph:
        x = dg.placeholder((None, 9), name="x")
        c = CUTS[cut](dg.constant(np.arange(12, dtype="float32").reshape(3, 4)))
        wide = dg.scatter(c, x, index=tuple(map(slice, c.shape)))
        joined = dg.concatenate([c[1:], c[:1]]) * x[0, 0] + dg.sum(c, axis=0)
    feed = {x: np.random.default_rng(0).normal(size=(9, 9)).astype("float32")}
    wanted = dg.Session(graph, executor="interpreter").run([wide, joined], feed)
    found = dg.Session(graph, executor, exact=True).run([wide, joined], feed)
    for one, other in zip(found, wanted, strict=True):
        np.testing.assert_array_equal(one, other)


def test_an_einsum_that_only_turns_is_no_view_of_memory_that_others_take():
    with dg.Graph().as_default() as graph:
        x = dg.placeholder((5, 4), name="x")
        turned = dg.einsum("ij->ji", dg.tanh(x) - 1.0)
        other = dg.sum(dg.exp(x) * 2.0 + dg.exp(x * 0.5) * dg.square(x))
    feed = {x: np.random.default_rng(0).normal(size=(5, 4)).astype("float32")}
    wanted, _ = dg.Session(graph, executor="interpreter").run([turned, other], feed)
    for level in range(4):
        found, _ = dg.Session(graph, level=level).run([turned, other], feed)
        np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (1, 0, 2, 3), (2, 3, 0, 1), (3, 1, 0, 2)])
@pytest.mark.parametrize("other", [(4,), (4, 7), (3, 4, 7), (1, 4, 7), (5, 1, 4, 7)])
@pytest.mark.parametrize("executor", ["planned", "fast"])
def test_a_stack_of_products_lies_as_numpy_lays_it_so_later_sums_have_its_bits(
    executor, other, order
):
    if executor == "fast":
        pytest.importorskip("llvmlite")
    rng = np.random.default_rng(3)
    x = rng.normal(size=[(5, 3, 6, 4)[axis] for axis in order]).astype("float32")
    right = rng.normal(size=other).astype("float32")

    def formula(x):
        y = dg.transpose(x, tuple(np.argsort(order))) @ right
        return [dg.mean(dg.square(y)), dg.sum(dg.sin(y), axis=(0, 2)), dg.tanh(y)]

    with dg.Graph().as_default() as graph:
        node = dg.placeholder(x.shape, name="x")
        ys = formula(node)
    found = dg.Session(graph, executor=executor, exact=True).run(ys, {node: x})
    for want, got in zip(formula(dg.Tensor(x)), found, strict=True):
        np.testing.assert_array_equal(want.numpy(), got)
