"""Adapter of `fuzz.py` without an engine: NumPy's values, and slopes measured by differences.

A reference for gradients where PyTorch is not installed.  It has no `detach`: what that does cannot
be measured.
"""

from __future__ import annotations

import numpy as np

NAME = "NumPy, central differences"
EPSILON = 1e-5


def __getattr__(name):
    # Late, because `fuzz` exists only beside the yardsticks, and is being imported itself.
    if name != "FUZZ":
        raise AttributeError(name)
    from fuzz import NUMPY

    return {op: function for op, function in NUMPY.items() if op != "detach"}


def vjp(fn, arrays, cotangents):
    def total(values):
        return sum(float((y * c).sum()) for y, c in zip(fn(*values), cotangents, strict=True))

    gradients = [np.zeros_like(a) for a in arrays]
    for i, gradient in enumerate(gradients):
        for place in np.ndindex(gradient.shape):
            ends = []
            for sign in (1, -1):
                values = [np.array(a) for a in arrays]
                values[i][place] += sign * EPSILON
                ends.append(total(values))
            gradient[place] = (ends[0] - ends[1]) / (2 * EPSILON)
    return [np.asarray(y) for y in fn(*arrays)], gradients
