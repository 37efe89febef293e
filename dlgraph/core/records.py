"""What a list of records says: one of them as a formula, all of them as a hash.

Next: `graph.py`, which adds to such a list.
"""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np

from dlgraph.core.node import Record
from dlgraph.core.spec import show_shape
from dlgraph.core.tensor import Tensor, show_value


def describe_record(records: list[Record], index: int) -> str:
    """One node as a formula over the names of its inputs."""
    record = records[index]
    if record.primitive.name == "constant":
        text = f"constant = {show_value(record.attrs['value'])}"
    elif not record.inputs:
        text = record.primitive.name
    else:
        text = record.primitive.formula(*(records[i].name for i in record.inputs))
    usual = record.primitive.attributes
    extra = [
        f"{name}={_show_attribute(value)}"
        for name, value in record.attrs.items()
        if value is not None
        and value is not False
        and isinstance(value, (bool, int, float, str, tuple, np.dtype))
        and value != usual.get(name)
    ]
    after = [records[i].name for i in record.control]
    text += f"  [{', '.join(extra)}]" if extra else ""
    return text + (f"  after {', '.join(after)}" if after else "")


def _show_attribute(value: Any) -> str:
    if isinstance(value, tuple):
        return show_shape(value)
    return f"{value:g}" if isinstance(value, float) else str(value)


def structure_hash(records: list[Record]) -> str:
    """What `Graph.structure_hash` gives: names and lines do not count."""
    digest = hashlib.sha256()
    dims: dict[Any, int] = {}
    for record in records:
        known = [
            s if isinstance(s, int) else f"?{dims.setdefault(s, len(dims))}"
            for s in record.spec.shape
        ]
        parts = (record.primitive.name, record.inputs, known, str(record.spec.dtype))
        digest.update(repr((parts, freeze(record.attrs), record.control)).encode())
    return digest.hexdigest()[:16]


def freeze(value: Any) -> Any:
    """Attributes as something printable and comparable: arrays by their bytes, tensors by spec.

    Bodies by what they compute.  (They nest as deep as somebody wrote them.)
    """
    if isinstance(value, dict):
        return tuple((key, freeze(value[key])) for key in sorted(value))
    if isinstance(value, (list, tuple)):
        return tuple(freeze(one) for one in value)
    if isinstance(value, slice):
        return ("slice", value.start, value.stop, value.step)
    if isinstance(value, Tensor):
        return ("tensor", value._spec_shape(), str(value._spec_dtype()))
    if isinstance(value, (np.ndarray, np.generic)):
        whole = np.ascontiguousarray(value)
        return (whole.shape, str(whole.dtype), hashlib.sha256(whole.tobytes()).hexdigest()[:16])
    if isinstance(value, (bool, int, float, str, type(None), np.dtype)):
        return str(value)
    if hasattr(value, "records"):  # the body of a branch or loop
        ends = (value.all_inputs, value.outputs, value.effects)
        return (structure_hash(value.records), *ends)
    return type(value).__name__
