"""Lowering: from a graph to a plan, once the shapes of what is fed are known.

Goes through the records that are needed, in order, and decides for each what runs (a NumPy
function that writes into planned memory, a view that costs nothing, or the forward function
as it is) and how its value is laid out.  Where it lies is decided by `memory.py`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from dlgraph.core.graph import Graph
from dlgraph.core.node import NO_VALUE, Record
from dlgraph.core.primitive import Primitive
from dlgraph.core.program import needed
from dlgraph.core.spec import BundleSpec, Spec
from dlgraph.errors import DlgraphError
from dlgraph.executors import layout
from dlgraph.executors.draft import NoPlan, Retry
from dlgraph.executors.finish import finished
from dlgraph.executors.leaves import Fed, Leaves, dense, named
from dlgraph.executors.memory import CHECKING, arrange
from dlgraph.executors.plan import Place, Plan
from dlgraph.executors.products import writer_of
from dlgraph.executors.temporaries import is_new, strides_of_result
from dlgraph.passes.base import known

SMALL = 256  # bytes of a result that are copied into the arena rather than bound anew
_ALIASES = {"identity", "stop_gradient", "train_or_test"}
_VIEW_KINDS = ("view",)


# (primitive, attrs, inputs, spec) -> the strides of the result, None to leave it to others
Placed = Callable[[Primitive, dict[str, Any], list[Any], Spec], "tuple[int, ...] | None"]


def lower(
    graph: Graph,
    fetches: Iterable[int],
    feeds: dict[int, Fed],
    *,
    flatten: bool = True,
    placed: Placed | None = None,
    held: tuple[type, ...] = (np.ndarray, np.generic),
    exact: bool = True,
) -> Plan:
    """The plan for these fetches and feeds.  Raises `NoPlan` where only the interpreter will do.

    With `flatten` fused groups are taken apart into single functions, as NumPy needs them.
    `placed` says for which further operations an executor has code that writes into planned
    memory, and in which strides; `held` are the types of arrays in which variables may be.
    Without `exact` the last bits may be others than those of eager code.
    """
    copied: set[int] = set()
    loose: set[int] = set()
    while True:
        lowering = Lowering(graph, tuple(fetches), feeds, flatten, copied, loose)
        lowering.placed, lowering.held, lowering.exact = placed, held, exact
        try:
            lowering.go_through()
            blocks, size = arrange(lowering.draft)
        except Retry as retry:
            if retry.copied <= copied and retry.loose <= loose:
                raise NoPlan("a variable is read in an order that cannot be planned") from None
            copied |= retry.copied
            loose |= retry.loose
            continue
        return finished(lowering.draft, tuple(feeds), blocks, size)


class Lowering(Leaves):
    """The second half of an attempt: the operations."""

    placed: Placed | None = None
    exact = True
    checked: set[tuple[Place, int]]  # labels that were checked, and for how many classes

    def go_through(self) -> None:
        """Lower every record that is needed, in order."""
        records = self.draft.graph.records
        self.checked = set()
        order = needed(records, self.draft.fetches, set(self.feeds))
        self._lay_out_stores(order)
        for index, fed in self.feeds.items():
            self.specs[index] = Spec(fed.shape, records[index].spec.dtype)
            self._place_feed(index, fed)
        for index in order:
            record = records[index]
            spec = self.specs[index] = self._spec(record)
            place = self._leaf(index, record, spec)
            if place is None:
                inputs = [self.draft.places.get(i) for i in record.inputs]
                if record.primitive.name == "assign":
                    place = self._assign(index, record, inputs[1])
                else:
                    place = self.emit(index, record.primitive, record.attrs, inputs, spec)
            if place is not None:
                self.draft.places[index] = place

    def _spec(self, record: Record) -> Any:
        spec, records = record.spec, self.draft.graph.records
        if isinstance(spec, BundleSpec):
            return spec
        if known(spec) and all(known(records[i].spec) for i in record.inputs):
            return spec
        # Sizes that turn out only now may not fit together.
        try:
            inputs = [self.specs.get(i, records[i].spec) for i in record.inputs]
            return record.primitive.infer(*inputs, **record.attrs)
        except DlgraphError as error:
            raise NoPlan(str(error)) from None

    # ---- operations
    def emit(
        self,
        index: int,
        primitive: Primitive,
        attrs: dict[str, Any],
        inputs: list[Place | None],
        spec: Any,
    ) -> Place | None:
        """Append what computes one operation; where its value will be."""
        if primitive.name in _ALIASES:
            return inputs[0]
        if self.flatten and primitive.name == "fused":
            return self._inlined(index, attrs["body"], inputs)
        if primitive.effect or spec == NO_VALUE or isinstance(spec, BundleSpec):
            return self._made(index, primitive, attrs, inputs, spec)
        if not all(type(size) is int for size in spec.shape) or not _numeric(inputs, spec):
            return self._made(index, primitive, attrs, inputs, spec)
        for attempt in (self._folded, self._viewed, self._function, self._placed, self._written):
            place = attempt(index, primitive, attrs, inputs, spec)
            if place is not None:
                return place
        return self._made(index, primitive, attrs, inputs, spec)

    def _inlined(self, index: int, body: Any, inputs: list[Place | None]) -> Place | None:
        values: dict[int, Place | None] = dict(zip(body.all_inputs, inputs, strict=True))
        specs: dict[int, Any] = {}
        for i, place in values.items():
            if place is None or -1 in place.shape:
                raise NoPlan("a fused group of unknown sizes")
            specs[i] = Spec(place.shape, place.dtype)
        for i in needed(body.records, body.outputs, set(values)):
            record = body.records[i]
            if record.primitive.name == "constant":
                values[i], specs[i] = self._constant(index, record.attrs["value"]), record.spec
                continue
            specs[i] = record.primitive.infer(*(specs[k] for k in record.inputs), **record.attrs)
            found = [values[k] for k in record.inputs]
            values[i] = self.emit(index, record.primitive, record.attrs, found, specs[i])
        return values[body.outputs[0]]

    def _folded(self, index: int, primitive: Any, attrs: dict, inputs: list, spec: Any) -> Any:
        """What depends on shapes only is computed now."""
        if not inputs or self._data(primitive, inputs):
            return None
        if any(p is None or not p.known for p in inputs):
            return None
        value = primitive.forward(np, *(self._dummy(p) for p in inputs), **attrs)
        return self._constant(index, np.asarray(value))

    def _viewed(self, index: int, primitive: Any, attrs: dict, inputs: list, spec: Any) -> Any:
        same = primitive.name == "sum_like" and inputs[0].shape == spec.shape
        if same:
            return inputs[0]
        if primitive.kind not in _VIEW_KINDS or len(self._data(primitive, inputs)) != 1:
            return None
        source = inputs[0]
        if not source.known or any(p is None or -1 in p.shape for p in inputs):
            return None
        if not spec.shape and "index" in attrs and Ellipsis not in attrs["index"]:
            attrs = {**attrs, "index": (*attrs["index"], Ellipsis)}  # else a number, not a view
        dummies = [self._dummy(source), *(_shaped(p) for p in inputs[1:])]
        try:
            found = primitive.forward(np, *dummies, **attrs)
        except (DlgraphError, ValueError, IndexError) as error:
            # What does not fit is an error of the run: the interpreter has the words for it.
            raise NoPlan(str(error)) from None
        if not isinstance(found, np.ndarray) or found.dtype != source.dtype:
            return None
        if not found.size:
            return self._constant(index, np.zeros(found.shape, found.dtype))
        place = self.dummies.place_of(found, source.buffer)
        if place is not None:
            self.draft.roots[source.buffer].records.append(index)
            return self._step(index, primitive, attrs, tuple(inputs), place, "view")
        if found.size != source.size:
            return None
        out = self._arena(index, found.shape, found.strides, found.dtype)
        return self._step(index, primitive, attrs, (source,), out, "copy")

    def _function(self, index: int, primitive: Any, attrs: dict, inputs: list, spec: Any) -> Any:
        """A NumPy function that is the whole operation."""
        if primitive.ufunc is None or attrs:
            return None
        if _loop(primitive.ufunc, tuple(p.dtype for p in inputs)) != spec.dtype:
            return None
        if primitive.name == "matmul":
            return self._product(index, primitive, attrs, inputs, spec)
        if primitive.kind != "elementwise" or not all(p.known for p in inputs):
            return None
        strides = layout.elementwise(inputs, spec.shape, spec.dtype)
        out = self._arena(index, spec.shape, strides, spec.dtype)
        return self._step(index, primitive, attrs, tuple(inputs), out, "ufunc")

    def _product(self, index: int, primitive: Any, attrs: dict, inputs: list, spec: Any) -> Any:
        strides, (a, b) = None, inputs  # row by row
        if layout.stack_of(a, b, spec.shape) > 1:
            if a.known and b.known:
                strides = layout.product(a, b, spec.shape, spec.dtype)
            elif self.exact:
                return None
        out = self._arena(index, spec.shape, strides, spec.dtype)
        return self._step(index, primitive, attrs, tuple(inputs), out, "product")

    def _placed(self, index: int, primitive: Any, attrs: dict, inputs: list, spec: Any) -> Any:
        """An operation for which the executor has code that writes to given memory."""
        if self.placed is None or any(p is None or not p.known for p in inputs):
            return None
        strides = self.placed(primitive, attrs, inputs, spec)
        if strides is None:
            return None
        out = self._arena(index, spec.shape, strides, spec.dtype)
        made = (index, primitive, attrs, tuple(inputs), out, "call", (), ("placed",))
        return self._step(*made)

    def _written(self, index: int, primitive: Any, attrs: dict, inputs: list, spec: Any) -> Any:
        """An operation that has a second forward function, which writes to given memory."""
        writer = writer_of(primitive)
        if writer is None or any(p is None or not p.known for p in inputs):
            return None
        joined = self._parameter_row(index, primitive, attrs, inputs, spec)
        if joined is not None:
            return joined
        strides = writer.layout(inputs, spec, attrs)
        if strides is None:
            return None
        facts = self._facts(primitive, inputs)
        scratch: list[Place] = []

        def room(shape: tuple[int, ...], dtype: Any) -> np.ndarray:
            place = self._arena(-1, shape, None, np.dtype(dtype))
            scratch.append(place)
            return self._dummy(place)

        probe = self._arena(index, spec.shape, strides, spec.dtype)
        values = [self._dummy(p) for p in inputs]
        more = {**attrs, **dict.fromkeys(facts, True)}
        if writer.write(self._dummy(probe), *values, room=room, **more) is None:
            return None
        made = (index, primitive, attrs, tuple(inputs), probe, "call_out", tuple(scratch), facts)
        return self._step(*made)

    def _facts(self, primitive: Any, inputs: list) -> tuple[str, ...]:
        """What a writer may rely on: that labels were checked before, that a bit may differ."""
        name = primitive.name
        if name in CHECKING:
            self.checked.add((inputs[-1], inputs[0].shape[-1]))
        elif name == "minus_one_hot" and (inputs[1], inputs[0].shape[-1]) in self.checked:
            return ("checked",)
        return ("loose",) if name == "max" and not self.exact else ()

    def _parameter_row(
        self, index: int, primitive: Any, attrs: dict, inputs: list, spec: Any
    ) -> Place | None:
        """Parameters that lie side by side need not be joined."""
        if primitive.name != "concatenate" or len(spec.shape) != 1 or index in self.copied:
            return None
        roots = [self.draft.roots[p.buffer] for p in inputs]
        if any(root.kind != "slots" for root in roots):
            return None
        ends = [(*root.whole(), p) for root, p in zip(roots, inputs, strict=True)]
        store, start, first = ends[0]
        at = start
        for found, shift, place in ends:
            if found is not store or shift + place.offset != at or not dense(place):
                return None
            at += place.bytes
        if first.offset:
            return None
        row = self.draft.root("slots", at - start, [k for r in roots for k in r.source], index)
        row.parent, row.shift = store, start
        place = Place(row.number, 0, spec.shape, (spec.dtype.itemsize,), spec.dtype)
        return self._step(index, primitive, attrs, tuple(inputs), place, "view")

    def _made(
        self, index: int, primitive: Any, attrs: dict, inputs: list, spec: Any
    ) -> Place | None:
        """The forward function as it is."""
        inputs = list(inputs)
        if any(p is None and n not in primitive.unused for p, n in named(primitive, inputs)):
            raise NoPlan(f"{primitive.name} reads a node that has no value")
        kind = "effect" if primitive.effect else "call"
        if spec == NO_VALUE:
            if primitive.name == "group":
                return None
            return self._step(index, primitive, attrs, tuple(inputs), None, kind)
        shape = _open_shape(spec)
        size = 0 if -1 in shape else int(np.prod(shape, dtype=np.int64)) * spec.dtype.itemsize
        fixed = spec.dtype.kind in "biufc" and -1 not in shape
        drawn = primitive.kind == "random" or primitive.name == "next_key"
        if fixed and size <= SMALL and (not shape or drawn):
            out = self._arena(index, shape, None, spec.dtype)
            return self._step(index, primitive, attrs, tuple(inputs), out, kind)
        strides = strides_of_result(primitive, attrs, inputs, spec) if fixed else None
        root = self.draft.root("made", size if fixed else 0, index, index)
        if not is_new(primitive, inputs):
            data = self._data(primitive, inputs)
            root.keeps = tuple(dict.fromkeys(p.buffer for p in data))
        out = Place(root.number, 0, shape, strides, spec.dtype)
        return self._step(index, primitive, attrs, tuple(inputs), out, kind)


def _numeric(inputs: list[Place | None], spec: Any) -> bool:
    return spec.dtype.kind in "biufc" and all(
        p is None or (p.dtype.kind in "biufc" and -1 not in p.shape) for p in inputs
    )


def _shaped(place: Place) -> np.ndarray:
    return np.broadcast_to(np.zeros((), place.dtype), place.shape)


def _open_shape(spec: Any) -> tuple[int, ...]:
    if isinstance(spec, BundleSpec):
        return ()
    return tuple(size if isinstance(size, int) else -1 for size in spec.shape)


@functools.cache
def _loop(ufunc: str, dtypes: tuple[np.dtype, ...]) -> np.dtype | None:
    """The dtype in which a NumPy function answers."""
    function: Any = getattr(np, ufunc)
    try:
        return function.resolve_dtypes((*dtypes, None))[-1]
    except (TypeError, ValueError):
        return None
