"""The lessons that travel in the package, and copying them to a learner without overwriting.

A copy has no outputs, so that a guess is a guess.  A learner's file is never touched: a lesson that
is new here is added, one that the learner has is kept, and if the packaged lesson changed since it
was copied, that is reported and a fresh copy can be written beside the old one.  Read `cli.py`
next: `dlgraph lab` is built on this.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from dlgraph.errors import DlgraphError

PACKAGE = Path(__file__).resolve().parent
DEFAULT_FOLDER = "dlgraph-lessons"
RECORD = ".dlgraph-lessons.json"
"""File in the learner's folder: which packaged version each lesson was copied from."""


def lesson_source() -> Path:
    """The folder that holds the lessons of this installation.

    In an installed package that is `dlgraph/_lessons`, in a source checkout `notebooks`.

    Raises:
        DlgraphError: this installation has neither.

    >>> from dlgraph.lessons import lesson_source
    >>> lesson_source().name in {"_lessons", "notebooks"}
    True
    """
    for folder in (PACKAGE / "_lessons", PACKAGE.parent / "notebooks"):
        if folder.is_dir():
            return folder
    raise DlgraphError(
        f"this installation of dlgraph holds no lessons (looked in {PACKAGE / '_lessons'})",
        hint='install it again: pip install --force-reinstall --no-deps "dlgraph"',
    )


def lesson_files(source: Path) -> list[str]:
    """The files that make up the lessons, as sorted relative names, hidden ones left out."""
    found = (path.relative_to(source) for path in source.rglob("*") if path.is_file())
    return sorted(
        path.as_posix()
        for path in found
        if not any(part.startswith((".", "__")) for part in path.parts)
    )


def lesson_notebooks(source: Path) -> list[str]:
    """The lessons themselves in their order; the first is the one that `dlgraph lab` opens.

    Raises:
        DlgraphError: the folder holds no notebook.
    """
    names = [name for name in lesson_files(source) if name.endswith(".ipynb")]
    if not names:
        raise DlgraphError(
            f"{source} holds no lesson (a file ending in .ipynb)",
            hint='install dlgraph again: pip install --force-reinstall --no-deps "dlgraph"',
        )
    return names


def find_lesson(source: Path, text: str) -> str:
    """The one lesson whose file name starts with `text`: "01" finds "01_one_formula.ipynb".

    Raises:
        DlgraphError: no lesson starts so, or more than one does.
    """
    names = lesson_notebooks(source)
    matches = [name for name in names if text and name.startswith(text)]
    if len(matches) != 1:
        found = f"fits {', '.join(matches)}" if matches else "is no lesson"
        raise DlgraphError(
            f"{text!r} {found}",
            hint="name a lesson by the start of its file name, one of: " + ", ".join(names),
        )
    return matches[0]


def without_outputs(name: str, data: bytes) -> bytes:
    """The bytes of a lesson's file as a learner gets them: a notebook with its outputs left out.

    Stored outputs show a reader what a lesson says.  To a learner they would give away what is to
    be guessed before a cell is run, and they are numbers of another machine.
    """
    if not name.endswith(".ipynb"):
        return data
    try:
        notebook = json.loads(data)
        for cell in notebook["cells"]:
            if cell["cell_type"] == "code":
                cell["outputs"], cell["execution_count"] = [], None
    except (ValueError, KeyError, TypeError):  # not a notebook that we know: as it is
        return data
    return (json.dumps(notebook, indent=1, ensure_ascii=False) + "\n").encode()


@dataclass(frozen=True)
class Copied:
    """What `copy_lessons` did: file names relative to `folder`."""

    folder: Path
    added: tuple[str, ...]
    """Files that were not there before."""
    kept: tuple[str, ...]
    """Files that the learner already had; never changed."""
    outdated: tuple[str, ...]
    """Those of `kept` whose packaged version has changed since it was copied."""


def copy_lessons(folder: str | os.PathLike[str], source: Path | None = None) -> Copied:
    """Put every lesson, without outputs, into `folder`; a file that is there stays as it is.

    Each file appears complete or not at all, so that a copy that was interrupted is finished by
    the next call.  If `folder` is the lessons' own folder (a contributor's checkout), nothing is
    copied.

    Raises:
        DlgraphError: `folder` is a file, or cannot be written.

    >>> import tempfile
    >>> from dlgraph.lessons import copy_lessons
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     first, second = copy_lessons(folder), copy_lessons(folder)
    >>> first.added == second.kept and not second.added and not second.outdated
    True
    """
    source = lesson_source() if source is None else source
    target = Path(folder)
    names = lesson_files(source)
    if target.is_dir() and target.resolve() == source.resolve():
        return Copied(target, (), tuple(names), ())
    with _explained(target):
        target.mkdir(parents=True, exist_ok=True)
        before = _read_record(target)
        record = dict(before)
        added, kept, outdated = [], [], []
        for name in names:
            data = without_outputs(name, (source / name).read_bytes())
            digest = hashlib.sha256(data).hexdigest()
            if write_new(target / name, data):
                added.append(name)
                record[name] = digest
                continue
            kept.append(name)
            if before.get(name) != digest:
                if _same_bytes(target / name, data):
                    record[name] = digest
                else:
                    outdated.append(name)
        if record != before:
            _write_record(target, record)
    return Copied(target, tuple(added), tuple(kept), tuple(outdated))


def fresh_copy(folder: str | os.PathLike[str], lesson: str, source: Path | None = None) -> Path:
    """Write the packaged lesson, without outputs, into `folder` under a name of its own.

    "01" becomes `01_one_formula-fresh.ipynb`, then `01_one_formula-fresh-2.ipynb` and so on: an
    existing file is never replaced.  Returns the path.

    Raises:
        DlgraphError: there is no such lesson, or `folder` is a file or cannot be written.
    """
    source = lesson_source() if source is None else source
    original = source / find_lesson(source, lesson)
    target = Path(folder) / original.relative_to(source)
    data = without_outputs(original.name, original.read_bytes())
    with _explained(Path(folder)):
        target.parent.mkdir(parents=True, exist_ok=True)
        number = 1
        while True:
            ending = "-fresh" if number == 1 else f"-fresh-{number}"
            path = target.with_stem(target.stem + ending)
            if write_new(path, data):
                return path
            number += 1


def write_new(path: Path, data: bytes) -> bool:
    """Create `path` with `data`, completely or not at all; False if something is there already."""
    if os.path.lexists(path):
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        _write_through(part, data)
        try:
            os.link(part, path)  # unlike a rename this fails if someone was quicker
        except FileExistsError:
            return False
        except OSError:  # a file system without hard links
            if os.path.lexists(path):
                return False
            os.rename(part, path)
        return True
    finally:
        part.unlink(missing_ok=True)


def _write_through(path: Path, data: bytes) -> None:
    with open(path, "xb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _same_bytes(path: Path, data: bytes) -> bool:
    return path.is_file() and path.stat().st_size == len(data) and path.read_bytes() == data


def _read_record(folder: Path) -> dict[str, str]:
    """Packaged version of each lesson when it was copied; empty if the record is unreadable.

    Without it every lesson that differs counts as outdated: a line too many, never a loss.
    """
    try:
        record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return record if isinstance(record, dict) else {}


def _write_record(folder: Path, record: dict[str, str]) -> None:
    part = folder / f"{RECORD}.{secrets.token_hex(4)}.part"
    try:
        _write_through(part, (json.dumps(record, indent=1, sort_keys=True) + "\n").encode())
        os.replace(part, folder / RECORD)
    finally:
        part.unlink(missing_ok=True)


@contextlib.contextmanager
def _explained(folder: Path) -> Iterator[None]:
    """Turn the operating system's refusal into an error that says what to do."""
    try:
        yield
    except OSError as error:
        in_the_way = next((p for p in (folder, *folder.parents) if p.exists()), folder)
        if not in_the_way.is_dir():
            what, hint = f"{in_the_way} is a file, not a folder", "give the name of a folder"
        else:
            what = f"cannot write the lessons into {folder}: {error.strerror or error}"
            hint = "choose a folder that you may write to and that has room"
        raise DlgraphError(what, hint=f"{hint}, for example: dlgraph lab my-lessons") from error
