"""What a graph knows before it runs: dtypes, visible casts, unknown sizes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import dlgraph as dg
from dlgraph.errors import DlgraphError, DtypeError, ShapeError


@pytest.fixture
def g():
    with dg.Graph().as_default() as graph:
        yield graph


def kinds(graph):
    return [node.primitive.name for node in graph.nodes]


# ---- dtypes


def test_numbers_and_lists_take_the_dtype_of_what_they_meet(g):
    x = dg.placeholder((2,), "float64", name="x")
    for y in (x + 1, 1 - x, x * np.float32(2), np.sqrt(2) * x, x / 3, x > 0.5, x * [1, 2]):
        assert y.dtype in (np.float64, bool)
    assert "cast" not in kinds(g)
    n = dg.placeholder((2,), "int32", name="n")
    assert (n + 1).dtype == np.int32 and (n * 0.5).dtype == np.float32


def test_integers_meet_floats_in_a_visible_cast(g):
    x = dg.placeholder((2,), name="x")
    n = dg.placeholder((2,), "int64", name="n")
    y = x + n
    assert y.dtype == np.float32 and kinds(g) == ["placeholder", "placeholder", "cast", "add"]
    assert str(g.nodes[2]) == "<Node cast (2,) float32, not run yet>"
    got = dg.Session(g).run(y, {x: [0.5, 1.0], n: np.array([1, 2])})
    assert got.dtype == np.float32 and got.tolist() == [1.5, 3.0]


def test_two_float_widths_are_refused(g):
    x, y = dg.placeholder((), name="x"), dg.placeholder((), "float64", name="y")
    with pytest.raises(DtypeError, match="float32 and float64 meet"):
        x + y
    assert (x.astype("float64") + y).dtype == np.float64


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from(["bool", "int8", "uint8", "int64", "float16", "float32", "float64"]),
    st.sampled_from(["bool", "int8", "uint8", "int64", "float16", "float32", "float64"]),
    st.sampled_from([dg.add, dg.multiply, dg.divide, dg.maximum, dg.power, dg.less]),
)
def test_graph_and_eager_agree_on_every_pair_of_dtypes(first, second, op):
    a, b = np.ones(2, first), np.ones(2, second)

    def eager():
        return op(dg.Tensor(a), dg.Tensor(b)).numpy()

    def graph():
        with dg.Graph().as_default() as g:
            x, y = dg.placeholder((2,), first, name="x"), dg.placeholder((2,), second, name="y")
            z = op(x, y)
        found = dg.Session(g).run(z, {x: a, y: b})
        assert found.dtype == z.dtype
        return found

    results = []
    for way in (eager, graph):
        try:
            results.append((str(way().dtype), way().tolist()))
        except DlgraphError as error:
            results.append(type(error))
    assert results[0] == results[1]


# ---- unknown sizes


def test_unknown_sizes_in_shapes(g):
    x = dg.placeholder((None, 3), name="x")
    y = dg.placeholder(("batch", 3), name="y")
    z = dg.placeholder(("batch", None), name="z")
    assert str(x.spec) == "(?, 3) float32" and str(y.spec) == "(batch, 3) float32"
    assert y.shape[0] == z.shape[0] and x.shape[0] != y.shape[0]
    assert (y + 1).shape == y.shape


@pytest.mark.parametrize(
    ("first", "second", "wanted"),
    [
        (("n", 3), (3,), "(n, 3)"),
        (("n", 1), (4,), "(n, 4)"),
        (("n", 3), ("n", 3), "(n, 3)"),
        (("n", 3), ("n", 1), "(n, 3)"),
        (("n",), (5,), "(5,)"),
        (("n", 1), (1, "m"), "(n, m)"),
        (("n",), ("m",), "(?,)"),
        ((), ("n", 2), "(n, 2)"),
    ],
)
def test_broadcasting_of_unknown_sizes(g, first, second, wanted):
    a, b = dg.placeholder(first, name="a"), dg.placeholder(second, name="b")
    assert str((a + b).spec) == f"{wanted} float32"


def test_known_sizes_are_checked_while_building(g):
    a, b = dg.placeholder((None, 3), name="a"), dg.placeholder((None, 4), name="b")
    with pytest.raises(ShapeError, match="sizes 3 and 4 meet on axis -1"):
        a + b
    with pytest.raises(ShapeError, match="inner sizes 3 and 4 differ"):
        a @ b.T


def test_sizes_that_met_where_they_must_be_equal_are_the_same(g):
    x = dg.placeholder((None, 4), name="x")
    labels = dg.placeholder((None,), "int64", name="labels")
    assert x.shape[0] != labels.shape[0]
    dg.cross_entropy(x, labels)
    assert x.shape[0] == labels.shape[0]


@pytest.mark.parametrize(
    ("shape", "target", "wanted"),
    [
        (("n", 2, 3), ("n", 6), "(n, 6)"),
        (("n", 2, 3), (-1, 6), "(n, 6)"),
        (("n", 6), ("n", 2, -1), "(n, 2, 3)"),
        (("n", 4), (-1,), "(?,)"),
        (("n",), (2, -1), "(2, ?)"),
        ((6,), (2, 3), "(2, 3)"),
    ],
)
def test_reshape_with_unknown_sizes(g, shape, target, wanted):
    x = dg.placeholder(shape, name="x")
    y = x.reshape(*(x.shape[0] if size == "n" else size for size in target))
    assert str(y.spec) == f"{wanted} float32"
    value = np.arange(np.prod([4 if s == "n" else s for s in shape]), dtype=np.float32)
    value = value.reshape([4 if s == "n" else s for s in shape])
    got = dg.Session(g).run(y, {x: value})
    assert got.shape == value.reshape([4 if s == "n" else s for s in target]).shape


@pytest.mark.parametrize("target", [(-1, -1), (5, -1), (4, 2)])
def test_reshape_to_what_cannot_fit(g, target):
    x = dg.placeholder((2, 3), name="x")
    with pytest.raises(ShapeError, match=r"reshape\(x \(2, 3\)\) with shape="):
        x.reshape(target)
    with pytest.raises(ShapeError, match="with shape="):
        dg.Tensor(np.ones((2, 3), np.float32)).reshape(target)


def test_one_graph_serves_every_batch_size(g):
    x = dg.placeholder((None, 2), name="x")
    w = dg.Parameter([[1.0], [1.0]], name="w")
    loss = ((x @ w) ** 2).mean()
    gradient = dg.gradients(loss, w)
    session = dg.Session(g)
    for size in (1, 3, 7):
        value = np.arange(2 * size, dtype=np.float32).reshape(size, 2)
        _, got = session.run([loss, gradient], {x: value})
        wanted = 2 * value.T @ (value @ w.numpy()) / size
        np.testing.assert_allclose(got, wanted, rtol=1e-6)
