"""Values of models in one file."""

import builtins

import numpy as np
import pytest

import dlgraph as dg
from dlgraph.errors import DataError, DtypeError, MissingPackageError, OperationError, ShapeError


def net(size=3):
    return dg.nn.Sequential(dg.nn.Linear(2, size), dg.nn.BatchNorm(size), dg.nn.Linear(size, 1))


def test_a_model_comes_back_bit_for_bit(tmp_path):
    one, other = net(), net()
    one(dg.Tensor(np.random.default_rng(0).normal(size=(8, 2)).astype("float32")))
    dg.save(tmp_path / "net.safetensors", one)
    other.load_state_dict(dg.load(str(tmp_path / "net.safetensors")))
    for (name, a), (_, b) in zip(one.named_parameters(), other.named_parameters(), strict=True):
        assert np.array_equal(a.numpy(), b.numpy()), name


def test_other_programs_can_read_it(tmp_path):
    library = pytest.importorskip("safetensors.numpy")
    dg.save(tmp_path / "a.safetensors", {"a": dg.Tensor([1.0, 2.0])})
    assert library.load_file(tmp_path / "a.safetensors")["a"].tolist() == [1.0, 2.0]
    library.save_file({"b": np.arange(3)}, tmp_path / "b.safetensors")
    assert dg.load(tmp_path / "b.safetensors")["b"].tolist() == [0, 1, 2]


def test_a_model_of_another_size_is_named(tmp_path):
    dg.save(tmp_path / "net.safetensors", net(3))
    with pytest.raises(ShapeError, match=r"0\.weight"):
        net(4).load_state_dict(dg.load(tmp_path / "net.safetensors"))


def test_what_cannot_be_saved_is_said(tmp_path):
    file = tmp_path / "a.safetensors"
    with pytest.raises(OperationError, match="a model or a dictionary"):
        dg.save(file, [1.0])
    with pytest.raises(OperationError, match="is no name"):
        dg.save(file, {1: np.ones(2)})
    with pytest.raises(OperationError, match="dictionary of its own"):
        dg.save(file, {"layer": {"weight": np.ones(2)}})
    with pytest.raises(DtypeError, match="text is <U1"):
        dg.save(file, {"text": np.array(["a"])})
    with pytest.raises(DtypeError, match="objects is object"):
        dg.save(file, {"objects": np.array([None])})
    with pytest.raises(OperationError, match="is no path"):
        dg.save(3, {"a": np.ones(2)})
    assert not file.exists()


class Series:
    """Like a column of pandas: an array by `__array__`, whose `get` wants a label."""

    def get(self, label, default=None):
        return default

    def __array__(self, dtype=None, copy=None):
        return np.array([1.0, 2.0])


def test_columns_of_a_table_are_arrays(tmp_path):
    dg.save(tmp_path / "a.safetensors", {"a": Series()})
    assert dg.load(tmp_path / "a.safetensors")["a"].tolist() == [1.0, 2.0]


def test_values_that_are_none_are_not_saved_as_some(tmp_path):
    masked = np.ma.array([1.0, 2.0], mask=[False, True])
    with pytest.raises(OperationError, match="save: a: a masked array") as caught:
        dg.save(tmp_path / "a.safetensors", {"a": masked})
    assert "filled" in caught.value.hint
    dg.save(tmp_path / "a.safetensors", {"a": masked.filled(0.0), "b": np.ma.array([3.0])})
    assert dg.load(tmp_path / "a.safetensors")["b"].tolist() == [3.0]


def test_paths_and_names_that_no_file_can_have(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for path in (".", "/"):
        with pytest.raises(DataError, match="is a folder, not a file"):
            dg.save(path, {"a": np.ones(2)})
    for call in (lambda path: dg.save(path, {"a": np.ones(2)}), dg.load, dg.load_inference_model):
        with pytest.raises(OperationError, match="is no path"):
            call("a\0b")
    with pytest.raises(OperationError, match="is no name for an array"):
        dg.save("a.safetensors", {"\ud83d": np.ones(2)})
    dg.save("x" * 240, {"a": np.ones(2)})  # as long as most systems let it be
    assert dg.load("x" * 240)["a"].tolist() == [1.0, 1.0]


def test_reading_what_is_not_there(tmp_path):
    dg.save(tmp_path / "a.safetensors", {"a": np.ones(2)})
    with pytest.raises(DataError, match=r"there is no file .*b\.safetensors") as caught:
        dg.load(tmp_path / "b.safetensors")
    assert "a.safetensors" in caught.value.hint
    with pytest.raises(DataError, match="is a folder"):
        dg.load(tmp_path)
    dg.save_checkpoint(tmp_path / "c.safetensors", step=1)
    with pytest.raises(DataError, match="training checkpoint"):
        dg.load(tmp_path / "c.safetensors")


def test_a_pickle_is_refused_unread(tmp_path):
    import pickle

    class Trap:
        def __reduce__(self):
            return (builtins.print, ("executed",))

    (tmp_path / "trap.safetensors").write_bytes(pickle.dumps(Trap()))
    with pytest.raises(DataError, match="trap"):
        dg.load(tmp_path / "trap.safetensors")


def test_without_the_package(tmp_path, monkeypatch):
    real = builtins.__import__

    def missing(name, *args, **kwargs):
        if name.startswith("safetensors"):
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", missing)
    with pytest.raises(MissingPackageError) as caught:
        dg.save(tmp_path / "a.safetensors", {"a": np.ones(2)})
    assert caught.value.hint == 'pip install "dlgraph[io]"'
