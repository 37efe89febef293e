"""Declaring a primitive: what it must say, and what a wrong rule or call is told."""

from __future__ import annotations

import numpy as np
import pytest

import dlgraph as dg
from dlgraph.core.primitive import FUNCTIONS, REGISTRY, Primitive, weak_kind
from dlgraph.errors import OperationError, ShapeError


@pytest.fixture(autouse=True)
def registry():
    """What a test declares is forgotten afterwards."""
    kept = dict(REGISTRY), dict(FUNCTIONS)
    yield
    for table, before in zip((REGISTRY, FUNCTIONS), kept, strict=True):
        table.clear()
        table.update(before)


def cube():
    @dg.primitive(text="cube({x})", kind="elementwise", floating=True)
    def cube_of(xp, x):
        """Third power of every element."""
        return x * x * x

    return cube_of


def test_a_new_primitive_works_in_both_modes_and_in_higher_orders():
    op = cube()
    op.vjp(x=lambda g, x: g * (3.0 * x * x))
    x = dg.Tensor(2.0, requires_grad=True)
    first = dg.grad(op(x), x, create_graph=True)
    assert (first.item(), dg.grad(first, x).item()) == (12.0, 12.0)
    with dg.Graph().as_default() as g:
        node = dg.placeholder((None,), name="x")
        y = op(node)
        slope = dg.gradients(y.sum(), node)
    assert dg.Session(g).run([y, slope], {node: [1.0, 2.0]})[1].tolist() == [3.0, 12.0]
    assert "cube(x)" in str(g)
    assert op(np.float32(2.0)) == 8.0  # plain arrays and numbers just compute
    assert REGISTRY["cube_of"] is op and repr(op) == "<Primitive cube_of: cube(x)>"
    assert op.__doc__.startswith("Third power") and op.differentiable


def test_a_rule_names_what_it_needs():
    op = cube()
    op.vjp(x=lambda g, y, x: g * (3.0 * y / x))
    assert op.needs(0) == {"x", "y"}
    with pytest.raises(OperationError, match="unknown parameters z"):
        op.vjp(x=lambda g, z: g)
    with pytest.raises(OperationError, match="cube_of has no input w") as caught:
        op.vjp(w=lambda g: g)
    assert caught.value.hint == "its inputs are x"


def test_a_rule_that_returns_the_wrong_shape_is_found():
    op = cube()
    op.vjp(x=lambda g, x: dg.sum(g * x))
    x = dg.Tensor([1.0, 2.0], requires_grad=True)
    with pytest.raises(OperationError, match=r"rule of cube_of returned shape \(\) for an input"):
        op(x).sum().backward()


def test_an_operation_without_a_rule_stops_the_gradient():
    op = cube()
    assert not op.differentiable and op.pull(0) is None
    x = dg.Tensor([1.0, 2.0], requires_grad=True)
    assert not op(x).requires_grad


def test_a_mistake_inside_an_operation_of_your_own_keeps_its_traceback():
    @dg.primitive(text="broken({x})", kind="elementwise")
    def broken(xp, x):
        return x * undefined_name  # noqa: F821

    def use(x):
        return broken(x)

    def run(x):
        with dg.Graph().as_default() as g:
            y = broken(dg.placeholder((), name="x"))
        return dg.Session(g).run(y, {"x": 1.0})

    for way in (use, run):
        with pytest.raises(NameError, match="undefined_name") as caught:
            way(dg.Tensor(1.0))
        assert caught.traceback[-1].name == "broken"


def test_wrong_shapes_for_an_operation_of_your_own_are_explained():
    @dg.primitive(text="total({x})", kind="reduce", infer=dg.sum.infer)
    def total(xp, x, *, axis=None, keepdims=False):
        return x.sum(axis=axis, keepdims=keepdims)

    x = dg.Tensor([1.0, 2.0])
    with pytest.raises(ShapeError, match=r"total\(x \(2,\)\) with axis=1: axis 1 is out of range"):
        total(x, axis=1)


def test_unknown_facts_are_refused():
    with pytest.raises(OperationError, match=r"primitive f: unknown facts \['colour'\]"):
        Primitive(lambda xp, x: x, name="f", kind="elementwise", colour="red")


@pytest.mark.parametrize(
    ("call", "what", "hint"),
    [
        (lambda x: dg.add(x), "add takes 2 inputs (a, b), got 1", "call it as add(a, b)"),
        (lambda x: dg.add(x, x, x), "add takes 2 inputs (a, b), got 3", "call it as add(a, b)"),
        (
            lambda x: dg.sum(x, axes=0),
            "sum has no argument axes",
            "call it as sum(x, *, axis=None, keepdims=False)",
        ),
        (
            lambda x: dg.one_hot(x),
            "one_hot needs the argument depth",
            "call it as one_hot(labels, *, depth, dtype='float32')",
        ),
    ],
)
def test_wrong_calls_say_how_to_call(call, what, hint):
    with pytest.raises(OperationError) as caught:
        call(dg.Tensor([1, 2]))
    assert (caught.value.what, caught.value.hint) == (what, hint)


def test_inputs_by_keyword_and_attributes_by_position():
    a, b = dg.Tensor([[1.0, 2.0]]), dg.Tensor([[3.0], [4.0]])
    assert dg.matmul(a=a, b=b).item() == dg.matmul(a, b=b).item() == 11.0
    assert dg.sum(b, 0).tolist() == [7.0] and dg.sum(b, 0, True).shape == (1, 1)


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (True, bool),
        (3, int),
        (2.5, float),
        (np.float64(2.0), float),
        (np.int8(2), int),
        (np.bool_(True), bool),
        (np.array(2.0), float),
        ([1, 2], int),
        ((1, 2.5), float),
        ([], float),
        (np.ones(2), None),
        ([[1], [2, 3]], None),
        ("3", None),
        (None, None),
    ],
)
def test_numbers_without_a_dtype_of_their_own(value, kind):
    assert weak_kind(value) is kind
