"""What all optimisers share: parameters, learning rate, state, refusals."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest

import dlgraph as dg
from dlgraph.core.names import OPTIMIZERS_ELSEWHERE
from dlgraph.errors import BackwardError, OperationError, UnknownNameError


def parameters(count=2):
    return [dg.Parameter([float(i + 1)], name=f"p{i}") for i in range(count)]


def test_only_parameters_with_a_gradient_are_updated():
    p, q = parameters()
    optimizer = dg.optim.SGD([p, q], lr=0.1)
    (p * 2).sum().backward()
    optimizer.step()
    assert p.tolist() == pytest.approx([0.8]) and q.tolist() == [2.0]


def test_frozen_and_repeated_parameters_are_left_out():
    p, q = parameters()
    q.requires_grad = False
    optimizer = dg.optim.SGD([p, q, p], lr=0.1)
    assert len(optimizer.parameters) == 1
    assert len(dg.optim.SGD(p).parameters) == 1  # one alone


def test_gradients_stay_until_they_are_forgotten():
    (p,) = parameters(1)
    optimizer = dg.optim.SGD([p], lr=0.1)
    (p * 2).sum().backward()
    optimizer.step()
    assert p.grad.tolist() == [2.0]
    optimizer.zero_grad()
    assert p.grad is None


def test_a_generator_of_parameters_is_read_once():
    model = dg.nn.Linear(2, 1)
    optimizer = dg.optim.SGD((p for p in model.parameters()), lr=0.1)
    for _ in range(2):
        optimizer.zero_grad()
        model(dg.Tensor([[1.0, 1.0]])).sum().backward()
        optimizer.step()
    np.testing.assert_allclose(model.bias.numpy(), [-0.2], rtol=1e-6)


def test_the_learning_rate_can_be_read_and_set():
    optimizer = dg.optim.SGD(parameters(), lr=0.5)
    assert optimizer.lr == 0.5 and repr(optimizer) == "SGD(2 parameters, lr=0.5)"
    optimizer.lr = 1
    assert optimizer.lr == 1.0 and type(optimizer.lr) is float
    optimizer.lr = 0
    assert repr(dg.optim.Adam()) == "Adam(all parameters, lr=0.001)"


def test_the_learning_rate_is_no_part_of_the_graph():
    w = dg.Parameter(1.0, name="w")
    optimizer = dg.optim.SGD([w], lr=0.5)
    with dg.Graph().as_default() as g:
        train = optimizer.minimize(dg.variable(w) * 1.0)
    before = g.structure_hash()
    session = dg.Session(g)
    optimizer.lr = 0.25
    session.run(train)
    optimizer.lr = 0.5
    session.run(train)
    assert w.item() == 0.25 and g.structure_hash() == before


def test_minimize_without_parameters_trains_all_that_the_loss_depends_on():
    p, q = parameters()
    with dg.Graph().as_default() as g:
        train = dg.optim.SGD(lr=0.1).minimize((dg.variable(p) * 3).sum())
        dg.variable(q)
    dg.Session(g).run(train)
    assert p.tolist() == pytest.approx([0.7]) and q.tolist() == [2.0]


def test_minimize_takes_its_own_choice_of_parameters():
    p, q = parameters()
    with dg.Graph().as_default() as g:
        loss = (dg.variable(p) * dg.variable(q)).sum()
        train = dg.optim.SGD([p, q], lr=0.1).minimize(loss, parameters=[q])
    dg.Session(g).run(train)
    assert p.tolist() == [1.0] and q.tolist() == pytest.approx([1.9])


def test_all_gradients_of_a_step_are_taken_before_any_update():
    p, q = parameters()
    with dg.Graph().as_default() as g:
        loss = (dg.variable(p) * dg.variable(q)).sum()
        train = dg.optim.SGD([p, q], lr=1.0).minimize(loss)
    dg.Session(g).run(train)
    assert (p.tolist(), q.tolist()) == ([-1.0], [1.0])


def test_the_update_is_written_into_the_graph():
    w = dg.Parameter([1.0], name="w")
    with dg.Graph().as_default() as g:
        loss = (dg.variable(w) ** 2).sum()
        train = dg.optim.SGD([w], lr=0.1, momentum=0.9).minimize(loss)  # the training line
    update = [n for n in g.nodes if n.role == "update"]
    assert train.name == "sgd/minimize" and train is update[-1]
    assert all(n.name.startswith("sgd/") for n in update)
    assert all("# the training line" in n.where.text for n in update)
    assert [n.name for n in g.nodes if n.primitive.name == "assign"] == [
        "sgd/w/assign",
        "sgd/w/assign_1",
    ]


def test_two_optimisers_keep_their_states_apart():
    (p,) = parameters(1)
    one, two = dg.optim.SGD([p], 0.1, momentum=0.9), dg.optim.SGD([p], 0.1, momentum=0.9)
    (p * 2).sum().backward()
    one.step()
    assert one.state_of(p)["velocity"].tolist() == [2.0]
    assert two.state_of(p)["velocity"].tolist() == [0.0]


# ---- refusals


def step_without_gradients():
    dg.optim.SGD(parameters(), lr=0.1).step()


def step_without_parameters():
    dg.optim.Adam().step()


def minimize_eagerly():
    dg.optim.SGD(parameters(), lr=0.1).minimize(dg.Tensor(1.0))


def minimize_something_else():
    with dg.Graph().as_default():
        dg.optim.SGD(parameters(), lr=0.1).minimize(dg.placeholder((), name="x") * 2)


def minimize_a_vector():
    (p,) = parameters(1)
    with dg.Graph().as_default():
        dg.optim.SGD([p], lr=0.1).minimize(dg.variable(p) * 2)


def train_a_result():
    dg.optim.SGD([parameters(1)[0] * 2], lr=0.1)


@pytest.mark.parametrize(
    ("act", "error", "words"),
    [
        (step_without_gradients, BackwardError, "none of the 2 parameters has a gradient"),
        (step_without_parameters, OperationError, r"Adam.step\(\) needs to know the parameters"),
        (minimize_eagerly, OperationError, "needs a graph node, not Tensor"),
        (minimize_something_else, BackwardError, "depends on none of the 2 parameters"),
        (minimize_a_vector, BackwardError, r"shape \(1,\): only a scalar"),
        (train_a_result, OperationError, "was computed, only leaves are trained"),
        (lambda: dg.optim.SGD(0.1), OperationError, "the first argument is the parameters"),
        (lambda: dg.optim.SGD([]), OperationError, "no parameters that require gradients"),
        (lambda: dg.optim.SGD([1.0]), OperationError, "a float is not a parameter"),
        (
            lambda: dg.optim.SGD(dg.nn.Linear(1, 1)),
            OperationError,
            "a Linear is not a sequence of parameters",
        ),
        (
            lambda: dg.optim.SGD(dg.nn.Linear(1, 1).named_parameters()),
            OperationError,
            "a tuple is not a parameter",
        ),
    ],
)
def test_what_cannot_be_trained_is_refused(act, error, words):
    with pytest.raises(error, match=words):
        act()


@pytest.mark.parametrize("lr", [-0.1, float("nan"), float("inf"), "0.1", None, 1j])
def test_a_learning_rate_is_a_number(lr):
    with pytest.raises(OperationError, match="a learning rate is a number of at least 0"):
        dg.optim.SGD(parameters(), lr=lr)
    optimizer = dg.optim.SGD(parameters(), lr=0.3)
    with pytest.raises(OperationError):
        optimizer.lr = lr
    assert optimizer.lr == 0.3


@pytest.mark.parametrize(
    "options",
    [
        {"momentum": 1.0},
        {"momentum": -0.1},
        {"momentum": "0.9"},
        {"momentum": float("nan")},
        {"weight_decay": -1},
        {"weight_decay": None},
        {"nesterov": True},
    ],
)
def test_settings_of_sgd_that_make_no_sense(options):
    with pytest.raises(OperationError, match=r"SGD\("):
        dg.optim.SGD(parameters(), lr=0.1, **options)


@pytest.mark.parametrize(
    "options",
    [
        {"betas": (0.9, 1.0)},
        {"betas": (-0.1, 0.9)},
        {"betas": 0.9},
        {"betas": (0.9,)},
        {"betas": ("0.9", 0.9)},
        {"epsilon": 0},
        {"epsilon": "1e-8"},
        {"weight_decay": -1},
    ],
)
def test_settings_of_adam_that_make_no_sense(options):
    with pytest.raises(OperationError, match=r"Adam\("):
        dg.optim.Adam(parameters(), **options)


def test_a_graph_whose_slots_were_not_initialised_says_so():
    w = dg.Parameter(1.0, name="w")
    with dg.Graph().as_default() as g:
        train = dg.optim.Adam([w]).minimize(dg.variable(w) ** 2)
    with pytest.raises(dg.errors.UninitialisedError) as caught:
        dg.Session(g).run(train)
    assert caught.value.node == "adam/w/mean" and "graph.startup" in caught.value.hint
    assert w.item() == 1.0


def test_a_step_that_failed_does_not_count():
    def trained(fail_first):
        w = dg.Parameter(1.0, name="w")
        with dg.Graph().as_default() as g:
            train = dg.optim.Adam([w], lr=0.1).minimize(dg.variable(w) ** 2)
        session = dg.Session(g)
        if fail_first:
            with pytest.raises(dg.errors.UninitialisedError):
                session.run(train)
        session.run(g.startup)
        for _ in range(3):
            session.run(train)
        return w.item()

    assert trained(fail_first=True) == trained(fail_first=False)


@pytest.mark.parametrize("make", [dg.optim.SGD, dg.optim.Adam, dg.optim.RMSprop, dg.optim.Adagrad])
def test_a_step_leaves_arrays_that_others_hold_as_they_were(make):
    w = dg.Parameter(np.arange(4, dtype="float32"))
    optimizer = make([w], lr=0.1)
    (w * w).sum().backward()
    held, before, slope = w.numpy(), w.tolist(), w.grad.tolist()
    optimizer.step()
    assert held.tolist() == before != w.tolist() and w.grad.tolist() == slope


COPIES = {
    "deepcopy": copy.deepcopy,
    "pickle": lambda both: pickle.loads(pickle.dumps(both)),
}


@pytest.mark.parametrize("kind", COPIES)
@pytest.mark.parametrize(
    "make",
    [
        lambda model: dg.optim.Adam(model.parameters(), lr=0.1),
        lambda model: dg.optim.SGD(
            [{"parameters": [model.bias], "lr": 0.5}, {"parameters": [model.weight]}],
            lr=0.1,
            momentum=0.9,
        ),
    ],
)
def test_a_copy_of_model_and_optimizer_goes_on_as_the_original(make, kind):
    def step(model, optimizer, factor):
        optimizer.zero_grad()
        (model(dg.Tensor([[1.0, 2.0]])) * factor).sum().backward()
        optimizer.step()

    model = dg.nn.Linear(2, 3)
    optimizer = make(model)
    step(model, optimizer, 5.0)
    other, its = COPIES[kind]((model, optimizer))
    held = its.state_of(other.weight)
    assert held and all(
        slot.tolist() == optimizer.state_of(model.weight)[name].tolist()
        for name, slot in held.items()
    )
    step(model, optimizer, -0.5)
    before = {name: slot.tolist() for name, slot in held.items()}
    assert before != {n: s.tolist() for n, s in optimizer.state_of(model.weight).items()}
    step(other, its, -0.5)
    assert its.state_dict()["slots"].keys() == optimizer.state_dict()["slots"].keys()
    for mine, theirs in zip(model.parameters(), other.parameters(), strict=True):
        np.testing.assert_array_equal(mine.numpy(), theirs.numpy())


def test_a_parameter_without_a_slot_has_none_in_a_copy():
    p, q = parameters()
    optimizer = dg.optim.Adam([p, q])
    (q * 2).sum().backward()
    optimizer.step()
    other = copy.deepcopy(optimizer)
    assert sorted(other.state_dict()["slots"]) == ["1.mean", "1.square"]


def test_names_of_other_libraries_lead_to_ours():
    optimizer = dg.optim.Adam(parameters(), lr=0.5)
    with pytest.raises(
        UnknownNameError, match=r"no attribute 'learning_rate'\n(.|\n)*here it is optimizer\.lr"
    ):
        optimizer.learning_rate = 3
    assert optimizer.lr == 0.5
    with pytest.raises(UnknownNameError, match=r"here it is optimizer\.groups"):
        _ = optimizer.param_groups
    assert not [n for n in OPTIMIZERS_ELSEWHERE if hasattr(optimizer, n) or n in dir(optimizer)]
    assert "lr" in dir(optimizer) and copy.deepcopy(optimizer).lr == 0.5
    assert optimizer.groups[0].lr == 0.5  # what the hint says


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("lr_", r"did you mean lr\?"),
        ("momentun", r"did you mean momentum\?"),
        ("momentum", r"when the optimiser is made: momentum="),
        ("anything", r"optimizer\.lr = 0\.01 can be set"),
    ],
)
def test_a_setting_that_nobody_would_read_is_refused(name, hint):
    optimizer = dg.optim.SGD(parameters(), lr=0.5)
    for owner in (optimizer, optimizer.groups[0]):
        with pytest.raises(UnknownNameError, match=rf"no attribute '{name}' to set(.|\n)*{hint}"):
            setattr(owner, name, 0.1)
        assert name not in vars(owner)
    optimizer.lr = 0.25
    optimizer.groups[0].lr = 0.125
    again = copy.deepcopy(optimizer)
    again.groups = optimizer.groups  # what is there may be replaced
    assert again.lr == 0.125


def test_an_optimiser_of_your_own_may_keep_what_it_likes():
    class Descent(dg.optim.Optimizer):
        def __init__(self, parameters, momentum=0.5):
            super().__init__(parameters, 0.1, momentum=momentum)
            self.momentum = momentum

        def rule(self, p, g, *, lr, momentum):
            return (p - lr * self.momentum * g,)

    p, _ = parameters()
    optimizer = Descent([p])
    optimizer.history = []
    (p * 2).sum().backward()
    optimizer.step()
    assert p.tolist() == pytest.approx([0.9]) and optimizer.history == []
