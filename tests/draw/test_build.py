"""dg.build: what both modes really do, line by line, and how it is told."""

import json
import sys
import xml.etree.ElementTree as ET

import numpy as np
import pytest

import dlgraph as dg
from dlgraph.draw.frames import drawn
from dlgraph.errors import GraphError, LabelError, OperationError, ShapeError, SymbolicValueError


def line(a, b):
    y = 2 * a + 3 * b
    return y


def choose(x):
    if x > 0:  # noqa: SIM108
        y = x * 2
    else:
        y = -x
    return y


WEIGHT = dg.Parameter([1.0, 2.0])


def with_outside(x):
    unused = x + 100  # noqa: F841
    print("x is", x)
    for _ in range(2):
        x = x * WEIGHT
    return x.sum()


def moments(figure, phase):
    return [moment for moment in figure.moments if moment.phase == phase]


# ---- both modes agree ----------------------------------------------------------------------------


def test_each_operation_is_a_moment_in_both_modes():
    figure = dg.build(line, 4.0, 5.0)
    told = [(m.line, m.eager.words, m.graph.words) for m in moments(figure, "build")]
    assert told == [
        (1, "computes 2·a = 8", "writes down 2·a (a scalar, no value)"),
        (1, "computes 3·b = 15", "writes down 3·b (a scalar, no value)"),
        (1, "computes y = 2·a + 3·b = 23", "writes down y = 2·a + 3·b (a scalar, no value)"),
        (2, "", ""),
    ]
    ran = [m.graph.words for m in moments(figure, "run")]
    assert ran == [
        "session.run is fed a = 4, b = 5",
        *("computes 2·a = 8", "computes 3·b = 15", "computes y = 2·a + 3·b = 23"),
    ]
    assert figure.moments[-1].eager.words == figure.moments[-1].graph.words == "returned 23"


def test_a_node_has_no_value_until_the_session_runs():
    figure = dg.build(line, 4.0, 5.0)
    built, run = ({}, {})
    for moment in figure.moments:
        (built if moment.phase in ("start", "build") else run).update(moment.graph.shown)
    assert built["f0"] == {"tag": ""} and run["f0"] == {"tag": "= 4"}
    assert built["f6"] == {"detail": "2·a + 3·b = ?"}
    assert run["f6"] == {"detail": "2·a + 3·b = 23"}


def test_the_recorded_values_are_those_of_the_modes_themselves():
    figure = dg.build(line, 4.0, 5.0)
    eager = line(dg.Tensor(4.0), dg.Tensor(5.0))
    with dg.Graph().as_default() as graph:
        a, b = dg.placeholder((), name="a"), dg.placeholder((), name="b")
        y = line(a, b)
    static = dg.Session(graph).run(y, {a: 4.0, b: 5.0})
    recording = figure.recording
    assert recording.eager.result[0].numpy() == eager.numpy()
    assert recording.values[recording.fetched[0]] == static
    assert recording.graph.graph.structure_hash() == graph.structure_hash()


def test_printing_loops_and_dead_code():
    figure = dg.build(with_outside, [3.0, 4.0])
    text = str(figure)
    assert "prints 'x is [3. 4.]'" in text
    assert "prints 'x is <Node x (2,) float32, not run yet>'" in text
    lines = [m.line for m in moments(figure, "build")]
    assert lines == [1, 2, 3, 4, 3, 4, 3, 5], "every turn of the loop is there"
    assert "never run, because the result does not need it: unused" in text
    assert "WEIGHT" in text, "values from outside are called as in the source"


def test_printing_does_not_come_out(capsys):
    dg.build(with_outside, [3.0, 4.0])
    assert capsys.readouterr().out == ""


def test_both_modes_draw_the_same_random_numbers_and_put_the_streams_back():
    layer = dg.nn.Dropout(0.5)

    def noisy(x):
        return layer(x)

    stream = dg.default_stream()
    before = stream.state()
    recording = dg.build(noisy, np.ones(8, np.float32)).recording
    np.testing.assert_array_equal(
        recording.eager.result[0].numpy(), recording.values[recording.fetched[0]]
    )
    assert stream.state() == before


def test_a_user_s_tensors_are_left_alone():
    x = dg.Tensor(3.0, requires_grad=True, name="mine")
    dg.build(choose, x)
    assert x.grad is None and x.name == "mine"


def test_a_call_of_a_traced_function_is_one_operation_in_eager_mode():
    @dg.function
    def inner(a):
        return a * 2 + 1

    def function(a):
        return inner(a) + inner(a)

    figure = dg.build(function, 2.0)
    computed = [m.eager.words for m in moments(figure, "build") if m.eager.shown]
    assert computed == ["computes inner (2 operations) = 5"] * 2 + ["computes add = 10"]
    assert figure.moments[-1].graph.words == "returned 10"


def test_a_function_that_watches_is_recorded_all_the_same():
    def function(x):
        with dg.watch(nan=True):
            y = x * 2
        return y + 1

    recording = dg.build(function, 3.0).recording
    names = [record.primitive.name for record in recording.eager.graph.records]
    assert names == ["placeholder", "constant", "multiply", "constant", "add"]


def test_gradients_inside_the_function_are_nodes_in_a_graph():
    def function(x):
        return dg.grad((x * x).sum(), x)

    figure = dg.build(function, dg.Tensor([1.0, 2.0], requires_grad=True))
    assert figure.moments[-1].eager.words == "returned [2, 4]"
    words = "returned [2, 4]; never run, because the result does not need it: sum(x·x)"
    assert figure.moments[-1].graph.words == words


def test_operations_without_gradients_and_detached_values_are_linked():
    def function(x):
        mask = x > 1
        return dg.where(mask, x.detach(), 0.0)

    figure = dg.build(function, [0.5, 2.0])
    records = figure.recording.eager.graph.records
    chosen = next(r for r in records if r.primitive.name == "where")
    assert [records[i].name for i in chosen.inputs[:2]] == ["greater", "x"]


def test_inner_functions_and_comprehensions_are_followed():
    def function(x):
        def twice(value):
            return value * 2

        parts = [twice(x) for _ in range(2)]
        return parts[0] + parts[1]

    figure = dg.build(function, 3.0)
    assert 2 in {m.line for m in moments(figure, "build") if m.eager.shown}
    assert figure.moments[-1].eager.words == "returned 12"


def test_a_debugger_s_trace_function_stays():
    seen = []

    def trace(frame, event, argument):
        seen.append(event)

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        dg.build(line, 1.0, 2.0)
        assert sys.gettrace() is trace
    finally:
        sys.settrace(before)


# ---- where a mode stops, that is the lesson ------------------------------------------------------


def test_a_branch_on_a_value_stops_define_then_run_and_says_why():
    figure = dg.build(choose, 3.0)
    assert isinstance(figure.recording.graph.stopped, SymbolicValueError)
    (stop,) = [m for m in figure.moments if m.graph.stopped and "stops here" in m.graph.words]
    assert figure.recording.source[stop.line].strip().startswith("if x > 0:")
    assert "has no value until the graph runs" in stop.graph.words
    assert "dg.where(condition, a, b)" in stop.graph.words
    assert figure.moments[-1].eager.words == "returned 6"
    assert "nothing to run" in figure.moments[-1].graph.words


def test_shapes_that_do_not_fit_stop_both_modes_at_the_same_line():
    def wrong(a, b):
        h = a * 2
        return h @ b

    figure = dg.build(wrong, np.ones((2, 3)), np.ones((2, 3)))
    for story in (figure.recording.eager, figure.recording.graph):
        assert isinstance(story.stopped, ShapeError) and story.turns[-1].line == 2


def test_an_error_that_depends_on_values_comes_in_the_run():
    def take(x, labels):
        return dg.take(x * 2, labels)

    figure = dg.build(take, [1.0, 2.0, 3.0], [1, 7])
    assert isinstance(figure.recording.eager.stopped, LabelError)
    assert figure.recording.graph.stopped is None
    assert isinstance(figure.recording.failed, LabelError)
    last = moments(figure, "run")[-1]
    assert last.graph.stopped and "stops at" in last.graph.words and "7" in last.graph.words


def test_what_only_eager_can_do_is_told_in_its_own_words():
    def impossible(x):
        return dg.Tensor(float(x) * 2)

    figure = dg.build(impossible, 3.0)
    assert "`float(node)`" in str(figure) and figure.recording.eager.stopped is None


def test_an_exception_of_the_function_s_own_comes_through():
    def broken(x):
        y = x * 2  # noqa: F841
        raise KeyError("mine")

    trace = sys.gettrace()
    with pytest.raises(KeyError, match="mine"):
        dg.build(broken, 1.0)
    assert sys.gettrace() is trace


# ---- what cannot be shown ------------------------------------------------------------------------


def test_a_function_without_source_is_explained():
    space = {}
    exec("def made(x):\n    return x * 2\n", space)
    with pytest.raises(OperationError, match="the source of made is not at hand") as caught:
        dg.build(space["made"], 1.0)
    assert "with `def` in a notebook cell or in a file" in caught.value.hint


def test_something_else_than_a_function_is_explained():
    with pytest.raises(OperationError, match="not a Python function") as caught:
        dg.build(dg.nn.Linear(2, 2), [1.0, 2.0])
    assert "dg.build(lambda x: model(x), x)" in caught.value.hint
    with pytest.raises(OperationError, match="not a Python function"):
        dg.build(len, [1.0])


def test_the_wrong_number_of_values_is_explained():
    with pytest.raises(OperationError, match=r"line\(a, b\) cannot be called with 1 value"):
        dg.build(line, 1.0)


def test_a_function_that_computes_nothing_is_explained():
    with pytest.raises(OperationError, match="computes nothing with tensors"):
        dg.build(lambda: 3)


def test_a_story_that_is_too_long_is_refused():
    def long(x):
        for _ in range(300):
            x = x + 1
        return x

    with pytest.raises(GraphError, match="more than 400 lines"):
        dg.build(long, 1.0)


# ---- the figure ----------------------------------------------------------------------------------


def test_a_traced_function_and_a_method_are_followed():
    @dg.function
    def traced(x):
        return x * 2

    class Model:
        def call(self, x):
            return x + 1

    assert dg.build(traced, 2.0).moments[-1].eager.words == "returned 4"
    assert dg.build(Model().call, 2.0).moments[-1].graph.words == "returned 3"


def test_two_figures_of_the_same_function_are_the_same_bytes():
    one, other = (dg.build(with_outside, [3.0, 4.0])._repr_mimebundle_() for _ in range(2))
    assert one == other and set(one) == {"text/html", "image/svg+xml", "text/plain"}


def test_a_title_is_shown_in_both_forms():
    figure = dg.build(line, 1.0, 2.0, title="A <b>title</b>")
    texts = ["".join(e.itertext()) for e in ET.fromstring(figure.svg).iter()]
    assert "A <b>title</b>" in texts and figure.payload()["title"] == "A <b>title</b>"


def test_hostile_text_in_source_and_output_stays_text():
    def hostile(x):
        print("</script><img src=x onerror=alert(1)>]]>")
        y = x * 2  # "><svg onload=alert(1)>
        return y

    bundle = dg.build(hostile, 1.0)._repr_mimebundle_()
    root = ET.fromstring(bundle["image/svg+xml"])
    names = {element.tag.rpartition("}")[2] for element in root.iter()}
    assert names <= {"svg", "g", "rect", "path", "text", "tspan", "title", "desc"}
    page = bundle["text/html"]
    assert page.count("</script>") == 1 and "<img src=x" not in page


def test_the_picture_has_the_source_and_both_modes():
    svg = dg.build(line, 4.0, 5.0).svg
    texts = ["".join(e.itertext()) for e in ET.fromstring(svg).iter() if e.tag.endswith("}text")]
    assert "    y = 2 * a + 3 * b" in texts
    assert any("eager" in text for text in texts) and any("then-run" in text for text in texts)
    assert "2·a + 3·b = 23" in texts and "2·a + 3·b = ?" in texts


def test_the_payload_is_plain_json_with_a_key_per_picture():
    figure = dg.build(line, 4.0, 5.0)
    payload = figure.payload()
    assert json.loads(json.dumps(payload)) == payload
    boxes = {row[0] for row in payload["layout"][5]} | {row[0] for row in payload["other"][5]}
    shown = {key for m in payload["moments"] for s in ("eager", "graph") for key in m[s]["shown"]}
    assert {"fe0", "fg0", "fe6", "fg6"} <= boxes & shown


# ---- values that are not there yet ---------------------------------------------------------------


def dense(x, w):
    hidden = dg.tanh(x @ w)
    return hidden.sum() * 2 + 1


@pytest.mark.parametrize(
    "figure",
    [dg.build(line, 4.0, 5.0), dg.build(dense, np.ones((2, 3)), np.ones((3, 2)))],
    ids=["line", "dense"],
)
def test_no_box_of_the_page_has_a_value_before_its_moment(figure):
    payload = figure.payload()
    rows = [*payload["layout"][5], *payload["other"][5]]
    waiting = {row[0]: [*row[7:9], "", ""][:2] for row in rows}  # tag and detail
    assert not [texts for texts in waiting.values() if "=" in "".join(texts)]
    known = {}
    for moment in payload["moments"]:
        known |= moment["eager"]["shown"] | moment["graph"]["shown"]
    assert set(known) >= set(waiting), "in the end every box is told"
    last = max(key for key in known if key.startswith("fe"))
    assert "=" not in waiting[last][1] and "=" in known[last]["detail"]


def test_a_ghost_of_the_picture_has_its_formula_but_neither_value_nor_tooltip():
    figure = dg.build(line, 4.0, 5.0)
    for known, ghosts in ({}, 5), (figure._shown("eager", ("start",)), 3):
        parts = drawn(figure.layouts[0], known, figure.eager.waiting())
        (faint,) = (
            one for one in ET.fromstring(f"<svg>{''.join(parts)}</svg>") if one.get("opacity")
        )
        words = ["".join(one.itertext()) for one in faint.iter() if one.tag in ("text", "title")]
        assert len(faint.findall("g/title")) == ghosts
        assert "2·a + 3·b" in words
        assert not [text for text in words if "=" in text or "23" in text]
