"""Tensor: what it is made of, what comes out of it, and how it refuses."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis.extra import numpy as hnp

import dlgraph as dg
from dlgraph.errors import (
    DtypeError,
    MutationError,
    OperationError,
    ShapeError,
)

# ---- construction


@pytest.mark.parametrize(
    ("data", "dtype"),
    [
        (4.0, "float32"),
        (4, "int64"),
        (True, "bool"),
        ([1, 2], "int64"),
        ([1, 2.5], "float32"),
        ([[True], [False]], "bool"),
        (np.float64(2.0), "float64"),
        (np.ones(2, "float64"), "float64"),
        (np.ones(2, "int8"), "int8"),
        (np.ones(2, "float16"), "float16"),
    ],
)
def test_numbers_become_float32_or_int64_and_arrays_keep_their_dtype(data, dtype):
    tensor = dg.Tensor(data)
    assert tensor.dtype == np.dtype(dtype)
    assert tensor.shape == np.shape(data)
    np.testing.assert_array_equal(tensor.numpy(), np.asarray(data))


@given(hnp.arrays(hnp.floating_dtypes(sizes=(32, 64)), hnp.array_shapes(min_dims=0)))
def test_values_pass_through_unchanged(array):
    tensor = dg.Tensor(array)
    np.testing.assert_array_equal(tensor.numpy(), array)
    assert (tensor.dtype, tensor.shape, tensor.ndim, tensor.size) == (
        array.dtype,
        array.shape,
        array.ndim,
        array.size,
    )
    assert tensor.spec == dg.Spec(array.shape, array.dtype)


def test_dtype_is_what_was_asked_for():
    assert dg.Tensor([1, 2], dtype="float64").dtype == np.float64
    assert dg.Tensor(np.ones(2), dtype="float32").dtype == np.float32


def test_arrays_with_rules_of_their_own_become_plain_ones(tmp_path):
    matrix = np.array([[1.0, 2.0], [3.0, 4.0]]).view(np.matrix)
    assert (dg.Tensor(matrix) * dg.Tensor(matrix)).tolist() == [[1.0, 4.0], [9.0, 16.0]]
    np.save(tmp_path / "x.npy", np.arange(3.0))
    mapped = dg.Tensor(np.load(tmp_path / "x.npy", mmap_mode="r"))
    assert type(mapped._data) is np.ndarray and mapped.tolist() == [0.0, 1.0, 2.0]
    masked = np.ma.array([1.0, 2.0], mask=[False, True])
    with pytest.raises(OperationError, match="a masked array") as caught:
        dg.Tensor(masked)
    assert "filled" in caught.value.hint
    assert dg.Tensor(np.ma.array([1.0, 2.0])).tolist() == [1.0, 2.0]


def test_the_data_is_copied():
    array = np.ones(3, np.float32)
    tensor = dg.Tensor(array)
    array[0] = 7
    assert tensor.tolist() == [1.0, 1.0, 1.0]
    again = dg.Tensor(tensor)
    tensor.assign([5.0, 5.0, 5.0])
    assert again.tolist() == [1.0, 1.0, 1.0]


def test_a_tensor_made_of_a_tensor_forgets_how_that_was_computed():
    x = dg.Tensor(2.0, requires_grad=True)
    copy = dg.Tensor(x * 3)
    assert copy.is_leaf and not copy.requires_grad and copy.item() == 6.0


def test_ragged_lists_are_refused():
    with pytest.raises(OperationError, match="of this list: its rows differ in length"):
        dg.Tensor([[1.0, 2.0], [3.0]])


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ("three", "text"),
        (["1", "2"], "text"),
        (b"1", "bytes"),
        (None, "such as None"),
        ([1.0, None], "such as None"),
        (np.array(["2020-01-01"], "datetime64[D]"), "dates"),
        (2**70, "more than 64 bits"),
        ([1.5, -(2**70)], "more than 64 bits"),
    ],
)
def test_only_numbers_and_booleans_are_elements(data, words):
    with pytest.raises(DtypeError, match=words):
        dg.Tensor(data)


@pytest.mark.parametrize("data", ["3", None, ["3"], [None]])
def test_a_given_dtype_does_not_make_text_or_none_a_number(data):
    # NumPy reads "3" as 3.0 and None as NaN when it is told the dtype.
    with pytest.raises(DtypeError):
        dg.Tensor(data, dtype="float32")
    with pytest.raises(DtypeError):
        dg.Tensor([1.0]) + data


def test_a_number_that_does_not_fit_is_refused():
    with pytest.raises(OperationError, match="300"):
        dg.Tensor([300], dtype="uint8")


@pytest.mark.parametrize("number", [300, np.int64(300), np.array(-1), [np.int64(300)]])
def test_a_number_outside_the_range_of_a_dtype_is_not_wrapped_round(number):
    small = dg.Tensor(np.array([1], np.uint8), name="small")
    for use in (
        lambda: small + number,
        lambda: dg.Tensor(number, dtype="uint8"),
        lambda: small.assign(np.reshape(number, 1).tolist()),
    ):
        with pytest.raises(OperationError) as caught:
            use()
        assert caught.value.hint == 'uint8 reaches from 0 to 255; a wider type: x.astype("int64")'
    assert (small + np.int64(3)).tolist() == [4] and small.tolist() == [1]


def test_a_list_of_tensors_gives_their_values():
    assert dg.Tensor([dg.Tensor(1.0), dg.Tensor(2.0)]).tolist() == [1.0, 2.0]


@pytest.mark.parametrize(
    "nest",
    [lambda a, b: [a, b], lambda a, b: [[1.0, b], [a, 1.0]], lambda a, b: [[1.0, 2.0], [3.0, b]]],
)
def test_a_list_of_tensors_with_gradients_is_refused(nest):
    a, b = dg.Tensor(1.0, requires_grad=True), dg.Tensor(2.0, requires_grad=True)
    with pytest.raises(OperationError, match="cut them off") as caught:
        dg.Tensor(nest(a, b * 2))
    assert "dg.stack" in caught.value.hint


@pytest.mark.parametrize("data", [3, [1, 2], True, np.arange(3)])
def test_integers_cannot_require_gradients(data):
    with pytest.raises(DtypeError, match="integers have no small changes"):
        dg.Tensor(data, requires_grad=True)


def test_names_and_flags():
    x = dg.Tensor(1.0, name="x", requires_grad=True)
    assert (x.name, x.requires_grad, x.is_leaf, x.grad) == ("x", True, True, None)
    y = x * 2
    assert (y.name, y.requires_grad, y.is_leaf) == (None, True, False)
    assert dg.Parameter([1.0]).requires_grad
    assert not dg.Parameter([1.0], requires_grad=False).requires_grad


# ---- values out


def test_numpy_is_a_view_that_cannot_be_written_to():
    x = dg.Tensor([1.0, 2.0])
    for array in (x.numpy(), np.asarray(x)):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 5.0
    assert np.shares_memory(x.numpy(), x.numpy())
    assert isinstance((dg.Tensor(2.0) * 3).numpy(), np.ndarray)


def test_np_array_is_a_copy_that_can():
    x = dg.Tensor([1.0, 2.0])
    copy = np.array(x)
    copy[0] = 5.0
    assert x.tolist() == [1.0, 2.0]
    assert np.asarray(x, "float64").dtype == np.float64


def test_one_element_is_a_number():
    for x in (dg.Tensor(2.5), dg.Tensor([2.5]), dg.Tensor([[2.5]])):
        assert type(x.item()) is float and x.item() == 2.5
        assert float(x) == 2.5 and int(x) == 2 and bool(x)
    assert not dg.Tensor(0.0) and type(dg.Tensor([3]).item()) is int
    assert f"{dg.Tensor(0.25):.3f}" == "0.250" and f"{dg.Tensor([0.5])}" == "[0.5]"


def test_several_elements_are_not_a_number():
    x = dg.Tensor([1.0, 2.0])
    with pytest.raises(OperationError, match=r"exactly one element, this tensor has 2"):
        x.item()
    with pytest.raises(OperationError, match=r"truth of a tensor of shape \(2,\) is ambiguous"):
        bool(x)
    for convert in (float, int, "{:.1f}".format):
        with pytest.raises(OperationError):
            convert(x)


def test_integers_index_and_floats_do_not():
    assert ["a", "b"][dg.Tensor(1)] == "b"
    with pytest.raises(DtypeError, match="float32 cannot be used as an index"):
        ["a", "b"][dg.Tensor(1.0)]


def test_length_iteration_and_membership():
    x = dg.Tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    assert len(x) == 2
    rows = list(x)
    assert [row.tolist() for row in rows] == [[1.0, 2.0], [3.0, 4.0]]
    rows[1].sum().backward()
    assert x.grad.tolist() == [[0.0, 0.0], [1.0, 1.0]]
    assert 3.0 in x and dg.Tensor(4.0) in x and 7.0 not in x
    a, b = dg.Tensor([1.0, 2.0])
    assert (a.item(), b.item()) == (1.0, 2.0)


@pytest.mark.parametrize("use", [len, list, iter])
def test_a_scalar_has_no_length(use):
    with pytest.raises(OperationError, match="no length"):
        use(dg.Tensor(1.0))


def test_repr_tells_values_dtype_shape_name_and_origin():
    x = dg.Tensor([1.0, 2.0], name="x", requires_grad=True)
    assert repr(x) == "Tensor([1., 2.], float32, shape (2,), name='x', requires_grad=True)"
    assert repr(x + 1) == "Tensor([2., 3.], float32, shape (2,), made by add)"
    assert str(x) == "[1. 2.]"
    assert len(repr(dg.Tensor(np.zeros(1000)))) < 100


# ---- values in


def test_assign_replaces_the_values_and_leaves_handed_out_arrays_alone():
    w = dg.Parameter([1.0, 2.0])
    before = w.numpy()
    new = np.array([3.0, 4.0], np.float32)
    w.assign(new)
    new[0] = 9
    assert w.tolist() == [3.0, 4.0] and before.tolist() == [1.0, 2.0]
    w.assign([5, 6])
    assert w.tolist() == [5.0, 6.0] and w.dtype == np.float32
    w.assign(w - 1)
    assert w.tolist() == [4.0, 5.0] and w.is_leaf


@pytest.mark.parametrize(
    ("value", "error"),
    [
        ([1.0], ShapeError),
        (1.0, ShapeError),
        ([[1.0, 2.0]], ShapeError),
        (np.ones(2), DtypeError),
        (np.ones(2, "int64"), DtypeError),
        (["1", "2"], DtypeError),
    ],
)
def test_assign_never_converts_or_stretches(value, error):
    w = dg.Parameter([1.0, 2.0], name="w")
    with pytest.raises(error):
        w.assign(value)
    assert w.tolist() == [1.0, 2.0]


def test_assign_does_not_cut_fractions_off():
    count = dg.Tensor([1, 2])
    with pytest.raises(DtypeError, match=r"holds \(2,\) int64, the new value is \(2,\) float32"):
        count.assign([1.5, 2.5])


def test_assign_to_a_computed_tensor_is_refused():
    y = dg.Tensor(1.0, requires_grad=True) * 2
    with pytest.raises(MutationError, match="computed by multiply; only leaves"):
        y.assign(3.0)


def test_single_elements_cannot_be_overwritten():
    with pytest.raises(MutationError, match="single elements") as caught:
        dg.Tensor([1.0, 2.0])[0] = 5.0
    assert "dg.where" in caught.value.hint


@pytest.mark.parametrize(
    ("sign", "change"),
    [
        ("-", lambda w: w.__isub__(0.1)),
        ("+", lambda w: w.__iadd__(0.1)),
        ("*", lambda w: w.__imul__(0.1)),
        ("/", lambda w: w.__itruediv__(0.1)),
    ],
)
def test_an_in_place_operator_on_a_parameter_is_refused(sign, change):
    w = dg.Parameter([1.0], name="w")
    with pytest.raises(MutationError) as caught:
        change(w)
    assert f"`w {sign}= ...`" in caught.value.what and "'w'" in caught.value.what
    with dg.no_grad(), pytest.raises(MutationError):
        change(w)
    assert w.tolist() == [1.0]


def test_in_place_operators_on_other_tensors_make_new_ones():
    total = start = dg.Tensor(1.0)
    x = dg.Tensor(3.0, requires_grad=True)
    total += x * x
    total -= 1
    total *= 2
    total /= 4
    total.backward()
    assert start.item() == 1.0 and total.item() == 4.5 and x.grad.item() == 3.0


# ---- NumPy on the other side of an operator


@pytest.mark.parametrize("make", [np.float32, np.float64, lambda v: np.full((2,), v, np.float32)])
def test_arrays_and_numpy_scalars_on_the_left_of_an_operator(make):
    x = dg.Tensor([2.0, 4.0], requires_grad=True)
    other = make(3.0)
    for got, wanted in [
        (other + x, [5, 7]),
        (other - x, [1, -1]),
        (other * x, [6, 12]),
        (other / x, [1.5, 0.75]),
        (other**x, [9, 81]),
        (other > x, [True, False]),
        (other == x, [False, False]),
    ]:
        assert isinstance(got, dg.Tensor)
        assert got.tolist() == wanted
        assert got.dtype in (np.float32, bool)
    (other * x).sum().backward()
    assert x.grad.tolist() == [3.0, 3.0]


def test_an_array_on_the_left_of_matmul():
    x = dg.Tensor([[1.0], [2.0]], requires_grad=True)
    y = np.array([[3.0, 4.0]], np.float32) @ x
    assert isinstance(y, dg.Tensor) and y.tolist() == [[11.0]]


def test_numpy_functions_say_which_function_of_dlgraph_to_use():
    x = dg.Tensor([1.0, 2.0], requires_grad=True)
    with pytest.raises(OperationError, match=r"np\.exp .* could not be recorded") as caught:
        np.exp(x)
    assert caught.value.hint.startswith("dg.exp")
    with pytest.raises(OperationError) as caught:
        np.nextafter(x, 1.0)
    assert "x.numpy()" in caught.value.hint
    array = np.ones(2, np.float32)
    with pytest.raises(OperationError):
        array += x


# ---- detach and .grad


def test_detach_keeps_the_values_and_lets_no_gradient_through():
    x = dg.Tensor([3.0], requires_grad=True)
    y = x * x
    cut = y.detach()
    assert cut.is_leaf and not cut.requires_grad and np.shares_memory(cut.numpy(), y.numpy())
    (cut * x).sum().backward()
    assert x.grad.tolist() == [9.0]


def test_a_gradient_can_be_set_and_removed():
    w = dg.Parameter([1.0, 2.0], name="w")
    for value in ([3.0, 4.0], [3, 4], np.array([3.0, 4.0], np.float32), dg.Tensor([3.0, 4.0])):
        w.grad = value
        assert isinstance(w.grad, dg.Tensor) and w.grad.tolist() == [3.0, 4.0]
    w.grad = None
    assert w.grad is None


@pytest.mark.parametrize(
    ("value", "error"),
    [([1.0], ShapeError), (1.0, ShapeError), (np.ones(2), DtypeError)],
)
def test_a_gradient_has_the_form_of_its_tensor(value, error):
    w = dg.Parameter([1.0, 2.0], name="w")
    with pytest.raises(error, match=r"gradient of parameter 'w' \(2,\) float32 was set to"):
        w.grad = value
    assert w.grad is None


# ---- copies


COPIES = {
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    "pickle": lambda x: pickle.loads(pickle.dumps(x)),
}


@pytest.mark.parametrize("kind", COPIES)
@pytest.mark.parametrize("make", [dg.Parameter, lambda x, name: dg.Tensor(x, name=name)])
def test_a_copy_is_a_leaf_with_gradients_of_its_own(make, kind):
    w = make([1.0, 2.0], name="w")
    w.requires_grad = True
    (w * 5).sum().backward()
    other = COPIES[kind](w)
    assert (type(other), other.name, other.tolist()) == (type(w), "w", [1.0, 2.0])
    assert other.is_leaf and other.requires_grad and other.grad.tolist() == [5.0, 5.0]
    w.grad = other.grad = None
    (w * 2 + other * 3).sum().backward()
    assert (w.grad.tolist(), other.grad.tolist()) == ([2.0, 2.0], [3.0, 3.0])
    other.assign([7.0, 8.0])
    assert w.tolist() == [1.0, 2.0]


@pytest.mark.parametrize("kind", ["deepcopy", "pickle"])
def test_a_copied_model_is_trained_by_itself(kind):
    model = dg.nn.Sequential(dg.nn.Linear(3, 2, rng=dg.Stream(0)), dg.nn.BatchNorm(2))
    target, x = COPIES[kind](model), dg.Tensor(np.eye(4, 3, dtype=np.float32))
    loss = ((model(x) - 2 * target(x)) ** 3).sum() + target[0].weight.sum()
    loss.backward()
    assert target[0].weight.grad.tolist() != model[0].weight.grad.tolist()
    dg.optim.SGD(model.parameters(), lr=0.1).step()
    assert target[0].weight.tolist() != model[0].weight.tolist()


@pytest.mark.parametrize("kind", COPIES)
def test_what_was_computed_is_not_copied_with_its_record(kind):
    w = dg.Parameter([1.0, 2.0], name="w")
    with pytest.raises(OperationError, match="was computed by multiply") as caught:
        COPIES[kind](w * 2)
    assert "detach()" in caught.value.hint
    assert COPIES[kind]((w * 2).detach()).tolist() == [2.0, 4.0]


def test_a_parameter_without_values_is_copied_without():
    with dg.Graph().as_default():
        layer = dg.nn.Linear(2, 1)
    assert "not initialised" in repr(copy.deepcopy(layer).weight)


@pytest.mark.parametrize("data", [1, [1, 2], np.ones(2), dg.Tensor([1.0])])
@pytest.mark.parametrize("dtype", ["flt", 3])
def test_a_dtype_that_there_is_not(data, dtype):
    with pytest.raises(DtypeError, match=f"{dtype!r} is not an element type") as caught:
        dg.Tensor(data, dtype=dtype)
    assert "float32" in caught.value.hint


@pytest.mark.parametrize(
    ("index", "hint"),
    [
        ("a", "numbers, not names: x[0]"),
        (1.0, "x[1]"),
        (0.5, "x[int(i)]"),
        ([0.0, 1.0], "a list of whole numbers, x[[0, 2]]"),
        (np.array([0.0]), 'x[i.astype("int64")]'),
        (dg.Tensor([0.0]), 'x[i.astype("int64")]'),
    ],
)
def test_what_is_no_index_is_told_what_would_be_one(index, hint):
    with pytest.raises(DtypeError, match="indices are integers or booleans") as caught:
        dg.Tensor([1.0, 2.0])[index]
    assert hint in caught.value.hint
