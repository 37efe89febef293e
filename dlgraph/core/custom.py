"""`custom_vjp`: a function with a gradient rule of your own, as a primitive of its own.

What the function and the rule take and return is checked: a mistake there would otherwise be a
gradient that is wrong, or missing, without a word.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from dlgraph.core.body import check_takes, input_names, set_outputs, trace
from dlgraph.core.control import as_values
from dlgraph.core.mode import tracing
from dlgraph.core.node import Node
from dlgraph.core.primitive import Primitive
from dlgraph.core.tensor import Tensor, _plain, value_of
from dlgraph.core.values import as_array, describe
from dlgraph.core.words import counted
from dlgraph.errors import OperationError


class custom_vjp:
    """A function with a gradient rule of your own, in both modes.

    The function takes and returns values and returns one of them.  The rule gets the gradient of
    the output, the output, and the inputs, and returns one gradient per input (None where none
    flows).  What requires gradients must be an input: from outside it would get none, so reading
    it there is an error.

    >>> import dlgraph as dg
    >>> @dg.custom_vjp
    ... def clip_gradient(x):
    ...     return dg.identity(x)
    >>> @clip_gradient.rule
    ... def _(g, y, x):
    ...     return dg.minimum(g, 1.0)
    >>> x = dg.Tensor(2.0, requires_grad=True)
    >>> (clip_gradient(x) * 10).backward()
    >>> print(x.grad)
    1.0
    """

    def __init__(self, function: Callable[..., Any]):
        if not callable(function):
            raise OperationError(f"custom_vjp({function!r}): a function is needed")
        self.function = function
        self.name: str = getattr(function, "__name__", type(function).__name__)
        self.primitive = Primitive(
            self._forward(),
            name=self.name,
            kind="elementwise",
            infer=self._infer,
        )
        self.primitive.joint = self._no_rule
        self.__doc__ = function.__doc__

    def rule(self, rule: Callable[..., Any]) -> custom_vjp:
        """Declare the gradient rule; usable as a decorator.

        Raises `OperationError` for a rule that takes something else than `(g, y, *inputs)`; a
        rule that does not return one gradient per input raises it when gradients are asked for.
        """
        inputs = _plain_parameters(self.function)
        if inputs is not None:
            listed = ", ".join(["g", "output", *inputs])
            check_takes(
                f"the gradient rule of {self.name}", rule, 2 + len(inputs),
                hint="it gets the gradient of the output, the output, and the inputs: "
                f"def _({listed})",
            )  # fmt: skip

        def joint(g: Any, y: Any, inputs: Any, attrs: Any, wanted: tuple[int, ...]) -> list[Any]:
            found = rule(g, y, *inputs)
            found = found if isinstance(found, (tuple, list)) else (found,)
            if len(found) != len(inputs):
                raise OperationError(
                    f"{self.name} has {counted(len(inputs), 'input')}, its gradient rule returned "
                    f"{counted(len(found), 'gradient')}",
                    hint="one gradient per input, in their order; None where none flows",
                )
            if not isinstance(g, (Tensor, Node)):  # what the rule read may have been Tensors
                found = [value_of(one) if isinstance(one, Tensor) else one for one in found]
            return [found[i] for i in wanted]

        self.primitive.joint = joint
        return self

    def _no_rule(self, *unused: Any) -> list[Any]:
        raise OperationError(
            f"{self.name} has no gradient rule yet",
            hint=f"declare it: @{self.name}.rule, and below it def _(g, y, ...)",
        )

    def _infer(self, *specs: Any) -> Any:
        names = input_names(self.function, range(len(specs)))
        body, result = trace(self.function, specs, self.name, names)
        for captured in body.captures:
            self._check_outside(captured)
        set_outputs(body, [self._one(result)], self.name)
        return body.output_specs[0]

    def _forward(self) -> Callable[..., Any]:
        def forward(xp: Any, *inputs: Any) -> Any:
            with tracing(False):
                found = self.function(*(_plain(x) for x in inputs))
            found = self._one(found)
            if not isinstance(found, Tensor):
                return as_array(found, copy=False)
            for leaf in _leaves(found) if found.requires_grad else ():
                self._check_outside(leaf)
            return value_of(found)

        forward.__name__, forward.__doc__ = self.name, self.function.__doc__
        return forward

    def _one(self, found: Any) -> Any:
        if found is None:
            raise OperationError(f"{self.name} returned None", hint="return the value")
        if isinstance(found, (tuple, list)):
            raise OperationError(
                f"{self.name} returned {counted(len(found), 'value')}, custom_vjp is for functions "
                "of one result",
                hint="join them, dg.stack([a, b]), or write two functions",
            )
        return found

    def _check_outside(self, value: Any) -> None:
        # Nothing would tell that its gradient is missing; and no run knows the value of a node.
        if isinstance(value, Node) or (isinstance(value, Tensor) and value.requires_grad):
            called = repr(value.name) if isinstance(value, Node) else describe(value)
            raise OperationError(
                f"{self.name} reads {called} from outside: its rule gives gradients to "
                "the inputs only",
                hint="make it an input too; a tensor whose gradient is not wanted: w.detach()",
            )

    def __call__(self, *inputs: Any) -> Any:
        return self.primitive(*as_values(inputs))


def _plain_parameters(function: Callable[..., Any]) -> list[str] | None:
    """Names of the parameters, if the function takes always so many."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return None
    plain = all(p.kind is p.POSITIONAL_OR_KEYWORD and p.default is p.empty for p in parameters)
    return [p.name for p in parameters] if plain else None


def _leaves(result: Tensor) -> list[Tensor]:
    """The tensors from which a result got that it requires gradients."""
    seen: dict[int, Tensor] = {}
    stack = [result]
    while stack:
        tensor = stack.pop()
        if tensor._order not in seen and tensor.requires_grad:
            seen[tensor._order] = tensor
            stack += [v for v in tensor._inputs if isinstance(v, Tensor)]
    return [tensor for tensor in seen.values() if tensor.is_leaf]
