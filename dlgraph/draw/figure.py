"""Figure: what `dg.draw` returns.  A picture in a notebook, a sentence in a terminal, a file."""

from __future__ import annotations

import os
from functools import cached_property
from pathlib import Path
from typing import Any

from dlgraph.draw import describe, page, svg
from dlgraph.draw.collapse import visible
from dlgraph.draw.collecting import no_collection
from dlgraph.draw.colouring import KIND, Colouring, Sizes, coloured, ends, make_room
from dlgraph.draw.layout import Layout, place
from dlgraph.draw.measures import Measure
from dlgraph.draw.model import Picture
from dlgraph.draw.payload import payload_of
from dlgraph.draw.scene import build_scene
from dlgraph.draw.scene_parts import Scene
from dlgraph.errors import OperationError
from dlgraph.io.atomic import as_path, write_whole

SHOWN_LIMIT = 2_000  # boxes; a larger figure in a cell freezes the notebook
PLAIN = {"input", "parameter", "constant", "operation", "backward"}  # kinds that need no legend
PLAIN_LIMIT = 30  # boxes of a figure without one
SVG_LIMIT = 500  # boxes of a figure that needs no canvas; as in frontend/src/figure/large.js


class Figure:
    """A drawn graph.  Two figures of the same picture are the same text, byte for byte.

    In a notebook it shows itself: as HTML with the image inside (no script, no link, safe in a
    notebook that is not trusted), as SVG, or as a sentence, whichever the place can show.  A figure
    of more than 2,000 boxes is not shown but can be saved.

    >>> from dlgraph.draw.figure import Figure
    >>> from dlgraph.draw.model import Edge, Picture, PictureNode
    >>> a = PictureNode(0, "a", "input", name="a", value="3")
    >>> y = PictureNode(1, "square", name="y", value="9", formula="a²")
    >>> figure = Figure(Picture((a, y), (Edge(0, 1),), outputs=(1,)))
    >>> figure
    y = square(a) -> 9
    >>> sorted(figure._repr_mimebundle_())
    ['image/svg+xml', 'text/html', 'text/plain']
    """

    def __init__(
        self,
        picture: Picture,
        measures: dict[str, Measure] | None = None,
        colouring: Colouring | None = None,
    ):
        self.picture = picture
        self.measures = measures or {}
        self.colouring = colouring

    @cached_property
    def layout(self) -> Layout:
        """Places of all boxes and lines."""
        return place(visible(self.scene))

    @cached_property
    def svg(self) -> str:
        """The figure as SVG text, with its own background, fit to stand alone in a file."""
        return self._render(self.describe())

    def describe(self) -> str:
        """The figure in words, one line per box: for those who cannot see it."""
        return describe.describe(str(self), coloured(self.layout, self._sizes, beside=True)[0])

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the figure to a file that ends in `.svg`; returns its path.

        The file is complete or, if anything goes wrong, as it was before.  Raises OperationError
        for another ending or what is no path, and DataError where the folder cannot be written to.

        >>> import pathlib, tempfile
        >>> from dlgraph.draw.figure import Figure
        >>> from dlgraph.draw.model import Picture, PictureNode
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     file = pathlib.Path(folder, "a.svg")
        ...     Figure(Picture((PictureNode(0, "a", "input"),))).save(file).name
        'a.svg'
        """
        target = as_path("save", path, "figure.svg")
        if target.suffix.lower() != ".svg":
            raise OperationError(
                f"a figure cannot be saved as {target.name!r}: only .svg files are written",
                hint=f"save it as {target.stem + '.svg'!r}; browsers and editors turn that into "
                "PNG or PDF",
            )
        write_whole(target, self.svg.encode())
        return target

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        with no_collection():
            boxes = len(self.layout.boxes)
            if boxes > SHOWN_LIMIT:
                words = f"{self}\n({boxes:,} boxes: too many to show here; .save(path) writes them)"
                return {"text/plain": words}
            return {
                "text/html": self._html(),
                "image/svg+xml": self.svg,
                "text/plain": str(self),
            }

    @cached_property
    def scene(self) -> Scene:
        """All boxes with their texts, before anything is closed or placed."""
        scene = build_scene(self.picture)
        if self.colouring is not None:
            make_room(scene, [*self.measures.values(), self.colouring.sizes(scene)])
        return scene

    @cached_property
    def _sizes(self) -> Sizes:
        """What the boxes are coloured by at the start; nothing where that is their kind."""
        return self.colouring.sizes(self.scene) if self.colouring is not None else {}

    def _render(self, description: str, legend: bool = True) -> str:
        layout, fills = coloured(self.layout, self._sizes)
        scale = ends(self._sizes)
        words, title = str(self), self.picture.title
        return svg.render(
            layout, title, words, description, legend=legend, fills=fills, scale=scale
        )

    def _html(self) -> str:
        words, bundle = str(self), self._bundle()
        picture = self._render("", legend=bundle != "figure")
        scene = self.scene if self.scene.groups else None
        # The lines of what is kept for the backward pass go along; they are shown on demand.
        whole = place(visible(self.scene), saved=True) if self.scene.saved else self.layout
        payload = payload_of(self.picture, whole, scene)
        if self.measures and bundle != "figure":
            payload["measures"] = self.measures
        if self.colouring is not None and self.colouring.name != KIND:
            name = self.colouring.name
            payload["measures"] = {**self.measures, name: self._sizes}
            payload["colour"] = name
        return page.html(payload, bundle=bundle, svg=picture, text=words)

    def _bundle(self) -> str:
        """The shortest script that can do all that this picture asks for."""
        boxes = [placed.box for placed in self.layout.boxes]
        if self.scene.groups or len(boxes) > SVG_LIMIT:
            return "figure_large"
        plain = all(box.style in PLAIN and not box.ports for box in boxes)
        small = plain and len(boxes) <= PLAIN_LIMIT and self.colouring is None
        return "figure" if small else "figure_kinds"

    @cached_property
    def _sentence(self) -> str:
        return describe.sentence(self.picture)

    def __str__(self) -> str:
        return self._sentence

    def __repr__(self) -> str:
        return str(self)
