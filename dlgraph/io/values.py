"""Attributes of graph nodes as JSON, and back: one pair of functions, with every form listed.

Numbers, text, True, False and None stand for themselves and a list for a tuple; everything else is
an object with one field that says what it is:

    {"float": "inf"}                     infinities and NaN, which JSON lacks
    {"dtype": "float32"}                 an element type
    {"slice": [0, null, 2]}              slice(0, None, 2)
    {"ellipsis": true}                   ...
    {"dim": 3}                           an unknown size, by its number in the graph
    {"size_of": 0}, {"at": 1}            see SizeOf in ops/shape.py and At in ops/index.py
    {"array": "float32", "shape": [2], "values": [1.0, 2.0]}     a small array
    {"stored": "constant_1"}             a large array, in the safetensors file
    {"tensor": "layer.weight", "trained": true}    a tensor that outlives the run, stored there too
    {"stream": {"seed": 0, ...}}         a random stream
    {"body": 2}                          the body of a loop or branch, by its number
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from dlgraph.core.body import Body
from dlgraph.core.parameter import Parameter
from dlgraph.core.spec import Dim
from dlgraph.core.tensor import Tensor, value_of
from dlgraph.errors import DlgraphError, OperationError
from dlgraph.io.plain import fail, field, fields, whole
from dlgraph.io.tensors import DTYPES
from dlgraph.ops.index import At
from dlgraph.ops.random import Stream
from dlgraph.ops.shape import SizeOf

INLINE = 16  # elements; larger arrays go to the safetensors file
NESTING = 8
ALLOWED = {np.dtype(kind).name for kind in DTYPES.values()}
LARGEST = 2**63 - 1


class Writer:
    """Collects what attributes refer to: arrays to store, unknown sizes, bodies."""

    def __init__(self) -> None:
        self.stored: dict[str, np.ndarray] = {}
        self.dims: dict[Dim, int] = {}  # in order of first use
        self.bodies: list[Body] = []
        self._names: dict[int, str] = {}
        self._held: list[Any] = []  # keeps what is known by its id alive

    def encode(self, value: Any, name: str) -> Any:
        """The JSON of an attribute; `name` is what an array of it would be stored as."""
        if value is None or isinstance(value, (bool, str)):
            return value
        if isinstance(value, int):
            return int(value)
        if isinstance(value, float):
            return float(value) if math.isfinite(value) else {"float": str(float(value))}
        if isinstance(value, At):
            return {"at": value.number}
        if isinstance(value, SizeOf):
            return {"size_of": value.axis}
        if type(value) in (tuple, list):
            return [self.encode(one, name) for one in value]
        if isinstance(value, slice):
            return {"slice": [self.encode(v, name) for v in (value.start, value.stop, value.step)]}
        if value is Ellipsis:
            return {"ellipsis": True}
        scalar_type = isinstance(value, type) and issubclass(value, (np.generic, int, float))
        if scalar_type or isinstance(value, np.dtype):
            return {"dtype": np.dtype(value).name}
        if isinstance(value, Dim):
            return {"dim": self.dim(value)}
        if isinstance(value, Tensor):
            return {"tensor": self._tensor(value, name), "trained": value.requires_grad}
        if isinstance(value, (np.ndarray, np.generic)):
            return self._array(np.asarray(value), name)
        if isinstance(value, Stream):
            return {"stream": value.state()}
        if isinstance(value, Body):
            return {"body": self.body(value)}
        raise OperationError(
            f"a {type(value).__name__} cannot be written to a file",
            hint="attributes are numbers, text, tuples, dtypes and arrays",
        )

    def size(self, value: Any) -> Any:
        """A size of a shape."""
        return {"dim": self.dim(value)} if isinstance(value, Dim) else int(value)

    def dim(self, value: Dim) -> int:
        """The number of an unknown size; sizes known to be equal have the same."""
        return self.dims.setdefault(value.root, len(self.dims))

    def body(self, value: Body) -> int:
        """The number of a body; those inside of it come before it."""
        for number, known in enumerate(self.bodies):
            if known is value:
                return number
        raise OperationError(f"the body {value.name!r} was not written yet")

    def _array(self, array: np.ndarray, name: str) -> Any:
        if array.size > INLINE or array.dtype.kind not in "biuf" or array.dtype.name not in ALLOWED:
            return {"stored": self.store(array, name)}
        values = [_number(one) for one in array.reshape(-1).tolist()]
        return {"array": array.dtype.name, "shape": list(array.shape), "values": values}

    def _tensor(self, tensor: Tensor, name: str) -> str:
        if id(tensor) not in self._names:
            self._held.append(tensor)
            self._names[id(tensor)] = self.store(np.asarray(value_of(tensor)), name)
        return self._names[id(tensor)]

    def store(self, array: np.ndarray, name: str) -> str:
        """Put an array into the safetensors file, under this name or one like it."""
        free, count = name, 0
        while free in self.stored:
            count += 1
            free = f"{name}_{count}"
        self.stored[free] = array
        return free


def _number(value: Any) -> Any:
    # Every float32 and float64 is written so that the same bits come back.
    return value if isinstance(value, (bool, int)) or math.isfinite(value) else str(value)


class Reader:
    """The way back; everything is checked, nothing is believed."""

    def __init__(self, arrays: dict[str, np.ndarray], dims: list[Dim]):
        self.arrays, self.dims = arrays, dims
        self.bodies: list[Body] = []
        self.tensors: dict[str, Parameter] = {}
        self.used: set[str] = set()

    def decode(self, value: Any, what: str, depth: int = 0) -> Any:
        """The attribute that `Writer.encode` wrote."""
        if depth > NESTING:
            fail(what, f"nested deeper than {NESTING} levels")
        if value is None or isinstance(value, (bool, str, float)):
            return value
        if isinstance(value, int):
            return whole(value, -LARGEST - 1, LARGEST, what)
        if isinstance(value, list):
            return tuple(self.decode(one, what, depth + 1) for one in value)
        kinds = value.keys() & _FORMS.keys()
        if len(kinds) != 1:
            fail(what, f"{sorted(value)} is no known form of a value")
        kind = kinds.pop()
        names, read = _FORMS[kind]
        fields(value, {kind, *names}, what)
        return read(self, value, f"{what}: {kind}")

    def size(self, value: Any, what: str) -> Any:
        """A size of a shape."""
        if isinstance(value, dict):
            fields(value, {"dim"}, what)
            return self._dim(value, what)
        return whole(value, 0, LARGEST, what)

    def _float(self, value: Any, what: str) -> float:
        text = field(value, "float", str, what)
        if text not in ("inf", "-inf", "nan"):
            fail(what, f"{text!r} is not inf, -inf or nan")
        return float(text)

    def dtype(self, value: Any, what: str) -> np.dtype:
        """An element type by its name."""
        if not isinstance(value, str) or value not in ALLOWED:
            fail(what, f"{value!r} is no element type", f"known are {', '.join(sorted(ALLOWED))}")
        return np.dtype(value)

    def _slice(self, value: Any, what: str) -> slice:
        parts = field(value, "slice", list, what)
        if len(parts) != 3 or not all(one is None or type(one) is int for one in parts):
            fail(what, "start, stop and step are needed, each a whole number or null")
        if parts[2] == 0:
            fail(what, "the step is 0")
        return slice(*(n if n is None else whole(n, -LARGEST, LARGEST, what) for n in parts))

    def _dim(self, value: Any, what: str) -> Dim:
        return self.dims[whole(value.get("dim"), 0, len(self.dims) - 1, what)]

    def _array(self, value: Any, what: str) -> np.ndarray:
        dtype = self.dtype(field(value, "array", str, what), what)
        shape = [whole(n, 0, INLINE, what) for n in field(value, "shape", list, what)]
        values = field(value, "values", list, what)
        if len(shape) > 64 or math.prod(shape) != len(values) or len(values) > INLINE:
            fail(what, f"{len(values)} values for the shape {tuple(shape)[:64]}")
        if not all(_fits(one, dtype) for one in values):
            fail(what, f"the values are no numbers of type {dtype}")
        made = np.array([float(v) if isinstance(v, str) else v for v in values], dtype)
        return made.reshape(shape)

    def array(self, value: Any, kind: str, what: str) -> np.ndarray:
        """An array of the safetensors file."""
        name = field(value, kind, str, what)
        if name not in self.arrays:
            fail(what, f"the file with the weights has no entry {name!r}", "were they mixed up?")
        self.used.add(name)
        return self.arrays[name]

    def _tensor(self, value: Any, what: str) -> Parameter:
        array = self.array(value, "tensor", what)
        trained = field(value, "trained", bool, what)
        if trained and array.dtype.kind not in "fc":
            fail(what, f"{array.dtype} cannot be trained")
        name = value["tensor"]
        if name not in self.tensors:
            self.tensors[name] = Parameter(array, name=name, requires_grad=trained)
        return self.tensors[name]

    def stream(self, value: Any, what: str) -> Stream:
        """A random stream."""
        return stream_of(field(value, "stream", dict, what), what)

    def _body(self, value: Any, what: str) -> Body:
        return self.bodies[whole(value["body"], 0, len(self.bodies) - 1, what)]


def stream_of(state: dict[str, Any], what: str) -> Stream:
    """A stream with this state, if it is one."""
    fields(state, {"seed", "path", "drawn", "splits"}, what)
    for name in ("seed", "drawn", "splits"):
        whole(field(state, name, int, what), 0, 2**256, f"{what}: {name}")
    for number in field(state, "path", list, what):
        whole(number, 0, 2**32 - 1, f"{what}: path")
    made = Stream(0)
    try:
        made.restore(state)
    except (DlgraphError, ValueError, OverflowError) as error:
        fail(what, str(error))
    return made


def _fits(value: Any, dtype: np.dtype) -> bool:
    if dtype.kind == "b":
        return type(value) is bool
    if dtype.kind in "iu":
        limits = np.iinfo(dtype)
        return type(value) is int and limits.min <= value <= limits.max
    return type(value) is float or value in ("inf", "-inf", "nan")


_FORMS: dict[str, tuple[set[str], Any]] = {
    "float": (set(), Reader._float),
    "dtype": (set(), lambda self, value, what: self.dtype(value["dtype"], what)),
    "slice": (set(), Reader._slice),
    "ellipsis": (set(), lambda self, value, what: Ellipsis),
    "dim": (set(), Reader._dim),
    "size_of": (set(), lambda self, value, what: SizeOf(whole(value["size_of"], 0, 63, what))),
    "at": (set(), lambda self, value, what: At(whole(value["at"], 0, 63, what))),
    "array": ({"shape", "values"}, Reader._array),
    "stored": (set(), lambda self, value, what: self.array(value, "stored", what)),
    "tensor": ({"trained"}, Reader._tensor),
    "stream": (set(), Reader.stream),
    "body": (set(), Reader._body),
}
