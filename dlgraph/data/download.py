"""Downloading the files of a data set into the cache, over pooch, from several mirrors.

What may go wrong: no network (all mirrors are asked at once, for a few seconds, and a mirror that
failed is not asked again); a connection that breaks or a killed process (the partial file stays
and is continued); a mirror or a login page that sends something else (size and SHA-256 are
checked before the file gets its name).  The only module that imports pooch.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from dlgraph.data.catalogue import File, Record, sum_of
from dlgraph.data.places import Place, absent, cache_place, intact
from dlgraph.data.progress import bar
from dlgraph.errors import DataError, MissingPackageError

CONNECT_SECONDS = 5.0  # no network is noticed in this time
STALL_SECONDS = 10.0  # a transfer that stands still this long is broken off
IDLE_SECONDS = 30.0  # a partial file not written to for this long belongs to a killed process
PARTIAL_CONTENT, RANGE_NOT_SATISFIABLE = 206, 416
CHUNK = 1 << 14  # bytes received at a time; a connection that breaks loses the last such piece
ATTEMPTS = 3  # for one file from one mirror, each going on where the last one ended


class _Refused(Exception):
    """What the mirror sends cannot be the file."""


def fetch(record: Record, looked: list[Place]) -> str:
    """Bring every file of the data set that is missing or damaged into the cache.

    Returns the hosts that sent something.  Raises `DataError` if a file cannot be had or written,
    `MissingPackageError` without pooch; files that are complete stay, and partial ones go on
    next time.
    """
    folder = cache_place(record).folder
    try:
        import pooch  # noqa: F401
        import requests  # noqa: F401
    except ImportError:
        folder = None
    if folder is None:
        without = absent(record, looked, "downloading it needs the package pooch")
        extra = {**without.extra, "way 3": 'pip install "dlgraph[data]" and run this again'}
        raise MissingPackageError(without.what, extra=extra, hint=without.hint) from None
    wanted = [file for file in record.files if not intact(folder / file.name, file)]
    if not wanted:
        return ""
    mirrors = _Mirrors(record.mirrors, wanted[0].name)
    if next(iter(mirrors), None) is None:
        raise absent(record, looked, "no mirror can be reached", mirrors.report())
    try:
        folder.mkdir(parents=True, exist_ok=True)
        received = [_fetch_file(record, file, folder, mirrors) for file in wanted]
    except OSError as error:
        raise DataError(
            f"{record.name} cannot be stored in {folder}: {error.strerror or error}",
            hint="is the disk full, or the folder not yours? The files may also lie elsewhere: "
            f'{record.call}("folder")',
        ) from error
    if None in received:
        raise absent(record, looked, "no mirror could deliver it", mirrors.report())
    sweep(folder)
    return " and ".join(dict.fromkeys(host for host in received if host))


def sweep(folder: Path) -> None:
    """Remove what killed downloads left behind."""
    for part in folder.glob("*.part"):
        if _idle(part):
            with contextlib.suppress(OSError):  # another process was faster
                part.unlink()


def _fetch_file(record: Record, file: File, folder: Path, mirrors: _Mirrors) -> str | None:
    """Get one file from the first mirror that delivers it; returns its host, None if none does."""
    part = _claim(folder, file)
    try:
        for mirror in mirrors:
            problem = _from_mirror(mirror + file.name, record, file, part)
            if problem is None:
                os.replace(part, folder / file.name)
                return _host(mirror)
            mirrors.failed[mirror] = f"{file.name}: {problem}"
        return None
    finally:
        _release(part)


def _from_mirror(url: str, record: Record, file: File, part: Path) -> str | None:
    """Complete the partial file from this address; returns what is wrong, None if it is right."""
    import requests

    for _ in range(ATTEMPTS):
        start = part.stat().st_size
        try:
            _transfer(url, f"{record.name} {file.name}", file, part)
        except _Refused as refusal:
            return str(refusal)
        except requests.RequestException as error:
            if part.stat().st_size > start:
                continue  # it broke off after some bytes: go on from there
            if start and getattr(error.response, "status_code", None) == RANGE_NOT_SATISFIABLE:
                os.truncate(part, 0)
                continue
            return _words(error)
        found = sum_of(part)
        if found == file.packed:
            return None
        os.truncate(part, 0)
        if start == 0:
            return f"sent {found}; expected {file.packed}"
    return f"broke off or sent wrong bytes {ATTEMPTS} times"


def _transfer(url: str, text: str, file: File, part: Path) -> None:
    """Append to the partial file what it lacks."""
    from pooch import HTTPDownloader

    with open(part, "ab") as stream:
        body = _Body(stream, text, file)
        get = HTTPDownloader(
            chunk_size=CHUNK,
            timeout=(CONNECT_SECONDS, STALL_SECONDS),
            # A mirror that packs the packed file once more would change its bytes.
            headers={"Accept-Encoding": "identity", "Range": f"bytes={stream.tell()}-"},
            hooks={"response": body.begin},
        )
        try:
            get(url, body, None)
            os.fsync(stream.fileno())
        finally:
            body.close()


class _Body:
    """The partial file as pooch writes to it: counted, shown, and never longer than the file."""

    def __init__(self, stream: Any, text: str, file: File):
        self.stream, self.text, self.expected = stream, text, file.packed.size
        self.bar: Any = None

    def begin(self, response: Any, *args: Any, **kwargs: Any) -> None:
        """Called with the head of the answer: does the mirror continue or start from zero?"""
        if response.is_redirect or not response.ok:
            return
        held = self._held() if response.status_code == PARTIAL_CONTENT else 0
        length = response.headers.get("content-length", "")
        if length.isdecimal() and held + int(length) != self.expected:
            raise _Refused(
                f"offered {held + int(length):,} bytes where the file has {self.expected:,}"
            )
        if held == 0:
            self.stream.truncate(0)
        # Some stores label the file itself as gzip-encoded: keep requests from unpacking it.
        response.raw.headers.pop("content-encoding", None)
        with contextlib.suppress(MissingPackageError):  # a download without a bar is a download
            self.bar = bar(self.text, self.expected, done=held, unit="iB")

    def write(self, chunk: bytes) -> None:
        if self._held() + len(chunk) > self.expected:
            raise _Refused(f"sent more than the {self.expected:,} bytes of the file")
        self.stream.write(chunk)
        self.stream.flush()
        if self.bar is not None:
            self.bar.update(len(chunk))

    def flush(self) -> None:
        self.stream.flush()

    def _held(self) -> int:
        return os.fstat(self.stream.fileno()).st_size

    def close(self) -> None:
        if self.bar is not None:
            self.bar.close()


class _Mirrors:
    """The mirrors that answer, in their order; `failed` says what was wrong with the others.

    All are asked at once, each in a thread, because looking up a name can take longer without a
    network than any time limit that can be set for it.
    """

    def __init__(self, addresses: tuple[str, ...], name: str):
        self.addresses = addresses
        self.failed: dict[str, str] = {}
        self._deadline = time.monotonic() + CONNECT_SECONDS
        self._answers: dict[str, str] = {}
        self._threads = {
            address: threading.Thread(target=self._ask, args=(address, name), daemon=True)
            for address in addresses
        }
        for thread in self._threads.values():
            thread.start()

    def _ask(self, address: str, name: str) -> None:
        import requests

        try:
            requests.head(address + name, timeout=CONNECT_SECONDS, allow_redirects=True)
            self._answers[address] = ""
        except Exception as error:  # whatever it is, this mirror is of no use
            self._answers[address] = _words(error)

    def __iter__(self) -> Iterator[str]:
        for address in self.addresses:
            if address in self.failed:
                continue
            self._threads[address].join(max(0.0, self._deadline - time.monotonic()))
            problem = self._answers.get(address, _silence())
            if problem:
                self.failed[address] = problem
            else:
                yield address

    def report(self) -> str:
        """Each mirror and what was wrong with it."""
        return "; ".join(f"{_host(address)}: {text}" for address, text in self.failed.items())


def _claim(folder: Path, file: File) -> Path:
    """A partial file for this process alone: a leftover that nobody writes to, else a new one.

    Renaming is the claim: of two processes that try, one succeeds.
    """
    mine = folder / f"{file.name}.{secrets.token_hex(4)}.part"
    for leftover in folder.glob(f"{file.name}.*.part"):
        if _idle(leftover):
            with contextlib.suppress(OSError):
                leftover.rename(mine)
                if mine.stat().st_size >= file.packed.size:
                    os.truncate(mine, 0)
                os.utime(mine)
                return mine
    mine.touch()
    return mine


def _release(part: Path) -> None:
    """Leave a partial file to the next download, marked as idle by a date of long ago."""
    with contextlib.suppress(OSError):
        if part.stat().st_size == 0:
            part.unlink()
        else:
            os.utime(part, (0, 0))


def _idle(part: Path) -> bool:
    try:
        return time.time() - part.stat().st_mtime > IDLE_SECONDS
    except OSError:
        return False


def _words(error: Exception) -> str:
    import requests

    if isinstance(error, requests.Timeout):
        return _silence()
    if isinstance(error, requests.exceptions.SSLError):
        return "its certificate cannot be checked"
    if isinstance(error, requests.HTTPError) and error.response is not None:
        return f"answered {error.response.status_code} {error.response.reason}"
    if isinstance(error, requests.ConnectionError):
        return "cannot be reached"
    return f"{type(error).__name__}: {error}"


def _silence() -> str:
    return f"no answer within {CONNECT_SECONDS:g} s"


def _host(address: str) -> str:
    return urlsplit(address).netloc
