"""Convolution, transposed convolution and pooling as layers; x is (n, channels, height, width).

The operations are in `dlgraph/ops/convolution.py` and `pooling.py`; a layer adds the weights.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, ClassVar

from dlgraph.core.parameter import Parameter
from dlgraph.core.spec import Dim, show_shape
from dlgraph.errors import OperationError, ShapeError
from dlgraph.nn import init
from dlgraph.nn.module import Module, as_input
from dlgraph.ops import convolution, pooling
from dlgraph.ops.random import Stream


class _Convolution(Module):
    # What the four layers share; a subclass states its operation and the number of axes.
    operation: ClassVar[Callable[..., Any]]
    axes: ClassVar[int]
    transposed: ClassVar[bool] = False

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel: Any,
        *,
        stride: Any = 1,
        padding: Any = 0,
        dilation: Any = 1,
        groups: int = 1,
        bias: bool = True,
        rng: Stream | None = None,
        dtype: Any = "float32",
        **options: Any,
    ):
        name = type(self).__name__
        for called, number in (
            ("in_channels", in_channels), ("out_channels", out_channels), ("groups", groups),
        ):  # fmt: skip
            convolution.numbers(f"{name}: {called}", number, 1)
        if in_channels % groups or out_channels % groups:
            raise OperationError(
                f"{name}({in_channels}, {out_channels}, groups={groups}): both numbers of "
                "channels must divide evenly into the groups"
            )
        self.in_channels, self.out_channels = in_channels, out_channels
        self.kernel = convolution.numbers("kernel", kernel, self.axes)
        self.options = {
            "stride": stride, "padding": padding, "dilation": dilation, "groups": groups, **options,
        }  # fmt: skip
        first, second = in_channels, out_channels // groups
        if not self.transposed:
            first, second = out_channels, in_channels // groups
        fan_in = in_channels // groups * math.prod(self.kernel)
        shape = (first, second, *self.kernel)
        self.weight = Parameter(init.fan_in_uniform(shape, fan_in=fan_in, rng=rng, dtype=dtype))
        self.bias = None
        if bias:
            start = init.fan_in_uniform((out_channels,), fan_in=fan_in, rng=rng, dtype=dtype)
            self.bias = Parameter(start)

    def forward(self, x: Any) -> Any:
        """Apply the filters."""
        x = as_input(x, self.weight.dtype)
        channels = x.shape[1] if x.ndim == self.axes + 2 else None
        if channels != self.in_channels and not isinstance(channels, Dim):
            sizes = ", ".join(("length",) if self.axes == 1 else ("height", "width"))
            raise ShapeError(
                f"{self._called(self.in_channels, self.out_channels)} was made for images "
                f"(n, {self.in_channels}, {sizes}), its input is {show_shape(x.shape)}",
                hint=self._how_to_fit(x.shape),
            )
        return type(self).operation(x, self.weight, self.bias, **self.options)

    def _how_to_fit(self, shape: tuple) -> str:
        missing = self.axes + 2 - len(shape)
        if missing == 1 and self.in_channels == 1:
            return "one channel is an axis too: x[:, None]"
        if missing == 1 and shape[0] == self.in_channels:
            return "one sample is a batch of one: x[None]"
        if missing == 2 and self.in_channels == 1:
            return "a batch of one sample, with one channel: x[None, None]"
        if not missing and shape[-1] == self.in_channels:
            order = ", ".join(str(axis) for axis in (0, self.axes + 1, *range(1, self.axes + 1)))
            return f"the channels are the second axis: x.transpose({order})"
        return "the out_channels of one layer are the in_channels of the next"

    def extra_repr(self) -> str:
        """Channels, kernel, and what differs from the usual."""
        usual = {"stride": 1, "padding": 0, "dilation": 1, "groups": 1, "output_padding": 0}
        extra = [f"{k}={v}" for k, v in self.options.items() if v != usual.get(k)]
        kernel = self.kernel[0] if len(set(self.kernel)) == 1 else self.kernel
        return ", ".join([f"{self.in_channels}, {self.out_channels}, {kernel}", *extra])


class Conv1d(_Convolution):
    r"""Filters sliding along a sequence; x (n, in_channels, length).

    Weights and bias start uniform in $\pm 1 / \sqrt{n_\text{in}}$ of a filter, as in PyTorch.

    >>> import dlgraph as dg
    >>> dg.nn.Conv1d(2, 4, 3, rng=dg.Stream(0))(dg.Tensor([[[1.0] * 8] * 2])).shape
    (1, 4, 6)
    """

    operation = staticmethod(convolution.conv1d)
    axes = 1


class Conv2d(_Convolution):
    r"""Filters sliding over an image; x (n, in_channels, height, width).

    `kernel`, `stride`, `padding` and `dilation` are a number or a pair; `groups` splits the
    channels.  Weights and bias start uniform in $\pm 1 / \sqrt{n_\text{in}}$ of a filter.

    >>> import dlgraph as dg
    >>> layer = dg.nn.Conv2d(1, 6, 5, padding=2, rng=dg.Stream(0))
    >>> layer(dg.Tensor([[[[0.0] * 28] * 28]])).shape
    (1, 6, 28, 28)
    >>> layer
    Conv2d(1, 6, 5, padding=2)
    """

    operation = staticmethod(convolution.conv2d)
    axes = 2


class ConvTranspose1d(_Convolution):
    """The transpose of `Conv1d`: each element spreads a filter; `output_padding` adds at the end.

    >>> import dlgraph as dg
    >>> layer = dg.nn.ConvTranspose1d(2, 4, 3, stride=2, rng=dg.Stream(0))
    >>> layer(dg.Tensor([[[1.0] * 8] * 2])).shape
    (1, 4, 17)
    """

    operation = staticmethod(convolution.conv_transpose1d)
    axes = 1
    transposed = True


class ConvTranspose2d(_Convolution):
    """The transpose of `Conv2d`: each pixel spreads a filter; `output_padding` adds at the end.

    >>> import dlgraph as dg
    >>> layer = dg.nn.ConvTranspose2d(2, 4, 3, stride=2, rng=dg.Stream(0))
    >>> layer(dg.Tensor([[[[1.0] * 8] * 8] * 2])).shape
    (1, 4, 17, 17)
    """

    operation = staticmethod(convolution.conv_transpose2d)
    axes = 2
    transposed = True


class MaxPool2d(Module):
    """The largest element of each window; see `dg.max_pool2d`.

    >>> import dlgraph as dg
    >>> dg.nn.MaxPool2d(2)(dg.Tensor([[[[1.0, 2.0], [3.0, 4.0]]]])).tolist()
    [[[[4.0]]]]
    """

    def __init__(self, kernel: Any, *, stride: Any = None, padding: Any = 0):
        self.kernel, self.stride, self.padding = kernel, stride, padding

    def forward(self, x: Any) -> Any:
        """One element per window."""
        return pooling.max_pool2d(x, self.kernel, stride=self.stride, padding=self.padding)

    def extra_repr(self) -> str:
        """The window."""
        return str(self.kernel)


class AvgPool2d(MaxPool2d):
    """The mean of each window; see `dg.avg_pool2d`.

    >>> import dlgraph as dg
    >>> dg.nn.AvgPool2d(2)(dg.Tensor([[[[1.0, 2.0], [3.0, 4.0]]]])).tolist()
    [[[[2.5]]]]
    """

    def forward(self, x: Any) -> Any:
        """One element per window."""
        return pooling.avg_pool2d(x, self.kernel, stride=self.stride, padding=self.padding)


class AdaptiveAvgPool2d(Module):
    """Means over as many windows as asked for; see `dg.adaptive_avg_pool2d`.

    >>> import dlgraph as dg
    >>> dg.nn.AdaptiveAvgPool2d(1)(dg.Tensor([[[[1.0, 2.0], [3.0, 4.0]]]])).tolist()
    [[[[2.5]]]]
    """

    def __init__(self, out: Any):
        self.out = out

    def forward(self, x: Any) -> Any:
        """One element per window."""
        return pooling.adaptive_avg_pool2d(x, self.out)

    def extra_repr(self) -> str:
        """The size of the result."""
        return str(self.out)
