"""How operations run right now in this thread: recorded or not, watched or not.

One context variable holds it, so that a background thread that trains does not disturb the cell
that evaluates.  None, the usual case, means: record where gradients are needed, watch nothing.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Generator, Iterator
from contextlib import ContextDecorator, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from dlgraph.core.where import Where, user_line
from dlgraph.errors import NonFiniteError


@dataclass(frozen=True, slots=True)  # every operation reads it: slots are faster than a tuple
class Mode:
    """What deviates from the usual."""

    recording: bool = True
    watch: Watch | None = None
    tracing: bool = False  # operations on tensors are written down too, not computed
    before: Mode | None = field(default=None, compare=False, repr=False)  # what comes back


MODE: ContextVar[Mode | None] = ContextVar("dlgraph_mode", default=None)


class _Switch(ContextDecorator):
    """Base of the context managers below; usable as a decorator, nestable, re-enterable."""

    def _change(self, mode: Mode) -> Mode:
        raise NotImplementedError

    def __enter__(self) -> Any:
        before = MODE.get()
        MODE.set(replace(self._change(before or Mode()), before=before))
        return self

    def __exit__(self, *error: object) -> None:
        # Nothing is kept in this object: several threads may be inside of it.
        mode = MODE.get()
        MODE.set(None if mode is None else mode.before)

    def __call__(self, function: Callable[..., Any]) -> Any:
        """As a decorator; of a generator function, for each of its turns."""
        if not inspect.isgeneratorfunction(function):
            return super().__call__(function)

        @functools.wraps(function)
        def generator(*args: Any, **kwargs: Any) -> Any:
            return (yield from _by_turns(self, function(*args, **kwargs)))

        return generator


def _by_turns(switch: _Switch, generator: Generator[Any, Any, Any]) -> Generator[Any, Any, Any]:
    """The same generator, inside the block only while it runs and not while it waits."""
    resume: Callable[[], Any] = functools.partial(next, generator)
    while True:
        with switch:
            try:
                made = resume()
            except StopIteration as stop:
                return stop.value
        try:
            resume = functools.partial(generator.send, (yield made))
        except GeneratorExit:
            with switch:
                generator.close()
            raise
        except BaseException as error:
            resume = functools.partial(generator.throw, error)


@contextmanager
def tracing(on: bool) -> Iterator[None]:
    """Write operations on tensors into the graph being built, or compute them after all."""
    token = MODE.set(replace(MODE.get() or Mode(), tracing=on))
    try:
        yield
    finally:
        MODE.reset(token)


def is_tracing() -> bool:
    """Are operations on tensors being written down at the moment?"""
    mode = MODE.get()
    return mode is not None and mode.tracing


class _Recording(_Switch):
    """Base of `no_grad` and `enable_grad`; as decorators they need no brackets."""

    def __new__(cls, function: Callable[..., Any] | None = None) -> Any:
        made = super().__new__(cls)
        return made if function is None else made(function)


class no_grad(_Recording):
    """Operations inside are computed but not recorded: no gradient will be asked of them.

    >>> import dlgraph as dg
    >>> w = dg.Tensor(3.0, requires_grad=True)
    >>> with dg.no_grad():
    ...     y = w * 2
    >>> y.requires_grad
    False

    It is also a decorator, for everything that a function does:

    >>> @dg.no_grad
    ... def double(x):
    ...     return x * 2
    >>> double(w).requires_grad
    False
    """

    def _change(self, mode: Mode) -> Mode:
        return replace(mode, recording=False)


class enable_grad(_Recording):
    """Operations inside are recorded again, within an outer `no_grad`.

    >>> import dlgraph as dg
    >>> w = dg.Tensor(3.0, requires_grad=True)
    >>> with dg.no_grad(), dg.enable_grad():
    ...     y = w * 2
    >>> y.requires_grad
    True
    """

    def _change(self, mode: Mode) -> Mode:
        return replace(mode, recording=True)


def is_recording() -> bool:
    """Are operations on tensors that need gradients recorded at the moment?

    >>> import dlgraph as dg
    >>> with dg.no_grad():
    ...     inside = dg.is_recording()
    >>> inside, dg.is_recording()
    (False, True)
    """
    mode = MODE.get()
    return mode is None or mode.recording


class Watch(_Switch):
    """Look at every operation while it runs, in both modes; see `watch`."""

    def __init__(self, nan: bool, lines: bool, call: Callable[..., None] | None):
        self.nan, self.lines, self.call = nan, lines, call
        self.outer: Watch | None = None  # a recorder around it

    def _change(self, mode: Mode) -> Mode:
        if mode.watch is not self:
            self.outer = mode.watch
        return replace(mode, watch=self)

    def see(
        self, primitive: Any, data: Any, inputs: tuple, node: str | None, where: Where | None
    ) -> None:
        """Called by both modes with the result of one operation."""
        if self.nan and not _finite(data):
            raise _non_finite(primitive, data, inputs, node, where)
        if self.call is not None:
            self.call(primitive, data, inputs)

    def made(self, tensor: Any, primitive: Any, inputs: tuple, attrs: dict[str, Any]) -> None:
        """Called in eager mode with the tensor that an operation made; a recorder overrides it."""
        if self.outer is not None:
            self.outer.made(tensor, primitive, inputs, attrs)


def watch(
    *, nan: bool = True, lines: bool = True, call: Callable[..., None] | None = None
) -> Watch:
    """Watch operations inside a `with` block (eager operations and session runs).

    `nan`: stop at the first operation whose result has a NaN or an infinity, and name it.
    `lines`: remember the line of every recorded operation, for drawings and errors.
    `call(primitive, result, inputs)`: your own observer.  Costs nothing when not used.

    >>> import dlgraph as dg
    >>> import numpy as np
    >>> x = dg.Tensor([1.0, 0.0], name="x")
    >>> with dg.watch(nan=True), np.errstate(divide="ignore"):
    ...     dg.log(x)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ...
    dlgraph.errors.NonFiniteError: log: the result (2,) float32 has 1 infinite element of 2, ...
    """
    return Watch(nan, lines, call)


def _finite(data: Any) -> bool:
    dtype = getattr(data, "dtype", None)
    return dtype is None or dtype.kind not in "fc" or bool(np.isfinite(data).all())


def _non_finite(
    primitive: Any, data: Any, inputs: tuple, node: str | None, where: Where | None
) -> NonFiniteError:
    first = np.argwhere(~np.isfinite(np.atleast_1d(data)))[0].tolist()
    ranges, before = {}, []
    for name, value in zip(primitive.inputs, inputs, strict=False):
        if getattr(getattr(value, "dtype", None), "kind", "") == "f" and np.size(value):
            ranges[name] = _range(value)
            before += [] if _finite(value) else [name]
    return NonFiniteError(
        f"{primitive.name}: the result {tuple(np.shape(data))} {data.dtype} has "
        f"{_counted(data)}, the first at {first}",
        node=node,
        where=where or user_line(),
        extra={f"input {name}": text for name, text in ranges.items()},
        hint=f"{' and '.join(before)} held them before: they come from what is not watched, such "
        "as data, or a backward pass and a step with a learning rate that is too large"
        if before
        else "this is the first operation that made one; look at the range of its inputs",
    )


def _counted(data: Any) -> str:
    """`2 NaN and 1 infinite elements of 8`."""
    count, infinite = int(np.isnan(data).sum()), int(np.isinf(data).sum())
    found = [f"{n} {word}" for n, word in ((count, "NaN"), (infinite, "infinite")) if n]
    return f"{' and '.join(found)} element{'s' * (count + infinite > 1)} of {np.size(data)}"


def _range(value: Any) -> str:
    fine = value[np.isfinite(value)] if np.ndim(value) else value
    if _finite(value):
        return f"from {np.min(fine):.6g} to {np.max(fine):.6g}"
    rest = ""
    if np.ndim(value) and np.size(fine):
        rest = f", the others from {np.min(fine):.6g} to {np.max(fine):.6g}"
    return _counted(value) + rest
