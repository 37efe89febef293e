"""Names from outside, in every figure and every form of it: they hide nothing and end nothing."""

from __future__ import annotations

import json
import re
from xml.etree import ElementTree

import pytest

import dlgraph as dg
from tests.draw.test_svg import HOSTILE

# What turns the direction of text around, and what no file can hold.
HIDDEN = re.compile("[\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def figures(words):
    a = dg.Tensor(4.0, requires_grad=True, name=words)
    y = dg.exp(a) * 2
    y.backward(retain_graph=True)
    yield dg.draw(y, title=words)
    yield dg.step(y)
    yield dg.view([1.0, 2.0], title=words)
    widget = pytest.importorskip("dlgraph.widgets.exploration").Exploration(y)
    yield widget.figure()


@pytest.mark.parametrize("words", [*HOSTILE, "a\u2066b\u2069"])
def test_names_are_harmless_in_all_forms(words):
    for figure in figures(words):
        bundle = figure._repr_mimebundle_()
        for form in (*bundle.values(), figure.describe(), str(figure)):
            assert not HIDDEN.search(form), type(figure).__name__
            json.dumps(form).encode()
        ElementTree.fromstring(bundle["image/svg+xml"])
        assert bundle["text/html"].count("</script>") == 1
