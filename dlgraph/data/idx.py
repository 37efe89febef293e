"""The IDX format, in which MNIST was published: a header of a few bytes, then the values.

A file from outside is never trusted: its header is checked before a byte is set aside for what
it promises, and decompression stops where the promise ends.  Read next: `catalogue.py`.
"""

from __future__ import annotations

import gzip
import io
import math
import os
import zlib
from pathlib import Path
from typing import BinaryIO

import numpy as np

from dlgraph.errors import DataError, OperationError
from dlgraph.io.atomic import as_path

# Third byte of the header: the element type.  Numbers are big-endian.
ELEMENT_TYPES = {8: ">u1", 9: ">i1", 11: ">i2", 12: ">i4", 13: ">f4", 14: ">f8"}
MOST_DIMENSIONS = 64  # what a NumPy array can have
GZIP_MAGIC = b"\x1f\x8b"
CHUNK = 1 << 20
AGAIN = "copy or download the file again"


def read_idx(path: str | os.PathLike[str], *, limit: int = 1 << 30) -> np.ndarray:
    """Read one IDX file, gzipped or plain, into an array.

    For IDX files of your own; `mnist()` and `fashion_mnist()` also check what the files contain.

    Format: two zero bytes; one byte for the element type (8 uint8, 9 int8, 11 int16, 12 int32,
    13 float32, 14 float64); one byte for the number of dimensions; each dimension as an unsigned
    big-endian 32-bit number; the values, last dimension fastest, big-endian.
    Source: Y. LeCun, C. Cortes, C. J. C. Burges, "The MNIST database of handwritten digits".

    `limit` is the largest number of bytes that the values may take (default 1 GiB).  The result
    has the shape and dtype of the header, in this machine's byte order, and is read-only.

    Raises `DataError` if the file is missing, is not IDX, is damaged, promises more than `limit`,
    or holds fewer or more values than its header promises, `OperationError` for what is no path
    or no limit.

    >>> import pathlib, tempfile
    >>> import dlgraph as dg
    >>> content = bytes([0, 0, 8, 2,  0, 0, 0, 2,  0, 0, 0, 3,  1, 2, 3, 4, 5, 6])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder, "six-numbers-idx2-ubyte")
    ...     size = path.write_bytes(content)
    ...     dg.data.read_idx(path)
    array([[1, 2, 3],
           [4, 5, 6]], dtype=uint8)
    """
    if not isinstance(limit, (int, np.integer)) or limit < 1:
        raise OperationError(f"read_idx: limit is a number of bytes, a whole one, not {limit!r}")
    path = as_path("read_idx", path, "train-images-idx3-ubyte.gz")
    return parse_idx(read_file(path, limit), path.name, limit)


def read_file(path: Path, limit: int) -> bytes:
    """The bytes of a file, at most about `limit` of them, or a `DataError`."""
    try:
        size = path.stat().st_size
        if size > limit + CHUNK:
            raise DataError(f"{path.name} has {size:,} bytes; the limit is {limit:,}")
        return path.read_bytes()
    except DataError:
        raise
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror or error}") from error


def parse_idx(content: bytes, name: str, limit: int) -> np.ndarray:
    """The array in the content of an IDX file, gzipped or not; `name` is for the errors."""
    if not content:
        raise DataError(f"{name} is empty (0 bytes)", hint=AGAIN)
    stream: BinaryIO = io.BytesIO(content)
    if content.startswith(GZIP_MAGIC):
        stream = gzip.GzipFile(fileobj=stream)  # type: ignore[assignment]
    try:
        shape, element = _header(stream, name)
        size = math.prod(shape) * element.itemsize
        promise = f"{' x '.join(f'{n:,}' for n in shape)} values of {element.name} = {size:,} bytes"
        if size == 0 or size > limit:
            raise DataError(
                f"{name}: its header promises {promise}; from 1 to {limit:,} bytes are accepted",
                hint="read_idx(path, limit=...) allows more" if size else AGAIN,
            )
        values = _at_most(stream, size + 1)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise DataError(f"{name} is not a complete gzip file: {error}", hint=AGAIN) from error
    if len(values) != size:
        held = "more" if len(values) > size else f"{len(values):,} bytes"
        raise DataError(f"{name}: its header promises {promise}, the file holds {held}", hint=AGAIN)
    array = np.frombuffer(values, element).reshape(shape)
    array = array.astype(element.newbyteorder("="), copy=False)
    array.flags.writeable = False
    return array


def _header(stream: BinaryIO, name: str) -> tuple[tuple[int, ...], np.dtype]:
    start = _at_most(stream, 4)
    known = len(start) == 4 and start[:2] == b"\0\0" and start[2] in ELEMENT_TYPES
    if not known or not 1 <= start[3] <= MOST_DIMENSIONS:
        raise DataError(
            f"{name} is not an IDX file: it starts with the bytes {start.hex(' ') or '(none)'}",
            extra={"expected": "00 00, element type (08 09 0b 0c 0d 0e), number of dimensions"},
            hint="IDX is the format of MNIST; images of other formats are read by other programs",
        )
    sizes = _at_most(stream, 4 * start[3])
    if len(sizes) < 4 * start[3]:
        raise DataError(f"{name} ends in the middle of its header", hint=AGAIN)
    shape = tuple(int(n) for n in np.frombuffer(sizes, ">u4"))
    return shape, np.dtype(ELEMENT_TYPES[start[2]])


def _at_most(stream: BinaryIO, size: int) -> bytearray:
    # Piece by piece: read(size) would set aside `size` bytes before it knows that they exist.
    held = bytearray()
    while len(held) < size and (piece := stream.read(min(CHUNK, size - len(held)))):
        held += piece
    return held
