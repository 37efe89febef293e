"""Formulas and numbers as people write them: `2·a + 3·b`, `0.6931`, `64 × 784`."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np

REFERENCE_LIMIT = 18  # characters of an operand that is written out instead of called by name

COMPARISON, SUM, PRODUCT, SIGN, POWER, ATOM = range(6)
_OPERATORS = (
    (COMPARISON, (" == ", " != ", " < ", " <= ", " > ", " >= ", " and ", " or ", "not ", " := ")),
    (SUM, (" + ", " - ")),
    (PRODUCT, (" * ", " / ", " @ ")),
    (POWER, (" ** ", "²", "ᵀ")),
)


@cache
def binding(template: str) -> int:
    """How tightly a formula holds together: a sum less than a product, a call most.

    >>> from dlgraph.draw.formula import ATOM, SUM, binding
    >>> binding("{a} + {b}") == SUM, binding("exp({x})") == ATOM
    (True, True)
    """
    outside = re.sub(r"\([^()]*\)|\|[^|]*\|", "", template)
    for level, signs in _OPERATORS:
        if any(sign in outside for sign in signs):
            return level
    return SIGN if outside.startswith("-") else ATOM


def write(primitive: Any, operands: Sequence[tuple[str, int]]) -> str:
    """The formula of a primitive with its operands put in; brackets where they are needed.

    >>> import dlgraph as dg
    >>> from dlgraph.draw.formula import ATOM, SUM, write
    >>> write(dg.multiply, [("2", ATOM), ("a + b", SUM)])
    '2·(a + b)'
    """
    own = binding(primitive.text)
    words = []
    for position, (text, level) in enumerate(operands):
        # a - (b - c) is not a - b - c: only the left operand may bind as loosely as its reader.
        loose = level < own or (level == own and position > 0)
        words.append(f"({text})" if loose and own != ATOM else text)
    return str(primitive.formula(*words)).replace(" * ", "·")


def number_text(value: Any) -> str:
    """A number with at most four significant digits; whole numbers in full.

    >>> from dlgraph.draw.formula import number_text
    >>> number_text(23.0), number_text(0.69314718), number_text(1.25e-7), number_text(True)
    ('23', '0.6931', '1.25e-07', 'True')
    """
    if isinstance(value, (bool, np.bool_)):
        return str(bool(value))
    if isinstance(value, (complex, np.complexfloating)):
        return f"{complex(value):.4g}"
    number = float(value)
    if not math.isfinite(number):
        return str(number)
    if number == int(number) and abs(number) < 1e7:
        return str(int(number))
    if 1e-3 <= abs(number) < 1e7:
        decimals = max(0, 3 - math.floor(math.log10(abs(number))))
        text = f"{number:.{decimals}f}"
        return text.rstrip("0").rstrip(".") if "." in text else text
    digits, _, exponent = f"{number:.3e}".partition("e")
    return f"{digits.rstrip('0').rstrip('.')}e{exponent}"


def value_text(array: Any) -> str | None:
    """A number, or up to four of them; None for more, of which the shape is shown.

    >>> from dlgraph.draw.formula import value_text
    >>> import numpy as np
    >>> value_text(np.array([1.0, 2.5])), value_text(np.zeros((2, 3)))
    ('[1, 2.5]', None)
    """
    found = np.asarray(array)
    if found.ndim == 0:
        return number_text(found[()])
    if found.ndim == 1 and found.size <= 4:
        return f"[{', '.join(number_text(one) for one in found)}]"
    return None


def gradient_text(array: Any) -> str:
    """A small gradient in full, a large one by its length (Euclidean norm)."""
    found = np.asarray(array)
    text = value_text(found)
    if text is not None:
        return text
    return f"norm {number_text(np.sqrt(np.sum(np.square(np.abs(found.astype(np.float64))))))}"


def shape_text(shape: Sequence[Any]) -> str:
    """`64 × 784`; `(10,)` for a vector, for a bare 10 would look like its value; "" for a scalar.

    >>> from dlgraph.draw.formula import shape_text
    >>> shape_text((64, 784)), shape_text((10,)), shape_text(())
    ('64 × 784', '(10,)', '')
    """
    return f"({shape[0]},)" if len(shape) == 1 else " × ".join(map(str, shape))


def in_brackets(shape: Sequence[Any]) -> str:
    """The same where a value could stand: `(64 × 784)`, `(10,)`, `()`."""
    text = shape_text(shape)
    return text if text.startswith("(") else f"({text})"
