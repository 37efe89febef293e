"""The question "predict the next gradient": which number is asked for, and what it is made of."""

from __future__ import annotations

from typing import Any

import numpy as np

from dlgraph.draw.formula import number_text
from dlgraph.draw.walk import Flow


def ask(flow: Flow, local: Any) -> dict[str, Any] | None:
    """One number of what comes along an edge: the first that is not 0, as number and as text.

    With the answer goes what frontend/src/step/judge.js needs to see where a wrong one came from:
    the upstream and the local derivative of the same element, where there are such, and what came
    to the same value before.  None where there is nothing to ask (several values, NaN).
    """
    down = np.asarray(flow.downstream)
    if down.dtype.kind != "f" or not down.size:
        return None
    element = np.unravel_index(int(np.argmax(down.reshape(-1) != 0)), down.shape)

    def at(value: Any) -> float | None:
        found = np.asarray(value)
        if value is None or found.shape != down.shape or not np.isfinite(found[element]):
            return None
        return float(found[element])

    stretched = np.shape(flow.pulled) != down.shape
    factor = None if stretched else at(local)
    known = {
        "answer": at(down),
        "upstream": None if factor is None else at(flow.upstream),
        "local": factor,
        "held": at(flow.held),
    }
    found = {name: value for name, value in known.items() if value is not None}
    if "answer" not in found:
        return None
    shown = {name: number_text(value) for name, value in found.items()}
    return {"element": [int(i) for i in element], "shown": shown, **found}
