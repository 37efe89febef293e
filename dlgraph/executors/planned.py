"""The planned executor: a plan bound to its memory, run as a list of NumPy calls.

Binding makes every array once (`bound.py`) and every call with its arguments (`calls.py`), so a run
is `for function, arguments in calls: function(*arguments)`.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from dlgraph.core.program import Named, explained
from dlgraph.core.spec import BundleSpec
from dlgraph.executors.bound import Bound
from dlgraph.executors.calls import Call, calls_of, giving, is_fixed, taking
from dlgraph.executors.plan import Instruction, Place, Plan, Timing
from dlgraph.executors.temporaries import Watched
from dlgraph.executors.threads import Threads
from dlgraph.passes.cost import cost_of


class Runner(Bound):
    """One plan, bound to memory.  Not to be entered twice at once: `program.py` has the lock.

    Without `exact` products are computed by whichever function of NumPy is faster.
    """

    def __init__(self, plan: Plan, exact: bool = True):
        super().__init__(plan)
        self.exact = exact
        self.bind()

    # ---- running
    def run(self, feeds: list[Any]) -> list[Any]:
        """Values of the fetches for arrays of the shapes that the plan was made for."""
        self._begin(feeds)
        calls: Any = iter(self.calls)
        threads = self.threads
        try:
            if threads:
                threads.begin()
            for function, arguments in calls:
                function(*arguments)
            if self.watched:
                self._learn()
            return [give() for give in self._give]
        except Exception as error:
            at = len(self.calls) - calls.__length_hint__() - 1
            raise self._explained(self._step_of[at], error) from None
        finally:
            if threads:
                threads.end()
            if self._empty:
                self.values[:] = self._empty

    def timed(self, feeds: list[Any]) -> list[Timing]:
        """One run, every part of it with the time that it took; nothing is handed out."""
        self._begin(feeds)
        found = []
        try:
            if self.threads:
                self.threads.begin()
            for records, label, calls in self.parts():
                start = time.perf_counter()
                for function, arguments in calls:
                    function(*arguments)
                found.append(Timing(records, start, time.perf_counter() - start, label))
        finally:
            if self.threads:
                self.threads.end()
            self.values[:] = self._empty
        return found

    def _begin(self, feeds: list[Any]) -> None:
        """Memory as it should be, and in it what is fed."""
        for store in self.stores:
            store.prepare()
        if self.is_stale():
            self.bind()
        for take, value in zip(self._take, feeds, strict=True):
            take(value)

    def parts(self) -> Iterator[tuple[tuple[int, ...], str, list[Call]]]:
        """The calls of a run by what they compute: records, a label (or ""), calls."""
        pairs = zip(self._step_of, self.calls, strict=True)
        for step, group in itertools.groupby(pairs, key=lambda pair: pair[0]):
            yield (step.record,), "", [call for _, call in group]

    def _explained(self, step: Instruction, error: Exception) -> Exception:
        records = self.plan.graph.records
        record = records[step.record]
        named = tuple(
            Named(records[i].name, self._sample(self.plan.places.get(i))) for i in record.inputs
        )
        return explained(record, named, error)

    def _sample(self, place: Place | None) -> Any:
        if place is None:
            return None
        return self.values[self.slot(place)] if self.moves(place) else self.array(place)

    # ---- binding
    def bind(self) -> None:
        """Make all arrays and calls; again whenever the memory of a variable has moved."""
        self.bind_memory()
        self.watched: list[Watched] = []
        self._untold = {made.first for made in self.plan.made if made.held is None}
        self._bind_calls()
        self.threads = self._choose_threads()
        places, fetches = self.plan.places, self.plan.fetches
        self._take = [self._taking(places[i]) for i in self.plan.feeds]
        # Nodes that a pass merged have one value; every fetch gets an array of its own.
        given = [places[i].buffer if i in places else None for i in fetches]
        self._give = [giving(self, i, given[k] in given[:k]) for k, i in enumerate(fetches)]
        self._empty = [None] * len(self.values)

    def _taking(self, place: Place) -> Callable[[Any], Any]:
        return taking(self, place)

    def _bind_calls(self) -> None:
        self.calls: list[Call] = []
        self._step_of: list[Instruction] = []
        ends = self._last_uses()
        for number, step in enumerate(self.plan.instructions):
            calls = self._watching(number, calls_of(self, step, self.exact))
            calls += [(self.values.__setitem__, (slot, None)) for slot in ends.get(number, ())]
            self.calls += calls
            self._step_of += [step] * len(calls)

    def _last_uses(self) -> dict[int, list[int]]:
        """By instruction: the slots that nobody reads after it."""
        last: dict[int, int] = {}
        for number, step in enumerate(self.plan.instructions):
            for place in (*step.inputs, step.output):
                if place is not None and self.moves(place):
                    last[self.slot(place)] = number
        for i in self.plan.fetches:
            if i in self.plan.places and self.moves(self.plan.places[i]):
                last.pop(self.slot(self.plan.places[i]), None)
        found: dict[int, list[int]] = {}
        for slot, number in last.items():
            found.setdefault(number, []).append(slot)
        return found

    # ---- memory that only a run can tell
    def _watching(self, number: int, calls: list[Call]) -> list[Call]:
        """The calls of an instruction, watched if it is not known what memory they take."""
        if number not in self._untold:
            return calls
        watched = [Watched(number, call) for call in calls]
        self.watched += watched
        return [(one, ()) for one in watched]

    def _learn(self) -> None:
        """Write into the plan what was seen; calls that told are not watched any more."""
        records = self.plan.graph.records
        told = {one.number: one for one in self.watched if one.seen is not None}
        made = tuple(
            told[one.first].told(one, isinstance(records[one.record].spec, BundleSpec))
            if one.first in told
            else one
            for one in self.plan.made
        )
        self.plan = self.plan._replace(made=made)
        watched = {id(one): one.call for one in told.values()}
        self.calls = [watched.get(id(one[0]), one) for one in self.calls]
        self.watched = [one for one in self.watched if one.seen is None]

    # ---- threads
    def _choose_threads(self) -> Threads | None:
        """The threads of every product; calls that change their number go around large ones."""
        records = self.plan.graph.records
        products = []
        for at, step in enumerate(self._step_of):
            record = records[step.record]
            if step.primitive.kind == "contract" and self._has_threads(at):
                flops = cost_of(record, [records[i].spec for i in record.inputs], {}).flops
                products.append((at, flops, self._trial(at, step)))
        chosen = Threads.of(products)
        if chosen:
            for at in reversed(chosen.wide):
                self.calls[at : at + 1] = [chosen.widen, self.calls[at], chosen.narrow]
                self._step_of[at : at + 1] = [self._step_of[at]] * 3
        return chosen

    def _has_threads(self, at: int) -> bool:
        """Does this call use the BLAS, with its threads?"""
        return True

    def _trial(self, at: int, step: Instruction) -> Callable[[], Any]:
        """A way to run a product before there are values, without touching a parameter."""

        def run() -> None:
            out = step.output
            arena = out is not None and self.plan.buffers[out.buffer].kind == "arena"
            if arena and is_fixed(self, step):
                function, arguments = self.calls[at]
                function(*arguments)
            else:
                a, b = (np.ones(p.shape, p.dtype) for p in step.inputs[:2] if p is not None)
                turned = a.T if step.attrs.get("ta") else a
                np.matmul(turned, b.T if step.attrs.get("tb") else b)

        return run

    @property
    def notes(self) -> list[str]:
        """What was chosen about threads, in words."""
        return self.threads.notes if self.threads else []
