"""Drawing without the garbage collector.

A picture of 10,000 nodes is a million small objects, none of which is garbage before the picture is
done; the collector would look at all of them again and again, for a third of the time.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def no_collection() -> Iterator[None]:
    """The collector waits until this is over; where it is off already, it stays so.

    >>> import gc
    >>> from dlgraph.draw.collecting import no_collection
    >>> with no_collection():
    ...     gc.isenabled()
    False
    >>> gc.isenabled()
    True
    """
    on = gc.isenabled()
    try:
        gc.disable()
        yield
    finally:
        if on:
            gc.enable()
