"""One element of every element-wise primitive, interpreted with NumPy, against its forward."""

import math

import numpy as np
import pytest

from dlgraph.core.primitive import REGISTRY
from dlgraph.ops.scalar import FUNCTIONS, INEXACT, SCALAR, Unsupported, element
from tests.ops.forms import in_dtype
from tests.ops.samples import every_sample

# Said in words of other primitives only at run time, or not about numbers at all.
WITHOUT_DEFINITION = {"add_bundles", "fused"}
LIBRARY = {"erf": np.vectorize(math.erf, otypes="d"), "erfc": np.vectorize(math.erfc, otypes="d")}


ARITHMETIC = {
    "add": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "div": np.true_divide,
    "neg": np.negative,
    "abs": np.absolute,
    "sqrt": np.sqrt,
    "floor": np.floor,
    "ceil": np.ceil,
    "rint": np.rint,
    "min": np.minimum,
    "max": np.maximum,
}
COMPARISONS = {
    "==": np.equal,
    "!=": np.not_equal,
    "<": np.less,
    "<=": np.less_equal,
    ">": np.greater,
    ">=": np.greater_equal,
}
LOGIC = {"and": np.logical_and, "or": np.logical_or, "not": np.logical_not}


class Twin:
    """The builder whose handles are NumPy arrays: the same formulas, another interpreter."""

    def __init__(self):
        self.called = set()

    def constant(self, value, dtype):
        return np.asarray(value, dtype)

    def arithmetic(self, name, dtype, *operands):
        if dtype.kind == "b":
            raise Unsupported(f"{name} of booleans")
        return ARITHMETIC[name](*operands)

    def compare(self, name, dtype, a, b):
        return COMPARISONS[name](a, b)

    def logic(self, name, *operands):
        return LOGIC[name](*operands)

    def select(self, dtype, condition, a, b):
        return np.where(condition, a, b)

    def convert(self, operand, source, target):
        return np.asarray(operand).astype(target)

    def function(self, name, dtype, *operands):
        assert name in FUNCTIONS
        self.called.add(name)
        found = LIBRARY.get(name) or getattr(np, name)
        return np.asarray(found(*operands)).astype(dtype)


FORMS = [
    pytest.param(name, in_dtype(sample, dtype), id=f"{name} {dtype} {sample}")
    for name, sample in every_sample(lambda name, sample: name in SCALAR)
    for dtype in ("float64", "float32", "int64")
    if dtype != "int64" or name not in ("power", "raise_to")  # not of every integer
]


@pytest.mark.parametrize(("name", "sample"), FORMS)
def test_one_element_is_what_the_forward_computes(name, sample):
    primitive = REGISTRY[name]
    if primitive.floating and any(a.dtype.kind == "i" for a in sample.arrays):
        pytest.skip("integers are brought to floats before")
    with np.errstate(all="ignore"):
        wanted = np.asarray(primitive.forward(np, *sample.arrays, **sample.attrs))
        twin = Twin()
        operands = [(a, a.dtype) for a in sample.arrays]
        try:
            found = element(twin, name, sample.attrs, operands, wanted.dtype)
        except Unsupported:
            types = {a.dtype for a in sample.arrays}
            types |= {v.dtype for v in sample.attrs.values() if isinstance(v, np.generic)}
            assert len(types) > 1 or types == {np.dtype(bool)}
            return
    found = np.broadcast_to(found, wanted.shape)
    if twin.called or name in INEXACT:
        eps = 1e-12 if wanted.dtype == np.float64 else 2e-6
        np.testing.assert_allclose(found, wanted, rtol=eps, atol=eps)
    else:
        np.testing.assert_array_equal(found, wanted)


def test_every_element_wise_primitive_has_a_definition():
    elementwise = {p.name for p in REGISTRY.values() if p.kind == "elementwise"}
    own = {p for p in elementwise if REGISTRY[p].__module__.startswith("dlgraph.ops")}
    assert own - set(SCALAR) <= WITHOUT_DEFINITION
    assert set(SCALAR) <= set(REGISTRY)


SPECIAL = np.array([0.0, -0.0, 1.0, -2.5, 0.5, 1.5, 2.5, np.inf, -np.inf, np.nan], np.float32)


@pytest.mark.parametrize("name", ["relu", "sign", "maximum", "minimum", "where", "round", "floor"])
def test_infinities_and_nan_are_as_in_the_forward(name):
    primitive = REGISTRY[name]
    a, b = np.repeat(SPECIAL, len(SPECIAL)), np.tile(SPECIAL, len(SPECIAL))
    given = [a > 0, a, b] if name == "where" else [a, b][: len(primitive.inputs)]
    with np.errstate(all="ignore"):
        wanted = primitive.forward(np, *given)
        found = element(Twin(), name, {}, [(x, x.dtype) for x in given], wanted.dtype)
    np.testing.assert_array_equal(found, wanted)


def test_powers_by_multiplication():
    x = np.array([1.5, -2.0, 3.0])
    for exponent in (0, 1, 2, 3, 13, 64, -1, -5, 0.5, 2.5):
        with np.errstate(invalid="ignore"):
            wanted = x**exponent
            operands = [(x, x.dtype)]
            found = element(Twin(), "raise_to", {"exponent": exponent}, operands, x.dtype)
        np.testing.assert_allclose(np.broadcast_to(found, x.shape), wanted, rtol=1e-13)


def test_types_that_do_not_meet_are_refused():
    a, b = np.ones(2, np.float32), np.ones(2, np.float64)
    operands = [(a, a.dtype), (b, b.dtype)]
    for name in ("add", "less"):
        with pytest.raises(Unsupported):
            element(Twin(), name, {}, operands, a.dtype)
    with pytest.raises(Unsupported, match="expected"):
        element(Twin(), "exp", {}, [(a, a.dtype)], b.dtype)
