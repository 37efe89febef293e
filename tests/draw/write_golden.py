"""Write the golden files anew: `python -m tests.draw.write_golden`.

Do this only when a change of the layout is wanted, look at the pictures before and after, and
keep the JavaScript twin in step: it is compared with the same files (test_javascript_layout.py).
"""

from __future__ import annotations

import json
from pathlib import Path

from dlgraph.draw.layout import lay_out
from dlgraph.draw.model import Picture
from dlgraph.draw.scene import build_scene
from tests.draw.examples import EXAMPLES

FOLDER = Path(__file__).parent / "golden"
# The states of a figure that are kept: which groups are open (None: as at first sight), and
# whether the values kept for the backward pass are drawn.
VIEWS = {"layout": (None, False), "closed": ((), False), "opened": (range(10_000), True)}


def golden_text(picture: Picture) -> str:
    """Picture, scene and layouts as JSON, one row per line so that a difference can be read.

    A picture without groups looks the same at first sight and with all of them closed: one layout.
    """
    scene = build_scene(picture)
    whole = {"picture": picture.to_json(), "scene": scene.to_json()}
    for name, (opened, saved) in VIEWS.items():
        if scene.groups or name != "closed":
            whole[name] = lay_out(picture, opened, saved).to_json()
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
