"""What tests of functions in both modes share."""

from __future__ import annotations

from typing import Any

import dlgraph as dg


def in_graph(build: Any, *arrays: Any) -> Any:
    """What a function of nodes gives, run on these arrays."""
    with dg.Graph().as_default() as graph:
        nodes = [dg.placeholder(a.shape, a.dtype) for a in arrays]
        result = build(*nodes)
    return dg.Session(graph).run(result, dict(zip(nodes, arrays, strict=True)))


def eager(build: Any, *arrays: Any) -> Any:
    """What the same function of tensors gives."""
    found = build(*(dg.Tensor(a) for a in arrays))
    return [f.numpy() for f in found] if isinstance(found, (tuple, list)) else found.numpy()
