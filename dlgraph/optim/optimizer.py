"""What all optimisers share: parameters, their state, and the two ways to apply an update rule.

A rule is written with operators only (`rules.py`).  `step()` runs it on arrays now;
`minimize(loss)` runs the same rule on nodes, and so writes the update into the graph.  State
(momentum, step count, learning rate) lives in tensors that both modes share.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from dlgraph.core import arrays
from dlgraph.core.building import building
from dlgraph.core.declared import is_ours
from dlgraph.core.gradients import gradients
from dlgraph.core.names import OPTIMIZERS_ELSEWHERE, NotSetHere, names_of
from dlgraph.core.node import Node
from dlgraph.core.parameter import Parameter
from dlgraph.core.state import assign, group
from dlgraph.core.tensor import Tensor, tick, value_of
from dlgraph.core.where import user_line
from dlgraph.errors import BackwardError, OperationError
from dlgraph.nn import init
from dlgraph.ops.copies import astype
from dlgraph.optim.clipping import clip_by_norm, clip_by_value
from dlgraph.optim.groups import Group, leaves, make_groups, no_setting, variables_of
from dlgraph.optim.scalars import scalar
from dlgraph.optim.state import checked_state, follow, state_of_optimizer


class Optimizer:
    """Base of the optimisers; subclasses state their slots and their rule.

    `parameters` are the parameters to train, or a list of groups: dictionaries with
    `"parameters"` and what is different for them (`"lr"`, `"weight_decay"` ...).  They may be left
    out if only `minimize` is used: it then takes all parameters that the loss depends on.

    A rule of your own is a subclass:

    >>> import dlgraph as dg
    >>> class SignDescent(dg.optim.Optimizer):
    ...     def rule(self, p, g, *, lr):
    ...         return (p - lr * dg.sign(g),)
    >>> w = dg.Parameter([1.0, -1.0])
    >>> (w * w).sum().backward()
    >>> SignDescent([w], lr=0.25).step()
    >>> print(w)
    [ 0.75 -0.75]
    """

    slots: tuple[str, ...] = ()  # per parameter, filled with `initial` at first
    counts_steps = False

    def __init__(self, parameters: Any = None, lr: float = 0.01, **options: Any):
        who = type(self).__name__
        if isinstance(parameters, (int, float)):
            raise OperationError(
                f"{who}({parameters!r}): the first argument is the parameters",
                hint=f"{who}(model.parameters(), lr={parameters!r})",
            )
        self._open = parameters is None  # minimize adds what the loss depends on
        self._count = Parameter(0.0, dtype="float64", name="steps", requires_grad=False)
        self._state: dict[int, dict[str, Parameter]] = {}
        self.groups: list[Group] = make_groups(who, parameters, lr, options)

    @property
    def parameters(self) -> list[Tensor] | None:
        """The parameters of all groups, in order; None if they are not known yet."""
        found = [p for group in self.groups for p in group.parameters]
        return found or None

    @property
    def lr(self) -> float:
        """The learning rate (of the first group).

        Set it at any time: it is that of all groups from the next step on, in both modes.
        """
        return self.groups[0].lr

    @lr.setter
    def lr(self, value: float) -> None:
        for one in self.groups:
            one.lr = value

    def __setattr__(self, name: str, value: Any) -> None:
        if is_ours(type(self)) and "groups" in vars(self) and name not in object.__dir__(self):
            raise no_setting(type(self).__name__, name, self.groups[0].options)
        object.__setattr__(self, name, value)

    # ---- what subclasses write
    def slots_of(self, options: Mapping[str, Any]) -> tuple[str, ...]:
        """The slots that the rule needs with these options."""
        return self.slots

    def initial(self, options: Mapping[str, Any]) -> float:
        """The first value of every element of a slot."""
        return 0.0

    def plain(self, options: Mapping[str, Any]) -> Callable[[Any, Any, Any], Any] | None:
        """The rule as a function of parameter, gradient and learning rate, if that is all of it."""
        return None

    def factors(self, lr: Any, count: Any, **options: Any) -> dict[str, Any]:
        """Scalars that the rule needs, computed once per step in float64."""
        return {"lr": lr}

    def rule(self, p: Any, g: Any, **needed: Any) -> tuple[Any, ...]:
        """The new parameter and the new slots; `needed` are factors, options and slots."""
        raise NotImplementedError

    # ---- eager
    def step(self) -> None:
        """Update every parameter that has a gradient, from its `.grad`.

        Raises `BackwardError` if none has one.
        """
        now, ready = tick(), False
        for one in self.groups:
            dtype, rule = None, self.rule  # with what neighbours of the same dtype share
            descend = self.plain(one.options)
            slotted = descend is None and bool(self.slots_of(one.options))
            for p in one.parameters:
                g, old = p._grad, p._data
                if g is None:
                    continue
                if not ready:
                    ready = True
                    if self.counts_steps:
                        self._count._replace(value_of(self._count) + 1.0)
                if isinstance(g, Tensor):
                    g = g._data
                if old is None:
                    old = value_of(p)  # raises in words
                if old.dtype is not dtype:
                    dtype = old.dtype
                    if descend is not None:
                        lr = scalar(value_of(one.rate), dtype)
                    else:
                        rule = self._with_factors(one, dtype)
                if descend is not None:
                    p._data = descend(old, g, lr)
                    p._changed = now
                    continue
                if not slotted:
                    (p._data,) = rule(old, g)
                    p._changed = now
                    continue
                slots = self.state_of(p, one)
                if arrays.MODULES:
                    follow(slots, old)
                held = {name: slot._data for name, slot in slots.items()}
                p._data, *rest = rule(old, g, **held)
                p._changed = now
                for slot, value in zip(slots.values(), rest, strict=True):
                    slot._replace(value)
        if not ready:
            raise self._nothing_ready()

    def _with_factors(self, one: Group, dtype: Any) -> Any:
        """The rule, given the options of a group and the factors of this step in this dtype."""
        factors = self.factors(value_of(one.rate), value_of(self._count), **one.options)
        cast = {name: scalar(value, dtype) for name, value in factors.items()}
        return partial(self.rule, **{**one.options, **cast})

    def _nothing_ready(self) -> Exception:
        who = type(self).__name__
        if self.parameters is None:
            return OperationError(
                f"{who}.step() needs to know the parameters",
                hint=f"{who}(model.parameters(), lr=...)",
            )
        return BackwardError(
            f"{who}.step(): none of the {len(self.parameters)} parameters has a gradient",
            hint="call loss.backward() first; zero_grad() belongs before it, not after",
        )

    def zero_grad(self) -> None:
        """Forget the gradients; `backward()` adds to what is there."""
        for one in self.groups:
            for p in one.parameters:
                p._grad = None

    # ---- graph
    def minimize(
        self,
        loss: Node,
        parameters: Iterable[Tensor] | None = None,
        *,
        clip_norm: float | None = None,
        clip_value: float | None = None,
    ) -> Node:
        """Add gradients and updates to the graph; the returned node makes one step when run.

        `clip_norm` and `clip_value` clip the gradients first, as `dg.optim.clip_by_norm` and
        `clip_by_value` do.

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
        chosen = self._chosen(loss, parameters)
        found = gradients(loss, chosen, allow_unused=True)
        pairs = [(p, g) for p, g in zip(chosen, found, strict=True) if g is not None]
        if not pairs:
            raise BackwardError(
                f"minimize: {loss.name!r} depends on none of the {len(chosen)} parameters"
            )
        scope = f"{type(self).__name__.lower()}/clip"
        with building(role="update", scope=scope, twin=None, where=user_line()):
            clipped = [g for _, g in pairs]
            if clip_value is not None:
                clipped = clip_by_value(clipped, clip_value)
            if clip_norm is not None:
                clipped, _ = clip_by_norm(clipped, clip_norm)
        return self.apply_gradients([(p, g) for (p, _), g in zip(pairs, clipped, strict=True)])

    def apply_gradients(self, pairs: Sequence[tuple[Tensor, Node]]) -> Node:
        """Add the updates for these `(parameter, gradient node)` pairs to the graph.

        `minimize` is `dg.gradients` followed by this; in between the gradients can be changed.

        >>> import dlgraph as dg
        >>> w = dg.Parameter(1.0, name="w")
        >>> with dg.Graph().as_default() as g:
        ...     slope = dg.gradients(dg.variable(w) ** 2, w)
        ...     train = dg.optim.SGD([w], lr=0.25).apply_gradients([(w, 2.0 * slope)])
        >>> dg.Session(g).run(train)
        >>> print(w)
        0.0
        """
        graph, title = pairs[0][1].graph, type(self).__name__.lower()
        updates: list[Node] = []
        with building(role="update", scope=title, twin=None, where=user_line()):
            steps = graph.variable(self._count)
            count = steps + 1.0 if self.counts_steps else steps
        for one in self.groups:
            mine = {id(p) for p in one.parameters}
            members = [(p, g) for p, g in pairs if id(p) in mine]
            if not members:
                continue
            with building(role="update", scope=title, twin=None, where=user_line()):
                factors = self.factors(graph.variable(one.rate), count, **one.options)
            for p, g in members:
                scope = f"{title}/{graph.variable(p).name}"
                with building(role="update", scope=scope, twin=None, where=user_line()):
                    updates += self._update(graph.variable(p), p, g, one, factors)
        with building(role="update", scope=title, twin=None, where=user_line()):
            if self.counts_steps:
                updates.append(assign(steps, count))  # last: a step that fails does not count
            return group(updates, name="minimize")

    def _update(
        self, variable: Node, p: Tensor, g: Node, one: Group, factors: dict[str, Any]
    ) -> list[Node]:
        slots = self.state_of(p, one)
        nodes = {name: variable.graph.variable(slot, name) for name, slot in slots.items()}
        cast = {name: astype(value, variable.dtype) for name, value in factors.items()}
        new, *rest = self.rule(variable, g, **cast, **one.options, **nodes)
        changed = [assign(node, value) for node, value in zip(nodes.values(), rest, strict=True)]
        return [assign(variable, new), *changed]

    def _chosen(self, loss: Node, parameters: Iterable[Tensor] | None) -> list[Tensor]:
        who = type(self).__name__
        if self._open:
            chosen = leaves(who, variables_of(loss) if parameters is None else parameters)
            known = {id(p) for p in self.groups[0].parameters}
            self.groups[0].parameters += [p for p in chosen if id(p) not in known]
            return chosen
        known = {id(p) for p in self.parameters or ()}
        chosen = self.parameters or [] if parameters is None else leaves(who, parameters)
        for p in chosen:
            if id(p) not in known:
                raise OperationError(
                    f"{who}.minimize: {p.name or 'a parameter'} {p.spec} is in no group of this "
                    "optimizer",
                    hint=f"{who}(parameters) lists all that it may train",
                )
        return chosen

    # ---- state
    def state_of(self, parameter: Tensor, one: Group | None = None) -> dict[str, Parameter]:
        """The slots of a parameter, made at first use."""
        held = self._state.get(id(parameter))
        if held is None:
            one = one or next(g for g in self.groups if any(p is parameter for p in g.parameters))
            first = init.constant(parameter.shape, self.initial(one.options), parameter.dtype)
            held = self._state[id(parameter)] = {
                name: Parameter(first, name=name, requires_grad=False)
                for name in self.slots_of(one.options)
            }
        return held

    def state_dict(self) -> dict[str, Any]:
        """All that the next step depends on, as plain numbers and copies of arrays.

        `steps`, the groups (lr, options, numbers of their parameters), and `slots` by
        `"number.slot"`, where the number is the place of the parameter in `parameters`.

        >>> import dlgraph as dg
        >>> w = dg.Parameter([1.0, -1.0])
        >>> optimizer = dg.optim.SGD([w], lr=0.1, momentum=0.5)
        >>> (w * w).sum().backward()
        >>> optimizer.step()
        >>> state = optimizer.state_dict()
        >>> state["slots"]
        {'0.velocity': array([ 2., -2.], dtype=float32)}
        >>> optimizer.load_state_dict(state)
        """
        return state_of_optimizer(self)

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue where `state_dict()` was taken; nothing is changed unless all of it fits.

        The optimiser must be of the same kind, with the same groups and options; steps,
        learning rates and slots are taken over.  (In a graph load after `graph.startup` has run: it
        sets the slots to their first values.)  Raises `OperationError` for anything missing,
        surplus or different, `ShapeError` or `DtypeError` for slots that do not fit.
        """
        for tensor, value in checked_state(self, state):
            tensor._replace(value)  # on the CPU; `step` brings it beside its parameter

    # ---- copied: by copy, deepcopy and pickle
    def __getstate__(self) -> dict[str, Any]:
        # The parameters of a copy are other objects: between the two, slots go by position.
        return {**vars(self), "_state": [self._state.get(id(p)) for p in self.parameters or ()]}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        pairs = zip(self.parameters or (), state["_state"], strict=True)
        self._state = {id(p): slots for p, slots in pairs if slots is not None}

    def __dir__(self) -> list[str]:
        return names_of(self)

    def __repr__(self) -> str:
        count = "all" if self._open else len(self.parameters or ())
        many = f" in {len(self.groups)} groups" if len(self.groups) > 1 else ""
        return f"{type(self).__name__}({count} parameters{many}, lr={self.lr:g})"


for _name, _here in OPTIMIZERS_ELSEWHERE.items():
    setattr(Optimizer, _name, NotSetHere(_name, _here))
