"""The IDX reader: what it reads, and what it refuses without being taken in."""

from __future__ import annotations

import gzip
import struct
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from dlgraph.data import locate, read_idx
from dlgraph.data.idx import parse_idx
from dlgraph.errors import DataError, OperationError

from .conftest import idx

TYPES = ("u1", "i1", "i2", "i4", "f4", "f8")
ANY_ARRAY = st.sampled_from(TYPES).flatmap(
    lambda kind: arrays.arrays(kind, arrays.array_shapes(max_dims=4, max_side=5))
)


@given(ANY_ARRAY, st.booleans())
def test_reads_what_was_written(array, packed):
    content = gzip.compress(idx(array)) if packed else idx(array)
    read = parse_idx(content, "array", 1 << 20)
    assert read.dtype == array.dtype and read.dtype.isnative and not read.flags.writeable
    np.testing.assert_array_equal(read, array)


@given(ANY_ARRAY, st.integers(0, 200), st.integers(0, 200))
def test_every_cut_and_every_addition_is_refused(array, cut, more):
    content = idx(array)
    with pytest.raises(DataError, match="array"):
        parse_idx(content[: min(cut, len(content) - 1)], "array", 1 << 20)
    with pytest.raises(DataError, match="holds more"):
        parse_idx(content + bytes(more + 1), "array", 1 << 20)


@given(st.binary(max_size=64))
def test_arbitrary_bytes_give_an_array_or_a_data_error(content):
    try:
        assert parse_idx(content, "noise", 1000).nbytes <= 1000
    except DataError as error:
        assert "noise" in str(error)


def write(tmp_path, content, name="images-idx3-ubyte"):
    path = tmp_path / name
    path.write_bytes(content)
    return path


DIGIT = idx(np.arange(12, dtype="u1").reshape(3, 2, 2))


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "is empty"),
        (gzip.compress(b""), r"is not an IDX file: it starts with the bytes \(none\)"),
        (b"PK\x03\x04rest", "is not an IDX file: it starts with the bytes 50 4b 03 04"),
        (b"\0\0\x0a\x01\0\0\0\x01\0", "is not an IDX file"),  # no such element type
        (b"\0\0\x08\x00", "is not an IDX file"),  # no dimension
        (b"\0\0\x08\xff" + bytes(1020), "is not an IDX file"),  # more than NumPy has
        (DIGIT[:9], "ends in the middle of its header"),
        (DIGIT[:-1], "3 x 2 x 2 values of uint8 = 12 bytes, the file holds 11 bytes"),
        (DIGIT + b"\0", "holds more"),
        (DIGIT[:7] + b"\x04" + DIGIT[8:], "promises 4 x 2 x 2 .* = 16 bytes, the file holds 12"),
        (
            DIGIT[:7] + b"\x00" + DIGIT[8:],
            "promises 0 x 2 x 2 .* from 1 to 1,073,741,824 bytes are accepted",
        ),
        (gzip.compress(DIGIT)[:-9], "is not a complete gzip file"),
        (gzip.compress(DIGIT)[:-8] + bytes(8), "is not a complete gzip file: CRC check failed"),
        (gzip.compress(DIGIT) + b"trailing", "is not a complete gzip file"),
        (b"\x1f\x8b\x08garbage that is no gzip", "is not a complete gzip file"),
    ],
)
def test_bad_files_are_refused_with_their_name(tmp_path, content, says):
    path = write(tmp_path, content)
    with pytest.raises(DataError, match=says) as caught:
        read_idx(path)
    assert "images-idx3-ubyte" in str(caught.value)


def test_a_flipped_bit_in_a_packed_file_is_found(tmp_path):
    content = bytearray(gzip.compress(idx(np.random.default_rng(0).random((50, 4)))))
    content[len(content) // 2] ^= 1
    with pytest.raises(DataError, match="is not a complete gzip file"):
        read_idx(write(tmp_path, bytes(content)))


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_memory_is_not_set_aside_for_a_promise(tmp_path, pack):
    header = struct.pack(">HBB3I", 0, 8, 3, 60000, 100, 100)  # 572 MiB, and then nothing
    path = write(tmp_path, pack(header + bytes(10)))
    tracemalloc.start()
    with pytest.raises(DataError, match="holds 10 bytes"):
        read_idx(path)
    assert tracemalloc.get_traced_memory()[1] < 5_000_000
    tracemalloc.stop()


def test_a_gzip_bomb_is_unpacked_only_as_far_as_its_header_promises(tmp_path):
    bomb = gzip.compress(struct.pack(">HBBI", 0, 8, 1, 1000) + bytes(100_000_000), 1)
    path = write(tmp_path, bomb)
    tracemalloc.start()
    with pytest.raises(DataError, match="holds more"):
        read_idx(path)
    assert tracemalloc.get_traced_memory()[1] < 10_000_000
    tracemalloc.stop()


def test_the_limit_holds_for_header_and_file(tmp_path):
    path = write(tmp_path, DIGIT)
    assert read_idx(path, limit=12).shape == (3, 2, 2)
    with pytest.raises(DataError, match="from 1 to 11 bytes are accepted") as caught:
        read_idx(path, limit=11)
    assert "limit=" in caught.value.hint
    with pytest.raises(DataError, match="the limit is 5"):
        read_idx(write(tmp_path, bytes(3_000_000)), limit=5)


def test_a_missing_file_and_a_folder_are_data_errors(tmp_path):
    with pytest.raises(DataError, match=r"cannot read .*nothing-here: No such file"):
        read_idx(tmp_path / "nothing-here")
    with pytest.raises(DataError, match="cannot read"):
        read_idx(tmp_path)


@pytest.mark.parametrize("wrong", [5, None, "a\0b", "~nobody-of-this-name/a"])
def test_what_is_no_path_is_told(wrong, monkeypatch):
    with pytest.raises(OperationError, match=r"read_idx: .* is no path"):
        read_idx(wrong)
    if wrong is not None:
        with pytest.raises(OperationError, match=r"locate: .* is no path"):
            locate("mnist", wrong)
    if str(wrong).startswith("~"):
        monkeypatch.setenv("DLGRAPH_DATA", wrong)
        with pytest.raises(OperationError, match=r"DLGRAPH_DATA: .* is no path"):
            locate("mnist")


@pytest.mark.parametrize("limit", [None, "1", 1.5, 0, -1])
def test_a_limit_that_is_none_is_told(tmp_path, limit):
    with pytest.raises(OperationError, match="limit is a number of bytes"):
        read_idx(write(tmp_path, b"any"), limit=limit)


def test_reads_the_real_thing(shared_data):
    labels = read_idx(shared_data / "mnist" / "t10k-labels-idx1-ubyte.gz")
    assert labels.shape == (10000,) and labels[:5].tolist() == [7, 2, 1, 0, 4]
