"""The picture of a profile: a bar per step, as long as the time that it took."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dlgraph.draw.chart import Bar, Chart
from dlgraph.draw.memory import ChartFigure
from dlgraph.executors.profile import show_time
from dlgraph.passes.cost import show_bytes, show_flops

if TYPE_CHECKING:
    from dlgraph.executors.profile import Profile, Row

ROWS = 24
STYLES = {"backward": "gradient", "update": "update"}  # by the role of a step


def timing(profile: Profile) -> ChartFigure:
    """The dearest steps of a profile in the order of the run, and how near to the limit."""
    dearest = sorted(range(len(profile.rows)), key=lambda k: -profile.rows[k].seconds)[:ROWS]
    bars = [_bar(k, profile.rows[k]) for k in sorted(dearest)]
    longest = max((row.seconds for row in profile.rows), default=0.0)
    rest = len(profile.rows) - len(bars)
    others = f"; {rest} quicker steps are not shown" if rest else ""
    chart = Chart(
        f"Where {show_time(profile.seconds)} go",
        f"time of the step; filled (%): what it would take at the machine's limit{others}",
        longest,
        tuple((longest * k / 4, show_time(longest * k / 4) if k else "0") for k in range(5)),
        tuple(bars),
    )
    return ChartFigure(chart, str(profile).partition("\n")[0])


def _bar(number: int, row: Row) -> Bar:
    style = "update" if row.kind == "effect" else STYLES.get(row.role, "forward")
    limit = f", {row.ceiling:.0%} of the limit" if row.ceiling is not None else ""
    work = [show_flops(row.flops)] * bool(row.flops) + [show_bytes(row.bytes)] * bool(row.bytes)
    lines = [
        row.name,
        f"{row.operation}: {show_time(row.seconds)}, {row.share:.0%} of the run{limit}",
        *([f"work: {', moved: '.join(work)}"] if row.flops and row.bytes else work),
        *([str(row.where)] if row.where else []),
    ]
    note = f"{show_time(row.seconds)}{f' ({row.ceiling:.0%})' if row.ceiling is not None else ''}"
    label = row.name.rpartition("/")[2]
    part = row.ceiling or 0.0
    return Bar(f"t{number}", label, 0.0, row.seconds, style, note, tuple(lines), part)
