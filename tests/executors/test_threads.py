"""Threads of the BLAS: chosen per product, put back afterwards."""

import numpy as np
import pytest

import dlgraph as dg
from dlgraph.executors import threads


class Fake:
    """A BLAS that writes down what it is told."""

    def __init__(self, count):
        self.count, self.told = count, []

    def set(self, count):
        self.count = count
        self.told.append(count)

    def library(self):
        return threads.Blas("fake", "1", lambda: self.count, self.set)


@pytest.fixture
def fake(monkeypatch):
    made = Fake(4)
    monkeypatch.setattr(threads, "blas", made.library)
    return made


def test_the_number_is_put_back(fake):
    with dg.blas_threads(1):
        assert fake.count == 1
        with dg.blas_threads(3):
            assert fake.count == 3
        assert fake.count == 1
    assert fake.count == 4


def test_it_is_put_back_after_an_error(fake):
    with pytest.raises(KeyboardInterrupt), dg.blas_threads(2):
        raise KeyboardInterrupt
    assert fake.count == 4


def test_the_real_library_obeys():
    library = threads.blas()
    if library is None:
        pytest.skip("NumPy's BLAS has no number of threads to set")
    before = library.get()
    with dg.blas_threads(1):
        assert library.get() == 1
    assert library.get() == before


def test_without_a_known_library_nothing_changes(monkeypatch):
    monkeypatch.setattr(threads, "blas", lambda: None)
    with dg.blas_threads(1):
        pass
    assert threads.choose([(1e12, lambda: None)])[0].threads == 1


@pytest.mark.parametrize("wrong", [0, -1, 1.0, True, "2"])
def test_a_wrong_number_is_refused(wrong):
    with pytest.raises(dg.errors.OperationError, match="at least 1"), dg.blas_threads(wrong):
        pass


def test_small_products_get_one_thread_without_being_run(fake):
    def never():
        raise AssertionError("it ran")

    (choice,) = threads.choose([(99e6, never)])
    assert choice.threads == 1
    assert "below 100" in choice.reason
    assert fake.told == []


def test_large_products_get_what_was_faster(fake, monkeypatch):
    # The clock of this test: with four threads a run takes 1, with one it takes 3 or a third.
    for one, best in ((3.0, 4), (1 / 3, 1)):
        clock = [0.0]

        def run(one=one, clock=clock):
            clock[0] += one if fake.count == 1 else 1.0

        monkeypatch.setattr(threads.time, "perf_counter", lambda clock=clock: clock[0])
        (choice,) = threads.choose([(200e6, run)])
        assert choice.threads == best
        assert "measured" in choice.reason
        assert fake.count == 4


def test_one_thread_needs_no_measurement(monkeypatch):
    monkeypatch.setattr(threads, "blas", Fake(1).library)
    (choice,) = threads.choose([(1e12, lambda: 1 / 0)])
    assert choice.threads == 1


def test_overlapping_runs_leave_the_number_as_it_was(fake):
    one, two = threads.Threads.of([]), threads.Threads.of([])
    one.begin()
    two.begin()
    one.end()
    assert fake.count == 1
    two.end()
    assert fake.count == 4


def product(side):
    with dg.Graph().as_default() as graph:
        x = dg.placeholder((side, side), name="x")
        y = x @ x
    program = dg.Session(graph).program(y, [x])
    return program, {x: np.ones((side, side), "float32")}


def test_a_run_holds_small_products_to_one_thread_and_says_so(fake):
    program, feed = product(8)
    profile = program.profile(feed, runs=1)
    assert fake.count == 4
    assert fake.told[-2:] == [1, 4]
    assert "threads of the products: 1 of 4" in str(profile)


def test_a_large_product_is_measured_and_widened(fake, monkeypatch):
    monkeypatch.setattr(threads, "SMALL", 100)
    monkeypatch.setattr(threads, "_measured", lambda run, most: threads.Choice(most, "a test"))
    program, feed = product(8)
    program.profile(feed, runs=1)
    assert fake.told[-4:] == [1, 4, 1, 4]  # all, this product, the rest, as it was


def test_a_plan_that_was_made_in_a_block_holds_to_one_thread_after_it_too(fake):
    with dg.blas_threads(1):
        program, feed = product(8)
        program.profile(feed, runs=1)
    told = len(fake.told)
    profile = program.profile(feed, runs=1)
    assert fake.told[told:] == [1, 4, 1, 4]  # a run to warm up, and the one that is timed
    assert "threads of the products: 1 of 4" in str(profile)


def test_a_plan_that_is_made_while_another_one_runs_has_threads_of_its_own(fake, monkeypatch):
    monkeypatch.setattr(threads, "SMALL", 100)
    monkeypatch.setattr(threads, "_measured", lambda run, most: threads.Choice(most, "a test"))
    running = threads.Threads.of([])
    running.begin()
    made = threads.Threads.of([(0, 1e9, lambda: None)])
    running.end()
    assert made.wide == [0]
    made.begin()
    assert fake.count == 1
    made.end()
    assert fake.count == 4


def test_a_large_product_keeps_to_the_block_that_it_runs_in(fake, monkeypatch):
    monkeypatch.setattr(threads, "SMALL", 100)
    monkeypatch.setattr(threads, "_measured", lambda run, most: threads.Choice(most, "a test"))
    program, feed = product(8)
    program.profile(feed, runs=1)
    with dg.blas_threads(2):
        told = len(fake.told)
        program.profile(feed, runs=1)
        assert max(fake.told[told:]) == 2
    assert fake.count == 4


def test_errors_and_interrupts_put_the_number_back(fake):
    with dg.Graph().as_default() as graph:
        x = dg.placeholder((None,), "int64", name="x")
        y = dg.one_hot(x, 3) @ dg.constant(np.ones((3, 3), "float32"))
    session = dg.Session(graph)
    session.run(y, {x: [1, 2]})
    with pytest.raises(dg.errors.LabelError):
        session.run(y, {x: [1, 7]})
    assert fake.count == 4


def test_blocks_that_overlap_leave_the_number_as_it_was(fake):
    # As two threads would: the first to come is the first to go.
    one, two = dg.blas_threads(1), dg.blas_threads(2)
    one.__enter__()
    two.__enter__()
    one.__exit__(None, None, None)
    assert fake.count == 2
    two.__exit__(None, None, None)
    assert fake.count == 4


def test_a_block_that_ends_during_a_run_leaves_the_number_to_the_run(fake):
    run, block = threads.Threads.of([]), dg.blas_threads(3)
    block.__enter__()
    run.begin()
    block.__exit__(None, None, None)
    assert fake.count == 1
    run.end()
    assert fake.count == 4


@pytest.mark.parametrize("how", ["answer", "timed"])
def test_an_interrupt_before_a_run_has_begun_changes_nothing(fake, monkeypatch, how):
    program, feed = product(8)
    value = list(feed.values())
    program.prepare(value)
    began = threads.Threads.begin

    def interrupted(self):
        raise KeyboardInterrupt

    monkeypatch.setattr(threads.Threads, "begin", interrupted)
    with pytest.raises(KeyboardInterrupt):
        getattr(program, how)(value)
    monkeypatch.setattr(threads.Threads, "begin", began)
    assert fake.count == 4
    getattr(program, how)(value)
    assert fake.count == 4 and fake.told[-2:] == [1, 4]


@pytest.mark.parametrize("told", [1, 4])
def test_an_interrupt_while_the_number_is_changed_leaves_it_as_it_was(fake, monkeypatch, told):
    program, feed = product(8)
    value = list(feed.values())
    program.prepare(value)
    (runner,) = program._runners.values()

    def interrupted(count):
        fake.set(count)
        if count == told:
            runner.threads._library = fake.library()
            raise KeyboardInterrupt

    runner.threads._library = fake.library()._replace(set=interrupted)
    with pytest.raises(KeyboardInterrupt):
        program.answer(value)
    assert fake.count == 4
    program.answer(value)
    assert fake.count == 4
    with dg.blas_threads(2):
        assert fake.count == 2
    assert fake.count == 4
