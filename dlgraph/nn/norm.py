"""Normalisation: activations brought to mean 0 and variance 1, then scaled and shifted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from dlgraph.core.building import BUILDING
from dlgraph.core.control import symbolic
from dlgraph.core.mode import no_grad
from dlgraph.core.parameter import Parameter
from dlgraph.core.spec import Dim, show_shape
from dlgraph.core.state import assign, train_or_test
from dlgraph.errors import OperationError, ShapeError
from dlgraph.nn import init
from dlgraph.nn.module import Module, as_input
from dlgraph.ops.arithmetic import maximum
from dlgraph.ops.copies import identity, stop_gradient
from dlgraph.ops.reduce import element_count, mean
from dlgraph.ops.shape import reshape
from dlgraph.ops.unary import sqrt, square


def _normalise(x: Any, center: Any, variance: Any, epsilon: float) -> Any:
    return (x - center) / sqrt(variance + epsilon)


def _checked_epsilon(who: str, epsilon: Any) -> float:
    if not _is_number(epsilon) or not 0 < epsilon < float("inf"):
        raise OperationError(f"{who}(epsilon={epsilon!r}): epsilon is a number above 0")
    return float(epsilon)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float, np.number)) and not isinstance(value, bool)


def _buffer(values: Any) -> Parameter:
    # Part of the model's state, but not trained.
    return Parameter(values, requires_grad=False)


class BatchNorm(Module):
    r"""Batch normalisation over all axes but the channels.

    $y = \gamma \frac{x - \mu}{\sqrt{\sigma^2 + \epsilon}} + \beta$ with mean and variance of the
    batch while training, and running averages of them in evaluation (`model.eval()`, or a graph
    cloned for testing).  x (n, channels) or (n, channels, ...).  Running averages move by
    `momentum` towards each batch; the running variance is the unbiased one.
    Ioffe & Szegedy, ICML 2015.

    >>> import dlgraph as dg
    >>> layer = dg.nn.BatchNorm(2)
    >>> y = layer(dg.Tensor([[1.0, 10.0], [3.0, 30.0]]))
    >>> print(y.numpy().round(3))
    [[-1. -1.]
     [ 1.  1.]]
    >>> print(layer.running_mean)
    [0.2 2. ]
    """

    def __init__(
        self,
        channels: int,
        *,
        momentum: float = 0.1,
        epsilon: float = 1e-5,
        affine: bool = True,
        dtype: Any = "float32",
    ):
        if not _is_number(momentum) or not 0 < momentum <= 1:
            raise OperationError(
                f"BatchNorm(momentum={momentum!r}): momentum is a number above 0 and at most 1",
                hint="the share of each batch in the running averages: momentum=0.1",
            )
        self.channels, self.momentum = channels, float(momentum)
        self.epsilon = _checked_epsilon("BatchNorm", epsilon)
        self.weight = Parameter(init.ones((channels,), dtype)) if affine else None
        self.bias = Parameter(init.zeros((channels,), dtype)) if affine else None
        self.running_mean = _buffer(init.zeros((channels,), dtype))
        self.running_var = _buffer(init.ones((channels,), dtype))

    def forward(self, x: Any) -> Any:
        """The normalised input."""
        x = as_input(x, self.running_mean.dtype)
        if x.ndim < 2 or (x.shape[1] != self.channels and not isinstance(x.shape[1], Dim)):
            raise ShapeError(
                f"BatchNorm({self.channels}): the input {show_shape(x.shape)} must have "
                f"{self.channels} channels on axis 1"
            )
        shape = (1, self.channels, *(1,) * (x.ndim - 2))
        if not self.training:
            return self._tested(x, shape)
        axes = (0, *range(2, x.ndim))
        center = mean(x, axis=axes, keepdims=True)
        variance = mean(square(x - center), axis=axes, keepdims=True)
        trained = self._scaled(_normalise(x, center, variance, self.epsilon), shape)
        count = element_count(x, axis=axes)
        updates = {
            "running_mean": reshape(center, (self.channels,)),
            # (One value varies by nothing; 0 / 0 would stay in the average for good.)
            "running_var": reshape(variance, (self.channels,)) * (count / maximum(count - 1, 1)),
        }
        if symbolic([trained]):
            return self._in_graph(trained, self._tested(x, shape), updates)
        with no_grad():
            for name, value in updates.items():
                held = getattr(self, name)
                held.assign(held + self.momentum * (stop_gradient(value) - held))
        return trained

    def _tested(self, x: Any, shape: tuple) -> Any:
        center, variance = reshape(self.running_mean, shape), reshape(self.running_var, shape)
        return self._scaled(_normalise(x, center, variance, self.epsilon), shape)

    def _scaled(self, x: Any, shape: tuple) -> Any:
        if self.weight is None or self.bias is None:
            return x
        return x * reshape(self.weight, shape) + reshape(self.bias, shape)

    def _in_graph(self, trained: Any, tested: Any, updates: dict[str, Any]) -> Any:
        # Whoever uses the result makes the running averages move, as in eager code.
        graph = BUILDING.get().graph
        graph = graph if graph is not None and graph.captures_outer else trained.graph
        steps = []
        for name, value in updates.items():
            held = graph.variable(getattr(self, name), name)
            new = held + self.momentum * (stop_gradient(value) - held)
            steps.append(assign(held, new))
        with graph.control_dependencies(steps):
            return train_or_test(identity(trained), tested)

    def extra_repr(self) -> str:
        """The number of channels."""
        return str(self.channels)


class LayerNorm(Module):
    r"""Layer normalisation over the last axes: mean and variance of each sample by itself.

    $y = \gamma \frac{x - \mu}{\sqrt{\sigma^2 + \epsilon}} + \beta$.  Ba, Kiros & Hinton, 2016.

    >>> import dlgraph as dg
    >>> print(dg.nn.LayerNorm(2)(dg.Tensor([[1.0, 3.0]])).numpy().round(3))
    [[-1.  1.]]
    """

    def __init__(
        self,
        shape: int | Sequence[int],
        *,
        epsilon: float = 1e-5,
        affine: bool = True,
        dtype: Any = "float32",
    ):
        self.shape = tuple(shape) if isinstance(shape, (tuple, list)) else (shape,)
        self.epsilon = _checked_epsilon("LayerNorm", epsilon)
        self.weight = Parameter(init.ones(self.shape, dtype)) if affine else None
        self.bias = Parameter(init.zeros(self.shape, dtype)) if affine else None

    def forward(self, x: Any) -> Any:
        """The normalised input."""
        x = as_input(x, None if self.weight is None else self.weight.dtype)
        n = len(self.shape)
        if tuple(x.shape[-n:]) != self.shape:
            raise ShapeError(
                f"LayerNorm({self.shape}): the input {show_shape(x.shape)} must end in "
                f"{show_shape(self.shape)}"
            )
        axes = tuple(range(-n, 0))
        center = mean(x, axis=axes, keepdims=True)
        variance = mean(square(x - center), axis=axes, keepdims=True)
        y = _normalise(x, center, variance, self.epsilon)
        return y if self.weight is None else y * self.weight + self.bias

    def extra_repr(self) -> str:
        """The normalised shape."""
        return show_shape(self.shape)


class GroupNorm(Module):
    r"""Normalisation over groups of channels, each sample by itself; x (n, channels, ...).

    Wu & He, ECCV 2018.

    >>> import dlgraph as dg
    >>> x = dg.Tensor([[[1.0], [3.0], [5.0], [9.0]]])
    >>> print(dg.nn.GroupNorm(2, 4)(x).reshape(4).numpy().round(3))
    [-1.  1. -1.  1.]
    """

    def __init__(
        self, groups: int, channels: int, *, epsilon: float = 1e-5, dtype: Any = "float32"
    ):
        if groups < 1 or channels % groups:
            raise OperationError(
                f"GroupNorm({groups}, {channels}): the channels must divide evenly into the groups"
            )
        self.groups, self.channels = groups, channels
        self.epsilon = _checked_epsilon("GroupNorm", epsilon)
        self.weight = Parameter(init.ones((channels,), dtype))
        self.bias = Parameter(init.zeros((channels,), dtype))

    def forward(self, x: Any) -> Any:
        """The normalised input."""
        x = as_input(x, self.weight.dtype)
        if x.ndim < 2 or x.shape[1] != self.channels:
            raise ShapeError(
                f"GroupNorm({self.groups}, {self.channels}): the input {show_shape(x.shape)} must "
                f"have {self.channels} channels on axis 1"
            )
        grouped = reshape(x, (x.shape[0], self.groups, -1))
        center = mean(grouped, axis=-1, keepdims=True)
        variance = mean(square(grouped - center), axis=-1, keepdims=True)
        y = reshape(_normalise(grouped, center, variance, self.epsilon), x.shape)
        shape = (1, self.channels, *(1,) * (x.ndim - 2))
        return y * reshape(self.weight, shape) + reshape(self.bias, shape)

    def extra_repr(self) -> str:
        """Groups and channels."""
        return f"{self.groups}, {self.channels}"
