"""Progress bars: a widget in a notebook, a line in a terminal, nothing in a log file.

The only module that imports tqdm.
"""

from __future__ import annotations

import sys
import warnings
from typing import Any

from dlgraph.errors import MissingPackageError


def bar(text: str, total: int, *, done: int = 0, unit: str = " batches") -> Any:
    """A tqdm bar, started at `done`; `unit="B"` counts bytes in kB and MB.

    Raises `MissingPackageError` if tqdm is not installed.
    """
    try:
        with warnings.catch_warnings():
            # Without ipywidgets tqdm falls back to text and warns about it: the text will do.
            warnings.simplefilter("ignore")
            from tqdm.auto import tqdm as in_notebook
            from tqdm.std import tqdm as in_terminal
    except ImportError as error:
        raise MissingPackageError(
            "progress: the bar is drawn by tqdm, which is not installed",
            hint='pip install "dlgraph[data]"',
        ) from error
    sort = in_notebook if _in_notebook() else in_terminal
    return sort(
        desc=text,
        total=total,
        initial=done,
        unit=unit,
        unit_scale=unit == "B",
        disable=False if _in_notebook() else None,  # None: only where stderr is a terminal
        leave=True,
    )


def _in_notebook() -> bool:
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return hasattr(shell, "kernel")
