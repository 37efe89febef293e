"""Optimisers: each update rule once, usable as `.step()` and as `.minimize(loss)`."""

from dlgraph.optim.optimizer import Optimizer
from dlgraph.optim.rules import SGD, Adam

__all__ = ["SGD", "Adam", "Optimizer"]
