"""Traced functions: when they are traced, what a trace depends on, what they warn of."""

from __future__ import annotations

import copy
import gc
import warnings

import numpy as np
import pytest

import dlgraph as dg

RNG = np.random.default_rng(0)


def normal(*shape):
    return RNG.normal(size=shape)


def test_function_traces_once_per_shape_and_says_why():
    @dg.function
    def double(x, times=2):
        return x * times

    one = dg.Tensor([1.0, 2.0])
    assert double(one).tolist() == double(one).tolist() == [2, 4]
    double(dg.Tensor([1.0]))
    double(one, times=3)
    lines = double.report().splitlines()
    assert lines[0] == "double: 3 traces"
    assert lines[1].endswith("first call")
    assert "(2,) float32 -> (1,) float32" in lines[2]
    assert "Python argument" in lines[3]


def input_names(function):
    return [function.graph.records[i].name for i in function.graph.inputs]


def test_inputs_of_a_traced_function_are_called_as_its_parameters():
    one, two = dg.Tensor(1.0), dg.Tensor(2.0)

    @dg.function
    def area(width, height):
        return width * height

    area(one, two)
    assert input_names(area) == ["width", "height"]
    assert "width * height" in str(area.graph)
    area(height=np.ones(3, np.float32), width=one)
    assert sorted(input_names(area)) == ["height", "width"]

    @dg.function
    def mixed(xs, xs_0, k, *more, **options):
        return xs[0] * xs[1] + xs_0 * k + more[0] + options["not a name"]

    assert mixed([one, two], one, 3, two, **{"not a name": one}).item() == 8.0
    assert input_names(mixed) == ["xs_0", "xs_1", "xs_0_1", "more_0", "options_0"]
    with pytest.raises(TypeError, match="missing 1 required positional argument: 'height'"):
        area(one)


def test_input_spec_serves_all_batches():
    @dg.function(input_spec=[((None, 3), "float32")])
    def total(x):
        return x.sum(0)

    for n in (1, 4, 2):
        assert total(np.ones((n, 3), "float32")).tolist() == [n] * 3
    assert len(total.traces) == 1
    with pytest.raises(dg.errors.ShapeError, match="input_spec says"):
        total(np.ones((2, 4), "float32"))


def test_function_gradients_dropout_and_modes():
    net = dg.nn.Sequential(dg.nn.Linear(3, 4), dg.nn.Dropout(0.5), dg.nn.Linear(4, 2))
    traced = dg.function(lambda x: net(x).tanh())
    x = dg.Tensor(normal(5, 3).astype("float32"), requires_grad=True)
    state = net.layers[1].rng.state()
    traced(x).sum().backward()
    found = [p.grad.numpy() for p in (x, *net.parameters())]
    net.zero_grad()
    x.grad = None
    net.layers[1].rng.restore(state)
    net(x).tanh().sum().backward()
    for a, b in zip(found, [p.grad.numpy() for p in (x, *net.parameters())], strict=True):
        assert np.allclose(a, b, atol=1e-6)
    net.eval()
    assert np.array_equal(traced(x).numpy(), net(x).tanh().numpy())


def test_changed_captures_are_noticed():
    factors = [2.0]
    traced = dg.function(lambda x: x * factors[0] * len(factors))
    x = dg.Tensor(1.0)
    assert traced(x).item() == 2.0
    factors.append(0.0)
    assert traced(x).item() == 4.0
    assert "captured factors" in traced.traces[-1].reason


def test_changed_sets_are_noticed():
    skipped, model = {"a", "b"}, dg.nn.ReLU()
    traced = dg.function(lambda x: x * len(skipped) if model in chosen else x)
    chosen = {model}
    x = dg.Tensor(3.0)
    assert traced(x).item() == traced(x).item() == 6.0 and len(traced.traces) == 1
    skipped.add("c")
    assert traced(x).item() == 9.0 and traced.traces[-1].reason.endswith("set of 2 -> set of 3")
    chosen.clear()
    assert traced(x).item() == 3.0 and len(traced.traces) == 3


@pytest.mark.parametrize(
    "make",
    [lambda n: slice(0, n), range, lambda n: complex(n, 1), lambda n: bytes([n]),
     lambda n: frozenset([n, "a"]), lambda n: (slice(n), {range(n)})],
)  # fmt: skip
def test_equal_arguments_need_no_new_trace_and_others_do(make):
    traced, x = dg.function(lambda x, given: x * 1.0), dg.Tensor(1.0)
    for n in (1, 1, 2, 2, 1):
        traced(x, make(n))
    assert len(traced.traces) == 2


SCALE = [2.0]


def scaled_twice(x):
    return scaled_once(scaled_once(x))


def scaled_once(x):
    return x * SCALE[0] if x.ndim == 0 else scaled_twice(x.sum())  # they call each other


def test_what_called_functions_take_from_outside_is_noticed(monkeypatch):
    inner = dg.function(scaled_twice)
    traced, x = dg.function(lambda x: inner(x) + scaled_once(x)), dg.Tensor(1.0)
    assert traced(x).item() == 6.0
    monkeypatch.setitem(globals(), "SCALE", [3.0])
    assert traced(x).item() == 12.0
    assert "SCALE" in traced.traces[-1].reason and len(traced.traces) == 2


def test_captured_tensors_are_not_frozen():
    weight, offset = dg.Parameter(2.0), dg.Tensor(1.0)
    traced = dg.function(lambda x: x * weight + offset)
    assert traced(dg.Tensor(3.0)).item() == 7.0
    weight.assign(10.0)
    offset.assign(0.0)
    assert traced(dg.Tensor(3.0)).item() == 30.0 and len(traced.traces) == 1


def test_traps_are_warned_of_with_the_line():
    kept = []

    def noisy(x):
        kept.append(x * 2)
        print("tracing")
        return x + 1

    with pytest.warns(dg.errors.TraceWarning) as found:
        dg.function(noisy)(dg.Tensor(1.0))
    texts = [str(w.message) for w in found]
    assert any("print runs only" in t and 'print("tracing")' in t for t in texts)
    assert any("kept outside" in t and "kept.append(x * 2)" in t for t in texts)


def test_branch_on_a_value_is_an_error_with_the_line():
    def absolute(x):
        if x > 0:
            return x
        return -x

    with pytest.raises(dg.errors.SymbolicValueError) as caught:
        dg.function(absolute)(dg.Tensor(1.0))
    assert "if x > 0:" in str(caught.value)


def test_many_traces_warn_once():
    traced = dg.function(lambda x, k: x * k)
    with pytest.warns(dg.errors.RetraceWarning, match="traced 5 times"):
        for k in range(5):
            traced(dg.Tensor(1.0), k)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        traced(dg.Tensor(1.0), 9)


def test_a_traced_method_and_use_inside_a_graph():
    class Scale:
        factor = 3.0

        @dg.function
        def apply(self, x):
            return x * self.factor

    assert Scale().apply(dg.Tensor(2.0)).item() == 6.0
    with dg.Graph().as_default() as graph:
        x = dg.placeholder(())
        y = Scale().apply(x)
    assert dg.Session(graph).run(y, {x: 2.0}) == 6.0


def test_the_form_of_the_arguments_is_part_of_a_trace():
    @dg.function
    def named(x, a=0, b=0):
        return x + a * 10 + b * 100

    x, y = dg.Tensor(5.0), dg.Tensor(2.0)
    calls = [((x,), {"a": 1}), ((x,), {"b": 1}), ((x, 1), {}), ((x, 0, 1), {})]
    assert [named(*args, **more).item() for args, more in calls] == [15.0, 105.0, 15.0, 105.0]
    assert [named(*args, **more).item() for args, more in calls] == [15.0, 105.0, 15.0, 105.0]
    assert len(named.traces) == 4
    assert "form of the arguments" in named.traces[1].reason

    @dg.function
    def difference(pair):
        return pair["a"] - pair["b"] if isinstance(pair, dict) else pair[0] + pair[1]

    pairs = [{"a": x, "b": y}, {"b": x, "a": y}, [x, y], (x, y)]
    assert [difference(pair).item() for pair in pairs] == [3.0, -3.0, 7.0, 7.0]


# ---- which object it is --------------------------------------------------------------------------


class Scale(dg.nn.Module):
    def __init__(self, factor):
        super().__init__()
        self.factor = dg.Parameter(factor)
        self.drop = dg.nn.Dropout(0.9, rng=dg.Stream(0))

    @dg.function
    def forward(self, x):
        return self.drop(x) * self.factor


def scaled(factor):
    model = Scale(factor)
    model.eval()
    return model(dg.Tensor(1.0)).item()


def test_a_new_object_at_the_address_of_an_old_one_is_another():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", dg.errors.RetraceWarning)
        assert [scaled(factor) for factor in (1.0, 2.0, 3.0)] == [1.0, 2.0, 3.0]


def test_a_large_array_in_the_place_of_an_old_one_is_another():
    table = [None]
    traced = dg.function(lambda x: x + table[0][0])
    found = []
    for k in range(3):
        table[0] = None
        table[0] = np.full(5000, k, np.float32)
        found.append(traced(dg.Tensor(1.0)).item())
    assert found == [1.0, 2.0, 3.0]


def test_objects_that_cannot_be_referred_to_weakly_are_told_apart():
    class Narrow:
        __slots__ = ("factor",)

        def __init__(self, factor):
            self.factor = factor

    traced = dg.function(lambda x, narrow: x * narrow.factor)
    two = Narrow(2.0)
    found = [traced(dg.Tensor(1.0), one).item() for one in (two, Narrow(3.0), two)]
    assert found == [2.0, 3.0, 2.0] and len(traced.traces) == 2


def test_a_method_as_argument_needs_no_new_trace():
    model = Scale(2.0)
    traced = dg.function(lambda x, f: f(x))
    for _ in range(3):
        traced(dg.Tensor(1.0), model.drop.forward)
    assert len(traced.traces) == 1
    model.eval()
    assert traced(dg.Tensor(1.0), model.drop.forward).item() == 1.0 and len(traced.traces) == 2


def test_a_traced_bound_method_notices_the_mode_of_its_module():
    model = Scale(2.0)
    traced = dg.function(model.drop.forward)
    ones = dg.ones((100,))
    assert traced(ones).numpy().min() == 0.0
    model.eval()
    assert traced(ones).tolist() == [1.0] * 100


def test_a_trace_keeps_no_object_that_it_only_compares():
    class Options:
        factor = 2.0

    traced, options = dg.function(lambda x, options: x * options.factor), Options()
    traced(dg.Tensor(1.0), options)
    del options
    gc.collect()
    assert not any(isinstance(one, Options) for one in gc.get_objects())


@pytest.mark.parametrize("what", [dg.nn.Linear(2, 2), len, 3.0], ids=["module", "len", "number"])
def test_what_is_no_function_is_refused(what):
    with pytest.raises(dg.errors.OperationError, match="a Python function, not a"):
        dg.function(what)


def test_the_copy_of_a_model_traces_its_own_parameters():
    class Traced(dg.nn.Module):
        def __init__(self):
            self.factor = dg.Parameter(2.0)
            self.run = dg.function(self.scaled)

        def scaled(self, x):
            return x * self.factor

    model = Traced()
    assert model.run(dg.Tensor(1.0)).item() == 2.0
    other = copy.deepcopy(model)
    other.factor.assign(5.0)
    assert (model.run(dg.Tensor(1.0)).item(), other.run(dg.Tensor(1.0)).item()) == (2.0, 5.0)
    assert len(model.run.traces) == len(other.run.traces) == 1


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (5, "5 is no pair"),
        ([(2,)], r"\(2,\) is no pair"),
        ([(2, "float32")], "a shape is a tuple of sizes"),
        ([((2, 1.5), "float32")], "1.5 is not a size"),
        ([((2, -1), "float32")], "-1 is not a size"),
        ([((2,), "f99")], "'f99' is not an element type"),
    ],
)
def test_an_input_spec_that_is_none_is_told(spec, message):
    with pytest.raises(dg.errors.DlgraphError, match=message):
        dg.function(lambda x: x, input_spec=spec)
