"""A program as a file that needs only NumPy: the same bits, far from dlgraph."""

import builtins
import inspect
import os
import subprocess
import sys
import textwrap

import numpy as np
import pytest

import dlgraph as dg
from dlgraph.core.primitive import FUNCTIONS, REGISTRY
from dlgraph.executors.sources import Sources


def namespace(text):
    space = {}
    exec(compile(text, "exported", "exec"), space)
    return space


def same(found, wanted):
    found, wanted = np.asarray(found), np.asarray(wanted)
    assert found.dtype == wanted.dtype
    np.testing.assert_array_equal(found, wanted)


class Net(dg.nn.Module):
    def __init__(self):
        self.conv = dg.nn.Conv2d(1, 3, 3)
        self.norm = dg.nn.BatchNorm(3)
        self.drop = dg.nn.Dropout(0.3)
        self.line = dg.nn.Linear(3 * 3 * 3, 4)

    def forward(self, x):
        x = dg.max_pool2d(dg.relu(self.norm(self.conv(x))), 2)
        return self.line(self.drop(x.flatten(1)))


def training():
    dg.seed(0)
    net = Net()
    with dg.Graph().as_default() as graph:
        x = dg.placeholder(("batch", 1, 8, 8), name="x")
        y = dg.placeholder(("batch",), "int64", name="y")
        loss = dg.cross_entropy(net(x), y)
        update = dg.optim.Adam(net.parameters()).minimize(loss)
    session = dg.Session(graph)
    session.run(graph.startup)
    return session, [loss, update], (x, y)


def batch():
    generator = np.random.default_rng(0)
    return generator.normal(size=(6, 1, 8, 8)).astype("float32"), np.arange(6) % 4


def test_a_training_step_gives_the_same_bits_step_by_step():
    session, fetches, (x, y) = training()
    space = namespace(dg.to_python(session.program(fetches, [x, y])))
    state = space["initial_state"]()
    images, labels = batch()
    for _ in range(3):
        wanted, _ = session.run(fetches, {x: images, y: labels})
        found, nothing = space["run"](state, images, labels)
        same(found, wanted)
        assert nothing is None


def test_the_lines_that_say_how_to_use_it_are_true():
    session, fetches, (x, y) = training()
    text = dg.to_python(session.program(fetches, [x, y]))
    space = namespace(text)
    lines = textwrap.dedent("\n".join(line for line in text.split('"""')[1].splitlines()[1:]))
    space.update(zip(("x", "y"), batch(), strict=True))
    exec("\n".join(line.strip() for line in lines.splitlines() if " = " in line), space)
    assert space["_"] is None and np.isfinite(space["mean_cross_entropy_0"])


def test_the_file_runs_where_dlgraph_cannot_be_imported(tmp_path):
    session, fetches, (x, y) = training()
    dg.to_python(session.program(fetches, [x, y]), tmp_path / "step.py")
    images, labels = batch()
    np.save(tmp_path / "x.npy", images)
    np.save(tmp_path / "y.npy", labels)
    wanted, _ = session.run(fetches, {x: images, y: labels})
    script = """
        import sys
        sys.modules["dlgraph"] = None  # importing it is an error
        import numpy as np
        from step import initial_state, run
        loss, _ = run(initial_state(), np.load("x.npy"), np.load("y.npy"))
        print(float(loss).hex())
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert float.fromhex(done.stdout.strip()) == float(wanted)


def test_loops_and_branches_and_their_gradients():
    with dg.Graph().as_default() as graph:
        v = dg.placeholder((5,), name="v")
        total, rows = dg.scan(lambda s, x: (s + x * s, s * 2), 1.0, v)
        slope = dg.gradients(total, v)
        (turned,) = dg.while_loop(lambda q: q < 100.0, lambda q: (q * total,), (total,))
        chosen = dg.cond(total > 0, lambda: total * 2, lambda: -total)
    session = dg.Session(graph)
    fetches = [total, rows, slope, turned, chosen]
    space = namespace(dg.to_python(session.program(fetches, [v])))
    value = np.arange(1, 6, dtype="float32")
    found = space["run"](space["initial_state"](), value)
    for one, wanted in zip(found, session.run(fetches, {v: value}), strict=True):
        same(one, wanted)


@pytest.mark.parametrize("name", sorted(n for n, p in REGISTRY.items() if p.kind != "state"))
def test_every_operation_has_a_source_that_compiles(name):
    sources = Sources()
    name = sources.name_of(REGISTRY[name])
    space = {"np": np}
    for module in sources.modules:
        space[module] = __import__(module)
    exec("from __future__ import annotations\n" + sources.text(), space)
    assert callable(space[name])
    assert os.path.dirname(dg.__file__) not in sources.text()  # no path of the machine it is from


def test_hostile_names_stay_text():
    with dg.Graph().as_default() as graph:
        x = dg.placeholder((), name='"""; import os #')
        w = dg.variable(dg.Parameter(2.0, name="class\n'''"))
        y = x * w
    space = namespace(dg.to_python(dg.Session(graph).program(y, [x])))
    assert space["run"](space["initial_state"](), np.float32(3.0)) == 6.0
    assert "os" not in space


def test_an_einsum_travels_without_sizes_that_are_not_known():
    with dg.Graph().as_default() as graph:
        x, w = dg.placeholder(("batch", 3), name="x"), dg.placeholder((3, 2), name="w")
        v = dg.placeholder((2, None), name="v")
        y = dg.einsum("ij,jk,kl->il", x, w, v)
    session = dg.Session(graph)
    text = dg.to_python(session.program(y, [x, w, v]))
    assert "Dim" not in text
    run = namespace(text)["run"]
    values = [
        np.arange(n, dtype="float32").reshape(s) for n, s in ((6, (2, 3)), (6, (3, 2)), (4, (2, 2)))
    ]
    same(run({}, *values), session.run(y, dict(zip((x, w, v), values, strict=True))))
    with pytest.raises(ValueError, match="the letter 'j' stands for axes of sizes 4 and 3"):
        run({}, np.zeros((2, 4), "float32"), *values[1:])


HOSTILE = [
    '"""',
    "'''",
    "\\",
    "\\N{",
    "\\x",
    "a\nimport os",
    "\0",
    "\u2028import os",
    "\ud800",
    '"',
]


@pytest.mark.parametrize("text", HOSTILE, ids=ascii)
def test_hostile_sizes_scopes_and_loops_stay_text(text):
    with dg.Graph().as_default() as graph:
        x = dg.placeholder((text, 2), name=text)
        y = x * dg.variable(dg.Parameter(2.0, name=f"{text}/{text}"))
        (z,) = dg.while_loop(lambda v: v.sum() < 9.0, lambda v: (v + v,), (y,))
    written = dg.to_python(dg.Session(graph).program([y, z], [x]))
    space = namespace(written.encode().decode())
    found, _ = space["run"](space["initial_state"](), np.ones((1, 2), "float32"))
    same(found, np.full((1, 2), 2.0, "float32"))
    assert "os" not in space


def test_the_docstring_shows_the_name_of_a_size_as_it_is():
    with dg.Graph().as_default() as graph:
        x = dg.placeholder(('a "b" \\n', 2), name="x")
    space = namespace(dg.to_python(dg.Session(graph).program(x * 2, [x])))
    assert 'x  (a "b" \\n, 2) float32' in space["__doc__"]


def test_what_is_no_program_is_refused_with_what_to_pass():
    with dg.Graph().as_default() as graph:
        x = dg.placeholder((2,), name="x")
        loss = dg.exp(x)
    for wrong, kind in [(loss, "a Node"), (graph, "a Graph"), (dg.Session(graph), "a Session")]:
        with pytest.raises(dg.errors.OperationError, match=f"to_python.* not {kind}") as raised:
            dg.to_python(wrong)
        assert "session.program(" in raised.value.hint
        assert "test_standalone.py" in str(raised.value)
    with pytest.raises(dg.errors.OperationError) as raised:
        dg.to_python(loss)
    assert "session.program(loss" in raised.value.hint


OF_THE_USER = """
import textwrap

import dlgraph as dg


def helper_of_the_user(xp, x):
    return xp.exp(x) * len(textwrap.dedent(" a"))


@dg.primitive(kind="elementwise")
def operation_of_the_user(xp, x):
    return helper_of_the_user(xp, x)
"""


def test_functions_of_the_user_travel_along_wherever_python_is_installed(tmp_path, monkeypatch):
    (tmp_path / "of_the_user.py").write_text(OF_THE_USER)
    monkeypatch.syspath_prepend(tmp_path)
    # As on Windows: no slash in any path of Python's own.
    monkeypatch.setattr(inspect, "__file__", "C:\\Python\\Lib\\inspect.py")
    import of_the_user

    try:
        with dg.Graph().as_default() as graph:
            x = dg.placeholder((2,), name="x")
            y = of_the_user.operation_of_the_user(x)
        text = dg.to_python(dg.Session(graph).program(y, [x]))
    finally:
        del REGISTRY["operation_of_the_user"], FUNCTIONS["operation_of_the_user"]
        del sys.modules["of_the_user"]
    assert "def helper_of_the_user" in text and "import of_the_user" not in text
    assert "import textwrap" in text and "def dedent" not in text
    same(namespace(text)["run"]({}, np.float32([0, 1])), np.exp(np.float32([0, 1])))


def test_names_of_operations_and_keywords_are_no_obstacle():
    with dg.Graph().as_default() as graph:
        x = dg.placeholder((2,), name="relu")
        y = dg.relu(x) + dg.constant([1.0, 2.0], name="lambda")
    space = namespace(dg.to_python(dg.Session(graph).program(y, [x])))
    same(space["run"]({}, np.float32([-1, 1])), np.float32([1, 3]))


def test_no_operation_and_no_constant_hides_what_python_has():
    sources = Sources()
    names = {sources.name_of(p) for p in REGISTRY.values() if p.kind != "state"}
    assert not names & {*dir(builtins)} and "reduce_sum" in names
    # `concatenate_part` calls Python's `sum`, and so do convolutions.
    with dg.Graph().as_default() as graph:
        x = dg.placeholder((None, 2, 5), name="float")
        w = dg.constant(np.ones((1, 4, 3), "float32"), name="len")
        y = dg.conv1d(dg.concatenate([x, dg.pad(x, ((0, 0), (0, 0), (0, 0)), value=np.inf)], 1), w)
        total = dg.sum(dg.max(y, axis=1)) + dg.einsum("ij,jk->", x[:, 0], dg.ones((5, 2)))
        slope = dg.gradients(total, x)
    session = dg.Session(graph)
    text = dg.to_python(session.program([total, slope], [x]))
    value = np.random.default_rng(0).normal(size=(3, 2, 5)).astype("float32")
    found = namespace(text)["run"]({}, value)
    for one, wanted in zip(found, session.run([total, slope], {x: value}), strict=True):
        same(one, wanted)


def largest_of_every_row(xp, x):
    return ROW_BY_ROW(x, axis=1)


ROW_BY_ROW = np.maximum.reduce


def test_a_method_of_an_array_function_is_written_as_numpy_has_it():
    sources = Sources()
    name = sources.name_of(largest_of_every_row)
    assert "np.maximum.reduce(x, axis=1)" in sources.text()
    space = {"np": np}
    exec(sources.text(), space)
    same(space[name](np, np.float32([[1, 2], [4, 3]])), np.float32([2, 4]))


def test_what_has_no_source_is_an_error_that_names_the_node():
    space = {"dg": dg}
    exec(
        "@dg.primitive(text='odd({x})', kind='elementwise')\n"
        "def odd_without_source(xp, x):\n    return x % 2\n",
        space,
    )
    try:
        with dg.Graph().as_default() as graph:
            x = dg.placeholder((), name="x")
            y = space["odd_without_source"](x)
        with pytest.raises(dg.errors.OperationError, match="odd_without_source"):
            dg.to_python(dg.Session(graph).program(y, [x]))
    finally:
        del REGISTRY["odd_without_source"], FUNCTIONS["odd_without_source"]


def test_an_old_file_survives_a_failure(tmp_path):
    path = tmp_path / "model.py"
    path.write_text("old")
    with dg.Graph().as_default() as graph:
        y = dg.constant(np.zeros(3)) + 1
    path.parent.chmod(0o755)
    dg.to_python(dg.Session(graph).program(y), path)
    assert "def run" in path.read_text()
    with pytest.raises(dg.errors.DataError):
        dg.to_python(dg.Session(graph).program(y), tmp_path / "missing" / "model.py")
