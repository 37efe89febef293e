"""What to say about a name that is not there: its name here, or the nearest one.

Whoever comes from NumPy, PyTorch or TensorFlow tries the names from there.  `operators.py` asks
for methods of tensors and nodes; `dlgraph`, `dlgraph.nn` and `dlgraph.optim` for what they hold.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NoReturn

from dlgraph.core.primitive import FUNCTIONS
from dlgraph.errors import UnknownNameError

FUNCTIONS_ELSEWHERE = {
    "BatchNorm1d": "dg.nn.BatchNorm",
    "BatchNorm2d": "dg.nn.BatchNorm",
    "CrossEntropyLoss": "dg.cross_entropy",
    "Dense": "dg.nn.Linear",
    "MSELoss": "dg.mse_loss",
    "ModuleList": "a list: layers in it are found",
    "Parameter": "dg.Parameter",
    "array": "dg.Tensor",
    "bmm": "dg.matmul",
    "cat": "dg.concatenate",
    "clamp": "dg.clip",
    "dot": "dg.matmul",
    "from_numpy": "dg.Tensor",
    "functional": "dg itself: dg.relu(x)",
    "global_variables_initializer": "session.run(graph.startup)",
    "manual_seed": "dg.seed",
    "mm": "dg.matmul",
    "permute": "dg.transpose",
    "rand": "dg.random_uniform",
    "randn": "dg.random_normal",
    "reduce_mean": "dg.mean",
    "reduce_sum": "dg.sum",
    "tensor": "dg.Tensor",
    "unsqueeze": "dg.expand_dims",
}

METHODS_ELSEWHERE = {
    "clamp": "x.clip(low, high)",
    "cpu": 'x.to("cpu")',
    "cuda": 'x.to("gpu")',
    "cumsum": "dg.cumsum(x, axis)",
    "data": "x.numpy() for the values, x.assign(values) to replace them",
    "dim": "x.ndim",
    "dot": "x @ y",
    "double": 'x.astype("float64")',
    "eval": "session.run(x, feed), or x.numpy() of a tensor",
    "expand": "dg.broadcast_to(x, shape)",
    "float": 'x.astype("float32")',
    "gather": "dg.take_along_axis(x, indices, axis)",
    "grad": "dg.gradients(y, [x]): in a graph the gradient is a node too",
    "int": 'x.astype("int64")',
    "long": 'x.astype("int64")',
    "mm": "x @ y",
    "norm": "dg.norm(x)",
    "permute": "x.transpose(axes)",
    "ravel": "x.flatten()",
    "sort": "dg.sort(x, axis)",
    "t": "x.T",
    "unsqueeze": "dg.expand_dims(x, axis)",
    "view": "x.reshape(sizes)",
    "zero_grad": "optimizer.zero_grad()",
}


def no_function(module: str, name: str, known: Iterable[str]) -> AttributeError:
    """The error for a name that the module lacks; `known` are those that it has."""
    what = f"module {module!r} has no attribute {name!r}"
    if name.startswith("_"):  # Python or Jupyter looks whether something is there
        return AttributeError(what)
    elsewhere = FUNCTIONS_ELSEWHERE.get(name) or (f"dg.{name}" if name in FUNCTIONS else None)
    hint = f"here it is {elsewhere}" if elsewhere else nearest(name, known)
    return UnknownNameError(what, hint=hint)


class Elsewhere:
    """Stands for a method or attribute that other libraries have; asking for it says ours.

    It raises an AttributeError, so `hasattr` says that the name is not there.
    """

    def __init__(self, name: str):
        self.name = name

    def __get__(self, value: object, owner: type) -> NoReturn:
        raise UnknownNameError(
            f"{owner.__name__!r} object has no attribute {self.name!r}",
            hint=f"here it is {METHODS_ELSEWHERE[self.name]}",
        )


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Names that look alike, as a question.

    >>> from dlgraph.core.names import nearest
    >>> nearest("sofmax", ["softmax", "relu"])
    'did you mean softmax?'
    """
    import difflib

    lower = {one.lower(): one for one in known if not one.startswith("_")}
    near = [lower[one] for one in difflib.get_close_matches(name.lower(), lower, 2, 0.6)]
    return f"did you mean {' or '.join(near)}?" if near else None
