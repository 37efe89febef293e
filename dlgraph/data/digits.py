"""`digits()`: real handwriting that needs neither network nor files.

scikit-learn carries 1,797 digits of 8x8 pixels.  They stand in for MNIST where that cannot be
had, under their own name.  The only module that imports scikit-learn.  Read next: `loader.py`.
"""

from __future__ import annotations

import numpy as np

from dlgraph.data.dataset import Dataset, Split
from dlgraph.errors import MissingPackageError

NAME = "digits (8x8 enlarged to 28x28; not MNIST)"
CREDIT = "E. Alpaydin, C. Kaynak: Optical Recognition of Handwritten Digits, UCI, 1998"
BOX, BORDER = 20, 4  # MNIST, too, is a box of 20x20 in a frame of 28x28
FIRST_TEST_IMAGE = 1415  # a border between two blocks, see below


def digits() -> Dataset:
    """The 1,797 handwritten digits that come with scikit-learn, enlarged from 8x8 to 28x28.

    Each image is enlarged to 20x20 by bilinear interpolation (pixel centres aligned) and set into
    a border of 4 background pixels, the layout of MNIST; grey values go from 0..16 to 0..255 and
    are rounded.  In the file the images stand in 14 blocks, each written by one of 13 people.  The
    first 11 blocks (1,415 images) are the training split, the last 3 (382 images) the test split,
    without shuffling: no block is in both, so the test asks about handwriting that training has
    not seen (save, perhaps, that of the one person with two blocks).

    They are fewer and coarser than MNIST and *not* MNIST: `name` says so in every print.

    Raises `MissingPackageError` if scikit-learn is not installed.

    Source: E. Alpaydin, C. Kaynak, "Optical Recognition of Handwritten Digits", UCI Machine
    Learning Repository, 1998.

    >>> import dlgraph as dg
    >>> data = dg.data.digits()
    >>> data.train.images.shape, data.train.images.dtype.name, data.train.labels[:5]
    ((1415, 28, 28), 'uint8', array([0, 1, 2, 3, 4]))
    """
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise MissingPackageError(
            "digits: the images come with scikit-learn, which is not installed",
            hint='pip install "dlgraph[data]"',
        ) from error
    bundled = load_digits()
    images, labels = enlarge(bundled.images), bundled.target.astype(np.int64)
    cut = FIRST_TEST_IMAGE
    return Dataset(
        name=NAME,
        source="scikit-learn (bundled)",
        train=Split(f"{NAME}, training", images[:cut], labels[:cut]),
        test=Split(f"{NAME}, test", images[cut:], labels[cut:]),
        classes=tuple("0123456789"),
        credit=CREDIT,
        why=f"This is {NAME}: asked for by name.",
    )


def enlarge(images: np.ndarray) -> np.ndarray:
    """(N, 8, 8) with values 0..16 to (N, 28, 28) uint8 with values 0..255."""
    weights = _interpolation(images.shape[1], BOX)
    larger = np.rint(weights @ images @ weights.T * (255 / 16)).astype(np.uint8)
    return np.pad(larger, ((0, 0), (BORDER, BORDER), (BORDER, BORDER)))


def _interpolation(old: int, new: int) -> np.ndarray:
    """Matrix (new, old): row i says of which two old pixels the new pixel i is made."""
    centres = ((np.arange(new) + 0.5) * old / new - 0.5).clip(0, old - 1)
    left = np.minimum(centres.astype(int), old - 2)
    weights = np.zeros((new, old))
    weights[np.arange(new), left] = 1 - (centres - left)
    weights[np.arange(new), left + 1] = centres - left
    return weights
