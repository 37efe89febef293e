"""A graph as JSON that people can read, one node per line, and back.

Written are names of primitives, links and attributes; no Python.  What comes back is checked like
any other input: links point backwards, names are unique, and every shape is inferred again and
compared with the one in the file.  Next: `inference.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from dlgraph.core.body import KEY, Body
from dlgraph.core.building import building
from dlgraph.core.graph import Graph
from dlgraph.core.node import NO_VALUE, Record
from dlgraph.core.primitive import REGISTRY, Primitive
from dlgraph.core.spec import BundleSpec, Dim, Spec
from dlgraph.core.tensor import Tensor
from dlgraph.errors import DlgraphError, OperationError
from dlgraph.io.plain import fail, field, fields, whole, write_json
from dlgraph.io.values import Reader, Writer
from dlgraph.ops.random import Stream

FORMAT = "dlgraph graph"
VERSION = 1
MAX_NODES = 1_000_000
LONGEST = 1000  # characters of a name


# ---- writing -------------------------------------------------------------------------------------


def graph_text(records: Sequence[Record], facts: Mapping[str, Any], writer: Writer) -> str:
    """The JSON document for these records; `facts` are further fields at its top."""
    bodies = []
    for body in bodies_inner_first(records):
        _check_name(body.name or "", "the function")
        nodes = [_node(record, writer) for record in body.records]
        ends = {"inputs": body.all_inputs, "outputs": body.outputs, "effects": body.effects}
        bodies.append({"name": body.name, **ends, "nodes": nodes})
        writer.bodies.append(body)
    nodes = [_node(record, writer) for record in records]
    for dim in writer.dims:
        if dim.name:
            _check_name(dim.name, "the size")
    rows = [f'  "{key}": {write_json(value)}' for key, value in facts.items()]
    rows.append(f'  "dims": {write_json([dim.name for dim in writer.dims])}')
    rows.append(f'  "bodies": {_lines([_body_text(body) for body in bodies], "    ")}')
    rows.append(f'  "nodes": {_lines([write_json(node) for node in nodes], "    ")}')
    return "{\n" + ",\n".join(rows) + "\n}\n"


def _body_text(body: dict[str, Any]) -> str:
    rows = [f'"{key}": {write_json(value)}' for key, value in body.items() if key != "nodes"]
    nodes = _lines([write_json(node) for node in body["nodes"]], "      ")
    return "{" + ", ".join([*rows, f'"nodes": {nodes}']) + "}"


def _lines(items: list[str], indent: str) -> str:
    if not items:
        return "[]"
    return "[\n" + ",\n".join(indent + item for item in items) + "\n" + indent[2:] + "]"


def bodies_inner_first(records: Iterable[Record]) -> list[Body]:
    """All bodies in the attributes of these records, each once, inner before outer."""
    found: dict[int, Body] = {}
    stack = [(body, False) for body in _bodies_of(records)]
    while stack:
        body, ready = stack.pop()
        if id(body) in found:
            continue
        if ready:
            found[id(body)] = body
        else:
            stack.append((body, True))
            stack += [(inner, False) for inner in _bodies_of(body.records)]
    return list(found.values())


def _bodies_of(records: Iterable[Record]) -> list[Body]:
    return [v for record in records for v in record.attrs.values() if isinstance(v, Body)]


def _check_name(name: str, what: str) -> None:
    # What could not be loaded again must not be written.
    if not _is_name(name):
        raise OperationError(
            f"{what} {name[:40]!r} cannot be saved under that name",
            hint=f"a name is a line of text, of at most {LONGEST:,} characters",
        )


def _is_name(name: str) -> bool:
    return 0 < len(name) <= LONGEST and name.isprintable()


def _node(record: Record, writer: Writer) -> dict[str, Any]:
    op = record.primitive
    _check_name(record.name, "the node")
    if REGISTRY.get(op.name) is not op:
        raise OperationError(
            f"{record.name!r} cannot be saved: {op.name} is not a registered primitive, so nobody "
            "who loads the graph could know what it computes",
            hint="declare it with @dg.primitive (dg.custom_vjp makes no registered primitive)",
        )
    made: dict[str, Any] = {"name": record.name, "op": op.name}
    if record.inputs:
        made["inputs"] = list(record.inputs)
    made.update(_spec(record.spec, writer))
    try:
        attrs = {key: writer.encode(v, record.name) for key, v in record.attrs.items()}
    except DlgraphError as error:
        error.node = error.node or record.name
        raise
    if attrs:
        made["attrs"] = attrs
    if record.control:
        made["after"] = list(record.control)
    return made


def _spec(spec: Any, writer: Writer) -> dict[str, Any]:
    if isinstance(spec, BundleSpec):
        return {"items": [_spec(one, writer) for one in spec.items]}
    if spec == NO_VALUE:
        return {}
    return {"shape": [writer.size(size) for size in spec.shape], "dtype": spec.dtype.name}


# ---- reading -------------------------------------------------------------------------------------


def read_graph(found: Any, reader: Reader, what: str) -> Graph:
    """The graph of a document; unknown sizes and bodies go into the reader."""
    for name in field(found, "dims", list, what):
        if not (name is None or (isinstance(name, str) and name.isprintable())):
            fail(f"{what}: dims", f"{name!r} is no name of a size")
        reader.dims.append(Dim(name))
    for number, entry in enumerate(field(found, "bodies", list, what)):
        where = f"{what}: body {number}"
        fields(entry, {"name", "inputs", "outputs", "effects", "nodes"}, where)
        body = Body(_name(field(entry, "name", str, where), where))
        _read_nodes(body, field(entry, "nodes", list, where), reader, where)
        body.inputs = _indices(entry, "inputs", len(body), where)
        body.outputs = _indices(entry, "outputs", len(body), where)
        body.effects = _indices(entry, "effects", len(body), where)
        _check_placeholders(body, where)
        reader.bodies.append(body)
    graph = Graph()
    _read_nodes(graph, field(found, "nodes", list, what), reader, what)
    return graph


def _check_placeholders(body: Body, what: str) -> None:
    free = {i for i, r in enumerate(body.records) if r.primitive.name == "placeholder"}
    if len(set(body.inputs)) != len(body.inputs) or set(body.inputs) != free:
        fail(what, "its inputs are not its placeholders, each once")


def _read_nodes(graph: Graph, entries: list[Any], reader: Reader, what: str) -> None:
    if len(entries) > MAX_NODES:
        fail(what, f"{len(entries):,} nodes are more than {MAX_NODES:,}")
    for index, entry in enumerate(entries):
        where = f"{what}: node {index}"
        fields(entry, {"name", "op", "inputs", "shape", "dtype", "items", "attrs", "after"}, where)
        name = _name(field(entry, "name", str, where), where)
        where = f"{where} {name!r}"
        if name in graph._index:
            fail(where, "another node has this name")
        op = _primitive(field(entry, "op", str, where), where)
        inputs = tuple(_indices(entry, "inputs", index, where)) if "inputs" in entry else ()
        after = tuple(_indices(entry, "after", index, where)) if "after" in entry else ()
        attrs = _attributes(op, entry, reader, where)
        _check_count(op, len(inputs), attrs, where)
        declared = _read_spec(entry, reader, where)
        spec = _inferred(op, [graph.records[i].spec for i in inputs], attrs, declared, where)
        if not _agree(spec, declared):
            fail(where, f"{op.name} gives {_show(spec)}, the file says {_show(declared)}")
        with building(scope="", role="forward", twin=None, control=after):
            node = graph.add(op, inputs, attrs, spec, name)
        if op.name == "variable":
            graph._variables.setdefault(id(attrs["tensor"]), node.index)


def _name(name: str, what: str) -> str:
    if not _is_name(name):
        fail(what, f"{name[:40]!r} is no name")
    return name


def _primitive(name: str, what: str) -> Primitive:
    op = REGISTRY.get(name)
    if op is None:
        fail(
            what,
            f"the primitive {name!r} is not known here",
            "if it is one of your own, import the module that declares it before loading; "
            "otherwise the file may come from a newer dlgraph",
        )
    return op


def _indices(entry: Any, name: str, below: int, what: str) -> list[int]:
    found = field(entry, name, list, what)
    for value in found:
        if type(value) is int and value >= below:
            fail(what, f"{name} names node {value}, which is not before it")
        whole(value, 0, below - 1, f"{what}: {name}")
    return found


def _attributes(op: Primitive, entry: Any, reader: Reader, what: str) -> dict[str, Any]:
    given = field(entry, "attrs", dict, what) if "attrs" in entry else {}
    attrs = {key: reader.decode(v, f"{what}: attribute {key!r}") for key, v in given.items()}
    try:
        return dict(op.complete(attrs))
    except DlgraphError as error:
        fail(what, error.what)


def _check_count(op: Primitive, count: int, attrs: dict[str, Any], what: str) -> None:
    least, most = len(op.inputs) - op.optional, len(op.inputs)
    if not op.variadic and not least <= count <= most:
        fail(what, f"{op.name} takes {most} inputs, not {count}")
    # Control flow: how many of the node's inputs (and the turn's number) its bodies are given.
    shift = {"call": 0, "cond": -1, "scan": 0, "while_loop": 1, "while_turns": 1}.get(op.name)
    if shift is None:
        return
    for key in attrs.keys() & {"body", "then", "otherwise", "condition"}:
        body = attrs[key]
        if not isinstance(body, Body):
            fail(what, f"the attribute {key!r} is no body")
        if len(body.inputs) != count + shift:
            fail(what, f"{key} takes {len(body.inputs)} values, it is given {count + shift}")


def _read_spec(entry: Any, reader: Reader, what: str) -> Any:
    if "items" in entry:
        items = field(entry, "items", list, what)
        for item in items:
            fields(item, {"shape", "dtype"}, f"{what}: items")
        return BundleSpec(tuple(_read_spec(item, reader, what) for item in items))
    if "shape" not in entry and "dtype" not in entry:
        return NO_VALUE
    shape = field(entry, "shape", list, what)
    if len(shape) > 64:
        fail(what, f"{len(shape)} axes are more than 64")
    sizes = tuple(reader.size(size, f"{what}: shape") for size in shape)
    return Spec(sizes, reader.dtype(field(entry, "dtype", str, what), f"{what}: dtype"))


def _inferred(
    op: Primitive, specs: list[Any], attrs: dict[str, Any], declared: Any, what: str
) -> Any:
    """What the node gives, by the rule of its primitive."""
    if op.name == "placeholder":
        default = attrs["default"]
        if isinstance(declared, BundleSpec) or declared == NO_VALUE:
            fail(what, "a placeholder has a shape and a dtype")
        return declared if default is None else _held(default, Tensor, what).spec
    if op.name == "constant":
        value = attrs["value"]
        if not hasattr(value, "dtype"):
            fail(what, "a constant is an array")
        return Spec(value.shape, value.dtype)
    if op.name == "variable":
        return _held(attrs["tensor"], Tensor, what).spec
    if op.name == "next_key":
        _held(attrs["stream"], Stream, what)
        return KEY
    if op.name == "group":
        return NO_VALUE
    if op.name == "assign":
        spec = _held(attrs["tensor"], Tensor, what).spec
        if not _agree(specs[1], spec):
            fail(what, f"a tensor of {spec} would become {_show(specs[1])}")
        return spec
    try:
        return op.infer(*specs, **attrs)
    except DlgraphError as error:
        fail(what, f"{op.name}: {error.what}")
    except Exception as error:
        fail(what, f"{op.name} has inputs or attributes that do not fit: {error}")


def _held(value: Any, kind: type, what: str) -> Any:
    if not isinstance(value, kind):
        fail(what, f"a {kind.__name__.lower()} is needed, not a {type(value).__name__}")
    return value


def _agree(spec: Any, declared: Any) -> bool:
    """Is what was inferred what was declared?  It may know a size that was unknown then."""
    if isinstance(spec, BundleSpec) or isinstance(declared, BundleSpec):
        return (
            isinstance(spec, BundleSpec)
            and isinstance(declared, BundleSpec)
            and len(spec.items) == len(declared.items)
            and all(_agree(a, b) for a, b in zip(spec.items, declared.items, strict=True))
        )
    return (
        spec.dtype == declared.dtype
        and len(spec.shape) == len(declared.shape)
        and all(
            isinstance(wanted, Dim) or size == wanted
            for size, wanted in zip(spec.shape, declared.shape, strict=True)
        )
    )


def _show(spec: Any) -> str:
    return "no value" if spec == NO_VALUE else str(spec)
