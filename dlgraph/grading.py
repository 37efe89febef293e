"""Marking what learners hand in: every answer is asked again by the teacher's own checks.

An exercise of a lesson is a pair of code cells.  The *check* defines a function `check_...`; the
*answer* ends with a line that prints what this function says.  A reply that begins with "Right" is
right, and "Not attempted" is what an untouched cell gets.  That is all that a teacher who adds an
exercise has to know; no tag and no hidden cell is needed.

A learner's notebook is run from top to bottom in a kernel of its own, with the teacher's checks in
place of the learner's, and the line of the teacher's answer cell is run once more after the
learner's, in a cell of its own.  So what somebody changed in a check, or printed, does not count.
All the same it is the learners' code that runs here, with your rights.  `cli.py` has the command.
"""

from __future__ import annotations

import ast
import asyncio
import contextlib
import csv
import io
import json
import os
import re
import signal
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dlgraph import lessons
from dlgraph.errors import DlgraphError, MissingPackageError
from dlgraph.io.plain import writable

RIGHT, NOT_YET, NOT_ATTEMPTED, MISSING = "right", "not yet", "not attempted", "missing"
SECONDS = 120  # what a cell may take, unless the teacher says otherwise
AGAIN = 5.0  # seconds until a marking that did not stop is stopped again
LARGEST = 50 * 2**20  # bytes of a notebook file; a lesson with all its figures has half a MiB


@dataclass(frozen=True)
class Exercise:
    """One pair of cells of the teacher's notebook."""

    check: str
    """Name of the function that answers, `check_order`, say."""
    defined: str
    """Source of the cell that defines it."""
    asked: str
    """The line that asks it, `print(check_order(order))`."""

    @property
    def name(self) -> str:
        return self.check.removeprefix("check_")


@dataclass(frozen=True)
class Mark:
    """What became of one exercise: one of the four results, the check's words, the answer cell."""

    exercise: str
    result: str
    reply: str
    answer: str


@dataclass(frozen=True)
class Marked:
    """One notebook that was handed in; `problem` says why it could not be marked, if so."""

    path: Path
    marks: tuple[Mark, ...]
    problem: str | None = None

    @property
    def right(self) -> int:
        return sum(mark.result == RIGHT for mark in self.marks)


def find_teachers(text: str) -> Path:
    """The teacher's notebook: a file, or the start of a packaged lesson's name ("01")."""
    path = Path(text)
    if path.suffix == ".ipynb":
        if not os.path.isfile(path):  # is_file raises for a name that is too long
            raise DlgraphError(f"there is no file {path}", hint="name the lesson, 01 for example")
        return path
    source = lessons.lesson_source()
    return source / lessons.find_lesson(source, text)


def find_submissions(given: Iterable[str], teachers: Path) -> list[Path]:
    """The notebooks to mark: files as they are, of folders all that have the lesson's name.

    A learner may have put something before or behind that name; hidden folders (JupyterLab's
    checkpoints) and the teacher's own file are left out.

    Raises:
        DlgraphError: there is none, or a name is neither a file nor a folder.
    """
    found: dict[Path, None] = {}
    for path in map(Path, given):
        if os.path.isdir(path):
            for one in sorted(path.rglob("*.ipynb")):
                hidden = any(part.startswith(".") for part in one.relative_to(path).parts)
                if teachers.stem not in one.name or hidden or not one.is_file():
                    continue
                if one.resolve() != teachers.resolve():
                    found[one] = None
        elif os.path.isfile(path):
            found[path] = None
        else:
            raise DlgraphError(f"{path} is neither a file nor a folder")
    if not found:
        raise DlgraphError(
            f"no notebook with {teachers.stem} in its name is there",
            hint="name the files themselves, or keep the lesson's name in theirs",
        )
    return list(found)


def exercises(sources: Sequence[str]) -> list[Exercise]:
    """The exercises in the code cells of the teacher's notebook, in their order.

    >>> from dlgraph.grading import exercises
    >>> cells = ["def check_sum(n):\\n    return 'Right.'", "n = ...\\nprint(check_sum(n))"]
    >>> exercises(cells)[0].name, exercises(cells)[0].asked
    ('sum', 'print(check_sum(n))')
    """
    defined = {name: source for source in sources for name in _definitions(source)}
    found = []
    for source in sources:
        for statement in _statements(source):
            if not isinstance(statement, ast.Expr):
                continue
            called = {one.id for one in ast.walk(statement) if isinstance(one, ast.Name)}
            for check in sorted(called & set(defined)):
                found.append(Exercise(check, defined[check], ast.unparse(statement)))
    return found


def _statements(source: str) -> list[ast.stmt]:
    try:
        return ast.parse(source).body
    except (SyntaxError, ValueError):  # a magic of IPython, or something unfinished
        return []


def _definitions(source: str) -> list[str]:
    functions = [one for one in _statements(source) if isinstance(one, ast.FunctionDef)]
    return [one.name for one in functions if one.name.startswith("check_")]


def code_cells(path: Path) -> list[str]:
    """The sources of the code cells of a notebook; everything else in it is left unread.

    Raises:
        DlgraphError: the file cannot be read, or is no notebook.
    """
    try:
        if path.stat().st_size > LARGEST:
            raise ValueError(f"it has more than {LARGEST >> 20} MiB")
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        sources = [cell["source"] for cell in cells if cell["cell_type"] == "code"]
        return [writable(one if isinstance(one, str) else "".join(one)) for one in sources]
    except (OSError, ValueError, RecursionError) as error:
        raise DlgraphError(f"this is not a notebook that can be read: {error}") from error
    except (KeyError, TypeError) as error:
        raise DlgraphError("this is not a notebook: it has no list of cells") from error


def with_checks(learners: Sequence[str], wanted: Sequence[Exercise]) -> list[tuple[str, str]]:
    """The cells to run, each with its role.

    "answer NAMES" is the last cell of the learner that asks these checks, "asked NAME" the
    teacher's line that asks again, right after it, and "" any other cell.  A check that the learner
    has deleted comes before the answer.
    """
    by_check = {one.check: one for one in wanted}
    defines = [_definitions(source) for source in learners]
    there = {name for names in defines for name in names}
    last: dict[str, int] = {}
    for index, source in enumerate(learners):
        for check in by_check:
            if not defines[index] and re.search(rf"\b{check}\s*\(", source):
                last[check] = index
    cells: list[tuple[str, str]] = []
    for index, source in enumerate(learners):
        ours = [by_check[name].defined for name in defines[index] if name in by_check]
        if ours:
            cells += [(one, "") for one in dict.fromkeys(ours)]
            continue
        asked = [by_check[check] for check, at in last.items() if at == index]
        cells += [(one.defined, "") for one in asked if one.check not in there]
        cells.append((source, " ".join(["answer", *(one.check for one in asked)]) if asked else ""))
        cells += [(one.asked, f"asked {one.check}") for one in asked]
    return cells


def mark(path: Path, wanted: Sequence[Exercise], seconds: int = SECONDS) -> Marked:
    """Run one notebook with the teacher's checks and say what became of each exercise.

    Raises `MissingPackageError` if nbclient is not installed.
    """
    try:
        cells = with_checks(code_cells(path), wanted)
        outputs = run(cells, seconds)
    except MissingPackageError:
        raise
    except DlgraphError as error:
        return Marked(path, (), error.what)
    answers: dict[str, str] = {}
    replies: dict[str, str] = {}
    for (source, role), output in zip(cells, outputs, strict=True):
        kind, *checks = role.split() or [""]
        for check in checks:
            if kind == "answer":
                answers[check] = source
                replies[check] = _failure(output, seconds)  # what went wrong first says most
            else:
                replies[check] = _printed(output) or replies[check] or _failure(output, seconds)
    return Marked(
        path,
        tuple(
            Mark(one.name, _result(replies[one.check]), replies[one.check], answers[one.check])
            if one.check in answers
            else Mark(one.name, MISSING, "no cell asks the check", "")
            for one in wanted
        ),
    )


def _result(reply: str) -> str:
    if reply.startswith("Right"):
        return RIGHT
    return NOT_ATTEMPTED if reply.startswith("Not attempted") else NOT_YET


def _failure(outputs: Sequence[Any], seconds: int) -> str:
    for one in outputs:
        if one.output_type == "error":
            if one.ename == "KeyboardInterrupt":
                return f"stopped after {seconds} seconds"
            return f"{one.ename}: {one.evalue}"
    return ""


def _printed(outputs: Sequence[Any]) -> str:
    return "".join(one.text for one in outputs if one.output_type == "stream").strip()


def run(cells: Sequence[tuple[str, str]], seconds: int) -> list[list[Any]]:
    """The outputs of the cells, run in a kernel of their own, in a folder that is removed.

    A cell that takes longer is interrupted, and the next one is run.

    Raises:
        MissingPackageError: nbclient is not installed.
        DlgraphError: the kernel ended, or did not start.
    """
    try:
        from nbclient import NotebookClient
        from nbclient.exceptions import CellTimeoutError, DeadKernelError
        from nbformat import v4
    except ImportError as error:
        raise MissingPackageError(
            "nbclient, which runs notebooks, is not installed",
            hint='install it: pip install "dlgraph[lab]"',
        ) from error
    stops: list[bool] = []

    def on_stop(**_: Any) -> None:
        # nbclient's answer to Ctrl-C ends the kernel: the learner is told so, and the next is run.
        task: Any = asyncio.current_task()
        loop = task.get_loop()

        def stop() -> None:
            stops.append(True)
            if not task.done():
                task.cancel()
                loop.call_later(AGAIN, stop)  # a message that comes just then swallows it

        with contextlib.suppress(RuntimeError):  # Windows has no such answers; nor has a thread
            loop.add_signal_handler(signal.SIGINT, stop)

    notebook = v4.new_notebook(cells=[v4.new_code_cell(source) for source, _ in cells])
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        client = NotebookClient(
            notebook,
            timeout=seconds,
            interrupt_on_timeout=True,
            allow_errors=True,
            kernel_name="python3",
            store_widget_state=True,  # without it nbclient fails on widgets
            extra_arguments=["--log-level=ERROR"],
            resources={"metadata": {"path": folder}},
            on_notebook_start=on_stop,
        )
        try:
            client.execute()
        except (CellTimeoutError, DeadKernelError, RuntimeError) as error:
            if stops:
                raise KeyboardInterrupt from None
            said = str(error).strip().splitlines() or [type(error).__name__]
            raise DlgraphError(f"its kernel ended while it ran: {said[-1]}") from error
    if stops:
        raise KeyboardInterrupt
    return [cell.outputs for cell in notebook.cells]


# ---- what the teacher sees


def header(wanted: Sequence[Exercise]) -> str:
    """What stands above the lines."""
    return "right  " + "".join(f"{one.name:{_width(one)}}" for one in wanted) + "notebook"


def line(one: Marked, wanted: Sequence[Exercise]) -> str:
    """The results of one notebook in one line."""
    path = writable(str(one.path))
    if one.problem:
        return f"{'-':7}{path}: {one.problem}"
    count = f"{one.right} of {len(wanted)}"
    results = zip(one.marks, wanted, strict=True)
    return f"{count:7}" + "".join(f"{m.result:{_width(w)}}" for m, w in results) + path


def _width(one: Exercise) -> int:
    return max(len(one.name), len(NOT_ATTEMPTED)) + 2


def as_csv(marked: Iterable[Marked]) -> str:
    """All marks with the checks' replies and the answers, for a spreadsheet."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["notebook", "exercise", "result", "reply", "answer"])
    for one in marked:
        for m in one.marks or [Mark("", "", one.problem or "", "")]:
            row = [str(one.path), m.exercise, m.result, m.reply, m.answer]
            writer.writerow([_harmless(entry) for entry in row])
    return text.getvalue()


def _harmless(entry: str) -> str:
    """A spreadsheet takes what begins so for a formula, and would compute it."""
    formula = entry.startswith(("=", "+", "-", "@", "\t", "\r", "\n"))
    return "'" * formula + writable(entry)


def write_csv(path: Path, marked: Iterable[Marked]) -> None:
    """Write `as_csv` completely or not at all; a file that is there already is kept.

    Raises:
        DlgraphError: the file is there, or cannot be written.
    """
    try:
        written = lessons.write_new(path, as_csv(marked).encode("utf-8-sig"))
    except OSError as error:
        raise DlgraphError(f"cannot write {path}: {error.strerror or error}") from error
    if not written:
        raise DlgraphError(f"{path} is there already", hint="give the marks another name")
