"""Compiled code on disk, so that a program that ran before starts at once.

One file per module, in the user's cache folder.  Its name is a hash of the source and of everything
that the machine code depends on (processor, its features, versions).  A file is used only if it is
whole: it holds a hash of the name and the code, and it must belong to the user.  Anything else
counts as not there.  Files are written beside and renamed, so two processes may write the
same one.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
from pathlib import Path

from dlgraph.data.places import cache_folder

with contextlib.suppress(ImportError):
    import platformdirs  # noqa: F401  # which `cache_folder` needs: now, not in the first run

LIMIT = 64 * 2**20  # bytes in all; the files that were not used for longest go first
_MARK = b"dlgraph object 1\n"
_DIGEST = hashlib.sha256().digest_size


def folder() -> Path | None:
    """Where the files are; None if the cache folder cannot be found."""
    found = cache_folder()
    return None if found is None else found / "compiled"


def read(key: str) -> bytes | None:
    """The machine code kept under this key, None if there is none that can be trusted."""
    where = folder()
    if where is None:
        return None
    path = where / f"{key}.o"
    try:
        with open(path, "rb") as stream:
            facts = os.fstat(stream.fileno())
            if not _own(facts):
                return None
            content = stream.read(min(facts.st_size, LIMIT))  # Python takes that memory at once
    except OSError:
        return None
    mark, digest = content[: len(_MARK)], content[len(_MARK) : len(_MARK) + _DIGEST]
    machine_code = content[len(_MARK) + _DIGEST :]
    if mark != _MARK or digest != _sum(key, machine_code):
        return None
    with contextlib.suppress(OSError):
        os.utime(path)  # it was used
    return machine_code


def write(key: str, machine_code: bytes) -> None:
    """Keep machine code; a cache that cannot be written to is no error."""
    where = folder()
    if where is None:
        return
    temporary = where / f".{key}.{os.getpid()}-{secrets.token_hex(4)}.part"
    try:
        where.mkdir(parents=True, exist_ok=True)
        temporary.write_bytes(_MARK + _sum(key, machine_code) + machine_code)
        os.replace(temporary, where / f"{key}.o")
        _trim(where)
    except OSError:
        with contextlib.suppress(OSError):
            temporary.unlink()


def _own(facts: os.stat_result) -> bool:
    # Where there are users: a file that somebody else can write is not run.
    return not hasattr(os, "getuid") or (facts.st_uid == os.getuid() and not facts.st_mode & 0o022)


def _sum(key: str, machine_code: bytes) -> bytes:
    return hashlib.sha256(key.encode() + machine_code).digest()


def _trim(where: Path) -> None:
    """Delete the files that were not used for longest, until the rest is within the limit."""
    kept = 0
    files = sorted(((p.stat(), p) for p in where.iterdir()), key=lambda f: -f[0].st_mtime)
    for facts, path in files:
        kept += facts.st_size
        if kept > LIMIT:
            with contextlib.suppress(OSError):
                path.unlink()
