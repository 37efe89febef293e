"""What a value can tell: its shape, its numbers, its text; and arrays from what users pass.

`Values` is the part of Tensor that only reads.  Next: `tensor.py`, which computes and records.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from dlgraph.core import arrays
from dlgraph.core.operators import Operators
from dlgraph.core.spec import DEFAULT_FLOAT, Spec, spec_of
from dlgraph.errors import DlgraphError, DtypeError, OperationError, UninitialisedError


class Values(Operators):
    """What one can ask a tensor for.

    >>> import dlgraph as dg
    >>> x = dg.Tensor([[1.0, 2.0, 3.0]])
    >>> x.shape, x.dtype.name, x.tolist()
    ((1, 3), 'float32', [[1.0, 2.0, 3.0]])
    """

    __slots__ = ()

    _data: Any
    _grad: Any
    _inputs: tuple
    _op: Any
    name: str | None
    requires_grad: bool

    # ---- what it is
    @property
    def shape(self) -> tuple[int, ...]:
        """Sizes of the dimensions."""
        return value_of(self).shape

    @property
    def dtype(self) -> np.dtype:
        """Element type."""
        return value_of(self).dtype

    @property
    def ndim(self) -> int:
        """Number of dimensions."""
        return value_of(self).ndim

    @property
    def size(self) -> int:
        """Number of elements."""
        return value_of(self).size

    @property
    def spec(self) -> Spec:
        """Shape and dtype together."""
        return spec_of(value_of(self))

    # ---- values out
    def numpy(self) -> np.ndarray:
        """The values as a NumPy array that cannot be written to (no copy, but from a GPU).

        >>> import dlgraph as dg
        >>> dg.Tensor([1.0, 2.0]).numpy()
        array([1., 2.], dtype=float32)
        """
        return arrays.read_only(value_of(self))

    def item(self) -> Any:
        """The one element as a Python number."""
        data = value_of(self)
        if data.size != 1:
            raise OperationError(
                f"item() needs exactly one element, this tensor has {self.size} (shape "
                f"{self.shape})",
                hint="reduce it first: x.sum().item(), or index it: x[0].item()",
            )
        return data.item()

    def tolist(self) -> Any:
        """The values as nested Python lists."""
        return value_of(self).tolist()

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        found = np.asarray(arrays.to_numpy(value_of(self)))
        if dtype is not None and found.dtype != dtype:
            return found.astype(dtype)
        return found.copy() if copy else arrays.read_only(found)

    def __float__(self) -> float:
        return float(self.item())

    def __int__(self) -> int:
        return int(self.item())

    def __index__(self) -> int:
        if self.dtype.kind not in "iu":
            raise DtypeError(f"a tensor of {self.dtype} cannot be used as an index")
        return int(self.item())

    def __bool__(self) -> bool:
        if self.size != 1:
            raise OperationError(
                f"the truth of a tensor of shape {self.shape} is ambiguous: it has {self.size} "
                "elements",
                hint="compare all of them: (x > 0).numpy().all(), or any()",
            )
        return bool(self.item())

    def __len__(self) -> int:
        if not self.ndim:
            raise OperationError(
                f"{describe(self)} is a scalar: it has no length and no elements to go through",
                hint="x.item() is its number",
            )
        return self.shape[0]

    def __iter__(self) -> Iterator[Any]:
        return (self[i] for i in range(len(self)))

    def __contains__(self, value: Any) -> bool:
        return bool((value_of(self) == getattr(value, "_data", value)).any())

    # ---- copied: by copy, deepcopy and pickle
    def __getstate__(self) -> tuple[Any, dict[str, Any]]:
        if self._inputs:
            raise OperationError(
                f"{describe(self)} was computed by {self._op.name}: a copy would need a copy of "
                "all that it was computed from",
                hint="x.detach() has the same values and can be copied",
            )
        state: Any = object.__getstate__(self)
        held, slots = state
        slots["requires_grad"] = self.requires_grad and self._op is None
        slots["_grad"] = getattr(self._grad, "_data", self._grad)
        # A copy is a leaf, and new: gradients know a tensor by its order number.
        for name in ("_attrs", "_changed", "_inputs", "_op", "_order", "_used", "_where"):
            del slots[name]
        return held, slots

    def __setstate__(self, state: tuple[Any, dict[str, Any]]) -> None:
        from dlgraph.core.autodiff import NO_ATTRS
        from dlgraph.core.tensor import tick

        fresh = {"_attrs": NO_ATTRS, "_changed": 0, "_inputs": (), "_order": tick()}
        fresh |= dict.fromkeys(("_op", "_used", "_where"))
        held, slots = state
        for name, value in {**fresh, **slots, **(held or {})}.items():
            setattr(self, name, value)

    # ---- shown
    def __str__(self) -> str:
        return str(value_of(self))

    def __format__(self, spec: str) -> str:
        return format(self.item() if spec else str(self), spec)


def value_of(tensor: Values) -> Any:
    """The array of a tensor, or the error that says why there is none yet."""
    if tensor._data is None:
        raise UninitialisedError(
            f"{describe(tensor)} has no value yet",
            hint="it was made for a graph: run the initialisers first, session.run(graph.startup)",
        )
    return tensor._data


def describe(tensor: Values) -> str:
    """How a tensor is called in errors."""
    kind = type(tensor).__name__.lower()
    return f"{kind} {tensor.name!r}" if tensor.name else f"this {kind}"


def show_value(value: Any, threshold: int = 6) -> str:
    """A value in one line, long arrays shortened."""
    if not np.ndim(value):
        return str(value[()] if isinstance(value, np.ndarray) else value)
    value = arrays.to_numpy(value)
    return " ".join(np.array2string(value, separator=", ", threshold=threshold).split())


def as_array(data: Any, dtype: Any = None, *, copy: bool = True) -> Any:
    """An array of the engine's own: floats of Python become float32, integers int64."""
    if isinstance(data, Values):
        data = value_of(data)
    data = plain_array(data)
    dtype = None if dtype is None else element_type(dtype)
    if arrays.is_array(data):
        target = data.dtype if dtype is None else dtype
        if data.dtype != target and _whole(data.dtype) and _whole(target) and not data.ndim:
            found = _from_python(data.item(), target)  # which refuses what does not fit
        else:
            found = data.astype(target) if copy or data.dtype != target else data
    else:
        found = _from_python(data, dtype)
    if found.dtype.kind not in "biufc":
        kinds = {type(one) for one in found.flat} if found.dtype == arrays.OBJECT else set()
        if int in kinds and kinds <= {int, float, bool}:
            raise DtypeError(
                "cannot compute with whole numbers of more than 64 bits",
                hint="written with a point they may be larger: 1e30",
            )
        _check_numbers(found.dtype)
    # NumPy computes ten times faster with its scalars than with arrays without axes.  (A scalar has
    # the byte order of the machine.)
    scalar = found.ndim == 0 and found.dtype.kind == "f" and found.dtype.isnative
    return found[()] if scalar else found


def element_type(dtype: Any) -> np.dtype:
    """The element type of this name; raises `DtypeError` if there is none, or not of numbers."""
    try:
        found = np.dtype(dtype) if dtype is not None else None  # which NumPy takes for float64
    except TypeError:
        found = None
    if found is None:
        raise DtypeError(f"{dtype!r} is not an element type", hint='"float32", "int64"')
    _check_numbers(found)
    return found


def _check_numbers(dtype: np.dtype) -> None:
    if dtype.kind not in "biufc":
        raise DtypeError(
            f"cannot compute with {arrays.elements(dtype)}",
            hint="tensors hold numbers or booleans",
        )


def operand(value: Any, dtype: Any = None) -> Any:
    """The array of what is no tensor, for an operation, which says in an error where it stood."""
    try:
        return as_array(value, dtype, copy=False)
    except DlgraphError as error:
        error.where = None
        raise


def plain_array(data: Any) -> Any:
    """A plain array in place of one of a subclass: `*` of an `np.matrix` is another product."""
    if type(data) is np.ndarray or not isinstance(data, np.ndarray):
        return data
    if isinstance(data, np.ma.MaskedArray) and np.any(data.mask):
        raise OperationError(
            "a masked array has elements without a value, and tensors have none",
            hint="x.filled(0.0) gives them one",
        )
    return np.asarray(data)


def _whole(dtype: np.dtype) -> bool:
    return dtype.kind in "iu"


def _from_python(data: Any, dtype: Any) -> np.ndarray:
    try:
        if type(data) in (float, int, bool):
            found = np.array(data, dtype)
        else:
            _check_not_cut_off(data)
            # Given a dtype, NumPy would read "3" as 3 and None as NaN: so first without.
            found = np.array(data)
            if dtype is not None and found.dtype.kind in "biufc":
                # NumPy refuses Python's numbers that do not fit; its own it would wrap round.
                plain = _whole(found.dtype) and _whole(dtype)
                found = np.array(found.tolist() if plain else data, dtype)
    except DlgraphError:
        raise
    except (ValueError, TypeError, OverflowError) as error:
        raise OperationError(
            f"cannot make an array of this {type(data).__name__}: {arrays.reason(error, dtype)}",
            hint=_range_of(np.dtype(dtype))
            if isinstance(error, OverflowError)
            else "use a number, an array, or a nested list whose rows have equal lengths",
        ) from None
    return found.astype(DEFAULT_FLOAT) if dtype is None and found.dtype == np.float64 else found


def _range_of(dtype: np.dtype) -> str:
    if not _whole(dtype):
        most = np.finfo(dtype).max
        return f"{dtype} reaches from {-most:.2g} to {most:.2g}"
    room = np.iinfo(dtype)
    return f'{room.dtype} reaches from {room.min} to {room.max}; a wider type: x.astype("int64")'


def _check_not_cut_off(data: Any) -> None:
    # Copying values out of tensors would cut them off from their gradients without a word.
    rows = [data]
    while rows:
        row = rows.pop()
        if not isinstance(row, (list, tuple)):
            continue
        if any(isinstance(one, Values) and one.requires_grad for one in row):
            raise OperationError(
                "a list of tensors that require gradients: copying their values would cut them "
                "off from their gradients",
                hint="dg.stack([...]) joins tensors and keeps the gradients",
            )
        if row and isinstance(row[0], (list, tuple)):  # a row of numbers ends here: often, so quick
            rows += row
