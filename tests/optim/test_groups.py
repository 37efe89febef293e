"""Parameter groups and the state of optimisers."""

import copy

import numpy as np
import pytest

import dlgraph as dg
from dlgraph.errors import DlgraphError, OperationError


def two():
    return dg.Parameter([1.0, 2.0], name="a"), dg.Parameter([3.0], name="b")


def run(optimizer, a, b, mode, steps=3):
    def loss():
        return (dg.identity(a) * 2.0).sum() + (dg.identity(b) ** 2).sum()

    if mode == "eager":
        for _ in range(steps):
            optimizer.zero_grad()
            loss().backward()
            optimizer.step()
        return
    with dg.Graph().as_default() as graph:
        value = (dg.variable(a) * 2.0).sum() + (dg.variable(b) ** 2).sum()
        update = optimizer.minimize(value)
    session = dg.Session(graph)
    session.run(graph.startup)
    for _ in range(steps):
        session.run(update)


@pytest.mark.parametrize("mode", ["eager", "graph"])
def test_each_group_has_its_own_options(mode):
    a, b = two()
    groups = [
        {"parameters": [a], "lr": 0.5},
        {"parameters": b, "momentum": 0.9, "weight_decay": 0.1},
    ]
    optimizer = dg.optim.SGD(groups, lr=0.1)
    run(optimizer, a, b, mode)
    single_a, single_b = two()
    run(dg.optim.SGD([single_a], lr=0.5), single_a, dg.Tensor([0.0]), "eager")
    other = dg.optim.SGD([single_b], lr=0.1, momentum=0.9, weight_decay=0.1)
    run(other, dg.Tensor([0.0]), single_b, "eager")
    assert np.array_equal(a.numpy(), single_a.numpy())
    assert np.array_equal(b.numpy(), single_b.numpy())
    assert list(optimizer.state_dict()["slots"]) == ["1.velocity"]


def test_momentum_that_is_set_later_counts_from_then_on():
    a, b = two()
    optimizer = dg.optim.SGD([a, b], lr=0.1)
    run(optimizer, a, b, "eager", steps=2)
    assert optimizer.state_dict()["slots"] == {}
    optimizer.groups[0].options["momentum"] = 0.5
    run(optimizer, a, b, "eager", steps=2)
    # The gradient of the first is 2 throughout: steps of 0.2, 0.2, then 0.2 and 0.3.
    np.testing.assert_allclose(a.numpy(), [0.1, 1.1], rtol=1e-6)


def test_the_learning_rate_of_one_and_of_all():
    a, b = two()
    optimizer = dg.optim.SGD([{"parameters": [a], "lr": 0.5}, {"parameters": [b]}], lr=0.1)
    assert [group.lr for group in optimizer.groups] == [0.5, 0.1]
    optimizer.groups[1].lr = 0.2
    assert optimizer.lr == 0.5 and optimizer.groups[1].lr == 0.2
    optimizer.lr = 0.3
    assert [group.lr for group in optimizer.groups] == [0.3, 0.3]
    assert repr(optimizer) == "SGD(2 parameters in 2 groups, lr=0.3)"


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        (lambda a, b: [{"parameters": [a]}, {"parameters": [a, b]}], "is in groups 0 and 1"),
        (lambda a, b: [{"parameters": [a], "speed": 1}], "group 0 has the unknown option speed"),
        (lambda a, b: [{"lr": 1.0}], "group 0 is without parameters"),
        (lambda a, b: [{"parameters": [a]}, b], "group 1 is a Parameter"),
        (lambda a, b: [{"parameters": [a], "lr": -1}], "a learning rate is a number"),
        (lambda a, b: [{"parameters": [a], "momentum": 2}], "momentum is at least 0"),
        (lambda a, b: [{"parameters": []}], "no parameters that require gradients"),
        (lambda a, b: [a * 2.0], "was computed"),
        (lambda a, b: {"a": a}, "not a sequence of parameters"),
        (lambda a, b: ["a"], "a str is not a parameter"),
    ],
)
def test_wrong_groups(groups, message):
    with pytest.raises(OperationError, match=message):
        dg.optim.SGD(groups(*two()))


def test_minimize_takes_only_what_the_optimizer_may_train():
    a, b = two()
    with dg.Graph().as_default():
        loss = dg.variable(a).sum() + dg.variable(b).sum()
        with pytest.raises(OperationError, match="is in no group"):
            dg.optim.SGD([a]).minimize(loss, [b])
        optimizer = dg.optim.SGD()
        optimizer.minimize(loss, [a])
        assert optimizer.parameters == [a]
        optimizer.minimize(loss)
    assert optimizer.parameters == [a, b]


@pytest.mark.parametrize("kind", ["SGD", "Adagrad", "RMSprop", "Adam", "AdamW"])
@pytest.mark.parametrize("modes", [("eager", "graph"), ("graph", "eager")])
def test_state_goes_on_bit_for_bit(kind, modes):
    options = {"momentum": 0.9} if kind in ("SGD", "RMSprop") else {}

    def make(a, b):
        groups = [{"parameters": [a], "lr": 0.01}, {"parameters": [b]}]
        return getattr(dg.optim, kind)(groups, lr=0.1, **options)

    a, b = two()
    whole = make(a, b)
    run(whole, a, b, modes[0], 6)
    c, d = two()
    first = make(c, d)
    run(first, c, d, modes[0], 3)
    state = copy.deepcopy(first.state_dict())
    e, f = two()
    e.assign(c.numpy()), f.assign(d.numpy())
    second = make(e, f)
    run(second, *two(), "eager", 0)
    second.lr = 99.0
    second.load_state_dict(state)
    run_on(second, e, f, modes[1], 3)
    assert np.array_equal(e.numpy(), a.numpy()) and np.array_equal(f.numpy(), b.numpy())
    run(first, c, d, modes[0], 3)  # the state was a copy
    assert np.array_equal(c.numpy(), a.numpy())


def run_on(optimizer, a, b, mode, steps):
    # As run, but without the start-up graph, which would clear the slots that were loaded.
    if mode == "eager":
        return run(optimizer, a, b, mode, steps)
    with dg.Graph().as_default() as graph:
        update = optimizer.minimize((dg.variable(a) * 2.0).sum() + (dg.variable(b) ** 2).sum())
    assert len(graph.startup) == 0
    for _ in range(steps):
        dg.Session(graph).run(update)


def test_a_parameter_without_a_gradient_has_no_slots_yet():
    a, b = two()
    optimizer = dg.optim.SGD([a, b], momentum=0.5)
    (a * 1.0).sum().backward()
    optimizer.step()
    state = optimizer.state_dict()
    assert list(state["slots"]) == ["0.velocity"]
    (a * 1.0 + b).sum().backward()
    optimizer.step()
    optimizer.load_state_dict(state)
    assert optimizer.state_dict()["slots"]["1.velocity"].tolist() == [0.0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s.pop("steps"), "missing steps"),
        (lambda s: s.update(more=1), "unknown more"),
        (lambda s: s.update(optimizer="Adam"), "that of 'Adam'"),
        (lambda s: s.update(steps=float("nan")), "steps is nan"),
        (lambda s: s["slots"].update(x=1), "not part of this optimizer: x"),
        (lambda s: s["slots"].update({"0.velocity": np.zeros(3, "f4")}), r"slot 0\.velocity is"),
        (lambda s: s["slots"].update({"0.velocity": np.zeros(2)}), r"slot 0\.velocity is"),
        (lambda s: s["groups"][0]["options"].update(momentum=0.1), "momentum is 0.5 here, 0.1"),
        (lambda s: s["groups"][0].update(parameters=[1, 0]), "group 0 has 2 parameters here"),
        (lambda s: s.update(groups=[]), "1 groups here, 0 in the state"),
        (lambda s: s.update(groups=3), "groups is not a list"),
        (lambda s: s["groups"].__setitem__(0, 3), "a dictionary is needed, not a int"),
        (lambda s: s["groups"][0].update(lr=-3.0), r"rate of group 0 is -3\.0"),
    ],
)
def test_a_state_that_does_not_fit_changes_nothing(change, message):
    a, b = two()
    optimizer = dg.optim.SGD([a, b], lr=0.1, momentum=0.5)
    run(optimizer, a, b, "eager")
    before = optimizer.state_dict()
    wrong = copy.deepcopy(before)
    change(wrong)
    with pytest.raises(DlgraphError, match=message):
        optimizer.load_state_dict(wrong)
    after = optimizer.state_dict()
    assert after["groups"] == before["groups"] and after["steps"] == before["steps"]
    for name, slot in before["slots"].items():
        assert np.array_equal(slot, after["slots"][name])
    with pytest.raises(OperationError, match="a dictionary is needed"):
        optimizer.load_state_dict([])


@pytest.mark.parametrize(
    ("make", "what", "hint"),
    [
        (lambda w: dg.optim.SGD([]), "the list is empty", "passed itself: SGD([w])"),
        (lambda w: dg.optim.Adam([w, w]), "among 2 tensors", "p.requires_grad = True"),
    ],
)
def test_what_cannot_be_trained_is_told_what_can(make, what, hint):
    with pytest.raises(OperationError, match=what) as caught:
        make(dg.Tensor([1.0]))
    assert "no parameters that require gradients" in caught.value.what
    assert hint in caught.value.hint


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"nesterov": "no", "momentum": 0.9}, "nesterov is True or False"),
        ({"momentum": False}, "momentum is at least 0"),
        ({"lr": True}, "a learning rate is a number of at least 0, not True"),
    ],
)
def test_truth_and_numbers_are_told_apart(options, words):
    with pytest.raises(OperationError, match=words):
        dg.optim.SGD([dg.Parameter(1.0)], **options)


def test_a_tensor_that_requires_gradients_is_trained():
    w = dg.Tensor([1.0], requires_grad=True)
    optimizer = dg.optim.SGD([w], lr=0.5)
    (w * 2).sum().backward()
    optimizer.step()
    assert w.tolist() == [0.0]
