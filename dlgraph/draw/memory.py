"""`memory`: which value of a program is in memory when, and why it still is.

A row per piece of memory, from the step that fills it to the last that reads it; above the rows,
the bytes in use at every step, beside what they would be without reuse, and if values were computed
again rather than held.  Every word in the picture that is no plain English is explained below it.
"""

from __future__ import annotations

from functools import cached_property
from itertools import accumulate
from typing import Any

from dlgraph.draw import page
from dlgraph.draw.chart import Bar, Chart, Curve, render, ticks_of
from dlgraph.draw.figure import Figure
from dlgraph.draw.text import clean
from dlgraph.errors import OperationError
from dlgraph.executors.plan import Block, Plan
from dlgraph.passes.cost import show_bytes

ROWS = 24  # pieces of memory with a row of their own: the largest
SCRATCH = " (scratch)"  # after the name of the operation whose memory it is


class ChartFigure(Figure):
    """A chart that shows itself in a notebook; its rows can be walked through with the keyboard.

    >>> from dlgraph.draw.chart import Bar, Chart
    >>> from dlgraph.draw.memory import ChartFigure
    >>> bar = Bar("m0", "relu", 0, 2, "forward", "6 KiB", ("relu", "kept for the gradient"))
    >>> print(ChartFigure(Chart("Memory", "step", 3, (), (bar,)), "one value").describe())
    one value
    relu; kept for the gradient
    """

    def __init__(self, chart: Chart, words: str):
        self.chart, self.words = chart, words

    @cached_property
    def svg(self) -> str:
        """The figure as SVG text, with its own background, fit to stand alone in a file."""
        return render(self.chart, str(self), self.describe())

    def describe(self) -> str:
        """The figure in words: the sentence, then one line per row."""
        return "\n".join([self.words, *("; ".join(bar.lines) for bar in self.chart.bars)])

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        facts = {bar.key: [clean(line) for line in bar.lines] for bar in self.chart.bars}
        data = {"rows": facts}
        words = str(self)
        return {
            "text/html": page.html(data, bundle="chart", svg=self.svg, text=words),
            "image/svg+xml": self.svg,
            "text/plain": words,
        }

    def __str__(self) -> str:
        return self.words


def memory(program: Any, budget: int | None = None) -> ChartFigure:
    """Draw the memory of a planned program: who is there when, and why.

    `program` is what `session.program(fetches, feed)` gave; its plan is drawn, for the shapes that
    were fed last.  Every row is a piece of memory, from the step that fills it to the last that
    reads it.  The curves are the bytes in use at each step: if no memory were used twice; as
    planned; and if values that are cheap to make were computed again until `budget` bytes are
    enough, or as few as can be (by default half of what is planned; see `dg.passes.Recompute`).

    Raises OperationError for what has no plan, and for a budget that is no number of bytes.

    >>> import dlgraph as dg
    >>> with dg.Graph().as_default() as g:
    ...     x = dg.placeholder((1000,), name="x")
    ...     y = dg.exp(dg.sin(x) * dg.cos(x)).sum()
    >>> print(dg.memory(dg.Session(g).program(y, [x])))
    memory of 5 steps: at most 7.9 KiB at once, 15.8 KiB without reuse; recomputation saves nothing
    """
    if budget is not None and (isinstance(budget, bool) or not isinstance(budget, int)):
        raise OperationError(
            f"memory: a budget is a whole number of bytes, not {budget!r}",
            hint="for example dg.memory(program, 1_000_000)",
        )
    plan = getattr(program, "plan", program)
    if not isinstance(plan, Plan):
        raise OperationError(
            f"memory: {type(program).__name__} has no memory plan",
            hint="pass what session.program(fetches, feed) returns, of a session that plans "
            '(its executor is not "interpreter")',
        )
    less = None if plan is program else program.plan_within(budget or plan.peak // 2)
    return ChartFigure(*chart_of(plan, less))


def chart_of(plan: Plan, less: Plan | None = None) -> tuple[Chart, str]:
    """The chart of a plan, and its sentence; `less` is the plan that computes values again."""
    steps = len(plan.instructions)
    alive, naive = _curves(plan, steps)
    peak, naive_peak = show_bytes(plan.peak), show_bytes(plan.naive_peak)
    curves = [
        Curve(f"without reuse: {naive_peak}", naive, "naive"),
        Curve(f"planned: at most {peak}", alive, "planned"),
    ]
    words = (
        f"memory of {steps} step{'s' * (steps != 1)}: at most {peak} at once, "
        f"{naive_peak} without reuse"
    )
    if less is not None and less.peak < plan.peak:
        more = len(less.instructions) - steps
        least = show_bytes(less.peak)
        words += f", {least} with {more} step{'s' * (more != 1)} of recomputation"
        curves.append(
            Curve(f"recomputed: at most {least}", _curves(less, steps + more)[0], "again")
        )
    elif less is not None:
        words += "; recomputation saves nothing"
    largest = sorted(plan.blocks, key=lambda b: (-b.size, b.first, b.offset))[:ROWS]
    bars = [
        _bar(plan, block, steps) for block in sorted(largest, key=lambda b: (b.first, b.offset))
    ]
    records = plan.graph.records
    turn = next(
        (k for k, s in enumerate(plan.instructions) if records[s.record].role == "backward"), None
    )
    chart = Chart(
        "Who is in memory, and when",
        "step of the program",
        max(steps, 1),
        ticks_of(steps),
        tuple(bars),
        tuple(curves),
        show_bytes(max(plan.peak, plan.naive_peak)),
        (turn, "backward begins") if turn is not None else None,
        "bytes in use",
        tuple(_notes(bars, curves, len(plan.blocks) - len(bars))),
    )
    return chart, words


def _notes(bars: list[Bar], curves: list[Curve], hidden: int) -> list[str]:
    """What the words of the picture mean; only of those that are in it."""
    notes = ["A row: a piece of memory, from the step that fills it to the last that reads it."]
    shared = next((bar.label for bar in bars if " + " in bar.label), None)
    if shared:
        name, _, others = shared.rpartition(" + ")
        values = "1 more value shares" if others == "1" else f"{others} more values share"
        notes.append(f"“{shared}”: {values} the piece that {name} fills first.")
    if any(bar.label.endswith(SCRATCH) for bar in bars):
        notes.append("Scratch: numbers that an operation needs only while it runs.")
    notes.append("Planned: what this program uses.")
    notes.append("Without reuse: if every value had memory of its own.")
    if any(curve.style == "again" for curve in curves):
        notes.append(
            "Recomputed: if values that are cheap to make were made again rather than kept."
        )
    if hidden:
        pieces = "1 smaller piece of memory is" if hidden == 1 else f"{hidden} smaller pieces are"
        notes.append(f"{pieces} not shown.")
    return notes


def _curves(plan: Plan, steps: int) -> tuple[tuple[float, ...], tuple[float, ...]]:
    change, made = [0] * (steps + 1), [0] * (steps + 1)
    for block in plan.blocks:
        change[max(block.first, 0)] += block.size
        end = min(block.last, steps - 1) + 1
        change[end] -= block.size
    for step, instruction in enumerate(plan.instructions):
        if instruction.output is not None and instruction.kind not in ("view", "effect"):
            made[step] += instruction.output.bytes
    return tuple(accumulate(change[:-1])), tuple(accumulate(made[:-1]))


def _bar(plan: Plan, block: Block, steps: int) -> Bar:
    records = plan.graph.records
    first = records[block.records[0] if block.records else plan.instructions[block.first].record]
    names = [records[i].name for i in block.records]
    label = "/".join((names[0] if names else first.name).split("/")[-2:])
    if not names:
        label += SCRATCH
        names = [f"scratch memory of {first.name}"]
    elif len(names) > 1:
        label += f" + {len(names) - 1}"
    style = {"backward": "gradient", "update": "update"}.get(first.role, "forward")
    last = min(block.last, steps - 1)
    lines = [
        names[0],
        f"{show_bytes(block.size)}: bytes {block.offset:,} to {block.offset + block.size - 1:,} "
        f"of the program's {plan.buffers[0].size:,}",
        f"from step {block.first} to step {last}",
        _reason(plan, block, steps),
    ]
    if len(names) > 1:
        lines.append(f"the same memory holds: {', '.join(names)}")
    if first.where is not None:
        lines.append(str(first.where))
    key = f"m{block.offset}-{block.first}"
    return Bar(key, label, block.first, last + 1, style, show_bytes(block.size), tuple(lines))


def _reason(plan: Plan, block: Block, steps: int) -> str:
    """Why the memory is not free earlier."""
    records = plan.graph.records
    if not block.records:
        return "needed while the step runs"
    if block.last >= steps or any(i in plan.fetches for i in block.records):
        return "fetched: it stays until it is handed out"
    reader = records[plan.instructions[block.last].record]
    first = records[block.records[0]]
    if reader.role == "backward" and first.role == "forward":
        twin = reader.twin
        operation = records[twin].name if twin is not None else "an operation"
        return f"saved for the gradient of {operation}: {reader.name} reads it last"
    return f"{reader.name} reads it last"
