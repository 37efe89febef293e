"""PyTorch's own samples of its operators, run on dlgraph in both modes by `opinfo.py`.

Only the shared split of the operators; the rest is kept apart to see whether work was tuned to it.
"""

from __future__ import annotations

import importlib.util
import re
import sys

import pytest

from tests.conformance.yardsticks import FOLDER, HERE, needed, output_of, start

with_pytorch = pytest.mark.skipif(
    not (importlib.util.find_spec("torch") and importlib.util.find_spec("expecttest")),
    reason="PyTorch and expecttest are not installed",
)
MODES = pytest.mark.parametrize("mode", ["eager", "static"])


def tables():
    """What is mapped, and what is excluded with a reason."""
    sys.path.insert(0, str(HERE))
    try:
        from exclusions import EXCLUDED
        from opinfo_map import OPINFO
    finally:
        sys.path.remove(str(HERE))
    return OPINFO, EXCLUDED


def test_every_exclusion_has_a_reason():
    mapped, excluded = tables()
    assert not set(mapped) & set(excluded)
    assert all(len(reason) > 20 for reason in excluded.values())
    assert len(mapped) >= 120


@needed
def test_every_operator_is_mapped_or_excluded():
    mapped, excluded = tables()
    text = (FOLDER / "opinfo.py").read_text()
    lists = re.findall(r'^(?:CORE|EXTENDED) = """(.*?)"""', text, re.MULTILINE | re.DOTALL)
    names = {name for one in lists for name in one.split()}
    assert len(lists) == 2 and len(names) > 300
    assert names == set(mapped) | set(excluded)


@needed
@with_pytorch
@MODES
def test_core_operators(mode):
    """Exit status 0 means that every sample of every core operator passed."""
    adapter = HERE / f"dlgraph_{mode}.py"
    printed = output_of(
        start("opinfo.py", "--adapter", adapter, "--tier", "core", "--split", "shared")
    )
    found = re.search(r"(\d+) operators, (\d+) whole", printed)
    assert found and found[1] == found[2], printed
    assert int(found[1]) > 60


@needed
@with_pytorch
@pytest.mark.slow
@MODES
def test_mapped_operators_have_no_wrong_answer(mode):
    """Of all samples none is wrong; the few without a meaning here say so."""
    adapter = HERE / f"dlgraph_{mode}.py"
    process = start("opinfo.py", "--adapter", adapter, "--tier", "mapped", "--split", "shared")
    printed, _ = process.communicate(timeout=900)
    totals = re.search(r"samples (\{.*\})", printed)
    assert totals, printed
    assert set(re.findall(r"'(\w+)': ", totals[1])) <= {"pass", "skipped", "unsupported"}, printed
