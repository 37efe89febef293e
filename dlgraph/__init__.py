"""dlgraph: computation graphs to look at, in two modes.

Eager (define-by-run): operations on `Tensor`s compute at once and can be walked backward.
Define-then-run: `placeholder`s and operations build a `Graph`, a `Session` runs it.
Both interpret the same primitives.

>>> import dlgraph as dg
>>> a = dg.Tensor(4.0, requires_grad=True)
>>> b = dg.Tensor(5.0, requires_grad=True)
>>> print(2 * a + 3 * b)
23.0
"""

from dlgraph import core, errors, nn, optim
from dlgraph._version import __version__
from dlgraph.core.building import name_scope
from dlgraph.core.bundle import unstack
from dlgraph.core.control import cond
from dlgraph.core.custom import custom_vjp
from dlgraph.core.derivatives import grad, value_and_grad
from dlgraph.core.function import function
from dlgraph.core.gradients import gradients
from dlgraph.core.graph import Graph
from dlgraph.core.loops import scan
from dlgraph.core.mode import enable_grad, is_recording, no_grad, watch
from dlgraph.core.node import Node
from dlgraph.core.parameter import Parameter
from dlgraph.core.primitive import Primitive, composite, primitive
from dlgraph.core.program import Program
from dlgraph.core.session import Session
from dlgraph.core.spec import Dim, Spec
from dlgraph.core.state import (
    assign,
    constant,
    group,
    placeholder,
    read,
    train_or_test,
    variable,
)
from dlgraph.core.tensor import Tensor
from dlgraph.core.transforms import (
    checkpoint,
    hessian,
    hvp,
    jacobian,
    jvp,
    vjp,
)
from dlgraph.core.while_loops import while_loop
from dlgraph.core.why import explain_gradient
from dlgraph.draw import draw
from dlgraph.executors import EXECUTORS as _EXECUTORS
from dlgraph.history import Epoch, History
from dlgraph.ops.activations import (
    celu,
    elu,
    gelu,
    glu,
    hard_sigmoid,
    hard_swish,
    hardtanh,
    leaky_relu,
    log_sigmoid,
    mish,
    prelu,
    relu6,
    selu,
    silu,
    softplus,
    softshrink,
    softsign,
    tanhshrink,
)
from dlgraph.ops.arithmetic import (
    add,
    divide,
    maximum,
    minimum,
    multiply,
    negative,
    pow,
    power,
    raise_to,
    subtract,
)
from dlgraph.ops.arrange import (
    chunk,
    flip,
    moveaxis,
    positions,
    repeat,
    roll,
    split,
    tile,
)
from dlgraph.ops.comparison import (
    equal,
    greater,
    greater_equal,
    less,
    less_equal,
    logical_and,
    logical_not,
    logical_or,
    not_equal,
    where,
)
from dlgraph.ops.contract import matmul
from dlgraph.ops.conv import (
    conv2d_filters,
    conv2d_input,
)
from dlgraph.ops.convolution import (
    conv1d,
    conv2d,
    conv_transpose1d,
    conv_transpose2d,
)
from dlgraph.ops.copies import (
    astype,
    cast,
    identity,
    ones_like,
    stop_gradient,
    to_integer,
    zeros_like,
)
from dlgraph.ops.create import (
    arange,
    eye,
    full,
    full_like,
    linspace,
    meshgrid,
    ones,
    zeros,
)
from dlgraph.ops.diagonal import (
    diag,
    diagonal,
    embed_diagonal,
    trace,
    tril,
    triu,
)
from dlgraph.ops.einsum import (
    einsum,
    inner,
    kron,
    outer,
    tensordot,
)
from dlgraph.ops.functions import (
    arccos,
    arccosh,
    arcsin,
    arcsinh,
    arctan,
    arctan2,
    arctanh,
    cosh,
    exp2,
    expm1,
    hypot,
    log1p,
    log2,
    log10,
    logaddexp,
    reciprocal,
    rsqrt,
    sinc,
    sinh,
    tan,
    xlogy,
)
from dlgraph.ops.gather import (
    add_along_axis,
    embedding,
    index_add,
    index_fill,
    masked_fill,
    masked_select,
    set_along_axis,
)
from dlgraph.ops.index import (
    getitem,
    put_along_axis,
    scatter,
    scatter_add,
    take,
    take_along_axis,
)
from dlgraph.ops.joining import concatenate, concatenate_part, stack
from dlgraph.ops.labels import one_hot
from dlgraph.ops.losses import (
    binary_cross_entropy,
    binary_cross_entropy_with_logits,
    cross_entropy,
    huber_loss,
    kl_div,
    negative_log_likelihood,
    nll_loss,
    smooth_l1_loss,
)
from dlgraph.ops.nn import (
    accuracy,
    l1_loss,
    log_softmax,
    mean_cross_entropy,
    minus_one_hot,
    mse_loss,
    softmax,
    softmax_cross_entropy,
)
from dlgraph.ops.padding import (
    pad,
)
from dlgraph.ops.pool import (
    avg_pool2d_spread,
    max_pool2d_pick,
    max_pool2d_spread,
)
from dlgraph.ops.pooling import (
    adaptive_avg_pool1d,
    adaptive_avg_pool2d,
    adaptive_max_pool1d,
    adaptive_max_pool2d,
    adaptive_max_pool2d_indices,
    avg_pool1d,
    avg_pool2d,
    max_pool1d,
    max_pool1d_indices,
    max_pool2d,
    max_pool2d_indices,
)
from dlgraph.ops.random import (
    Stream,
    default_stream,
    drop,
    dropout,
    random_normal,
    random_uniform,
    seed,
)
from dlgraph.ops.reduce import (
    argmax,
    broadcast_like,
    cast_like,
    element_count,
    expand_like,
    logsumexp,
    max,
    mean,
    min,
    sum,
    sum_like,
    var,
)
from dlgraph.ops.reductions import (
    all,
    any,
    argmin,
    count_nonzero,
    cumprod,
    cumsum,
    norm,
    prod,
    product_of_others,
    std,
)
from dlgraph.ops.rounding import (
    ceil,
    clip,
    copysign,
    floor,
    floor_divide,
    fmod,
    isfinite,
    isinf,
    isnan,
    logical_xor,
    remainder,
    round,
    trunc,
)
from dlgraph.ops.shape import (
    broadcast_to,
    expand_dims,
    flatten,
    reshape,
    reshape_like,
    size_along,
    squeeze,
    swapaxes,
    transpose,
)
from dlgraph.ops.sorting import (
    argsort,
    sort,
    topk,
)
from dlgraph.ops.special import (
    erf,
    erfc,
)
from dlgraph.ops.unary import absolute, cos, exp, log, relu, sigmoid, sign, sin, sqrt, square, tanh
from dlgraph.train import fit

_LAZY = {
    "data": "dlgraph.data",
    "gpu": "dlgraph.gpu",
    "io": "dlgraph.io",
    "passes": "dlgraph.passes",
    "testing": "dlgraph.testing",
}
_LAZY_FUNCTIONS = {
    "explore": "dlgraph.widgets",
    "blas_threads": "dlgraph.executors.threads",
    "build": "dlgraph.draw.builder",
    "device": "dlgraph.gpu.devices",
    "diff": "dlgraph.draw.diff",
    "load": "dlgraph.io",
    "load_checkpoint": "dlgraph.io",
    "load_inference_model": "dlgraph.io",
    "memory": "dlgraph.draw.memory",
    "save": "dlgraph.io",
    "save_checkpoint": "dlgraph.io",
    "save_inference_model": "dlgraph.io",
    "to_python": "dlgraph.executors.standalone",
    "step": "dlgraph.draw.stepper",
    "view": "dlgraph.draw.view",
}


def __getattr__(name: str):
    # Data sets, files and testing tools are imported when first used: the engine starts fast.
    import importlib

    if name in _LAZY:
        return importlib.import_module(_LAZY[name])
    if name in _LAZY_FUNCTIONS:
        return getattr(importlib.import_module(_LAZY_FUNCTIONS[name]), name)
    from dlgraph.core.names import no_function

    raise no_function("dlgraph", name, __dir__())


def __dir__() -> list[str]:
    return sorted([*globals(), *_LAZY, *_LAZY_FUNCTIONS])
