"""`dg.fit`: the loop a reader would write, in both modes."""

import numpy as np
import pytest

import dlgraph as dg
from dlgraph.errors import OperationError

X = np.random.default_rng(0).normal(size=(30, 4)).astype("float32")
Y = (X[:, 0] > X[:, 1]).astype("int64")
MORE = {
    "batch norm and dropout": lambda rng: [dg.nn.BatchNorm(6), dg.nn.Dropout(0.3, rng=rng)],
    "layer norm": lambda rng: [dg.nn.LayerNorm(6)],
    "nothing": lambda rng: [],
}


def net(more="nothing", seed=0):
    rng = dg.Stream(seed)
    return dg.nn.Sequential(
        dg.nn.Linear(4, 6, rng=rng), dg.nn.ReLU(), *MORE[more](rng), dg.nn.Linear(6, 2, rng=rng)
    )


def loader(**options):
    return dg.data.DataLoader(X, Y, **{"batch_size": 8, "shuffle": True, "seed": 1, **options})


def test_it_is_the_loop_written_out():
    one, other = net(), net()
    found = dg.fit(one, loader(), optimizer=dg.optim.SGD(one.parameters(), lr=0.1), epochs=2)
    sgd, losses, batches = dg.optim.SGD(other.parameters(), lr=0.1), [], loader()
    for _ in range(2):
        total = 0.0
        for x, y in batches:
            loss = dg.cross_entropy(other(dg.Tensor(x)), dg.Tensor(y))
            sgd.zero_grad()
            loss.backward()
            sgd.step()
            total += float(loss) * len(x)
        losses.append(total / 30)
    assert found.series("loss") == losses
    assert np.array_equal(one[0].weight.numpy(), other[0].weight.numpy())


@pytest.mark.parametrize("more", MORE)
@pytest.mark.parametrize("kind", ["SGD", "Adagrad", "RMSprop", "Adam", "AdamW"])
def test_both_modes_give_the_same_numbers_bit_for_bit(more, kind):
    found = {}
    for mode in ("eager", "graph"):
        model = net(more)
        optimizer = getattr(dg.optim, kind)(model.parameters(), lr=0.05, weight_decay=0.01)
        history = dg.fit(
            model, loader(), optimizer=optimizer, epochs=3, mode=mode, clip_norm=0.5,
            metrics={"accuracy": dg.accuracy}, validation=loader(shuffle=False),
            schedule=dg.optim.Schedule(optimizer, dg.optim.exponential(0.9)),
        )  # fmt: skip
        assert len(history) == 3 and set(history[0].validation) == {"loss", "accuracy"}
        found[mode] = [(e.train, e.validation, e.lr) for e in history], model.state_dict()
    assert found["eager"][0] == found["graph"][0]
    for name, value in found["eager"][1].items():
        assert np.array_equal(value, found["graph"][1][name]), name


def test_training_goes_on_in_the_other_mode():
    one, other = net("batch norm and dropout"), net("batch norm and dropout")
    first, second = dg.optim.Adam(one.parameters()), dg.optim.Adam(other.parameters())
    batches, again = loader(), loader()
    whole = dg.fit(one, batches, optimizer=first, epochs=4).series("loss")
    parts = [
        dg.fit(other, again, optimizer=second, epochs=1, mode=mode).series("loss")[0]
        for mode in ("graph", "eager", "graph", "graph")
    ]
    assert parts == whole


def test_the_seed_decides_everything_but_the_first_weights():
    def run(seed):
        model = net("batch norm and dropout")
        model[3].rng.draw()
        return dg.fit(model, loader(seed=99), epochs=2, seed=seed).series("loss")

    assert run(4) == run(4) != run(5)


def test_learning_happens():
    model = net()
    history = dg.fit(
        model, loader(), optimizer=dg.optim.Adam(model.parameters(), lr=0.05), epochs=30,
        metrics={"accuracy": dg.accuracy},
    )  # fmt: skip
    assert history[-1].train["loss"] < 0.5 * history[0].train["loss"]
    assert history.series("accuracy")[-1] > 0.9
    assert model.training


def test_early_stopping_puts_the_best_values_back():
    model = net()
    kept = []
    history = dg.fit(
        model, loader(), optimizer=dg.optim.SGD(model.parameters(), lr=30.0), epochs=50,
        validation=loader(shuffle=False), patience=2,
        callbacks=[lambda epoch: kept.append(epoch.model.state_dict())],
    )  # fmt: skip
    assert history.ended == "early stopping" and len(history) < 50
    losses = history.series("loss", validation=True)
    best = int(np.argmin(losses))
    assert len(history) == best + 3
    assert np.array_equal(model[0].weight.numpy(), kept[best]["0.weight"])
    assert "ended by early stopping" in repr(history)


def test_a_callback_sees_the_epoch_and_can_end_training():
    seen = []

    def callback(epoch):
        seen.append((epoch.number, epoch.lr, set(epoch.train), epoch.seconds >= 0))
        return epoch.number == 2

    model = net()
    history = dg.fit(
        model, loader(), optimizer=dg.optim.SGD(model.parameters(), lr=0.5), epochs=9,
        callbacks=[callback, lambda epoch: None],
    )  # fmt: skip
    assert seen == [(1, 0.5, {"loss"}, True), (2, 0.5, {"loss"}, True)]
    assert history.ended == "a callback"


@pytest.mark.parametrize("mode", ["eager", "graph"])
def test_an_interruption_keeps_the_model_and_the_history(mode):
    class Interrupted(list):
        turns = 0

        def __iter__(self):
            self.turns += 1
            for i, batch in enumerate(list.__iter__(self)):
                if self.turns == 3 and i == 2:
                    raise KeyboardInterrupt
                yield batch

    model, batches = net(), Interrupted(list(loader(shuffle=False)))
    history = dg.fit(model, batches, epochs=9, mode=mode)
    assert len(history) == 2 and history.ended == "interruption"
    other = net()
    adam = dg.optim.Adam(other.parameters())
    plain = list(batches)
    dg.fit(other, plain, optimizer=adam, epochs=2, mode=mode)
    dg.fit(other, plain[:2], optimizer=adam, epochs=1, mode=mode)
    assert np.array_equal(model[0].weight.numpy(), other[0].weight.numpy())


def test_the_progress_bar_counts_batches(monkeypatch):
    shown = []

    class Bar:
        def __init__(self, text, total):
            shown.append((text, total))

        def __enter__(self):
            return self

        def __exit__(self, *error):
            shown.append("closed")

        def update(self):
            shown.append(1)

    monkeypatch.setattr("dlgraph.data.progress.bar", Bar)
    dg.fit(net(), loader(), epochs=1, progress=True)
    assert shown == [("epoch 1/1", 4), 1, 1, 1, 1, "closed"]


def test_history_in_print():
    history = dg.fit(net(), loader(), epochs=2, validation=loader())
    lines = repr(history).splitlines()
    assert len(lines) == 2 and lines[0].startswith("epoch 1: loss 0.")
    assert "validation loss" in lines[1]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"epochs": 0}, r"epochs=0"),
        ({"epochs": 1.5}, r"epochs=1\.5"),
        ({"patience": 2}, "pass validation="),
        ({"mode": "jit"}, "'eager' and 'graph'"),
        ({"optimizer": "adam"}, r"optimizer='adam'\): an Optimizer is needed"),
        ({"optimizer": dg.optim.SGD}, r"optimizer=<class .*SGD'>\): an Optimizer is needed"),
        ({"schedule": 0.1}, r"schedule=0\.1\): a Schedule is needed"),
        ({"loss": "mse"}, r"loss='mse'\): a function of outputs and targets"),
        ({"metrics": ["accuracy"]}, r"metrics=\['accuracy'\]\): a dictionary"),
        ({"metrics": dg.accuracy}, r"metrics=.*: a dictionary"),
        ({"metrics": {"right": "accuracy"}}, r"metrics=\{'right': 'accuracy'\}\): a dictionary"),
        ({"metrics": {"loss": dg.accuracy}}, "the name 'loss' is taken"),
        ({"callbacks": print}, r"callbacks=.*: a list of functions"),
        ({"callbacks": None}, r"callbacks=None\): a list of functions"),
        ({"callbacks": [print, None]}, r"callbacks=.*: a list of functions"),
        ({"optimizer": dg.optim.SGD([dg.Parameter(1.0)])}, "none of the model's parameters"),
    ],
)
def test_wrong_options(options, message):
    with pytest.raises(OperationError, match=message):
        dg.fit(net(), loader(), **options)


def test_wrong_data():
    with pytest.raises(OperationError, match="not batches"):
        dg.fit(net(), X)
    with pytest.raises(OperationError, match="no batches") as caught:
        dg.fit(net(), iter([(X, Y)]), epochs=2)
    assert "generator" in caught.value.hint
    with pytest.raises(OperationError, match="no batches"):
        dg.fit(net(), [])


class Table:
    """Like a table of pandas: an array by `__array__`, without a dtype of its own."""

    def __init__(self, values):
        self.values, self.shape = values, values.shape

    def __len__(self):
        return len(self.values)

    def __array__(self, dtype=None, copy=None):
        return self.values


@pytest.mark.parametrize(
    "form",
    [
        lambda x, y: (Table(x), Table(y)),
        lambda x, y: (dg.Tensor(x), y.tolist()),
        lambda x, y: (x[::-1], np.asfortranarray(y)),
        lambda x, y: (x, y.mean()),
    ],
)
def test_both_modes_take_the_same_batches(form):
    x, y = np.linspace(-1, 1, 12, dtype="float32").reshape(6, 2), np.ones((6, 1), "float32")
    found = []
    for mode in ("eager", "graph"):
        line = dg.nn.Linear(2, 1, rng=dg.Stream(0))
        history = dg.fit(
            line, [form(x, y)] * 2, epochs=2, validation=[form(x, y)], mode=mode,
            loss=lambda outputs, y: ((outputs - y) ** 2).mean(),
        )  # fmt: skip
        found.append((history.series("loss"), history.series("loss", validation=True)))
    assert found[0] == found[1]


def test_a_metric_that_is_no_node_is_named():
    with pytest.raises(OperationError, match="the metric 'odd' returned a float, not a node"):
        dg.fit(net(), loader(), metrics={"odd": lambda outputs, y: 1.0}, mode="graph")


@pytest.mark.parametrize("data", [None, 3, dg.data.DataLoader])
def test_data_that_cannot_be_gone_through(data):
    with pytest.raises(OperationError, match="not batches"):
        dg.fit(net(), data)


def test_a_model_is_needed_and_not_its_class():
    for wrong in (loader(), lambda x: x, None):
        with pytest.raises(OperationError, match="fit: the model is a"):
            dg.fit(wrong, loader())
    with pytest.raises(OperationError, match="fit: the model is the class Linear") as caught:
        dg.fit(dg.nn.Linear, loader())
    assert "brackets" in caught.value.hint


@pytest.mark.parametrize("mode", ["eager", "graph"])
@pytest.mark.parametrize("result", [3.0, None, "item"])
def test_a_loss_must_stay_a_tensor(mode, result):
    def loss(outputs, targets):
        if result == "item" and isinstance(outputs, dg.Tensor):
            return dg.cross_entropy(outputs, targets).item()
        return result

    with pytest.raises(OperationError, match="the loss function returned") as caught:
        dg.fit(net(), loader(), loss=loss, mode=mode)
    assert "dg.mse_loss" in caught.value.hint


@pytest.mark.parametrize("fails", [False, True])
def test_every_module_is_in_the_mode_of_before_at_the_end(fails):
    model = net("batch norm and dropout")
    model[2].eval()

    def metric(outputs, labels):
        if fails and not model.training:
            raise ZeroDivisionError
        return dg.accuracy(outputs, labels)

    options = {"validation": loader(), "metrics": {"right": metric}}
    if fails:
        with pytest.raises(ZeroDivisionError):
            dg.fit(model, loader(), **options)
    else:
        dg.fit(model, loader(), **options)
    assert [layer.training for layer in model.layers] == [True, True, False, True, True]
    assert model.training


@pytest.mark.parametrize("mode", ["eager", "graph"])
def test_a_loss_that_is_not_a_number_ends_training_and_says_what_to_try(mode):
    target = np.full((30, 1), 1e18, "float32")
    line = dg.nn.Linear(4, 1, rng=dg.Stream(0))
    with np.errstate(all="ignore"):
        history = dg.fit(
            line,
            dg.data.DataLoader(X, target, 8),
            optimizer=dg.optim.SGD(line.parameters(), lr=1e9),
            loss=dg.mse_loss,
            epochs=9,
            mode=mode,
        )
    losses = history.series("loss")
    assert np.isnan(losses[-1]) and not np.isnan(losses[:-1]).any() and len(losses) < 9
    assert "a loss that is not a number" in repr(history) and "dg.watch" in repr(history)


def test_large_losses_are_printed_short():
    epoch = dg.Epoch(1, {"loss": 5.0131e35}, {"loss": 0.5}, 0.1, 1.0, None, None)
    assert repr(epoch) == "epoch 1: loss 5.013e+35, validation loss 0.5000"


def test_a_series_that_was_not_measured():
    history = dg.fit(net(), loader(), metrics={"right": dg.accuracy}, epochs=2)
    assert len(history.series("right")) == 2
    with pytest.raises(OperationError, match=r"series\('accuracy'\): there is 'loss', 'right'"):
        history.series("accuracy")
    with pytest.raises(OperationError, match="validation measured nothing") as caught:
        history.series("loss", validation=True)
    assert "validation=" in caught.value.hint
    assert type(history[:0]).__name__ == "list" and dg.History().series("loss") == []
