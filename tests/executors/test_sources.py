"""What a written program says: values as they lie in memory, functions where they come from."""

import functools

import numpy as np
import pytest

import dlgraph as dg
from dlgraph.core.primitive import FUNCTIONS, REGISTRY
from dlgraph.errors import DataError, OperationError


def written(session, fetches, feeds):
    space = {}
    exec(dg.to_python(session.program(fetches, feeds)), space)
    return space["run"], space["initial_state"]()


@pytest.mark.parametrize("size", [4, 65])
@pytest.mark.parametrize("axes", [(0, 1, 2), (1, 0, 2), (2, 1, 0), (1, 2, 0)])
def test_values_keep_the_order_in_which_they_lie_in_memory(size, axes):
    # Sums of the same numbers in another layout have other roundings.
    values = np.random.default_rng(0).normal(size=(3, size, 7)).astype("float32").transpose(axes)
    with dg.Graph().as_default() as graph:
        held, fixed = dg.variable(values, name="w"), dg.constant(values)
        fetches = [x.sum(axis=axis) for x in (held, fixed) for axis in (None, 0, 1, 2)]
    session = dg.Session(graph)
    run, state = written(session, fetches, [])
    assert state["w"].strides == fixed.attrs["value"].strides
    for found, wanted in zip(run(state), session.run(fetches), strict=True):
        assert np.array_equal(found, wanted)


def test_values_without_elements_keep_their_shape():
    with dg.Graph().as_default() as graph:
        x = dg.placeholder((None, 3), name="x")
        empty = dg.constant(np.zeros((0, 3), "float32"))
        fetches = [
            dg.concatenate([x, empty]),
            dg.concatenate([x, dg.variable(np.zeros((2, 0), "float32"), name="w")], axis=1),
            dg.take(x, dg.constant(np.zeros((0, 2), int))),
        ]
    session = dg.Session(graph)
    run, state = written(session, fetches, [x])
    value = np.arange(6, dtype="float32").reshape(2, 3)
    for found, wanted in zip(run(state, value), session.run(fetches, {x: value}), strict=True):
        assert found.shape == wanted.shape and np.array_equal(found, wanted)


def test_a_copied_value_lies_in_memory_as_the_session_has_it():
    w = dg.Parameter(np.zeros((65, 130), "float32"), name="w")
    with dg.Graph().as_default() as graph:
        x = dg.placeholder((130, 65), name="x")
        total, step = dg.variable(w).sum(), dg.assign(w, x.T)
    session = dg.Session(graph)
    run, state = written(session, [total, step], [x])
    value = np.random.default_rng(0).normal(size=(130, 65)).astype("float32")
    for _ in range(2):
        assert run(state, value)[0] == session.run([total, step], {x: value})[0]


add_up, biggest = np.add.reduce, np.maximum
own_ufunc = np.frompyfunc(lambda a: a, 1, 1)
partly = functools.partial(np.sum, axis=0)


def of_a_user(forward):
    return dg.primitive(kind="reduce", infer=lambda x: dg.Spec((), x.dtype))(forward)


def program_of(operation):
    with dg.Graph().as_default() as graph:
        x = dg.placeholder((3,), name="x")
        y = operation(x)
    return dg.Session(graph).program(y, [x])


def test_methods_of_array_functions_are_called_by_their_name():
    @of_a_user
    def bound_of_a_user(xp, x):
        return add_up(x) + biggest.reduce(x)

    try:
        text = dg.to_python(program_of(bound_of_a_user))
    finally:
        del REGISTRY["bound_of_a_user"], FUNCTIONS["bound_of_a_user"]
    space = {}
    exec(text, space)
    assert space["run"]({}, np.float32([1, 2, 4])) == 11.0
    assert "np.add.reduce(x) + np.maximum.reduce(x)" in text and "import numpy\n" not in text


def by_ufunc_of_a_user(xp, x):
    return own_ufunc(x).sum()


def by_partial_of_a_user(xp, x):
    return partly(x)


@pytest.mark.parametrize(
    ("forward", "said"),
    [
        (by_ufunc_of_a_user, "own_ufunc is a ufunc that no module has"),
        (by_partial_of_a_user, "partly is a partial that no module has"),
    ],
)
def test_what_no_module_has_is_told_and_not_written(forward, said):
    name = forward.__name__
    try:
        program = program_of(of_a_user(forward))
        with pytest.raises(OperationError, match=f"to_python: {name} = .*{said}") as caught:
            dg.to_python(program)
    finally:
        del REGISTRY[name], FUNCTIONS[name]
    assert "through its module" in caught.value.hint


def test_a_path_is_one_before_anything_is_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    program = program_of(dg.sum)
    for wrong in (5, "", "a\0b"):
        with pytest.raises(OperationError, match=r"to_python: .* is no path"):
            dg.to_python(program, wrong)
    with pytest.raises(DataError, match="is a folder"):
        dg.to_python(program, ".")
    assert not list(tmp_path.iterdir())
