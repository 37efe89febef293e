"""Layers and optimisers on the GPU: the losses and parameters that the CPU gives, eagerly."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import dlgraph as dg

nn = dg.nn
MODELS: dict[str, tuple[Any, Any]] = {
    "mlp": (
        lambda: nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Dropout(0.3), nn.Linear(8, 3)),
        (5, 6),
    ),
    "cnn": (
        lambda: nn.Sequential(
            nn.Conv2d(1, 3, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(27, 3)
        ),
        (5, 1, 8, 8),
    ),
    "norms": (
        lambda: nn.Sequential(nn.BatchNorm(6), nn.Linear(6, 8), nn.LayerNorm(8), nn.Linear(8, 3)),
        (5, 6),
    ),
    "average": (
        lambda: nn.Sequential(nn.Conv2d(1, 3, 3), nn.AvgPool2d(2), nn.Flatten(), nn.Linear(27, 3)),
        (5, 1, 8, 8),
    ),
}
OPTIMISERS = {
    "sgd": lambda ps: dg.optim.SGD(ps, lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.01),
    "adam": lambda ps: dg.optim.AdamW(ps, lr=0.01),
    "rmsprop": lambda ps: dg.optim.RMSprop(ps, lr=0.01),
    "adagrad": lambda ps: dg.optim.Adagrad(ps, lr=0.1),
}


def batch(shape: tuple[int, ...]) -> tuple[Any, Any]:
    rng = np.random.default_rng(3)
    return rng.normal(size=shape).astype("float32"), rng.integers(0, 3, shape[0])


def train(make: Any, optimiser: Any, shape: tuple[int, ...], where: str) -> tuple[list, dict]:
    dg.seed(1)
    model = make().to(where)
    step = optimiser(model.parameters())
    x, labels = (dg.Tensor(a).to(where) for a in batch(shape))
    losses = []
    for _ in range(4):
        loss = dg.cross_entropy(model(x), labels)
        assert str(loss.device) == where
        step.zero_grad()
        loss.backward()
        dg.optim.clip_grad_norm(model.parameters(), 1.0)
        step.step()
        losses.append(loss.item())
    assert {str(p.device) for p in model.parameters()} == {where}
    return losses, model.state_dict()


@pytest.mark.parametrize("optimiser", OPTIMISERS)
@pytest.mark.parametrize("model", MODELS)
def test_training_gives_what_the_cpu_gives(gpu, model, optimiser):
    make, shape = MODELS[model]
    losses, state = train(make, OPTIMISERS[optimiser], shape, "gpu")
    wanted, values = train(make, OPTIMISERS[optimiser], shape, "cpu")
    np.testing.assert_allclose(losses, wanted, rtol=1e-4)
    assert losses[-1] != losses[0]
    for name, value in values.items():
        np.testing.assert_allclose(state[name], value, rtol=1e-3, atol=1e-4, err_msg=name)


@pytest.mark.parametrize("kind", ["RNN", "GRU", "LSTM"])
def test_recurrent_layers(gpu, kind):
    found = []
    for where in ("cpu", "gpu"):
        dg.seed(0)
        layer = getattr(nn, kind)(4, 3).to(where)
        x = dg.Tensor(np.random.default_rng(0).normal(size=(2, 5, 4)).astype("float32"))
        y = layer(x.to(where))
        y = y[0] if isinstance(y, tuple) else y
        y.sum().backward()
        found.append([y.numpy(), *(p.grad.numpy() for p in layer.parameters())])
    for a, b in zip(*found, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)


def test_attention_with_a_mask(gpu):
    found, past = [], np.tril(np.ones((4, 4), bool))
    for where in ("cpu", "gpu"):
        rng = np.random.default_rng(0)
        q, k, v = (
            dg.Tensor(rng.normal(size=(2, 4, 3)).astype("float32"), requires_grad=True).to(where)
            for _ in range(3)
        )
        y = nn.attention(q, k, v, dg.Tensor(past).to(where))
        y.sum().backward()
        found.append([y.numpy(), q.grad.numpy(), k.grad.numpy(), v.grad.numpy()])
    for a, b in zip(*found, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)


def test_labels_out_of_range_are_told(gpu):
    logits = dg.Tensor(np.zeros((2, 3), "float32")).to("gpu")
    with pytest.raises(dg.errors.LabelError, match="label 3 at position \\[1\\] is out of range"):
        dg.cross_entropy(logits, dg.Tensor([0, 3]).to("gpu"))


def test_the_state_of_an_optimiser_is_saved_as_numpy_and_comes_back(gpu):
    model = nn.Linear(2, 1).to("gpu")
    step = dg.optim.Adam(model.parameters())
    model(dg.Tensor([[1.0, 2.0]]).to("gpu")).sum().backward()
    step.step()
    state = step.state_dict()
    assert {type(value) for value in state["slots"].values()} == {np.ndarray}
    step.load_state_dict(state)
    step.step()
    assert {str(p.device) for p in model.parameters()} == {"gpu"}


@pytest.mark.parametrize("mode", ["eager", "graph"])
def test_fit_trains_where_the_model_is(gpu, mode):
    x, labels = batch((6, 6))
    found = []
    for where in ("cpu", "gpu"):
        dg.seed(0)
        model = MODELS["mlp"][0]().to(where)
        history = dg.fit(
            model,
            [(x[:4], labels[:4]), (x[4:], labels[4:])],
            validation=[(x, labels)],
            metrics={"accuracy": dg.accuracy},
            epochs=3,
            patience=2,
            seed=1,
            mode=mode,
        )
        assert {str(p.device) for p in model.parameters()} == {where}
        found.append([epoch.train["loss"] for epoch in history])
    np.testing.assert_allclose(found[0], found[1], rtol=1e-4)
