"""The product of NumPy's BLAS by its address."""

import ctypes

import numpy as np
import pytest
from threadpoolctl import ThreadpoolController

from dlgraph.executors import blas


def found():
    gemm = blas.gemm()
    if gemm is None:
        pytest.skip("the BLAS of this NumPy cannot be called by address")
    return gemm


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("sizes", [(1, 1, 1), (3, 4, 5), (16, 100, 30), (65, 7, 2)])
def test_against_numpy(dtype, sizes):
    rows, columns, inner = sizes
    rng = np.random.default_rng(0)
    a, b = (
        rng.normal(size=(rows, inner)).astype(dtype),
        rng.normal(size=(inner, columns)).astype(dtype),
    )
    for left in (a, np.asfortranarray(a)):
        for right in (b, np.asfortranarray(b)):
            out = np.ones((rows, columns), dtype)
            blas.call(found(), left, right, out, -0.5, 2.0)
            np.testing.assert_allclose(out, -0.5 * (a @ b) + 2, rtol=1e-4, atol=1e-4)


def test_a_library_that_answers_wrongly_is_not_used(monkeypatch):
    gemm = found()
    kinds = ctypes.CFUNCTYPE(None)
    nothing = kinds(lambda: None)  # a product that leaves the result as it was
    address = ctypes.cast(nothing, ctypes.c_void_p).value
    assert blas.found_right(gemm, np.float32)
    assert not blas.found_right(gemm._replace(single=address), np.float32)
    monkeypatch.setattr(blas, "found_right", lambda *facts: False)
    assert blas.gemm.__wrapped__() is None


def test_without_a_library_there_is_none(monkeypatch):
    monkeypatch.setattr(blas, "_libraries", lambda: iter(()))
    assert blas.gemm.__wrapped__() is None


def test_the_threads_are_those_that_threadpoolctl_knows():
    found = blas.thread_setting()
    if found is None:
        pytest.skip("NumPy's BLAS is not OpenBLAS")
    version, get, set_ = found
    before = get()
    libraries = ThreadpoolController().select(internal_api="openblas").lib_controllers
    (mine,) = [one for one in libraries if "numpy" in one.filepath]
    assert (mine.version, mine.get_num_threads()) == (version, before)
    try:
        set_(1)
        assert mine.get_num_threads() == get() == 1
    finally:
        set_(before)


def test_another_blas_is_left_to_threadpoolctl(monkeypatch):
    monkeypatch.setattr(blas, "_libraries", lambda: iter([object()]))
    assert blas.thread_setting() is None
