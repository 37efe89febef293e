"""Dim: a size that is not known until the graph runs.

Every size of a shape is an `int` or one of these.  Next: `spec.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, NoReturn

from dlgraph.core.where import Where, user_line
from dlgraph.errors import SymbolicValueError


class Dim:
    """A size that is not known until the graph runs, such as the batch.

    Two unknown sizes are equal if they are the same object, carry the same name, or met in an
    operation that needs equal sizes (`join`): the batch of the images and that of their labels.

    >>> from dlgraph.core.dim import Dim
    >>> Dim("batch") == Dim("batch"), Dim() == Dim()
    (True, False)
    >>> images, labels = Dim(), Dim()
    >>> images.join(labels)
    >>> images == labels
    True
    """

    __slots__ = ("_joined", "_met", "name")

    # Where the user is; a written program (to_python) takes the class along, but not the search.
    _line: ClassVar[Callable[[], Where | None]] = staticmethod(lambda: None)

    def __init__(self, name: str | None = None):
        self.name = name
        self._joined: Dim | None = None
        self._met: Where | None = None  # the line that joined it

    @property
    def root(self) -> Dim:
        """The size that stands for all that were joined to this one."""
        found = self
        while found._joined is not None:
            found = found._joined
        return found

    def join(self, other: Dim) -> None:
        """From now on the two are known to be equal."""
        mine, yours = self.root, other.root
        if mine is yours:
            return
        if mine.name is None:
            mine._joined, mine._met = yours, Dim._line()
        elif yours.name is None:
            yours._joined, yours._met = mine, Dim._line()

    @property
    def met(self) -> Where | None:
        """The user's line that made it equal to another one, if one did."""
        found = self
        while found._joined is not None:
            if found._met is not None:
                return found._met
            found = found._joined
        return None

    def __getstate__(self) -> tuple[None, dict[str, Any]]:
        # A line knows its code, which cannot be pickled.
        return None, {"name": self.name, "_joined": self._joined, "_met": None}

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if not isinstance(other, Dim):
            return False
        mine, yours = self.root, other.root
        return mine is yours or (mine.name is not None and mine.name == yours.name)

    def __hash__(self) -> int:
        root = self.root
        return id(root) if root.name is None else hash(root.name)

    def __repr__(self) -> str:
        return self.root.name or "?"

    def _unknown(self, *others: Any, **options: Any) -> NoReturn:
        name = self.root.name
        raise SymbolicValueError(
            f"the size {name!r} is not known before the graph runs"
            if name
            else "a size that was given as None is not known before the graph runs",
            hint="dg.size_along(x, axis=0) is this size as a node; many operations need none: "
            "x.mean(axis=0), x.reshape(-1, 4), dg.zeros_like(x)",
        )

    # Whatever would compute with it, in Python or in NumPy.
    __index__ = __int__ = __float__ = __array__ = __neg__ = _unknown
    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = _unknown
    __truediv__ = __rtruediv__ = __floordiv__ = __rfloordiv__ = __mod__ = __rmod__ = _unknown
    __pow__ = __rpow__ = __lt__ = __le__ = __gt__ = __ge__ = _unknown


Dim._line = staticmethod(user_line)
