"""DataLoader: every sample once, the same order for the same seed, and clear refusals."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlgraph import save_checkpoint
from dlgraph.data import DataLoader, loader, progress
from dlgraph.errors import DtypeError, MissingPackageError, OperationError, ShapeError

SIZES = st.integers(1, 200)


def made(count, dtype=np.float32):
    """Samples that carry their own number in every element."""
    y = np.arange(count)
    return np.repeat(y, 6).reshape(count, 2, 3).astype(dtype), y


@given(SIZES, SIZES, st.booleans(), st.integers(0, 2**70), st.integers(0, 2**70))
def test_every_sample_exactly_once_and_x_stays_with_y(count, batch_size, shuffle, seed, epoch):
    batches = DataLoader(*made(count), batch_size, shuffle=shuffle, seed=seed)
    batches.epoch = epoch
    seen = list(batches)
    assert len(seen) == len(batches) and batches.epoch == epoch + 1
    labels = np.concatenate([y for _, y in seen])
    assert sorted(labels.tolist()) == list(range(count))
    np.testing.assert_array_equal(np.concatenate([x for x, _ in seen])[:, 1, 2], labels)
    assert {len(y) for _, y in seen[:-1]} <= {batch_size}
    assert shuffle or labels.tolist() == list(range(count))


@given(SIZES, SIZES)
def test_drop_last_leaves_out_only_the_incomplete_batch(count, batch_size):
    x, y = made(count)
    if batch_size > count:
        with pytest.raises(OperationError, match=f"no batch of {batch_size} can be filled"):
            DataLoader(x, y, batch_size, drop_last=True)
        return
    batches = DataLoader(x, y, batch_size, drop_last=True, shuffle=True)
    seen = [labels for _, labels in batches]
    assert len(seen) == len(batches) == count // batch_size
    assert all(len(labels) == batch_size for labels in seen)
    assert len(set(np.concatenate(seen).tolist())) == len(seen) * batch_size


def orders(batches, epochs=3):
    return [np.concatenate([y for _, y in batches]).tolist() for _ in range(epochs)]


def test_the_order_depends_on_seed_and_epoch_and_nothing_else():
    first = orders(DataLoader(*made(50), 7, shuffle=True, seed=3))
    np.random.seed(99)
    assert orders(DataLoader(*made(50, np.uint8), 12, shuffle=True, seed=3)) == first
    assert orders(DataLoader(*made(50), 7, shuffle=True, seed=4)) != first
    assert len({tuple(order) for order in first}) == 3
    assert first[0] != list(range(50))
    default, zero = (DataLoader(*made(50), 7, shuffle=True, **s) for s in ({}, {"seed": 0}))
    assert orders(default) == orders(zero)


def test_the_order_is_pinned_across_versions_and_machines():
    batches = DataLoader(*made(8), 8, shuffle=True, seed=0)
    assert batches.order(0).tolist() == PINNED[0] and batches.order(1).tolist() == PINNED[1]


PINNED = [[0, 3, 7, 5, 1, 2, 6, 4], [3, 7, 4, 2, 1, 6, 5, 0]]


def test_training_can_be_resumed():
    whole = orders(DataLoader(*made(30), 4, shuffle=True, seed=1), epochs=4)
    resumed = DataLoader(*made(30), 4, shuffle=True, seed=1)
    resumed.epoch = 2
    assert orders(resumed, epochs=2) == whole[2:]


def test_an_epoch_that_was_left_early_starts_again():
    batches = DataLoader(*made(30), 4, shuffle=True)
    once, twice = (next(iter(batches))[1].tolist() for _ in range(2))
    assert once == twice and batches.epoch == 0
    for _ in batches:
        break
    assert batches.epoch == 0


def test_two_loops_over_one_loader_see_the_same_epoch():
    batches = DataLoader(*made(30), 4, shuffle=True)
    for (_, a), (_, b) in zip(batches, batches, strict=True):
        assert a.tolist() == b.tolist()
    assert batches.epoch == 1


def test_uniform():
    """Each of the 24 orders of four samples comes about equally often."""
    batches = DataLoader(*made(4), 4, shuffle=True)
    counts: dict = {}
    for epoch in range(4800):
        order = tuple(batches.order(epoch).tolist())
        counts[order] = counts.get(order, 0) + 1
    assert set(counts) == set(itertools.permutations(range(4)))
    chi_square = sum((n - 200) ** 2 / 200 for n in counts.values())
    assert chi_square < 49.7  # 0.1 % quantile for 23 degrees of freedom


@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.uint8, np.int64, np.bool_, ">f4"])
def test_batches_keep_dtype_are_contiguous_and_fresh(dtype, shuffle):
    x, y = made(10, dtype)
    for layout in (x, np.asfortranarray(x), x[:, ::-1]):
        before = layout.copy()
        for inputs, labels in DataLoader(layout, y.astype(np.int32), 4, shuffle=shuffle):
            assert inputs.dtype == np.dtype(dtype) and labels.dtype == np.int32
            assert inputs.flags.c_contiguous and inputs.flags.writeable
            assert type(inputs) is np.ndarray
            inputs[:], labels[:] = 0, 0
        np.testing.assert_array_equal(layout, before)


def test_a_memory_mapped_array_gives_plain_batches(tmp_path):
    np.save(tmp_path / "x.npy", made(10)[0])
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    (inputs, _), *_ = DataLoader(mapped, np.arange(10), 4)
    assert type(inputs) is np.ndarray and inputs.flags.writeable


def test_elements_without_a_value_are_refused_and_not_read():
    masked = np.ma.array([1.0, 2.0], mask=[False, True])
    for x, y in ((masked, np.arange(2)), (np.arange(2), masked)):
        with pytest.raises(OperationError, match="a masked array has elements without a value"):
            DataLoader(x, y, 1)
    ((x, _),) = DataLoader(np.ma.array([1.0, 2.0]), np.arange(2), 2)
    assert type(x) is np.ndarray and x.tolist() == [1.0, 2.0]


def test_a_seed_that_is_set_later_is_checked_as_well(tmp_path):
    loader = DataLoader(np.arange(8), np.arange(8), 8, shuffle=True)
    loader.seed = np.int64(3)
    other = DataLoader(np.arange(8), np.arange(8), 8, shuffle=True, seed=3)
    assert type(loader.seed) is int and loader.order().tolist() == other.order().tolist()
    save_checkpoint(tmp_path / "run.safetensors", loader=loader)
    for wrong, error in ((-1, OperationError), (1.5, DtypeError)):
        with pytest.raises(error, match="seed"):
            loader.seed = wrong
    assert loader.seed == 3


def test_different_lengths_are_refused_with_both_shapes():
    with pytest.raises(ShapeError, match=r"x \(5, 2\) and y \(4, 1\) .* 5 and 4"):
        DataLoader(np.zeros((5, 2)), np.zeros((4, 1)), 2)


@pytest.mark.parametrize("empty", [np.zeros((0, 784)), np.array(3.0)])
def test_no_samples_are_refused(empty):
    with pytest.raises(ShapeError, match=r"x .* holds no samples"):
        DataLoader(empty, np.zeros(0), 2)


@pytest.mark.parametrize("bad", [16.0, "16", None, True, np.True_, [16]])
def test_a_batch_size_that_is_no_integer_is_refused(bad):
    with pytest.raises(DtypeError, match="batch_size must be an integer"):
        DataLoader(*made(5), bad)


def test_numbers_out_of_range_are_refused():
    for size in (0, -1):
        with pytest.raises(OperationError, match=f"batch_size is {size}; it must be at least 1"):
            DataLoader(*made(5), size)
    with pytest.raises(OperationError, match="seed is -1"):
        DataLoader(*made(5), 2, seed=-1)
    batches = DataLoader(*made(5), np.int64(2))
    assert len(batches) == 3
    with pytest.raises(OperationError, match="epoch is -1"):
        batches.epoch = -1
    with pytest.raises(DtypeError, match="epoch must be an integer"):
        batches.epoch = 1.5
    assert batches.epoch == 0


def test_lists_are_not_silently_converted():
    with pytest.raises(DtypeError, match="y is a list, not a NumPy array"):
        DataLoader(np.zeros(3), [1, 2, 3], 2)


class Terminal:
    """A stream that says it is a terminal."""

    def __init__(self):
        self.text = ""

    def write(self, text):
        self.text += text

    def flush(self):
        pass

    def isatty(self):
        return True


def test_the_bar_shows_the_epoch_in_a_terminal_and_nothing_in_a_log(monkeypatch, capsys):
    batches = DataLoader(*made(10), 4, progress=True)
    list(batches)
    assert capsys.readouterr().err == ""
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    list(batches)
    assert "epoch 2: 100%" in terminal.text and "3/3" in terminal.text
    list(DataLoader(*made(10), 4, progress="testing"))
    assert "testing: 100%" in terminal.text


def test_a_loop_that_ends_early_closes_its_bar(monkeypatch):
    closed = []

    class Bar:
        def __init__(self, *args):
            pass

        def __enter__(self):
            return self

        def __exit__(self, *args):
            closed.append(True)

        def update(self):
            pass

    monkeypatch.setattr(loader, "bar", Bar)
    for _ in DataLoader(*made(10), 4, progress=True):
        break
    assert closed == [True]


def test_in_a_notebook_the_bar_is_text_on_stdout(monkeypatch, capsys):
    monkeypatch.setattr(progress, "_in_notebook", lambda: True)
    list(DataLoader(*made(10), 4, progress="epoch 1"))
    output = capsys.readouterr()
    assert output.out.rpartition("\r")[2].startswith("epoch 1: 100%") and not output.err


def test_a_bar_without_tqdm_says_what_to_install(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "tqdm.std", None)
    with pytest.raises(MissingPackageError, match="tqdm") as caught:
        next(iter(DataLoader(*made(5), 2, progress=True)))
    assert 'pip install "dlgraph[data]"' in str(caught.value)
