"""Arrays by name in a safetensors file.  The only module that imports `safetensors`.

A safetensors file is eight bytes (the length of the header), a JSON header (per name: dtype,
shape, place) and the numbers.  Nothing in it can be executed.  The header is checked here before
the library reads the file, so that an error can name the entry.
(Format: github.com/huggingface/safetensors.)
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from dlgraph.errors import DataError, DtypeError, MissingPackageError
from dlgraph.io.plain import MAX_JSON, fail, field, fields, read_json, whole

# What else a student may have saved, by the first bytes (asked where they are no length).
PICKLE = ("a pickle", "pickles can run code, so none is ever read here")
OTHER_FORMATS: dict[bytes, tuple[str, str]] = {
    b"\x93NUMPY": (
        "an array of NumPy (.npy)",
        "np.load reads it; dg.save writes what is read here",
    ),
    b"PK\x03\x04": (
        "a zip archive, as np.savez and torch.save write",
        "np.load reads .npz; a model of PyTorch: safetensors.torch.save_file(state_dict, path)",
    ),
    **{b"\x80" + bytes([protocol]): PICKLE for protocol in (2, 3, 4, 5)},
    b"\x89HDF": ("an HDF5 file, as Keras writes", "read it with h5py, and pass on the arrays"),
}
DTYPES = {
    "BOOL": np.bool_,
    "U8": np.uint8,
    "U16": np.uint16,
    "U32": np.uint32,
    "U64": np.uint64,
    "I8": np.int8,
    "I16": np.int16,
    "I32": np.int32,
    "I64": np.int64,
    "F16": np.float16,
    "F32": np.float32,
    "F64": np.float64,
    "C64": np.complex64,
}
_NAMES = {np.dtype(kind): name for name, kind in DTYPES.items()}


def to_bytes(arrays: Mapping[str, np.ndarray], metadata: Mapping[str, str]) -> bytes:
    """The content of a safetensors file with these arrays.

    With at most one entry in the metadata, the same arrays give the same bytes.
    """
    library = _library()
    whole_arrays = {}
    for name, array in arrays.items():
        native = array.dtype.newbyteorder("=")
        if native not in _NAMES:
            raise DtypeError(
                f"{name} is {array.dtype}; a safetensors file cannot hold that",
                hint=f"it can hold {', '.join(str(one) for one in _NAMES)}",
            )
        whole_arrays[name] = np.ascontiguousarray(array, native).reshape(array.shape)
    return library.save(whole_arrays, dict(metadata) or None)


def from_bytes(content: bytes, what: str) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """The arrays and the metadata of a safetensors file; `what` names it in errors.

    Raises `DataError` naming the entry that is wrong.
    """
    library = _library()
    metadata = check_header(content, what)
    try:
        loaded = library.load(content)
    except Exception as error:
        fail(what, f"it cannot be read: {error}")
    # Sorted, since the library's order is random; copied, since its arrays are views of the bytes.
    return {name: np.array(loaded[name]) for name in sorted(loaded)}, metadata


def check_header(content: bytes, what: str) -> dict[str, str]:
    """Check every entry of the header against the size of the file; its metadata."""
    if len(content) < 8:
        fail(what, f"{len(content)} bytes are too few for a safetensors file")
    length = int.from_bytes(content[:8], "little")
    if length > min(len(content) - 8, MAX_JSON):
        for first, (called, hint) in OTHER_FORMATS.items():
            if content.startswith(first):
                fail(what, f"this is {called}, and no safetensors file", hint)
        fail(
            what,
            f"the header claims {length:,} bytes, the file has {len(content) - 8:,} after it",
            "the file was cut off, or is no safetensors file",
        )
    header = read_json(content[8 : 8 + length], f"{what}: header")
    if not isinstance(header, dict):
        fail(what, "its header is not an object")
    metadata = header.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(v, str) for v in metadata.values()):
        fail(f"{what}: entry '__metadata__'", "it must map text to text")
    room = len(content) - 8 - length
    places = sorted((_place(name, entry, room, f"{what}: entry {name!r}"), name)
                    for name, entry in header.items())  # fmt: skip
    end = 0
    for (start, stop), name in places:
        if start != end:
            kind = "overlaps another entry" if start < end else "leaves a gap before it"
            fail(f"{what}: entry {name!r}", kind)
        end = stop
    if end != room:
        fail(what, f"{room - end:,} bytes at its end belong to no entry")
    return metadata


def _place(name: str, entry: Any, room: int, what: str) -> tuple[int, int]:
    fields(entry, {"dtype", "shape", "data_offsets"}, what)
    dtype = field(entry, "dtype", str, what)
    if dtype not in DTYPES:
        fail(what, f"the dtype {dtype!r} is unknown", f"known are {', '.join(DTYPES)}")
    shape = [whole(n, 0, 2**62, f"{what}: shape") for n in field(entry, "shape", list, what)]
    if len(shape) > 64:
        fail(what, f"{len(shape)} axes are more than NumPy's 64")
    offsets = field(entry, "data_offsets", list, what)
    if len(offsets) != 2:
        fail(what, "'data_offsets' is not a pair")
    start, stop = (whole(n, 0, 2**62, f"{what}: data_offsets") for n in offsets)
    if stop > room or start > stop:
        fail(
            what,
            f"its data is said to lie at bytes {start:,} to {stop:,} of {room:,}",
            "the file was cut off",
        )
    size = math.prod(shape) * np.dtype(DTYPES[dtype]).itemsize
    if stop - start != size:
        fail(what, f"shape {tuple(shape)} of {dtype} takes {size:,} bytes, it has {stop - start:,}")
    return start, stop


def read_bytes(path: Path) -> bytes:
    """The content of a file, or the `DataError` that says why not."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        near = sorted(p.name for p in path.parent.glob("*") if not p.name.startswith("."))[:5]
        there = f"there are {', '.join(near)}" if near else "there is nothing in that folder"
        if not path.parent.is_dir():
            there = f"there is no folder {path.parent} either"
        raise DataError(f"there is no file {path}", hint=there) from None
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}") from error
    except MemoryError:
        raise DataError(f"{path} does not fit into the memory of this machine") from None


def _library() -> Any:
    try:
        import safetensors.numpy as library
    except ImportError as error:
        raise MissingPackageError(
            "saving and loading need the package safetensors, which is not installed",
            hint='pip install "dlgraph[io]"',
        ) from error
    return library
