"""Embedding, positional encoding, attention and the Transformer's encoder block."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from dlgraph.core.parameter import Parameter
from dlgraph.core.spec import show_shape
from dlgraph.errors import OperationError, ShapeError
from dlgraph.nn import init
from dlgraph.nn.layers import Dropout, Linear
from dlgraph.nn.module import Module, as_input
from dlgraph.nn.norm import LayerNorm
from dlgraph.ops.comparison import where
from dlgraph.ops.index import take
from dlgraph.ops.nn import softmax
from dlgraph.ops.random import Stream
from dlgraph.ops.shape import reshape, swapaxes, transpose
from dlgraph.ops.unary import relu


class Embedding(Module):
    """A trained row of numbers for each of `count` symbols; indices (...) -> (..., features).

    >>> import dlgraph as dg
    >>> dg.nn.Embedding(10, 3, rng=dg.Stream(0))(dg.Tensor([[1, 2], [3, 1]])).shape
    (2, 2, 3)
    """

    def __init__(
        self, count: int, features: int, *, rng: Stream | None = None, dtype: Any = "float32"
    ):
        self.count, self.features = count, features
        self.weight = Parameter(init.normal((count, features), rng=rng, dtype=dtype))

    def forward(self, indices: Any) -> Any:
        """The rows of these symbols."""
        return take(self.weight, indices)

    def extra_repr(self) -> str:
        """The sizes."""
        return f"{self.count}, {self.features}"


def sinusoidal_positions(length: int, features: int, dtype: Any = "float32") -> np.ndarray:
    r"""Fixed positional encoding: $\sin(t / 10000^{2k/d})$ and the cosine, in turn; (length, d).

    Vaswani et al., "Attention is all you need", 2017.

    >>> from dlgraph.nn.attention import sinusoidal_positions
    >>> sinusoidal_positions(3, 4).shape
    (3, 4)
    """
    angles = np.arange(length)[:, None] / 10000 ** (np.arange(0, features, 2) / features)
    found = np.empty((length, features))
    found[:, 0::2], found[:, 1::2] = np.sin(angles), np.cos(angles[:, : features // 2])
    return found.astype(dtype)


def attention(query: Any, key: Any, value: Any, mask: Any = None) -> Any:
    r"""Scaled dot-product attention: $\operatorname{softmax}(q k^\top / \sqrt{d})\, v$.

    query (..., n, d), key (..., m, d), value (..., m, e) -> (..., n, e).  `mask` is boolean and
    broadcasts to (..., n, m); where it is False nothing is attended to.

    >>> import dlgraph as dg
    >>> q = dg.Tensor([[1.0, 0.0]])
    >>> print(dg.nn.attention(q, q, dg.Tensor([[5.0]])))
    [[5.]]
    """
    scores = query @ swapaxes(key, -1, -2) * (1.0 / math.sqrt(query.shape[-1]))
    if mask is not None:
        scores = where(mask, scores, float(np.finfo(scores.dtype).min))
    return softmax(scores, axis=-1) @ value


class MultiHeadAttention(Module):
    """Attention in several heads; x (batch, time, features), `causal=True` hides the future.

    >>> import dlgraph as dg
    >>> layer = dg.nn.MultiHeadAttention(8, 2, rng=dg.Stream(0))
    >>> layer(dg.Tensor([[[1.0] * 8] * 5])).shape
    (1, 5, 8)
    """

    def __init__(
        self, features: int, heads: int, *, causal: bool = False, rng: Stream | None = None
    ):
        if heads < 1 or features % heads:
            raise OperationError(
                f"MultiHeadAttention({features}, {heads}): the features must divide evenly into "
                "the heads"
            )
        self.features, self.heads, self.causal = features, heads, causal
        self.query, self.key, self.value, self.output = (
            Linear(features, features, rng=rng) for _ in range(4)
        )

    def forward(self, x: Any, memory: Any = None, mask: Any = None) -> Any:
        """Attention of `x` to itself, or to `memory` (batch, other time, features)."""
        x = as_input(x, self.query.weight.dtype)
        memory = x if memory is None else as_input(memory, x.dtype)
        q, k, v = self.query(x), self.key(memory), self.value(memory)
        q, k, v = (self._split(part) for part in (q, k, v))
        if self.causal:
            n, m = x.shape[1], memory.shape[1]
            if not isinstance(n, int) or not isinstance(m, int):
                raise ShapeError(
                    f"causal attention needs to know the length, the input is "
                    f"{show_shape(x.shape)}",
                    hint="give the placeholder a fixed length, or pass mask=",
                )
            past = np.tril(np.ones((n, m), bool))
            mask = past if mask is None else mask & past
        joined = transpose(attention(q, k, v, mask), axes=(0, 2, 1, 3))
        return self.output(reshape(joined, (x.shape[0], x.shape[1], self.features)))

    def _split(self, x: Any) -> Any:
        wide = self.features // self.heads
        parts = reshape(x, (x.shape[0], x.shape[1], self.heads, wide))
        return transpose(parts, axes=(0, 2, 1, 3))

    def extra_repr(self) -> str:
        """Features and heads."""
        return f"{self.features}, {self.heads}"


class TransformerEncoderBlock(Module):
    """Attention and a two-layer network, each with normalisation in front and a sum around it.

    The pre-norm form of Xiong et al., "On layer normalization in the Transformer architecture",
    2020.

    >>> import dlgraph as dg
    >>> block = dg.nn.TransformerEncoderBlock(8, 2, rng=dg.Stream(0))
    >>> block(dg.Tensor([[[1.0] * 8] * 5])).shape
    (1, 5, 8)
    """

    def __init__(
        self,
        features: int,
        heads: int,
        *,
        hidden: int | None = None,
        dropout: float = 0.0,
        causal: bool = False,
        rng: Stream | None = None,
    ):
        self.first_norm = LayerNorm(features)
        self.attention = MultiHeadAttention(features, heads, causal=causal, rng=rng)
        self.second_norm = LayerNorm(features)
        self.widen = Linear(features, hidden or 4 * features, rng=rng)
        self.narrow = Linear(hidden or 4 * features, features, rng=rng)
        self.dropout = Dropout(dropout, rng=rng)

    def forward(self, x: Any, mask: Any = None) -> Any:
        """The same shape as the input."""
        x = x + self.dropout(self.attention(self.first_norm(x), mask=mask))
        return x + self.dropout(self.narrow(relu(self.widen(self.second_norm(x)))))
