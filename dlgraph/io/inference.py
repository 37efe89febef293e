"""`save_inference_model` and `load_inference_model`: a graph without the Python that built it.

A saved model is a folder: `graph.json` and the file with its weights, whose name contains a hash of
its content.  The weights are written first, under a name that nothing refers to yet; then
`graph.json` is replaced in one step.  So at every moment the folder holds one whole model.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from dlgraph._version import __version__
from dlgraph.core.graph import Graph
from dlgraph.core.node import NO_VALUE, Node, Record
from dlgraph.core.parameter import Parameter
from dlgraph.core.primitive import REGISTRY
from dlgraph.core.program import Program
from dlgraph.core.session import Session
from dlgraph.core.words import counted
from dlgraph.errors import DataError, DlgraphError, FetchError, OperationError
from dlgraph.io.atomic import as_path, write_whole
from dlgraph.io.graphs import FORMAT, VERSION, graph_text, read_graph
from dlgraph.io.plain import MAX_JSON, fail, field, fields, read_json, whole
from dlgraph.io.tensors import from_bytes, read_bytes, to_bytes
from dlgraph.io.values import Reader, Writer

WEIGHTS = re.compile(r"weights-[0-9a-f]{16}\.safetensors")
FORGOTTEN = 24 * 3600  # seconds after which weights that no graph names are those of a crash


class InferenceModel:
    """A loaded graph with its inputs and outputs; call it with arrays.

    `feeds` and `fetches` are the names of the inputs and outputs, `graph` is the graph,
    `parameters` are its weights by name (`Parameter`s, which may be looked at and changed).
    Made by `dg.load_inference_model`.

    >>> import tempfile
    >>> import dlgraph as dg
    >>> with dg.Graph().as_default():
    ...     a, b = dg.placeholder((), name="a"), dg.placeholder((), name="b")
    ...     y = 2 * a + 3 * b
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     dg.save_inference_model(folder, {"a": a, "b": b}, {"y": y})
    ...     model = dg.load_inference_model(folder)
    >>> model.feeds, model.fetches, float(model(4.0, b=5.0))
    (('a', 'b'), ('y',), 23.0)
    """

    def __init__(
        self,
        graph: Graph,
        feeds: dict[str, Node],
        fetches: dict[str, Node],
        parameters: dict[str, Parameter],
    ):
        self.graph, self.parameters = graph, parameters
        self.feeds, self.fetches = tuple(feeds), tuple(fetches)
        self.session = Session(graph)
        self._feeds, self._fetches = feeds, fetches

    def __call__(self, *values: Any, **named: Any) -> Any:
        """The outputs for these inputs, in the order of `feeds` or by name.

        One array if there is one output, else a tuple in the order of `fetches`.
        """
        if len(values) > len(self.feeds):
            raise OperationError(
                f"the model takes {counted(len(self.feeds), 'input')} "
                f"({', '.join(self.feeds)}), not {len(values)}"
            )
        feed = dict(zip(self.feeds, values, strict=False))
        for name, value in named.items():
            if name in feed or name not in self._feeds:
                why = "was given twice" if name in feed else "is no input of the model"
                raise OperationError(
                    f"{name!r} {why}", hint=f"its inputs are {', '.join(self.feeds)}"
                )
            feed[name] = value
        found = self.run(feed)
        return found[self.fetches[0]] if len(self.fetches) == 1 else tuple(found.values())

    def run(self, feed: Mapping[str, Any]) -> dict[str, Any]:
        """The outputs by name for inputs by name."""
        unknown = sorted(set(feed) - set(self._feeds))
        if unknown:
            raise OperationError(
                f"{unknown[0]!r} is no input of the model",
                hint=f"its inputs are {', '.join(self.feeds)}",
            )
        nodes = {self._feeds[name]: value for name, value in feed.items()}
        return self.session.run(self._fetches, nodes)

    def __repr__(self) -> str:
        size = sum(int(np.prod(p.shape)) for p in self.parameters.values())
        return (
            f"<InferenceModel {', '.join(self.feeds)} -> {', '.join(self.fetches)}: "
            f"{len(self.graph)} nodes, {size:,} weights>"
        )


# ---- saving --------------------------------------------------------------------------------------


def save_inference_model(path: str | os.PathLike, feeds: Any, fetches: Any) -> None:
    """Write what computes the fetches from the feeds into a folder.

    `feeds` and `fetches` are nodes of one graph: a node, a list of nodes, or a dictionary that
    gives them names of your choice.  Saved is the graph in evaluation mode (as by
    `graph.clone(for_test=True)`), without anything the fetches do not need, with the present
    values of its parameters: `graph.json`, to be read by people too, and the numbers beside it.
    Any node may be fed.  The model is replaced in one step: a crash leaves the old one whole.

    Raises `OperationError` for what is no node, `FetchError` for nodes that only exist in
    training, `FeedError` if a placeholder that is needed is not among the feeds.

    >>> import tempfile
    >>> import dlgraph as dg
    >>> layer = dg.nn.Sequential(dg.nn.Linear(2, 1), dg.nn.Dropout(0.5))
    >>> with dg.Graph().as_default():
    ...     x = dg.placeholder((None, 2), name="x")
    ...     y = layer(x)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     dg.save_inference_model(folder, {"x": x}, {"y": y})
    ...     model = dg.load_inference_model(folder)
    >>> model
    <InferenceModel x -> y: 5 nodes, 3 weights>
    >>> bool((model([[1.0, 2.0]]) == layer.eval()(dg.Tensor([[1.0, 2.0]])).numpy()).all())
    True
    """
    wanted, given = _named("fetches", fetches), _named("feeds", feeds)
    graph = next(iter(wanted.values())).graph
    test = graph.clone(for_test=True)
    ends = {name: _index(graph, test, node) for name, node in wanted.items()}
    starts = {name: _index(graph, test, node) for name, node in given.items()}
    Program(test, ends.values(), starts.values())  # raises if a feed is missing
    kept = _closure(test, ends.values(), set(starts.values()))
    place = {index: i for i, index in enumerate(kept)}
    records = [_pruned(test.records[i], place, i in starts.values()) for i in kept]
    writer = Writer()
    facts = {
        "feeds": [{"name": name, "node": place[i]} for name, i in starts.items()],
        "fetches": [{"name": name, "node": place[i]} for name, i in ends.items()],
    }
    # The weights have to be collected before their hash, which stands at the top, is known.
    graph_text(records, facts, writer)
    weights = to_bytes(writer.stored, {"format": f"{FORMAT} weights {VERSION}"})
    digest = hashlib.sha256(weights).hexdigest()
    name = f"weights-{digest[:16]}.safetensors"
    head = {"format": FORMAT, "version": VERSION, "made_with": f"dlgraph {__version__}"}
    head |= {"weights": name, "sha256": digest}
    content = graph_text(records, {**head, **facts}, Writer()).encode()
    if len(content) > MAX_JSON:
        raise OperationError(f"the graph would take {len(content):,} bytes of JSON, too many")
    _write(path, name, weights, content)


def _write(path: Any, name: str, weights: bytes, content: bytes) -> None:
    folder = as_path("save_inference_model", path)
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise DataError(f"the folder {folder} cannot be made: {error.strerror}") from error
    before = _weights_of(folder)
    write_whole(folder / name, weights)
    write_whole(folder / "graph.json", content)
    # Others may be those of somebody who saves at the same time, with graph.json still to come.
    now = _weights_of(folder)
    for old in folder.glob("weights-*.safetensors"):
        with contextlib.suppress(FileNotFoundError):
            useless = old.name == before or time.time() - old.stat().st_mtime > FORGOTTEN
            if useless and WEIGHTS.fullmatch(old.name) and old.name not in (name, now):
                old.unlink()


def _weights_of(folder: Path) -> str | None:
    """The name of the weights that the graph of this folder has; it stands near the top."""
    try:
        with open(folder / "graph.json", encoding="utf-8", errors="replace") as stream:
            found = WEIGHTS.search(stream.read(4096))
    except OSError:
        return None
    return found and found[0]


def _named(what: str, nodes: Any) -> dict[str, Node]:
    if isinstance(nodes, Mapping):
        found = dict(nodes)
    else:
        several = list(nodes) if isinstance(nodes, (list, tuple)) else [nodes]
        found = {getattr(node, "name", i): node for i, node in enumerate(several)}
    graphs = {id(node.graph) for node in found.values() if isinstance(node, Node)}
    for name, node in found.items():
        if not isinstance(node, Node):
            raise OperationError(
                f"save_inference_model: {what} must be nodes of a graph, not {type(node).__name__}",
                hint="for a model in eager code, dg.save(path, model) saves its values",
            )
        if not isinstance(name, str) or not name.isprintable():
            raise OperationError(
                f"save_inference_model: {what} are called by a line of text, not by {name!r}",
                hint='a name of your choice: {"image": x}',
            )
    if len(graphs) != 1 and (found or what == "fetches"):
        raise OperationError(f"save_inference_model: {what} must be nodes of one graph")
    return found


def _index(graph: Graph, test: Graph, node: Node) -> int:
    try:
        return test.index_of(node)
    except FetchError:
        if node.graph is not graph:
            raise
        raise FetchError(
            f"save_inference_model: {node.name!r} exists only in training (role {node.role!r})",
            hint="fetch nodes of the forward part: predictions, not gradients or updates",
        ) from None


def _closure(graph: Graph, ends: Iterable[int], starts: set[int]) -> list[int]:
    # All inputs, also those whose values a run does not read: their shapes are needed.
    seen, stack = set(starts), list(ends)
    while stack:
        index = stack.pop()
        if index not in seen:
            seen.add(index)
            stack += [*graph.records[index].inputs, *graph.records[index].control]
    return sorted(seen)


def _pruned(record: Record, place: dict[int, int], fed: bool) -> Record:
    if fed:
        if record.spec == NO_VALUE or not hasattr(record.spec, "shape"):
            raise OperationError(f"save_inference_model: {record.name!r} has no value to feed")
        op: Any = REGISTRY["placeholder"]
        return Record(op, (), {"default": None}, record.spec, record.name)
    return record._replace(
        inputs=tuple(place[i] for i in record.inputs),
        control=tuple(place[i] for i in record.control),
    )


# ---- loading -------------------------------------------------------------------------------------


def load_inference_model(path: str | os.PathLike) -> InferenceModel:
    """The model that `save_inference_model` wrote; it needs none of the Python that built it.

    Everything in the files is checked before it is used, nothing in them is executed.  Raises
    `DataError`, naming the entry, for files that are missing, damaged or do not belong together,
    and for a primitive that is not declared here.

    >>> import tempfile
    >>> import dlgraph as dg
    >>> with dg.Graph().as_default():
    ...     x = dg.placeholder((None,), name="x")
    ...     y = 2 * x
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     dg.save_inference_model(folder, {"x": x}, {"y": y})
    ...     model = dg.load_inference_model(folder)
    >>> print(model([1.0, 2.0]))
    [2. 4.]
    """
    folder = as_path("load_inference_model", path)
    if os.path.isfile(folder):
        raise DataError(
            f"load_inference_model: {folder.name} is a file, and a saved graph is a folder",
            hint="dg.load reads the values of a model",
        )
    what = "graph.json"
    found = read_json(read_bytes(folder / "graph.json"), what)
    head = {"format", "version", "made_with", "weights", "sha256"}
    if field(found, "format", str, what) != FORMAT:
        fail(what, f"its format is {found['format'][:40]!r}, not {FORMAT!r}")
    if field(found, "version", int, what) != VERSION:
        fail(
            what,
            f"it has version {found['version']} of the format, this dlgraph reads {VERSION}",
            "install the dlgraph that wrote it: see made_with in the file",
        )
    fields(found, {*head, "feeds", "fetches", "dims", "bodies", "nodes"}, what)
    name = field(found, "weights", str, what)
    if not WEIGHTS.fullmatch(name):
        fail(what, f"{name[:60]!r} is no name of a weights file")
    content = read_bytes(folder / name)
    arrays, _ = from_bytes(content, name)
    reader = Reader(arrays, [])
    graph = read_graph(found, reader, what)
    surplus = sorted(arrays.keys() - reader.used)
    if surplus:
        fail(name, f"the entry {surplus[0]!r} is used by no node", "were two models mixed up?")
    if hashlib.sha256(content).hexdigest() != field(found, "sha256", str, what):
        fail(name, "its content is not what was saved (the hash differs)")
    feeds, fetches = (_ends(found, key, graph, what) for key in ("feeds", "fetches"))
    try:
        Program(graph, [n.index for n in fetches.values()], [n.index for n in feeds.values()])
    except DlgraphError as error:
        fail(what, error.what)
    return InferenceModel(graph, feeds, fetches, reader.tensors)


def _ends(found: Any, key: str, graph: Graph, what: str) -> dict[str, Node]:
    made: dict[str, Node] = {}
    for entry in field(found, key, list, what):
        where = f"{what}: {key}"
        fields(entry, {"name", "node"}, where)
        name = field(entry, "name", str, where)
        if name in made:
            fail(where, f"{name!r} occurs twice")
        made[name] = graph.handle(whole(entry.get("node"), 0, len(graph) - 1, f"{where}: {name!r}"))
    if not made and key == "fetches":
        fail(what, "it has no fetches")
    return made
