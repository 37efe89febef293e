"""Gradients against measured slopes: the check that finds a wrong gradient rule."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from dlgraph.core.derivatives import grad
from dlgraph.core.tensor import as_array
from dlgraph.errors import OperationError
from dlgraph.ops.copies import zeros_like
from dlgraph.testing.modes import (
    Arrays,
    Function,
    leaf,
    random_cotangents,
    run_eager,
    sequence,
    weighted_sum,
)

EVERY_ELEMENT = 64  # inputs up to this size are moved element by element


class Comparison(NamedTuple):
    """One input at one order of differentiation: how far apart the two gradients were.

    >>> import dlgraph as dg
    >>> report = dg.testing.check_grads(dg.tanh, [[0.5, 2.0]])
    >>> first = report.comparisons[0]
    >>> first.compared, first.shape, first.error <= first.allowed
    ('2 elements', (2,), True)
    """

    order: int
    position: int
    shape: tuple[int, ...]
    compared: str  # "6 elements" or "8 random directions"
    error: float  # at the worst place: |analytical - numerical|
    own_error: float  # there: how much the numerical value changes with twice the epsilon
    allowed: float  # there: atol + rtol * |numerical|
    place: str
    analytical: float
    numerical: float
    bend: float = 0.0  # there: slope to the right minus slope to the left

    @property
    def passed(self) -> bool:
        """Is the error within what is allowed?  (NaN is not.)"""
        return self.error <= self.allowed

    def __str__(self) -> str:
        title = "gradient" if self.order == 1 else f"derivative {self.order}"
        lines = [
            f"{'ok  ' if self.passed else 'FAIL'} {title} of input {self.position} {self.shape}, "
            f"{self.compared}: largest error {self.error:.1e}, allowed {self.allowed:.1e}, "
            f"own error of the numerical value {self.own_error:.1e}"
        ]
        if not self.passed:
            lines.append(
                f"     {self.place}: analytical {self.analytical:.9g}, numerical "
                f"{self.numerical:.9g} (to the left {self.numerical - self.bend / 2:.9g}, "
                f"to the right {self.numerical + self.bend / 2:.9g})"
            )
        if not self.own_error <= self.allowed:
            lines.append(
                "     the numerical value is too uncertain to judge by: try another epsilon, or "
                "inputs further from a jump"
            )
        return "\n".join(lines)


class Report(NamedTuple):
    """What `check_grads` found: one `Comparison` per input and order.

    >>> import dlgraph as dg
    >>> report = dg.testing.check_grads(dg.multiply, [2.0, 3.0])
    >>> report.passed, len(report.comparisons)
    (True, 2)
    """

    comparisons: tuple[Comparison, ...]
    epsilon: float

    @property
    def passed(self) -> bool:
        """Did all comparisons pass?"""
        return all(comparison.passed for comparison in self.comparisons)

    def __str__(self) -> str:
        title = f"gradients against central differences, float64, epsilon {self.epsilon:g}"
        return "\n".join([title, *map(str, self.comparisons)])


def check_grads(
    function: Function,
    inputs: Arrays,
    *,
    order: int = 1,
    epsilon: float = 1e-5,
    rtol: float = 1e-6,
    atol: float = 1e-7,
    directions: int = 8,
    seed: int = 0,
) -> Report:
    r"""Compare the engine's gradients with measured slopes; raise `AssertionError` on a mismatch.

    `function` takes one tensor per input and returns a tensor or several, of any shape; floating
    inputs are brought to float64 and checked, integers and booleans are passed on.  The slope is
    the central difference $\frac{f(x + \epsilon) - f(x - \epsilon)}{2 \epsilon}$, its error of
    order $\epsilon^2$; the outputs are weighted with random cotangents.  An input of up to 64
    elements is moved element by element, a larger one in `directions` random directions.  A
    gradient passes if $|a - n| \le \text{atol} + \text{rtol} |n|$ everywhere.

    `order=2` checks the gradients of the gradients as well.  The report also says how much the
    numerical value changes with twice the epsilon, which is its own error; and, at a mismatch,
    the slopes on both sides, which differ at a kink (ReLU at 0), where no gradient is right.

    Raises `OperationError` if there is nothing to compare, or if `function` is random.

    >>> import dlgraph as dg
    >>> print(dg.testing.check_grads(lambda x: x * x, [3.0], order=2))  # doctest: +ELLIPSIS
    gradients against central differences, float64, epsilon 1e-05
    ok   gradient of input 0 (), 1 element: largest error ...
    ok   derivative 2 of input 0 (), 1 element: largest error ...
    >>> dg.testing.check_grads(lambda x: x * dg.stop_gradient(x), [3.0])  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ...
    AssertionError: gradients against central differences, float64, epsilon 1e-05
    FAIL gradient of input 0 (), 1 element: largest error 3.0e+00, allowed ...
         element []: analytical ..., numerical ...
    """
    values = [as_array(value) for value in inputs]
    floats = [i for i, v in enumerate(values) if v.dtype.kind == "f"]
    for i in floats:  # from what was given: 0.1 is not float32's nearest number
        values[i] = as_array(inputs[i], np.float64)
    if not any(values[i].size for i in floats):
        raise OperationError(
            "check_grads: there is nothing to compare, no input holds floating point numbers",
            hint="write the inputs with a point: [1.0, 2.0]",
        )
    rng = np.random.default_rng(seed)
    comparisons: list[Comparison] = []
    for level in range(1, order + 1):
        outputs = _values(function, values)
        _assert_repeatable(outputs, _values(function, values))
        cotangents = random_cotangents(outputs, rng)
        slopes = run_eager(function, values, cotangents)[1]
        for i in floats:
            moves = list(_moves(values[i].shape, directions, rng))
            measured = _Measured(function, values, i, cotangents, epsilon)
            comparisons.append(_compare(level, i, slopes[i], moves, measured, rtol, atol))
        function = _gradient_function(function, floats, cotangents)
    report = Report(tuple(comparisons), epsilon)
    if not report.passed:
        raise AssertionError(str(report))
    return report


def _values(function: Function, values: Arrays) -> list[np.ndarray]:
    return [x.numpy() for x in sequence(function(*map(leaf, values)))]


def _assert_repeatable(once: list[np.ndarray], again: list[np.ndarray]) -> None:
    pairs = zip(once, again, strict=True)
    same = all(np.array_equal(a, b, equal_nan=a.dtype.kind == "f") for a, b in pairs)
    if not same:
        raise OperationError(
            "check_grads: the function gave two different results for the same inputs",
            hint="random operations need a fixed key: dg.drop(x, key, rate=0.5)",
        )
    if not any(x.dtype.kind == "f" for x in once):
        raise OperationError("check_grads: no output is floating point, there is no gradient")


def _moves(
    shape: tuple[int, ...], directions: int, rng: np.random.Generator
) -> Iterator[tuple[str, np.ndarray]]:
    """By what to move an input: one element after the other, or in random directions."""
    if np.prod(shape, dtype=int) > EVERY_ELEMENT:
        for k in range(directions):
            yield f"direction {k}", rng.standard_normal(shape)
        return
    for index in np.ndindex(shape):
        step = np.zeros(shape)
        step[index] = 1.0
        yield f"element {list(index)}", step


class _Measured(NamedTuple):
    """The slope of the weighted outputs when one input is moved."""

    function: Function
    values: list[Any]
    position: int
    cotangents: Arrays
    epsilon: float

    def along(self, step: Any, times: float = 1.0) -> float:
        """The central difference."""
        return self._rise(step, times, -times)

    def bend(self, step: Any) -> float:
        """Slope to the right minus slope to the left."""
        return self._rise(step, 1.0, 0.0) - self._rise(step, 0.0, -1.0)

    def _rise(self, step: Any, ahead: float, behind: float) -> float:
        outputs = (self._moved(step, ahead), self._moved(step, behind))
        pairs = zip(*outputs, self.cotangents, strict=True)
        # Subtracted before they are summed: less is lost to rounding.
        rise = sum(float(((a - b) * c).sum()) for a, b, c in pairs if c is not None)
        return rise / ((ahead - behind) * self.epsilon)

    def _moved(self, step: Any, times: float) -> list[np.ndarray]:
        values = list(self.values)
        values[self.position] = values[self.position] + step * (times * self.epsilon)
        return _values(self.function, values)


def _compare(
    order: int,
    position: int,
    slope: Any,
    moves: list[tuple[str, np.ndarray]],
    measured: _Measured,
    rtol: float,
    atol: float,
) -> Comparison:
    shape = measured.values[position].shape
    assert slope.shape == shape and slope.dtype == np.float64, (
        f"gradient of input {position}: {slope.shape} {slope.dtype}, the input is {shape} float64"
    )
    what = "element" if len(moves) == np.prod(shape, dtype=int) else "random direction"
    compared = f"{len(moves)} {what}{'s' * (len(moves) != 1)}"
    worst = Comparison(order, position, shape, compared, 0.0, 0.0, atol, "", 0.0, 0.0)
    for place, step in moves:
        analytical, numerical = float((slope * step).sum()), measured.along(step)
        error, allowed = abs(analytical - numerical), atol + rtol * abs(numerical)
        if not worst.place or not error / allowed <= worst.error / worst.allowed:
            own = abs(numerical - measured.along(step, 2.0))
            worst = worst._replace(error=error, own_error=own, allowed=allowed, place=place)
            worst = worst._replace(analytical=analytical, numerical=numerical)
            worst_step = step
    return worst if worst.passed else worst._replace(bend=measured.bend(worst_step))


def _gradient_function(function: Function, floats: list[int], cotangents: Arrays) -> Function:
    """The gradients of `function` as a function, to be checked in their turn."""

    def slopes(*leaves: Any) -> list[Any]:
        total = weighted_sum(sequence(function(*leaves)), cotangents)
        wanted = [leaves[i] for i in floats]
        if not getattr(total, "requires_grad", False):
            return [zeros_like(leaf) for leaf in wanted]
        return grad(total, wanted, create_graph=True)

    return slopes
