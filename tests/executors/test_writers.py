"""Every writer gives the bits of its forward function, and the layout that was promised."""

import numpy as np
import pytest

import dlgraph as dg
from dlgraph.core.primitive import REGISTRY
from dlgraph.core.spec import spec_of
from dlgraph.executors import layout
from dlgraph.executors.plan import Place
from dlgraph.executors.products import writer_of
from dlgraph.executors.writers import WRITERS

RNG = np.random.default_rng(0)
NONE = ((0, 0), (0, 0))
CONV = {"stride": (1, 1), "padding": NONE, "dilation": (1, 1), "groups": 1}
LONG = {**CONV, "stride": (2, 1), "padding": ((1, 1), (0, 2)), "groups": 2}
WIDE = {"stride": (2, 1), "padding": ((1, 1), (0, 2)), "dilation": (1, 2), "groups": 2}
POOL = {"kernel": (2, 2), "stride": (2, 2), "padding": NONE, "dilation": (1, 1)}
MEAN = {"kernel": (2, 2), "stride": (2, 2), "padding": NONE, "counted": NONE, "divisor": None}
MARGIN = ((1, 1), (1, 0))


KEY = np.array([3, 5], np.uint64)
UNIFORM = {"shape": (3, 40), "low": 0.0, "high": 1.0, "dtype": "float32"}
NORMAL = {"shape": (3, 40), "mean": 0.5, "std": 2.0, "dtype": "float64"}


def f(*shape):
    return RNG.normal(size=shape).astype("float32")


def arrangements(array):
    """The same values in other layouts."""
    yield array
    if array.ndim > 1:
        yield np.asfortranarray(array)
        yield np.repeat(array, 2, axis=-1)[..., ::2]
        yield array[::-1].copy()[::-1]


LABELS = np.array([0, 2, 1, 2])
CASES = {
    "relu": [((f(3, 4),), {})],
    "square": [((f(3, 4),), {}), ((np.arange(4),), {})],
    "raise_to": [((abs(f(3, 4)),), {"exponent": 2.5})]
    + [((f(3, 4),), {"exponent": p}) for p in (0, 1, 3, 4, 5.0, -1, -2, -3)],
    "power": [((abs(f(3, 4)), f(4)), {})],
    "sigmoid": [((f(3, 4) * 100,), {}), ((np.float64([1e3, -1e3, 0.0, np.nan]),), {})],
    "where": [
        ((f(3, 4) > 0, f(4), f(3, 1)), {}),
        ((f(70, 80) > 0, f(70, 80), f(70, 80)), {}),
        ((f(70, 80) > 0, f(), f(70, 80)), {}),
        ((f(70, 80) > 0, f(80), f(70, 80)), {}),
    ],
    "cast": [((f(3, 4),), {"dtype": np.dtype("float64")})],
    "to_integer": [((f(3, 4) * 9,), {"dtype": np.dtype("int64")})],
    "sum": [
        ((f(3, 4, 5),), {"axis": axis, "keepdims": keep})
        for axis in (None, 0, -1, (0, 2), ())
        for keep in (False, True)
    ]
    + [((f(3, 4) > 0,), {"axis": 0, "keepdims": False})],
    "mean": [((f(3, 4, 5),), {"axis": axis, "keepdims": False}) for axis in (None, 1, (0, 1))],
    "max": [((f(3, 4),), {"axis": axis, "keepdims": False}) for axis in (None, 0, 1)],
    "min": [((f(3, 4),), {"axis": axis, "keepdims": True}) for axis in (None, 0, 1)],
    "sum_like": [((f(2, 3, 4), f(*shape)), {}) for shape in ((4,), (3, 1), (1, 4), (2, 1, 4))]
    + [((f(5, 3, 4, 2), f(*shape)), {}) for shape in ((3, 1, 1), (4, 1), (1, 4, 2))],
    "log_softmax": [((f(3, 4) * 50,), {"axis": axis}) for axis in (0, -1)],
    "softmax": [((f(3, 4) * 50,), {"axis": axis}) for axis in (0, -1)],
    "concatenate": [((f(2, 3), f(4, 3)), {"axis": 0}), ((f(2, 3), f(2, 1)), {"axis": 1})],
    "scatter": [
        ((f(2, 4), f(5, 4)), {"index": (slice(1, 3),)}),
        ((f(4), f(5, 4)), {"index": (3,)}),
    ],
    "softmax_cross_entropy": [((f(4, 3) * 50, LABELS), {})],
    "take_along_axis": [
        ((f(4, 3), LABELS[:, None]), {"axis": -1}),
        ((f(4, 3), -1 - LABELS[:, None]), {"axis": 1}),
    ],
    "minus_one_hot": [((f(4, 3), LABELS), {})],
    "cross_entropy_from_sums": [((f(4, 3), np.exp(f(4)), LABELS), {})],
    "gemm": [
        ((f(5, 3), f(5, 4), f(3, 4), np.float32(-0.5)), {"ta": True, "tb": False, "beta": 1.0}),
        ((f(3, 5), f(4, 5), f(3, 4), np.float32(2.0)), {"ta": False, "tb": True, "beta": 0.0}),
    ],
    "conv2d": [
        ((f(2, 4, 6, 7), f(6, 4, 3, 2)), CONV),
        ((f(2, 4, 6, 7), f(6, 2, 3, 2)), WIDE),
        ((f(2, 4, 6, 7), f(24, 4, 3, 2)), CONV),  # many filters: one product
        ((f(64, 4, 6, 7), f(6, 4, 3, 2)), CONV),  # many images: side by side
        ((f(64, 4, 6, 7), f(6, 2, 3, 2)), LONG),
    ],
    "conv2d_input": [
        ((f(2, 6, 4, 6), f(6, 4, 3, 2), f(2, 4, 6, 7)), CONV),
        ((f(2, 24, 4, 6), f(24, 4, 3, 2), f(2, 4, 6, 7)), CONV),
        ((f(64, 6, 4, 6), f(6, 4, 3, 2), f(64, 4, 6, 7)), CONV),
        ((f(64, 6, 3, 7), f(6, 2, 3, 2), f(64, 4, 6, 7)), LONG),
        ((f(2, 6, 3, 7), f(6, 2, 3, 2), f(2, 4, 6, 7)), WIDE),
    ],
    "conv2d_filters": [
        ((f(2, 4, 6, 7), f(2, 24, 4, 6), f(24, 4, 3, 2)), CONV),
        ((f(64, 4, 6, 7), f(64, 6, 4, 6), f(6, 4, 3, 2)), CONV),
        ((f(64, 4, 6, 7), f(64, 6, 3, 7), f(6, 2, 3, 2)), LONG),
        ((f(2, 4, 6, 7), f(2, 6, 4, 6), f(6, 4, 3, 2)), CONV),
        ((f(2, 4, 6, 7), f(2, 6, 3, 7), f(6, 2, 3, 2)), WIDE),
    ],
    "max_pool2d": [
        ((f(2, 3, 6, 4),), POOL),
        ((f(2, 3, 6, 4),), {**POOL, "padding": ((1, 1), (1, 0))}),
    ],
    "max_pool2d_spread": [
        ((f(2, 3, 3, 2), np.round(f(2, 3, 6, 4)), f(2, 3, 3, 2)), POOL),
        ((f(2, 3, 3, 2), np.round(f(2, 3, 7, 4)), f(2, 3, 3, 2)), POOL),  # a row is left over
        (
            (f(2, 3, 4, 2), np.round(f(2, 3, 6, 4)), f(2, 3, 4, 2)),
            {**POOL, "padding": ((1, 1), (1, 0))},
        ),
    ],
    "avg_pool2d": [
        ((f(2, 3, 6, 4),), MEAN),
        ((f(2, 3, 6, 4),), {**MEAN, "divisor": 3}),
        ((f(2, 3, 6, 4),), {**MEAN, "padding": MARGIN, "counted": MARGIN}),
        ((f(2, 3, 6, 4),), {**MEAN, "stride": (1, 1), "padding": MARGIN}),
    ],
    "conv_transpose2d": [
        ((f(2, 4, 3, 5), f(4, 3, 2, 2)), CONV),
        ((f(64, 4, 3, 5), f(4, 3, 3, 2)), CONV),
        ((f(2, 4, 3, 5), f(4, 3, 3, 3)), LONG),
        ((f(2, 4, 3, 5), f(4, 3, 3, 3)), WIDE),
    ],
    "random_uniform": [
        ((KEY,), UNIFORM),
        ((KEY,), {**UNIFORM, "low": -1.0, "high": 2.5, "dtype": "float64"}),
        ((KEY,), {**UNIFORM, "shape": (), "low": -0.1, "high": 0.3}),
    ],
    "random_normal": [
        ((KEY,), NORMAL),
        ((KEY,), {**NORMAL, "shape": (0, 2), "dtype": "float32"}),
        ((KEY,), {**NORMAL, "std": 0.1, "dtype": "float32"}),
    ],
    "drop": [
        ((f(4, 30), KEY), {"rate": 0.3}),
        ((f(2, 3, 40).transpose(2, 0, 1), KEY), {"rate": 0.0}),
        ((f(4, 30).astype("float64"), KEY), {"rate": 0.9}),
        ((f(4, 30).astype("float16"), KEY), {"rate": 0.5}),
    ],
    "avg_pool2d_spread": [
        ((f(2, 3, 3, 2), f(2, 3, 6, 4)), MEAN),
        ((f(2, 3, 3, 2), f(2, 3, 7, 5)), {**MEAN, "divisor": 3}),
        ((f(2, 3, 4, 2), f(2, 3, 6, 4)), {**MEAN, "padding": MARGIN, "counted": MARGIN}),
        ((f(2, 3, 7, 4), f(2, 3, 6, 4)), {**MEAN, "stride": (1, 1), "padding": MARGIN}),
    ],
}


def test_every_writer_has_cases():
    assert set(CASES) == set(WRITERS)


@pytest.mark.parametrize("name", sorted(CASES))
def test_a_writer_gives_the_bits_of_the_forward_function(name):
    primitive = REGISTRY[name]
    served = 0
    for inputs, attrs in CASES[name]:
        for first in arrangements(np.asarray(inputs[0])):
            values = [first, *(np.asarray(x) for x in inputs[1:])]
            served += compare(primitive, values, attrs)
    assert served


def compare(primitive, values, attrs):
    want = primitive.forward(np, *values, **attrs)
    found = writer_of(primitive)
    places = [Place(0, 0, v.shape, v.strides, v.dtype) for v in values]
    strides = found.layout(places, spec_of(want), attrs)
    if strides is None:
        return 0
    extent = sum((n - 1) * s for n, s in zip(want.shape, strides, strict=True) if n)
    memory = np.full(extent + want.itemsize, 7, np.uint8)  # there may be gaps
    out = np.ndarray(want.shape, want.dtype, memory, 0, strides)
    room = lambda shape, dtype: np.full(shape, 3).astype(dtype)  # noqa: E731
    calls = found.write(out, *values, room=room, **attrs)
    if calls is None:
        return 0
    for _ in range(2):  # a second run finds what the first one left
        for function, arguments in calls:
            function(*arguments)
        if primitive.name == "gemm":
            np.testing.assert_allclose(out, want, rtol=1e-5)
        else:
            assert np.ascontiguousarray(out).tobytes() == np.ascontiguousarray(want).tobytes()
    if isinstance(want, np.ndarray):
        assert layout.alike(want.strides, Place(0, 0, want.shape, strides, want.dtype))
    return 1


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (1, 2, 0, 3), (1, 2, 3, 0), (3, 2, 1, 0)])
@pytest.mark.parametrize("shape", [(3, 1, 1), (4, 1), (1, 4, 2), (3, 4, 1)])
def test_a_sum_over_missing_and_stretched_axes_is_planned_in_any_layout(order, shape):
    x = f(*(np.array([5, 3, 4, 2])[list(order)])).transpose(np.argsort(order))
    assert compare(REGISTRY["sum_like"], [x, f(*shape)], {})


@pytest.mark.parametrize("axis", [-1, 1, 0, None])
def test_the_largest_of_a_row_by_its_position(axis):
    x = f(5, 7)
    x[1, 2], x[2, 3:] = np.inf, np.nan
    for keepdims in (False, True):
        want = x.max(axis=axis, keepdims=keepdims)
        out = np.full(want.shape, 7, np.float32)
        calls = writer_of(REGISTRY["max"]).write(
            out, x, axis=axis, keepdims=keepdims, room=np.empty, loose=True
        )
        slow = any(function == np.maximum.reduce for function, _ in calls)
        assert slow == (axis in (0, None))
        for function, arguments in calls:
            function(*arguments)
        np.testing.assert_array_equal(out, want)


def test_labels_that_were_checked_before_are_not_checked_again():
    primitive = REGISTRY["minus_one_hot"]
    values = [f(4, 3), LABELS]
    out = np.empty((4, 3), np.float32)
    room = lambda shape, dtype: np.empty(shape, dtype)  # noqa: E731
    calls = writer_of(primitive).write(out, *values, checked=True, room=room)
    for function, arguments in calls:
        function(*arguments)
    assert out.tobytes() == primitive.forward(np, *values).tobytes()
    usual = writer_of(primitive).write(out, *values, room=room)
    looks = [any(f.__name__ == "_subtract_ones" for f, _ in some) for some in (calls, usual)]
    assert looks == [False, True]


def test_a_primitive_of_the_user_can_write_into_planned_memory():
    written = []

    def into(out, x, *, room):
        written.append(out.shape)
        return [(np.multiply, (x, x, out)), (np.multiply, (out, x, out))]

    @dg.primitive(kind="elementwise", into=into)
    def third_power_example(xp, x):
        """The third power."""
        return x * x * x

    with dg.Graph().as_default() as graph:
        x = dg.placeholder((3,), name="x")
        y = third_power_example(x + 1.0)
    assert dg.Session(graph).run(y, {x: [0.0, 1.0, 2.0]}).tolist() == [1.0, 8.0, 27.0]
    assert (3,) in written


@pytest.mark.parametrize("wrong", [5, -1])
def test_labels_out_of_range_are_named_by_writers_too(wrong):
    with dg.Graph().as_default() as graph:
        x, labels = dg.placeholder((4, 3)), dg.placeholder((4,), "int64")
        loss = dg.softmax_cross_entropy(x, labels)
    with pytest.raises(dg.errors.LabelError, match=f"label {wrong} at position .1."):
        dg.Session(graph).run(loss, {x: f(4, 3), labels: [0, wrong, 1, 2]})


def test_layouts_are_those_of_numpy():
    for _ in range(300):
        ndim = int(RNG.integers(1, 5))
        shape, order = RNG.integers(1, 4, ndim), RNG.permutation(ndim)
        a = np.zeros(shape[order], "f").transpose(np.argsort(order))
        b = np.zeros([1 if RNG.random() < 0.3 else n for n in shape], "f")
        b = np.asfortranarray(b) if RNG.random() < 0.3 else b
        axes = tuple(RNG.permutation(ndim)[: RNG.integers(0, ndim + 1)].tolist())
        keep = bool(RNG.integers(2))
        places = [Place(0, 0, v.shape, v.strides, v.dtype) for v in (a, b)]
        both, less = a + b, a.sum(axis=axes, keepdims=keep)
        found = layout.elementwise(places, both.shape, both.dtype)
        assert layout.alike(both.strides, Place(0, 0, both.shape, found, both.dtype))
        found = layout.reduced(places[0], axes, keep, a.dtype)
        assert layout.alike(less.strides, Place(0, 0, less.shape, found, a.dtype))
