"""Which line of the user's code are we in?  Notebook cell and line, or file and line.

The engine's own frames are skipped, so that an error or a picture points at what the student
wrote.  Capturing is cheap (a code object and a number); the text is looked up only when shown.
"""

from __future__ import annotations

import linecache
import os
import sys
from functools import lru_cache
from types import CodeType, FrameType
from typing import Any, NamedTuple

import numpy as np

_new = tuple.__new__
Spot = tuple[CodeType, int]  # a place in the code of the user: code object and instruction
PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
NUMPY = os.path.dirname(os.path.abspath(np.__file__)) + os.sep
STANDARD_LIBRARY = os.path.dirname(os.__file__) + os.sep


class Where(NamedTuple):
    """A line of source: the code object it belongs to and the line number in its file.

    >>> from dlgraph.core.where import user_line
    >>> user_line().line
    1
    """

    code: CodeType
    line: int

    @property
    def file(self) -> str:
        """Path of the file, or the label that the notebook kernel gave the cell."""
        return self.code.co_filename

    @property
    def cell(self) -> int | None:
        """Execution count of the notebook cell, None outside a notebook."""
        return _cell_number(self.file)

    @property
    def text(self) -> str:
        """The source line itself, stripped; empty when the source is not at hand."""
        return linecache.getline(self.file, self.line).strip()

    @property
    def place(self) -> str:
        """`cell [3], line 2` in a notebook, `train.py, line 2` elsewhere."""
        if self.cell is not None:
            return f"cell [{self.cell}], line {self.line}"
        return f"{os.path.basename(self.file)}, line {self.line}"

    def __str__(self) -> str:
        return f"{self.place}:  {self.text}" if self.text else self.place


def _cell_number(file: str) -> int | None:
    # IPython keeps a map from the label of a compiled cell to its execution count.  It is asked
    # for only if IPython is running already: importing it here would cost every script 0.3 s.
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    numbers = getattr(getattr(shell, "compile", None), "_filename_map", {})
    return numbers.get(file)


@lru_cache(maxsize=1024)
def is_user_code(file: str) -> bool:
    """Is this neither dlgraph itself nor the machinery around it, Python's own and NumPy?"""
    if file.startswith((PACKAGE, NUMPY, "<frozen", "<__array_function__")):
        return False
    # The standard library calls us (contextlib, functools); packages are installed below it.
    return not file.startswith(STANDARD_LIBRARY) or f"-packages{os.sep}" in file


def is_own_code(file: str) -> bool:
    """Did the user write this, and not the author of an installed package?"""
    return is_user_code(file) and f"-packages{os.sep}" not in file


def user_frame(depth: int = 1) -> FrameType | None:
    """The innermost frame on the stack that is not dlgraph's own."""
    frame: FrameType | None = sys._getframe(depth)
    while frame is not None and not is_user_code(frame.f_code.co_filename):
        frame = frame.f_back
    return frame


def user_line(depth: int = 1) -> Where | None:
    """The user's line that led here, or None when dlgraph runs itself (`python -m dlgraph`)."""
    frame = user_frame(depth + 1)
    return None if frame is None else _new(Where, (frame.f_code, frame.f_lineno))


def user_spot(depth: int = 1) -> Spot:
    """The same for `line_of` to look up later: finding the number of the line takes longest.

    Where no line is the user's, as in a thread that runs nothing else, it is the first one.
    """
    # Every backward() asks this, so the search of `user_frame` is written out.
    frame = sys._getframe(depth)
    while not is_user_code(frame.f_code.co_filename) and frame.f_back is not None:
        frame = frame.f_back
    return frame.f_code, frame.f_lasti


def line_of(spot: Spot) -> Where:
    """The line of a spot that `user_spot` found.

    >>> from dlgraph.core.where import line_of, user_spot
    >>> line_of(user_spot()).line
    1
    """
    code, instruction = spot
    lines = (line for start, end, line in code.co_lines() if start <= instruction < end)
    return Where(code, next(lines, None) or code.co_firstlineno)


def name_in_frame(value: Any, frame: FrameType | None) -> str | None:
    """The variable that holds `value` in this frame, if there is just such a one.

    Used only where something is shown to a person (an error, a drawing), to say `h` instead of
    "an unnamed tensor" as the student's own code does.
    """
    if frame is None:
        return None
    own = getattr(frame.f_locals.get("self"), "__dict__", {})
    for prefix, scope in (("", frame.f_locals), ("self.", own), ("", frame.f_globals)):
        for name, held in scope.items():
            if held is value and name.isidentifier() and not name.startswith("_"):
                return prefix + name
    return None
