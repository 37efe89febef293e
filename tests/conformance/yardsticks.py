"""Where the outside yardsticks are, and how one is run: in its own folder, as its README says.

They are not part of this repository.  Tests that need them are skipped with a reason without them.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
FOLDER = HERE.parents[2] / "shared" / "conformance"
DATA = FOLDER.parent / "data" / "mnist"

needed = pytest.mark.skipif(
    not FOLDER.is_dir(), reason="the outside yardsticks (../shared/conformance) are not here"
)


def start(*arguments: object) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, *map(str, arguments)],
        cwd=FOLDER,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"},
    )


def output_of(process: subprocess.Popen) -> str:
    """What it printed; its own verdict (the exit status) must be that all is well."""
    printed, _ = process.communicate(timeout=900)
    assert process.returncode == 0, printed
    return printed
