"""Arrays to start from: filled with one number, in steps, on a grid."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from dlgraph.core.primitive import composite
from dlgraph.core.spec import DEFAULT_FLOAT, Dim
from dlgraph.core.tensor import Tensor
from dlgraph.core.values import element_type
from dlgraph.errors import DlgraphError, OperationError
from dlgraph.ops.arrange import positions
from dlgraph.ops.copies import zeros_like
from dlgraph.ops.reduce import broadcast_like
from dlgraph.ops.shape import expand_dims, reshape


def _made(name: str, make: Callable[[], np.ndarray], shape: Any = ()) -> Tensor:
    """The array as a tensor, or the error that says why there is none."""
    for axis, size in enumerate(shape if isinstance(shape, (tuple, list)) else ()):
        if isinstance(size, Dim):
            raise OperationError(
                f"{name}: the size of axis {axis} is not known before the run",
                hint="dg.zeros_like(x), dg.ones_like(x) and dg.full_like(x, value) have the shape "
                "of x",
            )
    try:
        return Tensor(make())
    except (TypeError, ValueError, OverflowError, ZeroDivisionError) as error:
        if isinstance(error, DlgraphError):
            raise
        example = "(2, 3), 7.0" if name == "full" else "(2, 3)"
        hint = f"the sizes go into one tuple: dg.{name}({example})" if name in _OF_SHAPE else None
        raise OperationError(f"{name}: {error}", hint=hint) from None


_OF_SHAPE = ("zeros", "ones", "full")


def _kind(dtype: Any) -> Any:
    # (A number in its place is a size, `zeros(2, 3)`, which the error of NumPy is explained by.)
    return dtype if isinstance(dtype, int) else element_type(dtype)


def zeros(shape: Any, dtype: Any = DEFAULT_FLOAT) -> Tensor:
    """A tensor of zeros.

    >>> import dlgraph as dg
    >>> print(dg.zeros((2,)))
    [0. 0.]
    """
    return _made("zeros", lambda: np.zeros(shape, _kind(dtype)), shape)


def ones(shape: Any, dtype: Any = DEFAULT_FLOAT) -> Tensor:
    """A tensor of ones.

    >>> import dlgraph as dg
    >>> print(dg.ones((2,)))
    [1. 1.]
    """
    return _made("ones", lambda: np.ones(shape, _kind(dtype)), shape)


def full(shape: Any, value: float, dtype: Any = None) -> Tensor:
    """A tensor filled with one number; floats make float32, integers int64.

    >>> import dlgraph as dg
    >>> print(dg.full((2,), 7.0))
    [7. 7.]
    """
    kind = _natural(value) if dtype is None else element_type(dtype)
    return _made("full", lambda: np.full(shape, value, kind), shape)


def arange(start: float, stop: float | None = None, step: float = 1, dtype: Any = None) -> Tensor:
    """Numbers in steps, without the end; integers make int64, floats float32.

    >>> import dlgraph as dg
    >>> print(dg.arange(3), dg.arange(1.0, 2.0, 0.5))
    [0 1 2] [1. 1.5]
    """
    if stop is None:
        start, stop = 0, start
    kinds = [_natural(value) for value in (start, stop, step)]
    natural = DEFAULT_FLOAT if DEFAULT_FLOAT in kinds else np.dtype(np.int64)
    kind = natural if dtype is None else dtype
    return _made("arange", lambda: np.arange(start, stop, step).astype(kind))


def linspace(start: float, stop: float, count: int, dtype: Any = DEFAULT_FLOAT) -> Tensor:
    """`count` numbers at equal distances, both ends included.

    >>> import dlgraph as dg
    >>> print(dg.linspace(0, 1, 3))
    [0. 0.5 1. ]
    """
    return _made("linspace", lambda: np.linspace(start, stop, count).astype(dtype))


def eye(
    rows: int, columns: int | None = None, offset: int = 0, dtype: Any = DEFAULT_FLOAT
) -> Tensor:
    """The identity matrix: 1 on the diagonal, 0 elsewhere.

    >>> import dlgraph as dg
    >>> print(dg.eye(2))
    [[1. 0.]
     [0. 1.]]
    """
    return _made("eye", lambda: np.eye(rows, columns, offset, dtype))


def _natural(value: Any) -> np.dtype:
    dtype = np.asarray(value).dtype
    if dtype.kind == "f":
        return DEFAULT_FLOAT
    return np.dtype(np.int64) if dtype.kind == "i" else dtype


@composite
def full_like(x: Any, value: Any) -> Any:
    """One number in the shape and dtype of another value.

    >>> import dlgraph as dg
    >>> print(dg.full_like(dg.Tensor([1.0, 2.0]), 7))
    [7. 7.]
    """
    return zeros_like(x) + value


@composite
def meshgrid(xs: Sequence[Any], indexing: str = "xy") -> Any:
    """Vectors spread to a grid; one array per vector, of the coordinates of every grid point.

    With "xy" the first vector runs along the columns (NumPy's default), with "ij" along the rows.

    >>> import dlgraph as dg
    >>> x, y = dg.meshgrid([dg.Tensor([1.0, 2.0]), dg.Tensor([5.0, 6.0])])
    >>> print(x, y, sep="\\n")
    [[1. 2.]
     [1. 2.]]
    [[5. 5.]
     [6. 6.]]
    """
    if indexing not in ("xy", "ij"):
        raise OperationError(f"meshgrid: unknown indexing {indexing!r}", hint='"xy" or "ij"')
    xs = list(xs)
    axes = list(range(len(xs)))
    if indexing == "xy" and len(xs) > 1:
        axes[:2] = [1, 0]
    lines = [reshape(x, (-1,)) for x in xs]
    if len(lines) < 2:
        return lines
    frame: Any = 0  # of the shape of the grid
    for line, axis in zip(lines, axes, strict=True):
        frame = frame + _standing(positions(line, axis=0), axis, len(axes))
    pairs = zip(lines, axes, strict=True)
    return [broadcast_like(_standing(line, axis, len(axes)), frame) for line, axis in pairs]


def _standing(line: Any, axis: int, ndim: int) -> Any:
    """A vector as an array of `ndim` axes that runs along one of them."""
    return expand_dims(line, axis=tuple(i for i in range(ndim) if i != axis))
