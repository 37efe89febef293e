"""`dg.to_python`: a program as one Python file that needs only NumPy.

Every node is one line; every operation's own forward function stands above, copied by
`sources.py`; parameters and constants are written into the file as text.  The same inputs give the
same bits as the session.
"""

from __future__ import annotations

import base64
import builtins
import os
import sys
from typing import Any

import numpy as np

from dlgraph.core.body import Body
from dlgraph.core.node import NO_VALUE, Node, Record
from dlgraph.core.program import Program
from dlgraph.core.records import describe_record
from dlgraph.core.spec import BundleSpec, Dim
from dlgraph.core.tensor import value_of
from dlgraph.core.where import name_in_frame, user_frame
from dlgraph.errors import OperationError
from dlgraph.executors.expressions import identifiers, one_line, operator_text
from dlgraph.executors.sources import Sources, literal
from dlgraph.io.atomic import as_path, write_whole

PYTHON = frozenset((*dir(builtins), *sys.stdlib_module_names))
SMALL = 32  # elements of an array that is written as numbers

HEAD = '''"""{title}

Written by dlgraph {version}.  It needs only NumPy:

    from {module} import initial_state, run

    state = initial_state()
    {call}

{inputs}
{results}
"""

from __future__ import annotations

{imports}


def array(dtype, shape, text):
    """An array from its bytes (little endian), written in base 64."""
    values = np.frombuffer(base64.b64decode(text), np.dtype(dtype).newbyteorder("<"))
    return values.astype(dtype).reshape(shape)
'''

BODY = '''class Body:
    """A piece of program that a branch or a loop runs."""

    def __init__(self, function, outputs):
        self.function, self.outputs = function, range(len(outputs))
        self.output_specs = [Spec(shape, np.dtype(dtype)) for shape, dtype in outputs]

    def values(self, values):
        return list(self.function(*values))

    def output_shapes(self, values):
        return [np.shape(value) for value in self.values(values)]

    def run(self, values):
        found = self.values(values)
        return found[0] if len(found) == 1 else Bundle(found)
'''

NEXT_KEY = '''def next_key(state, stream, word):
    """The next key of a stream of random numbers: its word and how many were drawn before."""
    state[stream] += 1
    return np.array([word, state[stream] - 1], np.uint64)
'''


def to_python(program: Program, path: str | os.PathLike[str] | None = None) -> str:
    """A program as the text of one Python file that needs only NumPy.

    `program` comes from `session.program(fetches, feeds)`: a trained model (fetch its output) or a
    training step (fetch the loss and the update).  With `path` the file is written too, whole or
    not at all.  The file has `initial_state()`, the parameters as they are now, and
    `run(state, ...)`, which takes the fed values in the order of the graph and returns the fetched
    ones; a training step changes `state`.  The same inputs give the same bits as the session.

    Raises OperationError for an operation or attribute that has no source (an operation
    defined in `exec`, a value of an unknown class), and for anything that is no program.

    >>> import dlgraph as dg
    >>> with dg.Graph().as_default() as g:
    ...     x = dg.placeholder((), name="x")
    ...     y = 2 * x + 1
    >>> text = dg.to_python(dg.Session(g).program(y, [x]))
    >>> space = {}
    >>> exec(text, space)
    >>> print(space["run"](space["initial_state"](), 4.0))
    9.0
    """
    if not isinstance(program, Program):
        fetch = (name_in_frame(program, user_frame()) if isinstance(program, Node) else None) or "y"
        kind = type(program).__name__
        raise OperationError(
            f"to_python writes a program, not {'an' if kind[:1] in 'AEIOUaeiou' else 'a'} {kind}",
            hint=f"dg.to_python(session.program({fetch}, [x])): what to fetch, and what is fed",
        )
    writer = _Writer(program)
    target = None if path is None else as_path("to_python", path, "model.py")
    text = writer.text("program" if target is None else target.stem)
    if target is not None:
        write_whole(target, text.encode())
    return text


class _Writer:
    """Collects the parts of the file: definitions, bodies, state, the lines of `run`."""

    def __init__(self, program: Program):
        self.program = program
        self.records = program.records
        self.sources = Sources()
        self.names = identifiers(map(_wish, self.records))
        self.sources.avoid(self.names)
        self.constants: list[str] = []
        self.state: dict[str, str] = {}
        self.keys: dict[int, str] = {}  # of tensors and streams: their key in the state
        self.bodies: dict[int, str] = {}
        self.functions: list[str] = []
        self.held: list[Any] = []

    def text(self, module: str) -> str:
        from dlgraph import __version__

        lines = self._lines(self.records, self.program.indices, self.names)
        feeds = [self.names[i] for i in self.program.feeds]
        fetches = [self._result(i) for i in self.program.fetches]
        received = ["_" if name == "None" else name for name in fetches]
        run = [f"def run({', '.join(['state', *feeds])}):", *lines]
        run.append(f"    return {', '.join(fetches)}")
        bodies = [self._body_class()] if self.bodies else []
        needs_keys = any("next_key(state" in line for line in lines)
        state = [f"        {key!r}: {value}," for key, value in self.state.items()]
        title = f"{', '.join(self.names[i] for i in self.program.fetches)} in plain NumPy."
        head = HEAD.format(
            title=title,
            version=__version__,
            module=module if module.isidentifier() else "this_file",
            call=f"{', '.join(received)} = run({', '.join(['state', *feeds])})",
            inputs=self._described("takes", self.program.feeds) or "It takes nothing.",
            results=self._described("returns", self.program.fetches),
            imports="\n".join(f"import {m}" for m in sorted({"base64", *self.sources.modules}))
            + "\n\nimport numpy as np",
        )
        parts = [
            head.rstrip(),
            *([NEXT_KEY.rstrip()] if needs_keys else []),
            self.sources.text(),
            *bodies,
            *self.functions,
            "\n".join(self.constants),
            "\n".join(["def initial_state():",
                       '    """Parameters and other values that outlive a run."""',
                       "    return {", *state, "    }"]),
            "\n".join(run),
        ]  # fmt: skip
        text = "\n\n\n".join(part for part in parts if part) + "\n"
        return _checked(text)

    def _described(self, verb: str, nodes: tuple[int, ...]) -> str:
        rows = [
            f"    {self.names[i]}  {_in_docstring(str(self.records[i].spec))}"
            for i in nodes
            if self.records[i].spec != NO_VALUE
        ]
        return "\n".join([f"`run` {verb}", *dict.fromkeys(rows)]) if rows else ""

    def _result(self, index: int) -> str:
        return "None" if self.records[index].spec == NO_VALUE else self.names[index]

    # ---- lines
    def _lines(self, records: list[Record], indices: list[int], names: list[str]) -> list[str]:
        lines, scope = [], ""
        for index in indices:
            record = records[index]
            here = record.name.rpartition("/")[0]
            text = self._line(record, index, names)
            if text is None:
                continue
            if here != scope and here:
                lines.append(f"    # {one_line(here)}")
            scope = here
            where = f"  # {one_line(record.where.place)}" if record.where else ""
            lines.append(f"    {text}{where}")
        return lines

    def _line(self, record: Record, index: int, names: list[str]) -> str | None:
        name, given = names[index], [names[i] for i in record.inputs]
        op = record.primitive.name
        try:
            if op == "placeholder":
                default = record.attrs["default"]
                return None if default is None else f"{name} = {self._array(value_of(default))}"
            if op == "constant":
                text = f"{name} = {self._array(record.attrs['value'])}"
                if names is not self.names:
                    return text  # of a body: names inside and outside may be the same
                self.constants.append(text)
                return None
            if op == "variable":
                return f"{name} = state[{self._tensor(record)!r}]"
            if op == "assign":
                copied = f'np.array({given[1]}, order="C")' if record.attrs["copy"] else given[1]
                return f"{name} = state[{self._tensor(record)!r}] = {copied}"
            if op == "next_key":
                return f"{name} = next_key(state, {self._stream(record)})"
            if op == "group":
                return None
            return f"{name} = {self._expression(record, given)}"
        except OperationError as error:
            raise OperationError(
                f"to_python: {record.name} = {describe_record(self.records, index)}: {error.what}"
                if names is self.names
                else f"to_python: {record.name}: {error.what}",
                where=record.where,
                hint=error.hint,
            ) from None

    def _expression(self, record: Record, given: list[str]) -> str:
        primitive = record.primitive
        if primitive.name == "train_or_test":
            return given[0]
        simple = operator_text(primitive, given)
        if simple is not None:
            return simple
        if primitive.ufunc:
            return f"np.{primitive.ufunc}({', '.join(given)})"
        name = self.sources.name_of(primitive)
        usual = primitive.attributes
        attrs = [
            f"{key}={self._attribute(value)}"
            for key, value in record.attrs.items()
            if isinstance(value, np.ndarray)
            or type(value) is not type(usual[key])
            or value != usual[key]
        ]
        return f"{name}({', '.join(['np', *given, *attrs])})"

    def _attribute(self, value: Any) -> str:
        if isinstance(value, Body):
            return self._body(value)
        if isinstance(value, np.ndarray):
            return self._array(value)
        return literal(value, self.sources)

    # ---- values
    def _array(self, value: Any) -> str:
        value = np.asarray(value)
        if value.dtype.hasobject:
            raise OperationError(f"an array of {value.dtype} cannot be written as text")
        if not value.size:
            return f"np.zeros({value.shape}, {value.dtype.name!r})"
        # As it lies in memory: the same numbers in another layout add up with other roundings.
        order = sorted(range(value.ndim), key=lambda axis: -abs(value.strides[axis]))
        if not value.flags.c_contiguous and order != sorted(order):
            back = tuple(map(order.index, sorted(order)))
            return f"{self._array(value.transpose(order))}.transpose{back}"
        if value.size <= SMALL and np.isfinite(value.astype(complex)).all():
            return f"np.array({value.tolist()!r}, {value.dtype.name!r})" + "[()]" * (not value.ndim)
        little = value.astype(value.dtype.newbyteorder("<"), copy=False)
        text = base64.b64encode(np.ascontiguousarray(little).tobytes()).decode()
        return f'array("{value.dtype.name}", {value.shape}, "{text}")'

    def _tensor(self, record: Record) -> str:
        tensor = record.attrs["tensor"]
        key = self.keys.get(id(tensor))
        if key is None:
            key = tensor.name if tensor.name and tensor.name not in self.state else record.name
            while key in self.state:
                key += "'"
            self.keys[id(tensor)] = key
            self.held.append(tensor)
            self.state[key] = self._array(value_of(tensor))
        return key

    def _stream(self, record: Record) -> str:
        stream = record.attrs["stream"]
        key = self.keys.get(id(stream))
        if key is None:
            key = self.keys[id(stream)] = f"random numbers {len(self.keys)}"
            self.held.append(stream)
            self.state[key] = repr(stream.drawn)
        return f"{key!r}, {int(stream._word)}"

    # ---- bodies of loops and branches
    def _body(self, body: Body) -> str:
        name = self.bodies.get(id(body))
        if name is None:
            name = self.bodies[id(body)] = f"body_{len(self.bodies) + 1}"
            self.held.append(body)
            self.functions.append(self._body_text(body, name))
        return name

    def _body_text(self, body: Body, name: str) -> str:
        names = identifiers([r.name for r in body.records])
        lines = self._lines(body.records, body.program.indices, names)
        inputs = ", ".join(names[i] for i in body.all_inputs)
        outputs = "".join(f"{names[i]}, " for i in body.outputs)
        specs = [_plain_spec(spec) for spec in body.output_specs]
        called = f"    # {one_line(body.name)}" if body.name else ""
        text = [f"def {name}_function({inputs}):", called, *lines, f"    return ({outputs})"]
        return "\n".join(filter(None, text)) + f"\n\n\n{name} = Body({name}_function, {specs!r})"

    def _body_class(self) -> str:
        from dlgraph.core.arrays import Bundle
        from dlgraph.core.spec import Spec

        spec, bundle = self.sources.name_of(Spec), self.sources.name_of(Bundle)
        return BODY.replace("Spec(", f"{spec}(").replace("Bundle(", f"{bundle}(").rstrip()


def _wish(record: Record) -> str:
    """The name of a node, or one that hides nothing of Python's: constants stand in the open."""
    hides = record.name.rpartition("/")[2] in PYTHON and record.primitive.name == "constant"
    return f"{record.name}/constant" if hides else record.name


def _in_docstring(text: str) -> str:
    return one_line(text).replace("\\", r"\\").replace('"', r"\"")


def _checked(text: str) -> str:
    """The text of a file that Python can read."""
    try:
        compile(text, "the written file", "exec")
    except (SyntaxError, ValueError) as error:
        raise OperationError(
            f"to_python: Python cannot read what would be written: {error}",
            hint="give nodes and sizes plain names: letters, digits and underscores",
        ) from None
    return text


def _plain_spec(spec: Any) -> tuple[Any, str]:
    if isinstance(spec, BundleSpec):
        return (), "object"
    return tuple(0 if isinstance(n, Dim) else n for n in spec.shape), str(spec.dtype)
