"""A walk in words: one step per operation forward, one per local derivative backward.

Read next: stepper.py, the figure.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np

from dlgraph.draw.derivative import Text, local_value, rule_text
from dlgraph.draw.formula import ATOM, SIGN, binding, value_text, write
from dlgraph.draw.model import LEAVES, Picture, PictureNode
from dlgraph.draw.nested import NESTED
from dlgraph.draw.quantity import quantity, quantity_text
from dlgraph.draw.quiz import ask
from dlgraph.draw.steps import Step, formula_shown, gradient_stages
from dlgraph.draw.text import MARK, clean
from dlgraph.draw.walk import Flow, Walk
from dlgraph.draw.wording import detail_of, is_operation

NAMES_SHOWN = 6
SHORT = 18  # characters of a formula that serves as a name
NAME_ROOM = 40
INPUTS_SHOWN = 3
_LOW = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")


def tell(walk: Walk, picture: Picture) -> list[Step]:
    """All steps, from the leaves to the result and back.

    >>> import dlgraph as dg
    >>> from dlgraph.draw.steps import walked_picture
    >>> from dlgraph.draw.walk import walk_of
    >>> walk = walk_of(dg.Tensor(3.0, requires_grad=True, name="a") ** 2)
    >>> for step in tell(walk, walked_picture(walk, None)):
    ...     print(step.kind, "-", step.text)
    start - Known at the start: a = 3.
    forward - a² = 3² = 9
    seed - Backward begins at a²: its gradient with respect to itself is 1.
    backward - Through square to a: upstream 1 × local a·2 = 6 gives 6 = ∂(a²)/∂a.
    end - Done: ∂(a²)/∂a = 6. backward() adds these numbers to .grad.
    """
    return Teller(walk, picture).steps()


class Teller:
    """Knows what everything is called."""

    def __init__(self, walk: Walk, picture: Picture):
        self.walk = walk
        self.records = walk.graph.records
        self.nodes = {node.id: node for node in picture.nodes}
        self.names = self._names()
        self.stages = gradient_stages(walk)
        self.expected = Counter(flow.source for flow in walk.flows)
        self.arrived: Counter[int] = Counter()

    def steps(self) -> list[Step]:
        found = [self._start()]
        operations = (i for i in self.walk.order if is_operation(self.nodes[i]))
        found += [self.forward(i) for i in operations]
        found.append(self._seed())
        for flow in self.walk.flows:
            self.arrived[flow.source] += 1
            # A value taken out of several is no operation: its gradient is put back in silence.
            if self.nodes[flow.reader].kind != "part":
                found.append(self._backward(flow))
        return [*found, self._end()]

    # ---- names
    def _names(self) -> dict[int, str]:
        """What people would call each node; the same operations apart by a number."""
        plain = {i: self._plain_name(node) for i, node in self.nodes.items()}
        times = Counter(plain.values())
        count: Counter[str] = Counter()
        found = {}
        for i, name in plain.items():
            count[name] += 1
            alike = times[name] > 1 and self.nodes[i].kind != "constant"
            found[i] = f"{name}{str(count[name]).translate(_LOW)}" if alike else name
        return found

    def _plain_name(self, node: PictureNode) -> str:
        if node.name:
            return clean(node.name, NAME_ROOM)
        if node.kind == "constant" and node.value is not None:
            return node.value
        if node.kind == "part":
            return f"{self._plain_name(self.nodes[self.box(node.id)])}{node.label}"
        if node.formula and len(node.formula) <= SHORT and self.primitive(node.id) not in NESTED:
            return node.formula
        return node.label

    def primitive(self, index: int) -> str:
        """The name of the operation."""
        return str(self.records[index].primitive.name)

    def _text(self, index: int) -> Text:
        """A name inside a formula, and how tightly it binds."""
        node, name = self.nodes[index], self.names[index]
        if name == node.formula and not node.name and is_operation(node):
            return name, binding(self.records[index].primitive.text)
        return name, SIGN if name.startswith("-") else ATOM

    def slope(self, index: int) -> str:
        """`∂y/∂x`, with brackets around what is not a plain name."""
        above, below = (
            name if _is_plain(name) else f"({name})"
            for name in (self.names[self.walk.root], self.names[index])
        )
        return f"∂{above}/∂{below}"

    def box(self, index: int) -> int:
        """The node in whose box this one is drawn."""
        while self.primitive(index) == "item":
            index = self.records[index].inputs[0]
        return index

    # ---- forward
    def _start(self) -> Step:
        leaves = [n for n in self.nodes.values() if n.kind in LEAVES and n.kind != "constant"]
        words = [
            f"{self.names[n.id]} = {n.value}" if n.value is not None else self.names[n.id]
            for n in leaves
        ]
        boxes = tuple(f"f{n.id}" for n in self.nodes.values() if n.kind in LEAVES)
        return Step(
            "start", f"Known at the start: {_listed(words)}.", shown={box: {} for box in boxes}
        )

    def forward(self, index: int) -> Step:
        """One operation: its formula, the numbers put in, the value."""
        node, value = self.nodes[index], self.walk.values[index]
        formula = self._formula(index)
        numbers = self._with_numbers(index) if formula else ""
        words = [node.name, formula or node.formula, numbers, quantity_text(value)]
        text = " = ".join(dict.fromkeys(clean(word) for word in words if word))
        known = detail_of(replace(node, formula=formula_shown(node)))
        facts: dict[str, Any] = {"name": self.names[index], "label": node.label}
        facts |= {"formula": formula, "numbers": numbers, "value": quantity(value)}
        shown = {f"f{index}": {"detail": known}}
        return Step("forward", text, (f"f{index}",), self.lines_into(index), shown, facts)

    def lines_into(self, index: int) -> tuple[tuple[str, str, int], ...]:
        """The lines from the operands of an operation."""
        sources = [self.box(i) for i in self.records[index].inputs]
        return tuple(
            (f"f{source}", f"f{index}", sources[:slot].count(source))
            for slot, source in enumerate(sources)
        )

    def _formula(self, index: int) -> str:
        """The operation over the names of its operands; nothing for a loop or a call."""
        if self.primitive(index) in NESTED:
            return ""
        record = self.records[index]
        return clean(write(record.primitive, [self._text(i) for i in record.inputs]))

    def _with_numbers(self, index: int) -> str:
        """The formula with the numbers put in, where all of them are short."""
        texts: list[Text] = []
        for source in self.records[index].inputs:
            value = np.asarray(self.walk.values[source])
            text = value_text(value) if value.dtype.kind != "O" else None
            if text is None:
                return ""
            texts.append((text, SIGN if text.startswith("-") else ATOM))
        return write(self.records[index].primitive, texts)

    # ---- backward
    def _seed(self) -> Step:
        root = self.walk.root
        name = self.names[root]
        boxes = (f"b{root}",)
        text = f"Backward begins at {name}: its gradient with respect to itself is 1."
        text = f"{text} {self.hook(root)}".strip()
        facts = {"slope": self.slope(root), "total": quantity(self.walk.gradients[root])}
        shown = {f"b{root}": {"detail": self.stages[root][0]}}
        return Step("seed", text, boxes, ((f"f{root}", f"b{root}", 0),), shown, facts)

    def _backward(self, flow: Flow) -> Step:
        facts = self.facts(flow)
        words = [f"Through {facts['label']} to {facts['to']}{self.which(flow)}:"]
        words += [self._product(flow, facts), *self._sum(flow, facts)]
        key, reader = f"b{self.box(flow.source)}", f"b{flow.reader}"
        return Step(
            "backward",
            clean(" ".join(words), 600),
            (key, reader, f"f{flow.reader}"),
            ((reader, key, self.nth(flow)),),
            {key: {"detail": self.stages[flow.source][self.arrived[flow.source] - 1]}},
            facts,
            self.quiz(flow),
        )

    def nth(self, flow: Flow) -> int:
        """Which of several lines between the same boxes."""
        sources = [self.box(i) for i in self.records[flow.reader].inputs]
        return sources[: flow.slot].count(self.box(flow.source))

    def missing(self, flow: Flow) -> int:
        """How many parts of this gradient are still to come."""
        return self.expected[flow.source] - self.arrived[flow.source]

    def which(self, flow: Flow) -> str:
        """Which operand, where an operation reads the same value twice."""
        inputs = self.records[flow.reader].inputs
        return f" (operand {flow.slot + 1})" if inputs.count(flow.source) > 1 else ""

    def _product(self, flow: Flow, facts: dict[str, Any]) -> str:
        upstream, down = quantity_text(flow.upstream), quantity_text(flow.pulled)
        end = "." if self._is_partial(flow) else f" = {facts['slope']}."
        if facts.get("local") is None:
            return f"{self.way(facts)} turns the upstream g = {upstream} into {down}{end}"
        local, factor = quantity_text(self.local(flow)), facts["factor"]
        shown = f"{factor} = {local}" if factor not in ("", local) else local
        return f"upstream {upstream} × local {shown} gives {down}{end}"

    def way(self, facts: dict[str, Any]) -> str:
        """What turns the upstream into the downstream where there is no local number."""
        return f"the rule {facts['rule']}" if facts["rule"] else "its gradient rule"

    def _is_partial(self, flow: Flow) -> bool:
        """Is what the rule makes not yet the whole gradient: one of several, or to be summed?"""
        stretched = np.shape(flow.pulled) != np.shape(flow.downstream)
        return stretched or self.expected[flow.source] > 1

    def _sum(self, flow: Flow, facts: dict[str, Any]) -> list[str]:
        """What is added up, over stretched axes and over paths, and what hooks make of it."""
        words, slope, expected = [], facts["slope"], self.expected[flow.source]
        down = quantity_text(flow.downstream)
        if "downstream" in facts:
            end = "" if expected > 1 else f" = {slope}"
            words.append(f"{facts['to']} was stretched forward, so it is summed back: {down}{end}.")
        if expected > 1 and flow.held is None:
            words.append(f"It is the first of {expected} parts of {slope}.")
        elif flow.held is not None:
            held, total = map(quantity_text, (flow.held, flow.total))
            missing = facts["missing"]
            after = f"{missing} more to come" if missing else f"this is {slope}, complete"
            words.append(f"It is added to what came before: {held} + {down} = {total}; {after}.")
        return words + ([facts["hook"]] if facts["hook"] else [])

    def local(self, flow: Flow) -> Any:
        """The local derivative as numbers, None where there is none."""
        record, values = self.records[flow.reader], self.walk.values
        inputs = [values.get(i) for i in record.inputs]
        with np.errstate(all="ignore"):  # NumPy has said what it has to say in the walk
            found = local_value(
                record.primitive, flow.slot, values[flow.reader], inputs, record.attrs
            )
            # What is not element by element after all is explained by its rule alone.
            fits = found is not None and np.allclose(
                flow.upstream * found, flow.pulled, equal_nan=True
            )
        return found if fits else None

    def facts(self, flow: Flow) -> dict[str, Any]:
        """Everything that a page shows of one local derivative."""
        record, local = self.records[flow.reader], self.local(flow)
        specs = [self.records[i].spec for i in (*record.inputs, flow.reader)]
        operands = [self._text(i) for i in record.inputs]
        rule = rule_text(
            record.primitive, flow.slot, operands, self.names[flow.reader], specs, record.attrs
        )
        slope = self.slope(flow.source)
        missing = self.missing(flow)
        name, formula = self.names[flow.reader], self._formula(flow.reader)
        return {
            "label": self.nodes[flow.reader].label,
            "formula": "" if formula == name else formula,
            "from": name,
            "to": self.names[flow.source],
            "above": self.slope(flow.reader),
            "slope": slope,
            "rule": rule.formula,
            "factor": rule.local,
            "upstream": quantity(flow.upstream),
            "local": None if local is None else quantity(local),
            "pulled": quantity(flow.pulled),
            "parts": self.expected[flow.source],
            "missing": missing,
            "inputs": self._inputs(flow, rule.reads),
            "hook": self.hook(flow.source) if not missing else "",
        } | self.added(flow)

    def added(self, flow: Flow) -> dict[str, Any]:
        """What differs from what the rule made: summed back where stretched, added to others."""
        found = {}
        if np.shape(flow.pulled) != np.shape(flow.downstream):
            found["downstream"] = quantity(flow.downstream)
        if flow.held is not None:
            found |= {"held": quantity(flow.held), "total": quantity(flow.total)}
        return found

    def _inputs(self, flow: Flow, reads: tuple[int, ...]) -> list[list[Any]]:
        """The operands: name, value, and whether the rule reads it."""
        found: dict[int, bool] = {}
        for place, i in enumerate(self.records[flow.reader].inputs):
            if self.nodes[i].kind != "constant":
                found[i] = found.get(i, False) or place in reads
        rows = [[self.names[i], quantity(self.walk.values[i]), int(r)] for i, r in found.items()]
        return rows[:INPUTS_SHOWN]

    def hook(self, index: int) -> str:
        """What the hooks of a tensor made of its finished gradient."""
        if index not in self.walk.hooked:
            return ""
        return f"A hook makes {quantity_text(self.walk.hooked[index][1])} of it."

    def quiz(self, flow: Flow) -> dict[str, Any] | None:
        """What a student is asked before this step is shown."""
        return ask(flow, self.local(flow))

    def _end(self) -> Step:
        leaves = [
            i for i in self.walk.order if i in self.walk.gradients and self.nodes[i].kind in LEAVES
        ]
        words = [f"{self.slope(i)} = {quantity_text(self.walk.gradients[i])}" for i in leaves]
        after = (
            "backward() adds these numbers to .grad."
            if self.walk.eager
            else "dg.gradients builds nodes that compute these numbers."
        )
        boxes = tuple(f"b{i}" for i in leaves)
        return Step("end", f"Done: {_listed(words)}. {after}", boxes)


def _is_plain(name: str) -> bool:
    # The dot of a product is a letter to Python.
    return name.replace(".", "_").replace(MARK, "").isidentifier() and "·" not in name


def _listed(words: list[str]) -> str:
    shown = ", ".join(words[:NAMES_SHOWN])
    more = len(words) - NAMES_SHOWN
    return f"{shown} and {more} more" if more > 0 else shown or "nothing"
