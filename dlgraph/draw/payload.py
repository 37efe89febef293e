"""The data of a live figure, as short as it can be and the same in every run.

The picture travels to the browser as a finished layout, which is drawn at once.  Where there is
more to see than that, the scene goes along, from which `frontend/src/layout` makes other layouts
when scopes are opened and closed.  Beside it stand the facts of every node for the details panel.
Read next: page.py, and frontend/src/core/unpack.js, which reads this.
"""

from __future__ import annotations

import json
from typing import Any

from dlgraph.draw.boxes import Box
from dlgraph.draw.layout import Layout
from dlgraph.draw.model import LEAVES, Picture, PictureNode
from dlgraph.draw.scene_parts import Scene
from dlgraph.draw.text import clean, harmless
from dlgraph.draw.wording import MISSING

TEXT_LIMIT = 200  # characters of one fact
LINE_LIMIT = 120  # characters of the user's line

Json = dict[str, Any]


def payload_of(
    picture: Picture, layout: Layout | None = None, scene: Scene | None = None, **more: Any
) -> Json:
    """Everything that `mount` in frontend/src/core/index.js takes.

    `layout` is what is seen first, finished; `scene` is needed where scopes open and close.  What
    stands in `more` is added as it is: a figure of another kind sends its steps in that way.

    >>> from dlgraph.draw.layout import lay_out
    >>> from dlgraph.draw.model import LEAVES, Picture, PictureNode
    >>> from dlgraph.draw.payload import payload_of
    >>> picture = Picture((PictureNode(0, "a", "input", name="a", value="4"),))
    >>> payload_of(picture, lay_out(picture))["facts"]
    {'0': ['', 'a', '', '', '4']}
    """
    words: dict[str, int] = {}
    nodes = picture.nodes
    if layout is not None and scene is None:  # a constant that is a badge is never asked about
        shown = {placed.box.key[1:] for placed in layout.boxes}
        nodes = tuple(node for node in nodes if str(node.id) in shown)
    # Of what failed there is no formula and no value, only its words (the title of its box).
    facts = {str(node.id): _facts(node, words) for node in nodes if node.kind != "failed"}
    found: Json = {"title": clean(picture.title)} if picture.title else {}
    found |= {"facts": facts, "words": list(words)}
    if layout is not None:
        found["layout"] = pack(layout)
    if scene is not None:
        found["scene"] = pack_scene(scene)
    return found | more


def pack(layout: Layout) -> list[Any]:
    """A finished layout in rows: what a box does not have is left out at the end of its row.

    `[width, height, axis, badges, styles, boxes, lines]`; a box is `[key, style, x, y, width,
    height, label, tag, detail, badges, ports, muted, title, group, inside]`, a line `[style,
    source, target, x, y, x, y, ...]`, styles and boxes by number.
    """
    styles: dict[str, int] = {}
    boxes = [_box(placed, styles) for placed in layout.boxes]
    number = {placed.box.key: place for place, placed in enumerate(layout.boxes)}
    lines = [
        [
            styles.setdefault(line.style, len(styles)),
            number[line.source],
            number[line.target],
            *(_short(value) for point in line.points for value in point),
        ]
        for line in layout.lines
    ]
    size = [_short(layout.width), _short(layout.height)]
    axis = None if layout.axis is None else _short(layout.axis)
    return [*size, axis, layout.badges, list(styles), boxes, lines]


def pack_scene(scene: Scene) -> Json:
    """A scene in rows: what `Scene.to_json()` says, without what can be left out.

    A box is `[key, style, width, height, label, detail, tag, muted, badges, ports, title]`, its
    image the same with an empty key; `unpackScene` of frontend/src/figure/scenes.js reads it.
    """
    styles: dict[str, int] = {}

    def row(box: Box | None) -> list[Any] | int:
        if box is None:
            return 0
        group = box.key[1] == "g"
        key = box.key if box.key[0] == "f" else ""
        own = not key or box.style == "failed"
        title = box.title if group or (own and "\n" in box.title) else ""
        size = [styles.setdefault(box.style, len(styles)), box.width, box.height]
        texts = [box.detail, box.tag, int(box.muted) or "", list(box.badges) or ""]
        return _trimmed([key, *size, box.label, *texts, list(box.ports) or "", title])

    return {
        "mirrored": scene.mirrored,
        "badges": scene.badges,
        "boxes": list(map(row, scene.boxes)),
        "images": list(map(row, scene.images)),
        "light": [number for number, light in enumerate(scene.light) if light],
        "links": [
            [link.source, link.target, link.slot, link.copies, int(link.flows), *link.ports]
            for link in scene.links
        ],
        "turns": scene.turns,
        "saved": scene.saved,
        "groups": [[row(one.box), row(one.image), one.parent, one.folded] for one in scene.groups],
        "inside": scene.inside,
        "opened": scene.opened,
        "styles": list(styles),
    }


def _box(placed: Any, styles: dict[str, int]) -> list[Any]:
    box = placed.box
    style = styles.setdefault(box.style, len(styles))
    # The title of a forward box says what the facts say; a gradient needs its own, a failure too.
    own = box.key[0] == "b" or box.style == "failed"
    title = box.title if own and "\n" in box.title else ""
    row = [box.key, style, _short(placed.x), _short(placed.y), box.width, box.height, box.label]
    more = [box.tag, box.detail, list(box.badges), list(box.ports), int(box.muted), title]
    scopes = [] if placed.group == placed.inside == -1 else [placed.group, placed.inside]
    return row + _trimmed([*(one or "" for one in more), *scopes])


def _facts(node: PictureNode, words: dict[str, int]) -> list[Any]:
    """The columns of frontend/src/core/panel.js; what many nodes share stands in `words` once."""
    gradient: Any = clean(node.gradient or "", TEXT_LIMIT)
    if node.gradient is None and node.needs_gradient:
        gradient = words.setdefault(MISSING, len(words))
    shared = (clean(node.dtype), clean(node.scope), clean(node.where or "", LINE_LIMIT))
    dtype, scope, line = (word and words.setdefault(word, len(words)) for word in shared)
    row = [
        "" if node.kind in LEAVES else node.label,
        node.name,
        node.formula,
        node.numbers,
        node.value or "",
    ]
    known = [one and clean(one, TEXT_LIMIT) for one in row]
    return _trimmed([*known, gradient, clean(node.shape, TEXT_LIMIT), dtype, scope, line])


def _trimmed(row: list[Any]) -> list[Any]:
    """Without what is empty at its end."""
    length = len(row)
    while length and row[length - 1] == "":
        length -= 1
    return row[:length]


def _short(value: float) -> float | int:
    """A whole number without its `.0`."""
    return int(value) if value == int(value) else value


def dumps(data: Any) -> str:
    """JSON that may stand inside a script: nothing in it can end the script or a line, or hides.

    >>> from dlgraph.draw.payload import dumps
    >>> dumps(["</script>", "a & b"])
    '["\\\\u003c/script\\\\u003e","a \\\\u0026 b"]'
    """
    text = harmless(json.dumps(data, ensure_ascii=False, separators=(",", ":"), sort_keys=False))
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text
