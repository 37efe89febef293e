"""The project's own files: one version, complete pins, nothing in it that must not be."""

import importlib.metadata as metadata
import re
import subprocess
import sys
import tomllib

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from dlgraph._version import __version__
from tools.normalise_notebooks import ROOT

PINNED = dict(
    line.split("==") for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").split()
)
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def test_version_is_stated_once():
    assert metadata.version("dlgraph") == __version__
    assert PROJECT["project"]["dynamic"] == ["version"]
    changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert re.search(rf"^## \[(Unreleased|{re.escape(__version__)})\]", changes, re.MULTILINE)


def test_constraints_are_plain_and_sorted():
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.+!]+", line) for line in lines)
    names = [canonicalize_name(line.split("==")[0]) for line in lines]
    assert len(set(names)) == len(names)


def test_constraints_name_everything_that_the_tests_install():
    """Walk from dlgraph[test] through what is installed here, as pip did."""
    pinned = {canonicalize_name(name) for name in PINNED}
    todo, seen = [("dlgraph", "test")], set()
    while todo:
        name, extra = todo.pop()
        if (name, extra) in seen:
            continue
        seen.add((name, extra))
        for text in metadata.requires(name) or []:
            needed = Requirement(text)
            if needed.marker is None or needed.marker.evaluate({"extra": extra}):
                other = canonicalize_name(needed.name)
                todo += [(other, wanted) for wanted in ("", *needed.extras)]
    found = {name for name, _ in seen} - {"dlgraph"}
    assert len(found) > 100
    assert not found - pinned


def test_pinned_versions_are_inside_the_ranges():
    optional = PROJECT["project"]["optional-dependencies"]
    wanted = [Requirement(text) for texts in optional.values() for text in texts]
    wanted += [Requirement(text) for text in PROJECT["project"]["dependencies"]]
    pinned = {canonicalize_name(name): version for name, version in PINNED.items()}
    checked = [need for need in wanted if canonicalize_name(need.name) in pinned]
    assert len(checked) > 15
    assert not [n for n in checked if not n.specifier.contains(pinned[canonicalize_name(n.name)])]


def tracked_files():
    done = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        pytest.skip("not a git checkout")
    return [ROOT / name for name in done.stdout.split("\0") if name and (ROOT / name).is_file()]


def test_no_data_set_and_no_large_file_is_in_the_repository():
    files = tracked_files()
    assert not [file for file in files if re.search(r"idx\d-ubyte|\.npz$|\.pkl$", file.name)]
    assert not [file for file in files if file.stat().st_size > 2_000_000]


def test_licence_is_the_stated_one():
    assert PROJECT["project"]["license"] == "Apache-2.0"
    text = (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert "Apache License" in text and "Version 2.0, January 2004" in text
    assert "END OF TERMS AND CONDITIONS" in text


def test_example_operation_of_contributing_is_true():
    """In a process of its own: it adds an operation."""
    command = [sys.executable, "-m", "doctest", str(ROOT / "CONTRIBUTING.md")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
