"""How NumPy would lay out a result, found without computing it.

The last bits of a sum depend on the order of the memory it goes through.  So that a plan gives the
same bits as the interpreter, each planned array is laid out as NumPy itself would have done.
Next: `memory.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from dlgraph.core.spec import normalise_axes
from dlgraph.executors.plan import Place, strides_of

_FLAGS: Any = ["zerosize_ok", "refs_ok", "external_loop"]
_READ = ["readonly"]
_MADE = ["writeonly", "allocate", "no_subtype"]


class Dummies:
    """Arrays with the layout of planned values but without their memory: nothing reads them."""

    def __init__(self) -> None:
        self._memory = np.zeros(64, np.uint8)
        self._start = 0  # where buffers begin: constants may also go backwards from there

    def array(self, place: Place, size: int) -> np.ndarray:
        """An array laid out like this place of a buffer of `size` bytes."""
        assert place.strides is not None
        steps = [(n - 1) * s for n, s in zip(place.shape, place.strides, strict=True) if n]
        before = -place.offset - sum(step for step in steps if step < 0)
        behind = place.offset + sum(step for step in steps if step > 0) + place.dtype.itemsize
        if before > self._start or max(behind, size) > self._memory.size - self._start:
            self._start = max(self._start, before)
            self._memory = np.zeros(self._start + 2 * max(behind, size), np.uint8)
        at = self._start + place.offset
        return np.ndarray(place.shape, place.dtype, self._memory, at, place.strides)

    def place_of(self, array: np.ndarray, buffer: int) -> Place | None:
        """Where in the buffer an array lies that was made from a dummy; None if it is new."""
        start = self._memory.__array_interface__["data"][0]
        at = array.__array_interface__["data"][0] - start
        if not array.size or not 0 <= at < self._memory.size:
            return None
        return Place(buffer, at - self._start, array.shape, array.strides, array.dtype)


def contiguous(shape: Sequence[int], strides: Sequence[int], itemsize: int) -> bool:
    """Do the elements lie in the order of their indices?  Axes of size 1 do not matter."""
    if 0 in shape:
        return True
    pairs = zip(shape, strides, strides_of(shape, itemsize), strict=True)
    return all(size == 1 or stride == usual for size, stride, usual in pairs)


def alike(strides: Sequence[int], place: Place) -> bool:
    """Does an array with these strides lie in memory as the place does?"""
    if 0 in place.shape:
        return True
    pairs = zip(place.shape, strides, _strides(place), strict=True)
    return all(size == 1 or a == b for size, a, b in pairs)


def elementwise(places: Sequence[Place], shape: tuple[int, ...], dtype: np.dtype) -> tuple:
    """The strides of the result of an element-wise operation on these."""
    if all(
        not p.shape or (p.shape == shape and contiguous(p.shape, _strides(p), p.dtype.itemsize))
        for p in places
    ):
        return strides_of(shape, dtype.itemsize)
    flags = [_READ] * len(places) + [_MADE]
    dtypes = [None] * len(places) + [dtype]
    operands = [*(_empty(p) for p in places), None]
    walk = np.nditer(operands, _FLAGS, flags, op_dtypes=dtypes, casting="unsafe")  # type: ignore
    return walk.operands[-1].strides


def product(a: Place, b: Place, shape: tuple[int, ...], dtype: np.dtype) -> tuple:
    """The strides of a product: matrices row by row, a stack of them in the order of the operands.

    >>> from dlgraph.executors.layout import product
    >>> from dlgraph.executors.plan import Place
    >>> turned = Place(0, 0, (2, 3, 5, 5), (100, 200, 20, 4), np.dtype("float32"))
    >>> product(turned, turned, (2, 3, 5, 5), np.dtype("float32"))
    (100, 200, 20, 4)
    """
    stack = stack_of(a, b, shape)
    if stack < 2 or 0 in shape:
        return strides_of(shape, dtype.itemsize)
    axes = []
    for place in (a, b):
        own = max(len(place.shape) - 2, 0)  # the last axes of the stack; a missing one is -1
        axes.append([-1] * (stack - own) + [*range(own)] + [-1] * (len(shape) - stack))
    walk = np.nditer(
        [_empty(a), _empty(b), None],
        _FLAGS,
        [_READ, _READ, _MADE],
        op_dtypes=[None, None, dtype],
        casting="unsafe",
        op_axes=[*axes, list(range(len(shape)))],
        itershape=shape,
    )  # type: ignore[call-overload]
    return walk.operands[2].strides


def stack_of(a: Place, b: Place, shape: Sequence[int]) -> int:
    """How many axes of a product of this shape count matrices."""
    return len(shape) - (len(a.shape) > 1) - (len(b.shape) > 1)


def reduced(place: Place, axis: Any, keepdims: bool, dtype: np.dtype) -> tuple:
    """The strides of what `reduce` over these axes gives."""
    axes = set(normalise_axes(axis, len(place.shape)))
    shape = tuple(1 if i in axes else size for i, size in enumerate(place.shape))
    strides = strides_of(shape, dtype.itemsize)
    if not contiguous(place.shape, _strides(place), place.dtype.itemsize) and 0 not in place.shape:
        kept = [-1 if i in axes else n for i, n in enumerate(_numbered(shape, axes))]
        flags = ["reduce_ok", "external_loop", "refs_ok"]
        made = [_READ, ["readwrite", "allocate", "no_subtype"]]
        order = list(range(len(shape)))
        walk = np.nditer(  # type: ignore[call-overload]
            [_empty(place), None], flags, made, [None, dtype], "K", "unsafe", [order, kept]
        )
        found = iter(walk.operands[1].strides)
        strides = tuple(0 if i in axes else next(found) for i in range(len(shape)))
    return strides if keepdims else tuple(s for i, s in enumerate(strides) if i not in axes)


def are_rows(index: tuple, places: Sequence[Place]) -> bool:
    """Does one array pick whole rows of a table?  NumPy puts those one behind the other."""
    whole = all(p.contiguous for p in places) and places[-1].dtype.kind in "iu"
    return whole and len(places) == 2 and len(index) == 1 and len(places[1].shape) > 0


def _numbered(shape: Sequence[int], axes: set[int]) -> list[int]:
    """The position of every kept axis among the kept ones."""
    return [sum(k not in axes for k in range(i)) for i in range(len(shape))]


def _strides(place: Place) -> tuple[int, ...]:
    assert place.strides is not None
    return place.strides


def _empty(place: Place) -> np.ndarray:
    # The iterator looks at shapes and strides only; one element of memory serves them all.
    return np.lib.stride_tricks.as_strided(
        np.empty((), place.dtype), place.shape, place.strides, writeable=False
    )
