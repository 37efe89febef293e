"""What was typed becomes a number or an error in words; it is never run."""

import numpy as np
import pytest

from dlgraph.errors import OperationError
from dlgraph.widgets.entry import fitted, read_numbers, with_element


@pytest.mark.parametrize(
    "text, value",
    [("3", 3), ("-2.5", -2.5), ("1e-3", 1e-3), (".5", 0.5), ("[1, 2]", [1, 2]), ("true", True)],
)
def test_numbers_and_lists(text, value):
    found = read_numbers(text)
    assert found == value and type(found) is type(value)


@pytest.mark.parametrize(
    "text",
    ["", "two", "2 + 3", "__import__('os')", "[1, 2", "[1; 2]", "[" * 5_000, "2,5", "<b>", "1 2"],
)
def test_anything_else_is_an_error_with_a_hint(text):
    with pytest.raises(OperationError) as caught:
        read_numbers(text)
    assert caught.value.hint
    assert len(caught.value.what) < 100


def test_a_text_that_is_too_long_is_not_even_read():
    with pytest.raises(OperationError, match="too long"):
        read_numbers("[" + "1," * 100_000 + "1]")


def test_a_boolean_takes_truth_values_only():
    held = np.array(True)
    assert fitted(False, held, "m") == np.False_
    with pytest.raises(TypeError, match="m holds values"):
        fitted(2, held, "m")


def test_whole_numbers_have_a_range():
    with pytest.raises(TypeError, match="int8 reaches from -128 to 127"):
        fitted(300, np.int8(1), "k")


def test_one_element_is_replaced_in_a_copy():
    held = np.zeros((2, 3), "float32")
    changed = with_element(held, (1, 2), 5, "w")
    assert changed[1, 2] == 5 and not held.any() and changed.dtype == held.dtype
    with pytest.raises(OperationError, match="no element"):
        with_element(held, (-1, 0), 5, "w")
