"""What the quick ways of eager mode must not change."""

from __future__ import annotations

import threading

import numpy as np
import pytest

import dlgraph as dg
from dlgraph.errors import MutationError


def test_zero_and_minus_zero_stay_two_numbers():
    x = dg.Tensor([1.0])
    for _ in range(2):  # the second time from what is kept of the first
        signs = [np.signbit((number * x).numpy()[0]) for number in (0.0, -0.0, 0, 2.0, -2.0)]
        assert signs == [False, True, False, False, True]
        assert np.signbit((x * -0.0).numpy()[0])


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16"])
def test_a_number_takes_the_dtype_of_the_tensor_each_time(dtype):
    x = dg.Tensor(np.array([3.0], dtype))
    assert (x * 2).dtype == (2 * x).dtype == (x / 0.1).dtype == np.dtype(dtype)
    np.testing.assert_array_equal((x * 0.1).numpy(), x.numpy() * np.dtype(dtype).type(0.1))


def test_equal_numbers_are_recorded_as_constants_of_their_own():
    a, b = dg.Tensor(1.0, requires_grad=True), dg.Tensor(2.0, requires_grad=True)
    kinds = [record.primitive.name for record in (2 * a + 2 * b).graph.records]
    assert kinds.count("constant") == 2


def test_scalars_keep_shape_dtype_and_byte_order():
    for dtype in ("<f4", ">f4", "<f8", ">f8", "f2", "i8", "bool"):
        x = dg.Tensor(np.array(1, dtype))
        assert (x.shape, x.dtype, x.item()) == ((), np.dtype(dtype), 1)
        assert isinstance(x.numpy(), np.ndarray) and not x.numpy().flags.writeable


def test_a_backward_pass_that_fails_leaves_the_record_as_it_was():
    w = dg.Parameter([1.0, 2.0], name="w")
    unchanged = dg.Parameter([3.0, 4.0])
    loss = (w * w * unchanged).sum()
    held = w.numpy().copy()
    w.assign([5.0, 6.0])
    for _ in range(2):  # not "used up" the second time
        with pytest.raises(MutationError, match="'w'"):
            loss.backward()
    assert w.grad is None and unchanged.grad is None
    np.testing.assert_array_equal(held, [1.0, 2.0])


def test_hooks_of_leaves_come_last_latest_first_and_may_be_recorded():
    a, b = dg.Tensor(2.0, requires_grad=True), dg.Tensor(3.0, requires_grad=True)
    y = a * b
    seen = []
    for name, x in (("a", a), ("b", b), ("y", y)):
        x.register_hook(lambda g, name=name: seen.append((name, g.requires_grad)))
    (y * y).backward(create_graph=True)
    assert seen == [("y", True), ("b", True), ("a", True)]


def test_a_step_writes_over_nothing_that_somebody_holds():
    rng = np.random.default_rng(0)
    for make in (
        lambda p: dg.optim.SGD(p, lr=0.1),
        lambda p: dg.optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True),
        lambda p: dg.optim.Adam(p, lr=0.1),
        lambda p: dg.optim.Adagrad(p, lr=0.1),
        lambda p: dg.optim.RMSprop(p, lr=0.1, momentum=0.5),
    ):
        w = dg.Parameter(rng.standard_normal(5).astype(np.float32))
        optimizer = make([w])
        for _ in range(3):
            optimizer.zero_grad()
            (w * w).sum().backward()
            state = optimizer.state_dict()["slots"]
            views = [w.numpy(), w.grad.numpy(), *(np.asarray(v) for v in state.values())]
            copies = [view.copy() for view in views]
            optimizer.step()
            for view, copy in zip(views, copies, strict=True):
                np.testing.assert_array_equal(view, copy)


def test_threads_that_share_leaves_get_their_own_gradients():
    w = dg.Tensor(np.arange(1.0, 4.0, dtype=np.float32), requires_grad=True)
    found = {}

    def work(k):
        for _ in range(50):
            found[k] = dg.grad((w * float(k) * w).sum(), w).numpy()

    threads = [threading.Thread(target=work, args=(k,)) for k in range(1, 5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for k, g in found.items():
        np.testing.assert_array_equal(g, 2 * k * w.numpy())
