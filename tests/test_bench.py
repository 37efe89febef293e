"""The benchmark's workloads run and compute what PyTorch computed; no time is looked at."""

import importlib.util
import sys

import pytest

from tools.normalise_notebooks import ROOT

HARNESS = ROOT.parent / "shared" / "bench"
# Check values after a fixed number of steps, as PyTorch and the other peers give them.
VALUES = {
    "W1.fwdbwd": (1, 8.17531),
    "W2": (1, 23.0),
    "W3.b16": (10, 2.56533),
    "W4.b64": (10, 2.29184),
    "W6": (10, 0.411696),
    "W7.n1k": (1, 1.09742),
}


@pytest.fixture(scope="module")
def workloads():
    return load()


def load():
    """The workloads of the peer file, as the harness gets them."""
    return peer_file("dlgraph_peer").workloads()


def peer_file(name):
    if not HARNESS.is_dir():
        pytest.skip("the harness (../shared/bench) is not here")
    sys.path.insert(0, str(HARNESS))
    try:
        spec = importlib.util.spec_from_file_location("peer", ROOT / "bench" / f"{name}.py")
        peer = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(peer)
    finally:
        sys.path.remove(str(HARNESS))
        sys.modules.pop("common", None)
    return peer


@pytest.mark.parametrize("name", VALUES)
def test_check_values(workloads, name):
    steps, wanted = VALUES[name]
    forms = [make for key, make in workloads.items() if key.startswith(f"{name}/")]
    assert forms
    for make in forms:
        setup, step = make()
        setup()
        assert step(steps) == pytest.approx(wanted, rel=2e-3)


def test_no_peer_is_held_back_by_the_environment(monkeypatch, capsys):
    spec = importlib.util.spec_from_file_location("bench_run", ROOT / "bench" / "run.py")
    runner = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(runner)
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Haswell")
    monkeypatch.setenv("SOMETHING_ELSE", "kept")
    found = runner.environment()
    assert "OPENBLAS_CORETYPE" not in found
    assert found["SOMETHING_ELSE"] == "kept"
    assert "OPENBLAS_CORETYPE=Haswell" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["W2", "W3.b16", "W4.b64", "W6"])
def test_the_peer_for_pytorch_on_a_gpu_computes_the_same(name, monkeypatch):
    """On the CPU here: what it changes is where the tensors are."""
    pytest.importorskip("torch", reason="PyTorch is not installed")
    peer = peer_file("torch_gpu_peer")
    monkeypatch.syspath_prepend(str(HARNESS))
    steps, wanted = VALUES[name]
    setup, step = peer.peer_on("cpu").workloads()[f"{name}/eager"]()
    setup()
    assert step(steps) == pytest.approx(wanted, rel=2e-3)
