"""Module: a layer or model, plain Python with parameters as attributes.

There is no registration to remember: parameters and sub-modules are found by looking at the
attributes (also in lists, tuples and dictionaries), in the order in which they were set.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from reprlib import recursive_repr
from typing import Any

import numpy as np

from dlgraph.core.arrays import is_array
from dlgraph.core.building import BUILDING, building, name_scope
from dlgraph.core.hooks import Handle
from dlgraph.core.mode import tracing
from dlgraph.core.names import MODELS_ELSEWHERE, Elsewhere, names_of
from dlgraph.core.node import Node
from dlgraph.core.operators import Operators
from dlgraph.core.parameter import Parameter
from dlgraph.core.spec import spec_of
from dlgraph.core.tensor import Tensor
from dlgraph.core.values import operand
from dlgraph.errors import DtypeError, OperationError, ShapeError, UntrainedWarning


class Module:
    """Base of layers and models; write `forward`, call the module.

    The same source runs in both modes: called with tensors it computes, called with nodes it
    builds, each module in a name scope of its own.

    >>> import dlgraph as dg
    >>> class Line(dg.nn.Module):
    ...     def __init__(self):
    ...         self.slope = dg.Parameter(2.0)
    ...         self.offset = dg.Parameter(1.0)
    ...     def forward(self, x):
    ...         return self.slope * x + self.offset
    >>> line = Line()
    >>> print(line(dg.Tensor(3.0)))
    7.0
    >>> [name for name, _ in line.named_parameters()]
    ['slope', 'offset']
    """

    training = True
    _name: str | None = None
    _hooks: Sequence[Callable[..., Any]] = ()

    def forward(self, *inputs: Any, **options: Any) -> Any:
        """What the module computes; every subclass writes its own."""
        raise OperationError(
            f"{type(self).__name__} has no method forward, so it cannot be called",
            hint="write def forward(self, x): ... in the class",
        )

    def __call__(self, *inputs: Any, **options: Any) -> Any:
        for value in inputs:
            if isinstance(value, Node):
                # From here on operations on parameters are written down too.
                graph = BUILDING.get().graph or value.graph
                scope = name_scope(self._name or type(self).__name__.lower())
                with tracing(True), building(graph=graph), scope:
                    return self._hooked(inputs, self.forward(*inputs, **options))
        output = self.forward(*inputs, **options)
        if output is None or self._hooks:
            return self._hooked(inputs, output)
        return output

    def _called(self, before: int, after: int) -> str:
        """What an error calls a layer from so many features to so many.

        `hidden (Linear 90 -> 10)`, in a Sequential `layer 2 (Linear 90 -> 10)`.
        """
        kind = f"{type(self).__name__} {before} -> {after}"
        if self._name is None:
            return kind
        return f"{'layer ' * self._name.isdecimal()}{self._name} ({kind})"

    def _hooked(self, inputs: tuple[Any, ...], output: Any) -> Any:
        if output is None:
            raise OperationError(
                f"forward of {type(self).__name__} returned None",
                hint="is the last line of forward a `return ...`?",
            )
        for function in tuple(self._hooks):
            found = function(self, inputs, output)
            output = output if found is None else found
        return output

    def register_forward_hook(self, function: Callable[[Module, tuple, Any], Any]) -> Handle:
        """Call `function(module, inputs, output)` after every `forward`, in both modes.

        It may return another output; None leaves it.  The handle that is returned has
        `remove()`.

        >>> import dlgraph as dg
        >>> net = dg.nn.Sequential(dg.nn.Linear(4, 3), dg.nn.ReLU())
        >>> handle = net[0].register_forward_hook(lambda layer, xs, y: print("output", y.shape))
        >>> _ = net(dg.Tensor([[1.0, 2.0, 3.0, 4.0]]))
        output (1, 3)
        >>> handle.remove()
        """
        if not callable(function):
            raise OperationError(f"register_forward_hook needs a function, not {function!r}")
        held = list(self._hooks) if not isinstance(self._hooks, list) else self._hooks
        object.__setattr__(self, "_hooks", held)
        held.append(function)
        return Handle(held, function)

    def __setattr__(self, name: str, value: Any) -> None:
        if name in ("train", "eval", "forward") and not callable(value):
            raise OperationError(
                f"{type(self).__name__}.{name} is a method, {value!r} in its place would hide it",
                hint="model.train() and model.eval() are called; model.training says which it is",
            )
        held = self.__dict__.get(name)
        if isinstance(held, Parameter) and not isinstance(value, (Parameter, type(None))):
            raise OperationError(
                f"{type(self).__name__}.{name} is a parameter: a {type(value).__name__} in its "
                "place would not be trained",
                hint=f"new values: model.{name}.assign(values); another one: dg.Parameter(values)",
            )
        object.__setattr__(self, name, value)
        if isinstance(value, (Tensor, Module, list, tuple, dict)):
            _label(name, value)
            _tell_untrained(type(self).__name__, name, value)

    # ---- what is inside
    def children(self) -> Iterator[tuple[str, Module]]:
        """Direct sub-modules with their names, in order."""
        for name, value in vars(self).items():
            yield from ((n, v) for n, v in _walk(name, value) if isinstance(v, Module))

    def named_modules(self, prefix: str = "") -> Iterator[tuple[str, Module]]:
        """This module (named "") and all below it, outer before inner; each once."""
        seen: set[int] = set()
        stack: list[tuple[str, Module]] = [(prefix, self)]
        while stack:
            path, module = stack.pop()
            if id(module) in seen:
                continue
            seen.add(id(module))
            yield path, module
            below = [(f"{path}.{name}" if path else name, m) for name, m in module.children()]
            stack.extend(reversed(below))

    def modules(self) -> Iterator[Module]:
        """This module and all below it."""
        return (module for _, module in self.named_modules())

    def named_parameters(self) -> Iterator[tuple[str, Parameter]]:
        """All parameters with their paths, in the order in which they were set; shared ones once.

        >>> import dlgraph as dg
        >>> net = dg.nn.Sequential(dg.nn.Linear(2, 3), dg.nn.ReLU(), dg.nn.Linear(3, 1))
        >>> for name, parameter in net.named_parameters():
        ...     print(name, parameter.shape)
        0.weight (2, 3)
        0.bias (3,)
        2.weight (3, 1)
        2.bias (1,)
        """
        seen: set[int] = set()
        for path, module in self.named_modules():
            for name, value in vars(module).items():
                for inner, found in _walk(name, value):
                    if isinstance(found, Parameter) and id(found) not in seen:
                        seen.add(id(found))
                        yield (f"{path}.{inner}" if path else inner), found

    def parameters(self) -> list[Parameter]:
        """All parameters, in the order of `named_parameters`."""
        return [parameter for _, parameter in self.named_parameters()]

    def parameter_count(self) -> int:
        """How many numbers training adjusts."""
        return sum(int(np.prod(p.shape)) for p in self.parameters() if p.requires_grad)

    # ---- modes
    def train(self, mode: bool = True) -> Module:
        """Switch to training behaviour (dropout on) or, with False, to evaluation."""
        for module in self.modules():
            module.training = mode
        return self

    def eval(self) -> Module:
        """Switch to evaluation behaviour; it does not switch gradients off (`dg.no_grad` does)."""
        return self.train(False)

    def zero_grad(self) -> None:
        """Forget the gradients of all parameters."""
        for parameter in self.parameters():
            parameter.grad = None

    # ---- values
    def to(self, device: Any) -> Module:
        """Bring all parameters, and their gradients, to a device ("cpu" or "gpu"), in place.

        The parameters stay the same objects, so that an optimiser made before goes on with them.
        Raises what `dg.device` raises, before anything is moved.

        >>> import dlgraph as dg
        >>> dg.nn.Linear(2, 1).to("cpu").weight.device
        Device('cpu')
        """
        from dlgraph.gpu.devices import device as checked
        from dlgraph.gpu.devices import move_in_place

        where = checked(device)
        for parameter in self.parameters():
            move_in_place(parameter, where)
        return self

    def state_dict(self) -> dict[str, np.ndarray]:
        """Copies of all parameter values by path."""
        return {name: p.numpy().copy() for name, p in self.named_parameters()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over parameter values by path; nothing is changed unless all of them fit.

        Raises `OperationError` for missing or surplus names, `ShapeError` for wrong shapes,
        `DtypeError` for wrong element types.
        """
        if not isinstance(state, Mapping):
            raise OperationError(
                f"load_state_dict needs values by name, not a {type(state).__name__}",
                hint="pass what state_dict() of such a model returned",
            )
        mine = dict(self.named_parameters())
        missing, surplus = sorted(mine.keys() - state.keys()), sorted(state.keys() - mine.keys())
        if missing or surplus:
            parts = [f"missing {', '.join(missing)}"] if missing else []
            parts += [f"not part of this model {', '.join(surplus)}"] if surplus else []
            raise OperationError(
                f"load_state_dict: {'; '.join(parts)}",
                hint="was the state saved from a model that is put together in another way?",
            )
        values = {name: np.asarray(state[name]) for name in mine}
        for name, parameter in mine.items():
            here, there = parameter.spec, spec_of(values[name])
            if here != there:
                other = here.shape != there.shape
                raise (ShapeError if other else DtypeError)(
                    f"load_state_dict: {name} is {here} here, {there} in the state",
                    hint="was the state saved from a model of another size?"
                    if other
                    else f'nothing is converted silently: value.astype("{here.dtype}")',
                )
        for name, parameter in mine.items():
            parameter.assign(values[name])

    # ---- shown
    def __dir__(self) -> list[str]:
        return names_of(self)

    def extra_repr(self) -> str:
        """The facts a subclass wants to see in its repr, such as its sizes."""
        return ""

    @recursive_repr()
    def __repr__(self) -> str:
        lines = []
        for name, child in self.children():
            first, *rest = repr(child).splitlines()
            lines += [f"  {name}: {first}", *(f"  {line}" for line in rest)]
        head = f"{type(self).__name__}({self.extra_repr()}"
        return f"{head})" if not lines else "\n".join([head, *lines, ")"])


for _name, _here in MODELS_ELSEWHERE.items():
    setattr(Module, _name, Elsewhere(_name, _here))


def as_input(x: Any, dtype: Any) -> Any:
    """What a layer that asks for shapes computes with: a list, too, is an array, of that dtype."""
    return x if isinstance(x, Operators) or is_array(x) else operand(x, dtype)


def _walk(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    """Tensors and modules in an attribute, looking into containers, with their path."""
    stack = [(name, value)]
    while stack:
        path, found = stack.pop()
        if isinstance(found, (Tensor, Module)):
            yield path, found
        elif isinstance(found, (list, tuple)):
            stack.extend(reversed([(f"{path}.{i}", one) for i, one in enumerate(found)]))
        elif isinstance(found, dict):
            stack.extend(reversed([(f"{path}.{key}", one) for key, one in found.items()]))


def _tell_untrained(owner: str, name: str, value: Any) -> None:
    # It computes and gets gradients like a parameter: nobody would notice that it never changes.
    for path, found in _walk(name, value):
        weight = isinstance(found, Tensor) and found.requires_grad and found.is_leaf
        if weight and not isinstance(found, Parameter):
            warnings.warn(
                f"{owner}.{path} requires gradients but is no parameter: model.parameters() does "
                "not list it, and an optimizer does not train it\n"
                "  hint  dg.Parameter(values) in place of dg.Tensor(values, requires_grad=True)",
                UntrainedWarning,
                stacklevel=3,
            )


def _label(name: str, value: Any) -> None:
    # Parameters and modules learn what they are called here, so that errors and drawings can say
    # `layer2.weight`.  A name that somebody gave stays.
    for path, found in _walk(name, value):
        if isinstance(found, Parameter):
            if found.name is None:
                found.name = path
        elif isinstance(found, Module):
            if found._name is None:
                object.__setattr__(found, "_name", path.replace(".", "_"))
            for inner, parameter in found.named_parameters():
                if parameter.name in (None, inner):
                    parameter.name = f"{path}.{inner}"
