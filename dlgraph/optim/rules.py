"""The update rules, each one formula: parameter and gradient in, new parameter out."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from dlgraph.core.tensor import Tensor
from dlgraph.errors import OperationError
from dlgraph.ops.math import power, sqrt
from dlgraph.optim.optimizer import Optimizer, within


class SGD(Optimizer):
    r"""Gradient descent: $p \leftarrow p - \eta g$, with momentum and weight decay if wanted.

    With momentum $\mu$: $v \leftarrow \mu v + g$ and $p \leftarrow p - \eta v$; Nesterov's form
    uses $g + \mu v$ instead of $v$ (Sutskever et al., ICML 2013).  `weight_decay` adds
    $\lambda p$ to the gradient.

    >>> import dlgraph as dg
    >>> w = dg.Parameter(1.0)
    >>> optimizer = dg.optim.SGD([w], lr=0.1)
    >>> (w * w).backward()
    >>> optimizer.step()
    >>> print(w)
    0.8
    """

    def __init__(
        self,
        parameters: Iterable[Tensor] | None = None,
        lr: float = 0.01,
        *,
        momentum: float = 0.0,
        nesterov: bool = False,
        weight_decay: float = 0.0,
    ):
        super().__init__(parameters, lr)
        if not within(momentum, 0.0, 1.0) or not within(weight_decay, 0.0):
            raise OperationError(
                f"SGD(momentum={momentum!r}, weight_decay={weight_decay!r}): momentum is at least "
                "0 and less than 1, weight decay at least 0"
            )
        if nesterov and not momentum:
            raise OperationError("SGD(nesterov=True) needs a momentum above 0")
        # As Python numbers: a NumPy float64 would make float32 parameters float64.
        self.momentum, self.weight_decay = float(momentum), float(weight_decay)
        self.nesterov = nesterov
        self.slots = ("velocity",) if momentum else ()

    def rule(self, p: Any, g: Any, *, lr: Any, velocity: Any = None) -> tuple[Any, ...]:  # type: ignore[override]
        """See the class."""
        if self.weight_decay:
            g = g + self.weight_decay * p
        if velocity is None:
            return (p - lr * g,)
        velocity = self.momentum * velocity + g
        return p - lr * (g + self.momentum * velocity if self.nesterov else velocity), velocity


class Adam(Optimizer):
    r"""Adam: steps scaled by running means of the gradient and of its square.

    $m \leftarrow \beta_1 m + (1-\beta_1) g$, $v \leftarrow \beta_2 v + (1-\beta_2) g^2$,
    $p \leftarrow p - \eta\, \frac{m / (1-\beta_1^t)}{\sqrt{v / (1-\beta_2^t)} + \epsilon}$
    (Kingma & Ba, ICLR 2015).  `weight_decay` adds $\lambda p$ to the gradient.

    >>> import dlgraph as dg
    >>> w = dg.Parameter([1.0, -1.0])
    >>> optimizer = dg.optim.Adam([w], lr=0.1)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> print(w)
    [ 0.9000 -0.9000]
    """

    slots = ("mean", "square")
    counts_steps = True

    def __init__(
        self,
        parameters: Iterable[Tensor] | None = None,
        lr: float = 0.001,
        *,
        betas: tuple[float, float] = (0.9, 0.999),
        epsilon: float = 1e-8,
        weight_decay: float = 0.0,
    ):
        super().__init__(parameters, lr)
        pair = isinstance(betas, (tuple, list)) and len(betas) == 2
        if (
            not (pair and all(within(beta, 0.0, 1.0) for beta in betas))
            or not (within(epsilon, 0.0) and epsilon)
            or not within(weight_decay, 0.0)
        ):
            raise OperationError(
                f"Adam(betas={betas!r}, epsilon={epsilon!r}, weight_decay={weight_decay!r}): two "
                "betas of at least 0 and less than 1, epsilon above 0, weight decay at least 0"
            )
        # As Python numbers: a NumPy float64 would make float32 parameters float64.
        self.betas = float(betas[0]), float(betas[1])
        self.epsilon, self.weight_decay = float(epsilon), float(weight_decay)

    def factors(self, lr: Any, count: Any) -> dict[str, Any]:
        """Step size and the correction of the second moment, in float64."""
        first, second = self.betas
        return {
            "lr": lr / (1.0 - power(first, count)),
            "correction": sqrt(1.0 - power(second, count)),
        }

    def rule(  # type: ignore[override]
        self, p: Any, g: Any, *, lr: Any, correction: Any, mean: Any, square: Any
    ) -> tuple[Any, ...]:
        """See the class."""
        first, second = self.betas
        if self.weight_decay:
            g = g + self.weight_decay * p
        mean = first * mean + (1.0 - first) * g
        square = second * square + (1.0 - second) * (g * g)
        return p - lr * mean / (sqrt(square) / correction + self.epsilon), mean, square
