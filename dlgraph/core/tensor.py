"""Tensor: a value with a memory.  Eager mode (define-by-run) is this file and `autodiff.py`.

An operation on Tensors is computed at once.  If a gradient may be asked for later, the result
remembers which primitive made it from which inputs: the result *is* the graph node.  Links point
only from outputs to inputs, so there is no global tape, no reference cycle, and a graph nobody
holds is gone.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from dlgraph.core import arrays, autodiff, hooks
from dlgraph.core.arrays import FLOATS, constant, kept_constant
from dlgraph.core.autodiff import NO_ATTRS
from dlgraph.core.memory import keep_freed_blocks
from dlgraph.core.mode import MODE
from dlgraph.core.primitive import FUNCTIONS, Primitive
from dlgraph.core.promotion import weak_kind
from dlgraph.core.spec import DEFAULT_FLOAT
from dlgraph.core.values import Values, as_array, describe, show_value, value_of
from dlgraph.core.where import Spot, Where, name_in_frame, user_frame, user_line
from dlgraph.errors import (
    DtypeError,
    MutationError,
    ShapeError,
)

if TYPE_CHECKING:
    from dlgraph.core.graph import Graph
    from dlgraph.gpu.devices import Device

# What computes with tensors finds these here as well.
__all__ = ["Tensor", "as_array", "describe", "result", "show_value", "value_of"]

keep_freed_blocks()

tick = itertools.count(1).__next__  # every tensor and every change gets the next number
DETACHED: dict[str, Any] = {"made by": "detach"}  # the attributes of what was cut off


def _binary(name: str) -> Callable[[Any, Any], Any]:
    """The operator of a primitive, for `float tensor op tensor of the same dtype` or `op number`.

    Most of eager time is spent here, so it goes round the general dispatcher, and `result` is
    written out.  Anything else, errors included, goes the general way.
    """
    primitive: Any = None
    of_arrays: Any = None
    of_scalars: Any = None

    def operate(x: Any, other: Any) -> Any:
        nonlocal primitive, of_arrays, of_scalars
        if of_arrays is None:  # looked up once; it is defined above this layer
            primitive = FUNCTIONS[name]
            of_arrays, of_scalars = primitive.of_arrays, primitive.operator
        mode = MODE.get()
        if mode is not None and (mode.tracing or mode.watch is not None):
            return primitive(x, other)
        try:
            a = x._data
            if type(other) is Tensor or isinstance(other, Tensor):
                b, dtype = other._data, a.dtype
                if b.dtype is dtype and (dtype is DEFAULT_FLOAT or dtype.kind == "f"):
                    made = _new(Tensor)
                    made._data = of_arrays(a, b) if type(a) is ndarray else of_scalars(a, b)
                    made._grad = made._used = made._where = made.name = None
                    made._changed = 0
                    made._order = tick()
                    made._attrs = NO_ATTRS
                    if (x.requires_grad or other.requires_grad) and (
                        mode is None or mode.recording
                    ):
                        made._op = primitive
                        made._inputs = (x, other)
                        made.requires_grad = True
                    else:
                        made._op = None
                        made._inputs = ()
                        made.requires_grad = False
                    return made
            elif type(other) is float or type(other) is int:
                kind = type(a) if type(a) in FLOATS else a.dtype.type
                if kind in FLOATS:
                    number = constant(other, kind)
                    data = of_scalars(a, number._data)
                    return result(data, primitive, (x, number), x.requires_grad)
        except (ValueError, AttributeError, TypeError, OverflowError):
            pass
        return primitive(x, other)

    return operate


def _reflected(name: str) -> Callable[[Any, Any], Any]:
    """The same with a number on the left: `2 * x`."""
    primitive: Any = None

    def operate(x: Any, number: Any) -> Any:
        nonlocal primitive
        if primitive is None:
            primitive = FUNCTIONS[name]
        data = x._data
        if (type(number) is float or type(number) is int) and data is not None:
            kind: Any = type(data) if type(data) in FLOATS else data.dtype.type
            if kind in FLOATS:
                try:
                    left = kept_constant(number, kind) if number else constant(number, kind)
                except OverflowError:
                    return primitive(number, x)
                data = primitive.operator(left._data, data)
                return result(data, primitive, (left, x), x.requires_grad)
        return primitive(number, x)

    return operate


_new, ndarray = object.__new__, np.ndarray


class Tensor(Values):
    """An array that knows how it was computed.

    `data` is a number, a nested list or an array; it is copied, so that changing it later cannot
    change a gradient.  Python floats become float32, Python integers int64; arrays keep their
    dtype.  With `requires_grad=True` operations on it are recorded, and `backward()` on a result
    fills its `.grad`.

    >>> import dlgraph as dg
    >>> a = dg.Tensor(4.0, requires_grad=True, name="a")
    >>> b = dg.Tensor(5.0, requires_grad=True, name="b")
    >>> y = 2 * a + 3 * b
    >>> y
    Tensor(23.0, float32, made by add)
    >>> y.backward()
    >>> print(a.grad, b.grad)
    2.0 3.0
    """

    __slots__ = (
        "__weakref__",
        "_attrs",
        "_changed",
        "_data",
        "_grad",
        "_inputs",
        "_op",
        "_order",
        "_used",
        "_where",
        "name",
        "requires_grad",
    )

    def __init__(
        self,
        data: Any,
        *,
        dtype: Any = None,
        requires_grad: bool = False,
        name: str | None = None,
    ):
        self._data: Any = as_array(data, dtype)
        if requires_grad and self._data.dtype.kind not in "fc":
            raise DtypeError(
                f"a tensor of {self._data.dtype} cannot require gradients: "
                "integers have no small changes",
                hint="write the numbers with a point (4.0), or pass dtype='float32'",
            )
        self._grad: Any = None
        self._op: Primitive | None = None
        self._inputs: tuple = ()
        self._attrs: dict[str, Any] = NO_ATTRS
        self._order: int = tick()
        self._used: Spot | None = None  # where backward() consumed the record
        self._changed: int = 0  # order number of the last in-place change
        self._where: Where | None = None
        self.name = name
        self.requires_grad = requires_grad

    # ---- what it is
    @property
    def is_leaf(self) -> bool:
        """Was it given by the user, not computed?"""
        return self._op is None

    @property
    def grad(self) -> Tensor | None:
        """The gradient that `backward()` left here, None if it has not been computed."""
        if self._grad is not None and not isinstance(self._grad, Tensor):
            self._grad = _plain(self._grad)
        return self._grad

    @grad.setter
    def grad(self, value: Any) -> None:
        if value is not None and not isinstance(value, Tensor):
            value = _plain(self._adapted(value))
        if value is not None and value.spec != self.spec:
            wrong = ShapeError if value.shape != self.shape else DtypeError
            raise wrong(
                f"the gradient of {describe(self)} {self.spec} was set to {value.spec}",
                hint="a gradient has the shape and the dtype of its tensor",
            )
        self._grad = value

    @property
    def graph(self) -> Graph:
        """The recorded computation, as the same `Graph` that define-then-run builds.

        >>> import dlgraph as dg
        >>> a = dg.Tensor(4.0, requires_grad=True, name="a")
        >>> print((2 * a).graph)
        graph with 3 nodes
          a         () float32  variable
          constant  () float32  constant = 2.0
          multiply  () float32  constant * a
        """
        from dlgraph.core.recorded import recorded_graph

        return recorded_graph(self)

    # ---- where it lives
    @property
    def device(self) -> Device:
        """Where the values live, `cpu` or `gpu`.

        >>> import dlgraph as dg
        >>> print(dg.Tensor([1.0]).device)
        cpu
        """
        from dlgraph.gpu.devices import Device

        return Device(arrays.device_of(value_of(self)))

    def to(self, device: Any) -> Tensor:
        """The same values on a device, "cpu" or "gpu"; the tensor itself if they are there.

        A leaf gives a leaf, which requires gradients as this one does and has the same name.  The
        move is not recorded: a tensor that was computed and requires gradients is an
        `OperationError`.  To move the parameters of a model in place: `model.to(device)`.

        Raises `MissingPackageError` without CuPy and `DeviceError` without a GPU.

        >>> import dlgraph as dg
        >>> x = dg.Tensor([1.0], name="x")
        >>> x.to("cpu") is x
        True
        """
        from dlgraph.gpu.devices import moved

        return moved(self, device)

    # ---- values in
    def assign(self, value: Any) -> None:
        """Replace the values of a leaf in place, keeping shape and dtype.

        A computation that used the old values can no longer be differentiated; asking for it
        gives a `MutationError` instead of a wrong gradient.

        >>> import dlgraph as dg
        >>> w = dg.Tensor([1.0, 2.0], name="w")
        >>> w.assign([3.0, 4.0])
        >>> print(w)
        [3. 4.]
        """
        if self._op is not None:
            raise MutationError(
                f"{describe(self)} was computed by {self._op.name}; only leaves can be assigned to",
                hint="make a new tensor from the new values instead",
            )
        shape, dtype = self._spec_shape(), self._spec_dtype()
        new = self._adapted(value)
        if arrays.MODULES and self._data is not None:  # assigning does not move a tensor
            new = arrays.like_device(new, self._data)
        if new.shape != shape or new.dtype != dtype:
            wrong = ShapeError if new.shape != shape else DtypeError
            raise wrong(
                f"assign: {describe(self)} holds {shape} {dtype}, the new value is {new.shape} "
                f"{new.dtype}",
                hint="assignment never converts or stretches; bring the value into this form first",
            )
        self._replace(new)

    def _adapted(self, value: Any) -> Any:
        # An array of this value; bare numbers take the dtype of the tensor if they fit.
        new = as_array(value)
        if weak_kind(value) is not None and arrays.adapts(new.dtype, self._spec_dtype()):
            return as_array(value, self._spec_dtype())
        return new

    def _replace(self, data: Any) -> None:
        # Rebinding instead of writing keeps arrays that others read (a fetched value, a view
        # handed out by numpy()) as they were.
        self._data = data
        self._changed = tick()

    def _spec_shape(self) -> tuple[int, ...]:
        return self._data.shape

    def _spec_dtype(self) -> np.dtype:
        return self._data.dtype

    def __setitem__(self, index: Any, value: Any) -> None:
        raise MutationError(
            f"{describe(self)}: single elements of a tensor cannot be overwritten, the record of "
            "how it was computed would no longer be true",
            hint="build a new one with dg.where(...), or replace all values of a leaf: "
            "x.assign(...)",
        )

    def _not_in_place(self, sign: str) -> None:
        if self._op is None and self.requires_grad:
            x = name_in_frame(self, user_frame()) or "x"
            raise MutationError(
                f"`{x} {sign}= ...` makes a new tensor and leaves {describe(self)} as it was, so "
                "training would go on with the old values",
                hint=f"{x}.assign({x} {sign} ...) changes it, and so does step() of an optimizer",
            )

    def __iadd__(self, other: Any) -> Any:
        self._not_in_place("+")
        return self + other

    def __isub__(self, other: Any) -> Any:
        self._not_in_place("-")
        return self - other

    def __imul__(self, other: Any) -> Any:
        self._not_in_place("*")
        return self * other

    def __itruediv__(self, other: Any) -> Any:
        self._not_in_place("/")
        return self / other

    # ---- gradients
    def backward(
        self, gradient: Any = None, *, retain_graph: bool = False, create_graph: bool = False
    ) -> None:
        """Fill `.grad` of every tensor that this one was computed from.

        The chain rule from here to the leaves, in reverse order of computation; gradients that
        meet are added.  `gradient` is the gradient of this tensor itself: 1 for a scalar, required
        otherwise.  A record can be walked once, unless `retain_graph=True`; `create_graph=True`
        records the backward pass too, for higher derivatives.

        Raises `BackwardError` for a tensor that is not a scalar, that was not computed from
        anything that requires gradients, or whose record was used up.

        >>> import dlgraph as dg
        >>> x = dg.Tensor(3.0, requires_grad=True)
        >>> (x * x).backward()
        >>> print(x.grad)
        6.0
        """
        autodiff.backward(self, gradient, retain_graph or create_graph, create_graph)

    def detach(self) -> Tensor:
        """The same values without the memory: no gradient flows through the result."""
        found = _plain(value_of(self))
        found._changed = self._changed
        found._attrs = DETACHED
        mode = MODE.get()
        if mode is not None and mode.watch is not None and mode.watch.lines:
            found._where = user_line()
        return found

    def register_hook(self, function: Callable[[Tensor], Any]) -> hooks.Handle:
        """Call `function(gradient)` whenever a gradient of this tensor has been computed.

        It may return another gradient of the same shape and dtype, which then goes on in its
        place; returning None leaves it.  Of a leaf it sees the gradient of this `backward()`,
        before it is added to `.grad`.  The handle that is returned has `remove()`.

        >>> import dlgraph as dg
        >>> x = dg.Tensor(3.0, requires_grad=True)
        >>> y = x * x
        >>> handle = y.register_hook(lambda g: print("gradient of y:", g))
        >>> _ = x.register_hook(lambda g: g * 10)
        >>> (2 * y).backward()
        gradient of y: 2.0
        >>> print(x.grad)
        120.0
        """
        return hooks.register(self, function)

    # ---- shown
    def __repr__(self) -> str:
        if self._data is None:
            return f"{type(self).__name__}(not initialised, {self._spec_dtype()})"
        facts = [show_value(self._data, 20), str(self.dtype)]
        if self.ndim:
            facts.append(f"shape {self.shape}")
        if self.name:
            facts.append(f"name={self.name!r}")
        if self._op is not None:
            facts.append(f"made by {self._op.name}")
        elif self.requires_grad:
            facts.append("requires_grad=True")
        return f"{type(self).__name__}({', '.join(facts)})"

    # ---- arithmetic round the general dispatcher
    __add__, __radd__ = _binary("add"), _reflected("add")
    __sub__, __rsub__ = _binary("subtract"), _reflected("subtract")
    __mul__, __rmul__ = _binary("multiply"), _reflected("multiply")
    __truediv__, __rtruediv__ = _binary("divide"), _reflected("divide")
    __matmul__ = _binary("matmul")


def result(
    data: Any,
    primitive: Primitive,
    inputs: tuple,
    wants_grad: bool,
    attrs: dict[str, Any] = NO_ATTRS,
) -> Any:
    """Wrap the outcome of an operation, and record it if a gradient may be asked for."""
    mode = MODE.get()
    if mode is not None and mode.tracing:
        return primitive.staged(inputs, attrs)
    made = _new(Tensor)
    made._data = data
    made._grad = made._used = made._where = made.name = None
    made._changed = 0
    made._order = tick()
    if wants_grad and (mode is None or mode.recording):
        made._op = primitive
        made._inputs = inputs
        made._attrs = attrs
        made.requires_grad = True
    else:
        made._op = None
        made._inputs = ()
        made._attrs = NO_ATTRS
        made.requires_grad = False
    if mode is not None and mode.watch is not None:
        _watched(mode.watch, made, primitive, inputs, attrs)
    return made


def _watched(
    watch: Any, made: Tensor, primitive: Primitive, inputs: tuple, attrs: dict[str, Any]
) -> None:
    if watch.lines:
        made._where = user_line(2)
        if made._op is None:
            _inherit_cut(made, inputs)
    values = tuple(x._data for x in inputs)
    watch.see(primitive, made._data, values, None, made._where)
    watch.made(made, primitive, inputs, attrs)


def _inherit_cut(made: Tensor, inputs: tuple) -> None:
    # What is computed from values that were cut off points at the line that cut them.
    for x in inputs:
        if isinstance(x, Tensor) and x._attrs is DETACHED:
            made._attrs, made._where = DETACHED, x._where


def _plain(data: Any) -> Tensor:
    """Wrap an array that the engine owns, without copying or recording."""
    made = _new(Tensor)
    made._data = data
    made._grad = made._used = made._where = made.name = made._op = None
    made._inputs, made._attrs, made._changed, made._order = (), NO_ATTRS, 0, tick()
    made.requires_grad = False
    return made
