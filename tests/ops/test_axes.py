"""Axes that are not there: every function says which one it was, and where it was called."""

from __future__ import annotations

import numpy as np
import pytest

import dlgraph as dg
from dlgraph.errors import ShapeError
from dlgraph.testing import run_eager, run_graph

X = np.array([[1.0, -2.0, 0.5], [3.0, 0.25, -1.0]], np.float32)

CALLS = {
    "flip": lambda x: dg.flip(x, 5),
    "moveaxis": lambda x: dg.moveaxis(x, 0, 5),
    "roll": lambda x: dg.roll(x, 1, 5),
    "repeat": lambda x: dg.repeat(x, 2, 5),
    "split": lambda x: dg.split(x, 1, 5),
    "chunk": lambda x: dg.chunk(x, 1, 5),
    "swapaxes": lambda x: dg.swapaxes(x, 0, 5),
    "flatten": lambda x: x.flatten(5),
    "diagonal": lambda x: dg.diagonal(x, 0, 0, 5),
    "glu": lambda x: dg.glu(x, 5),
    "index_add": lambda x: dg.index_add(x, [0], x[:1], 5),
    "index_fill": lambda x: dg.index_fill(x, [0], 1.0, 5),
    "topk": lambda x: dg.topk(x, 1, 5),
    "tensordot": lambda x: dg.tensordot(x, x, ([5], [0])),
    "prod": lambda x: dg.prod(x, 5),
}


@pytest.mark.parametrize("name", CALLS)
def test_an_axis_out_of_range_is_told_with_the_function_and_the_line(name):
    for run in (run_eager, run_graph):
        with pytest.raises(ShapeError, match=f"^{name}: axis 5 is out of range for 2") as caught:
            run(CALLS[name], [X])
        assert caught.value.where.place.startswith("test_axes.py")


def test_images_have_two_axes():
    for pool in (dg.adaptive_avg_pool2d, dg.adaptive_max_pool2d, dg.adaptive_max_pool2d_indices):
        with pytest.raises(ShapeError, match=r"\(3,\): the last two axes"):
            pool(dg.ones((3,)), 2)
