"""`save` and `load`: parameter values by name, in one safetensors file."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from dlgraph.core.arrays import to_numpy
from dlgraph.core.tensor import Tensor, value_of
from dlgraph.core.values import plain_array
from dlgraph.errors import DataError, DlgraphError, DtypeError, OperationError
from dlgraph.io.atomic import as_path, write_whole
from dlgraph.io.plain import is_text
from dlgraph.io.tensors import from_bytes, read_bytes, to_bytes
from dlgraph.nn.module import Module


def save(path: str | os.PathLike, values: Module | Mapping[str, Any]) -> None:
    """Write the values of a model, or of a dictionary of arrays and tensors, to one file.

    The format is safetensors: numbers by name, nothing that could be executed.  The name usually
    ends in `.safetensors`.  The file is replaced in one step: whatever happens while it is
    written, the old one stays whole.

    Raises `OperationError` for names that are not text, `DtypeError` for values that are no
    numbers, `DataError` if the file cannot be written, `MissingPackageError` without the package
    safetensors (`pip install "dlgraph[io]"`).

    >>> import pathlib, tempfile
    >>> import dlgraph as dg
    >>> model = dg.nn.Linear(2, 1)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = pathlib.Path(folder, "line.safetensors")
    ...     dg.save(file, model)
    ...     values = dg.load(file)
    >>> {name: value.shape for name, value in values.items()}
    {'bias': (1,), 'weight': (2, 1)}
    >>> model.load_state_dict(values)
    """
    given = values.state_dict() if isinstance(values, Module) else values
    if not isinstance(given, Mapping):
        raise OperationError(
            f"save: a model or a dictionary of arrays is needed, not a {type(values).__name__}",
            hint="dg.save(path, model); for a graph use dg.save_inference_model",
        )
    write_whole(as_path("save", path), to_bytes(arrays_of("save", given), {"format": "dlgraph 1"}))


def load(path: str | os.PathLike) -> dict[str, np.ndarray]:
    """The arrays of a safetensors file, sorted by name; pass them to `model.load_state_dict`.

    Raises `DataError`, naming the entry, for a file that is missing, cut off or damaged.

    >>> import pathlib, tempfile
    >>> import dlgraph as dg
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = pathlib.Path(folder, "a.safetensors")
    ...     dg.save(file, {"a": dg.Tensor([1.0, 2.0])})
    ...     dg.load(file)
    {'a': array([1., 2.], dtype=float32)}
    """
    file = as_path("load", path)
    if os.path.isdir(file):  # is_dir raises for a name that is too long
        raise DataError(
            f"load: {file.name} is a folder", hint="dg.load_inference_model reads saved graphs"
        )
    arrays, metadata = from_bytes(read_bytes(file), file.name)
    if "dlgraph checkpoint" in metadata:
        raise DataError(
            f"load: {file.name} is a training checkpoint, not the values of a model",
            hint="dg.load_checkpoint(path, model=model) takes the model out of it",
        )
    return arrays


def arrays_of(who: str, values: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """The values as NumPy arrays, sorted as given; anything else is an error."""
    found: dict[str, np.ndarray] = {}
    for name, value in values.items():
        if not isinstance(name, str) or not name or name == "__metadata__" or not is_text(name):
            raise OperationError(f"{who}: {name!r} is no name for an array")
        array = to_numpy(value_of(value) if isinstance(value, Tensor) else value)
        if hasattr(array, "__cuda_array_interface__") and hasattr(array, "get"):
            array = array.get()  # of a GPU that dlgraph does not use
        if isinstance(array, Mapping):
            raise OperationError(
                f"{who}: {name} is a dictionary of its own",
                hint=f'use names with dots: "{name}.weight"',
            )
        try:
            found[name] = np.asarray(plain_array(array))
        except DlgraphError as error:
            error.what = f"{who}: {name}: {error.what}"
            raise
        except (ValueError, TypeError) as error:
            raise DtypeError(f"{who}: {name} is no array: {error}") from None
    return found
