"""Mixed precision: products in half precision, everything else in single.

A GPU multiplies float16 matrices several times as fast as float32.  The weights, sums and updates
stay in float32; only the operands of products are cast.  Small gradients would become 0 in float16,
whose smallest number is 6e-8.  So the loss is scaled: the first gradient is multiplied by a power
of two, which all later ones inherit, and whoever uses a gradient divides by it again
(Micikevicius et al., "Mixed precision training", ICLR 2018).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dlgraph.core.graph import Graph
from dlgraph.core.node import Record
from dlgraph.core.spec import Spec
from dlgraph.errors import OperationError
from dlgraph.passes.base import Job, Pass, Rewritten
from dlgraph.passes.edit import Edit, constant, op

PRODUCTS = ("matmul", "conv2d", "conv2d_input", "conv2d_filters")
HALF, SINGLE = np.dtype(np.float16), np.dtype(np.float32)
SCALE = 1024.0


class MixedPrecision(Pass):
    """Products in float16, with loss scaling; on a GPU only.

    It is not among the standard passes, because results differ in the third digit: ask for it with
    `PassManager(precision="float16")`.  `scale` is the power of two that gradients are multiplied
    with; it is 1 where a gradient is differentiated again.

    Raises `OperationError` for another target than `"gpu"`: NumPy computes float16 without the
    help of the processor, many times slower than float32.

    >>> import dlgraph as dg
    >>> w = dg.Parameter(dg.Tensor([[0.5] * 4] * 3), name="w")
    >>> with dg.Graph().as_default() as g:
    ...     x = dg.placeholder((2, 3), name="x")
    ...     loss = dg.sum(dg.tanh(x @ w))
    ...     gw = dg.gradients(loss, w)
    >>> manager = dg.passes.PassManager(exact=False, check=True, precision="float16")
    >>> found = manager.run(g, [loss, gw], [x], target="gpu")
    >>> [str(r.spec.dtype) for r in found.graph.records if r.primitive.name == "matmul"]
    ['float16', 'float16']
    >>> found.graph.records[found.fetches[1]].spec.dtype
    dtype('float32')
    """

    name, exact, level = "precision", False, 3
    tolerance = 1e-2

    def __init__(self, scale: float = SCALE):
        self.scale = scale

    def wanted(self, job: Job) -> bool:
        """Whoever asks for it gets it, or an error."""
        return True

    def run(self, graph: Graph, job: Job) -> Rewritten:
        """See the class."""
        if job.target != "gpu":
            raise OperationError(
                f"mixed precision is for GPUs, and this graph is optimised for {job.target!r}: a "
                "CPU computes float16 many times slower than float32, and nothing would be gained",
                where=None,
                hint='leave precision="float16" out, or run the graph on a GPU',
            )
        if job.exact:
            raise OperationError(
                "mixed precision changes results in the third digit, and exact=True forbids it",
                where=None,
                hint="PassManager(exact=False, precision='float16')",
            )
        edit = Edit(graph, job)
        self._scale(edit)
        products = [
            i
            for i, r in enumerate(edit.records)
            if r.primitive.name in PRODUCTS and r.spec.dtype == SINGLE and edit.now(i) == i
        ]
        for index in products:
            self._halve(edit, index)
        return edit.done()

    def _halve(self, edit: Edit, index: int) -> None:
        """Cast the operands of a product, and cast its result back."""
        record = edit.records[index]
        inputs = []
        for i, name in zip(record.inputs, record.primitive.inputs, strict=True):
            if name in record.primitive.shape_only:
                inputs.append(i)
                continue
            half = {"dtype": HALF}
            inputs.append(edit.add(op("cast"), [i], half, of=[index], name="half", at=index))
        spec = Spec(record.spec.shape, HALF)
        made = edit.add(
            record.primitive, inputs, record.attrs, of=[index], name="half", spec=spec, at=index
        )
        back = edit.add(op("cast"), [made], {"dtype": SINGLE}, of=[index], at=index)
        edit.replace(index, back)
        edit.note("replaced", self.name, [index], [made, back], "a product in float16")

    def _scale(self, edit: Edit) -> None:
        records = edit.records[: edit.size]
        scaled = _scaled(records)
        if not scaled or self.scale == 1:
            return
        readers = edit.readers()
        seeds = [i for i in scaled if records[i].primitive.name == "constant"]
        for index in seeds:
            value = records[index].attrs["value"] * SINGLE.type(self.scale)
            edit.rewrite(index, attrs={"value": value})
        for index in sorted(scaled):
            outside = [i for i in readers[index] if i not in scaled]
            if outside or index in edit.kept:
                self._unscale(edit, index, outside)
        why = f"gradients are multiplied by {self.scale:g}, and divided by it where they are used"
        edit.note("replaced", self.name, seeds, seeds, why)

    def _unscale(self, edit: Edit, index: int, outside: Sequence[int]) -> None:
        """Give those who are no part of the backward pass the gradient itself."""
        record = edit.records[index]
        factor = constant(edit, index, np.asarray(1 / self.scale, record.spec.dtype), "unscale")
        if index in edit.kept:
            # What is fetched under this name is the gradient; the scaled one gets another name.
            inner = edit.add(
                record.primitive,
                record.inputs,
                record.attrs,
                of=[index],
                name="scaled",
                spec=record.spec,
            )
            for reader in set(edit.readers()[index]) - set(outside):
                held = edit.records[reader]
                inputs = tuple(inner if i == index else i for i in held.inputs)
                edit.rewrite(reader, inputs=inputs)
            edit.replace(index, edit.add(op("multiply"), [inner, factor], of=[index]))
            return
        unscaled = edit.add(op("multiply"), [index, factor], of=[index], name="unscaled")
        for reader in set(outside):
            held = edit.records[reader]
            edit.rewrite(reader, inputs=tuple(unscaled if i == index else i for i in held.inputs))


def _scaled(records: Sequence[Record]) -> set[int]:
    """The backward nodes that are proportional to the first gradient of the loss."""
    found: set[int] = set()
    for index, record in enumerate(records):
        if record.role != "backward":
            continue
        below = [i for i in record.inputs if i in found]
        if record.primitive.name == "constant":
            if record.twin is not None and _is_seed(records, record):
                found.add(index)
        elif below and record.spec.dtype == SINGLE:
            if len(below) > 1 and record.primitive.name in ("multiply", "matmul", "divide"):
                return set()  # a gradient times a gradient: it is differentiated again
            found.add(index)
    return found


def _is_seed(records: Sequence[Record], record: Record) -> bool:
    """Is this the 1 with which a backward pass starts?"""
    name = record.name.rpartition("/")[0]
    return name == "gradients" and record.spec == Spec((), SINGLE)
