"""The one file that imports CuPy: finds it, checks that a device is there, registers its arrays."""

from __future__ import annotations

import ctypes
import importlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from dlgraph.core import arrays
from dlgraph.errors import DeviceError, MissingPackageError
from dlgraph.executors.plan import Place
from dlgraph.gpu.cublas import WORKSPACE, Blas
from dlgraph.gpu.driver import DRIVERS

NEEDED = (14, 0)  # the first with NumPy 2's rules for types


def load() -> Any:
    """The module `cupy`, its arrays made known to the engine.

    Raises `MissingPackageError` if CuPy is not installed and `DeviceError` if it finds no device.
    """
    from dlgraph.doctor import cuda_of_driver

    driver = cuda_of_driver()
    if driver is None:
        raise DeviceError(
            "there is no GPU here: this machine has no NVIDIA driver",
            hint='everything runs on the CPU: leave the device out, or pass "cpu"',
        )
    try:
        cupy = importlib.import_module("cupy")
    except ImportError as error:
        raise _missing(driver, error) from None
    try:
        count = cupy.cuda.runtime.getDeviceCount()
    except cupy.cuda.runtime.CUDARuntimeError as error:
        raise DeviceError(
            f"CuPy {cupy.__version__} finds no GPU: {error}",
            hint="`dlgraph doctor` says what this machine has",
        ) from None
    if not count:
        raise DeviceError("there is a driver, but no GPU", hint="`dlgraph doctor` says more")
    if tuple(map(int, cupy.__version__.split(".")[:2])) < NEEDED:
        raise MissingPackageError(
            f"CuPy {cupy.__version__} is too old, 14 is needed", hint=install(driver)
        )
    arrays.register(cupy.ndarray, cupy)
    DRIVERS[cupy.__name__] = CupyDriver(cupy)
    return cupy


def _missing(driver: tuple[int, int], error: ImportError) -> MissingPackageError:
    why = "is not installed" if error.name == "cupy" else f"cannot be imported: {error}"
    return MissingPackageError(
        f"a GPU needs CuPy, which {why}",
        hint=f"{install(driver)}  (the driver runs CUDA {driver[0]}.{driver[1]})",
    )


def install(driver: tuple[int, int]) -> str:
    """The command that installs the CuPy for a driver, by the newest CUDA that it runs.

    >>> from dlgraph.gpu.cupy_backend import install
    >>> install((12, 8))
    'pip install "dlgraph[cuda12]"'
    """
    extra = "cuda13" if driver >= (13, 0) else "cuda12"
    return f'pip install "dlgraph[{extra}]"'


class CupyDriver:
    """The device through CuPy; see `driver.Driver`."""

    def __init__(self, cupy: Any):
        self.xp = cupy
        self.notes: list[str] = []
        self._stream: Any = None
        self._blas: Any = None

    @property
    def stream(self) -> Any:
        """A stream of our own: only such a one can be captured."""
        if self._stream is None:
            self._stream = self.xp.cuda.Stream(non_blocking=True)
        return self._stream

    # ---- memory
    def empty(self, size: int) -> Any:
        """So many bytes of memory."""
        return self.xp.empty(size, np.uint8).data

    def memory_of(self, array: Any) -> Any:
        """The memory that starts with the first element of an array."""
        return array.data

    def view(self, memory: Any, place: Place) -> Any:
        """An array on memory."""
        at = memory + place.offset
        return self.xp.ndarray(place.shape, place.dtype, memptr=at, strides=place.strides)

    def put(self, view: Any, value: np.ndarray) -> None:
        """Copy an array of NumPy to a view."""
        view.set(value)

    def copy(self, target: Any, source: Any) -> None:
        """Copy on the device."""
        target.data.copy_from_device_async(source.data, source.nbytes, self.stream)

    def address(self, array: Any) -> int:
        """Where the first element lies."""
        return array.data.ptr

    # ---- work
    def compile(self, source: str, names: Sequence[str]) -> dict[str, Any]:
        """The kernels of a source; CuPy keeps what NVRTC made of it on disk."""
        module = self.xp.RawModule(code=source, options=("--std=c++17",))
        return {name: module.get_function(name) for name in names}

    def products(self) -> Blas | None:
        """A handle of cuBLAS, None where its library is not found."""
        if self._blas is None and not self.notes:
            try:
                from cuda.pathfinder import load_nvidia_dynamic_lib

                library = ctypes.CDLL(load_nvidia_dynamic_lib("cublas").abs_path)
                self._workspace = self.xp.empty(WORKSPACE, np.uint8)
                self._blas = Blas(library, self.stream.ptr, self._workspace.data.ptr)
            except Exception as error:  # whatever is missing, there is another way
                self.notes.append(
                    f"cuBLAS cannot be called directly ({type(error).__name__}: {error}), so "
                    "products are computed by CuPy and cannot be recorded"
                )
        return self._blas

    def begin(self) -> None:
        """What CuPy did so far comes first; what follows goes to our stream."""
        self.stream.wait_event(self.xp.cuda.get_current_stream().record())
        self.stream.__enter__()

    def end(self) -> None:
        """What CuPy does next waits for our stream."""
        self.stream.__exit__(None, None, None)
        self.xp.cuda.get_current_stream().wait_event(self.stream.record())

    def synchronize(self) -> None:
        """Wait until the device has done everything on our stream."""
        self.stream.synchronize()

    def record(self, run: Callable[[], None]) -> Callable[[], None] | None:
        """A CUDA graph of a run."""
        stream = self.stream
        try:
            stream.begin_capture()
            try:
                run()
            finally:
                graph = stream.end_capture()
        except Exception as error:
            self.notes.append(f"a run could not be recorded: {type(error).__name__}: {error}")
            return None
        return lambda: graph.launch(stream)
