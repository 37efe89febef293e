"""The state of an optimiser: beside its parameter, and as plain values and back, checked first."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from dlgraph.core.arrays import device_of, like_device, to_numpy
from dlgraph.core.parameter import Parameter
from dlgraph.core.spec import Spec, spec_of
from dlgraph.core.tensor import Tensor, value_of
from dlgraph.errors import DtypeError, OperationError, ShapeError
from dlgraph.optim.options import within

if TYPE_CHECKING:
    from dlgraph.optim.optimizer import Optimizer


def follow(slots: Mapping[str, Parameter], p: Any) -> None:
    """Bring the state of a parameter to the device that the parameter was moved to."""
    for slot in slots.values():
        if device_of(slot._data) != device_of(p):
            slot._replace(like_device(slot._data, p))


def state_of_optimizer(optimizer: Optimizer) -> dict[str, Any]:
    """What `Optimizer.state_dict` returns."""
    groups, slots, number = [], {}, 0
    for one in optimizer.groups:
        numbers = list(range(number, number + len(one.parameters)))
        groups.append({"lr": one.lr, "options": dict(one.options), "parameters": numbers})
        for i, p in zip(numbers, one.parameters, strict=True):
            for name, slot in optimizer._state.get(id(p), {}).items():
                slots[f"{i}.{name}"] = np.array(to_numpy(value_of(slot)))
        number += len(numbers)
    return {
        "optimizer": type(optimizer).__name__,
        "steps": float(optimizer._count.item()),
        "groups": groups,
        "slots": slots,
    }


def checked_state(optimizer: Optimizer, state: Any) -> list[tuple[Tensor, Any]]:
    """The tensors to change and their new values, if the whole state fits."""
    who = f"{type(optimizer).__name__}.load_state_dict"
    _check_keys(who, state, {"optimizer", "steps", "groups", "slots"})
    if state["optimizer"] != type(optimizer).__name__:
        _wrong(who, f"the state is that of {state['optimizer']!r}")
    if not within(state["steps"], 0.0):
        _wrong(who, f"steps is {state['steps']!r}, not a number of at least 0")
    if not isinstance(state["groups"], (list, tuple)) or not isinstance(state["slots"], Mapping):
        _wrong(who, "groups is not a list, or slots not a dictionary")
    if len(state["groups"]) != len(optimizer.groups):
        _wrong(who, f"{len(optimizer.groups)} groups here, {len(state['groups'])} in the state")
    changes: list[tuple[Tensor, Any]] = [(optimizer._count, np.array(float(state["steps"])))]
    number = 0
    for k, (one, saved) in enumerate(zip(optimizer.groups, state["groups"], strict=True)):
        _check_keys(f"{who}: group {k}", saved, {"lr", "options", "parameters"})
        numbers = list(range(number, number + len(one.parameters)))
        number += len(numbers)
        if saved["parameters"] != numbers:
            _wrong(who, f"group {k} has {len(numbers)} parameters here, others in the state")
        _check_options(f"{who}: group {k}", one.options, saved["options"])
        if not within(saved["lr"], 0.0):
            _wrong(who, f"the learning rate of group {k} is {saved['lr']!r}")
        changes.append((one.rate, np.array(float(saved["lr"]))))
    return changes + _slot_changes(who, optimizer, state["slots"])


def _slot_changes(who: str, optimizer: Optimizer, saved: Mapping[str, Any]) -> list:
    changes: list[tuple[Tensor, Any]] = []
    left, number = dict(saved), 0
    for one in optimizer.groups:
        names = optimizer.slots_of(one.options)
        for p in one.parameters:
            found = [name for name in names if f"{number}.{name}" in left]
            if found and len(found) < len(names):
                gone = next(name for name in names if name not in found)
                _wrong(who, f"slot {number}.{gone} is missing")
            for name, slot in optimizer.state_of(p, one).items():
                key, here = f"{number}.{name}", Spec(p.shape, p.dtype)
                # A parameter that had no gradient yet has no slots in the state.
                value = np.asarray(
                    left.pop(key) if key in left
                    else np.full(p.shape, optimizer.initial(one.options), p.dtype)
                )  # fmt: skip
                if spec_of(value) != here:
                    wrong = ShapeError if value.shape != p.shape else DtypeError
                    raise wrong(f"{who}: slot {key} is {here} here, {spec_of(value)} in the state")
                changes.append((slot, value.copy()))
            number += 1
    if left:
        _wrong(who, f"not part of this optimizer: {', '.join(sorted(map(str, left)))}")
    return changes


def _check_options(who: str, mine: Mapping[str, Any], saved: Any) -> None:
    _check_keys(who, saved, set(mine))
    for name, value in mine.items():
        other = tuple(saved[name]) if isinstance(saved[name], list) else saved[name]
        if other != value:
            _wrong(who, f"{name} is {value!r} here, {other!r} in the state")


def _check_keys(who: str, found: Any, wanted: set[str]) -> None:
    if not isinstance(found, Mapping):
        _wrong(who, f"a dictionary is needed, not a {type(found).__name__}")
    missing, surplus = sorted(wanted - found.keys()), sorted(map(str, found.keys() - wanted))
    if missing or surplus:
        parts = [f"missing {', '.join(missing)}"] if missing else []
        parts += [f"unknown {', '.join(surplus)}"] if surplus else []
        _wrong(who, "; ".join(parts))


def _wrong(who: str, what: str) -> NoReturn:
    raise OperationError(
        f"{who}: {what}", hint="pass what state_dict() of an optimizer made the same way returned"
    )
