"""Every error of dlgraph, and the one builder that words them.

An error is a short lesson: what was attempted, with names, shapes and numbers; which node; the
line of *your* code; one hint.  Read `core/where.py` for how the line is found.

    ShapeError: matmul: h (64, 100) @ W2 (784, 10): inner sizes 100 and 784 differ
      made by  mlp/layer2/matmul
      at       cell [12], line 4:  z = h @ self.W2 + self.b2
      hint     (n, k) @ (k, m) gives (n, m): the last size on the left must equal the first on ...
"""

from __future__ import annotations

from typing import Any

from dlgraph.core.where import Where, user_line


class DlgraphError(Exception):
    """Base of all errors that dlgraph raises on purpose.

    The parts stay readable as attributes, so that a widget or a grader can use them:
    `what` (one sentence), `node` (path of the node, or None), `where` (the user's line, or None),
    `hint` (one concrete thing to try, or None) and `extra` (further labelled lines).

    >>> import dlgraph as dg
    >>> error = dg.errors.ShapeError("inner sizes 3 and 4 differ", node="h/matmul", where=None,
    ...                              hint="transpose one of them")
    >>> print(error)
    inner sizes 3 and 4 differ
      made by  h/matmul
      hint     transpose one of them
    """

    def __init__(
        self,
        what: str,
        *,
        node: str | None = None,
        where: Where | str | None = "caller",
        hint: str | None = None,
        extra: dict[str, str] | None = None,
    ):
        self.what = what
        self.node = node
        self.where = user_line() if where == "caller" else where
        self.hint = hint
        self.extra = dict(extra or {})
        super().__init__(what)

    def __reduce__(self) -> Any:
        # To another process (a pool, a grader) the line goes in words: code cannot be sent.
        where = None if self.where is None else str(self.where)
        return _again, (type(self), self.what, self.node, where, self.hint, self.extra)

    def __str__(self) -> str:
        rows = [("made by", self.node), ("at", self.where and str(self.where))]
        rows += [*self.extra.items(), ("hint", self.hint)]
        shown = [(label, text) for label, text in rows if text]
        width = max([7, *(len(label) for label, _ in shown)]) + 2
        return "\n".join([self.what, *(f"  {label:<{width}}{text}" for label, text in shown)])


def _again(kind: type[DlgraphError], what: str, *parts: Any) -> DlgraphError:
    node, where, hint, extra = parts
    return kind(what, node=node, where=where, hint=hint, extra=extra)


class ShapeError(DlgraphError, ValueError):
    """Shapes that do not fit together."""


class DtypeError(DlgraphError, TypeError):
    """Element types that would have to be converted silently."""


class LabelError(DlgraphError, IndexError):
    """Class labels or indices outside the range that the other operand allows."""


class OperationError(DlgraphError, ValueError):
    """An operation was called with arguments that it cannot use."""


class SymbolicValueError(DlgraphError, TypeError):
    """The value of a graph node was asked for before the graph ran."""


class GraphError(DlgraphError, ValueError):
    """A graph was built or combined in a way that has no meaning."""


class FeedError(DlgraphError, ValueError):
    """A placeholder was not fed, or fed with the wrong thing."""


class FetchError(DlgraphError, LookupError):
    """A fetch that the graph does not have."""


class UninitialisedError(DlgraphError, RuntimeError):
    """A parameter was read before its initialiser ran."""


class BackwardError(DlgraphError, RuntimeError):
    """A gradient was asked for where there is none, or a second time."""


class MutationError(DlgraphError, RuntimeError):
    """An array was changed after an operation had used it."""


class UnknownNameError(DlgraphError, AttributeError):
    """A function, method or attribute that is not there, or has another name here."""


class NonFiniteError(DlgraphError, ArithmeticError):
    """NaN or infinity appeared while watching for it."""


class DataError(DlgraphError, OSError):
    """A data file is missing, incomplete, corrupt, or not what it claims to be."""


class DeviceError(DlgraphError, RuntimeError):
    """There is no such device, or values of two devices met in one operation."""


class MissingPackageError(DlgraphError, ImportError):
    """An optional package is needed; the hint says how to install it."""


class GrowingGraphWarning(UserWarning):
    """A graph grew between two runs: operations are being built inside the training loop."""


class TraceWarning(UserWarning):
    """Something in a traced function happens only while it is traced."""


class UntrainedWarning(UserWarning):
    """A weight of a model is no parameter, so no optimiser will find it."""


class RetraceWarning(UserWarning):
    """A function is traced again and again."""
