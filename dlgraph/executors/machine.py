"""What this machine can do at best: measured once, to compare with what a program does.

Two ceilings (Williams, Waterman, Patterson, "Roofline", CACM 2009): floating point operations a
second, by a large matrix product, and bytes a second, by copies of two sizes, since a value that
fits into a cache comes faster than one from memory.  All on one thread.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import numpy as np

from dlgraph.executors.threads import blas_threads

SIZES = (2**19, 2**26)  # bytes: what fits into a cache, and what does not
SIDE = 768  # of the product: large enough to reach the ceiling, 10 ms
TRIALS = 5


class Machine(NamedTuple):
    """The ceilings of one core: operations a second, and bytes a second by working set."""

    flops: float
    bandwidths: tuple[tuple[int, float], ...]

    def bandwidth(self, bytes: float) -> float:
        """Bytes a second for something that touches so many bytes."""
        for size, speed in self.bandwidths:
            if bytes <= size:
                return speed
        return self.bandwidths[-1][1]

    def least_seconds(self, flops: float, bytes: float) -> float:
        """The time that this work takes at the very least: that of the nearer ceiling.

        >>> from dlgraph.executors.machine import Machine
        >>> machine = Machine(100e9, ((1_000, 50e9), (1_000_000, 10e9)))
        >>> machine.least_seconds(flops=1e9, bytes=500)
        0.01
        >>> machine.least_seconds(flops=0, bytes=100_000)
        1e-05
        """
        return max(flops / self.flops, bytes / self.bandwidth(bytes))


@cache
def machine(dtype: str = "float32") -> Machine:
    """Measure the ceilings, once in a process; takes about a fifth of a second.

    >>> from dlgraph.executors.machine import machine
    >>> machine().flops > 1e8
    True
    """
    with blas_threads(1):
        a = np.full((SIDE, SIDE), 0.5, dtype)
        product = np.empty_like(a)
        flops = 2 * SIDE**3 / _best(lambda: np.matmul(a, a, out=product))
    return Machine(flops, tuple((size, _copying(size, dtype)) for size in SIZES))


def _copying(size: int, dtype: str) -> float:
    # A copy touches its source and its target, so each is half of the working set.
    source = np.ones(size // 2 // np.dtype(dtype).itemsize, dtype)
    target = np.empty_like(source)
    times = max(1, 2**20 // size)

    def run() -> None:
        for _ in range(times):
            np.copyto(target, source)

    return times * size / _best(run)


def _best(run: Callable[[], Any]) -> float:
    run()
    found = []
    for _ in range(TRIALS):
        start = time.perf_counter()
        run()
        found.append(time.perf_counter() - start)
    return min(found)
