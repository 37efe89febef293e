"""Dim: sizes that are not known before the run, and when two of them are equal."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest

import dlgraph as dg
from dlgraph.core.dim import Dim


def test_sizes_are_equal_by_identity_name_or_meeting():
    one, two, three = Dim(), Dim(), Dim("batch")
    assert one == one and one != two and one != three and three == Dim("batch") and one != 3
    one.join(two)
    assert one == two and hash(one) == hash(two) and one != three
    two.join(three)
    assert one == Dim("batch") and repr(one) == "batch" and hash(one) == hash(Dim("batch"))


def test_two_names_that_met_keep_their_names():
    batch, time = Dim("batch"), Dim("time")
    batch.join(time)
    assert repr(batch) == "batch" and repr(time) == "time" and batch != time


def test_joining_in_a_ring_ends():
    dims = [Dim() for _ in range(5)]
    for i in range(5):
        dims[i].join(dims[(i + 1) % 5])
    assert all(dim == dims[0] for dim in dims)


@pytest.mark.parametrize("again", [lambda x: pickle.loads(pickle.dumps(x)), copy.deepcopy])
def test_sizes_that_met_can_be_copied_and_pickled(again):
    with dg.Graph().as_default():
        x, y = dg.placeholder((None, 3), name="x"), dg.placeholder((None, 3), name="y")
        x.shape[0].join(y.shape[0])
    assert x.shape[0].met or y.shape[0].met
    one, two, named = again((x.spec, y.spec, dg.Spec((Dim("batch"),), np.dtype("float32"))))
    assert one == two and one.shape[0] == two.shape[0] and named.shape == (Dim("batch"),)
    assert one.shape[0] != Dim() and one.dtype == np.float32
    assert x.shape[0].met or y.shape[0].met  # those of the graph keep the line
