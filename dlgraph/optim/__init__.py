"""Optimisers: each update rule once, usable as `.step()` and as `.minimize(loss)`.

Also here: schedules of the learning rate and gradient clipping.  Read next: `optimizer.py`.
"""

from typing import NoReturn

from dlgraph.optim.clipping import (
    clip_by_norm,
    clip_by_value,
    clip_grad_norm,
    clip_grad_value,
    global_norm,
)
from dlgraph.optim.groups import Group
from dlgraph.optim.optimizer import Optimizer
from dlgraph.optim.rules import SGD, Adagrad, Adam, AdamW, RMSprop
from dlgraph.optim.schedules import (
    Schedule,
    constant,
    cosine,
    exponential,
    linear_warmup,
    product,
    sequence,
    step_decay,
)

__all__ = [
    "SGD",
    "Adagrad",
    "Adam",
    "AdamW",
    "Group",
    "Optimizer",
    "RMSprop",
    "Schedule",
    "clip_by_norm",
    "clip_by_value",
    "clip_grad_norm",
    "clip_grad_value",
    "constant",
    "cosine",
    "exponential",
    "global_norm",
    "linear_warmup",
    "product",
    "sequence",
    "step_decay",
]


def __getattr__(name: str) -> NoReturn:
    from dlgraph.core.names import no_function

    raise no_function("dlgraph.optim", name, __all__)
