"""The passes: rewriting a graph before it runs, with a report of every change.

Read `base.py` first.
"""

from dlgraph.passes import rules as rules  # fills the table
from dlgraph.passes.algebra import RULES as RULES
from dlgraph.passes.algebra import Algebra, Match, Rule
from dlgraph.passes.base import Change, Job, Pass, Report, Rewritten
from dlgraph.passes.bodies import Bodies
from dlgraph.passes.cost import Cost
from dlgraph.passes.cse import Merge
from dlgraph.passes.factors import Factors
from dlgraph.passes.flatten import Flatten
from dlgraph.passes.fold import Fold
from dlgraph.passes.fuse import Fuse
from dlgraph.passes.join import Join
from dlgraph.passes.manager import Optimised, PassManager
from dlgraph.passes.ones import Ones
from dlgraph.passes.patterns import rule
from dlgraph.passes.precision import MixedPrecision
from dlgraph.passes.prune import Prune
from dlgraph.passes.recompute import Recompute
from dlgraph.passes.schedule import Schedule
from dlgraph.passes.softmax import Softmax
from dlgraph.passes.specialise import Specialise
from dlgraph.passes.stack import Stack
from dlgraph.passes.unroll import Unroll
from dlgraph.passes.update import Update

PASSES: tuple[Pass, ...] = (  # in the order in which they run
    Prune(),
    Specialise(),
    Fold(),
    Unroll(),
    Algebra(),
    Fold(),  # what the rules made of constants
    Merge(),
    Bodies(),
    Join(),
    Stack(),
    Softmax(),
    Factors(),
    Ones(),
    Update(),
    Flatten(),
    Fuse(),
    Schedule(),
    Recompute(),
)

__all__ = [
    "Algebra",
    "Bodies",
    "Change",
    "Cost",
    "Factors",
    "Flatten",
    "Fold",
    "Fuse",
    "Job",
    "Join",
    "Match",
    "Merge",
    "MixedPrecision",
    "Ones",
    "Optimised",
    "Pass",
    "PassManager",
    "Prune",
    "Recompute",
    "Report",
    "Rewritten",
    "Rule",
    "Schedule",
    "Softmax",
    "Specialise",
    "Stack",
    "Unroll",
    "Update",
    "rule",
]
