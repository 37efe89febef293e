"""A write that fails or is killed leaves the old file whole."""

import builtins
import errno
import os
import signal
import stat
import subprocess
import sys
import textwrap
import time

import numpy as np
import pytest

import dlgraph as dg
from dlgraph.errors import DataError, OperationError
from dlgraph.io.atomic import write_whole


class Failing:
    """A file that can take only so many bytes, as on a full disk."""

    def __init__(self, stream, room):
        self.stream, self.room = stream, room

    def write(self, content):
        self.stream.write(content[: self.room])
        self.stream.flush()
        if len(content) > self.room:
            raise OSError(errno.ENOSPC, "No space left on device")

    def __getattr__(self, name):
        return getattr(self.stream, name)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.stream.close()


@pytest.mark.parametrize("room", [0, 1, 7, 99])
def test_a_full_disk_leaves_the_old_file(tmp_path, monkeypatch, room):
    file = tmp_path / "a.bin"
    write_whole(file, b"old")
    opened = builtins.open
    with monkeypatch.context() as patch:
        patch.setattr(builtins, "open", lambda *args, **kw: Failing(opened(*args, **kw), room))
        with pytest.raises(DataError, match=r"a\.bin could not be written .* No space left"):
            write_whole(file, b"x" * 100)
    assert file.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["a.bin"]


@pytest.mark.parametrize("name", ["fsync", "replace"])
@pytest.mark.parametrize("error", [OSError(errno.EIO, "broken"), KeyboardInterrupt()])
def test_a_failure_at_any_call_leaves_the_old_file(tmp_path, monkeypatch, name, error):
    file = tmp_path / "a.bin"
    write_whole(file, b"old")

    def fail(*args):
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(os, name, fail)
        with pytest.raises((DataError, KeyboardInterrupt)):
            write_whole(file, b"new")
    assert file.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["a.bin"]


def test_an_inference_model_survives_a_failure_of_each_write(tmp_path, monkeypatch):
    w = dg.Parameter([1.0], name="w")
    with dg.Graph().as_default():
        y = dg.variable(w) * 2.0
    dg.save_inference_model(tmp_path / "m", [], y)
    w.assign([5.0])
    replace, done = os.replace, []

    def fails_at(number):
        def patched(source, target):
            done.append(target)
            if len(done) == number:
                raise OSError(errno.EIO, "broken")
            replace(source, target)

        return patched

    for number in (1, 2):
        done.clear()
        with monkeypatch.context() as patch:
            patch.setattr(os, "replace", fails_at(number))
            with pytest.raises(DataError):
                dg.save_inference_model(tmp_path / "m", [], y)
        assert len(done) == number
        assert dg.load_inference_model(tmp_path / "m")().tolist() == [2.0]
    dg.save_inference_model(tmp_path / "m", [], y)
    assert dg.load_inference_model(tmp_path / "m")().tolist() == [10.0]
    assert len(os.listdir(tmp_path / "m")) == 2


WRITER = textwrap.dedent("""
    import sys, numpy as np, dlgraph as dg
    w = dg.Parameter(np.zeros(50_000, "float32"), name="w")
    with dg.Graph().as_default():
        y = dg.variable(w) * 1.0
    number = 0
    while True:
        number += 1
        w.assign(np.full(50_000, number, "float32"))
        dg.save(sys.argv[1] + "/values.safetensors", {"w": w})
        dg.save_inference_model(sys.argv[1] + "/model", [], y)
        print(number, flush=True)
""")


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system has no SIGKILL")
def test_a_killed_process_leaves_whole_files(tmp_path):
    generator = np.random.default_rng(0)
    for _ in range(5):
        process = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE
        )
        process.stdout.readline()  # the first round is written
        time.sleep(float(generator.uniform(0, 0.1)))
        process.kill()
        process.wait()
        process.stdout.close()
        values = dg.load(tmp_path / "values.safetensors")["w"]
        assert values.shape == (50_000,) and np.ptp(values) == 0 and values[0] >= 1
        loaded = dg.load_inference_model(tmp_path / "model")()
        assert loaded.shape == (50_000,) and np.ptp(loaded) == 0 and loaded[0] >= 1


def test_a_missing_folder_is_said(tmp_path):
    with pytest.raises(DataError, match="could not be written"):
        dg.save(tmp_path / "nowhere" / "a.safetensors", {"a": dg.Tensor(1.0)})


@pytest.mark.skipif(os.name == "nt", reason="on Windows links are for administrators")
def test_a_link_stays_a_link_and_permissions_stay(tmp_path):
    real, link = tmp_path / "disk" / "a.bin", tmp_path / "latest.bin"
    real.parent.mkdir()
    write_whole(real, b"old")
    real.chmod(0o600)
    mode = stat.S_IMODE(real.stat().st_mode)
    link.symlink_to(real)
    write_whole(link, b"new")
    assert link.is_symlink() and real.read_bytes() == b"new"
    assert stat.S_IMODE(real.stat().st_mode) == mode
    assert os.listdir(real.parent) == ["a.bin"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="Windows keeps its devices elsewhere")
def test_what_is_no_file_is_not_replaced(tmp_path):
    # Who works as root would else have no /dev/null any more.
    os.mkfifo(tmp_path / "pipe")
    for name in ("pipe", "."):
        with pytest.raises(DataError, match=r"could not be written|is a folder"):
            write_whole(tmp_path / name, b"new")
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)
    assert os.listdir(tmp_path) == ["pipe"]


def test_a_read_only_file_is_not_replaced(tmp_path, monkeypatch):
    file = tmp_path / "a.bin"
    write_whole(file, b"old")
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # root may do anything
    with pytest.raises(DataError, match="it is read-only"):
        write_whole(file, b"new")
    assert file.read_bytes() == b"old"


class Bytes:
    def __fspath__(self):
        return b"a.safetensors"


@pytest.mark.parametrize(
    "read",
    [dg.load, dg.load_checkpoint, dg.load_inference_model, dg.data.read_idx],
    ids=["load", "load_checkpoint", "load_inference_model", "read_idx"],
)
def test_names_that_no_file_has_are_told(read):
    for wrong in ("\ud800", Bytes(), b"a", "", "a\0b", "~nobody-of-this-name/a", 5, None):
        with pytest.raises(OperationError, match="is no path"):
            read(wrong)
    for missing in ("a" * 300, "a/" * 3000):
        with pytest.raises(DataError, match=r"cannot (be )?read"):
            read(missing)


def test_the_users_folder_is_meant_by_its_sign(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    dg.save("~/a.safetensors", {"a": np.zeros(2, "float32")})
    assert os.listdir(tmp_path) == ["a.safetensors"]
    assert dg.load("~/a.safetensors")["a"].shape == (2,)
