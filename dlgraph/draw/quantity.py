"""Numbers as a step shows them: a small array in full, a large one by its first numbers."""

from __future__ import annotations

from typing import Any

import numpy as np

from dlgraph.draw.formula import in_brackets, number_text, shape_text

FULL = 16  # elements of an array that is shown in full
COLUMNS = 6
SAMPLE = 3  # first numbers of a larger one


def quantity(value: Any) -> dict[str, Any]:
    """A value for a page: `text` for a number, `rows` for a small array, else a few numbers.

    >>> import numpy as np
    >>> from dlgraph.draw.quantity import quantity
    >>> quantity(np.float32(2.5)), quantity(np.array([1.0, 2.0]))
    ({'text': '2.5'}, {'shape': '(2,)', 'rows': [['1', '2']]})
    """
    found = np.asarray(value)
    if found.dtype.kind == "O":
        return {"text": "several values"}
    if found.ndim == 0:
        return {"text": number_text(found[()])}
    shape = shape_text(found.shape)
    if found.ndim <= 2 and 0 < found.size <= FULL and found.shape[-1] <= COLUMNS:
        rows = found.reshape(-1, found.shape[-1])
        return {"shape": shape, "rows": [[number_text(one) for one in row] for row in rows]}
    some = [number_text(one) for one in found.reshape(-1)[:SAMPLE]]
    return {"shape": shape, "some": some, "more": int(found.size - len(some))}


def quantity_text(value: Any) -> str:
    """The same in one line of text.

    >>> import numpy as np
    >>> from dlgraph.draw.quantity import quantity_text
    >>> quantity_text(np.eye(2)), quantity_text(np.zeros((4, 5)))
    ('[[1, 0], [0, 1]]', '[0, 0, 0, … 17 more] (4 × 5)')
    """
    found = quantity(value)
    if "text" in found:
        return str(found["text"])
    if "rows" in found:
        rows = [f"[{', '.join(row)}]" for row in found["rows"]]
        return rows[0] if np.ndim(value) == 1 else f"[{', '.join(rows)}]"
    more = f", … {found['more']:,} more" if found["more"] else ""
    return f"[{', '.join(found['some'])}{more}] {in_brackets(np.shape(value))}"
