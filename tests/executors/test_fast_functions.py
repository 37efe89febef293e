"""The vector functions against NumPy in higher precision, over everything a float can be."""

import math

import numpy as np
import pytest

pytest.importorskip("llvmlite")

from dlgraph.executors.fast import llvm
from dlgraph.executors.fast.functions import DEFINED
from dlgraph.executors.fast.ir import BUFFERS, Code
from dlgraph.executors.fast.segments import TAIL
from dlgraph.executors.fast.vectors import Vectors

REFERENCE = {
    "exp": np.exp,
    "expm1": np.expm1,
    "log": np.log,
    "log1p": np.log1p,
    "tanh": np.tanh,
    "erf": np.vectorize(math.erf, otypes=[np.longdouble]),
}
LIMIT = {"tanh": 5.0}  # units in the last place; 3 for the others
CASES = [(name, dtype) for name, one in DEFINED.items() for dtype in one.dtypes]
COUNT = 1 << 15


@pytest.fixture(autouse=True, scope="module")
def own_cache(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="module")
def compiled(own_cache):
    """A function of arrays for each case."""
    codes = {f"{name}_{dtype}": _kernel(name, np.dtype(dtype)) for name, dtype in CASES}
    declared = sorted(set().union(*(code.declared for code in codes.values())))
    functions = [code.function(name, 2) for name, code in codes.items()]
    library = llvm.load("functions", lambda: "\n".join([*declared, *functions, TAIL]))

    def call(name, x):
        y = np.empty_like(x)
        table = np.zeros(BUFFERS // 8 + 2, np.uint64)
        table[-2:] = x.ctypes.data, y.ctypes.data
        code = np.array([library.address(name), 32, BUFFERS, 0, BUFFERS + 8, 0], np.int64)
        assert library.run(table.ctypes.data, code.ctypes.data, 0, 1) == -1
        return y

    return call


def _kernel(name, dtype):
    code = Code()
    lanes = 64 // dtype.itemsize
    vectors = Vectors(code, lanes)
    with code.loop(COUNT, lanes) as index:
        offset = code.times(index, dtype.itemsize)
        x = vectors.load(code.at("%p0", offset), dtype, dtype.itemsize, lanes)
        found = vectors.function(name, dtype, x)
        vectors.store(found, code.at("%p1", offset), dtype, dtype.itemsize, lanes)
    return code


def everything(dtype, name):
    """Numbers of every size and sign, every kind of special one, and many near 0."""
    rng, quarter = np.random.default_rng(1), COUNT // 4
    facts = np.finfo(dtype)
    unsigned = np.dtype(f"u{dtype.itemsize}")
    any_bits = rng.integers(0, 2 ** (8 * dtype.itemsize), quarter, dtype=unsigned).view(dtype)
    wide = (rng.uniform(-110, 110, quarter) * (7 if dtype.itemsize == 8 else 1)).astype(dtype)
    tiny = rng.uniform(-1, 1, quarter) * 10.0 ** rng.integers(-44, 1, quarter)
    x = np.concatenate([any_bits, rng.normal(size=quarter).astype(dtype), wide, tiny.astype(dtype)])
    special = [0.0, -0.0, np.inf, -np.inf, np.nan, 1, -1, facts.tiny, facts.max, facts.min]
    x[: len(special)] = special
    x[len(special)] = facts.smallest_subnormal
    if name == "log":
        x[COUNT // 8 :] = np.abs(x[COUNT // 8 :])
    return x


@pytest.mark.parametrize(("name", "dtype"), CASES)
def test_error_in_units_of_the_last_place(compiled, name, dtype):
    dtype = np.dtype(dtype)
    x = everything(dtype, name)
    y = compiled(f"{name}_{dtype}", x)
    with np.errstate(all="ignore"):
        wanted = REFERENCE[name](x.astype(np.longdouble))
        rounded = wanted.astype(dtype)
        finite = np.isfinite(rounded)
        unit = np.spacing(np.maximum(np.abs(rounded), np.finfo(dtype).smallest_subnormal))
        error = np.abs(y.astype(np.longdouble) - wanted)[finite] / unit[finite]
    np.testing.assert_array_equal(y[~finite], rounded[~finite])
    assert error.max() <= LIMIT.get(name, 3.0)
    defined = ~np.isnan(rounded)
    np.testing.assert_array_equal(np.signbit(y)[defined], np.signbit(rounded)[defined])


def test_tanh_ends_at_one(compiled):
    x = np.full(COUNT, 20, np.float32)
    x[1::2] = -20
    y = compiled("tanh_float32", x)
    assert set(y.tolist()) == {1.0, -1.0}
