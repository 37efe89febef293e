"""The command `dlgraph`: `dlgraph lab` opens the lessons, `dlgraph grade` marks what learners hand
in, `dlgraph doctor` checks the set-up.

Read `lessons.py` next (what is copied and what is kept), then `grading.py` and `doctor.py`.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import quote

from dlgraph import doctor, grading, lessons
from dlgraph._version import __version__
from dlgraph.errors import DlgraphError, MissingPackageError

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")

SETTINGS = Path(__file__).resolve().parent / "_jupyter"
"""JupyterLab's settings for the lessons: no question about Jupyter news above the first lesson and
no look for updates, because a class may have no network."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status.

    0 means done, 1 a problem that is explained on standard error, 2 a wrong way to call it, 130
    that Ctrl-C stopped it.

    >>> from dlgraph.cli import main
    >>> main(["lab", "some-folder", "--fresh", "no-such-lesson"])
    1
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    # argparse would take "--" as its own; everything behind the first one is JupyterLab's
    cut = given.index("--") if "--" in given else len(given)
    own, further = given[:cut], given[cut + 1 :]
    parser = _parser()
    options = parser.parse_args(own)
    if further and options.command != "lab":
        parser.error("only `dlgraph lab` takes further arguments after --")
    try:
        if options.command == "lab":
            return lab(options.folder, options.fresh, [*options.no_browser, *further])
        if options.command == "grade":
            return grade(options.lesson, options.paths, options.csv, options.seconds)
        if options.command == "doctor":
            return doctor.main(as_json=options.json)
    except DlgraphError as error:
        error.where = None  # a person at a command line has no line of code to look at
        print(f"dlgraph {options.command}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"dlgraph {options.command}: stopped", file=sys.stderr)
        return 130
    parser.print_help()
    return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="dlgraph", description="Computation graphs you can see, run and train in Jupyter."
    )
    parser.add_argument("--version", action="version", version=f"dlgraph {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    lab_parser = commands.add_parser(
        "lab",
        help="copy the lessons into a folder and open them in JupyterLab",
        usage="dlgraph lab [-h] [--no-browser] [--fresh LESSON] [FOLDER] [-- JUPYTERLAB ...]",
        description="Copy the lessons into FOLDER and start JupyterLab on the first one. "
        "A file that is already there is never overwritten. Whatever follows -- is passed on to "
        "JupyterLab, for example: dlgraph lab -- --port 9000",
    )
    lab_parser.add_argument(
        "folder",
        nargs="?",
        default=lessons.DEFAULT_FOLDER,
        metavar="FOLDER",
        help="where the lessons go (default: %(default)s)",
    )
    lab_parser.add_argument(
        "--fresh",
        action="append",
        default=[],
        metavar="LESSON",
        help="also write an untouched copy of this lesson (01, 02, ...) under a name of its own",
    )
    lab_parser.add_argument(
        "--no-browser",
        action="store_const",
        const=["--no-browser"],
        default=[],
        help="start the server and print its address, open no browser",
    )
    grade_parser = commands.add_parser(
        "grade",
        help="mark the exercises of notebooks that learners hand in",
        description="Run each notebook in a kernel of its own, with the checks of LESSON in place "
        "of the learner's, and say which exercises are right. The learners' code runs on this "
        "machine, with your rights; no network is needed, and nothing of theirs is changed.",
    )
    grade_parser.add_argument(
        "lesson",
        metavar="LESSON",
        help="your notebook with the checks, or the start of a lesson's name (01, 02, ...)",
    )
    grade_parser.add_argument(
        "paths",
        nargs="+",
        metavar="PATH",
        help="notebooks, or folders: all in them that have the lesson's name in theirs",
    )
    grade_parser.add_argument(
        "--csv", metavar="FILE", type=Path, help="also write results, replies and answers to FILE"
    )
    grade_parser.add_argument(
        "--seconds",
        type=int,
        default=grading.SECONDS,
        help="stop a cell after so many seconds (default: %(default)s)",
    )
    doctor_parser = commands.add_parser(
        "doctor",
        help="check versions, widgets, GPU, BLAS threads and data",
        description="Check versions, widgets, GPU, BLAS threads and data. What is missing or "
        "broken is shown with a repair; nothing is downloaded or changed.",
    )
    doctor_parser.add_argument("--json", action="store_true", help="print the rows as JSON")
    return parser


def lab(folder: str, fresh: Sequence[str] = (), further: Sequence[str] = ()) -> int:
    """Copy the lessons into `folder`, start JupyterLab on the first one and wait for its end.

    `fresh` names lessons to copy once more beside the learner's; `further` goes to JupyterLab.
    Returns JupyterLab's exit status.

    Raises:
        MissingPackageError: JupyterLab is not installed.
        DlgraphError: the folder cannot be used, or there is no such lesson.
    """
    if importlib.util.find_spec("jupyterlab") is None:
        raise MissingPackageError(
            f"JupyterLab is not installed for {sys.executable}",
            hint='install it: pip install "dlgraph[lab]"',
        )
    source = lessons.lesson_source()
    first = lessons.lesson_notebooks(source)[0]
    wanted = [lessons.find_lesson(source, text) for text in fresh]  # refuse before writing
    copied = lessons.copy_lessons(folder, source)
    root = copied.folder.resolve()
    print(f"lessons   {root}  ({len(copied.added)} files added, {len(copied.kept)} kept)")
    if copied.outdated:
        print(_newer(copied))
    for name in wanted:
        path = lessons.fresh_copy(folder, name, source)
        first = path.relative_to(copied.folder).as_posix()
        print(f"fresh     {first}")
    environment, note = one_thread(os.environ)
    places = [str(SETTINGS), environment.get("JUPYTER_CONFIG_PATH")]
    environment["JUPYTER_CONFIG_PATH"] = os.pathsep.join(place for place in places if place)
    print(f"threads   {note}")
    command = lab_command(root, first, further)
    print(f"opening   {first} in JupyterLab; stop it with Ctrl-C", flush=True)
    return run(command, environment)


def grade(lesson: str, paths: Sequence[str], csv: Path | None, seconds: int) -> int:
    """Mark the notebooks among `paths` and print one line for each, as soon as it is marked.

    Raises:
        MissingPackageError: nbclient is not installed.
        DlgraphError: there is no such lesson, it has no exercise, there is nothing to mark, the
            file for the marks is there already or cannot be made, or a cell is given no time.
    """
    if seconds < 1:  # 0 would mean without end
        raise DlgraphError(f"--seconds {seconds} leaves a cell no time", hint="at least 1")
    teachers = grading.find_teachers(lesson)
    wanted = grading.exercises(grading.code_cells(teachers))
    if not wanted:
        raise DlgraphError(
            f"{teachers} has no exercise",
            hint="a cell defines check_NAME(answer), another one prints check_NAME(answer)",
        )
    if csv is not None and os.path.exists(csv):
        raise DlgraphError(f"{csv} is there already", hint="give the marks another name")
    if csv is not None and not os.access(csv.parent, os.W_OK):  # said before an hour of marking
        raise DlgraphError(f"{csv} cannot be written: {csv.parent} is no folder to write to")
    submissions = grading.find_submissions(paths, teachers)
    os.environ.update(one_thread(os.environ)[0])  # for the kernels
    marked = []
    print(grading.header(wanted), flush=True)
    try:
        for path in submissions:
            marked.append(grading.mark(path, wanted, seconds))
            print(grading.line(marked[-1], wanted), flush=True)
    finally:  # whoever stops this keeps what is marked
        if csv is not None and marked:
            grading.write_csv(csv, marked)
    return 0


def _newer(copied: lessons.Copied) -> str:
    notebooks = [name for name in copied.outdated if name.endswith(".ipynb")]
    example = Path((notebooks or copied.outdated)[0]).name.split("_")[0]
    default = copied.folder == Path(lessons.DEFAULT_FOLDER)
    folder = "" if default else f" {shlex.quote(str(copied.folder))}"
    how = f"; `dlgraph lab --fresh {example}{folder}` writes the new one beside it"
    return f"newer     {', '.join(copied.outdated)}: yours is kept" + (how if notebooks else "")


def one_thread(environment: Mapping[str, str]) -> tuple[dict[str, str], str]:
    """The environment for the kernels with one BLAS thread, unless the user chose a number.

    The arrays of the lessons are small: several threads cost more in waiting than they win, and
    thirty learners on one server would stand in each other's way.

    >>> from dlgraph.cli import one_thread
    >>> one_thread({})[0]
    {'OMP_NUM_THREADS': '1', 'OPENBLAS_NUM_THREADS': '1'}
    >>> one_thread({"OMP_NUM_THREADS": "4"})
    ({'OMP_NUM_THREADS': '4'}, 'OMP_NUM_THREADS=4, as you set it')
    """
    chosen = {name: environment[name] for name in THREADS if environment.get(name)}
    if chosen:
        said = ", ".join(f"{name}={value}" for name, value in chosen.items())
        return dict(environment), f"{said}, as you set it"
    forced = dict.fromkeys(THREADS, "1")
    said = ", ".join(f"{name}={value}" for name, value in forced.items())
    return {**environment, **forced}, f"{said} (fastest for small arrays; set one to change it)"


def lab_command(root: Path, first: str, further: Sequence[str] = ()) -> list[str]:
    """The command line that starts JupyterLab in `root` on the notebook `first`."""
    command = [sys.executable, "-m", "jupyterlab"]
    command += [f"--ServerApp.root_dir={root}", f"--LabApp.default_url=/lab/tree/{quote(first)}"]
    if getattr(os, "geteuid", lambda: 1)() == 0:
        # A container usually has no other user, and JupyterLab would refuse to start; it listens
        # on this machine only and asks for its token all the same.
        command.append("--allow-root")
    return [*command, *further]


def run(command: Sequence[str], environment: Mapping[str, str]) -> int:
    """Run a server in the foreground: Ctrl-C is its to answer, a request to end is passed on."""
    process = subprocess.Popen(command, env=dict(environment))
    previous = signal.signal(signal.SIGTERM, lambda *_: process.terminate())
    try:
        while True:
            try:
                return process.wait()
            except KeyboardInterrupt:
                continue  # the server got it as well, and asks whether it should stop
    finally:
        signal.signal(signal.SIGTERM, previous)
