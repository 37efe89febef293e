"""One definition per primitive, and the dispatcher that interprets it.

A primitive is a forward function together with everything else the system knows about it: the
gradient rules, the shape rule, the formula, the ONNX name.  All of it stands in one place, about
ten lines, in `dlgraph/ops`:

    @primitive(text="tanh({x})", tex=r"\\tanh {x}", onnx="Tanh", kind="elementwise", floating=True)
    def tanh(xp, x):
        '''Hyperbolic tangent of every element. ...'''
        return xp.tanh(x)

    tanh.vjp(x=lambda g, y: g * (1 - y * y))

A gradient rule is one function per differentiable input.  The names of its parameters say what it
needs: `g` is the incoming gradient, `y` the output, anything else an input or an attribute;
`like_x` is an input of which only shape and dtype are read; `residual` is what the forward kept for
it.  So a plan of a graph with `lambda g, y` keeps the output for the backward pass and lets the
input go.  (An eager record holds both, as links.)  Rules use only operators and primitives, hence
the same rule runs on plain arrays (numbers), on Tensors (recorded again, for higher derivatives)
and on graph Nodes (the gradient as a graph).

Calling a primitive looks at the inputs: a Node makes a node, a Tensor computes and may record,
plain arrays just compute.  Next: `operators.py`, then `tensor.py` and `graph.py`, the two carriers.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from dlgraph.core import arrays
from dlgraph.core.declared import (
    answering,
    check_function,
    check_kind,
    check_name,
    checked_forward,
    checked_infer,
    lacks_rule,
    no_argument,
)
from dlgraph.core.pulls import Pull, Rule, parameters_of, pull_of, step_of
from dlgraph.core.spec import Spec, same_as_first
from dlgraph.errors import OperationError

REGISTRY: dict[str, Primitive] = {}
NOTHING: Mapping[int, Any] = {}
FUNCTIONS: dict[str, Callable[..., Any]] = {}  # primitives and composites, by public name

# A rule for all inputs at once, `(g, y, inputs, attrs, positions) -> gradients`: for operations
# whose gradients share most of their work (calls, branches, loops).  One that `goes_on` takes the
# gradients so far too, by position, and adds to them use by use, as eager code does.
Joint = Callable[..., list[Any]]


class Primitive:
    """An operation of the engine; calling it applies it to arrays, Tensors or Nodes.

    >>> import dlgraph as dg
    >>> dg.tanh
    <Primitive tanh: tanh(x)>
    >>> dg.tanh.kind, dg.tanh.onnx
    ('elementwise', 'Tanh')
    >>> print(dg.tanh(dg.Tensor([0.0, 1.0])))
    [0. 0.76159]
    """

    def __init__(self, function: Callable[..., Any], **facts: Any):
        check_function(function)
        # help(), IPython's `?` and doctest see the function that states the primitive.
        functools.update_wrapper(self, function)
        parameters = list(inspect.signature(function).parameters.values())[1:]  # without xp
        self.__signature__ = inspect.Signature(parameters)
        self.name: str = facts.pop("name", None) or function.__name__
        self.variadic = any(p.kind is p.VAR_POSITIONAL for p in parameters)
        self.inputs = tuple(p.name for p in parameters if p.kind is not p.KEYWORD_ONLY)
        self.count = len(self.inputs)
        self.attributes: dict[str, Any] = {  # never changed: calls without any share it
            p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY
        }
        self.required = [n for n, v in self.attributes.items() if v is inspect.Parameter.empty]
        self.optional = sum(
            p.default is not p.empty for p in parameters if p.kind is not p.KEYWORD_ONLY
        )
        self.ufunc: str | None = facts.pop("ufunc", None)
        self.operator: Callable[..., Any] | None = facts.pop("operator", None)
        # What computes it fastest on NumPy's arrays; on its scalars the operator is ten times
        # faster.
        self.of_arrays: Callable[..., Any] = getattr(np, self.ufunc) if self.ufunc else function
        self.kind: str = check_kind(self.name, facts.pop("kind", None))
        forward = checked_forward(self.name, function, self.kind)
        self.forward: Callable[..., Any] = _forward_of(forward, self.ufunc, self.operator)
        infer = facts.pop("infer", same_as_first)
        self.infer: Callable[..., Spec] = checked_infer(self.name, infer)
        self.text: str = facts.pop("text", None) or f"{self.name}({', '.join(self.braced())})"
        operator_name = self.name.replace("_", "-")
        self.tex: str = facts.pop("tex", None) or (
            rf"\operatorname{{{{{operator_name}}}}}({', '.join(self.braced())})"
        )
        self.onnx: str | None = facts.pop("onnx", None)
        self.broadcasts: bool = facts.pop("broadcasts", False)
        self.floating: bool = facts.pop("floating", False)
        self.promotes: tuple[int, ...] = facts.pop("promotes", (0,) if self.floating else ())
        self.effect: bool = facts.pop("effect", False)
        self.shape_only: tuple[str, ...] = facts.pop("shape_only", ())
        self.unused: tuple[str, ...] = facts.pop("unused", ())
        self.into: Callable[..., Any] | None = facts.pop("into", None)
        self.residual: Callable[..., Any] | None = facts.pop("residual", None)
        self.joint: Joint | None = None
        self.goes_on = False
        self.lacks_rule: bool = lacks_rule(function, self.kind)  # until one is stated
        self.rules: dict[str, Rule] = {}
        self.pulls: tuple[Pull | None, ...] = ()
        self.steps: tuple[tuple[int, int, Rule], ...] = ()  # position, what is read, rule
        if facts:
            raise OperationError(f"primitive {self.name}: unknown facts {sorted(facts)}")

    def braced(self) -> list[str]:
        """The inputs as the blanks of a formula template: `{a}`, `{b}`."""
        return [f"{{{name}}}" for name in self.inputs]

    def vjp(self, **rules: Rule) -> Primitive:
        """State the gradient rule of each differentiable input, by its name.

        The rule maps the gradient `g` of the output to the gradient of that input
        (a vector-Jacobian product).  Its parameters declare what it needs.  Stated without any
        rule, `vjp()`, the operation lets no gradient through.
        """
        unknown = set(rules) - set(self.inputs)
        if unknown:
            raise OperationError(
                f"{self.name} has no input {', '.join(sorted(unknown))}",
                hint=f"its inputs are {', '.join(self.inputs)}",
            )
        self.rules, self.lacks_rule = dict(rules), False
        self.pulls = tuple(
            pull_of(self, rules[name]) if name in rules else None for name in self.inputs
        )
        self.steps = ()
        if rules and not self.variadic and not self.optional:
            found = [(i, name) for i, name in enumerate(self.inputs) if name in rules]
            self.steps = tuple((i, *step_of(self, name)) for i, name in found)
        return self

    def pulled(
        self,
        g: Any,
        y: Any,
        inputs: Any,
        attrs: dict[str, Any],
        wanted: list[int],
        held: Mapping[int, Any] = NOTHING,
    ) -> list[tuple[int, Any]]:
        """Gradients of the inputs at these positions, each with its position.

        Those that are `held` already are part of the results; only for rules that go on.
        """
        if self.joint is not None:
            so_far = (held,) if self.goes_on else ()
            found = self.joint(g, y, inputs, attrs, tuple(wanted), *so_far)
            pairs = list(zip(wanted, found, strict=True))
        else:
            pulls = [(i, self.pull(i)) for i in wanted]
            pairs = [(i, pull(g, y, inputs, attrs)) for i, pull in pulls if pull is not None]
        return [(i, gx) for i, gx in pairs if gx is not None]

    def pull(self, position: int) -> Pull | None:
        """The rule for the input at this position, callable as `(g, y, inputs, attrs)`."""
        if not self.pulls:
            return None
        if not self.variadic:
            return self.pulls[position]
        pull = self.pulls[0]
        if pull is None:
            return None
        return lambda g, y, inputs, attrs: pull(g, y, inputs, {**attrs, "position": position})

    @property
    def differentiable(self) -> bool:
        """Has it a gradient rule at all, or should it have one?"""
        return bool(self.rules) or self.joint is not None or self.lacks_rule

    def needs(self, position: int) -> frozenset[str]:
        """What the rule of this input reads: `y`, inputs and attributes, by name.

        Of an input that is declared as `like_x` only shape and dtype are read.
        """
        rule = self.rules.get(self.inputs[0 if self.variadic else position])
        return frozenset() if rule is None else frozenset(parameters_of(rule)) - {"g"}

    def staged(self, inputs: tuple, attrs: dict[str, Any]) -> Any:
        """Append the operation to the graph being traced, even if no input is a node."""
        return _CARRIERS[0][1](self, inputs, attrs)

    def __call__(self, *inputs: Any, **attrs: Any) -> Any:
        """Interpret it: record a node, compute a Tensor, or compute an array."""
        if len(inputs) != self.count and not self.variadic:
            inputs, attrs = self._sort_out(inputs, attrs)
        attrs = self.complete(attrs) if attrs or self.required else self.attributes
        best = _PLAIN
        for value in inputs:
            rank = _RANK.get(type(value))
            if rank is None:
                rank = _rank(type(value))
            if rank < best:
                best = rank
        if best < _PLAIN:
            return _CARRIERS[best][1](self, inputs, attrs)
        # Plain arrays, in gradient rules; their dtypes agree already.
        xp = arrays.module_of(*inputs) if arrays.MODULES else np
        try:
            return self.forward(xp, *inputs, **attrs)
        except Exception as error:
            from dlgraph.core.explain import explain_plain

            raise explain_plain(self, inputs, attrs, error) from None

    def _sort_out(self, given: tuple, attrs: dict[str, Any]) -> tuple[tuple, dict[str, Any]]:
        # Positional attributes (`sum(x, 0)`), inputs by keyword (`matmul(a=..., b=...)`).
        count = len(self.inputs)
        inputs = list(given[:count])
        spare = [name for name in self.attributes if name not in attrs]
        attrs = dict(attrs) | dict(zip(spare, given[count:], strict=False))
        for name in self.inputs[len(inputs) :]:
            if name in attrs:
                inputs.append(attrs.pop(name))
        if len(inputs) < count - self.optional or len(given) > count + len(spare):
            raise OperationError(
                f"{self.name} takes {count} input{'s' * (count != 1)} "
                f"({', '.join(self.inputs)}), got {len(given)}",
                hint=f"call it as {self.name}{self.signature}",
            )
        return tuple(inputs), attrs

    def complete(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """All attributes, defaults filled in, lists as tuples; unknown ones are an error."""
        full = self.attributes | attrs
        if len(full) != len(self.attributes):
            unknown = next(name for name in attrs if name not in self.attributes)
            called = f"{self.name}{self.signature}"
            raise no_argument(self.name, unknown, attrs[unknown], called)
        for name, value in attrs.items():
            if type(value) is list:
                full[name] = tuple(value)
            elif isinstance(value, np.generic):  # a Python number imposes no dtype on the result
                full[name] = value.item()
        for name in self.required:
            if name not in attrs:
                raise OperationError(
                    f"{self.name} needs the argument {name}",
                    hint=f"call it as {self.name}{self.signature}",
                )
        return full

    @property
    def signature(self) -> str:
        """How it is called, for errors and help: `(x, *, axis=None, keepdims=False)`."""
        words = list(self.inputs)
        words += ["*"] if self.attributes else []
        words += [
            name if value is inspect.Parameter.empty else f"{name}={value!r}"
            for name, value in self.attributes.items()
        ]
        return f"({', '.join(words)})"

    def formula(self, *names: str) -> str:
        """The plain-text formula with the names put in: `{a} * {b}` -> `x * 2`."""
        if self.variadic:
            return self.text.format(**{self.inputs[0]: ", ".join(names)})
        padded = [*names, *("" for _ in self.inputs[len(names) :])]
        return self.text.format(**dict(zip(self.inputs, padded, strict=True)))

    def __reduce__(self) -> str:
        # Copied and pickled as a function is: by the name under which its module has it.
        return str(getattr(self, "__qualname__", self.name))

    def __repr__(self) -> str:
        return f"<Primitive {self.name}: {self.formula(*self.inputs)}>"


def _forward_of(function: Callable, ufunc: str | None, operator: Callable | None) -> Callable:
    # An array function or a Python operator can be the whole forward: then there is no body.
    # (An operator on two NumPy scalars takes a tenth of the time of the array function.)
    if operator is not None:
        return lambda xp, *inputs: operator(*inputs)
    if ufunc is not None:
        of_numpy = getattr(np, ufunc)
        return lambda xp, *inputs: (of_numpy if xp is np else getattr(xp, ufunc))(*inputs)
    return function


def primitive(*bare: Any, **facts: Any) -> Callable[[Callable[..., Any]], Primitive]:
    """Declare a primitive.

    Facts: `kind` (always; one of elementwise, reduce, contract, view, index, random, state, effect,
    control, loss: drives fusion, memory planning and colours), `infer` (specs -> Spec), `text` and
    `tex` (formula templates), `onnx` (operator name), `ufunc` (name of the array function that is
    the whole forward and can write to `out=`), `operator` (the Python operator that does the same),
    `broadcasts` (inputs are stretched, so gradients are summed back), `floating` (integers become
    float32), `promotes` (positions of inputs that must share a dtype),
    `shape_only` (inputs of which only the shape is read), `unused` (inputs that a run does not
    need), `effect` (changes state), `into` (a second forward that writes into planned memory; see
    `executors/writers.py`), `residual` (a second forward, for eager code: it returns the result and
    what a gradient rule would compute again, which rules read as `residual`; they get None where
    they run on Tensors or Nodes).  The first parameter of the function is `xp`, the array module.

    Raises `OperationError` for a declaration that says too little, and for a name that dlgraph has
    itself: it would take the place of that operation everywhere.

    >>> import dlgraph as dg
    >>> @dg.primitive(text="cube({x})", kind="elementwise", floating=True)
    ... def cube_example(xp, x):
    ...     '''Third power of every element.'''
    ...     return x * x * x
    >>> _ = cube_example.vjp(x=lambda g, x: g * (3.0 * x * x))
    >>> x = dg.Tensor(2.0, requires_grad=True)
    >>> cube_example(x).backward()
    >>> print(x.grad)
    12.0
    """

    if bare:
        raise OperationError(
            "@dg.primitive is followed by brackets, with the facts by name: at least the kind",
            hint='@dg.primitive(kind="elementwise")',
        )

    def declare(function: Callable[..., Any]) -> Primitive:
        made = Primitive(function, **facts)
        check_name(made.name, function, FUNCTIONS)
        REGISTRY[made.name] = FUNCTIONS[made.name] = made
        return made

    return declare


def composite(function: Callable[..., Any]) -> Callable[..., Any]:
    """Declare a function that is composed of primitives, so that methods can find it by name.

    >>> import dlgraph as dg
    >>> @dg.composite
    ... def cube_of(x):
    ...     return x * x * x
    >>> print(cube_of(dg.Tensor([1.0, 2.0])))
    [1. 8.]

    Raises `OperationError` for a name that dlgraph has itself.
    """
    check_name(function.__name__, function, FUNCTIONS)
    FUNCTIONS[function.__name__] = made = answering(function)
    return made


# ---- dispatch ------------------------------------------------------------------------------------

Handler = Callable[[Primitive, tuple, dict[str, Any]], Any]
_CARRIERS: list[tuple[type, Handler]] = []  # strongest first: Node, then Tensor
_RANK: dict[type, int] = {}  # of the classes met so far: their place among the carriers
_PLAIN = 9  # the rank of arrays and numbers, behind all carriers
# No array library computes with these as they are (`[1] + [2]` is a list of two): like Tensors,
# which means that they are made arrays of, or refused in words.
MADE_ARRAYS = (list, tuple, range, str, bytes, dict, set)


def carrier(cls: type, handler: Handler, *, first: bool = False) -> None:
    """Say how primitives are applied when an input is of this class (`Tensor`, `Node`)."""
    _CARRIERS.insert(0 if first else len(_CARRIERS), (cls, handler))
    _RANK.clear()


def _rank(cls: type) -> int:
    found = [i for i, (carried, _) in enumerate(_CARRIERS) if issubclass(cls, carried)]
    if not found and issubclass(cls, MADE_ARRAYS) and not issubclass(cls, arrays.Bundle):
        found = [len(_CARRIERS) - 1]
    _RANK[cls] = rank = found[0] if found else _PLAIN
    return rank
