"""Which line is named: the user's, never dlgraph's or the standard library's."""

from __future__ import annotations

import contextlib
import functools
import os
import sys

import numpy as np
import pytest

import dlgraph as dg
from dlgraph.core.where import Where, is_user_code, name_in_frame, user_frame, user_line


def test_the_line_of_the_call():
    where = user_line()  # here
    assert where.text == "where = user_line()  # here"
    assert where.place == f"test_where.py, line {where.line}" and where.cell is None
    assert str(where) == f"{where.place}:  {where.text}"
    assert where.file == __file__


@pytest.mark.parametrize(
    ("file", "users"),
    [
        (dg.__file__, False),
        (os.path.join(os.path.dirname(dg.__file__), "core", "graph.py"), False),
        (contextlib.__file__, False),
        (functools.__file__, False),
        (np.linalg.__file__, False),
        ("<frozen runpy>", False),
        (pytest.__file__, True),
        (os.path.join(os.path.dirname(os.__file__), "site-packages", "theirs.py"), True),
        (__file__, True),
        ("<stdin>", True),
        ("/tmp/ipykernel_1/123.py", True),
        (os.path.join(os.path.dirname(dg.__file__) + "_plus", "mine.py"), True),
    ],
)
def test_what_counts_as_the_users_code(file, users):
    assert is_user_code(file) is users


def test_context_managers_of_dlgraph_name_the_with_line():
    with pytest.raises(dg.errors.GraphError) as caught, dg.name_scope("a b"):  # the with line
        pass
    assert "the with line" in caught.value.where.text


def test_a_lambda_or_partial_names_its_own_line():
    with dg.Graph().as_default():
        x = dg.placeholder((), name="x")
        make = functools.partial(dg.multiply, x)
        node = make(3)  # partial
        other = next(map(dg.exp, [x]))  # map
    assert "# partial" in node.where.text and "# map" in other.where.text


def test_a_line_without_source_still_has_a_place():
    scope: dict = {"dg": dg}
    exec(compile("def f():\n    return dg.core.where.user_line()\n", "gone.py", "exec"), scope)
    where = scope["f"]()
    assert (where.text, str(where)) == ("", "gone.py, line 2")


def test_a_notebook_cell_is_named_by_its_number(monkeypatch):
    label = "/tmp/ipykernel_7/42.py"
    code = compile("pass", label, "exec")

    class Shell:
        class compile:
            _filename_map = {label: 12}  # noqa: RUF012

    class IPython:
        @staticmethod
        def get_ipython():
            return Shell

    monkeypatch.setitem(sys.modules, "IPython", IPython)
    assert Where(code, 4).place == "cell [12], line 4"
    monkeypatch.setattr(Shell.compile, "_filename_map", {})
    assert Where(code, 4).place == "42.py, line 4"


def test_names_of_values_in_a_frame():
    held = object()
    _hidden = object()
    frame = user_frame()
    assert name_in_frame(held, frame) == "held"
    assert name_in_frame(_hidden, frame) is None
    assert name_in_frame(object(), frame) is None
    assert name_in_frame(pytest, frame) == "pytest"
    assert name_in_frame(held, None) is None


def test_names_of_attributes_of_self():
    class Model:
        def __init__(self):
            self.w2 = object()

        def look(self):
            return name_in_frame(self.w2, user_frame())

    assert Model().look() == "self.w2"
