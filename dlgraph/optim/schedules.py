"""Learning rate schedules: a plain function from the number of the step to a factor.

`Schedule` multiplies the learning rates of an optimiser by it.  The learning rate lives in a
tensor, so the same schedule drives eager training and a graph.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping
from typing import Any

from dlgraph.errors import OperationError
from dlgraph.optim.optimizer import Optimizer
from dlgraph.optim.options import within

Factor = Callable[[int], float]


class Schedule:
    """Learning rate = first learning rate times `factor(number of the step)`, for every group.

    Call `step()` once per optimiser step, or once per epoch, whichever the numbers count.  The
    factor of step 0 is applied at once.

    >>> import dlgraph as dg
    >>> optimizer = dg.optim.SGD([dg.Parameter(1.0)], lr=0.5)
    >>> schedule = dg.optim.Schedule(optimizer, dg.optim.step_decay(every=2, factor=0.1))
    >>> for _ in range(4):
    ...     print(f"{optimizer.lr:.3f}", end=" ")
    ...     schedule.step()
    0.500 0.500 0.050 0.050
    """

    def __init__(self, optimizer: Optimizer, factor: Factor):
        if not isinstance(optimizer, Optimizer):
            raise OperationError(
                f"Schedule: the first argument is the optimizer, not {optimizer!r}",
                hint="dg.optim.Schedule(optimizer, dg.optim.cosine(steps=1000))",
            )
        if not callable(factor):
            raise OperationError(
                f"Schedule: the factor is a function of the step, not {factor!r}",
                hint="dg.optim.cosine(steps=1000), or a function of your own",
            )
        self.optimizer, self.factor, self.count = optimizer, factor, 0
        self.first = [group.lr for group in optimizer.groups]
        self._apply(0)

    def step(self) -> None:
        """Go to the next step."""
        self._apply(self.count + 1)

    def _apply(self, count: int) -> None:
        factor = self.factor(count)
        if not within(factor, 0.0):
            raise OperationError(
                f"Schedule: the factor of step {count} is {factor!r}, not a number of at least 0"
            )
        self.count = count
        for group, lr in zip(self.optimizer.groups, self.first, strict=True):
            group.lr = lr * factor

    def state_dict(self) -> dict[str, Any]:
        """The count and the first learning rates; the function itself is not saved."""
        return {"count": self.count, "first": list(self.first)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue where `state_dict()` was taken; the learning rates are set as well."""
        self.check(state)
        self.first = [float(lr) for lr in state["first"]]
        self._apply(state["count"])

    def check(self, state: Any) -> None:
        """Raise `OperationError` if this is no state of such a schedule."""
        good = isinstance(state, Mapping) and state.keys() == {"count", "first"}
        if not good or type(state["count"]) is not int or state["count"] < 0:
            raise OperationError("Schedule.load_state_dict: needs count and first")
        first = state["first"]
        if not isinstance(first, list) or len(first) != len(self.first):
            raise OperationError(
                f"Schedule.load_state_dict: first must list {len(self.first)} learning rates"
            )
        if not all(within(lr, 0.0) for lr in first):
            raise OperationError(f"Schedule.load_state_dict: {first!r} are no learning rates")

    def __repr__(self) -> str:
        return f"Schedule(step {self.count}, lr={self.optimizer.lr:g})"


def constant(factor: float = 1.0) -> Factor:
    """Always the same factor.

    >>> import dlgraph as dg
    >>> dg.optim.constant(0.5)(100)
    0.5
    """
    _number("constant", "factor", factor)
    return lambda step: factor


def step_decay(every: int, factor: float = 0.1) -> Factor:
    r"""$f^{\lfloor t / n \rfloor}$: multiplied by `factor` every `every` steps.

    >>> import dlgraph as dg
    >>> [dg.optim.step_decay(every=2, factor=0.5)(t) for t in range(5)]
    [1.0, 1.0, 0.5, 0.5, 0.25]
    """
    _whole("step_decay", "every", every)
    _number("step_decay", "factor", factor)
    return lambda step: factor ** (step // every)


def exponential(factor: float) -> Factor:
    """$f^t$: multiplied by `factor` at every step.

    >>> import dlgraph as dg
    >>> [dg.optim.exponential(0.5)(t) for t in range(4)]
    [1.0, 0.5, 0.25, 0.125]
    """
    _number("exponential", "factor", factor)
    return lambda step: factor**step


def cosine(steps: int, floor: float = 0.0) -> Factor:
    r"""Half a cosine from 1 to `floor`: $f + \frac{1-f}{2}(1 + \cos \frac{\pi t}{n})$, then $f$.

    (Loshchilov & Hutter, "SGDR", ICLR 2017, without restarts.)

    >>> import dlgraph as dg
    >>> [round(dg.optim.cosine(steps=4)(t), 3) for t in range(6)]
    [1.0, 0.854, 0.5, 0.146, 0.0, 0.0]
    """
    _whole("cosine", "steps", steps)
    _number("cosine", "floor", floor)
    return lambda step: (
        floor + (1.0 - floor) * 0.5 * (1.0 + math.cos(math.pi * min(step, steps) / steps))
    )


def linear_warmup(steps: int, start: float = 0.0) -> Factor:
    r"""A straight line from `start` to 1 in `steps` steps, then 1.

    >>> import dlgraph as dg
    >>> [dg.optim.linear_warmup(steps=4)(t) for t in range(6)]
    [0.0, 0.25, 0.5, 0.75, 1.0, 1.0]
    """
    _whole("linear_warmup", "steps", steps)
    _number("linear_warmup", "start", start)
    return lambda step: start + (1.0 - start) * min(step, steps) / steps


def sequence(*parts: Factor, at: tuple[int, ...] | list[int]) -> Factor:
    """One schedule after the other; each begins to count at 0 when its turn comes.

    `at` lists the steps at which the second, third ... part begins.

    >>> import dlgraph as dg
    >>> warm = dg.optim.sequence(dg.optim.linear_warmup(2), dg.optim.cosine(2), at=[2])
    >>> [round(warm(t), 3) for t in range(5)]
    [0.0, 0.5, 1.0, 0.5, 0.0]
    """
    _functions("sequence", parts)
    numbers = isinstance(at, (list, tuple)) and all(within(one, 0) for one in at)
    starts = [0, *at] if numbers else []
    if len(starts) != len(parts) or any(a >= b for a, b in itertools.pairwise(starts)):
        raise OperationError(
            f"sequence: {len(parts)} parts need {max(len(parts) - 1, 0)} increasing steps at which "
            f"the next begins, not at={at!r}"
        )

    def factor(step: int) -> float:
        turn = max(i for i, start in enumerate(starts) if start <= step)
        return parts[turn](step - starts[turn])

    return factor


def product(*parts: Factor) -> Factor:
    """Several schedules at once: their factors multiplied.

    >>> import dlgraph as dg
    >>> both = dg.optim.product(dg.optim.linear_warmup(2), dg.optim.constant(0.5))
    >>> [both(t) for t in range(3)]
    [0.0, 0.25, 0.5]
    """
    _functions("product", parts)
    return lambda step: math.prod(part(step) for part in parts)


def _number(who: str, name: str, value: Any) -> None:
    if not within(value, 0.0):
        raise OperationError(f"{who}({name}={value!r}): a number of at least 0 is needed")


def _functions(who: str, parts: tuple[Any, ...]) -> None:
    for part in parts:
        if not callable(part):
            raise OperationError(
                f"{who}: a part is a function of the step, not {part!r}",
                hint=f"dg.optim.{who}(dg.optim.linear_warmup(10), dg.optim.cosine(90)"
                + (", at=[10])" if who == "sequence" else ")"),
            )


def _whole(who: str, name: str, value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise OperationError(f"{who}({name}={value!r}): a whole number of at least 1 is needed")
