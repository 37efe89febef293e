"""The executor "fast": a plan of which long stretches are one native call each.

It is the planned executor (`planned.py`) with other calls: where that has a NumPy call for every
instruction, this one has a call of compiled code for all that it could compile, and NumPy calls
for the rest.  Memory, parameters, feeds and errors are the planned executor's.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from dlgraph.core.primitive import Primitive
from dlgraph.core.spec import Spec
from dlgraph.executors import layout
from dlgraph.executors.blas import gemm
from dlgraph.executors.bound import address_of, aligned
from dlgraph.executors.calls import Call, calls_of
from dlgraph.executors.fast import convolutions, geometry, llvm
from dlgraph.executors.fast.functions import DEFINED
from dlgraph.executors.fast.ir import BUFFERS, PRODUCTS, SCRATCH, Target
from dlgraph.executors.fast.segments import (
    Segment,
    driver_code,
    names_of,
    pseudo_code,
    split,
    text_of,
)
from dlgraph.executors.fast.works import FOLDS
from dlgraph.executors.plan import Instruction, Place, Plan, strides_of
from dlgraph.executors.planned import Runner
from dlgraph.executors.products import writer_of
from dlgraph.executors.program import PlannedProgram
from dlgraph.ops.scalar import FUNCTIONS, SCALAR


def placed(
    primitive: Primitive, attrs: dict[str, Any], inputs: list[Any], spec: Spec
) -> tuple[int, ...] | None:
    """The strides in which compiled code writes the result of an operation, if there is any."""
    item = spec.dtype.itemsize
    if primitive.name in convolutions.KERNELS:
        return geometry.layout(primitive.name, attrs, inputs, spec.shape)
    pools = primitive.name.startswith(("max_pool2d", "avg_pool2d")) and spec.dtype.kind == "f"
    if pools and not any(map(any, attrs["padding"])):  # NumPy's writers do those with a margin
        like = inputs[1] if primitive.name.endswith("_spread") else inputs[0]
        return _in_order_of(like.strides, spec.shape, item)
    if primitive.name in FOLDS and not inputs[0].contiguous and spec.dtype.kind == "f":
        return strides_of(spec.shape, item)
    if primitive.kind == "elementwise" and _only_compiled(primitive):
        return layout.elementwise(inputs, spec.shape, spec.dtype)
    return None


def _only_compiled(primitive: Primitive) -> bool:
    """Has NumPy nothing that writes to given memory, but a generator of code has the formula?"""
    if primitive.ufunc is not None or writer_of(primitive) is not None:
        return False
    name = primitive.name
    return name in SCALAR and (name not in FUNCTIONS or name in DEFINED)


def _in_order_of(strides: tuple[int, ...], shape: tuple[int, ...], item: int) -> tuple[int, ...]:
    """Strides without gaps for this shape, with the axes in memory in the order of others."""
    order = sorted(range(len(shape)), key=lambda k: -abs(strides[k]))
    dense = strides_of([shape[k] for k in order], item)
    return tuple(dense[order.index(k)] for k in range(len(shape)))


LONGEST = 5_000  # instructions


class FastProgram(PlannedProgram):
    """A program that runs by compiled plans; `Session(graph, executor="fast")` makes it.

    >>> import dlgraph as dg
    >>> with dg.Graph().as_default() as g:
    ...     x = dg.placeholder((3,), name="x")
    ...     y = dg.exp(x) * 2.0
    >>> try:
    ...     print(dg.Session(g, executor="fast").run(y, {x: [0.0, 1.0, 2.0]}))
    ... except dg.errors.MissingPackageError as error:
    ...     print("[ 2. 5.43656 14.77811]")
    [ 2. 5.43656 14.77811]
    """

    def __init__(self, *facts: Any):
        super().__init__(*facts)
        # With exact=True values lie as NumPy would lay them out: the order of sums depends on it.
        self.placed = None if self.settings.exact else placed

    def bind(self, plan: Plan) -> Runner:
        """Compile a plan, or find it compiled; a very long one is left to NumPy.

        (Each instruction costs about half a millisecond of analysis: more than most programs
        of that size ever run.)
        """
        if len(plan.instructions) > LONGEST:
            return Runner(plan, self.settings.exact)
        return FastRunner(plan, self.settings.exact)


@functools.cache
def target() -> Target:
    """This machine, and the BLAS that compiled code may call."""
    found = gemm()
    return llvm.host()._replace(sizes="" if found is None else f"i{found.bits}")


class FastRunner(Runner):
    """A plan bound to its memory and to compiled code.

    `exact` compiles only what keeps every bit.
    """

    def __init__(self, plan: Plan, exact: bool = False):
        self.segments = split(plan, target(), exact)
        names = names_of(self.segments)
        self._library: Any = None
        self._addresses: dict[str, int] = {}
        if names:
            recipe = "\n".join((repr(target()), str(exact), *names))
            self._library = llvm.load(recipe, lambda: text_of(self.segments))
            self._addresses = {key: self._library.address(n) for key, n in names.items()}
        pieces = [piece for segment in self.segments for piece in segment.pieces]
        self._scratch = aligned(max((p.recipe.scratch for p in pieces), default=0) or 1)
        self._table = np.zeros(BUFFERS // 8 + len(plan.buffers), np.uint64)
        super().__init__(plan, exact)

    @property
    def source(self) -> str:
        """What each segment computes, for readers."""
        texts = []
        for segment in self.segments:
            if segment.pieces:
                texts.append(f"# compiled\n{pseudo_code(self.plan, segment)}")
            else:
                step = self.plan.instructions[segment.number]
                name = self.plan.graph.records[step.record].name
                texts.append(f"# NumPy\n{name} = {step.primitive.name}(...)")
        return "\n".join(texts)

    # ---- binding
    def _bind_calls(self) -> None:
        self._fill_table()
        self.calls: list[Call] = []
        self._step_of: list[Instruction] = []
        self._failed: Instruction | None = None
        ends = self._last_uses()
        self._append_views()
        for segment in self.segments:
            last = segment.number
            if segment.pieces:
                last = max(n for piece in segment.pieces for n in piece.numbers)
                first = self.plan.instructions[segment.pieces[0].numbers[0]]
                self._append([self._native(segment)], first)
            else:
                self._append_step(segment.number)
            for number in [n for n in ends if n <= last]:
                drops = [(self.values.__setitem__, (slot, None)) for slot in ends.pop(number)]
                self._append(drops, self.plan.instructions[number])

    def _append_views(self) -> None:
        """Views of what is fed; compiled code needs none, but what is left to NumPy may."""
        for step in self.plan.instructions:
            out = step.output if step.kind == "view" else None
            if out is not None and self.plan.buffers[out.buffer].kind == "feed" and self.moves(out):
                self._append(calls_of(self, step, self.exact), step)

    def _append(self, found: list[Call], step: Instruction) -> None:
        self.calls += found
        self._step_of += [step] * len(found)

    def _append_step(self, number: int) -> None:
        """An instruction that is left to NumPy; compiled code may read what it makes."""
        step = self.plan.instructions[number]
        self._append(self._watching(number, calls_of(self, step, self.exact)), step)
        out = step.output
        if out is not None and out.known and self.moves(out) and step.kind != "view":
            slot = self.slot(out)
            self._append([(self._enter, (out.buffer, slot))], step)

    def _enter(self, buffer: int, slot: int) -> None:
        self._table[BUFFERS // 8 + buffer] = address_of(self.values[slot])

    def _fill_table(self) -> None:
        found = gemm()
        if found is not None:
            self._table[PRODUCTS["float32"] // 8] = found.single
            self._table[PRODUCTS["float64"] // 8] = found.double
        self._table[SCRATCH // 8] = address_of(self._scratch)
        for number, memory in enumerate(self.memory):
            if memory is not None:
                self._table[BUFFERS // 8 + number] = memory[0]

    def _native(self, segment: Segment) -> Call:
        code, starts = driver_code(segment, self._addresses)
        run, table, first = self._library.run, address_of(self._table), address_of(code)
        count = len(segment.pieces)

        def call() -> None:
            stopped = run(table, first, 0, count)
            while stopped >= 0:
                # That kernel found something that it cannot do (a label out of range): the
                # instruction does it by itself, or says what is wrong.
                self._instead(segment, stopped)
                following = stopped + 1
                if following == count:
                    return
                stopped = run(table, first + starts[following], following, count)

        call.code = code  # type: ignore[attr-defined]  # the driver reads it: it must live on
        one_by_one = [
            (functools.partial(run, table, first + start, k, k + 1), ())
            for k, start in enumerate(starts[:count])
        ]
        call.pieces = list(zip(segment.pieces, one_by_one, strict=True))  # type: ignore[attr-defined]
        return call, ()

    def _has_threads(self, at: int) -> bool:
        pieces = [piece for piece, _ in getattr(self.calls[at][0], "pieces", ())]
        return all(piece.recipe.blas for piece in pieces)

    def parts(self) -> Iterator[tuple[tuple[int, ...], str, list[Call]]]:
        """As the planned executor's; compiled code is taken apart into its kernels."""
        steps, records = self.plan.instructions, self.plan.graph.records
        for found, label, calls in super().parts():
            rest = [one for one in calls if not hasattr(one[0], "pieces")]
            for piece, call in (p for one in calls for p in getattr(one[0], "pieces", ())):
                inside = tuple(steps[number].record for number in piece.numbers)
                names = list(dict.fromkeys(records[i].primitive.name for i in inside))
                more = f" + {len(names) - 3}" if len(names) > 3 else ""
                yield inside, f"compiled {', '.join(names[:3])}{more}", [call]
            if rest:
                yield found, label, rest

    def _instead(self, segment: Segment, stopped: int) -> None:
        step = self.plan.instructions[segment.pieces[stopped].numbers[-1]]
        self._failed = step
        for function, arguments in calls_of(self, step, self.exact):
            function(*arguments)
        self._failed = None

    def _explained(self, step: Instruction, error: Exception) -> Exception:
        failed, self._failed = self._failed, None
        return super()._explained(failed or step, error)

    def _taking(self, place: Place) -> Callable[[Any], Any]:
        if not self.moves(place):
            return super()._taking(place)
        slot, at, values, table = self.slot(place), place.buffer, self.values, self._table
        entry = BUFFERS // 8 + at

        def take(value: Any) -> None:
            values[slot] = value
            table[entry] = value.__array_interface__["data"][0]

        return take
