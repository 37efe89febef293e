"""Class numbers: what labels may be, and the vectors with a single 1 that stand for them."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from dlgraph.core.primitive import primitive
from dlgraph.core.spec import Spec
from dlgraph.errors import DtypeError, LabelError


def _one_hot_spec(labels: Spec, depth: int, dtype: Any) -> Spec:
    check_integers(labels.dtype)
    return Spec((*labels.shape, depth), np.dtype(dtype))


@primitive(kind="index", infer=_one_hot_spec, onnx="OneHot")
def one_hot(xp: Any, labels: Any, *, depth: int, dtype: Any = "float32") -> Any:
    """1 at the place of each label, 0 elsewhere; shape (..., depth), of a floating type.

    >>> import dlgraph as dg
    >>> print(dg.one_hot(dg.Tensor([0, 2]), depth=3))
    [[1. 0. 0.]
     [0. 0. 1.]]
    """
    check_labels(labels, depth)
    return (labels[..., None] == xp.arange(depth)).astype(dtype)


def check_integers(dtype: Any, hint: str = 'labels.astype("int64")') -> None:
    """Raise `DtypeError` if labels of this dtype cannot be class numbers."""
    if dtype.kind not in "iu":
        raise DtypeError(f"labels are class numbers (integers), not {dtype}", where=None, hint=hint)


_UNSIGNED = {size: np.dtype(f"u{size}") for size in (1, 2, 4, 8)}
FEW, MANY = 64, 1024


@lru_cache(maxsize=8)
def _numbers(classes: int) -> frozenset[int]:
    return frozenset(range(classes))


def _all_below(labels: Any, classes: int) -> bool:
    """Are they all 0 ... classes - 1?"""
    if not labels.size:
        return True
    if labels.size <= FEW and classes <= MANY and type(labels) is np.ndarray:
        # Python is quicker than NumPy then.
        return _numbers(classes).issuperset(labels.reshape(-1).tolist())
    # Read as unsigned, a negative label is enormous: one comparison finds both kinds.
    # In 8 or 16 bits not enormous enough: -1 is 255, which may be a class.
    size = labels.dtype.itemsize if labels.ndim else 0
    unsigned = labels.view(_UNSIGNED[size]) if size > 2 else labels.astype("u8")
    return bool(unsigned.max() < classes)


def check_labels(labels: Any, classes: int) -> None:
    """Raise `LabelError` if a label is not 0 ... classes - 1; one pass over the labels."""
    check_integers(labels.dtype)
    if _all_below(labels, classes):
        return
    wrong = np.argwhere((np.atleast_1d(labels) < 0) | (np.atleast_1d(labels) >= classes))
    first = tuple(int(i) for i in wrong[0])
    value = int(np.atleast_1d(labels)[first])
    raise LabelError(
        f"label {value} at position {list(first)} is out of range: there are {classes} classes, "
        f"0 to {classes - 1}" + (f" ({len(wrong)} such labels)" if len(wrong) > 1 else ""),
        where=None,
        hint="are the labels numbered from 1? subtract 1"
        if value == classes
        else "compare the labels with the size of the last layer",
    )
