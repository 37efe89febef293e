"""Numbers of an update rule, such as the learning rate, in the dtype of the parameter."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from dlgraph.core import arrays
from dlgraph.ops.copies import astype


def scalar(value: Any, dtype: Any) -> Any:
    """One factor of the rule, in the form in which arrays are multiplied by it fastest."""
    if isinstance(value, float):
        # NumPy multiplies faster by an array without axes than by its scalars; CuPy takes these.
        return dtype.type(value) if arrays.MODULES else _kept(value, dtype)
    return astype(value, dtype)


@lru_cache(maxsize=16)
def _kept(value: float, dtype: Any) -> np.ndarray:
    made = np.array(value, dtype)
    made.flags.writeable = False
    return made
