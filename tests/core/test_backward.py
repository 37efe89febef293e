"""backward(): gradients of leaves and intermediates, records used up or kept, higher orders."""

from __future__ import annotations

import gc
import sys
import threading
import weakref

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import dlgraph as dg
from dlgraph.core import autodiff
from dlgraph.core.autodiff import KEEP_BYTES
from dlgraph.errors import BackwardError, DtypeError, MutationError, ShapeError


def leaf(value, name=None):
    return dg.Tensor(value, requires_grad=True, name=name)


def test_gradients_of_leaves_and_of_everything_between():
    x, w = leaf(3.0), leaf(2.0)
    h = x * w
    y = h * h
    y.backward()
    assert (y.grad.item(), h.grad.item(), x.grad.item(), w.grad.item()) == (1.0, 12.0, 24.0, 36.0)
    assert isinstance(x.grad, dg.Tensor) and not x.grad.requires_grad


def test_gradients_of_leaves_add_up_over_calls_and_those_between_do_not():
    x = leaf(3.0)
    for count in (1, 2, 3):
        h = x * 2
        (h * 5).backward()
        assert x.grad.item() == 10.0 * count and h.grad.item() == 5.0


def test_adding_up_leaves_an_old_gradient_array_alone():
    x = leaf([1.0, 2.0])
    (x * 3).sum().backward()
    held = x.grad
    (x * 4).sum().backward()
    assert held.tolist() == [3.0, 3.0] and x.grad.tolist() == [7.0, 7.0]


def test_the_gradient_of_a_vector_is_given():
    x = leaf([1.0, 2.0, 3.0])
    (x * x).backward([1.0, 0.0, 10.0])
    assert x.grad.tolist() == [2.0, 0.0, 60.0]
    (x * x).backward(dg.Tensor([1, 1, 1]).astype("float32"))
    assert x.grad.tolist() == [4.0, 4.0, 66.0]


@pytest.mark.parametrize(
    ("gradient", "error"),
    [(1.0, ShapeError), ([1.0], ShapeError), (np.ones(3), DtypeError)],
)
def test_a_given_gradient_has_shape_and_dtype_of_the_result(gradient, error):
    x = leaf([1.0, 2.0, 3.0])
    with pytest.raises(error, match=r"backward\(gradient\).*the tensor \(3,\) float32"):
        (x * x).backward(gradient)
    assert x.grad is None


def test_a_scalar_may_have_axes():
    x = leaf([[3.0]])
    (x * x).backward()
    assert x.grad.tolist() == [[6.0]]


def test_a_record_is_walked_once():
    x = leaf(3.0)
    y = x * x
    y.backward()
    with pytest.raises(BackwardError, match="second backward"):
        y.backward()
    assert x.grad.item() == 6.0


def test_retain_graph_keeps_the_record():
    x = leaf(3.0)
    y = x * x
    y.backward(retain_graph=True)
    y.backward(retain_graph=True)
    y.backward()
    assert x.grad.item() == 18.0
    with pytest.raises(BackwardError):
        y.backward()


def test_two_losses_share_a_trunk_if_it_is_retained():
    x = leaf(3.0)
    trunk = x * x
    first, second = trunk * 2, trunk * 5
    first.backward(retain_graph=True)
    second.backward()
    assert x.grad.item() == 6.0 * 7


def test_a_second_loss_over_a_used_trunk_fails_before_it_adds_anything():
    x, z = leaf(3.0), leaf(1.0)
    trunk = x * x
    first, second = trunk * 2, trunk * z
    first.backward()
    with pytest.raises(BackwardError, match=r"second backward through 'trunk'"):
        second.backward()
    assert x.grad.item() == 12.0 and z.grad is None


def test_a_leaf_that_needs_no_gradient_gets_none():
    x, c = leaf(3.0), dg.Tensor(2.0)
    (x * c).backward()
    assert c.grad is None and x.grad.item() == 2.0


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: leaf(1.0), "it is a leaf"),
        (lambda: dg.Tensor(1.0) * 2, "not computed from anything that requires gradients"),
        (lambda: leaf([1.0, 2.0]) * 2, r"shape \(2,\): only a scalar has one gradient"),
    ],
)
def test_where_there_is_no_gradient_the_error_says_why(make, words):
    with pytest.raises(BackwardError, match=words):
        make().backward()


# ---- values that were changed


def test_a_changed_value_that_a_rule_reads_is_noticed():
    w, x = leaf([1.0, 2.0], "w"), leaf([3.0, 4.0])
    loss = (w * x).sum()
    w.assign([5.0, 6.0])
    with pytest.raises(MutationError, match=r"'w' \(2,\) was changed after multiply used it"):
        loss.backward()
    assert x.grad is None and w.grad is None


def test_a_changed_value_that_no_rule_reads_does_no_harm():
    w = leaf([1.0, 2.0])
    loss = (w + 1).sum()
    w.assign([5.0, 6.0])
    loss.backward()
    assert w.grad.tolist() == [1.0, 1.0]


def test_a_computation_after_the_change_is_fine():
    w = leaf(1.0)
    w.assign(3.0)
    (w * w).backward()
    assert w.grad.item() == 6.0


def test_an_optimiser_step_counts_as_a_change():
    w = dg.Parameter(1.0, name="w")
    early = w * w
    (w * w).backward()
    dg.optim.SGD([w], lr=0.1).step()
    with pytest.raises(MutationError, match="'w'"):
        early.backward()


def test_a_detached_view_of_a_changed_leaf_is_the_old_value():
    w, x = leaf([1.0, 2.0]), leaf([1.0, 1.0])
    old = w.detach()
    loss = (old * x).sum()
    w.assign([7.0, 7.0])
    loss.backward()
    assert x.grad.tolist() == [1.0, 2.0]


# ---- higher orders


def test_third_derivatives_by_walking_recorded_walks():
    x = leaf(2.0)
    y = x**4
    y.backward(create_graph=True)
    first = x.grad
    assert first.item() == 32.0 and first.requires_grad
    x.grad = None
    first.backward(create_graph=True)
    second = x.grad
    x.grad = None
    second.backward()
    assert second.item() == 48.0 and x.grad.item() == 48.0
    assert not x.grad.requires_grad


def test_create_graph_records_inside_no_grad():
    x = leaf(3.0)
    y = x * x * x
    with dg.no_grad():
        y.backward(create_graph=True)
    assert x.grad.requires_grad
    assert dg.grad(x.grad, x).item() == 18.0


def test_plain_and_recorded_gradients_add_up():
    x = leaf(3.0)
    (x * x).backward(create_graph=True)
    (x * x).backward()
    assert x.grad.item() == 12.0
    (x * x).backward(create_graph=True)
    assert x.grad.item() == 18.0


def test_a_gradient_penalty_trains():
    w, x = leaf([1.0, -2.0]), leaf([0.5, 1.5])
    y = dg.tanh((w * x).sum())
    slope = dg.grad(y, x, create_graph=True)
    (slope * slope).sum().backward()
    z = float((w.numpy() * x.numpy()).sum())
    # penalty = |w|² (1 - tanh² z)², differentiated by hand
    sech2 = 1 - np.tanh(z) ** 2
    wanted = 2 * w.numpy() * sech2**2 + 5.0 * 2 * sech2 * (-2 * np.tanh(z) * sech2) * x.numpy()
    np.testing.assert_allclose(w.grad.numpy(), wanted, rtol=1e-5)


# ---- memory: small records stay for drawing, large ones go

LARGE = KEEP_BYTES // 4 + 1  # float32 elements


def recorded(count):
    x = leaf(np.ones(count, np.float32))
    h = x * 2
    loss = (h * h).sum()
    return x, weakref.ref(h), loss


def drawn(result):
    # In a frame of its own: until Python 3.13 a frame whose locals were looked at (for the names
    # of the variables) holds on to them until it ends.
    return str(result.graph)


def test_a_small_record_stays_linked_after_backward():
    x, h, loss = recorded(KEEP_BYTES // 4)
    loss.backward()
    gc.disable()
    try:
        shape, text = h().grad.shape, drawn(loss)
        assert shape == x.shape and "multiply" in text
        del loss
        assert h() is None  # by reference counting alone: there is no cycle
    finally:
        gc.enable()


def test_a_large_record_is_let_go_after_backward():
    x, h, loss = recorded(LARGE)
    assert h() is not None
    gc.disable()
    try:
        loss.backward()
        assert h() is None and x.grad.shape == (LARGE,)
    finally:
        gc.enable()
    with pytest.raises(BackwardError, match="second backward"):
        loss.backward()


def test_a_large_record_that_is_retained_stays():
    _, h, loss = recorded(LARGE)
    loss.backward(retain_graph=True)
    assert h() is not None
    loss.backward()
    assert h() is None


def test_a_large_record_is_let_go_where_no_line_is_the_users():
    x, h, loss = recorded(LARGE)
    thread = threading.Thread(target=loss.backward)
    thread.start()
    thread.join()
    assert h() is None and x.grad.shape == (LARGE,)
    with pytest.raises(BackwardError, match="second backward"):
        loss.backward()


def test_large_tensors_are_let_go_one_by_one():
    x = leaf(np.ones(LARGE, np.float32))
    first = x * 2
    second = first * 3
    third, loss = second * 4, None
    alive = [weakref.ref(second), weakref.ref(third)]
    handle = first.register_hook(lambda g: alive.append([one() is not None for one in alive]))
    loss = third.sum()
    del second, third
    loss.backward()
    handle.remove()
    assert alive[-1] == [False, False]


def test_a_loss_over_a_used_trunk_lets_nothing_go():
    x, w = leaf(np.ones(LARGE, np.float32)), leaf([1.0, 2.0])
    trunk = w * w
    first, second = trunk.sum(), (trunk * 3.0).sum()
    h = dg.tanh(x)
    loss = (h * h).sum() + second
    first.backward()
    with pytest.raises(BackwardError, match="second backward"):
        loss.backward()
    h.sum().backward()
    assert x.grad.shape == (LARGE,)


def test_what_was_walked_before_the_first_large_tensor_is_let_go_with_it():
    x = leaf(np.ones(LARGE, np.float32))
    h = dg.tanh(x)
    small = h.sum()
    held, between = weakref.ref(h), weakref.ref(small)
    loss = small * small
    del h, small
    loss.backward()
    assert held() is None and between() is None


@pytest.mark.parametrize("stop", [ValueError, KeyboardInterrupt])
@pytest.mark.usefixtures("registry")
def test_a_backward_pass_that_was_stopped_can_be_made_again(stop):
    stops = [stop]

    def rule(g):
        if stops:
            raise stops.pop()("stopped")
        return 3.0 * g

    @dg.primitive(kind="elementwise", floating=True)
    def triple(xp, x):
        """Three times as much."""
        return 3.0 * x

    triple.vjp(x=rule)
    x = leaf([1.0, 2.0])
    loss = (triple(x) * 2.0).sum()
    with pytest.raises(stop, match="stopped"):
        loss.backward()
    assert x.grad is None
    loss.backward()
    assert x.grad.numpy().tolist() == [6.0, 6.0]


def interrupted(run, count):
    """Run it with a KeyboardInterrupt before this many bytecodes of autodiff; was it in time?"""
    left = [count]

    def in_frame(frame, event, arg):
        if event == "opcode":
            left[0] -= 1
            if left[0] == 0:
                raise KeyboardInterrupt
        return in_frame

    def called(frame, event, arg):
        frame.f_trace_opcodes = frame.f_code.co_filename == autodiff.__file__
        return in_frame if frame.f_trace_opcodes else None

    before = sys.gettrace()
    sys.settrace(called)
    try:
        run()
    except KeyboardInterrupt:
        return True
    finally:
        sys.settrace(before)
    return False


@pytest.mark.parametrize("size", [3, LARGE])
def test_wherever_a_backward_pass_is_stopped_the_next_is_right_or_refused(size):
    def build():
        w, v = leaf(np.full(size, 0.5, np.float32)), leaf(2.0)
        h = dg.tanh(w * v)
        total = h.sum() * v
        return (w, v), total * total + total

    leaves, loss = build()
    loss.backward()
    wanted = [x.grad.numpy() for x in leaves]
    outcomes = {"right": 0, "refused": 0}
    leaves, loss = build()
    while interrupted(loss.backward, 1 + 7 * sum(outcomes.values())):
        try:
            loss.backward()
        except BackwardError as error:
            assert "second backward" in str(error)
            outcomes["refused"] += 1
        else:
            for x, right in zip(leaves, wanted, strict=True):
                np.testing.assert_array_equal(x.grad.numpy(), right)
            outcomes["right"] += 1
        leaves, loss = build()
    assert outcomes["right"] > 20


def test_what_no_gradient_reached_is_not_used_up():
    @dg.custom_vjp
    def only_second(a, b):
        return a + b

    @only_second.rule
    def _(g, y, a, b):
        return None, g

    x, z = leaf(3.0), leaf(1.0)
    trunk = x * x
    only_second(trunk, z).backward()
    assert x.grad is None and z.grad.item() == 1.0
    trunk.backward()
    assert x.grad.item() == 6.0


def test_large_leaves_do_not_make_a_small_record_large():
    data = leaf(np.ones((LARGE, 1), np.float32))
    total = data.sum()
    middle = total * 2
    held, loss = weakref.ref(middle), middle * middle
    del middle
    loss.backward()
    assert held() is not None


def test_nothing_is_recorded_where_no_gradient_can_be_asked_for():
    x = dg.Tensor(np.ones(4, np.float32))
    h = x * 2
    held, y = weakref.ref(h), h + 1
    del h
    assert held() is None and y.is_leaf


# ---- any shape of graph


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_random_graphs_have_the_gradient_of_their_formula(data):
    """Random additions and products of earlier values; forward-mode dual numbers as the oracle."""
    size = data.draw(st.integers(1, 12))
    start = data.draw(st.floats(-1.5, 1.5, width=32))
    x = dg.Tensor(start, dtype="float64", requires_grad=True)
    values, duals = [x], [(float(x.item()), 1.0)]
    for _ in range(size):
        pick = st.integers(0, len(values) - 1)
        i, j, kind = data.draw(pick), data.draw(pick), data.draw(st.sampled_from("+*-"))
        (a, da), (b, db) = duals[i], duals[j]
        if kind == "+":
            values.append(values[i] + values[j])
            duals.append((a + b, da + db))
        elif kind == "-":
            values.append(values[i] - values[j])
            duals.append((a - b, da - db))
        else:
            values.append(values[i] * values[j])
            duals.append((a * b, da * b + a * db))
    values[-1].backward()
    np.testing.assert_allclose(values[-1].item(), duals[-1][0], rtol=1e-9, atol=1e-9)
    gradient = x.grad.item() if x.grad is not None else 0.0
    np.testing.assert_allclose(gradient, duals[-1][1], rtol=1e-9, atol=1e-9)


def test_a_step_of_training_that_made_a_new_tensor_is_told_so():
    def train(step):
        x = dg.Tensor([1.0, 2.0], requires_grad=True)
        for _ in range(4):
            (x * x).sum().backward()
            x = step(x)
        return x

    with pytest.raises(BackwardError, match="second backward through") as caught:
        x = dg.Tensor([1.0, 2.0], requires_grad=True)
        for _ in range(4):
            (x * x).sum().backward()
            x = x - 0.25 * x.grad
    assert caught.value.hint.startswith(
        "a step of training is x.assign(x - ...), then x.grad = None: `x = x - ...` makes x"
    )

    with pytest.raises(BackwardError, match="second backward through") as caught:
        x = before = dg.Tensor([1.0, 2.0], requires_grad=True)
        for _ in range(4):
            ((x * x).sum() + ((x - before) ** 2).sum()).backward()
            before, x = x, x - 0.25 * x.grad
    assert caught.value.hint.startswith("a step of training is x.assign(x - ...)")

    def assign(x):
        x.assign(x - 0.25 * x.grad)
        x.grad = None
        return x

    assert train(assign).tolist() == [0.0625, 0.125]  # what the hint says works


def test_a_difference_of_large_differences_is_told_as_used_up():
    w = leaf(np.ones(LARGE, np.float32))
    a, b = w - 1.0, w - 2.0
    (a * b).sum().backward()
    with pytest.raises(BackwardError, match="second backward through"):
        dg.grad((a + b).sum(), w)


def test_a_result_that_is_compared_twice_is_no_step():
    w = dg.Tensor([1.0, 2.0], requires_grad=True)
    h = w * 2.0
    (h - dg.Tensor([1.0, 1.0])).sum().backward()
    with pytest.raises(BackwardError) as caught:
        (h - dg.Tensor([1.0, 1.0])).sum().backward()
    assert caught.value.hint.startswith("pass retain_graph=True there")
