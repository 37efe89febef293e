"""Devices: what is there, moving values, mixing them, and the words when there is none."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

import dlgraph as dg
from dlgraph.core import arrays
from dlgraph.gpu import cupy_backend
from tests.gpu import strict_arrays


@pytest.fixture
def no_library(monkeypatch):
    monkeypatch.setattr(arrays, "MODULES", {})


# ---- nothing there


def test_without_a_driver(no_library, monkeypatch):
    monkeypatch.setattr("dlgraph.doctor.cuda_of_driver", lambda: None)
    assert not dg.gpu.is_available()
    x = dg.Tensor([1.0, 2.0], name="x")
    with pytest.raises(dg.errors.DeviceError) as caught:
        x.to("gpu")
    assert "no NVIDIA driver" in str(caught.value)
    assert "cpu" in caught.value.hint
    assert x.device == dg.device("cpu")


@pytest.mark.parametrize(("cuda", "extra"), [((12, 2), "cuda12"), ((13, 0), "cuda13")])
def test_without_cupy_the_error_names_the_command(no_library, monkeypatch, cuda, extra):
    monkeypatch.setattr("dlgraph.doctor.cuda_of_driver", lambda: cuda)
    monkeypatch.setitem(sys.modules, "cupy", None)
    assert not dg.gpu.is_available()
    with pytest.raises(dg.errors.MissingPackageError) as caught:
        dg.device("gpu")
    assert f'pip install "dlgraph[{extra}]"' in caught.value.hint


def fake_cupy(version="14.2.0", count=1, error=None):
    class CUDARuntimeError(Exception):
        pass

    def devices():
        if error:
            raise CUDARuntimeError(error)
        return count

    fake = type(sys)("cupy")
    fake.__version__, fake.ndarray = version, strict_arrays.ndarray
    fake.cuda = type(sys)("cuda")
    fake.cuda.runtime = type(sys)("runtime")
    fake.cuda.runtime.CUDARuntimeError = CUDARuntimeError
    fake.cuda.runtime.getDeviceCount = devices
    return fake


@pytest.mark.parametrize(
    ("fake", "kind", "words"),
    [
        (fake_cupy(error="cudaErrorInsufficientDriver"), "DeviceError", "cudaErrorInsufficient"),
        (fake_cupy(count=0), "DeviceError", "no GPU"),
        (fake_cupy(version="13.6.0"), "MissingPackageError", "CuPy 13.6.0 is too old"),
    ],
)
def test_what_else_can_be_missing(no_library, monkeypatch, fake, kind, words):
    monkeypatch.setattr("dlgraph.doctor.cuda_of_driver", lambda: (12, 8))
    monkeypatch.setitem(sys.modules, "cupy", fake)
    with pytest.raises(getattr(dg.errors, kind), match=words):
        cupy_backend.load()
    assert not arrays.MODULES


def test_a_cupy_that_works_is_registered(no_library, monkeypatch):
    monkeypatch.setattr("dlgraph.doctor.cuda_of_driver", lambda: (12, 8))
    monkeypatch.setitem(sys.modules, "cupy", fake_cupy())
    assert dg.gpu.is_available()
    assert arrays.MODULES[strict_arrays.ndarray] is sys.modules["cupy"]


def test_an_unknown_device():
    with pytest.raises(dg.errors.DeviceError, match="there is no device 'tpu'") as caught:
        dg.device("tpu")
    assert '"gpu"' in caught.value.hint


def test_importing_dlgraph_imports_nothing_of_it():
    code = (
        "import sys, dlgraph; print([m for m in sys.modules if 'cupy' in m or 'dlgraph.gpu' in m])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


# ---- moving


def test_there_and_back(gpu):
    x = dg.Tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True, name="x")
    there = x.to("gpu")
    assert type(there._data) is gpu.ndarray
    assert (str(there.device), there.name, there.requires_grad) == ("gpu", "x", True)
    assert there.is_leaf and there.to("gpu") is there
    np.testing.assert_array_equal(there.numpy(), x.numpy())
    back = there.to("cpu")
    assert type(back._data) is np.ndarray
    np.testing.assert_array_equal(back.numpy(), x.numpy())
    there.assign([[0.0, 0.0], [0.0, 0.0]])
    assert str(there.device) == "gpu"
    assert x.numpy().sum() == 10


def test_a_computed_tensor_does_not_lose_its_gradient_silently(gpu):
    x = dg.Tensor([1.0], requires_grad=True)
    with pytest.raises(dg.errors.OperationError, match="moving is not recorded"):
        (x * 2).to("gpu")
    assert str((x * 2).detach().to("gpu").device) == "gpu"


def test_scalars_move_too(gpu):
    x = dg.Tensor(3.0, requires_grad=True).to("gpu")
    y = x * x + 1.0
    y.backward()
    assert (y.item(), x.grad.item()) == (10.0, 6.0)
    assert str(y.device) == str(x.grad.device) == "gpu"
    assert isinstance(dg.Tensor(3.0).to("gpu").to("cpu")._data, np.generic)


def test_a_model_moves_in_place_with_its_gradients(gpu):
    dg.seed(0)
    model = dg.nn.Sequential(dg.nn.Linear(3, 4), dg.nn.BatchNorm(4), dg.nn.Linear(4, 1))
    x = np.ones((5, 3), "float32")
    model(dg.Tensor(x)).sum().backward()
    parameters = model.parameters()
    before = [p.numpy() for p in parameters]
    grads = [None if p.grad is None else p.grad.numpy() for p in parameters]
    assert model.to("gpu") is model
    for p, q, value, grad in zip(parameters, model.parameters(), before, grads, strict=True):
        assert p is q and str(p.device) == "gpu"
        np.testing.assert_array_equal(p.numpy(), value)
        if grad is not None:
            assert str(p.grad.device) == "gpu"
            np.testing.assert_array_equal(p.grad.numpy(), grad)
    state = model.state_dict()
    assert all(type(value) is np.ndarray for value in state.values())
    model.load_state_dict(state)
    assert {str(p.device) for p in parameters} == {"gpu"}


def test_values_in_lists_and_numbers_follow_the_tensors(gpu):
    x = dg.Tensor([1.0, 2.0, 3.0]).to("gpu")
    ones = [1.0, 1.0, 1.0]
    for y in (x + np.float32(1), x + ones, 1.0 + x, np.ones(3, "float32") + x):
        assert str(y.device) == "gpu"
        np.testing.assert_array_equal(y.numpy(), [2, 3, 4])
    np.testing.assert_array_equal(x[[2, 0]].numpy(), [3, 1])
    assert x.tolist() == [1, 2, 3] and 2.0 in x
    assert repr(x) == "Tensor([1., 2., 3.], float32, shape (3,))"


# ---- mixing


@pytest.mark.parametrize(
    "operate", ["a + b", "a @ b", "dg.concatenate([a, b])", "dg.maximum(a, b)"]
)
def test_mixing_devices_names_both_tensors(gpu, operate):
    a = dg.Tensor(np.ones((2, 2), "float32"))
    b = dg.Tensor(np.ones((2, 2), "float32")).to("gpu")
    with pytest.raises(dg.errors.DeviceError) as caught:
        eval(operate, {"a": a, "b": b, "dg": dg})
    assert "b is on the gpu, a on the cpu" in str(caught.value)
    assert 'a.to("gpu")' in caught.value.hint


def test_a_number_in_a_tensor_may_meet_any_device(gpu):
    x = dg.Tensor([1.0, 2.0]).to("gpu")
    np.testing.assert_array_equal((x * dg.Tensor(2.0)).numpy(), [2, 4])
