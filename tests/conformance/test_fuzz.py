"""Random operator graphs: the outside yardstick `fuzz.py` compares values and gradients.

Without PyTorch the reference is NumPy and measured slopes (`numerical.py`), and in that test the
two modes must agree in every bit (`both_modes.py`).
"""

from __future__ import annotations

import importlib.util
import re

import pytest

from tests.conformance._ops import FUZZ
from tests.conformance.yardsticks import HERE, needed, output_of, start

pytestmark = needed

EAGER, STATIC = HERE / "dlgraph_eager.py", HERE / "dlgraph_static.py"
NUMERICAL, BOTH = HERE / "numerical.py", HERE / "both_modes.py"


def programs_of(printed: str, operators: int) -> int:
    """How many programs agreed; all operators must have been in them."""
    found = re.search(r"(\d+) programs, .* (\d+) operators used, all agree", printed)
    assert found, printed
    assert int(found[2]) == operators, printed
    return int(found[1])


def test_against_measured_slopes():
    loose = ("--rtol", "1e-6", "--atol", "1e-6")  # what differences can resolve
    printed = output_of(start("fuzz.py", "--adapters", NUMERICAL, BOTH, "--examples", 600, *loose))
    assert programs_of(printed, len(FUZZ) - 1) > 500  # one is `detach`


@pytest.mark.skipif(not importlib.util.find_spec("torch"), reason="PyTorch is not installed")
def test_against_pytorch():
    adapters = ("torch_ref", EAGER, STATIC)
    printed = output_of(start("fuzz.py", "--adapters", *adapters, "--examples", 200))
    assert programs_of(printed, len(FUZZ)) > 100
