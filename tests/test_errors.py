"""Errors are lessons: the exact words of each, and where they point to in a real notebook."""

from __future__ import annotations

import inspect
import linecache
import pickle
import re
import traceback
from pathlib import Path

import numpy as np
import pytest

import dlgraph as dg
from dlgraph import errors
from dlgraph.core.where import PACKAGE, is_user_code
from dlgraph.errors import DataError, DlgraphError, ShapeError

LESSON = re.compile(r"^# (.+)\n\n((?:.*\n)+?)\n^(\w+Error):\n((?:.+\n)+)", re.MULTILINE)
LESSONS = {
    title: (source, error, message.rstrip("\n"))
    for title, source, error, message in LESSON.findall(
        Path(__file__).with_name("errors.txt").read_text(encoding="utf-8")
    )
}


pytestmark = pytest.mark.usefixtures("registry")


def fail(source: str) -> DlgraphError:
    """The error that this code ends in, run as if it stood in a file `lesson.py`."""
    linecache.cache["lesson.py"] = (len(source), None, source.splitlines(True), "lesson.py")
    with np.errstate(all="ignore"), pytest.raises(DlgraphError) as caught:
        exec(compile(source, "lesson.py", "exec"), {"dg": dg, "np": np})
    return caught.value


def test_all_lessons_were_read():
    text = Path(__file__).with_name("errors.txt").read_text(encoding="utf-8")
    assert len(LESSONS) == text.count("\n# ") == len(set(LESSONS)) > 30


@pytest.mark.parametrize("title", LESSONS)
def test_the_words_of(title):
    source, kind, message = LESSONS[title]
    error = fail(source)
    assert (type(error).__name__, str(error)) == (kind, message)


@pytest.mark.parametrize("title", LESSONS)
def test_the_traceback_is_short_and_ends_in_the_engine(title):
    error = fail(LESSONS[title][0])
    frames = [frame.filename for frame in traceback.extract_tb(error.__traceback__)]
    engine = [file for file in frames if file.startswith(PACKAGE)]
    assert 1 <= len(engine) <= 6
    assert error.__cause__ is None and (error.__suppress_context__ or error.__context__ is None)


@pytest.mark.parametrize("title", LESSONS)
def test_every_lesson_names_the_line_and_gives_a_hint(title):
    error = fail(LESSONS[title][0])
    assert error.where is not None and error.where.file == "lesson.py"
    assert error.hint or title == "an index out of range"


@pytest.mark.parametrize("title", LESSONS)
def test_errors_are_also_the_errors_python_programmers_expect(title):
    builtin = (ValueError, TypeError, LookupError, RuntimeError, ArithmeticError, AttributeError)
    assert isinstance(fail(LESSONS[title][0]), builtin)


# ---- the builder


def test_layout_of_a_message():
    error = ShapeError(
        "inner sizes 3 and 4 differ",
        node="h/matmul",
        where=None,
        hint="transpose one of them",
        extra={"needed via": "x -> y"},
    )
    assert str(error).splitlines() == [
        "inner sizes 3 and 4 differ",
        "  made by     h/matmul",
        "  needed via  x -> y",
        "  hint        transpose one of them",
    ]
    assert str(ShapeError("only this", where=None)) == "only this"
    assert error.args == ("inner sizes 3 and 4 differ",)


def test_an_error_can_be_sent_to_another_process():
    with pytest.raises(ShapeError) as caught:
        dg.Tensor([1.0, 2.0]) @ dg.Tensor([1.0, 2.0, 3.0])
    again = pickle.loads(pickle.dumps(caught.value))
    assert type(again) is ShapeError and str(again) == str(caught.value)
    assert again.hint == caught.value.hint and "dg.Tensor([1.0, 2.0]) @" in again.where
    error = DataError("no file", where=None, extra={"looked": "there"})
    assert str(pickle.loads(pickle.dumps(error))) == str(error)


def test_the_line_is_taken_from_the_caller():
    error = DlgraphError("wrong")  # this line
    assert "# this line" in error.where.text and is_user_code(error.where.file)


def test_none_and_texts_are_not_called_by_the_variable_that_holds_them():
    nothing, word = None, "cat"
    for value in (nothing, word):
        with pytest.raises(dg.errors.DtypeError) as caught:
            dg.cross_entropy(dg.Tensor([[1.0, 2.0]], name="scores"), value)
        assert f"cross_entropy(scores (1, 2), {value!r}): labels are" in caught.value.what


def test_every_error_class_says_what_it_is_for():
    classes = [
        c for _, c in inspect.getmembers(errors, inspect.isclass) if c.__module__ == errors.__name__
    ]
    assert len(classes) > 12
    for kind in classes:
        assert kind.__doc__ and issubclass(kind, (DlgraphError, UserWarning))


# ---- a real notebook

CELLS = [
    "import numpy as np\nimport dlgraph as dg",
    "class Model(dg.nn.Module):\n"
    "    def __init__(self):\n"
    "        self.layer2 = dg.nn.Linear(784, 10)\n"
    "    def forward(self, h):\n"
    "        return h @ self.layer2.weight",
    "images = dg.Tensor(np.ones((64, 100), 'float32'))\n\nModel()(images)",
    "with dg.Graph().as_default() as graph:\n"
    "    x = dg.placeholder((None, 2), name='x')\n"
    "    y = dg.exp(x).sum()",
    "session = dg.Session(graph)\nsession.run(y)",
    "if y > 1:\n    print('large')",
    "w = dg.Parameter(2.0, name='w')\nloss = w * w\nloss.backward()",
    "loss.backward()",
    "for i in range(4):\n    y = dg.exp(x)\n    session.run(y, {x: [[1.0, 2.0]]})",
]


@pytest.fixture(scope="module")
def notebook(tmp_path_factory):
    import nbformat
    from nbclient import NotebookClient

    cells = [nbformat.v4.new_code_cell(source) for source in CELLS]
    made = nbformat.v4.new_notebook(cells=cells)
    folder = str(tmp_path_factory.mktemp("notebook"))
    resources = {"metadata": {"path": folder}}
    NotebookClient(made, allow_errors=True, timeout=60, resources=resources).execute()
    return made


def failure(notebook, number):
    (output,) = [o for o in notebook.cells[number - 1].outputs if o.output_type == "error"]
    return output


@pytest.mark.parametrize(
    ("cell", "kind", "lines"),
    [
        (
            3,
            "ShapeError",
            [
                "matmul: h (64, 100) @ layer2.weight (784, 10): inner sizes 100 and 784 differ",
                "  at       cell [2], line 5:  return h @ self.layer2.weight",
            ],
        ),
        (
            5,
            "FeedError",
            [
                "placeholder 'x' (?, 2) float32 needs a value to compute 'sum'",
                "  at          cell [5], line 2:  session.run(y)",
                "  needed via  x -> exp -> sum",
                "  made at     cell [4], line 2:  x = dg.placeholder((None, 2), name='x')",
            ],
        ),
        (6, "SymbolicValueError", ["  at       cell [6], line 1:  if y > 1:"]),
        (
            8,
            "BackwardError",
            [
                "second backward through 'loss' (made by multiply): its record was used up by "
                "backward() at cell [7], line 3",
                "  at       cell [8], line 1:  loss.backward()",
                "  first    cell [7], line 3:  loss.backward()",
            ],
        ),
    ],
)
def test_a_notebook_names_cells_and_lines(notebook, cell, kind, lines):
    output = failure(notebook, cell)
    assert output.ename == kind
    for line in lines:
        assert line in output.evalue.splitlines()


def test_a_warning_in_a_notebook_names_the_cell_that_builds(notebook):
    (text,) = [o.text for o in notebook.cells[8].outputs if o.output_type == "stream"]
    assert "GrowingGraphWarning" in text and "cell [9], line 2:  y = dg.exp(x)" in text


def test_a_traceback_in_a_notebook_is_not_deep(notebook):
    for cell in (3, 5, 6, 8):
        shown = re.sub(r"\x1b\[[0-9;]*m", "", "\n".join(failure(notebook, cell).traceback))
        assert len(re.findall(r"^File .*dlgraph", shown, re.MULTILINE)) <= 6
