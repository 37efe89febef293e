"""What a forward keeps for its gradient rule, in eager code."""

import gc

import numpy as np
import pytest

import dlgraph as dg


@pytest.fixture
def doubled(registry):
    """An operation that counts how often each of its forwards ran, and what its rule was given."""
    ran = {"forward": 0, "keeping": 0, "residuals": []}

    def keeping(xp, x, *, factor=2.0):
        ran["keeping"] += 1
        return x * factor, (x, "kept")

    @dg.primitive(kind="elementwise", residual=keeping)
    def doubled_here(xp, x, *, factor=2.0):
        """Twice."""
        ran["forward"] += 1
        return x * factor

    def rule(g, factor, residual):
        ran["residuals"].append(residual)
        return g * factor

    doubled_here.vjp(x=rule)
    return doubled_here, ran


def test_the_rule_reads_what_the_forward_kept(doubled):
    operation, ran = doubled
    x = dg.Tensor([1.0, 2.0], requires_grad=True)
    y = operation(x, factor=3.0).sum()
    y.backward(retain_graph=True)
    y.backward()
    np.testing.assert_array_equal(x.grad, [6.0, 6.0])
    assert (ran["forward"], ran["keeping"]) == (0, 1)
    assert [kept[1] for kept in ran["residuals"]] == ["kept", "kept"]


def test_nothing_is_kept_where_no_gradient_can_be_asked_for(doubled):
    operation, ran = doubled
    operation(dg.Tensor([1.0]))
    with dg.no_grad():
        operation(dg.Tensor([1.0], requires_grad=True))
    assert (ran["forward"], ran["keeping"]) == (2, 0)


def test_a_rule_that_is_written_into_a_graph_gets_none(doubled):
    operation, ran = doubled
    with dg.Graph().as_default() as graph:
        x = dg.placeholder((2,), name="x")
        slope = dg.gradients(operation(x).sum(), x)
    np.testing.assert_array_equal(dg.Session(graph).run(slope, {x: [1.0, 2.0]}), [2.0, 2.0])
    assert ran["residuals"] == [None]


def test_the_drawn_record_has_only_the_attributes_of_the_operation(doubled):
    operation, _ = doubled
    y = operation(dg.Tensor([1.0], requires_grad=True, name="x"), factor=3.0)
    assert y.graph.records[-1].attrs == {"factor": 3.0}


@pytest.mark.parametrize("reduction", ["mean", "none"])
@pytest.mark.parametrize("classes, shape", [(3, (5,)), (40, (3,)), (4, (2, 3)), (3, ())])
def test_both_modes_agree_on_the_slope_of_the_cross_entropy_bit_for_bit(reduction, classes, shape):
    source = np.random.default_rng(0)
    logits = source.normal(size=(*shape, classes)).astype(np.float32)
    labels = source.integers(0, classes, shape)
    for data in (logits, np.asfortranarray(logits)):
        x = dg.Tensor(data, requires_grad=True)
        dg.cross_entropy(x, dg.Tensor(labels), reduction=reduction).sum().backward()
        with dg.Graph().as_default() as graph:
            node = dg.placeholder(logits.shape)
            loss = dg.cross_entropy(node, dg.constant(labels), reduction=reduction).sum()
            slope = dg.gradients(loss, node)
        expected = dg.Session(graph).run(slope, {node: data})
        np.testing.assert_array_equal(x.grad, expected)


def test_a_loss_that_is_kept_keeps_no_exponentials():
    weights = dg.Parameter(np.ones((4, 5000), np.float32))
    loss = dg.cross_entropy(dg.Tensor(np.ones((3, 4), np.float32)) @ weights, dg.Tensor([1, 2, 3]))
    sizes = {array.nbytes for array in _arrays_behind(loss)}
    assert 3 * 5000 * 4 in sizes
    loss.backward()
    assert 3 * 5000 * 4 not in {array.nbytes for array in _arrays_behind(loss)}


def _arrays_behind(tensor):
    seen, stack = set(), [tensor]
    while stack:
        found = stack.pop()
        if isinstance(found, np.ndarray):
            yield found
        for one in gc.get_referents(found):
            inside = isinstance(one, (tuple, dict, np.ndarray, dg.Tensor))
            if inside and id(one) not in seen:
                seen.add(id(one))
                stack.append(one)


def test_logits_that_changed_since_are_still_an_error():
    logits = dg.Parameter(np.zeros((2, 3), np.float32))
    loss = dg.cross_entropy(logits, dg.Tensor([0, 1]))
    logits.assign(np.ones((2, 3), np.float32))
    with pytest.raises(dg.errors.MutationError):
        loss.backward()


def test_the_second_derivative_of_the_cross_entropy():
    logits = dg.Tensor(np.array([[1.0, -1.0, 0.5]]), requires_grad=True)
    loss = dg.cross_entropy(logits, dg.Tensor([1]))
    (slope,) = dg.grad(loss, [logits], create_graph=True)
    (slope * dg.Tensor(np.array([[1.0, 0.0, 0.0]]))).sum().backward()
    p = np.exp(logits.numpy()) / np.exp(logits.numpy()).sum()
    np.testing.assert_allclose(logits.grad, p[0, 0] * (np.eye(1, 3) - p), rtol=1e-12)
