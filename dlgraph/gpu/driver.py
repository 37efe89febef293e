"""What the executor asks of a GPU: memory, compiled kernels, products, a recording of a run.

`cupy_backend.py` answers with CuPy.  The tests have another one, which compiles the same kernels
for the CPU and runs them thread by thread.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from dlgraph.executors.plan import Place

Launcher = Callable[[tuple[int, ...], tuple[int, ...], Sequence[Any]], None]
DRIVERS: dict[str, Driver] = {}  # by the name of the array library


class Driver(Protocol):
    """A device, through an array library `xp`."""

    xp: Any
    notes: list[str]

    def compile(self, source: str, names: Sequence[str]) -> Mapping[str, Launcher]:
        """The kernels of a source, to be called with grid, block and arrays."""

    def empty(self, size: int) -> Any:
        """So many bytes of memory."""

    def memory_of(self, array: Any) -> Any:
        """The memory that starts with the first element of an array, and is kept alive."""

    def view(self, memory: Any, place: Place) -> Any:
        """An array on memory, with the offset, shape, strides and dtype of a place."""

    def put(self, view: Any, value: Any) -> None:
        """Copy an array of NumPy, without gaps, to a view without gaps."""

    def copy(self, target: Any, source: Any) -> None:
        """Copy an array on the device to another one, both without gaps; it can be recorded."""

    def synchronize(self) -> None:
        """Wait until the device has done everything."""

    def address(self, array: Any) -> int:
        """Where the first element of an array lies."""

    def products(self) -> Any:
        """A `Blas` (see `cublas.py`) whose calls can be recorded, or None."""

    def begin(self) -> None:
        """Before a run: wait for what others do with the device."""

    def end(self) -> None:
        """After a run: let others wait for it."""

    def record(self, run: Callable[[], None]) -> Callable[[], None] | None:
        """What repeats a run in one launch; None if it cannot be recorded."""


def driver_of(xp: Any) -> Driver:
    """The driver of an array library."""
    return DRIVERS[xp.__name__]
