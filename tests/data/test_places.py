"""Where files are looked for, in which order, and how damaged or missing ones are refused."""

from __future__ import annotations

import hashlib
import shutil

import numpy as np
import pytest

from dlgraph.data import fashion_mnist, locate, mnist, mnist_or_digits, places
from dlgraph.data.catalogue import RECORDS, sum_of
from dlgraph.errors import DataError, OperationError

IMAGES, LABELS = "train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"


def assert_small(data, small):
    for got, expected in zip(
        (data.train.images, data.train.labels, data.test.images, data.test.labels),
        small.arrays,
        strict=True,
    ):
        np.testing.assert_array_equal(got, expected)


def test_the_original_mnist(shared_data):
    data = mnist(shared_data)
    assert data.train.images.shape == (60000, 28, 28) and data.test.images.shape == (10000, 28, 28)
    assert data.train.images.dtype == np.uint8 and data.train.labels.dtype == np.int64
    assert data.train.labels[:5].tolist() == [5, 0, 4, 1, 9]
    assert data.test.labels[:5].tolist() == [7, 2, 1, 0, 4]
    assert "mean 0.1307, standard deviation 0.3081" in data.describe()
    assert data.name == "MNIST" and data.folder == shared_data / "mnist"


def test_the_original_fashion_mnist_from_the_environment(shared_data, monkeypatch):
    monkeypatch.setenv("DLGRAPH_DATA", str(shared_data))
    data = fashion_mnist()
    assert data.train.labels[:5].tolist() == [9, 0, 0, 3, 0]
    assert data.test.labels[:5].tolist() == [9, 2, 1, 1, 6]
    assert data.classes[9] == "Ankle boot" and data.source == "DLGRAPH_DATA"
    assert "mean 0.2860, standard deviation 0.3530" in data.describe()


@pytest.mark.parametrize("name", ["mnist", "fashion_mnist"])
def test_the_recorded_sums_are_those_of_the_original_files(shared_data, name):
    import gzip

    record = RECORDS[name]
    for file in record.files:
        path = shared_data / record.folder / file.name
        plain = gzip.decompress(path.read_bytes())
        assert sum_of(path) == file.packed
        assert (len(plain), hashlib.sha256(plain).hexdigest()) == file.plain


def test_one_set_in_the_folder_of_the_other_is_recognised(shared_data):
    with pytest.raises(DataError) as caught:
        mnist(shared_data / "fashion-mnist")
    assert f"these are the bytes of {IMAGES} of Fashion-MNIST" in caught.value.hint


@pytest.mark.parametrize("plain", [False, True])
@pytest.mark.parametrize("inside", ["", "mnist"])
def test_an_explicit_folder_or_its_subfolder(small, tmp_path, plain, inside):
    small.write(tmp_path / "mine" / inside, plain=plain)
    data = mnist(tmp_path / "mine")
    assert_small(data, small)
    assert data.source == "the given folder" and data.folder == tmp_path / "mine" / inside


def test_the_order_is_folder_then_environment_then_cache(small, tmp_path, cache, monkeypatch):
    small.write(cache)
    assert mnist().source == "the cache"
    small.write(tmp_path / "named" / "mnist")
    monkeypatch.setenv("DLGRAPH_DATA", str(tmp_path / "named"))
    assert mnist().source == "DLGRAPH_DATA"
    small.write(tmp_path / "mine")
    assert mnist(tmp_path / "mine").source == "the given folder"


def test_a_named_folder_without_the_set_falls_through_and_says_so(
    small, tmp_path, cache, monkeypatch
):
    small.write(cache)
    (tmp_path / "named").mkdir()
    small.write(tmp_path / "named")  # the files, but not in the subfolder mnist
    monkeypatch.setenv("DLGRAPH_DATA", str(tmp_path / "named"))
    data = mnist()
    assert_small(data, small)
    assert f"DLGRAPH_DATA: {tmp_path / 'named' / 'mnist'}: no such folder" in data.why
    shutil.rmtree(cache)
    with pytest.raises(DataError, match="is not on this machine") as caught:
        mnist(download=False)
    assert "DLGRAPH_DATA: " in caught.value.extra["looked 1"]
    assert str(cache) in caught.value.extra["looked 2"]


@pytest.mark.parametrize("named", ["argument", "environment"])
@pytest.mark.parametrize("read", [mnist, mnist_or_digits])
def test_a_named_folder_that_lacks_a_file_is_an_error(
    small, tmp_path, cache, mirrors, monkeypatch, named, read
):
    small.write(cache)
    folder = small.write(tmp_path / "mine" / "mnist")
    (folder / LABELS).unlink()
    monkeypatch.setenv("DLGRAPH_DATA", str(tmp_path / "mine"))
    with pytest.raises(DataError, match=f"lacks {LABELS}"):
        read(tmp_path / "mine" if named == "argument" else None)
    assert not mirrors[0].asked


def test_a_named_folder_with_nothing_is_an_error_and_nothing_is_fetched(small, tmp_path, mirrors):
    for read in (mnist, mnist_or_digits):
        with pytest.raises(DataError, match=r"none of its four files is in .*mine") as caught:
            read(tmp_path / "mine")
        assert IMAGES in str(caught.value) and LABELS in str(caught.value)
    assert not mirrors[0].asked


def damage(path, how):
    content = path.read_bytes()
    if how == "truncated":
        content = content[: len(content) // 2]
    elif how == "flipped":
        content = content[:200] + bytes([content[200] ^ 4]) + content[201:]
    elif how == "empty":
        content = b""
    elif how == "longer":
        content += b"\0"
    elif how == "swapped":
        content = (path.parent / "t10k-images-idx3-ubyte.gz").read_bytes()
    path.write_bytes(content)


HINTS = {
    "truncated": "cut short",
    "flipped": "bytes were changed",
    "empty": "cut short",
    "longer": "read_idx",
    "swapped": "these are the bytes of t10k-images-idx3-ubyte.gz of MNIST",
}


@pytest.mark.parametrize("how", HINTS)
@pytest.mark.parametrize("named", ["argument", "environment"])
def test_damage_is_refused_with_name_and_both_sums(
    small, tmp_path, cache, mirrors, monkeypatch, how, named
):
    small.write(cache)  # a good copy, which must not be taken instead
    folder = small.write(tmp_path / "mine" / "mnist")
    damage(folder / IMAGES, how)
    monkeypatch.setenv("DLGRAPH_DATA", str(tmp_path / "mine"))
    for read in (mnist, mnist_or_digits):
        with pytest.raises(DataError, match=IMAGES) as caught:
            read(tmp_path / "mine" if named == "argument" else None)
        text = str(caught.value)
        assert hashlib.sha256((folder / IMAGES).read_bytes()).hexdigest() in text
        assert small.record.files[0].packed.sha256 in text and HINTS[how] in text
    assert not mirrors[0].asked


def test_damage_of_an_unpacked_file_is_refused(small, tmp_path):
    folder = small.write(tmp_path / "mine", plain=True)
    damage(folder / IMAGES.removesuffix(".gz"), "flipped")
    with pytest.raises(DataError) as caught:
        mnist(folder)
    assert small.record.files[0].plain_sha256 in caught.value.extra["expected"]


def test_a_file_of_the_wrong_size_is_not_taken_into_memory(small, tmp_path, monkeypatch):
    folder = small.write(tmp_path / "mine")
    damage(folder / IMAGES, "longer")
    read_bytes = places.Path.read_bytes

    def watched(path):
        assert path.name != IMAGES
        return read_bytes(path)

    monkeypatch.setattr(places.Path, "read_bytes", watched)
    with pytest.raises(DataError, match=IMAGES):
        mnist(folder)


def test_a_folder_in_the_place_of_a_file_is_a_data_error(small, tmp_path):
    folder = small.write(tmp_path / "mine")
    (folder / IMAGES).unlink()
    (folder / IMAGES).mkdir()
    with pytest.raises(DataError, match=IMAGES):
        mnist(folder)


def test_without_network_the_error_names_the_three_ways_out(small, cache):
    with pytest.raises(DataError, match="MNIST is not on this machine, and no mirror") as caught:
        mnist()
    text = str(caught.value)
    for name in small.files:
        assert name in caught.value.extra["way 1"]
    assert 'dg.data.mnist("that folder")' in caught.value.extra["way 1"]
    assert f"DLGRAPH_DATA to a folder that holds them as mnist/{IMAGES}" in text
    assert "connect to the network and run this again" in text and "dg.data.digits()" in text
    assert "127.0.0.1:9: cannot be reached; localhost:9: cannot be reached" in text
    assert not cache.exists()


def test_mnist_or_digits_takes_mnist_where_it_is(small, cache, capsys):
    small.write(cache)
    data = mnist_or_digits()
    assert_small(data, small)
    assert capsys.readouterr().out == (
        "This is MNIST: 600 training and 20 test images of 28x28 pixels, 10 classes, "
        "read from the cache.\n"
    )


def test_mnist_or_digits_takes_digits_and_says_why(small, capsys):
    said = []
    data = mnist_or_digits(say=said.append)
    assert len(data) == 1797 and said == [data.why] and not capsys.readouterr().out
    assert data.why.startswith("This is digits (8x8 enlarged to 28x28; not MNIST)")
    assert data.why.endswith("because MNIST is not on this machine, and no mirror can be reached.")
    assert "download=False" in mnist_or_digits(download=False, say=None).why


def test_locate_reports_without_reading(small, cache, tmp_path, monkeypatch):
    assert [place.complete for place in locate("mnist")] == [False, False]
    assert str(locate("mnist")[0]) == "DLGRAPH_DATA is not set"
    small.write(cache)
    (cache / IMAGES).write_bytes(b"damaged")  # names only are looked at
    assert [place.complete for place in locate("mnist")] == [False, True]
    assert locate("mnist", tmp_path)[1].folder == tmp_path / "mnist"
    with pytest.raises(OperationError, match="there is no data set 'cifar'"):
        locate("cifar")


@pytest.mark.parametrize("wrong", ["mnsit", [], None])
def test_another_data_set_is_told(wrong):
    with pytest.raises(OperationError, match=r"locate: there is no data set .*"):
        locate(wrong)
