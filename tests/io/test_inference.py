"""A saved graph gives the same numbers when it is loaded, and needs no Python class for that."""

import json
import os
import subprocess
import sys
import textwrap

import numpy as np
import pytest

import dlgraph as dg
from dlgraph.errors import DataError, FeedError, FetchError, OperationError
from dlgraph.io import inference


def rng(seed=0):
    return np.random.default_rng(seed)


def build_mlp():
    net = dg.nn.Sequential(dg.nn.Linear(4, 8), dg.nn.ReLU(), dg.nn.Dropout(0.5), dg.nn.Linear(8, 3))
    x = dg.placeholder((None, 4), name="x")
    return x, dg.softmax(net(x)), rng().normal(size=(5, 4)).astype("float32")


def build_index():
    x = dg.placeholder((4, 6), name="x")
    y = x[..., 1:5:2][::-1, None].reshape(x.shape[0], -1)
    return x, y + x[dg.constant([0, 2, 2, 1])][:, :2] + np.float32("inf"), ints((4, 6))


def build_unknown_sizes():
    x = dg.placeholder(("rows", None), name="x")
    return x, x.reshape(x.shape[0], -1).T @ x, ints((5, 3))


def build_cond():
    w = dg.Parameter([2.0, 3.0], name="w")
    x = dg.placeholder((2,), name="x")
    inner = lambda a: dg.cond(a.sum() > 5, lambda b: b * w, lambda b: b, a)  # noqa: E731
    return x, dg.cond(x.sum() > 0, inner, lambda a: a - 1, x), ints((2,)) + 3


def build_scan():
    w = dg.Parameter(rng(1).normal(size=(3, 3)).astype("float32"), name="w")
    x = dg.placeholder((None, 3), name="x")
    _, ys = dg.scan(lambda h, row: ((h @ w + row).tanh(),) * 2, dg.constant([0.0] * 3), x)
    return x, ys, ints((4, 3))


def build_while():
    x = dg.placeholder((), name="x")
    (y,) = dg.while_loop(lambda y: y < 100.0, lambda y: (y * x,), (x,))
    return x, y, np.float32(3.0)


def build_gradient_inside():
    x = dg.placeholder((3,), name="x")
    return x, dg.checkpoint(lambda a: (a * a).sum(), x), ints((3,))


def build_types():
    x = dg.placeholder((3,), "int64", name="x")
    y = x.astype("float64") * np.linspace(0, 1, 3) + dg.one_hot(x, depth=3).sum(1).astype("float64")
    return x, y, np.array([0, 2, 1])


def build_large_constant():
    x = dg.placeholder((2, 100), name="x")
    return x, x + rng(3).normal(size=100).astype("float32"), ints((2, 100))


def ints(shape):
    return rng(2).integers(-3, 4, shape).astype("float32")


GRAPHS = {name[6:]: value for name, value in dict(globals()).items() if name.startswith("build_")}


@pytest.mark.parametrize("name", GRAPHS)
def test_same_numbers_after_loading(name, tmp_path):
    with dg.Graph().as_default() as graph:
        x, y, value = GRAPHS[name]()
    dg.Session(graph).run(graph.startup)
    expected = dg.Session(graph.clone(for_test=True)).run(y, {x: value})
    dg.save_inference_model(tmp_path / "m", {"x": x}, {"y": y})
    model = dg.load_inference_model(tmp_path / "m")
    found = model(value)
    assert np.array_equal(found, expected) and found.dtype == expected.dtype
    assert np.array_equal(model(x=value), expected)
    # Saved again, the loaded graph is the same graph.
    feeds = [model.graph.handle(n.index) for n in model._feeds.values()]
    dg.save_inference_model(
        tmp_path / "again", {"x": feeds[0]}, {"y": next(iter(model._fetches.values()))}
    )
    again = dg.load_inference_model(tmp_path / "again")
    assert again.graph.structure_hash() == model.graph.structure_hash()
    assert (tmp_path / "again" / "graph.json").read_text() == (
        tmp_path / "m" / "graph.json"
    ).read_text()


def test_random_numbers_continue_from_the_saved_stream(tmp_path):
    stream = dg.Stream(7)
    with dg.Graph().as_default() as graph:
        y = stream.normal((3,))
    dg.Session(graph).run(y)
    dg.save_inference_model(tmp_path / "m", [], {"y": y})
    expected = dg.Session(graph).run(y)
    assert np.array_equal(dg.load_inference_model(tmp_path / "m")(), expected)


def test_runs_without_the_class(tmp_path):
    program = textwrap.dedent("""
        import sys, numpy as np, dlgraph as dg
        class Secret(dg.nn.Module):
            def __init__(self):
                self.w = dg.Parameter([1.5, -2.0])
            def forward(self, x):
                return (x * self.w).sum(axis=1)
        with dg.Graph().as_default():
            x = dg.placeholder((None, 2), name="x")
            y = Secret()(x)
        dg.save_inference_model(sys.argv[1], x, {"y": y})
    """)
    subprocess.run([sys.executable, "-c", program, str(tmp_path / "m")], check=True)
    model = dg.load_inference_model(tmp_path / "m")
    assert model([[2.0, 1.0]]).tolist() == [1.0]
    assert "Secret" not in (tmp_path / "m" / "graph.json").read_text()


def test_only_what_the_fetches_need_is_saved(tmp_path):
    w, v = dg.Parameter([1.0, 2.0], name="w"), dg.Parameter([5.0], name="v")
    with dg.Graph().as_default() as graph:
        x = dg.placeholder((2,), name="x")
        labels = dg.placeholder((2,), name="labels")
        y = x * w
        loss = ((y - labels) ** 2).sum() + dg.variable(v).sum()
        dg.optim.Adam().minimize(loss)
    dg.save_inference_model(tmp_path / "m", [x], [y])
    model = dg.load_inference_model(tmp_path / "m")
    assert len(model.graph) == 3 < len(graph)
    assert set(model.parameters) == {"w"}
    assert model.feeds == ("x",) and model.fetches == ("multiply",)


def test_any_node_can_be_fed(tmp_path):
    with dg.Graph().as_default():
        x = dg.placeholder((2,), name="x")
        h = x * 2.0
        y = h + 1.0
    dg.save_inference_model(tmp_path / "m", {"h": h}, {"y": y})
    assert dg.load_inference_model(tmp_path / "m")([1.0, 2.0]).tolist() == [2.0, 3.0]


def test_a_new_model_replaces_the_old_one_and_its_weights(tmp_path):
    w = dg.Parameter([1.0], name="w")
    with dg.Graph().as_default():
        y = dg.variable(w) * 2.0
    for value in (1.0, 4.0):
        w.assign([value])
        dg.save_inference_model(tmp_path / "m", [], y)
        assert dg.load_inference_model(tmp_path / "m")().tolist() == [2 * value]
    assert len(list((tmp_path / "m").iterdir())) == 2


def test_the_json_can_be_read_by_people(tmp_path):
    with dg.Graph().as_default():
        x = dg.placeholder((None, 2), name="x")
        y = x.sum(axis=1)
    dg.save_inference_model(tmp_path / "m", x, {"total": y})
    text = (tmp_path / "m" / "graph.json").read_text()
    line = next(line for line in text.splitlines() if '"sum"' in line)
    assert json.loads(line) == {
        "name": "sum",
        "op": "sum",
        "inputs": [0],
        "shape": [{"dim": 0}],
        "dtype": "float32",
        "attrs": {"axis": 1, "keepdims": False},
    }


def test_what_cannot_be_saved_is_said(tmp_path):
    w = dg.Parameter([1.0], name="w")
    with dg.Graph().as_default():
        x = dg.placeholder((1,), name="x")
        loss = (x * w).sum()
        slope = dg.gradients(loss, w)
        own = dg.custom_vjp(lambda a: dg.identity(a))(x)
    with pytest.raises(FetchError, match="exists only in training"):
        dg.save_inference_model(tmp_path / "m", x, slope)
    with pytest.raises(FeedError, match="needs a value"):
        dg.save_inference_model(tmp_path / "m", [], loss)
    with pytest.raises(OperationError, match="not a registered primitive"):
        dg.save_inference_model(tmp_path / "m", x, own)
    with pytest.raises(OperationError, match="must be nodes"):
        dg.save_inference_model(tmp_path / "m", x, dg.Tensor(1.0))
    assert not (tmp_path / "m").exists()


@pytest.mark.parametrize("name", ["two\nlines", "a\0b", "\ud83d", "n" * 1001], ids=ascii)
def test_nothing_is_written_that_could_not_be_loaded(name, tmp_path):
    with dg.Graph().as_default():
        x = dg.placeholder((2,), name=name)
        sized = dg.placeholder((name,), name="x")
        found, _ = dg.scan(lambda c, row: (c + row, None), 0.0, sized)
    for feeds, fetches in ({"x": x}, {"y": x * 2}), ({"x": sized}, {"y": found}):
        with pytest.raises(OperationError, match=r"(node|size) .* cannot be saved") as caught:
            dg.save_inference_model(tmp_path / "m", feeds, fetches)
        assert "a name is a line of text" in caught.value.hint
    if len(name) < 1000:
        with pytest.raises(OperationError, match="feeds are called by a line of text"):
            dg.save_inference_model(tmp_path / "m", {name: x}, {"y": x * 2})
    assert not (tmp_path / "m").exists()


def test_wrong_calls_of_a_loaded_model(tmp_path):
    with dg.Graph().as_default():
        x = dg.placeholder((2,), name="x")
        y = x * 2.0
    dg.save_inference_model(tmp_path / "m", x, y)
    model = dg.load_inference_model(tmp_path / "m")
    with pytest.raises(OperationError, match="takes 1 input "):
        model([1.0, 2.0], [1.0, 2.0])
    with pytest.raises(OperationError, match="is no input"):
        model(z=[1.0, 2.0])
    with pytest.raises(OperationError, match="given twice"):
        model([1.0, 2.0], x=[1.0, 2.0])
    with pytest.raises(FeedError):
        model([1.0, 2.0, 3.0])


def test_an_unknown_primitive_is_named(tmp_path):
    program = textwrap.dedent("""
        import sys, dlgraph as dg
        @dg.primitive(kind="elementwise")
        def frobnicate(xp, x):
            return x
        with dg.Graph().as_default():
            x = dg.placeholder((2,), name="x")
            y = frobnicate(x)
        dg.save_inference_model(sys.argv[1], x, y)
    """)
    subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "m")], check=True, env=dict(os.environ)
    )
    with pytest.raises(DataError, match=r"node 1 'frobnicate': the primitive 'frobnicate' is not"):
        dg.load_inference_model(tmp_path / "m")


def test_dropout_inside_of_a_loop_is_off_in_the_saved_model(tmp_path):
    drop = dg.nn.Dropout(0.5)
    with dg.Graph().as_default():
        x = dg.placeholder((4, 3), name="x")
        total, _ = dg.scan(lambda h, row: (h + drop(row), h), x[0], x)
    dg.save_inference_model(tmp_path / "m", x, {"y": total})
    value = np.ones((4, 3), "float32")
    assert dg.load_inference_model(tmp_path / "m")(value).tolist() == [5.0, 5.0, 5.0]


def test_a_place_without_a_saved_graph_is_told(tmp_path):
    dg.save(tmp_path / "values.safetensors", {"a": np.ones(2)})
    with pytest.raises(dg.errors.DataError, match="is a file, and a saved graph is a folder"):
        dg.load_inference_model(tmp_path / "values.safetensors")
    with pytest.raises(dg.errors.DataError) as caught:
        dg.load_inference_model(tmp_path / "nowhere")
    assert caught.value.hint == f"there is no folder {tmp_path / 'nowhere'} either"


def test_two_who_save_at_once_leave_one_whole_model(tmp_path, monkeypatch):
    def graph(value):
        w = dg.Parameter([value] * 50, name="w")
        with dg.Graph().as_default():
            return dg.variable(w) * 2.0

    mine, theirs, written = graph(1.0), graph(3.0), inference.write_whole

    def interrupted(path, content):
        written(path, content)
        if path.name != "graph.json":  # the other one saves all of theirs in between
            monkeypatch.setattr(inference, "write_whole", written)
            dg.save_inference_model(tmp_path, {}, {"y": theirs})

    dg.save_inference_model(tmp_path, {}, {"y": graph(0.0)})
    monkeypatch.setattr(inference, "write_whole", interrupted)
    dg.save_inference_model(tmp_path, {}, {"y": mine})
    assert dg.load_inference_model(tmp_path)()[0] == 2.0
    for file in tmp_path.glob("weights-*"):  # what nobody needs any more goes, a day later
        os.utime(file, (0, 0))
    dg.save_inference_model(tmp_path, {}, {"y": mine})
    assert len(list(tmp_path.iterdir())) == 2
