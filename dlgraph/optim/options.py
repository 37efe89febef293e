"""The options of optimisers: what each may be, said once for all rules and all groups."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from dlgraph.errors import OperationError


class Range(NamedTuple):
    """Numbers of at least `low` (or above it, if `open`) and less than `high`."""

    low: float = 0.0
    high: float = float("inf")
    open: bool = False

    def __contains__(self, value: object) -> bool:
        return within(value, self.low, self.high) and not (self.open and value == self.low)

    def __str__(self) -> str:
        text = f"{'above' if self.open else 'at least'} {self.low:g}"
        return text if self.high == float("inf") else f"{text} and less than {self.high:g}"


# An option with two ranges is a pair of numbers; one without a range is a switch.
RANGES: dict[str, tuple[Range, ...]] = {
    "betas": (Range(0, 1), Range(0, 1)),
    "centered": (),
    "decay": (Range(0, 1),),
    "epsilon": (Range(0, open=True),),
    "initial": (Range(0),),
    "lr_decay": (Range(0),),
    "momentum": (Range(0, 1),),
    "nesterov": (),
    "weight_decay": (Range(0),),
}


def within(value: Any, low: float, high: float = float("inf")) -> bool:
    """Is this a number of at least `low` and less than `high`?"""
    number = isinstance(value, (int, float, np.integer, np.floating))
    return number and not isinstance(value, bool) and bool(low <= value < high)


def checked(who: str, name: str, value: Any) -> Any:
    """The option as Python numbers (a NumPy float64 would make float32 parameters float64).

    Raises `OperationError` if it is outside its range.

    >>> from dlgraph.optim.options import checked
    >>> checked("SGD", "momentum", 1)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ...
    dlgraph.errors.OperationError: SGD(momentum=1): momentum is at least 0 and less than 1...
    """
    ranges = RANGES.get(name)
    if ranges is None:
        return value
    if not ranges:
        if isinstance(value, (bool, np.bool_)):
            return bool(value)
        raise OperationError(f"{who}({name}={value!r}): {name} is True or False")
    if len(ranges) == 1:
        if value in ranges[0]:
            return float(value)
        raise OperationError(f"{who}({name}={value!r}): {name} is {ranges[0]}")
    pair = isinstance(value, (tuple, list)) and len(value) == len(ranges)
    if pair and all(one in allowed for one, allowed in zip(value, ranges, strict=True)):
        return tuple(float(one) for one in value)
    raise OperationError(
        f"{who}({name}={value!r}): {name} are {len(ranges)} numbers, each {ranges[0]}"
    )
