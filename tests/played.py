"""Cells of the stored notebooks, run here one after the other: for tests of what they say."""

import contextlib
import io
import linecache
import warnings

import nbformat

from tools.normalise_notebooks import ROOT

NOTEBOOKS = ROOT / "notebooks"
LESSONS = sorted(NOTEBOOKS.glob("[0-9]*.ipynb"))  # a lesson has a number, the gallery has none
UNTOUCHED = "Not attempted yet.\n"


def cells_of(path, kind=None, part=None):
    cells = nbformat.read(path, as_version=4).cells
    return [
        cell
        for cell in cells
        if kind in (None, cell.cell_type) and part in (None, *cell.metadata.get("tags", []))
    ]


def printed(cell):
    text = "".join(out.text for out in cell.outputs if out.get("name") == "stdout")
    # A bar counts the batches of the data at hand; nbval takes all bars for equal, and so do we.
    return "".join(line for line in text.splitlines(True) if "%|" not in line)


def said(source, namespace):
    """What a code cell prints when it is run in this namespace."""
    # A figure may show the lines of a function: they are kept where IPython keeps those of a cell.
    name = f"<cell {hash(source):x}>"
    linecache.cache[name] = (len(source), None, source.splitlines(True), name)
    with contextlib.redirect_stdout(io.StringIO()) as output, warnings.catch_warnings():
        warnings.filterwarnings("ignore", "FigureCanvasAgg is non-interactive")
        exec(compile(source, name, "exec"), namespace)
    return output.getvalue()
