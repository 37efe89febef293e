"""Sizes that are not known before the run, and sizes that mean nothing: what is said about them."""

from __future__ import annotations

import numpy as np
import pytest

import dlgraph as dg
from dlgraph.errors import DtypeError, OperationError, ShapeError


def test_a_shape_to_stretch_to_is_known_before_the_run():
    with dg.Graph().as_default():
        x, bias = dg.placeholder((None, 3)), dg.placeholder((3,))
        with pytest.raises(ShapeError, match="not known before the run") as caught:
            dg.broadcast_to(bias, shape=(x.shape[0], 3))
        assert "dg.broadcast_like" in caught.value.hint


def test_a_kronecker_product_may_have_one_unknown_size():
    a, b = np.arange(6.0).reshape(2, 3), np.arange(2.0)
    with dg.Graph().as_default() as graph:
        x, y = dg.placeholder((None, 3), "float64"), dg.placeholder((None,), "float64")
        rows = dg.kron(x, dg.constant(b))
        with pytest.raises(ShapeError, match="at most one"):
            dg.kron(x, y)
    np.testing.assert_array_equal(dg.Session(graph).run(rows, {x: a}), np.kron(a, b))


def test_zeros_of_an_unknown_size_are_made_like_a_value():
    with dg.Graph().as_default():
        x = dg.placeholder((None, 3))
        with pytest.raises(
            OperationError, match="the size of axis 0 is not known before the run"
        ) as caught:
            dg.zeros(x.shape)
    assert "dg.zeros_like" in caught.value.hint


@pytest.mark.parametrize(
    "make",
    [
        lambda: dg.zeros((-1,)),
        lambda: dg.ones((None, 3)),
        lambda: dg.zeros(2.5),
        lambda: dg.arange(0, 1, 0),
        lambda: dg.linspace(0, 1, -1),
        lambda: dg.eye("two"),
    ],
)
def test_arrays_that_cannot_be_made(make):
    with pytest.raises(OperationError, match=r"^(zeros|ones|full|arange|linspace|eye): ") as caught:
        make()
    assert "test_unknown_sizes.py" in caught.value.where.place


@pytest.mark.parametrize(
    "make", [dg.zeros, dg.ones, lambda *given: dg.full(*given[:1], 1.0, given[1])]
)
def test_element_types_that_are_none(make):
    with pytest.raises(DtypeError, match=r"^'flot32' is not an element type") as caught:
        make((2,), "flot32")
    assert "test_unknown_sizes.py" in caught.value.where.place
