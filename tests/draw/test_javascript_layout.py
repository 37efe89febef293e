"""The layout in JavaScript gives what the one in Python gives, number for number.

Needs Node; without it the tests are skipped and say so.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dlgraph.draw import layout, ordering
from dlgraph.draw.layout import lay_out
from dlgraph.draw.scene import build_scene
from tests.draw.examples import Builder
from tests.draw.pictures import pictures
from tests.draw.write_golden import FOLDER, VIEWS

SERVER = Path(__file__).with_name("layout_server.mjs")
NODE = shutil.which("node")
pytestmark = pytest.mark.skipif(NODE is None, reason="Node is not installed: nothing to compare")


class Server:
    """A Node process that lays out one scene per line, from the modules or from the bundle."""

    def __init__(self, *arguments):
        self.process = subprocess.Popen(
            [NODE, str(SERVER), *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            encoding="utf-8",
        )

    def __call__(self, scene, opened=None, saved=False):
        job = {"scene": scene, "open": opened and list(opened), "saved": saved}
        if opened is not None:
            job["open"] = list(opened)
        self.process.stdin.write(json.dumps(job) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def close(self):
        self.process.stdin.close()
        self.process.wait(10)


@pytest.fixture(scope="module", params=["modules", "joined"])
def server(request, tmp_path_factory):
    """The layout as its modules stand, and as a script in the form in which figures carry it."""
    script = []
    if request.param == "joined":
        pytest.importorskip("minify", reason="tdewolff-minify is not installed")
        pytest.importorskip("zopfli", reason="zopfli is not installed")
        from tools.build_frontend import bundle

        path = tmp_path_factory.mktemp("script") / "layout.js"
        path.write_text(bundle("layout/index.js"), encoding="utf-8")
        script = [str(path)]
    found = Server(*script)
    yield found
    found.close()


def as_python(found):
    """What JavaScript gave, in the form of `Layout.to_json`."""
    fields = [*FIELDS, "x", "y", "group", "inside"]
    return {
        "format": "dlgraph-layout",
        "version": 1,
        "size": [found["width"], found["height"]],
        "axis": found["axis"],
        "badges": found["badges"],
        "fields": fields,
        "boxes": [[box[field] for field in fields] for box in found["boxes"]],
        "lines": [
            [line["style"], line["source"], line["target"], line["points"]]
            for line in found["lines"]
        ],
    }


FIELDS = build_scene(Builder().picture()).to_json()["fields"]


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.json")), ids=lambda path: path.stem)
def test_golden_layouts(server, path):
    stored = json.loads(path.read_text(encoding="utf-8"))
    for view in VIEWS.keys() & stored.keys():
        assert as_python(server(stored["scene"], *VIEWS[view])) == stored[view]


@settings(max_examples=150, deadline=None)
@given(picture=pictures(), data=st.data())
def test_random_graphs(server, picture, data):
    scene = build_scene(picture).to_json()
    groups = len(scene["groups"])
    opened = data.draw(st.none() | st.sets(st.integers(0, groups - 1))) if groups else None
    saved = data.draw(st.sampled_from([False, True, "f0", "b0"]))
    assert as_python(server(scene, opened, saved)) == plain(lay_out(picture, opened, saved))


def test_line_past_too_many_rows_becomes_a_badge(server, monkeypatch):
    b = Builder()
    h = first = b.add("x", "input", name="x")
    for step in range(layout.DUMMY_LIMIT // 4 + 2):
        h = b.add(f"step {step % 7}", inputs=[h])
    parts = [first, *(b.add("add", inputs=[h, first]) for _ in range(5))]
    b.add("concatenate", inputs=parts)
    picture = b.picture()
    opened = range(len(build_scene(picture).groups))
    there = as_python(server(build_scene(picture).to_json(), opened))
    assert there == plain(lay_out(picture, opened))
    badges = [row[FIELDS.index("badges")] for row in there["boxes"]]
    assert any(badges)


def test_search_that_is_cut_short_by_its_count_of_steps(server):
    b = Builder()
    sources = [b.add("x", "input") for _ in range(60)]
    for _ in range(6):
        sources = [
            b.add(f"op{i}", inputs=[sources[(7 * i + k * k) % 60] for k in range(5)])
            for i in range(60)
        ]
    picture = b.picture()
    opened = range(len(build_scene(picture).groups))
    assert as_python(server(build_scene(picture).to_json(), opened)) == plain(
        lay_out(picture, opened)
    )
    assert ordering.WORK_LIMIT == 1_000_000


def test_deadline_in_the_past_still_gives_a_whole_picture(server):
    scene = json.loads((FOLDER / "training_mlp.json").read_text(encoding="utf-8"))["scene"]
    server.process.stdin.write(json.dumps({"scene": scene, "deadline": 0}) + "\n")
    server.process.stdin.flush()
    found = json.loads(server.process.stdout.readline())
    assert len(found["boxes"]) == len(scene["boxes"]) + sum(map(bool, scene["images"]))
    assert all(len(line["points"]) > 1 for line in found["lines"])


def plain(found):
    return json.loads(json.dumps(found.to_json()))
