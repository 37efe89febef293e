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
from dlgraph.core.bundle import unstack
from dlgraph.core.control import cond, scan, while_loop
from dlgraph.core.derivatives import grad, value_and_grad
from dlgraph.core.function import function
from dlgraph.core.gradients import gradients
from dlgraph.core.graph import Graph, name_scope
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
    custom_vjp,
    hessian,
    hvp,
    jacobian,
    jvp,
    vjp,
)
from dlgraph.draw import draw
from dlgraph.ops.contract import matmul
from dlgraph.ops.index import (
    getitem,
    one_hot,
    put_along_axis,
    scatter,
    scatter_add,
    take,
    take_along_axis,
)
from dlgraph.ops.math import (
    absolute,
    add,
    astype,
    cast,
    cos,
    divide,
    equal,
    exp,
    greater,
    greater_equal,
    identity,
    less,
    less_equal,
    log,
    logical_and,
    logical_not,
    logical_or,
    maximum,
    minimum,
    multiply,
    negative,
    not_equal,
    ones_like,
    pow,
    power,
    raise_to,
    relu,
    sigmoid,
    sign,
    sin,
    sqrt,
    square,
    stop_gradient,
    subtract,
    tanh,
    to_integer,
    where,
    zeros_like,
)
from dlgraph.ops.nn import (
    accuracy,
    cross_entropy,
    l1_loss,
    log_softmax,
    minus_one_hot,
    mse_loss,
    softmax,
    softmax_cross_entropy,
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
from dlgraph.ops.shape import (
    broadcast_to,
    concatenate,
    concatenate_part,
    expand_dims,
    flatten,
    reshape,
    reshape_like,
    size_along,
    squeeze,
    stack,
    swapaxes,
    transpose,
)

_LAZY = {"data": "dlgraph.data", "testing": "dlgraph.testing"}


def __getattr__(name: str):
    # Data sets and testing tools are imported when first used: the engine alone starts fast.
    if name not in _LAZY:
        raise AttributeError(f"module 'dlgraph' has no attribute {name!r}")
    import importlib

    return importlib.import_module(_LAZY[name])


def __dir__() -> list[str]:
    return sorted([*globals(), *_LAZY])
