"""What is known about a value before it exists: its shape and its dtype.

A `Spec` is what a graph node carries instead of numbers.  A size may be unknown (`dim.py`), which
is how one graph serves every batch size.  The shape and dtype rules that primitives share live here
too; each is used to infer nodes, and to word the error when eager code meets the same mistake.
Next: `primitive.py`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from dlgraph.core.arrays import OBJECT, Bundle
from dlgraph.core.dim import Dim
from dlgraph.errors import DtypeError, OperationError, ShapeError

DEFAULT_FLOAT = np.dtype(np.float32)

Shape = tuple[Any, ...]  # of int or Dim


class Spec(NamedTuple):
    """Shape and dtype of a value.

    >>> from dlgraph.core.spec import Dim, Spec
    >>> import numpy as np
    >>> print(Spec((Dim("batch"), 784), np.dtype("float32")))
    (batch, 784) float32
    """

    shape: Shape
    dtype: np.dtype

    @property
    def ndim(self) -> int:
        return len(self.shape)

    def __str__(self) -> str:
        return f"{show_shape(self.shape)} {self.dtype}"


class BundleSpec(NamedTuple):
    """The specs of the values in a bundle; it can stand where a `Spec` stands."""

    items: tuple[Spec, ...]

    @property
    def shape(self) -> tuple:
        """The shapes of the values."""
        return tuple(spec.shape for spec in self.items)

    @property
    def dtype(self) -> np.dtype:
        """Object: a bundle is not an array."""
        return OBJECT

    @property
    def ndim(self) -> int:
        """A bundle has no axes."""
        return 0

    def __str__(self) -> str:
        return f"[{', '.join(map(str, self.items))}]"


def show_shape(shape: Sequence[Any]) -> str:
    """A shape as people write it, unknown sizes as `?` or by their name."""
    inner = ", ".join(str(size) for size in shape)
    return f"({inner},)" if len(shape) == 1 else f"({inner})"


def spec_of(value: Any) -> Any:
    """The spec of an array, a number, a Tensor or a Node."""
    spec = getattr(value, "spec", None)
    if spec is not None:
        return spec
    if isinstance(value, Bundle):
        return BundleSpec(tuple(spec_of(one) for one in value))
    if not hasattr(value, "dtype"):
        value = np.asarray(value)
    return Spec(tuple(value.shape), value.dtype)


# ---- dtypes ------------------------------------------------------------------------------------


def floating(dtype: np.dtype) -> np.dtype:
    """The dtype in which a function like `exp` answers: integers and booleans become float32."""
    return dtype if dtype.kind in "fc" else DEFAULT_FLOAT


def common_dtype(dtypes: Iterable[np.dtype]) -> np.dtype:
    """The dtype that several operands meet in.

    Booleans give way to integers and integers to floats, whatever their widths, so that an int64
    label never turns a float32 model into float64.  Two floats of different widths are refused:
    one of them would be converted silently.
    """
    kinds = {dtype for dtype in dtypes}
    for group in ("fc", "iu", "b"):
        found = {dtype for dtype in kinds if dtype.kind in group}
        if len(found) == 1:
            return found.pop()
        if found and group == "fc":
            names = " and ".join(sorted(str(dtype) for dtype in found))
            raise DtypeError(
                f"{names} meet in one operation, one of them would be converted silently",
                where=None,
                hint='convert one of them yourself, usually with .astype("float32")',
            )
        if found:
            return _common_integer(found)
    raise OperationError(f"no numeric dtype among {sorted(map(str, kinds))}", where=None)


def _common_integer(found: set[np.dtype]) -> np.dtype:
    result = np.result_type(*found)
    if result.kind == "f":  # uint64 with a signed type: NumPy would answer in float64
        names = " and ".join(sorted(map(str, found)))
        raise DtypeError(
            f"{names} have no common integer type", where=None, hint='x.astype("int64")'
        )
    return result


# ---- shapes ------------------------------------------------------------------------------------


def broadcast_shapes(*shapes: Shape) -> Shape:
    """NumPy's broadcasting, with unknown sizes.

    Sizes are aligned at the end; 1 stretches to anything; an unknown size next to a known one
    (other than 1) must turn out to be that one, or 1.
    """
    rank = max((len(shape) for shape in shapes), default=0)
    result: list[Any] = []
    for axis in range(-rank, 0):
        sizes = [shape[axis] for shape in shapes if len(shape) >= -axis]
        known = {size for size in sizes if isinstance(size, int) and size != 1}
        unknown = [size for size in sizes if isinstance(size, Dim)]
        if len(known) > 1:
            shown = " and ".join(show_shape(shape) for shape in shapes)
            raise ShapeError(
                f"shapes {shown} do not broadcast: sizes {' and '.join(map(str, sorted(known)))} "
                f"meet on axis {axis}",
                where=None,
                hint="shapes are aligned at their last axis; sizes must be equal, or one of them 1",
            )
        if known:
            result.append(known.pop())
        elif unknown:
            same = all(size == unknown[0] for size in unknown)
            result.append(unknown[0] if same else Dim())
        else:
            result.append(1)
    return tuple(result)


def fits(shape: Shape, wanted: Shape) -> bool:
    """Is a shape that is known one of those that `wanted` leaves open?"""
    return len(shape) == len(wanted) and all(
        isinstance(w, Dim) or s == w for s, w in zip(shape, wanted, strict=True)
    )


def same_shape(shape: Shape, wanted: Shape) -> bool:
    """Can the two be equal?  If so, unknown sizes that face each other are joined."""
    pairs = list(zip(shape, wanted, strict=False))
    if len(shape) != len(wanted) or any(
        isinstance(a, int) and isinstance(b, int) and a != b for a, b in pairs
    ):
        return False
    for a, b in pairs:
        if isinstance(a, Dim) and isinstance(b, Dim):
            a.join(b)
    return True


def normalise_axis(axis: int, ndim: int, what: str = "") -> int:
    """A possibly negative axis as 0 ... ndim - 1.

    `what` is the function that asks.  Shape rules leave it out: the operation is added to their
    errors.

    >>> from dlgraph.core.spec import normalise_axis
    >>> normalise_axis(-1, 3)
    2
    """
    if not isinstance(axis, (int, np.integer)) or isinstance(axis, bool):
        raise OperationError(
            f"{what and what + ': '}axis must be an integer, not {axis!r}",
            where="caller" if what else None,
        )
    if not -ndim <= axis < ndim:
        raise ShapeError(
            f"{what and what + ': '}axis {axis} is out of range for {ndim} dimensions",
            where="caller" if what else None,
            hint=f"allowed are {-ndim} to {ndim - 1}" if ndim else "a scalar has no axis",
        )
    return int(axis) % ndim


def normalise_axes(axis: Any, ndim: int, what: str = "") -> tuple[int, ...]:
    """None (all axes), one axis or several, as a sorted tuple without negatives."""
    if axis is None:
        return tuple(range(ndim))
    axes = axis if isinstance(axis, (tuple, list)) else (axis,)
    found = tuple(sorted(normalise_axis(one, ndim, what) for one in axes))
    if len(set(found)) != len(found):
        raise ShapeError(
            f"{what and what + ': '}axis {axis!r} names the same dimension twice",
            where="caller" if what else None,
        )
    return found


def reduced_shape(shape: Shape, axis: Any, keepdims: bool) -> Shape:
    """The shape that is left when the axes are summed (or maximised ...) away."""
    axes = set(normalise_axes(axis, len(shape)))
    kept = [1 if i in axes else size for i, size in enumerate(shape)]
    return tuple(kept if keepdims else [size for i, size in enumerate(shape) if i not in axes])


def size_of(shape: Shape) -> int | None:
    """The number of elements, None if it is not known yet."""
    return math.prod(shape) if all(isinstance(size, int) for size in shape) else None


def reshaped(shape: Shape, target: Sequence[Any]) -> Shape:
    """The shape that `reshape` gives; one size may be -1, and unknown sizes are carried through."""
    target = tuple(target)
    if sum(isinstance(size, int) and size == -1 for size in target) > 1:
        raise ShapeError("only one size may be -1", where=None)
    source_known, source_unknown = _split(shape)
    target_known, target_unknown = _split([size for size in target if size != -1])
    open_end = -1 in target
    left, extra = [], target_unknown
    for size in source_unknown:  # each stands for one in the target
        if size in extra:
            extra.remove(size)
        else:
            left.append(size)
    if not left and not extra:
        fits = source_known % target_known == 0 if open_end and target_known else False
        if open_end and fits:
            return tuple(source_known // target_known if s == -1 else s for s in target)
        if not open_end and source_known == target_known:
            return target
        if open_end and target_known == 0 and source_known == 0:
            raise ShapeError("with no elements, -1 could be any size", where=None)
    elif open_end and not extra and len(left) == 1 and source_known == target_known:
        return tuple(left[0] if size == -1 else size for size in target)
    elif open_end or extra or left:
        # Whether this fits is known only at run time.
        return tuple(Dim() if size == -1 else size for size in target)
    raise ShapeError(
        f"{show_shape(shape)} has {source_known} elements"
        + (" for each unknown size" if source_unknown else "")
        + f", {show_shape(target)} has room for {target_known}",
        where=None,
        hint="the product of the sizes must stay the same; -1 stands for what is left over",
    )


def _split(shape: Sequence[Any]) -> tuple[int, list[Dim]]:
    known = math.prod(size for size in shape if isinstance(size, int))
    return known, [size for size in shape if isinstance(size, Dim)]


# ---- rules shared by many primitives -------------------------------------------------------------


def same_as_first(x: Spec, *others: Spec, **attrs: Any) -> Spec:
    """The result has the shape and dtype of the first input."""
    return x


def broadcast(*specs: Spec, **attrs: Any) -> Spec:
    """The result has the broadcast shape and the common dtype."""
    shape, dtype = specs[0].shape, specs[0].dtype
    if dtype.kind in "fc" and all(s.dtype is dtype and s.shape == shape for s in specs):
        return specs[0]  # as nearly always
    dtype = specs[0].dtype if len(specs) == 1 else common_dtype(s.dtype for s in specs)
    return Spec(broadcast_shapes(*(s.shape for s in specs)), dtype)


def compare(*specs: Spec, **attrs: Any) -> Spec:
    """The result has the broadcast shape and is boolean."""
    return Spec(broadcast_shapes(*(s.shape for s in specs)), np.dtype(bool))


def reduce(x: Spec, axis: Any = None, keepdims: bool = False) -> Spec:
    """The result lacks the reduced axes (or has them with size 1)."""
    return Spec(reduced_shape(x.shape, axis, keepdims), x.dtype)
