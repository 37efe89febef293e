"""Where does a block repeat?  `matmul, add, relu` three times over, a layer twelve times.

Two blocks are equal when they hold the same operations on the same shapes, wired in the same way;
what they read from outside may differ.  Read next: scopes.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

LONGEST = 24  # units in a block
SAVED = 4  # boxes that a fold must save, or it is not worth a click


class Block(NamedTuple):
    """`times` blocks of `length` units each, from unit `start` on."""

    start: int
    length: int
    times: int

    @property
    def end(self) -> int:
        """The first unit after the last block."""
        return self.start + self.length * self.times


def find_blocks(units: Sequence[Sequence[int]], items: Sequence[Any]) -> list[Block]:
    """The repeats from left to right; where several are possible, the one that saves most.

    >>> from dlgraph.draw.repeats import find_blocks
    >>> from dlgraph.draw.scopes import Item
    >>> names = ["exp", "add", "tanh", "add", "tanh", "add", "tanh", "sum"]
    >>> items = [Item((), False, name, [i - 1] if i else []) for i, name in enumerate(names)]
    >>> find_blocks([[i] for i in range(8)], items)
    [Block(start=1, length=2, times=3)]
    """
    found: list[Block] = []
    if len(units) < 2 or sum(map(len, units)) <= SAVED:
        return found
    rows = _Rows(units, items)
    at = 0
    while at < len(units):
        longest = min(LONGEST, (len(units) - at) // 2)
        blocks = [Block(at, n, rows.times(at, n)) for n in range(1, longest + 1)]
        best = max(blocks, key=lambda block: (block.end, -block.length), default=None)
        if best and sum(map(len, units[best.start : best.end])) - 1 >= SAVED and best.times > 1:
            best = rows.turned(best)
            found.append(best)
            at = best.end
        else:
            at += 1
    return found


class _Rows:
    """What is compared: the inside of every unit as one number, and where it reads from."""

    def __init__(self, units: Sequence[Sequence[int]], items: Sequence[Any]):
        place = {box: (u, k) for u, unit in enumerate(units) for k, box in enumerate(unit)}
        numbers: dict[Any, int] = {}
        self.inside: list[int] = []
        self.heads: list[bool] = []  # is there a matmul or a convolution in the unit?
        self.reads: list[list[tuple[int, int, int]]] = []  # reading box, unit read, box read
        for u, unit in enumerate(units):
            rows = []
            reads = []
            for k, box in enumerate(unit):
                sources = [place.get(source, (-1, -1)) for source in items[box].sources]
                rows.append((items[box].text, tuple(j if v == u else -1 for v, j in sources)))
                reads += [(k, v, j) for v, j in sources if v != u]
            self.heads.append(any(items[box].text.startswith("contract") for box in unit))
            self.inside.append(numbers.setdefault(tuple(rows), len(numbers)))
            self.reads.append(reads)

    def times(self, start: int, length: int) -> int:
        """How often the block of `length` units at `start` stands there, one after the other."""
        times, end = 1, start + length
        while end + length <= len(self.inside) and self._equal(start, end, length):
            times, end = times + 1, end + length
        return times

    def turned(self, block: Block) -> Block:
        """The same repeat, but starting where a layer starts: with its matmul or convolution."""
        for start in range(block.start, block.start + block.length):
            if self.heads[start] and self.times(start, block.length) == block.times:
                return block._replace(start=start)
        return block

    def _equal(self, one: int, two: int, length: int) -> bool:
        return all(
            self.inside[one + k] == self.inside[two + k]
            and self._read(one, k, length) == self._read(two, k, length)
            for k in range(length)
        )

    def _read(self, start: int, k: int, length: int) -> list[tuple[int, int, int]]:
        """What unit k of a block reads, units counted from the block; -1 is outside of it."""
        return [
            (box, unit - start, other) if start <= unit < start + length else (box, -1, -1)
            for box, unit, other in self.reads[start + k]
        ]
