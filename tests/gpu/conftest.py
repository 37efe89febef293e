"""The GPU of a test: the strict stand-in everywhere, and CuPy on a machine that has a device."""

from __future__ import annotations

import pytest

import dlgraph as dg
from dlgraph.core import arrays
from dlgraph.gpu.driver import DRIVERS
from tests.gpu import emulator, strict_arrays


def without_gpu() -> str:
    """Why no test can run on a GPU here, "" if they can."""
    try:
        dg.device("gpu")
    except (dg.errors.DeviceError, dg.errors.MissingPackageError) as error:
        return str(error).splitlines()[0]
    finally:
        arrays.MODULES.clear()
    return ""


@pytest.fixture(params=["strict", pytest.param("cupy", marks=pytest.mark.gpu)])
def gpu(request, monkeypatch):
    """The array library that stands for the GPU during a test."""
    monkeypatch.setattr(arrays, "MODULES", {})
    if request.param == "strict":
        arrays.register(strict_arrays.ndarray, strict_arrays)
        monkeypatch.setitem(DRIVERS, strict_arrays.__name__, emulator.Emulator())
        return strict_arrays
    reason = without_gpu()
    if reason:
        pytest.skip(f"not run on a GPU: {reason}")
    dg.device("gpu")
    return next(iter(arrays.MODULES.values()))
