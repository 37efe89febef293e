"""A recording of both modes told moment by moment: the positions of the slider of `dg.build`.

Read next: builder.py, the figure.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import zip_longest
from typing import Any

import numpy as np

from dlgraph.core.tensor import Tensor, value_of
from dlgraph.draw.boxes import TAG_ROOM, fit_value
from dlgraph.draw.events import Recording, Story, Turn
from dlgraph.draw.formula import in_brackets, value_text
from dlgraph.draw.from_graph import picture_of
from dlgraph.draw.layout import Layout
from dlgraph.draw.model import LEAVES, Picture, PictureNode
from dlgraph.draw.quantity import quantity_text
from dlgraph.draw.steps import Texts, formula_shown
from dlgraph.draw.text import clean
from dlgraph.draw.wording import NESTED_KINDS, detail_of, is_operation
from dlgraph.errors import DlgraphError

NAMES_SHOWN = 6
PRINTED = 500  # characters of what a line prints


@dataclass(frozen=True)
class Side:
    """What one moment changes in one of the two pictures, in words and in boxes."""

    words: str = ""
    shown: Texts = field(default_factory=dict)
    active: tuple[str, ...] = ()
    printed: str = ""
    stopped: bool = False

    def to_json(self, prefix: str) -> dict[str, Any]:
        """Plain lists and dicts; `prefix` tells the boxes of the two pictures apart."""
        return {
            "words": clean(self.words, 600),
            "shown": {_keyed(key, prefix): texts for key, texts in self.shown.items()},
            "active": [_keyed(key, prefix) for key in self.active],
            "printed": self.printed[:PRINTED].rstrip(),
            "stopped": self.stopped,
        }


def _keyed(key: str, prefix: str) -> str:
    return f"{key[0]}{prefix}{key[1:]}"


@dataclass(frozen=True)
class Moment:
    """One position of the slider."""

    phase: str  # start, build, run or end
    line: int  # of the source, from 0; -1 for none
    words: str  # what goes for both sides
    eager: Side = Side()
    graph: Side = Side()

    def lines(self) -> list[str]:
        """The moment in up to three lines: what happens, and what that is in each mode."""
        lines = [clean(self.words)]
        for name, side in (("eager", self.eager), ("define-then-run", self.graph)):
            said = [side.words] if side.words else []
            said += [f"prints {clean(side.printed.strip())!r}"] if side.printed else []
            lines += [f"{name:<15}  {clean(', '.join(said), 600)}"] if said else []
        return lines

    @property
    def text(self) -> str:
        """The moment in one line."""
        return "; ".join(" ".join(line.split()) for line in self.lines())

    def to_json(self) -> dict[str, Any]:
        """Plain lists and dicts for the page."""
        plain = {"phase": self.phase, "line": self.line, "words": self.words, "text": self.text}
        return plain | {"eager": self.eager.to_json("e"), "graph": self.graph.to_json("g")}


class Half:
    """One mode: its story, its picture with all values, and what stands in the boxes when."""

    def __init__(self, story: Story, values: dict[int, Any], eager: bool):
        self.story, self.eager = story, eager
        if eager:
            values = {i: value_of(tensor) for i, tensor in story.graph.recorded.items()}
        self.values = values
        self.picture = self._picture()
        self.nodes = {node.id: node for node in self.picture.nodes}

    def _picture(self) -> Picture:
        picture = picture_of(self.story.graph, frame=self.story.frame)
        plain: dict[str, Any] = {"role": "forward", "twin": None, "scope": ""}
        plain |= {"needs_gradient": False, "gradient": None}
        nodes = (replace(node, value=self._value(node), **plain) for node in picture.nodes)
        wide = tuple(replace(node, formula=formula_shown(node)) for node in nodes)
        return replace(picture, nodes=wide)

    def _value(self, node: PictureNode) -> str | None:
        if node.value is not None or (node.kind in LEAVES and node.id not in self.values):
            return node.value
        if node.id not in self.values:
            return "?"
        value = np.asarray(self.values[node.id])
        if value.dtype.kind == "O":
            return "several values"
        return value_text(value) or (in_brackets(value.shape) if is_operation(node) else None)

    def texts(self, node: PictureNode, known: bool) -> dict[str, str]:
        """What stands in the box of a node once it is there, with its value or without."""
        if node.kind in LEAVES:
            value = node.value if known else None
            return {"tag": "" if value is None else fit_value(clean(f"= {value}"), TAG_ROOM)}
        if known:
            return {"detail": detail_of(node)}
        return {"detail": f"{node.formula} = ?" if node.formula else "= ?"}

    def waiting(self) -> Texts:
        """What stands in every box until its node is there: the formula, never a value."""
        return {
            f"f{node.id}": {"tag": ""} if node.kind in LEAVES else {"detail": node.formula or "?"}
            for node in self.picture.nodes
        }

    def boxes(self, nodes: Sequence[PictureNode], known: bool) -> Texts:
        return {f"f{node.id}": self.texts(node, known or node.kind == "constant") for node in nodes}

    def valued(self, node: PictureNode) -> str:
        """`u = 2·a = 8`"""
        words = called(node)
        if node.id in self.values:
            words += f" = {quantity_text(self.values[node.id])}"
        return words

    def open(self, node: PictureNode) -> str:
        """`u = 2·a (a scalar, no value)`"""
        kind = f"shape {node.shape}" if node.shape else "a scalar"
        return f"{called(node)} ({kind}, no value)"

    def groups(self, turn: Turn | None) -> list[list[PictureNode]]:
        """The nodes of a turn, each operation with the leaves that came up for it."""
        groups: list[list[PictureNode]] = [[]]
        for index in range(turn.first, turn.end) if turn is not None else ():
            if index in self.nodes:
                groups[-1].append(self.nodes[index])
                if is_operation(self.nodes[index]):
                    groups.append([])
        return [group for group in groups if group]

    def side(self, group: Sequence[PictureNode], printed: str = "") -> Side:
        """What happens in this mode while the function is executed."""
        if not group:
            return Side(printed=printed)
        node = group[-1]
        if not is_operation(node):
            words = f"reads {node.name or node.label}"
        else:
            verb = "computes" if self.eager else "writes down"
            words = f"{verb} {self.valued(node) if self.eager else self.open(node)}"
        shown = self.boxes(group, self.eager)
        return Side(words, shown, (f"f{node.id}",), printed)


def called(node: PictureNode) -> str:
    """Name and formula of a node, or what kind of operation it is."""
    formula = node.formula
    if node.kind in NESTED_KINDS:
        formula = f"{node.label} ({node.formula})"
    return " = ".join(word for word in (node.name, formula) if word) or node.label


def prefixed(layout: Layout, prefix: str) -> Layout:
    """A layout whose boxes have other keys, so that two of them can be one scene."""
    return replace(
        layout,
        boxes=[p._replace(box=replace(p.box, key=_keyed(p.box.key, prefix))) for p in layout.boxes],
        lines=[
            line._replace(source=_keyed(line.source, prefix), target=_keyed(line.target, prefix))
            for line in layout.lines
        ],
    )


def tell(recording: Recording, eager: Half, graph: Half) -> list[Moment]:
    """From the first line to the end of the run."""
    return _Teller(recording, eager, graph).moments()


class _Teller:
    def __init__(self, recording: Recording, eager: Half, graph: Half):
        self.recording, self.eager, self.graph = recording, eager, graph

    def moments(self) -> list[Moment]:
        """Lines that both modes execute together, then what only one of them does."""
        left, right = self.eager.story, self.graph.story
        found, together = [self._start()], 0
        for one, other in zip(left.turns, right.turns, strict=False):
            if one.line != other.line:
                break
            found += self._line(one, other)
            together += 1
        for turn in right.turns[together:]:
            found += self._line(None, turn)
        if right.stopped is not None:
            found.append(self._stopped(right))
        for turn in left.turns[together:]:
            found += self._line(turn, None)
        if left.stopped is not None:
            found.append(self._stopped(left))
        return [*found, *self._run(), self._end()]

    def _start(self) -> Moment:
        sides, names = [], []
        for half in (self.eager, self.graph):
            turns = half.story.turns
            given = [half.nodes[i] for i in range(turns[0].first if turns else 0)]
            names = [node.name for node in given]
            words = [half.valued(n) if half.eager else half.open(n) for n in given]
            verb = "gets" if half.eager else "gets placeholders:"
            shown = half.boxes(given, half.eager)
            sides.append(Side(f"{verb} {_listed(words)}" if words else "", shown))
        called = f"{self.recording.name}({', '.join(names)}) is called in both modes"
        return Moment("start", 0, called, *sides)

    def _line(self, eager: Turn | None, graph: Turn | None) -> list[Moment]:
        """One line: a moment for each operation, and at least one."""
        turn = eager or graph
        assert turn is not None
        halves = ((self.eager, eager), (self.graph, graph))
        pairs = list(zip_longest(*(half.groups(turn) for half, turn in halves))) or [((), ())]
        found = []
        for place, pair in enumerate(pairs, 1):
            sides = [
                half.side(group or (), turn.printed if turn and place == len(pairs) else "")
                if turn is not None
                else self._absent(half)
                for (half, turn), group in zip(halves, pair, strict=True)
            ]
            found.append(Moment("build", turn.line, self._source(turn.line), *sides))
        return found

    def _absent(self, half: Half) -> Side:
        """The side of a mode that does not execute this line."""
        if half.story.stopped is not None:
            return Side("does not get here", stopped=True)
        return Side("took another way")

    def _source(self, line: int) -> str:
        lines = self.recording.source
        return f"line {line + 1}: {lines[line].strip()}" if line < len(lines) else ""

    def _stopped(self, story: Story) -> Moment:
        line = story.turns[-1].line if story.turns else 0
        side = Side(f"stops here: {explained(story.stopped)}", stopped=True)
        other = self.eager if story is self.graph.story else self.graph
        sides = [side, Side("goes on" if other.story.stopped is None else "stopped, too")]
        if story is self.graph.story:
            sides.reverse()
        return Moment("build", line, self._source(line), *sides)

    def _run(self) -> list[Moment]:
        """The session, which fills the graph."""
        recording, half = self.recording, self.graph
        if half.story.stopped is not None:
            return []
        count = sum(map(is_operation, half.nodes.values()))
        fed = [n for n in half.nodes.values() if n.kind == "input" and n.id in half.values]
        plural = "s" * (count != 1)
        words = f"the function is over; the graph has {count} operation{plural} and no value yet"
        side = Side(
            f"session.run is fed {_listed([half.valued(node) for node in fed])}",
            half.boxes(fed, True),
            tuple(f"f{node.id}" for node in fed),
        )
        over = Side("is finished" if self.eager.story.stopped is None else "stopped before")
        found, group = [Moment("run", -1, words, over, side)], []
        for index in recording.ran:
            if index not in half.nodes or index not in half.values:
                continue
            group.append(half.nodes[index])
            if is_operation(group[-1]):
                words, key = f"computes {half.valued(group[-1])}", f"f{index}"
                side = Side(words, half.boxes(group, True), (key,))
                found.append(Moment("run", -1, "session.run", over, side))
                group = []
        if recording.failed is not None:
            words = f"stops at {recording.failed.node}: {explained(recording.failed)}"
            side = Side(words, {}, (f"f{recording.ran[-1]}",), stopped=True)
            found.append(Moment("run", -1, "session.run", over, side))
        return found

    def _end(self) -> Moment:
        recording, left, right = self.recording, self.eager.story, self.graph.story
        eager = graph = Side("stopped before the end", stopped=True)
        if left.stopped is None:
            results = [quantity_text(value_of(x)) for x in left.result if isinstance(x, Tensor)]
            eager = Side(f"returned {_listed(results)}")
        if right.stopped is not None:
            graph = Side("has no finished graph, so there is nothing to run", stopped=True)
        elif recording.failed is None:
            results = [quantity_text(recording.values[i]) for i in recording.fetched]
            graph = Side(f"returned {_listed(results)}{self._never_run()}")
        return Moment("end", -1, "done", eager, graph)

    def _never_run(self) -> str:
        """Operations that were written down and that the result does not need."""
        half = self.graph
        left = [n for n in half.nodes.values() if is_operation(n) and n.id not in half.values]
        if not left:
            return ""
        names = _listed([node.name or node.formula or node.label for node in left])
        return f"; never run, because the result does not need it: {names}"


def explained(error: Exception | None) -> str:
    """What went wrong and what to do, in a sentence or two."""
    if isinstance(error, DlgraphError):
        hint = f"  Hint: {error.hint}." if error.hint else ""
        return f"{error.what}.{hint}"
    return f"{type(error).__name__}: {error}"


def _listed(words: Sequence[str]) -> str:
    shown = ", ".join(words[:NAMES_SHOWN])
    more = len(words) - NAMES_SHOWN
    return f"{shown} and {more} more" if more > 0 else shown or "nothing"
