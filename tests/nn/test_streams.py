"""Random streams: reproducible, splittable, resumable, and the same in both modes."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import dlgraph as dg
from dlgraph.errors import OperationError


@given(st.integers(0, 2**70))
def test_the_same_seed_gives_the_same_numbers(seed):
    one, two = dg.Stream(seed), dg.Stream(seed)
    for _ in range(3):
        assert one.key().tolist() == two.key().tolist()
    assert one.key().tolist() != dg.Stream(seed + 1).key().tolist()


def test_every_draw_is_another_one():
    stream = dg.Stream(0)
    draws = [tuple(stream.uniform((4,)).tolist()) for _ in range(50)]
    assert len(set(draws)) == 50 and repr(stream) == "Stream(seed=0, drawn=50)"


def test_splits_are_independent_and_reproducible():
    one, two = dg.Stream(0), dg.Stream(0)
    two.key()  # drawing does not change what a split gives
    children = [one.split() for _ in range(3)]
    again = [two.split() for _ in range(3)]
    keys = [child.key().tolist() for child in children]
    assert keys == [child.key().tolist() for child in again]
    deeper = children[0].split()
    assert len({str(k) for k in [*keys, deeper.key().tolist(), dg.Stream(0).key().tolist()]}) == 5
    assert repr(deeper) == "Stream(seed=0, path=(0, 0), drawn=1)"


def test_a_state_survives_json_and_continues():
    stream = dg.Stream(3).split()
    stream.uniform((5,))
    stream.split()
    saved = json.loads(json.dumps(stream.state()))
    wanted = stream.normal((3,)).tolist(), stream.split().key().tolist()
    other = dg.Stream(99)
    other.restore(saved)
    assert (other.normal((3,)).tolist(), other.split().key().tolist()) == wanted


def test_seed_starts_the_default_stream_again():
    dg.seed(5)
    first = dg.nn.Linear(3, 2).weight.tolist()
    dg.nn.Dropout(0.5)
    dg.seed(5)
    assert dg.nn.Linear(3, 2).weight.tolist() == first
    dg.seed(6)
    assert dg.nn.Linear(3, 2).weight.tolist() != first
    dg.seed(5)
    assert dg.default_stream().state() == dg.Stream(5).state()


def test_a_layer_with_its_own_stream_does_not_touch_the_default():
    dg.seed(1)
    before = dg.default_stream().state()
    dg.nn.Linear(3, 2, rng=dg.Stream(0))
    dg.nn.Dropout(0.5, rng=dg.Stream(0))
    assert dg.default_stream().state() == before


@pytest.mark.parametrize("wrong", [-1, 1.5, "0", None, True])
def test_a_seed_is_a_whole_number(wrong):
    with pytest.raises(OperationError, match="a seed is a whole number of at least 0"):
        dg.Stream(wrong)
    dg.seed(1)
    before = dg.default_stream().state()
    with pytest.raises(OperationError):
        dg.seed(wrong)
    assert dg.default_stream().state() == before


def test_numbers_have_the_asked_form_and_range():
    stream = dg.Stream(0)
    values = stream.uniform((1000,), low=-2.0, high=3.0, dtype="float64").numpy()
    assert values.dtype == np.float64 and values.min() >= -2 and values.max() < 3
    assert abs(values.mean() - 0.5) < 0.25
    normal = stream.normal((2000,), mean=5.0, std=2.0).numpy()
    assert normal.dtype == np.float32 and abs(normal.mean() - 5) < 0.25
    assert abs(normal.std() - 2) < 0.25 and stream.uniform(()).shape == ()


def test_a_graph_draws_anew_at_every_run_and_the_same_as_eager_code():
    eager = dg.Stream(8)
    wanted = [eager.uniform((3,)).tolist() for _ in range(3)]
    with dg.Graph().as_default() as g:
        numbers = dg.Stream(8).uniform((3,))
    session = dg.Session(g)
    assert [session.run(numbers).tolist() for _ in range(3)] == wanted


def test_a_graph_that_is_not_run_draws_nothing():
    stream = dg.Stream(8)
    with dg.Graph().as_default() as g:
        stream.uniform((3,))
        other = dg.constant(1.0)
    dg.Session(g).run(other)
    assert stream.drawn == 0


def test_two_uses_of_one_draw_see_the_same_numbers():
    with dg.Graph().as_default() as g:
        numbers = dg.Stream(8).uniform((3,))
        difference = numbers * 2 - numbers - numbers
    assert dg.Session(g).run(difference).tolist() == [0.0, 0.0, 0.0]


def test_a_wrong_state_changes_nothing():
    stream = dg.Stream(3)
    before = stream.state()
    with pytest.raises(dg.errors.OperationError, match="splits"):
        stream.restore({"seed": 4, "path": [], "drawn": 1})
    assert stream.state() == before
