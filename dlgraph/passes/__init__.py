"""The passes: rewriting a graph before it runs, with a report of every change.

Read `base.py` first.
"""

from dlgraph.passes.base import Change, Job, Pass, Report, Rewritten
from dlgraph.passes.cost import Cost
from dlgraph.passes.manager import Optimised, PassManager
from dlgraph.passes.prune import Prune

PASSES: tuple[Pass, ...] = (Prune(),)  # in the order in which they run

__all__ = [
    "PASSES",
    "Change",
    "Cost",
    "Job",
    "Optimised",
    "Pass",
    "PassManager",
    "Prune",
    "Report",
    "Rewritten",
]
