"""dg.grad and dg.value_and_grad: derivatives as values, leaving .grad alone."""

from __future__ import annotations

import numpy as np
import pytest

import dlgraph as dg
from dlgraph.errors import BackwardError, OperationError


def leaf(value, name=None):
    return dg.Tensor(value, requires_grad=True, name=name)


def test_grad_answers_in_the_form_it_was_asked_in():
    a, b = leaf(4.0), leaf(5.0)
    y = 2 * a + 3 * b
    assert dg.grad(y, a, retain_graph=True).item() == 2.0
    assert [g.item() for g in dg.grad(y, [a, b], retain_graph=True)] == [2.0, 3.0]
    pair = dg.grad(y, (a, b))
    assert type(pair) is tuple and pair[1].item() == 3.0
    assert a.grad is None and b.grad is None


def test_grad_of_an_intermediate():
    x = leaf(3.0)
    h = x * x
    y = h * h
    gx, gh = dg.grad(y, [x, h])
    assert (gx.item(), gh.item()) == (108.0, 18.0)
    assert h.grad is None


def test_an_unused_x_gets_zeros_or_none():
    x, other = leaf([1.0, 2.0]), leaf([[3.0]])
    gx, go = dg.grad((x * x).sum(), [x, other])
    assert gx.tolist() == [2.0, 4.0] and go.tolist() == [[0.0]] and go.dtype == np.float32
    assert dg.grad((x * x).sum(), [x, other], allow_unused=True)[1] is None


def test_only_what_lies_on_a_path_is_computed():
    x, w = leaf(3.0), leaf(2.0)
    calls = []
    y = dg.exp(w) * x
    with dg.watch(nan=False, call=lambda op, *_: calls.append(op.name)):
        dg.grad(y, x, create_graph=True)
    assert "exp" not in calls and calls.count("multiply") == 1


def test_a_vector_needs_its_own_gradient():
    x = leaf([1.0, 2.0])
    with pytest.raises(BackwardError, match="only a scalar"):
        dg.grad(x * x, x)
    assert dg.grad(x * x, x, gradient=[1.0, 10.0]).tolist() == [2.0, 40.0]


def test_the_record_is_used_up_unless_it_is_kept():
    x = leaf(3.0)
    y = x * x
    assert dg.grad(y, x, retain_graph=True).item() == 6.0
    assert dg.grad(y, x).item() == 6.0
    with pytest.raises(BackwardError, match="second backward"):
        dg.grad(y, x)
    z = x * x
    assert dg.grad(z, x, create_graph=True).item() == 6.0
    assert dg.grad(z, x, create_graph=True, retain_graph=False).item() == 6.0
    with pytest.raises(BackwardError):
        z.backward()


def test_nested_to_the_third_order():
    x = leaf(2.0)
    value, expected = x**5, [80.0, 160.0, 240.0]
    for wanted in expected:
        value = dg.grad(value, x, create_graph=True)
        assert value.item() == wanted


@pytest.mark.parametrize(
    ("function", "derivatives"),
    [
        (dg.sin, [np.sin, np.cos, lambda v: -np.sin(v), lambda v: -np.cos(v)]),
        (dg.exp, [np.exp] * 4),
        (dg.log, [np.log, lambda v: 1 / v, lambda v: -(v**-2), lambda v: 2 * v**-3]),
        (
            dg.tanh,
            [
                np.tanh,
                lambda v: 1 - np.tanh(v) ** 2,
                lambda v: -2 * np.tanh(v) * (1 - np.tanh(v) ** 2),
                lambda v: (6 * np.tanh(v) ** 2 - 2) * (1 - np.tanh(v) ** 2),
            ],
        ),
    ],
)
def test_three_orders_of_known_functions(function, derivatives):
    points = np.array([0.3, 1.1, 2.5])
    x = leaf(points)
    value = function(x)
    for wanted in derivatives:
        np.testing.assert_allclose(value.numpy(), wanted(points), rtol=1e-12)
        value = dg.grad(value.sum(), x, create_graph=True)


def test_grad_inside_grad_of_another_variable():
    x, w = leaf(2.0), leaf(3.0)
    inner = dg.grad(x * x * w, x, create_graph=True)  # 2 x w
    assert dg.grad(inner, [x, w])[1].item() == 4.0


def test_hessian_of_a_quadratic_form():
    matrix = np.array([[2.0, 1.0], [1.0, 3.0]])
    x = leaf(np.array([1.0, -1.0]))
    first = dg.grad((x @ matrix @ x) * 0.5, x, create_graph=True)
    rows = [dg.grad(first[i], x, retain_graph=True).numpy() for i in range(2)]
    np.testing.assert_allclose(rows, matrix)


@pytest.mark.parametrize(
    ("y", "xs", "error", "words"),
    [
        (lambda x: 3.0, lambda x: x, OperationError, "not on float"),
        (lambda x: x * 2, lambda x: [x, 3.0], OperationError, "not on float"),
        (lambda x: x * 2, lambda x: dg.Tensor(1.0), BackwardError, "does not require gradients"),
    ],
)
def test_what_cannot_be_differentiated_is_refused(y, xs, error, words):
    x = leaf(1.0)
    with pytest.raises(error, match=words):
        dg.grad(y(x), xs(x))


def test_grad_names_the_tensor_that_requires_no_gradients():
    x, frozen = leaf(1.0), dg.Tensor(1.0)
    with pytest.raises(BackwardError, match="'frozen' does not require gradients"):
        dg.grad(x * frozen, frozen)


def test_grad_of_a_constant_result_is_zero():
    x = leaf(1.0)
    assert dg.grad(dg.Tensor(3.0) * 2, x).item() == 0.0


# ---- value_and_grad


def test_value_and_grad_of_numbers_and_arrays():
    f = dg.value_and_grad(lambda a, b: (a * b).sum())
    value, gradient = f(np.array([1.0, 2.0], np.float32), 3.0)
    assert value.item() == 9.0 and gradient.tolist() == [3.0, 3.0]
    assert not value.requires_grad


def test_value_and_grad_of_several_arguments():
    f = dg.value_and_grad(lambda a, b, *, scale: 2 * a * scale + 3 * b, argnums=(1, 0))
    value, (db, da) = f(4.0, 5.0, scale=10.0)
    assert (value.item(), da.item(), db.item()) == (95.0, 20.0, 3.0)


def test_value_and_grad_leaves_its_arguments_alone():
    x = leaf(2.0)
    dg.value_and_grad(lambda v: v * v)(x)
    assert x.grad is None


def test_grad_and_value_and_grad_on_nodes():
    with dg.Graph().as_default() as graph:
        x = dg.placeholder((2,), name="x")
        slope = dg.grad((x * x * x).sum(), x)
        value, (of_a, of_b) = dg.value_and_grad(lambda a, b: (a * b).sum(), argnums=(0, 1))(
            x, slope
        )
    found = dg.Session(graph).run([slope, value, of_a, of_b], {x: [1.0, 2.0]})
    assert [f.tolist() for f in found] == [[3.0, 12.0], 27.0, [3.0, 12.0], [1.0, 2.0]]


@pytest.mark.parametrize("argnums", [1, -2, (0, 3), "0"])
def test_value_and_grad_of_arguments_that_are_not_there(argnums):
    with pytest.raises(dg.errors.OperationError, match="a call with 1 positional"):
        dg.value_and_grad(lambda a: a * a, argnums=argnums)(2.0)


def test_a_gradient_without_a_record_is_not_taken_for_a_constant():
    x = leaf(2.0)
    first = dg.grad(x**3, x)
    with pytest.raises(BackwardError, match=r"'first' is a gradient .* without") as caught:
        dg.grad(first, x)
    assert "create_graph=True" in caught.value.hint
    assert (first * 2).item() == 24.0 and first.is_leaf and not first.requires_grad
    recorded = dg.grad(x**3, x, create_graph=True)
    assert dg.grad(recorded, x).item() == 12.0
    slope = dg.grad(2 * x, x, create_graph=True)
    assert dg.grad(slope, x).item() == 0.0, "a constant slope has the derivative 0"


def test_the_derivative_of_a_function_is_value_and_grad():
    def f(x):
        return x * x

    for call in (lambda: dg.grad(f)(3.0), lambda: dg.grad(f, dg.Tensor(3.0, requires_grad=True))):
        with pytest.raises(OperationError, match="not the function f") as caught:
            call()
        assert caught.value.hint.startswith("value, slope = dg.value_and_grad(f)(x)")
    x = dg.Tensor(3.0, requires_grad=True)
    with pytest.raises(OperationError, match="with respect to which tensors"):
        dg.grad(x * x)
    value, slope = dg.value_and_grad(f)(x)
    assert (value.item(), slope.item()) == (9.0, 6.0)
