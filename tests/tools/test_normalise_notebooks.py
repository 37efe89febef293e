"""The normaliser: one form, a second run changes nothing, a failing lesson loses nothing."""

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from tools import normalise_notebooks as tool


def store(path, *cells):
    nbformat.write(new_notebook(cells=list(cells)), path)
    return path


@pytest.fixture
def lesson(tmp_path):
    return store(
        tmp_path / "lesson.ipynb",
        new_markdown_cell("# A lesson"),
        new_code_cell("import time\nt = time.perf_counter()\nprint(1 + 1)"),
        new_code_cell("print(f'{time.perf_counter() - t:.9f} s')"),
        new_code_cell("import ipywidgets\nipywidgets.HTML('hello')"),
    )


def outputs(path):
    cells = nbformat.read(path, as_version=4).cells
    return [cell.outputs for cell in cells if cell.cell_type == "code"]


def test_run_stores_outputs_once_and_then_changes_nothing(lesson, capsys):
    assert tool.main(["--check", str(lesson)]) == 1
    assert "not in canonical form" in capsys.readouterr().out
    assert tool.main([str(lesson)]) == 0
    first = lesson.read_bytes()
    two, duration, widget = outputs(lesson)
    assert two[0].text == "2\n" and duration[0].text.endswith(" s\n")
    assert set(widget[0].data) == {"text/plain"}  # the live view cannot be stored
    assert b"widget-state" not in first and b"execution" not in first.replace(
        b'"execution_count"', b""
    )
    assert tool.main(["--check", str(lesson)]) == 0
    assert tool.main([str(lesson)]) == 0
    assert lesson.read_bytes() == first  # although the duration was another one
    assert list(lesson.parent.iterdir()) == [lesson]


def test_changed_result_is_stored(lesson):
    tool.main([str(lesson)])
    lesson.write_text(lesson.read_text().replace('"2\\n"', '"3\\n"'))
    assert tool.main(["--check", str(lesson)]) == 0  # the form is right, only a run can tell
    tool.main([str(lesson)])
    assert outputs(lesson)[0][0].text == "2\n"


def ignored(path, source):
    """A stored cell whose output may differ from run to run."""
    cell = new_code_cell(source, metadata={"tags": ["nbval-ignore-output"]})
    cell.outputs = [new_output("stream", name="stdout", text="old\n")]
    path.write_text(tool.stored_form(store(path, cell).read_text()))
    return path


def test_ignored_output_is_kept(tmp_path):
    path = ignored(tmp_path / "a.ipynb", "print('new')")
    assert tool.main([str(path)]) == 0
    assert outputs(path)[0][0].text == "old\n"


def test_ignored_output_is_not_kept_if_the_cell_was_edited(tmp_path):
    path = ignored(tmp_path / "a.ipynb", "print('old')")
    path.write_text(path.read_text().replace("print('old')", "print('new')"))
    assert tool.main([str(path)]) == 0
    assert outputs(path)[0][0].text == "new\n"
    assert tool.main(["--check", str(path)]) == 0


@pytest.mark.parametrize("change", ["result", "source"])
def test_ignored_output_is_not_kept_if_another_cell_says_something_else(tmp_path, change):
    """A lesson told 40 launches in one cell, and in its summary 43 of an older run."""
    path = tmp_path / "a.ipynb"
    shown = new_code_cell("count = 40\ncount")
    summary = new_code_cell("print(count)", metadata={"tags": ["nbval-ignore-output"]})
    tool.main([str(store(path, shown, summary))])
    assert outputs(path)[1][0].text == "40\n"
    if change == "source":
        path.write_text(path.read_text().replace("count = 40", "count = 43"))
    else:  # what the library computes is another number now
        path.write_text(path.read_text().replace('"40"', '"43"').replace('"40\\n"', '"43\\n"'))
        assert outputs(path)[1][0].text == "43\n"
    assert tool.main([str(path)]) == 0
    assert outputs(path)[1][0].text == ("43\n" if change == "source" else "40\n")
    before = path.read_text()
    assert tool.main([str(path)]) == 0 and path.read_text() == before


def test_failing_lesson_is_left_as_it_was_and_the_next_is_run(tmp_path, capsys):
    bad = store(tmp_path / "bad.ipynb", new_code_cell("1 / 0"))
    good = store(tmp_path / "good.ipynb", new_code_cell("1 + 1"))
    before = bad.read_bytes()
    assert tool.main([str(bad), str(good)]) == 1
    assert "bad.ipynb" in (error := capsys.readouterr().err) and "ZeroDivisionError" in error
    assert bad.read_bytes() == before
    assert outputs(good)[0][0].data["text/plain"] == "2"


@pytest.mark.parametrize("text", ["", "{", "[]", "not json"])
def test_file_that_is_no_notebook(tmp_path, capsys, text):
    path = tmp_path / "odd.ipynb"
    path.write_text(text)
    assert tool.main(["--check", str(path)]) == 1
    assert "odd.ipynb" in capsys.readouterr().err
    assert path.read_text() == text


def test_ids_are_of_the_content_and_differ():
    form = tool.canonical(
        new_notebook(cells=[new_code_cell("x"), new_code_cell("x"), new_code_cell("y")])
    )
    again = tool.canonical(new_notebook(cells=[new_code_cell("x"), new_code_cell("x")]))
    ids = [cell.id for cell in form.cells]
    assert len(set(ids)) == 3 and ids[:2] == [cell.id for cell in again.cells]


def test_foreign_metadata_goes_and_ours_stays():
    cell = new_code_cell("x", metadata={"tags": ["run"], "collapsed": True, "execution": {}})
    form = tool.canonical(new_notebook(cells=[cell], metadata={"widgets": {}, "authors": []}))
    assert dict(form.cells[0].metadata) == {"tags": ["run"]}
    assert set(form.metadata) == {"kernelspec", "language_info"}


@pytest.mark.parametrize(
    ("one", "other", "equal"),
    [
        ("took 0.12 s", "took 3.4 s", True),
        ("12 ms", "400 µs", True),
        ("1,250 images/s", "980.5 images/s", True),
        ("train:  10%|#    | 1/9 [00:01<00:09, 1.2it/s]", "train: 90%|####| 8/9 [1<2]", True),
        ("/tmp/ipykernel_12/34.py:5: W: text", "/tmp/ipykernel_99/7.py:1: W: text", True),
        ("loss 0.12", "loss 0.13", False),
        ("89610 parameters", "89611 parameters", False),
        ("3 steps", "4 steps", False),
        ("<obj at 0x7f0011223344>", "<obj at 0x7f0011223355>", False),
    ],
)
def test_what_counts_as_noise(one, other, equal):
    rules = tool.read_rules()
    assert (tool.scrub(one, rules) == tool.scrub(other, rules)) is equal
