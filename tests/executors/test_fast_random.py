"""Random programs full of views, in-place chances and assignments: compiled and interpreted.

What shares a loop or a piece of memory must not change any value.
"""

import math

import numpy as np
import pytest

pytest.importorskip("llvmlite")

import dlgraph as dg

PROGRAMS, STEPS = 60, 25


@pytest.fixture(autouse=True, scope="module")
def own_cache(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


def view(rng, x):
    """Another look at the same memory."""
    kinds = [
        lambda: x.T,
        lambda: x[::-1],
        lambda: x[:, ::2],
        lambda: x[1:],
        lambda: x[:, 1],
        lambda: dg.reshape(x, (-1,)),
        lambda: dg.reshape(x.T, (x.shape[0], x.shape[1])),
        lambda: x[None, 0],
    ]
    return kinds[rng.integers(len(kinds))]()


def matrix(rng, x):
    """Any value as a matrix that the others can work with."""
    if x.ndim == 2 and x.shape[0] > 1 and x.shape[1] > 2:
        return x
    return dg.reshape(x, (-1, 1)) + dg.constant(rng.normal(size=(1, 4)).astype("float32"))


def step(rng, values):
    """One more operation on values that are there."""
    x = values[rng.integers(len(values))]
    alike = [v for v in values if v.shape == x.shape]
    y = alike[rng.integers(len(alike))]
    kinds = [
        lambda: x + y,
        lambda: x * y * 0.5,
        lambda: dg.tanh(x) - y,
        lambda: dg.relu(x) + 0.1,
        lambda: dg.where(x > y, x * 0.5, -y),
        lambda: dg.maximum(x, y) * x,
        lambda: view(rng, x),
        lambda: view(rng, x) * 0.9,
        lambda: x.sum(axis=0) * 0.1,
        lambda: x - dg.mean(x, axis=1, keepdims=True),
        lambda: dg.max(x) + x,
        lambda: dg.tanh(x @ y.T),
        lambda: dg.tanh(x.T @ y),
        lambda: dg.concatenate([x, y], axis=int(rng.integers(2))),
        lambda: dg.log_softmax(x),
        lambda: dg.sin(x),  # left to NumPy
        lambda: dg.cumsum(x, axis=0) * 0.1,
    ]
    found = kinds[rng.integers(len(kinds))]()
    return matrix(rng, found) if math.prod(found.shape) < 4000 else x


def program(seed):
    """A graph with its fetches, feeds and parameters."""
    rng = np.random.default_rng(seed)
    shapes = [(4, 6), (6, 4), (5, 17)]
    parameters = [dg.Parameter(rng.normal(size=s).astype("float32")) for s in shapes]
    feeds = [rng.normal(size=s).astype("float32") for s in shapes]
    with dg.Graph().as_default() as graph:
        nodes = [dg.placeholder(s, name=f"x{k}") for k, s in enumerate(shapes)]
        values = [*nodes, *(dg.variable(p) for p in parameters)]
        for _ in range(STEPS):
            values.append(step(rng, values))
        fetches = [values[k] for k in rng.integers(len(shapes), len(values), 5)]
        for p in parameters:
            alike = [v for v in values if v.shape == p.shape]
            fetches.append(dg.assign(p, dg.tanh(alike[rng.integers(len(alike))]) * 0.5))
    return graph, fetches, dict(zip(nodes, feeds, strict=True)), parameters


@pytest.mark.parametrize("exact", [False, True])
@pytest.mark.parametrize("seed", range(PROGRAMS))
def test_values_are_those_of_the_interpreter(seed, exact):
    found = []
    for executor in ("interpreter", "fast"):
        graph, fetches, feed, parameters = program(seed)
        session = dg.Session(graph, executor=executor, exact=exact)
        given = [value.copy() for value in feed.values()]
        row = []
        for _ in range(3):
            row += session.run(fetches, feed)
        row += [p.numpy() for p in parameters]
        for value, before in zip(feed.values(), given, strict=True):
            np.testing.assert_array_equal(value, before)
        found.append(row)
    for a, b in zip(*found, strict=True):
        if exact:
            np.testing.assert_array_equal(a, b)
        else:
            np.testing.assert_allclose(a, b, rtol=2e-3, atol=2e-3)
