"""Stores: flat memory for the tensors that a plan assigns to.

Values of parameters and of optimiser state lie side by side, so that one call can update them all,
and new values are written over the old ones.  Outside, arrays of tensors are rebound and never
written to; a store keeps that promise by copying first: before a run that writes, it looks whether
anybody else holds one of its arrays, and if so it moves to new memory and leaves the old to them.

A store gives its tensors views of one array (`public`) and plans views of another one on the same
memory (`private`).  So the number of references to the public ones tells who else holds them.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Sequence
from sys import getrefcount
from typing import Any

import numpy as np

from dlgraph.core.tensor import tick
from dlgraph.executors.plan import Slot, strides_of

_STORES: weakref.WeakValueDictionary[int, Store] = weakref.WeakValueDictionary()


def store_of(data: Any) -> Store | None:
    """The store that an array of a tensor lies in, None if it has memory of its own."""
    base = getattr(data, "base", None)
    return None if base is None else _STORES.get(id(base))


def store_for(slots: Sequence[Slot], size: int) -> Store:
    """The store with these slots: that of another plan, or a new one that takes the values over."""
    held = store_of(slots[0].tensor._data)
    if held is not None and held.holds(slots):
        return held
    return Store(slots, size)


class Store:
    """The memory of some tensors, side by side."""

    def __init__(self, slots: Sequence[Slot], size: int):
        self.slots, self.size = tuple(slots), size
        self.tensors = [slot.tensor for slot in slots]
        self.lock = threading.RLock()
        self.generation = 0
        self.private: np.ndarray
        self.public: np.ndarray
        self.views: list[np.ndarray] = []
        self._move()

    def holds(self, slots: Sequence[Slot]) -> bool:
        """Are these exactly the slots of this store?"""
        return len(slots) == len(self.slots) and all(
            a.tensor is b.tensor and a[1:] == b[1:] for a, b in zip(slots, self.slots, strict=True)
        )

    def prepare(self) -> None:
        """Before a run that writes: all values are here, and nobody else holds them."""
        views, now = self.views, tick()
        # Counted before the loop, whose variable would be one reference more.
        here = [*map(getrefcount, views)] == self._usual and getrefcount(self.public) == self._alone
        for tensor, view in zip(self.tensors, views, strict=True):
            if tensor._data is not view:
                here = False
            tensor._changed = now
        if not here:
            del view
            self._settle()

    def _settle(self) -> None:
        """Take back what was assigned from outside, or move if somebody holds an array."""
        views = self.views
        for k, tensor in enumerate(self.tensors):
            if tensor._data is not views[k]:
                held = getrefcount(views[k]) > _ALONE_IN_LIST
                if held or np.shares_memory(tensor._data, self.public):
                    return self._move()
                np.copyto(views[k], tensor._data)
                tensor._data = views[k]
        if [*map(getrefcount, views)] != self._usual or getrefcount(self.public) != self._alone:
            self._move()
        return None

    def _move(self) -> None:
        raw = np.empty(self.size + 64, np.uint8)
        start = -raw.__array_interface__["data"][0] % 64
        private = _bytes_of(raw)[start : start + self.size]
        public = _bytes_of(raw)
        made = []
        for tensor, offset, shape, dtype in self.slots:
            strides = strides_of(shape, dtype.itemsize)
            view = np.ndarray(shape, dtype, public, start + offset, strides)
            view[...] = tensor._data
            made.append(view)
        for tensor, view in zip(self.tensors, made, strict=True):
            tensor._data = view
        _STORES.pop(id(getattr(self, "public", None)), None)
        self.private, self.public, self.views = private, public, made
        _STORES[id(public)] = self
        self.generation += 1
        del view
        self._usual = [_IN_LIST_AND_TENSOR] * len(made)
        self._alone = len(made) + _ALONE

    def address(self) -> int:
        """Where the memory starts."""
        return self.private.__array_interface__["data"][0]


def _bytes_of(raw: Any) -> np.ndarray:
    """The same memory as an array that is the base of all its views."""
    return np.frombuffer(memoryview(raw), np.uint8)


class _Holder:
    def __init__(self, data: Any):
        self._data = data


def _count_references() -> tuple[int, int, int]:
    # How many references there are when nobody else holds an array, counted the same way.
    base = _bytes_of(np.empty(8, np.uint8))
    store = _Holder(base)
    alone = getrefcount(store._data) - 1  # `base` itself does not exist later
    views = [np.ndarray((4,), np.uint8, base, 0)]
    lonely = next(map(getrefcount, views))
    return alone, lonely, getrefcount(views[0])


_ALONE, _LISTED, _ALONE_IN_LIST = _count_references()
_IN_LIST_AND_TENSOR = _LISTED + 1
