"""Write the golden files anew: `python -m tests.draw.write_golden`.

Do this only when a change of the layout is wanted, look at the pictures before and after, and
keep the JavaScript twin in step: it is compared with the same files.
"""

from __future__ import annotations

import json
from pathlib import Path

from dlgraph.draw.layout import lay_out
from dlgraph.draw.model import Picture
from tests.draw.examples import EXAMPLES

FOLDER = Path(__file__).parent / "golden"


def golden_text(picture: Picture) -> str:
    """Picture and layout as JSON, one row per line so that a difference can be read."""
    whole = {"picture": picture.to_json(), "layout": lay_out(picture).to_json()}
    parts = [
        f"{json.dumps(name)}: {{\n" + ",\n".join(_entry(key, part[key]) for key in part) + "\n}"
        for name, part in whole.items()
    ]
    return "{\n" + ",\n".join(parts) + "\n}\n"


def _entry(key: str, value: object) -> str:
    if isinstance(value, list) and value and isinstance(value[0], list):
        rows = ",\n".join(json.dumps(row, ensure_ascii=False) for row in value)
        return f"{json.dumps(key)}: [\n{rows}\n]"
    return f"{json.dumps(key)}: {json.dumps(value, ensure_ascii=False)}"


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for name, example in EXAMPLES.items():
        (FOLDER / f"{name}.json").write_text(golden_text(example()), encoding="utf-8")
