"""Adapter of the outside yardsticks: dlgraph, define-then-run.  See `_ops.py`."""

from __future__ import annotations

import sys
from pathlib import Path

import dlgraph as dg

sys.path.insert(0, str(Path(__file__).parent))  # a yardstick loads this file by its path
from _ops import FUZZ, OPTIMIZERS, const, make_model, to_numpy

NAME = "dlgraph, define-then-run"
__all__ = ["FUZZ", "NAME", "const", "make_classifier", "to_numpy", "vjp"]

vjp = dg.testing.run_graph


class Classifier:
    """What `accuracy.py` trains: the graph is written down once, a session runs it."""

    def __init__(self, model, optimizer, dtype):
        self.model = model
        self.graph = dg.Graph()
        with self.graph.as_default():
            self.image = dg.placeholder(("batch", 784), dtype, name="image")
            self.label = dg.placeholder(("batch",), "int64", name="label")
            self.output = model(self.image)
            self.loss = dg.cross_entropy(self.output, self.label)
            self.train = optimizer.minimize(self.loss)
        self.session = dg.Session(self.graph)
        self.session.run(self.graph.startup)  # the state of the optimiser

    def step(self, x, y):
        loss, _ = self.session.run([self.loss, self.train], {self.image: x, self.label: y})
        return float(loss)

    def logits(self, x):
        return self.session.run(self.output, {self.image: x})


def make_classifier(arch, params, optimizer, lr, dtype):
    model = make_model(arch, params, dtype)
    return Classifier(model, OPTIMIZERS[optimizer](model.parameters(), lr=lr), dtype)
