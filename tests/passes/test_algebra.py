"""The table of rules: each does what it says, users add to it, and a rule that loops is named."""

from __future__ import annotations

import numpy as np
import pytest

import dlgraph as dg
from dlgraph.errors import GraphError, OperationError
from dlgraph.passes import RULES, Algebra, PassManager, Rule
from dlgraph.passes.patterns import compiled
from tests.passes.tools import kinds, normal, optimised, without

# A formula, and the operations that are left of it.
FORMULAS = {
    "x * 1": (lambda x: x * 1.0, ""),
    "1 * x": (lambda x: 1.0 * x, ""),
    "x / 1": (lambda x: x / 1.0, ""),
    "x - 0": (lambda x: x - 0.0, ""),
    "x + -0": (lambda x: x + -0.0, ""),
    "x + 0": (lambda x: x + 0.0, ""),
    "-(-x)": (lambda x: dg.negative(-x), ""),
    "relu(relu)": (lambda x: dg.relu(dg.relu(x)), "relu"),
    "abs(-x)": (lambda x: dg.absolute(-x), "absolute"),
    "a + (-b)": (lambda x: dg.tanh(x) + -dg.exp(x), "tanh exp subtract"),
    "max(x, x)": (lambda x: dg.maximum(x, x), ""),
    "where(c, x, x)": (lambda x: dg.where(x > 0.0, x, x), ""),
    "(x * a) * b": (lambda x: (x * 3.0) * 0.5, "multiply"),
    "(2 * x) / 4": (lambda x: (2.0 * x) / 4.0, "multiply"),
    "x / a": (lambda x: x / 3.0, "multiply"),
    "log(exp(x))": (lambda x: dg.log(dg.exp(x)), ""),
    "sqrt(x * x)": (lambda x: dg.sqrt(dg.square(x)), "absolute"),
    "log(1 + x)": (lambda x: dg.log(1.0 + dg.exp(-x)), "negative softplus"),
    "exp(x) - 1": (lambda x: dg.exp(x) - 1.0, "expm1"),
    "sigmoid": (lambda x: 1.0 / (1.0 + dg.exp(-x)), "sigmoid"),
    "log(sigmoid)": (lambda x: dg.log(dg.sigmoid(x)), "negative softplus negative"),
    "log(softmax)": (lambda x: dg.log(dg.softmax(x)), "log_softmax"),
    "log(sum(exp))": (lambda x: dg.log(dg.sum(dg.exp(x), axis=1)), "logsumexp"),
    "softmax": (
        lambda x: dg.exp(x) / dg.sum(dg.exp(x), axis=1, keepdims=True),
        "softmax",
    ),
    "transposes": (lambda x: dg.tanh(x.T.T), "tanh"),
    "reshapes": (lambda x: dg.tanh(x.reshape(-1).reshape(2, 3)), "tanh"),
    "slice of all": (lambda x: dg.tanh(x[:, :]), "tanh"),
    "identity": (lambda x: dg.tanh(dg.identity(dg.stop_gradient(x))), "tanh"),
}


def build(formula):
    with dg.Graph().as_default() as graph:
        x = dg.placeholder((2, 3), name="x")
        y = formula(x)
    return graph, y, {x: normal(2, 3)}


@pytest.mark.parametrize("name", FORMULAS)
def test_formulas_are_simplified(name):
    formula, left = FORMULAS[name]
    graph, y, feed = build(formula)
    found = optimised(graph, y, feed, exact=False)
    operations = [k for k in kinds(found).elements() if k not in ("placeholder", "constant")]
    assert sorted(operations) == sorted(left.split())
    plain = without("algebra", exact=False).run(graph, y, feed)
    assert kinds(plain) != kinds(found)


@pytest.mark.parametrize("one", [r for r in RULES if r.exact], ids=lambda r: r.name)
def test_exact_rules_keep_every_bit_of_difficult_numbers(one):
    values = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, 1e-40, 3e38, -1.5], np.float32)
    for formula, _ in FORMULAS.values():
        with dg.Graph().as_default() as graph:
            x = dg.placeholder((2, 4), name="x")
            try:
                y = formula(x)
            except dg.errors.DlgraphError:
                continue
        manager = PassManager(passes=[Algebra([one])], exact=True, check=True)
        manager.run(graph, y, {x: values.reshape(2, 4)})


def test_nothing_that_rounds_is_rewritten_when_bits_count():
    for name in ("x + 0", "x / a", "log(exp(x))", "sigmoid", "softmax"):
        graph, y, feed = build(FORMULAS[name][0])
        assert "replaced" not in optimised(graph, y, feed, exact=True).report


@pytest.mark.parametrize("formula", [one for one, _ in FORMULAS.values()] + [lambda x: x - x])
def test_no_rule_hides_a_nan(formula):
    graph, y, _ = build(formula)
    hidden = np.array([[0.5, np.nan, 2.0], [1.0, 0.25, np.nan]], np.float32)
    found = PassManager(exact=False).run(graph, y, ["x"])
    value = dg.Program(found.graph, found.fetches, found.feeds).run([hidden])[0]
    wanted = dg.Session(graph, "interpreter", level=0).run(y, {"x": hidden})
    np.testing.assert_array_equal(np.isnan(value), np.isnan(wanted))
    assert np.isnan(value).any()


def test_a_stabilised_formula_survives_large_numbers():
    graph, y, _ = build(FORMULAS["softmax"][0])
    found = PassManager(exact=False).run(graph, y, ["x"])
    large = np.array([[1000.0, 0.0, 0.0]] * 2, np.float32)
    value = dg.Program(found.graph, found.fetches, found.feeds).run([large])[0]
    np.testing.assert_array_equal(value[0], [1, 0, 0])


def test_a_result_of_another_shape_is_not_put_in():
    with dg.Graph().as_default() as graph:
        x = dg.placeholder((3,), name="x")
        y = x * dg.constant(np.ones((2, 1), np.float32))
    assert kinds(optimised(graph, y, [x], exact=False))["multiply"] == 1


def test_users_add_rules_with_conditions():
    squares = dg.passes.rule(
        lambda x: x * x, lambda x: dg.square(x), where=lambda x: x.shape == (2, 3), exact=True
    )
    try:
        graph, y, feed = build(lambda x: x * x + dg.sum(x * x) + dg.sum(x[0] * x[0]))
        found = optimised(graph, y, feed)
        assert kinds(found)["square"] == 1 and kinds(found)["multiply"] == 1
        assert "x * x -> x²" in found.report or squares.name in found.report
    finally:
        RULES.remove(squares)


def test_a_rule_that_loops_is_named_with_the_line():
    swap = compiled(lambda a, b: a - b, lambda a, b: -(b - a))
    graph, y, feed = build(lambda x: x - dg.exp(x))
    with pytest.raises(GraphError) as caught:
        PassManager(passes=[Algebra([swap])], exact=False).run(graph, y, feed)
    assert "never ends" in str(caught.value) and "a - b -> -(b - a)" in str(caught.value)
    assert "x - dg.exp(x)" in str(caught.value)


def test_a_rule_that_lies_is_found_by_checking():
    lie = compiled(lambda x: dg.tanh(x), lambda x: x * 0.9, exact=True)
    graph, y, feed = build(dg.tanh)
    with pytest.raises(GraphError, match="'algebra' changed the value of 'tanh'"):
        PassManager(passes=[Algebra([lie])], check=True).run(graph, y, feed)


def test_a_rule_with_different_variables_is_refused():
    with pytest.raises(OperationError, match="pattern is a function of"):
        dg.passes.rule(lambda x: dg.exp(x), lambda x, y: x)
    with pytest.raises(OperationError, match="at least one operation"):
        dg.passes.rule(lambda x: x, lambda x: x)


def test_a_rule_may_be_a_function():
    def halved(edit, index):
        return edit.records[index].inputs[0]

    graph, y, feed = build(dg.tanh)
    found = PassManager(passes=[Algebra([Rule("drop", "tanh", halved)])], exact=False).run(
        graph, y, feed
    )
    assert kinds(found) == {"placeholder": 1}
