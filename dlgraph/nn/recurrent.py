"""Recurrent layers: RNN, LSTM and GRU over sequences of equal or different lengths.

Each is one cell, a function of state and input, run by `dg.scan`; the same source works in both
modes.  The products of all inputs with the input weights are made at once, outside the loop.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from dlgraph.core.eager import from_list
from dlgraph.core.explain import describe_operand
from dlgraph.core.loops import scan
from dlgraph.core.node import Node
from dlgraph.core.parameter import Parameter
from dlgraph.core.spec import same_shape, show_shape
from dlgraph.core.tensor import Tensor
from dlgraph.errors import OperationError, ShapeError
from dlgraph.nn import init
from dlgraph.nn.module import Module, as_input
from dlgraph.ops.comparison import where
from dlgraph.ops.copies import astype, zeros_like
from dlgraph.ops.joining import concatenate
from dlgraph.ops.random import Stream
from dlgraph.ops.reduce import sum
from dlgraph.ops.shape import expand_dims, transpose
from dlgraph.ops.unary import sigmoid, tanh


class Recurrent(Module):
    """Base of the recurrent layers: weights, direction, lengths; a subclass writes its cell.

    Input (batch, time, features).  The result is a pair: the outputs (batch, time, hidden), and the
    last state.  `lengths` (batch) are the true lengths of padded sequences: the state stops there,
    and outputs behind are 0.  With `bidirectional=True` a second set of weights reads backwards,
    and the outputs are joined on the last axis.
    """

    gates = 1
    state_parts = 1
    bias: Parameter

    def __init__(
        self,
        in_features: int,
        hidden: int,
        *,
        bidirectional: bool = False,
        rng: Stream | None = None,
        dtype: Any = "float32",
    ):
        if any(not isinstance(n, (int, np.integer)) or n < 1 for n in (in_features, hidden)):
            raise OperationError(
                f"{type(self).__name__}({in_features!r}, {hidden!r}): sizes are whole numbers "
                "above 0"
            )
        self.in_features, self.hidden, self.bidirectional = in_features, hidden, bidirectional
        for end in ("", "_reverse")[: 1 + bidirectional]:
            wide = self.gates * hidden
            shapes = {"input": (in_features, wide), "hidden": (hidden, wide), "bias": (wide,)}
            for name, shape in shapes.items():
                bound = 1.0 / math.sqrt(hidden)
                start = init.uniform(shape, -bound, bound, rng=rng, dtype=dtype)
                setattr(self, f"weight_{name}{end}" if name != "bias" else f"bias{end}",
                        Parameter(start))  # fmt: skip

    def cell(self, state: tuple, projected: Any, weight: Any) -> tuple:
        """The next state, from the state and the input's product with the input weights."""
        raise NotImplementedError

    def forward(self, x: Any, state: Any = None, lengths: Any = None) -> tuple[Any, Any]:
        """Outputs of every step, and the last state."""
        x = as_input(x, self.bias.dtype)
        if x.ndim != 3 or x.shape[2] != self.in_features:
            raise ShapeError(
                f"{type(self).__name__}({self.in_features}, {self.hidden}): the input is "
                f"{show_shape(x.shape)}, it must be (batch, time, {self.in_features})"
            )
        ends = ("", "_reverse")[: 1 + self.bidirectional]
        states = self._states(x, state, len(ends))
        found = [self._run(x, s, lengths, end) for s, end in zip(states, ends, strict=True)]
        outputs = [one[0] for one in found]
        finals = [one[1] if self.state_parts > 1 else one[1][0] for one in found]
        if not self.bidirectional:
            return outputs[0], finals[0]
        return concatenate(outputs, axis=-1), tuple(finals)

    def _states(self, x: Any, state: Any, count: int) -> list[tuple]:
        if state is None:
            # Zeros of shape (batch, hidden) for a batch that may not be known yet.
            blank = zeros_like(x[:, 0, :1] * self.bias[: self.hidden])
            return [(blank,) * self.state_parts] * count
        states = [state] if count == 1 else []
        if count > 1 and (_listed(state, count) or getattr(state, "ndim", 0) == 3):
            states = list(state)
        if len(states) == count and self.state_parts > 1:
            states = [tuple(s) for s in states if _listed(s, self.state_parts)]
        if len(states) != count:
            one = "(h, c)" if self.state_parts > 1 else "h"
            both = f"({one}, {one}), one for each direction"
            raise self._no_state(state, one if count == 1 else both)
        return [s if isinstance(s, tuple) else (s,) for s in states]

    def _parts(self, state: Any) -> tuple:
        """The parts of the state that a cell was given; what has none is told."""
        if _listed(state, self.state_parts):
            shapes = [getattr(from_list(part), "shape", ()) for part in state]
            if all(len(s) < 3 and same_shape(s[-1:], (self.hidden,)) for s in shapes):
                return tuple(state)
        raise self._no_state(state, "a tuple (h, c)" if self.state_parts > 1 else "a tuple (h,)")

    def _no_state(self, state: Any, wanted: str) -> OperationError:
        given = f"a {type(state).__name__}"
        if isinstance(state, (list, tuple)):
            given += f" of {len(state)}: {', '.join(map(describe_operand, state))}"
        elif hasattr(state, "shape"):
            given += f" {show_shape(state.shape)}"
        return OperationError(
            f"{type(self).__name__}({self.extra_repr()}): the state is {wanted}, of arrays "
            f"(batch, {self.hidden}); it is {given}",
            hint="the second result of a call is such a state; without one it starts from zeros",
        )

    def _run(self, x: Any, state: tuple, lengths: Any, end: str) -> tuple[Any, tuple]:
        weight = getattr(self, f"weight_hidden{end}")
        projected = x @ getattr(self, f"weight_input{end}") + getattr(self, f"bias{end}")
        rows: Any = transpose(projected, axes=(1, 0, 2))
        if lengths is not None:
            rows = (rows, _positions(x))

        def turn(state: tuple, row: Any) -> tuple[tuple, Any]:
            if lengths is None:
                new = self.cell(state, row, weight)
                return new, new[0]
            row, position = row
            new = self.cell(state, row, weight)
            alive = expand_dims(position < lengths, axis=-1)
            kept = tuple(where(alive, a, b) for a, b in zip(new, state, strict=True))
            return kept, where(alive, new[0], zeros_like(new[0]))

        last, outputs = scan(turn, state, rows, reverse=bool(end))
        return transpose(outputs, axes=(1, 0, 2)), last

    def extra_repr(self) -> str:
        """The sizes."""
        both = ", bidirectional=True" if self.bidirectional else ""
        return f"{self.in_features}, {self.hidden}{both}"


def _listed(value: Any, count: int) -> bool:
    return isinstance(value, (list, tuple)) and len(value) == count


def _positions(x: Any) -> Any:
    """0, 1, 2 ... along the time axis, also when its size is not known yet."""
    ones = astype(sum(zeros_like(x), axis=(0, 2)) + 1, "int64")
    if isinstance(ones, Node):
        return _counted(ones)
    return Tensor(np.arange(x.shape[1]))


def _counted(ones: Any) -> Any:
    zero = ones.graph.convert(np.int64(0))
    return scan(lambda n, one: (n + one, n), zero, ones)[1]


class RNN(Recurrent):
    r"""Elman's network: $h_t = \tanh(x_t W + h_{t-1} U + b)$.

    >>> import dlgraph as dg
    >>> outputs, last = dg.nn.RNN(3, 4, rng=dg.Stream(0))(dg.Tensor([[[1.0, 0.0, 2.0]] * 5]))
    >>> outputs.shape, last.shape
    ((1, 5, 4), (1, 4))
    """

    def cell(self, state: tuple, projected: Any, weight: Any) -> tuple:
        """See the class."""
        (h,) = self._parts(state)
        return (tanh(projected + h @ weight),)


class LSTM(Recurrent):
    r"""Long short-term memory: the state is a pair $(h, c)$.

    $i, f, o = \sigma(\cdot)$ and $g = \tanh(\cdot)$ of $x_t W + h_{t-1} U + b$ (in the order i, f,
    g, o); $c_t = f c_{t-1} + i g$, $h_t = o \tanh c_t$.  Hochreiter & Schmidhuber, 1997;
    forget gate by Gers et al., 2000.

    >>> import dlgraph as dg
    >>> layer = dg.nn.LSTM(3, 4, bidirectional=True, rng=dg.Stream(0))
    >>> outputs, ((h, c), _) = layer(dg.Tensor([[[1.0, 0.0, 2.0]] * 5]))
    >>> outputs.shape, h.shape, c.shape
    ((1, 5, 8), (1, 4), (1, 4))
    """

    gates = 4
    state_parts = 2

    def cell(self, state: tuple, projected: Any, weight: Any) -> tuple:
        """See the class."""
        h, c = self._parts(state)
        z, n = projected + h @ weight, self.hidden
        i, f, o = (sigmoid(z[:, k * n : (k + 1) * n]) for k in (0, 1, 3))
        c = f * c + i * tanh(z[:, 2 * n : 3 * n])
        return o * tanh(c), c


class GRU(Recurrent):
    r"""Gated recurrent unit: $h_t = (1 - z) n + z h_{t-1}$.

    $r, z = \sigma(\cdot)$; $n = \tanh(x_t W_n + b_n + r (h_{t-1} U_n))$ (gates in the order r, z,
    n).  Cho et al., 2014, in the form that resets after the product.

    >>> import dlgraph as dg
    >>> outputs, last = dg.nn.GRU(3, 4, rng=dg.Stream(0))(dg.Tensor([[[1.0, 0.0, 2.0]] * 5]))
    >>> outputs.shape, last.shape
    ((1, 5, 4), (1, 4))
    """

    gates = 3

    def cell(self, state: tuple, projected: Any, weight: Any) -> tuple:
        """See the class."""
        (h,) = self._parts(state)
        n = self.hidden
        carried = h @ weight
        gates = sigmoid(projected[:, : 2 * n] + carried[:, : 2 * n])
        r, z = gates[:, :n], gates[:, n:]
        new = tanh(projected[:, 2 * n :] + r * carried[:, 2 * n :])
        return ((1 - z) * new + z * h,)
