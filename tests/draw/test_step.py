"""dg.step: the numbers are those of backward(), the words fit the numbers, nothing is changed."""

import json
import re
import shutil
import subprocess
import weakref
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest

import dlgraph as dg
from dlgraph.core.primitive import REGISTRY
from dlgraph.draw.derivative import local_value, rule_text
from dlgraph.draw.formula import ATOM
from dlgraph.draw.quantity import quantity
from dlgraph.draw.steps import walked_picture
from dlgraph.draw.telling import tell
from dlgraph.draw.walk import walk_of
from dlgraph.errors import (
    BackwardError,
    FeedError,
    GraphError,
    MutationError,
    OperationError,
)
from tests.ops.samples import every_sample


def leaf(value, name):
    return dg.Tensor(value, requires_grad=True, name=name)


def texts(figure):
    return [step.text for step in figure.steps]


def final(walk):
    """Name of every leaf that has a gradient, and the gradient."""
    records = walk.graph.records
    return {
        records[i].name: np.asarray(g)
        for i, g in walk.gradients.items()
        if records[i].primitive.name in ("variable", "placeholder")
    }


# ---- the words -----------------------------------------------------------------------------------


def test_a_sum_of_two_products_step_by_step():
    a, b = leaf(4.0, "a"), leaf(5.0, "b")
    y = 2 * a + 3 * b
    assert texts(dg.step(y)) == [
        "Known at the start: a = 4, b = 5.",
        "2·a = 2·4 = 8",
        "3·b = 3·5 = 15",
        "y = 2·a + 3·b = 8 + 15 = 23",
        "Backward begins at y: its gradient with respect to itself is 1.",
        "Through add to 2·a: upstream 1 × local 1 gives 1 = ∂y/∂(2·a).",
        "Through add to 3·b: upstream 1 × local 1 gives 1 = ∂y/∂(3·b).",
        "Through multiply to b: upstream 1 × local 3 gives 3 = ∂y/∂b.",
        "Through multiply to a: upstream 1 × local 2 gives 2 = ∂y/∂a.",
        "Done: ∂y/∂a = 2, ∂y/∂b = 3. backward() adds these numbers to .grad.",
    ]


def test_gradients_that_meet_are_added_in_front_of_the_eyes():
    a, b, c = leaf(4.0, "a"), leaf(5.0, "b"), leaf(3.0, "c")
    y = a * b + a * c
    figure = dg.step(y)
    told = [text for text in texts(figure) if " to a:" in text]
    assert told == [
        "Through multiply to a: upstream 1 × local c = 3 gives 3. "
        "It is the first of 2 parts of ∂y/∂a.",
        "Through multiply to a: upstream 1 × local b = 5 gives 5. "
        "It is added to what came before: 3 + 5 = 8; this is ∂y/∂a, complete.",
    ]
    shown = [step.shown["b0"]["detail"] for step in figure.steps if "b0" in step.shown]
    assert shown == ["3, 1 of 2 paths", "3 + 5 = 8"]


def test_an_operand_that_is_read_twice_gets_two_parts():
    a = leaf(4.0, "a")
    steps = [step for step in dg.step(a * a).steps if step.kind == "backward"]
    assert [step.lines[0][2] for step in steps] == [0, 1]
    assert "to a (operand 1)" in steps[0].text and "4 + 4 = 8" in steps[1].text


def test_an_operation_that_is_not_element_by_element_shows_its_rule():
    x, w = dg.Tensor([[1.0, 2.0]]), leaf([[3.0], [4.0]], "w")
    y = (x @ w).sum()
    assert "the rule xᵀ @ g turns the upstream g = [[1]] into [[1], [2]] = ∂y/∂w." in str(
        dg.step(y)
    )


def test_a_stretched_operand_is_summed_back():
    p = leaf(3.0, "p")
    y = (p * dg.Tensor([1.0, 2.0, 3.0])).sum()
    words = "p was stretched forward, so it is summed back: 6 = ∂y/∂p."
    assert words in str(dg.step(y))


def test_large_arrays_are_shown_by_their_first_numbers():
    w = leaf(np.ones((30, 20), np.float32), "w")
    assert "[1, 1, 1, … 597 more] (30 × 20)" in str(dg.step((w * 1.0).sum()))


def test_operations_of_the_same_name_are_told_apart():
    a, b = leaf(1.0, "first_operand"), leaf(2.0, "second_operand")
    told = str(dg.step((a + b) * (b + a)))
    assert "add₁" in told and "add₂" in told


# ---- the numbers ---------------------------------------------------------------------------------


def mlp():
    dg.seed(0)
    first, second = dg.nn.Linear(3, 4), dg.nn.Linear(4, 2)
    x = dg.Tensor(np.linspace(-1, 1, 6).reshape(2, 3).astype(np.float32))
    return dg.softmax_cross_entropy(second(dg.tanh(first(x))), dg.Tensor([0, 1])).mean()


def loop():
    total, _ = dg.scan(lambda s, row: (s + row * row, None), 0.0, leaf([1.0, 2.0, 3.0], "rows"))
    return total * 2


def called():
    @dg.function
    def area(width, height):
        return width * height

    return area(leaf(2.0, "width"), leaf(3.0, "height"))


def shared():
    a = leaf(0.5, "a")
    b = dg.exp(a) * a
    return dg.maximum(b, a) + dg.where(b > a, b, a) / a


@pytest.mark.parametrize("make", [mlp, loop, called, shared])
def test_the_gradients_are_those_of_backward_bit_for_bit(make):
    loss = make()
    walk = walk_of(loss)
    leaves = [t for t in walk.graph.recorded.values() if t.is_leaf and t.requires_grad]
    assert leaves and all(t.grad is None for t in leaves), "looking left something in .grad"
    loss.backward()
    for index, tensor in walk.graph.recorded.items():
        if tensor.is_leaf and tensor.requires_grad:
            found = np.asarray(walk.gradients[index])
            assert found.dtype == tensor.dtype
            np.testing.assert_array_equal(found, tensor.grad.numpy())


def test_a_graph_gives_the_same_numbers_as_eager():
    def model(x, w):
        return (dg.tanh(x @ w) ** 2).mean()

    x, w = np.ones((2, 3), np.float32), np.full((3, 2), 0.25, np.float32)
    eager = final(walk_of(model(dg.Tensor(x), leaf(w, "w"))))
    with dg.Graph().as_default():
        node = model(dg.placeholder((None, 3), name="x"), dg.variable(dg.Parameter(w), name="w"))
    static = final(walk_of(node, {"x": x}))
    np.testing.assert_array_equal(eager["w"], static["w"])
    assert set(static) == {"w"}, "with a variable there, the placeholder gets no gradient"


def test_without_variables_the_placeholders_get_gradients():
    with dg.Graph().as_default():
        a, b = dg.placeholder((), name="a"), dg.placeholder((), name="b")
        y = 2 * a + 3 * b
    figure = dg.step(y, feed={a: 4.0, b: 5.0})
    assert texts(figure)[-1].startswith("Done: ∂y/∂a = 2, ∂y/∂b = 3. dg.gradients")


def test_a_value_in_the_middle_may_be_fed():
    with dg.Graph().as_default():
        a = dg.placeholder((), name="a")
        b = dg.placeholder((), name="b")
        inner = dg.exp(a)
        y = inner * b + a
    walk = walk_of(y, {inner: 3.0, a: 1.0, b: 5.0})
    assert float(walk.gradients[a.index]) == 1.0, "nothing goes back through what was given"
    assert float(walk.gradients[b.index]) == 3.0


def test_it_works_after_backward_and_leaves_grad_alone():
    a = leaf(3.0, "a")
    y = a * a
    before = str(dg.step(y))
    y.backward()
    held = a.grad
    assert str(dg.step(y)) == before
    assert a.grad is held and float(held) == 6.0


def test_hooks_take_part_and_are_named():
    a = leaf(3.0, "a")
    h = a * 2
    h.register_hook(lambda g: g * 10)
    assert "A hook makes 10 of it." in str(dg.step(h * 1.0))
    assert "∂(h·1)/∂a = 20" in texts(dg.step(h * 1.0))[-1]


def test_random_streams_stay_where_they_were():
    dg.seed(5)
    with dg.Graph().as_default():
        x = dg.placeholder((4,), name="x")
        y = dg.nn.Dropout(0.5)(x).sum()
    stream = dg.default_stream()
    before = stream.state()
    dg.step(y, feed={x: np.ones(4, np.float32)})
    assert stream.state() == before


SWEPT = every_sample(lambda name, sample: REGISTRY[name].differentiable)


@pytest.mark.parametrize(("name", "sample"), SWEPT, ids=str)
def test_every_operation_can_be_stepped_through(name, sample):
    tensors = [
        dg.Tensor(x, requires_grad=x.dtype == np.float64, name=f"x{k}")
        for k, x in enumerate(sample.arrays)
    ]
    result = REGISTRY[name](*tensors, **sample.attrs)
    if not result.requires_grad:
        pytest.skip("no input of this sample has a gradient")
    loss = result.sum()
    figure = dg.step(loss)
    assert figure.steps[-1].kind == "end" and ET.fromstring(figure.svg) is not None
    json.dumps(figure.payload())
    walk = walk_of(loss)
    loss.backward(retain_graph=True)
    for index, tensor in walk.graph.recorded.items():
        if tensor.is_leaf and tensor.grad is not None:
            np.testing.assert_array_equal(walk.gradients[index], tensor.grad.numpy())


# ---- local derivatives ---------------------------------------------------------------------------

ELEMENTWISE = [
    (primitive, slot)
    for primitive in REGISTRY.values()
    if primitive.kind == "elementwise" and not primitive.joint and not primitive.variadic
    for slot, pull in enumerate(primitive.pulls)
    if pull is not None
    and primitive.name not in ("add_bundles", "cast")
    and not primitive.name.startswith("fused")
]
FUNCTIONS = {
    **{name: getattr(np, name) for name in ("exp", "log", "sqrt", "sin", "cos", "sinh", "cosh")},
    **{name: getattr(np, name) for name in ("sign", "where", "floor")},
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
}


@pytest.mark.parametrize(("primitive", "slot"), ELEMENTWISE, ids=lambda p: getattr(p, "name", p))
def test_the_printed_local_derivative_gives_the_number_beside_it(primitive, slot):
    values = [np.float64(v) for v in (0.7, 0.4, 0.9)[: len(primitive.inputs)]]
    attrs = {"exponent": 3.0} if primitive.name == "raise_to" else {}
    if primitive.name == "where":
        values[0] = np.bool_(True)
    if primitive.name == "arccosh":
        values = [np.float64(1.5)]
    tensors = [dg.Tensor(value) for value in values]
    y = primitive(*tensors, **attrs).numpy()[()]
    names = dict(zip(primitive.inputs, values, strict=True)) | {"y": y}
    specs = [t.spec for t in tensors] + [dg.Tensor(y).spec]
    operands = [(name, ATOM) for name in primitive.inputs]
    rule = rule_text(primitive, slot, operands, "y", specs, attrs)
    number = local_value(primitive, slot, y, values, attrs)
    code = rule.local.replace("·", "*").replace("²", "**2")
    assert code, "the rule of every element-wise operation can be written down"
    # Printed numbers have four digits (2/sqrt(pi) in erf).
    assert eval(code, {"__builtins__": {}}, FUNCTIONS | names) == pytest.approx(number, rel=1e-3)


def test_a_rule_too_long_for_the_user_s_names_is_shown_as_it_is_stated():
    @dg.primitive(kind="reduce", floating=True, name="powers_for_test")
    def powers(xp, x):
        return x + x**2 / 2 + x**3 / 3 + x**4 / 4

    powers.vjp(x=lambda g, x: g * (1 + x + x * x + x * x * x))
    try:
        for name, of in (("z", "z"), ("the scores of the last layer", "x")):
            told = str(dg.step(powers(leaf([[1.0, 2.0]], name)).sum()))
            assert f"the rule g·(1 + {of} + {of}·{of} + {of}·{of}·{of}) turns the upstream" in told
    finally:
        del REGISTRY["powers_for_test"]


def test_only_what_the_rule_reads_is_shown_beside_it():
    x, w = leaf([[1.0, 2.0]], "x"), leaf([[3.0], [4.0]], "w")
    steps = {step.facts["to"]: step for step in dg.step((x @ w).sum()).steps if step.quiz}
    assert [(name, bool(read)) for name, _, read in steps["w"].facts["inputs"]] == [
        ("x", True),
        ("w", False),
    ]


def test_a_local_derivative_is_shown_only_where_it_is_one():
    """A primitive that says it is element-wise and is not: the product would be wrong."""

    @dg.primitive(kind="elementwise", floating=True, name="mixing_for_test")
    def mixing(xp, x):
        return x + x[::-1]

    mixing.vjp(x=lambda g: g + g[::-1])
    x = leaf([1.0, 2.0], "x")
    try:
        told = str(dg.step((mixing(x) * dg.Tensor([1.0, 3.0])).sum()))
    finally:
        del REGISTRY["mixing_for_test"]
    assert "its gradient rule" in told or "the rule" in told.split("mixing_for_test to x")[1]


# ---- long walks ----------------------------------------------------------------------------------


class Deep(dg.nn.Module):
    def __init__(self, layers=20):
        super().__init__()
        self.layers = [dg.nn.Linear(4, 4) for _ in range(layers)]

    def forward(self, x):
        for layer in self.layers:
            x = dg.tanh(layer(x)) * 0.5 + x
        return x


def test_a_long_walk_goes_scope_by_scope_with_the_gradients_of_backward():
    dg.seed(0)
    loss = (Deep()(dg.Tensor(np.ones((2, 4), np.float32))) ** 2).mean()
    figure = dg.step(loss)
    forward = [step for step in figure.steps if step.kind == "forward"]
    assert len(forward) == 20 and "scope by scope" in figure.summary
    assert "102 operations" in figure.summary
    complete = {
        step.facts["to"]: step.facts.get("total", step.facts["pulled"])
        for step in figure.steps
        if step.kind == "backward" and not step.facts["missing"]
    }
    parameters = [name for name in complete if name.endswith((".weight", ".bias"))]
    assert len(parameters) == 40
    walk = walk_of(loss)
    loss.backward()
    leaves = [t for t in walk.graph.recorded.values() if t.is_leaf and t.grad is not None]
    gradients = [quantity(t.grad.numpy()) for t in leaves]
    assert all(complete[name] in gradients for name in parameters)


def test_the_figure_holds_no_arrays():
    def made():
        x = leaf(np.ones(1000, np.float32), "x")
        y = (x * 2).sum()
        return dg.step(y), weakref.ref(y)

    figure, seen = made()
    assert seen() is None and len(figure.steps) == 7


def test_groups_cover_the_operations_in_order_and_are_drawn():
    dg.seed(0)
    model = Deep()
    with dg.Graph().as_default():
        x = dg.placeholder((None, 4), name="x")
        loss = (model(x) ** 2).mean()
    figure = dg.step(loss, feed={x: np.ones((2, 4), np.float32)})
    keys = {placed.box.key for placed in figure.layout.boxes}
    used = {key for step in figure.steps for key in (*step.boxes, *step.shown)}
    constants = {f"f{n.id}" for n in figure.picture.nodes if n.kind == "constant"}
    assert used - constants <= keys
    ends = {(line.source, line.target) for line in figure.layout.lines}
    told = {line[:2] for step in figure.steps if step.kind == "backward" for line in step.lines}
    assert told <= ends, "every step goes along a line of the picture"


def test_without_scopes_the_operations_are_counted():
    a = y = leaf(1.0, "a")
    for _ in range(100):
        y = y * 1.01
    figure = dg.step(y)
    names = [step.facts["name"] for step in figure.steps if step.kind == "forward"]
    assert names[:2] == ["operations 1 to 12", "operations 13 to 24"] and len(names) == 9
    assert f"∂y/∂a = {1.01**100:.3f}" in texts(figure)[-1]
    assert a.grad is None


# ---- what cannot be walked -----------------------------------------------------------------------


def test_it_says_what_it_can_walk_through():
    with pytest.raises(OperationError, match="int is not the result"):
        dg.step(3)
    with pytest.raises(OperationError, match="feed is for graph nodes"):
        dg.step(leaf(1.0, "a") * 2, feed={})


def test_a_leaf_has_nothing_to_walk_through():
    with pytest.raises(BackwardError, match="no operations to step through"):
        dg.step(leaf(1.0, "a"))


def test_only_a_scalar_has_one_gradient():
    with pytest.raises(BackwardError, match=r"has shape \(2,\)") as caught:
        dg.step(leaf([1.0, 2.0], "a") * 2)
    assert "y.sum()" in caught.value.hint


def test_a_changed_value_is_refused():
    w = dg.Parameter(2.0, name="w")
    y = w + 1
    w.assign(5.0)
    with pytest.raises(MutationError, match="parameter 'w' was changed after add used it"):
        dg.step(y)


def test_a_record_that_was_let_go_is_explained():
    w = leaf(np.ones(10_000, np.float32), "w")
    y = (w * 2).sum()
    y.backward()
    with pytest.raises(BackwardError, match=r"was let go by backward\(\)") as caught:
        dg.step(y)
    assert "retain_graph=True" in caught.value.hint


def test_a_missing_feed_names_dg_step():
    with dg.Graph().as_default():
        a = dg.placeholder((), name="a")
        y = a * 2
    with pytest.raises(FeedError) as caught:
        dg.step(y)
    assert caught.value.hint == 'dg.step(..., feed={"a": value})'


def test_looking_never_changes_a_variable():
    with dg.Graph().as_default():
        w = dg.variable(dg.Parameter(1.0), name="w")
        step = dg.assign(w, w + 1)
    with pytest.raises(GraphError, match="changes a variable"):
        dg.step(step)
    assert float(w.tensor) == 1.0


def test_a_graph_without_floats_has_no_way_back():
    with dg.Graph().as_default():
        n = dg.placeholder((), "int64", name="n")
        y = dg.stop_gradient(n * 1.0)
    with pytest.raises(BackwardError, match="no gradient comes back"):
        dg.step(y, feed={n: 2})


# ---- predicting ----------------------------------------------------------------------------------

ROOT = Path(__file__).resolve().parents[2]
NODE = shutil.which("node")
CASES = [
    # typed, right or not, a piece of the answer
    ("15", True, "3 × 5 = 15"),
    (" 15,0 ", True, "Right"),
    ("30/2", True, "Right"),
    ("1.5e1", True, "Right"),
    ("14.9", True, "Right"),
    ("14", False, "more exactly"),
    ("-15", False, "sign"),
    ("−15", False, "sign"),
    ("17", False, "the sum with the 2 from before"),
    ("3", False, "That is the upstream gradient"),
    ("5", False, "That is the local derivative"),
    ("8", False, "not added"),
    ("0.6", False, "do not divide"),
    ("99", False, "How much does y change per unit change of a?"),
    ("", False, "not a number"),
    ("alert(1)", False, "not a number"),
    ("1/2/3", False, "not a number"),
]


@pytest.mark.skipif(NODE is None, reason="Node is not installed")
def test_a_prediction_is_judged_in_words_that_help():
    quiz = {"answer": 15, "upstream": 3, "local": 5, "held": 2, "from": "y", "to": "a"}
    shown = {"answer": "15", "upstream": "3", "local": "5", "held": "2"}
    code = (
        f"import {{ judge }} from {json.dumps((ROOT / 'frontend/src/step/judge.js').as_uri())};"
        f"const quiz = {json.dumps(quiz | {'shown': shown, 'label': 'multiply'})};"
        f"const typed = {json.dumps([case[0] for case in CASES])};"
        "console.log(JSON.stringify(typed.map((text) => judge(text, quiz))));"
    )
    command = [NODE, "--input-type=module", "-e", code]
    run = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    for (typed, right, words), found in zip(CASES, json.loads(run.stdout), strict=True):
        assert found["right"] is right and words in found["words"], (typed, found)


# ---- the figure ----------------------------------------------------------------------------------

HOSTILE = ["</script><img src=x onerror=alert(1)>", '"><svg onload=alert(1)>', "]]>", "名" * 300]


def hostile_figure():
    a, b = leaf(2.0, HOSTILE[0]), leaf(3.0, HOSTILE[1])
    c, d = leaf(2.0, HOSTILE[2] + "\u202e"), leaf(3.0, HOSTILE[3])
    return dg.step(a * b + c * d + a)


def test_two_figures_of_the_same_walk_are_the_same_bytes():
    assert hostile_figure()._repr_mimebundle_() == hostile_figure()._repr_mimebundle_()


def test_the_filmstrip_has_six_frames_and_is_xml():
    a, b, c = leaf(4.0, "a"), leaf(5.0, "b"), leaf(3.0, "c")
    svg = dg.step(a * b + a * c).svg
    root = ET.fromstring(svg)
    frames = root.findall("{http://www.w3.org/2000/svg}g/{http://www.w3.org/2000/svg}svg")
    assert len(frames) == 6
    assert "3 + 5 = 8" in svg, "a frame shows the addition"
    assert len(set(re.findall(r' id="([^"]+)"', svg))) == svg.count(' id="')


def test_a_title_is_shown_in_both_forms():
    figure = dg.step(leaf(1.0, "a") * 2, title="A <b>title</b>")
    texts = ["".join(e.itertext()) for e in ET.fromstring(figure.svg).iter()]
    assert "A <b>title</b>" in texts and figure.payload()["title"] == "A <b>title</b>"


@pytest.mark.filterwarnings("error")
def test_the_words_about_nan_and_infinity_bring_no_warning_of_their_own():
    with np.errstate(all="ignore"):
        x = leaf([float("nan"), float("inf"), 0.0], "x")
        walk = walk_of((dg.log(x) * x).sum())  # NumPy warns here, as in backward()
    with np.errstate(all="warn"):
        told = str(tell(walk, walked_picture(walk, None))[-2].text)
    assert "local 1 / x = [nan, 0, inf] gives [nan, nan, nan]" in told


def test_a_name_written_from_the_right_needs_no_brackets():
    words = str(dg.step(leaf(4.0, "\u05d0\u05dc\u05e3") * 2.0))
    assert "\u2202\u05d0\u05dc\u05e3\u200e = 2. backward()" in words


def test_hostile_names_stay_text():
    bundle = hostile_figure()._repr_mimebundle_()
    root = ET.fromstring(bundle["image/svg+xml"])
    assert {element.tag.rpartition("}")[2] for element in root.iter()} <= {
        *("svg", "g", "rect", "path", "text", "tspan", "title", "desc"),
    }
    page = bundle["text/html"]
    assert page.count("</script>") == 1 and "<img src=x" not in page and "\u202e" not in page


def test_before_the_first_step_the_page_knows_no_number():
    """Else a student who predicts could read the answer in the picture."""
    a, b = leaf(417.0, "a"), leaf(503.0, "b")
    figure = dg.step(a * b)
    start = json.dumps({k: v for k, v in figure.payload().items() if k != "steps"})
    assert str(417 * 503) not in start
    assert '"?"' in start


def test_what_is_asked_in_the_quiz_can_be_computed_from_what_is_shown():
    for step in dg.step(mlp()).steps:
        if step.quiz and "local" in step.quiz:
            quiz = step.quiz
            product = quiz["upstream"] * quiz["local"]
            assert quiz["answer"] == pytest.approx(product, rel=1e-5)
            assert quiz["shown"].keys() >= {"answer", "upstream", "local"}


def test_the_payload_is_plain_json():
    figure = dg.step(mlp())
    assert json.loads(json.dumps(figure.payload())) == figure.payload()
