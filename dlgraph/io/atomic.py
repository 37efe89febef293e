"""Write a file so that a kill at any byte leaves the old one whole; paths that users pass."""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
from pathlib import Path
from typing import Any

from dlgraph.errors import DataError, OperationError


def as_path(who: str, path: Any, example: str = "model.safetensors") -> Path:
    """The argument as a path, with `~` for the user's folder; `OperationError` if it is none.

    >>> from dlgraph.io.atomic import as_path
    >>> as_path("save", "a.txt").suffix
    '.txt'
    """
    try:
        found = Path(path).expanduser()
        if not str(path) or b"\0" in os.fsencode(found):
            raise ValueError("no file has such a name")
    except (TypeError, ValueError, RuntimeError) as error:
        # Of another type; half of a character; ~somebody who is not known here.
        raise OperationError(
            f"{who}: {path!r} is no path: {error}", hint=f'"{example}", for example'
        ) from None
    return found


def write_whole(path: Path, content: bytes) -> None:
    """Replace a file in one step: the content goes to a temporary file beside it first.

    The temporary file is flushed to the disk before it takes the name, so after a power cut, too,
    the name stands for either the old content or the new.  The new file is for the eyes of whom
    the old one was; a link stays one, and what it points to is replaced.  Raises `DataError` if it
    cannot be written, also for a file that is read-only, and for what is no file (`/dev/null`).

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
    path = Path(os.path.realpath(path)) if os.path.islink(path) else path
    # Of a long name only the start: with what is added it would be too long.
    temporary = path.with_name(f".{path.name[:32]}.{os.getpid()}-{secrets.token_hex(4)}.part")
    try:
        mode = _mode_of(path)
        try:
            with open(temporary, "xb") as stream:
                if mode is not None:
                    with contextlib.suppress(OSError):  # file systems that know no permissions
                        os.chmod(temporary, mode)
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


def _mode_of(path: Path) -> int | None:
    """The permissions of the file that is to be replaced, if there is one."""
    # A new file could take the place of anything that stands in a folder, whatever it allows.
    try:
        mode = os.stat(path).st_mode
    except FileNotFoundError:
        return None
    if not stat.S_ISREG(mode):
        raise OSError("it is no file that can be replaced")
    if not os.access(path, os.W_OK) and os.path.exists(path):  # somebody may have just removed it
        raise OSError("it is read-only")
    return stat.S_IMODE(mode)


def _flush_folder(folder: Path) -> None:
    # Makes the new name itself durable.  Windows cannot open folders, some file systems cannot
    # flush them; the file is whole either way.
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
