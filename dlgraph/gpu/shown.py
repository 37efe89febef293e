"""What a GPU runs for a graph, as text: the kernels in CUDA C and the launches in order.

It needs no GPU: the text is the same that the compiler gets.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from dlgraph.core.feeds import check_feed
from dlgraph.core.graph import Graph
from dlgraph.core.program import Settings
from dlgraph.core.tree import flatten
from dlgraph.errors import OperationError
from dlgraph.executors.draft import NoPlan
from dlgraph.executors.lowering import Fed
from dlgraph.executors.plan import Place, Plan, strides_of
from dlgraph.executors.source import Source, SourceLine
from dlgraph.gpu.cuda import helpers
from dlgraph.gpu.launches import Launch, launches_of


class GpuSource(Source):
    """The launches of a plan, a line each; printed with the kernels in CUDA C above them.

    `code` is the text of the kernels; `kernels` and `products` say how many a run launches, and
    `bytes` how many bytes of memory each of them reads or writes, in all.

    >>> import dlgraph as dg
    >>> with dg.Graph().as_default():
    ...     x = dg.placeholder((2, 3), name="x")
    ...     y = dg.sum(x * x)
    >>> found = dg.gpu.source(y, {x: dg.zeros((2, 3))})
    >>> found.kernels, found.products, found.bytes
    (1, 0, 28)
    """

    def __init__(self, plan: Plan, launches: Sequence[Launch]):
        records = plan.graph.records
        super().__init__(
            ", ".join(records[i].name for i in plan.fetches),
            [_line(plan, launch) for launch in launches],
        )
        self.code = _code(plan, launches)
        self.kernels = sum(launch.kernel is not None for launch in launches)
        self.products = sum(launch.product is not None for launch in launches)
        self.others = len(launches) - self.kernels - self.products
        self.bytes = sum(_touched(place) for one in launches for place in one.places if place)

    @property
    def counted(self) -> str:
        """How many kernels and products, in words."""
        one, other = self.kernels == 1, self.products == 1
        kernels = f"{self.kernels} kernel{'s' * (not one)}"
        return f"{kernels} and {self.products} product{'s' * (not other)} in a run"

    def __str__(self) -> str:
        order = "\n".join(f"// {line}" for line in self)
        return "\n\n".join(filter(None, [f"// {self.title}", self.code, order]))


def source(fetches: Any, feed: Mapping[Any, Any], level: int = 2, fused: bool = True) -> GpuSource:
    """What a GPU would run for these nodes, for values of these shapes; no GPU is needed.

    `level` says how much is optimised before, as in `dg.Session`.  With `fused=False` every
    operation has a kernel of its own.  Parameters must have values.

    Raises `OperationError` for a graph that would run node by node.

    >>> import dlgraph as dg
    >>> with dg.Graph().as_default():
    ...     x = dg.placeholder((1000,), name="x")
    ...     y = dg.relu(x * 2.0 + 1.0)
    >>> found = dg.gpu.source(y, {x: [0.0] * 1000})
    >>> found.counted, dg.gpu.source(y, {x: [0.0] * 1000}, fused=False).counted
    ('1 kernel and 0 products in a run', '3 kernels and 0 products in a run')
    >>> print(found.code.splitlines()[-1], found[0].code)
    } k0_fused<<<4, 256>>>
    """
    from dlgraph.gpu.program import GpuProgram

    nodes, _ = flatten(fetches)
    graph: Graph = nodes[0].graph
    fed = check_feed(graph, feed)
    settings = Settings("planned", level if fused else min(level, 1), False, False, "gpu")
    program = GpuProgram(graph, [graph.index_of(n) for n in nodes], list(fed), settings)
    shapes = [
        Fed(v.shape, strides_of(v.shape, graph.records[i].spec.dtype.itemsize))
        for i, v in fed.items()
    ]
    try:
        plan = program.make_plan(shapes)
        launches, _ = launches_of(plan, blas=True, fused=fused)
    except NoPlan as no:
        raise OperationError(f"this graph would run node by node on a GPU: {no}") from None
    return GpuSource(plan, launches)


def _touched(place: Place) -> int:
    """Bytes of the elements, those that are only repeated counted once."""
    steps = zip(place.shape, place.strides or (), strict=True)
    return place.dtype.itemsize * math.prod(n for n, step in steps if step)


def _line(plan: Plan, launch: Launch) -> SourceLine:
    step = plan.instructions[launch.numbers[-1]]
    record = plan.graph.records[step.record]
    if launch.kernel is not None:
        grid, block = (" x ".join(map(str, n)) for n in launch.kernel[1:])
        text = f"{launch.name}<<<{grid}, {block}>>>"
    elif launch.product is not None:
        m, n, k = launch.product.sizes
        text = f"cuBLAS gemm, {m} x {k} by {k} x {n}"
    else:
        text = f"CuPy {step.primitive.name}"
    return SourceLine(text, record.name, "", record.where)


def _code(plan: Plan, launches: Sequence[Launch]) -> str:
    """All kernels as one text of CUDA C, each with the nodes that it computes."""
    texts: dict[str, str] = {}
    for launch in launches:
        if launch.kernel is not None and launch.name not in texts:
            head = "\n".join(f"// {line}" for line in _described(plan, launch))
            texts[launch.name] = f"{head}\n{launch.kernel.text.replace('NAME', launch.name)}"
    kernels = "\n\n".join(texts.values())
    return "\n\n".join(filter(None, [helpers(kernels), kernels]))


def _described(plan: Plan, launch: Launch) -> list[str]:
    """The nodes that a launch computes, with the lines that made them."""
    records = plan.graph.records
    lines = []
    for index in dict.fromkeys(plan.instructions[n].record for n in launch.numbers):
        record = records[index]
        where = f"  ({record.where.place})" if record.where else ""
        # One line of a comment: no line breaks, and no backslash that would continue it.
        lines.append(" ".join(f"{record.name}{where}".replace("\\", "/").split()))
    return lines
