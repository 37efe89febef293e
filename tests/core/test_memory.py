"""Freed blocks are used again, nobody's memory is, and what is kept is bounded."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

import dlgraph as dg
from dlgraph.core.memory import KEPT, MIB, keep_freed_blocks

gnu = pytest.mark.skipif(not keep_freed_blocks(), reason="the allocator has no such settings")


def figures(program):
    """The numbers that a fresh interpreter prints."""
    found = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    return [int(word) for word in found.stdout.split()]


@gnu
def test_large_temporaries_come_from_freed_blocks():
    (faults,) = figures(
        "import resource, numpy as np, dlgraph as dg\n"
        "x = dg.Tensor(np.ones((1024, 1024), np.float32))\n"
        "def chain(): return dg.tanh(x * 2.0 + 1.0) * x - x\n"
        "def faults(): return resource.getrusage(resource.RUSAGE_SELF).ru_minflt\n"
        "for _ in range(3): chain()\n"
        "before = faults()\n"
        "for _ in range(20): chain()\n"
        "print(faults() - before)\n"
    )
    # Fetched from the system each time, 100 arrays of 4 MiB would be 100 times 1,024 pages.
    assert faults < 10 * 1024


@gnu
def test_no_more_than_so_much_is_kept():
    before, after = figures(
        "import gc, resource, numpy as np, dlgraph as dg\n"
        "def resident():\n"
        "    words = open('/proc/self/statm').read().split()\n"
        "    return int(words[1]) * resource.getpagesize()\n"
        "before = resident()\n"
        "many = [dg.Tensor(np.ones(2**21, np.float32)) for _ in range(48)]\n"
        "assert resident() - before > 300 * 2**20\n"
        "many.clear(); gc.collect()\n"
        "print(before, resident())\n"
    )
    assert after - before < KEPT + 32 * MIB


def test_values_that_are_held_stay_while_others_come_and_go():
    rng = np.random.default_rng(0)
    first = dg.Tensor(rng.standard_normal((600, 600)).astype(np.float32))
    held, wanted = [], []
    for k in range(20):
        y = first * float(k) + 1.0
        held.append(y.numpy()[k : k + 2] if k % 2 else y)  # a view keeps its block too
        wanted.append((first.numpy() * np.float32(k) + 1)[k : k + 2])
        del y
    for k, (kept, right) in enumerate(zip(held, wanted, strict=True)):
        np.testing.assert_array_equal(kept if k % 2 else kept.numpy()[k : k + 2], right)
