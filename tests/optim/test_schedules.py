"""Schedules: the formulas, and that both modes see the learning rate."""

import math

import pytest

import dlgraph as dg
from dlgraph.errors import OperationError


def test_formulas():
    assert dg.optim.step_decay(3, 0.5)(8) == 0.25
    assert dg.optim.exponential(0.9)(5) == 0.9**5
    cosine = dg.optim.cosine(10, floor=0.2)
    assert [cosine(0), cosine(10), cosine(99)] == [1.0, 0.2, 0.2]
    assert cosine(3) == pytest.approx(0.2 + 0.8 * (1 + math.cos(0.3 * math.pi)) / 2)
    warm = dg.optim.linear_warmup(4, start=0.2)
    assert [warm(0), warm(2), warm(4), warm(9)] == pytest.approx([0.2, 0.6, 1.0, 1.0])
    parts = dg.optim.sequence(
        dg.optim.linear_warmup(2), dg.optim.constant(0.5), dg.optim.exponential(0.1), at=[2, 5]
    )
    assert [parts(t) for t in range(7)] == pytest.approx([0, 0.5, 0.5, 0.5, 0.5, 1.0, 0.1])
    both = dg.optim.product(warm, dg.optim.step_decay(2, 0.5))
    assert both(2) == pytest.approx(0.6 * 0.5)


@pytest.mark.parametrize("mode", ["eager", "graph"])
def test_both_modes_follow(mode):
    w = dg.Parameter(0.0, name="w")
    optimizer = dg.optim.SGD([w], lr=1.0)
    schedule = dg.optim.Schedule(optimizer, lambda step: [1.0, 0.5, 0.25, 0.0][step])
    session = update = None
    if mode == "graph":
        with dg.Graph().as_default() as graph:
            update = optimizer.minimize(-1.0 * dg.variable(w))
        session = dg.Session(graph)
    found = []
    for _ in range(3):
        if session is not None:
            session.run(update)
        else:
            optimizer.zero_grad()
            (-1.0 * w).backward()
            optimizer.step()
        schedule.step()
        found.append(w.item())
    assert found == [1.0, 1.5, 1.75]
    assert optimizer.lr == 0.0


def test_every_group_keeps_its_ratio_and_the_state_comes_back():
    a, b = dg.Parameter(0.0), dg.Parameter(0.0)
    optimizer = dg.optim.SGD([{"parameters": [a], "lr": 2.0}, {"parameters": [b]}], lr=1.0)
    schedule = dg.optim.Schedule(optimizer, dg.optim.exponential(0.5))
    schedule.step()
    assert [group.lr for group in optimizer.groups] == [1.0, 0.5]
    state = schedule.state_dict()
    schedule.step()
    optimizer.lr = 7.0
    schedule.load_state_dict(state)
    assert [group.lr for group in optimizer.groups] == [1.0, 0.5]
    assert repr(schedule) == "Schedule(step 1, lr=1)"


def test_the_first_factor_counts_at_once():
    optimizer = dg.optim.SGD([dg.Parameter(0.0)], lr=1.0)
    dg.optim.Schedule(optimizer, dg.optim.linear_warmup(4, start=0.25))
    assert optimizer.lr == 0.25


def test_wrong_schedules():
    optimizer = dg.optim.SGD([dg.Parameter(0.0)], lr=1.0)
    with pytest.raises(OperationError, match="a function of the step"):
        dg.optim.Schedule(optimizer, 0.5)
    with pytest.raises(OperationError, match="factor of step 0 is -1"):
        dg.optim.Schedule(optimizer, lambda step: -1)
    assert optimizer.lr == 1.0
    for make in (dg.optim.step_decay, dg.optim.cosine, dg.optim.linear_warmup):
        with pytest.raises(OperationError, match="a whole number of at least 1"):
            make(0)
    with pytest.raises(OperationError, match="2 parts need 1 increasing"):
        dg.optim.sequence(dg.optim.constant(), dg.optim.constant(), at=[])
    with pytest.raises(OperationError, match="increasing"):
        dg.optim.sequence(dg.optim.constant(), dg.optim.constant(), at=[0])
    schedule = dg.optim.Schedule(optimizer, dg.optim.constant())
    for state in ({}, {"count": 1.5, "first": [1.0]}, {"count": 0, "first": [-1.0]}, 3):
        with pytest.raises(OperationError, match=r"Schedule\.load_state_dict"):
            schedule.load_state_dict(state)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (
            lambda o: dg.optim.Schedule(0.1, lambda t: 1.0),
            "first argument is the optimizer, not 0.1",
        ),
        (lambda o: dg.optim.Schedule(dg.optim.cosine(3), o), "first argument is the optimizer"),
        (lambda o: dg.optim.Schedule(o, 0.5), "the factor is a function"),
        (lambda o: dg.optim.Schedule(o, lambda t: True), "factor of step 0 is True"),
        (lambda o: dg.optim.constant("a"), r"constant\(factor='a'\): a number"),
        (lambda o: dg.optim.exponential("a"), r"exponential\(factor='a'\): a number"),
        (lambda o: dg.optim.step_decay(2, None), r"step_decay\(factor=None\): a number"),
        (lambda o: dg.optim.cosine(3, floor="a"), r"cosine\(floor='a'\): a number"),
        (lambda o: dg.optim.linear_warmup(3, start=-1), r"linear_warmup\(start=-1\): a number"),
        (lambda o: dg.optim.sequence(dg.optim.cosine(1), 3, at=[1]), "sequence: a part is a func"),
        (lambda o: dg.optim.sequence(dg.optim.cosine(1), at=3), "not at=3"),
        (lambda o: dg.optim.sequence(dg.optim.cosine(1), dg.optim.cosine(1), at="a"), "not at='a'"),
        (lambda o: dg.optim.product(dg.optim.cosine(1), 3), "product: a part is a function"),
    ],
)
def test_what_makes_no_schedule_is_refused_at_once(make, words):
    with pytest.raises(OperationError, match=words):
        make(dg.optim.SGD([dg.Parameter(1.0)]))
