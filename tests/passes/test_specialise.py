"""Known sizes are put into a graph, and what does not fit is not made to fit."""

from __future__ import annotations

import numpy as np
import pytest

import dlgraph as dg
from dlgraph.errors import DlgraphError, FeedError, ShapeError

EXECUTORS = ["planned", "interpreter", "fast"]
UNEVEN = [((2, 3), (2, 4)), ((2, 4), (2, 3)), ((2, 3), (2, 1)), ((2, 3), (1, 3)), ((4, 3), (2, 3))]


def joined(executor, shape, other, a, b, level=2):
    with dg.Graph().as_default() as graph:
        x, w = dg.placeholder(shape, name="x"), dg.placeholder(other, name="w")
        y = dg.stack([x * 2.0, w * 3.0])
    feed = {x: np.ones(a, np.float32), w: np.ones(b, np.float32)}
    return dg.Session(graph, executor, level=level).run(y, feed)


@pytest.mark.parametrize("executor", EXECUTORS)
@pytest.mark.parametrize(("a", "b"), UNEVEN)
@pytest.mark.parametrize("level", [0, 2])
def test_sizes_that_must_be_equal_are_asked_of_the_feeds(executor, a, b, level):
    with pytest.raises(FeedError, match=r"axis \d of 'x' and axis \d of 'w' must be the same size"):
        joined(executor, (None, None), (None, None), a, b, level)
    assert joined(executor, (None, None), (None, None), a, a).shape == (2, *a)


@pytest.mark.parametrize("executor", EXECUTORS)
@pytest.mark.parametrize(("a", "b"), UNEVEN)
def test_an_unknown_size_beside_a_known_one_is_checked_when_it_is_known(executor, a, b):
    for shape, other in ((a, (None, None)), ((None, None), b)):
        with pytest.raises(ShapeError, match=r"concatenate.* axis \d differs"):
            joined(executor, shape, other, a, b)


@pytest.mark.parametrize("executor", EXECUTORS)
def test_sizes_that_only_the_run_knows_are_checked_then(executor):
    with dg.Graph().as_default() as graph:
        x, w = dg.placeholder((None,), name="x"), dg.placeholder((None,), name="w")
        y = dg.stack([dg.masked_select(v, v > 0) for v in (x, w)])
    session = dg.Session(graph, executor)
    found = session.run(y, {x: [1.0, -1.0, 2.0], w: [3.0, 4.0]})
    assert found.tolist() == [[1, 2], [3, 4]]
    with pytest.raises(DlgraphError):
        session.run(y, {x: [1.0, -1.0, 2.0], w: [3.0, 4.0, 5.0]})
