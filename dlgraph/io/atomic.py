"""Write a file so that a kill at any byte leaves the old one whole; paths that users pass."""

from __future__ import annotations

import contextlib
import os
import secrets
from pathlib import Path
from typing import Any

from dlgraph.errors import DataError, OperationError


def as_path(who: str, path: Any, example: str = "model.safetensors") -> Path:
    """The argument as a path; raises `OperationError` if it is none.

    >>> from dlgraph.io.atomic import as_path
    >>> as_path("save", "a.txt").suffix
    '.txt'
    """
    if not isinstance(path, (str, os.PathLike)) or not str(path) or "\0" in str(path):
        raise OperationError(f"{who}: {path!r} is no path", hint=f'"{example}", for example')
    return Path(path)


def write_whole(path: Path, content: bytes) -> None:
    """Replace a file in one step: the content goes to a temporary file beside it first.

    The temporary file is flushed to the disk before it takes the name, so after a power cut, too,
    the name stands for either the old content or the new.  Raises `DataError` if it cannot be
    written.

    >>> import pathlib, tempfile
    >>> from dlgraph.io.atomic import write_whole
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = pathlib.Path(folder, "a.bin")
    ...     write_whole(file, b"new")
    ...     file.read_bytes()
    b'new'
    """
    if not path.name:  # of "." and "/"
        raise DataError(f"{path} is a folder, not a file", hint="add the name of a file")
    # Of a long name only the start: with what is added it would be too long.
    temporary = path.with_name(f".{path.name[:32]}.{os.getpid()}-{secrets.token_hex(4)}.part")
    try:
        try:
            with open(temporary, "xb") as stream:
                stream.write(content)
                stream.flush()
                os.fsync(stream.fileno())
            os.replace(temporary, path)
        except BaseException:
            with contextlib.suppress(OSError):
                temporary.unlink()
            raise
    except OSError as error:
        raise DataError(
            f"{path.name} could not be written to {path.parent}: {error.strerror or error}",
            hint="what was there before is untouched; is the folder there, with room to write?",
        ) from error
    _flush_folder(path.parent)


def _flush_folder(folder: Path) -> None:
    # Makes the new name itself durable.  Windows cannot open folders, some file systems cannot
    # flush them; the file is whole either way.
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
