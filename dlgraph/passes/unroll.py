"""Unroll: loops of a known length are written out, and what is called is put in place.

A loop is one node that runs its body once for each turn.  Written out, the turns are open to all
other passes: what the gradient computes again is merged with what was computed forward, products
that share a factor are stacked, values get planned memory, groups are fused.  The price is a larger
graph, which takes longer to plan; so long loops stay loops.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from dlgraph.core.body import Body
from dlgraph.core.graph import Graph
from dlgraph.core.primitive import Primitive
from dlgraph.core.program import needed
from dlgraph.core.spec import BundleSpec, Spec
from dlgraph.errors import DlgraphError
from dlgraph.passes.base import Job, Pass, Rewritten, known
from dlgraph.passes.edit import Edit, constant, op, pure
from dlgraph.passes.specialise import SIZED

MOST = 4096  # nodes that loops may become, all together


class Unroll(Pass):
    """Writes out `scan` where the number of turns is known, and `call`.

    >>> import dlgraph as dg
    >>> with dg.Graph().as_default() as g:
    ...     x = dg.placeholder((3,), name="x")
    ...     total, _ = dg.scan(lambda s, one: (s * one, None), 1.0, x)
    >>> found = dg.passes.PassManager(check=True).run(g, total, [x])
    >>> [record.primitive.name for record in found.graph.records]
    ['placeholder', 'slice', 'slice', 'multiply', 'slice', 'multiply']
    """

    name, exact, level = "unroll", True, 2
    targets = ("planned", "fast", "gpu")

    def run(self, graph: Graph, job: Job) -> Rewritten:
        """See the class."""
        if not any(record.primitive.name in _WHY for record in graph.records):
            return Rewritten(graph)
        try:
            return _Unrolling(graph, job).done()
        except _Stays:  # somebody needs a bundle as a whole that was taken apart
            return Rewritten(graph)


class _Stays(Exception):
    """A node that cannot be written out, or not at this price."""


class _Zeros(NamedTuple):
    """Zeros like one value of a bundle; written down only if somebody reads them."""

    spec: Spec
    bundle: Any
    place: int


class _Unrolling:
    """One run of the pass.

    A value is the index of a record; a bundle that was taken apart is a list of values and of
    `_Zeros`.
    """

    def __init__(self, graph: Graph, job: Job):
        self.edit = Edit(graph, job)
        self.values: dict[int, Any] = {}  # of old records that are not what they were
        self.stacked: dict[int, list[int]] = {}  # what was stacked: reading it undoes that
        self.at = 0  # the old record that is being written out

    def done(self) -> Rewritten:
        """Go through the graph."""
        edit, taken_apart = self.edit, self._taken_apart()
        for index in range(edit.size):
            record = edit.records[index]
            inputs = [self.values.get(i, i) for i in record.inputs]
            apart = any(isinstance(value, list) for value in inputs)
            written_out = record.primitive.name in _WHY
            if record.control or not (apart or written_out):
                continue
            if isinstance(record.spec, BundleSpec) and index not in taken_apart:
                continue
            self.at, before = index, len(edit.records)
            try:
                value = self._value(record.primitive, record.attrs, inputs)
            except (_Stays, DlgraphError):
                if apart:
                    raise
                continue
            self.values[index] = value
            if isinstance(value, int):
                edit.replace(index, value)
            if written_out:
                made = range(before, len(edit.records))
                edit.note("replaced", Unroll.name, [index], made, _WHY[record.primitive.name])
        return edit.done()

    def _taken_apart(self) -> set[int]:
        """The bundles that only those read who can take them apart."""
        edit, readers = self.edit, self.edit.readers()
        found: set[int] = set()
        for index in reversed(range(edit.size)):
            if index in edit.kept or not isinstance(edit.records[index].spec, BundleSpec):
                continue
            for reader in readers[index]:
                name = edit.records[reader].primitive.name
                if name not in _RULES or (name == "add_bundles" and reader not in found):
                    break
            else:
                found.add(index)
        return found

    # ---- values
    def _value(self, primitive: Primitive, attrs: dict[str, Any], inputs: list[Any]) -> Any:
        """What an operation on these values gives."""
        rule = _RULES.get(primitive.name)
        if rule is not None:
            return rule(self, inputs, attrs)
        if any(isinstance(value, list) for value in inputs):
            raise _Stays
        return self._add(primitive, inputs, attrs)

    def _add(self, primitive: Primitive, inputs: Sequence[int], attrs: dict[str, Any]) -> int:
        edit = self.edit
        index = edit.add(primitive, inputs, attrs, of=[self.at], name=primitive.name)
        rule, specs = SIZED.get(primitive.name), [edit.records[i].spec for i in inputs]
        if rule is not None and all(map(known, (*specs, edit.records[index].spec))):
            sized = rule(edit, index, list(inputs), specs)
            index = index if sized is None else sized
        return index

    def _inline(self, body: Body, inputs: Sequence[Any]) -> list[Any]:
        """The outputs of a body for these inputs."""
        values = dict(zip(body.all_inputs, inputs, strict=True))
        for i in needed(body.records, [*body.outputs, *body.effects], set(values)):
            record = body.records[i]
            if record.control or not pure(record) or any(k not in values for k in record.inputs):
                raise _Stays
            if not record.inputs and record.primitive.name != "constant":
                raise _Stays
            if len(self.edit.records) - self.edit.size > MOST:
                raise _Stays
            if record.inputs:
                given = [values[k] for k in record.inputs]
                values[i] = self._value(record.primitive, record.attrs, given)
            else:
                values[i] = constant(self.edit, self.at, record.attrs["value"], "constant")
        return [values[i] for i in body.outputs]

    # ---- what makes and reads bundles
    def _call(self, inputs: list[Any], attrs: dict[str, Any]) -> Any:
        outputs = self._inline(attrs["body"], inputs)
        return outputs[0] if len(outputs) == 1 else outputs

    def _scan(self, inputs: list[Any], attrs: dict[str, Any]) -> list[Any]:
        body: Body = attrs["body"]
        turns, first = self._number(inputs[0]), 1 + attrs["carries"]
        if not 0 < turns * len(body.records) <= MOST:
            raise _Stays
        carry, rest = inputs[1:first], inputs[first + attrs["sequences"] :]
        columns = inputs[first : first + attrs["sequences"]]
        found: list[list[Any]] = [[]] * turns
        for t in reversed(range(turns)) if attrs["reverse"] else range(turns):
            step = constant(self.edit, self.at, np.array(t, np.int64), "step")
            rows = [self._row(x, t) for x in columns]
            outputs = self._inline(body, [step, *carry, *rows, *rest])
            carry, found[t] = outputs[: first - 1], outputs[first - 1 :]
        return [*carry, *(self._stack([list(column)], {}) for column in zip(*found, strict=True))]

    def _row(self, x: int, turn: int) -> int:
        if x in self.stacked:
            return self.stacked[x][turn]
        return self._add(op("slice"), [x], {"index": (turn,)})

    def _number(self, value: int) -> int:
        record = self.edit.records[self.edit.now(value)]
        if record.primitive.name != "constant":
            raise _Stays
        return int(record.attrs["value"])

    def _stack(self, inputs: list[Any], attrs: dict[str, Any]) -> int:
        count = len(self._specs(inputs[0]))
        parts = [self._part(inputs[0], k) for k in range(count)]
        rows = [self._add(op("expand_dims"), [x], {"axis": 0}) for x in parts]
        made = self._add(op("concatenate"), rows, {"axis": 0})
        self.stacked[made] = parts
        return made

    def _item(self, inputs: list[Any], attrs: dict[str, Any]) -> int:
        return self._part(inputs[0], attrs["index"])

    def _place(self, inputs: list[Any], attrs: dict[str, Any]) -> list[Any]:
        value, like = inputs
        specs = self._specs(like)
        return [value if k == attrs["index"] else _Zeros(s, like, k) for k, s in enumerate(specs)]

    def _sum(self, inputs: list[Any], attrs: dict[str, Any]) -> list[Any]:
        parts = [self._parts(bundle) for bundle in inputs]
        return [self._added(*pair) for pair in zip(*parts, strict=True)]

    def _added(self, a: Any, b: Any) -> Any:
        if isinstance(a, _Zeros) or isinstance(b, _Zeros):
            return b if isinstance(a, _Zeros) else a
        return self._add(op("add"), [a, b], {})

    def _part(self, bundle: Any, index: int) -> int:
        value = self._parts(bundle)[index]
        if not isinstance(value, _Zeros):
            return value
        spec = value.spec
        if not known(spec):
            return self._add(op("zeros_like"), [self._part(value.bundle, value.place)], {})
        zeros = np.broadcast_to(np.zeros((), spec.dtype), spec.shape)
        return constant(self.edit, self.at, zeros, "zeros")

    def _parts(self, bundle: Any) -> list[Any]:
        if isinstance(bundle, list):
            return bundle
        count = len(self._specs(bundle))
        return [self._add(op("item"), [bundle], {"index": k}) for k in range(count)]

    def _specs(self, bundle: Any) -> Sequence[Any]:
        if not isinstance(bundle, list):
            return self.edit.records[bundle].spec.items
        return [x.spec if isinstance(x, _Zeros) else self.edit.records[x].spec for x in bundle]


_WHY = {"scan": "all turns are written out", "call": "the body stands in place of the call"}
_RULES: dict[str, Callable[[_Unrolling, list[Any], dict[str, Any]], Any]] = {
    "call": _Unrolling._call,
    "scan": _Unrolling._scan,
    "item": _Unrolling._item,
    "place": _Unrolling._place,
    "add_bundles": _Unrolling._sum,
    "stack_bundle": _Unrolling._stack,
}
