"""`DataLoader`: one epoch of batches after the other, in an order that can be repeated.

Read next: a lesson that trains with it.
"""

from __future__ import annotations

import operator
from collections.abc import Iterator
from typing import Any

import numpy as np

from dlgraph.core.values import plain_array
from dlgraph.data.progress import bar
from dlgraph.errors import DtypeError, OperationError, ShapeError


class DataLoader:
    """Batches `(x, y)` of two arrays of equal length.

    A `for` loop over the loader is one epoch; every sample comes exactly once, except that
    `drop_last=True` leaves out the incomplete batch at the end.  Each batch is a pair of fresh
    C-contiguous NumPy arrays with the dtypes of `x` and `y`.  `len(loader)` counts the batches of
    an epoch.

    With `shuffle=True` the order is a random permutation that depends only on `(seed, epoch)`:
    every epoch another one, every run the same ones (without `seed`, those of seed 0).
    `loader.epoch` counts the epochs that were read to their end; an epoch that was left early
    starts again.  Set it to resume: `loader.epoch = 7`.

    `progress` shows a bar: True for "epoch 1", "epoch 2" ..., or a text of your own.

    Permutation: the samples sorted by random 64-bit keys; the keys are the raw output of
    `Philox(SeedSequence([seed, epoch]))`, which NumPy promises never to change.

    Raises `ShapeError` (different lengths, no samples), `DtypeError` (not arrays; `batch_size`,
    `seed` or `epoch` not an integer), `OperationError` (`batch_size` below 1, no full batch with
    `drop_last`, negative seed or epoch, a masked array with elements that have no value),
    `MissingPackageError` (`progress` without tqdm).

    >>> import numpy as np
    >>> import dlgraph as dg
    >>> x, y = np.arange(10, dtype=np.float32).reshape(5, 2), np.arange(5)
    >>> loader = dg.data.DataLoader(x, y, batch_size=2)
    >>> for inputs, labels in loader:
    ...     print(inputs.shape, labels)
    (2, 2) [0 1]
    (2, 2) [2 3]
    (1, 2) [4]
    >>> loader = dg.data.DataLoader(x, y, batch_size=2, shuffle=True, drop_last=True, seed=1)
    >>> loader
    DataLoader: 5 samples, 2 batches of 2, shuffled with seed 1, epoch 0
    >>> [labels.tolist() for _, labels in loader]
    [[2, 0], [1, 4]]
    >>> [labels.tolist() for _, labels in loader]
    [[1, 3], [0, 2]]
    """

    def __init__(
        self,
        x: np.ndarray,
        y: np.ndarray,
        batch_size: int,
        *,
        shuffle: bool = False,
        seed: int = 0,
        drop_last: bool = False,
        progress: str | bool | None = None,
    ):
        self.x, self.y = _array("x", x), _array("y", y)
        if len(self.x) != len(self.y):
            raise ShapeError(
                f"DataLoader: x {self.x.shape} and y {self.y.shape} have different lengths, "
                f"{len(self.x)} and {len(self.y)}",
                hint="row i of x and row i of y are one sample",
            )
        self.batch_size = _integer("batch_size", batch_size, least=1)
        self.seed = seed
        self.shuffle, self.drop_last, self.progress = shuffle, drop_last, progress
        self.epoch = 0
        if drop_last and self.batch_size > len(self.x):
            raise OperationError(
                f"DataLoader: no batch of {self.batch_size} can be filled with {len(self.x)} "
                "samples, and drop_last=True leaves out the incomplete one",
                hint=f"batch_size={len(self.x)} or less, or drop_last=False",
            )

    @property
    def seed(self) -> int:
        """What the order of every epoch depends on."""
        return self._seed

    @seed.setter
    def seed(self, number: int) -> None:
        self._seed = _integer("seed", number, least=0)

    @property
    def epoch(self) -> int:
        """How many epochs were read to their end; the next one gets this number."""
        return self._epoch

    @epoch.setter
    def epoch(self, number: int) -> None:
        self._epoch = _integer("epoch", number, least=0)

    def order(self, epoch: int | None = None) -> np.ndarray:
        """The order of the samples in an epoch (default: the next one), (N,) int64.

        >>> import numpy as np
        >>> import dlgraph as dg
        >>> loader = dg.data.DataLoader(np.zeros((5, 2)), np.zeros(5), 2, shuffle=True, seed=1)
        >>> loader.order(), loader.order(epoch=1)
        (array([2, 0, 1, 4, 3]), array([1, 3, 0, 2, 4]))
        """
        epoch = self.epoch if epoch is None else _integer("epoch", epoch, least=0)
        if not self.shuffle:
            return np.arange(len(self.x))
        keys = np.random.Philox(np.random.SeedSequence([self.seed, epoch])).random_raw(len(self.x))
        return np.argsort(keys, kind="stable")

    def __len__(self) -> int:
        full, rest = divmod(len(self.x), self.batch_size)
        return full + (rest > 0 and not self.drop_last)

    def __iter__(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        epoch = self.epoch
        if not self.progress:
            yield from self._batches(epoch)
        else:
            text = f"epoch {epoch + 1}" if self.progress is True else self.progress
            with bar(text, len(self)) as shown:
                for batch in self._batches(epoch):
                    yield batch
                    shown.update()
        self.epoch = epoch + 1

    def _batches(self, epoch: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        order = self.order(epoch)
        for start in range(0, len(self) * self.batch_size, self.batch_size):
            rows = order[start : start + self.batch_size]
            yield self.x.take(rows, axis=0), self.y.take(rows, axis=0)

    def __repr__(self) -> str:
        how = f"shuffled with seed {self.seed}" if self.shuffle else "in order"
        return (
            f"DataLoader: {len(self.x):,} samples, {len(self):,} batches of {self.batch_size}, "
            f"{how}, epoch {self.epoch}"
        )


def _array(name: str, value: Any) -> np.ndarray:
    if not isinstance(value, np.ndarray):
        raise DtypeError(
            f"DataLoader: {name} is a {type(value).__name__}, not a NumPy array",
            hint=f"{name}=np.asarray(...) with the dtype that you want",
        )
    if value.ndim == 0 or len(value) == 0:
        raise ShapeError(
            f"DataLoader: {name} {value.shape} holds no samples",
            hint="the first dimension counts the samples; is a selection empty?",
        )
    return plain_array(value)  # a np.memmap, say, becomes one over the same memory


def _integer(name: str, value: Any, *, least: int) -> int:
    try:
        number = None if isinstance(value, bool | np.bool_) else operator.index(value)
    except TypeError:
        number = None
    if number is None:
        raise DtypeError(
            f"DataLoader: {name} must be an integer, not {value!r} ({type(value).__name__})",
            hint=f"{name}={int(value)}" if isinstance(value, float) and value >= least else None,
        )
    if number < least:
        raise OperationError(f"DataLoader: {name} is {number}; it must be at least {least}")
    return number
