"""Python operators and methods that Tensor and Node share.

Each forwards to the primitive or composite of that name, found in `FUNCTIONS` when called: the
operations are defined above this layer, in `dlgraph/ops`.  Next: `tensor.py`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from dlgraph.core import tree
from dlgraph.core.declared import answering
from dlgraph.core.names import METHODS_ELSEWHERE, Elsewhere, names_of
from dlgraph.core.primitive import FUNCTIONS
from dlgraph.core.where import name_in_frame, user_frame
from dlgraph.errors import DtypeError, OperationError

# What NumPy's operators call their functions, and what they are called here.
_OF_UFUNC = {
    "add": "add",
    "subtract": "subtract",
    "multiply": "multiply",
    "divide": "divide",
    "floor_divide": "floor_divide",
    "remainder": "remainder",
    "power": "pow",
    "matmul": "matmul",
    "equal": "equal",
    "not_equal": "not_equal",
    "less": "less",
    "less_equal": "less_equal",
    "greater": "greater",
    "greater_equal": "greater_equal",
    "bitwise_and": "logical_and",
    "bitwise_or": "logical_or",
}

# NumPy's functions that have another name here, or are more than one function.
_OF_FUNCTION = {
    "amax": "max",
    "amin": "min",
    "column_stack": "",
    "dot": "matmul",
    "hstack": "",
    "vdot": "",
    "vstack": "",
}


class Operators:
    """What one can do with a value, whether it exists already (Tensor) or will later (Node).

    >>> import dlgraph as dg
    >>> x = dg.Tensor([[1.0, 2.0], [3.0, 4.0]])
    >>> print(x.T[0] * 2 + x.sum(axis=1))
    [ 5. 13.]
    """

    __slots__ = ()

    # A Series of pandas, asked for `series * tensor`, leaves it to the operand of higher priority.
    __pandas_priority__ = 10_000

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        # NumPy asks here for `array * tensor`, which is fine, and for `np.exp(tensor)`.
        name = _OF_UFUNC.get(ufunc.__name__, ufunc.__name__)
        if method == "__call__" and not options and ufunc.__name__ in _OF_UFUNC:
            return FUNCTIONS[name](*inputs)
        raise self._not_recorded(ufunc.__name__, name)

    def __array_function__(self, function: Any, types: Any, given: Any, options: Any) -> Any:
        # NumPy asks here for `np.mean(tensor)`, `np.concatenate([tensor, ...])` and the like.
        name = _OF_FUNCTION.get(function.__name__, function.__name__)
        if not name or (name in FUNCTIONS and name != "round"):  # np.round(x, 3): to print it
            raise self._not_recorded(function.__name__, name)
        leaves, form = tree.flatten([list(given), dict(options)])
        values = [np.asarray(one) if isinstance(one, Operators) else one for one in leaves]
        given, options = tree.rebuild(form, values)
        return function(*given, **options)  # np.allclose, np.shape, ...: computed on the values

    def _not_recorded(self, theirs: str, ours: str) -> OperationError:
        return OperationError(
            f"np.{theirs} computes on arrays; what it did with a {type(self).__name__} could not "
            "be recorded",
            hint=f"dg.{ours} does the same and is recorded"
            if ours in FUNCTIONS
            else "use the operations of dlgraph, or the values of a tensor: x.numpy()",
        )

    def _no_number(self, sign: str, word: str) -> DtypeError:
        called = name_in_frame(self, user_frame()) or "x"
        return DtypeError(
            f"`{called} {sign} None` would compare every element with None, which is no number",
            hint=f"`{called} {word} None` asks whether there is a value at all",
        )

    def __dir__(self) -> list[str]:
        return names_of(self)

    # ---- arithmetic
    def __add__(self, other: Any) -> Any:
        return FUNCTIONS["add"](self, other)

    def __radd__(self, other: Any) -> Any:
        return FUNCTIONS["add"](other, self)

    def __sub__(self, other: Any) -> Any:
        return FUNCTIONS["subtract"](self, other)

    def __rsub__(self, other: Any) -> Any:
        return FUNCTIONS["subtract"](other, self)

    def __mul__(self, other: Any) -> Any:
        return FUNCTIONS["multiply"](self, other)

    def __rmul__(self, other: Any) -> Any:
        return FUNCTIONS["multiply"](other, self)

    def __truediv__(self, other: Any) -> Any:
        return FUNCTIONS["divide"](self, other)

    def __rtruediv__(self, other: Any) -> Any:
        return FUNCTIONS["divide"](other, self)

    def __mod__(self, other: Any) -> Any:
        return FUNCTIONS["remainder"](self, other)

    def __rmod__(self, other: Any) -> Any:
        return FUNCTIONS["remainder"](other, self)

    def __floordiv__(self, other: Any) -> Any:
        return FUNCTIONS["floor_divide"](self, other)

    def __rfloordiv__(self, other: Any) -> Any:
        return FUNCTIONS["floor_divide"](other, self)

    def __pow__(self, other: Any) -> Any:
        return FUNCTIONS["pow"](self, other)

    def __rpow__(self, other: Any) -> Any:
        return FUNCTIONS["pow"](other, self)

    def __matmul__(self, other: Any) -> Any:
        return FUNCTIONS["matmul"](self, other)

    def __rmatmul__(self, other: Any) -> Any:
        return FUNCTIONS["matmul"](other, self)

    def __neg__(self) -> Any:
        return FUNCTIONS["negative"](self)

    def __pos__(self) -> Any:
        return self

    def __abs__(self) -> Any:
        return FUNCTIONS["absolute"](self)

    # ---- comparison and logic (element by element; `is` compares identity)
    def __eq__(self, other: Any) -> Any:
        if other is None:
            raise self._no_number("==", "is")
        return FUNCTIONS["equal"](self, other)

    def __ne__(self, other: Any) -> Any:
        if other is None:
            raise self._no_number("!=", "is not")
        return FUNCTIONS["not_equal"](self, other)

    def __lt__(self, other: Any) -> Any:
        return FUNCTIONS["less"](self, other)

    def __le__(self, other: Any) -> Any:
        return FUNCTIONS["less_equal"](self, other)

    def __gt__(self, other: Any) -> Any:
        return FUNCTIONS["greater"](self, other)

    def __ge__(self, other: Any) -> Any:
        return FUNCTIONS["greater_equal"](self, other)

    def __and__(self, other: Any) -> Any:
        return FUNCTIONS["logical_and"](self, other)

    def __or__(self, other: Any) -> Any:
        return FUNCTIONS["logical_or"](self, other)

    def __invert__(self) -> Any:
        return FUNCTIONS["logical_not"](self)

    __hash__ = object.__hash__

    # ---- indexing and shape
    def __getitem__(self, index: Any) -> Any:
        return FUNCTIONS["getitem"](self, index)

    def reshape(self, *shape: Any) -> Any:
        """The same elements in another shape; one size may be -1."""
        if len(shape) == 1 and isinstance(shape[0], (tuple, list)):
            shape = tuple(shape[0])
        return FUNCTIONS["reshape"](self, shape=shape)

    def transpose(self, *axes: Any) -> Any:
        """Axes in another order (reversed by default)."""
        if len(axes) == 1 and (axes[0] is None or isinstance(axes[0], (tuple, list))):
            axes = tuple(axes[0] or ())
        return FUNCTIONS["transpose"](self, axes=axes or None)

    def swapaxes(self, first: int, second: int) -> Any:
        """Two axes exchanged."""
        return FUNCTIONS["swapaxes"](self, first, second)

    @answering
    def squeeze(self, axis: Any = None) -> Any:
        """Axes of size 1 removed."""
        return FUNCTIONS["squeeze"](self, axis=axis)

    def flatten(self, start: int = 0) -> Any:
        """All axes from `start` on as one."""
        return FUNCTIONS["flatten"](self, start)

    @property
    def T(self) -> Any:
        """Axes reversed."""
        return FUNCTIONS["transpose"](self)

    @property
    def mT(self) -> Any:
        """The last two axes exchanged: the transpose of each matrix in a stack."""
        return FUNCTIONS["swapaxes"](self, -1, -2)

    # ---- reductions
    @answering
    def sum(self, axis: Any = None, keepdims: bool = False) -> Any:
        """Sum over the axes."""
        return FUNCTIONS["sum"](self, axis=axis, keepdims=keepdims)

    @answering
    def mean(self, axis: Any = None, keepdims: bool = False) -> Any:
        """Mean over the axes."""
        return FUNCTIONS["mean"](self, axis=axis, keepdims=keepdims)

    @answering
    def max(self, axis: Any = None, keepdims: bool = False) -> Any:
        """Largest element over the axes."""
        return FUNCTIONS["max"](self, axis=axis, keepdims=keepdims)

    @answering
    def min(self, axis: Any = None, keepdims: bool = False) -> Any:
        """Smallest element over the axes."""
        return FUNCTIONS["min"](self, axis=axis, keepdims=keepdims)

    @answering
    def var(self, axis: Any = None, keepdims: bool = False) -> Any:
        """Variance over the axes (divided by the count, as in NumPy)."""
        return FUNCTIONS["var"](self, axis=axis, keepdims=keepdims)

    @answering
    def std(self, axis: Any = None, keepdims: bool = False) -> Any:
        """Standard deviation over the axes, the square root of `var`."""
        return FUNCTIONS["std"](self, axis=axis, keepdims=keepdims)

    @answering
    def prod(self, axis: Any = None, keepdims: bool = False) -> Any:
        """Product over the axes."""
        return FUNCTIONS["prod"](self, axis=axis, keepdims=keepdims)

    @answering
    def argmax(self, axis: int | None = None) -> Any:
        """Index of the largest element."""
        return FUNCTIONS["argmax"](self, axis=axis)

    @answering
    def argmin(self, axis: int | None = None) -> Any:
        """Index of the smallest element."""
        return FUNCTIONS["argmin"](self, axis=axis)

    @answering
    def all(self, axis: Any = None, keepdims: bool = False) -> Any:
        """Are all elements true (not 0), over the axes?"""
        return FUNCTIONS["all"](self, axis=axis, keepdims=keepdims)

    @answering
    def any(self, axis: Any = None, keepdims: bool = False) -> Any:
        """Is at least one element true (not 0), over the axes?"""
        return FUNCTIONS["any"](self, axis=axis, keepdims=keepdims)

    # ---- element types and functions people write as methods
    def astype(self, dtype: Any) -> Any:
        """Another element type; the only way in which dtypes change."""
        return FUNCTIONS["astype"](self, dtype)

    def abs(self) -> Any:
        """Size of every element, without its sign."""
        return FUNCTIONS["absolute"](self)

    def clip(self, low: Any = None, high: Any = None) -> Any:
        """Every element brought into the interval from `low` to `high`."""
        return FUNCTIONS["clip"](self, low, high)

    def exp(self) -> Any:
        """Exponential of every element."""
        return FUNCTIONS["exp"](self)

    def log(self) -> Any:
        """Natural logarithm of every element."""
        return FUNCTIONS["log"](self)

    def sqrt(self) -> Any:
        """Square root of every element."""
        return FUNCTIONS["sqrt"](self)

    def tanh(self) -> Any:
        """Hyperbolic tangent of every element."""
        return FUNCTIONS["tanh"](self)

    def relu(self) -> Any:
        """Negative elements replaced by 0."""
        return FUNCTIONS["relu"](self)

    def sigmoid(self) -> Any:
        """Logistic function of every element."""
        return FUNCTIONS["sigmoid"](self)

    @answering
    def softmax(self, axis: int = -1) -> Any:
        """Positive numbers that sum to 1 along the axis."""
        return FUNCTIONS["softmax"](self, axis=axis)


# (Not `__getattr__`: a class that has one reads all its attributes at half the speed.)
for _name, _here in METHODS_ELSEWHERE.items():
    setattr(Operators, _name, Elsewhere(_name, _here))
