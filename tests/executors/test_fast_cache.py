"""Compiled code on disk: found again, never trusted blindly, never in the way."""

import multiprocessing
import os
import subprocess
import sys
import textwrap
import tracemalloc

import pytest

from dlgraph.executors.fast import cache

KEY = "0" * 64


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(cache, "cache_folder", lambda: tmp_path / "dlgraph")
    return tmp_path / "dlgraph" / "compiled"


def test_what_was_written_is_read():
    assert cache.read(KEY) is None
    cache.write(KEY, b"machine code")
    assert cache.read(KEY) == b"machine code"
    assert cache.read("1" * 64) is None


def test_reading_takes_no_more_memory_than_the_file():
    cache.write(KEY, b"machine code")
    tracemalloc.start()
    cache.read(KEY)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2**20


def test_a_file_that_is_not_whole_is_not_there(folder):
    cache.write(KEY, b"machine code")
    path = folder / f"{KEY}.o"
    whole = path.read_bytes()
    for k in range(len(whole)):
        path.write_bytes(whole[:k])
        assert cache.read(KEY) is None
        path.write_bytes(whole[:k] + bytes([whole[k] ^ 1]) + whole[k + 1 :])
        assert cache.read(KEY) is None
    path.write_bytes(whole)
    path.rename(folder / f"{'1' * 64}.o")  # code of another program
    assert cache.read("1" * 64) is None


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="files have no owner here")
def test_a_file_that_others_can_write_is_not_used(folder):
    cache.write(KEY, b"machine code")
    (folder / f"{KEY}.o").chmod(0o666)
    assert cache.read(KEY) is None


def test_without_a_place_nothing_is_kept(monkeypatch, tmp_path):
    monkeypatch.setattr(cache, "cache_folder", lambda: None)
    cache.write(KEY, b"machine code")
    assert cache.read(KEY) is None
    blocked = tmp_path / "file"
    blocked.write_bytes(b"")
    monkeypatch.setattr(cache, "cache_folder", lambda: blocked)
    cache.write(KEY, b"machine code")
    assert cache.read(KEY) is None


def test_the_files_that_were_not_used_for_longest_go_first(folder, monkeypatch):
    monkeypatch.setattr(cache, "LIMIT", 3000)
    keys = [f"{k:064d}" for k in range(4)]
    for age, key in enumerate(keys[:3]):
        cache.write(key, bytes(900))
        os.utime(folder / f"{key}.o", (age, age))
    assert cache.read(keys[0]) is not None  # it was used: now the second is the oldest
    cache.write(keys[3], bytes(900))
    assert [cache.read(key) is not None for key in keys] == [True, False, True, True]
    assert sum(file.stat().st_size for file in folder.iterdir()) <= 3000


def _write_often(where):
    cache.cache_folder = lambda: where
    for k in range(100):
        cache.write(KEY, bytes([k]) * 10_000)


def test_two_processes_write_the_same_file(folder):
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=_write_often, args=(folder.parent,)) for _ in range(2)]
    for one in writers:
        one.start()
    found = []
    while any(one.is_alive() for one in writers):
        found.append(cache.read(KEY))
    for one in writers:
        one.join()
    assert all(content is None or len(set(content)) == 1 for content in found)
    assert len(cache.read(KEY)) == 10_000
    assert [file.name for file in folder.iterdir()] == [f"{KEY}.o"]


PROGRAM = """
    import dlgraph as dg
    from dlgraph.executors.fast import llvm
    compile_, compiled = llvm.compiled, []
    llvm.compiled = lambda source: compiled.append(1) or compile_(source)
    with dg.Graph().as_default() as g:
        x = dg.placeholder((3,), name="x")
        y = dg.tanh(x) + 1.0
    print(dg.Session(g, executor="fast").run(y, {x: [0.0, 0.0, 0.0]}), len(compiled))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the variable moves the folder on Linux only")
def test_the_next_process_need_not_compile(tmp_path):
    pytest.importorskip("llvmlite")

    def run():
        source = textwrap.dedent(PROGRAM)
        done = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True)
        assert not done.returncode, done.stderr
        return done.stdout.strip()

    assert [run(), run()] == ["[1. 1. 1.] 1", "[1. 1. 1.] 0"]
    for file in tmp_path.rglob("*.o"):  # damaged: compiled again, and never run
        content = file.read_bytes()
        file.write_bytes(content[:-20] + bytes(20))
    assert run() == "[1. 1. 1.] 1"
