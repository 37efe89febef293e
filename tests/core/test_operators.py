"""Operators and methods that tensors and nodes share: the same as NumPy's, in both modes."""

from __future__ import annotations

import re
from operator import attrgetter

import numpy as np
import pytest

import dlgraph as dg
from dlgraph.core.names import FUNCTIONS_ELSEWHERE, METHODS_ELSEWHERE
from dlgraph.core.primitive import FUNCTIONS
from dlgraph.errors import DtypeError, OperationError, SymbolicValueError, UnknownNameError

X = np.array([[[0.5, -1.0, 2.0], [3.0, 0.25, -0.5]]] * 2, np.float32)
X[1] += 1
Y = np.array([[2.0], [4.0]], np.float32)

BOTH = {
    "x + y": lambda x, y: x + y,
    "x - y": lambda x, y: x - y,
    "x * y": lambda x, y: x * y,
    "x / y": lambda x, y: x / y,
    "x % y": lambda x, y: x % y,
    "7 % y": lambda x, y: 7 % y,
    "x // y": lambda x, y: x // y,
    "7 // y": lambda x, y: 7 // y,
    "x ** 2": lambda x, y: x**2,
    "2 ** x": lambda x, y: 2**x,
    "1 - x": lambda x, y: 1 - x,
    "1 / y": lambda x, y: 1 / y,
    "x @ x.mT": lambda x, y: x @ x.mT,
    "-x, +x, abs": lambda x, y: -x + (+x) * abs(x),
    "x > y": lambda x, y: x > y,
    "x >= 0.5": lambda x, y: x >= 0.5,
    "x < y": lambda x, y: x < y,
    "x <= 0.5": lambda x, y: x <= 0.5,
    "x == 0.5": lambda x, y: x == 0.5,
    "x != 0.5": lambda x, y: x != 0.5,
    "and": lambda x, y: (x > 0) & (x < 2),
    "or": lambda x, y: (x > 2) | (x < 0),
    "not": lambda x, y: ~(x > 0),
    "x[0]": lambda x, y: x[0],
    "x[..., 1:]": lambda x, y: x[..., 1:],
    "x[:, None, 0]": lambda x, y: x[:, None, 0],
    "reshape": lambda x, y: x.reshape(3, -1),
    "reshape of a tuple": lambda x, y: x.reshape((4, 3)),
    "transpose": lambda x, y: x.transpose(),
    "transpose None": lambda x, y: x.transpose(None),
    "transpose axes": lambda x, y: x.transpose(1, 0, 2),
    "transpose tuple": lambda x, y: x.transpose((2, 0, 1)),
    "swapaxes": lambda x, y: x.swapaxes(0, 2),
    "squeeze": lambda x, y: x[:1].squeeze(),
    "squeeze axis": lambda x, y: y.squeeze(1),
    "flatten": lambda x, y: x.flatten(),
    "T": lambda x, y: x.T,
    "mT": lambda x, y: x.mT,
    "sum": lambda x, y: x.sum(),
    "sum axis": lambda x, y: x.sum(axis=1),
    "mean": lambda x, y: x.mean(axis=(0, 2), keepdims=True),
    "max": lambda x, y: x.max(axis=-1),
    "min": lambda x, y: x.min(),
    "min axis": lambda x, y: x.min(axis=0),
    "var": lambda x, y: x.var(axis=0, keepdims=True),
    "std": lambda x, y: x.std(axis=0),
    "prod": lambda x, y: x.prod(axis=2),
    "all": lambda x, y: (x > 0).all(axis=0),
    "any": lambda x, y: (x > 0).any(),
    "clip": lambda x, y: x.clip(0, 1),
    "clip below": lambda x, y: x.clip(0),
    "argmin": lambda x, y: x.argmin(axis=1),
    "argmax": lambda x, y: x.argmax(axis=1),
    "argmax of all": lambda x, y: x.argmax(),
    "astype": lambda x, y: x.astype("float64"),
}


@pytest.mark.parametrize("what", BOTH)
def test_as_in_numpy_in_both_modes(what):
    formula = BOTH[what]
    wanted = np.asarray(formula(X, Y))
    eager = formula(dg.Tensor(X), dg.Tensor(Y))
    with dg.Graph().as_default() as g:
        x, y = dg.placeholder(X.shape, name="x"), dg.placeholder((None, 1), name="y")
        node = formula(x, y)
    symbolic = np.asarray(dg.Session(g).run(node, {x: X, y: Y}))
    for got in (eager.numpy(), symbolic):
        assert (got.shape, got.dtype) == (wanted.shape, wanted.dtype)
        np.testing.assert_allclose(got, wanted, rtol=1e-6)
    assert node.dtype == wanted.dtype and node.ndim == wanted.ndim


@pytest.mark.parametrize(
    "name", ["abs", "exp", "log", "sqrt", "tanh", "relu", "sigmoid", "softmax"]
)
def test_functions_that_are_methods_too(name):
    x = dg.Tensor(Y)
    assert getattr(x, name)().tolist() == FUNCTIONS.get(name, dg.absolute)(x).tolist()


def test_flatten_from_an_axis_on():
    assert dg.Tensor(X).flatten(1).shape == (2, 6)


def test_tensors_are_keys_by_identity():
    a, b = dg.Tensor(1.0), dg.Tensor(1.0)
    assert {a: "a", b: "b"}[a] == "a" and len({a, b}) == 2


@pytest.mark.parametrize(
    "call",
    [
        lambda x: np.mean(x),
        lambda x: np.amax(x),
        lambda x: np.concatenate([x, x]),
        lambda x: np.concatenate((np.ones(2, np.float32), x)),
        lambda x: np.vstack([x, x]),
        lambda x: np.dot(x, x),
        lambda x: np.where([True, False], x, 0),
    ],
)
@pytest.mark.parametrize("mode", ["eager", "graph"])
def test_what_numpy_computes_does_not_silently_cut_off_the_gradient(call, mode):
    with dg.Graph().as_default():
        node = dg.placeholder((2,), name="x")
    with pytest.raises(OperationError, match="could not be recorded"):
        call(node if mode == "graph" else dg.Tensor([1.0, 2.0], requires_grad=True))


def test_numpy_may_look_at_the_values_of_a_tensor():
    x = dg.Tensor([1.26, 2.0], requires_grad=True)
    assert np.allclose(x, [1.26, 2.0]) and not np.array_equal(x, [1.26, 3.0])
    assert np.shape(x) == (2,) and np.size(x) == 2
    assert np.round(x, 1).tolist() == np.array([1.3, 2.0], np.float32).tolist()
    assert np.histogram(x, bins=[0, 1.5, 3])[0].tolist() == [1, 1]
    with dg.Graph().as_default():
        node = dg.placeholder((2,), name="x")
    with pytest.raises(SymbolicValueError):
        np.allclose(node, 1.0)


def test_a_name_of_another_library_is_an_attribute_error_that_names_ours():
    x = dg.Tensor([1.0])
    assert not hasattr(x, "view") and getattr(x, "unsqueeze", None) is None
    assert "view" not in dir(x) and "reshape" in dir(x)  # what Tab offers
    with pytest.raises(UnknownNameError, match=r"here it is x\.reshape"):
        x.view(-1)
    with pytest.raises(UnknownNameError, match=r"here it is x \+ y"):
        x.add(x)
    assert not hasattr(x, "_no_such_thing") and not hasattr(dg, "_no_such_thing")
    with pytest.raises(AttributeError, match=r"here it is dg\.concatenate"):
        _ = dg.cat
    with pytest.raises(UnknownNameError, match=r"here it is dg\.relu"):
        _ = dg.nn.relu
    with pytest.raises(UnknownNameError, match=r"did you mean Adam"):
        _ = dg.optim.Adma
    assert not hasattr(dg.nn, "__path_of_no_module__")


def test_the_names_of_other_libraries_are_not_names_of_ours_and_lead_to_ones_that_are():
    node_only = ["assign", "grad", "size"]  # of tensors they are there
    ours = {name: text.rpartition(".")[2] for name, text in FUNCTIONS_ELSEWHERE.items()}
    assert not [name for name in ours if hasattr(dg, name) and ours[name] != name]
    x = dg.Tensor([1.0])
    assert [name for name in METHODS_ELSEWHERE if hasattr(x, name)] == node_only
    with dg.Graph().as_default():
        node = dg.placeholder((), name="x")
    assert not [name for name in METHODS_ELSEWHERE if hasattr(node, name)]
    paths = [text for text in FUNCTIONS_ELSEWHERE.values() if text.startswith("dg.")]
    assert len(paths) > 10 and all(attrgetter(path.removeprefix("dg."))(dg) for path in paths)
    places = {"x": x, "dg": dg, "session": dg.Session, "optimizer": dg.optim.SGD}
    for text in METHODS_ELSEWHERE.values():
        place, _, rest = text.partition(".")
        name = rest.split("(")[0].split()[0] if rest else ""
        said = re.fullmatch(r"x (\S+) y|-x|print\((x\.graph)\)", text)
        assert said or hasattr(places.get(place), name), text
        if said:  # it can be done as it is said
            value = dg.Tensor([[2.0]], requires_grad=True) * 1.0
            assert eval(text, {"x": value, "y": value, "print": str}) is not None


@pytest.mark.parametrize(
    ("ask", "here"),
    [
        (lambda: dg.float32, 'dtype="float32"'),
        (lambda: dg.Linear, "dg.nn.Linear"),
        (lambda: dg.optim.Momentum, "dg.optim.SGD"),
        (lambda: dg.mnist, "dg.data.mnist"),
        (lambda: dg.DataLoader, "dg.data.DataLoader"),
        (lambda: dg.nn.LeakyReLU, "dg.leaky_relu"),
        (lambda: dg.GradientTape, "dg.grad"),
        (lambda: dg.Tensor(1.0).zero_(), "zero_grad"),
        (lambda: dg.Tensor(1.0).clone(), "dg.identity(x)"),
    ],
)
def test_common_names_from_elsewhere_lead_here(ask, here):
    with pytest.raises(UnknownNameError) as caught:
        ask()
    assert here in caught.value.hint


HUGE = {  # 10 ** 400 is beyond any float, and 10 ** 5000 has more digits than Python writes
    "x * huge": lambda x, huge: x * huge,
    "huge * x": lambda x, huge: huge * x,
    "x - huge": lambda x, huge: x - huge,
    "huge - x": lambda x, huge: huge - x,
    "x > huge": lambda x, huge: x > huge,
    "x ** huge": lambda x, huge: x**huge,
    "x @ huge": lambda x, huge: x @ huge,
}


@pytest.mark.parametrize("digits", [400, 5000])
@pytest.mark.parametrize("data", [[1.0, 2.0], 3.0, [1, 2]], ids=["floats", "scalar", "integers"])
@pytest.mark.parametrize("case", HUGE)
def test_a_number_that_no_array_can_hold_is_an_error_with_the_line(case, data, digits):
    for x in (dg.Tensor(data), dg.Tensor(data, requires_grad=data != [1, 2])):
        with pytest.raises(OperationError) as raised:
            HUGE[case](x, 10**digits)
        assert "test_operators.py" in str(raised.value)
        assert "Python int" not in raised.value.what and "C long" not in raised.value.what


def test_the_error_of_a_number_that_is_too_large_says_how_far_the_dtype_reaches():
    x = dg.Tensor([1.0, 2.0])
    with pytest.raises(OperationError, match="beyond the range of float32") as raised:
        x * 10**400
    assert raised.value.hint == "float32 reaches from -3.4e+38 to 3.4e+38"


def test_comparing_with_none_leads_to_is():
    x = dg.Tensor([1.0, 2.0])
    with dg.Graph().as_default():
        y = dg.placeholder((2,), name="y")
    for wrong, hint in [
        (lambda: x == None, "`x is None`"),  # noqa: E711
        (lambda: x != None, "`x is not None`"),  # noqa: E711
        (lambda: y == None, "`y is None`"),  # noqa: E711
    ]:
        with pytest.raises(DtypeError, match="None") as raised:
            wrong()
        assert hint in raised.value.hint and "test_operators.py" in str(raised.value)


class Column:
    """Multiplies and compares as a Series of pandas does: element by element, but for whom it
    gives way to."""

    __pandas_priority__ = 3000
    __array_priority__ = 1000

    def __init__(self, values):
        self.values = np.asarray(values)

    def __array__(self, dtype=None, copy=None):
        return self.values

    def _combine(self, other, operation):
        if getattr(other, "__pandas_priority__", 0) > self.__pandas_priority__:
            return NotImplemented
        return Column(operation(self.values, np.asarray(other)))

    def __add__(self, other):
        return self._combine(other, np.add)

    def __mul__(self, other):
        return self._combine(other, np.multiply)

    def __eq__(self, other):
        return self._combine(other, np.equal)

    __hash__ = None


@pytest.mark.parametrize("mode", ["eager", "graph"])
def test_a_series_of_pandas_leaves_the_operation_to_us(mode):
    series, t = Column([1.0, 2.0]), dg.Tensor([3.0, 2.0], requires_grad=True)
    formulas = (lambda t: series * t, lambda t: series + t, lambda t: series == t)
    if mode == "eager":
        found = [formula(t) for formula in formulas]
        assert [one.tolist() for one in found] == [[3.0, 4.0], [4.0, 4.0], [False, True]]
        assert found[0].requires_grad and found[0].dtype == np.float32
        found[0].sum().backward()
        assert t.grad.tolist() == [1.0, 2.0]
    else:
        with dg.Graph().as_default() as g:
            x = dg.placeholder((2,), name="x")
            found = [formula(x) for formula in formulas]
        assert dg.Session(g).run(found, {x: [3.0, 2.0]})[0].tolist() == [3.0, 4.0]


def test_a_real_series_leaves_the_operation_to_us():
    pandas = pytest.importorskip("pandas")
    t = dg.Tensor([3.0, 2.0], requires_grad=True)
    for found in (pandas.Series([1.0, 2.0]) * t, t * pandas.Series([1.0, 2.0])):
        assert isinstance(found, dg.Tensor) and found.requires_grad
        assert found.tolist() == [3.0, 4.0]


@pytest.mark.parametrize("value", ["a", None])
def test_what_no_operator_can_take_is_named(value):
    x = dg.Tensor([1.0, 2.0])
    with dg.Graph().as_default():
        node = dg.placeholder((2,), name="x")
        for operand in (x, node):
            with pytest.raises(DtypeError, match=rf"add: {value!r} \+ x \(2,\): cannot compute"):
                value + operand
            with pytest.raises(DtypeError, match=rf"multiply: x \(2,\) \* {value!r}: cannot"):
                operand * value


@pytest.mark.parametrize("mode", ["eager", "graph"])
@pytest.mark.parametrize(
    ("call", "what", "hint"),
    [
        (lambda x: x.sum(dim=0), "sum", "write axis=0 in place of dim"),
        (lambda x: x.mean(dim=(0, 1)), "mean", r"write axis=\(0, 1\) in place of dim"),
        (lambda x: x.max(0, keepdim=True), "max", "write keepdims=True in place of keepdim"),
        (lambda x: x.std(dim=1), "std", "write axis=1 in place of dim"),
        (lambda x: x.argmax(dim=1), "argmax", "write axis=1 in place of dim"),
        (lambda x: x.softmax(dim=-1), "softmax", "write axis=-1 in place of dim"),
        (lambda x: x.squeeze(dim=1), "squeeze", "write axis=1 in place of dim"),
        (lambda x: dg.softmax(x, dim=1), "softmax", "write axis=1 in place of dim"),
        (lambda x: dg.concatenate([x, x], dim=1), "concatenate", r"called as concatenate\(xs, ax"),
        (lambda x: dg.stack([x, x], dim=1), "stack", "write axis=1 in place of dim"),
        (lambda x: dg.norm(x, axes=1), "norm", r"^call it as norm\(x"),
    ],
)
def test_an_argument_of_another_library_is_told_ours(mode, call, what, hint):
    with dg.Graph().as_default():
        x = dg.placeholder((2, 2), name="x")
    with pytest.raises(OperationError, match=f"^{what} has no argument") as caught:
        call(x if mode == "graph" else dg.Tensor([[1.0, 2.0], [3.0, 4.0]]))
    assert re.search(hint, caught.value.hint), caught.value.hint


def test_other_mistakes_in_a_call_are_told_as_python_tells_them():
    with pytest.raises(TypeError, match="missing 1 required positional argument"):
        dg.concatenate(axis=0)
    with pytest.raises(DtypeError):
        dg.concatenate([dg.Tensor([1.0]), np.ones(1)], axis=0)


@pytest.mark.parametrize("mode", ["eager", "graph"])
@pytest.mark.parametrize(
    ("call", "what", "hint"),
    [
        (lambda a, b: dg.max(a, b), r"max\(a \(2, 2\), b \(2, 2\)\)", "dg.maximum(a, b)"),
        (lambda a, b: a.max(b), r"max\(a ", "dg.maximum(a, b)"),
        (lambda a, b: dg.min(a, b), r"min\(a ", "dg.minimum(a, b)"),
        (lambda a, b: dg.max(3.0, b), r"max\(3\.0, b ", "dg.maximum(3.0, b)"),
        (lambda a, b: dg.sum(a, b), r"sum\(a ", "a + b"),
    ],
)
def test_a_second_value_where_the_axis_stands_leads_to_the_operation_of_two(mode, call, what, hint):
    with dg.Graph().as_default():
        a, b = dg.placeholder((2, 2), name="a"), dg.placeholder((2, 2), name="b")
    if mode == "eager":
        a, b = (dg.Tensor(np.ones((2, 2), "float32"), name=name) for name in "ab")
    with pytest.raises(OperationError, match=f"^{what}.*behind the values is the axis") as caught:
        call(a, b)
    assert caught.value.hint == f"of two values, element by element: {hint}"
    assert dg.max(dg.Tensor([[1.0, 2.0]]), dg.Tensor(1)).tolist() == [2.0]  # an axis after all
