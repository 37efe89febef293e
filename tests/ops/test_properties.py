"""Random shapes, axes and indices: values against NumPy, gradients against their definition.

Each example also runs in both modes, with known and with unknown sizes, and must give the same
bits (`assert_modes_agree`).
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import dlgraph as dg
from dlgraph.errors import DlgraphError
from dlgraph.testing import assert_modes_agree, check_grads, run_eager

examples = settings(max_examples=80, deadline=None, derandomize=True)

SHAPES = hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=3)
FULL_SHAPES = hnp.array_shapes(min_dims=0, max_dims=4, min_side=1, max_side=3)


def numbers(shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    """Different numbers, none of them near 0 or near each other's kinks."""
    x = np.random.default_rng([seed, *shape]).uniform(0.2, 2.0, shape)
    return x * np.random.default_rng([seed + 1, *shape]).choice([-1.0, 1.0], shape)


def numeric_check(function, *arrays):
    if all(a.size for a in arrays):
        check_grads(function, arrays)


# ---- broadcasting --------------------------------------------------------------------------------

BINARY = {
    dg.add: np.add,
    dg.subtract: np.subtract,
    dg.multiply: np.multiply,
    dg.divide: np.divide,
    dg.maximum: np.maximum,
    dg.minimum: np.minimum,
}


@examples
@given(
    hnp.mutually_broadcastable_shapes(num_shapes=2, max_dims=4, min_side=0, max_side=3),
    st.sampled_from(list(BINARY)),
)
def test_binary_operations_broadcast_like_numpy(shapes, function):
    a, b = numbers(shapes.input_shapes[0]), numbers(shapes.input_shapes[1], seed=2)
    (y,), gradients = run_eager(function, [a, b])
    np.testing.assert_array_equal(y, BINARY[function](a, b), strict=True)
    assert [g.shape for g in gradients] == [a.shape, b.shape]
    assert_modes_agree(function, [a, b])
    numeric_check(function, a, b)


@examples
@given(hnp.mutually_broadcastable_shapes(num_shapes=3, max_dims=3, min_side=1, max_side=3))
def test_where_broadcasts_like_numpy(shapes):
    condition = numbers(shapes.input_shapes[0]) > 0
    a, b = numbers(shapes.input_shapes[1], seed=2), numbers(shapes.input_shapes[2], seed=4)
    (y,), _ = run_eager(dg.where, [condition, a, b])
    np.testing.assert_array_equal(y, np.where(condition, a, b), strict=True)
    assert_modes_agree(dg.where, [condition, a, b])
    numeric_check(dg.where, condition, a, b)


@examples
@given(
    hnp.mutually_broadcastable_shapes(
        signature="(n?,k),(k,m?)->(n?,m?)", min_side=0, max_side=3, max_dims=2
    )
)
def test_matmul_shapes_follow_numpy(shapes):
    a, b = numbers(shapes.input_shapes[0]), numbers(shapes.input_shapes[1], seed=2)
    (y,), _ = run_eager(dg.matmul, [a, b])
    np.testing.assert_array_equal(y, np.matmul(a, b), strict=True)
    assert_modes_agree(dg.matmul, [a, b])
    numeric_check(dg.matmul, a, b)


@examples
@given(hnp.mutually_broadcastable_shapes(num_shapes=2, min_dims=1, max_dims=3), st.data())
def test_shapes_that_do_not_broadcast_are_an_error_in_both_modes(shapes, data):
    a, b = (numbers(shape) for shape in shapes.input_shapes)
    axis = -data.draw(st.integers(1, min(a.ndim, b.ndim)))
    a, b = (np.repeat(np.take(x, [0], axis), n, axis) for x, n in ((a, 2), (b, 3)))
    with pytest.raises(dg.errors.ShapeError):
        dg.Tensor(a) + dg.Tensor(b)
    with dg.Graph().as_default(), pytest.raises(dg.errors.ShapeError):
        dg.placeholder(a.shape, a.dtype) + dg.placeholder(b.shape, b.dtype)


# ---- indexing ------------------------------------------------------------------------------------


@st.composite
def indexed(draw):
    """A shape and an index of it: numbers, slices, None, `...`, index arrays and masks."""
    shape = draw(hnp.array_shapes(min_dims=1, max_dims=4, min_side=1, max_side=4))
    joint = draw(st.just(()) | hnp.array_shapes(min_dims=1, max_dims=2, max_side=3))
    start = draw(st.integers(0, len(shape)))  # axes in front of `...`, and behind it
    stop = draw(st.integers(start, len(shape)))
    if draw(st.booleans()):
        front = draw(entries(shape[:start], joint))
        return shape, (*front, Ellipsis, *draw(entries(shape[stop:], joint)))
    return shape, tuple(draw(entries(shape[:start], joint)))


@st.composite
def entries(draw, sizes, joint):
    """Index entries for axes of these sizes; index arrays broadcast to the joint shape."""
    index, axis = [], 0
    while axis < len(sizes):
        kind = draw(st.sampled_from(["number", "slice", "slice", "array", "None", "mask"]))
        size = sizes[axis]
        if kind == "None":
            index.append(None)
            continue
        if kind == "number":
            index.append(draw(st.integers(-size, size - 1)))
        elif kind == "slice":
            index.append(draw(st.slices(size)))
        elif kind == "mask" and joint == ():
            width = draw(st.integers(1, len(sizes) - axis))
            mask = np.zeros(sizes[axis : axis + width], bool)
            if draw(st.booleans()):  # one true element, so that several masks fit together
                mask.flat[draw(st.integers(0, mask.size - 1))] = True
            index.append(mask)
            axis += width - 1
        else:
            some = joint[draw(st.integers(0, len(joint))) :]
            index.append(draw(hnp.arrays(np.int64, some, elements=st.integers(-size, size - 1))))
        axis += 1
    return index


@settings(examples, max_examples=300)
@given(indexed())
def test_indexing_follows_numpy(case):
    shape, index = case
    x = numbers(shape)
    want = x[index]
    (y,), (gradient,) = run_eager(lambda t: t[index], [x])
    np.testing.assert_array_equal(y, want, strict=True)
    # Every element gets as much gradient as there are copies of it in the result.
    places = np.arange(x.size).reshape(shape)[index]
    counts = np.bincount(np.ravel(places), minlength=x.size).reshape(shape)
    np.testing.assert_array_equal(gradient, counts.astype(x.dtype), strict=True)
    assert_modes_agree(lambda t: t[index], [x])
    with dg.Graph().as_default():
        node = dg.placeholder(shape, x.dtype)[index]
    assert node.ndim == want.ndim
    assert all(a == b for a, b in zip(node.shape, want.shape, strict=True) if isinstance(a, int))


@examples
@given(indexed())
def test_index_arrays_may_be_nodes(case):
    shape, index = case
    x = numbers(shape)
    arrays = [entry for entry in index if isinstance(entry, np.ndarray)]

    def function(t, *given):
        rest = iter(given)
        return t[tuple(next(rest) if isinstance(e, np.ndarray) else e for e in index)]

    (y,), _ = run_eager(lambda t: function(t, *arrays), [x])
    np.testing.assert_array_equal(y, x[index], strict=True)
    assert_modes_agree(function, [x, *arrays])


@examples
@given(indexed(), st.integers(1, 4))
def test_too_many_or_too_large_indices_are_errors(case, beyond):
    shape, _ = case
    x = dg.Tensor(numbers(shape))
    with pytest.raises(DlgraphError):
        x[(slice(None),) * (len(shape) + beyond)]
    for wrong in (shape[0] - 1 + beyond, -shape[0] - beyond):
        with pytest.raises(DlgraphError):
            x[wrong]
        with pytest.raises(DlgraphError):
            x[np.array([0, wrong])]


# ---- shapes and reductions -----------------------------------------------------------------------


@st.composite
def with_axes(draw, shapes=FULL_SHAPES):
    shape = draw(shapes)
    signed = st.integers(-len(shape), len(shape) - 1) if shape else st.nothing()
    one = st.none() | signed
    unique = {"unique_by": lambda axis: axis % len(shape)}
    several = st.lists(signed, max_size=len(shape), **unique).map(tuple) if shape else st.nothing()
    return shape, draw(one | several), draw(st.booleans())


REDUCTIONS = {
    dg.sum: np.sum,
    dg.mean: np.mean,
    dg.max: np.max,
    dg.min: np.min,
    dg.var: np.var,
    dg.logsumexp: lambda x, **options: np.log(np.exp(x).sum(**options)),
}


@examples
@given(with_axes(), st.sampled_from(list(REDUCTIONS)))
def test_reductions_over_any_axes(case, reduction):
    shape, axis, keepdims = case
    x = numbers(shape)

    def function(t):
        return reduction(t, axis=axis, keepdims=keepdims)

    (y,), _ = run_eager(function, [x])
    want = np.asarray(REDUCTIONS[reduction](x, axis=axis, keepdims=keepdims))
    assert (y.shape, y.dtype) == (want.shape, want.dtype)
    np.testing.assert_allclose(y, want, rtol=1e-12, atol=1e-14)
    assert_modes_agree(function, [x])
    numeric_check(function, x)


@examples
@given(SHAPES, st.data())
def test_transpose_and_reshape(shape, data):
    x = numbers(shape)
    order = data.draw(st.permutations(range(len(shape))))
    order = [axis - len(shape) * data.draw(st.booleans()) for axis in order]
    cut = data.draw(st.integers(0, len(shape)))
    turned = np.transpose(x, order)
    sizes = (int(np.prod(turned.shape[:cut])), int(np.prod(turned.shape[cut:])))
    if x.size:
        sizes = data.draw(st.sampled_from([sizes, (-1, sizes[1]), (sizes[0], -1)]))

    def function(t):
        return dg.reshape(dg.transpose(t, axes=order), sizes) * np.float64(1.5)

    (y,), _ = run_eager(function, [x])
    np.testing.assert_array_equal(y, turned.reshape(sizes) * 1.5, strict=True)
    assert_modes_agree(function, [x])
    numeric_check(function, x)


@examples
@given(FULL_SHAPES, st.integers(1, 3), st.data())
def test_concatenate_and_stack(shape, count, data):
    xs = [numbers(shape, seed=10 * i) for i in range(count)]
    axis = data.draw(st.integers(-len(shape) - 1, len(shape)))
    (y,), _ = run_eager(lambda *ts: dg.stack(ts, axis=axis), xs)
    np.testing.assert_array_equal(y, np.stack(xs, axis), strict=True)
    assert_modes_agree(lambda *ts: dg.stack(ts, axis=axis), xs)
    if not shape:
        return
    axis = data.draw(st.integers(-len(shape), len(shape) - 1))
    sizes = data.draw(st.lists(st.integers(0, 3), min_size=count, max_size=count))
    xs = [numbers((*shape[:axis], size, *shape[axis:][1:])) for size in sizes]
    (y,), _ = run_eager(lambda *ts: dg.concatenate(ts, axis=axis), xs)
    np.testing.assert_array_equal(y, np.concatenate(xs, axis), strict=True)
    assert_modes_agree(lambda *ts: dg.concatenate(ts, axis=axis), xs)


@examples
@given(SHAPES, st.integers(1, 2), st.data())
def test_squeeze_and_expand_dims_are_inverse(shape, count, data):
    x, ndim = numbers(shape), len(shape) + count
    axes = data.draw(st.permutations(range(ndim)))[:count]
    axis = tuple(i - ndim * data.draw(st.booleans()) for i in axes)

    def function(t):
        return dg.squeeze(dg.expand_dims(t, axis=axis) * 2, axis=axis)

    assert run_eager(lambda t: dg.expand_dims(t, axis=axis), [x])[0][0].shape == (
        np.expand_dims(x, axis).shape
    )
    (y,), _ = run_eager(function, [x])
    np.testing.assert_array_equal(y, x * 2, strict=True)
    assert_modes_agree(function, [x])
