"""Every kernel that the generator writes compiles as CUDA, with no GPU: by nvcc and by NVRTC.

The kernels are those of all samples of all operations and gradients, in both precisions, and those
of training steps of the models of `test_training.py`.  What they compute is tested in
`test_session.py`.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import functools
import re
import shutil
import subprocess
from typing import Any

import numpy as np
import pytest

import dlgraph as dg
from dlgraph.core import arrays
from dlgraph.core.program import Settings
from dlgraph.executors.draft import NoPlan
from dlgraph.executors.lowering import Fed
from dlgraph.executors.plan import strides_of
from dlgraph.gpu.cuda import HELPERS, Cuda, number
from dlgraph.gpu.launches import launches_of
from dlgraph.gpu.program import GpuProgram
from dlgraph.ops.scalar import FUNCTIONS, SCALAR
from tests.gpu import emulator
from tests.gpu.test_session import built
from tests.gpu.test_sweep import TOLERANCES
from tests.gpu.test_training import MODELS, OPTIMISERS, batch
from tests.ops.forms import in_dtype
from tests.ops.samples import SAMPLES

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")
ARCHITECTURES = ("70", "75", "80", "86", "89", "90")


def texts_of(graph: Any, fetched: Any, feed: dict) -> set[str]:
    """The kernels of a graph's plan, their names left open."""
    nodes = sorted(feed, key=lambda node: node.index)
    settings = Settings("planned", 2, False, False, "gpu")
    program = GpuProgram(graph, [n.index for n in fetched], [n.index for n in nodes], settings)
    shaped = [(node.dtype, feed[node].shape) for node in nodes]
    fed = [Fed(shape, strides_of(shape, dtype.itemsize)) for dtype, shape in shaped]
    try:
        launches, _ = launches_of(program.make_plan(fed), blas=True)
    except NoPlan:
        return set()
    return {launch.kernel.text for launch in launches if launch.kernel is not None}


@functools.cache
def every_kernel() -> tuple[str, ...]:
    found: set[str] = set()
    for name, entry in SAMPLES.items():
        for dtype in TOLERANCES:
            samples = [in_dtype(s, dtype) for s in entry.samples]
            found |= texts_of(*built(name, samples))
    for model, (make, shape) in MODELS.items():
        for optimiser in OPTIMISERS.values():
            x, labels = batch(shape)
            with dg.Graph().as_default() as graph:
                fed = [dg.placeholder(x.shape), dg.placeholder(labels.shape, "int64")]
                net = make()
                loss = dg.cross_entropy(net(fed[0]), fed[1])
                train = optimiser(net.parameters()).minimize(loss)
            dg.Session(graph).run(graph.startup)
            feed = dict(zip(fed, (x, labels), strict=True))
            assert texts_of(graph, [loss, train], feed), model
            found |= texts_of(graph, [loss, train], feed)
    return tuple(sorted(found))


def source() -> str:
    """All of them as one text."""
    named = [text.replace("NAME", f"k{k}") for k, text in enumerate(every_kernel())]
    return "\n".join([*HELPERS.values(), *named])


def test_there_are_kernels_for_most_operations():
    kernels = every_kernel()
    assert len(kernels) > 500
    text = "\n".join(kernels)
    for word in ("__shared__", "double", "long long", "expf(", "dg_max", "loss[0]"):
        assert word in text
    names = {name for name in SAMPLES if name in SCALAR}
    assert len(names) > 50


# ---- compilers -----------------------------------------------------------------------------------


def nvcc_knows() -> list[str]:
    found = shutil.which("nvcc")
    if found is None:
        return []
    listed = subprocess.run([found, "--list-gpu-arch"], capture_output=True, text=True).stdout
    return re.findall(r"compute_(\d+)\b", listed)


@pytest.mark.slow
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_nvcc_compiles_every_kernel(tmp_path, architecture):
    known = nvcc_knows()
    if not known:
        pytest.skip("no nvcc on this machine")
    if architecture not in known:
        pytest.skip(f"this nvcc makes no code for sm_{architecture}")
    path = tmp_path / "kernels.cu"
    path.write_text(source(), encoding="utf-8")
    command = ["nvcc", "-std=c++17", "--ptx", f"-arch=compute_{architecture}", "-Werror"]
    found = subprocess.run(
        [*command, "all-warnings", "-o", tmp_path / "kernels.ptx", path],
        capture_output=True,
        text=True,
    )
    assert found.returncode == 0, found.stderr[:4000]
    made = (tmp_path / "kernels.ptx").read_text(encoding="utf-8")
    assert made.count(".visible .entry") == len(every_kernel())


def nvrtc() -> Any:
    """NVIDIA's compiler as a library, from a CUDA toolkit or from its wheel."""
    try:
        from cuda.pathfinder import load_nvidia_dynamic_lib

        return ctypes.CDLL(load_nvidia_dynamic_lib("nvrtc").abs_path)
    except Exception:
        found = ctypes.util.find_library("nvrtc")
        return None if found is None else ctypes.CDLL(found)


@pytest.mark.slow
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_nvrtc_compiles_every_kernel(architecture):
    """With the options that CuPy's `RawModule` gets."""
    library = nvrtc()
    if library is None:
        pytest.skip("no NVRTC on this machine")
    count = ctypes.c_int()
    assert library.nvrtcGetNumSupportedArchs(ctypes.byref(count)) == 0
    known = (ctypes.c_int * count.value)()
    assert library.nvrtcGetSupportedArchs(known) == 0
    if int(architecture) not in list(known):
        pytest.skip(f"this NVRTC makes no code for sm_{architecture}")
    program = ctypes.c_void_p()
    text = source().encode()
    made = library.nvrtcCreateProgram(ctypes.byref(program), text, b"kernels.cu", 0, None, None)
    assert made == 0
    options = [b"--std=c++17", f"--gpu-architecture=sm_{architecture}".encode()]
    status = library.nvrtcCompileProgram(program, 2, (ctypes.c_char_p * 2)(*options))
    size = ctypes.c_size_t()
    library.nvrtcGetProgramLogSize(program, ctypes.byref(size))
    log = ctypes.create_string_buffer(size.value)
    library.nvrtcGetProgramLog(program, log)
    assert status == 0, log.value.decode()[:4000]
    assert library.nvrtcGetCUBINSize(program, ctypes.byref(size)) == 0
    assert size.value > 10_000
    library.nvrtcDestroyProgram(ctypes.byref(program))


# ---- details -------------------------------------------------------------------------------------


def test_every_function_of_the_table_has_a_cuda_form():
    for name in FUNCTIONS:
        for dtype in ("float32", "float64"):
            code = Cuda()
            operands = ("x", "y")[: 2 if name in ("arctan2", "power") or "r" in name[-1:] else 1]
            code.function(name, np.dtype(dtype), *operands)
            assert code.lines


@pytest.mark.parametrize(
    "value", [0.0, -0.0, 1.0, 0.1, 1e-45, 3.4e38, -np.inf, np.inf, np.nan, 2.0**-149, 16777217.0]
)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_constants_are_exact(value, dtype):
    with np.errstate(over="ignore"):
        want = np.dtype(dtype).type(value)
    kind = "float" if dtype == "float32" else "double"
    text = f'extern "C" void get({kind}* out) {{ *out = {number(value, np.dtype(dtype))}; }}'
    found = np.zeros((), dtype)
    emulator.library(text).get(ctypes.c_void_p(found.ctypes.data))
    if np.isnan(want):
        assert np.isnan(found)
    else:
        assert found.tobytes() == np.asarray(want).tobytes()


@pytest.mark.parametrize("value", [0, -1, 2**31 - 1, -(2**63), 2**63 - 1])
def test_whole_constants_are_exact(value):
    text = f'extern "C" long long get() {{ return {number(value, np.dtype("int64"))}; }}'
    library = emulator.library(text)
    library.get.restype = ctypes.c_longlong
    assert library.get() == value


def test_large_reductions_and_many_results(gpu):
    """More terms than threads, more results than a block, every way round."""
    rng = np.random.default_rng(0)
    with dg.Graph().as_default() as graph:
        x = dg.placeholder((70, 1000), name="x")
        t = dg.transpose(x)
        fetched = [dg.sum(x), dg.sum(x, 0), dg.sum(x, 1), dg.max(x, 1), dg.min(x, 0)]
        fetched += [dg.sum(t, 0), dg.mean(x * x, 0), dg.sum(dg.exp(x) * 2.0, 1)]
    value = rng.normal(size=(70, 1000)).astype("float32")
    found = dg.Session(graph, device="gpu").run(fetched, {x: value})
    wanted = dg.Session(graph).run(fetched, {x: value})
    for got, want in zip(found, wanted, strict=True):
        np.testing.assert_allclose(got, want, rtol=2e-5, atol=1e-3)


def test_extremes_keep_nan(gpu):
    with dg.Graph().as_default() as graph:
        x = dg.placeholder((2, 40), name="x")
        fetched = [dg.max(x, 1), dg.min(x, 1), dg.maximum(x, 0.0), dg.relu(x)]
    value = np.ones((2, 40), "float32")
    value[1, 17] = np.nan
    assert arrays.MODULES
    found = dg.Session(graph, device="gpu").run(fetched, {x: value})
    assert np.isnan(found[0]).tolist() == np.isnan(found[1]).tolist() == [False, True]
    assert np.isnan(found[2]).sum() == np.isnan(found[3]).sum() == 1


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_softmax_of_large_numbers_is_as_good_as_that_of_small_ones(gpu, dtype):
    with dg.Graph().as_default() as graph:
        x = dg.placeholder((3, 40), dtype, name="x")
        fetched = [dg.log_softmax(x), dg.softmax(x)]
    value = np.round(4 * np.random.default_rng(0).normal(size=(3, 40))).astype(dtype) + 1_000_000
    found = dg.Session(graph, device="gpu").run(fetched, {x: value})
    for got, want in zip(found, dg.Session(graph).run(fetched, {x: value}), strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-5)
