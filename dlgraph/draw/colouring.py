"""A figure that is coloured from the start: `dg.draw(x, colour="gradient")`.

Every box in sight then says its number beside its colour, or that it has none; a closed scope
speaks for what it holds.  The colours are those of frontend/src/figure/overlays.js, which lays them
over the live figure; here they are put into the one that stands in a file.  Read next: measures.py
for the numbers, figure.py for who asks.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

from dlgraph.core.graph import Graph
from dlgraph.draw import theme
from dlgraph.draw.boxes import LOW, TALL, Box
from dlgraph.draw.layout import Layout
from dlgraph.draw.measures import NAMES, numbers_of, words_for
from dlgraph.draw.scene_parts import Scene
from dlgraph.draw.text import text_width
from dlgraph.errors import OperationError

KIND = "kind"  # the colours that every figure has
STRONGEST = 60  # % of the colour; as in frontend/src/figure/overlays.js
FAINTEST = 0.2  # share of the scale of the least number: no tint is what is 0 or has none
SCALE = ""  # no box: where the scale begins
NOTHING = {"memory": "size not known", "gradient": "no gradient", "time": "not timed"}

Sizes = Mapping[str, tuple[float, str]]  # box without its half ("7", "g0"): a size and its words


class Colouring(NamedTuple):
    """What a figure is coloured by, and the number of every node that has one."""

    name: str
    numbers: Mapping[int, float]

    def sizes(self, scene: Scene) -> Sizes:
        """Size and words of every box and every group.  The size only says where on the scale.

        A group says the sum of its bytes or seconds, or the largest norm.  What is 0 or has no
        number has no tint; NaN and infinity are as strong as the largest number.
        """
        if self.name == KIND:
            return {}
        found = {box.key[1:]: self.numbers.get(int(box.key[1:])) for box in scene.boxes}
        words = {key: self._words(number) for key, number in found.items()}
        for number, members in enumerate(_members(scene)):
            known = [n for m in members if (n := found[scene.boxes[m].key[1:]]) is not None]
            key = scene.groups[number].box.key[1:]
            found[key], words[key] = self._together(known)
        positive = [n for n in found.values() if n is not None and 0 < n < math.inf]
        high = max(positive, default=1.0)
        least = _below(min(positive, default=1.0), high)
        sizes = {key: (_size(number, least, high), words[key]) for key, number in found.items()}
        return {SCALE: (least, ""), **sizes}

    def _words(self, number: float | None) -> str:
        if number is None:
            return NOTHING[self.name]
        front = "gradient " if self.name == "gradient" else ""  # of a box that also has a value
        return front + words_for(self.name, number)

    def _together(self, numbers: list[float]) -> tuple[float | None, str]:
        if not numbers:
            return None, NOTHING[self.name]
        if self.name == "gradient":
            odd = [number for number in numbers if not math.isfinite(number)]
            largest = odd[0] if odd else max(numbers)
            return largest, f"largest {self._words(largest)}"
        whole = sum(numbers)
        return whole, f"{self._words(whole)} in all"


def colouring_of(
    colour: str | None,
    graph: Graph | None,
    profile: Any = None,
    open_sizes: Mapping[Any, int] | None = None,
) -> Colouring | None:
    """What `dg.draw` was asked to colour by; None where it was not asked.

    Raises OperationError for another word, and where there are no such numbers.

    >>> import dlgraph as dg
    >>> from dlgraph.draw.colouring import colouring_of
    >>> a = dg.Tensor([3.0, 4.0], requires_grad=True)
    >>> (a * a).sum().backward()
    >>> colouring_of("gradient", a.graph)
    Colouring(name='gradient', numbers={0: 10.0})
    """
    if colour is None:
        return None
    if colour not in (KIND, *NAMES):
        raise OperationError(
            f"draw: colour={colour!r} is nothing that a figure can be coloured by",
            hint=f"choose one of {_listed((KIND, 'time', 'memory', 'gradient'))}",
        )
    if colour == KIND:
        return Colouring(KIND, {})
    found = (
        {}
        if graph is None
        else {name: numbers_of(graph, name, profile, open_sizes) for name in NAMES}
    )
    if not found.get(colour):
        missing, hint = _missing(colour, graph, profile)
        possible = _listed([KIND, *(name for name, known in found.items() if known)])
        raise OperationError(
            f"draw: colour={colour!r} is not possible here: {missing}",
            hint=hint,
            extra={"possible": possible},
        )
    return Colouring(colour, found[colour])


def make_room(scene: Scene, measures: Iterable[Mapping[Any, tuple[float, str]]]) -> None:
    """Make the forward boxes of a scene large enough for the words of these measures."""
    words: dict[str, list[str]] = {}
    for measure in measures:
        for key, (_, text) in measure.items():
            words.setdefault(str(key), []).append(text)
    for box in [*scene.boxes, *(group.box for group in scene.groups)]:
        if box.key[1:] in words:
            _enlarge(box, words[box.key[1:]])


def coloured(layout: Layout, sizes: Sizes, beside: bool = False) -> tuple[Layout, dict[str, str]]:
    """The layout with the words of a measure in its boxes, and their fills by key of the box.

    The words stand where the value stood, or `beside` it.
    """
    if not sizes:
        return layout, {}
    boxes, fills = [], {}
    shares = _shares(sizes)
    for placed in layout.boxes:
        half, key = placed.box.key[0], placed.box.key[1:]
        if half == "f" and key in sizes:
            fills[placed.box.key] = mixed(shares[key])
            before, words = placed.box.detail, sizes[key][1]
            detail = f"{before}; {words}" if before and beside else words
            placed = placed._replace(box=replace(placed.box, detail=detail, muted=False))
        boxes.append(placed)
    return replace(layout, boxes=boxes), fills


def ends(sizes: Sizes) -> list[tuple[str, str]]:
    """Fill and words of the palest and the strongest box, for the legend; one if all are alike.

    >>> from dlgraph.draw.colouring import ends
    >>> ends({"": (1.0, ""), "0": (1.0, "no gradient"), "1": (3.0, "gradient norm 3")})
    [('#fafafa', 'no gradient'), ('#64a8cf', 'gradient norm 3')]
    """
    shares = _shares(sizes)
    order = sorted(sizes.keys() - {SCALE}, key=lambda key: (shares[key], sizes[key][1]))
    found = [(mixed(shares[key]), sizes[key][1]) for key in [*order[:1], *order[-1:]]]
    return list(dict.fromkeys(found))


def mixed(share: float) -> str:
    """The colour of a share of the scale, from 0 (the background) to 1.

    >>> from dlgraph.draw.colouring import mixed
    >>> mixed(0.0), mixed(1.0)
    ('#fafafa', '#64a8cf')
    """
    part = math.floor(share * STRONGEST + 0.5) / 100
    pairs = zip(_channels(theme.FORWARD), _channels(theme.BACKGROUND), strict=True)
    return "#" + "".join(f"{round(part * a + (1 - part) * b):02x}" for a, b in pairs)


def _shares(sizes: Sizes) -> dict[str, float]:
    """Where each stands between the least and the largest, by logarithm; 1 where all are alike."""
    logs = {key: math.log(size) for key, (size, _) in sizes.items()}
    low, high = min(logs.values(), default=0.0), max(logs.values(), default=0.0)
    return {key: (one - low) / (high - low) if high > low else 1.0 for key, one in logs.items()}


def _below(low: float, high: float) -> float:
    """Where the scale begins: below all sizes, so that the least of them has a tint."""
    span = (math.log(high) - math.log(low)) or 1.0
    found = float(f"{math.exp(math.log(low) - span * FAINTEST / (1 - FAINTEST)):.4g}")
    return max(found, math.ulp(0.0))


def _size(number: float | None, least: float, high: float) -> float:
    if number is None or number == 0:
        return least
    return number if math.isfinite(number) else high


def _enlarge(box: Box, texts: list[str]) -> None:
    """Room for each of the texts as the second line; `sized` made room for the box's own."""
    strip = theme.STRIP if theme.BOXES[box.style].mark else 0
    wide = max(text_width(text, theme.DETAIL_SIZE) for text in texts)
    box.width = max(box.width, 2 * math.ceil(wide / 2) + 2 * theme.PADDING + strip)
    if not box.detail:
        box.height += TALL - LOW


def _members(scene: Scene) -> list[list[int]]:
    """Per group the boxes in it, those of inner groups too."""
    held: list[list[int]] = [[] for _ in scene.groups]
    for member, group in enumerate(scene.inside):
        while group >= 0:
            held[group].append(member)
            group = scene.groups[group].parent
    return held


def _missing(colour: str, graph: Graph | None, profile: Any) -> tuple[str, str]:
    """What is not there, and how to come by it."""
    if graph is None:
        return "a Picture holds words, no numbers", "draw the tensor or the graph itself"
    if colour == "time" and profile is None:
        return (
            "nothing was timed",
            "profile = session.program(y).profile(feeds), then "
            "dg.draw(y, profile=profile, colour='time')",
        )
    if colour == "time":
        return (
            "no step of this profile is a node of what is drawn",
            "draw the graph, the node or the program that was profiled",
        )
    if colour == "memory":
        return "no size is known before the feeds", "give the placeholders whole numbers as sizes"
    if not graph.recorded:
        return (
            "a graph that is built before it runs holds no gradients, only the way to them",
            "compute in eager mode, call backward() on the result, then draw it",
        )
    if not any(tensor.requires_grad for tensor in graph.recorded.values()):
        return "nothing here asks for a gradient", "make an input with requires_grad=True"
    return "no gradient is computed yet", "call backward() on the result, then draw it"


def _listed(names: Iterable[str]) -> str:
    return ", ".join(repr(name) for name in names)


def _channels(colour: str) -> bytes:
    return bytes.fromhex(colour[1:])
