"""Spec: what is known of a value before it exists."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import dlgraph as dg
from dlgraph.core.spec import (
    Dim,
    broadcast_shapes,
    common_dtype,
    normalise_axes,
    reduced_shape,
    reshaped,
    same_shape,
    show_shape,
    spec_of,
)
from dlgraph.errors import (
    DlgraphError,
    DtypeError,
    OperationError,
    ShapeError,
    SymbolicValueError,
)


def test_specs_of_anything():
    assert spec_of(3.0).shape == () and spec_of([1, 2]).dtype == np.int64
    assert spec_of(dg.Tensor([[1.0]])) == dg.Spec((1, 1), np.dtype("float32"))
    assert show_shape(()) == "()" and show_shape((3,)) == "(3,)"
    assert str(dg.Spec((Dim(), Dim("n"), 3), np.dtype("int64"))) == "(?, n, 3) int64"


@given(hnp.mutually_broadcastable_shapes(num_shapes=3))
def test_known_shapes_broadcast_as_in_numpy(shapes):
    assert broadcast_shapes(*shapes.input_shapes) == shapes.result_shape


@given(hnp.array_shapes(min_dims=0, max_side=3), hnp.array_shapes(min_dims=0, max_side=3))
def test_shapes_that_do_not_broadcast_in_numpy_do_not_here(first, second):
    try:
        wanted = np.broadcast_shapes(first, second)
    except ValueError:
        with pytest.raises(ShapeError, match="do not broadcast"):
            broadcast_shapes(first, second)
    else:
        assert broadcast_shapes(first, second) == wanted


@given(hnp.array_shapes(min_dims=1, max_dims=4, max_side=4), st.data())
def test_reduced_shapes_are_numpys(shape, data):
    axes = st.integers(-len(shape) - 1, len(shape))
    axis = data.draw(st.none() | axes | st.lists(axes, max_size=2).map(tuple))
    keepdims = data.draw(st.booleans())
    try:
        wanted = np.zeros(shape).sum(axis=axis, keepdims=keepdims).shape
    except (ValueError, np.exceptions.AxisError):
        with pytest.raises(DlgraphError):
            reduced_shape(shape, axis, keepdims)
    else:
        assert reduced_shape(shape, axis, keepdims) == wanted


@given(hnp.array_shapes(min_dims=0, max_dims=3, max_side=4), st.data())
def test_reshaped_shapes_are_numpys(shape, data):
    target = tuple(data.draw(st.lists(st.integers(-1, 4), max_size=3)))
    try:
        wanted = np.zeros(shape).reshape(target).shape
    except ValueError:
        with pytest.raises(ShapeError):
            reshaped(shape, target)
    else:
        assert reshaped(shape, target) == wanted


def test_an_unknown_size_that_occurs_twice_counts_twice():
    n = Dim("n")
    assert reshaped((n, n), (n, -1)) == (n, n)
    assert reshaped((n, n, 2), (-1, n)) != (2, n)
    for shape, target in [((n, n), (n,)), ((n,), (n, n))]:  # possible: n may be 1
        assert reshaped(shape, target) == target


def test_axes_are_whole_numbers_in_range():
    assert normalise_axes((-1, 0), 3) == (0, 2) and normalise_axes(None, 2) == (0, 1)
    with pytest.raises(ShapeError, match="out of range for 2 dimensions") as caught:
        normalise_axes(2, 2)
    assert caught.value.hint == "allowed are -2 to 1"
    with pytest.raises(ShapeError) as caught:
        normalise_axes(0, 0)
    assert caught.value.hint == "a scalar has no axis"
    with pytest.raises(ShapeError, match="twice"):
        normalise_axes((0, -2), 2)
    for axis in (1.0, True, "0"):
        with pytest.raises(OperationError, match="axis must be an integer"):
            normalise_axes(axis, 2)


def test_equal_shapes_join_the_sizes_that_face_each_other():
    a, b = Dim(), Dim()
    assert same_shape((a, 3), (b, 3)) and a == b
    c, d = Dim(), Dim()
    assert not same_shape((c, 3), (d, 4)) and c != d
    assert not same_shape((c,), (d, 1)) and same_shape((c,), (5,))


@pytest.mark.parametrize(
    ("dtypes", "wanted"),
    [
        (("float32", "int64"), "float32"),
        (("float16", "int64", "bool"), "float16"),
        (("bool", "uint8"), "uint8"),
        (("int32", "int64"), "int64"),
        (("bool", "bool"), "bool"),
        (("float64", "float64"), "float64"),
    ],
)
def test_the_common_dtype_never_widens_a_float(dtypes, wanted):
    assert common_dtype(np.dtype(dtype) for dtype in dtypes) == np.dtype(wanted)


def test_floats_of_two_widths_have_none():
    with pytest.raises(DtypeError, match="float16 and float32 meet"):
        common_dtype([np.dtype("float32"), np.dtype("float16")])
    with pytest.raises(OperationError, match="no numeric dtype"):
        common_dtype([np.dtype("U3")])


@pytest.mark.parametrize(
    "use",
    [
        lambda x, n: x.sum() / n,
        lambda x, n: n * x,
        lambda x, n: n * 2,
        lambda x, n: 1 / n,
        lambda x, n: n // 2,
        lambda x, n: -n,
        lambda x, n: n > 3,
        lambda x, n: n <= 3,
        lambda x, n: int(n),
        lambda x, n: float(n),
        lambda x, n: range(n),
        lambda x, n: np.zeros(x.shape),
        lambda x, n: np.prod(x.shape),
        lambda x, n: x[: n - 1],
        lambda x, n: dg.Tensor(x.shape),
    ],
)
def test_computing_with_a_size_that_is_not_known_yet_says_so(use):
    with dg.Graph().as_default():
        x = dg.placeholder((None, 3), name="x")
        with pytest.raises(SymbolicValueError, match="not known before the graph runs") as caught:
            use(x, x.shape[0])
    assert "dg.size_along(x, axis=0)" in caught.value.hint
    assert caught.value.where.file == __file__


def test_a_named_size_says_its_name_and_stays_a_size():
    with pytest.raises(SymbolicValueError, match="the size 'batch'"):
        Dim("batch") + 1
    with dg.Graph().as_default():
        x = dg.placeholder((None, 3), name="x")
        assert x.reshape(x.shape[0], -1).shape == x.shape
        assert dg.zeros_like(x).shape == x.shape and x.shape[0] != 3 and x.shape[0] is not None
