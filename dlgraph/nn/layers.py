"""The layers of a multilayer perceptron."""

from __future__ import annotations

from typing import Any

import numpy as np

from dlgraph.core.explain import describe_operand
from dlgraph.core.node import Node
from dlgraph.core.operators import Operators
from dlgraph.core.parameter import Parameter
from dlgraph.core.spec import Dim, Spec, size_of, spec_of
from dlgraph.core.state import train_or_test
from dlgraph.core.words import counted
from dlgraph.errors import OperationError, ShapeError
from dlgraph.nn import init
from dlgraph.nn.module import Module
from dlgraph.ops.contract import matmul
from dlgraph.ops.nn import softmax
from dlgraph.ops.random import Stream, dropout, stream_of
from dlgraph.ops.shape import flatten
from dlgraph.ops.unary import relu, sigmoid, tanh


class Linear(Module):
    r"""Affine map $y = x W + b$; x (..., in_features), W (in, out), b (out), y (..., out_features).

    W starts Xavier-uniform and b at 0; `layer.weight.assign(values)` replaces them.  `bias=False`
    leaves b out.  `rng` is the random stream to draw from.

    >>> import dlgraph as dg
    >>> layer = dg.nn.Linear(3, 2, rng=dg.Stream(0))
    >>> layer(dg.Tensor([[1.0, 2.0, 3.0]])).shape
    (1, 2)
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        *,
        rng: Stream | None = None,
        dtype: Any = "float32",
    ):
        for name, size in (("in_features", in_features), ("out_features", out_features)):
            whole = isinstance(size, (int, np.integer)) and not isinstance(size, bool)
            if not whole or size < 1:
                raise OperationError(
                    f"Linear({name}={size!r}): a number of features is a whole number above 0"
                )
        if not isinstance(bias, (bool, np.bool_)):
            raise OperationError(
                f"Linear(bias={bias!r}): bias is True or False",
                hint="an activation is a layer of its own: Sequential(Linear(4, 3), ReLU())",
            )
        shape = self.in_features, self.out_features = int(in_features), int(out_features)
        # Named at once, for the start-up graph that their initialisers are put into.
        weight = init.xavier_uniform(shape, rng=rng, dtype=dtype)
        self.weight = Parameter(weight, name="weight")
        self.bias = Parameter(init.zeros(shape[1:], dtype), name="bias") if bias else None

    def forward(self, x: Any) -> Any:
        """Apply the map to the last axis."""
        spec = spec_of(x)
        size = spec.shape[-1] if spec.ndim else None
        if size != self.in_features and not isinstance(size, Dim):
            raise ShapeError(
                f"{self._called(self.in_features, self.out_features)} was made for "
                f"{counted(self.in_features, 'feature')}, its input {describe_operand(x)} has "
                f"{size if spec.ndim else 'no axis'}",
                hint=_how_to_fit(x, spec, self.in_features),
            )
        # A table of pandas would take the weight's values, and nothing would be recorded.
        y = x @ self.weight if isinstance(x, Operators) else matmul(x, self.weight)
        return y if self.bias is None else y + self.bias

    def extra_repr(self) -> str:
        """The sizes."""
        return f"{self.in_features}, {self.out_features}" + ", bias=False" * (self.bias is None)


def _how_to_fit(x: Any, spec: Spec, wanted: int) -> str:
    if not spec.ndim and wanted == 1:
        return f"samples are rows: [[{x}]]" if isinstance(x, (int, float)) else "x.reshape(1, 1)"
    if spec.ndim > 2 and size_of(spec.shape[1:]) == wanted:
        return "flatten images first: x.flatten(1)"
    return "the out_features of one layer are the in_features of the next"


class Sequential(Module):
    """Modules one after the other.

    >>> import dlgraph as dg
    >>> net = dg.nn.Sequential(dg.nn.Linear(4, 3), dg.nn.ReLU())
    >>> net
    Sequential(
      0: Linear(4, 3)
      1: ReLU()
    )
    """

    layers: tuple[Module, ...]

    def __init__(self, *layers: Module):
        for i, layer in enumerate(layers):
            if not isinstance(layer, Module):
                made = isinstance(layer, type)
                raise OperationError(
                    f"Sequential: item {i} is "
                    + (f"the class {layer.__name__}" if made else f"a {type(layer).__name__}")
                    + ", not a layer",
                    hint=f"make one, with brackets: {layer.__name__}()"
                    if made
                    else "pass the layers themselves: Sequential(Linear(4, 3), ReLU())",
                )
        for i, layer in enumerate(layers):
            setattr(self, str(i), layer)
        # Without the name-giving of Module: the layers have their numbers already.
        object.__setattr__(self, "layers", layers)

    def children(self) -> Any:
        """The layers by number."""
        return ((str(i), layer) for i, layer in enumerate(self.layers))

    def forward(self, x: Any) -> Any:
        """The output of the last layer."""
        for layer in self.layers:
            x = layer(x)
        return x

    def __len__(self) -> int:
        return len(self.layers)

    def __getitem__(self, index: int) -> Module:
        return self.layers[index]


class WithoutSettings(Module):
    """Base of layers that are made without arguments.

    Who hands them the input at once, as to a function, is told what to write.
    """

    def __init__(self, *given: Any, **options: Any):
        if given or options:
            raise _made_first(self, *given, **options)


def _made_first(layer: Module, *given: Any, **options: Any) -> OperationError:
    name = type(layer).__name__
    shown = [describe_operand(one) for one in given] + [f"{k}={v!r}" for k, v in options.items()]
    return OperationError(
        f"{name}({', '.join(shown)}): a layer is made first, and then called with its input",
        hint=f"dg.nn.{name}()(x), or the function: dg.{name.lower()}(x)",
    )


class ReLU(WithoutSettings):
    """The rectifier as a layer; see `dg.relu`.

    >>> import dlgraph as dg
    >>> print(dg.nn.ReLU()(dg.Tensor([-1.0, 2.0])))
    [0. 2.]
    """

    def forward(self, x: Any) -> Any:
        """Negative elements replaced by 0."""
        return relu(x)


class Tanh(WithoutSettings):
    """The hyperbolic tangent as a layer; see `dg.tanh`.

    >>> import dlgraph as dg
    >>> print(dg.nn.Tanh()(dg.Tensor([0.0, 1.0])))
    [0. 0.76159]
    """

    def forward(self, x: Any) -> Any:
        """Hyperbolic tangent of every element."""
        return tanh(x)


class Sigmoid(WithoutSettings):
    """The logistic function as a layer; see `dg.sigmoid`.

    >>> import dlgraph as dg
    >>> print(dg.nn.Sigmoid()(dg.Tensor([0.0, 1.0])))
    [0.5 0.73106]
    """

    def forward(self, x: Any) -> Any:
        """Logistic function of every element."""
        return sigmoid(x)


class Softmax(Module):
    """The softmax as a layer, for probabilities to look at; `dg.cross_entropy` takes logits.

    >>> import dlgraph as dg
    >>> print(dg.nn.Softmax()(dg.Tensor([[0.0, 0.0, 0.0, 0.0]])))
    [[0.25 0.25 0.25 0.25]]
    """

    def __init__(self, axis: int = -1):
        if isinstance(axis, Operators):
            raise _made_first(self, axis)
        self.axis = axis

    def forward(self, x: Any) -> Any:
        """Probabilities along the axis."""
        return softmax(x, axis=self.axis)


class Flatten(WithoutSettings):
    """All axes but the first as one: (n, 28, 28) becomes (n, 784).

    >>> import dlgraph as dg
    >>> dg.nn.Flatten()(dg.zeros((5, 28, 28))).shape
    (5, 784)
    """

    def forward(self, x: Any) -> Any:
        """The flattened input."""
        return flatten(x, start=1)


class Dropout(Module):
    """While training, elements are set to 0 with probability `rate`; see `dg.drop`.

    In evaluation (`model.eval()`, or a graph cloned for testing) the input passes unchanged.
    Each layer draws from a stream of its own, split off `rng`.

    >>> import dlgraph as dg
    >>> layer = dg.nn.Dropout(0.5, rng=dg.Stream(0))
    >>> layer.eval()(dg.Tensor([1.0, 2.0])).tolist()
    [1.0, 2.0]
    """

    def __init__(self, rate: float = 0.5, *, rng: Stream | None = None):
        if not isinstance(rate, (int, float, np.floating)) or not 0 <= rate < 1:
            raise OperationError(
                f"Dropout({rate!r}): the rate is a probability of at least 0 and less than 1"
            )
        self.rate = float(rate)
        self.rng = stream_of(rng).split()

    def forward(self, x: Any) -> Any:
        """The thinned input while training, the input itself otherwise."""
        if not self.training or self.rate == 0:
            return x
        thinned = dropout(x, self.rate, self.rng)
        return train_or_test(thinned, x) if isinstance(x, Node) else thinned

    def extra_repr(self) -> str:
        """The rate."""
        return str(self.rate)
