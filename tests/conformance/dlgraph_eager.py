"""Adapter of the outside yardsticks: dlgraph, eager mode.  See `_ops.py`."""

from __future__ import annotations

import sys
from pathlib import Path

import dlgraph as dg

sys.path.insert(0, str(Path(__file__).parent))  # a yardstick loads this file by its path
from _ops import FUZZ, OPTIMIZERS, const, make_model, to_numpy

NAME = "dlgraph, eager"
__all__ = ["FUZZ", "NAME", "const", "make_classifier", "to_numpy", "vjp"]

vjp = dg.testing.run_eager


class Classifier:
    """What `accuracy.py` trains: one step at a time, define-by-run."""

    def __init__(self, model, optimizer):
        self.model, self.optimizer = model, optimizer

    def step(self, x, y):
        loss = dg.cross_entropy(self.model(dg.Tensor(x)), dg.Tensor(y))
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return loss.item()

    def logits(self, x):
        with dg.no_grad():
            return self.model(dg.Tensor(x)).numpy()


def make_classifier(arch, params, optimizer, lr, dtype):
    model = make_model(arch, params, dtype)
    return Classifier(model, OPTIMIZERS[optimizer](model.parameters(), lr=lr))
