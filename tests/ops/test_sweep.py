"""Every primitive against NumPy, against measured slopes, and one carrier against the other.

The samples are in `samples.py`.  A primitive without samples fails `test_table_is_complete`.
"""

from __future__ import annotations

import doctest
import importlib
from typing import Any

import numpy as np
import pytest

import dlgraph as dg
from dlgraph.core.primitive import REGISTRY
from dlgraph.core.spec import Dim, Spec
from dlgraph.draw.model import KINDS
from dlgraph.errors import DlgraphError
from dlgraph.executors.temporaries import is_new
from tests.ops.forms import LAYOUTS, Sample, has_elements, in_dtype, is_real, laid_out
from tests.ops.samples import GRAPH_ONLY, IN_TESTS_OF_CONTROL, SAMPLES, every_sample

pytestmark = pytest.mark.filterwarnings("error")  # a warning of NumPy is a finding


def differentiable(name: str, sample: Sample) -> bool:
    return bool(REGISTRY[name].rules) and any(is_real(a) for a in sample.arrays)


def sweep(which=lambda name, sample: True):
    return pytest.mark.parametrize(
        ("name", "sample"), [pytest.param(n, x, id=f"{n} {x}") for n, x in every_sample(which)]
    )


def function_of(name: str, sample: Sample) -> Any:
    return lambda *inputs: REGISTRY[name](*inputs, **sample.attrs)


def eager(name: str, sample: Sample, *, requires_grad: bool = False) -> tuple[Any, list[Any]]:
    """The primitive on Tensors; the result and the tensors."""
    tensors = [
        dg.Tensor(a, requires_grad=requires_grad and a.dtype.kind == "f") for a in sample.arrays
    ]
    return function_of(name, sample)(*tensors), tensors


def build(name: str, sample: Sample, *, unknown: bool = False) -> tuple[Any, list[Any], Any]:
    """The primitive on Nodes; the result, the placeholders and a session."""
    with dg.Graph().as_default() as graph:
        nodes = [
            dg.placeholder((None,) * a.ndim if unknown else a.shape, a.dtype) for a in sample.arrays
        ]
        result = function_of(name, sample)(*nodes)
    return result, nodes, dg.Session(graph)


def feed(nodes: list[Any], sample: Sample) -> dict[Any, Any]:
    return dict(zip(nodes, sample.arrays, strict=True))


def same_bits(a: Any, b: Any) -> bool:
    a, b = np.asarray(a), np.asarray(b)
    return (a.shape, a.dtype) == (b.shape, b.dtype) and a.tobytes() == b.tobytes()


def alike(name: str, a: Any, b: Any) -> bool:
    """The same bits; of `gemm`, which only passes that are not exact write, the same numbers.

    The BLAS adds to what is there in one go, and on some processors with one rounding less.
    """
    if name == "gemm":
        return (
            a.shape == b.shape and a.dtype == b.dtype and np.allclose(a, b, rtol=1e-13, atol=1e-14)
        )
    return same_bits(a, b)


def sizes_of(sample: Sample) -> tuple[bool, ...]:
    return (False,) if sample.known_sizes_only else (False, True)


# ---- the table and the facts ---------------------------------------------------------------------


@sweep(lambda name, sample: is_new(REGISTRY[name], sample.arrays))
def test_what_plans_hold_for_new_memory_is_no_view(name, sample):
    found = REGISTRY[name].forward(np, *sample.arrays, **sample.attrs)
    assert not any(np.shares_memory(found, array) for array in sample.arrays)


def test_table_is_complete():
    in_library = {
        name
        for name, p in REGISTRY.items()
        if p.__module__.startswith("dlgraph.") and not name.endswith("_example")
    }
    covered = set(SAMPLES) | set(GRAPH_ONLY) | IN_TESTS_OF_CONTROL
    assert in_library - covered == set(), "primitives without samples in tests/ops/samples.py"
    assert covered - set(REGISTRY) == set(), "samples of primitives that do not exist"
    assert not set(SAMPLES) & set(GRAPH_ONLY)
    assert all(one.samples for one in SAMPLES.values())


PRIMITIVES = pytest.mark.parametrize("name", [*SAMPLES, *GRAPH_ONLY])
# Primitives behind a function of another name, which carries the documentation.
DOCUMENTED_BY = {
    "slice": dg.getitem,
    "gather": dg.getitem,
    "next_key": dg.Stream,
    # written by passes only
    "gemm": REGISTRY["gemm"],
    "cross_entropy_from_sums": REGISTRY["cross_entropy_from_sums"],
}


@PRIMITIVES
def test_documented_with_an_executed_example(name):
    public = DOCUMENTED_BY.get(name) or getattr(dg, name)
    assert public.__doc__ and public.__doc__.strip()
    module = importlib.import_module(public.__module__)
    finder = doctest.DocTestFinder(exclude_empty=True)
    found = {test.name: test for test in finder.find(module)}
    examples = found[f"{module.__name__}.{public.__name__}"].examples
    assert examples


@PRIMITIVES
def test_facts(name):
    primitive = REGISTRY[name]
    assert primitive.kind in {*KINDS, "state"}
    assert primitive.__doc__ and primitive.__doc__.split("\n")[0].strip()
    names = [f"«{x}»" for x in primitive.inputs]
    text = primitive.formula(*names)
    assert "{" not in text and "}" not in text
    formula = primitive.tex.format(**dict(zip(primitive.inputs, names, strict=True)))
    assert formula.count("{") == formula.count("}")
    hidden = {"key", *primitive.shape_only, *primitive.unused}
    for x in primitive.inputs:
        assert f"«{x}»" in text or x in hidden or name == "assign", f"{x} is not in {text!r}"
    for rule in primitive.rules:
        assert rule in primitive.inputs


@pytest.mark.parametrize("name", GRAPH_ONLY)
def test_graph_only(name):
    with dg.Graph().as_default() as graph:
        node, fed, want = GRAPH_ONLY[name](graph)
    assert node.primitive is REGISTRY[name]
    got = dg.Session(graph).run(node, fed)
    if want is None:
        assert got is None
        return
    assert same_bits(got, want)
    assert_spec_fits(node.spec, got, {})


# ---- values, shapes, dtypes ----------------------------------------------------------------------


@sweep(lambda name, sample: SAMPLES[name].reference is not None)
def test_forward_against_numpy(name, sample):
    want = np.asarray(SAMPLES[name].reference(*sample.arrays, **sample.attrs))
    result, _ = eager(name, sample)
    got = result.numpy()
    assert got.shape == want.shape
    assert got.dtype == want.dtype
    np.testing.assert_allclose(got, want, rtol=1e-12, atol=1e-14)


@sweep()
def test_forward_leaves_its_inputs_alone(name, sample):
    frozen = [a.copy() for a in sample.arrays]
    for a in frozen:
        a.flags.writeable = False
    primitive = REGISTRY[name]
    primitive.forward(np, *frozen, **primitive.complete(dict(sample.attrs)))


@sweep()
def test_both_modes_and_the_spec(name, sample):
    """The value of a node, its inferred spec, and the eager value are one."""
    want = eager(name, sample)[0].numpy()
    for unknown in sizes_of(sample):
        node, nodes, session = build(name, sample, unknown=unknown)
        got = session.run(node, feed(nodes, sample))
        assert alike(name, got, want)
        known = {
            size: actual
            for placeholder, a in zip(nodes, sample.arrays, strict=True)
            for size, actual in zip(placeholder.shape, a.shape, strict=True)
            if isinstance(size, Dim)
        }
        assert_spec_fits(node.spec, got, known)
        if not unknown and not makes_unknown_sizes(sample):
            assert node.spec == Spec(want.shape, want.dtype)


def makes_unknown_sizes(sample: Sample) -> bool:
    return any(a.dtype == bool for a in sample.arrays) and "index" in sample.attrs


def assert_spec_fits(spec: Spec, value: Any, known: dict[Dim, int]) -> None:
    assert spec.dtype == value.dtype
    assert len(spec.shape) == value.ndim
    for size, actual in zip(spec.shape, value.shape, strict=True):
        expected = known.get(size, actual) if isinstance(size, Dim) else size
        assert expected == actual, f"{spec} was inferred for {value.shape}"


@sweep(lambda name, sample: any(map(is_real, sample.arrays)))
def test_integers(name, sample):
    """Integers and booleans: the same dtype and bits in both modes, or an error in both."""
    for dtype in ("int64", "int32", "uint8", "bool"):
        whole = in_dtype(sample, dtype)
        try:
            with np.errstate(over="ignore"):  # -uint8(3)
                want = eager(name, whole)[0].numpy()
        except DlgraphError:
            with pytest.raises(DlgraphError):
                node, nodes, session = build(name, whole)
                session.run(node, feed(nodes, whole))
            continue
        node, nodes, session = build(name, whole)
        assert_spec_fits(node.spec, want, {})
        assert same_bits(session.run(node, feed(nodes, whole)), want)
        if want.dtype.kind == "f":
            asked = sample.attrs.get("dtype", "float32")
            assert want.dtype == asked, "integers become float32, never float64"


@sweep(lambda name, sample: any(a.ndim for a in sample.arrays))
def test_any_memory_layout(name, sample):
    """The same values at other places in memory, and the same bits in both modes."""
    want = eager(name, sample)[0].numpy()
    for layout in LAYOUTS:
        moved = laid_out(sample, layout)
        got = eager(name, moved)[0].numpy()
        np.testing.assert_allclose(got, want, rtol=1e-13, atol=1e-15)
        node, nodes, session = build(name, moved)
        assert alike(name, session.run(node, feed(nodes, moved)), got)


# ---- gradients -----------------------------------------------------------------------------------


def cotangent(result: Any) -> np.ndarray:
    rng = np.random.default_rng(5)
    return rng.uniform(0.5, 1.5, result.shape).astype(result.dtype)


@sweep(differentiable)
def test_one_rule_on_three_carriers(name, sample):
    """Arrays, recorded Tensors and graph Nodes: the same bits, the shape and dtype of the input."""
    for dtype in ("float64", "float32"):
        assert_one_rule(name, in_dtype(sample, dtype))


def assert_one_rule(name: str, sample: Sample) -> None:
    result, tensors = eager(name, sample, requires_grad=True)
    g = cotangent(result)
    wanted = [i for i, t in enumerate(tensors) if t.requires_grad]
    xs = [tensors[i] for i in wanted]
    on_arrays = dg.grad(result, xs, gradient=g, retain_graph=True)
    on_tensors = dg.grad(result, xs, gradient=dg.Tensor(g), create_graph=True)
    for x, a, t in zip(xs, on_arrays, on_tensors, strict=True):
        assert (a.shape, a.dtype) == (x.shape, x.dtype)
        assert same_bits(a.numpy(), t.numpy())
    for unknown in sizes_of(sample):
        node, nodes, session = build(name, sample, unknown=unknown)
        with node.graph.as_default():
            on_nodes = dg.gradients(node, [nodes[i] for i in wanted], gradient=dg.constant(g))
        got = session.run(on_nodes, feed(nodes, sample))
        for i, spec, a, n in zip(wanted, on_nodes, on_arrays, got, strict=True):
            assert same_bits(a.numpy(), n), f"input {i}, {'un' * unknown}known sizes"
            assert spec.dtype == n.dtype and spec.ndim == n.ndim


@sweep(lambda name, sample: differentiable(name, sample) and has_elements(sample))
def test_gradients_against_slopes(name, sample):
    """First and second derivative, in float64."""
    report = dg.testing.check_grads(function_of(name, sample), sample.arrays, order=2)
    assert {one.order for one in report.comparisons} == {1, 2}


@sweep(differentiable)
def test_float32_stays_float32(name, sample):
    """Values, gradients and gradients of gradients; and close to those in float64."""
    derivatives = {}
    for dtype in ("float64", "float32"):
        result, tensors = eager(name, in_dtype(sample, dtype), requires_grad=True)
        assert result.dtype == (dtype if name != "cast" else sample.attrs["dtype"])
        xs = [t for t in tensors if t.requires_grad]
        g = cotangent(result)
        first = dg.grad(result, xs, gradient=dg.Tensor(g), create_graph=True)
        total = sum(((x * x).sum() for x in first), dg.Tensor(np.zeros((), first[0].dtype)))
        second = dg.grad(total, xs) if total.requires_grad else []
        derivatives[dtype] = [*first, *second]
        assert {x.dtype for x in derivatives[dtype]} == {np.dtype(dtype)}
    for a, b in zip(*derivatives.values(), strict=True):
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-4, atol=1e-4)
