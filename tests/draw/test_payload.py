"""The data of a figure: complete, short, the same in every run, and harmless inside a script."""

from __future__ import annotations

import json

import pytest

from dlgraph.draw.layout import lay_out
from dlgraph.draw.payload import dumps, pack, pack_scene, payload_of
from dlgraph.draw.scene import build_scene
from tests.draw.examples import EXAMPLES, two_a_plus_three_b
from tests.draw.test_svg import HOSTILE, hostile_picture

BOX = ["key", "style", "x", "y", "width", "height", "label", "tag", "detail", "badges", "ports"]


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_packed_layout_says_the_same(name):
    layout = lay_out(EXAMPLES[name]())
    width, height, axis, badges, styles, boxes, lines = json.loads(json.dumps(pack(layout)))
    assert (width, height, axis, badges) == (
        layout.width,
        layout.height,
        layout.axis,
        layout.badges,
    )
    for row, placed in zip(boxes, layout.boxes, strict=True):
        found = dict(zip(BOX, row, strict=False))
        box = placed.box
        assert (found["key"], styles[found["style"]]) == (box.key, box.style)
        assert [found["x"], found["y"]] == [placed.x, placed.y]
        assert (found["label"], found.get("tag", "")) == (box.label, box.tag)
        assert found.get("detail", "") == box.detail
        assert list(found.get("badges") or []) == list(box.badges)
        assert list(found.get("ports") or []) == list(box.ports)
    keys = [row[0] for row in boxes]
    for (style, source, target, *corners), line in zip(lines, layout.lines, strict=True):
        assert (styles[style], keys[source], keys[target]) == line[:3]
        assert list(zip(corners[::2], corners[1::2], strict=True)) == line.points


def test_facts_hold_what_is_known_of_a_node():
    picture = two_a_plus_three_b()
    payload = payload_of(picture, lay_out(picture))
    operation, name, formula, _, value, gradient, shape, dtype, scope, line = payload["facts"]["6"]
    assert (operation, name, formula, value, gradient) == ("add", "y", "2·a + 3·b", "23", "1")
    assert (shape, scope) == ("", "")
    assert payload["words"][dtype] == "float32"
    assert payload["words"][line] == "cell [1], line 3:  y = 2 * a + 3 * b"


def test_a_gradient_that_is_not_there_is_said():
    payload = payload_of(two_a_plus_three_b(backward=False))
    assert payload["words"][payload["facts"]["1"][5]] == "not computed yet"
    assert len(payload["facts"]["0"]) <= 8  # a constant has none to be computed


@pytest.mark.parametrize("words", HOSTILE)
def test_nothing_in_the_data_ends_the_script(words):
    picture = hostile_picture(words)
    text = dumps(payload_of(picture, lay_out(picture)))
    assert not set("<>&\u2028\u2029\n") & set(text)
    read = json.loads(text)
    assert all(len(str(fact)) <= 200 for row in read["facts"].values() for fact in row)
    assert "\u202e" not in text and "\x00" not in text


def test_same_picture_same_bytes():
    texts = {dumps(payload_of(p, lay_out(p))) for p in (two_a_plus_three_b() for _ in range(3))}
    assert len(texts) == 1


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_packed_scene_says_the_same(name):
    scene = build_scene(EXAMPLES[name]())
    short = json.loads(json.dumps(pack_scene(scene)))
    names = [
        "key",
        "style",
        "width",
        "height",
        "label",
        "detail",
        "tag",
        "muted",
        "badges",
        "ports",
    ]

    def long(row, front=None):
        if not row:
            return None
        found = dict(zip(names, row, strict=False))
        lists = {name: found.get(name) or [] for name in ("badges", "ports")}
        key = found["key"] or f"b{front[0][1:]}"
        return {
            **{"detail": "", "tag": "", **found, **lists, "key": key},
            "style": short["styles"][found["style"]],
            "muted": bool(found.get("muted")),
        }

    def plain(box):
        if box is None:
            return None
        return {
            name: list(v) if isinstance(v := getattr(box, name), tuple) else v for name in names
        }

    assert [long(row) for row in short["boxes"]] == list(map(plain, scene.boxes))
    pairs = zip(short["images"], short["boxes"], strict=True)
    assert [long(row, front) for row, front in pairs] == list(map(plain, scene.images))
    whole = scene.to_json()
    for name in ("mirrored", "badges", "light", "turns", "saved", "inside", "opened"):
        assert short[name] == json.loads(json.dumps(whole[name]))
    assert [[*link[:5], link[5:]] for link in short["links"]] == whole["links"]
