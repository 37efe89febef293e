"""Run the lessons and store them in one canonical form, or check that they have it.

    python tools/normalise_notebooks.py            run all lessons, store form and outputs
    python tools/normalise_notebooks.py --check    form only, nothing is run or written

The canonical form keeps diffs small: cell ids come from the cells' content, times, widget state
and the patch version of Python are left out, and an output that differs from the stored one only
in what `tests/nbval_sanitize.cfg` calls noise stays as it was.  So a second run changes nothing.
Cells that are not compared keep their outputs while all others say the same: no number in one cell
is older than that of another.
"""

from __future__ import annotations

import argparse
import copy
import hashlib
import json
import os
import re
import secrets
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbformat import NotebookNode

ROOT = Path(__file__).resolve().parent.parent
RULES = ROOT / "tests" / "nbval_sanitize.cfg"
WIDGET = "application/vnd.jupyter.widget-view+json"
KERNEL = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
KEEP_CELL_METADATA = {"tags", "nbgrader", "jupyter", "slideshow"}
CELL_SECONDS = 600
FAILURES = (OSError, ValueError, CellExecutionError, CellTimeoutError, DeadKernelError)

Rules = list[tuple[str, str]]


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status 1 if a file is not in form (--check), cannot be read, or fails when run."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--check", action="store_true", help="only compare, neither run nor write")
    parser.add_argument("paths", nargs="*", type=Path, help="default: every notebook in notebooks/")
    options = parser.parse_args(arguments)
    paths = options.paths or sorted((ROOT / "notebooks").glob("*.ipynb"))
    if not paths:
        print("no notebook given, and none in notebooks/", file=sys.stderr)
        return 1
    failed = False
    for path in paths:
        try:
            text = path.read_text(encoding="utf-8")
            after = stored_form(text) if options.check else run(text, path.parent)
        except FAILURES as error:
            print(f"{path}: {error}", file=sys.stderr)
            failed = True
            continue
        if after == text:
            continue
        if options.check:
            print(f"{path}: not in canonical form; run: python tools/normalise_notebooks.py {path}")
            failed = True
        else:
            replace(path, after)
            print(f"rewrote {path}")
    return 1 if failed else 0


def stored_form(text: str) -> str:
    """The same notebook in canonical form, as the text of its file."""
    return nbformat.writes(canonical(parse(text))) + "\n"


def parse(text: str) -> NotebookNode:
    """The notebook in a file's text; ValueError if it is none."""
    content = json.loads(text)
    if not isinstance(content, dict) or not {"nbformat", "cells"} <= set(content):
        raise ValueError("this is not a notebook (nbformat 4)")
    return nbformat.reads(text, as_version=4)


def run(text: str, folder: Path) -> str:
    """Run the notebook in `folder` and return it in canonical form.

    Outputs that say the same as the stored ones are kept as they were, unless their cell was
    edited since: its id is still that of what it was.  Those that are not compared may show what
    an edited cell computed, so they are not kept either.
    """
    # What conftest.py sets for nbval's kernels: the same figures, the same sums.
    os.environ.update(SOURCE_DATE_EPOCH="0", PYTHONHASHSEED="0")
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    notebook = parse(text)
    old = canonical(copy.deepcopy(notebook))
    code = [
        pair for pair in zip(old.cells, notebook.cells, strict=True) if pair[0].cell_type == "code"
    ]
    edited = [cell for cell, stored in code if cell.id != stored.get("id")]
    for cell in edited + [cell for cell, _ in code if edited and is_ignored(cell)]:
        cell.outputs = []
    NotebookClient(
        notebook,
        timeout=CELL_SECONDS,
        kernel_name="python3",
        record_timing=False,
        coalesce_streams=True,  # how a stream was cut into messages is chance
        # With store_widget_state=False nbclient raises KeyError on Output widgets: it stores the
        # state, and canonical() drops it afterwards.
        resources={"metadata": {"path": str(folder)}},
    ).execute()
    keep_equal_outputs(old, canonical(notebook), read_rules())
    return nbformat.writes(notebook) + "\n"


def canonical(notebook: NotebookNode) -> NotebookNode:
    """Bring the notebook into canonical form, in place, and return it."""
    notebook.metadata.clear()  # saved widget state is in there as well
    notebook.metadata["kernelspec"] = dict(KERNEL)
    notebook.metadata["language_info"] = {"name": "python"}
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    seen: Counter[str] = Counter()
    for cell in notebook.cells:
        name = hashlib.sha1((cell.cell_type + cell.source).encode()).hexdigest()[:8]
        cell["id"] = f"{name}-{seen[name]}" if seen[name] else name
        seen[name] += 1
        cell.metadata = {
            key: value for key, value in sorted(cell.metadata.items()) if key in KEEP_CELL_METADATA
        }
        for output in cell.get("outputs", []):
            # A stored widget view shows only an error without its model; the picture and the
            # text that stand in the same bundle are what a reader should see.
            output.get("data", {}).pop(WIDGET, None)
    return notebook


def keep_equal_outputs(old: NotebookNode, new: NotebookNode, rules: Rules) -> None:
    """Put back the old outputs of each cell whose new ones differ from them in noise only.

    Those of cells that are not compared are put back if that is so of all others.
    """
    ignored, equal, unequal = [], [], []
    for before, after in zip(old.cells, new.cells, strict=True):
        if before.cell_type != "code":
            continue
        if is_ignored(after):
            ignored.append((before, after))
        elif scrub(before.outputs, rules) == scrub(after.outputs, rules):
            equal.append((before, after))
        else:
            unequal.append(after)
    for before, after in equal if unequal else equal + ignored:
        after.outputs = before.outputs or after.outputs


def is_ignored(cell: NotebookNode) -> bool:
    """May its output differ from run to run?"""
    return "nbval-ignore-output" in cell.metadata.get("tags", [])


def scrub(value: Any, rules: Rules) -> Any:
    """An output with everything replaced that may differ from run to run, as nbval does it."""
    if isinstance(value, str):
        for pattern, replacement in rules:
            value = re.sub(pattern, replacement, value)
        return value
    if isinstance(value, list):
        return [scrub(item, rules) for item in value]
    if isinstance(value, dict):
        return {key: scrub(item, rules) for key, item in value.items()}
    return value


def read_rules(path: Path = RULES) -> Rules:
    """The pairs of pattern and replacement in nbval's sanitising file."""
    text = path.read_text(encoding="utf-8")
    return re.findall(r"^regex: (.*)$\n^replace: (.*)$", text, flags=re.MULTILINE)


def replace(path: Path, text: str) -> None:
    """Write the file completely or not at all."""
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        part.write_text(text, encoding="utf-8")
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


if __name__ == "__main__":
    sys.exit(main())
