"""How many threads a product may use: the plan decides, and puts it back afterwards.

A small product that the BLAS splits over two threads waits for a thread that is not running as soon
as anything else uses the machine; a hundred times slower has been measured.  So products below
`SMALL` run on one thread; for larger ones the plan tries one and all, once, and keeps the faster.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any, NamedTuple

import numpy as np

from dlgraph.errors import OperationError

SMALL = 100e6  # floating point operations; below, a second thread cannot pay
TRIALS = 5


class Blas(NamedTuple):
    """The library that computes NumPy's products, and its number of threads."""

    name: str
    version: str
    get: Callable[[], int]
    set: Callable[[int], None]


@cache
def blas() -> Blas | None:
    """The BLAS of this process, None if it has no threads to set (or is not known).

    >>> from dlgraph.executors.threads import blas
    >>> found = blas()
    >>> found is None or found.get() >= 1
    True
    """
    import numpy.linalg  # noqa: F401 (loads the library, which must be there to be found)
    from threadpoolctl import ThreadpoolController

    controller = ThreadpoolController().select(user_api="blas")
    for library in controller.lib_controllers:
        # A second BLAS in the process (SciPy's) is somebody else's.
        if "numpy" in library.filepath or len(controller.lib_controllers) == 1:
            return Blas(
                library.internal_api,
                library.version or "?",
                library.get_num_threads,
                library.set_num_threads,
            )
    return None


_lock = threading.RLock()


@contextmanager
def blas_threads(count: int) -> Iterator[None]:
    """Products inside the block use at most this many threads; afterwards all is as before.

    The setting belongs to the whole process.  Where the BLAS has no such setting the block
    changes nothing.  Raises OperationError if `count` is not a whole number of at least 1.

    >>> import dlgraph as dg
    >>> with dg.blas_threads(1):
    ...     y = dg.ones((2, 2)) @ dg.ones((2, 2))
    >>> print(y)
    [[2. 2.]
     [2. 2.]]
    """
    if isinstance(count, bool) or not isinstance(count, (int, np.integer)) or count < 1:
        raise OperationError(
            f"blas_threads({count!r}): a number of threads is a whole number of at least 1",
            hint="blas_threads(1) keeps products on one core",
        )
    library = blas()
    if library is None:
        yield
        return
    with _lock:
        before = library.get()
        library.set(int(count))
    try:
        yield
    finally:
        with _lock:
            library.set(before)


class Choice(NamedTuple):
    """The number of threads of one product, and why."""

    threads: int
    reason: str


def choose(products: Sequence[tuple[float, Callable[[], Any]]]) -> list[Choice]:
    """The number of threads for each product, given as its operations and a way to run it once.

    Small ones are not run.  The others are timed with one thread and with all that the BLAS
    was set to use when this is called.

    >>> from dlgraph.executors.threads import choose
    >>> choose([(1e6, lambda: None)])[0].threads
    1
    """
    library = blas()
    most = library.get() if library is not None else 1
    return [
        Choice(1, "the BLAS is set to one thread")
        if most == 1
        else Choice(1, f"{flops / 1e6:.3g} MFLOP, below {SMALL / 1e6:.0f}")
        if flops < SMALL
        else _measured(run, most)
        for flops, run in products
    ]


def _measured(run: Callable[[], Any], most: int) -> Choice:
    times = {}
    for count in (1, most):
        with blas_threads(count):
            run()  # wakes the threads up, and fills the caches
            times[count] = min(_seconds(run) for _ in range(TRIALS))
    best = min(times, key=times.__getitem__)
    shown = ", ".join(f"{count}: {seconds * 1e3:.3g} ms" for count, seconds in times.items())
    return Choice(best, f"measured, by threads: {shown}")


def _seconds(run: Callable[[], Any]) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start
