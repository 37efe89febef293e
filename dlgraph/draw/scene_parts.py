"""What a scene consists of: boxes, their mirror images, links, and groups that can be closed.

A scene is what is left of a picture when all texts are chosen and measured: the layout needs
nothing else, in Python or in JavaScript.  Read next: scene.py, which makes it.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any, NamedTuple

from dlgraph.draw.boxes import Box


class Group(NamedTuple):
    """A scope, or the repeats of a block: drawn as one box per half while it is closed."""

    box: Box
    image: Box | None
    parent: int  # the group around it, -1 if there is none
    folded: bool  # blocks like the one before it: not opened at first sight


class Link(NamedTuple):
    """A forward edge between boxes, by number.  `copies` edges run side by side (x * x has two)."""

    source: int
    target: int
    slot: int
    copies: int
    flows: bool  # does a gradient come back along it?
    ports: tuple[str, ...] = ()  # where each copy leaves its source, if that has ports


@dataclass
class Scene:
    """Boxes of the forward half, and under the same number their mirror images."""

    boxes: list[Box] = field(default_factory=list)
    images: list[Box | None] = field(default_factory=list)
    links: list[Link] = field(default_factory=list)
    light: list[bool] = field(default_factory=list)
    turns: list[int] = field(default_factory=list)  # where forward ends and backward begins
    mirrored: bool = False
    badges: str = ""  # what the badges of this picture stand for
    saved: list[tuple[int, int]] = field(default_factory=list)  # (value, gradient that reads it)
    groups: list[Group] = field(default_factory=list)  # outer ones before inner ones
    inside: list[int] = field(default_factory=list)  # per box: the innermost group, or -1
    opened: list[int] = field(default_factory=list)  # groups that are open at first sight
    closed: list[int] = field(default_factory=list)  # in a view: the group a box stands for, or -1

    def to_json(self) -> dict[str, Any]:
        """Plain lists: what the JavaScript twin of the layout starts from."""
        return {
            "format": "dlgraph-scene",
            "version": 1,
            "mirrored": self.mirrored,
            "badges": self.badges,
            "fields": [field.name for field in fields(Box)],
            "boxes": [box.to_json() for box in self.boxes],
            "images": [image and image.to_json() for image in self.images],
            "light": [number for number, light in enumerate(self.light) if light],
            "links": [[*link[:4], int(link.flows), list(link.ports)] for link in self.links],
            "turns": self.turns,
            "saved": [list(pair) for pair in self.saved],
            "groups": [
                [group.box.to_json(), group.image and group.image.to_json(), *group[2:]]
                for group in self.groups
            ],
            "inside": self.inside,
            "opened": self.opened,
        }
