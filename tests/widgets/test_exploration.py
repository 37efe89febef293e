"""The conversation behind `dg.explore`: every message has an answer, and no answer is wrong."""

import json

import numpy as np
import pytest

import dlgraph as dg
from dlgraph.draw.text import text_width
from dlgraph.errors import BackwardError, DtypeError, OperationError
from dlgraph.widgets.exploration import Exploration
from dlgraph.widgets.sliders import slider_range
from dlgraph.widgets.texts import boxes_of


def line():
    a = dg.Tensor(4.0, requires_grad=True, name="a")
    b = dg.Tensor(5.0, requires_grad=True, name="b")
    return Exploration(2 * a + 3 * b)


def network():
    rng = np.random.default_rng(0)
    x = dg.Tensor(rng.normal(size=(6, 5)).astype("float32"), name="x")
    w = dg.Tensor(rng.normal(size=(5, 3)).astype("float32"), requires_grad=True, name="w")
    return Exploration(dg.tanh(x @ w).mean())


def ask(exploration, **message):
    """The answer, after the way that it takes to the browser: through JSON."""
    answer = exploration.answer(message)
    return json.loads(json.dumps(answer.content, allow_nan=False)), answer.buffers


def test_a_number_from_a_slider():
    exploration = line()
    content, buffers = ask(exploration, kind="set", node=0, value=2.5, seq=7)
    assert (content["kind"], content["seq"], content["number"]) == ("changed", 7, 1)
    assert content["moved"] == ["f0"] and content["again"] == [["f3", "f6"], []]
    assert content["texts"]["f0"]["tag"] == "= 2.5"
    assert content["texts"]["f6"]["detail"].endswith("= 20")
    assert content["facts"]["6"][3:5] == ["5 + 15 = 20", "20"]
    assert content["words"] == "computed again: 2 of 3 values, 0 of 5 gradients"
    assert content["array"] is None and buffers == ()


def test_nothing_is_no_input():
    with dg.Graph().as_default():
        y = 2 * dg.placeholder((), name="x")
    with pytest.raises(OperationError, match="no input called None"):
        Exploration(y, {"x": 1.0}).set(None, 2.0)


def test_only_texts_that_changed_are_sent():
    content, _ = ask(line(), kind="set", node=0, value=2.5)
    assert sorted(content["texts"]) == ["f0", "f3", "f6"]


def test_texts_are_those_of_a_fresh_drawing():
    """Whatever was changed on the way here, the boxes say what `dg.draw` would say."""
    exploration = line()
    told = {key: dict(row) for key, row in exploration.sent.items()}
    for value in (1.0, -3.0, 0.125):
        for key, row in ask(exploration, kind="set", node=1, value=value)[0]["texts"].items():
            told[key].update(row)
    for box in boxes_of(exploration.picture()):
        assert told[box.key]["tag"] == box.tag and told[box.key]["detail"] == box.detail


def test_a_number_is_never_cut_in_the_middle():
    a = dg.Tensor([1.0, 2.0, 3.0], requires_grad=True, name="a")
    exploration = Exploration((a * a).sum())
    places = {p.box.key: p.box for p in exploration.layout.boxes}
    for value in ([1e-7, -2.345e-12, 1.234e-9], [1e6, -123456.0, 0.001234]):
        exploration.set("a", value)
        for key, row in exploration.sent.items():
            assert text_width(row["detail"], 12) <= places[key].width
            for text in (row["detail"], row["tag"]):
                numbers = text.rpartition("= ")[2]
                if numbers.startswith("[") and numbers != "[…]":
                    assert "…" not in numbers


def test_one_element_of_what_is_selected():
    exploration = network()
    first, buffers = ask(exploration, kind="select", key="f0")
    assert first["selected"] == "f0" and first["array"]["editable"]
    x = exploration.live.value(0)
    assert np.frombuffer(buffers[1], "<f8").tolist() == x.ravel().tolist()
    assert len(buffers[0]) == 3 * x.size
    _, buffers = ask(exploration, kind="set", node=0, value=9, at=[2, 3])
    assert np.frombuffer(buffers[1], "<f8").reshape(6, 5)[2, 3] == 9.0
    assert exploration.selected_array()[2, 3] == 9.0 and x[2, 3] != 9.0


def test_a_gradient_is_selected_and_cannot_be_edited():
    exploration = network()
    content, _ = ask(exploration, kind="select", key="b1")
    assert content["selected"] == "b1" and not content["array"]["editable"]
    assert np.array_equal(exploration.selected_array(), exploration.live.gradient(1))


def test_what_has_no_cells_is_selected_all_the_same():
    x = dg.Tensor(np.ones((1, 2, 1, 2, 2)), requires_grad=True, name="x")
    exploration = Exploration((x * 2).sum())
    content, buffers = ask(exploration, kind="select", key="f0")
    assert content["array"] is None and content["selected"] == "f0" and buffers == ()
    assert exploration.selected_array().shape == (1, 2, 1, 2, 2)


def test_a_mistake_comes_back_in_words_and_nothing_has_changed():
    exploration = line()
    for value, words in (
        ("2,5", "'2,5' is not a number; write decimals with a point: 2.5"),
        ("[1, 2]", "shape"),
        (1e300, "too large for float32"),
        (None, "a number or text"),
        ([1], "a number or text"),
        (True, "a number or text"),
    ):
        content, _ = ask(exploration, kind="set", node=0, value=value)
        assert content["kind"] == "refused" and words in content["words"]
        assert content["leaves"][0]["value"] == 4.0
    assert exploration.number == 0


@pytest.mark.parametrize(
    "message",
    [
        *(None, 3, "set", [], {}, {"kind": "unknown"}, {"kind": ["set"]}, {"seq": "1"}),
        *({"kind": "set"}, {"kind": "set", "node": "0", "value": 1}, {"kind": "set", "node": 99}),
        *({"kind": "set", "node": 6, "value": 1.0}, {"kind": "set", "node": -1, "value": 1.0}),
        *({"kind": "set", "node": 0, "value": 1.0, "at": "x"},),
        *({"kind": "set", "node": 0, "value": 1.0, "at": [0]},),
        *({"kind": "set", "node": True, "value": 1.0}, {"kind": "set", "node": 0.0, "value": 1.0}),
        *({"kind": "select"}, {"kind": "select", "key": "f999"}, {"kind": "select", "key": 3}),
        *({"kind": "select", "key": "g0"}, {"kind": "select", "key": "f0; drop"}),
        {"kind": "select", "key": "f" + "9" * 5_000},
    ],
)
def test_a_message_that_makes_no_sense_does_no_harm(message):
    exploration = line()
    before = dict(exploration.live.values)
    content = exploration.answer(message).content
    assert content["kind"] in ("state", "refused", "selected") and content["selected"] is None
    assert exploration.live.values == before


def test_a_view_that_comes_later_is_told_everything():
    exploration = line()
    exploration.set("a", 1.0)
    content, _ = ask(exploration, kind="hello", seq=5)
    assert content["kind"] == "state" and content["seq"] == 5
    assert content["texts"] == exploration.sent and content["leaves"][0]["value"] == 1.0
    assert exploration.number == 1


def test_the_payload_shows_the_values_at_the_beginning():
    payload = json.loads(json.dumps(line().payload()))
    boxes = {row[0]: row for row in payload["layout"][5]}
    assert boxes["f0"][7] == "= 4" and boxes["f6"][8].endswith("= 23")
    assert [leaf["name"] for leaf in payload["leaves"]] == ["a", "b"]
    assert payload["text"].endswith("-> 23; gradients: a 2, b 3")


def test_an_input_without_a_slider_gets_one_when_it_is_selected():
    leaves = [dg.Tensor(float(k), requires_grad=True, name=f"x{k}") for k in range(12)]
    exploration = Exploration(dg.stack(leaves).sum())
    assert len(exploration.payload()["leaves"]) == 8
    content, _ = ask(exploration, kind="select", key=f"f{exploration.find('x11')}")
    assert [leaf["name"] for leaf in content["leaves"]][8:] == ["x11"]


def test_floats_are_said_as_short_as_they_are():
    a = dg.Tensor(0.1, requires_grad=True, name="a")
    assert Exploration(a * 2).leaf(0)["value"] == 0.1


def test_inputs_are_found_by_name_tensor_and_node():
    a = dg.Tensor(4.0, requires_grad=True, name="a")
    exploration = Exploration(a * 2)
    assert exploration.find("a") == exploration.find(a) == 0
    with pytest.raises(OperationError, match="no input called 'b'") as caught:
        exploration.find("b")
    assert caught.value.hint == "the inputs are 'a'"
    with dg.Graph().as_default():
        x = dg.placeholder((), name="x")
        y = x * 2
    graph = Exploration(y, {x: 1.0})
    assert graph.find(x) == graph.find("x") == x.index


def test_gradients_of_an_earlier_backward_are_not_mixed_in():
    a = dg.Tensor(3.0, requires_grad=True, name="a")
    y = a * a
    y.backward(retain_graph=True)
    y.backward(retain_graph=True)  # accumulates: a.grad is 12
    assert "gradients: a 6" in str(Exploration(y).figure())


def test_what_cannot_be_explored():
    a = dg.Tensor(np.ones(10_000), requires_grad=True)
    y = (a * 2).sum()
    y.backward()
    with pytest.raises(BackwardError, match="was let go by backward"):
        Exploration(y)
    with pytest.raises(OperationError, match="not computed from anything"):
        Exploration(dg.Tensor(1.0))
    with pytest.raises(OperationError, match="list is not a computation"):
        Exploration([1.0])
    x = dg.Tensor(1.0, requires_grad=True)
    for _ in range(300):
        x = x * 1.5
    with pytest.raises(OperationError, match="boxes is too large to play with"):
        Exploration(x)


def test_whole_numbers_from_a_slider_stay_whole():
    w = dg.Tensor([1.0, 2.0, 4.0], requires_grad=True, name="w")
    k = dg.Tensor(1, name="k")
    exploration = Exploration(dg.take(w, k))
    node = exploration.find("k")
    assert exploration.leaf(node)["kind"] == "i"
    content, _ = ask(exploration, kind="set", node=node, value=2.0)
    assert content["kind"] == "changed" and exploration.live.value(node).dtype == np.int64
    with pytest.raises(DtypeError, match="whole numbers"):
        exploration.set("k", 1.5)
    content, _ = ask(exploration, kind="set", node=node, value=7)
    assert content["kind"] == "refused" and content["leaves"][0]["value"] == 2


def test_an_operation_of_ones_own_that_fails_is_told(registry):
    @dg.primitive(kind="elementwise", floating=True)
    def halved(xp, x):
        r"""Half of every number up to 5."""
        if xp.max(x) > 5:
            raise ValueError("at most 5, please")
        return 0.5 * x

    halved.vjp(x=lambda g, y: 0.5 * g)
    exploration = Exploration(halved(dg.Tensor(1.0, requires_grad=True, name="x")))
    content, _ = ask(exploration, kind="set", node=0, value=7.0, seq=3)
    assert (content["kind"], content["seq"]) == ("refused", 3)
    assert content["words"] == (
        "computing again failed with ValueError: at most 5, please; "
        "the last values stay as they were"
    )
    assert content["leaves"][0]["value"] == 1.0
    with pytest.raises(ValueError, match="at most 5"):
        exploration.set("x", 7.0)


@pytest.mark.parametrize("value", [0.0, 1.0, -0.02, 3e5, 1e-30, 7e30])
def test_sliders_hold_their_value_and_its_double(value):
    low, high, step = slider_range(np.float32(value))
    assert low == -high and abs(value) * 2 <= high * (1 + 1e-6) and 0 < step <= high / 50


def test_sliders_of_whole_numbers_stay_in_their_range():
    assert slider_range(np.uint8(3)) == [0, 10, 1]
    assert slider_range(np.int8(100)) == [-128, 127, 1]
    assert slider_range(np.bool_(True)) == [0, 1, 1]
