"""What the declaration of an operation must say; mistakes in it are told where it stands.

Used by `primitive.py`, where operations are declared.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np

from dlgraph.core.spec import BundleSpec, Spec
from dlgraph.errors import OperationError

KINDS = (
    "elementwise",
    "reduce",
    "contract",
    "view",
    "index",
    "random",
    "state",
    "effect",
    "control",
    "loss",
)


def check_function(function: Any) -> None:
    """Raise `OperationError` unless this can be the forward function of a primitive."""
    if not callable(function):
        raise OperationError(
            f"a primitive is declared by its forward function, not by {function!r}",
            hint='below @dg.primitive(kind="elementwise") stands the function: def double(xp, x):',
        )
    names = list(inspect.signature(function).parameters)
    if names[:1] != ["xp"]:
        name = function.__name__
        raise OperationError(
            f"the first parameter of the forward function of {name} must be xp, the array module "
            f"(NumPy, or CuPy on a GPU); it has ({', '.join(names)})",
            hint=f"def {name}({', '.join(['xp', *names])}):",
        )


def check_kind(name: str, kind: Any) -> str:
    """The kind of a primitive; raises `OperationError` if there is no such one."""
    if kind in KINDS:
        return str(kind)
    problem = "its kind is missing" if kind is None else f"there is no kind {kind!r}"
    raise OperationError(f"primitive {name}: {problem}", hint=f"kinds are {', '.join(KINDS)}")


def check_name(name: str, function: Callable[..., Any], known: Mapping[str, Any]) -> None:
    """Raise `OperationError` if dlgraph has this name itself: `x.sum()` finds its function by it.

    A name of the user's own may be declared again, as running a cell again does.
    """
    if is_ours(known.get(name)) and not is_ours(function):
        raise OperationError(
            f"{name} is an operation of dlgraph: declared again, it would stand for dg.{name} "
            "everywhere",
            hint=f"give yours a name of its own: def my_{name}(...)",
        )


def checked_forward(name: str, function: Callable[..., Any], kind: str) -> Callable[..., Any]:
    """The forward function; that of a user's own operation is told when it returns nothing."""
    if is_ours(function) or kind in ("effect", "state"):
        return function

    @functools.wraps(function)
    def forward(*given: Any, **attrs: Any) -> Any:
        found = function(*given, **attrs)
        if found is None:
            raise OperationError(
                f"the forward function of {name} returned None",
                where=None,
                hint="return what it computed",
            )
        return found

    return forward


def checked_infer(name: str, infer: Callable[..., Any]) -> Callable[..., Any]:
    """The shape rule; what that of a user's own operation returns is brought into form."""
    if is_ours(infer):
        return infer

    @functools.wraps(infer)
    def rule(*specs: Any, **attrs: Any) -> Any:
        found = infer(*specs, **attrs)
        if isinstance(found, BundleSpec):
            return found
        try:
            shape, dtype = found
            return Spec(tuple(shape), np.dtype(dtype))
        except (TypeError, ValueError):
            raise OperationError(
                f"the shape rule of {name} returned {found!r}",
                where=None,
                hint="infer takes one spec per input and returns that of the result: "
                "dg.Spec(x.shape, x.dtype)",
            ) from None

    return rule


def lacks_rule(function: Callable[..., Any], kind: str) -> bool:
    """Is a gradient rule missing from this declaration, a user's own?

    dlgraph's own operations without one let no gradient through, and so does what draws numbers.
    """
    return not is_ours(function) and kind not in ("effect", "state", "random")


def no_rule(name: str, inputs: Sequence[str]) -> OperationError:
    """The error for a gradient that arrives at an operation whose rule was not stated."""
    first = inputs[0]
    return OperationError(
        f"{name} has no gradient rule: nothing says how its result changes with "
        f"{' and '.join(inputs)}",
        hint=f"state it, {name}.vjp({first}=lambda g, {first}: ...), where g is the gradient of "
        f"the result; {name}.vjp() says that no gradient goes through",
    )


ARGUMENTS_ELSEWHERE = {"dim": "axis", "dims": "axis", "keepdim": "keepdims"}


def no_argument(name: str, unknown: str, value: Any, call: str) -> OperationError:
    """The error for an argument that an operation lacks; `call` is how it is called.

    >>> from dlgraph.core.declared import no_argument
    >>> no_argument("sum", "dim", 0, "sum(x, *, axis=None)").hint
    'write axis=0 in place of dim: it is called as sum(x, *, axis=None)'
    """
    ours = ARGUMENTS_ELSEWHERE.get(unknown)
    if ours is None or ours not in call:
        return OperationError(f"{name} has no argument {unknown}", hint=f"call it as {call}")
    shown = repr(value) if isinstance(value, (int, tuple, list)) else ""
    return OperationError(
        f"{name} has no argument {unknown}",
        hint=f"write {ours}={shown} in place of {unknown}: it is called as {call}",
    )


Answering = TypeVar("Answering", bound=Callable[..., Any])


def answering(function: Answering) -> Answering:
    """A function or method of ours that tells in words which arguments it lacks.

    One with an argument that other libraries call otherwise, that is.
    """
    signature = inspect.signature(function)
    ours = ARGUMENTS_ELSEWHERE.values()
    if signature.parameters.keys().isdisjoint(ours) or not is_ours(function):
        return function

    @functools.wraps(function)
    def call(*given: Any, **options: Any) -> Any:
        try:
            return function(*given, **options)
        except TypeError:
            for name in options:
                if name not in signature.parameters:
                    parameters = [p for p in signature.parameters.values() if p.name != "self"]
                    called = f"{function.__name__}({', '.join(map(_unannotated, parameters))})"
                    raise no_argument(function.__name__, name, options[name], called) from None
            raise

    return call  # type: ignore[return-value]


def _unannotated(parameter: inspect.Parameter) -> str:
    return str(parameter.replace(annotation=inspect.Parameter.empty))


def is_ours(function: Any) -> bool:
    """Is this function, or this operation, defined in dlgraph?"""
    return (getattr(function, "__module__", None) or "").startswith("dlgraph.")
