"""From a plan to launches: kernels of our own, products, and calls of CuPy for the rest.

Element-wise instructions are grouped as for the compiled code of the CPU (`executors/fast`), and
written in CUDA C.  All kernels of a plan are one source.  Read next: `runner.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from dlgraph.executors.draft import NoPlan
from dlgraph.executors.fast.groups import Growing, Operation, Work
from dlgraph.executors.fast.segments import Forming, formed
from dlgraph.executors.fast.works import works
from dlgraph.executors.plan import Instruction, Place, Plan
from dlgraph.gpu.cublas import Product, product
from dlgraph.gpu.cuda import Cuda
from dlgraph.gpu.kernels import Kernel, kernel
from dlgraph.gpu.rows import LABELLED, row_kernel
from dlgraph.ops.scalar import Unsupported, element


class Launch(NamedTuple):
    """One thing that the device does: a kernel, a product, or (with neither) a call of CuPy.

    `places` are the operands in the order of the kernel's parameters, or a, b, result and alpha
    of a product (alpha None for 1).  `keeps` says that a product adds to its result.
    """

    numbers: tuple[int, ...]  # of the instructions
    places: tuple[Place | None, ...] = ()
    kernel: Kernel | None = None
    name: str = ""
    product: Product | None = None
    keeps: bool = False


class Labels(NamedTuple):
    """Labels that must be checked before a run: where they are, and how many classes there are."""

    place: Place
    classes: int
    instruction: int


def able(step: Operation, kinds: Sequence[str], exact: bool) -> bool:
    """Can this operation on elements of these types be written in CUDA C?"""
    try:
        operands = [("x", np.dtype(kind)) for kind in kinds]
        element(Cuda(), step.name, step.attrs, operands, step.dtype)
    except Unsupported:
        return False
    return True


def launches_of(plan: Plan, blas: bool, fused: bool = True) -> tuple[list[Launch], list[Labels]]:
    """The launches of a plan, in order, and the labels to check; `blas` tells of a cuBLAS.

    Without `fused` every instruction has a kernel of its own.

    Raises `NoPlan` if some memory is known only while it runs.
    """
    if any(buffer.kind == "made" for buffer in plan.buffers):
        raise NoPlan("the sizes of some values are known only while it runs")
    labels: list[Labels] = []

    def piece(step: Instruction, number: int) -> Any:
        found = _product(step, number) if blas else None
        return found or _rows(plan, step, number, labels)

    found: list[Launch] = []
    for item in formed(plan, lambda step: works(step, False, able), piece, apart=not fused):
        if isinstance(item, int):
            found.append(Launch((item,)))
        elif isinstance(item, Forming):
            found += _group(plan, item)
        else:
            found += item.launches
    return _named(plan, found), labels


class _Piece(NamedTuple):
    numbers: tuple[int, ...]
    launches: tuple[Launch, ...]


def _group(plan: Plan, item: Forming) -> list[Launch]:
    growing = item.growing
    if not (growing.folds or item.kept):
        return []
    group, places = growing.finished(item.kept)
    try:
        return [Launch(tuple(growing.numbers), places, kernel(group))]
    except Unsupported:  # one by one, then
        return [Launch((number,)) for number in dict.fromkeys(growing.numbers)]


def _rows(plan: Plan, step: Instruction, number: int, labels: list[Labels]) -> _Piece | None:
    try:
        found = row_kernel(step)
    except Unsupported:
        return None
    if found is None:
        return None
    made, places = found
    checked = (
        step.inputs[LABELLED[step.primitive.name]] if step.primitive.name in LABELLED else None
    )
    if checked is not None:
        buffer = plan.buffers[checked.buffer]
        if buffer.kind != "feed" or checked.bytes != buffer.size:
            return None  # computed labels are checked by the operation itself
        table = step.inputs[0]
        assert table is not None
        labels.append(Labels(checked, table.shape[-1], number))
    return _Piece((number,), (Launch((number,), places, made),))


def _product(step: Instruction, number: int) -> _Piece | None:
    out, name = step.output, step.primitive.name
    if name not in ("matmul", "gemm") or out is None or not out.size:
        return None
    a, b = step.inputs[:2]
    if a is None or b is None or not a.size or not b.size:
        return None
    what = product(a, b, out, step.attrs.get("ta", False), step.attrs.get("tb", False))
    if what is None:
        return None
    if name == "matmul":
        return _Piece((number,), (Launch((number,), (a, b, out, None), product=what),))
    c, alpha = step.inputs[2:4]
    if step.attrs["beta"] != 1.0 or c is None or alpha is None:
        return None
    last = Launch((number,), (a, b, out, alpha), product=what, keeps=True)
    if c == out:
        return _Piece((number,), (last,))
    growing = Growing(out.shape)
    if not growing.add(number, Work(out.shape, (), c, out)):
        return None
    group, places = growing.finished(list(growing.stores.values()))
    return _Piece((number,), (Launch((number,), places, kernel(group)), last))


def _named(plan: Plan, launches: list[Launch]) -> list[Launch]:
    """The launches with names for their kernels; equal kernels have one name."""
    names: dict[str, str] = {}
    found = []
    for launch in launches:
        if launch.kernel is not None:
            text = launch.kernel.text
            if text not in names:
                words = [plan.instructions[n].primitive.name for n in launch.numbers[-2:]]
                names[text] = "_".join([f"k{len(names)}", *dict.fromkeys(words)])
            launch = launch._replace(name=names[text])
        found.append(launch)
    return found
