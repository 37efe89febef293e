"""Marking: the teacher's checks count, whatever a notebook says, and no notebook is forgotten."""

import asyncio
import csv
import json
import os
import re
import textwrap

import pytest

from dlgraph import cli, grading
from dlgraph.errors import DlgraphError
from tools.normalise_notebooks import ROOT

FIRST = """UNTOUCHED = "Not attempted yet."
def check_sum(total):
    if total is ...:
        return UNTOUCHED
    return "Right." if total == 5 else f"Not yet: {total} is not 2 + 3."
"""
SECOND = """def check_twice(twice):
    found = twice(4)
    return UNTOUCHED if found is ... else "Right." if found == 8 else "Not yet: try 4."
"""
ASK_SUM, ASK_TWICE = "print(check_sum(total))", "print(check_twice(twice))"
TWICE = "def twice(x):\n    return ..."
LESSON = [
    "%matplotlib inline",
    FIRST,
    f"total = ...\n{ASK_SUM}",
    SECOND,
    f"{TWICE}\n\n\n{ASK_TWICE}",
]


def write(path, sources, **more):
    path.parent.mkdir(parents=True, exist_ok=True)
    cells = [{"cell_type": "code", "source": source, "metadata": {}} for source in sources]
    cells.insert(1, {"cell_type": "markdown", "source": ["a text about\n", "check_sum(total)"]})
    path.write_text(json.dumps({"cells": cells, "nbformat": 4, **more}), encoding="utf-8")
    return path


def marks(tmp_path, sources, seconds=60):
    found = grading.mark(write(tmp_path / "one.ipynb", sources), grading.exercises(LESSON), seconds)
    assert found.problem is None
    return [(mark.result, mark.reply) for mark in found.marks]


def answered(total, twice="x + x"):
    answers = LESSON[2].replace("...", total), LESSON[4].replace("...", twice)
    return [LESSON[0], FIRST, answers[0], SECOND, answers[1]]


def test_the_exercises_are_found_without_any_tag():
    first, second = grading.exercises(LESSON)
    assert (first.name, first.defined, first.asked) == ("sum", FIRST, ASK_SUM)
    assert (second.name, second.defined, second.asked) == ("twice", SECOND, ASK_TWICE)


def test_right_wrong_and_untouched(tmp_path):
    assert marks(tmp_path, answered("2 + 3")) == [("right", "Right."), ("right", "Right.")]
    assert marks(tmp_path, answered("6", "x * x")) == [
        ("not yet", "Not yet: 6 is not 2 + 3."),
        ("not yet", "Not yet: try 4."),
    ]
    assert marks(tmp_path, LESSON) == [("not attempted", "Not attempted yet.")] * 2


def test_a_learners_own_cells_are_run_and_the_last_answer_counts(tmp_path):
    helper = "def half(x):\n    return x / 2"
    cells = answered("6", "4 * half(x)")
    cells[2:2] = [helper]
    cells += [f"total = 5\n{ASK_SUM}"]
    assert [result for result, _ in marks(tmp_path, cells)] == ["right", "right"]


def test_changed_and_deleted_checks_are_put_back(tmp_path):
    changed = [cell.replace("Not yet", "Right") for cell in answered("6", "x")]
    changed[4] += "\nprint('Right: believe me')"
    assert [result for result, _ in marks(tmp_path, changed)] == ["not yet", "not yet"]
    # the second check needs a name of the first one, which is put back with it
    deleted = [cell for cell in answered("5") if cell not in (FIRST, SECOND)]
    assert [result for result, _ in marks(tmp_path, deleted)] == ["right", "right"]


def test_what_fails_is_said_and_the_rest_is_marked(tmp_path):
    broken = answered("(2 + 3", "x + x")
    (first, said), second = marks(tmp_path, broken)
    assert first == "not yet" and said.startswith("SyntaxError: '(' was never closed")
    assert second == ("right", "Right.")
    gone = [cell for cell in answered("5") if ASK_TWICE not in cell]
    assert marks(tmp_path, gone) == [("right", "Right."), ("missing", "no cell asks the check")]


def test_a_cell_that_never_ends_is_stopped(tmp_path):
    endless = answered("5")
    endless[2] = f"while True:\n    pass\n{ASK_SUM}"
    stopped, other = marks(tmp_path, endless, seconds=5)
    assert stopped == ("not yet", "stopped after 5 seconds") and other[0] != "missing"


def test_a_kernel_that_ends_is_a_problem_of_this_notebook_only(tmp_path):
    path = write(tmp_path / "one.ipynb", [*LESSON, "import os\nos._exit(1)"])
    found = grading.mark(path, grading.exercises(LESSON))
    assert found.marks == () and "kernel ended" in found.problem


@pytest.mark.parametrize(
    ("text", "said"),
    [("", "cannot|can be read"), ("[]", "no list of cells"), ('{"cells": 3}', "no list of cells")],
)
def test_a_file_that_is_no_notebook(tmp_path, text, said):
    path = tmp_path / "one.ipynb"
    path.write_text(text)
    found = grading.mark(path, grading.exercises(LESSON))
    assert any(one in found.problem for one in said.split("|")) and found.right == 0


def test_of_a_folder_the_notebooks_with_the_lessons_name(tmp_path):
    teachers = write(tmp_path / "01_sums.ipynb", LESSON)
    wanted = [
        write(tmp_path / "ann" / "01_sums.ipynb", LESSON),
        write(tmp_path / "bob" / "bob 01_sums (2).ipynb", LESSON),
    ]
    write(tmp_path / "ann" / ".ipynb_checkpoints" / "01_sums-checkpoint.ipynb", LESSON)
    write(tmp_path / "bob" / "02_more.ipynb", LESSON)
    (tmp_path / "01_sums-lost.ipynb").symlink_to(tmp_path / "nowhere")
    assert grading.find_submissions([str(tmp_path)], teachers) == wanted
    other = tmp_path / "bob" / "02_more.ipynb"  # named, it is taken as it is, and only once
    assert grading.find_submissions([str(other), str(other)], teachers) == [other]
    with pytest.raises(DlgraphError, match="neither a file nor a folder"):
        grading.find_submissions([str(tmp_path / "nobody")], teachers)
    with pytest.raises(DlgraphError, match="no notebook with 03_none in its name"):
        grading.find_submissions([str(tmp_path)], tmp_path / "03_none.ipynb")


def test_the_command_prints_a_line_for_each_and_writes_all_replies(tmp_path, capsys, monkeypatch):
    for name in cli.THREADS:
        monkeypatch.setenv(name, "1")  # so that they are put back
    lesson = str(write(tmp_path / "01_sums.ipynb", LESSON))
    write(tmp_path / "class" / "ann" / "01_sums.ipynb", answered("5"))
    write(tmp_path / "class" / "bob" / "01_sums.ipynb", ["=1+1", *answered("6", "x * x")])
    (tmp_path / "class" / "cem").mkdir()
    (tmp_path / "class" / "cem" / "01_sums.ipynb").write_text("lost")
    file = tmp_path / "marks.csv"
    before = {path: path.read_bytes() for path in tmp_path.rglob("*.ipynb")}
    arguments = ["grade", lesson, str(tmp_path / "class"), "--csv", str(file)]
    assert cli.main(arguments) == 0
    head, ann, bob, cem = capsys.readouterr().out.splitlines()
    assert head.split() == ["right", "sum", "twice", "notebook"]
    assert ann.startswith("2 of 2 right") and "ann" in ann
    assert bob.startswith("0 of 2 not yet") and "bob" in bob
    assert cem.startswith("-") and "not a notebook" in cem
    rows = list(csv.reader(file.read_text(encoding="utf-8-sig").splitlines()[:1]))
    assert rows == [["notebook", "exercise", "result", "reply", "answer"]]
    with file.open(encoding="utf-8-sig", newline="") as text:
        results = [(row["exercise"], row["result"]) for row in csv.DictReader(text)]
    assert results == [
        *(("sum", "right"), ("twice", "right")),
        *(("sum", "not yet"), ("twice", "not yet"), ("", "")),
    ]
    assert {path: path.read_bytes() for path in tmp_path.rglob("*.ipynb")} == before
    assert cli.main(arguments) == 1  # the marks are kept, and nothing is run for nothing
    assert "is there already" in capsys.readouterr().err


def test_marks_are_kept_when_marking_is_stopped(tmp_path, capsys, monkeypatch):
    def mark(path, wanted, seconds):
        if "bob" in str(path):
            raise KeyboardInterrupt
        return grading.Marked(path, (), "not read")

    for name in cli.THREADS:
        monkeypatch.setenv(name, "1")
    monkeypatch.setattr(grading, "mark", mark)
    lesson = str(write(tmp_path / "01_sums.ipynb", LESSON))
    for who in ("ann", "bob"):
        write(tmp_path / "class" / who / "01_sums.ipynb", LESSON)
    file = tmp_path / "marks.csv"
    assert cli.main(["grade", lesson, str(tmp_path / "class"), "--csv", str(file)]) == 130
    assert "dlgraph grade: stopped" in capsys.readouterr().err
    assert "not read" in file.read_text(encoding="utf-8-sig")


def test_a_folder_for_the_marks_that_is_not_there_is_told_before_marking(
    tmp_path, capsys, monkeypatch
):
    monkeypatch.setattr(grading, "mark", lambda *given: pytest.fail("marked for nothing"))
    lesson = str(write(tmp_path / "01_sums.ipynb", LESSON))
    write(tmp_path / "class" / "ann" / "01_sums.ipynb", LESSON)
    file = tmp_path / "nowhere" / "marks.csv"
    assert cli.main(["grade", lesson, str(tmp_path / "class"), "--csv", str(file)]) == 1
    assert "is no folder to write to" in capsys.readouterr().err


def test_a_name_that_is_too_long_is_told(tmp_path, capsys):
    lesson = str(write(tmp_path / "01_sums.ipynb", LESSON))
    assert cli.main(["grade", lesson, "a" * 300]) == 1
    assert "is neither a file nor a folder" in capsys.readouterr().err
    assert cli.main(["grade", "a" * 300 + ".ipynb", lesson]) == 1
    assert "there is no file" in capsys.readouterr().err


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such signals")
def test_ctrl_c_in_the_middle_of_a_cell_stops_marking(tmp_path):
    # Else it is the learner who is told that the kernel ended, and the next one is marked.
    cell = "import os, signal, time\nos.kill(os.getppid(), signal.SIGINT)\ntime.sleep(100)"
    path = write(tmp_path / "01_sums.ipynb", [cell, *LESSON])
    with pytest.raises(KeyboardInterrupt):
        grading.mark(path, grading.exercises(LESSON))


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such signals")
def test_ctrl_c_that_is_swallowed_is_tried_again(tmp_path, monkeypatch):
    nbclient = pytest.importorskip("nbclient")
    execute = nbclient.NotebookClient.async_execute_cell

    async def swallows(*given, **options):
        try:
            return await execute(*given, **options)
        except asyncio.CancelledError:
            return await asyncio.sleep(60)

    monkeypatch.setattr(nbclient.NotebookClient, "async_execute_cell", swallows)
    monkeypatch.setattr(grading, "AGAIN", 0.5)
    cell = "import os, signal, time\nos.kill(os.getppid(), signal.SIGINT)\ntime.sleep(60)"
    path = write(tmp_path / "01_sums.ipynb", [cell, *LESSON])
    with pytest.raises(KeyboardInterrupt):
        grading.mark(path, grading.exercises(LESSON))


def test_formulas_of_a_spreadsheet_are_words():
    formula = grading.Mark("sum", "not yet", "Not yet.", '=HYPERLINK("http://x")')
    written = grading.as_csv([grading.Marked(grading.Path("a.ipynb"), (formula,))])
    assert "\"'=HYPERLINK(" in written


def test_half_a_character_in_a_notebook_or_a_name_stops_no_marking(tmp_path):
    cells = answered("5 # \ud83d")
    cells[4] += "\n# \udc00"
    assert [result for result, _ in marks(tmp_path, cells)] == ["right", "right"]
    name = grading.Path("an\udce9.ipynb")  # as a name in Latin-1 is read on Linux
    wanted = grading.exercises(LESSON)
    found = grading.Marked(name, tuple(grading.Mark(one.name, "right", "", "") for one in wanted))
    assert grading.line(found, wanted).encode().endswith(b"an?.ipynb")
    assert grading.line(grading.Marked(name, (), "not read"), wanted).encode()
    grading.write_csv(tmp_path / "marks.csv", [found])
    assert "an?.ipynb,twice,right" in (tmp_path / "marks.csv").read_text("utf-8-sig")


def test_a_notebook_without_exercises_is_no_lesson_to_mark(tmp_path, capsys):
    lesson = write(tmp_path / "01_sums.ipynb", ["print(1)"])
    assert cli.main(["grade", str(lesson), str(tmp_path)]) == 1
    assert "has no exercise" in capsys.readouterr().err
    assert cli.main(["grade", str(tmp_path / "02.ipynb"), str(tmp_path)]) == 1
    assert "there is no file" in capsys.readouterr().err


def test_no_time_is_not_all_the_time(tmp_path, capsys):
    lesson = str(write(tmp_path / "01_sums.ipynb", LESSON))
    for seconds in ("0", "-1"):
        assert cli.main(["grade", lesson, str(tmp_path), "--seconds", seconds]) == 1
        assert f"--seconds {seconds} leaves a cell no time" in capsys.readouterr().err


def test_the_exercise_of_the_page_for_teachers_is_one(capsys):
    page = (ROOT / "docs" / "teaching.md").read_text(encoding="utf-8")
    listings = [textwrap.dedent(one) for one in re.findall(r"(?m)(?:^    .*\n|^\n(?=    ))+", page)]
    (check,) = (one.strip() for one in listings if "def check_" in one)
    (answer,) = (one.strip() for one in listings if "print(check_" in one)
    (exercise,) = grading.exercises([check, answer])
    said = {}
    for given in ("...", "2", "2.0", "3", "23"):
        exec(check + "\n" + answer.replace("...", given), {})
        said[given] = capsys.readouterr().out
    assert exercise.name == "slope" and said["..."] == "Not attempted yet.\n"
    assert said["2"] == said["2.0"] == "Right.\n"
    assert "at b" in said["3"] and "how many times" in said["23"]
