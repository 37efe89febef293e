"""A plan bound to memory: the arrays behind its places.

Values of the arena, parameters and constants are views whose addresses never change; so every array
is made once.  Only what a run brings along (large feeds, results of calls) is looked up while it
runs, in numbered slots.  Next: `calls.py`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from dlgraph.executors.parameters import Store, store_for, store_of
from dlgraph.executors.plan import Place, Plan

COPIED_FEED = 1 << 16  # smaller feeds are copied in: cheaper than looking them up in every call


class Moved(Exception):
    """A variable is not laid out as it was when the plan was made: another plan is needed."""


class _At:
    # A view of any memory, by its address; `base` keeps the memory alive.
    __slots__ = ("__array_interface__", "base")

    def __init__(self, address: int, place: Place, base: Any):
        self.base = base
        self.__array_interface__ = {
            "data": (address + place.offset, False),
            "shape": place.shape,
            "strides": place.strides,
            "typestr": place.dtype.str,
            "version": 3,
        }


class Bound:
    """The memory of one plan: of its arena, of its parameters, of what it only reads."""

    def __init__(self, plan: Plan):
        self.plan = plan
        self.values: list[Any] = []  # what a run brings along: large feeds, results of calls
        self.owned = {
            number: aligned(max(buffer.size, 64))
            for number, buffer in enumerate(plan.buffers)
            if buffer.kind == "arena" or (buffer.kind == "feed" and buffer.size <= COPIED_FEED)
        }
        self._stores = {
            number: store_for(buffer.source, buffer.size)
            for number, buffer in enumerate(plan.buffers)
            if buffer.kind == "parameter"
        }
        self._strides: dict[int, Any] = {}
        self.stores = list({id(store): store for store in self._stores.values()}.values())

    def bind_memory(self) -> None:
        """Find all memory; again whenever the memory of a variable has moved."""
        self._arrays: dict[Place, np.ndarray] = {}
        self._slots: dict[Place, int] = {}
        self._plain: list[tuple[Any, Any]] = []  # variables with memory of their own
        self._shared: list[tuple[Any, Store, int]] = []  # variables in a store
        self.values.clear()
        buffers = self.plan.buffers
        self.memory = [self._memory_of(n, b.kind, b.source) for n, b in enumerate(buffers)]
        stores = {id(s): s for s in (*self.stores, *(s for _, s, _ in self._shared))}
        self._watched = [(store, store.generation) for store in stores.values()]
        # In an order that cannot deadlock.
        self.locks = [stores[key].lock for key in sorted(stores)]

    def is_stale(self) -> bool:
        """Has the memory of a variable moved since?"""
        for store, generation in self._watched:
            if store.generation != generation:
                return True
        for tensor, data in self._plain:
            if tensor._data is not data:
                return True
        return bool(self._shared) and any(t._data is not s.views[k] for t, s, k in self._shared)

    def _memory_of(self, number: int, kind: str, source: Any) -> tuple[int, Any] | None:
        """Where a buffer starts, and what keeps it alive; None if only the run will tell."""
        if number in self.owned:
            return address_of(self.owned[number]), self.owned[number]
        if kind == "parameter":
            store = self._stores[number]
            return store.address(), store.private
        if kind == "constant":
            return address_of(source), source
        return self._memory_of_variable(number, source) if kind == "variable" else None

    def _memory_of_variable(self, number: int, tensor: Any) -> tuple[int, Any]:
        data = tensor._data
        if isinstance(data, np.generic):
            tensor._data = data = np.asarray(data)
        usual = self._strides.setdefault(number, getattr(data, "strides", None))
        if not isinstance(data, np.ndarray) or data.strides != usual:
            raise Moved
        store = store_of(data)
        for k, view in enumerate(store.views if store is not None else ()):
            if view is data and store is not None:
                # By the private side, so that the store does not take this plan for a stranger.
                self._shared.append((tensor, store, k))
                return store.address() + store.slots[k].offset, store.private
        self._plain.append((tensor, data))
        return address_of(data), data

    # ---- places
    def moves(self, place: Place) -> bool:
        """Is its memory known only while it runs?"""
        return self.memory[place.buffer] is None

    def slot(self, place: Place) -> int:
        """The number of the slot in which a run keeps this value."""
        slot = self._slots.get(place)
        if slot is None:
            slot = self._slots[place] = len(self.values)
            self.values.append(None)
        return slot

    def array(self, place: Place) -> np.ndarray:
        """The array that is this place; read-only if it is a constant."""
        found = self._arrays.get(place)
        if found is None:
            memory = self.memory[place.buffer]
            assert memory is not None
            assert place.strides is not None
            if place.buffer in self.owned:
                raw = self.owned[place.buffer]
                found = np.ndarray(place.shape, place.dtype, raw, place.offset, place.strides)
            else:
                found = np.asarray(_At(memory[0], place, memory[1]))
                if self.plan.buffers[place.buffer].kind == "constant":
                    found.flags.writeable = False
            self._arrays[place] = found
        return found


def aligned(size: int) -> np.ndarray:
    """Memory that starts at a cache line."""
    raw = np.empty(size + 64, np.uint8)
    start = -address_of(raw) % 64
    return raw[start : start + size]


def address_of(array: np.ndarray) -> int:
    """Where the first element lies."""
    return array.__array_interface__["data"][0]
