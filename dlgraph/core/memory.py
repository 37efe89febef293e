"""The pool for large temporaries: freed memory is kept for the next array instead of given back.

Eager code makes and drops an array at every operation.  By its defaults the C library of Linux
gives large blocks back to the system at once and fetches them again for the next operation, and
the pages of fetched memory are cleared one by one: for arrays of some MiB that takes longer than
computing.  The allocator itself is the pool that is wanted, it only has to be told to keep more.
It never hands out memory that somebody still holds, and nothing has to be counted here.

What it keeps also lies in large pages where Linux gives them on request.  In small ones, which lie
anywhere in the machine, arrays that would fit into the second-level cache together push each other
out of it: the eager step of a small network took 3 % longer.
"""

from __future__ import annotations

import ctypes
import mmap
import sys

MIB = 2**20
LARGEST = 32 * MIB  # larger blocks are fetched and given back one by one, as before
KEPT = 128 * MIB  # so much freed memory is kept at most, at the end of what the process has
USUAL_PAD = 2**17  # so much more than is needed is fetched by default
POOL = 64 * MIB  # so much is reserved in large pages; memory is taken for what is used of it

# The numbers of these settings in malloc.h of the GNU C library, and of the advice in mman.h.
_TRIM_THRESHOLD, _TOP_PAD, _MMAP_THRESHOLD = -1, -2, -3
_HUGE_PAGES = 14


def keep_freed_blocks() -> bool:
    """Ask the allocator to keep freed blocks; False where it has no such setting.

    Called once, when dlgraph is imported.  Other systems (macOS, Windows, musl) keep their ways.

    >>> from dlgraph.core.memory import keep_freed_blocks
    >>> keep_freed_blocks() in (True, False)
    True
    """
    try:
        library = ctypes.CDLL(None)
        settings = library.mallopt
    except (AttributeError, OSError, TypeError):  # TypeError: Windows has no library without a name
        return False
    kept = bool(settings(_MMAP_THRESHOLD, LARGEST) and settings(_TRIM_THRESHOLD, KEPT))
    if kept and sys.platform == "linux":
        _reserve_large_pages(library)
    return kept


def _reserve_large_pages(library: ctypes.CDLL) -> None:
    """Have the allocator fetch the pool now, and ask for large pages under it: a wish, no more."""
    size, address = ctypes.c_size_t, ctypes.c_void_p
    where = ctypes.CFUNCTYPE(address, ctypes.c_ssize_t)(("sbrk", library))
    fetch = ctypes.CFUNCTYPE(address, size)(("malloc", library))
    release = ctypes.CFUNCTYPE(None, address)(("free", library))
    advise = ctypes.CFUNCTYPE(ctypes.c_int, address, size, ctypes.c_int)(("madvise", library))
    page = mmap.PAGESIZE
    start = where(0)
    library.mallopt(_TOP_PAD, POOL)
    release(fetch(LARGEST - page))  # more than lies free: the allocator fetches it, and the pool
    library.mallopt(_TOP_PAD, USUAL_PAD)
    end = where(0)
    if start and end and start < end:
        start += -start % page
        advise(start, end - start, _HUGE_PAGES)
