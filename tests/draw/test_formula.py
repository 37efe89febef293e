"""Formulas with operands put in, and numbers as text."""

from __future__ import annotations

import numpy as np
import pytest

import dlgraph as dg
from dlgraph.draw.formula import (
    ATOM,
    POWER,
    PRODUCT,
    SIGN,
    SUM,
    binding,
    gradient_text,
    in_brackets,
    number_text,
    shape_text,
    value_text,
    write,
)
from dlgraph.draw.measures import words_for


@pytest.mark.parametrize(
    ("template", "level"),
    [
        ("{a} + {b}", SUM),
        ("{a} @ {b}", PRODUCT),
        ("-{x}", SIGN),
        ("{x}²", POWER),
        ("{x}ᵀ", POWER),
        ("exp({x})", ATOM),
        ("|{x}|", ATOM),
        ("f({a} + {b})", ATOM),
    ],
)
def test_binding(template, level):
    assert binding(template) == level


def test_brackets_stand_where_they_are_needed():
    a, b, total, product = ("a", ATOM), ("b", ATOM), ("a + b", SUM), ("a·b", PRODUCT)
    assert write(dg.multiply, [a, b]) == "a·b"
    assert write(dg.multiply, [total, b]) == "(a + b)·b"
    assert write(dg.add, [product, b]) == "a·b + b"
    assert write(dg.subtract, [total, b]) == "a + b - b"
    assert write(dg.subtract, [a, total]) == "a - (a + b)"
    assert write(dg.square, [product]) == "(a·b)²"
    assert write(dg.exp, [total]) == "exp(a + b)"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (23.0, "23"),
        (np.float32(0.1), "0.1"),
        (0.69314718, "0.6931"),
        (-1.5, "-1.5"),
        (12345.678, "12346"),
        (2**40, "1.1e+12"),
        (1.23456e-5, "1.235e-05"),
        (0.0, "0"),
        (float("nan"), "nan"),
        (float("-inf"), "-inf"),
        (np.True_, "True"),
        (784, "784"),
    ],
)
def test_number_text(value, text):
    assert number_text(value) == text


def test_arrays_are_shown_when_small_and_measured_when_large():
    assert value_text(np.array([1.0, 0.5], np.float32)) == "[1, 0.5]"
    assert value_text(np.zeros((2, 2))) is None
    assert gradient_text(np.array([[3.0, 0.0], [0.0, 4.0]])) == "norm 5"
    assert gradient_text(np.full((3, 3), np.nan)) == "norm nan"
    assert shape_text(("batch", 10)) == "batch × 10"


def test_a_norm_has_the_same_digits_in_a_box_and_as_a_colour():
    gradient = np.full((2, 3), 0.123456, np.float32)
    norm = float(np.linalg.norm(gradient))
    assert gradient_text(gradient) == words_for("gradient", norm) == "norm 0.3024"


def test_the_shape_of_a_vector_is_no_number():
    assert shape_text((10,)) == in_brackets((10,)) == "(10,)"
    assert (in_brackets((2, 3)), in_brackets(())) == ("(2 × 3)", "()")
