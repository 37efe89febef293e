"""What all optimisers share: parameters, their state, and the two ways to apply an update rule.

A rule is written with operators only (`rules.py`).  `step()` runs it on arrays now;
`minimize(loss)` runs the same rule on nodes, and so writes the update into the graph.  State
(momentum, step count, learning rate) lives in tensors that both modes share.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from dlgraph.core.gradients import gradients
from dlgraph.core.graph import building
from dlgraph.core.node import Node
from dlgraph.core.parameter import Parameter
from dlgraph.core.state import assign, group
from dlgraph.core.tensor import Tensor, value_of
from dlgraph.core.where import user_line
from dlgraph.errors import BackwardError, OperationError
from dlgraph.nn import init
from dlgraph.ops.math import astype


class Optimizer:
    """Base of the optimisers; subclasses state their slots and their rule.

    `parameters` may be left out if only `minimize` is used: it then takes all parameters that the
    loss depends on.
    """

    slots: tuple[str, ...] = ()  # per parameter, zeros of its shape at first
    counts_steps = False

    def __init__(self, parameters: Iterable[Tensor] | None = None, lr: float = 0.01):
        if isinstance(parameters, (int, float)):
            raise OperationError(
                f"{type(self).__name__}({parameters!r}): the first argument is the parameters",
                hint=f"{type(self).__name__}(model.parameters(), lr={parameters!r})",
            )
        self.parameters = None if parameters is None else _checked(parameters, self)
        self._lr = Parameter(0.0, dtype="float64", name="lr", requires_grad=False)
        self._count = Parameter(0.0, dtype="float64", name="steps", requires_grad=False)
        self._state: dict[int, dict[str, Parameter]] = {}
        self.lr = lr

    @property
    def lr(self) -> float:
        """The learning rate; set it at any time, in both modes it counts from the next step."""
        return float(self._lr.item())

    @lr.setter
    def lr(self, value: float) -> None:
        if not within(value, 0.0):
            raise OperationError(f"a learning rate is a number of at least 0, not {value!r}")
        self._lr.assign(float(value))

    # ---- what subclasses write
    def factors(self, lr: Any, count: Any) -> dict[str, Any]:
        """Scalars that the rule needs, computed once per step in float64."""
        return {"lr": lr}

    def rule(self, p: Any, g: Any, **needed: Any) -> tuple[Any, ...]:
        """The new parameter and the new slots, from parameter, gradient, factors and slots."""
        raise NotImplementedError

    # ---- eager
    def step(self) -> None:
        """Update every parameter that has a gradient, from its `.grad`.

        Raises `BackwardError` if none has one.
        """
        if self.parameters is None:
            raise OperationError(
                f"{type(self).__name__}.step() needs to know the parameters",
                hint=f"{type(self).__name__}(model.parameters(), lr=...)",
            )
        ready = [p for p in self.parameters if p._grad is not None]
        if not ready:
            raise BackwardError(
                f"{type(self).__name__}.step(): none of the {len(self.parameters)} parameters has "
                "a gradient",
                hint="call loss.backward() first; zero_grad() belongs before it, not after",
            )
        if self.counts_steps:
            self._count._replace(value_of(self._count) + 1.0)
        factors = self.factors(value_of(self._lr), value_of(self._count))
        cast: dict[Any, dict[str, Any]] = {}
        for p in ready:
            dtype = p.dtype
            if dtype not in cast:
                cast[dtype] = {name: astype(value, dtype) for name, value in factors.items()}
            g = p._grad._data if isinstance(p._grad, Tensor) else p._grad
            slots = self.state_of(p)
            held = {name: value_of(slot) for name, slot in slots.items()}
            new, *rest = self.rule(value_of(p), g, **cast[dtype], **held)
            p._replace(new)
            for slot, value in zip(slots.values(), rest, strict=True):
                slot._replace(value)

    def zero_grad(self) -> None:
        """Forget the gradients; `backward()` adds to what is there."""
        for p in self.parameters or ():
            p.grad = None

    # ---- graph
    def minimize(self, loss: Node, parameters: Iterable[Tensor] | None = None) -> Node:
        """Add gradients and updates to the graph; the returned node makes one step when run.

        >>> import dlgraph as dg
        >>> w = dg.Parameter(1.0, name="w")
        >>> with dg.Graph().as_default() as g:
        ...     loss = (w * dg.constant(1.0) - 3.0) ** 2
        ...     train = dg.optim.SGD([w], lr=0.25).minimize(loss)
        >>> session = dg.Session(g)
        >>> for _ in range(3):
        ...     print(session.run([loss, train])[0], w)
        4.0 2.0
        1.0 2.5
        0.25 2.75
        """
        if not isinstance(loss, Node):
            raise OperationError(
                f"minimize needs a graph node, not {type(loss).__name__}",
                hint="in eager code: loss.backward(), then optimizer.step()",
            )
        graph = loss.graph
        chosen = _checked(parameters, self) if parameters is not None else self.parameters
        if chosen is None:
            chosen = _variables_of(loss)
        found = gradients(loss, chosen, allow_unused=True)
        pairs = [(p, g) for p, g in zip(chosen, found, strict=True) if g is not None]
        if not pairs:
            raise BackwardError(
                f"minimize: {loss.name!r} depends on none of the {len(chosen)} parameters"
            )
        title, updates = type(self).__name__.lower(), []
        with building(role="update", scope=title, twin=None, where=user_line()):
            steps = graph.variable(self._count)
            count = steps + 1.0 if self.counts_steps else steps
            factors = self.factors(graph.variable(self._lr), count)
        for p, g in pairs:
            variable = graph.variable(p)
            with building(
                role="update", scope=f"{title}/{variable.name}", twin=None, where=user_line()
            ):
                slots = self.state_of(p)
                nodes = {name: graph.variable(slot, name) for name, slot in slots.items()}
                cast = {name: astype(value, variable.dtype) for name, value in factors.items()}
                new, *rest = self.rule(variable, g, **cast, **nodes)
                updates.append(assign(variable, new))
                updates += [
                    assign(node, value) for node, value in zip(nodes.values(), rest, strict=True)
                ]
        with building(role="update", scope=title, twin=None, where=user_line()):
            if self.counts_steps:
                updates.append(assign(steps, count))  # last: a step that fails does not count
            return group(updates, name="minimize")

    def state_of(self, parameter: Tensor) -> dict[str, Parameter]:
        """The slots of a parameter, made at first use."""
        held = self._state.get(id(parameter))
        if held is None:
            held = self._state[id(parameter)] = {
                name: Parameter(
                    init.zeros(parameter.shape, parameter.dtype), name=name, requires_grad=False
                )
                for name in self.slots
            }
        return held

    def __repr__(self) -> str:
        count = "all" if self.parameters is None else len(self.parameters)
        return f"{type(self).__name__}({count} parameters, lr={self.lr:g})"


def within(value: Any, low: float, high: float = float("inf")) -> bool:
    """Is this a number of at least `low` and less than `high`?"""
    return isinstance(value, (int, float, np.integer, np.floating)) and bool(low <= value < high)


def _checked(parameters: Any, optimizer: Any) -> list[Tensor]:
    if isinstance(parameters, Tensor):
        parameters = [parameters]
    if not isinstance(parameters, Iterable):
        raise OperationError(
            f"{type(optimizer).__name__}: a {type(parameters).__name__} is not a sequence of "
            "parameters",
            hint="pass model.parameters()",
        )
    chosen: list[Tensor] = []
    for p in parameters:
        if not isinstance(p, Tensor):
            raise OperationError(
                f"{type(optimizer).__name__}: a {type(p).__name__} is not a parameter",
                hint="pass model.parameters()",
            )
        if p.requires_grad and not any(p is other for other in chosen):
            if p._op is not None:
                raise OperationError(
                    f"{type(optimizer).__name__}: {p!r} was computed, only leaves are trained"
                )
            chosen.append(p)
    if not chosen:
        raise OperationError(
            f"{type(optimizer).__name__}: no parameters that require gradients",
            hint="pass model.parameters()",
        )
    return chosen


def _variables_of(loss: Node) -> list[Tensor]:
    from dlgraph.core.program import needed

    graph = loss.graph
    tensors = [
        graph.records[i].attrs.get("tensor") for i in needed(graph.records, [loss.index], set())
    ]
    unique = {id(t): t for t in tensors if isinstance(t, Parameter) and t.requires_grad}
    return list(unique.values())
