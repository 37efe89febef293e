"""Recurrent layers and attention: against plain NumPy loops, and the same in both modes."""

import numpy as np
import pytest

import dlgraph as dg
from tests.nn.modes import assert_same_bits, train_both

RNG = np.random.default_rng(1)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def numpy_step(kind, x, state, w, u, b):
    z = x @ w + b
    if kind == "RNN":
        return (np.tanh(z + state[0] @ u),)
    h = state[0]
    n = h.shape[1]
    if kind == "LSTM":
        z = z + h @ u
        i, f, g, o = (z[:, k * n : (k + 1) * n] for k in range(4))
        c = sigmoid(f) * state[1] + sigmoid(i) * np.tanh(g)
        return sigmoid(o) * np.tanh(c), c
    carried = h @ u
    r, u_ = (sigmoid(z[:, k * n : (k + 1) * n] + carried[:, k * n : (k + 1) * n]) for k in (0, 1))
    new = np.tanh(z[:, 2 * n :] + r * carried[:, 2 * n :])
    return ((1 - u_) * new + u_ * h,)


@pytest.mark.parametrize("kind", ["RNN", "LSTM", "GRU"])
@pytest.mark.parametrize("reverse", [False, True])
def test_against_numpy_with_lengths(kind, reverse):
    x = RNG.normal(size=(3, 5, 2)).astype("float32")
    lengths = np.array([5, 2, 3])
    layer = getattr(dg.nn, kind)(2, 4, bidirectional=reverse, rng=dg.Stream(0))
    outputs, last = layer(dg.Tensor(x), lengths=lengths)
    end = "_reverse" if reverse else ""
    state_dict = layer.state_dict()
    weights = [state_dict[f"{n}{end}"] for n in ("weight_input", "weight_hidden", "bias")]
    parts = 2 if kind == "LSTM" else 1
    for row, length in enumerate(lengths):
        state = (np.zeros((1, 4), "float32"),) * parts
        times = range(length)[::-1] if reverse else range(length)
        for t in times:
            state = numpy_step(kind, x[row : row + 1, t], state, *weights)
            found = outputs.numpy()[row, t, 4 * reverse : 4 * reverse + 4]
            assert np.allclose(found, state[0], atol=1e-5)
        assert (outputs.numpy()[row, length:] == 0).all()
        final = last[1] if reverse else last
        final = final if isinstance(final, tuple) else (final,)
        for a, b in zip(final, state, strict=True):
            assert np.allclose(a.numpy()[row], b, atol=1e-5)


class Reader(dg.nn.Module):
    def __init__(self, rng, kind="LSTM"):
        self.layer = getattr(dg.nn, kind)(2, 4, bidirectional=True, rng=rng)
        self.head = dg.nn.Linear(8, 1, rng=rng)

    def forward(self, x):
        return self.head(self.layer(x)[0][:, -1])


@pytest.mark.parametrize("kind", ["RNN", "LSTM", "GRU"])
def test_both_modes(kind):
    x = RNG.normal(size=(3, 5, 2)).astype("float32")
    y = RNG.normal(size=(3, 1)).astype("float32")
    eager, model, *_ = train_both(
        lambda rng: Reader(rng, kind), x, y, lambda m, x, y: dg.mse_loss(m(x), y)
    )
    for (name, a), (_, b) in zip(eager.named_parameters(), model.named_parameters(), strict=True):
        # The loop of a graph adds up weight gradients in a loop of its own.
        assert np.allclose(a.numpy(), b.numpy(), atol=1e-6), name


def test_unknown_length_and_lengths_in_a_graph():
    x = RNG.normal(size=(3, 5, 2)).astype("float32")
    lengths = np.array([5, 2, 3])
    layer = dg.nn.GRU(2, 4, rng=dg.Stream(0))
    with dg.Graph().as_default() as graph:
        node = dg.placeholder((None, None, 2), name="x")
        sizes = dg.placeholder((None,), "int64", name="lengths")
        outputs, last = layer(node, lengths=sizes)
    found = dg.Session(graph).run([outputs, last], {node: x, sizes: lengths})
    wanted = layer(dg.Tensor(x), lengths=lengths)
    assert all(np.array_equal(a, b.numpy()) for a, b in zip(found, wanted, strict=True))


def test_attention_masks_and_both_modes():
    x = RNG.normal(size=(2, 5, 8)).astype("float32")
    layer = dg.nn.MultiHeadAttention(8, 2, causal=True, rng=dg.Stream(0))
    changed = x.copy()
    changed[:, 3:] = 0
    assert np.allclose(
        layer(dg.Tensor(x)).numpy()[:, :3], layer(dg.Tensor(changed)).numpy()[:, :3], atol=1e-6
    )
    eager, model, *_ = train_both(
        lambda rng: dg.nn.TransformerEncoderBlock(8, 2, dropout=0.2, rng=rng), x, x[..., ::-1],
        lambda m, x, y: dg.mse_loss(m(x), y),
    )  # fmt: skip
    assert_same_bits(eager, model)


def test_attention_weights_sum_to_one():
    q = dg.Tensor(RNG.normal(size=(3, 4)).astype("float32"))
    ones = dg.Tensor(np.ones((3, 2), "float32"))
    assert np.allclose(dg.nn.attention(q, q, ones).numpy(), 1, atol=1e-6)


def test_a_nested_list_is_an_input_too():
    x = RNG.normal(size=(2, 3, 4)).astype("float32")
    attend, block = dg.nn.MultiHeadAttention(4, 2), dg.nn.TransformerEncoderBlock(4, 2)
    for layer in (attend, block, lambda x: dg.nn.GRU(4, 2, rng=dg.Stream(0))(x)[0]):
        assert np.array_equal(layer(x.tolist()).numpy(), layer(x).numpy())
    assert np.array_equal(attend(x, x.tolist()).numpy(), attend(x).numpy())


def test_errors():
    with pytest.raises(dg.errors.OperationError, match="divide evenly"):
        dg.nn.MultiHeadAttention(8, 3)
    with pytest.raises(dg.errors.ShapeError, match="batch, time, 2"):
        dg.nn.LSTM(2, 4)(dg.Tensor([[1.0, 2.0]]))


def test_the_state_of_an_lstm_may_be_a_list():
    x, h = dg.Tensor(np.ones((2, 5, 3), "float32")), dg.Tensor(np.ones((2, 4), "float32"))
    layer = dg.nn.LSTM(3, 4, rng=dg.Stream(0))
    wanted, (last, _) = layer(x, (h, h))
    found, (again, _) = layer(x, [h, h])
    assert np.array_equal(found.numpy(), wanted.numpy())
    assert np.array_equal(again.numpy(), last.numpy())


def test_the_states_of_two_directions_may_be_one_stack():
    x, h = dg.Tensor(np.ones((2, 5, 3), "float32")), dg.Tensor(np.ones((2, 4), "float32"))
    layer = dg.nn.GRU(3, 4, bidirectional=True, rng=dg.Stream(0))
    found = [layer(x, state)[0].numpy() for state in ((h, h), dg.stack([h, h]))]
    assert np.array_equal(*found)


@pytest.mark.parametrize(
    ("kind", "both", "state", "words"),
    [
        ("LSTM", False, lambda h: h, r"LSTM\(3, 4\): the state is \(h, c\), .* is a Tensor \(2, 4"),
        ("LSTM", False, lambda h: (h,), r"the state is \(h, c\), .* it is a tuple of 1"),
        ("LSTM", False, lambda h: [h, h, h], r"the state is \(h, c\), .* it is a list of 3"),
        ("LSTM", True, lambda h: (h, h), r"\(\(h, c\), \(h, c\)\), one for each direction"),
        ("GRU", True, lambda h: h, r"the state is \(h, h\), one for each direction"),
        ("RNN", True, lambda h: (h, h, h), r"the state is \(h, h\), .* it is a tuple of 3"),
        ("RNN", False, lambda h: (h, h), r"tuple \(h,\), .* is a tuple of 2: \w+ \(2, 4\), "),
        ("GRU", False, lambda h: (h, h), r"the state is a tuple \(h,\), .* it is a tuple of 2"),
        ("GRU", False, lambda h: h[None], r"arrays \(batch, 4\); .* tensor \(1, 2, 4\)"),
        ("LSTM", False, lambda h: (h, h[:, :3]), r"of 2: \w+ \(2, 4\), \w+ \(2, 3\)"),
    ],
)
def test_a_state_that_is_none_is_told(kind, both, state, words):
    x, h = dg.Tensor(np.ones((2, 5, 3), "float32")), dg.Tensor(np.ones((2, 4), "float32"))
    layer = getattr(dg.nn, kind)(3, 4, bidirectional=both, rng=dg.Stream(0))
    with pytest.raises(dg.errors.OperationError, match=words):
        layer(x, state(h))


@pytest.mark.parametrize("kind", ["RNN", "GRU", "LSTM"])
def test_a_cell_tells_what_is_no_state(kind):
    layer = getattr(dg.nn, kind)(3, 4, rng=dg.Stream(0))
    h = dg.Tensor(np.ones((2, 4), "float32"))
    row = dg.Tensor(np.ones((2, 4 * layer.gates), "float32"))
    state = (h,) * layer.state_parts
    assert layer.cell(list(state), row, layer.weight_hidden)[0].shape == (2, 4)
    assert layer.cell([[[0.0] * 4] * 2] * len(state), row, layer.weight_hidden)[0].shape == (2, 4)
    # Unpacked as they are, two rows of h would be h and c, and what is too much lost.
    for wrong in (h, None, 1.0, (), (*state, h), (h[:, :3],) * len(state)):
        words = rf"{kind}\(3, 4\): the state is a tuple \(h.*\), of arrays \(batch, 4\); it is a "
        with pytest.raises(dg.errors.OperationError, match=words) as caught:
            layer.cell(wrong, row, layer.weight_hidden)
        assert caught.value.hint is not None
    with dg.Graph().as_default(), pytest.raises(dg.errors.OperationError, match="the state is"):
        layer(dg.placeholder((None, None, 3)), dg.placeholder((None, None, 4)))
