"""How errors and pictures say what they say alike."""

from __future__ import annotations


def counted(number: int, what: str) -> str:
    """So many of something.

    >>> from dlgraph.core.words import counted
    >>> counted(1, "input"), counted(2, "input")
    ('1 input', '2 inputs')
    """
    return f"{number} {what}{'s' * (number != 1)}"
