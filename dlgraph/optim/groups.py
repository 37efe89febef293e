"""Parameter groups: parameters that share a learning rate and the other options of the rule."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from dlgraph.core.names import nearest
from dlgraph.core.node import Node
from dlgraph.core.parameter import Parameter
from dlgraph.core.program import needed
from dlgraph.core.tensor import Tensor
from dlgraph.core.words import counted
from dlgraph.errors import OperationError, UnknownNameError
from dlgraph.optim.options import checked, within


class Group:
    """Parameters with their learning rate and options; see `Optimizer.groups`.

    >>> import dlgraph as dg
    >>> w, b = dg.Parameter([1.0], name="w"), dg.Parameter([0.0], name="b")
    >>> groups = [{"parameters": [w], "weight_decay": 0.1}, {"parameters": [b], "lr": 0.5}]
    >>> for group in dg.optim.SGD(groups, lr=0.01).groups:
    ...     print(group)
    Group(1 parameter, lr=0.01, momentum=0.0, nesterov=False, weight_decay=0.1)
    Group(1 parameter, lr=0.5, momentum=0.0, nesterov=False, weight_decay=0.0)
    """

    def __init__(self, who: str, parameters: list[Tensor], lr: float, options: dict[str, Any]):
        self.who = who
        self.parameters = parameters
        self.options = {name: checked(who, name, value) for name, value in options.items()}
        # A tensor, so that a graph reads it at each step and it can change between two.
        self.rate = Parameter(0.0, dtype="float64", name="lr", requires_grad=False)
        self.lr = lr

    def __setattr__(self, name: str, value: Any) -> None:
        if "rate" in vars(self) and not hasattr(self, name):
            raise no_setting(f"{self.who}: a group", name, self.options)
        object.__setattr__(self, name, value)

    @property
    def lr(self) -> float:
        """The learning rate; set it at any time, in both modes it counts from the next step."""
        return float(self.rate.item())

    @lr.setter
    def lr(self, value: float) -> None:
        if not within(value, 0.0):
            raise OperationError(
                f"{self.who}: a learning rate is a number of at least 0, not {value!r}",
                hint="lr=0.01 is a usual first try",
            )
        self.rate.assign(float(value))

    def __repr__(self) -> str:
        count = len(self.parameters)
        shown = "".join(f", {name}={value}" for name, value in self.options.items())
        return f"Group({counted(count, 'parameter')}, lr={self.lr:g}{shown})"


def no_setting(who: str, name: str, options: Iterable[str]) -> UnknownNameError:
    """The error for `optimizer.momentun = 0.9`, which would be kept and read by nobody."""
    known = ["lr", *options]
    given = f"options are given when the optimiser is made: {name}=..."
    return UnknownNameError(
        f"{who} has no attribute {name!r} to set",
        hint=given if name in known else nearest(name, known) or "optimizer.lr = 0.01 can be set",
    )


def make_groups(who: str, given: Any, lr: float, options: dict[str, Any]) -> list[Group]:
    """Groups from what an optimiser is given: parameters, or dictionaries with parameters.

    What a dictionary does not say is as in the optimiser's own arguments.  Raises
    `OperationError` for unknown options and for a parameter in two groups.
    """
    if given is None:
        return [Group(who, [], lr, options)]
    given = list(given) if _is_sequence(given) else given
    if not isinstance(given, list) or not any(isinstance(one, Mapping) for one in given):
        return [Group(who, leaves(who, given), lr, options)]
    made: list[Group] = []
    seen: dict[int, int] = {}
    for number, one in enumerate(given):
        if not isinstance(one, Mapping) or "parameters" not in one:
            raise OperationError(
                f"{who}: group {number} is "
                + ("without parameters" if isinstance(one, Mapping) else f"a {type(one).__name__}"),
                hint='a group is {"parameters": layer.parameters(), "lr": 0.01}',
            )
        unknown = sorted(one.keys() - options.keys() - {"parameters", "lr"})
        if unknown:
            raise OperationError(
                f"{who}: group {number} has the unknown option {', '.join(map(str, unknown))}",
                hint=f"options are lr, {', '.join(options)}",
            )
        own = {name: one.get(name, value) for name, value in options.items()}
        group = Group(who, leaves(who, one["parameters"]), one.get("lr", lr), own)
        for p in group.parameters:
            if seen.setdefault(id(p), number) != number:
                raise OperationError(
                    f"{who}: {p.name or 'a parameter'} {p.spec} is in groups {seen[id(p)]} and "
                    f"{number}",
                    hint="each parameter belongs to one group",
                )
        made.append(group)
    return made


def _is_sequence(given: Any) -> bool:
    return isinstance(given, Iterable) and not isinstance(given, (Tensor, Mapping, str))


def leaves(who: str, parameters: Any) -> list[Tensor]:
    """The parameters that require gradients, each once; anything else is an error."""
    if isinstance(parameters, Tensor):
        parameters = [parameters]
    if not _is_sequence(parameters):
        raise OperationError(
            f"{who}: a {type(parameters).__name__} is not a sequence of parameters",
            hint="pass model.parameters()",
        )
    chosen: dict[int, Tensor] = {}
    given = list(parameters)
    for p in given:
        if not isinstance(p, Tensor):
            raise OperationError(
                f"{who}: a {type(p).__name__} is not a parameter", hint="pass model.parameters()"
            )
        if p.requires_grad:
            if p._op is not None:
                raise OperationError(f"{who}: {p!r} was computed, only leaves are trained")
            chosen[id(p)] = p
    if not chosen:
        raise OperationError(
            f"{who}: no parameters that require gradients"
            + (f" among {counted(len(given), 'tensor')}" if given else ", the list is empty"),
            hint="p.requires_grad = True, or dg.Parameter(values) in its place"
            if given
            else "a model lists what is a dg.Parameter: model.parameters(); a dg.Tensor that "
            f"requires gradients is passed itself: {who}([w])",
        )
    return list(chosen.values())


def variables_of(loss: Node) -> list[Tensor]:
    """The parameters that a node of a graph depends on, each once."""
    records = loss.graph.records
    tensors = [records[i].attrs.get("tensor") for i in needed(records, [loss.index], set())]
    unique = {id(t): t for t in tensors if isinstance(t, Parameter) and t.requires_grad}
    return list(unique.values())
