"""Parameter: a tensor that training changes, with one storage for both modes."""

from __future__ import annotations

from typing import Any

import numpy as np

from dlgraph.core.spec import Spec
from dlgraph.core.tensor import Tensor


class Parameter(Tensor):
    """A tensor that training changes; both modes share its storage.

    Made from values (`Parameter([0.0])`) or from an initialiser of `dg.nn.init`.  With an
    initialiser, eager code gets the values at once; while a graph is being built
    (`with graph.as_default():`) they are computed when `session.run(graph.startup)` is called.

    >>> import dlgraph as dg
    >>> w = dg.Parameter([0.5], name="w")
    >>> w.requires_grad, w.name
    (True, 'w')
    """

    __slots__ = ("_spec",)

    def __init__(
        self,
        data: Any,
        *,
        dtype: Any = None,
        name: str | None = None,
        requires_grad: bool = True,
    ):
        initialiser = data if hasattr(data, "initial_value") else None
        super().__init__(
            0.0 if initialiser else data,
            dtype=dtype,
            requires_grad=requires_grad,
            name=name,
        )
        self._spec: Spec = (
            initialiser.spec if initialiser else Spec(self._data.shape, self._data.dtype)
        )
        if initialiser:
            self._data = None
            initialiser.initialise(self)

    @property
    def shape(self) -> tuple[int, ...]:
        """Sizes of the dimensions, known before the values are."""
        return self._spec.shape

    @property
    def dtype(self) -> np.dtype:
        """Element type, known before the values are."""
        return self._spec.dtype

    @property
    def ndim(self) -> int:
        """Number of dimensions."""
        return len(self._spec.shape)

    @property
    def spec(self) -> Spec:
        """Shape and dtype together, known before the values are."""
        return self._spec

    def _spec_shape(self) -> tuple[int, ...]:
        return self._spec.shape

    def _spec_dtype(self) -> np.dtype:
        return self._spec.dtype
