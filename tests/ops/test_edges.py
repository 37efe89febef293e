"""Edges that the sweep found or cannot see: ties, huge numbers, mixed dtypes, wrong arguments.

`in_both_modes` runs a function eagerly and as a graph whose placeholders know the shapes.
"""

from __future__ import annotations

import numpy as np
import pytest

import dlgraph as dg
from dlgraph.errors import DtypeError, LabelError, OperationError, ShapeError
from dlgraph.testing import assert_modes_agree, run_eager, run_graph

pytestmark = pytest.mark.filterwarnings("error")

FLOATS = np.array([[1.0, -2.0, 0.5], [3.0, 0.25, -1.0]], np.float32)


def in_both_modes(function, *arrays):
    """The output, the same in both modes."""
    assert_modes_agree(function, arrays)
    return run_eager(function, arrays)[0][0]


def refused(kind, function, *arrays, match=None):
    """Both modes raise this error."""
    for run in (run_eager, run_graph):
        with pytest.raises(kind, match=match) as caught:
            run(function, arrays)
        assert caught.value.where is not None, "the error names the user's line"


# ---- dtypes --------------------------------------------------------------------------------------


@pytest.mark.parametrize("exponent", [np.float64(0.5), np.float32(0.5), np.sqrt(0.25), 0.5, 3])
def test_numpy_exponents_impose_no_dtype(exponent):
    y = in_both_modes(lambda x: x**exponent, np.abs(FLOATS))
    assert y.dtype == np.float32
    np.testing.assert_allclose(y, np.abs(FLOATS) ** float(exponent), rtol=1e-6)


@pytest.mark.parametrize(
    ("exponent", "dtype"), [(2, "int64"), (3, "int64"), (2.0, "float32"), (1.0, "float32")]
)
def test_powers_of_integers(exponent, dtype):
    y = in_both_modes(lambda x: x**exponent, np.array([-2, 3]))
    assert y.dtype == dtype
    np.testing.assert_array_equal(y, np.array([-2.0, 3.0]) ** exponent)


def test_powers_without_an_integer_answer_are_refused():
    refused(OperationError, lambda x: x**-1, np.array([2, 3]))
    refused(DtypeError, lambda x: dg.raise_to(x, exponent=0.5), np.array([2, 3]))
    refused(DtypeError, lambda x: dg.raise_to(x, exponent=3), np.array([True]))
    refused(DtypeError, dg.power, np.array([True]), np.array([True]))


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int8", "int32", "uint64"])
def test_integers_are_summed_as_int64(dtype):
    x = np.full((300,), 1, dtype)
    y = in_both_modes(lambda t: t.sum(), x)
    assert (y, y.dtype) == (300, np.int64)


def test_integers_without_a_common_type_are_refused():
    refused(DtypeError, dg.add, np.array([1], np.uint64), np.array([1]), match="uint64")


def test_two_float_types_are_refused():
    refused(DtypeError, dg.add, FLOATS, FLOATS.astype(np.float64), match="silently")


def test_sizes_may_be_numpy_integers():
    two = np.int64(2)
    with dg.Graph().as_default():
        x = dg.placeholder((3,))
        labels = dg.placeholder((4,), "int64")
        assert dg.broadcast_to(x, shape=(two, 3)).shape == (2, 3)
        assert x.reshape(np.int64(3), 1).shape == (3, 1)
        assert dg.one_hot(labels, depth=np.int64(5)).shape == (4, 5)
        sizes = dg.broadcast_to(x, shape=(two, 3)).shape
    assert all(type(size) is int for size in sizes)


# ---- kinks and ties: what the documentation promises ---------------------------------------------


def gradient(function, *arrays):
    assert_modes_agree(function, arrays)
    return run_eager(function, arrays)[1]


def test_ties_share_the_gradient():
    np.testing.assert_array_equal(gradient(dg.max, [2.0, 2.0, 1.0])[0], [0.5, 0.5, 0])
    np.testing.assert_array_equal(gradient(dg.min, [2.0, 1.0, 1.0])[0], [0, 0.5, 0.5])
    for function in (dg.maximum, dg.minimum):
        a, b = gradient(function, [1.0], [1.0])
        assert (a, b) == (0.5, 0.5)


def test_kinks_have_gradient_0():
    for function in (dg.relu, dg.absolute):
        np.testing.assert_array_equal(gradient(function, [0.0, -0.0])[0], [0, 0])


def test_powers_at_0():
    assert gradient(lambda x: x**2, [0.0])[0] == 0
    assert gradient(lambda x: x**1, [0.0])[0] == 1
    assert gradient(lambda x: x**0, [0.0])[0] == 0
    base, exponent = gradient(dg.power, [0.0, 0.0, 2.0], [0.0, 2.0, 0.0])
    np.testing.assert_array_equal(base, [0, 0, 0])
    np.testing.assert_allclose(exponent, [0, 0, np.log(2)], rtol=1e-6)


def test_the_gradient_of_an_even_power_of_a_negative_number():
    np.testing.assert_array_equal(gradient(dg.power, [-3.0], [2.0])[0], [-6])


def test_no_gradient_flows_through_stop_gradient_and_integers():
    np.testing.assert_array_equal(gradient(lambda x: x * dg.stop_gradient(x), [3.0])[0], [3])
    cut = gradient(lambda x: x * x.astype("int64"), [3.7])[0]
    np.testing.assert_array_equal(cut, [3])


# ---- huge numbers --------------------------------------------------------------------------------

HUGE = np.array([[1e4, 0.0, -1e4], [-1e4, -1e4, -1e4]], np.float32)


@pytest.mark.parametrize(
    "function",
    [
        dg.sigmoid,
        dg.tanh,
        dg.log_softmax,
        dg.softmax,
        lambda x: dg.logsumexp(x, axis=1),
        lambda x: dg.softmax_cross_entropy(x, np.array([2, 0])),
    ],
)
def test_nothing_overflows(function):
    y = in_both_modes(function, HUGE)
    assert y.dtype == np.float32 and np.isfinite(y).all()
    assert np.isfinite(gradient(function, HUGE)[0]).all()


def test_exact_values_at_the_extremes():
    np.testing.assert_array_equal(in_both_modes(dg.sigmoid, HUGE[0]), [1, 0.5, 0])
    np.testing.assert_array_equal(in_both_modes(dg.log_softmax, HUGE[0]), [0, -1e4, -2e4])
    np.testing.assert_array_equal(in_both_modes(dg.logsumexp, HUGE[0]), 1e4)
    loss = in_both_modes(lambda x: dg.softmax_cross_entropy(x, np.array([2, 0])), HUGE)
    np.testing.assert_allclose(loss, [2e4, np.log(3)], rtol=1e-6)


@pytest.mark.parametrize("exponent", [-3, -2, -1, 0, 1, 3, 4, 5, 6.0, 9])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_whole_powers_are_those_of_numpy(exponent, dtype):
    """Zeros, infinities and signs too; the last bit may be another."""
    x = np.array([-np.inf, -2.5, -1, -0.0, 0.0, 0.5, 3, np.inf, np.nan], dtype)
    with np.errstate(divide="ignore", invalid="ignore"):  # the check adds up infinities
        found, wanted = in_both_modes(lambda t: t**exponent, x), np.power(x, exponent)
    np.testing.assert_allclose(found, wanted, rtol=2 * np.finfo(dtype).eps)
    np.testing.assert_array_equal(np.signbit(found)[:-1], np.signbit(wanted)[:-1])


@pytest.mark.parametrize("dtype", ["float32", "float64", "int32"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_many_elements_are_chosen_as_few_are(dtype, order):
    """The same bits as one by one: NaN, infinities, both zeros."""
    rng = np.random.default_rng(5)
    special = [0.0, -0.0, 1.5, -2.5] + [np.nan, np.inf, -np.inf] * (dtype != "int32")
    a, b = (rng.choice(special, (60, 80)).astype(dtype, order=order) for _ in range(2))
    condition = rng.random((60, 80)) < 0.5
    for left, right in ((a, b), (a[0, 0], b), (a, b[0]), (a[0, 0], b[1, 1])):
        pair = [np.broadcast_to(value, a.shape) for value in (left, right)]
        wanted = [pair[not chosen][at] for at, chosen in np.ndenumerate(condition)]
        inputs = [dg.Tensor(value) for value in (condition, left, right)]
        for function in (dg.where, dg.function(dg.where)):
            assert function(*inputs).numpy().tobytes() == np.array(wanted, dtype).tobytes()


def test_rows_that_are_named_twice_are_added_in_order():
    """Long rows one by one, short ones by NumPy: the same bits."""
    rng = np.random.default_rng(3)
    rows, numbers = rng.normal(size=(40, 200)).astype("float32"), rng.integers(-5, 5, 40)
    wanted = np.zeros((5, 200), "float32")
    np.add.at(wanted, numbers, rows)
    table = dg.Tensor(np.zeros((5, 200), "float32"), requires_grad=True)
    (table[dg.Tensor(numbers)] * dg.Tensor(rows)).sum().backward()
    np.testing.assert_array_equal(table.grad.numpy(), wanted)


def test_logsumexp_of_infinities():
    infinity = dg.Tensor(np.array([[np.inf, 0.0], [-np.inf, 0.0]]))
    assert dg.logsumexp(infinity, axis=1).tolist() == [np.inf, 0]


def test_cross_entropy_is_what_its_formula_says():
    labels = np.array([2, 0])
    loss = in_both_modes(lambda x: dg.cross_entropy(x, labels), FLOATS)
    p = np.exp(FLOATS.astype(float))
    p /= p.sum(1, keepdims=True)
    np.testing.assert_allclose(loss, -np.log(p[[0, 1], labels]).mean(), rtol=1e-6)
    want = (p - np.eye(3)[labels]) / 2
    slope = gradient(lambda x: dg.cross_entropy(x, labels), FLOATS)[0]
    np.testing.assert_allclose(slope, want, rtol=1e-5, atol=1e-7)


# ---- labels and indices --------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["int64", "int8", "uint8"])
@pytest.mark.parametrize(
    "name",
    ["softmax_cross_entropy", "mean_cross_entropy", "minus_one_hot", "negative_log_likelihood"],
)
@pytest.mark.parametrize("repeat", [1, 30])  # few labels are looked at in another way than many
def test_labels_out_of_range(name, dtype, repeat):
    op, rows = getattr(dg, name), np.tile(FLOATS, (repeat, 1))
    wrong = np.zeros(2 * repeat, dtype)
    wrong[-1] = 3
    at = rf"label 3 at position \[{2 * repeat - 1}\]"
    refused(LabelError, lambda x, labels: op(x, labels), rows, wrong, match=at)
    if np.dtype(dtype).kind == "i":
        wrong[-1] = -1
        refused(LabelError, lambda x, labels: op(x, labels), rows, wrong, match="label -1")


def test_one_hot_refuses_what_is_no_label():
    refused(DtypeError, lambda x: dg.one_hot(x, depth=3), np.array([0.0]), match="integers")
    refused(DtypeError, lambda x: dg.one_hot(x, depth=3), np.array([True]), match="integers")
    refused(LabelError, lambda x: dg.one_hot(x, depth=3), np.array([3]), match="label 3")


def test_cross_entropy_refuses_wrong_labels_and_logits():
    loss = dg.softmax_cross_entropy
    refused(ShapeError, loss, FLOATS, np.array([0]), match="shape of the logits")
    refused(ShapeError, loss, FLOATS, np.array([[0], [1]]), match="squeeze")
    refused(DtypeError, loss, FLOATS, np.eye(3, dtype=np.float32)[:2], match="argmax")
    refused(DtypeError, loss, FLOATS, np.array([0.0, 1.0]), match="integers")
    refused(DtypeError, loss, FLOATS.astype(int), np.array([0, 1]), match="logits")


def test_index_arrays_out_of_range():
    refused(LabelError, lambda x: x[np.array([0, 2])], FLOATS, match="2")
    refused(LabelError, lambda x: dg.take(x, np.array([7]), axis=1), FLOATS, match="7")
    refused(LabelError, lambda x: x[:, 3], FLOATS, match="3")


def test_indices_are_integers_or_booleans():
    refused(DtypeError, lambda x: x[np.array([0.5])], FLOATS, match="float64")
    refused(DtypeError, lambda x, i: x[i], FLOATS, np.array([0.0]))


def test_masks_must_have_the_size_of_their_axis():
    refused(ShapeError, lambda x: x[np.array([True, False, True])], FLOATS, match="mask")


def test_take_along_axis_does_not_stretch():
    def take(x, i):
        return dg.take_along_axis(x, i, axis=1)

    refused(ShapeError, take, FLOATS, np.array([[0]]), match="equal sizes")
    refused(ShapeError, take, FLOATS[:1], np.array([[0], [1]]), match="equal sizes")
    refused(ShapeError, take, FLOATS, np.array([0]), match="axes")


# ---- shapes --------------------------------------------------------------------------------------


def test_shape_arguments_that_mean_nothing():
    refused(OperationError, lambda x: x.reshape(-2, -3), FLOATS)
    refused(OperationError, lambda x: x.reshape(2.0, 3), FLOATS)
    refused(ShapeError, lambda x: x.reshape(4, 2), FLOATS, match="6 elements")
    refused(ShapeError, lambda x: x.reshape(-1, 4), FLOATS)
    refused(ShapeError, lambda x: x.squeeze(0), FLOATS, match="size 2")
    refused(ShapeError, lambda x: dg.transpose(x, axes=(0, 0)), FLOATS)
    refused(ShapeError, lambda x: dg.broadcast_to(x, shape=(3, 3)), FLOATS)
    refused(ShapeError, lambda x: x.sum(axis=2), FLOATS, match="axis 2")
    refused(ShapeError, lambda x: x.sum(axis=(0, -2)), FLOATS, match="twice")


def test_values_that_cannot_be_joined():
    refused(OperationError, lambda x: dg.concatenate([x, x], axis=None), FLOATS, match="axis")
    refused(ShapeError, lambda x: dg.concatenate([x, x.T], axis=0), FLOATS)
    refused(ShapeError, lambda x: dg.concatenate([x, x[0]], axis=0), FLOATS)
    with pytest.raises(OperationError, match="at least one"):
        dg.concatenate([])


def test_squeeze_of_unknown_sizes_needs_the_axes():
    with dg.Graph().as_default():
        x = dg.placeholder((None, 1))
        with pytest.raises(ShapeError, match="not known before the run"):
            dg.squeeze(x)
        assert dg.squeeze(x, axis=1).ndim == 1


def test_nothing_has_no_largest_element():
    empty = np.zeros((0, 3))
    for function in (dg.max, dg.min, dg.argmax, dg.logsumexp):
        refused(ShapeError, function, empty, match="empty")


def test_softmax_of_nothing_is_nothing():
    for axis in (0, 1):
        for function in (dg.log_softmax, dg.softmax):
            found = in_both_modes(lambda x, f=function, a=axis: f(x, axis=a), np.zeros((0, 3)))
            assert found.shape == (0, 3)


@pytest.mark.parametrize("axis", [0, -1, (0,)])
def test_a_scalar_has_no_axis(axis):
    for function in (dg.sum, dg.mean, dg.max, dg.min, dg.logsumexp, dg.squeeze):
        refused(ShapeError, lambda x, f=function: f(x, axis=axis), 3.0, match="scalar")
    if not isinstance(axis, tuple):
        for function in (dg.argmax, dg.log_softmax):
            refused(ShapeError, lambda x, f=function: f(x, axis=axis), 3.0, match="scalar")


# ---- random numbers ------------------------------------------------------------------------------


def test_uniform_numbers_fill_their_range():
    x = dg.random_uniform(dg.Stream(1).draw(), shape=(20_000,), low=-1.0, high=3.0)
    assert x.dtype == np.float32
    assert -1 <= x.min() < -0.99 and 2.99 < x.max() < 3
    counts = np.histogram(x, 8, (-1, 3))[0]
    assert (np.abs(counts - 2500) < 5 * np.sqrt(2500)).all()


def test_normal_numbers_have_their_mean_and_deviation():
    x = dg.random_normal(dg.Stream(1).draw(), shape=(20_000,), mean=2.0, std=0.5, dtype="float64")
    assert x.dtype == np.float64
    assert abs(x.mean() - 2) < 5 * 0.5 / np.sqrt(20_000)
    assert abs(x.std() - 0.5) < 0.02
    assert abs((np.abs(x - 2) < 0.5).mean() - 0.6827) < 0.02


def test_keys_determine_the_numbers():
    stream = dg.Stream(5)
    one, two = stream.draw(), stream.draw()
    first = dg.random_normal(one, shape=(4,))
    np.testing.assert_array_equal(first, dg.random_normal(one, shape=(4,)))
    assert (first != dg.random_normal(two, shape=(4,))).all()
    assert (first != dg.random_normal(dg.Stream(6).draw(), shape=(4,))).all()


def test_dropout_keeps_the_mean_and_repeats_its_mask():
    key = dg.Stream(2).draw()
    x = np.ones((100, 100), np.float32)
    (y,), (slope,) = run_eager(lambda t: dg.drop(t, key, rate=0.3), [x])
    np.testing.assert_array_equal(y, slope)  # the gradient made the same mask
    assert set(np.unique(y)) == {np.float32(0), np.float32(1 / 0.7)}
    assert abs((y == 0).mean() - 0.3) < 5 * np.sqrt(0.3 * 0.7 / x.size)


@pytest.mark.parametrize(
    ("make", "hint"),
    [
        (lambda: dg.zeros(2, 3), "dg.zeros((2, 3))"),
        (lambda: dg.ones("3"), "dg.ones((2, 3))"),
        (lambda: dg.full(7.0, (2, 3)), "dg.full((2, 3), 7.0)"),
        (lambda: dg.Stream(0).normal(2, 3), "normal((2, 3))"),
        (lambda: dg.Stream(0).uniform(2), "uniform((3,))"),
        (lambda: dg.random_normal(dg.Tensor(dg.Stream(0).draw()), shape=2), "normal((2, 3))"),
    ],
)
def test_sizes_that_are_no_tuple_are_told_to_be_one(make, hint):
    with pytest.raises(OperationError) as caught:
        make()
    assert hint in caught.value.hint
    assert caught.value.where.file == __file__


@pytest.mark.parametrize("make", [dg.zeros, dg.ones, lambda *given: dg.full(given[0], 7.0, "flot")])
def test_an_element_type_that_is_none_is_not_taken_for_a_size(make):
    with pytest.raises(DtypeError, match="'flot' is not an element type"):
        make((2, 3), "flot")
