"""Programs of `Session(graph, device="gpu")`: planned and compiled, or node by node.

What a graph holds comes to the device once, what is fed at each run, and what is fetched goes back.
Read next: `runner.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from dlgraph.core import arrays
from dlgraph.core.graph import Graph
from dlgraph.core.mode import MODE
from dlgraph.core.primitive import Primitive
from dlgraph.core.program import Program, Settings
from dlgraph.core.spec import Spec
from dlgraph.errors import OperationError
from dlgraph.executors.draft import NoPlan
from dlgraph.executors.interpreted import InterpretedProgram
from dlgraph.executors.lowering import Fed, lower
from dlgraph.executors.plan import Plan, strides_of
from dlgraph.executors.program import KEPT, PlannedProgram
from dlgraph.executors.source import Source
from dlgraph.gpu.devices import Device, library, move_in_place
from dlgraph.gpu.driver import driver_of
from dlgraph.gpu.runner import GpuRunner

# Operations for which the memory plan knows more than where the result goes.
_PLANNED = ("gemm", "concatenate")


def executor_on_gpu(executor: str) -> Callable[..., Program]:
    """What makes the programs of a session; raises what `dg.device("gpu")` raises."""
    if executor == "fast":
        raise OperationError(
            'the executor "fast" compiles for the CPU',
            hint='dg.Session(graph, device="gpu") makes kernels for the GPU by itself',
        )
    library()
    return GpuProgram if executor == "planned" else InterpretedOnGpu


class InterpretedOnGpu(InterpretedProgram):
    """A program that runs node by node on the GPU.

    >>> import dlgraph as dg
    >>> if dg.gpu.is_available():
    ...     with dg.Graph().as_default() as g:
    ...         y = dg.constant([1.0, 2.0]) * 2
    ...     session = dg.Session(g, executor="interpreter", device="gpu")
    ...     assert session.run(y).tolist() == [2.0, 4.0]
    """

    def run(self, feeds: list[Any]) -> list[Any]:
        """Values of the fetches, on the device, for values that may be anywhere."""
        xp = library()
        for index in self.indices:
            tensor = self.records[index].attrs.get("tensor")
            if tensor is not None:
                move_in_place(tensor, Device("gpu"))
        return super().run([arrays.beside(xp, value) for value in feeds])

    def answer(self, feeds: list[Any]) -> list[Any]:
        """What the user gets: values in NumPy."""
        return [handed_out(value) for value in self.run(feeds)]


def handed_out(value: Any) -> Any:
    """A value as the user gets it: in NumPy, and nobody else's."""
    if value is None:
        return None
    found = arrays.to_numpy(value)
    if not np.ndim(found):
        return found[()]
    return found.copy() if found is value else found


def placed(
    primitive: Primitive, attrs: dict[str, Any], inputs: list[Any], spec: Spec
) -> tuple[int, ...] | None:
    """Everything is computed into memory of the plan, without gaps."""
    if primitive.name in _PLANNED:
        return None
    return strides_of(spec.shape, spec.dtype.itemsize)


class GpuProgram(PlannedProgram, InterpretedOnGpu):
    """A program that runs by plans on the GPU: kernels of our own and products of cuBLAS.

    What cannot be planned (loops, branches, sizes that only the run tells) runs node by node.

    >>> import dlgraph as dg
    >>> if dg.gpu.is_available():
    ...     with dg.Graph().as_default() as g:
    ...         x = dg.placeholder((2,), name="x")
    ...         y = dg.exp(x) * 2.0
    ...     program = dg.Session(g, device="gpu").program(y, [x])
    ...     assert "__global__" in str(program.source)
    """

    def __init__(
        self, graph: Graph, fetches: Iterable[int], feeds: Iterable[int], settings: Settings
    ):
        # The passes are told for what they rewrite.
        super().__init__(graph, fetches, feeds, settings._replace(executor="gpu"))
        self.placed, self._waits, self._reason = placed, False, ""

    def _planned(self, feeds: list[Any]) -> list[Any] | None:
        runner = self._runner(feeds)
        return None if runner is None else runner.run(feeds)

    def answer_steps(self, feeds: list[Any], count: int) -> list[Any]:
        """What the user gets for several steps, which the first axis of each feed counts."""
        mode = MODE.get()
        with self._lock:
            runner = self._runner([value[0] for value in feeds])
            if runner is not None and (mode is None or mode.watch is None):
                return runner.run_steps(feeds, count)
        return super().answer_steps(feeds, count)

    def _runner(self, feeds: list[Any]) -> Any:
        key = tuple([np.shape(value) for value in feeds])
        if key not in self._runners:
            dtypes = [self.records[i].spec.dtype for i in self.feeds]
            fed = [
                Fed(shape, strides_of(shape, dtype.itemsize))
                for shape, dtype in zip(key, dtypes, strict=True)
            ]
            try:
                self._runners[key] = self.bind(self.make_plan(fed))
            except NoPlan as no:
                self._reason = str(no)
                if no.passing:
                    return None
                self._runners[key] = None
            if len(self._runners) > KEPT:
                self._runners.popitem(last=False)
        return self._runners[key]

    def bind(self, plan: Plan) -> Any:
        """Compile the kernels of a plan and give it memory on the device."""
        return GpuRunner(plan, driver_of(library()))

    def make_plan(self, feeds: Sequence[Fed]) -> Plan:
        """The plan for feeds of these shapes."""
        optimised = self._optimise(feeds)
        fed = dict(zip(optimised.feeds, feeds, strict=True))
        held = (np.ndarray, np.generic, *arrays.MODULES)
        plan = lower(
            optimised.graph, optimised.fetches, fed, flatten=False, placed=self.placed, held=held
        )
        self._optimised = optimised
        return plan

    @property
    def notes(self) -> list[str]:
        """How the program runs: in how many launches, recorded or not, and why."""
        runner = next(reversed(self._runners.values()), None)
        if runner is not None:
            return runner.notes
        return [f"runs node by node: {self._reason}"] if self._reason else []

    @property
    def source(self) -> Source:
        """The kernels in CUDA C, and the launches in order, for the shapes fed last."""
        runner: Any = next((r for r in reversed(self._runners.values()) if r is not None), None)
        if runner is None:
            runner = self.bind(self.plan)
        return runner.source
