"""Samples for every primitive: the table that `test_sweep.py` walks.

An entry has the same operation in NumPy (None where there is no independent one) and samples:
arrays and attributes.  Arrays of float64 are the ones that are differentiated and turned into
float32 and integers; other arrays (labels, masks, keys) stay as they are.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import dlgraph as dg
from dlgraph.ops.index import At
from dlgraph.ops.shape import SizeOf
from tests.ops import references
from tests.ops.forms import (
    Entry,
    Sample,
    binary,
    boolean,
    compared,
    entry,
    positive,
    reduced,
    s,
    unary,
    v,
    w,
)
from tests.ops.samples_more import MORE

ROWS, COLUMNS = np.array([1, 0, 1]), np.array([2, 2, 0])
KEY = np.array([12345, 7], np.uint64)
EVERY = slice(None)

SAMPLES: dict[str, Entry] = {
    # ---- math: arithmetic and functions
    "add": entry(np.add, *binary()),
    "subtract": entry(np.subtract, *binary()),
    "multiply": entry(np.multiply, *binary()),
    "divide": entry(np.divide, *binary()),
    "power": entry(np.power, *binary(positive), s(v(3), np.array([2, 3, 1]))),
    "raise_to": entry(
        lambda x, exponent: np.power(x, exponent),
        *(s(v(2, 3), exponent=p) for p in (0, 1, 2, 3, 4, 5, -1, -2, -3, 2.0)),
        *(s(positive(3), exponent=p) for p in (0.5, -1.5, np.float64(2.5))),
        s(v(), exponent=3),
        s(v(0, 3), exponent=3),
    ),
    "negative": entry(np.negative, *unary()),
    "exp": entry(np.exp, *unary()),
    "log": entry(np.log, *unary(positive)),
    "sqrt": entry(np.sqrt, *unary(positive)),
    "square": entry(np.square, *unary()),
    "sin": entry(np.sin, *unary()),
    "cos": entry(np.cos, *unary()),
    "tanh": entry(np.tanh, *unary()),
    "sigmoid": entry(lambda x: 1 / (1 + np.exp(-x)), *unary()),
    "relu": entry(lambda x: np.where(x > 0, x, 0), *unary()),
    "absolute": entry(np.absolute, *unary()),
    "sign": entry(np.sign, *unary(), s(np.array([0.0, -0.0, 3.0]))),
    "maximum": entry(np.maximum, *binary()),
    "minimum": entry(np.minimum, *binary()),
    # ---- math: comparisons, logic, copies
    "equal": entry(np.equal, *compared()),
    "not_equal": entry(np.not_equal, *compared()),
    "less": entry(np.less, *compared()),
    "less_equal": entry(np.less_equal, *compared()),
    "greater": entry(np.greater, *compared()),
    "greater_equal": entry(np.greater_equal, *compared()),
    "logical_and": entry(np.logical_and, s(boolean(2, 3), boolean(3)), s(boolean(), boolean())),
    "logical_or": entry(np.logical_or, s(boolean(2, 3), boolean(3)), s(boolean(), boolean())),
    "logical_not": entry(np.logical_not, s(boolean(2, 3)), s(boolean()), s(boolean(0, 2))),
    "where": entry(
        np.where,
        s(boolean(2, 3), v(2, 3), w(2, 3)),
        s(boolean(3), v(2, 1), w()),
        s(boolean(2, 1), v(3), w(2, 3)),
        s(boolean(), v(), w()),
        s(boolean(4, 1), v(3), w(3)),
        s(boolean(0), v(0), w(1)),
    ),
    "zeros_like": entry(np.zeros_like, *unary()),
    "ones_like": entry(np.ones_like, *unary()),
    "identity": entry(lambda x: x, *unary()),
    "stop_gradient": entry(lambda x: x, *unary()),
    "cast": entry(
        lambda x, dtype: x.astype(dtype),
        s(v(2, 3), dtype="float64"),
        s(v(), dtype=np.float64),
        s(np.array([1, 2]), dtype="float32"),
    ),
    "to_integer": entry(
        lambda x, dtype: x.astype(dtype), s(v(2, 3), dtype="int64"), s(v(), dtype=bool)
    ),
    # ---- contractions
    "matmul": entry(
        np.matmul,
        s(v(2, 3), w(3, 4)),
        s(v(3), w(3)),
        s(v(3), w(3, 2)),
        s(v(2, 3), w(3)),
        s(v(5, 2, 3), w(3, 4)),
        s(v(2, 3), w(5, 3, 4)),
        s(v(5, 1, 2, 3), w(4, 3, 2)),
        s(v(3), w(4, 3, 2)),
        s(v(4, 2, 3), w(3)),
        s(v(1, 1), w(1, 1)),
        s(v(0, 3), w(3, 2)),
        s(v(2, 0), w(0, 3)),
    ),
    "gemm": entry(
        lambda a, b, c, alpha, ta, tb, beta: (
            alpha * ((a.T if ta else a) @ (b.T if tb else b)) + beta * c
        ),
        s(v(2, 3), w(3, 4), v(2, 4), v(), ta=False, tb=False, beta=1.0),
        s(v(3, 2), w(3, 4), v(2, 4), v(), ta=True, tb=False, beta=1.0),
        s(v(2, 3), w(4, 3), v(2, 4), v(), ta=False, tb=True, beta=0.5),
        s(v(3, 2), w(4, 3), v(2, 4), v(), ta=True, tb=True, beta=0.0),
    ),
    # ---- reductions and what their gradients use
    "sum": entry(np.sum, *reduced()),
    "mean": entry(np.mean, *reduced()),
    "max": entry(np.max, *reduced()),
    "min": entry(np.min, *reduced()),
    "argmax": entry(
        np.argmax,
        s(v(4)),
        s(v()),
        s(v(2, 3)),
        s(v(2, 3), axis=0),
        s(v(2, 3), axis=-1, keepdims=True),
        s(v(2, 3), keepdims=True),
        s(np.array([1.0, 3.0, 3.0])),
    ),
    "logsumexp": entry(references.logsumexp, *reduced()),
    "softmax": entry(
        references.softmax,
        s(v(2, 3), axis=-1),
        s(v(2, 3), axis=0),
        s(v(4), axis=0),
        s(v(0, 2), axis=1),
    ),
    "log_softmax": entry(
        references.log_softmax,
        s(v(4)),
        s(v(2, 3)),
        s(v(2, 3), axis=0),
        s(v(2, 3, 2), axis=-2),
        s(v(0, 3)),
    ),
    "expand_like": entry(
        references.expand,
        s(v(), w(2, 3)),
        s(v(3), w(2, 3), axis=0),
        s(v(2), w(2, 3), axis=-1),
        s(v(2, 1), w(2, 3), axis=-1, keepdims=True),
        s(v(1, 1), w(2, 3), keepdims=True),
        s(v(3), w(2, 3, 2), axis=(0, -1)),
        s(v(), w()),
        s(v(), w(4), axis=0),
        s(v(0), w(0, 3), axis=1),
    ),
    "sum_like": entry(
        references.sum_like,
        s(v(2, 3), w(3)),
        s(v(2, 3), w(2, 1)),
        s(v(2, 3), w(1, 1)),
        s(v(2, 3), w()),
        s(v(4, 2, 3), w(2, 1)),
        s(v(2, 3), w(2, 3)),
        s(v(), w()),
        s(v(0, 3), w(3)),
    ),
    "broadcast_like": entry(
        lambda x, like: np.broadcast_to(x, like.shape),
        s(v(3), w(2, 3)),
        s(v(2, 1), w(2, 3)),
        s(v(), w(2, 3)),
        s(v(2, 3), w(2, 3)),
        s(v(3), w(0, 3)),
    ),
    "size_along": entry(
        lambda x, axis: np.int64(x.shape[axis]), s(v(2, 3), axis=1), s(v(2, 3, 4), axis=-1)
    ),
    "element_count": entry(
        lambda x, axis=None: np.float64(x.size / max(1, x.sum(axis=axis).size)),
        s(v(2, 3)),
        s(v(2, 3), axis=0),
        s(v(2, 3, 2), axis=(0, -1)),
        s(v()),
    ),
    # ---- shapes
    "reshape": entry(
        references.reshape,
        s(v(2, 3), shape=(3, 2)),
        s(v(2, 3), shape=(6,)),
        s(v(2, 3), shape=(-1,)),
        s(v(2, 3), shape=(2, -1, 1)),
        s(v(2, 3, 2), shape=(SizeOf(0), -1)),
        s(v(), shape=(1, 1)),
        s(v(1), shape=()),
        s(v(0, 3), shape=(3, 0)),
        s(v(0, 3), shape=(-1, 3)),
    ),
    "reshape_like": entry(
        lambda x, like: x.reshape(like.shape),
        s(v(2, 3), w(3, 2)),
        s(v(2, 3), w(6)),
        s(v(1), w()),
        s(v(0, 3), w(3, 0)),
    ),
    "transpose": entry(
        lambda x, axes=None: np.transpose(x, axes),
        s(v(2, 3)),
        s(v()),
        s(v(3)),
        s(v(2, 3, 4)),
        s(v(2, 3, 4), axes=(1, 2, 0)),
        s(v(2, 3, 4), axes=(0, -1, 1)),
        s(v(0, 3), axes=(1, 0)),
    ),
    "expand_dims": entry(
        lambda x, axis: np.expand_dims(x, axis),
        s(v(2, 3), axis=0),
        s(v(2, 3), axis=-1),
        s(v(2, 3), axis=(0, 2)),
        s(v(2, 3), axis=(-1, 1)),
        s(v(), axis=0),
        s(v(0, 3), axis=1),
    ),
    "squeeze": entry(
        lambda x, axis=None: np.squeeze(x, axis),
        s(v(2, 1), axis=1),
        s(v(2, 1), axis=-1),
        s(v(1, 2, 1), axis=(0, -1)),
        s(v(1, 2, 1), known_sizes_only=True),
        s(v(1), axis=0),
        s(v(), known_sizes_only=True),
        s(v(0, 1), axis=1),
    ),
    "broadcast_to": entry(
        lambda x, shape: np.broadcast_to(x, shape),
        s(v(3), shape=(2, 3)),
        s(v(2, 1), shape=(2, 3)),
        s(v(), shape=(2, 3)),
        s(v(2, 3), shape=(2, 3)),
        s(v(1), shape=(4,)),
        s(v(1, 3), shape=(0, 3)),
    ),
    "concatenate": entry(
        lambda *xs, axis: np.concatenate(xs, axis),
        s(v(2), w(3), axis=0),
        s(v(2, 3), w(2, 1), v(2, 2), axis=1),
        s(v(2, 3), w(1, 3), axis=-2),
        s(v(3), axis=0),
        s(v(0, 3), w(2, 3), axis=0),
    ),
    "concatenate_part": entry(
        lambda g, *xs, axis, part: np.split(
            g, np.cumsum([x.shape[axis] for x in xs])[:-1], axis=axis
        )[part],
        s(v(5), w(2), w(3), axis=0, part=0),
        s(v(5), w(2), w(3), axis=0, part=1),
        s(v(2, 4), w(2, 1), w(2, 3), axis=-1, part=1),
    ),
    # ---- indexing
    "slice": entry(
        lambda x, index: x[index],
        s(v(4), index=(1,)),
        s(v(4), index=(slice(1, 3),)),
        s(v(4), index=(slice(None, None, -2),)),
        s(v(2, 3), index=(-1,)),
        s(v(2, 3), index=(EVERY, slice(0, 0))),
        s(v(2, 3, 2), index=(..., 0)),
        s(v(2, 3, 2), index=(0, ..., None, slice(1, None))),
        s(v(2, 3), index=(None, EVERY, 1)),
        s(v(2, 3), index=(1, 2)),
        s(v(), index=()),
        s(v(), index=(..., None)),
    ),
    "gather": entry(
        references.gather,
        s(v(4), ROWS, index=(At(0),)),
        s(v(2, 3), ROWS, index=(At(0),)),
        s(v(2, 3), COLUMNS, index=(EVERY, At(0))),
        s(v(2, 3), ROWS, COLUMNS, index=(At(0), At(1))),
        s(v(2, 3), ROWS[:, None], COLUMNS[:2], index=(At(0), At(1))),
        s(v(2, 4, 3), ROWS, COLUMNS, index=(At(0), EVERY, At(1))),
        s(v(2, 4, 3), COLUMNS, index=(1, EVERY, At(0))),
        s(v(2, 4, 3), COLUMNS, index=(EVERY, 1, At(0))),
        s(v(2, 4, 3), COLUMNS, index=(EVERY, At(0), None, 1)),
        s(v(2, 4, 3), ROWS, index=(At(0), ..., slice(0, 2))),
        s(v(2, 3), np.array(1), index=(At(0),)),
        s(v(2, 3), np.array([], np.int64), index=(At(0),)),
        s(v(2, 3), boolean(2, 3), index=(At(0),)),
        s(v(2, 3), np.array([True, False]), index=(At(0),)),
        s(v(2, 3), np.array([True, False, True]), index=(EVERY, At(0))),
        s(v(2, 3), np.array([True, False, True]), np.array([1, 0]), index=(At(1), At(0))),
        s(v(2, 3, 4), boolean(2, 3), index=(At(0), 1)),
        s(v(2, 3, 4), np.array([True, False, True]), index=(0, At(0), EVERY)),
    ),
    "scatter": entry(
        references.scatter,
        s(v(2), w(4), index=(slice(1, 3),)),
        s(v(), w(4), index=(-1,)),
        s(v(3), w(2, 3), index=(1,)),
        s(v(2), w(2, 3), index=(..., 0)),
        s(v(3), w(6), index=(slice(None, None, -2),)),
    ),
    "scatter_add": entry(
        references.scatter_add,
        s(v(3), w(4), ROWS, index=(At(0),)),
        s(v(3, 3), w(2, 3), ROWS, index=(At(0),)),
        s(v(2, 2, 160), w(3, 160), np.array([[-1, 0], [2, 0]]), index=(At(0),)),  # long rows
        s(v(3), w(2, 3), ROWS, COLUMNS, index=(At(0), At(1))),
        s(v(2, 3), w(2, 4), COLUMNS, index=(EVERY, At(0))),
    ),
    "take_along_axis": entry(
        lambda x, indices, axis: np.take_along_axis(x, indices, axis),
        s(v(2, 3), np.array([[0, 2], [1, 1]]), axis=1),
        s(v(2, 3), np.array([[1, 0, 1]]), axis=0),
        s(v(2, 3), np.array([[-1], [0]]), axis=-1),
        s(v(4), np.array([2, 2, 0]), axis=0),
    ),
    "put_along_axis": entry(
        references.put_along,
        s(v(2, 2), w(2, 3), np.array([[0, 2], [1, 1]]), axis=1),
        s(v(1, 3), w(2, 3), np.array([[1, 0, 1]]), axis=0),
        s(v(3), w(4), np.array([2, 2, 0]), axis=-1),
    ),
    "one_hot": entry(
        lambda labels, depth, dtype="float32": np.eye(depth, dtype=dtype)[labels],
        s(np.array([0, 2, 1]), depth=3),
        s(np.array([[0], [1]], np.int32), depth=2, dtype="float64"),
        s(np.array(1, np.uint8), depth=4),
        s(np.array([], np.int64), depth=3),
    ),
    # ---- losses
    "softmax_cross_entropy": entry(
        references.cross_entropy,
        s(v(4, 3), np.array([0, 2, 1, 1])),
        s(v(3), np.array(2)),
        s(v(2, 2, 3), np.array([[0, 1], [2, 2]])),
        s(v(4, 3), np.array([0, 2, 1, 1], np.uint8)),
        s(v(0, 3), np.array([], np.int64)),
    ),
    "mean_cross_entropy": entry(
        lambda logits, labels: references.cross_entropy(logits, labels).mean(),
        s(v(4, 3), np.array([0, 2, 1, 1])),
        s(v(3), np.array(2)),
        s(v(2, 2, 3), np.array([[0, 1], [2, 2]])),
        s(v(4, 3), np.array([0, 2, 1, 1], np.uint8)),
    ),
    "cross_entropy_from_sums": entry(
        references.cross_entropy_from_sums,
        s(v(4, 3), np.exp(v(4)), np.array([0, 2, 1, 1])),
        s(v(3), np.exp(v()), np.array(2)),
        s(v(2, 2, 3), np.exp(v(2, 2)), np.array([[0, 1], [2, 2]])),
    ),
    "negative_log_likelihood": entry(
        references.negative_log_likelihood,
        s(v(4, 3), np.array([0, 2, 1, 1])),
        s(v(3), np.array(2)),
        s(v(2, 2, 3), np.array([[0, 1], [2, 2]])),
        s(v(4, 3), np.array([0, 2, 1, 1], np.uint8)),
        s(v(0, 3), np.array([], np.int64)),
    ),
    "minus_one_hot": entry(
        references.minus_one_hot,
        s(v(4, 3), np.array([0, 2, 1, 1])),
        s(v(3), np.array(2)),
        s(v(2, 2, 3), np.array([[0, 1], [2, 2]])),
    ),
    # ---- random numbers and control
    "random_uniform": entry(
        None,
        s(KEY, shape=(2, 3)),
        s(KEY, shape=()),
        s(KEY, shape=(4,), low=-1.0, high=3.0, dtype="float64"),
    ),
    "random_normal": entry(
        None, s(KEY, shape=(2, 3)), s(KEY, shape=()), s(KEY, shape=(4,), mean=1.0, std=0.1)
    ),
    "drop": entry(None, s(v(4, 3), KEY, rate=0.5), s(v(5), KEY, rate=0.0), s(v(), KEY, rate=0.25)),
    "train_or_test": entry(lambda train, test: train, s(v(2, 3), w(2, 3)), s(v(), w())),
}


# ---- nodes that exist in graphs only: what to build, what it gives -------------------------------


def build_constant(graph: dg.Graph) -> tuple[Any, dict, Any]:
    return dg.constant(v(2, 3)), {}, v(2, 3)


def build_placeholder(graph: dg.Graph) -> tuple[Any, dict, Any]:
    node = dg.placeholder((None, 3), "float64", name="x")
    return node, {node: v(2, 3)}, v(2, 3)


def build_variable(graph: dg.Graph) -> tuple[Any, dict, Any]:
    return dg.variable(dg.Parameter(v(2, 3))), {}, v(2, 3)


def build_assign(graph: dg.Graph) -> tuple[Any, dict, Any]:
    return dg.assign(dg.variable(dg.Parameter(v(2, 3))), dg.constant(w(2, 3))), {}, w(2, 3)


def build_group(graph: dg.Graph) -> tuple[Any, dict, Any]:
    return dg.group([dg.constant(1.0), dg.constant(2.0)]), {}, None


def build_next_key(graph: dg.Graph) -> tuple[Any, dict, Any]:
    return dg.Stream(3).key(), {}, dg.Stream(3).draw()


GRAPH_ONLY: dict[str, Callable[[dg.Graph], tuple[Any, dict, Any]]] = {
    "constant": build_constant,
    "placeholder": build_placeholder,
    "variable": build_variable,
    "assign": build_assign,
    "group": build_group,
    "next_key": build_next_key,
}


# Bodies, branches and loops, and what takes their results apart: tests/core/test_control.py
IN_TESTS_OF_CONTROL = {
    *("fused", "call", "cond", "scan", "while_loop", "while_turns", "fold_in"),
    *("item", "place", "add_bundles", "rows", "stack_bundle"),
}


SAMPLES.update(MORE)


def every_sample(which: Callable[[str, Sample], bool] = lambda name, sample: True) -> list[Any]:
    """(name, sample) of the whole table, for `pytest.mark.parametrize`."""
    return [
        (name, sample)
        for name, one in SAMPLES.items()
        for sample in one.samples
        if which(name, sample)
    ]
