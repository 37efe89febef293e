"""Initialisers: where the first values of parameters come from.

An initialiser is a rule from a random key to values, written with primitives.  In eager code it
runs at once; while a graph is being built it becomes nodes of `graph.startup`.  Both draw the same
keys in the same order, so the same seed gives the same parameters in both modes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from dlgraph.core.building import building, current_graph
from dlgraph.core.graph import Graph
from dlgraph.core.parameter import Parameter
from dlgraph.core.spec import Spec
from dlgraph.core.state import assign, spec_with
from dlgraph.errors import DtypeError, OperationError
from dlgraph.ops.random import Stream, random_normal, random_uniform, stream_of


class Initialiser:
    """Shape, dtype and rule of a parameter's first values; pass it to `dg.Parameter`.

    >>> import dlgraph as dg
    >>> w = dg.Parameter(dg.nn.init.constant((2,), 0.5), name="w")
    >>> print(w)
    [0.5 0.5]
    """

    def __init__(
        self,
        shape: Sequence[int],
        rule: Callable[[Any], Any],
        *,
        rng: Stream | None = None,
        dtype: Any = "float32",
        draws: bool = True,
    ):
        self.spec = _checked_spec(shape, dtype, draws)
        self.rule = rule
        self.rng = stream_of(rng)
        self.draws = draws

    def initial_value(self, graph: Graph | None = None) -> Any:
        """The values as an array, or the node that will compute them in this graph."""
        if not self.draws:
            value = self.rule(None)
            return value if graph is None else graph.convert(value)
        if graph is None:
            return self.rule(self.rng.draw())
        return self.rule(graph.next_key(self.rng))

    def initialise(self, parameter: Parameter) -> None:
        """Give the parameter its values now, or when the start-up graph of the open graph runs."""
        graph = current_graph()
        if graph is None:
            parameter._replace(self.initial_value())
            return
        startup = graph.startup
        with building(graph=startup, scope="", control=()):
            name = (parameter.name or "variable").replace(".", "/")
            target = startup.variable(parameter, name)
            assign(target, self.initial_value(startup))


def _checked_spec(shape: Sequence[Any], dtype: Any, draws: bool) -> Spec:
    if not isinstance(shape, (tuple, list)):
        raise OperationError(
            f"a parameter of shape {shape!r}: a shape is a tuple of sizes", hint="(3,), (784, 10)"
        )
    sizes = tuple(shape)
    for size in sizes:
        whole = isinstance(size, (int, np.integer)) and not isinstance(size, bool)
        if not whole or size < 1:
            raise OperationError(f"a parameter of shape {sizes!r}: sizes are whole numbers above 0")
    spec = spec_with(sizes, dtype)
    if draws and spec.dtype.kind != "f":
        raise DtypeError(
            f"random values are floating point, not {spec.dtype}", hint='dtype="float32"'
        )
    return Spec(tuple(map(int, sizes)), spec.dtype)


def constant(shape: Sequence[int], value: float, dtype: Any = "float32") -> Initialiser:
    """Every element the same value.

    >>> import dlgraph as dg
    >>> print(dg.Parameter(dg.nn.init.constant((2,), 0.1)))
    [0.1 0.1]
    """
    return Initialiser(shape, lambda key: np.full(shape, value, dtype), dtype=dtype, draws=False)


def zeros(shape: Sequence[int], dtype: Any = "float32") -> Initialiser:
    """Every element 0, the usual start of a bias.

    >>> import dlgraph as dg
    >>> print(dg.Parameter(dg.nn.init.zeros((2,))))
    [0. 0.]
    """
    return constant(shape, 0.0, dtype)


def ones(shape: Sequence[int], dtype: Any = "float32") -> Initialiser:
    """Every element 1.

    >>> import dlgraph as dg
    >>> print(dg.Parameter(dg.nn.init.ones((2,))))
    [1. 1.]
    """
    return constant(shape, 1.0, dtype)


def uniform(
    shape: Sequence[int],
    low: float,
    high: float,
    *,
    rng: Stream | None = None,
    dtype: Any = "float32",
) -> Initialiser:
    """Uniform in [low, high).

    >>> import dlgraph as dg
    >>> w = dg.Parameter(dg.nn.init.uniform((100,), -1, 1, rng=dg.Stream(0)))
    >>> bool((abs(w) < 1).numpy().all())
    True
    """
    return Initialiser(
        shape,
        lambda key: random_uniform(key, shape=tuple(shape), low=low, high=high, dtype=dtype),
        rng=rng,
        dtype=dtype,
    )


def normal(
    shape: Sequence[int],
    mean: float = 0.0,
    std: float = 1.0,
    *,
    rng: Stream | None = None,
    dtype: Any = "float32",
) -> Initialiser:
    """Normally distributed.

    >>> import dlgraph as dg
    >>> dg.Parameter(dg.nn.init.normal((3, 2), std=0.01, rng=dg.Stream(0))).shape
    (3, 2)
    """
    return Initialiser(
        shape,
        lambda key: random_normal(key, shape=tuple(shape), mean=mean, std=std, dtype=dtype),
        rng=rng,
        dtype=dtype,
    )


def fans(shape: Sequence[int]) -> tuple[int, int]:
    """Inputs and outputs of one unit: (in, out) of a matrix, channels times area of a kernel.

    >>> from dlgraph.nn.init import fans
    >>> fans((784, 100)), fans((6, 1, 5, 5))
    ((784, 100), (25, 150))
    """
    if len(shape) < 2:
        raise OperationError(
            f"fan-in and fan-out need a weight with at least two axes, not {tuple(shape)}"
        )
    if len(shape) == 2:
        return shape[0], shape[1]
    area = math.prod(shape[2:])
    return shape[1] * area, shape[0] * area


def xavier_uniform(
    shape: Sequence[int], *, rng: Stream | None = None, dtype: Any = "float32"
) -> Initialiser:
    r"""Uniform in $\pm\sqrt{6 / (n_\text{in} + n_\text{out})}$, for tanh and linear layers.

    Glorot & Bengio, "Understanding the difficulty of training deep feedforward neural networks",
    AISTATS 2010.

    >>> import dlgraph as dg
    >>> w = dg.Parameter(dg.nn.init.xavier_uniform((4, 2), rng=dg.Stream(0)))
    >>> bool((abs(w) <= 1).numpy().all())
    True
    """
    bound = math.sqrt(6.0 / sum(fans(shape)))
    return uniform(shape, -bound, bound, rng=rng, dtype=dtype)


def he_normal(
    shape: Sequence[int], *, rng: Stream | None = None, dtype: Any = "float32"
) -> Initialiser:
    r"""Normal with $\sigma = \sqrt{2 / n_\text{in}}$, for layers followed by ReLU.

    He et al., "Delving deep into rectifiers", ICCV 2015.

    >>> import dlgraph as dg
    >>> dg.Parameter(dg.nn.init.he_normal((4, 2), rng=dg.Stream(0))).shape
    (4, 2)
    """
    return normal(shape, 0.0, math.sqrt(2.0 / fans(shape)[0]), rng=rng, dtype=dtype)


def fan_in_uniform(
    shape: Sequence[int],
    *,
    fan_in: int | None = None,
    rng: Stream | None = None,
    dtype: Any = "float32",
) -> Initialiser:
    r"""Uniform in $\pm 1 / \sqrt{n_\text{in}}$, what PyTorch's linear layers start from.

    >>> import dlgraph as dg
    >>> w = dg.Parameter(dg.nn.init.fan_in_uniform((4, 2), rng=dg.Stream(0)))
    >>> bool((abs(w) <= 0.5).numpy().all())
    True
    """
    bound = 1.0 / math.sqrt(fan_in or fans(shape)[0])
    return uniform(shape, -bound, bound, rng=rng, dtype=dtype)
