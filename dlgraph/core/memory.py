"""The pool for large temporaries: freed memory is kept for the next array instead of given back.

Eager code makes and drops an array at every operation.  By its defaults the C library of Linux
gives large blocks back to the system at once and fetches them again for the next operation, and
the pages of fetched memory are cleared one by one: for arrays of some MiB that takes longer than
computing.  The allocator itself is the pool that is wanted, it only has to be told to keep more.
It never hands out memory that somebody still holds, and nothing has to be counted here.
"""

from __future__ import annotations

import ctypes

MIB = 2**20
LARGEST = 32 * MIB  # larger blocks are fetched and given back one by one, as before
KEPT = 128 * MIB  # so much freed memory is kept at most, at the end of what the process has

# The numbers of these settings in malloc.h of the GNU C library.
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3


def keep_freed_blocks() -> bool:
    """Ask the allocator to keep freed blocks; False where it has no such setting.

    Called once, when dlgraph is imported.  Other systems (macOS, Windows, musl) keep their ways.

    >>> from dlgraph.core.memory import keep_freed_blocks
    >>> keep_freed_blocks() in (True, False)
    True
    """
    try:
        settings = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):  # TypeError: Windows has no library without a name
        return False
    return bool(settings(_MMAP_THRESHOLD, LARGEST) and settings(_TRIM_THRESHOLD, KEPT))
