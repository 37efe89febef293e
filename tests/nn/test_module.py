"""Module: what is found inside, in which order, under which names; values in and out."""

from __future__ import annotations

import re
from operator import attrgetter

import numpy as np
import pytest

import dlgraph as dg
from dlgraph.core.names import MODELS_ELSEWHERE
from dlgraph.errors import (
    DtypeError,
    OperationError,
    ShapeError,
    UninitialisedError,
    UnknownNameError,
    UntrainedWarning,
)


class Tower(dg.nn.Module):
    """Parameters and modules directly, in a list, in a dictionary, nested."""

    def __init__(self):
        self.scale = dg.Parameter(2.0)
        self.first = dg.nn.Linear(2, 3)
        self.rest = [dg.nn.Linear(3, 3), (dg.nn.Linear(3, 3, bias=False),)]
        self.heads = {"a": dg.nn.Linear(3, 1), "b": dg.Parameter([1.0])}
        self.number = 7

    def forward(self, x):
        x = self.first(x)
        x = self.rest[1][0](self.rest[0](x))
        return self.heads["a"](x) * self.scale + self.heads["b"]


NAMES = [
    "scale",
    "heads.b",
    "first.weight",
    "first.bias",
    "rest.0.weight",
    "rest.0.bias",
    "rest.1.0.weight",
    "heads.a.weight",
    "heads.a.bias",
]


def test_parameters_are_found_in_attributes_lists_and_dictionaries_in_order():
    tower = Tower()
    assert [name for name, _ in tower.named_parameters()] == NAMES
    assert [p.name for p in tower.parameters()] == NAMES
    assert [name for name, _ in tower.named_modules()] == [
        "",
        "first",
        "rest.0",
        "rest.1.0",
        "heads.a",
    ]
    assert [name for name, _ in tower.children()] == ["first", "rest.0", "rest.1.0", "heads.a"]
    assert len(list(tower.modules())) == 5
    assert tower.parameter_count() == 1 + 1 + 9 + 12 + 9 + 4


def test_the_order_is_the_same_in_every_instance():
    assert [n for n, _ in Tower().named_parameters()] == [n for n, _ in Tower().named_parameters()]


def test_a_shared_parameter_or_module_counts_once():
    class Tied(dg.nn.Module):
        def __init__(self):
            self.encoder = dg.nn.Linear(3, 3)
            self.decoder = self.encoder
            self.extra = self.encoder.weight

    tied = Tied()
    assert [name for name, _ in tied.named_parameters()] == ["extra", "encoder.bias"]
    assert len(list(tied.modules())) == 2 and tied.parameter_count() == 12


def test_modules_that_hold_each_other_are_walked_once():
    a, b = dg.nn.Linear(1, 1), dg.nn.Linear(1, 1)
    a.partner, b.partner = b, a
    assert [name for name, _ in a.named_parameters()] == [
        "weight",
        "bias",
        "partner.weight",
        "partner.bias",
    ]


def test_frozen_parameters_are_listed_but_not_counted():
    layer = dg.nn.Linear(2, 2)
    layer.weight.requires_grad = False
    assert len(layer.parameters()) == 2 and layer.parameter_count() == 2


def test_names_are_given_from_the_inside_out_and_given_names_stay():
    class Inner(dg.nn.Module):
        def __init__(self):
            self.w = dg.Parameter(1.0)
            self.mine = dg.Parameter(1.0, name="my_own")

    class Outer(dg.nn.Module):
        def __init__(self):
            self.block = Inner()

    outer = Outer()
    assert [p.name for p in outer.parameters()] == ["block.w", "my_own"]
    assert [name for name, _ in outer.named_parameters()] == ["block.w", "block.mine"]


def test_a_layer_alone_has_short_names():
    assert [p.name for p in dg.nn.Linear(2, 2).parameters()] == ["weight", "bias"]


def test_train_and_eval_reach_every_module():
    tower = Tower()
    assert all(m.training for m in tower.modules())
    assert tower.eval() is tower and not any(m.training for m in tower.modules())
    assert tower.train() is tower and all(m.training for m in tower.modules())


def test_zero_grad_forgets_all_gradients():
    tower = Tower()
    tower(dg.Tensor([[1.0, 2.0]])).sum().backward()
    assert all(p.grad is not None for p in tower.parameters())
    tower.zero_grad()
    assert all(p.grad is None for p in tower.parameters())


def test_a_module_in_print():
    class Model(dg.nn.Module):
        def __init__(self):
            self.layers = [dg.nn.Linear(4, 3), dg.nn.Dropout(0.2)]
            self.head = dg.nn.Sequential(dg.nn.Linear(3, 2, bias=False), dg.nn.Tanh())

    assert repr(Model()).splitlines() == [
        "Model(",
        "  layers.0: Linear(4, 3)",
        "  layers.1: Dropout(0.2)",
        "  head: Sequential(",
        "    0: Linear(3, 2, bias=False)",
        "    1: Tanh()",
        "  )",
        ")",
    ]


def test_a_module_without_forward_says_so():
    class Empty(dg.nn.Module):
        def foward(self, x):
            return x

    with pytest.raises(OperationError, match="Empty has no method forward") as caught:
        Empty()(dg.Tensor(1.0))
    assert "def forward" in caught.value.hint


def test_forward_takes_options():
    class Scale(dg.nn.Module):
        def forward(self, x, *, by=1.0):
            return x * by

    assert Scale()(dg.Tensor(2.0), by=3.0).item() == 6.0


# ---- values


def test_state_is_copied_out_and_in():
    one, two = Tower(), Tower()
    state = one.state_dict()
    assert list(state) == NAMES
    two.load_state_dict(state)
    for name, parameter in two.named_parameters():
        np.testing.assert_array_equal(parameter.numpy(), state[name])
    state["scale"][...] = 99
    assert one.scale.item() == two.scale.item() == 2.0
    x = dg.Tensor([[1.0, 2.0]])
    assert one(x).tolist() == two(x).tolist()


def test_loading_keeps_the_parameters_themselves():
    tower = Tower()
    before = tower.parameters()
    tower.load_state_dict(Tower().state_dict())
    assert all(a is b for a, b in zip(before, tower.parameters(), strict=True))


@pytest.mark.parametrize(
    ("spoil", "error", "words"),
    [
        (lambda s: s.pop("scale"), OperationError, "missing scale"),
        (lambda s: s.update(other=1), OperationError, "not part of this model other"),
        (
            lambda s: s.update({"heads.a.bias": np.ones(2, np.float32)}),
            ShapeError,
            r"heads.a.bias is \(1,\) float32 here, \(2,\) float32 in the state",
        ),
        (
            lambda s: s.update({"heads.a.bias": np.ones(1)}),
            DtypeError,
            r"heads.a.bias is \(1,\) float32 here, \(1,\) float64 in the state",
        ),
        (
            lambda s: s.update({"heads.a.bias": np.array(["x"])}),
            DtypeError,
            "heads.a.bias is",
        ),
    ],
)
def test_a_state_that_does_not_fit_changes_nothing(spoil, error, words):
    tower, state = Tower(), Tower().state_dict()
    before = tower.state_dict()
    spoil(state)
    with pytest.raises(error, match=words):
        tower.load_state_dict(state)
    for name, value in tower.state_dict().items():
        np.testing.assert_array_equal(value, before[name])


def test_a_state_is_a_mapping():
    with pytest.raises(OperationError, match="not a list"):
        Tower().load_state_dict([1, 2])


def test_the_state_of_a_model_that_waits_for_its_startup():
    with dg.Graph().as_default():
        model = dg.nn.Sequential(dg.nn.Linear(2, 2))
    with pytest.raises(UninitialisedError, match=r"parameter '0\.weight' has no value yet"):
        model.state_dict()


# ---- both modes


def test_the_same_model_computes_and_builds():
    tower = Tower()
    x = np.array([[1.0, 2.0], [3.0, 4.0]], np.float32)
    with dg.Graph().as_default() as g:
        node = dg.placeholder((None, 2), name="x")
        y = tower(node)
    np.testing.assert_array_equal(dg.Session(g).run(y, {node: x}), tower(dg.Tensor(x)).numpy())
    assert y.name == "tower/add" and "tower/first/matmul" in [n.name for n in g.nodes]


# ---- mistakes


@pytest.mark.parametrize("make", [dg.Tensor, lambda x: x])
def test_a_forward_without_return_says_so(make):
    class Silent(dg.nn.Module):
        def forward(self, x):
            x * 2

    with pytest.raises(OperationError, match="forward of Silent returned None") as caught:
        Silent()(make(np.ones(2, np.float32)))
    assert "return" in caught.value.hint and caught.value.where.file == __file__
    with dg.Graph().as_default(), pytest.raises(OperationError, match="returned None"):
        Silent()(dg.placeholder((2,)))


@pytest.mark.parametrize("make", [dg.Tensor, np.array, list])
def test_a_parameter_is_not_replaced_by_what_is_not_trained(make):
    layer = dg.nn.Linear(2, 1)
    with pytest.raises(OperationError, match=r"Linear\.bias is a parameter") as caught:
        layer.bias = make([0.0])
    assert "bias.assign" in caught.value.hint
    assert isinstance(layer.bias, dg.Parameter) and len(layer.parameters()) == 2
    layer.bias = dg.Parameter([3.0])
    assert layer.bias.item() == 3.0 and layer.parameters()[1] is layer.bias
    layer.bias = None
    assert len(layer.parameters()) == 1


def test_a_method_is_called_and_not_set():
    model = dg.nn.Sequential(dg.nn.Dropout(0.5))
    with pytest.raises(OperationError, match=r"Sequential\.train is a method, False") as caught:
        model.train = False
    assert "model.eval()" in caught.value.hint
    assert model.eval().training is False
    model.forward = lambda x: x
    assert model(dg.Tensor(1.0)).item() == 1.0


def test_modules_that_know_each_other_are_shown_once():
    class Part(dg.nn.Module):
        pass

    outer, inner = Part(), Part()
    outer.layer, outer.inner, inner.outer = dg.nn.Linear(1, 2), inner, outer
    assert repr(outer).splitlines() == [
        "Part(",
        "  layer: Linear(1, 2)",
        "  inner: Part(",
        "    outer: ...",
        "  )",
        ")",
    ]
    outer.again = outer.layer  # twice is no ring
    assert repr(outer).count("Linear(1, 2)") == 2 and repr(outer).count("...") == 1


@pytest.mark.parametrize("inside", [lambda w: w, lambda w: [w], lambda w: {"a": (w,)}])
def test_a_weight_that_is_no_parameter_is_told(inside):
    class Net(dg.nn.Module):
        def __init__(self, w):
            self.b = dg.Parameter(0.0)
            self.w = inside(w)

    with pytest.warns(UntrainedWarning, match=r"Net\.w.* is no parameter") as found:
        net = Net(dg.Tensor([1.0], requires_grad=True))
    assert found[0].filename == __file__ and "dg.Parameter(values)" in str(found[0].message)
    assert [name for name, _ in net.named_parameters()] == ["b"]


def test_tensors_that_are_no_weights_are_kept_without_a_word(recwarn):
    class Net(dg.nn.Module):
        def __init__(self, w):
            self.w = w
            self.mean = dg.Tensor([1.0])  # needs no gradient
            self.state = w * 2  # was computed

    net = Net(dg.Parameter([1.0]))
    assert net.parameters() == [net.w] and not recwarn.list


def test_names_of_other_libraries_lead_to_ours():
    model = dg.nn.Sequential(dg.nn.Linear(2, 1))
    assert not [name for name in MODELS_ELSEWHERE if hasattr(model, name) or name in dir(model)]
    assert "parameters" in dir(model)
    for name, here in (("cuda", r'model\.to\("gpu"\)'), ("summary", r"print\(model\)")):
        with pytest.raises(UnknownNameError, match=f"here it is {here}"):
            getattr(model, name)
    places = {"model": model, "dg": dg, "loss": dg.Tensor, "optimizer": dg.optim.SGD}
    named = re.findall(
        r"\b(model|dg|loss|optimizer)\.([\w.]*\w)\(", " ".join(MODELS_ELSEWHERE.values())
    )
    assert len(named) > 20 and all(attrgetter(path)(places[place]) for place, path in named)


def test_names_of_other_libraries_are_free_for_what_a_model_has():
    class Model(dg.nn.Module):
        def __init__(self):
            self.weights = dg.Parameter([1.0])
            self.add = dg.nn.Linear(2, 1)

        def predict(self, x):
            return self.add(x)

    model = Model()
    assert model.weights.tolist() == [1.0] and model.predict(dg.Tensor([[1.0, 2.0]])).shape == (
        1,
        1,
    )
    assert {"weights", "add", "predict"} <= set(dir(model)) and "summary" not in dir(model)
    assert len(model.parameters()) == 3
