"""Writers of random numbers and of dropout: what is drawn lies in planned memory.

A generator fills an array that it is given with the numbers that it would have returned.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from dlgraph.core.spec import Spec
from dlgraph.executors import layout
from dlgraph.executors.plan import Place, strides_of
from dlgraph.executors.writers import Calls, Room, in_order, writer
from dlgraph.ops.random import _generator


def _draw(key: Any, out: Any) -> None:
    _generator(key).random(None, out.dtype, out)


def _draw_normal(key: Any, out: Any) -> None:
    _generator(key).standard_normal(None, out.dtype, out)


def _drawable(out: Any) -> bool:
    return bool(out.dtype.char in "fd" and out.flags.c_contiguous)


@writer("random_uniform", in_order)
def _uniform(
    out: Any, key: Any, *, shape: Any, low: float, high: float, dtype: Any, room: Room
) -> Calls | None:
    if not _drawable(out):
        return None
    calls: Calls = [(_draw, (key, out))]
    if low == 0.0 and high == 1.0:
        return calls
    one = out.dtype.type
    return [*calls, (np.multiply, (out, one(high - low), out)), (np.add, (out, one(low), out))]


@writer("random_normal", in_order)
def _normal(
    out: Any, key: Any, *, shape: Any, mean: float, std: float, dtype: Any, room: Room
) -> Calls | None:
    if not _drawable(out):
        return None
    one = out.dtype.type
    return [
        (_draw_normal, (key, out)),
        (np.multiply, (out, one(std), out)),
        (np.add, (out, one(mean), out)),
    ]


def _like_product(places: Sequence[Place], spec: Spec, attrs: dict[str, Any]) -> tuple[int, ...]:
    """As the product of the input and of a mask, the elements of which lie in order."""
    mask = Place(0, 0, spec.shape, strides_of(spec.shape, spec.dtype.itemsize), spec.dtype)
    return layout.elementwise((places[0], mask), spec.shape, spec.dtype)


@writer("drop", _like_product, in_place=(0,))
def _drop(out: Any, x: Any, key: Any, *, rate: float, room: Room) -> Calls | None:
    if x.dtype.kind != "f" or out.dtype != x.dtype:
        return None
    mask, keep = room(x.shape, x.dtype), room(x.shape, np.bool_)
    if x.itemsize < 4:
        numbers = room(x.shape, np.float32)
    else:  # where the mask will be, which is made from `keep` alone
        numbers = mask.reshape(-1).view(np.float32)[: x.size].reshape(x.shape)
    return [
        (_draw, (key, numbers)),
        (np.greater_equal, (numbers, np.float32(rate), keep)),
        (np.multiply, (keep, x.dtype.type(1 / (1 - rate)), mask)),
        (np.multiply, (x, mask, out)),
    ]
