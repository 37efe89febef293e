"""Which dtype the operands of an operation are brought to."""

from __future__ import annotations

from typing import Any

import numpy as np

from dlgraph.core.spec import DEFAULT_FLOAT, common_dtype, floating


def weak_kind(value: Any) -> type | None:
    """`bool`, `int` or `float` for a number without a dtype of its own, else None.

    Python numbers, NumPy scalars, 0-d arrays and lists are weak: they take the dtype of what they
    meet.  So `x * np.sqrt(2)` stays float32, although NumPy's square root is a float64.
    """
    if isinstance(value, (bool, np.bool_)):
        return bool
    if isinstance(value, (int, np.integer)):
        return int
    if isinstance(value, (float, np.floating)):
        return float
    if isinstance(value, (list, tuple)) or (isinstance(value, np.ndarray) and value.ndim == 0):
        try:
            kind = np.asarray(value).dtype.kind
        except ValueError:  # rows of different lengths
            return None
        return {"b": bool, "i": int, "u": int, "f": float}.get(kind)
    return None


def target_dtype(primitive: Any, kinds: list[Any]) -> np.dtype:
    """The dtype to which the operands named in `promotes` are brought.

    `kinds` holds, per operand, its dtype, or `bool`, `int` or `float` if it is weak.
    """
    strong = [kind for kind in kinds if isinstance(kind, np.dtype)]
    weak = [kind for kind in kinds if not isinstance(kind, np.dtype)]
    dtype = common_dtype(strong) if strong else np.dtype(bool)
    if float in weak and dtype.kind in "biu":
        dtype = DEFAULT_FLOAT
    elif int in weak and dtype.kind == "b":
        dtype = np.dtype(np.int64)
    return floating(dtype) if primitive.floating else dtype
