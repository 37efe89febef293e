"""Real data where there is some, a small data set of our own, and mirrors on this machine."""

from __future__ import annotations

import gzip
import http.server
import os
import struct
import threading
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest

from dlgraph.data import catalogue, download, places

NAMED = os.environ.get("DLGRAPH_DATA")  # read before the fixture below hides it
REPOSITORY = Path(__file__).resolve().parents[2]


def idx(array: np.ndarray) -> bytes:
    """The array as the content of an IDX file, written independently of the reader."""
    code = {"u1": 8, "i1": 9, "i2": 11, "i4": 12, "f4": 13, "f8": 14}[array.dtype.str[1:]]
    header = struct.pack(f">HBB{array.ndim}I", 0, code, array.ndim, *array.shape)
    return header + array.astype(array.dtype.newbyteorder(">")).tobytes()


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """A folder with mnist/ and fashion-mnist/, the original files."""
    for folder in filter(None, (NAMED, REPOSITORY.parent / "shared" / "data")):
        if Path(folder, "mnist").is_dir() and Path(folder, "fashion-mnist").is_dir():
            return Path(folder)
    pytest.skip("needs the original files: set DLGRAPH_DATA to a folder with mnist, fashion-mnist")


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch) -> Path:
    """An empty cache instead of the user's, no DLGRAPH_DATA, and no proxy."""
    monkeypatch.delenv("DLGRAPH_DATA", raising=False)
    monkeypatch.setenv("NO_PROXY", "*")
    monkeypatch.setattr(places, "cache_folder", lambda: tmp_path / "cache")
    return tmp_path / "cache" / "mnist"


@dataclass
class Small:
    """A data set with the four names of MNIST but 600 + 20 images: arrays, files, record."""

    arrays: list[np.ndarray]
    files: dict[str, bytes]
    record: catalogue.Record

    def write(self, folder: Path, *, plain: bool = False) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in self.files.items():
            if plain:
                (folder / name.removesuffix(".gz")).write_bytes(gzip.decompress(content))
            else:
                (folder / name).write_bytes(content)
        return folder


@pytest.fixture
def small(monkeypatch) -> Small:
    """Takes the place of MNIST.  Its mirrors refuse connections; `mirrors` gives better ones."""
    random = np.random.default_rng(0)
    arrays = [
        random.integers(0, 256, (600, 28, 28), np.uint8),  # noise: 460 KiB also when packed
        random.integers(0, 10, 600, np.uint8),
        random.integers(0, 256, (20, 28, 28), np.uint8),
        random.integers(0, 10, 20, np.uint8),
    ]
    published = catalogue.RECORDS["mnist"]
    contents = [idx(array) for array in arrays]
    packed = [gzip.compress(content, mtime=0) for content in contents]
    files = tuple(
        replace(
            file,
            packed=catalogue.sum_of_bytes(pack),
            shape=array.shape,
            plain_sha256=catalogue.sum_of_bytes(content).sha256,
        )
        for file, array, content, pack in zip(
            published.files, arrays, contents, packed, strict=True
        )
    )
    nowhere = ("http://127.0.0.1:9/", "http://localhost:9/")
    record = replace(published, files=files, mirrors=nowhere)
    monkeypatch.setitem(catalogue.RECORDS, "mnist", record)
    names = [file.name for file in files]
    return Small(arrays, dict(zip(names, packed, strict=True)), record)


@dataclass
class Mirror:
    """A web server on this machine.  `behaviour` maps a file name (or "" for all) to what goes
    wrong, see `Handler`; `asked` logs (method, file name, first byte asked for).
    """

    files: dict[str, bytes]
    behaviour: dict[str, str] = field(default_factory=dict)
    asked: list[tuple[str, str, int]] = field(default_factory=list)
    half_sent: threading.Event = field(default_factory=threading.Event)
    go_on: threading.Event = field(default_factory=threading.Event)
    address: str = ""

    def gets(self, name: str | None = None) -> list[int]:
        """First bytes asked for, of one file or of all."""
        return [first for how, what, first in self.asked if how == "GET" and name in (None, what)]


class Handler(http.server.BaseHTTPRequestHandler):
    """ok, or one of: half (breaks off half-way), half once, stall (stands still half-way),
    no ranges, labelled (Content-Encoding: gzip), flipped (one bit), page (HTML), endless,
    silent (answers nothing), unsatisfiable (416 to every continuation), a status code.
    """

    mirror: Mirror

    def do_HEAD(self):
        self.answer("HEAD")

    def do_GET(self):
        self.answer("GET")

    def answer(self, method: str) -> None:
        mirror, name = self.mirror, self.path.lstrip("/")
        first = int(self.headers.get("Range", "bytes=0-").removeprefix("bytes=").rstrip("-"))
        mirror.asked.append((method, name, first))
        how = mirror.behaviour.get(name, mirror.behaviour.get("", "ok"))
        if how == "silent":
            mirror.go_on.wait(20)
            return
        if how.isdecimal() or (how == "unsatisfiable" and first):
            self.send_error(int(how) if how.isdecimal() else 416)
            return
        content = b"<html>Please log in</html>" if how == "page" else mirror.files[name]
        if how == "flipped":
            content = content[:99] + bytes([content[99] ^ 1]) + content[100:]
        if how == "no ranges":
            first = 0
        self.send_response(206 if first else 200)
        if how != "endless":
            self.send_header("Content-Length", str(len(content) - first))
        if how == "labelled":
            self.send_header("Content-Encoding", "gzip")
        self.end_headers()
        if method == "GET":
            self.send_body(content[first:], how, name)

    def send_body(self, body: bytes, how: str, name: str) -> None:
        if how in ("half", "half once", "stall"):
            self.wfile.write(body[: len(body) // 2])
            self.wfile.flush()
            self.mirror.half_sent.set()
            if how == "stall":
                self.mirror.go_on.wait(20)
            if how == "half once":
                self.mirror.behaviour[name] = "ok"
            self.close_connection = True
        elif how == "endless":
            for _ in range(10_000):
                try:
                    self.wfile.write(b"more" * 1000)
                except OSError:
                    return
        else:
            self.wfile.write(body)

    def log_message(self, *args):
        pass


@pytest.fixture
def mirrors(small, monkeypatch):
    """Two mirrors that serve the small data set, in this order."""
    servers, started = [], []
    for _ in range(2):
        mirror = Mirror(small.files)
        handler = type("MirrorHandler", (Handler,), {"mirror": mirror})
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        server.daemon_threads = True
        mirror.address = f"http://127.0.0.1:{server.server_port}/"
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        servers.append(server)
        started.append(mirror)
    small.record = replace(small.record, mirrors=tuple(m.address for m in started))
    monkeypatch.setitem(catalogue.RECORDS, "mnist", small.record)
    yield started
    for mirror in started:
        mirror.go_on.set()
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture
def hurry(monkeypatch) -> None:
    """Give up on a silent mirror after a fifth of a second."""
    monkeypatch.setattr(download, "CONNECT_SECONDS", 0.2)
    monkeypatch.setattr(download, "STALL_SECONDS", 0.2)
