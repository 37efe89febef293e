"""Training that is continued from a checkpoint gives the same numbers, bit for bit."""

import json

import numpy as np
import pytest

import dlgraph as dg
from dlgraph.errors import DataError, DlgraphError, OperationError
from dlgraph.io.tensors import from_bytes, to_bytes

X = np.random.default_rng(0).normal(size=(40, 3)).astype("float32")
Y = (X.sum(1) > 0).astype("int64")


class Run:
    """A small training run with everything in it that has a state."""

    def __init__(self, kind="Adam", batch_size=7):
        rng = dg.Stream(1)
        self.model = dg.nn.Sequential(
            dg.nn.Linear(3, 8, rng=rng),
            dg.nn.BatchNorm(8),
            dg.nn.Dropout(0.5, rng=rng),
            dg.nn.Linear(8, 2, rng=rng),
        )
        self.optimizer = getattr(dg.optim, kind)(self.model.parameters(), lr=0.1)
        self.schedule = dg.optim.Schedule(self.optimizer, dg.optim.cosine(steps=40))
        self.loader = dg.data.DataLoader(X, Y, batch_size, shuffle=True, seed=3)
        self.noise = dg.Stream(9)

    def train(self, epochs, mode="eager"):
        history = dg.fit(
            self.model, self.loader, optimizer=self.optimizer, schedule=self.schedule,
            epochs=epochs, mode=mode, callbacks=[lambda epoch: self.noise.draw()],
        )  # fmt: skip
        return history.series("loss")

    @property
    def parts(self):
        return {
            "model": self.model,
            "optimizer": self.optimizer,
            "schedule": self.schedule,
            "streams": {"noise": self.noise},
            "loader": self.loader,
        }

    def values(self):
        state = self.model.state_dict()
        slots = self.optimizer.state_dict()["slots"]
        return {**state, **slots, "noise": np.array(self.noise.drawn)}


@pytest.mark.parametrize("kind", ["SGD", "Adagrad", "RMSprop", "Adam", "AdamW"])
@pytest.mark.parametrize("mode", ["eager", "graph"])
def test_resuming_is_bit_identical(kind, mode, tmp_path):
    dg.seed(5)
    whole = Run(kind)
    losses = whole.train(4, mode)
    dg.seed(5)
    first = Run(kind)
    before = first.train(2, mode)
    dg.save_checkpoint(tmp_path / "c.safetensors", **first.parts, step=2)
    dg.seed(77)
    second = Run(kind)
    second.train(1, mode)  # whatever happened before loading does not matter
    assert dg.load_checkpoint(tmp_path / "c.safetensors", **second.parts) == 2
    assert before + second.train(2, mode) == losses
    ours, theirs = whole.values(), second.values()
    assert ours.keys() == theirs.keys()
    for name, value in ours.items():
        assert np.array_equal(value, theirs[name]), name
    assert dg.default_stream().state()["seed"] == 5


def test_a_checkpoint_goes_from_one_mode_to_the_other(tmp_path):
    whole = Run()
    losses = whole.train(3)
    first, second = Run(), Run()
    before = first.train(1, "graph")
    dg.save_checkpoint(tmp_path / "c.safetensors", **first.parts)
    dg.load_checkpoint(tmp_path / "c.safetensors", **second.parts)
    assert before + second.train(2, "eager") == losses


def changed(file, change):
    arrays, metadata = from_bytes(file.read_bytes(), "file")
    (key,) = metadata
    facts = json.loads(metadata[key])
    change(arrays, facts)
    file.write_bytes(to_bytes(arrays, {key: json.dumps(facts)}))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda a, f: a.pop("model/0.weight"), r"missing 0\.weight"),
        (lambda a, f: a.update({"model/9.weight": np.ones(1)}), r"9\.weight"),
        (lambda a, f: a.update({"model/0.weight": np.ones((3, 8))}), r"0\.weight"),
        (lambda a, f: a.pop("optimizer/0.mean"), r"0\.mean is missing"),
        (lambda a, f: a.update({"optimizer/0.mean": np.ones(3, "f4")}), r"slot 0\.mean"),
        (lambda a, f: a.update({"optimizer/99.mean": np.ones(3, "f4")}), r"99\.mean"),
        (lambda a, f: f["optimizer"].update(steps=-1), "steps is -1"),
        (lambda a, f: f["optimizer"].update(optimizer="SGD"), "that of 'SGD'"),
        (lambda a, f: f["optimizer"]["groups"][0].update(lr=float("inf")), "Infinity is no"),
        (lambda a, f: f["optimizer"]["groups"][0].update(lr=-1.0), "rate of group 0 is -1"),
        (lambda a, f: f["optimizer"]["groups"][0]["options"].update(epsilon=1.0), "epsilon is"),
        (lambda a, f: f["optimizer"]["groups"][0].update(parameters=[0]), "has 6 parameters here"),
        (lambda a, f: f["optimizer"]["groups"].append({}), "1 groups here, 2 in the state"),
        (lambda a, f: f["schedule"].update(count=-3), "needs count and first"),
        (lambda a, f: f["schedule"].update(first=[]), "first must list 1"),
        (lambda a, f: f["streams"].pop("model/2.rng"), r"no random stream 'model/2\.rng'"),
        (lambda a, f: f["streams"]["default"].update(drawn="x"), "stream 'default'"),
        (lambda a, f: f["streams"]["default"].update(path=[-1]), "stream 'default'"),
        (lambda a, f: f["loader"].update(epoch=-1), "epoch is -1"),
        (lambda a, f: f["loader"].update(batch_size=3), "batch_size is 7 here, 3 in the file"),
        (lambda a, f: f.pop("loader"), "holds no loader"),
        (lambda a, f: f.update(step="x"), "'step' is text"),
        (lambda a, f: f.update(version=2), "it has version 2"),
        (lambda a, f: f.update(code="x"), "'code' is unknown"),
    ],
)
def test_nothing_is_changed_unless_all_of_it_fits(change, message, tmp_path):
    run, file = Run(), tmp_path / "c.safetensors"
    run.train(1)
    dg.save_checkpoint(file, **run.parts)
    changed(file, change)
    other = Run()
    other.train(2)
    before, epoch, lr = other.values(), other.loader.epoch, other.optimizer.lr
    with pytest.raises(DlgraphError, match=message):
        dg.load_checkpoint(file, **other.parts)
    assert (other.loader.epoch, other.optimizer.lr) == (epoch, lr)
    for name, value in other.values().items():
        assert np.array_equal(value, before[name]), name


def test_the_same_state_gives_the_same_bytes(tmp_path):
    run = Run()
    run.train(1)
    for name in ("a", "b"):
        dg.save_checkpoint(tmp_path / name, **run.parts)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_parts_can_be_left_out(tmp_path):
    run, other, file = Run(), Run(), tmp_path / "c.safetensors"
    run.train(1)
    dg.save_checkpoint(file, **run.parts, step=3)
    assert dg.load_checkpoint(file, model=other.model) == 3
    assert np.array_equal(other.model[0].weight.numpy(), run.model[0].weight.numpy())
    dg.save_checkpoint(file, model=run.model)
    with pytest.raises(DataError, match="holds no optimizer"):
        dg.load_checkpoint(file, optimizer=run.optimizer)


def test_other_files_are_no_checkpoints(tmp_path):
    dg.save(tmp_path / "a.safetensors", {"a": np.ones(2)})
    with pytest.raises(DataError, match="no training checkpoint"):
        dg.load_checkpoint(tmp_path / "a.safetensors")
    with pytest.raises(OperationError, match="step is a whole number"):
        dg.save_checkpoint(tmp_path / "a.safetensors", step=-1)
    with pytest.raises(OperationError, match="the loader is a list"):
        dg.save_checkpoint(tmp_path / "a.safetensors", loader=[])
    with pytest.raises(OperationError, match=r"streams\['a'\] is a int"):
        dg.save_checkpoint(tmp_path / "a.safetensors", streams={"a": 1})


@pytest.mark.parametrize("name", ["model", "optimizer", "schedule"])
def test_parts_are_what_they_are_called(tmp_path, name):
    for call in (dg.save_checkpoint, dg.load_checkpoint):
        with pytest.raises(OperationError, match=f"a dict is no {name}"):
            call(tmp_path / "run.safetensors", **{name: {}})
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("streams", [["noise"], {1: dg.Stream(0)}, {"\ud800": dg.Stream(0)}, 5])
def test_streams_without_a_name_are_told(tmp_path, streams):
    file = tmp_path / "run.safetensors"
    with pytest.raises(OperationError, match=r"checkpoint: .*(not a dictionary|no name)"):
        dg.save_checkpoint(file, streams=streams)
    assert not file.exists()
