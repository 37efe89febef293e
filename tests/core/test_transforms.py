"""vjp, jvp, jacobian, hessian, hvp, checkpoint: both modes, against formulas."""

import numpy as np
import pytest

import dlgraph as dg
from tests.core.tools import eager, in_graph

A = np.array([[2.0, 1.0], [0.5, 3.0]])
X = np.array([0.3, -1.2])


def cubic(x):
    return (x * x * x) @ dg.Tensor(A) if isinstance(x, dg.Tensor) else (x * x * x) @ A


@pytest.mark.parametrize("run", [eager, in_graph])
def test_first_derivatives(run):
    jacobian = (3 * X**2)[None, :] * A.T
    v = np.array([1.0, -2.0])
    assert np.allclose(run(lambda x: dg.jacobian(cubic, x), X), jacobian)
    value, pushed = run(lambda x, t: dg.jvp(cubic, [x], [t]), X, v)
    assert np.allclose(value, X**3 @ A) and np.allclose(pushed, jacobian @ v)
    assert np.allclose(run(lambda x, t: dg.vjp(cubic, x)[1](t), X, v), v @ jacobian)


@pytest.mark.parametrize("run", [eager, in_graph])
def test_second_and_third_derivatives(run):
    def scalar(x):
        return (x * x * x).sum() * x[0]

    def hessian(x):
        n = len(x)
        h = np.diag(6 * x) * x[0]
        h[0] += 3 * x**2
        h[:, 0] += 3 * x**2
        return h.reshape(n, n)

    v = np.array([1.0, -2.0])
    assert np.allclose(run(lambda x: dg.hessian(scalar, x), X), hessian(X))
    assert np.allclose(run(lambda x, t: dg.hvp(scalar, x, t), X, v), hessian(X) @ v)
    third = run(lambda x: dg.jacobian(lambda z: dg.hessian(lambda u: (u**4).sum(), z), x), X)
    wanted = np.zeros((2, 2, 2))
    wanted[[0, 1], [0, 1], [0, 1]] = 24 * X
    assert np.allclose(third, wanted)


def test_transforms_nest_inside_an_eager_gradient():
    x = dg.Tensor(X, requires_grad=True)
    dg.hvp(lambda u: (u**3).sum(), x, dg.Tensor([1.0, 1.0], dtype="float64")).sum().backward()
    assert np.allclose(x.grad.numpy(), 6.0)


@pytest.mark.parametrize("run", [eager, in_graph])
def test_checkpoint_gives_the_same_gradients(run):
    w = dg.Parameter(A)

    def plain(x):
        return ((x @ w).tanh() @ w).sum()

    def saving(x):
        return dg.vjp(lambda u: dg.checkpoint(plain, u), x)[1](dg.ones_like(x.sum()))

    def direct(x):
        return dg.vjp(plain, x)[1](dg.ones_like(x.sum()))

    assert np.array_equal(run(saving, X), run(direct, X))


def test_checkpoint_reaches_parameters_and_repeats_dropout():
    w, rng = dg.Parameter(A), dg.Stream(5)

    def block(x):
        return dg.dropout(x @ w, 0.5, rng).sum()

    state = rng.state()
    dg.checkpoint(block, dg.Tensor(X)).backward()
    found, w.grad = w.grad.numpy(), None
    rng.restore(state)
    block(dg.Tensor(X)).backward()
    assert np.array_equal(found, w.grad.numpy())


def test_unknown_size_is_an_error_that_says_so():
    with dg.Graph().as_default():
        x = dg.placeholder((None,))
        with pytest.raises(dg.errors.ShapeError, match="known only at run time"):
            dg.jacobian(lambda u: u * u, x)


@pytest.mark.parametrize("run", [eager, in_graph])
def test_checkpoint_passes_on_what_is_no_tensor(run):
    def block(x, factor, double, nothing, options):
        assert double is True and nothing is None
        return (x * factor).sum() * options["scale"] if double else x

    def slope(x):
        more = (2.0, True, None, {"scale": np.float64(3.0)})
        return dg.vjp(lambda u: dg.checkpoint(block, u, *more), x)[1](dg.ones_like(x.sum()))

    assert run(slope, X).tolist() == [6.0, 6.0]


def test_functions_of_the_wrong_kind_are_refused():
    x = dg.Tensor(X)
    for derive in (dg.jacobian, dg.hessian):
        with pytest.raises(dg.errors.OperationError, match="returned 2 values"):
            derive(lambda u: (u.sum(), u.sum()), x)
    for derive in (dg.hessian, lambda f, u: dg.hvp(f, u, u)):
        with pytest.raises(dg.errors.ShapeError, match="a scalar"):
            derive(lambda u: u * u, x)
    assert dg.hessian(lambda u: (u * u).sum(keepdims=True), x).shape == (2, 2)


@pytest.mark.parametrize("run", [eager, in_graph])
def test_results_without_elements_have_derivatives_without_elements(run):
    empty, full = np.zeros((0, 3), "float32"), np.ones(2, "float32")
    found = run(lambda x: dg.jacobian(lambda u: u * u, x), empty)
    assert found.shape == (0, 3, 0, 3) and found.dtype == np.float32
    assert run(lambda x: dg.jacobian(lambda u: u[:0], x), full).shape == (0, 2)
    assert run(lambda x: dg.hessian(lambda u: (u * u).sum(), x), empty).shape == (0, 3, 0, 3)
    assert run(lambda x: dg.jacobian(lambda u: u.sum(), x), empty).shape == (0, 3)


def test_inputs_of_a_checkpoint_are_called_as_the_parameters():
    with dg.Graph().as_default() as graph:
        dg.checkpoint(lambda factor, wide: wide * factor, 2.0, dg.placeholder((2, 3)))
    body = graph.records[-1].attrs["body"]
    assert [body.records[i].name for i in body.inputs] == ["wide"]


@pytest.mark.parametrize("run", [eager, in_graph])
def test_vectors_have_the_shape_of_what_they_are_multiplied_with(run):
    wrong = [
        lambda x: dg.jvp(lambda u: u * u, [x], [np.ones(3)]),
        lambda x: dg.jvp(lambda u: u * u, [x], [dg.Tensor([1.0, 1.0])]),
        lambda x: dg.vjp(lambda u: u * u, x)[1](np.ones(3)),
        lambda x: dg.hvp(lambda u: (u * u).sum(), x, np.ones(3)),
    ]
    for call in wrong:
        with pytest.raises((dg.errors.ShapeError, dg.errors.DtypeError), match="must be"):
            run(call, X)
    with pytest.raises(dg.errors.OperationError, match="a list of inputs"):
        run(lambda x: dg.jvp(lambda u: u * u, x, x), X)
