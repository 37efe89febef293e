"""Layouts do not change by accident, nor from run to run, nor from machine to machine."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys

import pytest

from dlgraph.draw.figure import Figure
from dlgraph.draw.layout import lay_out
from dlgraph.draw.model import Picture
from tests.draw.examples import EXAMPLES
from tests.draw.write_golden import FOLDER, VIEWS, golden_text

HASHES = """
import hashlib
from dlgraph.draw.figure import Figure
from tests.draw.examples import EXAMPLES
for name, example in EXAMPLES.items():
    print(name, hashlib.sha256(Figure(example()).svg.encode()).hexdigest())
"""


@pytest.mark.parametrize("name", EXAMPLES)
def test_layout_is_the_golden_one(name):
    stored = (FOLDER / f"{name}.json").read_text(encoding="utf-8")
    assert golden_text(EXAMPLES[name]()) == stored, "see tests/draw/write_golden.py"


@pytest.mark.parametrize("name", EXAMPLES)
def test_golden_picture_read_back_gives_the_golden_layouts(name):
    stored = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    picture = Picture.from_json(stored["picture"])
    for view in VIEWS.keys() & stored.keys():
        layout = lay_out(picture, *VIEWS[view]).to_json()
        assert json.loads(json.dumps(layout)) == stored[view]


def test_no_golden_file_is_left_over():
    assert {path.stem for path in FOLDER.glob("*.json")} == set(EXAMPLES)


@pytest.mark.parametrize("seed", ["0", "4242"])
def test_same_bytes_in_another_process(seed):
    environment = {**os.environ, "PYTHONHASHSEED": seed}
    run = subprocess.run(
        [sys.executable, "-c", HASHES], env=environment, capture_output=True, text=True, check=True
    )
    here = {n: hashlib.sha256(Figure(e()).svg.encode()).hexdigest() for n, e in EXAMPLES.items()}
    assert dict(line.split() for line in run.stdout.splitlines()) == here
