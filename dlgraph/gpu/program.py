"""Programs of `Session(graph, device="gpu")`, node by node: every operation on arrays of CuPy.

What a graph holds comes to the device once, what is fed at each run, and what is fetched goes back.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from dlgraph.core import arrays
from dlgraph.core.program import Program
from dlgraph.errors import OperationError
from dlgraph.executors.interpreted import InterpretedProgram
from dlgraph.gpu.devices import Device, library, move_in_place


def executor_on_gpu(executor: str) -> Callable[..., Program]:
    """What makes the programs of a session; raises what `dg.device("gpu")` raises."""
    if executor == "fast":
        raise OperationError(
            'the executor "fast" compiles for the CPU',
            hint='dg.Session(graph, device="gpu") makes kernels for the GPU by itself',
        )
    library()
    return InterpretedOnGpu


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
