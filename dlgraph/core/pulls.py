"""How gradient rules are called: by the names of their parameters, which are read once.

A rule reads what it names (`lambda g, y`, `lambda g, x, axis`).  A backward pass calls thousands of
them, so each is brought into one of a few forms when it is stated.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from operator import itemgetter
from typing import Any

from dlgraph.errors import OperationError

Rule = Callable[..., Any]
Pull = Callable[[Any, Any, Any, dict[str, Any]], Any]


def parameters_of(rule: Rule) -> tuple[str, ...]:
    """The names of what a rule takes."""
    return tuple(inspect.signature(rule).parameters)


RESIDUAL = "residual"  # what a forward kept for its gradient, among the attributes of the record
# What a rule reads beside the gradient: the input at this position, or one of these.
GRADIENT, OUTPUT, MORE = -1, -2, -3


def unchanged(g: Any) -> Any:
    """The rule of an input that gets the gradient as it is; a backward pass need not call it."""
    return g


def step_of(primitive: Any, name: str) -> tuple[int, Any]:
    """The rule of an input in the form in which a backward pass calls it fastest.

    It is `(GRADIENT, rule(g))`, with None in place of `unchanged`, `(OUTPUT, rule(g, y))`,
    `(k, rule(g, inputs[k]))`, or else `(MORE, pull(g, y, inputs, attrs))`.
    """
    rule = primitive.rules[name]
    first, *others = parameters_of(rule)
    reads = [other.removeprefix("like_") for other in others]
    if first == "g" and not others:
        return GRADIENT, None if rule is unchanged else rule
    if first == "g" and reads == ["y"]:
        return OUTPUT, rule
    if first == "g" and len(reads) == 1 and reads[0] in primitive.inputs:
        return primitive.inputs.index(reads[0]), rule
    return MORE, pull_of(primitive, rule)


def pull_of(primitive: Any, rule: Rule) -> Pull:
    """Adapt a rule to one calling form, `(g, y, inputs, attrs)`, once and for all."""
    inputs = primitive.inputs
    names = tuple(
        name.removeprefix("like_") if name.removeprefix("like_") in inputs else name
        for name in parameters_of(rule)
    )
    known = {"g", "y", "position", *inputs, *primitive.attributes}
    known |= {RESIDUAL} if primitive.residual else set()
    if not set(names) <= known:
        raise OperationError(
            f"gradient rule of {primitive.name}: unknown parameters "
            f"{', '.join(sorted(set(names) - known))}",
            hint=f"it may use g, y, {', '.join([*primitive.inputs, *primitive.attributes])}",
        )
    position = {name: i for i, name in enumerate(inputs)}
    read = [name for name in names[1:] if name in position]
    if len(read) > 1 and not primitive.variadic:  # often, so quicker
        take = itemgetter(*(position[name] for name in read))
        if names == ("g", *read):
            return lambda g, y, inputs, attrs: rule(g, *take(inputs))
        if names == ("g", *read, RESIDUAL):
            return lambda g, y, inputs, attrs: rule(g, *take(inputs), attrs.get(RESIDUAL))

    def pull(g: Any, y: Any, inputs: Any, attrs: dict[str, Any]) -> Any:
        values = []
        for name in names:
            if name == "g":
                values.append(g)
            elif name == "y":
                values.append(y)
            elif name in position:
                values.append(inputs if primitive.variadic else inputs[position[name]])
            elif name == RESIDUAL:
                values.append(attrs.get(name))
            else:
                values.append(attrs[name])
        return rule(*values)

    return pull
