r"""Activation functions, composed of primitives (ReLU, tanh and the logistic function: `unary.py`).

Where a piece of the formula would overflow for elements that another piece serves, the elements
are put aside first: a gradient of $0 \cdot \infty$ would be NaN.
"""

from __future__ import annotations

import math
from typing import Any

from dlgraph.core.eager import from_list
from dlgraph.core.primitive import composite, primitive
from dlgraph.core.spec import normalise_axis
from dlgraph.errors import OperationError
from dlgraph.ops.comparison import greater, where
from dlgraph.ops.functions import expm1
from dlgraph.ops.rounding import clip
from dlgraph.ops.special import erf
from dlgraph.ops.unary import absolute, relu, sigmoid, tanh


@primitive(kind="elementwise", floating=True, tex=r"\ln(1 + e^{{{x}}})", onnx="Softplus")
def softplus(xp: Any, x: Any) -> Any:
    r"""A smooth ReLU: $\ln(1 + e^x)$, computed without overflow.

    >>> import dlgraph as dg
    >>> print(dg.softplus(dg.Tensor([-1000.0, 0.0, 1000.0])))
    [0. 0.69315 1000.]
    """
    return xp.maximum(x, 0) + xp.log1p(xp.exp(-abs(x)))


softplus.vjp(x=lambda g, x: g * sigmoid(x))


@composite
def log_sigmoid(x: Any) -> Any:
    r"""Logarithm of the logistic function, without rounding to $\ln 0$: $-\ln(1 + e^{-x})$.

    >>> import dlgraph as dg
    >>> print(dg.log_sigmoid(dg.Tensor([-1000.0, 0.0])))
    [-1000. -0.69315]
    """
    x = from_list(x)
    return -softplus(-x)


@composite
def silu(x: Any) -> Any:
    r"""Sigmoid linear unit, also called swish: $x \, \sigma(x)$.

    >>> import dlgraph as dg
    >>> print(dg.silu(dg.Tensor([-1.0, 0.0, 1.0])))
    [-0.26894 0. 0.73106]
    """
    return x * sigmoid(x)


@composite
def gelu(x: Any, approximate: str = "none") -> Any:
    r"""Gaussian error linear unit: $x\,\Phi(x) = \frac{x}{2}(1 + \operatorname{erf}(x/\sqrt 2))$.

    `approximate="tanh"` gives the formula that GPT-2 used,
    $\frac{x}{2}(1 + \tanh(\sqrt{2 / \pi}\,(x + 0.044715\,x^3)))$.
    Source: Hendrycks and Gimpel, "Gaussian error linear units", 2016.

    >>> import dlgraph as dg
    >>> print(dg.gelu(dg.Tensor([-1.0, 0.0, 1.0])))
    [-0.15866 0. 0.84134]
    """
    x = from_list(x)
    if approximate == "tanh":
        return 0.5 * x * (1 + tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * (x * x * x))))
    if approximate != "none":
        raise OperationError(
            f"gelu has no approximation {approximate!r}", hint='"none" (exact) or "tanh"'
        )
    return 0.5 * x * (1 + erf(x * math.sqrt(0.5)))


@composite
def elu(x: Any, alpha: float = 1.0) -> Any:
    r"""Exponential linear unit: x where x > 0, else $\alpha (e^x - 1)$.

    >>> import dlgraph as dg
    >>> print(dg.elu(dg.Tensor([-1.0, 2.0])))
    [-0.63212 2. ]
    """
    return _elu(x, alpha, 1.0)


def _elu(x: Any, alpha: float, scale: float) -> Any:
    positive = greater(x, 0)
    return where(positive, x, alpha * expm1(where(positive, 0.0, x) * scale))


@composite
def celu(x: Any, alpha: float = 1.0) -> Any:
    r"""Continuously differentiable ELU: x where x > 0, else $\alpha (e^{x / \alpha} - 1)$.

    >>> import dlgraph as dg
    >>> print(dg.celu(dg.Tensor([-1.0, 2.0]), alpha=2.0))
    [-0.78694 2. ]
    """
    return _elu(x, alpha, 1 / alpha)


@composite
def selu(x: Any) -> Any:
    """Scaled ELU whose constants keep mean 0 and variance 1 (Klambauer et al., NIPS 2017).

    >>> import dlgraph as dg
    >>> print(dg.selu(dg.Tensor([-1.0, 1.0])))
    [-1.11133 1.05070 ]
    """
    return 1.0507009873554804934193349852946 * elu(x, 1.6732632423543772848170429916717)


@composite
def leaky_relu(x: Any, slope: float = 0.01) -> Any:
    """x where x > 0, else `slope` times x.

    >>> import dlgraph as dg
    >>> print(dg.leaky_relu(dg.Tensor([-1.0, 2.0])))
    [-0.01 2. ]
    """
    x = from_list(x)
    return where(greater(x, 0), x, x * slope)


@composite
def hardtanh(x: Any, low: float = -1.0, high: float = 1.0) -> Any:
    """Every element brought into the interval from `low` to `high`: three straight pieces.

    >>> import dlgraph as dg
    >>> print(dg.hardtanh(dg.Tensor([-3.0, 0.5, 2.0])))
    [-1. 0.5 1. ]
    """
    return clip(x, low, high)


@composite
def relu6(x: Any) -> Any:
    r"""ReLU that stops at 6: $\min(\max(0, x), 6)$.

    >>> import dlgraph as dg
    >>> print(dg.relu6(dg.Tensor([-1.0, 2.0, 9.0])))
    [0. 2. 6.]
    """
    return clip(x, 0, 6)


@composite
def hard_sigmoid(x: Any) -> Any:
    r"""The logistic function in three straight pieces: $\min(\max(0, x + 3), 6) / 6$.

    >>> import dlgraph as dg
    >>> print(dg.hard_sigmoid(dg.Tensor([-4.0, 0.0, 4.0])))
    [0. 0.5 1. ]
    """
    x = from_list(x)
    return relu6(x + 3) / 6


@composite
def hard_swish(x: Any) -> Any:
    """x times its hard sigmoid.

    >>> import dlgraph as dg
    >>> print(dg.hard_swish(dg.Tensor([-4.0, 1.0, 4.0])))
    [-0. 0.66667 4. ]
    """
    x = from_list(x)
    return x * hard_sigmoid(x)


@composite
def softsign(x: Any) -> Any:
    r"""$\frac{x}{1 + |x|}$ of every element.

    >>> import dlgraph as dg
    >>> print(dg.softsign(dg.Tensor([-1.0, 3.0])))
    [-0.5 0.75]
    """
    return x / (1 + absolute(x))


@composite
def mish(x: Any) -> Any:
    r"""$x \tanh(\ln(1 + e^x))$ of every element.

    >>> import dlgraph as dg
    >>> print(dg.mish(dg.Tensor([-1.0, 1.0])))
    [-0.30340 0.86510]
    """
    return x * tanh(softplus(x))


@composite
def tanhshrink(x: Any) -> Any:
    r"""$x - \tanh x$ of every element.

    >>> import dlgraph as dg
    >>> print(dg.tanhshrink(dg.Tensor([1.0])))
    [0.23841]
    """
    return x - tanh(x)


@composite
def softshrink(x: Any, limit: float = 0.5) -> Any:
    """Elements drawn towards 0 by `limit`; those within the limit become 0.

    >>> import dlgraph as dg
    >>> print(dg.softshrink(dg.Tensor([-2.0, 0.25, 2.0])))
    [-1.5 0. 1.5]
    """
    x = from_list(x)
    return relu(x - limit) - relu(-x - limit)


@composite
def prelu(x: Any, slope: Any) -> Any:
    """x where x > 0, else x times a learned slope, which broadcasts.

    >>> import dlgraph as dg
    >>> print(dg.prelu(dg.Tensor([-4.0, 2.0]), dg.Tensor(0.25)))
    [-1. 2.]
    """
    x = from_list(x)
    return where(greater(x, 0), x, x * slope)


@composite
def glu(x: Any, axis: int = -1) -> Any:
    r"""Gated linear unit: the first half along the axis times $\sigma$ of the second half.

    >>> import dlgraph as dg
    >>> print(dg.glu(dg.Tensor([4.0, 0.0])))
    [2.]
    """
    x = from_list(x)
    axis = normalise_axis(axis, x.ndim, "glu")
    size = x.shape[axis]
    if not isinstance(size, int) or size % 2:
        raise OperationError(
            f"glu halves axis {axis}, which has size {size}", hint="the size must be even"
        )
    front = (slice(None),) * axis
    return x[(*front, slice(0, size // 2))] * sigmoid(x[(*front, slice(size // 2, None))])
