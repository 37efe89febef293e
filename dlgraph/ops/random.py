"""Random numbers from explicit streams: same seed, same numbers, in both modes, bit for bit.

A `Stream` hands out keys; a random operation turns one key into numbers and nothing else, so the
same key always gives the same numbers (a dropout mask can be made again in the backward pass
instead of being stored).  Keys drive NumPy's counter-based Philox generator (Salmon et al.,
"Parallel random numbers: as easy as 1, 2, 3", SC 2011).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from dlgraph.core import arrays
from dlgraph.core.building import current_graph
from dlgraph.core.node import Node
from dlgraph.core.primitive import composite, primitive
from dlgraph.core.spec import Spec
from dlgraph.errors import OperationError


class Stream:
    """A reproducible source of random keys; its state is the seed and a count of draws.

    `split()` gives an independent stream, for example one per layer.

    >>> import dlgraph as dg
    >>> one, two = dg.Stream(7), dg.Stream(7)
    >>> bool((one.uniform((3,)) == two.uniform((3,))).numpy().all())
    True
    >>> one
    Stream(seed=7, drawn=1)
    """

    def __init__(self, seed: int = 0, _path: tuple[int, ...] = ()):
        if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or seed < 0:
            raise OperationError(
                f"a seed is a whole number of at least 0, not {seed!r}",
                hint="dg.seed(0), dg.Stream(0)",
            )
        self.seed = int(seed)
        self.path = _path
        self.drawn = 0
        self.splits = 0
        sequence = np.random.SeedSequence(self.seed, spawn_key=_path)
        self._word = sequence.generate_state(1, np.uint64)[0]

    def split(self) -> Stream:
        """An independent stream; the n-th split of a stream is always the same."""
        self.splits += 1
        return Stream(self.seed, (*self.path, self.splits - 1))

    def key(self) -> Any:
        """The next key: an array in eager code, a node while a graph is being built.

        The node draws a new key from the stream at each run.
        """
        graph = current_graph()
        if graph is None:
            return self.draw()
        return graph.next_key(self)

    def key_for(self, value: Any) -> Any:
        """The next key, in the mode of this value: a node's graph may not be the default one."""
        graph = current_graph()
        if graph is not None and graph.captures_outer:
            return graph.next_key(self)
        return value.graph.next_key(self) if isinstance(value, Node) else self.draw()

    def draw(self) -> np.ndarray:
        """The next key as an array of two 64-bit words."""
        self.drawn += 1
        return np.array([self._word, self.drawn - 1], np.uint64)

    def uniform(
        self, shape: Sequence[int], low: float = 0.0, high: float = 1.0, dtype: Any = "float32"
    ) -> Any:
        """Uniform random numbers in [low, high)."""
        return random_uniform(_carried(self.key()), shape=shape, low=low, high=high, dtype=dtype)

    def normal(
        self, shape: Sequence[int], mean: float = 0.0, std: float = 1.0, dtype: Any = "float32"
    ) -> Any:
        """Normally distributed random numbers."""
        return random_normal(_carried(self.key()), shape=shape, mean=mean, std=std, dtype=dtype)

    def state(self) -> dict[str, Any]:
        """All that is needed to continue the stream later, as plain numbers."""
        return {
            "seed": self.seed,
            "path": list(self.path),
            "drawn": self.drawn,
            "splits": self.splits,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Continue where `state()` was taken.

        >>> import dlgraph as dg
        >>> stream = dg.Stream(3)
        >>> saved = stream.state()
        >>> first = stream.uniform((2,)).tolist()
        >>> stream.restore(saved)
        >>> stream.uniform((2,)).tolist() == first
        True
        """
        try:
            fresh = Stream(state["seed"], tuple(int(step) for step in state["path"]))
            counts = int(state["drawn"]), int(state["splits"])
        except (KeyError, TypeError, ValueError) as error:
            raise OperationError(
                f"this is not the state of a stream: {error}",
                hint="pass what stream.state() returned",
            ) from None
        self.seed, self.path, self._word = fresh.seed, fresh.path, fresh._word
        self.drawn, self.splits = counts

    def __repr__(self) -> str:
        path = f", path={self.path}" if self.path else ""
        return f"Stream(seed={self.seed}{path}, drawn={self.drawn})"


def _carried(key: Any) -> Any:
    from dlgraph.core.tensor import _plain

    return key if isinstance(key, Node) else _plain(key)


DEFAULT_STREAM = Stream(0)


def default_stream() -> Stream:
    """The stream that layers use when they are not given one (`rng=`).

    >>> import dlgraph as dg
    >>> dg.seed(3)
    >>> dg.default_stream()
    Stream(seed=3, drawn=0)
    """
    return DEFAULT_STREAM


def stream_of(rng: Stream | None) -> Stream:
    """The stream that was given as `rng=`, or the default one."""
    if not isinstance(rng, (Stream, type(None))):
        raise OperationError(
            f"rng={rng!r}: a random stream is needed", hint="rng=dg.Stream(0), or dg.seed(0) before"
        )
    return rng or DEFAULT_STREAM


def seed(number: int) -> None:
    """Start the default stream again from this seed.

    >>> import dlgraph as dg
    >>> dg.seed(1)
    >>> first = dg.nn.Linear(2, 2).weight.tolist()
    >>> dg.seed(1)
    >>> dg.nn.Linear(2, 2).weight.tolist() == first
    True
    """
    DEFAULT_STREAM.restore({**Stream(number).state()})


# ---- primitives ----------------------------------------------------------------------------------


@primitive(name="next_key", kind="state", text="next key")
def _next_key(xp: Any, *, stream: Stream) -> Any:
    """Draw the next key of a stream."""
    return stream.draw()


def _shaped(key: Spec, shape: Sequence[Any], dtype: Any, **attrs: Any) -> Spec:
    if not np.iterable(shape):
        raise OperationError(
            f"a shape is a tuple of sizes, not {shape!r}",
            where=None,
            hint="the sizes go into one tuple: normal((2, 3)), uniform((3,))",
        )
    return Spec(tuple(shape), np.dtype(dtype))


def _generator(key: Any) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(key=arrays.to_numpy(key)))


@primitive(kind="random", infer=_shaped, text="uniform({key})", onnx="RandomUniform")
def random_uniform(
    xp: Any,
    key: Any,
    *,
    shape: Sequence[int],
    low: float = 0.0,
    high: float = 1.0,
    dtype: Any = "float32",
) -> Any:
    """Uniform random numbers in [low, high), determined by the key.

    >>> import dlgraph as dg
    >>> key = dg.Tensor(dg.Stream(0).draw())
    >>> dg.random_uniform(key, shape=(2, 3)).shape
    (2, 3)
    """
    dtype = np.dtype(dtype)
    numbers = _generator(key).random(tuple(shape), dtype)
    if low == 0.0 and high == 1.0:
        return numbers
    return numbers * dtype.type(high - low) + dtype.type(low)


@primitive(kind="random", infer=_shaped, text="normal({key})", onnx="RandomNormal")
def random_normal(
    xp: Any,
    key: Any,
    *,
    shape: Sequence[int],
    mean: float = 0.0,
    std: float = 1.0,
    dtype: Any = "float32",
) -> Any:
    """Normally distributed random numbers, determined by the key.

    >>> import dlgraph as dg
    >>> key = dg.Tensor(dg.Stream(0).draw())
    >>> dg.random_normal(key, shape=(2, 3), dtype="float64").dtype
    dtype('float64')
    """
    dtype = np.dtype(dtype)
    numbers = _generator(key).standard_normal(tuple(shape), dtype)
    return numbers * dtype.type(std) + dtype.type(mean)


@primitive(kind="random", text="dropout({x})", onnx="Dropout")
def drop(xp: Any, x: Any, key: Any, *, rate: float) -> Any:
    r"""Elements set to 0 with probability `rate`, the others divided by $1 - \text{rate}$.

    Which ones is determined by the key; the gradient makes the same mask again.
    (Srivastava et al., "Dropout", JMLR 15, 2014; scaled while training, so that testing is plain.)

    >>> import dlgraph as dg
    >>> key = dg.Tensor(dg.Stream(0).draw())
    >>> sorted(set(dg.drop(dg.Tensor([1.0] * 100), key, rate=0.5).tolist()))
    [0.0, 2.0]
    """
    keep = _generator(key).random(x.shape, np.float32) >= np.float32(rate)
    return x * (xp.asarray(keep) * x.dtype.type(1 / (1 - rate)))


drop.vjp(x=lambda g, key, rate: drop(g, key, rate=rate))


@composite
def dropout(x: Any, rate: float = 0.5, rng: Stream | None = None) -> Any:
    """`drop` with the next key of a stream: at every call, in evaluation too.

    The layer `dg.nn.Dropout` drops in training only.

    >>> import dlgraph as dg
    >>> dg.dropout(dg.Tensor([1.0, 1.0]), rate=0.0).tolist()
    [1.0, 1.0]
    """
    if not isinstance(rate, (int, float)) or not 0 <= rate < 1:
        raise OperationError(
            f"dropout(rate={rate!r}): the rate is a probability of at least 0 and less than 1"
        )
    return drop(x, stream_of(rng).key_for(x), rate=float(rate))
