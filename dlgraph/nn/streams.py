"""The random streams of a model: found like its parameters, by looking at the attributes."""

from __future__ import annotations

from collections.abc import Iterator

from dlgraph.nn.module import Module
from dlgraph.ops.random import Stream


def named_streams(module: Module) -> Iterator[tuple[str, Stream]]:
    """All random streams with their paths, in the order in which they were set; shared ones once.

    >>> import dlgraph as dg
    >>> from dlgraph.nn.streams import named_streams
    >>> net = dg.nn.Sequential(dg.nn.Linear(2, 2), dg.nn.Dropout(0.5))
    >>> [name for name, _ in named_streams(net)]
    ['1.rng']
    """
    seen: set[int] = set()
    for path, inner in module.named_modules():
        for name, value in vars(inner).items():
            if isinstance(value, Stream) and id(value) not in seen:
                seen.add(id(value))
                yield (f"{path}.{name}" if path else name), value
