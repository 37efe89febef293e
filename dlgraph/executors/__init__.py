"""Executors: what runs a graph after it was optimised.

Read `plan.py` (what a plan says), `lowering.py` (from a graph to a plan), `memory.py` (where values
live), `bound.py` and `calls.py` (arrays and calls for it), `planned.py` (run it with NumPy),
`program.py` (what a session keeps), `interpreted.py` (node after node), `fast/` (compile).

Executors enter themselves into a table of the core, which knows nothing of them.  The files are
imported when a session is made.
"""

from __future__ import annotations

from collections.abc import Callable

from dlgraph.core.program import DEVICES, EXECUTORS, Program


def _interpreter() -> Callable[..., Program]:
    from dlgraph.executors.interpreted import InterpretedProgram

    return InterpretedProgram


def _planned() -> Callable[..., Program]:
    from dlgraph.executors.program import PlannedProgram

    return PlannedProgram


def _fast() -> Callable[..., Program]:
    from dlgraph.executors.fast import llvm
    from dlgraph.executors.fast.executor import FastProgram

    llvm.binding()  # raises if llvmlite is not installed
    return FastProgram


def _gpu(executor: str) -> Callable[..., Program]:
    from dlgraph.gpu.program import executor_on_gpu

    return executor_on_gpu(executor)  # raises if there is no GPU, or no CuPy


EXECUTORS["interpreter"] = _interpreter
EXECUTORS["planned"] = _planned
EXECUTORS["fast"] = _fast
DEVICES["gpu"] = _gpu
