"""Runs a plan on the device: the launches one after the other, or recorded as one.

The first run makes every launch by itself, which also loads what has to be loaded.  If nothing but
kernels and products of our own were needed, it is then recorded as a CUDA graph, and from then on a
run is one launch.  Otherwise `notes` says what stands in the way.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from dlgraph.core.arrays import beside, device_of, to_numpy
from dlgraph.core.node import NO_VALUE
from dlgraph.core.program import Named, explained
from dlgraph.executors.plan import Instruction, Place, Plan, Timing
from dlgraph.gpu.driver import Driver
from dlgraph.gpu.launches import Launch, launches_of
from dlgraph.gpu.memory import DeviceMemory
from dlgraph.gpu.shown import GpuSource
from dlgraph.gpu.steps import Unrolled, run_steps
from dlgraph.ops.labels import check_labels


def _check_index(step: Instruction, value: Any, size: int) -> None:
    if step.primitive.name != "take_along_axis":
        check_labels(value, size)
    elif value.size and not (value.min() >= -size and value.max() < size):  # counted from the end
        raise IndexError(f"an index is out of bounds for an axis of size {size}")


class GpuRunner:
    """One plan, bound to memory on the device.  Not to be entered twice at once."""

    def __init__(self, plan: Plan, driver: Driver):
        self.plan, self.driver = plan, driver
        self.blas = driver.products()
        self.launches, self.labels = launches_of(plan, self.blas is not None)
        self.source = GpuSource(plan, self.launches)
        names = list(dict.fromkeys(launch.name for launch in self.launches if launch.name))
        self._kernels = driver.compile(self.source.code, names) if names else {}
        self.memory = DeviceMemory(plan, driver)
        self._factors: dict[np.dtype, tuple[int, int, Any]] = {}
        self.recorded: Callable[[], None] | None = None
        self.unrolled: dict[int, Unrolled] = {}
        self.bind()

    # ---- running
    def run(self, feeds: Sequence[Any]) -> list[Any]:
        """Values of the fetches, in NumPy, for arrays of the shapes that the plan was made for."""
        self._check(feeds)
        self.driver.begin()
        try:
            if self.memory.refresh():
                self.bind()
            for place, value in zip(self._fed, feeds, strict=True):
                self._take(place, value)
            if self.recorded is not None:
                self.recorded()
            else:
                self._one_by_one()
                self._record()
            return [self._give(i) for i in self.plan.fetches]
        finally:
            self.driver.end()

    def run_steps(self, feeds: Sequence[Any], count: int) -> list[Any]:
        """Answers for several steps, which the first axis of each feed counts."""
        self._check(feeds)
        return run_steps(self, feeds, count)

    def gives(self, index: int) -> bool:
        """Has this fetch a value?"""
        known = index in self.plan.places
        return known and self.plan.graph.records[index].spec != NO_VALUE

    def timed(self, feeds: Sequence[Any]) -> list[Timing]:
        """One run, each launch by itself, with the time until the device had done it."""
        self._check(feeds)
        found = []
        self.driver.begin()
        try:
            if self.memory.refresh():
                self.bind()
            for place, value in zip(self._fed, feeds, strict=True):
                self._take(place, value)
            for launch, call in zip(self.launches, self.calls, strict=True):
                self.driver.synchronize()
                start = time.perf_counter()
                call()
                self.driver.synchronize()
                seconds = time.perf_counter() - start
                steps = [self.plan.instructions[n] for n in launch.numbers]
                records = tuple(dict.fromkeys(step.record for step in steps))
                found.append(Timing(records, start, seconds, launch.name))
            return found
        finally:
            self.driver.end()

    def _one_by_one(self) -> None:
        at = 0
        try:
            for call in self.calls:
                call()
                at += 1
        except Exception as error:
            step = self.plan.instructions[self.launches[at].numbers[-1]]
            raise self._explained(step, error) from None

    def _check(self, feeds: Sequence[Any]) -> None:
        """Kernels trust labels, so they are looked at before anything is changed."""
        given = dict(zip(self._fed, feeds, strict=True))
        for place, classes, number in self.labels:
            value = next(v for fed, v in given.items() if fed.buffer == place.buffer)
            try:
                _check_index(self.plan.instructions[number], value, classes)
            except Exception as error:
                raise self._explained(self.plan.instructions[number], error) from None

    def _explained(self, step: Instruction, error: Exception) -> Exception:
        records = self.plan.graph.records
        record = records[step.record]
        inputs = tuple(Named(records[i].name, None) for i in record.inputs)
        return explained(record, inputs, error)

    def _take(self, place: Place, value: Any) -> None:
        if not place.size:
            return
        view = self.memory.view(place)
        if device_of(value) == "cpu":
            self.driver.put(view, np.asarray(value, order="C"))
        else:
            view[...] = value

    def _give(self, index: int) -> Any:
        if not self.gives(index):
            return None
        place = self.plan.places[index]
        found = (
            to_numpy(self.memory.view(place)) if place.size else np.empty(place.shape, place.dtype)
        )
        return found if found.ndim else found[()]

    # ---- binding
    def bind(self) -> None:
        """Make all calls; again whenever memory has moved, which also ends a recording."""
        self.memory.bind()
        self.recorded = None
        self.unrolled.clear()
        self._fed = [self.plan.places[i] for i in self.plan.feeds]
        self.calls = [self._call(launch) for launch in self.launches]

    def _call(self, launch: Launch) -> Callable[[], None]:
        if launch.kernel is not None:
            start = self._kernels[launch.name]
            grid, block = launch.kernel.grid, launch.kernel.block
            arrays = tuple(self.memory.view(p) for p in launch.places if p is not None)
            return lambda: start(grid, block, arrays)
        if launch.product is not None:
            return self._gemm(launch)
        step = self.plan.instructions[launch.numbers[0]]
        return lambda: self._by_library(step)

    def _gemm(self, launch: Launch) -> Callable[[], None]:
        places, what = launch.places, launch.product
        out = places[2]
        assert out is not None
        zero, one = self._zero_and_one(out.dtype)
        a, b, result = (self._address(p) for p in places[:3])
        alpha = one if places[3] is None else self._address(places[3])
        beta, dtype, gemm = one if launch.keeps else zero, out.dtype, self.blas.gemm
        return lambda: gemm(what, dtype, alpha, a, b, beta, result)

    def _address(self, place: Place | None) -> int:
        assert place is not None
        return self.driver.address(self.memory.view(place))

    def _zero_and_one(self, dtype: np.dtype) -> tuple[int, int]:
        if dtype not in self._factors:
            held = self.driver.xp.asarray(np.array([0, 1], dtype))
            start = self.driver.address(held)
            self._factors[dtype] = (start, start + dtype.itemsize, held)
        return self._factors[dtype][:2]

    def _by_library(self, step: Instruction) -> None:
        """The operation's own forward on arrays of the device, for what has no kernel."""
        xp, out = self.driver.xp, step.output
        if step.kind == "copy":
            (source,) = step.inputs
            assert source is not None
            assert out is not None
            self.memory.view(out)[...] = self.memory.view(source).reshape(out.shape)
            return
        if step.primitive.name == "assign":
            value = step.inputs[1]
            assert value is not None
            assert out is not None
            self.memory.view(out)[...] = self.memory.view(value)
            return
        inputs = [None if p is None else self._value(p) for p in step.inputs]
        made = step.primitive.forward(xp, *inputs, **step.attrs)
        if out is not None and out.size:
            self.memory.view(out)[...] = beside(xp, made)

    def _value(self, place: Place) -> Any:
        if not place.size:
            return self.driver.xp.zeros(place.shape, place.dtype)
        return self.memory.view(place)

    # ---- recording
    def _record(self) -> None:
        if self.recordable:
            self.recorded = self.driver.record(self._one_by_one)

    @property
    def recordable(self) -> bool:
        """Is every launch a kernel or a product of our own?"""
        return bool(self.launches) and all(one.kernel or one.product for one in self.launches)

    @property
    def notes(self) -> list[str]:
        """How it runs, in words."""
        others = [
            self.plan.instructions[launch.numbers[0]].primitive.name
            for launch in self.launches
            if launch.kernel is None and launch.product is None
        ]
        said = [self.source.counted]
        if others:
            names = ", ".join(sorted(set(others)))
            said.append(f"{len(others)} operations by CuPy ({names}): so a run is not recorded")
        elif self.recorded is not None:
            said.append("recorded: a run is one launch of a CUDA graph")
        return said + self.driver.notes
