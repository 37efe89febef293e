"""no_grad, enable_grad, watch: how operations run, per thread, as block and as decorator."""

from __future__ import annotations

import threading

import numpy as np
import pytest

import dlgraph as dg
from dlgraph.core.mode import MODE
from dlgraph.errors import NonFiniteError


@pytest.fixture
def w():
    return dg.Tensor([1.0, 2.0], requires_grad=True, name="w")


def test_no_grad_computes_without_recording(w):
    with dg.no_grad():
        assert not dg.is_recording()
        y = w * 2
    assert dg.is_recording()
    assert y.is_leaf and not y.requires_grad and y.tolist() == [2.0, 4.0]


def test_enable_grad_records_again(w):
    with dg.no_grad():
        with dg.enable_grad():
            assert dg.is_recording() and (w * 2).requires_grad
        assert not dg.is_recording() and not (w * 2).requires_grad


def test_both_are_decorators(w):
    @dg.no_grad()
    def evaluate():
        return w * 2

    @dg.enable_grad()
    def train():
        return w * 2

    assert not evaluate().requires_grad
    with dg.no_grad():
        assert train().requires_grad and not evaluate().requires_grad
    assert dg.is_recording()


def test_a_decorated_function_may_call_itself(w):
    @dg.no_grad()
    def down(count):
        return down(count - 1) if count else dg.is_recording()

    assert down(3) is False and dg.is_recording()


def test_one_block_can_be_entered_twice(w):
    block = dg.no_grad()
    with block, block:
        assert not dg.is_recording()
    assert dg.is_recording()


def test_an_error_inside_ends_the_block():
    with pytest.raises(ZeroDivisionError), dg.no_grad():
        1 / 0  # noqa: B018
    assert dg.is_recording()


def test_another_thread_is_not_disturbed(w):
    inside, done = threading.Event(), threading.Event()
    seen = []

    def other():
        inside.wait(5)
        seen.append((dg.is_recording(), (w * 2).requires_grad))
        with dg.no_grad():
            done.set()

    thread = threading.Thread(target=other)
    thread.start()
    with dg.no_grad():
        inside.set()
        assert done.wait(5)
        assert not dg.is_recording()
    thread.join()
    assert seen == [(True, True)] and dg.is_recording()


def test_two_threads_may_run_one_decorated_function_at_once():
    entered = [threading.Event(), threading.Event()]
    leave = [threading.Event(), threading.Event()]
    seen = []

    @dg.no_grad
    def evaluate(k):
        entered[k].set()
        assert leave[k].wait(5)
        seen.append(dg.is_recording())

    def run(k):
        evaluate(k)
        seen.append(dg.is_recording())

    threads = [threading.Thread(target=run, args=(k,)) for k in (0, 1)]
    for k, thread in enumerate(threads):
        thread.start()
        assert entered[k].wait(5)
    for k, thread in enumerate(threads):  # who came first leaves first
        leave[k].set()
        thread.join()
    assert seen == [False, True, False, True]


@pytest.mark.parametrize("block", [dg.no_grad(), dg.watch(nan=True)])
def test_two_threads_may_be_inside_one_block_at_once(block):
    entered, left, failed = [threading.Event() for _ in range(2)], threading.Event(), []

    def run(k):
        try:
            with block:
                entered[k].set()
                assert (entered[1], left)[k].wait(5)
            left.set()
            assert MODE.get() is None
        except Exception as error:
            failed.append(error)

    threads = [threading.Thread(target=run, args=(k,)) for k in (0, 1)]
    for k, thread in enumerate(threads):
        thread.start()
        assert entered[k].wait(5)
    for thread in threads:  # who came first leaves first
        thread.join()
    assert not failed and MODE.get() is None


@pytest.mark.parametrize("decorate", [dg.no_grad, dg.no_grad()])
def test_a_decorated_generator_is_inside_only_while_it_runs(decorate, w):
    ended = []

    @decorate
    def generator(count):
        """Its own text."""
        try:
            sent = yield (w * 2).requires_grad
            for _ in range(count):
                try:
                    sent = yield sent, (w * 2).requires_grad
                except KeyError:
                    sent = "caught"
            return dg.is_recording()
        finally:
            ended.append(dg.is_recording())

    assert generator.__doc__ == "Its own text."
    turns = generator(2)
    assert next(turns) is False and dg.is_recording()
    assert turns.send("sent") == ("sent", False) and dg.is_recording()
    assert turns.throw(KeyError()) == ("caught", False) and dg.is_recording()
    with pytest.raises(StopIteration) as stopped:
        next(turns)
    assert stopped.value.value is False and ended == [False] and dg.is_recording()
    left = generator(1)
    next(left)
    left.close()
    assert ended == [False, False] and dg.is_recording()
    with pytest.raises(ZeroDivisionError):
        generator(1).throw(ZeroDivisionError())
    assert dg.is_recording()


def test_a_leaf_made_inside_no_grad_can_still_be_trained():
    with dg.no_grad():
        v = dg.Parameter([1.0])
    (v * v).sum().backward()
    assert v.grad.tolist() == [2.0]


# ---- watch, eager


def test_watch_stops_at_the_first_operation_that_made_a_nan():
    x = dg.Tensor([4.0, 0.0, -1.0])
    with dg.watch(), np.errstate(all="ignore"), pytest.raises(NonFiniteError) as caught:
        dg.exp(dg.log(x) * 2)
    error = caught.value
    assert error.what.startswith("log: the result (3,) float32 has 1 NaN and 1 infinite elements")
    assert "the first at [1]" in error.what
    assert error.extra == {"input x": "from -1 to 4"}
    assert "dg.exp(dg.log(x) * 2)" in error.where.text


def test_watch_names_one_bad_element_of_a_scalar():
    zero = dg.Tensor(0.0)
    with dg.watch(), np.errstate(all="ignore"), pytest.raises(NonFiniteError) as caught:
        1 / zero
    assert "has 1 infinite element of 1, the first at [0]" in caught.value.what


def test_watch_looks_at_the_backward_pass_when_that_is_recorded():
    x = dg.Tensor([1.0, 0.0], requires_grad=True)
    y = dg.sqrt(x).sum()
    with dg.watch(), np.errstate(all="ignore"), pytest.raises(NonFiniteError, match="divide"):
        y.backward(create_graph=True)


def test_watch_says_that_an_input_was_not_finite_before():
    w = dg.Parameter([1.0, 2.0], name="w")
    sgd = dg.optim.SGD([w], lr=1e38)
    with dg.watch(), np.errstate(all="ignore"), pytest.raises(NonFiniteError) as caught:
        for _ in range(3):  # all results are finite, until a step is too long
            loss = (w * 100.0).sum()
            sgd.zero_grad()
            loss.backward()
            sgd.step()
    assert caught.value.extra["input a"] == "2 infinite elements of 2"
    assert "a held them before" in caught.value.hint and "learning rate" in caught.value.hint
    with dg.watch(), pytest.raises(NonFiniteError) as caught:
        dg.Tensor([np.nan, 2.0, -3.0]) * 2
    ranges = ("1 NaN element of 3, the others from -3 to 2", "from 2 to 2")
    assert tuple(caught.value.extra.values()) == ranges
    with dg.watch(), pytest.raises(NonFiniteError) as caught:
        dg.exp(dg.Tensor(np.nan))
    assert caught.value.extra == {"input x": "1 NaN element of 1"}


def test_watch_without_nan_lets_them_through():
    with dg.watch(nan=False), np.errstate(all="ignore"):
        assert np.isnan(dg.log(dg.Tensor(-1.0)).item())


def test_watch_ignores_integers_and_empty_results():
    with dg.watch():
        assert (dg.Tensor([1, 2]) + 1).tolist() == [2, 3]
        assert (dg.Tensor(np.zeros((0, 3), np.float32)) * 2).shape == (0, 3)


def test_watch_calls_an_observer_with_operation_result_and_inputs(w):
    seen = []
    with dg.watch(nan=False, call=lambda op, y, inputs: seen.append((op, y, inputs))):
        (w * 2).sum()
    (first, product, inputs), (second, total, _) = seen
    assert (first.name, second.name) == ("multiply", "sum")
    assert product.tolist() == [2.0, 4.0] and total == 6.0
    assert [np.ndim(x) for x in inputs] == [1, 0]
    assert all(x.dtype == np.float32 for x in inputs)


def test_watch_ends_with_its_block(w):
    seen = []
    with dg.watch(call=lambda *_: seen.append(1)):
        w + 1
    w + 1
    assert len(seen) == 1


def test_watch_and_no_grad_combine(w):
    seen = []
    with dg.watch(call=lambda *_: seen.append(1)), dg.no_grad():
        y = w * 2
    assert seen == [1] and not y.requires_grad


def test_watch_remembers_the_line_of_every_operation(w):
    with dg.watch(lines=True):
        y = w * 2  # this line
    z = w * 3
    assert "this line" in y._where.text and z._where is None
    assert "this line" in y.graph.nodes[-1].where.text


def test_watch_without_lines_looks_none_up(w):
    with dg.watch(lines=False):
        y = w * 2
    assert y._where is None


def test_a_changed_value_error_says_where_it_was_used(w):
    with dg.watch():
        loss = (w * w).sum()  # used here
    w.assign([3.0, 4.0])
    with pytest.raises(dg.errors.MutationError) as caught:
        loss.backward()
    assert "used here" in caught.value.extra["used at"]


# ---- watch, define-then-run


@pytest.fixture
def logarithm():
    with dg.Graph().as_default() as g, dg.name_scope("model"):
        x = dg.placeholder((None,), name="x")
        y = dg.log(x) * 2  # built here
    return dg.Session(g), x, y


def test_watch_in_a_run_names_node_and_building_line(logarithm):
    session, x, y = logarithm
    with dg.watch(), np.errstate(all="ignore"), pytest.raises(NonFiniteError) as caught:
        session.run(y, {x: [1.0, 0.0]})
    error = caught.value
    assert error.node == "model/log" and "built here" in error.where.text
    assert error.extra == {"input x": "from 0 to 1"}


def test_watch_in_a_run_calls_the_observer_for_every_step(logarithm):
    session, x, y = logarithm
    seen = []
    with dg.watch(nan=False, call=lambda op, *_: seen.append(op.name)):
        session.run(y, {x: [1.0]})
    assert seen == ["constant", "log", "multiply"] or seen == ["log", "constant", "multiply"]
    session.run(y, {x: [1.0]})
    assert len(seen) == 3


def test_decorators_without_brackets(w):
    @dg.no_grad
    def double(x):
        """Twice x."""
        return x * 2

    @dg.enable_grad
    def triple(x):
        return x * 3

    assert not double(w).requires_grad and not double(w).requires_grad
    assert double.__name__ == "double" and double.__doc__ == "Twice x."
    assert (w * 2).requires_grad
    with dg.no_grad():
        assert triple(w).requires_grad and not (w * 3).requires_grad
