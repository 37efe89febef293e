"""Specialise: write the sizes that the feeds have into the graph.

One graph serves every batch size; a plan serves one.  Once the sizes are known every node has a
known shape, and what asks for a size at run time (`like`-operations of gradients, counts) becomes
a constant or an operation with the shape written out.  Then nothing large has to be kept just
because somebody asks for its shape.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from dlgraph.core.arrays import read_only
from dlgraph.core.graph import Graph
from dlgraph.core.node import Record
from dlgraph.core.spec import BundleSpec, Dim, Spec, normalise_axes
from dlgraph.passes.base import Job, Pass, Rewritten, known
from dlgraph.passes.edit import Edit, constant, op


class Specialise(Pass):
    """Known shapes everywhere, and operations that needed only a shape without their operand.

    >>> import dlgraph as dg
    >>> with dg.Graph().as_default() as g:
    ...     x = dg.placeholder(("batch", 3), name="x")
    ...     gx = dg.gradients(dg.mean(x), x)
    >>> specs = [dg.Spec((5, 3), x.dtype)]
    >>> found = dg.passes.PassManager(level=1).run(g, gx, [x], specs)
    >>> print(found.reports[1].changes[-1])  # doctest: +ELLIPSIS
    replaced gradients/mean/expand_like (expand_like -> broadcast_to): the shapes are known
        at ...
    """

    name, exact, level = "specialise", True, 1

    def run(self, graph: Graph, job: Job) -> Rewritten:
        """See the class."""
        edit = Edit(graph, job)
        sizes: dict[Dim, Any] = dict(job.sizes(graph.records))
        feeds = dict(zip(job.feeds, job.specs or (), strict=False))
        records = edit.records
        for index in range(edit.size):
            record = records[index]
            if index in feeds:
                if record.spec.shape != feeds[index].shape:
                    edit.rewrite(index, spec=feeds[index])
                continue
            if sizes and not known(record.spec):
                spec = self._spec(edit, record, sizes)
                if spec is not record.spec:
                    edit.rewrite(index, spec=spec)
            if sizes:
                self._check(edit, index, graph)
            rule = SIZED.get(record.primitive.name)
            if rule is not None and index not in feeds:
                self._sized(edit, index, rule)
        return edit.done()

    def _spec(self, edit: Edit, record: Record, sizes: dict[Dim, Any]) -> Any:
        """The spec with the known sizes put in; inferred again where that is not enough."""
        spec = _filled(record.spec, sizes)
        if record.inputs and not known(spec):
            inputs = [edit.records[edit.now(i)].spec for i in record.inputs]
            try:
                spec = _filled(record.primitive.infer(*inputs, **record.attrs), sizes)
            except Exception:
                # What does not fit is an error of the run, which knows the values and words it.
                return spec
        for dim, size in zip(record.spec.shape, spec.shape, strict=False):
            if isinstance(dim, Dim) and isinstance(size, int):
                sizes.setdefault(dim, size)
        return spec

    def _check(self, edit: Edit, index: int, graph: Graph) -> None:
        """Take a shape back that holds only if the inputs fit, which they do not."""
        record = edit.records[index]
        before = [graph.records[i].spec for i in graph.records[index].inputs]
        if len(before) < 2 or not known(record.spec) or all(map(known, before)):
            return
        inputs = [edit.records[edit.now(i)].spec for i in record.inputs]
        try:
            record.primitive.infer(*inputs, **record.attrs)
        except Exception:
            # An error of the run; without a shape nothing is laid out, or compiled, for it.
            unknown = tuple(Dim() for _ in record.spec.shape)
            edit.rewrite(index, spec=Spec(unknown, record.spec.dtype))

    def _sized(self, edit: Edit, index: int, rule: Callable[..., Any]) -> None:
        record = edit.records[index]
        inputs = [edit.now(i) for i in record.inputs]
        specs = [edit.records[i].spec for i in inputs]
        if not known(record.spec) or not all(known(spec) for spec in specs):
            return
        new = rule(edit, index, inputs, specs)
        if new is not None:
            edit.replace(index, new)
            edit.note("replaced", self.name, [index], [new], "the shapes are known")


def _filled(spec: Any, sizes: dict[Dim, Any]) -> Any:
    if isinstance(spec, BundleSpec):
        return BundleSpec(tuple(_filled(one, sizes) for one in spec.items))
    shape = tuple([sizes.get(s, s) if type(s) is Dim else s for s in spec.shape])
    return Spec(shape, spec.dtype)


# ---- operations that read a shape ----------------------------------------------------------------

Sized = Callable[[Edit, int, list[int], list[Spec]], int | None]


def _count(edit: Edit, index: int, inputs: list[int], specs: list[Spec]) -> int:
    """What only depends on shapes is computed now, on stand-ins that take no memory."""
    record = edit.records[index]
    stand_ins = [np.broadcast_to(np.zeros((), spec.dtype), spec.shape) for spec in specs]
    value = record.primitive.forward(np, *stand_ins, **record.attrs)
    return constant(edit, index, read_only(np.asarray(value)))


def _filled_with(number: int) -> Sized:
    def make(edit: Edit, index: int, inputs: list[int], specs: list[Spec]) -> int:
        spec = edit.records[index].spec
        value = np.broadcast_to(np.asarray(number, spec.dtype), spec.shape)
        return constant(edit, index, value)

    return make


def _reshape(edit: Edit, index: int, inputs: list[int], specs: list[Spec]) -> int:
    shape = edit.records[index].spec.shape
    if specs[0].shape == shape:
        return inputs[0]
    return edit.add(op("reshape"), inputs[:1], {"shape": shape}, of=[index])


def _expand(edit: Edit, index: int, inputs: list[int], specs: list[Spec]) -> int:
    record = edit.records[index]
    shape, first = record.spec.shape, inputs[0]
    if not record.attrs.get("keepdims", True) and shape and specs[0].shape:
        axes = normalise_axes(record.attrs["axis"], len(shape))
        first = edit.add(op("expand_dims"), [first], {"axis": axes}, of=[index], name="expand_dims")
    if edit.records[first].spec.shape == shape:
        return first
    return edit.add(op("broadcast_to"), [first], {"shape": shape}, of=[index])


def _sum(edit: Edit, index: int, inputs: list[int], specs: list[Spec]) -> int | None:
    shape, target = specs[0].shape, edit.records[index].spec.shape
    if shape == target:
        return inputs[0]
    if specs[0].dtype.kind != "f":
        return None
    extra = len(shape) - len(target)
    uneven = [k for k, size in enumerate(target) if shape[extra + k] != size]
    if extra and uneven:
        return None
    axes = tuple(range(extra)) or tuple(uneven)
    return edit.add(op("sum"), inputs[:1], {"axis": axes, "keepdims": not extra}, of=[index])


def _part(edit: Edit, index: int, inputs: list[int], specs: list[Spec]) -> int:
    attrs = edit.records[index].attrs
    axis, part = attrs["axis"], attrs["part"]
    start = sum(spec.shape[axis] for spec in specs[1 : 1 + part])
    cut: list[Any] = [slice(None)] * specs[0].ndim
    cut[axis] = slice(start, start + specs[1 + part].shape[axis])
    return edit.add(op("slice"), inputs[:1], {"index": tuple(cut)}, of=[index])


SIZED: dict[str, Sized] = {
    "element_count": _count,
    "size_along": _count,
    "positions": _count,
    "zeros_like": _filled_with(0),
    "ones_like": _filled_with(1),
    "reshape_like": _reshape,
    "expand_like": _expand,
    "broadcast_like": _expand,
    "sum_like": _sum,
    "concatenate_part": _part,
}
