"""Several steps as one recorded run: `Session.run_steps` on the device.

The batches of all steps are copied to the device together.  Each step takes its own from there to
where the plan expects it, and leaves its answers in a row of all answers.  All of that is recorded:
the CPU starts many steps at once and has nothing to do between them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from dlgraph.core.arrays import device_of, to_numpy
from dlgraph.executors.plan import Place, strides_of

if TYPE_CHECKING:
    from dlgraph.gpu.runner import GpuRunner

MOST_STEPS = 50  # in one recording


def run_steps(runner: GpuRunner, feeds: Sequence[Any], count: int) -> list[Any]:
    """Answers for several steps, which the first axis of each feed counts."""
    found: list[list[Any]] = []
    at = 0
    while at < count:
        size = min(count - at, MOST_STEPS)
        answers = None
        if size > 1 and runner.recorded is not None and _contiguous(runner):
            answers = _unrolled(runner, size).run([value[at : at + size] for value in feeds])
        if answers is None:  # nothing is recorded yet, or memory has moved
            one = runner.run([value[at] for value in feeds])
            answers, size = [v if v is None else np.asarray(v)[None] for v in one], 1
        found.append(answers)
        at += size
    return [None if p[0] is None else np.concatenate(p) for p in zip(*found, strict=True)]


def _contiguous(runner: GpuRunner) -> bool:
    places = (runner.plan.places.get(i) for i in runner.plan.fetches)
    return all(place is None or place.contiguous for place in places)


def _unrolled(runner: GpuRunner, size: int) -> Unrolled:
    if size not in runner.unrolled:
        runner.unrolled[size] = Unrolled(runner, size)
    return runner.unrolled[size]


class Unrolled:
    """A recording of so many steps of a runner, with memory for their feeds and answers."""

    def __init__(self, runner: GpuRunner, size: int):
        self.runner, self.driver, self.size = runner, runner.driver, size
        plan = runner.plan
        self.feeds = [self._room(plan.places[i]) for i in plan.feeds]
        self.answers = [
            self._room(plan.places[i]) if runner.gives(i) else None for i in plan.fetches
        ]
        self.replay: Callable[[], None] | None = None

    def _room(self, place: Place) -> Any:
        shape = (self.size, *place.shape)
        whole = Place(0, 0, shape, strides_of(shape, place.dtype.itemsize), place.dtype)
        return self.driver.view(self.driver.empty(max(whole.bytes, 64)), whole)

    def run(self, feeds: Sequence[Any]) -> list[Any] | None:
        """The answers of all steps; None if memory has moved and the plan must run by itself."""
        driver = self.driver
        driver.begin()
        try:
            if self.runner.memory.refresh():
                self.runner.bind()
                return None
            for room, value in zip(self.feeds, feeds, strict=True):
                if device_of(value) == "cpu":
                    driver.put(room, np.asarray(value, order="C"))
                else:
                    room[...] = value
            if self.replay is None:
                self.replay = driver.record(self._all)
            if self.replay is None:
                self._all()
            else:
                self.replay()
            return [None if room is None else to_numpy(room) for room in self.answers]
        finally:
            driver.end()

    def _all(self) -> None:
        plan, memory = self.runner.plan, self.runner.memory
        given = [memory.view(plan.places[i]) for i in plan.feeds]
        for k in range(self.size):
            for view, room in zip(given, self.feeds, strict=True):
                if view.size:
                    self.driver.copy(view, room[k, ...])
            for call in self.runner.calls:
                call()
            for i, room in zip(plan.fetches, self.answers, strict=True):
                if room is not None and room.size:
                    self.driver.copy(room[k, ...], memory.view(plan.places[i]))
