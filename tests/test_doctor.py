"""The doctor: each thing that can be wrong is seen, named, and comes with a repair."""

import importlib.metadata as metadata
import importlib.util
import json
import shutil
import subprocess
import sys
import types
from collections import namedtuple
from pathlib import Path

import pytest

from dlgraph import cli, doctor


def find(checks, name):
    return next(check for check in checks if check.name == name)


def without(monkeypatch, *names):
    """As if these modules were not installed."""
    real = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda n: None if n in names else real(n))


def test_this_environment_is_healthy(capsys, monkeypatch):
    monkeypatch.delenv("DLGRAPH_DATA", raising=False)
    assert doctor.main() == 0, capsys.readouterr().out
    said = capsys.readouterr().out
    for name in ("Python", "dlgraph", "numpy", "jupyterlab", "widgets", "BLAS", "MNIST", "disk"):
        assert name in said
    assert said.rstrip().endswith("The lessons have what they need.")


def test_json_holds_every_row(capsys):
    status = cli.main(["doctor", "--json"])
    report = json.loads(capsys.readouterr().out)
    assert report["ok"] is (status == 0)
    assert {"name", "status", "detail", "repair"} == set(report["checks"][0])
    assert find([types.SimpleNamespace(**row) for row in report["checks"]], "numpy").status == "ok"


def test_lesson_packages_are_those_of_the_extra():
    packages = dict(doctor.lesson_packages())
    assert packages["numpy"] == "<3,>=2.0"
    assert {"jupyterlab", "ipywidgets", "anywidget", "matplotlib", "scikit-learn"} <= set(packages)
    assert not {"dlgraph", "pytest", "llvmlite", "cupy-cuda12x"} & set(packages)


def test_missing_package(monkeypatch):
    real = metadata.version

    def version(name):
        if name == "ipywidgets":
            raise metadata.PackageNotFoundError(name)
        return real(name)

    monkeypatch.setattr(metadata, "version", version)
    check = find(doctor.examine(), "ipywidgets")
    assert (check.status, check.repair) == ("broken", 'pip install "dlgraph[lab]"')
    assert doctor.main() == 1


def test_package_outside_its_range(monkeypatch, capsys):
    real = metadata.version
    monkeypatch.setattr(metadata, "version", lambda n: "3.6.8" if n == "jupyterlab" else real(n))
    check = find(doctor.examine(), "jupyterlab")
    assert check.status == "broken" and "3.6.8, needed is <5,>=4.2" in check.detail
    assert doctor.main() == 1
    assert "to repair: jupyterlab" in capsys.readouterr().out


def test_a_home_that_cannot_be_written_to(monkeypatch, tmp_path):
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path / "new" / "runtime"))
    assert not doctor._runtime()  # Jupyter makes what is not there yet
    assert not (tmp_path / "new").exists()  # the doctor changes nothing

    def refuse(**options):
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(doctor.tempfile, "TemporaryFile", refuse)
    check = find(doctor.examine(), "Jupyter's files")
    assert check.status == "broken" and "Read-only file system" in check.detail
    assert "JUPYTER_RUNTIME_DIR" in check.repair


def test_repairs_name_the_python_that_they_are_for(monkeypatch, capsys, tmp_path):
    broken = doctor.Check("jupyterlab", "broken", "not installed", doctor.INSTALL)
    monkeypatch.setattr(doctor, "PARTS", [("packages", True, lambda: [broken])])
    monkeypatch.setattr(shutil, "which", lambda name: str(tmp_path / name))
    doctor.main()
    assert f"pip: {sys.executable} -m pip" in capsys.readouterr().out
    monkeypatch.setattr(shutil, "which", lambda name: str(Path(sys.executable).parent / name))
    doctor.main()
    assert "-m pip" not in capsys.readouterr().out  # activated: the words work as they stand
    monkeypatch.setattr(shutil, "which", lambda name: None)
    monkeypatch.setattr(doctor, "PARTS", [])
    doctor.main()
    assert "-m pip" not in capsys.readouterr().out  # nothing to repair


def test_without_packaging_only_presence_is_checked(monkeypatch):
    without(monkeypatch, "packaging")
    assert find(doctor.examine(), "jupyterlab").status == "ok"


def test_stale_and_absent_installation(monkeypatch):
    real = metadata.version
    monkeypatch.setattr(metadata, "version", lambda n: "0.0.1" if n == "dlgraph" else real(n))
    check = find(doctor.examine(), "dlgraph")
    assert check.status == "broken" and "installed as 0.0.1" in check.detail

    def version(name):
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", version)
    check = find(doctor.examine(), "dlgraph")
    assert check.status == "broken" and "not installed" in check.detail and check.repair


def test_only_numpy_installed(monkeypatch):
    """What `pip install dlgraph` without extras gives: a report, not a crash."""
    without(monkeypatch, "jupyter_client", "jupyter_core", "packaging", "threadpoolctl")
    checks = doctor.examine()
    for name in ("kernel python3", "widgets"):
        assert find(checks, name).status == "broken"
        assert find(checks, name).repair == 'pip install "dlgraph[lab]"'
    blas = find(checks, "BLAS")
    assert blas.status == "ok" and blas.detail  # from numpy.show_config


def test_blas_that_is_held_to_another_processor(monkeypatch):
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Haswell")
    blas = find(doctor.examine(), "BLAS")
    assert blas.status == "ok" and "OPENBLAS_CORETYPE (Haswell)" in blas.repair
    monkeypatch.delenv("OPENBLAS_CORETYPE")
    assert not find(doctor.examine(), "BLAS").repair


def test_kernel_of_another_python(tmp_path, monkeypatch):
    folder = tmp_path / "kernels" / "python3"
    folder.mkdir(parents=True)
    spec = {"argv": ["/opt/other/bin/python", "-m", "ipykernel"], "display_name": "Python 3"}
    (folder / "kernel.json").write_text(json.dumps(spec))
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path))
    check = find(doctor.examine(), "kernel python3")
    assert check.status == "broken" and "/opt/other/bin/python" in check.detail
    assert check.repair == f"remove {folder}"
    spec["argv"][0] = "python3"  # Jupyter replaces a bare name by the Python that it runs on
    (folder / "kernel.json").write_text(json.dumps(spec))
    assert find(doctor.examine(), "kernel python3").status == "ok"
    spec["argv"][0] = sys.executable
    (folder / "kernel.json").write_text(json.dumps(spec))
    assert find(doctor.examine(), "kernel python3").status == "ok"


def test_widgets_that_jupyterlab_does_not_find(monkeypatch):
    from jupyter_core import paths

    monkeypatch.setattr(paths, "jupyter_path", lambda *_: ["/nowhere"])
    check = find(doctor.examine(), "widgets")
    assert check.status == "broken" and "does not find" in check.detail and check.repair


@pytest.mark.parametrize("listed", [{"anywidget": True}, ["anywidget"]])
def test_widgets_switched_off(tmp_path, monkeypatch, listed):
    folder = tmp_path / "labconfig"
    folder.mkdir()
    (folder / "page_config.json").write_text(json.dumps({"disabledExtensions": listed}))
    monkeypatch.setenv("JUPYTER_CONFIG_PATH", str(tmp_path))
    checks = doctor.examine()
    assert find(checks, "widgets").status == "ok"
    check = find(checks, "widgets (any)")
    assert check.status == "broken"
    assert check.repair == "jupyter labextension enable anywidget"


@pytest.mark.parametrize(("driver", "extra"), [((12, 4), "cuda12"), ((13, 1), "cuda13")])
def test_gpu_without_cupy(monkeypatch, driver, extra):
    without(monkeypatch, "cupy")
    monkeypatch.setattr(doctor, "cuda_of_driver", lambda: driver)
    check = find(doctor.examine(), "GPU")
    assert check.status == "missing" and check.repair == f'pip install "dlgraph[{extra}]"'


def test_no_gpu_is_no_fault(monkeypatch):
    monkeypatch.setattr(doctor, "cuda_of_driver", lambda: None)
    check = find(doctor.examine(), "GPU")
    assert check.status == "missing" and not check.repair


def test_cupy_that_cannot_be_imported_is_told_and_stops_nothing(tmp_path, monkeypatch):
    (tmp_path / "cupy.py").write_text("raise ImportError('libnvrtc.so.12: cannot open')")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "cupy", raising=False)
    monkeypatch.setattr(doctor, "cuda_of_driver", lambda: (12, 4))
    checks = doctor.examine()
    assert find(checks, "GPU").status == "missing"
    assert "libnvrtc" in find(checks, "GPU").detail
    assert "cupy-cuda12x[ctk]" in find(checks, "GPU").repair
    assert find(checks, "disk").status == "ok"


@pytest.mark.parametrize(("total", "status"), [(8, "ok"), (0, "missing")])
def test_gpu_is_ok_only_if_it_computes(monkeypatch, total, status):
    class Ones:
        def __matmul__(self, other):
            return self

        def sum(self):
            return total

    runtime = types.SimpleNamespace(
        getDeviceCount=lambda: 1, getDeviceProperties=lambda device: {"name": b"Fast Card"}
    )
    fake = types.ModuleType("cupy")
    fake.cuda = types.SimpleNamespace(runtime=runtime)
    fake.ones = lambda shape: Ones()
    fake.__version__ = "14.2.0"
    fake.__spec__ = importlib.util.spec_from_loader("cupy", None)
    monkeypatch.setitem(sys.modules, "cupy", fake)
    monkeypatch.setattr(doctor, "cuda_of_driver", lambda: (13, 0))
    check = find(doctor.examine(), "GPU")
    assert check.status == status
    assert "Fast Card; driver for CUDA 13.0; CuPy 14.2.0" in check.detail


@pytest.mark.gpu
def test_real_gpu():
    pytest.importorskip("cupy")
    if doctor.cuda_of_driver() is None:
        pytest.skip("no NVIDIA driver")
    check = find(doctor.examine(), "GPU")
    assert check.status == "ok" and "CuPy" in check.detail


def test_low_disk(monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10**10, 10**10, 5 * 10**8))
    check = find(doctor.examine(), "disk")
    assert check.status == "missing" and check.detail.startswith("476.8 MiB") and check.repair


def test_data_nowhere_in_part_and_damaged(tmp_path, monkeypatch):
    from dlgraph.data import places
    from dlgraph.data.catalogue import RECORDS

    monkeypatch.setattr(places, "cache_folder", lambda: tmp_path / "empty-cache")
    monkeypatch.delenv("DLGRAPH_DATA", raising=False)
    check = find(doctor.examine(), "MNIST")
    assert check.status == "missing" and "dg.data.mnist()" in check.repair

    monkeypatch.setenv("DLGRAPH_DATA", str(tmp_path))
    folder = tmp_path / "mnist"
    folder.mkdir()
    first, *others = (file.name for file in RECORDS["mnist"].files)
    (folder / first).write_bytes(b"cut sh")
    check = find(doctor.examine(), "MNIST")
    assert check.status == "broken" and others[0] in check.detail and check.repair

    for name in others:
        (folder / name).write_bytes(b"rubbish")
    check = find(doctor.examine(), "MNIST")
    assert check.status == "broken" and f"damaged: {first}" in check.detail


def test_a_check_that_fails_says_so_and_the_others_go_on(monkeypatch):
    def fall_over():
        raise RuntimeError("torn file")

    parts = [("first", True, fall_over), ("second", False, fall_over), *doctor.PARTS[:1]]
    monkeypatch.setattr(doctor, "PARTS", parts)
    first, second, python = doctor.examine()
    assert (first.status, second.status, python.status) == ("broken", "missing", "ok")
    assert first.detail == "RuntimeError: torn file"


def test_importing_it_is_light():
    """Neither Jupyter nor matplotlib nor CuPy: each is looked at only where it is needed."""
    code = (
        "import sys, dlgraph.cli; "
        "print([m for m in ('jupyterlab', 'jupyter_client', 'matplotlib', 'cupy', 'ipywidgets',"
        " 'sklearn', 'pooch') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
