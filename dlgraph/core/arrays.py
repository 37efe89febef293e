"""Which array library holds these arrays: NumPy, or one that registered itself (CuPy).

The only file that knows that there is more than one.  Forward functions get the module as `xp`.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from types import ModuleType
from typing import Any

import numpy as np

OBJECT = np.dtype(object)

MODULES: dict[type, ModuleType] = {}  # the libraries beside NumPy, by the type of their arrays


def register(array_type: type, module: ModuleType) -> None:
    """Make another array library known, for example CuPy when its extra is imported."""
    MODULES[array_type] = module


def module_of(*values: Any) -> Any:
    """NumPy, unless one of the values is an array of a registered library."""
    for value in values if MODULES else ():
        module = MODULES.get(type(value))
        if module is not None:
            return module
    return np


def device_of(value: Any) -> str:
    """Where an array lives: "cpu" (NumPy) or "gpu" (a registered library)."""
    return "gpu" if type(value) in MODULES else "cpu"


def to_numpy(value: Any) -> Any:
    """The same values in NumPy; what another library holds is copied out of its memory."""
    module = MODULES.get(type(value)) if MODULES else None
    return value if module is None else module.asnumpy(value)


def beside(xp: Any, value: Any) -> Any:
    """An array of NumPy in this library; anything else stays as it is."""
    return xp.asarray(value) if isinstance(value, (np.ndarray, np.generic)) else value


def like_device(value: Any, other: Any) -> Any:
    """A value where the other one lives."""
    xp = module_of(other)
    return to_numpy(value) if xp is np else beside(xp, value)


def together(xp: Any, names: Sequence[str], values: Sequence[Any]) -> list[Any]:
    """The values with arrays of NumPy brought to this library (a `key` of random numbers stays)."""
    names = names if len(names) == len(values) else ["x"] * len(values)
    return [
        value if name == "key" else beside(xp, value)
        for name, value in zip(names, values, strict=True)
    ]


def stretched(xp: Any, value: Any, shape: tuple) -> Any:
    """A view of one value in this shape, not to be written to."""
    if xp is np and shape:  # what `broadcast_to` gives, in a fifth of the time
        return np.ndarray(shape, value.dtype, value, 0, (0,) * len(shape))
    return xp.broadcast_to(value, shape)


def as_number(x: Any) -> Any:
    """One number stretched to an array as the number: NumPy then has only one loop to run."""
    return x[(0,) * x.ndim + (...,)] if x.ndim and x.size and not any(x.strides) else x


def is_array(value: Any) -> bool:
    """Is this an array or array scalar of a known library?"""
    return isinstance(value, (np.ndarray, np.generic, Bundle)) or type(value) in MODULES


def elements(dtype: np.dtype) -> str:
    """What arrays of this dtype hold, in words, for errors about values that are no numbers."""
    words = {
        "U": "text",
        "S": "bytes",
        "O": "objects that are not numbers, such as None",
        "M": "dates",
    }
    return words.get(dtype.kind, f"elements of type {dtype}")


def reason(error: Exception, dtype: Any = None) -> str:
    """Why NumPy made no array (of this dtype), without its inner workings."""
    if "too large to convert" in str(error):  # to a type of C
        return f"a number is beyond the range of {np.dtype(dtype) if dtype else 'the elements'}"
    return "its rows differ in length" if "inhomogeneous" in str(error) else str(error)


def adapts(found: np.dtype, wanted: np.dtype) -> bool:
    """May bare numbers that NumPy reads as `found` take this dtype without losing anything?

    Booleans may become any number and integers floats, but a float never becomes an integer.
    """
    order = {"b": 0, "u": 1, "i": 1, "f": 2, "c": 3}
    return order.get(found.kind, 4) <= order.get(wanted.kind, -1)


def read_only(array: Any) -> Any:
    """A view that refuses to be written to; what another library holds is copied first."""
    array = to_numpy(array)
    if not isinstance(array, np.ndarray):
        array = np.asarray(array) if isinstance(array, np.generic) else array
    view = array.view()
    if isinstance(view, np.ndarray):
        view.flags.writeable = False
    return view


class Constant:
    """An array beside the Tensors among the inputs of a recorded operation.

    It has what a walk over the record asks of every input: it never changes and wants no gradient.
    """

    __slots__ = ("_data",)
    requires_grad = False
    _changed = _order = 0

    def __init__(self, data: Any):
        self._data = data

    @property
    def dtype(self) -> np.dtype:
        """Element type."""
        return self._data.dtype

    @property
    def shape(self) -> tuple:
        """Sizes of the dimensions."""
        return self._data.shape

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.asarray(to_numpy(self._data), dtype)


# The types of NumPy's real scalars; faster to ask for than the dtype of a scalar.
FLOATS = frozenset({np.float16, np.float32, np.float64, np.longdouble})


def constant(number: float, kind: Any) -> Constant:
    """A Python number as a constant of this scalar type."""
    # Making a scalar takes NumPy longer than computing with it, so those in use are kept.  (Not 0:
    # it is equal to -0, which is another number.)
    return kept_constant(number, kind) if number else Constant(kind(number))


@lru_cache(maxsize=256)
def kept_constant(number: float, kind: Any) -> Constant:
    """A Python number other than 0 as a constant of this scalar type, the same one every time."""
    return Constant(kind(number))


class Zeros:
    """Zeros that nobody asked for yet: the parts of a bundle's gradient that nothing reached."""

    __slots__ = ("dtype", "shape")
    __array_ufunc__ = None

    def __init__(self, shape: tuple, dtype: Any):
        self.shape, self.dtype = shape, dtype

    @property
    def nbytes(self) -> int:
        """No memory yet."""
        return 0

    def __add__(self, other: Any) -> Any:
        return other

    __radd__ = __add__

    def made(self, xp: Any = np) -> Any:
        """The array itself."""
        return xp.zeros(self.shape, self.dtype)


class Bundle(tuple):
    """Several values that travel together; it can stand where an array stands (bundle.py)."""

    __slots__ = ()

    @property
    def shape(self) -> tuple:
        """How many values there are: gradients are asked for it at every step, so no more."""
        return (len(self),)

    @property
    def dtype(self) -> np.dtype:
        """Object: a bundle is not an array."""
        return OBJECT

    @property
    def nbytes(self) -> int:
        """Bytes of all values."""
        return sum(value.nbytes for value in self)

    def __add__(self, other: Any) -> Bundle:
        if type(other) is Single:
            whole, at = list(self), other.at
            whole[at] = whole[at] + other[at]
            return Bundle(whole)
        return Bundle(a + b for a, b in zip(self, other, strict=True))

    def part(self, index: int, xp: Any = np) -> Any:
        """One value, as an array."""
        value = self[index]
        return value.made(xp) if isinstance(value, Zeros) else value


class Rows(Bundle):
    """The rows of one array: all of one shape and dtype."""

    __slots__ = ()


class Single(Bundle):
    """A bundle of zeros but for one value, that `at` this place."""

    at = 0


def single(value: Any, like: Bundle, at: int) -> Single:
    """Zeros like another bundle, with a value at this place.

    A loop over many rows adds up as many of these: none is made, or added, by looking at all.
    """
    if isinstance(like, Rows):
        zeros: Any = (Zeros(value.shape, value.dtype),) * len(like)
    else:
        zeros = tuple(Zeros(one.shape, one.dtype) for one in like)
    made = Single((*zeros[:at], value, *zeros[at + 1 :]))
    made.at = at
    return made
