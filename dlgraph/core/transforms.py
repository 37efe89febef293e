"""Derivatives of functions, in both modes: `vjp`, `jvp`, `jacobian`, `hessian`, `hvp`.

Each is a few lines over the gradient, and each works on tensors (numbers now) and on nodes (more
nodes), so they nest to any order.  Also here: computing again instead of remembering
(`checkpoint`).  Next: `custom.py`, gradients of your own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from dlgraph.core.arrays import is_array
from dlgraph.core.autodiff import gradients_of
from dlgraph.core.body import input_names, set_outputs, trace
from dlgraph.core.calls import invoke
from dlgraph.core.control import symbolic
from dlgraph.core.gradients import gradients
from dlgraph.core.mode import enable_grad
from dlgraph.core.node import Node
from dlgraph.core.primitive import FUNCTIONS
from dlgraph.core.promotion import weak_kind
from dlgraph.core.spec import same_shape, show_shape, size_of, spec_of
from dlgraph.core.tensor import Tensor, _plain, value_of
from dlgraph.core.tree import flatten, rebuild
from dlgraph.errors import DtypeError, OperationError, ShapeError


def pulled_back(outputs: Sequence[Any], inputs: Sequence[Any], seeds: Sequence[Any]) -> list[Any]:
    """Gradients of the sum of <output, seed>, differentiable again; zeros where there is none."""
    if symbolic([*outputs, *inputs]):
        total = None
        for output, seed in zip(outputs, seeds, strict=True):
            if isinstance(output, Node) and output.dtype.kind in "fc":
                found = gradients(output, list(inputs), gradient=seed)
                total = (
                    found if total is None else [a + b for a, b in zip(total, found, strict=True)]
                )
        return total or [FUNCTIONS["zeros_like"](x) for x in inputs]
    found = gradients_of(list(outputs), list(seeds), list(inputs), create_graph=True, retain=True)
    return [
        _plain(np.zeros_like(value_of(x))) if g is None else g
        for g, x in zip(found, inputs, strict=True)
    ]


def _fresh(x: Any) -> Any:
    """A value to differentiate with respect to, on which the outside depends as it did."""
    if isinstance(x, Node):
        return FUNCTIONS["identity"](x)
    if isinstance(x, Tensor) and x.requires_grad:
        with enable_grad():
            return FUNCTIONS["identity"](x)
    return Tensor(x, requires_grad=True)


def _run(function: Callable[..., Any], xs: Sequence[Any]) -> tuple[list[Any], Any, list[Any]]:
    inputs = [_fresh(x) for x in xs]
    with enable_grad():
        outputs, form = flatten(function(*inputs))
    return outputs, form, inputs


def _run_one(what: str, function: Callable[..., Any], x: Any) -> tuple[Any, Any]:
    """The output and the input of a function of one value that returns one."""
    outputs, _, (source,) = _run(function, [x])
    if len(outputs) != 1:
        raise OperationError(
            f"{what}: the function returned {len(outputs)} values, it must return one",
            hint="join them: dg.concatenate([a, b]), or ask for each by itself",
        )
    return outputs[0], source


def _several(found: list[Any]) -> Any:
    return found[0] if len(found) == 1 else tuple(found)


def vjp(function: Callable[..., Any], *xs: Any) -> tuple[Any, Callable[..., Any]]:
    r"""The value of a function and its vector-Jacobian product $v \mapsto v^\top J$.

    >>> import dlgraph as dg
    >>> y, pull = dg.vjp(lambda a, b: a * b, dg.Tensor(3.0), dg.Tensor(4.0))
    >>> print(y, *pull(dg.Tensor(1.0)))
    12.0 4.0 3.0
    """
    outputs, form, inputs = _run(function, xs)

    def pull(*cotangents: Any) -> Any:
        seeds, _ = flatten(cotangents if len(cotangents) != 1 else cotangents[0])
        if len(seeds) != len(outputs):
            raise OperationError(f"vjp: {len(outputs)} outputs, {len(seeds)} cotangents")
        return _several(pulled_back(outputs, inputs, _vectors("vjp", seeds, outputs)))

    return rebuild(form, outputs), pull


def _vectors(what: str, given: Sequence[Any], likes: Sequence[Any]) -> list[Any]:
    """Vectors as values, each of the shape and dtype of what it is multiplied with."""
    found = []
    for k, (vector, like) in enumerate(zip(given, likes, strict=True)):
        wanted = spec_of(like)
        if not isinstance(vector, (Node, Tensor)):
            bare = weak_kind(vector) is not None
            vector = Tensor(vector, dtype=wanted.dtype if bare else None)
        spec = spec_of(vector)
        if spec.dtype != wanted.dtype or not same_shape(spec.shape, wanted.shape):
            wrong = DtypeError if same_shape(spec.shape, wanted.shape) else ShapeError
            raise wrong(
                f"{what}: vector {k} is {spec}, it must be {wanted}",
                hint="a vector has the shape and the dtype of what it is multiplied with",
            )
        found.append(vector)
    return found


def jvp(
    function: Callable[..., Any], xs: Sequence[Any], tangents: Sequence[Any]
) -> tuple[Any, Any]:
    r"""The value of a function and its Jacobian-vector product $J t$ (forward mode).

    The vector-Jacobian product is linear in its vector; differentiating it by that vector gives
    the product from the other side.

    >>> import dlgraph as dg
    >>> print(*dg.jvp(lambda x: x * x, [dg.Tensor(3.0)], [dg.Tensor(1.0)]))
    9.0 6.0
    """
    if not isinstance(xs, (list, tuple)) or not isinstance(tangents, (list, tuple)):
        raise OperationError(
            "jvp takes a list of inputs and a list of tangents", hint="dg.jvp(f, [x], [t])"
        )
    if len(xs) != len(tangents):
        raise OperationError(f"jvp: {len(xs)} inputs, {len(tangents)} tangents")
    outputs, form, inputs = _run(function, xs)
    probes = [_probe(output) for output in outputs]
    pulled = pulled_back(outputs, inputs, probes)
    pushed = pulled_back(pulled, probes, _vectors("jvp", tangents, inputs))
    return rebuild(form, outputs), rebuild(form, pushed)


def _probe(output: Any) -> Any:
    zeros = FUNCTIONS["zeros_like"](output)
    return zeros if isinstance(zeros, Node) else Tensor(zeros, requires_grad=True)


def jacobian(function: Callable[..., Any], x: Any) -> Any:
    r"""All partial derivatives $\partial y_i / \partial x_j$; shape of y followed by shape of x.

    >>> import dlgraph as dg
    >>> print(dg.jacobian(lambda x: x * x, dg.Tensor([1.0, 2.0])))
    [[2. 0.]
     [0. 4.]]
    """
    output, source = _run_one("jacobian", function, x)
    spec = spec_of(output)
    count = size_of(spec.shape)
    if count is None:
        raise ShapeError(
            f"jacobian: the size of the result {show_shape(spec.shape)} is known only at run time",
            hint="give the placeholder a fixed shape, or use vjp",
        )
    rows = []
    for i in range(count):
        unit = np.zeros(spec.shape, spec.dtype)
        unit.reshape(-1)[i] = 1
        seed = output.graph.convert(unit) if isinstance(output, Node) else _plain(unit)
        rows += pulled_back([output], [source], [seed])
    if not rows:  # of a result without elements: no row of the right length
        return FUNCTIONS["stack"]([FUNCTIONS["zeros_like"](source)])[:0].reshape(
            *spec.shape, *spec_of(source).shape
        )
    return FUNCTIONS["stack"](rows).reshape(*spec.shape, *spec_of(source).shape)


def hessian(function: Callable[..., Any], x: Any) -> Any:
    r"""Second derivatives $\partial^2 y / \partial x_i \partial x_j$ of a scalar function.

    >>> import dlgraph as dg
    >>> print(dg.hessian(lambda x: (x * x * x).sum(), dg.Tensor([1.0, 2.0])))
    [[ 6.  0.]
     [ 0. 12.]]
    """
    return jacobian(lambda inner: _slope(function, inner), x)


def _slope(function: Callable[..., Any], x: Any) -> Any:
    output, source = _run_one("hessian", function, x)
    shape = spec_of(output).shape
    if size_of(shape) not in (1, None):
        raise ShapeError(
            f"hessian: the function returned shape {show_shape(shape)}, second derivatives are "
            "those of a scalar",
            hint="reduce it first, y.sum(), or apply dg.jacobian twice",
        )
    return pulled_back([output], [source], [FUNCTIONS["ones_like"](output)])[0]


def hvp(function: Callable[..., Any], x: Any, v: Any) -> Any:
    """Hessian times a vector, without the Hessian.

    >>> import dlgraph as dg
    >>> print(dg.hvp(lambda x: (x * x * x).sum(), dg.Tensor([1.0, 2.0]), dg.Tensor([1.0, 1.0])))
    [ 6. 12.]
    """
    source = _fresh(x)
    slope = _slope(function, source)
    return pulled_back([slope], [source], _vectors("hvp", [v], [source]))[0]


def checkpoint(function: Callable[..., Any], *inputs: Any) -> Any:
    """Run a function without keeping what it computes on the way; compute it again backward.

    Saves memory for time (Chen et al., "Training deep nets with sublinear memory cost", 2016).
    Parameters and tensors that the function uses get their gradients as usual; inputs that are
    no tensors or arrays are passed on as they are.

    >>> import dlgraph as dg
    >>> x = dg.Tensor(2.0, requires_grad=True)
    >>> dg.checkpoint(lambda x: x * x * x, x).backward()
    >>> print(x.grad)
    12.0
    """
    leaves, form = flatten(inputs)
    places = [i for i, x in enumerate(leaves) if _is_value(x)]
    values = [leaves[i] for i in places]
    forms: list[Any] = []

    def traced(*nodes: Any) -> list[Any]:
        given = dict(zip(places, nodes, strict=True))
        filled = [given.get(i, x) for i, x in enumerate(leaves)]
        outputs, result_form = flatten(function(*rebuild(form, filled)))
        forms.append(result_form)
        return outputs

    name = getattr(function, "__name__", "checkpoint").strip("<>")
    labels = input_names(function, rebuild(form, range(len(leaves))))
    names = [labels[i] for i in places] if labels else []
    body, outputs = trace(traced, [spec_of(x) for x in values], name, names)
    set_outputs(body, outputs, name)
    result = invoke(body, values)
    body.captures = []
    return rebuild(forms[0], result)


def _is_value(x: Any) -> bool:
    return isinstance(x, (Node, Tensor)) or (is_array(x) and weak_kind(x) is None)
