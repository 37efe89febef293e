"""Adapter of `fuzz.py`: dlgraph in both modes at once, which must agree in every bit."""

from __future__ import annotations

import sys
from pathlib import Path

import dlgraph as dg

sys.path.insert(0, str(Path(__file__).parent))  # a yardstick loads this file by its path
from _ops import FUZZ

NAME = "dlgraph, both modes"
__all__ = ["FUZZ", "NAME", "vjp"]


def vjp(fn, arrays, cotangents):
    dg.testing.assert_modes_agree(fn, arrays)  # known and unknown sizes
    return dg.testing.run_eager(fn, arrays, cotangents)
