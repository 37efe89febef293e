"""Operations that NumPy does not have, written from their definitions and not for speed."""

from __future__ import annotations

from typing import Any

import numpy as np

from dlgraph.ops.index import At
from dlgraph.ops.shape import SizeOf


def reshape(x: np.ndarray, shape: tuple) -> np.ndarray:
    return x.reshape([x.shape[size.axis] if isinstance(size, SizeOf) else size for size in shape])


def log_softmax(x: np.ndarray, axis: int = -1) -> np.ndarray:
    return x - logsumexp(x, axis, True)


def logsumexp(x: np.ndarray, axis: Any = None, keepdims: bool = False) -> np.ndarray:
    return np.log(np.sum(np.exp(x), axis=axis, keepdims=keepdims))


def expand(y: np.ndarray, like: np.ndarray, axis: Any = None, keepdims: bool = False) -> np.ndarray:
    shape = like.sum(axis=axis, keepdims=True).shape
    return np.broadcast_to(y.reshape(shape), like.shape)


def sum_like(x: np.ndarray, like: np.ndarray) -> np.ndarray:
    # The transpose of broadcasting, element by element.
    result = np.zeros(like.shape, x.dtype)
    places = np.broadcast_to(np.arange(like.size).reshape(like.shape), x.shape)
    for place, value in zip(places.ravel(), x.ravel(), strict=True):
        result.ravel()[place] += value
    return result


def gather(x: np.ndarray, *arrays: np.ndarray, index: tuple) -> np.ndarray:
    return x[tuple(arrays[e.number] if isinstance(e, At) else e for e in index)]


def scatter(x: np.ndarray, like: np.ndarray, index: tuple) -> np.ndarray:
    return scatter_add(x, like, index=index)


def scatter_add(x: np.ndarray, like: np.ndarray, *arrays: np.ndarray, index: tuple) -> np.ndarray:
    # Which element of `like` each element of `x` belongs to, then one after the other.
    result = np.zeros(like.shape, x.dtype)
    places = gather(np.arange(like.size).reshape(like.shape), *arrays, index=index)
    for place, value in zip(np.ravel(places), np.ravel(x), strict=True):
        result.ravel()[place] += value
    return result


def put_along(x: np.ndarray, like: np.ndarray, indices: np.ndarray, axis: int) -> np.ndarray:
    result = np.zeros(like.shape, x.dtype)
    for place in np.ndindex(indices.shape):
        target = list(place)
        target[axis] = indices[place]
        result[tuple(target)] += x[place]
    return result


def softmax(x: np.ndarray, axis: int = -1) -> np.ndarray:
    return np.exp(log_softmax(x, axis))


def cross_entropy(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    chosen = np.take_along_axis(log_softmax(logits), labels[..., None], -1)
    return -chosen[..., 0]


def cross_entropy_from_sums(z: np.ndarray, sums: np.ndarray, labels: np.ndarray) -> np.ndarray:
    return np.log(sums) - np.take_along_axis(z, labels[..., None], -1)[..., 0]


def negative_log_likelihood(log_p: np.ndarray, labels: np.ndarray) -> np.ndarray:
    return -np.take_along_axis(log_p, labels[..., None], -1)[..., 0]


def minus_one_hot(p: np.ndarray, labels: np.ndarray) -> np.ndarray:
    return p - np.eye(p.shape[-1], dtype=p.dtype)[labels]
