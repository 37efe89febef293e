"""What to say about a name that is not there: its name here, or the nearest one.

Whoever comes from NumPy, PyTorch or TensorFlow tries the names from there.  `operators.py` asks
for methods of tensors and nodes, models and optimisers ask for theirs; `dlgraph`, `dlgraph.nn` and
`dlgraph.optim` for what they hold.
"""

from __future__ import annotations

from collections.abc import Iterable
from inspect import getattr_static
from typing import NoReturn

from dlgraph.core.primitive import FUNCTIONS
from dlgraph.errors import UnknownNameError

FUNCTIONS_ELSEWHERE = {
    "Adam": "dg.optim.Adam",
    "AdamOptimizer": "dg.optim.Adam",
    "AvgPool1d": "dg.avg_pool1d",
    "BCELoss": "dg.binary_cross_entropy",
    "BCEWithLogitsLoss": "dg.binary_cross_entropy_with_logits",
    "BatchNorm1d": "dg.nn.BatchNorm",
    "BatchNorm2d": "dg.nn.BatchNorm",
    "CrossEntropyLoss": "dg.cross_entropy",
    "DataLoader": "dg.data.DataLoader",
    "Dense": "dg.nn.Linear",
    "ELU": "dg.elu",
    "GELU": "dg.gelu",
    "GradientDescentOptimizer": "dg.optim.SGD",
    "GradientTape": "y.backward() and x.grad, or dg.grad(y, x)",
    "Identity": "dg.identity",
    "Input": "dg.placeholder",
    "L1Loss": "dg.l1_loss",
    "LeakyReLU": "dg.leaky_relu",
    "Linear": "dg.nn.Linear",
    "LogSoftmax": "dg.log_softmax",
    "MSELoss": "dg.mse_loss",
    "MaxPool1d": "dg.max_pool1d",
    "Model": "dg.nn.Module",
    "Module": "dg.nn.Module",
    "ModuleList": "a list: layers in it are found",
    "Momentum": "momentum=0.9 of dg.optim.SGD",
    "NLLLoss": "dg.nll_loss",
    "Parameter": "dg.Parameter",
    "SGD": "dg.optim.SGD",
    "Sequential": "dg.nn.Sequential",
    "SiLU": "dg.silu",
    "Softplus": "dg.softplus",
    "Variable": "a tensor: dg.Tensor(values, requires_grad=True)",
    "abs": "dg.absolute",
    "array": "dg.Tensor",
    "autograd": "dg.grad",
    "backward": "a method: loss.backward()",
    "bmm": "dg.matmul",
    "bool": 'a word: dtype="bool"',
    "cat": "dg.concatenate",
    "clamp": "dg.clip",
    "cuda": 'x.to("gpu")',
    "div": "dg.divide",
    "dot": "dg.matmul",
    "fashion_mnist": "dg.data.fashion_mnist",
    "float32": 'a word: dtype="float32"',
    "float64": 'a word: dtype="float64"',
    "from_numpy": "dg.Tensor",
    "functional": "dg itself: dg.relu(x)",
    "gather": "dg.take_along_axis",
    "get_variable": "dg.variable",
    "global_variables_initializer": "session.run(graph.startup)",
    "inf": "np.inf",
    "int32": 'a word: dtype="int32"',
    "int64": 'a word: dtype="int64"',
    "jit": "dg.function",
    "keras": "in dg.nn, dg.optim and dg.fit",
    "layers": "dg.nn",
    "lr_scheduler": "dg.optim.Schedule",
    "manual_seed": "dg.seed",
    "mm": "dg.matmul",
    "mnist": "dg.data.mnist",
    "mul": "dg.multiply",
    "nan": "np.nan",
    "neg": "dg.negative",
    "newaxis": "None: x[:, None]",
    "no_gradient": "dg.no_grad",
    "permute": "dg.transpose",
    "pi": "np.pi",
    "plot": "dg.draw",
    "rand": "a stream: dg.default_stream().uniform((2, 3))",
    "randn": "a stream: dg.default_stream().normal((2, 3))",
    "reduce_mean": "dg.mean",
    "reduce_sum": "dg.sum",
    "show": "dg.draw",
    "sub": "dg.subtract",
    "summary": "print(model)",
    "tensor": "dg.Tensor",
    "unsqueeze": "dg.expand_dims",
    "visualize": "dg.draw",
}

METHODS_ELSEWHERE = {
    "add": "x + y",
    "add_": "x.assign(values): a computed tensor is never changed in place",
    "argsort": "dg.argsort(x, axis)",
    "assign": "dg.assign(x, values) for a node, a step that a session runs",
    "bmm": "x @ y",
    "bool": 'x.astype("bool")',
    "chunk": "dg.chunk(x, count, axis)",
    "clamp": "x.clip(low, high)",
    "clone": "dg.identity(x)",
    "copy_": "x.assign(values): a computed tensor is never changed in place",
    "cpu": 'x.to("cpu")',
    "cuda": 'x.to("gpu")',
    "cumsum": "dg.cumsum(x, axis)",
    "data": "x.numpy() for the values, x.assign(values) to replace them",
    "dim": "x.ndim",
    "div": "x / y",
    "divide": "x / y",
    "dot": "x @ y",
    "double": 'x.astype("float64")',
    "eq": "x == y",
    "eval": "session.run(x, feed), or x.numpy() of a tensor",
    "expand": "dg.broadcast_to(x, shape)",
    "fill_": "x.assign(values): a computed tensor is never changed in place",
    "float": 'x.astype("float32")',
    "gather": "dg.take_along_axis(x, indices, axis)",
    "ge": "x >= y",
    "grad": "dg.gradients(y, [x]): in a graph the gradient is a node too",
    "grad_fn": "print(x.graph)",
    "gt": "x > y",
    "index_select": "dg.take(x, indices, axis)",
    "int": 'x.astype("int64")',
    "le": "x <= y",
    "long": 'x.astype("int64")',
    "lt": "x < y",
    "masked_fill": "dg.masked_fill(x, mask, value)",
    "matmul": "x @ y",
    "maximum": "dg.maximum(x, y)",
    "minimum": "dg.minimum(x, y)",
    "mm": "x @ y",
    "mul": "x * y",
    "mul_": "x.assign(values): a computed tensor is never changed in place",
    "multiply": "x * y",
    "ne": "x != y",
    "neg": "-x",
    "negative": "-x",
    "norm": "dg.norm(x)",
    "numel": "x.size",
    "permute": "x.transpose(axes)",
    "pow": "dg.pow(x, n), or x**n",
    "ravel": "x.flatten()",
    "repeat": "dg.tile(x, repeats)",
    "requires_grad_": "x.requires_grad = True",
    "retain_grad": "x.grad (backward() fills that of results in between, too)",
    "size": "dg.size_along(x, axis) for a node: sizes may be known only when it runs",
    "sort": "dg.sort(x, axis)",
    "split": "dg.split(x, parts, axis)",
    "sub": "x - y",
    "sub_": "x.assign(values): a computed tensor is never changed in place",
    "subtract": "x - y",
    "t": "x.T",
    "topk": "dg.topk(x, k)",
    "type": 'x.astype("float32")',
    "unsqueeze": "dg.expand_dims(x, axis)",
    "view": "x.reshape(sizes)",
    "view_as": "x.reshape(y.shape)",
    "zero_": "optimizer.zero_grad(), or w.grad = None",
    "zero_grad": "optimizer.zero_grad()",
}

MODELS_ELSEWHERE = {
    "add": "dg.nn.Sequential(layer, layer, ...), or model.layer = ... in __init__",
    "add_module": "model.layer = ...: what is an attribute is part of the model",
    "buffers": "model.parameters(): those with requires_grad=False are not trained",
    "compile": "dg.fit(model, data, optimizer=..., loss=...)",
    "cpu": 'model.to("cpu")',
    "cuda": 'model.to("gpu")',
    "double": 'dtype="float64" of its layers',
    "evaluate": "model.eval(), then model(x)",
    "fit": "dg.fit(model, dg.data.DataLoader(x, y, batch_size=32))",
    "get_weights": "model.state_dict()",
    "half": 'dtype="float16" of its layers',
    "load_weights": "model.load_state_dict(dg.load(path))",
    "named_children": "model.children()",
    "predict": "model(x)",
    "register_buffer": "model.name = dg.Parameter(values, requires_grad=False)",
    "register_parameter": "model.name = dg.Parameter(values)",
    "save": "dg.save(path, model)",
    "save_weights": "dg.save(path, model)",
    "set_weights": "model.load_state_dict(state)",
    "summary": "print(model), and model.parameter_count()",
    "train_on_batch": "loss.backward(), then optimizer.step()",
    "train_step": "loss.backward(), then optimizer.step(); or dg.fit(model, data)",
    "trainable_variables": "model.parameters()",
    "trainable_weights": "model.parameters()",
    "weights": "model.parameters()",
}

OPTIMIZERS_ELSEWHERE = {
    "add_param_group": 'a list of groups: dg.optim.SGD([{"parameters": [w], "lr": 0.1}])',
    "compute_gradients": "dg.gradients(loss, parameters), then optimizer.apply_gradients(pairs)",
    "get_lr": "optimizer.lr",
    "learning_rate": "optimizer.lr",
    "param_groups": "optimizer.groups: optimizer.groups[0].lr",
    "set_lr": "optimizer.lr = 0.01",
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

    `here` says what it is here.  It raises an AttributeError, so `hasattr` says that the name is
    not there.
    """

    def __init__(self, name: str, here: str):
        self.name, self.here = name, here

    def __get__(self, value: object, owner: type) -> NoReturn:
        raise UnknownNameError(
            f"{owner.__name__!r} object has no attribute {self.name!r}",
            hint=f"here it is {self.here}",
        )


class NotSetHere(Elsewhere):
    """The same for what is also assigned to: `optimizer.learning_rate = 3` would do nothing."""

    def __set__(self, value: object, new: object) -> NoReturn:
        self.__get__(value, type(value))


def names_of(value: object) -> list[str]:
    """What `dir` lists: all attributes but the names of other libraries."""
    return [
        name
        for name in object.__dir__(value)
        if not isinstance(getattr_static(value, name, None), Elsewhere)
    ]


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
