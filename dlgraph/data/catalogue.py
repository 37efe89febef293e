"""What is known about the published files: names, sizes, checksums, mirrors, credits.

The sums of the gzipped files are those that Keras, torchvision and the mirrors record; the sums
of the unpacked files were computed from them.  Read next: `places.py`.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple


class Sum(NamedTuple):
    """Size in bytes and SHA-256 of a file's content."""

    size: int
    sha256: str

    def __str__(self) -> str:
        return f"{self.size:,} bytes, SHA-256 {self.sha256}"


@dataclass(frozen=True)
class File:
    """One published file: its name, its checksum, and the same after unpacking."""

    name: str
    packed: Sum
    shape: tuple[int, ...]
    plain_sha256: str

    @property
    def plain(self) -> Sum:
        """Checksum of the unpacked file: header of 4 bytes, 4 per dimension, one per value."""
        return Sum(4 + 4 * len(self.shape) + math.prod(self.shape), self.plain_sha256)

    def expected(self, path: Path) -> Sum:
        """What the file at this path should be: with `.gz` the packed one, else the plain one."""
        return self.packed if path.suffix == ".gz" else self.plain


@dataclass(frozen=True)
class Record:
    """One data set.  `folder` is its name inside DLGRAPH_DATA and inside the cache; `call` is the
    function that reads it; `files` are training images and labels, then test images and labels.
    """

    name: str
    call: str
    folder: str
    files: tuple[File, File, File, File]
    mirrors: tuple[str, ...]
    classes: tuple[str, ...]
    credit: str


def sum_of(path: Path) -> Sum:
    """Size and SHA-256 of a file, read piece by piece."""
    with open(path, "rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
        return Sum(stream.tell(), digest)


def sum_of_bytes(content: bytes) -> Sum:
    """Size and SHA-256 of bytes in memory."""
    return Sum(len(content), hashlib.sha256(content).hexdigest())


def recognise(found: Sum) -> str | None:
    """The published file that has this checksum, whatever it is called here."""
    for record in RECORDS.values():
        for file in record.files:
            if found in (file.packed, file.plain):
                return f"{file.name} of {record.name}"
    return None


def _files(*rows: tuple[int, str, str]) -> tuple[File, File, File, File]:
    kinds = (
        ("train-images-idx3-ubyte.gz", (60000, 28, 28)),
        ("train-labels-idx1-ubyte.gz", (60000,)),
        ("t10k-images-idx3-ubyte.gz", (10000, 28, 28)),
        ("t10k-labels-idx1-ubyte.gz", (10000,)),
    )
    a, b, c, d = (
        File(name, Sum(size, packed), shape, plain)
        for (name, shape), (size, packed, plain) in zip(kinds, rows, strict=True)
    )
    return a, b, c, d


RECORDS = {
    "mnist": Record(
        name="MNIST",
        call="dg.data.mnist",
        folder="mnist",
        files=_files(
            (
                9912422,
                "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
                "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
            ),
            (
                28881,
                "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
                "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
            ),
            (
                1648877,
                "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
                "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
            ),
            (
                4542,
                "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
                "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
            ),
        ),
        mirrors=(
            "https://storage.googleapis.com/cvdf-datasets/mnist/",
            "https://ossci-datasets.s3.amazonaws.com/mnist/",
            "https://dataset.bj.bcebos.com/mnist/",
        ),
        classes=tuple("0123456789"),
        credit="Y. LeCun, C. Cortes, C. J. C. Burges: The MNIST database of handwritten digits; "
        "commonly given as CC BY-SA 3.0",
    ),
    "fashion_mnist": Record(
        name="Fashion-MNIST",
        call="dg.data.fashion_mnist",
        folder="fashion-mnist",
        files=_files(
            (
                26421880,
                "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
                "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
            ),
            (
                29515,
                "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
                "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
            ),
            (
                4422102,
                "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
                "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
            ),
            (
                5148,
                "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
                "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
            ),
        ),
        mirrors=(
            "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
            "https://storage.googleapis.com/tensorflow/tf-keras-datasets/",
            "https://dataset.bj.bcebos.com/fashion_mnist/",
        ),
        classes=(
            "T-shirt/top",
            "Trouser",
            "Pullover",
            "Dress",
            "Coat",
            "Sandal",
            "Shirt",
            "Sneaker",
            "Bag",
            "Ankle boot",
        ),
        credit="H. Xiao, K. Rasul, R. Vollgraf (Zalando): Fashion-MNIST, 2017; MIT licence",
    ),
}
