"""Training checkpoints: all that the next step depends on, in one file.

Weights, optimiser, schedule, random streams and the order of the data; training that goes on from a
checkpoint gives the same numbers, bit for bit, as training that was never interrupted.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from dlgraph.errors import DataError, OperationError
from dlgraph.io.atomic import as_path, write_whole
from dlgraph.io.plain import fail, field, fields, is_text, read_json, write_json
from dlgraph.io.tensors import from_bytes, read_bytes, to_bytes
from dlgraph.io.values import stream_of
from dlgraph.nn.module import Module
from dlgraph.nn.streams import named_streams
from dlgraph.ops.random import Stream, default_stream
from dlgraph.optim.optimizer import Optimizer
from dlgraph.optim.schedules import Schedule
from dlgraph.optim.state import checked_state

KEY = "dlgraph checkpoint"  # of the metadata
VERSION = 1
ORDER = ("seed", "epoch", "shuffle", "batch_size", "drop_last", "samples")


def save_checkpoint(
    path: str | os.PathLike,
    *,
    model: Module | None = None,
    optimizer: Optimizer | None = None,
    schedule: Schedule | None = None,
    streams: Mapping[str, Stream] | None = None,
    loader: Any = None,
    step: int = 0,
) -> None:
    """Write the state of a training run to one file, replaced in one step.

    The random streams of the model and the default stream are always part of it; `streams` adds
    others by name.  Of a `DataLoader` the seed and the epoch are kept, so save between two epochs:
    an epoch that was left early starts again.  `step` is a number of your own.

    >>> import pathlib, tempfile
    >>> import dlgraph as dg
    >>> model = dg.nn.Linear(2, 1)
    >>> optimizer = dg.optim.Adam(model.parameters())
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = pathlib.Path(folder, "run.safetensors")
    ...     dg.save_checkpoint(file, model=model, optimizer=optimizer, step=7)
    ...     dg.load_checkpoint(file, model=model, optimizer=optimizer)
    7
    """
    _check_parts("save_checkpoint", model, optimizer, schedule)
    if type(step) is not int or step < 0:
        raise OperationError(f"save_checkpoint: step is a whole number of at least 0, not {step!r}")
    arrays: dict[str, np.ndarray] = {}
    facts: dict[str, Any] = {"version": VERSION, "step": step}
    if model is not None:
        arrays |= {f"model/{name}": value for name, value in model.state_dict().items()}
    if optimizer is not None:
        state = optimizer.state_dict()
        arrays |= {f"optimizer/{name}": value for name, value in state.pop("slots").items()}
        facts["optimizer"] = state
    if schedule is not None:
        facts["schedule"] = schedule.state_dict()
    facts["streams"] = {name: s.state() for name, s in _streams(model, streams).items()}
    if loader is not None:
        facts["loader"] = _order_of(loader)
    content = to_bytes(arrays, {KEY: write_json(facts)})
    write_whole(as_path("save_checkpoint", path), content)


def load_checkpoint(
    path: str | os.PathLike,
    *,
    model: Module | None = None,
    optimizer: Optimizer | None = None,
    schedule: Schedule | None = None,
    streams: Mapping[str, Stream] | None = None,
    loader: Any = None,
) -> int:
    """Put everything back as it was when `save_checkpoint` was called; the `step` given there.

    Model, optimiser, schedule and loader are made as before and passed here; each may be left out.
    Nothing is changed unless all of it fits.  Raises `DataError` for a damaged file or a part that
    it does not have, and the errors of `load_state_dict` for parts that do not fit.

    >>> import pathlib, tempfile
    >>> import dlgraph as dg
    >>> model = dg.nn.Linear(2, 1)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = pathlib.Path(folder, "run.safetensors")
    ...     dg.save_checkpoint(file, model=model, step=7)
    ...     again = dg.nn.Linear(2, 1)
    ...     step = dg.load_checkpoint(file, model=again)
    >>> step, bool((again.weight.numpy() == model.weight.numpy()).all())
    (7, True)
    """
    _check_parts("load_checkpoint", model, optimizer, schedule)
    file = as_path("load_checkpoint", path)
    what = file.name
    arrays, metadata = from_bytes(read_bytes(file), what)
    if KEY not in metadata:
        fail(what, "it is no training checkpoint", "dg.load(path) reads the values of a model")
    facts = read_json(metadata[KEY].encode(errors="replace"), f"{what}: state")
    if field(facts, "version", int, f"{what}: state") != VERSION:
        fail(what, f"it has version {facts['version']}, this dlgraph reads {VERSION}")
    known = {"version", "step", "optimizer", "schedule", "streams", "loader"}
    fields(facts, known, f"{what}: state")
    step = field(facts, "step", int, what)

    # First everything is checked, then everything is changed; the model's own check comes last.
    def part(name: str, given: Any) -> Any:
        if given is not None and name not in facts:
            raise DataError(f"{what} holds no {name}", hint=f"it was saved without {name}=")
        return facts.get(name)

    changes = []
    if optimizer is not None:
        state = {**field(facts, "optimizer", dict, what)} if part("optimizer", optimizer) else {}
        changes = checked_state(optimizer, {**state, "slots": _under("optimizer/", arrays)})
    if schedule is not None:
        schedule.check(part("schedule", schedule))
    pairs = _checked_streams(_streams(model, streams), facts, what)
    if loader is not None:
        _check_order(loader, part("loader", loader), f"{what}: loader")
    if model is not None:
        model.load_state_dict(_under("model/", arrays))
    for tensor, value in changes:
        tensor._replace(value)
    if schedule is not None:
        schedule.load_state_dict(facts["schedule"])
    for stream, restored in pairs:
        stream.restore(restored)
    if loader is not None:
        loader.seed, loader.epoch = facts["loader"]["seed"], facts["loader"]["epoch"]
    return step


def _check_parts(who: str, model: Any, optimizer: Any, schedule: Any) -> None:
    parts = (("model", model, Module), ("optimizer", optimizer, Optimizer),
             ("schedule", schedule, Schedule))  # fmt: skip
    for name, given, kind in parts:
        if given is not None and not isinstance(given, kind):
            raise OperationError(
                f"{who}({name}=...): a {type(given).__name__} is no {name}",
                hint=f"pass the {name} itself, or leave it out",
            )


def _under(prefix: str, arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {n.removeprefix(prefix): value for n, value in arrays.items() if n.startswith(prefix)}


def _streams(model: Module | None, more: Mapping[str, Stream] | None) -> dict[str, Stream]:
    found = {"default": default_stream()}
    if model is not None:
        found |= {f"model/{name}": stream for name, stream in named_streams(model)}
    if more is not None and not isinstance(more, Mapping):
        raise OperationError(
            f"checkpoint: streams is a {type(more).__name__}, not a dictionary",
            hint='a name for each: streams={"noise": stream}',
        )
    for name, stream in (more or {}).items():
        if not isinstance(name, str) or not is_text(name):
            raise OperationError(f"checkpoint: {name!r} is no name for a stream")
        if not isinstance(stream, Stream):
            raise OperationError(f"checkpoint: streams[{name!r}] is a {type(stream).__name__}")
        found[f"other/{name}"] = stream
    return found


def _checked_streams(
    mine: Mapping[str, Stream], facts: Any, what: str
) -> list[tuple[Stream, dict[str, Any]]]:
    saved = field(facts, "streams", dict, what)
    pairs = []
    for name, stream in mine.items():
        if name not in saved:
            fail(what, f"it holds no random stream {name!r}", "was it saved from another model?")
        pairs.append((stream, stream_of(saved[name], f"{what}: stream {name!r}").state()))
    return pairs


def _order_of(loader: Any) -> dict[str, Any]:
    if not all(hasattr(loader, name) for name in (*ORDER[:5], "x")):
        raise OperationError(
            f"checkpoint: the loader is a {type(loader).__name__}, not a dg.data.DataLoader",
            hint="without loader= the order of the data is up to you",
        )
    return {
        "seed": loader.seed,
        "epoch": loader.epoch,
        "shuffle": bool(loader.shuffle),
        "batch_size": loader.batch_size,
        "drop_last": bool(loader.drop_last),
        "samples": len(loader.x),
    }


def _check_order(loader: Any, saved: Any, what: str) -> None:
    fields(saved, set(ORDER), what)
    for name, here in _order_of(loader).items():
        there = field(saved, name, type(here), what)
        if name in ("seed", "epoch"):
            if there < 0:
                fail(what, f"{name} is {there}")
        elif here != there:
            raise OperationError(
                f"{what}: {name} is {here} here, {there} in the file",
                hint="the order of the data would be another one",
            )
