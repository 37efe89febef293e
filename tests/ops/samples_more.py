"""Samples for the primitives of the wider engine, in the form of `samples.py`, which takes them in.

The references are NumPy's functions where it has them, else the definition, element by element.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tests.ops.forms import Entry, Sample, binary, entry, positive, s, unary, v, w

ONCE = ((0, 0), (0, 0))
KEEP = ((1, 1), (1, 1))


def inside(*shape: int) -> np.ndarray:
    """Numbers between -1 and 1, without the ends."""
    return v(*shape, low=-0.9, high=0.9)


def above_one(*shape: int) -> np.ndarray:
    return v(*shape, low=1.1, high=3.0)


def error_function(x: np.ndarray) -> np.ndarray:
    return np.vectorize(math.erf, otypes=[np.float64])(x)


def complement(x: np.ndarray) -> np.ndarray:
    return np.vectorize(math.erfc, otypes=[np.float64])(x)


def along(x: np.ndarray, axis: int) -> np.ndarray:
    return np.moveaxis(x, axis, -1)


def product_of_others(x: np.ndarray, axis: int) -> np.ndarray:
    rows = along(x, axis)
    made = [np.delete(rows, i, axis=-1).prod(axis=-1) for i in range(rows.shape[-1])]
    return np.moveaxis(np.stack(made, -1) if made else rows, -1, axis)


def cumsum(x: np.ndarray, axis: int, reverse: bool = False) -> np.ndarray:
    return np.flip(np.cumsum(np.flip(x, axis), axis), axis) if reverse else np.cumsum(x, axis)


def argsort(x: np.ndarray, axis: int = -1, descending: bool = False) -> np.ndarray:
    return np.argsort(-x if descending else x, axis=axis, kind="stable")


def pad(x: np.ndarray, widths: tuple, value: float = 0) -> np.ndarray:
    return np.pad(x, widths, constant_values=value) if x.ndim else x


# ---- convolution and pooling, place by place -----------------------------------------------------


def conv2d(x, w, stride, padding, dilation, groups):
    x = np.pad(x, (*ONCE, *padding))
    n, o, (kh, kw) = len(x), len(w), w.shape[2:]
    rows = (x.shape[2] - dilation[0] * (kh - 1) - 1) // stride[0] + 1
    columns = (x.shape[3] - dilation[1] * (kw - 1) - 1) // stride[1] + 1
    y = np.zeros((n, o, rows, columns), x.dtype)
    for i, k, r, c in np.ndindex(y.shape):
        first = k // (o // groups) * w.shape[1]
        top, left = r * stride[0], c * stride[1]
        window = x[
            i,
            first : first + w.shape[1],
            top : top + dilation[0] * (kh - 1) + 1 : dilation[0],
            left : left + dilation[1] * (kw - 1) + 1 : dilation[1],
        ]
        y[i, k, r, c] = (window * w[k]).sum()
    return y


def transposed_of(function, g, shape):
    """The transpose of a linear function, from its values for every unit vector."""
    result = np.zeros(shape, g.dtype)
    for place in np.ndindex(shape):
        unit = np.zeros(shape, g.dtype)
        unit[place] = 1
        result[place] = (function(unit) * g).sum()
    return result


def conv2d_input(dy, w, like, **facts):
    return transposed_of(lambda x: conv2d(x, w, **facts), dy, like.shape)


def conv2d_filters(x, dy, like, **facts):
    return transposed_of(lambda w: conv2d(x, w, **facts), dy, like.shape)


def conv_transpose2d(x, w, stride, padding, dilation, groups):
    size = [
        (n - 1) * s - sum(p) + d * (k - 1) + 1
        for n, s, p, d, k in zip(x.shape[2:], stride, padding, dilation, w.shape[2:], strict=True)
    ]
    shape = (len(x), w.shape[1] * groups, *size)
    facts = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    return conv2d_input(x, w, np.empty(shape), **facts)


def windows(x, kernel, stride, padding, dilation, value):
    x = np.pad(x, (*((0, 0),) * (x.ndim - 2), *padding), constant_values=value)
    sizes = [
        (n - d * (k - 1) - 1) // s + 1
        for n, k, s, d in zip(x.shape[-2:], kernel, stride, dilation, strict=True)
    ]
    for r, c in np.ndindex(*sizes):
        top, left = r * stride[0], c * stride[1]
        yield (
            (r, c),
            (
                ...,
                slice(top, top + dilation[0] * (kernel[0] - 1) + 1, dilation[0]),
                slice(left, left + dilation[1] * (kernel[1] - 1) + 1, dilation[1]),
            ),
            x,
            sizes,
        )


def max_pool2d(x, kernel, stride, padding, dilation):
    y = None
    for place, index, wide, sizes in windows(x, kernel, stride, padding, dilation, -np.inf):
        y = np.zeros((*x.shape[:-2], *sizes), x.dtype) if y is None else y
        y[(..., *place)] = wide[index].max(axis=(-2, -1))
    return y


def avg_pool2d(x, kernel, stride, padding, counted, divisor):
    y = None
    ones = np.pad(np.ones(x.shape[-2:]), counted, constant_values=1)
    extra = [(a - b, c - d) for (a, c), (b, d) in zip(padding, counted, strict=True)]
    ones = np.pad(ones, extra)
    for place, index, wide, sizes in windows(x, kernel, stride, padding, (1, 1), 0):
        y = np.zeros((*x.shape[:-2], *sizes), x.dtype) if y is None else y
        y[(..., *place)] = wide[index].sum(axis=(-2, -1)) / (divisor or ones[index].sum())
    return y


def avg_pool2d_spread(dy, like, **facts):
    return transposed_of(lambda x: avg_pool2d(x, **facts), dy, like.shape)


def plain(**changes: Any) -> dict[str, Any]:
    facts = {"stride": (1, 1), "padding": ONCE, "dilation": (1, 1), "groups": 1}
    return facts | changes


CONVOLUTIONS = [  # shapes of the input and the filters, facts
    ((2, 3, 5, 4), (4, 3, 2, 3), plain()),
    ((1, 2, 4, 5), (2, 2, 3, 3), plain(padding=KEEP)),
    ((2, 4, 5, 5), (6, 2, 2, 2), plain(stride=(2, 1), groups=2)),
    ((2, 2, 6, 5), (2, 1, 2, 2), plain(dilation=(2, 3), groups=2, padding=((0, 1), (1, 0)))),
    ((1, 1, 6, 6), (1, 1, 3, 2), plain(stride=(2, 3), padding=KEEP)),
    ((2, 3, 1, 1), (2, 3, 1, 1), plain()),
    ((0, 2, 3, 3), (2, 2, 2, 2), plain()),
]


def output_of(shape: tuple, filters: tuple, facts: dict) -> tuple:
    return conv2d(np.zeros(shape), np.zeros(filters), **facts).shape


def backwards(which: str) -> tuple[Sample, ...]:
    made = []
    for shape, filters, facts in CONVOLUTIONS:
        dy, x, k = v(*output_of(shape, filters, facts)), w(*shape), w(*filters)
        made.append(s(dy, k, x, **facts) if which == "input" else s(x, dy, k, **facts))
    return tuple(made)


POOLS = [
    ((1, 2, 4, 4), {"kernel": (2, 2), "stride": (2, 2), "padding": ONCE}),
    ((2, 1, 5, 5), {"kernel": (3, 2), "stride": (2, 1), "padding": ((1, 1), (0, 1))}),
    ((5, 6), {"kernel": (3, 3), "stride": (1, 2), "padding": ((1, 0), (1, 1))}),
    ((2, 3, 3), {"kernel": (1, 1), "stride": (1, 1), "padding": ONCE}),
]
LARGEST = [(shape, facts | {"dilation": (1, 1)}) for shape, facts in POOLS]
LARGEST.append(
    ((2, 6, 6), {"kernel": (2, 3), "stride": (1, 1), "padding": KEEP, "dilation": (2, 2)})
)
MEANS = [
    *((shape, facts | {"counted": facts["padding"], "divisor": None}) for shape, facts in POOLS),
    *((shape, facts | {"counted": ONCE, "divisor": None}) for shape, facts in POOLS),
    (POOLS[0][0], POOLS[0][1] | {"counted": ONCE, "divisor": 3}),
]


def with_winners(first: str) -> tuple[Sample, ...]:
    """The values that won are integers: a slope of a comparison cannot be measured."""
    made = []
    for shape, facts in LARGEST:
        x = np.random.default_rng(3).permutation(math.prod(shape)).reshape(shape)
        top = max_pool2d(x.astype(np.float64), **facts).astype(x.dtype)
        made.append(s(w(*(top.shape if first == "top" else shape)), x, top, **facts))
    return tuple(made)


def largest_places(x: np.ndarray, facts: dict) -> np.ndarray:
    numbers = np.arange(x.size, dtype=np.float64).reshape(x.shape)
    y = None
    pairs = zip(windows(x, value=-1, **facts), windows(numbers, value=-1, **facts), strict=True)
    for (place, index, wide, sizes), (_, _, count, _) in pairs:
        y = np.zeros((*x.shape[:-2], *sizes), np.int64) if y is None else y
        flat = wide[index].reshape(*x.shape[:-2], -1)
        best = flat.argmax(axis=-1)[..., None]
        chosen = np.take_along_axis(count[index].reshape(flat.shape), best, -1)
        y[(..., *place)] = chosen[..., 0]
    return y


def max_pool2d_pick(values, x, top, **facts):
    return values.ravel()[largest_places(x, facts)]


def max_pool2d_spread(dy, x, top, **facts):
    result = np.zeros(x.size, dy.dtype)
    np.add.at(result, largest_places(x, facts), dy)
    return result.reshape(x.shape)


def linear_einsum(*xs: np.ndarray, subscripts: str) -> np.ndarray:
    return np.asarray(np.einsum(subscripts, *xs))


MORE: dict[str, Entry] = {
    # ---- functions
    "expm1": entry(np.expm1, *unary()),
    "log1p": entry(np.log1p, *unary(positive)),
    "logaddexp": entry(np.logaddexp, *binary()),
    "tan": entry(np.tan, *unary(inside)),
    "arcsin": entry(np.arcsin, *unary(inside)),
    "arccos": entry(np.arccos, *unary(inside)),
    "arctan": entry(np.arctan, *unary()),
    "arctan2": entry(np.arctan2, *binary()),
    "sinh": entry(np.sinh, *unary()),
    "cosh": entry(np.cosh, *unary()),
    "arcsinh": entry(np.arcsinh, *unary()),
    "arccosh": entry(np.arccosh, *unary(above_one)),
    "arctanh": entry(np.arctanh, *unary(inside)),
    "erf": entry(error_function, *unary(), s(np.linspace(-7, 7, 29))),
    "erfc": entry(complement, *unary(), s(np.linspace(-5, 9, 29))),
    "softplus": entry(lambda x: np.logaddexp(x, 0), *unary(), s(np.array([-700.0, 700.0]))),
    "floor": entry(np.floor, *unary()),
    "ceil": entry(np.ceil, *unary()),
    "round": entry(np.rint, *unary(), s(np.array([0.5, 1.5, -0.5]))),
    "floor_divide": entry(np.floor_divide, *binary()),
    "remainder": entry(np.remainder, *binary()),
    # ---- reductions
    "prod": entry(
        lambda x, axis, keepdims=False: np.prod(x, axis=axis, keepdims=keepdims),
        s(v(4), axis=0),
        s(v(2, 3), axis=-1),
        s(v(2, 3), axis=0, keepdims=True),
        s(np.array([[2.0, 0.0, 3.0], [0.0, 0.0, 1.5]]), axis=1),
        s(v(2, 1, 3), axis=1),
        s(v(0, 3), axis=0),
    ),
    "product_of_others": entry(
        product_of_others,
        s(v(4), axis=0),
        s(v(2, 3), axis=-1),
        s(v(3, 2), axis=0),
        s(np.array([[2.0, 0.0, 3.0], [0.0, 0.0, 1.5]]), axis=1),
        s(v(2, 1), axis=1),
        s(v(2, 0), axis=1),
    ),
    "cumsum": entry(
        cumsum,
        s(v(4), axis=0),
        s(v(2, 3), axis=-1),
        s(v(2, 3), axis=0, reverse=True),
        s(v(0, 3), axis=0),
    ),
    "cumprod": entry(
        lambda x, axis: np.cumprod(x, axis=axis),
        s(v(4), axis=0),
        s(v(2, 3), axis=-1),
        s(v(3, 2), axis=0),
        s(np.array([2.0, 0.0, 3.0, 0.0]), axis=0),
        s(v(0, 3), axis=0),
    ),
    "argmin": entry(
        np.argmin,
        s(v(4)),
        s(v()),
        s(v(2, 3), axis=0),
        s(v(2, 3), axis=-1, keepdims=True),
        s(np.array([1.0, 0.0, 0.0])),
    ),
    # ---- arranging and sorting
    "positions": entry(
        lambda x, axis, before=0, after=0: np.arange(-before, x.shape[axis] + after),
        s(v(4), axis=0),
        s(v(2, 3), axis=-1),
        s(v(2, 3), axis=0, before=2, after=1),
        s(v(0, 3), axis=0),
    ),
    "pad": entry(
        pad,
        s(v(3), widths=((1, 2),)),
        s(v(2, 3), widths=((0, 1), (2, 0)), value=1.5),
        s(v(2, 3), widths=ONCE),
        s(v(), widths=()),
        s(v(0, 3), widths=((1, 1), (0, 0))),
    ),
    "argsort": entry(
        argsort,
        s(v(5)),
        s(v(2, 3), axis=0),
        s(v(2, 3), axis=-1, descending=True),
        s(np.array([1.0, 2.0, 1.0, 2.0])),
        s(np.array([1.0, 2.0, 1.0, 2.0]), descending=True),
        s(v(0, 3)),
    ),
    # ---- contractions
    "einsum": entry(
        linear_einsum,
        s(v(2, 3), w(3, 4), subscripts="ij,jk->ik"),
        s(v(2, 3), w(3, 4), subscripts="ij,jk->ki"),
        s(v(2, 3), subscripts="ij->ji"),
        s(v(2, 3), subscripts="ij->j"),
        s(v(2, 3), subscripts="ij->"),
        s(v(), w(3), subscripts=",i->i"),
        s(v(2, 2, 3), w(2, 3, 4), subscripts="bij,bjk->bik"),
        s(v(2, 2, 3), w(4, 3, 2), subscripts="bij,kjb->bik"),
        s(v(3), w(2), subscripts="i,j->ij"),
        s(v(2, 3), w(3, 2), subscripts="ij,kl->il"),
        s(v(2, 3), w(3, 4), v(4, 2), subscripts="ij,jk,ki->"),
        s(v(2), w(3), v(2, 3), subscripts="i,j,ij->j"),
        s(v(0, 3), w(3, 2), subscripts="ij,jk->ik"),
    ),
    "conv2d": entry(
        conv2d, *(s(v(*shape), w(*filters), **facts) for shape, filters, facts in CONVOLUTIONS)
    ),
    "conv2d_input": entry(conv2d_input, *backwards("input")),
    "conv2d_filters": entry(conv2d_filters, *backwards("filters")),
    "conv_transpose2d": entry(
        conv_transpose2d,
        s(v(2, 3, 2, 3), w(3, 2, 2, 2), **plain()),
        s(v(1, 2, 2, 2), w(2, 1, 3, 3), **plain(stride=(2, 2), padding=KEEP)),
        s(v(1, 4, 2, 2), w(4, 1, 2, 2), **plain(groups=2, dilation=(1, 2), stride=(3, 1))),
        s(v(1, 1, 3, 3), w(1, 1, 3, 3), **plain(stride=(2, 2), padding=((1, 0), (1, 0)))),
    ),
    # ---- pooling
    "max_pool2d": entry(max_pool2d, *(s(v(*shape), **facts) for shape, facts in LARGEST)),
    "max_pool2d_spread": entry(max_pool2d_spread, *with_winners("top")),
    "max_pool2d_pick": entry(max_pool2d_pick, *with_winners("all")),
    "avg_pool2d": entry(avg_pool2d, *(s(v(*shape), **facts) for shape, facts in MEANS)),
    "avg_pool2d_spread": entry(
        avg_pool2d_spread,
        *(
            s(v(*avg_pool2d(w(*shape), **facts).shape), w(*shape), **facts)
            for shape, facts in MEANS
        ),
    ),
}
