"""The one file that imports CuPy: finds it, checks that a device is there, registers its arrays."""

from __future__ import annotations

import importlib
from typing import Any

from dlgraph.core import arrays
from dlgraph.errors import DeviceError, MissingPackageError

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
