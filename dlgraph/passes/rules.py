"""The table of algebraic rules that dlgraph brings along; users add theirs with `dg.passes.rule`.

Exact rules keep every bit, NaN, infinities and the sign of zero included.  The others are equal as
formulas, but round otherwise, or are defined where the original is not: stabilisations, for
instance, give a number where the original gives infinity.
"""

from __future__ import annotations

from typing import Any

import dlgraph.ops.activations as activations
import dlgraph.ops.functions as functions
from dlgraph.core.primitive import Primitive
from dlgraph.core.spec import normalise_axis
from dlgraph.ops import arithmetic, comparison, unary
from dlgraph.ops.nn import log_softmax, softmax, softmax_cross_entropy
from dlgraph.ops.reduce import logsumexp, mean
from dlgraph.passes.algebra import RULES, Match, Rule
from dlgraph.passes.edit import Edit, op
from dlgraph.passes.patterns import compiled


def scalar(*values: Match) -> bool:
    """Are these values scalars?"""
    return all(value.shape == () for value in values)


# ---- patterns ------------------------------------------------------------------------------------

RULES += [
    # exact
    compiled(lambda x: x * 1.0, lambda x: x, exact=True),
    compiled(lambda x: x / 1.0, lambda x: x, exact=True),
    compiled(lambda x: x - 0.0, lambda x: x, exact=True),
    compiled(lambda x: x + -0.0, lambda x: x, exact=True),
    compiled(lambda x: arithmetic.negative(-x), lambda x: x, exact=True),
    compiled(lambda x: unary.relu(unary.relu(x)), lambda x: unary.relu(x), exact=True),
    compiled(lambda x: unary.absolute(unary.absolute(x)), lambda x: unary.absolute(x), exact=True),
    compiled(lambda x: unary.absolute(-x), lambda x: unary.absolute(x), exact=True),
    compiled(lambda x: arithmetic.maximum(x, x), lambda x: x, exact=True),
    compiled(lambda x: arithmetic.minimum(x, x), lambda x: x, exact=True),
    compiled(lambda c, x: comparison.where(c > 0.0, x, x), lambda c, x: x, exact=True),
    compiled(lambda a, b: a + (-b), lambda a, b: a - b, exact=True),
    compiled(lambda a, b: a - (-b), lambda a, b: a + b, exact=True),
    compiled(lambda a, b: (-a) * (-b), lambda a, b: a * b, exact=True),
    # equal but for rounding
    compiled(lambda x: x + 0.0, lambda x: x),  # -0.0 + 0.0 is 0.0
    compiled(
        lambda x, a, b: (x * a) * b,
        lambda x, a, b: x * (a * b),
        where=lambda x, a, b: scalar(a, b) and not scalar(x),
    ),
    compiled(
        lambda x, a, b: (x * a) / b,
        lambda x, a, b: x * (a / b),
        where=lambda x, a, b: scalar(a, b) and not scalar(x),
    ),
    compiled(
        lambda x, a, b: (x / a) / b,
        lambda x, a, b: x / (a * b),
        where=lambda x, a, b: scalar(a, b) and not scalar(x),
    ),
    compiled(
        lambda x, a: x / a,
        lambda x, a: x * (1.0 / a),
        where=lambda x, a: scalar(a) and not scalar(x) and a.dtype.kind == "f",
    ),
    # defined where the original overflows, or loses all digits
    compiled(lambda x: unary.log(unary.exp(x)), lambda x: x),
    compiled(lambda x: unary.sqrt(unary.square(x)), lambda x: unary.absolute(x)),
    compiled(lambda x: unary.log(1.0 + x), lambda x: functions.log1p(x)),
    compiled(lambda x: unary.exp(x) - 1.0, lambda x: functions.expm1(x)),
    compiled(lambda x: 1.0 / (1.0 + unary.exp(-x)), lambda x: unary.sigmoid(x)),
    compiled(lambda x: functions.log1p(unary.exp(x)), lambda x: activations.softplus(x)),
    compiled(lambda x: unary.log(unary.sigmoid(x)), lambda x: -activations.softplus(-x)),
]


# ---- rules about arguments, written as functions -------------------------------------------------


def _below(edit: Edit, index: int, name: str) -> Any:
    """The record that this one reads first, if it is of this primitive."""
    below = edit.records[edit.now(edit.records[index].inputs[0])]
    return below if below.primitive.name == name and not below.control else None


def _add(edit: Edit, index: int, primitive: str | Primitive, x: int, **attrs: Any) -> int:
    made = op(primitive) if isinstance(primitive, str) else primitive
    return edit.add(made, [x], attrs, of=[index])


def _same(edit: Edit, index: int) -> int | None:
    """An operation that changes neither shape nor dtype, and nothing else."""
    x = edit.records[index].inputs[0]
    return x if edit.records[x].spec == edit.records[index].spec else None


def _whole(edit: Edit, index: int) -> int | None:
    record = edit.records[index]
    entries = record.attrs["index"]
    whole = all(isinstance(one, slice) and one.step in (None, 1) for one in entries)
    return _same(edit, index) if whole else None


def _transposes(edit: Edit, index: int) -> int | None:
    below = _below(edit, index, "transpose")
    if below is None:
        return None
    axes = _axes(edit.records[index])
    order = [_axes(below)[k] for k in axes]
    if order == list(range(len(order))):
        return below.inputs[0]
    return _add(edit, index, "transpose", below.inputs[0], axes=tuple(order))


def _axes(record: Any) -> list[int]:
    axes, ndim = record.attrs["axes"], record.spec.ndim
    return list(range(ndim))[::-1] if axes is None else [normalise_axis(k, ndim) for k in axes]


def _reshapes(edit: Edit, index: int) -> int | None:
    below = _below(edit, index, "reshape")
    record = edit.records[index]
    shape = record.attrs["shape"]
    if below is None or not all(isinstance(size, int) and size >= 0 for size in shape):
        return None
    x = below.inputs[0]
    if edit.records[edit.now(x)].spec == record.spec:
        return x
    return _add(edit, index, "reshape", x, shape=shape)


def _log_of_sum(edit: Edit, index: int) -> int | None:
    total = _below(edit, index, "sum")
    if total is None:
        return None
    inner = edit.records[edit.now(total.inputs[0])]
    if inner.primitive.name != "exp" or inner.control:
        return None
    return _add(edit, index, logsumexp, inner.inputs[0], **total.attrs)


def _softmax(edit: Edit, index: int) -> int | None:
    """exp(x) / exp(x).sum(axis, keepdims=True) overflows; softmax(x) does not."""
    record = edit.records[index]
    above, total = (edit.records[edit.now(i)] for i in record.inputs)
    if above.primitive.name != "exp" or total.primitive.name != "sum" or total.control:
        return None
    inner = edit.records[edit.now(total.inputs[0])]
    axis = total.attrs["axis"]
    axis = axis[0] if isinstance(axis, tuple) and len(axis) == 1 else axis
    same = edit.now(inner.inputs[0]) == edit.now(above.inputs[0]) if inner.inputs else False
    if inner.primitive.name != "exp" or not same or not total.attrs["keepdims"]:
        return None
    if not isinstance(axis, int):
        return None
    return edit.add(softmax, [above.inputs[0]], {"axis": axis}, of=[index])


def _log_of_softmax(edit: Edit, index: int) -> int | None:
    below = _below(edit, index, "softmax")
    return None if below is None else _add(edit, index, log_softmax, below.inputs[0], **below.attrs)


def _mean_of_losses(edit: Edit, index: int) -> int | None:
    """Two operations, each of which has its own ways to be fast."""
    record = edit.records[index]
    losses = edit.add(softmax_cross_entropy, record.inputs, of=[index])  # errors are its own
    return edit.add(mean, [losses], dict(mean.attributes), of=[index], name="mean")


RULES += [
    Rule("a cast to the dtype it has", "cast", _same, exact=True),
    Rule("a stretch to the shape it has", "broadcast_to", _same, exact=True),
    Rule("identity(x) -> x", "identity", _same, exact=True),
    Rule("stop_gradient(x) -> x", "stop_gradient", _same, exact=True),
    Rule("a slice of everything", "slice", _whole, exact=True),
    Rule("two transposes", "transpose", _transposes, exact=True),
    Rule("two reshapes", "reshape", _reshapes),  # the layout in memory may differ
    Rule("the losses, then their mean", "mean_cross_entropy", _mean_of_losses, exact=True),
    Rule("log(softmax(x)) -> log_softmax(x)", "log", _log_of_softmax),
    Rule("log(sum(exp(x))) -> logsumexp(x)", "log", _log_of_sum),
    Rule("exp(x) / sum(exp(x)) -> softmax(x)", "divide", _softmax),
]
