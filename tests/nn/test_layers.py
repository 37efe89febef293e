"""Layers: shapes, values, refusals, and dropout that is the same in both modes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import dlgraph as dg
from dlgraph.errors import DlgraphError, OperationError, ShapeError

# ---- Linear


@given(st.integers(1, 5), st.integers(1, 5), st.lists(st.integers(1, 3), max_size=3))
@settings(max_examples=30, deadline=None)
def test_linear_is_an_affine_map_of_the_last_axis(inputs, outputs, batch):
    layer = dg.nn.Linear(inputs, outputs)
    layer.bias.assign(np.arange(outputs, dtype=np.float32))
    x = np.random.default_rng(0).normal(size=(*batch, inputs)).astype(np.float32)
    y = layer(dg.Tensor(x))
    assert y.shape == (*batch, outputs) and y.dtype == np.float32
    wanted = x.astype(float) @ layer.weight.numpy() + np.arange(outputs)
    np.testing.assert_allclose(y.numpy(), wanted, rtol=1e-5, atol=1e-5)


def test_linear_without_bias_and_in_float64():
    layer = dg.nn.Linear(2, 3, bias=False, dtype="float64")
    assert layer.bias is None and [p.dtype for p in layer.parameters()] == [np.float64]
    assert layer(np.ones((1, 2))).dtype == np.float64


def test_linear_starts_at_xavier_and_zero_from_its_stream():
    one, two = (dg.nn.Linear(30, 20, rng=dg.Stream(4)) for _ in range(2))
    assert one.weight.tolist() == two.weight.tolist()
    bound = np.sqrt(6 / 50)
    assert bound * 0.9 < np.abs(one.weight.numpy()).max() <= bound
    assert not one.bias.numpy().any()


@pytest.mark.parametrize("size", [0, -1, 2.0, "3", None, True, (28, 28)])
def test_a_number_of_features_is_a_whole_number(size):
    with pytest.raises(OperationError, match=r"in_features=.*a whole number above 0"):
        dg.nn.Linear(size, 2)
    with pytest.raises(OperationError, match="out_features="):
        dg.nn.Linear(2, size)


def test_numpy_integers_are_whole_numbers():
    layer = dg.nn.Linear(np.prod((28, 28)), np.int32(3))
    assert (layer.in_features, type(layer.out_features)) == (784, int)


@pytest.mark.parametrize(
    ("shape", "what", "hint"),
    [
        ((4, 100), r"its input x \(4, 100\) has 100", "out_features of one layer"),
        ((4, 28, 28), r"its input x \(4, 28, 28\) has 28", "x.flatten(1)"),
        ((4, 28, 27), r"its input x \(4, 28, 27\) has 27", "out_features of one layer"),
        ((), r"its input x \(\) has no axis", "out_features of one layer"),
    ],
)
def test_an_input_of_another_size_names_layer_and_sizes(shape, what, hint):
    class Model(dg.nn.Module):
        def __init__(self):
            self.layer1 = dg.nn.Linear(784, 10)

        def forward(self, x):
            return self.layer1(x)

    x = dg.Tensor(np.zeros(shape, np.float32))
    made = r"^layer1 \(Linear 784 -> 10\) was made for 784 features, "
    with pytest.raises(ShapeError, match=made + what) as caught:
        Model()(x)
    with dg.Graph().as_default(), pytest.raises(ShapeError, match="made for 784 features"):
        Model()(dg.placeholder(shape, name="x"))
    assert caught.value.where.text == "return self.layer1(x)"
    assert hint in caught.value.hint


def test_a_layer_of_a_sequential_is_called_by_its_number_and_one_on_its_own_by_its_kind():
    x = dg.Tensor(np.zeros((4, 3), np.float32), name="x")
    net = dg.nn.Sequential(dg.nn.Linear(3, 100), dg.nn.ReLU(), dg.nn.Linear(90, 10))
    with pytest.raises(ShapeError, match=r"^layer 2 \(Linear 90 -> 10\) was made for 90 features"):
        net(x)
    with pytest.raises(ShapeError, match=r"^Linear 90 -> 10 was made for 90 features, its input x"):
        dg.nn.Linear(90, 10)(x)


def test_an_unknown_last_size_is_checked_when_it_is_known():
    layer = dg.nn.Linear(3, 2)
    with dg.Graph().as_default() as g:
        x = dg.placeholder((None, None), name="x")
        y = layer(x)
    session = dg.Session(g)
    assert session.run(y, {x: np.ones((4, 3), np.float32)}).shape == (4, 2)
    with pytest.raises(ShapeError, match="inner sizes 4 and 3 differ") as caught:
        session.run(y, {x: np.ones((2, 4), np.float32)})
    assert caught.value.node == "linear/matmul"


def test_lists_and_arrays_are_inputs_too():
    layer = dg.nn.Linear(2, 1)
    wanted = layer(dg.Tensor([[1.0, 2.0]])).tolist()
    assert layer([[1.0, 2.0]]).tolist() == wanted
    assert layer(np.array([[1, 2]], np.float32)).tolist() == wanted


# ---- Sequential and the small ones


def test_sequential_is_its_layers_in_turn():
    a, b = dg.nn.Linear(2, 3), dg.nn.Linear(3, 1)
    net = dg.nn.Sequential(a, dg.nn.ReLU(), b)
    x = dg.Tensor([[1.0, -2.0]])
    assert net(x).tolist() == b(dg.relu(a(x))).tolist()
    assert len(net) == 3 and net[0] is a and net[-1] is b
    assert [n for n, _ in net.named_parameters()] == ["0.weight", "0.bias", "2.weight", "2.bias"]
    assert dg.nn.Sequential()(x) is x


def test_one_layer_twice_in_a_sequence_is_one_set_of_parameters():
    layer = dg.nn.Linear(2, 2)
    net = dg.nn.Sequential(layer, layer)
    assert len(net.parameters()) == 2
    x = dg.Tensor([[1.0, 2.0]])
    assert net(x).tolist() == layer(layer(x)).tolist()


@pytest.mark.parametrize(
    ("layers", "what", "hint"),
    [
        (([],), "item 0 is a list, not a layer", "pass the layers themselves"),
        ((dg.nn.ReLU(), dg.nn.Tanh), "item 1 is the class Tanh", "make one, with brackets: Tanh()"),
        ((dg.relu,), "item 0 is a Primitive", "pass the layers themselves"),
    ],
)
def test_sequential_takes_layers(layers, what, hint):
    with pytest.raises(OperationError, match=what) as caught:
        dg.nn.Sequential(*layers)
    assert caught.value.hint.startswith(hint)


@pytest.mark.parametrize("layer", [dg.nn.ReLU, dg.nn.Tanh, dg.nn.Sigmoid, dg.nn.Softmax])
def test_a_layer_that_is_called_as_a_function_says_how_both_are_written(layer):
    """`dg.nn.Softmax(x)` was a layer without a word, and `dg.nn.ReLU(x)` a TypeError of Python."""
    x = dg.Tensor([[1.0, 2.0]])
    name = layer.__name__
    with pytest.raises(OperationError, match="a layer is made first") as caught:
        layer(x)
    assert caught.value.hint == f"dg.nn.{name}()(x), or the function: dg.{name.lower()}(x)"
    expected = layer()(x).tolist()
    assert eval(caught.value.hint.split(": ")[1]).tolist() == expected
    with dg.Graph().as_default(), pytest.raises(OperationError, match=rf"{name}\(x \(2,\)\)"):
        layer(dg.placeholder((2,), name="x"))


def test_a_layer_without_settings_says_so():
    with pytest.raises(OperationError, match=r"ReLU\(inplace=True\): a layer is made first"):
        dg.nn.ReLU(inplace=True)
    with pytest.raises(OperationError, match=r"Flatten\(tensor \(1, 1\)\)"):
        dg.nn.Flatten(dg.Tensor([[1.0]]))


@pytest.mark.parametrize(
    ("layer", "function"),
    [
        (dg.nn.ReLU(), lambda v: np.maximum(v, 0)),
        (dg.nn.Tanh(), np.tanh),
        (dg.nn.Sigmoid(), lambda v: 1 / (1 + np.exp(-v))),
        (dg.nn.Softmax(), lambda v: np.exp(v) / np.exp(v).sum(-1, keepdims=True)),
        (dg.nn.Softmax(axis=0), lambda v: np.exp(v) / np.exp(v).sum(0, keepdims=True)),
        (dg.nn.Flatten(), lambda v: v.reshape(len(v), -1)),
    ],
)
def test_activations_are_their_formulas_in_both_modes(layer, function):
    x = np.linspace(-2, 2, 12, dtype=np.float32).reshape(3, 2, 2)
    eager = layer(dg.Tensor(x)).numpy()
    np.testing.assert_allclose(eager, function(x), rtol=1e-5, atol=1e-6)
    with dg.Graph().as_default() as g:
        node = dg.placeholder((None, 2, 2), name="x")
        y = layer(node)
    np.testing.assert_array_equal(dg.Session(g).run(y, {node: x}), eager)


# ---- Dropout


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.8])
def test_dropout_drops_its_share_and_keeps_the_mean(rate):
    x = dg.Tensor(np.ones(40_000, np.float32))
    y = dg.nn.Dropout(rate, rng=dg.Stream(1))(x).numpy()
    assert set(np.unique(y)) == {np.float32(0), np.float32(1 / (1 - rate))}
    assert abs((y == 0).mean() - rate) < 5 * np.sqrt(rate * (1 - rate) / 40_000)
    assert y.dtype == np.float32


def test_the_gradient_goes_through_what_was_kept():
    x = dg.Tensor(np.ones(100, np.float32), requires_grad=True)
    y = dg.nn.Dropout(0.5, rng=dg.Stream(1))(x)
    y.sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), y.numpy())


def test_dropout_passes_everything_in_evaluation_or_at_rate_zero():
    x = dg.Tensor([1.0, 2.0])
    assert dg.nn.Dropout(0.5).eval()(x) is x
    assert dg.nn.Dropout(0.0)(x) is x


def test_each_call_and_each_layer_draws_anew():
    x = dg.Tensor(np.ones(64, np.float32))
    rng = dg.Stream(0)
    one, two = dg.nn.Dropout(0.5, rng=rng), dg.nn.Dropout(0.5, rng=rng)
    masks = [tuple(layer(x).tolist()) for layer in (one, one, two, two)]
    assert len(set(masks)) == 4


def test_dropout_draws_the_same_in_both_modes():
    x = np.ones((8, 8), np.float32)
    eager = dg.nn.Dropout(0.5, rng=dg.Stream(3))
    wanted = [eager(dg.Tensor(x)).numpy() for _ in range(4)]
    layer = dg.nn.Dropout(0.5, rng=dg.Stream(3))
    with dg.Graph().as_default() as g:
        node = dg.placeholder((None, 8), name="x")
        y = layer(node)
        gradient = dg.gradients(y.sum(), node)
    session = dg.Session(g)
    for value in wanted:
        got, slope = session.run([y, gradient], {node: x})
        np.testing.assert_array_equal(got, value)
        np.testing.assert_array_equal(slope, value)  # the same mask in the backward pass


@pytest.mark.parametrize("rate", [1.0, -0.1, 2, "0.5", None, float("nan")])
def test_the_rate_is_a_probability_below_one(rate):
    with pytest.raises(OperationError, match="probability of at least 0 and less than 1"):
        dg.nn.Dropout(rate)


# ---- mistakes


class Frame:
    """Stands for a table of pandas: it has an opinion of its own about `@`."""

    __array_ufunc__ = None

    def __init__(self, rows):
        self.rows = np.array(rows, np.float32)
        self.shape, self.ndim, self.dtype = self.rows.shape, self.rows.ndim, self.rows.dtype

    def __array__(self, dtype=None, copy=None):
        return np.asarray(self.rows, dtype)

    def __matmul__(self, other):
        return Frame(self.rows @ np.asarray(other))


def test_a_table_does_not_take_the_weight_out_of_the_record():
    layer = dg.nn.Linear(2, 1)
    y = layer(Frame([[1.0, 2.0], [3.0, 4.0]]))
    assert isinstance(y, dg.Tensor)
    y.sum().backward()
    assert layer.weight.grad.tolist() == [[4.0], [6.0]]


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: dg.nn.Linear(2, 2, "relu"), r"Linear\(bias='relu'\)"),
        (lambda: dg.nn.Linear(2, 2, rng=0), "rng=0: a random stream"),
        (lambda: dg.nn.Linear(2, 2, rng=np.random.default_rng(0)), "rng=Generator.*: a random"),
        (lambda: dg.nn.Dropout(0.5, rng=1), "rng=1: a random stream"),
        (lambda: dg.nn.Linear(2, 2, dtype="flt"), "'flt' is not an element type"),
        (lambda: dg.nn.Linear(2, 2, dtype="int64"), "random values are floating point, not int64"),
        (lambda: dg.nn.BatchNorm(0), r"shape \(0,\): sizes are whole numbers above 0"),
        (lambda: dg.nn.BatchNorm("a"), r"shape \('a',\): sizes are"),
        (lambda: dg.nn.LayerNorm(-3), r"shape \(-3,\): sizes are"),
        (lambda: dg.nn.LayerNorm(1.5), r"shape \(1\.5,\): sizes are"),
        (lambda: dg.nn.LayerNorm("ab"), r"shape \('ab',\): sizes are"),
        (lambda: dg.nn.LSTM("a", 3), r"LSTM\('a', 3\): sizes are whole numbers"),
        (lambda: dg.nn.Embedding("a", 3), r"shape \('a', 3\): sizes are"),
        (lambda: dg.nn.Conv2d("1", 2, 3), r"in_channels is '1'"),
        (lambda: dg.nn.Conv2d(1, 0, 3), r"out_channels is 0"),
        (lambda: dg.nn.Conv2d(1, 2, 3, groups=0), r"groups is 0"),
        (lambda: dg.dropout(dg.Tensor([1.0]), "half"), r"dropout\(rate=.half.\): the rate is"),
    ],
)
def test_layers_refuse_what_they_cannot_be_made_of(make, words):
    with pytest.raises(DlgraphError, match=words) as caught:
        make()
    assert caught.value.where.file == __file__


def test_a_single_number_is_no_batch():
    with pytest.raises(ShapeError, match=r"made for 1 feature, its input 3\.0 has no axis") as e:
        dg.nn.Linear(1, 1)(3.0)
    assert "[[3.0]]" in e.value.hint
