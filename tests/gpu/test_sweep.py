"""Every primitive on the GPU against NumPy: values, gradients and gradients of gradients.

The samples are those of `tests/ops`.  Stated tolerances, relative to the size of the numbers: 1e-5
in float32, 1e-12 in float64, and 100 times that for second derivatives.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import dlgraph as dg
from dlgraph.core import arrays
from dlgraph.core.primitive import REGISTRY
from tests.ops.forms import Sample, in_dtype, is_real
from tests.ops.samples import every_sample

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")  # NumPy's, of 1/0 and the like

SIZES = {"size_along", "element_count"}  # numbers that are known on the CPU
TOLERANCES = {"float32": 1e-5, "float64": 1e-12}
DTYPES = pytest.mark.parametrize("dtype", TOLERANCES)


def sweep(which: Any = lambda name, sample: True) -> Any:
    return pytest.mark.parametrize(
        ("name", "sample"), [pytest.param(n, x, id=f"{n} {x}") for n, x in every_sample(which)]
    )


def differentiable(name: str, sample: Sample) -> bool:
    return bool(REGISTRY[name].rules) and any(is_real(a) for a in sample.arrays)


def function_of(name: str, sample: Sample) -> Any:
    return lambda *inputs: REGISTRY[name](*inputs, **sample.attrs)


def tensors(name: str, sample: Sample, where: str, requires_grad: bool = False) -> list[Any]:
    """The inputs of a sample on a device; keys of random numbers stay on the CPU."""
    primitive = REGISTRY[name]
    names = primitive.inputs * len(sample.arrays) if primitive.variadic else primitive.inputs
    return [
        dg.Tensor(a, requires_grad=requires_grad and a.dtype.kind == "f").to(
            "cpu" if called == "key" else where
        )
        for called, a in zip(names, sample.arrays, strict=False)
    ]


def assert_close(got: Any, want: Any, tolerance: float) -> None:
    got, want = got.numpy(), want.numpy()
    assert (got.shape, got.dtype) == (want.shape, want.dtype)
    if want.dtype.kind != "f":
        np.testing.assert_array_equal(got, want)
        return
    finite = np.abs(want[np.isfinite(want)])
    size = max(1.0, finite.max(initial=0.0))
    np.testing.assert_allclose(got, want, rtol=tolerance, atol=tolerance * size)


def lives_on_gpu(value: Any) -> bool:
    return arrays.device_of(value._data) == "gpu"


@DTYPES
@sweep()
def test_values(gpu, name, sample, dtype):
    sample = in_dtype(sample, dtype)
    want = function_of(name, sample)(*tensors(name, sample, "cpu"))
    inputs = tensors(name, sample, "gpu")
    got = function_of(name, sample)(*inputs)
    assert_close(got, want, TOLERANCES[dtype])
    if any(map(lives_on_gpu, inputs)) and name not in SIZES:
        assert lives_on_gpu(got)


@sweep()
def test_integers_and_booleans(gpu, name, sample):
    for dtype in ("int64", "int32", "bool"):
        whole = in_dtype(sample, dtype)
        try:
            want = function_of(name, whole)(*tensors(name, whole, "cpu"))
        except dg.errors.DlgraphError:
            with pytest.raises(dg.errors.DlgraphError):
                function_of(name, whole)(*tensors(name, whole, "gpu"))
            continue
        assert_close(function_of(name, whole)(*tensors(name, whole, "gpu")), want, 1e-5)


@DTYPES
@sweep(differentiable)
def test_gradients(gpu, name, sample, dtype):
    sample = in_dtype(sample, dtype)
    want, got = (derivatives(name, sample, where) for where in ("cpu", "gpu"))
    for order, (ours, theirs) in enumerate(zip(got, want, strict=True)):
        for a, b in zip(ours, theirs, strict=True):
            assert_close(a, b, TOLERANCES[dtype] * (100 if order == 2 else 1))
            assert lives_on_gpu(a)


def derivatives(name: str, sample: Sample, where: str) -> list[list[Any]]:
    """Gradients on arrays, on recorded tensors, and those of the sum of their squares."""
    inputs = tensors(name, sample, where, requires_grad=True)
    result = function_of(name, sample)(*inputs)
    xs = [x for x in inputs if x.requires_grad]
    rng = np.random.default_rng(5)
    g = dg.Tensor(rng.uniform(0.5, 1.5, result.shape).astype(result.dtype)).to(where)
    on_arrays = dg.grad(result, xs, gradient=g, retain_graph=True)
    recorded = dg.grad(result, xs, gradient=g, create_graph=True)
    total = sum(((x * x).sum() for x in recorded), 0.0)
    second = dg.grad(total, xs, allow_unused=True) if total.requires_grad else []
    return [list(on_arrays), list(recorded), [x for x in second if x is not None]]
