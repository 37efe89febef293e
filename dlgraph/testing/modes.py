"""One function in both modes: outputs and gradients eagerly, as a graph, and bit against bit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from dlgraph.core.derivatives import grad
from dlgraph.core.gradients import gradients as gradient_nodes
from dlgraph.core.graph import Graph
from dlgraph.core.session import Session
from dlgraph.core.state import placeholder
from dlgraph.core.tensor import Tensor
from dlgraph.ops.copies import zeros_like

Function = Callable[..., Any]
Arrays = Sequence[Any]


def run_eager(
    function: Function, arrays: Arrays, cotangents: Arrays | None = None
) -> tuple[list[np.ndarray], list[np.ndarray | None]]:
    """Outputs and gradients of `function`, computed define-by-run.

    The floating point arrays become tensors that require gradients.  `function` returns a tensor
    or a sequence of them; the gradients are those of the sum over all floating outputs of
    `output * cotangent` (cotangents of 1 if left out), None for an array of integers.

    >>> import dlgraph as dg
    >>> outputs, gradients = dg.testing.run_eager(lambda x: x * x, [3.0])
    >>> print(outputs[0], gradients[0])
    9.0 6.0
    """
    leaves = [leaf(array) for array in arrays]
    outputs = sequence(function(*leaves))
    total = weighted_sum(outputs, cotangents)
    wanted = [leaf for leaf in leaves if leaf.requires_grad]
    found: Any = [zeros_like(leaf) for leaf in wanted]
    if wanted and getattr(total, "requires_grad", False):
        found = grad(total, wanted)
    return [x.numpy() for x in outputs], _at_floats(leaves, [g.numpy() for g in found])


def run_graph(
    function: Function,
    arrays: Arrays,
    cotangents: Arrays | None = None,
    *,
    unknown_sizes: bool = False,
) -> tuple[list[np.ndarray], list[np.ndarray | None]]:
    """The same as `run_eager`, define-then-run: the function builds a graph, a session runs it.

    With `unknown_sizes` no placeholder knows the size of any of its dimensions.

    >>> import dlgraph as dg
    >>> outputs, gradients = dg.testing.run_graph(lambda x: x * x, [3.0])
    >>> print(outputs[0], gradients[0])
    9.0 6.0
    """
    values = [leaf(array).numpy() for array in arrays]
    graph = Graph()
    with graph.as_default():
        leaves = [
            placeholder((None,) * v.ndim if unknown_sizes else v.shape, v.dtype) for v in values
        ]
        outputs = [graph.convert(x) for x in sequence(function(*leaves))]
        total = weighted_sum(outputs, cotangents)
        wanted = [leaf for leaf in leaves if leaf.dtype.kind == "f"]
        found = [zeros_like(leaf) for leaf in wanted]
        if wanted and total is not None:
            found = gradient_nodes(total, wanted)
    feed = dict(zip(leaves, values, strict=True))
    results, slopes = Session(graph).run([outputs, found], feed)
    return [np.asarray(x) for x in results], _at_floats(leaves, [np.asarray(g) for g in slopes])


def assert_modes_agree(
    function: Function, arrays: Arrays, *, unknown_sizes: bool = True, seed: int = 0
) -> None:
    """Assert that both modes give the same outputs and gradients, bit for bit.

    `function` takes one tensor or node per array.  It is run eagerly, then as a graph whose
    placeholders know their shapes, then (unless `unknown_sizes=False`) as a graph whose
    placeholders know only their number of dimensions.  Outputs of any shape are weighted with
    random cotangents.

    Raises `AssertionError` with the place and the two values of the first difference.

    >>> import dlgraph as dg
    >>> dg.testing.assert_modes_agree(lambda x, w: dg.tanh(x @ w), [[[1.0, 2.0]], [[0.5], [0.25]]])
    """
    outputs, _ = run_eager(function, arrays)
    cotangents = random_cotangents(outputs, np.random.default_rng(seed))
    want = run_eager(function, arrays, cotangents)
    for unknown in (False, True) if unknown_sizes else (False,):
        got = run_graph(function, arrays, cotangents, unknown_sizes=unknown)
        sizes = "unknown sizes" if unknown else "known sizes"
        assert len(want[0]) == len(got[0]), f"{len(want[0])} outputs, as a graph {len(got[0])}"
        for what, k in (("output", 0), ("gradient of input", 1)):
            for i, (eager, graph) in enumerate(zip(want[k], got[k], strict=True)):
                _assert_same_bits(eager, graph, f"{what} {i}, graph with {sizes}")


def _assert_same_bits(eager: Any, graph: Any, what: str) -> None:
    if eager is None and graph is None:
        return
    a, b = np.asarray(eager), np.asarray(graph)
    assert (a.shape, a.dtype) == (b.shape, b.dtype), (
        f"{what}: eager {a.shape} {a.dtype}, define-then-run {b.shape} {b.dtype}"
    )
    if a.tobytes() == b.tobytes():
        return
    x, y = np.atleast_1d(a), np.atleast_1d(b)
    words = f"u{x.itemsize}"  # compared as integers: -0.0 is not 0.0, and NaN is NaN
    places = np.argwhere(np.ascontiguousarray(x).view(words) != np.ascontiguousarray(y).view(words))
    first = tuple(int(i) for i in places[0])
    raise AssertionError(
        f"{what}: {len(places)} of {a.size} elements differ, the first at {list(first)}: "
        f"eager {x[first]!r}, define-then-run {y[first]!r}"
    )


def leaf(value: Any) -> Tensor:
    tensor = Tensor(value)
    tensor.requires_grad = tensor.dtype.kind == "f"
    return tensor


def sequence(outputs: Any) -> list[Any]:
    return list(outputs) if isinstance(outputs, (list, tuple)) else [outputs]


def weighted_sum(outputs: list[Any], cotangents: Arrays | None) -> Any:
    """Sum of `output * cotangent`, in either mode; None if no output is floating."""
    total = None
    for i, output in enumerate(outputs):
        if output.dtype.kind != "f":
            continue
        weight = None if cotangents is None else cotangents[i]
        if weight is not None:
            output = output * np.asarray(weight, output.dtype)
        total = output.sum() if total is None else total + output.sum()
    return total


def random_cotangents(outputs: list[np.ndarray], rng: np.random.Generator) -> list[Any]:
    # Away from 0, so that every output counts; of both signs, so that errors do not cancel.
    if [x.shape for x in outputs] == [()]:
        return [np.ones((), outputs[0].dtype) if outputs[0].dtype.kind == "f" else None]
    return [
        (rng.uniform(0.5, 1.5, x.shape) * rng.choice([-1.0, 1.0], x.shape)).astype(x.dtype)
        if x.dtype.kind == "f"
        else None
        for x in outputs
    ]


def _at_floats(leaves: list[Any], found: list[np.ndarray]) -> list[np.ndarray | None]:
    slopes = iter(found)
    return [next(slopes) if leaf.dtype.kind == "f" else None for leaf in leaves]
