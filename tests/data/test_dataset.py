"""Dataset and Split, and the digits that stand in for MNIST."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from sklearn.datasets import load_digits

from dlgraph.data import Dataset, Split, digits
from dlgraph.data.digits import enlarge
from dlgraph.errors import DtypeError, MissingPackageError, OperationError


@pytest.fixture
def split():
    images = np.arange(256, dtype=np.uint8).repeat(49).reshape(16, 28, 28)
    return Split("made up, training", images, np.arange(16) % 10)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.float16])
def test_scaling_is_the_formula_in_the_asked_dtype(split, dtype):
    x, y = split.arrays(dtype=dtype)
    expected = split.images.astype(dtype) / dtype(255)
    assert x.dtype == dtype and y.dtype == np.int64 and x.shape == (16, 784)
    np.testing.assert_array_equal(x, expected.reshape(16, -1))
    z, _ = split.arrays("symmetric", flatten=False, dtype=dtype)
    assert z.shape == (16, 28, 28)
    np.testing.assert_array_equal(z, expected * dtype(2) - dtype(1))
    assert (x.min(), x.max(), z.min(), z.max()) == (0, 1, -1, 1)


def test_arrays_are_fresh_and_the_originals_are_protected(split):
    x, y = split.arrays()
    x[:], y[:] = 7, 7
    assert split.labels[3] == 3 and split.images[0, 0, 0] == 0
    with pytest.raises(ValueError, match="read-only"):
        split.images[0] = 1
    with pytest.raises(ValueError, match="read-only"):
        split.labels[0] = 1


def test_bad_arguments_of_arrays(split):
    with pytest.raises(OperationError, match="there is no scale 'pm1'") as caught:
        split.arrays("pm1")
    assert "'unit'" in caught.value.hint and "'symmetric'" in caught.value.hint
    with pytest.raises(OperationError, match=r"there is no scale \[0, 1\]"):
        split.arrays([0, 1])
    with pytest.raises(DtypeError, match="int64 cannot hold them"):
        split.arrays(dtype=np.int64)


def test_reprs_fit_on_a_line_and_do_not_depend_on_the_source(split):
    data = Dataset("made up", "here", split, split, ("a", "b"), "us")
    elsewhere = Dataset("made up", "there", split, split, ("a", "b"), "us")
    assert repr(data) == repr(elsewhere)
    assert repr(data) == "made up: 16 training and 16 test images of 28x28 pixels, 2 classes"
    assert repr(split) == "made up, training: 16 images of 28x28 pixels"
    assert len(data) == 32 and len(split) == 16


def test_describe_counts_pixels_exactly(split):
    data = Dataset("made up", "here", split, split, ("a", "b"), "us")
    x = split.images / 255
    assert f"mean {x.mean():.4f}, standard deviation {x.std():.4f} " in data.describe()
    assert "read from  here" in data.describe() and "made by    us" in data.describe()


def test_digits_are_named_honestly_everywhere():
    data = digits()
    for text in (data.name, repr(data), data.describe(), data.why, data.train.name, data.test.name):
        assert "not MNIST" in text


def test_digits_are_the_bundled_ones_in_their_order():
    data, bundled = digits(), load_digits()
    assert (len(data.train), len(data.test)) == (1415, 382)
    np.testing.assert_array_equal(np.r_[data.train.labels, data.test.labels], bundled.target)
    images = np.concatenate([data.train.images, data.test.images])
    assert images.shape == (1797, 28, 28) and images.dtype == np.uint8 and images.max() == 255
    inner = images[:, 4:24, 4:24]
    assert images.sum() == inner.sum() > 0  # the border is background
    # Every enlarged image has (nearly) the mean brightness of its small one.
    np.testing.assert_allclose(inner.mean((1, 2)), bundled.images.mean((1, 2)) * 255 / 16, atol=6)
    every_class = set(range(10))
    assert set(data.train.labels.tolist()) == set(data.test.labels.tolist()) == every_class


def test_the_split_is_at_a_border_of_blocks():
    target = load_digits().target
    assert target[1415:1435].tolist() == [*range(10), *range(10)]  # how each block begins


def test_enlarging_interpolates_linearly_between_pixel_centres():
    flat = enlarge(np.full((1, 8, 8), 16.0))[0, 4:24, 4:24]
    assert (flat == 255).all()
    ramp = np.broadcast_to(np.arange(8.0), (1, 8, 8))
    centres = (np.arange(20) + 0.5) / 2.5 - 0.5
    expected = np.rint(centres.clip(0, 7) * 255 / 16)
    np.testing.assert_array_equal(enlarge(ramp)[0, 4:24, 4:24], np.tile(expected, (20, 1)))


def test_digits_without_scikit_learn_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(MissingPackageError, match="scikit-learn") as caught:
        digits()
    assert caught.value.hint == 'pip install "dlgraph[data]"'


def test_the_package_imports_without_its_optional_packages():
    script = """
import sys
optional = ("pooch", "sklearn", "tqdm", "platformdirs", "requests", "matplotlib", "IPython")
for name in optional:
    sys.modules[name] = None
import numpy as np
from dlgraph import data
print(len(data.DataLoader(np.zeros((5, 2)), np.zeros(5), 2)), len(data.locate("mnist")))
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert done.stdout.split() == ["3", "2"], done.stderr
