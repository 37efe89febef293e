"""What `fit` tells about a training: the numbers of each epoch, and why it ended."""

from __future__ import annotations

from typing import NamedTuple

from dlgraph.errors import OperationError
from dlgraph.nn.module import Module
from dlgraph.optim import Optimizer


class Epoch(NamedTuple):
    """What a callback gets: the epoch's number (from 1), averages, learning rate, seconds.

    >>> import numpy as np
    >>> import dlgraph as dg
    >>> def enough(epoch):
    ...     return epoch.train["loss"] < 1
    >>> batches = [(np.ones((4, 1), "float32"), np.ones((4, 1), "float32"))]
    >>> line = dg.nn.Linear(1, 1, rng=dg.Stream(0))
    >>> sgd = dg.optim.SGD(line.parameters(), lr=0.1)
    >>> dg.fit(line, batches, optimizer=sgd, loss=dg.mse_loss, epochs=99, callbacks=[enough])
    epoch 1: loss 6.2168
    epoch 2: loss 2.2380
    epoch 3: loss 0.8057
    ended by a callback
    """

    number: int
    train: dict[str, float]  # "loss" and the metrics
    validation: dict[str, float]
    lr: float
    seconds: float
    model: Module
    optimizer: Optimizer

    def __repr__(self) -> str:
        parts = [f"{name} {_short(value)}" for name, value in self.train.items()]
        parts += [f"validation {name} {_short(value)}" for name, value in self.validation.items()]
        return f"epoch {self.number}: {', '.join(parts)}"


def _short(value: float) -> str:
    return f"{value:.4f}" if abs(value) < 1e6 else f"{value:.4g}"


class History(list):
    """The epochs of a training run; `ended` says why it ended before its last epoch, or None.

    >>> import numpy as np
    >>> import dlgraph as dg
    >>> batches = [(np.ones((4, 1), "float32"), np.ones((4, 1), "float32"))]
    >>> line = dg.nn.Linear(1, 1, rng=dg.Stream(0))
    >>> sgd = dg.optim.SGD(line.parameters(), lr=0.1)
    >>> history = dg.fit(line, batches, optimizer=sgd, loss=dg.mse_loss, epochs=3)
    >>> len(history), history.ended
    (3, None)
    >>> [round(loss, 4) for loss in history.series("loss")]
    [6.2168, 2.2380, 0.8057]
    """

    ended: str | None = None

    def series(self, name: str, *, validation: bool = False) -> list[float]:
        """One number per epoch, for a plot: `history.series("loss", validation=True)`.

        Raises `OperationError` for what was not measured.
        """
        rows = [epoch.validation if validation else epoch.train for epoch in self]
        if not all(name in row for row in rows):
            known = ", ".join(map(repr, rows[0])) or "nothing"
            raise OperationError(
                f"series({name!r}): {'validation measured' if validation else 'there is'} {known}",
                hint="fit(validation=...) measures on other data"
                if validation and not rows[0]
                else 'fit(metrics={"right": dg.accuracy}) measures more than the loss',
            )
        return [row[name] for row in rows]

    def __repr__(self) -> str:
        lines = [repr(epoch) for epoch in self] or ["no epoch was completed"]
        return "\n".join([*lines, f"ended by {self.ended}"] if self.ended else lines)
