"""Charts: bars with keys, curves, words that stay text."""

import xml.etree.ElementTree as ElementTree

import pytest

import dlgraph as dg
from dlgraph.draw.chart import Bar, Chart, Curve, render, ticks_of
from dlgraph.draw.memory import ChartFigure
from dlgraph.draw.timing import timing

HOSTILE = '</script><img src=x onerror=alert(1)>"]]>\u202e'


def chart(label="relu"):
    bars = (
        Bar("m0", label, 0, 2, "forward", "6 KiB", (label, "kept for the gradient")),
        Bar("m1", "d_relu", 2, 3, "gradient", "1 KiB", ("d_relu",)),
    )
    curves = (Curve("without reuse", (1.0, 2.0, 3.0), "naive"), Curve("planned", (1, 2, 1)))
    return Chart("Who?", "step", 3, ticks_of(3), bars, curves, "3 KiB", (2, "backward begins"))


def drawn(one):
    return ElementTree.fromstring(render(one, "a sentence", "words"))


def groups(root):
    return [e for e in root.iter() if e.get("data-key")]


def stretch(group):
    return next(e for e in group if (e.get("data-c") or "").startswith("stretch"))


def test_every_bar_is_a_group_with_its_key():
    assert [g.get("data-key") for g in groups(drawn(chart()))] == ["m0", "m1"]


def test_lengths_of_bars_are_in_proportion():
    first, second = (stretch(g) for g in groups(drawn(chart())))
    assert float(first.get("width")) == pytest.approx(2 * float(second.get("width")), abs=0.2)
    end = float(first.get("x")) + float(first.get("width"))
    assert end == pytest.approx(float(second.get("x")), abs=0.2)


def test_the_same_chart_is_the_same_text():
    assert render(chart(), "s", "d") == render(chart(), "s", "d")


def test_hostile_names_stay_text():
    figure = ChartFigure(chart(HOSTILE), "words")
    ElementTree.fromstring(figure.svg)
    page = figure._repr_mimebundle_()["text/html"]
    assert "<img src=x" not in page
    assert page.count("</script>") == 1
    assert "\u202e" not in page


def test_no_text_is_smaller_than_eleven_pixels():
    sizes = {float(e.get("font-size")) for e in drawn(chart()).iter() if e.get("font-size")}
    assert min(sizes) >= 11


def test_empty_charts_are_drawn_too():
    root = drawn(Chart("", "step", 0, (), ()))
    assert float(root.get("height")) > 0


@pytest.mark.parametrize("extent", [0, 1, 7, 49, 50, 999, 100_000])
def test_ticks_are_few_and_inside(extent):
    ticks = ticks_of(extent)
    assert ticks[0][0] == 0
    assert len(ticks) <= 12
    assert ticks[-1][0] <= max(extent, 1)


def test_the_filled_part_of_a_bar_is_its_share():
    bar = Bar("t0", "matmul", 0, 2, "forward", "", ("matmul",), 0.25)
    root = ElementTree.fromstring(render(Chart("", "s", 2, (), (bar,)), "", ""))
    whole, part = (
        float(one.get("width"))
        for one in root.iter("{http://www.w3.org/2000/svg}rect")
        if one.get("rx") == "2"
    )
    assert part == pytest.approx(whole / 4, abs=0.1)


def test_a_legend_says_what_the_bars_are_where_there_is_more_than_one_kind():
    bars = [
        Bar("m0", "relu", 0, 2, "forward", "", ("relu",)),
        Bar("m1", "mul", 1, 3, "gradient", "", ("mul",)),
    ]
    both, one = (render(Chart("", "step", 3, (), tuple(some)), "", "") for some in (bars, bars[:1]))
    assert ">backward</text>" in both and ">forward</text>" in both
    assert ">forward</text>" not in one
    assert float(ElementTree.fromstring(both).get("height")) < 150


def test_the_steps_of_a_profile_are_told_apart_by_their_role():
    with dg.Graph().as_default() as graph:
        w = dg.Parameter([1.0, 2.0], name="w")
        step = dg.optim.SGD([w], lr=0.1).minimize(dg.sum(dg.sin(w) * w))
    session = dg.Session(graph)
    session.run(graph.startup)
    chart = timing(session.program([step]).profile(runs=1)).chart
    assert {bar.style for bar in chart.bars} == {"forward", "gradient", "update"}
