"""Join: a sum of pieces that do not overlap is the pieces side by side.

The gradient of taking a value apart (the four gates of an LSTM, the steps of a sequence) puts each
piece into an array of zeros and adds those up.  Putting the pieces next to each other gives the
same numbers.  The same bits, too, once 0.0 is added: that turns -0.0 into 0.0, as adding to zeros
did.  Where the last bit does not matter (`exact=False`), even that is left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from dlgraph.core.graph import Graph
from dlgraph.core.node import Record
from dlgraph.passes.base import Job, Pass, Rewritten, known
from dlgraph.passes.edit import Edit, constant, op
from dlgraph.passes.sums import Sum, sums


class Piece(NamedTuple):
    """A term that is zero but from `start` to `stop` along `axis`; `flat` if it lacks the axis."""

    term: int
    axis: int
    start: int
    stop: int
    flat: bool


class Join(Pass):
    """Sums of scattered pieces become concatenations.

    >>> import dlgraph as dg
    >>> with dg.Graph().as_default() as g:
    ...     x = dg.placeholder((2, 6), name="x")
    ...     y = dg.sum(dg.tanh(x[:, :4])) + dg.sum(dg.exp(x[:, 4:]))
    ...     gx = dg.gradients(y, x)
    >>> found = dg.passes.PassManager(exact=False, check=True).run(g, gx, [x])
    >>> found.graph.records[found.fetches[0]].primitive.name
    'concatenate'
    """

    name, exact, level = "join", True, 2

    def keeps_bits(self, job: Job) -> bool:
        """If the job demands it."""
        return job.exact

    def run(self, graph: Graph, job: Job) -> Rewritten:
        """See the class."""
        records = graph.records
        if sum(record.primitive.name == "scatter" for record in records) < 2:
            return Rewritten(graph)
        edit = Edit(graph, job)
        for one in sums(records, edit.readers(), edit.kept):
            pieces = [_piece(records, i) for i in one.terms]
            if all(pieces):
                whole = sorted((p for p in pieces if p), key=lambda p: p.start)
                if _covers(whole, records[one.root].spec.shape):
                    self._write(edit, one, whole)
        return edit.done()

    def _write(self, edit: Edit, one: Sum, pieces: Sequence[Piece]) -> None:
        records, axis = edit.records, pieces[0].axis
        parts = []
        for piece in pieces:
            part = records[piece.term].inputs[0]
            if piece.flat:
                part = edit.add(
                    op("expand_dims"), [part], {"axis": axis}, of=[piece.term], name="piece"
                )
            parts.append(part)
        of = [*(piece.term for piece in pieces), one.root]
        exact = edit.job.exact and records[one.root].spec.dtype.kind == "f"
        made = edit.add(
            op("concatenate"), parts, {"axis": axis}, of=of, name="joined" if exact else None
        )
        if exact:
            zero = constant(edit, one.root, np.zeros((), records[one.root].spec.dtype), "zero")
            made = edit.add(op("add"), [made, zero], of=of)
        edit.replace(one.root, made)
        before = [*(piece.term for piece in pieces), *one.inner]
        why = f"{len(pieces)} pieces that do not overlap are put side by side, not added up"
        edit.note("replaced", self.name, before, [made], why)


def _piece(records: Sequence[Record], index: int) -> Piece | None:
    record = records[index]
    if record.primitive.name != "scatter" or record.control or not known(record.spec):
        return None
    shape, found = record.spec.shape, None
    entries: Sequence[Any] = record.attrs["index"]
    if any(not isinstance(entry, (int, slice)) for entry in entries):
        return None
    for axis, entry in enumerate(entries):
        if isinstance(entry, int):
            start = entry % shape[axis]
            one = Piece(index, axis, start, start + 1, True)
        else:
            start, stop, step = entry.indices(shape[axis])
            if (start, stop, step) == (0, shape[axis], 1):
                continue
            if step != 1:
                return None
            one = Piece(index, axis, start, stop, False)
        if found is not None:
            return None
        found = one
    return found


def _covers(pieces: Sequence[Piece], shape: Sequence[int]) -> bool:
    """Do the pieces lie side by side, from end to end?"""
    if len({piece.axis for piece in pieces}) > 1:
        return False
    at = 0
    for piece in pieces:
        if piece.start != at:
            return False
        at = piece.stop
    return at == shape[pieces[0].axis]
