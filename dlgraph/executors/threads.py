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
from dlgraph.executors.blas import thread_setting

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
    found = thread_setting()
    if found is not None:
        return Blas("openblas", *found)
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


class _Limits:
    """Who has set the number of threads at present, in the order of coming; the latest counts.

    The number before the first of them comes back after the last, in whichever order they go.
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._counts: dict[object, int] = {}
        self._before = 1

    def begin(self, who: object, library: Blas, count: int) -> None:
        with self._lock:
            if not self._counts:
                self._before = library.get()
            self._counts[who] = count
            library.set(count)

    def end(self, who: object, library: Blas) -> None:
        """Nothing if `who` has not begun: an interrupt may have come before."""
        with self._lock:
            if who in self._counts:
                left = [count for other, count in self._counts.items() if other is not who]
                try:
                    library.set(left[-1] if left else self._before)
                finally:
                    del self._counts[who]

    def before(self, library: Blas) -> int:
        """The number without any limit."""
        with self._lock:
            return self._before if self._counts else library.get()

    def allowed(self, library: Blas) -> int:
        """The most that a plan may use: what the latest block says, whichever plans run."""
        with self._lock:
            blocks = [n for who, n in self._counts.items() if not isinstance(who, Threads)]
            return blocks[-1] if blocks else self.before(library)


_LIMITS = _Limits()


@contextmanager
def blas_threads(count: int) -> Iterator[None]:
    """Products inside the block use at most this many threads; afterwards all is as before.

    The setting belongs to the whole process; of blocks that overlap, in several threads, the latest
    counts.  Where the BLAS has no such setting the block
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
    who = object()
    try:
        _LIMITS.begin(who, library, int(count))
        yield
    finally:
        _LIMITS.end(who, library)


class Choice(NamedTuple):
    """The number of threads of one product, and why."""

    threads: int
    reason: str


def choose(products: Sequence[tuple[float, Callable[[], Any]]]) -> list[Choice]:
    """The number of threads for each product, given as its operations and a way to run it once.

    Small ones are not run.  The others are timed with one thread and with all that the BLAS
    may use when this is called.

    >>> from dlgraph.executors.threads import choose
    >>> choose([(1e6, lambda: None)])[0].threads
    1
    """
    library = blas()
    most = _LIMITS.allowed(library) if library is not None else 1
    return [
        Choice(1, "the BLAS is set to one thread")
        if most == 1
        else Choice(1, f"{flops / 1e6:.3g} MFLOP, below {SMALL / 1e6:.0f}")
        if flops < SMALL
        else _measured(run, most)
        for flops, run in products
    ]


class Threads:
    """The threads of one plan: one, but for the large products that are faster with all.

    `wide` are the positions of those, in the order that was given; `notes` says what was chosen.
    Runs of several plans may overlap: the number before the first of them is what comes back
    after the last.
    """

    def __init__(self, library: Blas, choices: Sequence[tuple[int, Choice]]):
        self._library = library
        most = _LIMITS.before(library)
        self.wide = [at for at, choice in choices if choice.threads > 1]
        self.widen = (self._widen, ())
        self.narrow = (library.set, (1,))
        self.notes = [
            f"threads of the products: 1 of {most}, but {most} for {len(self.wide)} of "
            f"{len(choices)} that are large ({choice.reason})"
            for _, choice in choices
            if choice.threads > 1
        ][:1] or [f"threads of the products: 1 of {most}"]

    @classmethod
    def of(cls, products: Sequence[tuple[int, float, Callable[[], Any]]]) -> Threads | None:
        """The threads for products given as position, operations and a way to run it once.

        None if there is nothing to choose: the BLAS is set to one thread already.
        """
        library = blas()
        if library is None or _LIMITS.before(library) == 1:
            return None
        choices = choose([(flops, run) for _, flops, run in products])
        return cls(library, [(at, c) for (at, _, _), c in zip(products, choices, strict=True)])

    def _widen(self) -> None:
        self._library.set(_LIMITS.allowed(self._library))

    def begin(self) -> None:
        """From here on products use one thread."""
        _LIMITS.begin(self, self._library, 1)

    def end(self) -> None:
        """As it was before the first `begin`, if no other plan runs.

        Harmless where `begin` was interrupted, so it stands in a `finally` that covers both.
        """
        _LIMITS.end(self, self._library)


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
