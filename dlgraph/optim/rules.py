"""The update rules, each one formula: parameter and gradient in, new parameter out.

Where books differ, the rules do what PyTorch's optimisers of the same name do; each says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from numpy import ndarray, subtract

from dlgraph.errors import OperationError
from dlgraph.ops.arithmetic import maximum, power
from dlgraph.ops.unary import sqrt
from dlgraph.optim.optimizer import Optimizer


def moved(p: Any, step: Any) -> Any:
    """`p - step`, where `step` was computed for this alone: an array is written over with it.

    One large array less to fetch, and the weights stay in the processor's cache.  (Unless it lies
    otherwise in memory: weights stay as they lie.)
    """
    if type(step) is ndarray and step.dtype is p.dtype and step.strides == p.strides:
        return subtract(p, step, step)
    return p - step


def descended(p: Any, g: Any, lr: Any) -> Any:
    """Gradient descent with nothing else."""
    return moved(p, lr * g)


class SGD(Optimizer):
    r"""Gradient descent: $p \leftarrow p - \eta g$, with momentum and weight decay if wanted.

    With momentum $\mu$: $v \leftarrow \mu v + g$ and $p \leftarrow p - \eta v$; Nesterov's form
    uses $g + \mu v$ instead of $v$ (Sutskever et al., ICML 2013; the learning rate stands outside
    of $v$, as in PyTorch).  `weight_decay` adds $\lambda p$ to the gradient.

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
        parameters: Any = None,
        lr: float = 0.01,
        *,
        momentum: float = 0.0,
        nesterov: bool = False,
        weight_decay: float = 0.0,
    ):
        super().__init__(
            parameters, lr, momentum=momentum, nesterov=nesterov, weight_decay=weight_decay
        )
        for group in self.groups:
            if group.options["nesterov"] and not group.options["momentum"]:
                raise OperationError("SGD(nesterov=True) needs a momentum above 0")

    def slots_of(self, options: Mapping[str, Any]) -> tuple[str, ...]:
        """The velocity, if there is momentum."""
        return ("velocity",) if options["momentum"] else ()

    def plain(self, options: Mapping[str, Any]) -> Any:
        """Without momentum and decay it is descent.  (A subclass may have another rule.)"""
        more = options["momentum"] or options["weight_decay"] or type(self) is not SGD
        return None if more else descended

    def rule(  # type: ignore[override]
        self,
        p: Any,
        g: Any,
        *,
        lr: Any,
        momentum: float,
        nesterov: bool,
        weight_decay: float,
        velocity: Any = None,
    ) -> tuple[Any, ...]:
        """See the class."""
        if weight_decay:
            g = g + weight_decay * p
        if velocity is None:
            return (descended(p, g, lr),)
        velocity = momentum * velocity + g
        return moved(p, lr * (g + momentum * velocity if nesterov else velocity)), velocity


class Adagrad(Optimizer):
    r"""Adagrad: steps divided by the root of the sum of all squared gradients so far.

    $s \leftarrow s + g^2$, $p \leftarrow p - \frac{\eta}{1 + (t-1) d}\,
    \frac{g}{\sqrt{s} + \epsilon}$ (Duchi, Hazan & Singer, JMLR 12, 2011), with the decay of the
    learning rate $d$ (`lr_decay`) and the first value of $s$ (`initial`) as in PyTorch.
    `weight_decay` adds $\lambda p$ to the gradient.

    >>> import dlgraph as dg
    >>> w = dg.Parameter([1.0, -10.0])
    >>> optimizer = dg.optim.Adagrad([w], lr=0.1)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> print(w)
    [ 0.9 -9.9]
    """

    slots = ("total",)
    counts_steps = True

    def __init__(
        self,
        parameters: Any = None,
        lr: float = 0.01,
        *,
        lr_decay: float = 0.0,
        weight_decay: float = 0.0,
        initial: float = 0.0,
        epsilon: float = 1e-10,
    ):
        super().__init__(
            parameters,
            lr,
            lr_decay=lr_decay,
            weight_decay=weight_decay,
            initial=initial,
            epsilon=epsilon,
        )

    def initial(self, options: Mapping[str, Any]) -> float:
        """The first value of the sum."""
        return options["initial"]

    def factors(self, lr: Any, count: Any, **options: Any) -> dict[str, Any]:
        """The learning rate, decayed."""
        if not options["lr_decay"]:
            return {"lr": lr}
        return {"lr": lr / (1.0 + (count - 1.0) * options["lr_decay"])}

    def rule(  # type: ignore[override]
        self, p: Any, g: Any, *, lr: Any, total: Any, weight_decay: float, epsilon: float, **_: Any
    ) -> tuple[Any, ...]:
        """See the class."""
        if weight_decay:
            g = g + weight_decay * p
        total = total + g * g
        return moved(p, lr * (g / (sqrt(total) + epsilon))), total


class RMSprop(Optimizer):
    r"""RMSprop: steps divided by the root of a running mean of squared gradients.

    $v \leftarrow \alpha v + (1-\alpha) g^2$, $u = g / (\sqrt{v} + \epsilon)$,
    $p \leftarrow p - \eta u$ (Hinton, Neural Networks for Machine Learning, lecture 6e, 2012).
    `decay` is $\alpha$.  With momentum $\mu$: $b \leftarrow \mu b + u$ and
    $p \leftarrow p - \eta b$.  `centered` divides by the standard deviation, with
    $m \leftarrow \alpha m + (1-\alpha) g$ and $v - m^2$ in place of $v$ (Graves,
    arXiv:1308.0850, eq. 38 ff.).  $\epsilon$ stands outside of the root, as in PyTorch; rounding
    below 0 under the root is cut off.  `weight_decay` adds $\lambda p$ to the gradient.

    >>> import dlgraph as dg
    >>> w = dg.Parameter([1.0, -10.0])
    >>> optimizer = dg.optim.RMSprop([w], lr=0.01, decay=0.75)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> print(w)
    [ 0.98 -9.98]
    """

    def __init__(
        self,
        parameters: Any = None,
        lr: float = 0.01,
        *,
        decay: float = 0.99,
        epsilon: float = 1e-8,
        momentum: float = 0.0,
        centered: bool = False,
        weight_decay: float = 0.0,
    ):
        super().__init__(
            parameters,
            lr,
            decay=decay,
            epsilon=epsilon,
            momentum=momentum,
            centered=centered,
            weight_decay=weight_decay,
        )

    def slots_of(self, options: Mapping[str, Any]) -> tuple[str, ...]:
        """The mean square; with the options also the mean and the velocity."""
        optional = (("mean", options["centered"]), ("velocity", options["momentum"]))
        return ("square", *(name for name, wanted in optional if wanted))

    def rule(  # type: ignore[override]
        self,
        p: Any,
        g: Any,
        *,
        lr: Any,
        decay: float,
        epsilon: float,
        momentum: float,
        centered: bool,
        weight_decay: float,
        square: Any,
        mean: Any = None,
        velocity: Any = None,
    ) -> tuple[Any, ...]:
        """See the class."""
        if weight_decay:
            g = g + weight_decay * p
        square = decay * square + (1.0 - decay) * (g * g)
        spread = square
        if centered:
            mean = decay * mean + (1.0 - decay) * g
            spread = maximum(square - mean * mean, 0.0)
        step = g / (sqrt(spread) + epsilon)
        if momentum:
            velocity = step = momentum * velocity + step
        return moved(p, lr * step), square, *(slot for slot in (mean, velocity) if slot is not None)


class Adam(Optimizer):
    r"""Adam: steps scaled by running means of the gradient and of its square.

    $m \leftarrow \beta_1 m + (1-\beta_1) g$, $v \leftarrow \beta_2 v + (1-\beta_2) g^2$,
    $p \leftarrow p - \eta\, \frac{m / (1-\beta_1^t)}{\sqrt{v / (1-\beta_2^t)} + \epsilon}$
    (Kingma & Ba, ICLR 2015).  `weight_decay` adds $\lambda p$ to the gradient; see `AdamW` for
    the other kind.  The step count $t$ is one for all parameters.

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
        parameters: Any = None,
        lr: float = 0.001,
        *,
        betas: tuple[float, float] = (0.9, 0.999),
        epsilon: float = 1e-8,
        weight_decay: float = 0.0,
    ):
        super().__init__(parameters, lr, betas=betas, epsilon=epsilon, weight_decay=weight_decay)

    def factors(self, lr: Any, count: Any, **options: Any) -> dict[str, Any]:
        """Step size and the correction of the second moment, in float64."""
        first, second = options["betas"]
        return {
            "lr": lr / (1.0 - power(first, count)),
            "correction": sqrt(1.0 - power(second, count)),
        }

    def rule(  # type: ignore[override]
        self,
        p: Any,
        g: Any,
        *,
        lr: Any,
        correction: Any,
        betas: tuple[float, float],
        epsilon: float,
        weight_decay: float,
        mean: Any,
        square: Any,
    ) -> tuple[Any, ...]:
        """See the class."""
        first, second = betas
        if weight_decay:
            g = g + weight_decay * p
        mean = first * mean + (1.0 - first) * g
        square = second * square + (1.0 - second) * (g * g)
        return moved(p, lr * mean / (sqrt(square) / correction + epsilon)), mean, square


class AdamW(Adam):
    r"""Adam with decoupled weight decay: $p \leftarrow (1 - \eta\lambda) p$, then Adam's step.

    The decay does not enter the running means (Loshchilov & Hutter, ICLR 2019).  It is multiplied
    by the learning rate $\eta$, so a schedule scales both, as in PyTorch.

    >>> import dlgraph as dg
    >>> w = dg.Parameter([1.0, -1.0])
    >>> optimizer = dg.optim.AdamW([w], lr=0.1, weight_decay=0.5)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> print(w)
    [ 0.8500 -0.8500]
    """

    def __init__(
        self,
        parameters: Any = None,
        lr: float = 0.001,
        *,
        betas: tuple[float, float] = (0.9, 0.999),
        epsilon: float = 1e-8,
        weight_decay: float = 0.01,
    ):
        super().__init__(parameters, lr, betas=betas, epsilon=epsilon, weight_decay=weight_decay)

    def factors(self, lr: Any, count: Any, **options: Any) -> dict[str, Any]:
        """Those of Adam, and what the decay leaves of a parameter."""
        shrink = 1.0 - lr * options["weight_decay"]
        return {**super().factors(lr, count, **options), "shrink": shrink}

    def rule(  # type: ignore[override]
        self, p: Any, g: Any, *, shrink: Any, weight_decay: float, **needed: Any
    ) -> tuple[Any, ...]:
        """See the class."""
        return super().rule(p * shrink, g, weight_decay=0.0, **needed)
