"""Random graphs, for tests that compare what a graph computes before and after passes."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from hypothesis import strategies as st

import dlgraph as dg

ROWS = 3  # the batch that is fed where the graph says "n"


class Made(NamedTuple):
    """A random graph, what to fetch, and values for its feeds."""

    graph: Any
    fetches: list[Any]
    feeds: dict[Any, np.ndarray]


def elementwise(draw, values):
    x = draw(st.sampled_from(values))
    name = draw(st.sampled_from(["tanh", "relu", "negative", "square", "sigmoid", "exp_small"]))
    return dg.exp(dg.tanh(x)) if name == "exp_small" else getattr(dg, name)(x)


def binary(draw, values):
    x = draw(st.sampled_from(values))
    alike = [v for v in values if v.shape == x.shape] + [dg.constant(0.5), dg.constant(0.0)]
    y = draw(st.sampled_from(alike))
    name = draw(st.sampled_from(["add", "subtract", "multiply", "maximum", "where"]))
    return dg.where(x > y, x, y * 2.0) if name == "where" else getattr(dg, name)(x, y)


def product(draw, values):
    x = draw(st.sampled_from(values))
    if x.ndim != 2:
        return dg.square(x)
    fits = [v for v in values if v.ndim == 2 and v.shape[0] == x.shape[1]]
    return dg.tanh(x @ draw(st.sampled_from(fits))) if fits else dg.tanh(x @ x.T)


def shaped(draw, values):
    x = draw(st.sampled_from(values))
    name = draw(st.sampled_from(["transpose", "reshape", "slice", "expand", "concatenate"]))
    if name == "transpose":
        return x.T if draw(st.booleans()) else x.T.T
    if name == "reshape":
        return x.reshape(-1)
    if name == "slice":
        return x[0:2] if x.ndim else x
    if name == "expand":
        return x[None] * 1.0 if x.ndim < 3 else x
    return dg.concatenate([x, x * 2.0], axis=0) if x.ndim else x


def reduced(draw, values):
    x = draw(st.sampled_from(values))
    axis = draw(st.sampled_from([None, *range(x.ndim)]))
    function = draw(st.sampled_from([dg.sum, dg.mean, dg.max]))
    return function(x, axis=axis, keepdims=draw(st.booleans()))


STEPS = [elementwise, elementwise, binary, binary, product, shaped, reduced]


@st.composite
def graphs(draw, training: bool = True):
    """A graph of up to fifteen operations, with a training step and later reads if wanted."""
    numbers = np.random.default_rng(draw(st.integers(0, 99)))

    def normal(*shape):
        return numbers.standard_normal(shape).astype(np.float32)

    with dg.Graph().as_default() as graph:
        x = dg.placeholder(("n", 4), name="x")
        weights = [dg.Parameter(normal(4, 5), name="v"), dg.Parameter(normal(5, 4), name="w")]
        bias = dg.Parameter(normal(4), name="b")
        start = dg.tanh(x @ weights[0]) @ weights[1] + bias
        values = [x, start, *(dg.variable(one) for one in weights), dg.constant(normal(4, 4))]
        for _ in range(draw(st.integers(1, 12))):
            values.append(draw(st.sampled_from(STEPS))(draw, values))
        fetches = draw(st.lists(st.sampled_from(values), min_size=1, max_size=3))
        if training:
            fetches += learning(draw, values, [*weights, bias])
    return Made(graph, fetches, {x: normal(ROWS, 4)})


def learning(draw, values, parameters):
    loss = dg.mean(dg.square(values[1])) + dg.mean(dg.tanh(values[-1]))
    optimizer = draw(st.sampled_from(["sgd", "momentum", "adam"]))
    made = {
        "sgd": lambda: dg.optim.SGD(parameters, lr=0.1),
        "momentum": lambda: dg.optim.SGD(parameters, lr=0.1, momentum=0.5, weight_decay=0.01),
        "adam": lambda: dg.optim.Adam(parameters, lr=0.1),
    }[optimizer]()
    step = made.minimize(loss)
    if not draw(st.booleans()):
        return [loss, step]
    graph = loss.graph
    with graph.control_dependencies([step]):
        after = dg.read(dg.variable(parameters[0])) * 2.0
    if draw(st.booleans()):
        with graph.control_dependencies([after]):
            return [after, dg.assign(dg.variable(parameters[2]), values[1][0] * 0.5)]
    return [loss, step, after]
