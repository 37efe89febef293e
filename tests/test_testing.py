"""The checks of `dlgraph.testing` check: what they notice, what they refuse, what they say."""

from __future__ import annotations

import numpy as np
import pytest

import dlgraph as dg
from dlgraph.testing import assert_modes_agree, check_grads


def test_the_gradient_checker_refuses_to_compare_nothing():
    for inputs in ([np.array([1, 2])], [np.zeros((0, 3))], []):
        with pytest.raises(dg.errors.OperationError, match="nothing to compare"):
            check_grads(lambda *x: x[0] * 2, inputs)
    with pytest.raises(dg.errors.OperationError, match="no output is floating point"):
        check_grads(lambda x: x > 0, [1.0])
    with pytest.raises(dg.errors.OperationError, match="two different results"):
        check_grads(lambda x: dg.dropout(x), [np.ones(50)])


def test_the_gradient_checker_says_when_it_cannot_judge():
    with pytest.raises(AssertionError, match="to the left 0, to the right 1"):
        check_grads(dg.relu, [0.0])


def test_the_comparison_of_modes_notices_one_bit():
    def differs(x):
        return x * (np.nextafter(2.0, 3.0) if isinstance(x, dg.Node) else 2.0)

    with pytest.raises(AssertionError, match="output 0, graph with known sizes: 1 of 2"):
        assert_modes_agree(differs, [np.array([0.0, 1.0])])
