"""A stand-in for CuPy on machines without a GPU: arrays of NumPy behind CuPy's stricter rules.

What an operation may do with CuPy, it may do here, and no more: no function or keyword that CuPy
lacks (`cupy_names.txt`, read off CuPy 14), no silent conversion to NumPy, no array of NumPy beside
one of the device, no NumPy scalars as results.  It proves that code keeps to these rules; what a
GPU computes, and how fast, is not known from it.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

LISTED = {
    line.split()[0]: line.split()[1:]
    for line in Path(__file__).with_name("cupy_names.txt").read_text("utf-8").splitlines()
    if not line.startswith("#")
}
# Functions that make arrays out of anything.
MAKING = {"array", "asarray", "asanyarray", "ascontiguousarray", "full", "copyto"}
SCATTERED = ("int32", "uint32", "uint64", "float16", "float32", "float64")
REDUCING = ("add", "multiply")


class ndarray:
    """An array that only this module computes with, as `cupy.ndarray`."""

    __array_priority__ = 100

    def __init__(self, data: np.ndarray):
        assert type(data) is np.ndarray, type(data)
        self._on_device = data

    shape = property(lambda self: self._on_device.shape)
    dtype = property(lambda self: self._on_device.dtype)
    ndim = property(lambda self: self._on_device.ndim)
    size = property(lambda self: self._on_device.size)
    nbytes = property(lambda self: self._on_device.nbytes)
    itemsize = property(lambda self: self._on_device.itemsize)
    strides = property(lambda self: self._on_device.strides)
    T = property(lambda self: ndarray(self._on_device.T))
    mT = property(lambda self: ndarray(self._on_device.mT))
    real = property(lambda self: wrapped(self._on_device.real))

    @property
    def flags(self) -> Any:
        """CuPy's flags: there is none for writing."""
        flags = self._on_device.flags
        return SimpleNamespace(
            c_contiguous=flags.c_contiguous,
            f_contiguous=flags.f_contiguous,
            owndata=flags.owndata,
        )

    def __array__(self, *args: Any, **kwargs: Any) -> Any:
        raise TypeError("Implicit conversion to a NumPy array is not allowed")

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        if method != "__call__" or LISTED.get(ufunc.__name__, [""])[0] != "ufunc":
            return NotImplemented
        if "out" in kwargs:
            (kwargs["out"],) = kwargs["out"]
        return Ufunc(ufunc.__name__)(*inputs, **kwargs)

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        if function.__name__ not in LISTED or function.__module__ not in ("numpy", None):
            return NotImplemented
        return find(function.__name__)(*args, **kwargs)

    def __getitem__(self, index: Any) -> Any:
        return wrapped(self._on_device[_index(index)])

    def __setitem__(self, index: Any, value: Any) -> None:
        if isinstance(value, np.ndarray) and value.ndim:
            raise ValueError("Non-scalar numpy.ndarray cannot be used for fill")
        if isinstance(value, (list, tuple)):
            raise TypeError("a list cannot be used for fill")
        self._on_device[_index(index)] = _bare(value)

    def __len__(self) -> int:
        return len(self._on_device)

    def __iter__(self) -> Any:
        if not self.ndim:
            raise TypeError("iteration over a 0-d array")
        return (self[i] for i in range(len(self)))

    def __bool__(self) -> bool:
        return bool(self._on_device)

    def __int__(self) -> int:
        return int(self._on_device[()])

    def __float__(self) -> float:
        return float(self._on_device[()])

    def __index__(self) -> int:
        raise TypeError("only integers can be used as an index")

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return repr(self._on_device)

    def __str__(self) -> str:
        return str(self._on_device)

    # ---- values out, and other forms
    def get(self) -> np.ndarray:
        """A copy in NumPy."""
        return self._on_device.copy()

    def item(self, *at: Any) -> Any:
        """A Python number."""
        return self._on_device.item(*at)

    def tolist(self) -> Any:
        """Python numbers, nested."""
        return self._on_device.tolist()

    def astype(
        self,
        dtype: Any,
        order: str = "K",
        casting: Any = None,
        subok: Any = None,
        copy: bool = True,
    ) -> ndarray:
        """In another dtype; nothing else is supported by CuPy."""
        assert casting is None and subok is None
        return ndarray(self._on_device.astype(dtype, order=order, copy=copy))

    def copy(self, order: str = "C") -> ndarray:
        """In memory of its own."""
        return ndarray(self._on_device.copy(order))

    def reshape(self, *shape: Any, order: str = "C") -> ndarray:
        """In another shape."""
        return ndarray(self._on_device.reshape(*shape, order=order))

    def transpose(self, *axes: Any) -> ndarray:
        """With its axes in another order."""
        return ndarray(self._on_device.transpose(*axes))

    def view(self, *dtype: Any) -> ndarray:
        """The same memory."""
        return ndarray(self._on_device.view(*dtype))

    def fill(self, value: Any) -> None:
        """One value everywhere."""
        self._on_device.fill(_bare(value))


def _methods() -> None:
    plain = {
        "all": "axis out keepdims", "any": "axis out keepdims", "argmax": "axis dtype out keepdims",
        "argmin": "axis dtype out keepdims", "argsort": "axis", "clip": "min max out",
        "cumprod": "axis dtype out", "cumsum": "axis dtype out", "diagonal": "offset axis1 axis2",
        "dot": "b out", "flatten": "order", "max": "axis out keepdims",
        "mean": "axis dtype out keepdims", "min": "axis out keepdims", "nonzero": "",
        "prod": "axis dtype out keepdims", "ravel": "order", "repeat": "repeats axis",
        "round": "decimals out", "squeeze": "axis", "std": "axis dtype out ddof keepdims",
        "sum": "axis dtype out keepdims", "swapaxes": "axis1 axis2", "take": "indices axis out",
        "var": "axis dtype out ddof keepdims",
    }  # fmt: skip
    for name, parameters in plain.items():
        setattr(ndarray, name, _method(name, parameters.split()))
    compared = ("lt", "le", "gt", "ge", "eq", "ne")
    computed = ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "lshift", "rshift")
    binary = [*compared, *computed, "and", "or", "xor"]
    for name in binary:
        function = getattr(operator, f"{name}_" if name in ("and", "or") else name)
        setattr(ndarray, f"__{name}__", _operator(function))
        if name not in compared:
            setattr(ndarray, f"__r{name}__", _operator(function, swapped=True))
            setattr(ndarray, f"__i{name}__", _in_place(getattr(operator, f"i{name}")))
    ndarray.__matmul__ = lambda a, b: find("matmul")(a, b)  # type: ignore[attr-defined]
    ndarray.__rmatmul__ = lambda a, b: find("matmul")(b, a)  # type: ignore[attr-defined]
    for name in ("neg", "pos", "abs", "invert"):
        setattr(ndarray, f"__{name}__", _operator(getattr(operator, name), unary=True))


def _method(name: str, parameters: list[str]) -> Callable[..., Any]:
    def method(self: ndarray, *args: Any, **kwargs: Any) -> Any:
        _check(name, args, kwargs, parameters)
        args, kwargs = _bare(args), {key: _bare(value) for key, value in kwargs.items()}
        with np.errstate(all="ignore"):
            return wrapped(getattr(self._on_device, name)(*args, **kwargs))

    return method


def _operator(function: Any, *, swapped: bool = False, unary: bool = False) -> Callable[..., Any]:
    def operate(self: ndarray, *others: Any) -> Any:
        assert len(others) == (not unary)
        for other in others:
            if getattr(other, "__array_ufunc__", 0) is None:
                return NotImplemented  # the other one's reflected operator, as with NumPy
            if not _may_meet(other):
                raise TypeError(f"Unsupported type {type(other)}")
        values = [self._on_device, *(_bare(other) for other in others)]
        with np.errstate(all="ignore"):
            return wrapped(function(*(reversed(values) if swapped else values)))

    return operate


def _in_place(function: Any) -> Callable[..., Any]:
    def operate(self: ndarray, other: Any) -> ndarray:
        if not _may_meet(other):
            raise TypeError(f"Unsupported type {type(other)}")
        with np.errstate(all="ignore"):
            function(self._on_device, _bare(other))
        return self

    return operate


class Ufunc:
    """A function of elements, with the keywords and methods that CuPy's have."""

    def __init__(self, name: str):
        self.__name__ = name
        self.nin, self.nout = map(int, LISTED[name][1:])
        self._function = getattr(np, name)

    def __call__(
        self, *inputs: Any, out: Any = None, dtype: Any = None, casting: str = "same_kind"
    ) -> Any:
        """Every element."""
        for x in inputs:
            if not _may_meet(x):
                raise TypeError(f"Unsupported type {type(x)}")
        if out is not None and not isinstance(out, ndarray):
            raise TypeError(f"return arrays must be of ndarray, not {type(out)}")
        values = [_bare(x) for x in inputs]
        options = {} if dtype is None else {"dtype": dtype}
        with np.errstate(all="ignore"):
            made = self._function(*values, out=_bare(out), casting=casting, **options)
        return out if out is not None else wrapped(made)

    def reduce(
        self, array: Any, axis: Any = 0, dtype: Any = None, out: Any = None, keepdims: bool = False
    ) -> Any:
        """Sum or product along axes; CuPy reduces by no other function."""
        if self.__name__ not in REDUCING or not isinstance(array, ndarray):
            raise TypeError(f"reduce of {self.__name__} over {type(array)}")
        made = self._function.reduce(_bare(array), axis, dtype, _bare(out), keepdims)
        return out if out is not None else wrapped(made)

    def at(self, array: Any, index: Any, values: Any) -> None:
        """In place at repeated positions; not for every dtype."""
        if self.__name__ != "add" or array.dtype.name not in SCATTERED:
            raise TypeError(f"{self.__name__}.at for {array.dtype}")
        if not _may_meet(values):
            raise TypeError(f"Unsupported type {type(values)}")
        self._function.at(_bare(array), _index(index), _bare(values))


class Grid:
    """The open grid of CuPy, `ogrid[0:2, 0:3]`."""

    def __getitem__(self, slices: Any) -> Any:
        return wrapped(list(np.ogrid[slices]))


def _function(name: str, parameters: list[str]) -> Callable[..., Any]:
    function = getattr(np, name)

    def call(*args: Any, **kwargs: Any) -> Any:
        _check(name, args, kwargs, parameters)
        if name not in MAKING:
            for value in [*args, *kwargs.values()]:
                _check_arrays(name, value)
        if name == "argsort" and kwargs.get("kind") not in (None, "stable"):
            raise ValueError("kind can only be None or 'stable'")
        bare = {key: _bare(value) for key, value in kwargs.items() if key != "blocking"}
        with np.errstate(all="ignore"):
            return wrapped(function(*_bare(args), **bare))

    call.__name__ = name
    return call


def _check(name: str, args: Any, kwargs: Any, parameters: list[str]) -> None:
    star = any(p.startswith("*") and not p.startswith("**") for p in parameters)
    named = [p for p in parameters if not p.startswith("*")]
    if not star and len(args) > len(named):
        raise TypeError(f"{name}() takes {len(named)} arguments, {len(args)} were given")
    if not any(p.startswith("**") for p in parameters):
        for key in kwargs:
            if key not in named:
                raise TypeError(f"{name}() got an unexpected keyword argument {key!r}")


def _check_arrays(name: str, value: Any) -> None:
    for one in value if isinstance(value, (list, tuple)) else [value]:
        if isinstance(one, np.ndarray):
            raise TypeError(f"{name}: Unsupported type {type(one)}")


def _may_meet(value: Any) -> bool:
    return isinstance(value, (ndarray, bool, int, float, complex, np.generic))


def _index(index: Any) -> Any:
    for one in index if isinstance(index, tuple) else (index,):
        if isinstance(one, np.ndarray):
            raise IndexError(f"unsupported index {type(one)}")
    return _bare(index)


def _bare(value: Any) -> Any:
    if isinstance(value, ndarray):
        return value._on_device
    if type(value) in (list, tuple):
        return type(value)(_bare(one) for one in value)
    if isinstance(value, slice):
        return slice(_bare(value.start), _bare(value.stop), _bare(value.step))
    return value


def wrapped(value: Any) -> Any:
    """What NumPy returned, as this library's: scalars become arrays without axes."""
    if isinstance(value, (np.ndarray, np.generic)):
        return ndarray(np.asarray(value))
    if type(value) in (list, tuple):
        return type(value)(wrapped(one) for one in value)
    return value


def find(name: str) -> Any:
    """A function, dtype or number of the library, by name."""
    kind, *facts = LISTED[name]
    if kind == "ufunc":
        return Ufunc(name)
    return _function(name, facts) if kind == "function" else getattr(np, name)


def asnumpy(value: Any) -> np.ndarray:
    """A copy in NumPy's memory: the one way out."""
    return value.get() if isinstance(value, ndarray) else np.asarray(value)


def __getattr__(name: str) -> Any:
    if name == "matmul":
        return _function("matmul", ["a", "b", "out"])
    if name == "ogrid":
        return Grid()
    if name in ("shape", "ndim", "size"):
        return lambda value: getattr(value, name)
    if name not in LISTED:
        raise AttributeError(f"module 'cupy' has no attribute {name!r}")
    return find(name)


_methods()
