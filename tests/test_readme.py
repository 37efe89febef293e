"""README's two commands are the ones that are tested, and its words about extras are complete."""

import importlib.metadata as metadata
import re

import pytest

from dlgraph import cli
from tools.normalise_notebooks import ROOT

LAB = 'python3 -m venv .venv && .venv/bin/pip install -e ".[lab]" && .venv/bin/dlgraph lab'


@pytest.fixture(scope="module")
def lines():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    return [line.strip().removeprefix("$ ") for line in text.splitlines()]


def test_the_test_command_is_what_ci_runs(lines):
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()
    commands = [line for line in script if line.startswith("python3 -m venv .venv &&")]
    assert len(commands) == 1
    assert lines.count(commands[0]) == 1, f"README must hold this line once: {commands[0]}"


def test_the_lab_command(lines, monkeypatch):
    assert lines.count(LAB) == 1, f"README must hold this line once: {LAB}"
    called = []
    monkeypatch.setattr(cli, "lab", lambda *arguments: called.append(arguments) or 0)
    words = LAB.rpartition(".venv/bin/dlgraph")[2].split()
    assert cli.main(words) == 0 and called


def test_every_extra_is_described(lines):
    text = "\n".join(lines)
    missing = [
        extra
        for extra in metadata.metadata("dlgraph").get_all("Provides-Extra")
        if f"`{extra}`" not in text
    ]
    assert not missing


def test_files_that_readme_names_exist(lines):
    links = re.findall(r"\]\((?!https?:|#|mailto:)([^)#\s]+)", "\n".join(lines))
    assert not [link for link in links if not (ROOT / link).exists()]


def test_the_reference_can_show_the_readme(lines):
    """docs/index.md shows it up to "## More", and puts only links into notebooks/ right."""
    shown = "\n".join(lines).partition("## More")[0]
    links = re.findall(r"(?<!!)\[[^\]]*\]\((?!https?:)([^)#\s]+)", shown)
    assert links and not [link for link in links if not link.startswith("notebooks/")]
