"""Every lesson is stored in canonical form, run from top to bottom, with one title."""

import nbformat
import pytest

from tools.normalise_notebooks import ROOT, main

LESSONS = sorted((ROOT / "notebooks").glob("*.ipynb"))


def test_there_are_lessons():
    assert LESSONS


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_canonical_form(path, capsys):
    assert main(["--check", str(path)]) == 0, capsys.readouterr().out


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_one_title_first(path):
    cells = nbformat.read(path, as_version=4).cells
    text = [cell.source for cell in cells if cell.cell_type == "markdown"]
    titles = [line for source in text for line in source.splitlines() if line.startswith("# ")]
    assert cells[0].cell_type == "markdown" and cells[0].source.startswith("# ")
    assert len(titles) == 1, titles


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_run_once_from_top_to_bottom(path):
    cells = nbformat.read(path, as_version=4).cells
    counts = [cell.execution_count for cell in cells if cell.cell_type == "code"]
    assert counts == list(range(1, len(counts) + 1))


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_no_error_is_stored_by_accident(path):
    for cell in nbformat.read(path, as_version=4).cells:
        failed = any(output.output_type == "error" for output in cell.get("outputs", []))
        assert not failed or "raises-exception" in cell.metadata.get("tags", []), cell.source
