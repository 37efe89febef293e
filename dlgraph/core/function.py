"""`@dg.function`: eager code traced into a graph once, run from the graph afterwards.

A trace is kept per shapes and dtypes of the arguments, per value of the Python arguments, and per
state of what the function, or one that it calls, takes from outside (numbers, lists, sets,
training flags).  `report()` tells every trace and its reason.  What happens only while tracing,
such as printing, it warns about, with the line.  (Attributes of objects are not looked at.)
"""

from __future__ import annotations

import copy
import dis
import functools
import inspect
import warnings
import weakref
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np

from dlgraph.core.arrays import is_array
from dlgraph.core.body import Body, input_names, set_outputs, trace
from dlgraph.core.calls import invoke
from dlgraph.core.control import symbolic
from dlgraph.core.mode import MODE
from dlgraph.core.node import Node
from dlgraph.core.records import freeze
from dlgraph.core.spec import Spec, fits
from dlgraph.core.state import sizes_of, spec_with
from dlgraph.core.tensor import Tensor
from dlgraph.core.tree import flatten, rebuild
from dlgraph.core.where import Where, is_own_code, user_line
from dlgraph.errors import OperationError, RetraceWarning, ShapeError, TraceWarning

MANY_TRACES = 5
SEVERAL = ("list", "tuple", "dict", "set", "frozenset")  # what is compared by its elements
HASHED_ELEMENTS = 4096  # larger captured arrays are compared by identity


class Trace(NamedTuple):
    """One trace: the body, the form of its results, why and where it was made."""

    body: Body
    form: Any
    key: dict[str, Any]
    reason: str
    where: Where | None


class Identity:
    """Which object it is, for comparing traces.

    Not its address: once an object is gone another one can have it, say the model of a cell that
    is run again.
    """

    __slots__ = ("address", "held", "kind")

    def __init__(self, value: Any):
        self.kind, self.address = type(value).__name__, id(value)
        try:
            self.held: Callable[[], Any] = weakref.ref(value)
        except TypeError:  # of a type that cannot be referred to weakly
            self.held = lambda: value

    def __eq__(self, other: object) -> bool:
        value = self.held()
        return value is not None and isinstance(other, Identity) and other.held() is value

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"{self.kind} at {self.address:#x}"


class Function:
    """A traced function; made by `dg.function`."""

    def __init__(self, function: Callable[..., Any], input_spec: Sequence[Any] | None):
        if not inspect.isfunction(inspect.unwrap(getattr(function, "__func__", function))):
            raise OperationError(
                f"dg.function traces a Python function, not a {type(function).__name__}",
                hint="write a function around it: dg.function(lambda x: model(x))",
            )
        functools.update_wrapper(self, function)
        self.function = function
        several = [input_spec] if isinstance(input_spec, (Spec, int, str)) else input_spec
        self.input_spec = None if several is None else [_spec(one) for one in several]
        self.traces: list[Trace] = []
        self._warned = False

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        # A decorated method: one set of traces for the class, the instance is an argument.
        return self if instance is None else functools.partial(self, instance)

    def __deepcopy__(self, memo: Any) -> Function:
        # Traces hold what the original took from outside: the copy of a model makes its own.
        return Function(copy.deepcopy(self.function, memo), self.input_spec)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        leaves, form = flatten((args, dict(sorted(kwargs.items()))))
        mode = MODE.get()
        if symbolic(leaves):
            return self.function(*args, **kwargs)  # a graph is being built: just take part
        dynamic = [i for i, x in enumerate(leaves) if isinstance(x, Tensor) or is_array(x)]
        values = [x if isinstance(x, Tensor) else Tensor(x) for x in (leaves[i] for i in dynamic)]
        specs = self._specs(values)
        key = self._key(leaves, form, dynamic, specs, mode)
        found = next((t for t in self.traces if t.key == key), None)
        if found is None:
            found = self._trace(leaves, form, dynamic, specs, key)
        return rebuild(found.form, invoke(found.body, values))

    def _specs(self, values: list[Tensor]) -> list[Spec]:
        if self.input_spec is None:
            return [value.spec for value in values]
        name = self.function.__name__
        if len(values) != len(self.input_spec):
            raise OperationError(
                f"{name}: input_spec describes {len(self.input_spec)} tensors, the call has "
                f"{len(values)}"
            )
        for k, (value, spec) in enumerate(zip(values, self.input_spec, strict=True)):
            if not fits(value.shape, spec.shape) or value.dtype != spec.dtype:
                raise ShapeError(
                    f"{name}: tensor {k} is {value.spec}, input_spec says {spec}",
                    hint="None in input_spec stands for a size that may change",
                )
        return self.input_spec

    def _key(
        self, leaves: list, form: Any, dynamic: list[int], specs: list[Spec], mode: Any
    ) -> dict[str, Any]:
        places = set(dynamic)
        key: dict[str, Any] = {f"argument {k}": str(spec) for k, spec in enumerate(specs)}
        for i, leaf in enumerate(leaves):
            if i not in places:
                key[f"Python argument {i}"] = _snapshot(leaf)
        if inspect.ismethod(self.function):
            key["captured self"] = _snapshot(self.function.__self__)
        for name, value in _captured(self.function).items():
            key[f"captured {name}"] = _snapshot(value)
        key["form of the arguments"] = _written(form)
        key["recording"] = mode is None or mode.recording
        return key

    def _trace(
        self, leaves: list, form: Any, dynamic: list[int], specs: list[Spec], key: dict
    ) -> Trace:
        reason = self._reason(key)
        name = self.function.__name__
        for line in _lines_that_print(self.function):
            warnings.warn(
                f"{name}: print runs only while the function is traced, not at later calls\n"
                f"  at    {line}\n"
                "  hint  return the value and print it outside",
                TraceWarning,
                stacklevel=4,
            )
        forms: list[Any] = []

        def traced(*nodes: Any) -> list[Any]:
            filled = list(leaves)
            for i, node in zip(dynamic, nodes, strict=True):
                filled[i] = node
            args, kwargs = rebuild(form, filled)
            outputs, result_form = flatten(self.function(*args, **kwargs))
            forms.append(result_form)
            return outputs

        names = input_names(self.function, *rebuild(form, range(len(leaves))))
        body, outputs = trace(traced, specs, name, [names[i] for i in dynamic] if names else [])
        set_outputs(body, outputs, name)
        del outputs
        self._warn_of_escapes(body)
        made = Trace(body, forms[0], key, reason, user_line())
        self.traces.append(made)
        if len(self.traces) >= MANY_TRACES and not self._warned:
            self._warned = True
            warnings.warn(
                f"{name} was traced {len(self.traces)} times; the last reason: {reason}\n"
                "  hint  pass numbers that change as tensors, and give unknown sizes as None in "
                "input_spec; report() lists all traces",
                RetraceWarning,
                stacklevel=4,
            )
        return made

    def _reason(self, key: dict[str, Any]) -> str:
        if not self.traces:
            return "first call"
        last = self.traces[-1].key
        changes = [
            f"{name}: {_short(last.get(name, 'none'))} -> {_short(key.get(name, 'none'))}"
            for name in {**last, **key}
            if last.get(name) != key.get(name)
        ]
        return "; ".join(changes)

    def _warn_of_escapes(self, body: Body) -> None:
        # A node that somebody still holds when tracing is over was put somewhere: into a list, an
        # attribute, a global.  At later calls that does not happen again.
        for index, ref in list(body._handles.items()):
            if ref() is not None:
                record = body.records[index]
                warnings.warn(
                    f"{self.function.__name__}: a value of the trace ({record.name}) was kept "
                    "outside, in a list or an attribute; that happens only while tracing\n"
                    f"  made at  {record.where}\n"
                    "  hint     return the value from the function",
                    TraceWarning,
                    stacklevel=5,
                )
                return

    def report(self) -> str:
        """What was traced, when and why, as text."""
        count = len(self.traces)
        lines = [f"{self.function.__name__}: {count} trace{'s' * (count != 1)}"]
        for k, made in enumerate(self.traces, 1):
            place = f" at {made.where.place}" if made.where else ""
            lines.append(f"  {k}. {len(made.body)} nodes{place}: {made.reason}")
        return "\n".join(lines)

    @property
    def graph(self) -> Body:
        """The graph of the latest trace."""
        if not self.traces:
            raise OperationError(
                f"{self.function.__name__} was not traced yet", hint="call it once"
            )
        return self.traces[-1].body


def function(
    function: Callable[..., Any] | None = None, *, input_spec: Sequence[Any] | None = None
) -> Any:
    """Trace a Python function into a graph at its first call, and run the graph afterwards.

    Tensors and arrays among the arguments become inputs, called as the parameters are (`xs_0`,
    `xs_1` of a list `xs`); other arguments are part of the trace.
    `input_spec` lists `(shape, dtype)` of the tensors, with None for sizes that may change, so
    that one trace serves all of them.  Gradients flow through calls, of any order.

    >>> import dlgraph as dg
    >>> @dg.function
    ... def area(width, height):
    ...     return width * height
    >>> print(area(dg.Tensor(2.0), dg.Tensor(3.0)), area(dg.Tensor(4.0), dg.Tensor(5.0)))
    6.0 20.0
    >>> print(area.report().splitlines()[0])
    area: 1 trace
    >>> print(area.graph)
    graph area with 3 nodes
      width     () float32  placeholder
      height    () float32  placeholder
      multiply  () float32  width * height
    """
    if function is None:
        return lambda f: Function(f, input_spec)
    return Function(function, input_spec)


def _spec(one: Any) -> Spec:
    if isinstance(one, Spec):
        return one
    if not isinstance(one, (tuple, list)) or len(one) != 2:
        raise OperationError(
            f"input_spec: {one!r} is no pair of a shape and an element type",
            hint='input_spec=[((None, 3), "float32")] for one tensor',
        )
    return spec_with(sizes_of(one[0], "input_spec"), one[1])


def _captured(function: Callable[..., Any]) -> dict[str, Any]:
    """What the function takes from outside by name: closure variables and globals.

    So do the functions of the user that it calls: `helper.rate` is what `helper` takes.
    """
    found: dict[str, Any] = {}
    waiting, seen = [("", inspect.unwrap(function))], set()
    while waiting:
        prefix, one = waiting.pop()
        seen.add(one)
        outside = inspect.getclosurevars(one)
        for name, value in {**outside.globals, **outside.nonlocals}.items():
            found[prefix + name] = value
            called = value.function if isinstance(value, Function) else value
            new = inspect.isfunction(called) and called not in seen
            if new and is_own_code(called.__code__.co_filename):
                waiting.append((f"{called.__name__}.", called))
    return found


def _snapshot(value: Any) -> Any:
    """The state of a Python value as far as it can change a trace."""
    if isinstance(value, ModuleType):  # asking it for what it lacks can take a millisecond
        return ("package", value.__name__)
    if isinstance(value, (Tensor, Node)):
        return ("tensor", Identity(value))  # by reference: a new value needs no new trace
    if isinstance(value, np.ndarray) and value.size > HASHED_ELEMENTS:
        return ("array", Identity(value))
    if isinstance(value, (bool, int, float, str, type(None), np.ndarray, np.generic)):
        return (type(value).__name__, freeze(value))
    if isinstance(value, (complex, bytes, bytearray, range, slice, np.dtype)):
        return (type(value).__name__, repr(value))
    if isinstance(value, (set, frozenset)):
        return (type(value).__name__, *sorted((_snapshot(one) for one in value), key=repr))
    if isinstance(value, (list, tuple)):
        return (type(value).__name__, *(_snapshot(one) for one in value))
    if isinstance(value, dict):
        return ("dict", *((key, _snapshot(one)) for key, one in value.items()))
    if hasattr(value, "modules") and hasattr(value, "training"):
        return ("module", Identity(value), tuple(m.training for m in value.modules()))
    if inspect.ismethod(value):  # made anew each time that it is asked for
        return ("method", Identity(value.__func__), _snapshot(value.__self__))
    return (type(value).__name__, Identity(value))


def _written(form: Any) -> str:
    """How arguments are nested and called, `((_, [_, _]), {'scale': _})`; `_` is one value."""
    if isinstance(form, dict):
        return f"{{{', '.join(f'{name!r}: {_written(one)}' for name, one in form.items())}}}"
    if isinstance(form, (list, tuple)):
        inner = ", ".join(map(_written, form))
        kind = type(form).__name__
        return f"[{inner}]" if kind == "list" else f"{kind.removeprefix('tuple')}({inner})"
    return "_"


def _short(value: Any) -> str:
    if isinstance(value, tuple) and len(value) == 2:
        return str(value[1])
    if isinstance(value, tuple) and value and value[0] in SEVERAL:
        return f"{value[0]} of {len(value) - 1}"
    return str(value)


def _lines_that_print(function: Callable[..., Any]) -> list[Where]:
    code = inspect.unwrap(function).__code__
    found, line = [], code.co_firstlineno
    for instruction in dis.get_instructions(code):
        # (Python 3.13 made starts_line a truth value and put the number elsewhere.)
        line = getattr(instruction, "line_number", instruction.starts_line) or line
        if instruction.opname == "LOAD_GLOBAL" and instruction.argval == "print":
            found.append(Where(code, line))
    return found
