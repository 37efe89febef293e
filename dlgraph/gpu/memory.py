"""The memory of a plan on the device: allocated once, at addresses that never change.

Recorded runs hold addresses.  So feeds are copied into buffers of the plan, small variables that
are on the CPU (a learning rate) into others, and parameters lie in a store that all plans with the
same parameters share.  Read next: `runner.py`.
"""

from __future__ import annotations

import weakref
from sys import getrefcount
from typing import Any

import numpy as np

from dlgraph.core.arrays import beside, device_of
from dlgraph.core.tensor import tick
from dlgraph.executors.draft import NoPlan
from dlgraph.executors.plan import Place, Plan, Slot, strides_of
from dlgraph.gpu.devices import Device, move_in_place
from dlgraph.gpu.driver import Driver

SMALL = 64  # elements of a variable that are copied from the CPU when they change
_STORES: weakref.WeakValueDictionary[tuple, DeviceStore] = weakref.WeakValueDictionary()


class DeviceStore:
    """The tensors that plans assign to, side by side on the device.

    Outside, arrays of tensors are rebound and never written to.  The store keeps that promise by
    looking, before a run that writes, whether anybody else holds one of its arrays; if so it
    moves to new memory and leaves the old to them.
    """

    def __init__(self, driver: Driver, slots: tuple[Slot, ...], size: int):
        self.driver, self.slots, self.size = driver, slots, size
        self.generation = 0
        self.views: list[Any] = []
        self._move()

    def prepare(self) -> None:
        """Before a run: all values are here, and nobody else holds them."""
        for k, slot in enumerate(self.slots):
            tensor = slot.tensor
            if getrefcount(self.views[k]) > _USUAL - (tensor._data is not self.views[k]):
                self._move()
                break
            if tensor._data is not self.views[k]:
                self.views[k][...] = beside(self.driver.xp, tensor._data)
                tensor._data = self.views[k]
        now = tick()
        for slot in self.slots:
            slot.tensor._changed = now

    def _move(self) -> None:
        self.memory = self.driver.empty(max(self.size, 64))
        views = []
        for slot in self.slots:
            steps = strides_of(slot.shape, slot.dtype.itemsize)
            view = self.driver.view(
                self.memory, Place(0, slot.offset, slot.shape, steps, slot.dtype)
            )
            view[...] = beside(self.driver.xp, slot.tensor._data)
            views.append(view)
        self.views = views
        for slot, view in zip(self.slots, views, strict=True):
            slot.tensor._data = view
        self.generation += 1


class _Holder:
    def __init__(self, data: Any):
        self._data = data


def _count_references() -> int:
    # How many there are when the list and the tensor hold an array, counted as `prepare` does.
    views = [object()]
    holder = _Holder(views[0])
    return getrefcount(views[0]) if holder else 0


_USUAL = _count_references()


def store_for(driver: Driver, slots: tuple[Slot, ...], size: int) -> DeviceStore:
    """The store with these slots: that of another plan, or a new one."""
    key = (driver.xp.__name__, *((id(slot.tensor), *slot[1:]) for slot in slots))
    store = _STORES.get(key)
    if store is None:
        store = _STORES[key] = DeviceStore(driver, slots, size)
    return store


class DeviceMemory:
    """The memory behind every buffer of a plan."""

    def __init__(self, plan: Plan, driver: Driver):
        self.plan, self.driver = plan, driver
        self.owned = {
            number: driver.empty(max(buffer.size, 64))
            for number, buffer in enumerate(plan.buffers)
            if buffer.kind in ("arena", "feed")
        }
        self.stores = {
            number: store_for(driver, buffer.source, buffer.size)
            for number, buffer in enumerate(plan.buffers)
            if buffer.kind == "parameter"
        }
        for number, buffer in enumerate(plan.buffers):
            if buffer.kind == "constant":
                self.owned[number] = driver.memory_of(driver.xp.asarray(elements(buffer.source)))
        self.bind()

    def bind(self) -> None:
        """Find all memory; again whenever some has moved."""
        self._views: dict[Place, Any] = {}
        self.memory: list[Any] = []
        self._copied: list[list[Any]] = []  # tensor, the array that was copied, the copy
        self._bound: list[tuple[Any, int]] = []  # tensor, the address of its array
        for number, buffer in enumerate(self.plan.buffers):
            if buffer.kind == "parameter":
                self.memory.append(self.stores[number].memory)
            elif buffer.kind == "variable":
                self.memory.append(self._variable(buffer.source))
            else:
                self.memory.append(self.owned[number])
        self._generations = [store.generation for store in self.stores.values()]

    def _variable(self, tensor: Any) -> Any:
        driver = self.driver
        if device_of(tensor._data) == "cpu" and np.size(tensor._data) <= SMALL:
            # A copy that is its own: what is on the CPU may be a view of something larger.
            copy = driver.xp.asarray(elements(np.array(tensor._data)))
            self._copied.append([tensor, tensor._data, copy])
            return driver.memory_of(copy)
        move_in_place(tensor, Device("gpu"))
        self._bound.append((tensor, driver.address(tensor._data)))
        return driver.memory_of(tensor._data)

    def refresh(self) -> bool:
        """Bring in what changed outside; True if memory has moved and must be bound anew."""
        for store in self.stores.values():
            store.prepare()
        if self._generations != [store.generation for store in self.stores.values()]:
            return True
        for entry in self._copied:
            tensor, last, copy = entry
            if tensor._data is not last:
                if device_of(tensor._data) == "gpu":
                    return True
                copy[...] = self.driver.xp.asarray(elements(np.array(tensor._data)))
                entry[1] = tensor._data
        return any(
            device_of(tensor._data) == "cpu" or self.driver.address(tensor._data) != address
            for tensor, address in self._bound
        )

    def view(self, place: Place) -> Any:
        """The array that is this place."""
        found = self._views.get(place)
        if found is None:
            found = self._views[place] = self.driver.view(self.memory[place.buffer], place)
        return found


def elements(array: Any) -> np.ndarray:
    """The elements as they lie in memory, without those that are only repeated.

    >>> import numpy as np
    >>> from dlgraph.gpu.memory import elements
    >>> elements(np.broadcast_to(np.float32(2), (3, 4))), elements(np.eye(2)).shape
    (array([2.], dtype=float32), (4,))
    """
    array = np.asarray(array)
    steps = zip(array.shape, array.strides, strict=True)
    array = array[tuple(slice(0, 1) if n > 1 and not s else slice(None) for n, s in steps)]
    flat = array.ravel(order="K")
    reach = sum(s * (n - 1) for n, s in zip(array.shape, array.strides, strict=True))
    if any(s < 0 for s in array.strides) or reach + array.itemsize > max(flat.nbytes, 1):
        raise NoPlan("a constant with gaps between its elements")
    return flat
