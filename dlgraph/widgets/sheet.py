"""An array as the cells that the browser shows: colours and values as bytes, the rest as JSON."""

from __future__ import annotations

from typing import Any

import numpy as np

from dlgraph.draw.array_picture import picture_of_array
from dlgraph.widgets.sliders import slider_range

EDITABLE = 4_096  # elements of an array whose cells can be set one by one


def sheet_of(array: np.ndarray, start: Any = None) -> tuple[dict[str, Any], tuple[bytes, bytes]]:
    """The description of the cells, and two buffers: red, green, blue; float64 values.

    `start` is the first value of an input whose elements may be changed; the slider of an element
    gets its range from it.

    >>> import numpy as np
    >>> from dlgraph.widgets.sheet import sheet_of
    >>> sheet, (colours, values) = sheet_of(np.eye(2), np.eye(2))
    >>> sheet["rows"], sheet["columns"], sheet["editable"], sheet["range"], len(colours)
    (2, 2, True, [-2.0, 2.0, 0.02], 12)
    """
    picture = picture_of_array(array)
    tile = picture.tiles[0]
    values = np.concatenate([one.values.ravel() for one in picture.tiles])
    # What stands for a mean, or is left out, cannot be set.
    editable = start is not None and values.size == array.size <= EDITABLE
    sheet = {
        "rows": tile.values.shape[0],
        "columns": tile.values.shape[1],
        "tiles": [list(one.prefix) for one in picture.tiles],
        "across": picture.columns,
        "block": list(picture.block),
        "axes": array.ndim,
        "words": picture.words,
        "editable": editable,
        "range": slider_range(start) if editable else None,
    }
    colours = picture.scale.palette[picture.scale.levels(values)]
    return sheet, (colours.tobytes(), values.astype("<f8").tobytes())
