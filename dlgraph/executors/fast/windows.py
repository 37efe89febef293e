"""Pooling as element-wise work: the places of a window are as many views of the picture.

Nothing is copied into windows, and pooling can share its loop with what stands before and after it.
Served are windows without a margin; gradients also need windows that do not overlap.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from dlgraph.executors.fast.groups import Operation, Work
from dlgraph.executors.plan import Instruction, Place
from dlgraph.ops.scalar import Unsupported

MOST_WINDOW = 16  # places of a window


def _windows(picture: Place, out: tuple[int, ...], attrs: dict[str, Any]) -> list[Place]:
    """For each place of the window what all windows have there, as `_slabs` in `ops/conv.py`."""
    if any(map(any, attrs["padding"])) or picture.strides is None:
        raise Unsupported("a margin around the picture")
    dilation = attrs.get("dilation", (1, 1))
    found = []
    for i in range(attrs["kernel"][0]):
        for j in range(attrs["kernel"][1]):
            down, right = picture.strides[-2:]
            offset = picture.offset + i * dilation[0] * down + j * dilation[1] * right
            strides = (*picture.strides[:-2], down * attrs["stride"][0], right * attrs["stride"][1])
            found.append(Place(picture.buffer, offset, out, strides, picture.dtype))
    if len(found) > MOST_WINDOW:
        raise Unsupported("a large window")
    return found


def _max_pool(step: Instruction, output: Place) -> list[Work]:
    (x,) = step.inputs
    assert x is not None
    views = _windows(x, output.shape, step.attrs)
    steps = [
        Operation("maximum", {}, (views[0] if k == 1 else k - 2, view), output.dtype)
        for k, view in enumerate(views)
        if k
    ]
    value: Any = len(steps) - 1 if steps else views[0]
    return [Work(output.shape, tuple(steps), value, output)]


def _apart(step: Instruction, output: Place) -> list[Work]:
    """Zeros for what no window covers; raises `Unsupported` if windows overlap."""
    kernel, stride = step.attrs["kernel"], step.attrs["stride"]
    if any(map(any, [(d - 1,) for d in step.attrs.get("dilation", (1, 1))])):
        raise Unsupported("windows with holes")
    if kernel[0] > stride[0] or kernel[1] > stride[1]:
        raise Unsupported("windows that overlap")
    dy = step.inputs[0]
    assert dy is not None
    covered = zip(dy.shape[-2:], kernel, stride, output.shape[-2:], strict=True)
    if all(n * k == size and k == s for n, k, s, size in covered):
        return []
    return [Work(output.shape, (), output.dtype.type(0), output)]


def _max_spread(step: Instruction, output: Place) -> list[Work]:
    """`dy` to the first of each window that is as large as the largest, 0 to the others."""
    dy, x, top = step.inputs
    assert dy is not None and x is not None and top is not None
    found = _apart(step, output)
    zero, truth = output.dtype.type(0), np.dtype(bool)
    views = _windows(x, dy.shape, step.attrs)
    targets = _windows(output, dy.shape, step.attrs)
    steps: list[Operation] = []
    free: int | None = None
    for k, (view, target) in enumerate(zip(views, targets, strict=True)):
        steps.append(Operation("equal", {}, (view, top), truth))
        if free is not None:
            steps.append(Operation("logical_and", {}, (len(steps) - 1, free), truth))
        wins = len(steps) - 1
        last = k == len(views) - 1
        chosen = Operation("where", {}, (wins, dy, zero), output.dtype)
        found.append(Work(dy.shape, (*steps, chosen), len(steps), target))
        if not last:
            steps.append(Operation("logical_not", {}, (wins,), truth))
            if free is not None:
                steps.append(Operation("logical_and", {}, (len(steps) - 1, free), truth))
            free = len(steps) - 1
    return found


def _share(step: Instruction, dtype: np.dtype) -> np.generic:
    if any(map(any, step.attrs["counted"])):
        raise Unsupported("a margin that counts")
    kernel = step.attrs["kernel"]
    return dtype.type(step.attrs["divisor"] or kernel[0] * kernel[1])


def _mean_pool(step: Instruction, output: Place) -> list[Work]:
    (x,) = step.inputs
    assert x is not None
    views = _windows(x, output.shape, step.attrs)
    steps = [
        Operation("add", {}, (views[0] if k == 1 else k - 2, view), output.dtype)
        for k, view in enumerate(views)
        if k
    ]
    total: Any = len(steps) - 1 if steps else views[0]
    divide = Operation("divide", {}, (total, _share(step, output.dtype)), output.dtype)
    return [Work(output.shape, (*steps, divide), len(steps), output)]


def _mean_spread(step: Instruction, output: Place) -> list[Work]:
    dy = step.inputs[0]
    assert dy is not None
    found = _apart(step, output)
    divide = Operation("divide", {}, (dy, _share(step, output.dtype)), output.dtype)
    targets = _windows(output, dy.shape, step.attrs)
    return found + [Work(dy.shape, (divide,), 0, target) for target in targets]


POOLS = {
    "max_pool2d": _max_pool,
    "max_pool2d_spread": _max_spread,
    "avg_pool2d": _mean_pool,
    "avg_pool2d_spread": _mean_spread,
}
