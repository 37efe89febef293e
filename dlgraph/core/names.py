"""What to say about a name that is not there: its name here, or the nearest one.

Whoever comes from NumPy, PyTorch or TensorFlow tries the names from there.  `operators.py` asks
for methods of tensors and nodes, `dlgraph/__init__.py` for functions.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NoReturn

from dlgraph.errors import UnknownNameError

FUNCTIONS_ELSEWHERE = {
    "array": "dg.Tensor",
    "bmm": "dg.matmul",
    "cat": "dg.concatenate",
    "clamp": "dg.clip",
    "dot": "dg.matmul",
    "from_numpy": "dg.Tensor",
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
    "data": "x.numpy() for the values, x.assign(values) to replace them",
    "dim": "x.ndim",
    "dot": "x @ y",
    "double": 'x.astype("float64")',
    "eval": "session.run(x, feed), or x.numpy() of a tensor",
    "float": 'x.astype("float32")',
    "grad": "dg.gradients(y, [x]): in a graph the gradient is a node too",
    "int": 'x.astype("int64")',
    "long": 'x.astype("int64")',
    "mm": "x @ y",
    "norm": "dg.norm(x)",
    "permute": "x.transpose(axes)",
    "ravel": "x.flatten()",
    "t": "x.T",
    "unsqueeze": "dg.expand_dims(x, axis)",
    "view": "x.reshape(sizes)",
}


def no_function(name: str, known: Iterable[str]) -> UnknownNameError:
    """The error for `dg.name`; `known` are the names that `dg` has."""
    elsewhere = FUNCTIONS_ELSEWHERE.get(name)
    hint = f"here it is {elsewhere}" if elsewhere else nearest(name, known)
    return UnknownNameError(f"module 'dlgraph' has no attribute {name!r}", hint=hint)


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
