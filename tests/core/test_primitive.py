"""Declaring a primitive: what it must say, and what a wrong rule or call is told."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest

import dlgraph as dg
from dlgraph.core.primitive import FUNCTIONS, REGISTRY, Primitive
from dlgraph.core.promotion import weak_kind
from dlgraph.errors import DlgraphError, OperationError, ShapeError

pytestmark = pytest.mark.usefixtures("registry")


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


class Empty:
    """A rule that is no plain function, and counts as false."""

    def __len__(self):
        return 0

    def __call__(self, g):
        return 3.0 * g


class Slope(np.float32):
    def known(self, g):  # the same bytecode as `lambda g: g`
        return self


@pytest.mark.parametrize("rule", [Empty(), Empty().__call__, Slope(3.0).known])
def test_a_rule_may_be_any_callable(rule):
    op = cube()
    op.vjp(x=rule)
    x = dg.Tensor(2.0, requires_grad=True)
    op(x).backward()
    assert x.grad.item() == 3.0


def test_a_rule_that_returns_the_wrong_shape_is_found():
    op = cube()
    op.vjp(x=lambda g, x: dg.sum(g * x))
    x = dg.Tensor([1.0, 2.0], requires_grad=True)
    with pytest.raises(OperationError, match=r"rule of cube_of returned shape \(\) for an input"):
        op(x).sum().backward()


def test_a_gradient_that_arrives_where_a_rule_is_missing_is_told():
    op = cube()
    assert op.pull(0) is None
    x = dg.Tensor([1.0, 2.0], requires_grad=True)
    told = r"^cube_of has no gradient rule: nothing says how its result changes with x"

    def in_graph():
        with dg.Graph().as_default():
            node = dg.placeholder((2,), name="x")
            return dg.gradients((op(node) + node).sum(), [node], allow_unused=True)

    ways = (
        lambda: op(x).sum().backward(),
        lambda: (op(x) + x).sum().backward(),  # x.grad would be 1, which is wrong
        lambda: dg.grad(op(x).sum(), x),
        in_graph,
    )
    for way in ways:
        with pytest.raises(OperationError, match=told) as caught:
            way()
        assert caught.value.hint.startswith("state it, cube_of.vjp(x=lambda g, x: ...)")
    assert x.grad is None and op(dg.Tensor(2.0)).item() == 8.0
    op.vjp(x=lambda g, x: g * (3.0 * x * x))
    op(x).sum().backward()
    assert x.grad.tolist() == [3.0, 12.0]


def test_an_operation_without_rules_on_purpose_stops_the_gradient():
    op = cube().vjp()
    assert not op.differentiable and op.pull(0) is None and not op.steps
    x = dg.Tensor([1.0, 2.0], requires_grad=True)
    assert not op(x).requires_grad
    (op(x) + x).sum().backward()
    assert x.grad.tolist() == [1.0, 1.0]
    with dg.Graph().as_default():
        node = dg.placeholder((), name="x")
        assert dg.gradients(op(node), [node], allow_unused=True) == [None]


def test_whole_numbers_and_draws_of_your_own_need_no_rule():
    @dg.primitive(kind="index", infer=dg.argmax.infer)
    def first_of(xp, x, *, axis=None, keepdims=False):
        return x.argmax(axis=axis, keepdims=keepdims)

    @dg.primitive(kind="random")
    def shaken(xp, x):
        return x + 0.5

    x = dg.Tensor([1.0, 2.0], requires_grad=True)
    (first_of(x).astype("float32") + x + shaken(x)).sum().backward()
    assert x.grad.tolist() == [1.0, 1.0]
    with dg.Graph().as_default() as g:
        node = dg.placeholder((2,), name="x")
        y = (first_of(node).astype("float32") + node + shaken(node)).sum()
        slope = dg.gradients(y, node)
    assert dg.Session(g).run(slope, {"x": [1.0, 2.0]}).tolist() == [1.0, 1.0]


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


@pytest.mark.parametrize("dtype", ["float32", np.float32, np.dtype("float32")])
def test_a_shape_rule_of_your_own_may_name_the_dtype_in_any_way(dtype):
    @dg.primitive(kind="elementwise", infer=lambda x: dg.Spec(list(x.shape), dtype))
    def half_of(xp, x):
        return x * xp.float32(0.5)

    half_of.vjp(x=lambda g: g * 0.5)
    with dg.Graph().as_default() as g:
        x = dg.placeholder((2,), name="x")
        y = dg.tanh(half_of(x) + x)
    assert y.spec == dg.Spec((2,), np.dtype("float32"))
    assert dg.Session(g).run(y, {x: [0.0, 0.0]}).tolist() == [0.0, 0.0]


@pytest.mark.parametrize("found", [None, "float32", (2, 3, 4), dg.Spec((2,), "float33")])
def test_a_shape_rule_of_your_own_that_returns_no_spec_is_told(found):
    @dg.primitive(kind="elementwise", infer=lambda x: found)
    def odd_of(xp, x):
        return x

    with dg.Graph().as_default():
        x = dg.placeholder((2,), name="x")
        with pytest.raises(OperationError, match=r"shape rule of odd_of returned") as caught:
            odd_of(x)
    assert "dg.Spec(x.shape, x.dtype)" in str(caught.value)


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


@pytest.mark.parametrize(
    ("call", "wanted"),
    [
        (lambda: dg.add([1, 2], [3, 4]), [4, 6]),
        (lambda: dg.multiply([1.0, 2.0], 2), [2.0, 4.0]),
        (lambda: dg.add((1, 2), np.int64(3)), [4, 5]),
        (lambda: dg.add(range(3), 1), [1, 2, 3]),
        (lambda: dg.sum([[1.0, 2.0], [3.0, 4.0]], axis=0), [4.0, 6.0]),
        (lambda: dg.concatenate([[1, 2], [3]]), [1, 2, 3]),
        (lambda: dg.softmax([0.0, 0.0]), [0.5, 0.5]),
    ],
)
def test_lists_are_tensors(call, wanted):
    found = call()
    assert isinstance(found, dg.Tensor) and found.tolist() == wanted
    assert found.dtype in (np.float32, np.int64)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: dg.add("a", "b"), r"add: 'a' \+ 'b': cannot compute with text"),
        (lambda: dg.exp("a"), "exp.*cannot compute with text"),
        (lambda: dg.relu({}), "relu.*cannot compute with objects"),
        (lambda: dg.relu(None), "relu"),
        (lambda: dg.add(b"a", 1), "cannot compute with bytes"),
        (lambda: dg.add({1}, 2), "cannot compute with objects"),
        (lambda: dg.add(np.ones(3), "b"), "cannot compute with text"),
        (lambda: dg.add(dg.Tensor([1.0]), "b"), "add: .* 'b': cannot compute with text"),
    ],
)
def test_what_holds_no_numbers_is_refused_in_words(call, words):
    with pytest.raises(DlgraphError, match=words) as caught:
        call()
    assert caught.value.where is not None


def test_a_list_of_tensors_does_not_lose_their_gradients():
    w = dg.Tensor(1.0, requires_grad=True)
    with pytest.raises(OperationError, match="cut them off from their gradients"):
        dg.sum([w, w])


def test_plain_arrays_that_do_not_fit_are_named():
    a, b = np.ones((2, 3), np.float32), np.ones((2, 3), np.float32)
    with pytest.raises(ShapeError, match=r"matmul: a \(2, 3\) @ b \(2, 3\): inner sizes") as caught:
        dg.matmul(a, b)
    assert "dg.matmul(a, b)" in str(caught.value)
    with pytest.raises(ShapeError, match="axis 4 is out of range"):
        dg.sum(a, axis=4)
    assert isinstance(dg.matmul(a, b.T), np.ndarray)  # in gradient rules they stay arrays


def test_a_mistake_in_a_rule_names_what_the_rule_did():
    op = cube()
    op.vjp(x=lambda g, x: dg.matmul(g, dg.reshape(x, (5, 1))))
    x = dg.Tensor(np.ones((2, 3)), requires_grad=True)
    with pytest.raises(ShapeError, match=r"reshape\(x \(2, 3\).*6 elements"):
        op(x).sum().backward()
    op.vjp(x=lambda g: undefined_name)  # noqa: F821
    with pytest.raises(NameError, match="undefined_name"):
        op(x).sum().backward()


@pytest.mark.parametrize("declare", [dg.composite, dg.primitive(kind="elementwise")])
def test_names_of_dlgraph_are_not_taken(declare):
    def relu(xp, x=0):
        return x

    kept = FUNCTIONS["relu"]
    with pytest.raises(OperationError, match="relu is an operation of dlgraph") as caught:
        declare(relu)
    assert caught.value.hint.endswith("def my_relu(...)")
    assert FUNCTIONS["relu"] is kept is REGISTRY["relu"]


@pytest.mark.parametrize("declare", [dg.composite, dg.primitive(kind="elementwise")])
def test_a_cell_may_be_run_again(declare):
    for _ in range(2):

        @declare
        def own_function_for_test(xp, x):
            return x

    assert FUNCTIONS["own_function_for_test"] is own_function_for_test


@pytest.mark.parametrize(
    ("declare", "what", "hint"),
    [
        (
            lambda: dg.primitive(lambda xp, x: x),
            "@dg.primitive is followed by brackets",
            '@dg.primitive(kind="elementwise")',
        ),
        (
            lambda: dg.primitive()(lambda xp, x: x),
            "its kind is missing",
            "kinds are elementwise, reduce,",
        ),
        (
            lambda: dg.primitive(kind="elementwize")(lambda xp, x: x),
            "there is no kind 'elementwize'",
            "kinds are elementwise, reduce,",
        ),
        (
            lambda: dg.primitive(kind="elementwise")(doubled),
            r"forward function of doubled must be xp.*it has \(x\)",
            "def doubled(xp, x):",
        ),
        (
            lambda: dg.primitive(kind="elementwise")(3),
            "declared by its forward function, not by 3",
            "def double(xp, x):",
        ),
    ],
)
def test_a_declaration_that_says_too_little_is_told_so(declare, what, hint):
    with pytest.raises(OperationError, match=what) as caught:
        declare()
    assert hint in caught.value.hint


def doubled(x):
    return x + x


@pytest.mark.parametrize("mode", ["eager", "graph", "arrays"])
def test_a_forward_function_that_returns_nothing_is_told_so(mode):
    @dg.primitive(kind="elementwise")
    def forgetful(xp, x):
        xp.tanh(x)

    with pytest.raises(OperationError, match="forward function of forgetful returned None"):
        if mode == "graph":
            with dg.Graph().as_default() as g:
                y = forgetful(dg.placeholder((2,), name="x"))
            dg.Session(g).run(y, {"x": [1.0, 2.0]})
        else:
            forgetful(dg.Tensor([1.0]) if mode == "eager" else np.ones(1))


@pytest.mark.parametrize("name", ["relu", "add", "sum", "getitem", "softmax"])
def test_operations_are_pickled_and_copied_by_name(name):
    op = getattr(dg, name, None) or FUNCTIONS[name]
    assert pickle.loads(pickle.dumps(op)) is op is copy.copy(op) is copy.deepcopy(op)


def test_every_primitive_can_be_pickled():
    for op in REGISTRY.values():
        if op.__module__.startswith("dlgraph."):
            assert pickle.loads(pickle.dumps(op)) is op
