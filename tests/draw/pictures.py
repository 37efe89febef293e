"""Random pictures, for what must hold of all of them."""

from __future__ import annotations

from hypothesis import strategies as st

from dlgraph.draw.model import Edge, Picture, PictureNode


@st.composite
def pictures(draw):
    """Random graphs, recorded or with a backward half."""
    count = draw(st.integers(1, 25))
    labels = st.sampled_from(["add", "multiply", "softmax_cross_entropy", "重み", "x" * 60])
    scopes = draw(st.sampled_from([[""], ["", "a", "b"], ["a", "a/0", "a/1", "a/1/x", "b"]]))
    nodes, edges = [], []
    for i in range(count):
        sources = draw(st.lists(st.integers(0, i - 1), max_size=3)) if i else []
        leaf = st.sampled_from(["input", "parameter", "constant"])
        kind = "elementwise" if sources else draw(leaf)
        nodes.append(
            PictureNode(
                i,
                draw(labels),
                kind,
                value=draw(st.sampled_from([None, "1", "0.25"])),
                shape=draw(st.sampled_from(["", "64 × 784"])),
                needs_gradient=draw(st.booleans()),
                scope=draw(st.sampled_from(scopes)),
            )
        )
        edges += [Edge(source, i, slot) for slot, source in enumerate(sources)]
    if draw(st.booleans()):
        _add_backward(nodes, edges, draw)
    kept = st.tuples(st.integers(0, count - 1), st.integers(0, count - 1))
    saved = tuple(draw(st.lists(kept, max_size=6)))
    return Picture(tuple(nodes), tuple(edges), outputs=(count - 1,), saved=saved)


def _add_backward(nodes, edges, draw):
    """Backward nodes for some of the forward ones, latest first, with edges of any kind."""
    count = len(nodes)
    for twin in sorted(draw(st.sets(st.integers(0, count - 1), max_size=8)), reverse=True):
        place = len(nodes)
        role = "update" if nodes[twin].kind == "parameter" else "backward"
        given_twin = twin if draw(st.integers(0, 5)) else None
        nodes.append(PictureNode(place, "add", role=role, twin=given_twin))
        sources = draw(st.lists(st.integers(0, place - 1), max_size=3))
        edges += [Edge(source, place, slot) for slot, source in enumerate(sources)]
