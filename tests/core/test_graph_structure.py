"""The structure hash of a graph, and that nothing of a graph stays in memory."""

from __future__ import annotations

import gc
import os
import subprocess
import sys

import numpy as np
import pytest

import dlgraph as dg


@pytest.fixture
def g():
    with dg.Graph().as_default() as graph:
        yield graph


# ---- structure hash


def build(scale=2.0, axis=1, size=3, op=dg.tanh, names=("x", "scope"), width=2):
    with dg.Graph().as_default() as graph:
        x = dg.placeholder((None, size), name=names[0])
        w = dg.variable(dg.Parameter(np.ones((size, width), np.float32)))
        with dg.name_scope(names[1]):
            op(x @ w * scale).sum(axis=axis)
    return graph


def test_equal_structure_has_an_equal_hash():
    assert build().structure_hash() == build().structure_hash()
    assert len(build().structure_hash()) == 16


def test_names_scopes_lines_and_values_of_variables_do_not_count():
    changed = build(names=("image", "elsewhere"))
    changed.nodes[1].tensor.assign(np.full((3, 2), 7, np.float32))
    assert changed.structure_hash() == build().structure_hash()


@pytest.mark.parametrize(
    "change",
    [{"scale": 2.5}, {"axis": 0}, {"size": 4}, {"op": dg.sigmoid}, {"width": 3}],
    ids=str,
)
def test_constant_attribute_shape_or_operation_change_the_hash(change):
    assert build(**change).structure_hash() != build().structure_hash()


def test_links_dtypes_control_and_equal_sizes_change_the_hash():
    def small(second="n", dtype="float32", swap=False, control=False):
        with dg.Graph().as_default() as graph:
            x, y = dg.placeholder(("n",), dtype), dg.placeholder((second,), dtype)
            a, b = (y, x) if swap else (x, y)
            with graph.control_dependencies([x] if control else []):
                a - b
        return graph.structure_hash()

    hashes = [
        small(),
        small(second="m"),
        small(dtype="float64"),
        small(swap=True),
        small(control=True),
    ]
    assert len(set(hashes)) == 5


def test_which_unknown_sizes_are_equal_counts_and_their_names_do_not():
    def pair(first, second, join=False):
        with dg.Graph().as_default() as graph:
            x, y = dg.placeholder((first, 2), name="x"), dg.placeholder((second,), "int64")
            if join:
                x.shape[0].join(y.shape[0])
        return graph.structure_hash()

    assert pair("n", "n") == pair("k", "k") == pair(None, None, join=True)
    assert pair("n", "m") == pair(None, None) == pair(None, "n") != pair("n", "n")


def test_which_slice_is_taken_counts():
    def cut(index):
        with dg.Graph().as_default() as graph:
            _ = dg.placeholder((4, 4), name="x")[index]
        return graph.structure_hash()

    indices = [
        slice(0, 2),
        slice(1, 3),
        slice(0, 4, 2),
        (slice(None), slice(0, 2)),
        (0, None),
        0,
        1,
    ]
    assert len({cut(index) for index in indices}) == len(indices)


def test_what_branches_and_loops_compute_counts():
    def branch(factor, inner=1.0):
        with dg.Graph().as_default() as graph:
            x = dg.placeholder((), name="x")

            def then(x):
                (y,) = dg.while_loop(lambda y: y < 9.0, lambda y: (y + inner,), (x,))
                return y * factor

            dg.cond(x > 0, then, lambda x: x, x)
        return graph.structure_hash()

    assert branch(2.0) == branch(2.0)
    assert len({branch(2.0), branch(3.0), branch(2.0, inner=2.0)}) == 3


def test_adding_a_node_changes_the_hash(g):
    x = dg.placeholder((), name="x")
    before = g.structure_hash()
    x + 1
    assert g.structure_hash() != before


@pytest.mark.parametrize("seed", ["0", "1"])
def test_the_hash_is_the_same_in_another_process(seed):
    program = (
        "import dlgraph as dg, numpy as np\n"
        "with dg.Graph().as_default() as g:\n"
        "    x = dg.placeholder((None, 3), name='x')\n"
        "    model = dg.nn.Sequential(dg.nn.Linear(3, 2), dg.nn.Dropout(0.5))\n"
        "    loss = dg.cross_entropy(model(x)[1:, :], np.array([1, 0]))\n"
        "    dg.optim.Adam(lr=0.1).minimize(loss)\n"
        "print(g.structure_hash())\n"
    )
    here: dict = {}
    exec(program.replace("print(g.structure_hash())", ""), here)
    there = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONHASHSEED": seed},
        capture_output=True,
        text=True,
        check=True,
    )
    assert there.stdout.strip() == here["g"].structure_hash()


# ---- memory


def test_a_graph_and_its_session_are_no_reference_cycle():
    def use():
        model = dg.nn.Sequential(dg.nn.Linear(3, 4), dg.nn.Tanh(), dg.nn.Dropout(0.5))
        with dg.Graph().as_default() as graph:
            x = dg.placeholder((None, 3), name="x")
            loss = model(x).sum()
            train = dg.optim.Adam(model.parameters(), lr=0.1).minimize(loss)
        session = dg.Session(graph)
        session.run(graph.startup)
        session.run([loss, train], {x: np.ones((2, 3), np.float32)})
        dg.Session(graph.clone(for_test=True)).run(loss, {x: np.ones((2, 3), np.float32)})
        str(graph), graph.structure_hash()

    use()  # imports and caches of the first use
    gc.collect()
    gc.disable()
    try:
        use()
        assert gc.collect() == 0
    finally:
        gc.enable()
