"""Compiled kernels against the operations' own forwards, their twins in NumPy."""

import numpy as np
import pytest

pytest.importorskip("llvmlite")

import dlgraph as dg
from dlgraph.core.primitive import REGISTRY
from dlgraph.errors import LabelError
from dlgraph.executors.fast import executor
from dlgraph.executors.fast.ir import Target
from dlgraph.executors.fast.segments import KERNELS
from dlgraph.ops.fused import gemm
from dlgraph.ops.scalar import SCALAR
from tests.executors.fast_tools import both, left_to_numpy, program_of
from tests.ops.forms import in_dtype
from tests.ops.samples import every_sample

FOLDS = {"sum", "sum_like", "mean", "max", "min", "concatenate", "scatter"}
COMPILED = set(SCALAR) | FOLDS | set(KERNELS)
# not of every integer
NO_INTEGERS = {"power", "raise_to", "softmax_cross_entropy", "log_softmax", "softmax"}
RNG = np.random.default_rng(0)


@pytest.fixture(autouse=True, scope="module")
def own_cache(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


def normal(*shape, dtype="float32"):
    return RNG.normal(size=shape).astype(dtype)


def close(found, wanted):
    for a, b in zip(found, wanted, strict=True):
        assert (a.dtype, a.shape) == (b.dtype, b.shape)
        if a.dtype.kind == "f":
            scale = 3e-6 if a.dtype == np.float32 else 1e-13
            np.testing.assert_allclose(a, b, rtol=10 * scale, atol=scale * 10)
        else:
            np.testing.assert_array_equal(a, b)


def samples(*dtypes):
    return [
        pytest.param(name, in_dtype(sample, dtype), id=f"{name} {dtype} {sample}")
        for name, sample in every_sample(lambda name, sample: name in COMPILED)
        for dtype in dtypes
        if dtype != "int64" or name not in NO_INTEGERS
    ]


def applied(name, sample):
    return lambda *nodes: REGISTRY[name](*nodes, **sample.attrs)


@pytest.mark.parametrize(("name", "sample"), samples("float32", "float64", "int64"))
def test_every_sample_of_the_registry(name, sample):
    with np.errstate(divide="ignore"):  # arctanh of the integer 1
        close(*both(applied(name, sample), *sample.arrays))


EXACT = [p for p in samples("float32", "float64") if p.values[0] != "gemm"]  # never exact


@pytest.mark.parametrize(("name", "sample"), EXACT)
def test_exact_keeps_every_bit(name, sample):
    for a, b in zip(*both(applied(name, sample), *sample.arrays, exact=True), strict=True):
        np.testing.assert_array_equal(a, b)


# ---- element-wise groups -------------------------------------------------------------------------

SHAPES = [(), (1,), (7,), (16,), (1000,), (3, 5), (16, 100), (4, 1, 33), (2, 3, 4, 5)]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("dtype", ["float32", "float64", "int64", "int32"])
def test_a_chain_is_one_kernel(shape, dtype):
    def chain(x, y):
        z = (x + y) * x - y
        return dg.where(z > x, dg.maximum(z, y), -x * 2)

    x, y = (10 * normal(*shape, dtype="float64")).astype(dtype), normal(*shape).astype(dtype)
    close(*both(chain, x, y))
    assert left_to_numpy(chain, x, y) == []


@pytest.mark.parametrize(
    ("a", "b"), [((5, 1), (1, 7)), ((3, 1, 4), (2, 1)), ((4, 6), ()), ((2, 3, 4), (3, 1))]
)
def test_stretched_operands(a, b):
    x, y = normal(*a), normal(*b)
    close(*both(lambda x, y: dg.exp(x * 0.1) * y + dg.tanh(y), x, y))


def test_transposed_reversed_and_sliced_operands():
    x = normal(6, 10)
    close(*both(lambda x: [x.T * 2 + 1, x[::-1] * x, x[:, ::2] + 1, x[1:4, 3] * 3], x))


def test_feeds_in_other_layouts():
    x = normal(6, 10)
    session, _, fetches, nodes = program_of(lambda x: x * 2 + 1, [x])
    for layout in (np.asfortranarray(x), x[::-1][::-1], np.repeat(x, 2, axis=1)[:, ::2]):
        np.testing.assert_array_equal(session.run(fetches, {nodes[0]: layout})[0], x * 2 + 1)


def test_values_inside_and_outside_a_group_are_all_there():
    def many(x):
        a = dg.exp(x)
        b = a + x
        c = b * a
        return [a, b, c, c.sum(), (c * b).mean(axis=0), dg.max(c, axis=1)]

    close(*both(many, normal(9, 35)))


def test_truth_values():
    x, y = normal(5, 40), normal(5, 40)

    def truths(x, y):
        both_up = dg.logical_and(x > 0, y > 0)
        return [both_up, dg.logical_not(both_up), dg.cast(dg.logical_or(x < y, both_up), "float32")]

    close(*both(truths, x, y))
    assert left_to_numpy(truths, x, y) == []


def test_infinities_and_nan():
    special = np.array([0.0, -0.0, 1.0, np.inf, -np.inf, np.nan, 1e-42, 3e38], np.float32)
    a, b = np.repeat(special, 8), np.tile(special, 8)

    def compared(a, b):
        return [dg.maximum(a, b), dg.minimum(a, b), dg.relu(a), dg.sign(a), a < b, a != b, a * b]

    for found, wanted in zip(*both(compared, a, b), strict=True):
        np.testing.assert_array_equal(found, wanted)


# ---- sums and extremes ---------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(1,), (5,), (16, 100), (3, 4, 5), (1, 30), (30, 1), (70000,)])
@pytest.mark.parametrize("operation", [dg.sum, dg.mean, dg.max, dg.min])
def test_folds_over_every_set_of_axes(shape, operation):
    x = normal(*shape)
    sets = [
        None,
        0,
        -1,
        *([(0, 1)] if len(shape) > 1 else []),
        *([(0, 2)] if len(shape) > 2 else []),
    ]

    def folded(x):
        return [operation(x * 2 + 1, axis=a, keepdims=k) for a in sets for k in (False, True)]

    close(*both(folded, x))
    assert left_to_numpy(folded, x) == []


def test_long_sums_are_as_good_as_those_of_numpy():
    x = RNG.random(3_000_017, dtype=np.float32) + 1
    (found,), _ = both(lambda x: x.sum(), x)
    assert abs(found / x.sum(dtype=np.float64) - 1) < 2e-7


def test_folds_with_nan():
    x = normal(4, 50)
    x[1, 3], x[2, 7] = np.nan, np.inf
    found, wanted = both(lambda x: [dg.max(x, axis=1), dg.min(x, axis=0), x.sum(axis=1)], x)
    for a, b in zip(found, wanted, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


# ---- products ------------------------------------------------------------------------------------

SIZES = [(1, 1, 1), (16, 100, 784), (3, 5, 7), (17, 33, 9), (100, 10, 16), (5, 1, 8), (64, 48, 32)]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_products_with_and_without_transposes(size, dtype):
    m, n, k = size
    a, b = normal(m, k, dtype=dtype), normal(k, n, dtype=dtype)
    at, bt = np.ascontiguousarray(a.T), np.ascontiguousarray(b.T)

    def products(a, b, at, bt):
        return [a @ b, at.T @ b, a @ bt.T, at.T @ bt.T, (a @ b).T + 1]

    found, wanted = both(products, a, b, at, bt)
    eps = 1e-5 if dtype == "float32" else 1e-13
    for x, y in zip(found, wanted, strict=True):
        np.testing.assert_allclose(x, y, rtol=eps, atol=eps * k)
    assert left_to_numpy(products, a, b, at, bt) == []


@pytest.mark.parametrize("ta", [False, True])
@pytest.mark.parametrize("tb", [False, True])
@pytest.mark.parametrize("beta", [1.0, 0.5, 0.0])
def test_product_and_sum(ta, tb, beta):
    m, n, k = 20, 30, 9
    a, b, c = normal(*((k, m) if ta else (m, k))), normal(*((n, k) if tb else (k, n))), normal(m, n)
    alpha = np.float32(-0.25)

    def combined(a, b, c):
        made = gemm(a, b, c, dg.constant(alpha), ta=ta, tb=tb, beta=beta)
        return [made, gemm(a, b, made * 2, dg.constant(alpha), ta=ta, tb=tb, beta=beta)]

    found, wanted = both(combined, a, b, c)
    for x, y in zip(found, wanted, strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-5, atol=1e-5)
    assert left_to_numpy(combined, a, b, c) == []


def test_stacks_vectors_and_large_products():
    a, b = normal(2, 3, 4, 5), normal(3, 5, 6)
    row, column = normal(5), normal(4)
    big = normal(40, 700), normal(700, 600)  # more than fits our own tiles

    def products(a, b, row, column, x, y):
        return [a @ b, row @ b, a @ row, row @ row, column @ a, x @ y, y.T @ x.T]

    found, wanted = both(products, a, b, row, column, *big)
    for x, y in zip(found, wanted, strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-4, atol=1e-3)


# ---- rows and labels -----------------------------------------------------------------------------


@pytest.mark.parametrize("classes", [1, 2, 10, 16, 17, 1000])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_cross_entropy_and_its_gradient(classes, dtype):
    z = 5 * normal(9, classes, dtype=dtype)
    labels = RNG.integers(0, classes, 9)

    def loss(z, labels):
        value = dg.cross_entropy(z, labels)
        return [value, dg.gradients(value, z), dg.log_softmax(z), dg.softmax(z)]

    close(*both(loss, z, labels))
    assert left_to_numpy(loss, z, labels) == []


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_softmax_of_large_numbers_is_as_good_as_that_of_small_ones(dtype):
    large = np.round(4 * normal(3, 7, dtype=dtype)) + np.dtype(dtype).type(1e6)
    close(*both(lambda z: [dg.log_softmax(z), dg.softmax(z)], large))


def test_a_label_out_of_range_is_explained():
    with dg.Graph().as_default() as graph:
        z, labels = dg.placeholder((2, 3), name="z"), dg.placeholder((2,), "int64", name="labels")
        loss = dg.cross_entropy(z * 2.0, labels)
    session, zeros = dg.Session(graph, executor="fast"), np.zeros((2, 3), np.float32)
    for wrong in (3, -1):
        with pytest.raises(LabelError, match=f"label {wrong} at position"):
            session.run(loss, {z: zeros, labels: [0, wrong]})
    assert session.run(loss, {z: zeros, labels: [0, 2]}) == pytest.approx(np.log(3))


def test_an_index_from_the_end_is_done_by_numpy():
    x, indices = normal(3, 4), np.array([[-1], [0], [2]])
    close(*both(lambda x, i: dg.take_along_axis(x, i, axis=1) * 2, x, indices))


# ---- pictures ------------------------------------------------------------------------------------

CONVOLUTIONS = [  # input, filters, stride, dilation
    ((2, 1, 28, 28), (6, 1, 5, 5), 1, 1),
    ((3, 6, 12, 12), (16, 6, 5, 5), 1, 1),
    ((2, 3, 9, 11), (20, 3, 3, 3), 2, 1),
    ((2, 3, 9, 11), (4, 3, 3, 3), 1, (2, 1)),
    ((1, 2, 7, 7), (1, 2, 3, 3), 1, 1),
    ((2, 17, 8, 9), (33, 17, 3, 3), (2, 1), 1),
    ((2, 4, 10, 10), (5, 4, 2, 3), 1, 1),
    ((1, 20, 6, 6), (40, 20, 1, 1), 1, 1),
    ((2, 2, 5, 40), (3, 2, 2, 2), 1, 1),
]


def nearly(found, wanted):
    """Sums of products in another order: relative to the largest element."""
    for a, b in zip(found, wanted, strict=True):
        assert (a.dtype, a.shape) == (b.dtype, b.shape)
        scale = np.abs(b).max()
        np.testing.assert_allclose(a / scale, b / scale, rtol=0, atol=1e-5)


@pytest.mark.parametrize(("picture", "filters", "stride", "dilation"), CONVOLUTIONS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_convolution_and_its_gradients(picture, filters, stride, dilation, dtype):
    x, w = normal(*picture, dtype=dtype), normal(*filters, dtype=dtype)

    def convolved(x, w):
        y = dg.conv2d(x, w, stride=stride, dilation=dilation)
        return [y, *dg.gradients((y * y).sum(), [x, w])]

    nearly(*both(convolved, x, w))
    assert left_to_numpy(convolved, x, w) == []


UNEQUAL = ((2, 1), (0, 3))
PADDED = [  # input, filters, stride, dilation, padding
    ((2, 16, 11, 9), (32, 16, 3, 3), 1, 1, 1),
    ((2, 17, 8, 9), (33, 17, 3, 2), (2, 1), 1, UNEQUAL),
    ((1, 20, 6, 7), (40, 20, 1, 1), 1, 1, 1),
    ((3, 3, 9, 11), (20, 3, 3, 3), 2, 1, 1),
    ((3, 3, 9, 40), (4, 3, 3, 3), 1, (2, 1), UNEQUAL),
    ((2, 5, 10, 10), (6, 5, 3, 3), 1, 2, 2),
    ((2, 12, 10, 11), (9, 12, 2, 3), (1, 3), (1, 2), UNEQUAL),
    ((1, 1, 28, 28), (6, 1, 5, 5), 1, 1, 2),
    ((1, 2, 7, 7), (1, 2, 3, 3), 1, 1, 1),
    ((1, 2, 1, 1), (3, 2, 3, 3), 1, 1, 1),
    ((2, 6, 5, 1), (7, 6, 3, 3), 1, 1, 1),
    ((2, 3, 5, 6), (4, 3, 2, 2), 1, 1, 3),  # windows that see nothing but margin
    ((13, 16, 20, 20), (24, 16, 3, 3), 1, 1, 1),  # more than the cache holds, and a rest
    ((13, 4, 40, 40), (8, 4, 3, 3), 1, 1, 1),
]


@pytest.mark.parametrize(("picture", "filters", "stride", "dilation", "padding"), PADDED)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_convolution_with_padding_and_its_gradients(
    picture, filters, stride, dilation, padding, dtype
):
    x, w = normal(*picture, dtype=dtype), normal(*filters, dtype=dtype)

    def convolved(x, w):
        y = dg.conv2d(x, w, stride=stride, dilation=dilation, padding=padding)
        return [y, *dg.gradients((y * y).sum(), [x, w])]

    nearly(*both(convolved, x, w))
    assert left_to_numpy(convolved, x, w) == []


@pytest.mark.parametrize(("picture", "filters", "stride", "dilation", "padding"), PADDED)
def test_convolutions_keep_to_their_scratch_memory(
    picture, filters, stride, dilation, padding, monkeypatch
):
    guarded = []

    def guard(size):  # full of NaN, with more of it before and after
        whole = np.full(size + 8192, 255, np.uint8)
        start = -whole.ctypes.data % 64 + 4096
        guarded.append((whole, start, start + size))
        return whole[start : start + size]

    monkeypatch.setattr(executor, "aligned", guard)
    x, w = normal(*picture), normal(*filters)

    def convolved(x, w):
        y = dg.conv2d(x, w, stride=stride, dilation=dilation, padding=padding)
        return [y, *dg.gradients((y * y).sum(), [x, w])]

    nearly(*both(convolved, x, w))
    assert guarded
    for whole, start, end in guarded:
        assert (whole[:start] == 255).all()
        assert (whole[end:] == 255).all()


@pytest.mark.parametrize("padding", [0, 1, UNEQUAL])
@pytest.mark.parametrize("channels", [(3, 6), (12, 20), (20, 4)])
def test_two_convolutions_in_a_row(padding, channels):
    first, second = channels
    x, v, w = normal(3, 2, 9, 10), normal(first, 2, 3, 3), normal(second, first, 2, 3)

    def convolved(x, v, w):
        h = dg.tanh(dg.conv2d(x, v, padding=padding))
        y = dg.conv2d(h, w, padding=padding)
        return [y, *dg.gradients((y * y * y).sum(), [x, v, w])]

    nearly(*both(convolved, x, v, w))
    assert left_to_numpy(convolved, x, v, w) == []


@pytest.mark.parametrize("padding", [0, 1])
@pytest.mark.parametrize("order", [(0, 3, 1, 2), (3, 0, 2, 1), (1, 0, 3, 2)])
def test_convolutions_of_pictures_in_every_order(order, padding):
    shape = (3, 4, 8, 9)
    fed = normal(*(shape[axis] for axis in np.argsort(order)))
    x, w = fed, normal(10, 4, 3, 3)

    def convolved(x, w):
        x = dg.transpose(x, order)
        y = dg.conv2d(x, w, padding=padding)
        return [y, *dg.gradients((y * y).sum(), [x, w])]

    nearly(*both(convolved, x, w))
    assert left_to_numpy(convolved, x, w) == []


@pytest.mark.parametrize("padding", [0, 1])
@pytest.mark.parametrize("filters", [3, 8, 16, 33])
@pytest.mark.parametrize("order", [(0, 1, 2, 3), (0, 3, 1, 2)])
def test_what_comes_back_to_a_convolution_in_another_order(order, filters, padding):
    shape = (2, 4, 9, 19)
    x = normal(*(shape[axis] for axis in np.argsort(order)))
    w, dy = normal(filters, 4, 3, 3), normal(2, filters, 7 + 2 * padding, 17 + 2 * padding)

    def convolved(x, w, dy):
        y = dg.conv2d(dg.transpose(x, order), w, padding=padding)
        return dg.gradients((y * dy).sum(), [x, w])

    nearly(*both(convolved, x, w, dy))
    assert left_to_numpy(convolved, x, w, dy) == []


@pytest.mark.parametrize("filters", [1, 6, 20])
@pytest.mark.parametrize("padding", [0, 1])
def test_the_gradient_of_a_mean_of_a_convolution(filters, padding):
    x, w = normal(3, 2, 7, 8), normal(filters, 2, 3, 3)

    def convolved(x, w):
        return dg.gradients(dg.conv2d(x, w, padding=padding).mean(), [x, w])

    nearly(*both(convolved, x, w))
    assert left_to_numpy(convolved, x, w) == []


@pytest.mark.parametrize("options", [{"padding": 1}, {"stride": 2, "padding": 2}, {"dilation": 3}])
def test_convolutions_of_sequences(options):
    x, w = normal(3, 5, 17), normal(12, 5, 4)

    def convolved(x, w):
        y = dg.conv1d(x, w, **options)
        return [y, *dg.gradients((y * y).sum(), [x, w])]

    nearly(*both(convolved, x, w))
    assert left_to_numpy(convolved, x, w) == []


@pytest.mark.parametrize("channels", [(8, 1), (3, 20)])
@pytest.mark.parametrize("options", [{}, {"padding": 1}, {"stride": 2, "padding": 1}])
def test_transposed_convolutions(channels, options):
    x, w = normal(2, channels[0], 6, 7), normal(*channels, 3, 4)

    def convolved(x, w):
        y = dg.conv_transpose2d(x, w, **options)
        return [y, *dg.gradients((y * y).sum(), [x, w])]

    nearly(*both(convolved, x, w))
    assert left_to_numpy(convolved, x, w) == []


def test_convolutions_of_groups_are_left_to_numpy():
    x, w = normal(2, 4, 7, 7), normal(6, 2, 3, 3)

    def convolved(x, w):
        y = dg.conv2d(x, w, groups=2)
        return [y, *dg.gradients((y * y).sum(), [x, w])]

    nearly(*both(convolved, x, w))
    assert set(left_to_numpy(convolved, x, w)) == {"conv2d", "conv2d_input", "conv2d_filters"}


@pytest.mark.parametrize(("kernel", "stride"), [(2, 2), (3, 3), ((2, 3), (2, 3)), (2, 3), (3, 2)])
@pytest.mark.parametrize("pool", [dg.max_pool2d, dg.avg_pool2d])
def test_pooling_and_its_gradient(pool, kernel, stride):
    x = normal(2, 3, 12, 13)
    x[0, 0, :4, :4] = 1  # ties: the first of a window gets the gradient

    def pooled(x):
        y = pool(x, kernel, stride=stride)
        return [y, *dg.gradients((y * y * y).sum(), [x])]

    close(*both(pooled, x))


@pytest.mark.parametrize("pool", [dg.max_pool2d, dg.avg_pool2d])
def test_pooling_with_a_margin_is_written_into_planned_memory(pool):
    x = normal(4, 3, 8, 8)

    def pooled(x):
        y = pool(x * 2, 3, stride=1, padding=1)
        return [y, dg.gradients((y * y).sum(), x)]

    session, program, fetches, nodes = program_of(pooled, (x,))
    session.run(fetches, {nodes[0]: x})
    (runner,) = program._runners.values()
    assert all(step.kind != "call" for step in runner.plan.instructions)
    close(*both(pooled, x))


@pytest.mark.parametrize("pool", [dg.max_pool2d, dg.avg_pool2d])
def test_what_pooling_sends_back_lies_as_its_input(pool):
    x, w, v = normal(2, 3, 9, 9), normal(12, 3, 2, 2), normal(192, 5)

    def pooled(x, w, v):
        y = dg.tanh(pool(dg.conv2d(x, w), 2).flatten(1) @ v)
        return dg.gradients((y * y).sum(), [w])

    session, program, fetches, nodes = program_of(pooled, (x, w, v))
    session.run(fetches, dict(zip(nodes, (x, w, v), strict=True)))
    (runner,) = program._runners.values()
    (spread,) = [s for s in runner.plan.instructions if s.primitive.name.endswith("_spread")]
    assert spread.output.strides == spread.inputs[1].strides == (12 * 64 * 4, 4, 12 * 32, 12 * 4)


def test_a_network_for_pictures():
    weights = [normal(6, 1, 5, 5), normal(6), normal(16, 6, 5, 5), normal(16), normal(256, 10)]
    x, labels = normal(4, 1, 28, 28), RNG.integers(0, 10, 4)

    def loss(x, labels, c1, b1, c2, b2, w):
        h = dg.max_pool2d(dg.relu(dg.conv2d(x, c1 * 0.2, b1)), 2)
        h = dg.max_pool2d(dg.relu(dg.conv2d(h, c2 * 0.1, b2)), 2)
        value = dg.cross_entropy(h.flatten(1) @ (w * 0.1), labels)
        return [value, *dg.gradients(value, [c1, b1, c2, b2, w])]

    found, wanted = both(loss, x, labels, *weights)
    for a, b in zip(found, wanted, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-5)
    assert left_to_numpy(loss, x, labels, *weights) == []


@pytest.mark.parametrize("machine", [Target(32, 16), Target(16, 32), Target(16, 16)])
def test_machines_with_shorter_vectors(machine, monkeypatch):
    monkeypatch.setattr(executor, "target", lambda: machine)
    test_a_network_for_pictures()
    for case in PADDED[:7]:
        test_convolution_with_padding_and_its_gradients(*case, "float32")
    test_folds_over_every_set_of_axes((16, 100), dg.sum)
    test_products_with_and_without_transposes((17, 33, 9), "float32")
    test_stacks_vectors_and_large_products()  # without a BLAS to call
    test_cross_entropy_and_its_gradient(17, "float64")
    test_stretched_operands((3, 1, 4), (2, 1))
