"""`Dataset` and `Split`: images and labels with an honest name.

The name goes into every print and should go into every plot.  Read next: `datasets.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from dlgraph.errors import DtypeError, OperationError

SCALES = {"unit": "[0, 1]: x / 255", "symmetric": "[-1, 1]: x / 255 * 2 - 1"}


@dataclass(frozen=True, eq=False, repr=False)
class Split:
    """One half of a data set: `images` (N, 28, 28) uint8, 0 background to 255 ink, and `labels`
    (N,) int64, both read-only; `name` says what they are, for print and plot.

    >>> import dlgraph as dg
    >>> dg.data.digits().test
    digits (8x8 enlarged to 28x28; not MNIST), test: 382 images of 28x28 pixels
    """

    name: str
    images: np.ndarray
    labels: np.ndarray

    def __post_init__(self) -> None:
        for array in (self.images, self.labels):
            array.flags.writeable = False

    def __len__(self) -> int:
        return len(self.images)

    def __repr__(self) -> str:
        return f"{self.name}: {len(self):,} images of {_pixels(self)} pixels"

    def arrays(
        self, scale: str = "unit", *, flatten: bool = True, dtype: Any = np.float32
    ) -> tuple[np.ndarray, np.ndarray]:
        """The images as numbers to train on, and the labels: `(x, y)`.

        `scale="unit"` gives x / 255, in [0, 1]; `"symmetric"` gives x / 255 * 2 - 1, in [-1, 1],
        as the reader of `paddle.dataset.mnist` does.  x has shape (N, 784), or (N, 28, 28) with
        `flatten=False`, and the floating-point `dtype`, rounded after each step; y has shape
        (N,) and dtype int64.  Both are fresh arrays, which you may change.

        Raises `OperationError` for an unknown scale, `DtypeError` for a dtype that has no
        fractions.

        >>> import dlgraph as dg
        >>> x, y = dg.data.digits().train.arrays(scale="symmetric")
        >>> x.shape, x.dtype.name, y.dtype.name, float(x.min()), float(x.max())
        ((1415, 784), 'float32', 'int64', -1.0, 1.0)
        """
        if not isinstance(scale, str) or scale not in SCALES:
            raise OperationError(
                f"arrays: there is no scale {scale!r}",
                hint="; ".join(f"scale={name!r} is {text}" for name, text in SCALES.items()),
            )
        if not np.issubdtype(dtype, np.floating):
            raise DtypeError(
                f"arrays: scaled pixels have fractions, {np.dtype(dtype).name} cannot hold them",
                hint="dtype=np.float32; the unscaled uint8 pixels are in .images",
            )
        x = self.images.astype(dtype)
        x /= 255
        if scale == "symmetric":
            x *= 2
            x -= 1
        return x.reshape(len(x), -1) if flatten else x, self.labels.copy()


@dataclass(frozen=True, eq=False, repr=False)
class Dataset:
    """Training and test images with their classes.

    `name` says what the data is; `source` where it was read from this time, `folder` the path of
    that (None if it came with a package); `why` one sentence: which data this is and why;
    `classes` the name of each label; `credit` who made it.  `len` counts all images.  The repr
    does not depend on the source, so that it is the same on every machine.

    >>> import dlgraph as dg
    >>> data = dg.data.digits()
    >>> data
    digits (8x8 enlarged to 28x28; not MNIST): 1,415 training and 382 test images of 28x28
    pixels, 10 classes
    >>> len(data), len(data.train), data.classes[3]
    (1797, 1415, '3')
    """

    name: str
    source: str
    train: Split
    test: Split
    classes: tuple[str, ...]
    credit: str
    folder: Path | None = None
    why: str = ""

    def __len__(self) -> int:
        return len(self.train) + len(self.test)

    def __repr__(self) -> str:
        return (
            f"{self.name}: {len(self.train):,} training and {len(self.test):,} test images of "
            f"{_pixels(self.train)} pixels, {len(self.classes)} classes"
        )

    def describe(self) -> str:
        """What this data is, in a few lines to print: sizes, classes, pixels, makers, source.

        >>> import dlgraph as dg
        >>> print(dg.data.digits().describe())
        digits (8x8 enlarged to 28x28; not MNIST)
          training   1,415 images of 28x28 pixels, uint8, 0 background to 255 ink
          test       382 images
          classes    0, 1, 2, 3, 4, 5, 6, 7, 8, 9
          pixels     mean 0.1558, standard deviation 0.2769 (training images / 255)
          made by    E. Alpaydin, C. Kaynak: Optical Recognition of Handwritten Digits, UCI, 1998
          read from  scikit-learn (bundled)
        """
        mean, deviation = _pixel_statistics(self.train.images)
        where = self.source if self.folder is None else f"{self.source} ({self.folder})"
        rows = {
            "training": f"{len(self.train):,} images of {_pixels(self.train)} pixels, "
            f"{self.train.images.dtype}, 0 background to 255 ink",
            "test": f"{len(self.test):,} images",
            "classes": ", ".join(self.classes),
            "pixels": f"mean {mean:.4f}, standard deviation {deviation:.4f} "
            "(training images / 255)",
            "made by": self.credit,
            "read from": where,
        }
        return "\n".join([self.name, *(f"  {label:<9}  {text}" for label, text in rows.items())])


def _pixels(split: Split) -> str:
    return "x".join(str(n) for n in split.images.shape[1:])


def _pixel_statistics(images: np.ndarray) -> tuple[float, float]:
    # By counting the 256 values: exact, and without a float copy eight times the size.
    counts = np.zeros(256, np.int64)
    for start in range(0, len(images), 4096):
        counts += np.bincount(images[start : start + 4096].ravel(), minlength=256)
    values = np.arange(256) / 255
    mean = float(counts @ values / counts.sum())
    return mean, float(np.sqrt(counts @ (values - mean) ** 2 / counts.sum()))
