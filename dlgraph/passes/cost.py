"""What a node costs: floating point operations and bytes moved, from shapes and dtypes alone.

One rule per kind of primitive, and the exceptions in one table.  The counts are the usual ones: a
multiplication and an addition are two operations, a comparison, a cast or a copy is none, and a
function such as `exp` or `tanh` counts as ten, about the length of the polynomial that computes
it.  Bytes are those of all inputs and of the output: what would be moved if nothing stayed in a
cache.  Views move nothing.  The passes use this to say what they save, and `program.profile` to say
how close to the machine's limit a node runs.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from dlgraph.core.body import Body
from dlgraph.core.node import NO_VALUE, Record
from dlgraph.core.spec import BundleSpec, Dim

FUNCTION = 10  # operations of a polynomial for exp, tanh and the like


class Cost(NamedTuple):
    """Floating point operations and bytes; `open` counts nodes whose sizes are not known.

    >>> from dlgraph.passes import Cost
    >>> Cost(flops=100, bytes=8) + Cost(flops=20)
    Cost(flops=120, bytes=8, open=0)
    """

    flops: int = 0
    bytes: int = 0
    open: int = 0

    def __add__(self, other: Any) -> Cost:
        return Cost(self.flops + other.flops, self.bytes + other.bytes, self.open + other.open)

    def __sub__(self, other: Any) -> Cost:
        return Cost(self.flops - other.flops, self.bytes - other.bytes, self.open)

    @property
    def weight(self) -> int:
        """One number to sort by."""
        return abs(self.flops) + abs(self.bytes)

    def text(self, of: Cost | None = None) -> str:
        """`saves 2.5 MFLOP and 0.4 MiB`; empty if there is nothing to say.

        Given what it is a part of, the share is told too.

        >>> from dlgraph.passes.cost import Cost
        >>> Cost(2_500_000, -4_000).text()
        'saves 2.5 MFLOP, costs 3.9 KiB'
        >>> Cost(2_500_000).text(Cost(10_000_000))
        'saves 2.5 MFLOP (25 %)'
        """
        words: dict[str, list[str]] = {}
        whole = of or NOTHING
        rows = ((self.flops, whole.flops, show_flops), (self.bytes, whole.bytes, show_bytes))
        for amount, every, shown in rows:
            if amount:
                share = (
                    f" ({100 * abs(amount) / every:.2g} %)"
                    if 1000 * abs(amount) > every > 0
                    else ""
                )
                verb = "saves" if amount > 0 else "costs"
                words.setdefault(verb, []).append(shown(abs(amount)) + share)
        return ", ".join(f"{verb} {' and '.join(found)}" for verb, found in words.items())


NOTHING = Cost()


def show_flops(count: int) -> str:
    """A number of operations as people write it.

    >>> from dlgraph.passes.cost import show_flops
    >>> show_flops(160), show_flops(2_508_800)
    ('160 FLOP', '2.51 MFLOP')
    """
    for unit, size in (("T", 10**12), ("G", 10**9), ("M", 10**6), ("K", 10**3)):
        if count >= size:
            return f"{count / size:.3g} {unit}FLOP"
    return f"{count} FLOP"


def show_bytes(count: float) -> str:
    """A number of bytes as people write it: 1 KiB is 1024 bytes, 1 MiB is 1024 KiB.

    >>> from dlgraph.passes.cost import show_bytes
    >>> show_bytes(512), show_bytes(51_200), show_bytes(3_211_264)
    ('512 B', '50.0 KiB', '3.1 MiB')
    """
    for unit in ("B", "KiB", "MiB"):
        if count < 1024:
            return f"{count:.0f} B" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} GiB"


def cost_of(record: Record, inputs: Sequence[Any], sizes: Mapping[Dim, int]) -> Cost:
    """The cost of a record, given the specs of its inputs and the sizes of unknown dimensions.

    >>> import dlgraph as dg
    >>> from dlgraph.passes.cost import cost_of
    >>> with dg.Graph().as_default() as g:
    ...     y = dg.placeholder((16, 784)) @ dg.placeholder((784, 100))
    >>> cost_of(y.record, [node.spec for node in y.inputs], {})
    Cost(flops=2508800, bytes=370176, open=0)
    """
    primitive = record.primitive
    counted = COUNTS.get(primitive.name) or BY_KIND.get(primitive.kind, _per_element)
    if counted is None or record.spec == NO_VALUE:
        return NOTHING
    shapes: list[Any] = [_shape(spec, sizes) for spec in inputs]
    shape = _shape(record.spec, sizes)
    if primitive.kind == "control":
        return _body_cost(record, shapes, sizes)
    if shape is None or any(s is None for s in shapes):
        return Cost(open=1)
    moved = sum(
        math.prod(s) * spec.dtype.itemsize
        for s, spec, name in zip(shapes, inputs, _names(primitive, len(inputs)), strict=True)
        if name not in primitive.shape_only and name not in primitive.unused
    )
    moved += math.prod(shape) * record.spec.dtype.itemsize
    return Cost(int(counted(record, shape, shapes)), moved)


def _names(primitive: Any, count: int) -> tuple[str, ...]:
    return primitive.inputs * count if primitive.variadic else primitive.inputs


def _shape(spec: Any, sizes: Mapping[Dim, int]) -> tuple[int, ...] | None:
    if isinstance(spec, BundleSpec):
        return None
    shape: Any = tuple(sizes.get(s, s) if isinstance(s, Dim) else s for s in spec.shape)
    return None if any(isinstance(s, Dim) for s in shape) else shape


def _body_cost(record: Record, shapes: Sequence[Any], sizes: Mapping[Dim, int]) -> Cost:
    """A call costs its body, a scan that of all turns, a branch the dearer of the two."""
    bodies = [value for value in record.attrs.values() if isinstance(value, Body)]
    if not bodies or record.primitive.name.startswith("while"):
        return Cost(open=1)
    found = [
        sum(
            (cost_of(r, [body.records[k].spec for k in r.inputs], sizes) for r in body.records),
            NOTHING,
        )
        for body in bodies
    ]
    one = max(found, key=lambda cost: cost.weight)
    turns = 1
    if record.primitive.name == "scan":
        first = 1 + record.attrs["carries"]  # the number of turns comes before them
        lengths = [s[0] for s in shapes[first : first + record.attrs["sequences"]] if s]
        if not lengths:
            return Cost(open=1)
        turns = lengths[0]
    return Cost(one.flops * turns, one.bytes * turns, one.open)


# ---- one rule per kind ---------------------------------------------------------------------------

Counter = Callable[[Record, Sequence[int], Sequence[Sequence[int]]], float]


def _per_element(record: Record, shape: Sequence[int], inputs: Any) -> float:
    return math.prod(shape)


def _times(factor: int) -> Counter:
    return lambda record, shape, inputs: factor * math.prod(shape)


def _per_input(factor: int) -> Counter:
    return lambda record, shape, inputs: factor * math.prod(inputs[0])


def _none(record: Record, shape: Sequence[int], inputs: Any) -> float:
    return 0


BY_KIND: dict[str, Counter | None] = {
    "elementwise": _per_element,
    "reduce": _per_input(1),
    "contract": _per_element,
    "loss": _per_input(FUNCTION + 3),
    "view": None,
    "state": None,
    "index": _none,
    "random": _times(FUNCTION),
    "effect": _none,
    "control": _none,
}


# ---- the exceptions ------------------------------------------------------------------------------


def _matmul(record: Record, shape: Sequence[int], inputs: Sequence[Sequence[int]]) -> float:
    return 2 * math.prod(shape) * inputs[0][-1]


def _gemm(record: Record, shape: Sequence[int], inputs: Sequence[Sequence[int]]) -> float:
    inner = inputs[0][-2 if record.attrs["ta"] else -1]
    return 2 * math.prod(shape) * inner + math.prod(shape)


def _filter(position: int, grid: int) -> Counter:
    """A convolution: for each output pixel and channel, twice the taps of one filter."""

    def count(record: Record, shape: Sequence[int], inputs: Sequence[Sequence[int]]) -> float:
        specs = (*inputs, shape)
        taps = math.prod(specs[position][1:])
        return 2 * math.prod(specs[grid]) * taps

    return count


def _einsum(record: Record, shape: Sequence[int], inputs: Sequence[Sequence[int]]) -> float:
    terms = record.attrs["subscripts"].replace(" ", "").split("->")[0].split(",")
    size: dict[str, int] = {}
    for term, given in zip(terms, inputs, strict=False):
        letters = term.replace("...", "")
        if letters:
            size.update(zip(letters, given[-len(letters) :], strict=False))
    return len(inputs) * max(math.prod(size.values()), math.prod(shape))


def _fused(record: Record, shape: Sequence[int], inputs: Sequence[Sequence[int]]) -> float:
    body = record.attrs["body"]
    ops = [r for r in body.records if r.primitive.name not in ("placeholder", "constant")]
    return sum(COUNTS.get(r.primitive.name, _per_element)(r, shape, inputs) for r in ops)


_FREE = (
    "cast to_integer zeros_like ones_like where identity equal not_equal less less_equal greater "
    "greater_equal logical_and logical_or logical_not sign argmax argmin add_bundles"
)
_FUNCTIONS = (
    "exp log sqrt sin cos tanh sigmoid power expm1 log1p logaddexp tan arcsin arccos arctan "
    "arctan2 sinh cosh arcsinh arccosh arctanh erf erfc softplus"
)

COUNTS: dict[str, Counter] = {
    **dict.fromkeys(_FREE.split(), _none),
    **dict.fromkeys(_FUNCTIONS.split(), _times(FUNCTION)),
    "matmul": _matmul,
    "gemm": _gemm,
    "conv2d": _filter(1, 2),
    "conv2d_input": _filter(1, 0),
    "conv2d_filters": _filter(3, 1),
    "conv_transpose2d": _filter(1, 0),
    "einsum": _einsum,
    "fused": _fused,
    "logsumexp": _per_input(FUNCTION + 2),
    "log_softmax": _per_input(FUNCTION + 3),
    "softmax": _per_input(FUNCTION + 3),
    "cross_entropy_from_sums": _times(FUNCTION + 1),
    "minus_one_hot": _none,
}
