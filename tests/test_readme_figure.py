"""The picture in README is what `dg.draw` draws today."""

import dlgraph as dg
from tools.normalise_notebooks import ROOT


def test_the_figure_is_current():
    a = dg.Tensor(4.0, requires_grad=True, name="a")
    b = dg.Tensor(5.0, requires_grad=True, name="b")
    y = 2 * a + 3 * b
    y.backward()
    stored = (ROOT / "docs" / "formula.svg").read_text(encoding="utf-8")
    assert stored == dg.draw(y).svg, 'rewrite it: dg.draw(y).save("docs/formula.svg")'
