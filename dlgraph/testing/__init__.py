"""Checks for operations and models: gradients against differences, one mode against the other.

`check_grads` compares the gradient that the engine derives with the slope that one measures by
moving an input a little.  `assert_modes_agree` runs the same function eagerly and define-then-run
and wants the same bits.  Both are used by dlgraph's own tests and meant for yours.

>>> import dlgraph as dg
>>> report = dg.testing.check_grads(lambda a, b: a * b + a, [[1.0, 2.0], 3.0])
>>> report.passed
True
"""

from dlgraph.testing.modes import assert_modes_agree, run_eager, run_graph
from dlgraph.testing.slopes import Comparison, Report, check_grads

__all__ = ["Comparison", "Report", "assert_modes_agree", "check_grads", "run_eager", "run_graph"]
