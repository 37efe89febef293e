"""What a sample is, how its numbers are made, and its other forms: dtypes and memory layouts."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np


class Sample(NamedTuple):
    arrays: tuple[np.ndarray, ...]
    attrs: dict[str, Any]
    known_sizes_only: bool = False  # it means nothing without the sizes

    def __str__(self) -> str:
        shapes = " ".join(str(a.shape).replace(" ", "") for a in self.arrays)
        attrs = " ".join(f"{k}={v}" for k, v in self.attrs.items())
        return f"{shapes} {attrs}".strip()


class Entry(NamedTuple):
    reference: Callable[..., Any] | None
    samples: tuple[Sample, ...]


def s(*arrays: Any, known_sizes_only: bool = False, **attrs: Any) -> Sample:
    return Sample(tuple(np.asarray(a) for a in arrays), attrs, known_sizes_only)


def entry(reference: Callable[..., Any] | None, *samples: Sample) -> Entry:
    return Entry(reference, samples)


def v(*shape: int, low: float = -2.0, high: float = 2.0, seed: int = 0) -> np.ndarray:
    """Different numbers of both signs, away from 0, where many functions have a kink."""
    rng = np.random.default_rng([seed, *shape])
    x = rng.uniform(low, high, shape)
    return x + np.copysign(0.05, x)


def w(*shape: int, **options: Any) -> np.ndarray:
    """Other numbers than `v`."""
    return v(*shape, seed=1, **options)


def positive(*shape: int, seed: int = 0) -> np.ndarray:
    return v(*shape, low=0.2, high=3.0, seed=seed)


def unary(make: Callable[..., np.ndarray] = v) -> tuple[Sample, ...]:
    return tuple(s(make(*shape)) for shape in [(), (1,), (5,), (2, 3), (2, 1, 3), (0, 3)])


PAIRS = [
    ((), ()),
    ((3,), ()),
    ((2, 3), (2, 3)),
    ((2, 3), (3,)),
    ((2, 1), (1, 3)),
    ((1,), (4,)),
    ((2, 1, 3), (4, 1)),
    ((1, 1), (1,)),
    ((0, 3), (3,)),
]


def binary(
    first: Callable[..., np.ndarray] = v, second: Callable[..., np.ndarray] = w
) -> tuple[Sample, ...]:
    return tuple(s(first(*a), second(*b)) for a, b in PAIRS)


def reduced() -> tuple[Sample, ...]:
    return (
        s(v()),
        s(v(4)),
        s(v(4), axis=0, keepdims=True),
        s(v(2, 3)),
        s(v(2, 3), axis=0),
        s(v(2, 3), axis=-1),
        s(v(2, 3), keepdims=True),
        s(v(2, 3, 2), axis=(0, 2)),
        s(v(2, 3, 2), axis=(-1, 0), keepdims=True),
        s(v(2, 3), axis=()),
        s(v(2, 1), axis=1),
        s(v(0, 3), axis=1),
    )


def compared() -> tuple[Sample, ...]:
    ties = np.array([1.0, -2.0, 0.5])
    return (*binary(), s(ties, np.array([1.0, 2.0, 0.5])))


def boolean(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng([seed, *shape]).random(shape) < 0.5


# ---- other forms of a sample ---------------------------------------------------------------------


def is_real(array: np.ndarray) -> bool:
    """Is this one of the arrays that a gradient is taken of?"""
    return array.dtype == np.float64


def in_dtype(sample: Sample, dtype: Any) -> Sample:
    """The sample with its real arrays in another dtype; for integers rounded away from 0."""

    def convert(array: np.ndarray) -> np.ndarray:
        if not is_real(array):
            return array
        if np.dtype(dtype).kind == "f":
            return array.astype(dtype)
        whole = np.ceil(np.abs(array)) * (1 if np.dtype(dtype).kind == "u" else np.sign(array))
        return whole.astype(dtype)

    return sample._replace(arrays=tuple(convert(a) for a in sample.arrays))


def laid_out(sample: Sample, how: str) -> Sample:
    """The same values at other places in memory."""

    def move(array: np.ndarray) -> np.ndarray:
        if array.ndim == 0:
            return array
        if how == "fortran":
            return np.asfortranarray(array)
        if how == "reversed":
            return np.flip(np.flip(array).copy())
        spread = np.zeros((*array.shape[:-1], 2 * array.shape[-1]), array.dtype)
        spread[..., ::2] = array
        return spread[..., ::2]

    return sample._replace(arrays=tuple(move(a) for a in sample.arrays))


LAYOUTS = ("fortran", "reversed", "strided")


def has_elements(sample: Sample) -> bool:
    return all(math.prod(a.shape) for a in sample.arrays)
