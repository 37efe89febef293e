"""Which boxes can be drawn as one: the scopes of a picture, and blocks that repeat in them.

A scope is a layer or a `with dg.name_scope(...)`.  Its boxes become a group only as far as they
stand together in the order of computation: a layer that is called twice is two groups.  So every
group is a stretch of one topological order, and whichever of them are closed, what is left has no
cycle.  Neighbours of the same structure are put into a group of their own, drawn as "× 12".
Read next: repeats.py, which compares neighbours; collapse.py, which closes groups.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from dlgraph.draw.repeats import Block, find_blocks


class Item(NamedTuple):
    """What counts of a box: where it belongs, what it is, what it reads (numbers of boxes)."""

    scope: tuple[str, ...]
    leaf: bool
    text: str  # equal for boxes that compute the same
    sources: list[int]


@dataclass
class Stretch:
    """A group: `parts` are boxes (n) and inner groups (~n), in order."""

    scope: tuple[str, ...]
    parent: int
    parts: list[int] = field(default_factory=list)
    leaves: list[int] = field(default_factory=list)
    label: str = ""
    times: int = 0  # of how many equal blocks it is made, 0 if it is none
    rest: bool = False  # are these the blocks after the first one?


def find_groups(items: Sequence[Item]) -> tuple[list[Stretch], list[int]]:
    """The groups, outer ones before inner ones, and for every box the innermost group or -1.

    >>> from dlgraph.draw.scopes import Item, find_groups
    >>> layer = [Item(("net",), False, "matmul", []), Item(("net",), False, "add", [0])]
    >>> groups, inside = find_groups([*layer, Item((), False, "sum", [1])])
    >>> [group.label for group in groups], inside
    (['net'], [0, 0, -1])
    """
    order = _order(items)
    tree = _stretches(items, order)
    for number in range(len(tree) - 1, -1, -1):
        _fold(tree, number, items, order)
    return _numbered(tree, len(items))


def _order(items: Sequence[Item]) -> list[int]:
    """For every box its place in the order of computation, the lowest number first."""
    readers: list[list[int]] = [[] for _ in items]
    missing = [len(item.sources) for item in items]
    for number, item in enumerate(items):
        for source in item.sources:
            readers[source].append(number)
    ready = [number for number, count in enumerate(missing) if not count]
    place = [0] * len(items)
    at = 0
    while ready:
        number = heapq.heappop(ready)
        place[number] = at
        at += 1
        for reader in readers[number]:
            missing[reader] -= 1
            if not missing[reader]:
                heapq.heappush(ready, reader)
    return place


def _stretches(items: Sequence[Item], order: Sequence[int]) -> list[Stretch]:
    """A tree whose first entry is the whole picture: operations as they follow each other, and
    leaves where their first reader is.

    A leaf that is also read outside its scope (a tied weight, an input) stands outside.
    """
    tree = [Stretch((), -1)]
    holder = [0] * len(items)
    here = 0
    for number in sorted(range(len(items)), key=order.__getitem__):
        item = items[number]
        if item.leaf:
            continue
        common = _common(tree[here].scope, item.scope)
        while len(tree[here].scope) > common:
            here = tree[here].parent
        for level in range(common, len(item.scope)):
            tree[here].parts.append(~len(tree))
            tree.append(Stretch(item.scope[: level + 1], here))
            here = len(tree) - 1
        tree[here].parts.append(number)
        holder[number] = here
    first: dict[int, int] = {}  # reader that is computed first
    depth: dict[int, int] = {}
    for number in sorted(range(len(items)), key=order.__getitem__):
        for source in items[number].sources:
            if items[source].leaf:
                first.setdefault(source, number)
                scopes = items[source].scope, items[number].scope
                depth[source] = min(depth.get(source, len(scopes[0])), _common(*scopes))
    for leaf, item in enumerate(items):
        if item.leaf:
            here = holder[first[leaf]] if leaf in first else 0
            while len(tree[here].scope) > depth.get(leaf, 0):
                here = tree[here].parent
            tree[here].leaves.append(leaf)
    return tree


def _common(one: tuple[str, ...], two: tuple[str, ...]) -> int:
    """How many parts two scopes share at the front."""
    shared = 0
    for a, b in zip(one, two, strict=False):
        if a != b:
            break
        shared += 1
    return shared


def members(tree: Sequence[Stretch], number: int) -> list[int]:
    """All boxes in a group and in the groups inside it."""
    found: list[int] = []
    waiting = [number]
    while waiting:
        group = tree[waiting.pop()]
        found += group.leaves
        waiting += [~part for part in group.parts if part < 0]
        found += [part for part in group.parts if part >= 0]
    return found


def _fold(tree: list[Stretch], number: int, items: Sequence[Item], order: Sequence[int]) -> None:
    """Tidy up a group whose inner groups are tidy already: dissolve what holds one thing only,
    and fold repeats."""
    group = tree[number]
    for at, part in enumerate(group.parts):
        inner = tree[~part] if part < 0 else None
        if inner and len(inner.parts) == 1 and not inner.leaves:
            only = group.parts[at] = inner.parts[0]
            if only < 0:
                tree[~only].label = f"{inner.label}/{tree[~only].label}"
                tree[~only].parent = number
    if not group.label:
        # The number of a layer says little without the name of what it is a layer of.
        group.label = "/".join(group.scope[-2:] if _is_number(group) else group.scope[-1:])
    units, private = _units(tree, group, items, order)
    for block in reversed(find_blocks(units, items)):
        # All blocks in one group, and in it all but the first: opened, it shows one block.
        whole = number
        if not number or block.end - block.start < len(group.parts):
            whole = _gather(tree, number, block.start, block, private, items)
        tree[whole].times = block.times
        if block.times > 2:
            leaves = private if whole == number else private[block.start : block.end]
            less = Block(block.length, block.length, block.times - 1)
            rest = _gather(tree, whole, block.length, less, leaves, items)
            tree[rest].times, tree[rest].rest = less.times, True


def _gather(
    tree: list[Stretch],
    number: int,
    start: int,
    block: Block,
    private: Sequence[Sequence[int]],
    items: Sequence[Item],
) -> int:
    """A new group inside another one, of the parts that make up the blocks from `start` on."""
    group, new = tree[number], len(tree)
    end = start + block.length * block.times
    parts = group.parts[start:end]
    leaves = [leaf for unit in private[start:end] for leaf in unit]
    tree.append(Stretch(group.scope, number, parts, leaves))
    tree[new].label = _block_label(tree, parts, items, block)
    for part in parts:
        if part < 0:
            tree[~part].parent = new
    group.parts[start:end] = [~new]
    gone = set(leaves)
    group.leaves = [leaf for leaf in group.leaves if leaf not in gone]
    return new


def _units(
    tree: Sequence[Stretch], group: Stretch, items: Sequence[Item], order: Sequence[int]
) -> tuple[list[list[int]], list[list[int]]]:
    """For every part its boxes, and which leaves of the group it alone reads.

    Inputs stay outside: folding should not hide what goes into the first block.
    """
    units = [members(tree, ~part) if part < 0 else [part] for part in group.parts]
    unit_of = {box: at for at, unit in enumerate(units) for box in unit}
    readers: dict[int, set[int]] = {leaf: set() for leaf in group.leaves}
    for box, at in unit_of.items():
        for source in items[box].sources:
            if source in readers:
                readers[source].add(at)
    private: list[list[int]] = [[] for _ in units]
    for leaf, reading in readers.items():
        if len(reading) == 1 and not items[leaf].text.startswith("input"):
            private[min(reading)].append(leaf)
    listed = []
    for unit, more in zip(units, private, strict=True):
        boxes = {*unit, *more}
        row: dict[int, None] = {}  # operations as they are computed, each after its own leaves
        for box in sorted((box for box in unit if not items[box].leaf), key=order.__getitem__):
            row |= {s: None for s in items[box].sources if items[s].leaf and s in boxes}
            row[box] = None
        listed.append([*row, *sorted(boxes - row.keys())])
    return listed, private


def _is_number(group: Stretch) -> bool:
    return bool(group.scope) and group.scope[-1].isdecimal()


def _block_label(
    tree: Sequence[Stretch], parts: Sequence[int], items: Sequence[Item], block: Block
) -> str:
    """`blocks/1 … 12`, or what one of the equal blocks consists of."""
    names = [tree[~part].label if part < 0 else items[part].text.split("|")[1] for part in parts]
    if block.length == 1 and len(set(names)) > 1:
        return f"{names[0]} … {names[-1].rpartition('/')[2]}"
    return ", ".join(names[: block.length])


def _numbered(tree: list[Stretch], boxes: int) -> tuple[list[Stretch], list[int]]:
    """The groups that are left, outer ones first, as they stand in the picture."""
    inside = [-1] * boxes
    groups: list[Stretch] = []
    waiting = [(0, -1)]
    while waiting:
        number, parent = waiting.pop()
        group = tree[number]
        if number:
            group.parent, parent = parent, len(groups)
            groups.append(group)
        for part in [*group.leaves, *group.parts]:
            if part >= 0:
                inside[part] = parent
        waiting += [(~part, parent) for part in reversed(group.parts) if part < 0]
    return groups, inside
