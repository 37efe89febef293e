"""Hooks on gradients and modules, and why a gradient is None."""

import gc

import numpy as np
import pytest

import dlgraph as dg
from dlgraph.core.hooks import HOOKS
from dlgraph.errors import BackwardError, DtypeError, OperationError, ShapeError


def test_a_hook_sees_the_whole_gradient_once():
    x = dg.Tensor([1.0, 2.0], requires_grad=True)
    seen = []
    h = x * 3.0
    h.register_hook(lambda g: seen.append(g.tolist()))
    (h.sum() + (h * h).sum()).backward()
    assert seen == [[7.0, 13.0]]
    assert x.grad.tolist() == [21.0, 39.0]


def test_what_it_returns_goes_on():
    x = dg.Tensor([1.0, 2.0], requires_grad=True)
    h = x * 3.0
    h.register_hook(lambda g: g * 2.0)
    h.register_hook(lambda g: g.numpy() + np.float32(1))
    h.register_hook(lambda g: None)
    h.sum().backward()
    assert h.grad.tolist() == [3.0, 3.0]
    assert x.grad.tolist() == [9.0, 9.0]


def test_of_a_leaf_it_sees_this_gradient_and_grad_adds_up():
    x = dg.Parameter([1.0])
    seen = []
    x.register_hook(lambda g: seen.append(float(g.item())) or g * 10.0)
    for factor in (1.0, 2.0):
        (x * factor).sum().backward()
    assert seen == [1.0, 2.0]
    assert x.grad.tolist() == [30.0]


def test_it_can_be_removed():
    x = dg.Parameter([1.0])
    handle = x.register_hook(lambda g: g * 0.0)
    handle.remove()
    handle.remove()
    (x * 2.0).sum().backward()
    assert x.grad.tolist() == [2.0]


def test_one_handle_takes_one_hook_away():
    x, seen = dg.Parameter([1.0]), []
    first, second = x.register_hook(seen.append), x.register_hook(seen.append)
    first.remove()
    first.remove()
    (x * 2.0).sum().backward()
    assert len(seen) == 1
    second.remove()
    (x * 2.0).sum().backward()
    assert len(seen) == 1


def test_also_in_grad_and_in_higher_derivatives():
    x = dg.Tensor(3.0, requires_grad=True)
    h = x * x
    h.register_hook(lambda g: g * 2.0)
    first = dg.grad(h * x, x, create_graph=True)  # 2 * x * 2x + h
    assert first.item() == 45.0
    # The second walk passes h as well: 8x + 2 * 2x.
    assert dg.grad(first, x).item() == 36.0


def test_the_root_has_a_hook_too():
    x = dg.Tensor(3.0, requires_grad=True)
    y = x * 1.0
    y.register_hook(lambda g: g * 5.0)
    y.backward()
    assert x.grad.item() == 5.0


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        (lambda g: g.sum(), ShapeError),
        (lambda g: g.astype("float64"), DtypeError),
        (lambda g: "text", OperationError),
        (lambda g: 1.0, OperationError),
    ],
)
def test_wrong_gradients_are_refused(wrong, error):
    x = dg.Parameter([1.0, 2.0])
    x.register_hook(wrong)
    with pytest.raises(error, match="a gradient hook returned"):
        (x * 2.0).sum().backward()


def test_only_where_gradients_come_by():
    with pytest.raises(BackwardError, match="does not require gradients"):
        dg.Tensor([1.0]).register_hook(print)
    with pytest.raises(OperationError, match="needs a function"):
        dg.Parameter([1.0]).register_hook(3)


def test_hooks_go_with_their_tensor():
    gc.collect()
    before = len(HOOKS)
    x = dg.Parameter([1.0])
    x.register_hook(lambda g: None)
    assert len(HOOKS) == before + 1
    del x
    gc.collect()
    assert len(HOOKS) == before


# ---- modules -------------------------------------------------------------------------------------


def test_a_forward_hook_works_in_both_modes():
    net = dg.nn.Sequential(dg.nn.Linear(2, 3), dg.nn.ReLU())
    seen = []

    def hook(module, inputs, output):
        seen.append((module, inputs[0].shape[-1], output.shape[-1]))
        return output * 2.0

    plain = net(dg.Tensor([[1.0, 2.0]])).numpy()
    handle = net[0].register_forward_hook(hook)
    eager = net(dg.Tensor([[1.0, 2.0]])).numpy()
    with dg.Graph().as_default() as graph:
        x = dg.placeholder((None, 2), name="x")
        y = net(x)
    assert np.array_equal(eager, 2 * plain)
    assert np.array_equal(dg.Session(graph).run(y, {x: [[1.0, 2.0]]}), eager)
    assert seen == [(net[0], 2, 3)] * 2
    assert y.scope == "sequential/1"
    handle.remove()
    assert np.array_equal(net(dg.Tensor([[1.0, 2.0]])).numpy(), plain)
    assert len(net.state_dict()) == 2
    with pytest.raises(OperationError, match="needs a function"):
        net.register_forward_hook(None)


# ---- why -----------------------------------------------------------------------------------------


def test_why_each_reason():
    w, v = dg.Parameter([2.0], name="w"), dg.Parameter([3.0], name="v")
    assert "integers" in dg.explain_gradient(dg.Tensor([1], name="n"))
    assert "does not require gradients" in dg.explain_gradient(dg.Tensor([1.0]))
    assert "no backward() has reached it" in dg.explain_gradient(w)
    loss = (w * 2.0).sum()
    assert "loss.backward() was not called yet" in dg.explain_gradient(w, loss)
    assert dg.explain_gradient(v, loss).startswith("v.grad is None: the loss was not computed")
    loss.backward()
    assert "w.grad is there" in dg.explain_gradient(w)
    w.grad = None
    assert ".grad was cleared after that" in dg.explain_gradient(w, loss)
    constant = dg.Tensor([1.0]) * 2.0
    assert "anything that requires gradients" in dg.explain_gradient(w, constant)
    assert "cut off by detach()" in dg.explain_gradient(w.detach())
    with pytest.raises(OperationError, match="not NoneType") as caught:
        dg.explain_gradient(w.grad)
    assert "not w.grad" in caught.value.hint
    assert repr(dg.explain_gradient(v)) == str(dg.explain_gradient(v))


def test_why_large_records_that_were_let_go():
    w = dg.Parameter(np.ones(10_000, "float32"), name="w")
    loss = (w * 2.0).sum()
    loss.backward()
    w.grad = None
    assert "let go" in dg.explain_gradient(w, loss)


def test_why_a_node_has_none():
    with dg.Graph().as_default():
        x = dg.placeholder((), name="x")
    assert "dg.gradients" in dg.explain_gradient(x)


def test_why_names_the_line_that_cut_it_off():
    w, v = dg.Parameter([2.0], name="w"), dg.Parameter([3.0], name="v")
    with dg.watch(lines=True):
        cut = w.detach()
        loss = ((cut * 2.0 + 1.0) * v).sum()
    why = dg.explain_gradient(w, loss)
    assert "cut off by detach()" in why and "cut = w.detach()" in why
    with dg.watch(lines=True):
        loss = (w.detach() * v).sum()
    assert "use w itself" in dg.explain_gradient(w, loss)
    with pytest.raises(OperationError, match="needs tensors"):
        dg.explain_gradient(3.0)
