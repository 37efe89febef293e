"""The conversation behind `dg.explore`: what the browser asks, what it is answered.

No widget library is needed here: `answer` takes a message (a dict of plain values, not to be
trusted) and returns the reply and its arrays.  The texts of the boxes are those that `dg.draw`
would show for the present values.  Read next: explorer.py.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from types import FrameType
from typing import Any, NamedTuple

import numpy as np

from dlgraph.core.arrays import Bundle
from dlgraph.core.node import Node
from dlgraph.core.tensor import Tensor
from dlgraph.draw.figure import Figure
from dlgraph.draw.from_graph import numbers_text, picture_of
from dlgraph.draw.layout import Layout, lay_out
from dlgraph.draw.model import Picture
from dlgraph.draw.payload import payload_of
from dlgraph.draw.text import clean
from dlgraph.errors import BackwardError, DlgraphError, OperationError
from dlgraph.widgets.entry import read_numbers
from dlgraph.widgets.live import Change, Live
from dlgraph.widgets.sheet import sheet_of
from dlgraph.widgets.sliders import plain_number, slider_range
from dlgraph.widgets.texts import boxes_of, cut, gradient_words, roomy, value_words

BOXES = 400  # a larger picture answers too slowly to be played with
SLIDERS = 8  # inputs that have a slider from the beginning; others get one when selected


class Answer(NamedTuple):
    """A reply and the arrays that travel beside it."""

    content: dict[str, Any]
    buffers: tuple[bytes, ...] = ()


class Exploration:
    """A picture of a computation, its present values, and what is selected.

    `y` is a Tensor whose record is still there, or a Node with a `feed`.  Raises BackwardError
    for a tensor without a record, OperationError for what is too large or no computation at all.
    """

    def __init__(
        self,
        y: Any,
        feed: Mapping[Any, Any] | None = None,
        title: str = "",
        frame: FrameType | None = None,
    ):
        self.live = Live(_target(y), feed)
        source = self.live.source
        self.outline = picture_of(source.handle(self.live.target), title=title, frame=frame)
        self.names = {n.id: n.name or n.label for n in self.outline.nodes}
        self.layout = self._laid_out()
        self.sent = self._texts()
        self.selected: tuple[int, str] | None = None
        self.number = 0  # of changes so far

    # ---- the picture as it is now
    def picture(self) -> Picture:
        """The picture with the present values and gradients."""
        values = {n.id: self._value_text(n.id, n.value) for n in self.outline.nodes}
        nodes = tuple(
            replace(
                node,
                value=values[node.id],
                numbers=self._numbers(node.id, values),
                gradient=gradient_words(self.live.gradient(node.id)),
                needs_gradient=self.live.gradient(node.id) is not None,
            )
            for node in self.outline.nodes
        )
        return replace(self.outline, nodes=nodes)

    def _numbers(self, index: int, values: dict[int, str | None]) -> str:
        record = self.live.graph.records[index]  # of which what is fed has no operands
        return numbers_text(record.primitive, [values.get(i) for i in record.inputs], values[index])

    def figure(self) -> Figure:
        """The figure that `dg.draw` would make of the present values."""
        return Figure(self.picture())

    def payload(self) -> dict[str, Any]:
        """What the browser needs to show everything before it has asked anything."""
        figure = self.picture()
        for placed in self.layout.boxes:
            for name, text in self.sent.get(placed.box.key, {}).items():
                setattr(placed.box, name, text)
        return payload_of(
            figure,
            self.layout,
            text=str(Figure(figure)),
            leaves=[self.leaf(i) for i in self._shown_leaves()],
            reason=self.live.why_no_gradients,
        )

    def leaf(self, index: int) -> dict[str, Any]:
        """A leaf for its slider: name, shape, kind, and for a number its value and a range."""
        value = self.live.value(index)
        found = {
            "node": index,
            "name": clean(self.names.get(index, self.live.source.records[index].name)),
            "kind": value.dtype.kind,
            "shape": list(np.shape(value)),
        }
        if not np.ndim(value):
            found["value"] = plain_number(value)
            found["range"] = slider_range(self.live.first_values[index])
        return found

    # ---- the conversation
    def answer(self, message: Any) -> Answer:
        """The reply to one message of the browser.

        A mistake in a value comes back in words and leaves the last good state; a message that
        makes no sense is answered by the present state.
        """
        kind = message.get("kind") if isinstance(message, dict) else None
        try:
            if kind == "set":
                return self._changed(*self._set(message), message)
            if kind == "reset":
                return self._reset(message)
            if kind == "select":
                return self._select(message)
        except DlgraphError as error:
            words = f"{error.what}; {error.hint}" if error.hint else error.what
            return self._refused(words, message)
        except Exception as error:  # of an operation of the reader's own; silence would mislead
            words = f"computing again failed with {type(error).__name__}: {clean(error)}"
            return self._refused(f"{words}; the last values stay as they were", message)
        return self.state(message)

    def _set(self, message: dict[str, Any]) -> tuple[Change, list[int]]:
        index, at = _whole(message.get("node")), message.get("at")
        value = message.get("value")
        if isinstance(value, str):
            value = read_numbers(value)
        elif isinstance(value, bool) or not isinstance(value, (int, float)):
            raise OperationError("a new value is a number or text", where=None)
        elif self.live.value(self._leaf_number(index)).dtype.kind in "biu" and value % 1 == 0:
            value = bool(value) if self.live.value(index).dtype.kind == "b" else int(value)
        place = None
        if at is not None:
            place = tuple(_whole(k) for k in at) if isinstance(at, list) else (-1,)
        return self.live.set(self._leaf_number(index), value, place), [index]

    def _leaf_number(self, index: int) -> int:
        if index not in self.live.leaves:
            raise OperationError("this node is computed, so it cannot be set", where=None)
        return index

    def set(self, which: Any, value: Any, at: tuple[int, ...] | None = None) -> Answer:
        """Set a leaf given by name, node or number, from Python; raises what `Live.set` raises."""
        index = self.find(which)
        return self._changed(self.live.set(index, value, at), [index], {})

    def reset(self) -> Answer:
        """Put all leaves back to where they were at the beginning."""
        return self._reset({})

    def _reset(self, message: dict[str, Any]) -> Answer:
        before = dict(self.live.values)
        change = self.live.reset()
        moved = [i for i in self.live.leaves if self.live.value(i) is not before[i]]
        return self._changed(change, moved, message)

    def find(self, which: Any) -> int:
        """The number of a leaf that is called by name, or that is this tensor or node."""
        live = self.live
        for index in live.leaves:
            tensor = live.source.recorded.get(index, live.source.records[index].attrs.get("tensor"))
            names = (self.names.get(index), live.source.records[index].name)
            if (tensor is not None and which is tensor) or (
                isinstance(which, str) and which in names
            ):
                return index
        if isinstance(which, Node) and which.graph is live.source:
            return which.index
        known = ", ".join(repr(self.names.get(i, live.name(i))) for i in live.leaves)
        raise OperationError(
            f"there is no input called {which!r} here", hint=f"the inputs are {known}"
        )

    def state(self, message: Any = None) -> Answer:
        """Everything as it is now, for a view that has just been opened."""
        facts = payload_of(self.picture())["facts"]
        content = {
            "texts": self._texts(),
            "facts": facts,
            "moved": [],
            "again": [[], []],
            "words": "",
        }
        return self._reply("state", message, content)

    def _changed(self, change: Change, moved: list[int], message: Any) -> Answer:
        self.number += 1
        texts = self._texts()
        fresh = {key: row for key, row in texts.items() if row != self.sent.get(key)}
        self.sent = texts
        again = [self._keys("f", change.forward), self._keys("b", change.backward)]
        facts = payload_of(self.picture())["facts"]
        touched = {str(i) for i in (*change.forward, *change.backward, *self.live.leaves)}
        content = {
            "texts": fresh,
            "facts": {key: row for key, row in facts.items() if key in touched},
            "moved": self._keys("f", moved),
            "again": again,
            "words": self._account(change),
        }
        return self._with_array("changed", message, content)

    def _account(self, change: Change) -> str:
        """How much had to be computed, in words."""
        values = len(self.live.nodes) - len(self.live.leaves) - self._constants
        gradients = sum(self.live.gradient(i) is not None for i in self.live.nodes)
        words = f"computed again: {len(change.forward)} of {values} values"
        if gradients:
            words += f", {len(change.backward)} of {gradients} gradients"
        return words

    @property
    def _constants(self) -> int:
        records = self.live.source.records
        leaves = {*self.live.leaves}
        return sum(not records[i].inputs and i not in leaves for i in self.live.nodes)

    def _refused(self, words: str, message: dict[str, Any]) -> Answer:
        return self._with_array("refused", message, {"words": words})

    def _select(self, message: dict[str, Any]) -> Answer:
        key = message.get("key")
        found = re.fullmatch(r"([fb])(\d{1,9})", key) if isinstance(key, str) else None
        node = int(found[2]) if found else None
        self.selected = None
        if found and node in self.live.values and node in self.names:
            self.selected = (int(found[2]), "gradient" if found[1] == "b" else "value")
        return self._with_array("selected", message, {})

    def _with_array(self, kind: str, message: Any, content: dict[str, Any]) -> Answer:
        """The reply together with the array of what is selected."""
        array = self.selected_array()
        if array is None or not 0 < array.ndim <= 4 or not array.size or array.dtype.kind == "c":
            return self._reply(kind, message, {**content, "array": None})
        index, part = self.selected or (0, "")
        mine = part == "value" and index in self.live.leaves
        shown, buffers = sheet_of(array, self.live.first_values[index] if mine else None)
        return self._reply(kind, message, {**content, "array": shown}, buffers)

    def selected_array(self) -> Any:
        """The value or gradient that is selected; None where there is none, or several at once."""
        if self.selected is None:
            return None
        index, part = self.selected
        found = self.live.value(index) if part == "value" else self.live.gradient(index)
        return None if found is None or isinstance(found, Bundle) else np.asarray(found)

    def _reply(
        self, kind: str, message: Any, content: dict[str, Any], buffers: tuple[bytes, ...] = ()
    ) -> Answer:
        asked = message.get("seq") if isinstance(message, dict) else None
        chosen = self.selected and f"{'b' if self.selected[1] == 'gradient' else 'f'}"
        return Answer(
            {
                "kind": kind,
                "seq": asked if isinstance(asked, int) else 0,
                "number": self.number,
                "leaves": [self.leaf(i) for i in self._shown_leaves()],
                "selected": f"{chosen}{self.selected[0]}" if self.selected else None,
                **content,
            },
            buffers,
        )

    # ---- the texts of the boxes
    def _texts(self) -> dict[str, dict[str, Any]]:
        """What changes in the boxes, cut to the room that they have."""
        places = {placed.box.key: placed.box for placed in self.layout.boxes}
        return {
            box.key: cut(box, places[box.key])
            for box in boxes_of(self.picture())
            if box.key in places
        }

    def _laid_out(self) -> Layout:
        widest = tuple(
            n
            if n.kind == "constant"
            else replace(n, value=roomy(n.value), gradient=roomy(n.gradient))
            for n in self.picture().nodes
        )
        layout = lay_out(replace(self.outline, nodes=widest), range(len(widest)))
        if len(layout.boxes) > BOXES:
            raise OperationError(
                f"explore: a picture of {len(layout.boxes)} boxes is too large to play with; at "
                f"most {BOXES} answer quickly",
                hint="explore a part of it, for example the output of one layer; dg.draw shows all",
            )
        return layout

    def _value_text(self, index: int, written: str | None) -> str | None:
        if index not in self.live.values:
            return written
        return value_words(self.live.value(index))

    def _shown_leaves(self) -> list[int]:
        scalars = [i for i in self.live.leaves if not np.ndim(self.live.value(i))]
        chosen = self.selected[0] if self.selected else None
        return scalars[:SLIDERS] + [i for i in scalars[SLIDERS:] if i == chosen]

    def _keys(self, half: str, nodes: Iterable[int]) -> list[str]:
        return [f"{half}{i}" for i in nodes if f"{half}{i}" in self.sent]


def _target(y: Any) -> Node:
    if isinstance(y, Node):
        return y
    if not isinstance(y, Tensor):
        raise OperationError(
            f"explore: {type(y).__name__} is not a computation",
            hint="pass a Tensor that was computed from others, or a graph node with feed={...}",
        )
    if y._op is not None and not y._inputs:
        raise BackwardError(
            f"explore: the record of this tensor (made by {y._op.name}) was let go by backward()",
            hint="explore it before backward(), or call backward(retain_graph=True)",
        )
    if y._op is None:
        raise OperationError(
            "explore: this tensor was not computed from anything that is recorded",
            hint="create its inputs with requires_grad=True (outside no_grad), then compute it",
        )
    graph = y.graph
    return graph.handle(len(graph) - 1)


def _whole(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise OperationError("a place is given by whole numbers", where=None)
    return value
