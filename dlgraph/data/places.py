"""Where the files of a data set may lie, and reading them from there with every check.

The order: an explicit folder, the folder that DLGRAPH_DATA names, the user's cache.  A folder
that was asked for by name must hold all four files, undamaged: nothing is fetched behind its
owner's back.  Read next: `download.py`, for what happens when the files are nowhere.
"""

from __future__ import annotations

import importlib.util
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dlgraph.data.catalogue import RECORDS, File, Record, Sum, recognise, sum_of, sum_of_bytes
from dlgraph.data.idx import parse_idx
from dlgraph.errors import DataError, OperationError
from dlgraph.io.atomic import as_path

VARIABLE = "DLGRAPH_DATA"
GIVEN = "the given folder"
CACHE = "the cache"


@dataclass(frozen=True)
class Place:
    """A folder that may hold a data set: `source` says what kind of place it is, `found` maps the
    published name of each file to the path where it lies (unpacked or not), `missing` lists the
    names of the others.  `folder` is None if this machine has no such place.  `note` is what else
    is known about it.

    >>> import dlgraph as dg
    >>> place = dg.data.locate("mnist", "no/such/folder")[0]
    >>> place.complete, len(place.missing), place.found
    (False, 4, {})
    """

    record: Record
    source: str
    folder: Path | None
    note: str = ""

    @property
    def found(self) -> dict[str, Path]:
        paths = {file.name: self._path(file) for file in self.record.files}
        return {name: path for name, path in paths.items() if path is not None}

    @property
    def missing(self) -> tuple[str, ...]:
        found = self.found
        return tuple(file.name for file in self.record.files if file.name not in found)

    @property
    def complete(self) -> bool:
        """Are all four files there?  Looks at names only, not at what the files contain."""
        return not self.missing

    def _path(self, file: File) -> Path | None:
        if self.folder is None:
            return None
        packed = self.folder / file.name
        return next((p for p in (packed, packed.with_suffix("")) if os.path.exists(p)), None)

    def __str__(self) -> str:
        if self.folder is None:
            return self.source
        count = len(self.found)
        held = f"{count} of 4 files" if os.path.isdir(self.folder) else "no such folder"
        return "; ".join(filter(None, [f"{self.source}: {self.folder}: {held}", self.note]))


def locate(name: str, folder: str | os.PathLike[str] | None = None) -> list[Place]:
    """The places where `mnist()` (name "mnist") or `fashion_mnist()` looks, in its order.

    The data set is read from the first place that is `complete`; if there is none it has to be
    downloaded.  Only names are looked at; no file is read and nothing is fetched.

    Raises `OperationError` for another name, and for a folder that is no path.

    >>> import dlgraph as dg
    >>> [place.source for place in dg.data.locate("mnist", "some/folder")]
    ['the given folder', 'the given folder']
    """
    if not isinstance(name, str) or name not in RECORDS:
        raise OperationError(
            f"locate: there is no data set {name!r}", hint=f"one of {', '.join(RECORDS)}"
        )
    record = RECORDS[name]
    if folder is not None:
        given = as_path("locate", folder, "my-data")
        return [
            Place(record, GIVEN, given),
            Place(record, GIVEN, given / record.folder),
        ]
    return [_variable_place(record), cache_place(record)]


def _variable_place(record: Record) -> Place:
    value = os.environ.get(VARIABLE)
    if not value:
        return Place(record, f"{VARIABLE} is not set", None)
    return Place(record, VARIABLE, as_path(VARIABLE, value, "my-data") / record.folder)


def cache_place(record: Record) -> Place:
    """The user's cache, in the place that the operating system has for such things."""
    folder = cache_folder()
    if folder is None:
        return Place(record, f"{CACHE} cannot be found without the package platformdirs", None)
    return Place(record, CACHE, folder / record.folder)


def cache_folder() -> Path | None:
    """For example ~/.cache/dlgraph on Linux; None without platformdirs, which knows the place."""
    try:
        from platformdirs import user_cache_path
    except ImportError:
        return None
    return user_cache_path("dlgraph", appauthor=False)


def choose(record: Record, places: list[Place]) -> Place | None:
    """The first complete place; None if there is none and a download may make one.

    Raises `DataError` if a folder that was asked for by name lacks files: any of them if it was
    given as an argument, some of them if DLGRAPH_DATA names it.
    """
    for place in places:
        if place.complete:
            return place
        if place.found and place.source == VARIABLE:
            raise _incomplete(place)
    given = [place for place in places if place.source == GIVEN]
    for place in given:
        if place.found:
            raise _incomplete(place)
    if given:
        raise DataError(
            f"{record.name}: none of its four files is in {given[0].folder}, nor in its "
            f"subfolder {record.folder}",
            extra={"files": file_names(record)},
            hint=f"without a folder, {record.call}() looks in {VARIABLE} and in the cache, "
            "then downloads",
        )
    return None


def _incomplete(place: Place) -> DataError:
    return DataError(
        f"{place.record.name}: {place.folder} lacks {' and '.join(place.missing)}",
        hint="copy the missing files there, or move the others away",
    )


def read(place: Place) -> list[np.ndarray]:
    """The four arrays, each from bytes whose size and SHA-256 were found right."""
    found = place.found
    return [_read(found[file.name], file) for file in place.record.files]


def _read(path: Path, file: File) -> np.ndarray:
    expected = file.expected(path)
    try:
        # A file of another size is not taken into memory: it may be anything.
        content = path.read_bytes() if path.stat().st_size == expected.size else None
        found = sum_of(path) if content is None else sum_of_bytes(content)
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror or error}") from error
    if content is None or found != expected:
        raise DataError(
            f"{path.name} is not the published file, or is damaged",
            extra={"file": str(path), "expected": str(expected), "found": str(found)},
            hint=_diagnosis(found, expected),
        )
    return parse_idx(content, path.name, file.plain.size)


def _diagnosis(found: Sum, expected: Sum) -> str:
    other = recognise(found)
    if other is not None:
        return f"these are the bytes of {other}: the files were mixed up"
    if found.size < expected.size:
        return "the file is cut short: copy or download it again"
    if found.size == expected.size:
        return "the size is right but bytes were changed on the way: copy or download it again"
    return "for IDX files of your own there is dg.data.read_idx(path)"


def intact(path: Path, file: File) -> bool:
    """Does the packed file lie at this path, whole and unchanged?"""
    try:
        return path.stat().st_size == file.packed.size and sum_of(path) == file.packed
    except OSError:
        return False


def file_names(record: Record) -> str:
    """The four names in one line."""
    return ", ".join(file.name for file in record.files)


def absent(record: Record, places: list[Place], reason: str, details: str = "") -> DataError:
    """The error for a data set that is nowhere, with the three ways out."""
    first = record.files[0].name
    looked = {f"looked {i}": str(place) for i, place in enumerate(places, 1)}
    return DataError(
        f"{record.name} is not on this machine, and {reason}",
        extra={
            **looked,
            **({"asked": details} if details else {}),
            "way 1": f'copy {file_names(record)} into a folder, then {record.call}("that folder")',
            "way 2": f"set {VARIABLE} to a folder that holds them as {record.folder}/{first} and "
            "so on",
            "way 3": "connect to the network and run this again: it goes on where it stopped",
        },
        hint="dg.data.digits() works now: real handwriting, without network or files"
        if importlib.util.find_spec("sklearn") is not None
        else None,
    )
