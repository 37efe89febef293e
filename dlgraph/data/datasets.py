"""`mnist()`, `fashion_mnist()`, and `mnist_or_digits()` for lessons that must always run.

Read next: `places.py`, for where the files are looked for.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from dlgraph.data.catalogue import RECORDS, Record
from dlgraph.data.dataset import Dataset, Split
from dlgraph.data.digits import digits
from dlgraph.data.download import fetch, sweep
from dlgraph.data.places import CACHE, Place, absent, cache_place, choose, locate, read
from dlgraph.errors import DataError, MissingPackageError

Folder = str | os.PathLike[str] | None


def mnist(folder: Folder = None, *, download: bool = True) -> Dataset:
    """MNIST: 60,000 training and 10,000 test images of handwritten digits, 28x28.

    The four original IDX files (`train-images-idx3-ubyte.gz`, `train-labels-idx1-ubyte.gz`,
    `t10k-images-idx3-ubyte.gz`, `t10k-labels-idx1-ubyte.gz`; unpacked ones, without `.gz`, will
    do) are read from the first of

    1. `folder`, or its subfolder `mnist`; if it is given, only there;
    2. the subfolder `mnist` of the folder that the environment variable `DLGRAPH_DATA` names;
    3. the user's cache (`dg.data.locate("mnist")` shows the path);
    4. the network, unless `download=False`: 11.1 MiB from one of several mirrors, into the cache.
       A download that was cut off goes on where it stopped.

    Every file is checked against its published SHA-256 each time it is read.

    Raises `DataError` if a file is missing, damaged or another one (with both checksums), if a
    folder that was asked for holds only some of the files, or if there are no files and no
    network (with the three ways out); `MissingPackageError` if it must be downloaded and pooch is
    not installed.

    Source: Y. LeCun, C. Cortes, C. J. C. Burges, "The MNIST database of handwritten digits".

    >>> import dlgraph as dg
    >>> dg.data.mnist("no/such/folder")
    Traceback (most recent call last):
        ...
    dlgraph.errors.DataError: MNIST: none of its four files is in no/such/folder, nor in its
    subfolder mnist
      at       <doctest dlgraph.data.datasets.mnist[1]>, line 1:  dg.data.mnist("no/such/folder")
      files    train-images-idx3-ubyte.gz, train-labels-idx1-ubyte.gz, t10k-images-idx3-ubyte.gz,
               t10k-labels-idx1-ubyte.gz
      hint     without a folder, dg.data.mnist() looks in DLGRAPH_DATA and in the cache, then
               downloads
    """
    return _load("mnist", folder, download)


def fashion_mnist(folder: Folder = None, *, download: bool = True) -> Dataset:
    """Fashion-MNIST: 60,000 training and 10,000 test images of clothing, 28x28, 10 classes.

    Files, places, checks and errors as for `mnist()`; the subfolder is called `fashion-mnist`,
    and the download is 29.4 MiB.

    Source: H. Xiao, K. Rasul, R. Vollgraf, "Fashion-MNIST: a novel image dataset for
    benchmarking machine learning algorithms", 2017.

    >>> import dlgraph as dg
    >>> try:
    ...     dg.data.fashion_mnist("no/such/folder")
    ... except dg.errors.DataError as error:
    ...     print(error.what)
    Fashion-MNIST: none of its four files is in no/such/folder, nor in its subfolder fashion-mnist
    """
    return _load("fashion_mnist", folder, download)


def mnist_or_digits(
    folder: Folder = None, *, download: bool = True, say: Callable[[str], object] | None = print
) -> Dataset:
    """MNIST where it can be had, else `digits()`; says in one sentence which, and why.

    The sentence goes to `say` (default `print`; None keeps quiet) and stays in the `why` of the
    result.  No network is noticed within seconds.  Arguments as for `mnist()`.

    Raises `DataError` like `mnist()` where files were put on purpose but are damaged or
    incomplete: that is to be repaired, not papered over.  `MissingPackageError` if there is no
    MNIST and scikit-learn, which brings the digits, is not installed.

    >>> import dlgraph as dg
    >>> data = dg.data.mnist_or_digits(download=False, say=None)
    >>> data.train.images.shape[1:], len(data.classes)
    ((28, 28), 10)
    """
    record, places = RECORDS["mnist"], locate("mnist", folder)
    data, places = _stored(record, places)
    if data is None:
        try:
            data = _downloaded(record, places, download)
        except (DataError, MissingPackageError) as error:
            stand_in = digits()
            data = replace(stand_in, why=f"This is {stand_in}, because {error.what}.")
    if say is not None:
        say(data.why)
    return data


def _load(name: str, folder: Folder, download: bool) -> Dataset:
    record = RECORDS[name]
    data, places = _stored(record, locate(name, folder))
    return data if data is not None else _downloaded(record, places, download)


def _stored(record: Record, places: list[Place]) -> tuple[Dataset | None, list[Place]]:
    """The data set if this machine has it, and the places with what was found out about them."""
    place = choose(record, places)
    if place is None:
        return None, places
    if place.source != CACHE or place.folder is None:
        return _dataset(place, place.source), places
    sweep(place.folder)
    passed_over = "".join(f" ({p})" for p in places if p is not place and p.folder is not None)
    try:
        return _dataset(place, f"{CACHE}{passed_over}"), places
    except DataError as damage:  # the cache is ours to repair
        noted = replace(place, note=damage.what)
        return None, [noted if p is place else p for p in places]


def _downloaded(record: Record, places: list[Place], download: bool) -> Dataset:
    if not download:
        raise absent(record, places, "download=False keeps it from being fetched")
    hosts = fetch(record, places)
    return _dataset(cache_place(record), f"{CACHE}, downloaded from {hosts}")


def _dataset(place: Place, source: str) -> Dataset:
    record = place.record
    images, labels, test_images, test_labels = read(place)
    data = Dataset(
        name=record.name,
        source=source,
        train=Split(f"{record.name}, training", images, labels.astype(np.int64)),
        test=Split(f"{record.name}, test", test_images, test_labels.astype(np.int64)),
        classes=record.classes,
        credit=record.credit,
        folder=place.folder,
    )
    return replace(data, why=f"This is {data}, read from {source}.")
