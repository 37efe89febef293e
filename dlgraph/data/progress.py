"""Progress bars: a line of text in a notebook or terminal, nothing in a log file.

The only module that imports tqdm.
"""

from __future__ import annotations

import sys
from typing import Any

from dlgraph.errors import MissingPackageError


def bar(text: str, total: int, *, done: int = 0, unit: str = " batches") -> Any:
    """A tqdm bar, started at `done`; `unit="iB"` counts bytes, in KiB and MiB.

    Raises `MissingPackageError` if tqdm is not installed.
    """
    try:
        from tqdm.std import tqdm
    except ImportError as error:
        raise MissingPackageError(
            "progress: the bar is drawn by tqdm, which is not installed",
            hint='pip install "dlgraph[data]"',
        ) from error
    notebook = _in_notebook()
    return tqdm(
        desc=text,
        total=total,
        initial=done,
        unit=unit,
        unit_scale=unit == "iB",
        unit_divisor=1024,
        # Text, not tqdm's widget: a saved notebook then shows the finished bar, not "0%".  On
        # stdout, since JupyterLab paints stderr red.
        file=sys.stdout if notebook else sys.stderr,
        disable=False if notebook else None,  # None: only where stderr is a terminal
        leave=True,
        # In a notebook only what is left is shown: a finished bar then tells no time, and is the
        # same on every machine.
        bar_format="{desc}: {percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt} [{remaining} left]"
        if notebook
        else None,
    )


def _in_notebook() -> bool:
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return hasattr(shell, "kernel")
