"""A driver without a device: kernels compiled for the CPU, products by a stand-in for cuBLAS.

A recording keeps the calls that are made while it is on, and makes none of them, as a capture does;
anything else that touches the device meanwhile is an error.
"""

from __future__ import annotations

import ctypes
import functools
import hashlib
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dlgraph.executors.plan import Place
from dlgraph.gpu.cublas import Blas
from tests.gpu import strict_arrays

HERE = Path(__file__).parent
COMPILER = shutil.which("g++")
_KERNEL = re.compile(r'extern "C" __global__ void (\w+)\(([^)]*)\) \{')


@functools.cache
def folder() -> Path:
    return Path(tempfile.mkdtemp(prefix="dlgraph-kernels-"))


@functools.cache
def library(text: str) -> ctypes.CDLL:
    """A text of C++ as a library."""
    if COMPILER is None:
        pytest.skip("no g++ to run kernels with")
    name = hashlib.sha256(text.encode()).hexdigest()[:16]
    source, made = folder() / f"{name}.cpp", folder() / f"lib{name}.so"
    source.write_text(text, encoding="utf-8")
    command = [str(COMPILER), "-std=c++17", "-O1", "-w", "-fPIC", "-shared", "-ffp-contract=off"]
    found = subprocess.run([*command, "-o", made, source], capture_output=True, text=True)
    assert found.returncode == 0, f"{found.stderr}\n{text}"
    return ctypes.CDLL(str(made))


def on_cpu(source: str) -> str:
    """Kernels as C++, each with a function that launches it."""
    texts = [f'#include "{HERE / "cuda_on_cpu.h"}"', "static void** A;", source]
    for name, parameters in _KERNEL.findall(source):
        types = [p.rpartition(" ")[0] for p in parameters.split(", ")]
        given = ", ".join(f"({kind})A[{k}]" for k, kind in enumerate(types))
        body = source.split(f"void {name}(", 1)[1].split("\n}", 1)[0]
        barriers = "true" if "__syncthreads" in body else "false"
        texts.append(f"static void call_{name}() {{ {name}({given}); }}")
        texts.append(
            f'extern "C" void launch_{name}(const unsigned* dims, void** arguments) '
            f"{{ A = arguments; launch(dims, {barriers}, call_{name}); }}"
        )
    return "\n".join(texts)


class Emulator:
    """Answers as `dlgraph.gpu.driver.Driver` asks."""

    xp = strict_arrays

    def __init__(self, with_blas: bool = True, records: bool = True):
        self.notes: list[str] = []
        self.with_blas, self.records = with_blas, records
        self.recording: list[Callable[[], Any]] | None = None
        self.launched: list[str] = []  # what ran one by one
        self.replayed = 0
        self._inside = False
        self._blas: Any = None

    def empty(self, size: int) -> Any:
        raw = np.full(size + 256, 0xA5, np.uint8)  # what nobody wrote is not 0 by chance
        start = -raw.__array_interface__["data"][0] % 256
        return raw[start : start + size]

    def memory_of(self, array: Any) -> Any:
        return array._on_device

    def view(self, memory: Any, place: Place) -> Any:
        start = memory.__array_interface__["data"][0] + place.offset
        interface = {
            "data": (start, False),
            "shape": place.shape,
            "strides": place.strides,
            "typestr": place.dtype.str,
            "version": 3,
        }
        holder = type("At", (), {"__array_interface__": interface, "memory": memory})()
        return strict_arrays.ndarray(np.asarray(holder))

    def put(self, view: Any, value: np.ndarray) -> None:
        assert type(value) is np.ndarray and value.flags.c_contiguous
        assert (value.shape, value.dtype) == (view.shape, view.dtype)
        assert self._inside and self.recording is None
        view._on_device[...] = value

    def copy(self, target: Any, source: Any) -> None:
        assert self._inside and (target.shape, target.dtype) == (source.shape, source.dtype)
        assert target.flags.c_contiguous and source.flags.c_contiguous
        self._do("copy", lambda: np.copyto(target._on_device, source._on_device))

    def address(self, array: Any) -> int:
        return array._on_device.__array_interface__["data"][0]

    def compile(self, source: str, names: Sequence[str]) -> dict[str, Any]:
        made = library(on_cpu(source))
        return {name: functools.partial(self._launch, made, name) for name in names}

    def _launch(self, made: Any, name: str, grid: tuple, block: tuple, arrays: Any) -> None:
        assert self._inside
        assert len(block) <= 3 and 0 < np.prod(block) <= 1024
        dims = [*grid, *[1] * (3 - len(grid)), *block, *[1] * (3 - len(block))]
        values = (ctypes.c_void_p * len(arrays))(*map(self.address, arrays))
        given = (ctypes.c_uint * 6)(*dims)

        def start() -> None:
            getattr(made, f"launch_{name}")(given, values)

        self._do(name, start)

    def _do(self, name: str, start: Callable[[], Any]) -> None:
        if self.recording is not None:
            self.recording.append(start)
        else:
            self.launched.append(name)
            start()

    def products(self) -> Any:
        if not self.with_blas:
            return None
        if self._blas is None:
            made = library((HERE / "cublas_on_cpu.cpp").read_text(encoding="utf-8"))
            self._workspace = self.empty(1024)
            at = self._workspace.__array_interface__["data"][0]
            self._blas = Recorded(self, Blas(made, 0, at, 1024))
        return self._blas

    def begin(self) -> None:
        assert not self._inside
        self._inside = True

    def end(self) -> None:
        self._inside = False

    def synchronize(self) -> None:
        assert self.recording is None

    def record(self, run: Callable[[], None]) -> Callable[[], None] | None:
        if not self.records:
            self.notes.append("a run could not be recorded: not here")
            return None
        self.recording = []
        try:
            run()
        finally:
            calls, self.recording = self.recording, None

        def again() -> None:
            self.replayed += 1
            for call in calls:
                call()

        return again


class Recorded:
    """Products that are kept while a recording is on."""

    def __init__(self, emulator: Emulator, blas: Blas):
        self.emulator, self.blas = emulator, blas

    def gemm(self, *arguments: Any) -> None:
        assert self.emulator._inside
        self.emulator._do("gemm", functools.partial(self.blas.gemm, *arguments))
