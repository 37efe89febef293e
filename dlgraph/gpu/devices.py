"""Devices: "cpu" (NumPy) and "gpu" (CuPy), and what moves values between them.

Which library stands for the GPU is known to `core/arrays.py` alone: CuPy, once
`cupy_backend.py` registered it.  Read next: `cupy_backend.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from dlgraph.core import arrays
from dlgraph.core.parameter import Parameter
from dlgraph.core.tensor import Tensor, describe, value_of
from dlgraph.errors import DeviceError, DlgraphError, OperationError

NAMES = ("cpu", "gpu")


@dataclass(frozen=True)
class Device:
    """A place for values: `cpu` or `gpu`; `dg.device(name)` also checks that it is there.

    >>> import dlgraph as dg
    >>> dg.Tensor([1.0]).device
    Device('cpu')
    >>> dg.Tensor([1.0]).device == dg.device("cpu")
    True
    """

    name: str

    def __str__(self) -> str:
        return self.name

    def __repr__(self) -> str:
        return f"Device({self.name!r})"


def device(name: Any = "cpu") -> Device:
    """The device of this name, "cpu" or "gpu", if this machine has it.

    Raises `DeviceError` for another name and where there is no GPU, `MissingPackageError` without
    CuPy; the hint is the command that installs it.

    >>> import dlgraph as dg
    >>> print(dg.device("cpu"))
    cpu
    """
    name = str(name)
    if name not in NAMES:
        raise DeviceError(f"there is no device {name!r}", hint='there are "cpu" and "gpu"')
    if name == "gpu":
        library()
    return Device(name)


def is_available() -> bool:
    """Can values be moved to a GPU here: is there a device, and CuPy that works with it?

    >>> import dlgraph as dg
    >>> dg.gpu.is_available() in (True, False)
    True
    """
    try:
        library()
    except DlgraphError:
        return False
    return True


def library() -> Any:
    """The array library of the GPU; raises what `device` raises."""
    for module in arrays.MODULES.values():
        return module
    from dlgraph.gpu.cupy_backend import load

    return load()


def placed(value: Any, name: str) -> Any:
    """An array on the device of this name; the array itself if it is there."""
    if arrays.device_of(value) == name:
        return value
    return arrays.to_numpy(value) if name == "cpu" else library().asarray(value)


def moved(tensor: Tensor, where: Any) -> Tensor:
    """What `Tensor.to` does."""
    name = device(where).name
    data = value_of(tensor)
    if arrays.device_of(data) == name:
        return tensor
    if tensor._op is not None:
        raise OperationError(
            f"{describe(tensor)} was computed from values that require gradients, and moving is "
            "not recorded: no gradient would come back from the other device",
            hint=f'x.detach().to("{name}") moves the values; or move the inputs before',
        )
    made = object.__new__(type(tensor))
    for slot in ("_grad", "_op", "_used", "_where"):
        setattr(made, slot, None)
    made._inputs, made._attrs, made._changed = (), {}, 0
    made._order = Tensor(0.0)._order  # the next number
    made._data = _own(placed(data, name))
    made.name, made.requires_grad = tensor.name, tensor.requires_grad
    if isinstance(tensor, Parameter):
        made._spec = tensor._spec  # type: ignore[attr-defined]
    return made


def move_in_place(tensor: Tensor, where: Any) -> None:
    """Bring the values of a leaf, and its gradient, to a device; a tensor without values waits."""
    name = device(where).name
    if tensor._data is None or arrays.device_of(tensor._data) == name:
        return
    tensor._replace(_own(placed(tensor._data, name)))
    if tensor.grad is not None:
        tensor.grad = Tensor(_own(placed(value_of(tensor.grad), name)))


def _own(data: Any) -> Any:
    # NumPy computes faster with its scalars than with arrays without axes (see `as_array`).
    return data[()] if isinstance(data, np.ndarray) and data.dtype.kind == "f" else data
