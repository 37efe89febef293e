"""PyTorch's operators, with PyTorch's arguments, written with dlgraph's: for `opinfo.py`.

One entry per name in PyTorch's OpInfo table.  What is not here has its reason in `exclusions.py`;
arguments that dlgraph has no meaning for raise `Unsupported`.
"""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
from opinfo_nn import NETWORK
from opinfo_tools import axes_of, dims, integers, result_axis, typed, unsupported

import dlgraph as dg

# ---- element by element --------------------------------------------------------------------------


def clamp(x, min=None, max=None):
    return dg.clip(x, min, max)


def divide(a, b, *, rounding_mode=None):
    if rounding_mode == "floor":
        return dg.floor_divide(a, b)
    return dg.trunc(dg.divide(a, b)) if rounding_mode == "trunc" else dg.divide(a, b)


def add(a, b, *, alpha=1):
    return dg.add(a, b if alpha == 1 else b * alpha)


def sub(a, b, *, alpha=1):
    return dg.subtract(a, b if alpha == 1 else b * alpha)


def sgn_power(a, b):
    return dg.pow(a, b) if isinstance(b, (int, float)) else dg.power(a, b)


def logit(x, eps=None):
    x = x if eps is None else dg.clip(x, eps, 1 - eps)
    return dg.log(x / (1 - x))


def nan_to_num(x, nan=0.0, posinf=None, neginf=None):
    top = np.finfo(x.dtype).max
    x = dg.where(dg.isnan(x), 0.0 if nan is None else float(nan), x)
    x = dg.where(x == math.inf, float(top if posinf is None else posinf), x)
    return dg.where(x == -math.inf, float(-top if neginf is None else neginf), x)


def chosen_number(better):
    """fmax and fmin: the better of two, where NaN is no candidate."""

    def choose(a, b):
        first = dg.logical_or(better(a, b), dg.isnan(b))
        return dg.where(dg.logical_and(dg.logical_not(dg.isnan(a)), first), a, b)

    return choose


def heaviside(x, values):
    return dg.where(x == 0, values, dg.where(x > 0, values * 0 + 1, values * 0))


def bucketize(x, boundaries, *, out_int32=False, right=False):
    below = (
        boundaries <= dg.expand_dims(x, axis=-1)
        if right
        else boundaries < dg.expand_dims(x, axis=-1)
    )
    return dg.sum(below, axis=-1).astype("int32" if out_int32 else "int64")


# ---- reductions ----------------------------------------------------------------------------------


def reduction(op):
    def reduce(x, dim=None, keepdim=False, *, dtype=None):
        return op(typed(x, dtype), axis=axes_of(dim, x.ndim), keepdims=keepdim)

    return reduce


def extreme(op):
    """amax, amin: no axis means all; a scalar has one axis to reduce."""

    def reduce(x, dim=(), keepdim=False):
        return op(x, axis=axes_of(None if dim == () else dim, x.ndim), keepdims=keepdim)

    return reduce


def extreme_along(find):
    """max and min along one axis: the values and where they are."""

    def reduce(x, dim, keepdim=False):
        if not x.ndim:
            return x, dg.positions(dg.reshape(x, (1,)), axis=0)[0]
        place = find(x, axis=dim, keepdims=True)
        values = dg.take_along_axis(x, place, axis=dim)
        if keepdim:
            return values, place
        return dg.squeeze(values, axis=dim), dg.squeeze(place, axis=dim)

    return reduce


def place_of(find):
    def reduce(x, dim=None, keepdim=False):
        if not x.ndim:
            return find(x)
        return find(x, axis=dim, keepdims=keepdim)

    return reduce


def spread(op, with_mean=False):
    """std and var, which divide by n - 1 unless told otherwise."""

    def reduce(x, dim=None, unbiased=None, keepdim=False, *, correction=None):
        if isinstance(dim, bool):
            dim, unbiased = None, dim
        if correction is None:
            correction = 1 if unbiased is None or unbiased else 0
        axis = axes_of(None if dim == () else dim, x.ndim)
        value = op(x, axis=axis, keepdims=keepdim, correction=correction)
        return (value, dg.mean(x, axis=axis, keepdims=keepdim)) if with_mean else value

    return reduce


def mean(x, dim=None, keepdim=False, *, dtype=None):
    return dg.mean(
        typed(x, dtype), axis=axes_of(None if dim == () else dim, x.ndim), keepdims=keepdim
    )


def total(x, dim=None, keepdim=False, *, dtype=None):
    return dg.sum(
        typed(x, dtype), axis=axes_of(None if dim == () else dim, x.ndim), keepdims=keepdim
    )


def nansum(x, dim=None, keepdim=False, *, dtype=None):
    return total(dg.where(dg.isnan(x), 0.0, x), dim, keepdim, dtype=dtype)


def nanmean(x, dim=None, keepdim=False, *, dtype=None):
    axis = axes_of(None if dim == () else dim, x.ndim)
    counts = dg.sum(dg.logical_not(dg.isnan(x)), axis=axis, keepdims=keepdim)
    return nansum(x, dim, keepdim, dtype=dtype) / counts


def running(op):
    def run(x, dim, *, dtype=None):
        x = typed(x, dtype)
        return op(x, axis=dim) if x.ndim else x

    return run


def logcumsumexp(x, dim):
    if not x.ndim:
        return x
    dim = dim % x.ndim
    place = dg.positions(x, axis=dim)
    moved = dg.moveaxis(x, dim, -1)
    rows = dg.where(
        place <= dg.expand_dims(place, axis=1), dg.expand_dims(moved, axis=-2), -math.inf
    )
    return dg.moveaxis(dg.logsumexp(rows, axis=-1), -1, dim)


def median(x, dim=None, keepdim=False):
    if dim is None:
        ordered = dg.sort(dg.reshape(x, (-1,)))
        return ordered[(ordered.shape[0] - 1) // 2]
    if not x.ndim:
        return x, dg.positions(dg.reshape(x, (1,)), axis=0)[0]
    dim = dim % x.ndim
    middle = (x.shape[dim] - 1) // 2
    order = dg.argsort(x, axis=dim)
    place = order[(slice(None),) * dim + (slice(middle, middle + 1),)]
    values = dg.take_along_axis(x, place, axis=dim)
    if keepdim:
        return values, place
    return dg.squeeze(values, axis=dim), dg.squeeze(place, axis=dim)


def norm(x, p="fro", dim=None, keepdim=False, *, dtype=None):
    if p == "nuc":
        unsupported("singular values")
    order = 2 if p in ("fro", None) else float(p)
    axis = axes_of(None if dim in ((), None) else dim, x.ndim)
    return dg.norm(typed(x, dtype), ord=order, axis=axis, keepdims=keepdim)


def vector_norm(x, ord=2, dim=None, keepdim=False, *, dtype=None):
    return norm(x, ord, dim, keepdim, dtype=dtype)


def every(op):
    def reduce(x, dim=None, keepdim=False):
        return op(x, axis=axes_of(dim, x.ndim), keepdims=keepdim)

    return reduce


# ---- products ------------------------------------------------------------------------------------


def scaled(x, product, beta, alpha):
    product = product if alpha == 1 else product * alpha
    return product + (x if beta == 1 else x * beta)


def addmm(x, a, b, *, beta=1, alpha=1):
    return scaled(x, a @ b, beta, alpha)


def addr(x, a, b, *, beta=1, alpha=1):
    return scaled(x, dg.outer(a, b), beta, alpha)


def addbmm(x, a, b, *, beta=1, alpha=1):
    return scaled(x, dg.einsum("bij,bjk->ik", a, b), beta, alpha)


def addcmul(x, a, b, *, value=1):
    return x + a * b * value


def addcdiv(x, a, b, *, value=1):
    return x + a / b * value


def einsum(operands, equation):
    return dg.einsum(equation, *operands)


def tensordot(a, b, dims=2, out=None):
    if isinstance(dims, (tuple, list)):
        dims = tuple(integers(one) for one in dims)
    summed = dims if isinstance(dims, tuple) else (range(a.ndim - dims, a.ndim), range(dims))
    if any(a.shape[i] != b.shape[j] for i, j in zip(*summed, strict=True)):
        unsupported("axes of other sizes: dlgraph, like NumPy, stretches none that it sums over")
    return dg.tensordot(a, b, axes=dims)


def cross(a, b, dim=None):
    if dim is None:
        dim = next(i for i, size in enumerate(a.shape) if size == 3)
    a, b = a + b * 0, b + a * 0
    turned = [dg.roll(one, -1, dim) for one in (a, b)]
    return dg.roll(a * turned[1] - b * turned[0], -1, dim)


def covariance(x, correction=1):
    x = dg.reshape(x, (1, -1)) if x.ndim < 2 else x
    deviations = x - dg.mean(x, axis=1, keepdims=True)
    return deviations @ deviations.mT / max(0, x.shape[1] - correction)


def cov(x, *, correction=1, fweights=None, aweights=None):
    if fweights is not None or aweights is not None:
        unsupported("weights")
    c = covariance(x, correction)
    return c if x.ndim > 1 else dg.reshape(c, ())


def corrcoef(x):
    if x.ndim < 2:
        c = dg.reshape(covariance(x), ())
        return c / c
    if x.shape[0] == 1:
        return corrcoef(x[0])
    c = covariance(x)
    deviation = dg.sqrt(dg.diagonal(c))
    return dg.clip(c / dg.expand_dims(deviation, axis=1) / deviation, -1.0, 1.0)


def multi_dot(xs):
    result = xs[0]
    for x in xs[1:]:
        result = result @ x
    return result


# ---- shapes --------------------------------------------------------------------------------------


def reshape(x, *shape, **kwargs):
    return dg.reshape(x, dims(shape) if shape else tuple(kwargs["shape"]))


def expand(x, *shape):
    shape = dims(shape)
    known = (*(None,) * (len(shape) - x.ndim), *x.shape)
    return dg.broadcast_to(
        x, shape=tuple(k if s == -1 else s for s, k in zip(shape, known, strict=True))
    )


def flatten(x, start_dim=0, end_dim=-1):
    if not x.ndim:
        return dg.reshape(x, (1,))
    start, end = start_dim % x.ndim, end_dim % x.ndim
    middle = math.prod(x.shape[start : end + 1])
    return dg.reshape(x, (*x.shape[:start], middle, *x.shape[end + 1 :]))


def unflatten(x, dim, sizes):
    dim = dim % x.ndim
    return dg.reshape(x, (*x.shape[:dim], *sizes, *x.shape[dim + 1 :]))


def squeeze(x, dim=None):
    wanted = range(x.ndim) if dim is None else dim if isinstance(dim, tuple) else (dim,)
    axes = tuple(a for a in wanted if x.ndim and x.shape[a] == 1)
    return dg.squeeze(x, axis=axes) if axes else x


def unsqueeze(x, dim):
    return dg.expand_dims(x, axis=dim)


def at_least(n):
    def raised(*xs):
        xs = xs[0] if len(xs) == 1 and isinstance(xs[0], (tuple, list)) else xs
        made = [wide(x, n) for x in xs]
        return made[0] if len(made) == 1 else tuple(made)

    return raised


def wide(x, n):
    if n == 3 and x.ndim < 3:
        return dg.expand_dims(wide(x, 2), axis=-1)
    return dg.expand_dims(x, axis=tuple(range(n - x.ndim))) if x.ndim < n else x


def cat(xs, dim=0):
    # A vector without elements fits to anything, for historical reasons.
    full = [x for x in xs if x.shape != (0,)] or list(xs[:1])
    return dg.concatenate(full, dim)


def hstack(xs):
    xs = [wide(x, 1) for x in xs]
    return dg.concatenate(xs, 0 if xs[0].ndim == 1 else 1)


def column_stack(xs):
    return dg.concatenate([dg.reshape(x, (-1, 1)) if x.ndim < 2 else x for x in xs], 1)


def split(x, size_or_sections, dim=0):
    if isinstance(size_or_sections, (tuple, list)):
        return tuple(dg.split(x, list(size_or_sections), dim))
    n, step = x.shape[dim], size_or_sections
    return tuple(dg.split(x, [min(step, n - i) for i in range(0, n, step)] or [0], dim))


def tensor_split(x, indices_or_sections, dim=0):
    n = x.shape[dim]
    if hasattr(indices_or_sections, "numpy"):
        value = indices_or_sections.numpy()
        indices_or_sections = int(value) if value.ndim == 0 else value.tolist()
    if isinstance(indices_or_sections, int):
        parts = indices_or_sections
        return tuple(dg.split(x, [n // parts + (i < n % parts) for i in range(parts)], dim))
    ends = [0, *(min(max(i + n if i < 0 else i, 0), n) for i in indices_or_sections), n]
    first = (slice(None),) * (dim % x.ndim)
    return tuple(x[(*first, slice(a, max(a, b)))] for a, b in itertools.pairwise(ends))


def vsplit(x, indices_or_sections):
    return tensor_split(x, indices_or_sections, 0)


def permute(x, *axes):
    return dg.transpose(x, axes=dims(axes)) if x.ndim else x


def transpose(x, dim0, dim1):
    return dg.swapaxes(x, dim0, dim1) if x.ndim else x


def rot90(x, k=1, dims=(0, 1)):
    a, b = dims
    for _ in range(k % 4):
        x = dg.swapaxes(dg.flip(x, b), a, b)
    return x


def repeat(x, *counts):
    return dg.tile(x, dims(counts))


def tile(x, *counts):
    return dg.tile(x, dims(counts) if counts else ())


def repeat_interleave(x, repeats, dim=None, *, output_size=None):
    if dim is None:
        x, dim = dg.reshape(x, (-1,)), 0
    if hasattr(repeats, "numpy"):
        counts = np.atleast_1d(repeats.numpy())
        repeats = int(counts[0]) if counts.size == 1 else counts
    if not x.ndim:
        x = dg.reshape(x, (1,))
    return dg.repeat(x, repeats, axis=dim)


def roll(x, shifts, dims=None):
    return dg.roll(x, shifts, dims if dims != () else None)


def diag_embed(x, offset=0, dim1=-2, dim2=-1):
    y = dg.embed_diagonal(x, offset)
    first, second = result_axis(dim1, y.ndim), result_axis(dim2, y.ndim)
    return dg.moveaxis(y, (-2, -1), (first, second))


def trapezoid(y, x=None, *, dx=1, dim=-1):
    first = (slice(None),) * (dim % y.ndim)
    late, early = (*first, slice(1, None)), (*first, slice(None, -1))
    if x is not None:
        dim_x = first if x.ndim > 1 else ()
        if x.ndim == 1:
            x = dg.reshape(x, (-1,) + (1,) * (y.ndim - 1 - dim % y.ndim))
            dx = x[1:] - x[:-1]
        else:
            dx = x[(*dim_x, slice(1, None))] - x[(*dim_x, slice(None, -1))]
    return dg.sum((y[late] + y[early]) * dx / 2, axis=dim)


def sum_to_size(x, *size):
    return dg.sum_like(x, np.empty(dims(size)))


def meshgrid(*xs, indexing="ij"):
    xs = xs[0] if isinstance(xs[0], (tuple, list)) else xs
    return tuple(dg.meshgrid(list(xs), indexing=indexing))


def kthvalue(x, k, dim=-1, keepdim=False):
    order = dg.argsort(x, axis=dim)
    place = order[(*(slice(None),) * (dim % x.ndim), slice(k - 1, k))]
    values = dg.take_along_axis(x, place, axis=dim)
    if keepdim:
        return values, place
    return dg.squeeze(values, axis=dim), dg.squeeze(place, axis=dim)


# ---- picking and placing -------------------------------------------------------------------------


def as_rows(x):
    return x if x.ndim else dg.reshape(x, (1,))


def gather(x, dim, index, *, sparse_grad=False):
    if not index.shape or not x.ndim:
        picked = dg.take_along_axis(as_rows(x), as_rows(index), axis=0)
        return picked if index.ndim else picked[0]
    if 0 in index.shape:
        return dg.reshape(dg.reshape(x, (-1,))[:0], index.shape)
    cut = tuple(
        slice(None) if i == dim % x.ndim else slice(0, n) for i, n in enumerate(index.shape)
    )
    return dg.take_along_axis(x[cut], index, axis=dim)


def scatter_add(x, dim, index, src):
    if not x.ndim:
        return dg.reshape(scatter_add(as_rows(x), 0, as_rows(index), as_rows(src)), ())
    if 0 in index.shape:
        return x + dg.sum(src * 0)
    src = src[tuple(slice(0, n) for n in index.shape)]
    dim = dim % x.ndim
    sizes = [
        m if i == dim else n for i, (n, m) in enumerate(zip(index.shape, x.shape, strict=True))
    ]
    part = x[tuple(slice(0, n) for n in sizes)]
    added = dg.put_along_axis(src, part, index, axis=dim)
    return x + dg.pad(added, [(0, m - n) for m, n in zip(x.shape, sizes, strict=True)])


def index_select(x, dim, index):
    if not x.ndim:
        return dg.reshape(dg.take(as_rows(x), as_rows(index), 0), ())
    return dg.take(x, as_rows(index), dim)


def index_add(x, dim, index, source, *, alpha=1):
    if not x.ndim:
        return dg.reshape(
            index_add(as_rows(x), 0, as_rows(index), as_rows(source), alpha=alpha), ()
        )
    source = source if alpha == 1 else source * alpha
    return dg.index_add(x, as_rows(index), source if source.ndim else as_rows(source), dim)


def index_fill(x, dim, index, value):
    if hasattr(value, "ndim") and value.ndim:
        unsupported("a value with axes")
    if not x.ndim:
        return dg.reshape(index_fill(as_rows(x), 0, as_rows(index), value), ())
    return dg.index_fill(x, as_rows(index), value, dim)


def index_copy(x, dim, index, source):
    emptied = index_fill(x, dim, index, 0.0)
    return index_add(emptied, dim, index, source)


def scatter(x, dim, index, src, *, reduce=None):
    if reduce is not None:
        unsupported(f"reduce={reduce}")
    if not x.ndim:
        return scatter(
            as_rows(x), 0, as_rows(index), wide(src, 1) if hasattr(src, "ndim") else src
        )[0]
    if not hasattr(src, "ndim"):
        src = np.full(index.shape, src, x.dtype)
    zeros = dg.zeros_like(x)
    written = scatter_add(zeros, dim, index, np.ones(src.shape, x.dtype)) > 0
    return dg.where(written, scatter_add(zeros, dim, index, src), x)


def index_put(x, indices, values, accumulate=False):
    from dlgraph.ops.index import At

    stored = tuple(At(i) for i in range(len(indices)))
    picked = x[tuple(indices)]
    values = values + dg.zeros_like(picked)
    added = dg.scatter_add(values, x, *indices, index=stored)
    if accumulate:
        return x + added
    ones = dg.ones_like(dg.stop_gradient(values))
    return dg.where(dg.scatter_add(ones, x, *indices, index=stored) > 0, added, x)


def take(x, index):
    return dg.take(dg.reshape(x, (-1,)), index)


def masked_scatter(x, mask, source):
    mask = dg.logical_and(mask, dg.ones_like(x) > 0)
    x = x + mask.astype(x.dtype) * 0
    order = dg.reshape(dg.cumsum(dg.reshape(mask, (-1,)), axis=0) - 1, mask.shape)
    return dg.where(mask, dg.take(dg.reshape(source, (-1,)), dg.maximum(order, 0)), x)


def narrow(x, dim, start, length):
    if hasattr(start, "numpy"):
        start = int(start.numpy())
    dim = dim % x.ndim
    start = start + x.shape[dim] if start < 0 else start
    return x[(*(slice(None),) * dim, slice(start, start + length))]


def select(x, dim, index):
    return x[(*(slice(None),) * (dim % x.ndim), index)]


def unfold(x, dim, size, step):
    if not x.ndim:
        return dg.reshape(x, (1,))[:size]
    dim = dim % x.ndim
    starts = np.arange(0, x.shape[dim] - size + 1, step)
    windows = x[(*(slice(None),) * dim, starts[:, None] + np.arange(size))]
    return dg.moveaxis(windows, dim + 1, -1)


def topk(x, k, dim=-1, largest=True, sorted=True):
    if not x.ndim:
        return x, dg.positions(dg.reshape(x, (1,)), axis=0)[0]
    return dg.topk(x, k, dim, largest)


def sort(x, dim=-1, descending=False, stable=False):
    if not x.ndim:
        return x, dg.positions(dg.reshape(x, (1,)), axis=0)[0]
    order = dg.argsort(x, axis=dim, descending=descending)
    return dg.take_along_axis(x, order, axis=dim), order


def linspace(start, end, steps, *, dtype=None, **rest):
    if hasattr(start, "numpy") or hasattr(end, "numpy"):
        start, end = (float(v.numpy()) if hasattr(v, "numpy") else v for v in (start, end))
    return dg.linspace(start, end, steps, np.float32 if dtype is None else dtype)


def full_like(x, value, *, dtype=None, **rest):
    return dg.full_like(typed(x, dtype), value)


def fill(x, value):
    return dg.zeros_like(x) + value


def renorm(x, p, dim, maxnorm):
    axes = tuple(i for i in range(x.ndim) if i != dim % x.ndim)
    size = dg.norm(x, ord=p, axis=axes, keepdims=True)
    return x * dg.where(size > maxnorm, maxnorm / (size + 1e-7), 1.0)


def ndim_or(x, function):
    return function(x) if x.ndim else x


def diff(x, n=1, dim=-1, prepend=None, append=None):
    parts = [part for part in (prepend, x, append) if part is not None]
    x = dg.concatenate(parts, dim) if len(parts) > 1 else x
    first = (slice(None),) * (dim % x.ndim)
    for _ in range(n):
        x = x[(*first, slice(1, None))] - x[(*first, slice(None, -1))]
    return x


OPINFO: dict[str, Any] = {
    # ---- element by element
    "abs": dg.absolute,
    "acos": dg.arccos,
    "acosh": dg.arccosh,
    "add": add,
    "addcdiv": addcdiv,
    "addcmul": addcmul,
    "asin": dg.arcsin,
    "asinh": dg.arcsinh,
    "atan": dg.arctan,
    "atan2": dg.arctan2,
    "atanh": dg.arctanh,
    "bucketize": bucketize,
    "ceil": dg.ceil,
    "clamp": clamp,
    "clamp_max": lambda x, high: dg.clip(x, None, high),
    "clamp_min": lambda x, low: dg.clip(x, low),
    "clone": lambda x, **rest: dg.identity(x),
    "copysign": dg.copysign,
    "cos": dg.cos,
    "cosh": dg.cosh,
    "deg2rad": lambda x: x * (math.pi / 180),
    "div.floor_rounding": divide,
    "div.no_rounding_mode": divide,
    "div.trunc_rounding": divide,
    "eq": dg.equal,
    "erf": dg.erf,
    "erfc": dg.erfc,
    "exp": dg.exp,
    "exp2": dg.exp2,
    "expm1": dg.expm1,
    "fill": fill,
    "floor": dg.floor,
    "floor_divide": dg.floor_divide,
    "fmax": chosen_number(dg.greater_equal),
    "fmin": chosen_number(dg.less_equal),
    "fmod": dg.fmod,
    "frac": lambda x: x - dg.trunc(x),
    "full_like": full_like,
    "ge": dg.greater_equal,
    "gt": dg.greater,
    "heaviside": heaviside,
    "hypot": dg.hypot,
    "isfinite": dg.isfinite,
    "isinf": dg.isinf,
    "isnan": dg.isnan,
    "le": dg.less_equal,
    "lerp": lambda a, b, weight: a + weight * (b - a),
    "log": dg.log,
    "log10": dg.log10,
    "log1p": dg.log1p,
    "log2": dg.log2,
    "logaddexp": dg.logaddexp,
    "logaddexp2": lambda a, b: dg.logaddexp(a * math.log(2), b * math.log(2)) / math.log(2),
    "logical_and": lambda a, b: dg.logical_and(a != 0, b != 0),
    "logical_not": lambda x: x == 0,
    "logical_or": lambda a, b: dg.logical_or(a != 0, b != 0),
    "logical_xor": dg.logical_xor,
    "logit": logit,
    "lt": dg.less,
    "max.binary": dg.maximum,
    "maximum": dg.maximum,
    "min.binary": dg.minimum,
    "minimum": dg.minimum,
    "mul": dg.multiply,
    "nan_to_num": nan_to_num,
    "ne": dg.not_equal,
    "neg": dg.negative,
    "ones_like": lambda x, *, dtype=None, **rest: dg.ones_like(typed(x, dtype)),
    "positive": lambda x: +x,
    "pow": sgn_power,
    "rad2deg": lambda x: x * (180 / math.pi),
    "reciprocal": dg.reciprocal,
    "remainder": dg.remainder,
    "round": dg.round,
    "rsqrt": dg.rsqrt,
    "rsub": lambda a, b, *, alpha=1: b - a * alpha,
    "sgn": dg.sign,
    "sigmoid": dg.sigmoid,
    "sign": dg.sign,
    "sin": dg.sin,
    "sinc": dg.sinc,
    "sinh": dg.sinh,
    "sqrt": dg.sqrt,
    "square": dg.square,
    "sub": sub,
    "tan": dg.tan,
    "tanh": dg.tanh,
    "trunc": dg.trunc,
    "where": lambda x, condition, other: dg.where(condition, x, other),
    "xlogy": dg.xlogy,
    "zeros_like": lambda x, *, dtype=None, **rest: dg.zeros_like(typed(x, dtype)),
    # ---- reductions
    "all": every(dg.all),
    "amax": extreme(dg.max),
    "amin": extreme(dg.min),
    "any": every(dg.any),
    "argmax": place_of(dg.argmax),
    "argmin": place_of(dg.argmin),
    "cumprod": running(dg.cumprod),
    "cumsum": running(dg.cumsum),
    "dist": lambda a, b, p=2: dg.norm(a - b, ord=p),
    "linalg.vector_norm": vector_norm,
    "logcumsumexp": logcumsumexp,
    "logsumexp": reduction(dg.logsumexp),
    "max.reduction_no_dim": dg.max,
    "max.reduction_with_dim": extreme_along(dg.argmax),
    "mean": mean,
    "median": median,
    "min.reduction_no_dim": dg.min,
    "min.reduction_with_dim": extreme_along(dg.argmin),
    "nanmean": nanmean,
    "nansum": nansum,
    "norm": norm,
    "prod": reduction(dg.prod),
    "renorm": renorm,
    "std": spread(dg.std),
    "std_mean": spread(dg.std, with_mean=True),
    "sum": total,
    "trace": dg.trace,
    "trapezoid": trapezoid,
    "var": spread(dg.var),
    "var_mean": spread(dg.var, with_mean=True),
    # ---- products
    "addbmm": addbmm,
    "addmm": addmm,
    "addmv": addmm,
    "addr": addr,
    "baddbmm": addmm,
    "bmm": dg.matmul,
    "corrcoef": corrcoef,
    "cov": cov,
    "cross": cross,
    "dot": dg.matmul,
    "einsum": einsum,
    "inner": dg.inner,
    "kron": dg.kron,
    "linalg.multi_dot": multi_dot,
    "matmul": dg.matmul,
    "mm": dg.matmul,
    "mv": dg.matmul,
    "outer": dg.outer,
    "tensordot": tensordot,
    # ---- shapes
    "T": lambda x: x.T,
    "atleast_1d": at_least(1),
    "atleast_2d": at_least(2),
    "atleast_3d": at_least(3),
    "broadcast_to": lambda x, shape: dg.broadcast_to(x, shape=tuple(shape)),
    "cat": cat,
    "chunk": lambda x, chunks, dim=0: tuple(dg.chunk(x, chunks, dim)),
    "column_stack": column_stack,
    "diag": lambda x, diagonal=0: dg.diag(x, diagonal),
    "diag_embed": diag_embed,
    "diagonal": lambda x, offset=0, dim1=0, dim2=1: dg.diagonal(x, offset, dim1, dim2),
    "diff": diff,
    "dstack": lambda xs: dg.concatenate([wide(x, 3) for x in xs], 2),
    "expand": expand,
    "expand_as": lambda x, other: dg.broadcast_like(x, other),
    "flatten": flatten,
    "flip": lambda x, *axes: dg.flip(x, dims(axes)),
    "fliplr": lambda x: dg.flip(x, 1),
    "flipud": lambda x: dg.flip(x, 0),
    "hstack": hstack,
    "linalg.diagonal": lambda x, *, offset=0, dim1=-2, dim2=-1: dg.diagonal(x, offset, dim1, dim2),
    "linspace": linspace,
    "mT": lambda x: x.mT,
    "meshgrid.list_of_tensors": meshgrid,
    "movedim": lambda x, source, destination: dg.moveaxis(x, source, destination),
    "permute": permute,
    "ravel": lambda x: dg.reshape(x, (-1,)),
    "repeat": repeat,
    "repeat_interleave": repeat_interleave,
    "reshape": reshape,
    "roll": roll,
    "rot90": rot90,
    "split": split,
    "squeeze": squeeze,
    "stack": lambda xs, dim=0: dg.stack(list(xs), dim),
    "sum_to_size": sum_to_size,
    "t": lambda x: x.T,
    "tensor_split": tensor_split,
    "tile": tile,
    "transpose": transpose,
    "tril": lambda x, diagonal=0: dg.tril(x, diagonal),
    "triu": lambda x, diagonal=0: dg.triu(x, diagonal),
    "unbind": lambda x, dim=0: tuple(dg.unstack(dg.moveaxis(x, dim, 0))),
    "unflatten": unflatten,
    "unsqueeze": unsqueeze,
    "view": reshape,
    "vsplit": vsplit,
    "vstack": lambda xs: dg.concatenate([wide(x, 2) for x in xs], 0),
    # ---- picking, placing, sorting
    "argsort": lambda x, dim=-1, descending=False, stable=False: sort(x, dim, descending)[1],
    "gather": gather,
    "index_add": index_add,
    "index_copy": index_copy,
    "index_fill": index_fill,
    "index_put": index_put,
    "index_select": index_select,
    "kthvalue": kthvalue,
    "masked_fill": lambda x, mask, value: dg.masked_fill(x, mask, value),
    "masked_scatter": masked_scatter,
    "masked_select": lambda x, mask: dg.masked_select(x, mask),
    "msort": lambda x: dg.sort(x, axis=0),
    "narrow": narrow,
    "scatter": scatter,
    "scatter_add": scatter_add,
    "select": select,
    "sort": sort,
    "take": take,
    "take_along_dim": lambda x, index, dim=None: (
        take(x, dg.reshape(index, (-1,))) if dim is None else dg.take_along_axis(x, index, axis=dim)
    ),
    "topk": topk,
    "unfold": unfold,
    **NETWORK,
}
