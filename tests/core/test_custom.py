"""custom_vjp: values and gradients in both modes, and what is said about mistakes."""

import numpy as np
import pytest

import dlgraph as dg
from dlgraph.errors import OperationError, ShapeError
from tests.core.tools import eager, in_graph

X = np.array([0.3, -1.2])


@pytest.mark.parametrize("run", [eager, in_graph])
def test_custom_vjp(run):
    @dg.custom_vjp
    def straight_through(x):
        return (x > 0).astype("float64")

    @straight_through.rule
    def _(g, y, x):
        return g * 5

    def slope(x):
        return dg.vjp(lambda u: straight_through(u) * 2, x)[1](dg.ones_like(x))

    assert np.allclose(run(slope, X), 10.0)
    assert np.allclose(run(straight_through, X), [1, 0])


@pytest.mark.parametrize("run", [eager, in_graph])
def test_custom_vjp_without_a_rule_says_so(run):
    @dg.custom_vjp
    def cube(x):
        return x * x * x

    assert np.allclose(run(cube, X), X**3), "the value needs no rule"
    with pytest.raises(OperationError, match="cube has no gradient rule") as caught:
        run(lambda x: dg.vjp(cube, x)[1](dg.ones_like(x)), X)
    assert "@cube.rule" in caught.value.hint


@pytest.mark.parametrize("run", [eager, in_graph])
@pytest.mark.parametrize("gradients", [1, 3])
def test_a_rule_returns_one_gradient_per_input(run, gradients):
    @dg.custom_vjp
    def product(x, y):
        return x * y

    @product.rule
    def _(g, z, x, y):
        return g * y if gradients == 1 else (g * y, g * x, g)

    with pytest.raises(OperationError, match=r"2 inputs, .* gradient") as caught:
        run(lambda x: dg.vjp(product, x, x)[1](dg.ones_like(x)), X)
    assert f"returned {gradients} gradient" in caught.value.what
    assert "None" in caught.value.hint


def test_a_rule_of_the_wrong_kind_is_refused_where_it_is_declared():
    @dg.custom_vjp
    def product(x, y):
        return x * y

    for rule in (lambda g, x, y: (g * y, g * x), lambda g: g, 3.0):
        with pytest.raises(OperationError, match="the gradient rule of product") as caught:
            product.rule(rule)
        assert caught.value.where.file == __file__
        assert "def _(g, output, x, y)" in caught.value.hint
    with pytest.raises(OperationError, match=r"custom_vjp\(3\)"):
        dg.custom_vjp(3)

    @dg.custom_vjp
    def total(*xs):
        return xs[0] + xs[1]

    total.rule(lambda g, y, *xs: [g] * len(xs))
    x = dg.Tensor(X, requires_grad=True)
    total(x, x).sum().backward()
    assert x.grad.tolist() == [2, 2]


@pytest.mark.parametrize("run", [eager, in_graph])
@pytest.mark.parametrize("result", [None, "pair"])
def test_custom_vjp_returns_one_value(run, result):
    function = dg.custom_vjp(lambda x: (x, x) if result else None)
    wanted = "returned 2 values" if result else "returned None"
    with pytest.raises(OperationError, match=wanted):
        run(function, X)


@pytest.mark.parametrize("run", [eager, in_graph])
def test_custom_vjp_does_not_lose_the_gradient_of_what_it_reads_from_outside(run):
    w = dg.Parameter(2.0, name="w", dtype="float64")
    scaled = dg.custom_vjp(lambda x: x * w)
    with pytest.raises(OperationError, match="reads parameter 'w' from outside") as caught:
        run(scaled, X)
    assert "an input" in caught.value.hint
    detached = dg.custom_vjp(lambda x: x * w.detach())
    assert np.allclose(run(detached, X), 2 * X)
    with dg.no_grad():
        assert np.allclose(eager(scaled, X), 2 * X)


def test_custom_vjp_refuses_a_node_from_outside():
    with dg.Graph().as_default():
        x, n = dg.placeholder((2,), name="x"), dg.placeholder((2,), name="n")
        with pytest.raises(OperationError, match="reads 'n' from outside"):
            dg.custom_vjp(lambda x: x * n)(x)


def test_custom_vjp_takes_numbers_and_lists_and_its_inputs_have_names():
    square = dg.custom_vjp(lambda x: x * x)
    assert square(3.0).item() == 9.0
    assert square([1.0, 2.0]).tolist() == [1.0, 4.0]
    assert square(np.array([1.0, 2.0])).tolist() == [1.0, 4.0]

    @dg.custom_vjp
    def product(left, right):
        return left @ right

    with (
        dg.Graph().as_default(),
        pytest.raises(ShapeError, match=r"left \(2, 3\) @ right \(2, 3\)"),
    ):
        product(dg.placeholder((2, 3)), dg.placeholder((2, 3)))


def test_a_rule_may_read_a_parameter_without_recording_its_gradient():
    scale = dg.Parameter(2.0)

    @dg.custom_vjp
    def square(x):
        return x * x

    square.rule(lambda g, y, x: g * 2.0 * x * scale)
    x = dg.Tensor([1.0, 2.0], requires_grad=True)
    square(x * 1.0).sum().backward()
    assert x.grad.tolist() == [4.0, 8.0]
    assert not x.grad.requires_grad and x.grad.is_leaf and scale.grad is None
