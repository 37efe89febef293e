"""Settings of the whole test run: one BLAS thread, which data it used, nbval made strict.

nbval compares every lesson with its stored outputs.  Four things are needed for that to hold:

1. nbval runs cells with `store_history=False`, and IPython then ignores a `;` at the end of a line
   (nbval issue 194).  Here cells are run as JupyterLab runs them.
2. nbval compares nothing in a cell without a stored execution count, so that a stripped notebook
   passes every test.  Here such a notebook is an error.
3. Figures must be the same bytes in each run: `SOURCE_DATE_EPOCH` fixes Matplotlib's date,
   `notebooks/matplotlibrc` the ids.
4. Two kernels that start at the same moment can choose the same free port (jupyter_client), and
   one of them dies: a start is tried three times.
"""

from __future__ import annotations

import json
import os

import nbval.kernel
import pytest

os.environ["SOURCE_DATE_EPOCH"] = "0"
os.environ.setdefault("OMP_NUM_THREADS", "1")  # read when NumPy is imported, here and in kernels
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

STARTS = 3


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config):
    rules = config.option.nbval_sanitize_with
    if rules:  # pyproject.toml names it relative to the repository, nbval to the current folder
        config.option.nbval_sanitize_with = str(config.rootpath / rules)
    nbval.kernel.RunningKernel.execute_cell_input = execute_cell_input
    nbval.kernel.start_new_kernel = patient(nbval.kernel.start_new_kernel)


def execute_cell_input(self, cell_input, allow_stdin=None):
    return self.kc.execute(
        cell_input, store_history=True, allow_stdin=allow_stdin, stop_on_error=False
    )


def patient(start):
    def start_new_kernel(*args, **kwargs):
        for _ in range(STARTS - 1):
            try:
                return start(*args, **kwargs)
            except RuntimeError:  # "Kernel died before replying to kernel_info"
                continue
        return start(*args, **kwargs)

    return start_new_kernel


@pytest.fixture(autouse=True)
def short_numbers(request):
    """Examples print five digits: how many more there are depends on the processor."""
    if not isinstance(request.node, pytest.DoctestItem):
        yield
        return
    import numpy as np  # not before the number of threads is set

    with np.printoptions(precision=5, floatmode="maxprec"):
        yield


def pytest_report_header(config):
    from dlgraph.data import locate

    lines = []
    for name in ("mnist", "fashion_mnist"):
        places = locate(name)
        used = next((str(place) for place in places if place.complete), None)
        lines.append(f"data {name}: {used or 'not here (' + '; '.join(map(str, places)) + ')'}")
    return lines


def pytest_collect_file(file_path, parent):
    if file_path.suffix == ".ipynb" and parent.config.option.nbval:
        cells = json.loads(file_path.read_text(encoding="utf-8"))["cells"]
        never_run = [
            number
            for number, cell in enumerate(cells)
            if cell["cell_type"] == "code"
            and "".join(cell["source"]).strip()
            and cell["execution_count"] is None
            and not {"nbval-skip", "skip-execution"} & set(cell["metadata"].get("tags", []))
        ]
        if never_run:
            raise pytest.UsageError(
                f"{file_path}: cells {never_run} have no stored outputs to compare with; "
                f"run: python tools/normalise_notebooks.py {file_path}"
            )
    return None
