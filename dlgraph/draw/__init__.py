"""Pictures of graphs: `draw(y)`.

A static figure in SVG, laid out by this package: forward graph left, gradients mirrored right.
The way of the data, which is also the order in which to read the files:

    from_graph.py   engine object -> Picture (model.py): plain data; formula.py, updates.py,
                    nested.py (loops, branches, calls), naming.py, saved.py (what is kept for
                    the backward pass); attempt.py for modules
    mirror.py       which gradient belongs to which forward node
    scene.py        Picture -> boxes with texts (wording.py, text.py) and badges; folding.py,
                    boxes.py, scene_parts.py; groups.py: scopes.py and repeats.py
    collapse.py     which scopes are open; what is in sight
    layout.py       boxes -> places: ranks, ordering, coordinates, routes, across; from
                    collapse.py on also in JavaScript, frontend/src/layout
    svg.py          places -> text; theme.py, shapes.py
    figure.py       what a notebook, a terminal and a screen reader get; describe.py; measures.py
                    and colouring.py for figures coloured by memory, gradient or time

`dg.step` starts at walk.py and ends in stepper.py, `dg.build` at events.py and in builder.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dlgraph.draw.figure import Figure

__all__ = ["draw"]


def draw(
    x: Any, *inputs: Any, title: str = "", profile: Any = None, colour: str | None = None
) -> Figure:
    """Draw a computation: values on the left, gradients as its mirror image on the right.

    `x` is a Tensor (the operations that made it, with their values, and the gradients once
    `backward()` has run; until then their boxes say "not computed yet"), a Graph, a Node of
    one (what it depends on), a Session (its graph), or what `session.program(y)` returns (just
    what runs).  A loop, a branch or a call of a traced function is one box; the inside of a
    function is drawn by `draw(function)`: the latest trace of a `dg.function`.

    A module or a function is drawn with `inputs`: it is called on nodes of their shapes, so
    nothing is computed.  Where that call fails, the graph up to there is drawn, with the failed
    operation and the edges into it marked, and the error is printed, not raised.

    A `Picture` (plain data, see `draw/model.py`) is drawn as it is.  With a `profile` (from
    `program.profile`) boxes can be coloured by their time.  The figure shows itself in a notebook;
    `.save("y.svg")` writes it and `.describe()` says it in words.

    With a `colour` the figure starts coloured, from pale (little) to strong (much), with the number
    in every box: `"gradient"` (Euclidean norm of the gradient, after `backward()`), `"memory"`
    (bytes of the value; of a program for the shapes that were fed), `"time"` (of the step, with a
    `profile`), or `"kind"` (as without it).  It can be searched, has a legend, can show shapes on
    its edges, and the colour can be changed.
    Without `colour` a small figure stays small, at most 15 KiB: it has no list of colours and no
    search.

    Raises OperationError for anything else, for a function that was not traced yet, for a
    `profile` that is none and for a `colour` of which nothing is known here, GraphError beyond
    100,000 nodes.

    >>> import dlgraph as dg
    >>> from dlgraph.draw import draw
    >>> a = dg.Tensor(4.0, requires_grad=True, name="a")
    >>> b = dg.Tensor(5.0, requires_grad=True, name="b")
    >>> y = 2 * a + 3 * b
    >>> draw(y)
    y = add(multiply(2, a), multiply(3, b)) -> 23; gradients: not computed yet
    >>> y.backward()
    >>> draw(y)
    y = add(multiply(2, a), multiply(3, b)) -> 23; gradients: a 2, b 3
    >>> print(draw(y, colour="gradient").describe().partition("\\n")[2].partition("backward")[0])
    forward:
      a = 4: gradient norm 2
      b = 5: gradient norm 3
      multiply [2]: 2·a = 8; gradient norm 1
      multiply [3]: 3·b = 15; gradient norm 1
      y add: 2·a + 3·b = 23; gradient norm 1
    <BLANKLINE>
    >>> draw(dg.nn.Linear(3, 2), dg.zeros((5, 3)))
    add(matmul(x, weight), bias)
    """
    # Imported here, so that `import dlgraph` does not pay for drawing.
    from dlgraph.core.where import user_frame
    from dlgraph.draw.attempt import attempt, require_callable
    from dlgraph.draw.collecting import no_collection
    from dlgraph.draw.colouring import colouring_of
    from dlgraph.draw.figure import Figure
    from dlgraph.draw.from_graph import graph_of, picture_of
    from dlgraph.draw.measures import check_profile, measures_of, sizes_of
    from dlgraph.draw.model import Picture

    check_profile(profile)
    if isinstance(x, Picture):
        return Figure(x, colouring=colouring_of(colour, None))
    frame = user_frame()
    if inputs:
        require_callable(x, inputs)
        made = attempt(x, inputs, title=title, frame=frame)
        if made.error is not None:
            print(made.error)
        measures = measures_of(made.graph, profile)
        return Figure(made.picture, measures, colouring_of(colour, made.graph, profile))
    with no_collection():
        graph = graph_of(x)
        picture = picture_of(x, title=title, frame=frame, graph=graph)
        sizes = sizes_of(x)
        measures = measures_of(graph, profile, sizes) if graph is not None else {}
        return Figure(picture, measures, colouring_of(colour, graph, profile, sizes))
