"""The values of a graph that no operation computes: feeds, constants, variables, assignments.

The first half of the lowering; the operations are in `lowering.py`.  What is assigned to lies in
stores: flat memory, in the order in which some concatenation joins the parameters, so that an
optimiser that updates them as one row has nothing to copy.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from dlgraph.core.graph import Graph
from dlgraph.core.node import Record
from dlgraph.core.primitive import Primitive
from dlgraph.executors import layout
from dlgraph.executors.draft import Draft, NoPlan, Retry
from dlgraph.executors.plan import Instruction, Place, Slot, strides_of


class Fed(NamedTuple):
    """Shape and strides of a fed array."""

    shape: tuple[int, ...]
    strides: tuple[int, ...]


class Leaves:
    """One attempt to lower a graph; `copied` and `loose` are what earlier attempts taught."""

    def __init__(
        self,
        graph: Graph,
        fetches: tuple[int, ...],
        feeds: dict[int, Fed],
        flatten: bool,
        copied: set[int],
        loose: set[int],
    ):
        self.draft = Draft(graph, fetches)
        self.feeds, self.flatten, self.copied, self.loose = feeds, flatten, copied, loose
        self.held: Any = (np.ndarray, np.generic)  # the types of the arrays of variables
        self.dummies = layout.Dummies()
        self.specs: dict[int, Any] = {}
        self.variables: dict[int, Place] = {}  # of tensors that are only read, by id

    # ---- values that no operation computes
    def _place_feed(self, index: int, fed: Fed) -> None:
        dtype = self.draft.graph.records[index].spec.dtype
        size = int(np.prod(fed.shape, dtype=np.int64)) * dtype.itemsize
        root = self.draft.root("feed", size, index, index)
        self.draft.places[index] = Place(root.number, 0, fed.shape, fed.strides, dtype)

    def _leaf(self, index: int, record: Record, spec: Any) -> Place | None:
        name = record.primitive.name
        if name == "constant":
            return self._constant(index, record.attrs["value"])
        if name == "placeholder" and record.attrs["default"] is not None:
            return self._variable(index, record, record.attrs["default"])
        if name == "variable":
            return self._variable(index, record, record.attrs["tensor"])
        return None

    def _constant(self, index: int, value: Any) -> Place:
        if not isinstance(value, np.ndarray):
            raise NoPlan("a constant that is no NumPy array")
        root = self.draft.root("constant", value.nbytes, value, index)
        return Place(root.number, 0, value.shape, value.strides, value.dtype)

    def _variable(self, index: int, record: Record, tensor: Any) -> Place:
        slot = self.draft.slots.get(id(tensor))
        if slot is not None:
            return self._version(index, record, tensor, slot)
        if id(tensor) in self.loose:
            made: Any = self._made(index, record.primitive, record.attrs, [], record.spec)
            return made
        place = self.variables.get(id(tensor))
        if place is None:
            data = tensor._data
            if not isinstance(data, self.held):
                raise NoPlan("a variable that is no NumPy array", passing=True)
            root = self.draft.root("variable", data.nbytes, tensor, index)
            place = Place(root.number, 0, data.shape, data.strides, data.dtype)
            self.variables[id(tensor)] = place
        else:
            self.draft.roots[place.buffer].records.append(index)
        return place

    def _version(self, index: int, record: Record, tensor: Any, slot: Place) -> Place:
        """The value that a tensor of a store has at this point of the run."""
        place = self._slots_root(index, [tensor], slot)
        self._step(index, record.primitive, record.attrs, (), place, "view")
        return self._kept(index, record, place)

    def _slots_root(self, index: int, tensors: list[Any], slot: Place) -> Place:
        root = self.draft.root("slots", slot.bytes, [id(t) for t in tensors], index)
        root.parent, root.shift = self.draft.roots[slot.buffer], slot.offset
        return slot._replace(buffer=root.number, offset=0)

    def _made(self, index: int, primitive: Any, attrs: dict, inputs: list, spec: Any) -> Any:
        raise NotImplementedError  # see `lowering.py`

    # ---- stores: the memory of what is assigned to
    def _lay_out_stores(self, order: list[int]) -> None:
        records = self.draft.graph.records
        assigned = {
            id(records[i].attrs["tensor"]): records[i].attrs["tensor"]
            for i in order
            if records[i].primitive.name == "assign"
        }
        wanted = [t for rows in _rows_of_variables(records, order) for t in rows]
        tensors = {id(t): t for t in wanted if id(t) in assigned} | assigned
        for key, tensor in tensors.items():
            if key in self.loose:
                continue
            data = tensor._data
            if not isinstance(data, self.held):
                raise NoPlan("a variable that is no NumPy array", passing=True)
            if not layout.contiguous(data.shape, data.strides, data.dtype.itemsize):
                self.loose.add(key)
                continue
            store = self.draft.stores.get(data.dtype)
            if store is None:
                store = self.draft.stores[data.dtype] = self.draft.root("parameter", 0, [])
            slot = Slot(tensor, store.size, data.shape, data.dtype)
            store.source.append(slot)
            strides = strides_of(data.shape, data.dtype.itemsize)
            self.draft.slots[key] = Place(
                store.number, slot.offset, data.shape, strides, data.dtype
            )
            store.size += data.nbytes

    def _assign(self, index: int, record: Record, value: Place | None) -> Place:
        tensor = record.attrs["tensor"]
        slot = self.draft.slots.get(id(tensor))
        if value is None or (value.known and value.shape != tensor._spec_shape()):
            raise NoPlan("an assignment that does not fit")
        if slot is None:
            root = self.draft.root("made", value.bytes, index, index)
            out = Place(root.number, 0, value.shape, None, value.dtype)
        elif value.known and not dense(value):
            raise Retry(set(), {id(tensor)})
        else:
            out = self._slots_root(index, [tensor], slot)
        self._step(index, record.primitive, record.attrs, (None, value), out, "effect")
        return self._kept(index, record, out)

    def _kept(self, index: int, record: Record, place: Place) -> Place:
        """The place, or a copy if it will be read after the next assignment."""
        if index not in self.copied:
            return place
        out = self._arena(index, place.shape, place.strides, place.dtype)
        return self._step(index, record.primitive, record.attrs, (place,), out, "copy")

    # ---- helpers
    def _arena(self, index: int, shape: tuple, strides: Any, dtype: np.dtype) -> Place:
        size = math.prod(shape) * dtype.itemsize
        found = strides_of(shape, dtype.itemsize) if strides is None else tuple(strides)
        if strides is not None and size:  # there may be gaps
            steps = ((n - 1) * abs(s) for n, s in zip(shape, found, strict=True))
            size = sum(steps, dtype.itemsize)
        root = self.draft.root("arena", size, None, index)
        return Place(root.number, 0, tuple(shape), found, dtype)

    def _step(
        self,
        index: int,
        primitive: Primitive,
        attrs: dict[str, Any],
        inputs: tuple,
        output: Place | None,
        kind: str,
        scratch: tuple = (),
        facts: tuple[str, ...] = (),
    ) -> Any:
        self.draft.steps.append(
            Instruction(index, primitive, attrs, inputs, output, kind, None, scratch, facts)
        )
        return output

    def _data(self, primitive: Primitive, inputs: list) -> list[Place]:
        skipped = primitive.shape_only + primitive.unused
        return [p for p, name in named(primitive, inputs) if p is not None and name not in skipped]

    def _dummy(self, place: Place) -> np.ndarray:
        return self.dummies.array(place, self.draft.roots[place.buffer].size)


def named(primitive: Primitive, inputs: list) -> list[tuple[Any, str]]:
    if primitive.variadic:
        return [(p, primitive.inputs[0]) for p in inputs]
    return list(zip(inputs, primitive.inputs, strict=False))


def dense(place: Place) -> bool:
    return layout.contiguous(place.shape, place.strides or (), place.dtype.itemsize)


def _rows_of_variables(records: list[Record], order: list[int]) -> list[list[Any]]:
    """The tensors that some concatenation joins, whole and in this order."""
    source: dict[int, Any] = {}
    rows = []
    for index in order:
        record = records[index]
        name = record.primitive.name
        if name == "variable":
            source[index] = record.attrs["tensor"]
        elif name in ("reshape", "reshape_like") and record.inputs[0] in source:
            source[index] = source[record.inputs[0]]
        elif name == "concatenate" and all(i in source for i in record.inputs):
            rows.append([source[i] for i in record.inputs])
    return rows
